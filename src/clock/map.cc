#include "clock/map.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vs::clock {
namespace {

constexpr long double kOne = 4611686018427387904.0L;  // 2^62
constexpr std::size_t kGrid = 33;

std::int64_t rate_from(long double rate) {
  return static_cast<std::int64_t>(
      std::clamp(std::floor(rate * kOne + 0.5L), 1.0L, 9.2233720368547e18L));
}

}  // namespace

Scale scale_of(double ticks_per_second) {
  Scale scale;
  if (!(ticks_per_second > 0.51e9) || !std::isfinite(ticks_per_second)) return scale;
  scale.rate = rate_from(1e9L / static_cast<long double>(ticks_per_second));
  return scale;
}

model::ClockSegment make_exact_segment(std::int64_t offset, const Scale& host_scale) {
  model::ClockSegment segment;
  segment.own_begin = kOwnTimeMin;
  segment.anchor_own = OwnTime{offset};
  segment.anchor_host = HostTime{host_scale.shift_ns};
  segment.rate = host_scale.rate;
  segment.method = model::SyncMethod::kTsc;
  segment.quality = model::SyncQuality::kExact;
  segment.error_min_ns = segment.error_median_ns = segment.error_max_ns = 1;
  return segment;
}

model::ClockSegment make_segment(Solution solution, const Scale& guest_scale,
                                 const Scale& host_scale, SegmentSpan span) {
  solution.balance(guest_scale.apply(span.own_begin.value), guest_scale.apply(span.own_last.value));
  model::ClockSegment segment;
  segment.own_begin = kOwnTimeMin;
  const std::int64_t length = span.own_last.value - span.own_begin.value;
  const std::int64_t anchor = span.own_begin.value + length / 2;
  segment.anchor_own = OwnTime{anchor};
  segment.anchor_host = HostTime{host_scale.apply(solution.middle(guest_scale.apply(anchor)))};
  const long double guest_rate = static_cast<long double>(guest_scale.rate) / kOne;
  const long double host_rate = static_cast<long double>(host_scale.rate) / kOne;
  const long double slope = 1.0L + solution.centre.slope;
  segment.rate = rate_from(guest_rate * slope * host_rate);
  // Clock faster than the timeline: fewer host ns per own ns. Nominal rates do not count as drift.
  segment.drift_ppb = static_cast<std::int64_t>(std::floor((1.0L / slope - 1.0L) * 1e9L + 0.5L));
  std::array<std::int64_t, kGrid> errors{};
  for (std::size_t i = 0; i < kGrid; ++i) {
    const std::int64_t own =
        span.own_begin.value +
        static_cast<std::int64_t>(static_cast<Int128>(length) * static_cast<int>(i) / (kGrid - 1));
    const std::int64_t x = guest_scale.apply(own);
    const std::int64_t mapped = segment.to_host(OwnTime{own}).ns;
    errors[i] = 1 + std::max(host_scale.apply(solution.greatest(x)) - mapped,
                             mapped - host_scale.apply(solution.least(x)));
  }
  // The bound is convex along the segment, so its maximum is at an end, which the grid holds.
  std::sort(errors.begin(), errors.end());
  segment.error_min_ns = errors.front();
  segment.error_median_ns = errors[kGrid / 2];
  segment.error_max_ns = errors.back();
  return segment;
}

}  // namespace vs::clock
