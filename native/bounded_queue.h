// A queue with a limit on items and on bytes. Not locked: its owner is.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

namespace holdfast {

struct QueueLimit {
  size_t items;
  size_t bytes;
};

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(QueueLimit limit) : limit_(limit) {}

  // An empty queue takes any single item, so that no item can be too big to ever pass.
  bool HasRoomFor(size_t bytes) const {
    return entries_.empty() || (entries_.size() < limit_.items && bytes_ + bytes <= limit_.bytes);
  }
  bool Empty() const { return entries_.empty(); }
  size_t Items() const { return entries_.size(); }
  size_t Bytes() const { return bytes_; }
  const T& Front() const { return entries_.front().first; }
  size_t FrontBytes() const { return entries_.front().second; }

  void Push(T item, size_t bytes) {
    entries_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
  }
  T Pop() {
    T item = std::move(entries_.front().first);
    bytes_ -= entries_.front().second;
    entries_.pop_front();
    return item;
  }
  void Clear() {
    entries_.clear();
    bytes_ = 0;
  }

 private:
  const QueueLimit limit_;
  std::deque<std::pair<T, size_t>> entries_;
  size_t bytes_ = 0;
};

}  // namespace holdfast
