// A watchdog without a keeper, for whoever wants to see it fire: each call is one operation on the device.
#pragma once

#include <napi.h>

namespace holdfast {

void InitDevice(Napi::Env env, Napi::Object exports);

}  // namespace holdfast
