#include "system.h"

#include <errno.h>
#include <sys/socket.h>

#include "clock.h"

namespace holdfast {
namespace {

// boottimeMs(): number
Napi::Value BoottimeMs(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(BootNs()) / kNsPerMs);
}

// peerCredentials(fd): { pid, uid, gid } of who connected or listened (SO_PEERCRED), or the errno as a number.
Napi::Value PeerCredentials(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(info[0].ToNumber().Int32Value(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return Napi::Number::New(env, errno);
  }
  Napi::Object result = Napi::Object::New(env);
  result["pid"] = Napi::Number::New(env, peer.pid);
  result["uid"] = Napi::Number::New(env, peer.uid);
  result["gid"] = Napi::Number::New(env, peer.gid);
  return result;
}

}  // namespace

void InitSystem(Napi::Env env, Napi::Object exports) {
  exports["boottimeMs"] = Napi::Function::New(env, BoottimeMs, "boottimeMs");
  exports["peerCredentials"] = Napi::Function::New(env, PeerCredentials, "peerCredentials");
}

}  // namespace holdfast
