#pragma once
// From a fit to the published map: ClockSegments with integer arithmetic and the bound that holds
// for exactly this map, rounding included.
//
// Threads: pure functions.

#include <cstdint>

#include "clock/hull.h"
#include "model/clock_map.h"

namespace vs::clock {

/// Own time of one trace to a working time or to host ns: (own - anchor_own) * rate + anchor.
/// Identity by default.
struct Scale {
  std::int64_t rate = model::kRateOne;  ///< 62 fraction bits
  std::int64_t shift_ns = 0;            ///< added after scaling
  [[nodiscard]] bool identity() const { return rate == model::kRateOne && shift_ns == 0; }
  [[nodiscard]] std::int64_t apply(std::int64_t own) const {
    const Int128 product = static_cast<Int128>(own) * rate;
    return static_cast<std::int64_t>(product >> model::kRateShift) + shift_ns;
  }
};

/// The scale of a tick clock. Rate 1 when the rate cannot be represented (below 500 MHz).
[[nodiscard]] Scale scale_of(double ticks_per_second);

/// Own range that a segment is for; its bound is evaluated there.
struct SegmentSpan {
  OwnTime own_begin;  ///< first event
  OwnTime own_last;   ///< last event
};

/// The segment of the map own -> (guest_scale) -> working x -> solution -> working y ->
/// (host_scale) -> host ns. Requires solution.feasible(). Method, quality and facts are left to the
/// caller.
[[nodiscard]] model::ClockSegment make_segment(Solution solution, const Scale& guest_scale,
                                               const Scale& host_scale, SegmentSpan span);

/// The segment for a known integer offset: host own = own - offset; converts with the host's
/// rounding.
[[nodiscard]] model::ClockSegment make_exact_segment(std::int64_t offset, const Scale& host_scale);

}  // namespace vs::clock
