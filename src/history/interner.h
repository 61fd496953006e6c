#pragma once
// Hash tables of the writer: text -> id and (table, key) -> entity, both numbered in order of
// arrival.
//
// Threads: one.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "history/footer.h"

namespace vs::history {

/// Open addressing over things that are kept elsewhere and numbered from 0.
class NumberTable {
 public:
  /// The number of an equal thing, or `next` (then inserted) when there is none.
  template <typename Equal>
  [[nodiscard]] std::uint32_t find_or_insert(std::uint64_t hash, std::uint32_t next, Equal equal) {
    if (hashes_.size() * 2 >= places_.size()) grow();
    std::size_t place = hash & (places_.size() - 1);
    while (places_[place] != 0) {
      const std::uint32_t number = places_[place] - 1;
      if (hashes_[number] == hash && equal(number)) return number;
      place = (place + 1) & (places_.size() - 1);
    }
    places_[place] = next + 1;
    hashes_.push_back(hash);
    return next;
  }

 private:
  void grow() {
    places_.assign(places_.empty() ? 256 : places_.size() * 2, 0);
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      std::size_t place = hashes_[i] & (places_.size() - 1);
      while (places_[place] != 0) place = (place + 1) & (places_.size() - 1);
      places_[place] = static_cast<std::uint32_t>(i + 1);
    }
  }
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> places_;
};

}  // namespace vs::history
