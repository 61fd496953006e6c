#pragma once
// Merging of sorted runs of 64-bit keys without a branch that depends on the data.
//
// Kernel streams interleave event by event, so a loser tree (Knuth vol. 3, 5.4.1) mispredicts about
// one comparison per event and that is most of its cost (performance.md 6). Here runs are merged in
// pairs, and each pair from both ends at once: which side gives the next key only moves pointers,
// and the two ends are independent of each other, so the processor overlaps them.
//
// Ownership: a RunMerger owns its buffers. Threads: one owner.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vs::merge {

/// Between kLeastKey and kGreatestKey, both exclusive; signed, so that a difference tells which of
/// two is smaller by its sign alone.
using MergeKey = std::int64_t;
inline constexpr int kMergeKeyBits = 63;
inline constexpr MergeKey kLeastKey = 0;
inline constexpr MergeKey kGreatestKey = INT64_MAX;

class RunMerger {
 public:
  /// Forgets all runs.
  void clear() noexcept;
  /// Room for one more run of `count` > 0 keys; the caller fills it before the next call, in
  /// ascending order. No two keys of a merge are equal.
  [[nodiscard]] std::span<MergeKey> add_run(std::size_t count);
  /// All keys in order, valid until the next call. The runs are used up.
  [[nodiscard]] std::span<const MergeKey> merge();

 private:
  struct Run {
    std::size_t begin = 0;  ///< in the buffer; a sentinel stands before it and one behind it
    std::size_t count = 0;
  };
  void merge_pass(const std::vector<MergeKey>& from, std::vector<MergeKey>& to);

  std::vector<MergeKey> keys_;
  std::vector<MergeKey> other_;
  std::vector<Run> runs_;
  std::size_t used_ = 0;  ///< of keys_
};

}  // namespace vs::merge
