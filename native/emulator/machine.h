// The machine that the watchdog resets: PID 1 of a pid namespace that is not the emulator's.
#pragma once

#include <string>

namespace holdfast::emulator {

class Machine {
 public:
  explicit Machine(std::string pidFile) : pidFile_(std::move(pidFile)) {}
  ~Machine() { Forget(); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Reads the pid file anew and holds on to the process that it names. Returns why not, or an empty string.
  std::string Find();
  // Find, then SIGKILL. Returns why not, or an empty string.
  std::string Kill();
  void Forget();

  // Readable once the machine is dead; -1 when none is held.
  int fd() const { return fd_; }
  int pid() const { return pid_; }

 private:
  std::string pidFile_;
  int fd_ = -1;
  int pid_ = 0;
};

}  // namespace holdfast::emulator
