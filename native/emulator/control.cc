#include "control.h"

#include <cstdio>
#include <cstring>

#include "../clock.h"
#include "../emulator_client.h"
#include "event_log.h"

namespace holdfast::emulator {
namespace {

const char* Bool(uint8_t value) { return value ? "true" : "false"; }

void Print(const State& state) {
  std::printf(
      "{\"identity\":%s,\"state\":\"%s\",\"open\":%s,\"timeoutS\":%d,\"minTimeoutS\":%d,\"maxTimeoutS\":%d,"
      "\"kappa\":%d,\"timeLeftMs\":%lld,\"lastPetMs\":%.3f,\"opens\":%u,\"bootStatus\":%u,\"nowayout\":%s,"
      "\"noReboot\":%s}\n",
      JsonString({state.identity, strnlen(state.identity, sizeof state.identity)}).c_str(),
      state.active ? "active" : "inactive", Bool(state.open), state.timeoutS, state.minTimeoutS, state.maxTimeoutS,
      state.kappa, static_cast<long long>(state.timeLeftMs), static_cast<double>(state.lastPetNs) / kNsPerMs,
      state.opens, state.bootStatus, Bool(state.nowayout), Bool(state.noReboot));
}

}  // namespace

int Control(int argc, char** argv) {
  const bool status = argc == 2 && std::strcmp(argv[1], "status") == 0;
  const bool on = argc == 3 && std::strcmp(argv[1], "no-reboot") == 0 && std::strcmp(argv[2], "on") == 0;
  const bool off = argc == 3 && std::strcmp(argv[1], "no-reboot") == 0 && std::strcmp(argv[2], "off") == 0;
  if (!status && !on && !off) {
    std::fprintf(stderr, "usage: watchdog-emulator --ctl SOCKET status | no-reboot on | no-reboot off\n");
    return 2;
  }
  EmulatorClient client;
  int error = client.Connect(argv[0]);
  if (error == 0) error = client.Ask(status ? Verb::kQuery : Verb::kNoReboot, on ? 1 : 0);
  if (error != 0) {
    std::fprintf(stderr, "watchdog-emulator: %s: %s\n", argv[0], std::strerror(error));
    return 1;
  }
  Print(client.state());
  return 0;
}

}  // namespace holdfast::emulator
