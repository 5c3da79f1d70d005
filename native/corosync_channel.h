// What the JavaScript thread and the corosync thread share: two bounded queues, the session they belong to, and a
// doorbell. The lock is held for a few instructions only, never across a call to corosync.
#pragma once

#include <node_api.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "bounded_queue.h"
#include "corosync_events.h"

namespace holdfast {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

enum class SendResult { kSent, kFull, kDisconnected };

struct ChannelStats {
  size_t outboundMessages;
  size_t inFlightMessages;
  size_t inboundEvents;
  uint64_t tryAgains;
};

// A message on its way to corosync, and when JavaScript gave it.
struct Outbound {
  Bytes data;
  std::chrono::steady_clock::time_point at;
};

class Channel {
 public:
  Channel(QueueLimit outbound, QueueLimit inbound);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  // An eventfd that is readable when the corosync thread has a reason to look; -1 if there was none to be had.
  int WakeFd() const { return wakeFd_; }

  // --- the JavaScript thread ---
  void HangBell(napi_threadsafe_function bell);
  // Afterwards the bell is never touched again.
  napi_threadsafe_function TakeBell();
  SendResult Send(const uint8_t* data, size_t size);
  // The oldest events, all of one session. The bell rings again only after an empty answer.
  std::vector<Event> Drain(size_t maxEvents, size_t maxBytes);
  // Ask the thread to send what is queued, leave and end.
  void Close();
  ChannelStats Stats() const;

  // --- the corosync thread ---
  bool Closing() const;
  void BeginSession();
  // Forgets what was still to be sent; `forgetInbound` also what JavaScript has not fetched yet.
  void EndSession(bool forgetInbound);
  // Dropped once closing, except `ClosedEvent`: nobody listens any more.
  void Publish(Event event);
  bool InboundHasRoom();
  // True when JavaScript has fetched everything; if not, the thread is woken when it has.
  bool InboundFetched();
  // How long JavaScript has left a non-empty inbound queue alone; empty when the queue is.
  std::optional<Milliseconds> Unattended() const;
  std::optional<Bytes> NextOutbound();
  void ClearWake();
  void SetSending(size_t inFlightMessages, uint64_t tryAgains);

 private:
  struct Tagged {
    Event event;
    uint64_t session;
  };
  void Wake();

  const int wakeFd_;
  mutable std::mutex mutex_;
  napi_threadsafe_function bell_ = nullptr;
  bool bellRung_ = false;
  bool closing_ = false;
  bool wakeOnDrain_ = false;
  // 0: not connected. JavaScript may only send into the session whose `configuration` it has seen.
  uint64_t session_ = 0;
  uint64_t seenSession_ = 0;
  uint64_t sessions_ = 0;
  BoundedQueue<Outbound> outbound_;
  BoundedQueue<Tagged> inbound_;
  Clock::time_point attended_;
  size_t inFlightMessages_ = 0;
  uint64_t tryAgains_ = 0;
};

}  // namespace holdfast
