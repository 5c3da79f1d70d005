// One connection to corosync's quorum service (model v1: with ring ids).
#pragma once

#include <corosync/quorum.h>

#include <optional>
#include <utility>
#include <vector>

#include "corosync_errors.h"
#include "corosync_events.h"

namespace holdfast {

// Says `quorum` when the members and the verdict are known for the same ring, and on every change of either.
class QuorumConnection {
 public:
  explicit QuorumConnection(EventSink sink) : sink_(std::move(sink)) {}
  ~QuorumConnection();
  QuorumConnection(const QuorumConnection&) = delete;
  QuorumConnection& operator=(const QuorumConnection&) = delete;

  Status Connect();
  int Fd() const { return fd_; }
  // Handles at most one event; CS_ERR_TRY_AGAIN: there was none.
  Status DispatchOne();

 private:
  static QuorumConnection* Of(quorum_handle_t handle);
  static void OnQuorum(quorum_handle_t handle, uint32_t quorate, quorum_ring_id ring, uint32_t memberCount,
                       const uint32_t* members);
  static void OnNodes(quorum_handle_t handle, quorum_ring_id ring, uint32_t memberCount, const uint32_t* members,
                      uint32_t joinedCount, const uint32_t* joined, uint32_t leftCount, const uint32_t* left);
  void EmitIfChanged();

  const EventSink sink_;
  quorum_handle_t handle_ = 0;
  bool connected_ = false;
  int fd_ = -1;
  std::optional<std::pair<RingId, bool>> verdict_;
  std::optional<RingEvent> nodes_;
  std::optional<QuorumEvent> last_;
};

}  // namespace holdfast
