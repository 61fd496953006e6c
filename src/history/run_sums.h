#pragma once
// RunSums: what the rows of one run held in time buckets, by combination of the values of all drawn
// columns. One pass over the rows serves every column: each one's summary (history/summary.h) is a
// fold of the same sums, and so are the totals of the states.
//
// Threads: one. Memory: a number per tuple of the slab, and one sum per bucket and combination.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "history/layout.h"

namespace vs::history {

/// Number of buckets of the width 2^exponent that [first_ns, last_ns] touches.
[[nodiscard]] constexpr std::size_t count_buckets(std::int64_t first_ns, std::int64_t last_ns,
                                                  unsigned exponent) {
  return static_cast<std::size_t>((last_ns >> exponent) - (first_ns >> exponent) + 1);
}
/// The least exponent, from `exponent` on, with which those are at most `most`, which is > 0.
[[nodiscard]] unsigned fit_buckets(std::int64_t first_ns, std::int64_t last_ns, unsigned exponent,
                                   std::size_t most);

class RunSums {
 public:
  static constexpr std::size_t kMostCombinations = 64;  ///< of one run

  /// By drawn column: the number of each tuple's value (TableSlab::numbers_of()). For the runs of
  /// one slab.
  void start(std::span<const std::span<const std::uint8_t>> columns);
  /// Sums the rows of one run, in time order and without overlaps, at least one, in at most `most`
  /// buckets. False: they have too many combinations of values, and nothing is known of the run.
  [[nodiscard]] bool sum(std::span<const SlabRow> rows, std::size_t most);

  /// Combinations are numbered by first occurrence in the run.
  [[nodiscard]] std::size_t combinations() const { return present_.size(); }
  [[nodiscard]] std::uint8_t value(std::size_t combination, std::size_t drawn) const {
    return static_cast<std::uint8_t>(keys_[present_[combination]] >> (8 * drawn));
  }
  /// How many values of the column there are.
  [[nodiscard]] std::size_t count_values(std::size_t drawn) const;
  [[nodiscard]] std::uint32_t rows(std::size_t combination) const { return rows_[combination]; }
  [[nodiscard]] std::uint64_t held_ns(std::size_t combination) const { return held_[combination]; }
  /// The column has one value in the whole run, which has no gaps.
  [[nodiscard]] bool is_one_span(std::size_t drawn) const;

  [[nodiscard]] std::int64_t first_ns() const { return first_ns_; }
  /// Of the last bucket that is touched.
  [[nodiscard]] std::int64_t last_ns() const { return last_ns_; }
  [[nodiscard]] unsigned exponent() const { return exponent_; }
  [[nodiscard]] std::size_t buckets() const { return buckets_; }
  /// Sums of one bucket, ns, by combination.
  [[nodiscard]] std::span<const std::uint64_t> bucket(std::size_t index) const {
    return std::span(sums_).subspan(index * stride_, present_.size());
  }

 private:
  [[nodiscard]] std::uint32_t number(std::uint32_t key);
  /// A tuple is seen for the first time in the run; false as sum().
  [[nodiscard]] bool add_tuple(std::uint32_t tuple);
  void widen_stride();

  // of the slab
  std::vector<std::uint32_t> keys_;    ///< by number: a byte per column
  std::vector<std::uint32_t> places_;  ///< open addressing by key: number + 1; 0 = free
  std::vector<std::uint32_t> of_tuple_;
  std::vector<std::uint8_t> local_;     ///< by number: place in the run, or kMostCombinations
  std::vector<std::uint8_t> place_of_;  ///< by tuple: the same, once a row of it was seen
  // of the run
  std::vector<std::uint32_t> present_;  ///< numbers, by place
  std::vector<std::uint32_t> tuples_;   ///< that were seen
  std::array<std::uint32_t, kMostCombinations> rows_{};
  std::array<std::uint64_t, kMostCombinations> held_{};
  std::vector<std::uint64_t> sums_;
  std::size_t stride_ = 0;
  std::size_t buckets_ = 0;
  unsigned exponent_ = 0;
  bool tiled_ = false;
  std::int64_t first_ns_ = 0;
  std::int64_t last_ns_ = 0;
};

}  // namespace vs::history
