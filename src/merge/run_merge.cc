#include "merge/run_merge.h"

#include <algorithm>

namespace vs::merge {
namespace {

constexpr int kSignShift = 63;

/// Merges [a, a + count_a) and [b, b + count_b) into `out`. The sentinels around the runs keep one
/// that is used up from being chosen. All by arithmetic: std::min would become a branch.
void merge_pair(const MergeKey* a, std::size_t count_a, const MergeKey* b, std::size_t count_b,
                MergeKey* out) noexcept {
  const std::size_t total = count_a + count_b;
  const MergeKey* last_a = a + count_a - 1;
  const MergeKey* last_b = b + count_b - 1;
  MergeKey* back = out + total - 1;
  for (std::size_t i = total / 2; i > 0; --i) {
    const MergeKey front = *a - *b;
    const MergeKey a_first = front >> kSignShift;  // -1 or 0; keys differ and are not negative
    *out++ = *b + (front & a_first);
    a -= a_first;
    b += 1 + a_first;
    const MergeKey rear = *last_a - *last_b;
    const MergeKey b_last = rear >> kSignShift;
    *back-- = *last_a - (rear & b_last);
    last_b += b_last;
    last_a -= 1 + b_last;
  }
  if (total % 2 != 0) *out = std::min(*a, *b);
}

}  // namespace

void RunMerger::clear() noexcept {
  runs_.clear();
  used_ = 0;
}

std::span<MergeKey> RunMerger::add_run(std::size_t count) {
  const Run run{used_ + 1, count};
  used_ = run.begin + count + 1;
  if (keys_.size() < used_) keys_.resize(std::max(used_, 2 * keys_.size()));
  keys_[run.begin - 1] = kLeastKey;
  keys_[used_ - 1] = kGreatestKey;
  runs_.push_back(run);
  return std::span(keys_).subspan(run.begin, count);
}

void RunMerger::merge_pass(const std::vector<MergeKey>& from, std::vector<MergeKey>& to) {
  std::size_t at = 0;
  std::size_t made = 0;
  for (std::size_t i = 0; i < runs_.size(); i += 2) {
    const Run a = runs_[i];
    const Run b = i + 1 < runs_.size() ? runs_[i + 1] : Run{};
    const Run merged{at + 1, a.count + b.count};
    to[at] = kLeastKey;
    if (b.count != 0) {
      merge_pair(&from[a.begin], a.count, &from[b.begin], b.count, &to[merged.begin]);
    } else {
      std::copy_n(&from[a.begin], a.count, &to[merged.begin]);
    }
    at = merged.begin + merged.count + 1;
    to[at - 1] = kGreatestKey;
    runs_[made++] = merged;
  }
  runs_.resize(made);
}

std::span<const MergeKey> RunMerger::merge() {
  if (runs_.empty()) return {};
  if (other_.size() < keys_.size()) other_.resize(keys_.size());
  while (runs_.size() > 1) {
    merge_pass(keys_, other_);
    keys_.swap(other_);
  }
  return std::span<const MergeKey>(keys_).subspan(runs_.front().begin, runs_.front().count);
}

}  // namespace vs::merge
