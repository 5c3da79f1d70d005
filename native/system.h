// What Node does not tell of the system: CLOCK_BOOTTIME, and who is at the other end of a socket.
#pragma once

#include <napi.h>

namespace holdfast {

void InitSystem(Napi::Env env, Napi::Object exports);

}  // namespace holdfast
