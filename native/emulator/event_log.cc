#include "event_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace holdfast::emulator {

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c <= '~' ? c : '?';
  }
  return out += '"';
}

EventLog::~EventLog() {
  if (fd_ >= 0) close(fd_);
}

int EventLog::Open(const std::string& path) {
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return fd_ < 0 ? errno : 0;
}

void EventLog::Write(std::string_view event, std::string_view fields, int64_t atNs) const {
  if (fd_ < 0) return;
  char stamp[48];
  std::snprintf(stamp, sizeof stamp, "{\"bootMs\":%.3f,\"event\":", static_cast<double>(atNs) / kNsPerMs);
  std::string line = stamp + JsonString(event);
  if (!fields.empty()) line.append(",").append(fields);
  line += "}\n";
  // A log that cannot be written must not hold up a watchdog.
  if (write(fd_, line.data(), line.size()) < 0) return;
}

}  // namespace holdfast::emulator
