// The emulated watchdog itself: what a driver and its chip do, as a function of the time that it is told.
#pragma once

#include <cstdint>
#include <string>

#include "protocol.h"

namespace holdfast::emulator {

struct DeviceOptions {
  std::string identity = "Holdfast emulated watchdog";
  int timeoutS = 60;
  int minTimeoutS = 1;
  int maxTimeoutS = 65535;
  int timeoutStepS = 1;       // SETTIMEOUT rounds up to a multiple
  int kappa = 1;              // fires at kappa * timeout after the last pet
  bool armedOnWrite = false;  // open and SETTIMEOUT do not start it, as with ipmi_watchdog
  bool nowayout = false;
  bool magicClose = true;  // false: as a driver without WDIOF_MAGICCLOSE, stopped by every close
};

enum class Closing { kStopped, kMagic, kPetted, kIdle };

class Device {
 public:
  explicit Device(const DeviceOptions& options) : options_(options), timeoutS_(options.timeoutS) {}

  // Each returns 0 or an errno, as the system call would.
  int Open(int64_t nowNs);
  int Keepalive(int64_t nowNs);
  int Write(char byte, int64_t nowNs);
  int SetTimeout(int seconds, int64_t nowNs);
  Closing Close(int64_t nowNs);

  // When it will fire, CLOCK_BOOTTIME nanoseconds; 0: not counting.
  int64_t ExpiryNs() const { return active_ ? expiryNs_ : 0; }
  // Called once now >= ExpiryNs(): the counter wraps and goes on.
  void Expire(int64_t nowNs);
  // The machine was reset or lost its power: idle, closed, factory timeout.
  void PowerCycle(bool byExpiry);

  bool IsOpen() const { return open_; }
  bool IsActive() const { return active_; }
  State Describe(int64_t nowNs) const;

 private:
  void Start(int64_t nowNs);
  void Pet(int64_t nowNs);

  DeviceOptions options_;
  int timeoutS_;
  bool open_ = false;
  bool active_ = false;
  bool allowStop_ = false;
  int64_t expiryNs_ = 0;
  int64_t lastPetNs_ = 0;
  uint32_t bootStatus_ = 0;
  uint32_t opens_ = 0;
};

}  // namespace holdfast::emulator
