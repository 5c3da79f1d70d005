// Preloaded into the petter: counts the calls of malloc and its kin in a mapped file of one page, named by ALLOCATIONS.
// Its first eight bytes are the count of the thread named THREAD, the next eight that of all others: were they none,
// nothing would be counted at all.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kPageBytes = 4096;

std::atomic<uint64_t>* counters = nullptr;

__attribute__((constructor)) void MapCounters() {
  const char* path = getenv("ALLOCATIONS");
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page != MAP_FAILED) counters = static_cast<std::atomic<uint64_t>*>(page);
}

void Count() {
  if (counters == nullptr) return;
  char name[16] = {};
  const bool named = pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, THREAD) == 0;
  counters[named ? 0 : 1].fetch_add(1);
}

}  // namespace

// By glibc's own names for them, so that nothing has to be looked up, which may allocate.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  Count();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  Count();
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  Count();
  return __libc_realloc(old, size);
}
void free(void* memory) {
  if (memory != nullptr) Count();
  __libc_free(memory);
}
}
