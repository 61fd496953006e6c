#pragma once
// PerCpu: what is kept of each CPU of a machine, by the CPU's number; entries come into being as
// CPUs are seen, which need not be in order.
//
// Ownership: owns its entries. Pointers and references hold until a CPU is seen for the first time.
// Memory: one entry per number up to the greatest one. Threads: as a vector.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/limits.h"

namespace vs {

template <typename T>
class PerCpu {
 public:
  /// The entry of a CPU; null for a number that no machine has.
  [[nodiscard]] T* at(std::int64_t cpu) {
    const auto number = static_cast<std::uint64_t>(cpu);  // a negative one is too large
    return number < count_ ? items_.data() + number : add(number);
  }
  /// Requires cpu < size().
  [[nodiscard]] T& operator[](std::size_t cpu) { return items_[cpu]; }
  [[nodiscard]] const T& operator[](std::size_t cpu) const { return items_[cpu]; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] auto begin() { return items_.begin(); }
  [[nodiscard]] auto end() { return items_.end(); }

 private:
  [[gnu::noinline]] T* add(std::uint64_t number) {
    if (number >= limits::kCpus) return nullptr;
    items_.resize(number + 1);
    count_ = items_.size();
    return &items_[number];
  }
  std::vector<T> items_;
  std::size_t count_ = 0;  ///< of the same, without the division that its size() is
};

}  // namespace vs
