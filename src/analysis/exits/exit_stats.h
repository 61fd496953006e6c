#pragma once
// ExitStats: the figures of `perf kvm stat` over durations, and percentiles beside them (algorithms
// A.6).
//
// count, sum, min, max, mean, and the relative error of the mean in percent, 100 * (s / sqrt(n)) /
// mean with s the sample standard deviation (Welford's recurrence, so that long runs do not lose
// digits). Percentiles come from a histogram of 16 buckets per octave: they are exact below 32 ns
// and within 1/16 of the true value above, and never outside [min, max].
//
// A value; copying copies the histogram (at most about 8 KiB). Threads: none shared. Units: ns.

#include <cstdint>
#include <vector>

namespace vs::analysis::exits {

class ExitStats {
 public:
  /// Adds one duration; negative ones count as 0.
  void add(std::int64_t duration_ns);
  /// Adds all of another's. Mean and variance combine exactly up to rounding (Chan's formula).
  void merge(const ExitStats& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::int64_t sum_ns() const { return sum_; }
  [[nodiscard]] std::int64_t min_ns() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::int64_t max_ns() const { return max_; }
  [[nodiscard]] double mean_ns() const { return mean_; }
  /// perf's "+-" column in percent; 0 with fewer than two values or a mean of 0.
  [[nodiscard]] double relative_error_percent() const;
  /// The value at or below which `share` (0 to 1) of the durations lie; 0 without any.
  [[nodiscard]] std::int64_t percentile_ns(double share) const;

 private:
  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
  double mean_ = 0;
  double m2_ = 0;  ///< sum of squared distances from the mean
  std::vector<std::uint64_t> buckets_;
};

}  // namespace vs::analysis::exits
