#include "emulator_client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstring>

#include "socket_address.h"

namespace holdfast {
namespace {

constexpr timeval kPatience{0, 500'000};

int TimeoutOr(int error) { return error == EAGAIN ? ETIMEDOUT : error; }

}  // namespace

int EmulatorClient::Connect(const char* path) {
  Close();
  sockaddr_un address{};
  if (!FillAddress(path, &address)) return ENAMETOOLONG;
  fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return errno;
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  const int error = TimeoutOr(errno);
  Close();
  return error;
}

int EmulatorClient::Ask(emulator::Verb verb, int32_t value, const char* text) {
  if (fd_ < 0) return ENOTCONN;
  emulator::Request request{emulator::kMagic, ++sequence_, static_cast<uint32_t>(verb), value, {}};
  std::strncpy(request.text, text, sizeof request.text - 1);
  if (send(fd_, &request, sizeof request, MSG_NOSIGNAL) < 0) return TimeoutOr(errno);
  // Replies to requests that were given up may still come first; there cannot be more of them than requests.
  for (uint32_t seen = 0; seen < sequence_; ++seen) {
    emulator::Reply reply{};
    const ssize_t size = recv(fd_, &reply, sizeof reply, 0);
    if (size == 0) return ENODEV;
    if (size < 0) return TimeoutOr(errno);
    if (size != sizeof reply || reply.magic != emulator::kMagic) return EPROTO;
    if (reply.sequence != request.sequence) continue;
    state_ = reply.state;
    return reply.error;
  }
  return EPROTO;
}

void EmulatorClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace holdfast
