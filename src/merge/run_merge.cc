#include "merge/run_merge.h"

#include <algorithm>

namespace vs::merge {

namespace {

/// `b` where `choose_b` is 1, `a` where it is 0; arithmetic, because a conditional would become a
/// branch, and that one cannot be predicted.
inline MergeKey select(const MergeKey& a, const MergeKey& b, std::uint64_t choose_b) noexcept {
  const std::uint64_t mask = 0 - choose_b;
  return {a.high ^ ((a.high ^ b.high) & mask), a.low ^ ((a.low ^ b.low) & mask)};
}

}  // namespace

void merge_pair(KeyRun a, KeyRun b, MergeKey* out) noexcept {
  const std::size_t total = a.count + b.count;
  const MergeKey* first_a = a.begin;
  const MergeKey* first_b = b.begin;
  const MergeKey* last_a = a.begin + a.count - 1;
  const MergeKey* last_b = b.begin + b.count - 1;
  MergeKey* front = out;
  MergeKey* back = out + total - 1;
  for (std::size_t i = total / 2; i > 0; --i) {
    const std::uint64_t front_is_b = *first_b < *first_a ? 1 : 0;
    const std::uint64_t back_is_a = *last_b < *last_a ? 1 : 0;
    *front++ = select(*first_a, *first_b, front_is_b);
    *back-- = select(*last_b, *last_a, back_is_a);
    first_b += front_is_b;
    first_a += 1 - front_is_b;
    last_a -= back_is_a;
    last_b -= 1 - back_is_a;
  }
  if (total % 2 != 0) *front = *first_b < *first_a ? *first_b : *first_a;
}

std::span<const MergeKey> RunMerger::merge(std::vector<KeyRun>& runs) {
  if (runs.empty()) return {};
  std::size_t total = 0;
  for (const KeyRun& run : runs) total += run.count;
  // Each merged run stands between two sentinels.
  const std::size_t room = total + 2 * runs.size();
  for (std::vector<MergeKey>& buffer : buffers_) {
    if (buffer.size() < room) buffer.resize(room);
  }
  for (std::size_t pass = 0; runs.size() > 1; ++pass) {
    MergeKey* out = buffers_[pass % 2].data();
    std::size_t made = 0;
    for (std::size_t i = 0; i < runs.size(); i += 2) {
      const KeyRun a = runs[i];
      *out++ = kLeastKey;
      if (i + 1 < runs.size()) {
        const KeyRun b = runs[i + 1];
        merge_pair(a, b, out);
        runs[made++] = KeyRun{out, a.count + b.count};
      } else {
        std::copy_n(a.begin, a.count, out);
        runs[made++] = KeyRun{out, a.count};
      }
      out += runs[made - 1].count;
      *out++ = kGreatestKey;
    }
    runs.resize(made);
  }
  return {runs.front().begin, runs.front().count};
}

}  // namespace vs::merge
