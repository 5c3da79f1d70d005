// A watchdog of a laboratory, reached over a socket. Its reset kills its laboratory's machine and nothing else.
#pragma once

#include "emulator_client.h"
#include "watchdog_device.h"

namespace holdfast {

class EmulatedDevice : public WatchdogDevice {
 public:
  explicit EmulatedDevice(const char* socket);

  int Open() override;
  bool IsOpen() const override { return open_; }
  int Describe(DeviceInfo* info) override;
  int SetTimeout(int32_t* seconds) override;
  int Start() override;
  int Pet() override;
  int Disarm() override;
  int RequestReset(const char* reason) override;

 private:
  char socket_[kPathBytes];
  EmulatorClient client_;
  bool open_ = false;
  uint32_t bootStatus_ = 0;
};

}  // namespace holdfast
