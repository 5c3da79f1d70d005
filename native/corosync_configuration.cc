#include "corosync_configuration.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

namespace holdfast {

namespace {

constexpr size_t kTextBytes = 1024;
// Corosync's own limit (PROCESSOR_COUNT_MAX in its sources).
constexpr size_t kNodes = 384;

// Votequorum's options, by their key below `quorum.` in corosync.conf(5) votequorum(5).
constexpr const char* kQuorumOptions[] = {"two_node",           "wait_for_all",    "last_man_standing",
                                          "auto_tie_breaker",   "allow_downscale", "expected_votes_tracking",
                                          "device.master_wins"};

struct QuorumFlag {
  unsigned int flag;
  const char* option;
};

// What votequorum has switched on, by itself (two_node implies wait_for_all) or because it was told to.
constexpr QuorumFlag kQuorumFlags[] = {{VOTEQUORUM_INFO_TWONODE, "two_node"},
                                       {VOTEQUORUM_INFO_WAIT_FOR_ALL, "wait_for_all"},
                                       {VOTEQUORUM_INFO_LAST_MAN_STANDING, "last_man_standing"},
                                       {VOTEQUORUM_INFO_AUTO_TIE_BREAKER, "auto_tie_breaker"},
                                       {VOTEQUORUM_INFO_ALLOW_DOWNSCALE, "allow_downscale"}};

// Reads keys of one cmap. Remembers the first error other than a missing key, so that callers check once.
class CmapReader {
 public:
  explicit CmapReader(cmap_handle_t handle) : handle_(handle) {}

  std::optional<uint32_t> Number(const std::string& key) {
    char raw[kTextBytes] = {};
    cmap_value_types_t type;
    if (!Get(key, raw, type)) return std::nullopt;
    switch (type) {
      case CMAP_VALUETYPE_UINT8: return As<uint8_t>(raw);
      case CMAP_VALUETYPE_UINT16: return As<uint16_t>(raw);
      case CMAP_VALUETYPE_UINT32: return As<uint32_t>(raw);
      case CMAP_VALUETYPE_INT8: return Clamp(As<int8_t>(raw));
      case CMAP_VALUETYPE_INT16: return Clamp(As<int16_t>(raw));
      case CMAP_VALUETYPE_INT32: return Clamp(As<int32_t>(raw));
      default: return std::nullopt;
    }
  }

  std::optional<std::string> Text(const std::string& key) {
    char raw[kTextBytes + 1] = {};
    cmap_value_types_t type;
    if (!Get(key, raw, type) || type != CMAP_VALUETYPE_STRING) return std::nullopt;
    return std::string(raw);
  }

  const Status& Outcome() const { return outcome_; }

 private:
  template <typename T>
  static T As(const char* raw) {
    T value;
    memcpy(&value, raw, sizeof value);
    return value;
  }
  static uint32_t Clamp(int32_t value) { return value < 0 ? 0 : static_cast<uint32_t>(value); }

  bool Get(const std::string& key, char* raw, cmap_value_types_t& type) {
    if (!outcome_.Ok()) return false;
    size_t size = kTextBytes;
    cs_error_t error = cmap_get(handle_, key.c_str(), raw, &size, &type);
    // CS_ERR_INVALID_PARAM: longer than anything we ask for; as good as missing.
    if (error == CS_ERR_NOT_EXIST || error == CS_ERR_INVALID_PARAM) return false;
    if (error != CS_OK) outcome_ = {error, "cmap_get " + key};
    return error == CS_OK;
  }

  const cmap_handle_t handle_;
  Status outcome_;
};

// The positions X for which nodelist.node.X.something exists; they may have gaps.
Status NodePositions(cmap_handle_t handle, std::set<uint32_t>& positions) {
  const std::string prefix = "nodelist.node.";
  cmap_iter_handle_t iterator;
  cs_error_t error = cmap_iter_init(handle, prefix.c_str(), &iterator);
  if (error != CS_OK) return StatusOf("cmap_iter_init", error);
  char key[CMAP_KEYNAME_MAXLEN + 1];
  size_t size;
  cmap_value_types_t type;
  while ((error = cmap_iter_next(handle, iterator, key, &size, &type)) == CS_OK && positions.size() <= kNodes) {
    char* end = nullptr;
    const unsigned long position = strtoul(key + prefix.size(), &end, 10);
    if (end != key + prefix.size() && *end == '.' && position <= std::numeric_limits<uint32_t>::max()) {
      positions.insert(static_cast<uint32_t>(position));
    }
  }
  cmap_iter_finalize(handle, iterator);
  return error == CS_ERR_NO_SECTIONS ? Status{} : StatusOf("cmap_iter_next", error);
}

std::optional<ClusterNode> ReadNode(CmapReader& cmap, uint32_t position) {
  const std::string prefix = "nodelist.node." + std::to_string(position) + ".";
  const std::optional<uint32_t> nodeId = cmap.Number(prefix + "nodeid");
  if (!nodeId) return std::nullopt;
  std::optional<std::string> name = cmap.Text(prefix + "name");
  if (!name) name = cmap.Text(prefix + "ring0_addr");
  return ClusterNode{*nodeId, name.value_or(std::to_string(*nodeId)), cmap.Number(prefix + "quorum_votes").value_or(1)};
}

uint32_t VotesOf(const std::vector<ClusterNode>& nodes) {
  return std::accumulate(nodes.begin(), nodes.end(), 0u,
                         [](uint32_t votes, const ClusterNode& node) { return votes + node.votes; });
}

std::vector<std::string> ReadOptions(CmapReader& cmap, unsigned int flags) {
  std::set<std::string> options;
  for (const char* option : kQuorumOptions) {
    if (cmap.Number(std::string("quorum.") + option).value_or(0) != 0) options.insert(option);
  }
  for (const QuorumFlag& entry : kQuorumFlags) {
    if ((flags & entry.flag) != 0) options.insert(entry.option);
  }
  return {options.begin(), options.end()};
}

}  // namespace

ConfigurationConnection::~ConfigurationConnection() {
  if (votesConnected_) votequorum_finalize(votes_);
  if (cmapConnected_) cmap_finalize(cmap_);
}

Status ConfigurationConnection::Connect() {
  Status status = ConnectCmap();
  return status.Ok() ? ConnectVotes() : status;
}

Status ConfigurationConnection::ConnectCmap() {
  cs_error_t error = cmap_initialize(&cmap_);
  if (error != CS_OK) return StatusOf("cmap_initialize", error);
  cmapConnected_ = true;
  cmap_track_handle_t track;
  error = cmap_track_add(cmap_, "config.", CMAP_TRACK_ADD | CMAP_TRACK_MODIFY | CMAP_TRACK_PREFIX, OnReload, this,
                         &track);
  if (error != CS_OK) return StatusOf("cmap_track_add", error);
  return StatusOf("cmap_fd_get", cmap_fd_get(cmap_, &cmapFd_));
}

Status ConfigurationConnection::ConnectVotes() {
  votequorum_callbacks_t callbacks = {};
  callbacks.votequorum_quorum_notify_fn = OnVotes;
  callbacks.votequorum_expectedvotes_notify_fn = OnExpectedVotes;
  cs_error_t error = votequorum_initialize(&votes_, &callbacks);
  if (error != CS_OK) return StatusOf("votequorum_initialize", error);
  votesConnected_ = true;
  error = votequorum_trackstart(votes_, reinterpret_cast<uintptr_t>(this), CS_TRACK_CHANGES);
  if (error != CS_OK) return StatusOf("votequorum_trackstart", error);
  return StatusOf("votequorum_fd_get", votequorum_fd_get(votes_, &votesFd_));
}

Status ConfigurationConnection::DispatchCmap() {
  return StatusOf("cmap_dispatch", cmap_dispatch(cmap_, CS_DISPATCH_ONE_NONBLOCKING));
}

Status ConfigurationConnection::DispatchVotes() {
  return StatusOf("votequorum_dispatch", votequorum_dispatch(votes_, CS_DISPATCH_ONE_NONBLOCKING));
}

Status ConfigurationConnection::Read(ConfigurationEvent& configuration) {
  stale_ = false;
  CmapReader cmap(cmap_);
  if (cmap.Number("config.reload_in_progress").value_or(0) != 0) return {CS_ERR_TRY_AGAIN, "corosync reloads"};
  std::set<uint32_t> positions;
  Status status = NodePositions(cmap_, positions);
  if (!status.Ok()) return status;
  votequorum_info votes = {};
  cs_error_t error = votequorum_getinfo(votes_, 0, &votes);  // 0: this node
  if (error != CS_OK) return StatusOf("votequorum_getinfo", error);

  configuration = {};
  configuration.localNodeId = votes.node_id;
  configuration.clusterName = cmap.Text("totem.cluster_name").value_or("");
  for (uint32_t position : positions) {
    if (std::optional<ClusterNode> node = ReadNode(cmap, position)) configuration.nodes.push_back(std::move(*node));
  }
  configuration.deviceVotes = cmap.Text("quorum.device.model") ? votes.qdevice_votes : 0;
  // Votequorum's own defaults, see votequorum(5).
  configuration.deviceTimeoutMs = cmap.Number("quorum.device.timeout").value_or(10000);
  configuration.deviceSyncTimeoutMs = cmap.Number("quorum.device.sync_timeout").value_or(30000);
  // Measured: votequorum leaves an unregistered device out before the first ring of several nodes and after a
  // reload, and `corosync-quorumtool -e` may lower its number. The votes that exist are never fewer than these.
  configuration.expectedVotes = std::max(votes.highest_expected, VotesOf(configuration.nodes) + configuration.deviceVotes);
  configuration.tokenMs = cmap.Number("runtime.config.totem.token").value_or(0);
  configuration.consensusMs = cmap.Number("runtime.config.totem.consensus").value_or(0);
  configuration.quorumOptions = ReadOptions(cmap, votes.flags);
  return cmap.Outcome();
}

void ConfigurationConnection::OnReload(cmap_handle_t, cmap_track_handle_t, int32_t, const char*, cmap_notify_value,
                                       cmap_notify_value, void* self) {
  static_cast<ConfigurationConnection*>(self)->stale_ = true;
}

void ConfigurationConnection::OnVotes(votequorum_handle_t, uint64_t self, uint32_t, uint32_t, votequorum_node_t*) {
  reinterpret_cast<ConfigurationConnection*>(static_cast<uintptr_t>(self))->stale_ = true;
}

void ConfigurationConnection::OnExpectedVotes(votequorum_handle_t, uint64_t self, uint32_t) {
  reinterpret_cast<ConfigurationConnection*>(static_cast<uintptr_t>(self))->stale_ = true;
}

}  // namespace holdfast
