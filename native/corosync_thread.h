// The corosync thread: connects, serves, and connects again, for ever.
#pragma once

#include <memory>

#include "corosync_channel.h"
#include "corosync_session.h"

namespace holdfast {

// Starts the thread, detached: it may hang in corosync (measured: every call does while corosync is stopped), and
// nobody must ever wait for it. It keeps the channel alive as long as it lives. It ends after Channel::Close, its
// last event being ClosedEvent. Returns 0 or an errno.
int StartCorosyncThread(std::shared_ptr<Channel> channel, SessionOptions options);

}  // namespace holdfast
