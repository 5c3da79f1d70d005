// stall-thread PID NAME: stops that one thread of the process for as long as this program runs; the others go on.
#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

pid_t FindThread(const std::string& pid, const std::string& name) {
  const std::string folder = "/proc/" + pid + "/task";
  DIR* tasks = opendir(folder.c_str());
  if (tasks == nullptr) return 0;
  pid_t found = 0;
  while (const dirent* entry = readdir(tasks)) {
    std::string comm;
    std::ifstream(folder + "/" + entry->d_name + "/comm") >> comm;
    if (comm == name) found = std::atoi(entry->d_name);
  }
  closedir(tasks);
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const pid_t thread = FindThread(argv[1], argv[2]);
  if (thread == 0) {
    std::fprintf(stderr, "stall-thread: process %s has no thread %s\n", argv[1], argv[2]);
    return 1;
  }
  // Seized and not attached: attaching would stop the whole process for a moment.
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0 || ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
      waitpid(thread, nullptr, __WALL) != thread) {
    std::perror("stall-thread");
    return 1;
  }
  std::puts("stalled");
  std::fflush(stdout);
  for (;;) pause();
}
