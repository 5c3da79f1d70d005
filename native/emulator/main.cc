// A watchdog for laboratories: outside the machine as hardware is, and killing it when nobody pets it.
#include <getopt.h>
#include <sched.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "control.h"
#include "server.h"

namespace holdfast::emulator {
namespace {

constexpr int kMaxSeconds = 65535;

const char kUsage[] =
    "usage: watchdog-emulator --socket PATH --machine-pid-file FILE [option...]\n"
    "       watchdog-emulator --ctl SOCKET status | no-reboot on | no-reboot off\n"
    "  --log FILE           append one JSON line an event\n"
    "  --identity NAME      what it calls itself (31 bytes at most)\n"
    "  --timeout S          timeout at power-on (60)\n"
    "  --min-timeout S      SETTIMEOUT below is EINVAL (1)\n"
    "  --max-timeout S      SETTIMEOUT above is EINVAL (65535)\n"
    "  --timeout-step S     SETTIMEOUT rounds up to a multiple (1)\n"
    "  --kappa 1|2          fires at that multiple of the timeout (1)\n"
    "  --armed-on-write     only a write starts it\n"
    "  --nowayout           nothing stops it but a reset\n"
    "  --no-magic-close     every close stops it\n"
    "  --no-reboot          fires without effect; --ctl switches it\n";

enum Option { kSocket = 1, kPidFile, kLog, kIdentity, kTimeout, kMin, kMax, kStep, kKappa, kOnWrite, kNoWayOut,
              kNoMagic, kNoReboot };

const option kOptions[] = {
    {"socket", required_argument, nullptr, kSocket},      {"machine-pid-file", required_argument, nullptr, kPidFile},
    {"log", required_argument, nullptr, kLog},            {"identity", required_argument, nullptr, kIdentity},
    {"timeout", required_argument, nullptr, kTimeout},    {"min-timeout", required_argument, nullptr, kMin},
    {"max-timeout", required_argument, nullptr, kMax},    {"timeout-step", required_argument, nullptr, kStep},
    {"kappa", required_argument, nullptr, kKappa},        {"armed-on-write", no_argument, nullptr, kOnWrite},
    {"nowayout", no_argument, nullptr, kNoWayOut},        {"no-magic-close", no_argument, nullptr, kNoMagic},
    {"no-reboot", no_argument, nullptr, kNoReboot},       {},
};

bool ParseSeconds(const char* text, int* value) {
  char* end = nullptr;
  errno = 0;
  const long number = std::strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || number < 1 || number > kMaxSeconds) return false;
  *value = static_cast<int>(number);
  return true;
}

bool ApplyOption(int option, const char* value, ServerOptions* options) {
  DeviceOptions& device = options->device;
  switch (option) {
    case kSocket: options->socket = value; return true;
    case kPidFile: options->machinePidFile = value; return true;
    case kLog: options->log = value; return true;
    case kIdentity: device.identity = value; return device.identity.size() < kIdentityBytes;
    case kTimeout: return ParseSeconds(value, &device.timeoutS);
    case kMin: return ParseSeconds(value, &device.minTimeoutS);
    case kMax: return ParseSeconds(value, &device.maxTimeoutS);
    case kStep: return ParseSeconds(value, &device.timeoutStepS);
    case kKappa: return ParseSeconds(value, &device.kappa) && device.kappa <= 2;
    case kOnWrite: device.armedOnWrite = true; return true;
    case kNoWayOut: device.nowayout = true; return true;
    case kNoMagic: device.magicClose = false; return true;
    case kNoReboot: options->noReboot = true; return true;
    default: return false;
  }
}

bool Parse(int argc, char** argv, ServerOptions* options) {
  for (int option; (option = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (!ApplyOption(option, optarg, options)) return false;
  }
  const DeviceOptions& device = options->device;
  return optind == argc && !options->socket.empty() && !options->machinePidFile.empty() &&
         device.minTimeoutS <= device.maxTimeoutS;
}

// Hardware is not slowed down by the machine's load; where this is not permitted the emulator is a little late.
void BehaveAsHardware() {
  const sched_param priority{60};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  mlockall(MCL_CURRENT | MCL_FUTURE);
}

}  // namespace
}  // namespace holdfast::emulator

int main(int argc, char** argv) {
  using namespace holdfast::emulator;
  if (argc >= 3 && std::strcmp(argv[1], "--ctl") == 0) return Control(argc - 2, argv + 2);
  ServerOptions options;
  if (!Parse(argc, argv, &options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  BehaveAsHardware();
  Server server(options);
  const std::string failure = server.Run();
  std::fprintf(stderr, "watchdog-emulator: %s\n", failure.c_str());
  return 1;
}
