// What the corosync thread tells JavaScript; the shapes are those of ClusterEvent in src/ports/cluster.ts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

using Bytes = std::vector<uint8_t>;

struct RingId {
  uint32_t nodeId = 0;
  uint64_t seq = 0;
  bool operator==(const RingId& other) const { return nodeId == other.nodeId && seq == other.seq; }
};

struct ClusterNode {
  uint32_t nodeId;
  std::string name;
  uint32_t votes;
  bool operator==(const ClusterNode& other) const {
    return nodeId == other.nodeId && name == other.name && votes == other.votes;
  }
};

struct ConfigurationEvent {
  uint32_t localNodeId = 0;
  std::string clusterName;
  std::vector<ClusterNode> nodes;
  uint32_t expectedVotes = 0;
  uint32_t deviceVotes = 0;
  // Milliseconds; of interest only with a device.
  uint32_t deviceTimeoutMs = 0;
  uint32_t deviceSyncTimeoutMs = 0;
  uint32_t tokenMs = 0;
  uint32_t consensusMs = 0;
  std::vector<std::string> quorumOptions;
  bool operator==(const ConfigurationEvent& other) const {
    return localNodeId == other.localNodeId && clusterName == other.clusterName && nodes == other.nodes &&
           expectedVotes == other.expectedVotes && deviceVotes == other.deviceVotes &&
           deviceTimeoutMs == other.deviceTimeoutMs && deviceSyncTimeoutMs == other.deviceSyncTimeoutMs && tokenMs == other.tokenMs &&
           consensusMs == other.consensusMs && quorumOptions == other.quorumOptions;
  }
};

struct QuorumEvent {
  bool quorate = false;
  RingId ring;
  std::vector<uint32_t> members;
  bool operator==(const QuorumEvent& other) const {
    return quorate == other.quorate && ring == other.ring && members == other.members;
  }
};

struct RingEvent {
  RingId ring;
  std::vector<uint32_t> members;
  bool operator==(const RingEvent& other) const { return ring == other.ring && members == other.members; }
};

struct GroupMember {
  uint32_t nodeId;
  uint32_t pid;
};

struct GroupEvent {
  std::vector<GroupMember> members;
  std::vector<GroupMember> joined;
  std::vector<GroupMember> left;
};

struct MessageEvent {
  uint32_t nodeId;
  uint32_t pid;
  Bytes data;
};

struct DisconnectedEvent {
  std::string reason;
};

// The last event of all: the thread has left the group and ends.
struct ClosedEvent {};

using Event = std::variant<ConfigurationEvent, QuorumEvent, RingEvent, GroupEvent, MessageEvent, DisconnectedEvent,
                           ClosedEvent>;

using EventSink = std::function<void(Event)>;

}  // namespace holdfast
