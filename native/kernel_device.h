// A watchdog of the kernel: /dev/watchdog*, with sysrq as its reset, and reboot(2) where no watchdog counts.
#pragma once

#include <sys/types.h>

#include "watchdog_device.h"

namespace holdfast {

class KernelDevice : public WatchdogDevice {
 public:
  explicit KernelDevice(const char* path);
  ~KernelDevice() override;
  KernelDevice(const KernelDevice&) = delete;
  KernelDevice& operator=(const KernelDevice&) = delete;

  int Open() override;
  bool IsOpen() const override { return fd_ >= 0; }
  int Describe(DeviceInfo* info) override;
  int SetTimeout(int32_t* seconds) override;
  int Start() override;
  int Pet() override;
  int Disarm() override;
  int RequestReset(const char* reason) override;

 private:
  int Verify();

  char path_[kPathBytes];
  int fd_ = -1;
  int sysrq_ = -1;
  // Set once the path was seen to be a watchdog; without it this machine is never reset.
  bool verified_ = false;
  dev_t rdev_ = 0;
  uint32_t bootStatus_ = 0;
};

}  // namespace holdfast
