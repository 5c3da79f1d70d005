#include "kernel_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace holdfast {
namespace {

constexpr unsigned kMiscMajor = 10;
constexpr unsigned kWatchdogMinor = 130;

// misc 10:130 is the kernel's reserved number of /dev/watchdog; all others are of sysfs class `watchdog`.
bool IsWatchdog(const struct stat& file) {
  if (!S_ISCHR(file.st_mode)) return false;
  if (file.st_rdev == makedev(kMiscMajor, kWatchdogMinor)) return true;
  char link[64];
  char target[kPathBytes];
  std::snprintf(link, sizeof link, "/sys/dev/char/%u:%u/subsystem", major(file.st_rdev), minor(file.st_rdev));
  const ssize_t size = readlink(link, target, sizeof target - 1);
  if (size <= 0) return false;
  target[size] = '\0';
  const char* slash = std::strrchr(target, '/');
  return slash != nullptr && std::strcmp(slash, "/watchdog") == 0;
}

int Errno(int result) { return result < 0 ? errno : 0; }

}  // namespace

KernelDevice::KernelDevice(const char* path) { std::snprintf(path_, sizeof path_, "%s", path); }

KernelDevice::~KernelDevice() {
  if (fd_ >= 0) close(fd_);
  if (sysrq_ >= 0) close(sysrq_);
}

int KernelDevice::Verify() {
  struct stat file {};
  if (stat(path_, &file) != 0) return errno;
  verified_ = IsWatchdog(file);
  rdev_ = file.st_rdev;
  return verified_ ? 0 : ENOTTY;
}

int KernelDevice::Open() {
  if (const int error = Verify()) return error;
  const int fd = open(path_, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return errno;
  struct stat file {};
  watchdog_info support{};
  // The path may have been changed since it was looked at; every watchdog driver knows GETSUPPORT.
  if (fstat(fd, &file) != 0 || file.st_rdev != rdev_ || ioctl(fd, WDIOC_GETSUPPORT, &support) != 0) {
    close(fd);
    verified_ = false;
    return ENOTTY;
  }
  int status = 0;
  bootStatus_ = ioctl(fd, WDIOC_GETBOOTSTATUS, &status) == 0 ? static_cast<uint32_t>(status) : 0;
  fd_ = fd;
  // Opened now, so that the reset has no path to look up.
  if (sysrq_ < 0) sysrq_ = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  return 0;
}

int KernelDevice::Describe(DeviceInfo* info) {
  watchdog_info support{};
  if (ioctl(fd_, WDIOC_GETSUPPORT, &support) != 0) return errno;
  *info = {};
  std::memcpy(info->identity, support.identity, sizeof support.identity);
  info->firmware = support.firmware_version;
  info->options = support.options;
  info->bootStatus = bootStatus_;
  int value = 0;
  if (ioctl(fd_, WDIOC_GETSTATUS, &value) == 0) info->status = static_cast<uint32_t>(value);
  // What a driver does not know it refuses, and it stays 0.
  if (ioctl(fd_, WDIOC_GETTIMEOUT, &value) == 0) info->timeoutS = value;
  if (ioctl(fd_, WDIOC_GETPRETIMEOUT, &value) == 0) info->pretimeoutS = value;
  if (ioctl(fd_, WDIOC_GETTIMELEFT, &value) == 0) info->timeLeftS = value;
  return 0;
}

int KernelDevice::SetTimeout(int32_t* seconds) {
  // A pretimeout may panic, and with kernel.panic=0 a panic stops software watchdogs for ever.
  int pretimeout = 0;
  if (ioctl(fd_, WDIOC_GETPRETIMEOUT, &pretimeout) == 0 && pretimeout != 0) {
    pretimeout = 0;
    if (ioctl(fd_, WDIOC_SETPRETIMEOUT, &pretimeout) != 0) return errno;
  }
  // The ioctl writes back what was set; GETTIMEOUT, where there is one, is the better witness.
  int value = *seconds;
  if (ioctl(fd_, WDIOC_SETTIMEOUT, &value) != 0) return errno;
  int readBack = 0;
  *seconds = ioctl(fd_, WDIOC_GETTIMEOUT, &readBack) == 0 ? readBack : value;
  return 0;
}

int KernelDevice::Start() { return Errno(static_cast<int>(write(fd_, "", 1))); }

int KernelDevice::Pet() {
  if (ioctl(fd_, WDIOC_KEEPALIVE, 0) == 0) return 0;
  // A driver without WDIOF_KEEPALIVEPING refuses the ioctl; every driver takes a write.
  return errno == EOPNOTSUPP || errno == ENOTTY ? Start() : errno;
}

int KernelDevice::Disarm() {
  if (write(fd_, "V", 1) != 1) return errno;
  close(fd_);
  fd_ = -1;
  return 0;
}

int KernelDevice::RequestReset(const char*) {
  if (!verified_) return ENOTTY;
  if (sysrq_ < 0) sysrq_ = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  // Who comes back from this write is still alive, whatever it returned: masked, or not permitted.
  const int written = sysrq_ >= 0 ? Errno(static_cast<int>(write(sysrq_, "b", 1))) : EACCES;
  const int sysrq = written != 0 ? written : EPERM;
  // reboot(2) first runs the notifiers by which softdog and iTCO stop (stop_on_reboot), and may then hang in some driver's
  // shutdown while processes go on: a watchdog that counts is the better proof, and is left to it.
  if (fd_ >= 0) return sysrq;
  return reboot(RB_AUTOBOOT) == 0 ? 0 : sysrq;
}

}  // namespace holdfast
