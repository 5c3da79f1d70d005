// What the keeper and the emulator say to each other: one request, one reply, over SOCK_SEQPACKET on one machine.
#pragma once

#include <cstdint>

namespace holdfast::emulator {

constexpr uint32_t kMagic = 0x48464457;
constexpr uint32_t kCardReset = 0x20;  // WDIOF_CARDRESET
constexpr int kTextBytes = 96;
constexpr int kIdentityBytes = 32;

enum class Verb : uint32_t {
  kQuery = 1,   // state only; needs no open
  kOpen,        // as open(2) of the device; closing the connection is its close(2)
  kKeepalive,   // WDIOC_KEEPALIVE
  kWrite,       // write(2) of the one byte in value
  kSetTimeout,  // WDIOC_SETTIMEOUT of value seconds
  kReset,       // resets the machine at once; text says why
  kNoReboot,    // value 1: fire without effect, 0: fire for real
};

struct Request {
  uint32_t magic;
  uint32_t sequence;
  uint32_t verb;
  int32_t value;
  char text[kTextBytes];
};

struct State {
  int32_t timeoutS;
  int32_t minTimeoutS;
  int32_t maxTimeoutS;
  int32_t kappa;
  int64_t timeLeftMs;
  int64_t lastPetNs;  // CLOCK_BOOTTIME; 0 before the first
  uint32_t bootStatus;
  uint32_t opens;
  uint8_t active;
  uint8_t open;
  uint8_t nowayout;
  uint8_t noReboot;
  char identity[kIdentityBytes];
};

struct Reply {
  uint32_t magic;
  uint32_t sequence;  // the request's
  int32_t error;      // 0 or an errno
  State state;
};

}  // namespace holdfast::emulator
