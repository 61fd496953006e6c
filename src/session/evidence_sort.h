#pragma once
// Sorting of what comes in a few ascending stretches, as evidence does: each CPU's or each stream's
// in its own order, one behind the other. Stable. Threads: pure.

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace vs::session {

/// Merges [begin, middle) and [middle, end), both in order, to `out`; on equal terms the first one
/// is first. Which is next is chosen by address: as a jump it would be guessed wrongly every other
/// time.
template <typename T, typename Less>
void merge_stretches(const T* begin, const T* middle, const T* end, const Less& less, T* out) {
  const T* left = begin;
  const T* right = middle;
  while (left != middle && right != end) {
    const bool second = less(*right, *left);
    const T* const next = second ? right : left;
    *out++ = *next;
    right += second ? 1 : 0;
    left += second ? 0 : 1;
  }
  std::copy(right, end, std::copy(left, middle, out));
}

/// Sorts at the cost of one pass, and of one more for each doubling of the stretches.
template <typename T, typename Less>
void sort_stretches(std::vector<T>& list, const Less& less) {
  constexpr std::size_t kMost = 4096;
  std::vector<std::size_t> ends;  // of the stretches
  const T* const data = list.data();
  for (std::size_t i = 1, size = list.size(); i < size; ++i) {
    if (!less(data[i], data[i - 1])) continue;
    ends.push_back(i);
    if (ends.size() == kMost) break;
  }
  if (ends.empty()) return;
  if (ends.size() == kMost) {
    std::stable_sort(list.begin(), list.end(), less);
    return;
  }
  ends.push_back(list.size());
  std::vector<T> merged(list.size());
  while (ends.size() > 1) {
    std::size_t begin = 0;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ends.size(); i += 2) {
      const std::size_t end = ends[std::min(i + 1, ends.size() - 1)];
      merge_stretches(list.data() + begin, list.data() + ends[i], list.data() + end, less,
                      merged.data() + begin);
      begin = end;
      ends[kept++] = end;
    }
    ends.resize(kept);
    std::swap(list, merged);
  }
}

}  // namespace vs::session
