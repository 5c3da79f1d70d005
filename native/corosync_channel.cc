#include "corosync_channel.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace holdfast {

namespace {

// What an event occupies beside its message; a membership list is far smaller than a queue's limit.
constexpr size_t kEventBytes = 128;

size_t SizeOf(const Event& event) {
  const auto* message = std::get_if<MessageEvent>(&event);
  return kEventBytes + (message != nullptr ? message->data.size() : 0);
}

}  // namespace

// As long as a client waits for its answer (agentLimits.requestMs): what a stopped corosync was to send before is of no
// use to anybody any more, and megabytes of it, sent at once when it goes on, unsettle the ring (seen).
constexpr std::chrono::seconds kOutboundLifetime(20);

Channel::Channel(QueueLimit outbound, QueueLimit inbound)
    : wakeFd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), outbound_(outbound), inbound_(inbound) {}

Channel::~Channel() {
  if (wakeFd_ >= 0) close(wakeFd_);
}

void Channel::HangBell(napi_threadsafe_function bell) {
  std::lock_guard<std::mutex> lock(mutex_);
  bell_ = bell;
}

napi_threadsafe_function Channel::TakeBell() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(bell_, nullptr);
}

SendResult Channel::Send(const uint8_t* data, size_t size) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_ || session_ == 0 || session_ != seenSession_) return SendResult::kDisconnected;
  if (!outbound_.HasRoomFor(size)) return SendResult::kFull;
  outbound_.Push({Bytes(data, data + size), std::chrono::steady_clock::now()}, size);
  Wake();
  return SendResult::kSent;
}

std::vector<Event> Channel::Drain(size_t maxEvents, size_t maxBytes) {
  std::vector<Event> batch;
  std::lock_guard<std::mutex> lock(mutex_);
  attended_ = Clock::now();
  size_t bytes = 0;
  while (!inbound_.Empty() && batch.size() < maxEvents && bytes < maxBytes) {
    // What is sent from inside a batch belongs to the batch's session, so a batch never spans two.
    if (!batch.empty() && inbound_.Front().session != seenSession_) break;
    bytes += inbound_.FrontBytes();
    Tagged next = inbound_.Pop();
    seenSession_ = next.session;
    batch.push_back(std::move(next.event));
  }
  bellRung_ = !batch.empty();
  if (std::exchange(wakeOnDrain_, false)) Wake();
  return batch;
}

void Channel::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closing_ = true;
  inbound_.Clear();
  Wake();
}

ChannelStats Channel::Stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {outbound_.Items(), inFlightMessages_, inbound_.Items(), tryAgains_};
}

bool Channel::Closing() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return closing_;
}

void Channel::BeginSession() {
  std::lock_guard<std::mutex> lock(mutex_);
  session_ = ++sessions_;
}

void Channel::EndSession(bool forgetInbound) {
  std::lock_guard<std::mutex> lock(mutex_);
  session_ = 0;
  outbound_.Clear();
  inFlightMessages_ = 0;
  if (forgetInbound) inbound_.Clear();
}

void Channel::Publish(Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_ && !std::holds_alternative<ClosedEvent>(event)) return;
  if (inbound_.Empty()) attended_ = Clock::now();
  const size_t bytes = SizeOf(event);
  inbound_.Push({std::move(event), session_}, bytes);
  if (bell_ == nullptr || bellRung_) return;
  bellRung_ = napi_call_threadsafe_function(bell_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

bool Channel::InboundHasRoom() {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool room = inbound_.HasRoomFor(kEventBytes);
  wakeOnDrain_ = !room;
  return room;
}

bool Channel::InboundFetched() {
  std::lock_guard<std::mutex> lock(mutex_);
  wakeOnDrain_ = !inbound_.Empty();
  return inbound_.Empty();
}

std::optional<Milliseconds> Channel::Unattended() const {
  std::lock_guard<std::mutex> lock(mutex_);
  if (inbound_.Empty()) return std::nullopt;
  return std::chrono::duration_cast<Milliseconds>(Clock::now() - attended_);
}

std::optional<Bytes> Channel::NextOutbound() {
  std::lock_guard<std::mutex> lock(mutex_);
  while (!outbound_.Empty()) {
    Outbound next = outbound_.Pop();
    if (std::chrono::steady_clock::now() - next.at <= kOutboundLifetime) return std::move(next.data);
  }
  return std::nullopt;
}

void Channel::ClearWake() {
  uint64_t count;
  // Non-blocking: an empty counter is not an error.
  if (read(wakeFd_, &count, sizeof count) < 0) return;
}

void Channel::SetSending(size_t inFlightMessages, uint64_t tryAgains) {
  std::lock_guard<std::mutex> lock(mutex_);
  inFlightMessages_ = inFlightMessages;
  tryAgains_ = tryAgains;
}

void Channel::Wake() {
  const uint64_t one = 1;
  // Can only fail when the counter is full, and then the thread is awake already.
  if (write(wakeFd_, &one, sizeof one) < 0) return;
}

}  // namespace holdfast
