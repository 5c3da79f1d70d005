// hold-device PID: holds a duplicate of the watchdog that the process has open, as systemd's file-descriptor store would,
// and does nothing with it.
#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int FindWatchdog(const std::string& folder) {
  DIR* fds = opendir(folder.c_str());
  if (fds == nullptr) return -1;
  int found = -1;
  while (const dirent* entry = readdir(fds)) {
    char target[256];
    const ssize_t size = readlink((folder + "/" + entry->d_name).c_str(), target, sizeof target);
    if (size > 0 && std::string(target, static_cast<size_t>(size)).rfind("/dev/watchdog", 0) == 0) {
      found = std::atoi(entry->d_name);
    }
  }
  closedir(fds);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int fd = FindWatchdog(std::string("/proc/") + argv[1] + "/fd");
  if (fd < 0) {
    std::fprintf(stderr, "hold-device: process %s has no watchdog open\n", argv[1]);
    return 1;
  }
  const long process = syscall(SYS_pidfd_open, std::atoi(argv[1]), 0);
  if (process < 0 || syscall(SYS_pidfd_getfd, process, fd, 0) < 0) {
    std::perror("hold-device");
    return 1;
  }
  std::puts("held");
  std::fflush(stdout);
  for (;;) pause();
}
