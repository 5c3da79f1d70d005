// What corosync is configured to be: cmap for the nodes, the timeouts and the options, votequorum for the votes.
#pragma once

#include <corosync/cmap.h>
#include <corosync/votequorum.h>

#include "corosync_errors.h"
#include "corosync_events.h"

namespace holdfast {

class ConfigurationConnection {
 public:
  ConfigurationConnection() = default;
  ~ConfigurationConnection();
  ConfigurationConnection(const ConfigurationConnection&) = delete;
  ConfigurationConnection& operator=(const ConfigurationConnection&) = delete;

  Status Connect();
  int CmapFd() const { return cmapFd_; }
  int VotesFd() const { return votesFd_; }
  // Each handles at most one notification; CS_ERR_TRY_AGAIN: there was none.
  Status DispatchCmap();
  Status DispatchVotes();

  // Corosync said since the last Read that something changed.
  bool Stale() const { return stale_; }
  // CS_ERR_TRY_AGAIN: corosync is in the middle of a reload, and will notify when it is through.
  Status Read(ConfigurationEvent& configuration);

 private:
  static void OnReload(cmap_handle_t handle, cmap_track_handle_t track, int32_t event, const char* key,
                       cmap_notify_value now, cmap_notify_value before, void* self);
  static void OnVotes(votequorum_handle_t handle, uint64_t self, uint32_t quorate, uint32_t count,
                      votequorum_node_t* nodes);
  static void OnExpectedVotes(votequorum_handle_t handle, uint64_t self, uint32_t expectedVotes);
  Status ConnectCmap();
  Status ConnectVotes();

  cmap_handle_t cmap_ = 0;
  votequorum_handle_t votes_ = 0;
  bool cmapConnected_ = false;
  bool votesConnected_ = false;
  int cmapFd_ = -1;
  int votesFd_ = -1;
  bool stale_ = true;
};

}  // namespace holdfast
