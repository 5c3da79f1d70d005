// The corosync side of the addon, as src/host/corosync-native.ts describes it.
#pragma once

#include <napi.h>

namespace holdfast {

void InitCorosync(Napi::Env env, Napi::Object exports);

}  // namespace holdfast
