#include "analysis/exits/exit_stats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace vs::analysis::exits {
namespace {

constexpr unsigned kSubBits = 4;  // 16 buckets per octave
constexpr std::uint64_t kExact = std::uint64_t{2} << kSubBits;

// Values below kExact have a bucket each; above, the top kSubBits + 1 bits decide.
std::size_t bucket_of(std::uint64_t value) {
  if (value < kExact) return static_cast<std::size_t>(value);
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - (kSubBits + 1);
  return static_cast<std::size_t>((std::uint64_t{shift} << kSubBits) + (value >> shift));
}

/// The greatest value of a bucket.
std::uint64_t bucket_top(std::size_t bucket) {
  if (bucket < kExact) return bucket;
  const std::uint64_t shift = (bucket >> kSubBits) - 1;
  const std::uint64_t lead = bucket - (shift << kSubBits);
  return ((lead + 1) << shift) - 1;
}

/// A sum of non-negative times that stops at the greatest value instead of overflowing.
std::int64_t saturated_sum(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return a > kMax - b ? kMax : a + b;
}

}  // namespace

void ExitStats::add(std::int64_t duration_ns) {
  const std::int64_t value = std::max<std::int64_t>(duration_ns, 0);
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  ++count_;
  sum_ = saturated_sum(sum_, value);
  const double delta = static_cast<double>(value) - mean_;
  mean_ += delta / static_cast<double>(count_);
  m2_ += delta * (static_cast<double>(value) - mean_);
  const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(value));
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
}

void ExitStats::merge(const ExitStats& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = other;
    return;
  }
  const auto mine = static_cast<double>(count_);
  const auto theirs = static_cast<double>(other.count_);
  const double delta = other.mean_ - mean_;
  m2_ += other.m2_ + delta * delta * mine * theirs / (mine + theirs);
  mean_ += delta * theirs / (mine + theirs);
  count_ += other.count_;
  sum_ = saturated_sum(sum_, other.sum_);
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
}

double ExitStats::relative_error_percent() const {
  if (count_ < 2 || mean_ <= 0) return 0;
  const auto n = static_cast<double>(count_);
  return 100.0 * std::sqrt(m2_ / (n - 1) / n) / mean_;
}

std::int64_t ExitStats::percentile_ns(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) {
      return std::clamp(static_cast<std::int64_t>(bucket_top(i)), min_, max_);
    }
  }
  return max_;
}

}  // namespace vs::analysis::exits
