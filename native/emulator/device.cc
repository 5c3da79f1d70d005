#include "device.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "../clock.h"

namespace holdfast::emulator {

int Device::Open(int64_t nowNs) {
  if (open_) return EBUSY;
  open_ = true;
  allowStop_ = false;
  ++opens_;
  // Opening a running watchdog pets nothing (measured); opening an idle one starts it.
  if (!active_ && !options_.armedOnWrite) Start(nowNs);
  return 0;
}

int Device::Keepalive(int64_t nowNs) {
  if (!open_) return EBADF;
  Pet(nowNs);
  return 0;
}

int Device::Write(char byte, int64_t nowNs) {
  if (!open_) return EBADF;
  allowStop_ = byte == 'V';
  if (!active_) Start(nowNs);
  Pet(nowNs);
  return 0;
}

int Device::SetTimeout(int seconds, int64_t nowNs) {
  if (!open_) return EBADF;
  if (seconds < options_.minTimeoutS || seconds > options_.maxTimeoutS) return EINVAL;
  const int steps = (seconds + options_.timeoutStepS - 1) / options_.timeoutStepS;
  timeoutS_ = steps * options_.timeoutStepS;
  Pet(nowNs);
  return 0;
}

Closing Device::Close(int64_t nowNs) {
  open_ = false;
  if (!active_) return Closing::kIdle;
  const bool stop = !options_.nowayout && (allowStop_ || !options_.magicClose);
  if (!stop) {
    Pet(nowNs);
    return Closing::kPetted;
  }
  active_ = false;
  return allowStop_ ? Closing::kMagic : Closing::kStopped;
}

void Device::Expire(int64_t nowNs) {
  const int64_t periodNs = options_.kappa * timeoutS_ * kNsPerSecond;
  while (expiryNs_ <= nowNs) expiryNs_ += periodNs;
}

void Device::PowerCycle(bool byExpiry) {
  open_ = false;
  active_ = false;
  timeoutS_ = options_.timeoutS;
  bootStatus_ = byExpiry ? kCardReset : 0;
}

State Device::Describe(int64_t nowNs) const {
  State state{};
  state.timeoutS = timeoutS_;
  state.minTimeoutS = options_.minTimeoutS;
  state.maxTimeoutS = options_.maxTimeoutS;
  state.kappa = options_.kappa;
  // A chip that fires at the second expiry counts down, wraps, and counts down again.
  const int64_t leftNs = std::max<int64_t>(expiryNs_ - nowNs, 0);
  state.timeLeftMs = active_ ? leftNs % (timeoutS_ * kNsPerSecond) / kNsPerMs : 0;
  state.lastPetNs = lastPetNs_;
  state.bootStatus = bootStatus_;
  state.opens = opens_;
  state.active = active_;
  state.open = open_;
  state.nowayout = options_.nowayout;
  std::strncpy(state.identity, options_.identity.c_str(), sizeof state.identity - 1);
  return state;
}

void Device::Start(int64_t nowNs) {
  active_ = true;
  Pet(nowNs);
}

void Device::Pet(int64_t nowNs) {
  // As the kernel's watchdog_ping: an idle watchdog is not started by it.
  if (!active_) return;
  lastPetNs_ = nowNs;
  expiryNs_ = nowNs + options_.kappa * timeoutS_ * kNsPerSecond;
}

}  // namespace holdfast::emulator
