// The keeper as JavaScript sees it.
#pragma once

#include <napi.h>

namespace holdfast {

void InitKeeper(Napi::Env env, Napi::Object exports);

}  // namespace holdfast
