// One life of the connection to corosync: from joining the group to the first error. Runs on the corosync thread.
#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string>

#include "corosync_channel.h"
#include "corosync_configuration.h"
#include "corosync_cpg.h"
#include "corosync_quorum.h"

namespace holdfast {

struct SessionOptions {
  std::string group;
  size_t maxMessageBytes;
  // JavaScript that leaves events alone for longer is taken for stuck, and we leave the group.
  Milliseconds stallLimit;
};

class Session {
 public:
  Session(Channel& channel, const SessionOptions& options);

  // Connects to all four services and joins; on success JavaScript has been told the configuration.
  Status Open();
  // Serves until something fails, JavaScript is stuck (`Stalled`), or the channel is closing and all is delivered.
  Status Serve();
  bool Stalled() const { return stalled_; }

 private:
  Status Wait();
  int TimeoutMs() const;
  Status DispatchReady();
  Status RefreshConfiguration();
  Status SendQueued();
  bool JavaScriptStuck() const;
  bool ReadyToLeave();

  Channel& channel_;
  const SessionOptions& options_;
  ConfigurationConnection configurationConnection_;
  QuorumConnection quorum_;
  CpgConnection cpg_;
  ConfigurationEvent configuration_;
  // cpg, quorum, cmap, votequorum, the channel's wake-up.
  std::array<pollfd, 5> polled_ = {};
  std::optional<Clock::time_point> refreshAt_;
  // The message that corosync would not take yet; it stays first in line.
  std::optional<Bytes> next_;
  std::optional<Clock::time_point> retryAt_;
  Milliseconds backOff_;
  uint64_t tryAgains_ = 0;
  std::optional<Clock::time_point> leaveBy_;
  bool stalled_ = false;
};

}  // namespace holdfast
