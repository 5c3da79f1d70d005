// Memory that the keeper never has to wait for: its own stack and state, and the code that it runs, locked in RAM.
#pragma once

#include <cstddef>

namespace holdfast {

// A guard page, the thread's stack, then the bytes asked for; locked where RLIMIT_MEMLOCK permits.
class KeeperMemory {
 public:
  static constexpr size_t kStackBytes = 256 * 1024;

  explicit KeeperMemory(size_t bytes);

  // 0 or the errno of mmap.
  int error() const { return error_; }
  bool locked() const { return locked_; }
  void* stack() const { return base_ + kGuardBytes; }
  void* bytes() const { return base_ + kGuardBytes + kStackBytes; }
  // Not in a destructor: what lies in it may be the owner of this object.
  void Unmap() const;

 private:
  // The largest page of a Linux that Node runs on (arm64, ppc64le), so that what follows begins a page.
  static constexpr size_t kGuardBytes = 64 * 1024;

  char* base_ = nullptr;
  size_t size_ = 0;
  int error_ = 0;
  bool locked_ = false;
};

// Locks the addon's and libc's mapped segments, about 2 MB; not mlockall, which aborts Node. False if any is not locked.
bool LockCode();

// Keeps the addon mapped for good: the keeper outlives the worker thread that loaded it.
void PinCode();

}  // namespace holdfast
