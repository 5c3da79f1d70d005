// How late pets came, counted: lock-free, of fixed size, readable from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace holdfast {

class Lateness {
 public:
  // Eight buckets an octave from 1 us to 2^31 us (35 min): a reading is at most 1/8 too high. One below, for less.
  static constexpr int kStepsPerOctave = 8;
  static constexpr size_t kBuckets = 1 + 31 * kStepsPerOctave;

  void Count(int64_t lateNs) {
    counts_[BucketOf(lateNs / 1'000)].fetch_add(1, std::memory_order_relaxed);
    if (lateNs > worstNs_.load(std::memory_order_relaxed)) worstNs_.store(lateNs, std::memory_order_relaxed);
  }

  uint64_t At(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  int64_t WorstNs() const { return worstNs_.load(std::memory_order_relaxed); }

 private:
  static size_t BucketOf(int64_t us) {
    if (us < 1) return 0;
    const int octave = 63 - __builtin_clzll(static_cast<uint64_t>(us));
    if (octave > 30) return kBuckets - 1;
    const auto step = static_cast<size_t>(((us << 3) >> octave) & (kStepsPerOctave - 1));
    return 1 + static_cast<size_t>(octave) * kStepsPerOctave + step;
  }

  std::atomic<uint64_t> counts_[kBuckets] = {};
  std::atomic<int64_t> worstNs_{0};
};

}  // namespace holdfast
