#pragma once
// A tree of losers over the current time of each cursor: the least that a k-way merge costs.
// Cursor has `bool next()` and `std::uint64_t time`.

#include <cstdint>
#include <vector>

namespace vs::bench {

template <typename Cursor>
class LoserTree {
 public:
  explicit LoserTree(std::vector<Cursor>& cursors) : cursors_(cursors) {
    const auto count = static_cast<std::uint32_t>(cursors.size());
    while (size_ < count) size_ *= 2;
    keys_.assign(size_, kEnd);
    losers_.assign(size_, 0);
    std::vector<std::uint32_t> winners(2 * size_);
    for (std::uint32_t i = 0; i < size_; ++i) {
      winners[size_ + i] = i;
      if (i < count) refill(i);
    }
    for (std::uint32_t i = size_ - 1; i >= 1; --i) {
      const std::uint32_t a = winners[2 * i];
      const std::uint32_t b = winners[2 * i + 1];
      const bool left = keys_[a] <= keys_[b];
      winners[i] = left ? a : b;
      losers_[i] = left ? b : a;
    }
    losers_[0] = size_ > 1 ? winners[1] : 0;
  }

  [[nodiscard]] std::uint32_t top() const { return losers_[0]; }
  [[nodiscard]] bool done() const { return keys_[losers_[0]] == kEnd; }
  [[nodiscard]] std::uint64_t time() const { return keys_[losers_[0]]; }

  /// The top's cursor goes on to its next event.
  void advance() {
    std::uint32_t winner = losers_[0];
    refill(winner);
    for (std::uint32_t i = (winner + size_) / 2; i >= 1; i /= 2) {
      const std::uint32_t other = losers_[i];
      const bool swap = keys_[other] < keys_[winner];
      losers_[i] = swap ? winner : other;
      winner = swap ? other : winner;
    }
    losers_[0] = winner;
  }

 private:
  static constexpr std::uint64_t kEnd = ~std::uint64_t{0};

  void refill(std::uint32_t i) { keys_[i] = cursors_[i].next() ? cursors_[i].time : kEnd; }

  std::vector<Cursor>& cursors_;
  std::vector<std::uint32_t> losers_;
  std::vector<std::uint64_t> keys_;
  std::uint32_t size_ = 1;
};

}  // namespace vs::bench
