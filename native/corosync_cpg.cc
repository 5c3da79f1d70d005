#include "corosync_cpg.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace holdfast {

namespace {

// Corosync announces the ring in the same breath as the change; if this many events follow without one, our
// picture of it is wrong and only a new connection can mend it.
constexpr size_t kHeldEvents = 64;

std::vector<GroupMember> ToMembers(const cpg_address* list, size_t count) {
  std::vector<GroupMember> members;
  members.reserve(count);
  for (size_t i = 0; i < count; i++) members.push_back({list[i].nodeid, list[i].pid});
  return members;
}

bool CameWithRing(const cpg_address* list, size_t count) {
  return std::any_of(list, list + count, [](const cpg_address& address) {
    return address.reason == CPG_REASON_NODEDOWN || address.reason == CPG_REASON_NODEUP;
  });
}

}  // namespace

CpgConnection::~CpgConnection() {
  if (connected_) cpg_finalize(handle_);
}

Status CpgConnection::Connect() {
  cpg_model_v1_data_t model = {};
  model.model = CPG_MODEL_V1;
  model.cpg_deliver_fn = OnDeliver;
  model.cpg_confchg_fn = OnGroup;
  model.cpg_totem_confchg_fn = OnRing;
  model.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF;
  cs_error_t error = cpg_model_initialize(&handle_, CPG_MODEL_V1, reinterpret_cast<cpg_model_data_t*>(&model), this);
  if (error != CS_OK) return StatusOf("cpg_model_initialize", error);
  connected_ = true;
  pid_ = static_cast<uint32_t>(getpid());
  unsigned int localNodeId = 0;
  if ((error = cpg_local_get(handle_, &localNodeId)) != CS_OK) return StatusOf("cpg_local_get", error);
  localNodeId_ = localNodeId;
  return StatusOf("cpg_fd_get", cpg_fd_get(handle_, &fd_));
}

Status CpgConnection::Join(const std::string& group) {
  cpg_name name = {};
  name.length = static_cast<uint32_t>(std::min<size_t>(group.size(), CPG_MAX_NAME_LENGTH));
  memcpy(name.value, group.data(), name.length);
  return StatusOf("cpg_join", cpg_join(handle_, &name));
}

Status CpgConnection::DispatchOne() {
  Status status = StatusOf("cpg_dispatch", cpg_dispatch(handle_, CS_DISPATCH_ONE_NONBLOCKING));
  if (status.Ok() && held_.size() > kHeldEvents) return {CS_ERR_MESSAGE_ERROR, "corosync announced no ring"};
  return status;
}

bool CpgConnection::MaySend(size_t bytes) const {
  if (!member_) return false;
  return inFlight_.empty() || (inFlight_.size() < kInFlightMessages && inFlightBytes_ + bytes <= kInFlightBytes);
}

Status CpgConnection::Multicast(const Bytes& data) {
  iovec part = {const_cast<uint8_t*>(data.data()), data.size()};
  Status status = StatusOf("cpg_mcast_joined", cpg_mcast_joined(handle_, CPG_TYPE_AGREED, &part, 1));
  if (status.Ok()) {
    inFlight_.push_back(data.size());
    inFlightBytes_ += data.size();
  }
  return status;
}

CpgConnection* CpgConnection::Of(cpg_handle_t handle) {
  void* context = nullptr;
  return cpg_context_get(handle, &context) == CS_OK ? static_cast<CpgConnection*>(context) : nullptr;
}

void CpgConnection::OnDeliver(cpg_handle_t handle, const cpg_name*, uint32_t nodeId, uint32_t pid, void* data,
                              size_t size) {
  CpgConnection* self = Of(handle);
  if (self == nullptr) return;
  if (self->IsOwn(nodeId, pid)) self->Delivered();
  // Nothing of ours is larger: some other program's, in our group.
  if (size > self->maxMessageBytes_) return;
  const auto* bytes = static_cast<const uint8_t*>(data);
  self->Emit(MessageEvent{nodeId, pid, Bytes(bytes, bytes + size)});
}

void CpgConnection::OnGroup(cpg_handle_t handle, const cpg_name*, const cpg_address* members, size_t memberCount,
                            const cpg_address* left, size_t leftCount, const cpg_address* joined, size_t joinedCount) {
  CpgConnection* self = Of(handle);
  if (self == nullptr) return;
  if (CameWithRing(left, leftCount) || CameWithRing(joined, joinedCount)) self->awaitingRing_ = true;
  self->member_ = std::any_of(members, members + memberCount, [self](const cpg_address& address) {
    return self->IsOwn(address.nodeid, address.pid);
  });
  self->Emit(GroupEvent{ToMembers(members, memberCount), ToMembers(joined, joinedCount), ToMembers(left, leftCount)});
}

void CpgConnection::OnRing(cpg_handle_t handle, cpg_ring_id ring, uint32_t memberCount, const uint32_t* members) {
  CpgConnection* self = Of(handle);
  if (self == nullptr) return;
  RingEvent event{{ring.nodeid, ring.seq}, std::vector<uint32_t>(members, members + memberCount)};
  // One that forms while we join is announced twice.
  if (!(event == self->ring_)) self->sink_(event);
  self->ring_ = std::move(event);
  self->ReleaseHeld();
}

void CpgConnection::Delivered() {
  if (inFlight_.empty()) return;
  inFlightBytes_ -= inFlight_.front();
  inFlight_.pop_front();
}

void CpgConnection::Emit(Event event) {
  if (awaitingRing_) {
    held_.push_back(std::move(event));
  } else {
    sink_(std::move(event));
  }
}

void CpgConnection::ReleaseHeld() {
  awaitingRing_ = false;
  for (Event& event : held_) sink_(std::move(event));
  held_.clear();
}

}  // namespace holdfast
