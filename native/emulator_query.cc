#include "emulator_query.h"

#include <cstring>
#include <string>

#include "emulator_client.h"

namespace holdfast {
namespace {

// On a thread of libuv's pool: an emulator that was stopped must not hold up JavaScript.
class Query : public Napi::AsyncWorker {
 public:
  Query(Napi::Env env, std::string socket)
      : Napi::AsyncWorker(env, "holdfast:emulator"), deferred_(env), socket_(std::move(socket)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

  void Execute() override {
    EmulatorClient client;
    error_ = client.Connect(socket_.c_str());
    if (error_ == 0) error_ = client.Ask(emulator::Verb::kQuery);
    state_ = client.state();
  }

  void OnOK() override {
    const Napi::Env env = Env();
    if (error_ != 0) return deferred_.Resolve(Napi::Number::New(env, error_));
    Napi::Object out = Napi::Object::New(env);
    out["identity"] = Napi::String::New(env, state_.identity, strnlen(state_.identity, sizeof state_.identity));
    out["active"] = Napi::Boolean::New(env, state_.active != 0);
    out["timeoutS"] = Napi::Number::New(env, state_.timeoutS);
    out["minTimeoutS"] = Napi::Number::New(env, state_.minTimeoutS);
    out["maxTimeoutS"] = Napi::Number::New(env, state_.maxTimeoutS);
    out["nowayout"] = Napi::Boolean::New(env, state_.nowayout != 0);
    out["bootStatus"] = Napi::Number::New(env, state_.bootStatus);
    out["kappa"] = Napi::Number::New(env, state_.kappa);
    deferred_.Resolve(out);
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::string socket_;
  int error_ = 0;
  emulator::State state_{};
};

// queryEmulator(socket): Promise of its state, or of the errno as a number
Napi::Value QueryEmulator(const Napi::CallbackInfo& info) {
  auto* query = new Query(info.Env(), info[0].ToString().Utf8Value());
  query->Queue();
  return query->Promise();
}

}  // namespace

void InitEmulatorQuery(Napi::Env env, Napi::Object exports) {
  exports["queryEmulator"] = Napi::Function::New(env, QueryEmulator, "queryEmulator");
}

}  // namespace holdfast
