#pragma once
// A loser tree over k sorted sources (Knuth vol. 3, 5.4.1): one comparison per level and event, no
// element moves. What merge_bench measures the product's merge against.
//
// Threads: one owner.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace vs::bench {

/// Key of a source's head. Smaller comes first; `order` settles equal times (rank, then source).
struct HeadKey {
  std::int64_t time_ns = 0;
  std::uint64_t order = 0;

  friend bool operator<(const HeadKey& a, const HeadKey& b) noexcept {
    return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.order < b.order;
  }
};

class LoserTree {
 public:
  /// All sources start exhausted; give each its first key with set(), then build().
  explicit LoserTree(std::size_t sources)
      : leaves_(round_up(sources)), keys_(leaves_), losers_(leaves_) {
    for (HeadKey& key : keys_) key = kExhausted;
  }

  void set(std::size_t source, HeadKey key) noexcept { keys_[source] = key; }

  void build() noexcept {
    std::vector<std::size_t> winners(2 * leaves_);
    for (std::size_t i = 0; i < leaves_; ++i) winners[leaves_ + i] = i;
    for (std::size_t node = leaves_ - 1; node >= 1; --node) {
      std::size_t winner = winners[2 * node];
      std::size_t loser = winners[2 * node + 1];
      if (keys_[loser] < keys_[winner]) std::swap(winner, loser);
      winners[node] = winner;
      losers_[node] = loser;
    }
    winner_ = leaves_ > 1 ? winners[1] : 0;
  }

  /// The source with the smallest key, and that key.
  [[nodiscard]] std::size_t winner() const noexcept { return winner_; }
  [[nodiscard]] const HeadKey& winner_key() const noexcept { return keys_[winner_]; }
  [[nodiscard]] bool exhausted() const noexcept {
    return keys_[winner_].order == kExhausted.order && keys_[winner_].time_ns == kExhausted.time_ns;
  }

  /// Gives the winner its next key and replays its path.
  void replace_winner(HeadKey key) noexcept {
    keys_[winner_] = key;
    std::size_t current = winner_;
    for (std::size_t node = (leaves_ + current) / 2; node >= 1; node /= 2) {
      if (keys_[losers_[node]] < keys_[current]) std::swap(losers_[node], current);
    }
    winner_ = current;
  }

  static constexpr HeadKey kExhausted{INT64_MAX, UINT64_MAX};

 private:
  [[nodiscard]] static std::size_t round_up(std::size_t count) noexcept {
    std::size_t leaves = 1;
    while (leaves < count) leaves *= 2;
    return leaves;
  }

  const std::size_t leaves_;
  std::vector<HeadKey> keys_;        // by source
  std::vector<std::size_t> losers_;  // by inner node, root = 1
  std::size_t winner_ = 0;
};

}  // namespace vs::bench
