// One JSON line an event, stamped with CLOCK_BOOTTIME, written at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../clock.h"

namespace holdfast::emulator {

// Quoted and escaped; what is not printable ASCII becomes `?`.
std::string JsonString(std::string_view text);

class EventLog {
 public:
  EventLog() = default;
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // 0 or an errno.
  int Open(const std::string& path);
  // `fields` is empty or further JSON members without the braces: `"pid":7`.
  void Write(std::string_view event, std::string_view fields = {}, int64_t atNs = BootNs()) const;

 private:
  int fd_ = -1;
};

}  // namespace holdfast::emulator
