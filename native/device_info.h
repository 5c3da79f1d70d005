// What a device tells, as JavaScript sees it.
#pragma once

#include <napi.h>

#include "watchdog_device.h"

namespace holdfast {

inline Napi::Value InfoToJs(Napi::Env env, const DeviceInfo& info) {
  Napi::Object out = Napi::Object::New(env);
  out["identity"] = Napi::String::New(env, info.identity);
  out["firmware"] = Napi::Number::New(env, info.firmware);
  out["options"] = Napi::Number::New(env, info.options);
  out["status"] = Napi::Number::New(env, info.status);
  out["bootStatus"] = Napi::Number::New(env, info.bootStatus);
  out["timeoutS"] = Napi::Number::New(env, info.timeoutS);
  out["pretimeoutS"] = Napi::Number::New(env, info.pretimeoutS);
  out["timeLeftS"] = Napi::Number::New(env, info.timeLeftS);
  return out;
}

}  // namespace holdfast
