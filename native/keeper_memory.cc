#include "keeper_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace holdfast {
namespace {

bool IsAddon(const dl_phdr_info& object) {
  const auto self = reinterpret_cast<uintptr_t>(&LockCode);
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    const uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && self >= start && self < start + segment.p_memsz) return true;
  }
  return false;
}

bool IsNeeded(const dl_phdr_info& object) {
  return std::strstr(object.dlpi_name, "/libc.so") != nullptr || IsAddon(object);
}

int LockObject(dl_phdr_info* object, size_t, void* allLocked) {
  if (!IsNeeded(*object)) return 0;
  const auto pageMask = ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t start = object->dlpi_addr + segment.p_vaddr;
    const uintptr_t first = start & pageMask;
    if (mlock(reinterpret_cast<void*>(first), start + segment.p_memsz - first) != 0) {
      *static_cast<bool*>(allLocked) = false;
    }
  }
  return 0;
}

}  // namespace

KeeperMemory::KeeperMemory(size_t bytes) : size_(kGuardBytes + kStackBytes + bytes) {
  void* base = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (base == MAP_FAILED) {
    error_ = errno;
    return;
  }
  base_ = static_cast<char*>(base);
  mprotect(base_, kGuardBytes, PROT_NONE);
  // Locking also brings the pages in; without the right to lock, touching them is the next best.
  locked_ = mlock(base_ + kGuardBytes, size_ - kGuardBytes) == 0;
  if (!locked_) std::memset(base_ + kGuardBytes, 0, size_ - kGuardBytes);
}

void KeeperMemory::Unmap() const { munmap(base_, size_); }

bool LockCode() {
  bool allLocked = true;
  dl_iterate_phdr(LockObject, &allLocked);
  return allLocked;
}

void PinCode() {
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&PinCode), &self) == 0) return;
  dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace holdfast
