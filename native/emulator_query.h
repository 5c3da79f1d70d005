// Asks an emulator for its state, without opening its device.
#pragma once

#include <napi.h>

namespace holdfast {

void InitEmulatorQuery(Napi::Env env, Napi::Object exports);

}  // namespace holdfast
