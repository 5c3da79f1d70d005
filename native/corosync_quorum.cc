#include "corosync_quorum.h"

namespace holdfast {

QuorumConnection::~QuorumConnection() {
  if (connected_) quorum_finalize(handle_);
}

Status QuorumConnection::Connect() {
  quorum_model_v1_data_t model = {};
  model.model = QUORUM_MODEL_V1;
  model.quorum_notify_fn = OnQuorum;
  model.nodelist_notify_fn = OnNodes;
  uint32_t type = QUORUM_FREE;
  cs_error_t error = quorum_model_initialize(&handle_, QUORUM_MODEL_V1, reinterpret_cast<quorum_model_data_t*>(&model),
                                             &type, this);
  if (error != CS_OK) return StatusOf("quorum_model_initialize", error);
  connected_ = true;
  if (type != QUORUM_SET) return {CS_ERR_NOT_SUPPORTED, "corosync.conf names no quorum provider"};
  error = quorum_trackstart(handle_, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
  if (error != CS_OK) return StatusOf("quorum_trackstart", error);
  return StatusOf("quorum_fd_get", quorum_fd_get(handle_, &fd_));
}

Status QuorumConnection::DispatchOne() {
  return StatusOf("quorum_dispatch", quorum_dispatch(handle_, CS_DISPATCH_ONE_NONBLOCKING));
}

QuorumConnection* QuorumConnection::Of(quorum_handle_t handle) {
  const void* context = nullptr;
  if (quorum_context_get(handle, &context) != CS_OK) return nullptr;
  return static_cast<QuorumConnection*>(const_cast<void*>(context));
}

void QuorumConnection::OnQuorum(quorum_handle_t handle, uint32_t quorate, quorum_ring_id ring, uint32_t,
                                const uint32_t*) {
  QuorumConnection* self = Of(handle);
  if (self == nullptr) return;
  self->verdict_ = {RingId{ring.nodeid, ring.seq}, quorate != 0};
  self->EmitIfChanged();
}

void QuorumConnection::OnNodes(quorum_handle_t handle, quorum_ring_id ring, uint32_t memberCount,
                               const uint32_t* members, uint32_t, const uint32_t*, uint32_t, const uint32_t*) {
  QuorumConnection* self = Of(handle);
  if (self == nullptr) return;
  self->nodes_ = RingEvent{{ring.nodeid, ring.seq}, std::vector<uint32_t>(members, members + memberCount)};
  self->EmitIfChanged();
}

void QuorumConnection::EmitIfChanged() {
  if (!verdict_ || !nodes_ || !(verdict_->first == nodes_->ring)) return;
  QuorumEvent event{verdict_->second, nodes_->ring, nodes_->members};
  if (last_ && *last_ == event) return;
  last_ = event;
  sink_(std::move(event));
}

}  // namespace holdfast
