// A watchdog as the keeper drives it, and the reset that belongs to it. Only the keeper thread calls an opened device.
#pragma once

#include <cstdint>

namespace holdfast {

constexpr int kPathBytes = 256;
constexpr int kIdentityBytes = 33;  // struct watchdog_info has 32

// What the opened device says of itself. What a driver cannot tell is left 0.
struct DeviceInfo {
  char identity[kIdentityBytes];
  uint32_t firmware;
  uint32_t options;     // WDIOF_*; some drivers lie
  uint32_t status;      // WDIOC_GETSTATUS
  uint32_t bootStatus;  // as it was when the device was opened
  int32_t timeoutS;
  int32_t pretimeoutS;
  int32_t timeLeftS;
};

// All functions return 0 or an errno and allocate nothing.
class WatchdogDevice {
 public:
  virtual ~WatchdogDevice() = default;

  // Opens; pets nothing and sets nothing. ENOTTY: that is no watchdog.
  virtual int Open() = 0;
  virtual bool IsOpen() const = 0;
  virtual int Describe(DeviceInfo* info) = 0;
  // Sets the timeout, which pets, and reads back what the driver made of it.
  virtual int SetTimeout(int32_t* seconds) = 0;
  // The first pet: a write, since some drivers start only then.
  virtual int Start() = 0;
  virtual int Pet() = 0;
  // Magic close. The device may go on all the same (nowayout): look afterwards.
  virtual int Disarm() = 0;
  // Resets the machine at once. Returns only if that did not work, or has yet to take effect.
  virtual int RequestReset(const char* reason) = 0;
};

}  // namespace holdfast
