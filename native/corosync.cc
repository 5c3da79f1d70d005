#include "corosync.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "corosync_channel.h"
#include "corosync_thread.h"

namespace holdfast {

namespace {

// What one turn of the event loop takes: some milliseconds of work for JavaScript, not more.
constexpr size_t kBatchEvents = 64;
constexpr size_t kBatchBytes = 1024 * 1024;

Napi::Array ToArray(Napi::Env env, const std::vector<uint32_t>& nodeIds) {
  Napi::Array array = Napi::Array::New(env, nodeIds.size());
  for (uint32_t i = 0; i < nodeIds.size(); i++) array.Set(i, nodeIds[i]);
  return array;
}

Napi::Array ToArray(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) array.Set(i, texts[i]);
  return array;
}

Napi::Array ToArray(Napi::Env env, const std::vector<GroupMember>& members) {
  Napi::Array array = Napi::Array::New(env, members.size());
  for (uint32_t i = 0; i < members.size(); i++) {
    Napi::Object member = Napi::Object::New(env);
    member.Set("nodeId", members[i].nodeId);
    member.Set("pid", members[i].pid);
    array.Set(i, member);
  }
  return array;
}

Napi::Array ToArray(Napi::Env env, const std::vector<ClusterNode>& nodes) {
  Napi::Array array = Napi::Array::New(env, nodes.size());
  for (uint32_t i = 0; i < nodes.size(); i++) {
    Napi::Object node = Napi::Object::New(env);
    node.Set("nodeId", nodes[i].nodeId);
    node.Set("name", nodes[i].name);
    node.Set("votes", nodes[i].votes);
    array.Set(i, node);
  }
  return array;
}

// A ring's sequence number grows by 4 a membership change: a double holds it for longer than hardware lasts.
Napi::Object ToObject(Napi::Env env, const RingId& ring) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("nodeId", ring.nodeId);
  object.Set("seq", static_cast<double>(ring.seq));
  return object;
}

void Fill(Napi::Object object, const ConfigurationEvent& event) {
  Napi::Env env = object.Env();
  Napi::Object configuration = Napi::Object::New(env);
  configuration.Set("localNodeId", event.localNodeId);
  configuration.Set("clusterName", event.clusterName);
  configuration.Set("nodes", ToArray(env, event.nodes));
  configuration.Set("expectedVotes", event.expectedVotes);
  configuration.Set("deviceVotes", event.deviceVotes);
  if (event.deviceVotes > 0) {
    configuration.Set("deviceTimeoutMs", event.deviceTimeoutMs);
    configuration.Set("deviceSyncTimeoutMs", event.deviceSyncTimeoutMs);
  }
  configuration.Set("tokenMs", event.tokenMs);
  configuration.Set("consensusMs", event.consensusMs);
  configuration.Set("quorumOptions", ToArray(env, event.quorumOptions));
  object.Set("type", "configuration");
  object.Set("configuration", configuration);
}

void Fill(Napi::Object object, const QuorumEvent& event) {
  object.Set("type", "quorum");
  object.Set("quorate", event.quorate);
  object.Set("ring", ToObject(object.Env(), event.ring));
  object.Set("members", ToArray(object.Env(), event.members));
}

void Fill(Napi::Object object, const RingEvent& event) {
  object.Set("type", "ring");
  object.Set("ring", ToObject(object.Env(), event.ring));
  object.Set("members", ToArray(object.Env(), event.members));
}

void Fill(Napi::Object object, const GroupEvent& event) {
  object.Set("type", "group");
  object.Set("members", ToArray(object.Env(), event.members));
  object.Set("joined", ToArray(object.Env(), event.joined));
  object.Set("left", ToArray(object.Env(), event.left));
}

void Fill(Napi::Object object, const MessageEvent& event) {
  object.Set("type", "message");
  object.Set("nodeId", event.nodeId);
  object.Set("pid", event.pid);
  object.Set("data", Napi::Buffer<uint8_t>::Copy(object.Env(), event.data.data(), event.data.size()));
}

void Fill(Napi::Object object, const DisconnectedEvent& event) {
  object.Set("type", "disconnected");
  object.Set("reason", event.reason);
}

void Fill(Napi::Object object, const ClosedEvent&) { object.Set("type", "closed"); }

const char* NameOf(SendResult result) {
  switch (result) {
    case SendResult::kSent: return "sent";
    case SendResult::kFull: return "full";
    case SendResult::kDisconnected: break;
  }
  return "disconnected";
}

size_t SizeOption(const Napi::Object& options, const char* name) {
  return static_cast<size_t>(options.Get(name).ToNumber().Int64Value());
}

// The JavaScript thread's end of a channel.
class CorosyncLink : public Napi::ObjectWrap<CorosyncLink> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "CorosyncLink",
                       {InstanceMethod("send", &CorosyncLink::Send), InstanceMethod("drain", &CorosyncLink::Drain),
                        InstanceMethod("close", &CorosyncLink::Close),
                        InstanceMethod("dispose", &CorosyncLink::Dispose),
                        InstanceMethod("stats", &CorosyncLink::Stats)});
  }

  // new CorosyncLink(options, bell)
  explicit CorosyncLink(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CorosyncLink>(info), env_(info.Env()) {
    const Napi::Object options = info[0].As<Napi::Object>();
    channel_ = std::make_shared<Channel>(
        QueueLimit{SizeOption(options, "outboundMessages"), SizeOption(options, "outboundBytes")},
        QueueLimit{SizeOption(options, "inboundEvents"), SizeOption(options, "inboundBytes")});
    if (channel_->WakeFd() < 0) {
      Throw("eventfd", errno);
      return;
    }
    napi_threadsafe_function bell;
    if (napi_create_threadsafe_function(env_, info[1], nullptr, Napi::String::New(env_, "corosync"), 0, 1, nullptr,
                                        nullptr, nullptr, nullptr, &bell) != napi_ok) {
      Throw("napi_create_threadsafe_function", ENOMEM);
      return;
    }
    channel_->HangBell(bell);
    hooked_ = napi_add_env_cleanup_hook(env_, OnTeardown, this) == napi_ok;
    const int error = StartCorosyncThread(
        channel_, {options.Get("group").ToString().Utf8Value(), SizeOption(options, "maxMessageBytes"),
                   Milliseconds(static_cast<int64_t>(SizeOption(options, "stallMs")))});
    if (error != 0) {
      LetGo();
      Throw("pthread_create", error);
    }
  }

  ~CorosyncLink() override { LetGo(); }

 private:
  void Throw(const char* call, int error) {
    Napi::Error::New(env_, std::string(call) + ": " + strerrorname_np(error)).ThrowAsJavaScriptException();
  }

  // Before the environment goes, or its doorbell would be rung after it.
  static void OnTeardown(void* self) {
    auto* link = static_cast<CorosyncLink*>(self);
    link->hooked_ = false;
    link->LetGo();
  }

  void LetGo() {
    if (std::exchange(hooked_, false)) napi_remove_env_cleanup_hook(env_, OnTeardown, this);
    channel_->Close();
    if (napi_threadsafe_function bell = channel_->TakeBell()) {
      napi_release_threadsafe_function(bell, napi_tsfn_abort);
    }
  }

  Napi::Value Send(const Napi::CallbackInfo& info) {
    const auto data = info[0].As<Napi::Uint8Array>();
    return Napi::String::New(info.Env(), NameOf(channel_->Send(data.Data(), data.ByteLength())));
  }

  Napi::Value Drain(const Napi::CallbackInfo& info) {
    const std::vector<Event> batch = channel_->Drain(kBatchEvents, kBatchBytes);
    Napi::Array events = Napi::Array::New(info.Env(), batch.size());
    for (uint32_t i = 0; i < batch.size(); i++) {
      Napi::Object object = Napi::Object::New(info.Env());
      std::visit([&object](const auto& event) { Fill(object, event); }, batch[i]);
      events.Set(i, object);
    }
    return events;
  }

  void Close(const Napi::CallbackInfo&) { channel_->Close(); }
  void Dispose(const Napi::CallbackInfo&) { LetGo(); }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const ChannelStats stats = channel_->Stats();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("outboundMessages", static_cast<double>(stats.outboundMessages));
    object.Set("inFlightMessages", static_cast<double>(stats.inFlightMessages));
    object.Set("inboundEvents", static_cast<double>(stats.inboundEvents));
    object.Set("tryAgains", static_cast<double>(stats.tryAgains));
    return object;
  }

  const Napi::Env env_;
  std::shared_ptr<Channel> channel_;
  bool hooked_ = false;
};

}  // namespace

void InitCorosync(Napi::Env env, Napi::Object exports) { exports.Set("CorosyncLink", CorosyncLink::Define(env)); }

}  // namespace holdfast
