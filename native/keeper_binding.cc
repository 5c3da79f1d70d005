#include "keeper_binding.h"

#include <errno.h>
#include <uv.h>

#include <cmath>
#include <memory>
#include <string>

#include "clock.h"
#include "device_info.h"
#include "keeper.h"

namespace holdfast {
namespace {

// Rounded, so that an instant that JavaScript was given comes back as the same.
int64_t NsFromMs(const Napi::Value& ms) { return std::llround(ms.ToNumber().DoubleValue() * kNsPerMs); }

double MsFromNs(int64_t ns) { return static_cast<double>(ns) / kNsPerMs; }

Napi::Value ResultToJs(Napi::Env env, const Result& result) {
  Napi::Object out = Napi::Object::New(env);
  out["error"] = Napi::Number::New(env, result.error);
  out["step"] = Napi::Number::New(env, static_cast<int>(result.step));
  out["info"] = InfoToJs(env, result.info);
  return out;
}

class KeeperHandle;

// The event loop's ear for the keeper's notices. Closed once, by whoever of the two goes first: the handle, or the loop.
struct Bell {
  uv_poll_t poll{};
  KeeperHandle* owner = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
};

// new Keeper(emulated, path, bell): bell(notices, result | undefined) is called from the event loop.
class KeeperHandle : public Napi::ObjectWrap<KeeperHandle> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Keeper",
                       {InstanceMethod<&KeeperHandle::Post>("post"), InstanceMethod<&KeeperHandle::Extend>("extend"),
                        InstanceMethod<&KeeperHandle::Reset>("reset"), InstanceMethod<&KeeperHandle::Stats>("stats"),
                        InstanceMethod<&KeeperHandle::LatenessCounts>("lateness")});
  }

  explicit KeeperHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KeeperHandle>(info) {
    const Napi::Env env = info.Env();
    int error = 0;
    keeper_ = Keeper::Start(info[0].ToBoolean(), info[1].ToString().Utf8Value().c_str(), &error);
    if (keeper_ == nullptr) {
      Napi::Error failure = Napi::Error::New(env, "the keeper's thread cannot be started");
      failure.Set("errno", Napi::Number::New(env, error));
      failure.ThrowAsJavaScriptException();
      return;
    }
    // A property, not a reference of ours: the bell knows this object, and a cycle through native code is never collected.
    info.This().As<Napi::Object>()["bell"] = info[2];
    context_ = std::make_unique<Napi::AsyncContext>(env, "holdfast:keeper");
    HangBell(env);
  }

  ~KeeperHandle() override {
    if (bell_ != nullptr) CloseBell(bell_);
    if (keeper_ != nullptr) keeper_->Abandon();
  }

 private:
  void HangBell(Napi::Env env) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    bell_ = new Bell();
    bell_->owner = this;
    bell_->poll.data = bell_;
    uv_poll_init(loop, &bell_->poll, keeper_->noticeFd());
    uv_poll_start(&bell_->poll, UV_READABLE, OnNotice);
    // A process with nothing else to do may end; only a command under way holds it.
    uv_unref(reinterpret_cast<uv_handle_t*>(&bell_->poll));
    napi_add_async_cleanup_hook(env, OnCleanup, bell_, &bell_->hook);
  }

  // The loop ends: its handles have to be closed, or Node aborts. The keeper is left alone.
  static void OnCleanup(napi_async_cleanup_hook_handle, void* data) { CloseBell(static_cast<Bell*>(data)); }

  static void CloseBell(Bell* bell) {
    // Node may end between our destructor and the loop's next turn, which completes the closing.
    if (bell->owner == nullptr) return;
    bell->owner->bell_ = nullptr;
    bell->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&bell->poll), [](uv_handle_t* handle) {
      Bell* closed = static_cast<Bell*>(handle->data);
      napi_remove_async_cleanup_hook(closed->hook);
      delete closed;
    });
  }

  static void OnNotice(uv_poll_t* poll, int, int) {
    KeeperHandle* self = static_cast<Bell*>(poll->data)->owner;
    if (self != nullptr) self->Ring();
  }

  void Ring() {
    const Napi::Env env = Env();
    const Napi::HandleScope scope(env);
    Result result{};
    const uint32_t notices = keeper_->TakeNotices(&result);
    if (notices == 0) return;
    const bool done = (notices & kNoticeResult) != 0;
    const Napi::Object self = Value();
    napi_value bell = nullptr;
    // Nobody listens: this object is collected and its destructor yet to come, or Node is ending and runs no JavaScript.
    if (self.IsEmpty() || napi_get_named_property(env, self, "bell", &bell) != napi_ok) return;
    if (done) {
      uv_unref(reinterpret_cast<uv_handle_t*>(&bell_->poll));
      Unref();
    }
    Napi::Function(env, bell).MakeCallback(
        self, {Napi::Number::New(env, notices), done ? ResultToJs(env, result) : env.Undefined()}, *context_);
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }

  // post(type, timeoutS, petIntervalMs, deadlineMs, leaseMs): false while another command is under way
  Napi::Value Post(const Napi::CallbackInfo& info) {
    const Command command{static_cast<CommandType>(info[0].ToNumber().Int32Value()), info[1].ToNumber().Int32Value(),
                          NsFromMs(info[2]), NsFromMs(info[3]), NsFromMs(info[4])};
    if (bell_ == nullptr || !keeper_->Post(command)) return Napi::Boolean::New(info.Env(), false);
    // Neither the process nor this object goes away before the result is there.
    uv_ref(reinterpret_cast<uv_handle_t*>(&bell_->poll));
    Ref();
    return Napi::Boolean::New(info.Env(), true);
  }

  // extend(deadlineMs): Extension
  Napi::Value Extend(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<int>(keeper_->Extend(NsFromMs(info[0]))));
  }

  void Reset(const Napi::CallbackInfo& info) { keeper_->Reset(info[0].ToString().Utf8Value().c_str()); }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const KeeperStats stats = keeper_->Stats();
    Napi::Object out = Napi::Object::New(env);
    out["state"] = Napi::Number::New(env, static_cast<int>(stats.state));
    out["leaseDeadlineMs"] = Napi::Number::New(env, MsFromNs(stats.leaseDeadlineNs));
    out["lastPetMs"] = Napi::Number::New(env, MsFromNs(stats.lastPetNs));
    out["pets"] = Napi::Number::New(env, static_cast<double>(stats.pets));
    out["failedPets"] = Napi::Number::New(env, static_cast<double>(stats.failedPets));
    out["wakeups"] = Napi::Number::New(env, static_cast<double>(stats.wakeups));
    out["resetRequests"] = Napi::Number::New(env, static_cast<double>(stats.resetRequests));
    out["worstLatenessMs"] = Napi::Number::New(env, MsFromNs(stats.worstLatenessNs));
    out["petError"] = Napi::Number::New(env, stats.petError);
    out["resetError"] = Napi::Number::New(env, stats.resetError);
    out["realtime"] = Napi::Boolean::New(env, stats.realtime);
    out["memoryLocked"] = Napi::Boolean::New(env, stats.memoryLocked);
    return out;
  }

  // lateness(): { begun, done }, each { counts, worstMs }: how many pets were so late, by the buckets of lateness.h
  Napi::Value LatenessCounts(const Napi::CallbackInfo& info) {
    Napi::Object out = Napi::Object::New(info.Env());
    out["begun"] = Counts(info.Env(), keeper_->BegunLate());
    out["done"] = Counts(info.Env(), keeper_->DoneLate());
    return out;
  }

  static Napi::Object Counts(Napi::Env env, const Lateness& lateness) {
    Napi::Float64Array counts = Napi::Float64Array::New(env, Lateness::kBuckets);
    for (size_t bucket = 0; bucket < Lateness::kBuckets; bucket++) {
      counts[bucket] = static_cast<double>(lateness.At(bucket));
    }
    Napi::Object out = Napi::Object::New(env);
    out["counts"] = counts;
    out["worstMs"] = Napi::Number::New(env, MsFromNs(lateness.WorstNs()));
    return out;
  }

  Keeper* keeper_ = nullptr;
  Bell* bell_ = nullptr;
  std::unique_ptr<Napi::AsyncContext> context_;
};

}  // namespace

void InitKeeper(Napi::Env env, Napi::Object exports) { exports["Keeper"] = KeeperHandle::Define(env); }

}  // namespace holdfast
