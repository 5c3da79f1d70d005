// The one clock of the native side.
#pragma once

#include <time.h>

#include <cstdint>

namespace holdfast {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerSecond = 1'000'000'000;

// CLOCK_BOOTTIME in nanoseconds: goes on while the machine is suspended, and never steps.
inline int64_t BootNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

}  // namespace holdfast
