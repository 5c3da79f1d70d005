// The keeper: one thread that alone touches the opened watchdog, and pets it only while the lease runs.
//
// JavaScript and the keeper share atomics and nothing else: neither ever waits for the other.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <variant>

#include "emulated_device.h"
#include "kernel_device.h"
#include "keeper_memory.h"
#include "lateness.h"
#include "watchdog_device.h"

namespace holdfast {

enum class KeeperState : int {
  kIdle,     // nothing open
  kOpen,     // open, counting perhaps, not petted
  kArmed,    // petted while the lease runs
  kFailed,   // as armed, but the last pet failed; it goes on trying
  kExpired,  // final: never petted again, asking for a reset every second
};

enum class CommandType : int { kNone, kAdopt, kArm, kRelease, kDescribe, kQuit };

struct Command {
  CommandType type;
  int32_t timeoutS;
  int64_t petIntervalNs;
  int64_t deadlineNs;
  int64_t leaseNs;
};

// Where a command failed.
enum class Step : int { kNone, kState, kLease, kOpen, kTimeout, kRounded, kStart, kDisarm };

struct Result {
  int error;  // 0 or an errno
  Step step;
  DeviceInfo info;  // zeros while nothing is open
};

enum class Extension : int { kExtended, kIgnored, kTooFar, kNotArmed, kExpired };

// Bits that TakeNotices returns.
constexpr uint32_t kNoticeResult = 1;
constexpr uint32_t kNoticeExpired = 2;
constexpr uint32_t kNoticePetFailed = 4;
constexpr uint32_t kNoticePetWorks = 8;
constexpr uint32_t kNoticeResetFailed = 16;

struct KeeperStats {
  KeeperState state;
  int64_t leaseDeadlineNs;
  int64_t lastPetNs;
  uint64_t pets;
  uint64_t failedPets;
  uint64_t wakeups;
  uint64_t resetRequests;
  int64_t worstLatenessNs;
  int petError;
  int resetError;
  bool realtime;
  bool memoryLocked;
};

class Keeper {
 public:
  static constexpr int kReasonBytes = 96;

  // Starts the thread. nullptr and *error an errno when that is not possible. The object lives in locked memory of its
  // own and is given up by Abandon, never by delete.
  static Keeper* Start(bool emulated, const char* path, int* error);

  // What follows is for JavaScript's thread; nothing of it blocks.

  // False while another command is under way.
  bool Post(const Command& command);
  // Moves the deadline of the lease forward, never back.
  Extension Extend(int64_t deadlineNs);
  // Final. The first reason counts.
  void Reset(const char* reason);
  // Readable when there are notices.
  int noticeFd() const { return noticeFd_; }
  // The notices since the last call; with kNoticeResult, *result is the command's.
  uint32_t TakeNotices(Result* result);
  KeeperStats Stats() const;
  const Lateness& BegunLate() const { return begun_; }
  const Lateness& DoneLate() const { return done_; }
  // Nobody will ask again. An idle keeper ends; one with an open device goes on until its lease ends, and resets.
  void Abandon();

 private:
  enum class Slot : int { kFree, kPosted, kDone };

  // A latched lease: no deadline, and none can be set any more.
  static constexpr int64_t kLatched = INT64_MIN;

  Keeper(bool emulated, const char* path, const KeeperMemory& memory);
  ~Keeper();

  int StartThread();
  static void* ThreadMain(void* self);
  void Run();
  void Sleep();
  int64_t PlannedWakeNs() const;
  void Tick();
  bool LeaseRuns();
  void Pet();
  void CountPet(int error);
  void CountLate(Lateness* late, int64_t dueNs, int64_t nowNs) const;
  void Expire(const char* reason);
  void RequestReset();
  bool TakeCommand();
  Result Execute(const Command& command);
  Result Adopt();
  Result Arm(const Command& command);
  Result Release();
  Result Finish(int error, Step step);
  void Notify(uint32_t notice);
  void SetState(KeeperState state) { state_.store(state, std::memory_order_release); }
  KeeperState State() const { return state_.load(std::memory_order_acquire); }
  bool IsPetting() const { return State() == KeeperState::kArmed || State() == KeeperState::kFailed; }

  const KeeperMemory memory_;
  pthread_t thread_{};
  int timerFd_ = -1;
  int commandFd_ = -1;
  int noticeFd_ = -1;

  // Touched by the keeper's thread only.
  std::variant<std::monostate, KernelDevice, EmulatedDevice> storage_;
  WatchdogDevice* device_ = nullptr;
  int64_t petIntervalNs_ = 0;
  int64_t nextPetNs_ = 0;
  int64_t oldestDueNs_ = 0;  // the first pet of the plan that none has been made for yet
  int64_t nextResetNs_ = 0;
  char lastReason_[kReasonBytes] = {};

  // The mailbox: written by JavaScript when free, by the keeper when posted.
  std::atomic<Slot> slot_{Slot::kFree};
  Command command_{};
  Result result_{};

  // The reset asked for by JavaScript; `reason_` is written once, before the flag.
  std::atomic<bool> resetWanted_{false};
  char reason_[kReasonBytes] = {};

  std::atomic<KeeperState> state_{KeeperState::kIdle};
  std::atomic<int64_t> leaseNs_{0};        // deadline
  std::atomic<int64_t> leaseLimitNs_{0};   // how far ahead of now it may be set
  std::atomic<int64_t> lastLeaseNs_{0};    // the deadline that a latched lease had
  std::atomic<uint32_t> notices_{0};
  std::atomic<int64_t> lastPetNs_{0};
  std::atomic<uint64_t> pets_{0};
  std::atomic<uint64_t> failedPets_{0};
  std::atomic<uint64_t> wakeups_{0};
  std::atomic<uint64_t> resetRequests_{0};
  Lateness begun_;  // of each pet that was planned, to the start of the one tried, unless another was under way
  Lateness done_;   // of each pet that was planned, to the end of the one that was made
  std::atomic<int> petError_{0};
  std::atomic<int> resetError_{0};
  std::atomic<bool> realtime_{false};
  std::atomic<bool> memoryLocked_{false};

  static_assert(std::atomic<int64_t>::is_always_lock_free && std::atomic<Slot>::is_always_lock_free);
};

}  // namespace holdfast
