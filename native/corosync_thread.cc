#include "corosync_thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace holdfast {

namespace {

constexpr Milliseconds kFirstPause(100);
constexpr Milliseconds kLastPause(1000);
// cpg_dispatch and quorum_dispatch each keep a buffer of 1 MiB on the stack.
constexpr size_t kStackBytes = 4 * 1024 * 1024;

class Reconnector {
 public:
  Reconnector(std::shared_ptr<Channel> channel, SessionOptions options)
      : channel_(std::move(channel)), options_(std::move(options)) {}

  void Run() {
    while (!channel_->Closing()) {
      RunSession();
      AwaitFetched();
      if (!channel_->Closing()) Pause();
    }
    channel_->Publish(ClosedEvent{});
  }

 private:
  void RunSession() {
    Session session(*channel_, options_);
    Status status = session.Open();
    const bool opened = status.Ok();
    if (opened) {
      pause_ = kFirstPause;
      status = session.Serve();
    }
    channel_->EndSession(session.Stalled());
    if (!status.Ok()) Report(status, opened);
    // The session's end may hang in corosync; by now JavaScript knows all there is to know.
  }

  // While corosync is down or starts it answers with these; not worth telling again and again.
  static bool Ordinary(cs_error_t error) { return error == CS_ERR_LIBRARY || error == CS_ERR_TRY_AGAIN; }

  void Report(const Status& status, bool wasConnected) {
    const std::string reason = status.Reason();
    const bool news = wasConnected || reported_.empty() || (!Ordinary(status.error) && reason != reported_);
    if (!news) return;
    reported_ = reason;
    channel_->Publish(DisconnectedEvent{reason});
  }

  // Not to come back while JavaScript still believes in the former session, or is stuck. Also keeps the inbound
  // queue bounded while corosync comes and goes.
  void AwaitFetched() {
    while (!channel_->Closing() && !channel_->InboundFetched()) WaitForWake(-1);
  }

  void Pause() {
    const Clock::time_point until = Clock::now() + pause_;
    pause_ = std::min(pause_ * 2, kLastPause);
    for (Clock::time_point now = Clock::now(); now < until && !channel_->Closing(); now = Clock::now()) {
      WaitForWake(static_cast<int>(std::chrono::ceil<Milliseconds>(until - now).count()));
    }
  }

  void WaitForWake(int timeoutMs) {
    pollfd wake = {channel_->WakeFd(), POLLIN, 0};
    if (poll(&wake, 1, timeoutMs) > 0) channel_->ClearWake();
  }

  const std::shared_ptr<Channel> channel_;
  const SessionOptions options_;
  Milliseconds pause_ = kFirstPause;
  std::string reported_;
};

void* Main(void* argument) {
  std::unique_ptr<Reconnector> reconnector(static_cast<Reconnector*>(argument));
  pthread_setname_np(pthread_self(), "hf-corosync");
  reconnector->Run();
  return nullptr;
}

// Signals are for the JavaScript thread.
int CreateDetached(Reconnector* reconnector) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  error = pthread_create(&thread, &attributes, Main, reconnector);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

int StartCorosyncThread(std::shared_ptr<Channel> channel, SessionOptions options) {
  auto reconnector = std::make_unique<Reconnector>(std::move(channel), std::move(options));
  const int error = CreateDetached(reconnector.get());
  if (error == 0) reconnector.release();
  return error;
}

}  // namespace holdfast
