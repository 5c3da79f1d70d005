// The export table of the addon, and nothing else.
#include <napi.h>

#include "corosync.h"
#include "device_binding.h"
#include "emulator_query.h"
#include "keeper_binding.h"
#include "system.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  holdfast::InitSystem(env, exports);
  holdfast::InitKeeper(env, exports);
  holdfast::InitDevice(env, exports);
  holdfast::InitEmulatorQuery(env, exports);
  holdfast::InitCorosync(env, exports);
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
