// The address of a Unix socket from its path.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace holdfast {

// False when the path does not fit in an address (107 bytes).
inline bool FillAddress(const char* path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address->sun_path) return false;
  std::strcpy(address->sun_path, path);
  return true;
}

}  // namespace holdfast
