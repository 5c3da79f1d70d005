// One connection to the emulator: a request, its reply, within half a second. Allocates nothing.
#pragma once

#include <cstdint>

#include "emulator/protocol.h"

namespace holdfast {

class EmulatorClient {
 public:
  EmulatorClient() = default;
  ~EmulatorClient() { Close(); }
  EmulatorClient(const EmulatorClient&) = delete;
  EmulatorClient& operator=(const EmulatorClient&) = delete;

  // All return 0 or an errno; ETIMEDOUT when the emulator does not answer.
  int Connect(const char* path);
  int Ask(emulator::Verb verb, int32_t value = 0, const char* text = "");
  void Close();

  bool IsConnected() const { return fd_ >= 0; }
  // As of the last reply.
  const emulator::State& state() const { return state_; }

 private:
  int fd_ = -1;
  uint32_t sequence_ = 0;
  emulator::State state_{};
};

}  // namespace holdfast
