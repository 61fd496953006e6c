#pragma once
// Merging of sorted runs of keys without a branch that depends on the data.
//
// Kernel streams interleave event by event, so a loser tree (Knuth vol. 3, 5.4.1) mispredicts about
// one comparison per event and that is most of its cost (performance.md 6). Here runs are merged in
// pairs, and each pair from both ends at once: which side gives the next key only moves pointers,
// and the two ends are independent of each other, so the processor overlaps them.
//
// Ownership: KeyRun is a view. Threads: pure functions; a RunMerger has one owner.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/checked.h"

namespace vs::merge {

/// Sorts as one number of 128 bits. No two keys of a merge are equal.
struct MergeKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend bool operator<(const MergeKey& a, const MergeKey& b) noexcept {
    return a.wide() < b.wide();
  }
  [[nodiscard]] UInt128 wide() const noexcept { return static_cast<UInt128>(high) << 64 | low; }
};
inline constexpr MergeKey kLeastKey{0, 0};
inline constexpr MergeKey kGreatestKey{UINT64_MAX, UINT64_MAX};

/// A sorted run. The key before `begin` must be readable and smaller than every key of the merge,
/// the one behind the last must be readable and greater (kLeastKey and kGreatestKey will do).
struct KeyRun {
  const MergeKey* begin = nullptr;
  std::size_t count = 0;
};

/// Merges two runs into `out`, which has room for both and overlaps neither.
void merge_pair(KeyRun a, KeyRun b, MergeKey* out) noexcept;

/// Merges any number of runs. Memory: twice the keys of the largest merge so far.
class RunMerger {
 public:
  /// All keys of `runs` in order; `runs` is used up. The result is valid until the next call, or as
  /// long as the run itself when there is only one.
  [[nodiscard]] std::span<const MergeKey> merge(std::vector<KeyRun>& runs);

 private:
  std::vector<MergeKey> buffers_[2];
};

}  // namespace vs::merge
