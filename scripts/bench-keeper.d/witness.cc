// How late this machine wakes a thread that does nothing else: witness CPU PERIOD_MS, from a byte on standard input
// until that ends. Then it writes the longest in milliseconds. What holds it up holds up the keeper too: a hypervisor,
// firmware, the kernel.
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int kPriority = 60;  // above the keeper's and the emulator's

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

bool InputHasEnded() {
  pollfd input{0, POLLIN, 0};
  return poll(&input, 1, 0) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(atoi(argv[1])), &cpus);
  const sched_param parameter{kPriority};
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0 || sched_setscheduler(0, SCHED_FIFO, &parameter) != 0) return 1;
  mlockall(MCL_CURRENT);
  char begin = 0;
  if (read(0, &begin, 1) != 1) return 1;
  const int64_t periodNs = atoi(argv[2]) * int64_t{1'000'000};
  int64_t worstNs = 0;
  for (int64_t dueNs = NowNs() + periodNs; !InputHasEnded(); dueNs = NowNs() + periodNs) {
    const timespec due{dueNs / kNsPerSecond, dueNs % kNsPerSecond};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
    const int64_t lateNs = NowNs() - dueNs;
    if (lateNs > worstNs) worstNs = lateNs;
  }
  printf("%.3f\n", static_cast<double>(worstNs) / 1e6);
  return 0;
}
