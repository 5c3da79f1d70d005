// The export table of the addon, and nothing else.
#include <napi.h>

#if __has_include("corosync.h")
#include "corosync.h"
#endif
#include "system.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  holdfast::InitSystem(env, exports);
#if __has_include("corosync.h")
  holdfast::InitCorosync(env, exports);
#endif
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
