#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "clock.h"

namespace holdfast {
namespace {

// Above all ordinary threads, below the kernel's own real-time ones (threaded interrupts have 50).
constexpr int kRealtimePriority = 20;
constexpr int64_t kResetIntervalNs = kNsPerSecond;
// Of the pets that one came for: counting them must not make the next one late. These take over eight minutes to miss.
constexpr int kMostCounted = 10'000;
constexpr char kLeaseExpired[] = "lease expired";

// An eventfd that cannot take another 1 is readable already.
void Signal(int eventFd) {
  const uint64_t one = 1;
  if (write(eventFd, &one, sizeof one) < 0) return;
}

void Drain(int fd) {
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) < 0) return;
}

}  // namespace

// -- JavaScript's side --

Keeper* Keeper::Start(bool emulated, const char* path, int* error) {
  const KeeperMemory memory(sizeof(Keeper));
  if ((*error = memory.error()) != 0) return nullptr;
  PinCode();
  auto* keeper = new (memory.bytes()) Keeper(emulated, path, memory);
  if ((*error = keeper->StartThread()) == 0) return keeper;
  keeper->~Keeper();
  memory.Unmap();
  return nullptr;
}

Keeper::Keeper(bool emulated, const char* path, const KeeperMemory& memory) : memory_(memory) {
  if (emulated) {
    device_ = &storage_.emplace<EmulatedDevice>(path);
  } else {
    device_ = &storage_.emplace<KernelDevice>(path);
  }
}

Keeper::~Keeper() {
  for (const int fd : {timerFd_, commandFd_, noticeFd_}) {
    if (fd >= 0) close(fd);
  }
}

int Keeper::StartThread() {
  timerFd_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  commandFd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  noticeFd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (timerFd_ < 0 || commandFd_ < 0 || noticeFd_ < 0) return errno;
  memoryLocked_ = LockCode() && memory_.locked();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, memory_.stack(), KeeperMemory::kStackBytes);
  // Signals are Node's affair: a thread takes over the mask of the one that starts it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, &attributes, ThreadMain, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

bool Keeper::Post(const Command& command) {
  if (slot_.load(std::memory_order_acquire) != Slot::kFree) return false;
  command_ = command;
  slot_.store(Slot::kPosted, std::memory_order_release);
  Signal(commandFd_);
  return true;
}

Extension Keeper::Extend(int64_t deadlineNs) {
  if (State() == KeeperState::kExpired) return Extension::kExpired;
  if (!IsPetting()) return Extension::kNotArmed;
  const int64_t nowNs = BootNs();
  if (deadlineNs > nowNs + leaseLimitNs_.load()) return Extension::kTooFar;
  int64_t present = leaseNs_.load();
  do {
    // A deadline that has passed is final, also before the keeper woke up to see it.
    if (present <= nowNs) return Extension::kExpired;
    if (deadlineNs <= present) return Extension::kIgnored;
  } while (!leaseNs_.compare_exchange_weak(present, deadlineNs));
  return Extension::kExtended;
}

void Keeper::Reset(const char* reason) {
  if (resetWanted_.load()) return;
  std::snprintf(reason_, sizeof reason_, "%s", reason);
  resetWanted_.store(true);
  Signal(commandFd_);
}

uint32_t Keeper::TakeNotices(Result* result) {
  Drain(noticeFd_);
  const uint32_t notices = notices_.exchange(0);
  if ((notices & kNoticeResult) != 0) {
    *result = result_;
    slot_.store(Slot::kFree, std::memory_order_release);
  }
  return notices;
}

KeeperStats Keeper::Stats() const {
  const int64_t leaseNs = leaseNs_.load();
  return {State(),
          leaseNs == kLatched ? lastLeaseNs_.load() : leaseNs,
          lastPetNs_.load(),
          pets_.load(),
          failedPets_.load(),
          wakeups_.load(),
          resetRequests_.load(),
          done_.WorstNs(),
          petError_.load(),
          resetError_.load(),
          realtime_.load(),
          memoryLocked_.load()};
}

void Keeper::Abandon() {
  const bool busy = slot_.load(std::memory_order_acquire) == Slot::kPosted;
  if (busy || State() != KeeperState::kIdle || resetWanted_.load()) return;
  slot_.store(Slot::kFree, std::memory_order_release);
  Post({CommandType::kQuit, 0, 0, 0, 0});
  pthread_join(thread_, nullptr);
  const KeeperMemory memory = memory_;
  this->~Keeper();
  memory.Unmap();
}

// -- the keeper's own thread --

void* Keeper::ThreadMain(void* self) {
  static_cast<Keeper*>(self)->Run();
  return nullptr;
}

void Keeper::Run() {
  pthread_setname_np(pthread_self(), "hf-keeper");
  const sched_param priority{kRealtimePriority};
  realtime_ = pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) == 0;
  do {
    Sleep();
    // Before a pet that is due as well.
    if (resetWanted_.load() && State() != KeeperState::kExpired) Expire(reason_);
    Tick();
  } while (TakeCommand());
}

int64_t Keeper::PlannedWakeNs() const {
  if (IsPetting()) return std::min(nextPetNs_, leaseNs_.load());
  return State() == KeeperState::kExpired ? nextResetNs_ : 0;
}

void Keeper::Sleep() {
  const int64_t planNs = PlannedWakeNs();
  itimerspec when{};
  when.it_value = {planNs / kNsPerSecond, planNs % kNsPerSecond};
  timerfd_settime(timerFd_, TFD_TIMER_ABSTIME, &when, nullptr);
  pollfd polled[] = {{timerFd_, POLLIN, 0}, {commandFd_, POLLIN, 0}};
  poll(polled, 2, -1);
  wakeups_.fetch_add(1, std::memory_order_relaxed);
  if (polled[1].revents != 0) Drain(commandFd_);
}

void Keeper::Tick() {
  if (IsPetting()) {
    if (!LeaseRuns()) {
      Expire(kLeaseExpired);
    } else if (BootNs() >= nextPetNs_) {
      Pet();
    }
  } else if (State() == KeeperState::kExpired && BootNs() >= nextResetNs_) {
    RequestReset();
  }
}

bool Keeper::LeaseRuns() {
  int64_t present = leaseNs_.load();
  do {
    if (present == kLatched) return false;
    if (present > BootNs()) return true;
    lastLeaseNs_.store(present);
    // Latches it, unless JavaScript extended it just now.
  } while (!leaseNs_.compare_exchange_weak(present, kLatched));
  return false;
}

void Keeper::Pet() {
  const int64_t plannedNs = nextPetNs_;
  const int64_t startNs = BootNs();
  const int error = device_->Pet();
  CountPet(error);
  const int64_t nowNs = BootNs();
  nextPetNs_ = plannedNs + petIntervalNs_ > nowNs ? plannedNs + petIntervalNs_ : nowNs + petIntervalNs_;
  CountLate(&begun_, plannedNs, startNs);
  if (error != 0) return;
  CountLate(&done_, oldestDueNs_, nowNs);
  oldestDueNs_ = nextPetNs_;
}

// A keeper that sleeps, and a pet that blocks or fails, keep those waiting that were planned meanwhile: this pet came
// for all of them.
void Keeper::CountLate(Lateness* late, int64_t dueNs, int64_t nowNs) const {
  for (int count = 0; dueNs <= nowNs && count < kMostCounted; count++) {
    late->Count(nowNs - dueNs);
    dueNs += petIntervalNs_;
  }
}

void Keeper::CountPet(int error) {
  if (error == 0) {
    lastPetNs_.store(BootNs());
    pets_.fetch_add(1, std::memory_order_relaxed);
    if (State() != KeeperState::kFailed) return;
    SetState(KeeperState::kArmed);
    return Notify(kNoticePetWorks);
  }
  petError_.store(error);
  failedPets_.fetch_add(1, std::memory_order_relaxed);
  if (State() == KeeperState::kFailed) return;
  SetState(KeeperState::kFailed);
  Notify(kNoticePetFailed);
}

void Keeper::Expire(const char* reason) {
  const int64_t leaseNs = leaseNs_.exchange(kLatched);
  if (leaseNs != kLatched) lastLeaseNs_.store(leaseNs);
  SetState(KeeperState::kExpired);
  std::snprintf(lastReason_, sizeof lastReason_, "%s", reason);
  // An open watchdog stands behind the request; whether it opens or not, the request is made.
  if (!device_->IsOpen()) device_->Open();
  RequestReset();
  Notify(kNoticeExpired);
}

void Keeper::RequestReset() {
  nextResetNs_ = BootNs() + kResetIntervalNs;
  resetRequests_.fetch_add(1, std::memory_order_relaxed);
  const int error = device_->RequestReset(lastReason_);
  if (error != 0 && resetError_.exchange(error) != error) Notify(kNoticeResetFailed);
}

bool Keeper::TakeCommand() {
  if (slot_.load(std::memory_order_acquire) != Slot::kPosted) return true;
  if (command_.type == CommandType::kQuit) return false;
  result_ = Execute(command_);
  slot_.store(Slot::kDone, std::memory_order_release);
  Notify(kNoticeResult);
  return true;
}

Result Keeper::Execute(const Command& command) {
  if (command.type == CommandType::kDescribe) return Finish(0, Step::kNone);
  if (State() == KeeperState::kExpired || resetWanted_.load()) return Finish(ESHUTDOWN, Step::kState);
  switch (command.type) {
    case CommandType::kAdopt: return Adopt();
    case CommandType::kArm: return Arm(command);
    case CommandType::kRelease: return Release();
    default: return Finish(EINVAL, Step::kState);
  }
}

Result Keeper::Adopt() {
  if (device_->IsOpen()) return Finish(0, Step::kNone);
  if (const int error = device_->Open()) return Finish(error, Step::kOpen);
  SetState(KeeperState::kOpen);
  return Finish(0, Step::kNone);
}

Result Keeper::Arm(const Command& command) {
  const auto isAhead = [&] { return command.deadlineNs > BootNs(); };
  if (IsPetting()) return Finish(EALREADY, Step::kState);
  if (!isAhead() || command.deadlineNs > BootNs() + command.leaseNs) return Finish(ETIME, Step::kLease);
  if (Result adopted = Adopt(); adopted.error != 0) return adopted;
  int32_t seconds = command.timeoutS;
  // SETTIMEOUT pets, and so does the write: look at the clock before each, since all that comes before may take long.
  if (!isAhead()) return Finish(ETIME, Step::kLease);
  if (const int error = device_->SetTimeout(&seconds)) return Finish(error, Step::kTimeout);
  lastPetNs_.store(BootNs());
  if (seconds != command.timeoutS) return Finish(ERANGE, Step::kRounded);
  if (!isAhead()) return Finish(ETIME, Step::kLease);
  if (const int error = device_->Start()) return Finish(error, Step::kStart);

  petIntervalNs_ = command.petIntervalNs;
  nextPetNs_ = BootNs() + petIntervalNs_;
  oldestDueNs_ = nextPetNs_;
  leaseLimitNs_.store(command.leaseNs);
  leaseNs_.store(command.deadlineNs);
  SetState(KeeperState::kArmed);
  CountPet(0);
  return Finish(0, Step::kNone);
}

Result Keeper::Release() {
  if (!device_->IsOpen()) return Finish(0, Step::kNone);
  if (IsPetting() && !LeaseRuns()) {
    Expire(kLeaseExpired);
    return Finish(ESHUTDOWN, Step::kState);
  }
  if (const int error = device_->Disarm()) return Finish(error, Step::kDisarm);
  SetState(KeeperState::kIdle);
  leaseNs_.store(0);
  return Finish(0, Step::kNone);
}

Result Keeper::Finish(int error, Step step) {
  Result result{error, step, {}};
  if (!device_->IsOpen()) return result;
  const int failed = device_->Describe(&result.info);
  if (error == 0 && failed != 0) result = {failed, Step::kOpen, {}};
  return result;
}

void Keeper::Notify(uint32_t notice) {
  notices_.fetch_or(notice);
  Signal(noticeFd_);
}

}  // namespace holdfast
