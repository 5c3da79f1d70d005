#include "server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "../clock.h"
#include "../socket_address.h"

namespace holdfast::emulator {

Server::Server(const ServerOptions& options)
    : options_(options), device_(options.device), machine_(options.machinePidFile), noReboot_(options.noReboot) {}

Server::~Server() {
  for (const int fd : clients_) close(fd);
  if (listener_ >= 0) close(listener_);
  if (timer_ >= 0) close(timer_);
}

std::string Server::Run() {
  if (!options_.log.empty()) {
    if (const int error = log_.Open(options_.log)) return "cannot open " + options_.log + ": " + strerror(error);
  }
  timer_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer_ < 0) return std::string("timerfd_create: ") + strerror(errno);
  if (std::string why = Listen(); !why.empty()) return why;
  log_.Write("start", "\"identity\":" + JsonString(options_.device.identity));
  for (;;) Round();
}

std::string Server::Listen() {
  sockaddr_un address{};
  if (!FillAddress(options_.socket.c_str(), &address)) return "the socket's path is too long: " + options_.socket;
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // A socket that nobody answers on was left by an emulator that is gone.
  if (connect(listener_, name, sizeof address) == 0) return "an emulator runs already on " + options_.socket;
  if (errno == ECONNREFUSED) unlink(options_.socket.c_str());
  close(listener_);
  listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  umask(0077);
  if (bind(listener_, name, sizeof address) != 0 || listen(listener_, kMaxClients) != 0) {
    return "cannot listen on " + options_.socket + ": " + strerror(errno);
  }
  return {};
}

void Server::SetTimer() const {
  const int64_t expiryNs = device_.ExpiryNs();
  itimerspec when{};
  when.it_value = {expiryNs / kNsPerSecond, expiryNs % kNsPerSecond};
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void Server::Round() {
  SetTimer();
  std::vector<pollfd> polled = {{timer_, POLLIN, 0}, {machine_.fd(), POLLIN, 0}, {listener_, POLLIN, 0}};
  for (const int fd : clients_) polled.push_back({fd, POLLIN, 0});
  if (poll(polled.data(), polled.size(), -1) < 0) return;
  // The chip comes before its clients: a pet that is late by now is too late. A dead machine comes before its successor.
  OnTimer();
  if (polled[1].revents != 0) OnMachineGone();
  for (size_t i = 3; i < polled.size(); ++i) {
    if (polled[i].revents == 0) continue;
    // One that was dropped meanwhile is no longer ours.
    if (std::find(clients_.begin(), clients_.end(), polled[i].fd) != clients_.end()) OnClient(polled[i].fd);
  }
  if (polled[2].revents != 0) Accept();
}

void Server::OnTimer() {
  const int64_t nowNs = BootNs();
  if (device_.ExpiryNs() == 0 || nowNs < device_.ExpiryNs()) return;
  log_.Write("expired");
  device_.Expire(nowNs);
  Fire("expired");
}

void Server::Fire(const char* cause) {
  if (noReboot_) return log_.Write("no-reboot", "\"cause\":" + JsonString(cause));
  const std::string why = machine_.Kill();
  if (!why.empty()) return log_.Write("kill-refused", "\"reason\":" + JsonString(why));
  log_.Write("killed", "\"pid\":" + std::to_string(machine_.pid()) + ",\"cause\":" + JsonString(cause));
  killed_ = true;
  cause_ = cause;
  device_.PowerCycle(cause_ == "expired");
  DropOpener();
}

void Server::OnMachineGone() {
  log_.Write("machine-gone", "\"pid\":" + std::to_string(machine_.pid()) +
                                 ",\"cause\":" + JsonString(killed_ ? cause_ : "power-off"));
  device_.PowerCycle(killed_ && cause_ == "expired");
  DropOpener();
  machine_.Forget();
  killed_ = false;
}

void Server::DropOpener() {
  if (opener_ < 0) return;
  clients_.erase(std::find(clients_.begin(), clients_.end(), opener_));
  close(opener_);
  opener_ = -1;
}

void Server::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (clients_.size() >= kMaxClients) {
    close(fd);
    return;
  }
  clients_.push_back(fd);
}

void Server::OnHangUp(int fd) {
  clients_.erase(std::find(clients_.begin(), clients_.end(), fd));
  close(fd);
  if (fd != opener_) return;
  opener_ = -1;
  const int64_t nowNs = BootNs();
  switch (device_.Close(nowNs)) {
    case Closing::kMagic: return log_.Write("magic-close");
    case Closing::kStopped: return log_.Write("close-stopped");
    case Closing::kPetted: return log_.Write("release-pet", {}, nowNs);
    case Closing::kIdle: return log_.Write("close");
  }
}

void Server::OnClient(int fd) {
  Request request{};
  // MSG_TRUNC: the packet's true length, so that a longer one is not taken for a good one.
  const ssize_t size = recv(fd, &request, sizeof request, MSG_TRUNC);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return OnHangUp(fd);
  if (size < 0) return;
  Reply reply{};
  const bool wellFormed = size == sizeof request && request.magic == kMagic;
  reply.magic = kMagic;
  reply.sequence = wellFormed ? request.sequence : 0;
  reply.error = wellFormed ? Execute(request, fd) : EPROTO;
  reply.state = Describe();
  // A client that was dropped by its own request is gone; one that does not read its replies loses them.
  if (std::find(clients_.begin(), clients_.end(), fd) == clients_.end()) return;
  if (send(fd, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
}

int Server::Execute(const Request& request, int fd) {
  const int64_t nowNs = BootNs();
  const Verb verb = static_cast<Verb>(request.verb);
  const bool needsOpen = verb == Verb::kKeepalive || verb == Verb::kWrite || verb == Verb::kSetTimeout;
  if (needsOpen && fd != opener_) return EBADF;
  // The machine may have been started, or its pid written, after the device was opened.
  if (needsOpen && machine_.fd() < 0) machine_.Find();
  int error = 0;
  switch (verb) {
    case Verb::kQuery: return 0;
    case Verb::kOpen: return OpenDevice(fd, nowNs);
    case Verb::kKeepalive: error = device_.Keepalive(nowNs); break;
    case Verb::kWrite: error = device_.Write(static_cast<char>(request.value), nowNs); break;
    case Verb::kSetTimeout:
      error = device_.SetTimeout(request.value, nowNs);
      log_.Write("settimeout", "\"timeoutS\":" + std::to_string(request.value) + ",\"error\":" + std::to_string(error),
                 nowNs);
      return error;
    case Verb::kReset:
      log_.Write("reset-requested",
                 "\"reason\":" + JsonString({request.text, strnlen(request.text, sizeof request.text)}));
      Fire("requested");
      return 0;
    case Verb::kNoReboot:
      noReboot_ = request.value != 0;
      log_.Write(noReboot_ ? "no-reboot-on" : "no-reboot-off");
      return 0;
    default: return ENOTTY;
  }
  log_.Write("pet", "\"active\":" + std::string(device_.IsActive() ? "true" : "false"), nowNs);
  return error;
}

int Server::OpenDevice(int fd, int64_t nowNs) {
  // A machine that is dying opens nothing; the next one may.
  if (killed_) return ENODEV;
  const bool wasActive = device_.IsActive();
  if (const int error = device_.Open(nowNs)) return error;
  opener_ = fd;
  const std::string why = machine_.Find();
  log_.Write("open", std::string("\"wasActive\":") + (wasActive ? "true" : "false") +
                         ",\"active\":" + (device_.IsActive() ? "true" : "false") + ",\"machine\":" +
                         (why.empty() ? std::to_string(machine_.pid()) : JsonString(why)),
             nowNs);
  return 0;
}

State Server::Describe() const {
  State state = device_.Describe(BootNs());
  state.noReboot = noReboot_;
  return state;
}

}  // namespace holdfast::emulator
