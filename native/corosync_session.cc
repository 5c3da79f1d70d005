#include "corosync_session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace holdfast {

namespace {

// Events of one service taken in a row before the others get their turn.
constexpr int kDispatchBurst = 64;
constexpr Milliseconds kFirstBackOff(5);
constexpr Milliseconds kLastBackOff(50);
// How long closing waits for what was queued to come back to us: half of what close() in JavaScript waits.
constexpr Milliseconds kFlush(1000);
enum Polled { kCpg, kQuorum, kCmap, kVotes, kWake };

template <typename Dispatch>
Status DispatchBurst(Channel& channel, const pollfd& polled, Dispatch dispatchOne) {
  if (polled.revents == 0) return {};
  for (int i = 0; i < kDispatchBurst && channel.InboundHasRoom(); i++) {
    Status status = dispatchOne();
    if (status.Ok()) continue;
    if (status.error != CS_ERR_TRY_AGAIN) return status;
    // Nothing left to read, and the other end has hung up: corosync is gone.
    if ((polled.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return {CS_ERR_LIBRARY, status.what};
    break;
  }
  return {};
}

}  // namespace

Session::Session(Channel& channel, const SessionOptions& options)
    : channel_(channel),
      options_(options),
      quorum_([&channel](Event event) { channel.Publish(std::move(event)); }),
      cpg_([&channel](Event event) { channel.Publish(std::move(event)); }, options.maxMessageBytes),
      backOff_(kFirstBackOff) {}

Status Session::Open() {
  Status status = configurationConnection_.Connect();
  if (status.Ok()) status = quorum_.Connect();
  if (status.Ok()) status = cpg_.Connect();
  if (status.Ok()) status = configurationConnection_.Read(configuration_);
  if (status.Ok()) status = cpg_.Join(options_.group);
  if (!status.Ok()) return status;
  // Nothing was dispatched yet, so the configuration is the first event of the session.
  channel_.BeginSession();
  channel_.Publish(configuration_);
  return {};
}

Status Session::Serve() {
  for (;;) {
    Status status = Wait();
    if (status.Ok()) status = DispatchReady();
    if (status.Ok()) status = RefreshConfiguration();
    if (status.Ok()) status = SendQueued();
    if (!status.Ok()) return status;
    if (JavaScriptStuck()) {
      stalled_ = true;
      return {CS_ERR_TIMEOUT, "left the group because the event loop of this process is stuck"};
    }
    if (ReadyToLeave()) return {};
  }
}

Status Session::Wait() {
  // Not reading while JavaScript lags behind leaves the events with corosync. The stall limit bounds how long.
  const bool mayRead = channel_.InboundHasRoom();
  const int fds[] = {cpg_.Fd(), quorum_.Fd(), configurationConnection_.CmapFd(), configurationConnection_.VotesFd()};
  for (size_t i = 0; i < kWake; i++) polled_[i] = {mayRead ? fds[i] : -1, POLLIN, 0};
  polled_[kWake] = {channel_.WakeFd(), POLLIN, 0};
  if (poll(polled_.data(), polled_.size(), TimeoutMs()) < 0 && errno != EINTR) {
    return {CS_ERR_LIBRARY, std::string("poll failed with ") + strerrorname_np(errno)};
  }
  if (polled_[kWake].revents != 0) channel_.ClearWake();
  return {};
}

int Session::TimeoutMs() const {
  Milliseconds wait = Milliseconds::max();
  const Clock::time_point now = Clock::now();
  for (const auto& instant : {refreshAt_, retryAt_, leaveBy_}) {
    if (instant) wait = std::min(wait, std::chrono::ceil<Milliseconds>(*instant - now));
  }
  // One more than what is left, or the last millisecond is spent spinning.
  if (const auto unattended = channel_.Unattended()) {
    wait = std::min(wait, options_.stallLimit - *unattended + Milliseconds(1));
  }
  if (wait == Milliseconds::max()) return -1;
  return static_cast<int>(std::max(wait, Milliseconds(0)).count());
}

Status Session::DispatchReady() {
  Status status = DispatchBurst(channel_, polled_[kQuorum], [this] { return quorum_.DispatchOne(); });
  if (status.Ok()) status = DispatchBurst(channel_, polled_[kCpg], [this] { return cpg_.DispatchOne(); });
  if (status.Ok()) {
    status = DispatchBurst(channel_, polled_[kCmap], [this] { return configurationConnection_.DispatchCmap(); });
  }
  if (status.Ok()) {
    status = DispatchBurst(channel_, polled_[kVotes], [this] { return configurationConnection_.DispatchVotes(); });
  }
  return status;
}

Status Session::RefreshConfiguration() {
  if (refreshAt_ ? Clock::now() < *refreshAt_ : !configurationConnection_.Stale()) return {};
  refreshAt_.reset();
  ConfigurationEvent configuration;
  Status status = configurationConnection_.Read(configuration);
  if (status.error == CS_ERR_TRY_AGAIN) {
    refreshAt_ = Clock::now() + kLastBackOff;
    return {};
  }
  if (!status.Ok()) return status;
  if (configuration == configuration_) return {};
  configuration_ = configuration;
  channel_.Publish(std::move(configuration));
  return {};
}

Status Session::SendQueued() {
  while (!retryAt_ || Clock::now() >= *retryAt_) {
    retryAt_.reset();
    if (!next_) next_ = channel_.NextOutbound();
    if (!next_ || !cpg_.MaySend(next_->size())) break;
    Status status = cpg_.Multicast(*next_);
    if (status.error == CS_ERR_TRY_AGAIN) {
      tryAgains_++;
      retryAt_ = Clock::now() + backOff_;
      backOff_ = std::min(backOff_ * 2, kLastBackOff);
      break;
    }
    if (!status.Ok()) return status;
    next_.reset();
    backOff_ = kFirstBackOff;
  }
  channel_.SetSending(cpg_.InFlightMessages(), tryAgains_);
  return {};
}

bool Session::JavaScriptStuck() const {
  return channel_.Unattended().value_or(Milliseconds(0)) > options_.stallLimit;
}

bool Session::ReadyToLeave() {
  if (!channel_.Closing()) return false;
  if (!leaveBy_) leaveBy_ = Clock::now() + kFlush;
  return (!next_ && cpg_.InFlightMessages() == 0) || Clock::now() >= *leaveBy_;
}

}  // namespace holdfast
