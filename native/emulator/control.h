// `watchdog-emulator --ctl SOCKET status | no-reboot on|off`: asks a running emulator and prints JSON.
#pragma once

namespace holdfast::emulator {

// argv[0] is the socket. Returns the exit status.
int Control(int argc, char** argv);

}  // namespace holdfast::emulator
