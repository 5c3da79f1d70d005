// One connection to corosync's closed process group service. Every call may hang while corosync is stopped
// (measured: SIGSTOP), so only the corosync thread may own one.
#pragma once

#include <corosync/cpg.h>

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "corosync_errors.h"
#include "corosync_events.h"

namespace holdfast {

// Own messages that corosync has taken but not yet delivered back. Measured: the 279th small one given to a
// stopped corosync spins on the CPU inside libqb, so we stay well below.
constexpr size_t kInFlightMessages = 150;
constexpr size_t kInFlightBytes = 4 * 1024 * 1024;

class CpgConnection {
 public:
  CpgConnection(EventSink sink, size_t maxMessageBytes) : sink_(std::move(sink)), maxMessageBytes_(maxMessageBytes) {}
  ~CpgConnection();
  CpgConnection(const CpgConnection&) = delete;
  CpgConnection& operator=(const CpgConnection&) = delete;

  Status Connect();
  Status Join(const std::string& group);
  int Fd() const { return fd_; }

  // Handles at most one event; CS_ERR_TRY_AGAIN: there was none.
  Status DispatchOne();

  // True once we are a member and the window has room for `bytes` more.
  bool MaySend(size_t bytes) const;
  // CS_ERR_TRY_AGAIN: corosync is busy, nothing was sent.
  Status Multicast(const Bytes& data);
  size_t InFlightMessages() const { return inFlight_.size(); }

 private:
  static CpgConnection* Of(cpg_handle_t handle);
  static void OnDeliver(cpg_handle_t handle, const cpg_name* group, uint32_t nodeId, uint32_t pid, void* data,
                        size_t size);
  static void OnGroup(cpg_handle_t handle, const cpg_name* group, const cpg_address* members, size_t memberCount,
                      const cpg_address* left, size_t leftCount, const cpg_address* joined, size_t joinedCount);
  static void OnRing(cpg_handle_t handle, cpg_ring_id ring, uint32_t memberCount, const uint32_t* members);

  bool IsOwn(uint32_t nodeId, uint32_t pid) const { return nodeId == localNodeId_ && pid == pid_; }
  void Delivered();
  void Emit(Event event);
  void ReleaseHeld();

  const EventSink sink_;
  const size_t maxMessageBytes_;
  cpg_handle_t handle_ = 0;
  bool connected_ = false;
  int fd_ = -1;
  uint32_t localNodeId_ = 0;
  uint32_t pid_ = 0;
  bool member_ = false;
  std::deque<size_t> inFlight_;
  size_t inFlightBytes_ = 0;
  // Corosync announces who left or came with a ring *before* that ring (measured); the port promises the ring
  // first. Until the ring is announced the events wait here.
  bool awaitingRing_ = true;
  RingEvent ring_;
  std::vector<Event> held_;
};

}  // namespace holdfast
