// observer PORT TRACE: tells the lab, through a virtio-serial port, what this machine's clock shows whenever the lab asks,
// and every line of the kernel's trace. A thread each, so that neither waits for the other.
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace {

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "observer: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t BootNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// One write a line: the two threads' lines do not mix.
void Send(int port, const std::string& line) {
  const std::string text = line + "\n";
  if (write(port, text.data(), text.size()) < 0) Fail("cannot write to the port");
}

// Calls `take` with each line. Ends when there is nothing more to read.
template <typename Take>
void ReadLines(int fd, Take take) {
  std::string rest;
  char bytes[4096];
  for (;;) {
    const ssize_t size = read(fd, bytes, sizeof bytes);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) Fail("cannot read");
    if (size == 0) {  // the lab is not there
      usleep(10'000);
      continue;
    }
    rest.append(bytes, static_cast<size_t>(size));
    for (size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) take(rest.substr(0, end));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int port = open(argv[1], O_RDWR | O_CLOEXEC);
  if (port < 0) Fail(argv[1]);
  const int trace = open(argv[2], O_RDONLY | O_CLOEXEC);
  if (trace < 0) Fail(argv[2]);
  // An answer that comes late is a clock that is read badly.
  const sched_param priority{10};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  std::thread forward([&] { ReadLines(trace, [&](const std::string& line) { Send(port, "trace " + line); }); });
  ReadLines(port, [&](const std::string& question) { Send(port, "clock " + question + " " + std::to_string(BootNs())); });
}
