#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

namespace holdfast::emulator {
namespace {

bool IsDead(int pidfd) {
  pollfd poller{pidfd, POLLIN, 0};
  return poll(&poller, 1, 0) != 0;
}

// NSpid lists the process's pid in each namespace, ours first: an init of a namespace below ours has 2 or more, the last 1.
bool IsInitOfInnerNamespace(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("NSpid:", 0) != 0) continue;
    std::istringstream numbers(line.substr(6));
    int levels = 0;
    int innermost = 0;
    while (numbers >> innermost) ++levels;
    return levels > 1 && innermost == 1;
  }
  return false;
}

}  // namespace

std::string Machine::Find() {
  Forget();
  int pid = 0;
  if (!(std::ifstream(pidFile_) >> pid) || pid <= 1) return "no pid in " + pidFile_;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return "pid " + std::to_string(pid) + ": " + strerror(errno);
  // Alive after its status was read: so it was the held process's status, not that of a later one with its pid.
  if (!IsInitOfInnerNamespace(pid) || IsDead(fd)) {
    close(fd);
    return "pid " + std::to_string(pid) + " is not PID 1 of another pid namespace";
  }
  fd_ = fd;
  pid_ = pid;
  return {};
}

std::string Machine::Kill() {
  if (std::string why = Find(); !why.empty()) return why;
  if (syscall(SYS_pidfd_send_signal, fd_, SIGKILL, nullptr, 0) != 0) return strerror(errno);
  return {};
}

void Machine::Forget() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  pid_ = 0;
}

}  // namespace holdfast::emulator
