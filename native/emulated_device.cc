#include "emulated_device.h"

#include <errno.h>
#include <linux/watchdog.h>

#include <cstdio>

namespace holdfast {

using emulator::Verb;

EmulatedDevice::EmulatedDevice(const char* socket) { std::snprintf(socket_, sizeof socket_, "%s", socket); }

int EmulatedDevice::Open() {
  if (const int error = client_.Connect(socket_)) return error;
  if (const int error = client_.Ask(Verb::kOpen)) {
    client_.Close();
    return error;
  }
  bootStatus_ = client_.state().bootStatus;
  open_ = true;
  return 0;
}

int EmulatedDevice::Describe(DeviceInfo* info) {
  if (const int error = client_.Ask(Verb::kQuery)) return error;
  const emulator::State& state = client_.state();
  *info = {};
  std::snprintf(info->identity, sizeof info->identity, "%.*s", emulator::kIdentityBytes, state.identity);
  info->options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE | WDIOF_KEEPALIVEPING;
  info->bootStatus = bootStatus_;
  info->timeoutS = state.timeoutS;
  info->timeLeftS = static_cast<int32_t>(state.timeLeftMs / 1000);
  return 0;
}

int EmulatedDevice::SetTimeout(int32_t* seconds) {
  if (const int error = client_.Ask(Verb::kSetTimeout, *seconds)) return error;
  *seconds = client_.state().timeoutS;
  return 0;
}

int EmulatedDevice::Start() { return client_.Ask(Verb::kWrite, '\0'); }

int EmulatedDevice::Pet() { return client_.Ask(Verb::kKeepalive); }

int EmulatedDevice::Disarm() {
  if (const int error = client_.Ask(Verb::kWrite, 'V')) return error;
  client_.Close();
  open_ = false;
  return 0;
}

int EmulatedDevice::RequestReset(const char* reason) {
  if (!client_.IsConnected()) {
    if (const int error = client_.Connect(socket_)) return error;
  }
  const int error = client_.Ask(Verb::kReset, 0, reason);
  // The emulator hangs up when it has killed the machine.
  if (error == ENODEV || error == EPIPE || error == ECONNRESET) client_.Close();
  return error == ENODEV ? 0 : error;
}

}  // namespace holdfast
