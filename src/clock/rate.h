#pragma once
// Tick rates and TSC arithmetic (algorithms C.2, J.2).
//
// A clock that counts ticks becomes nanoseconds by a rate found in the trace itself: records that
// carry a nanosecond reading beside a tick stamp (hrtimer_expire_entry.now). The reading was taken
// a moment *before* the stamp, so the points lie on one side of the true line: the rate is fitted
// to the best point of each time slice, after readings of other clock bases have been sorted out.
//
// Threads: pure functions.

#include <cstdint>
#include <optional>
#include <span>

#include "base/checked.h"
#include "model/evidence.h"

namespace vs::clock {

struct Calibration {
  double ticks_per_second = 0;
  double error_ppm = 0;  ///< standard error of the fit
};
/// Nothing: too few readings, too short, or they do not lie on a line.
[[nodiscard]] std::optional<Calibration> calibrate(
    std::span<const model::NanosecondReading> readings);

/// The TSC rate that kvm_pvclock_update tells the guests: ns = (ticks << shift) * mul >> 32.
[[nodiscard]] std::optional<double> rate_of(const model::PvclockRate& pvclock);

/// guest_tsc = ((host_tsc * ratio) >> fraction_bits) + offset.
struct TscRelation {
  std::int64_t offset = 0;
  std::uint64_t ratio = 1;
  std::uint32_t fraction_bits = 0;
  [[nodiscard]] bool scaled() const {
    return fraction_bits >= 63 || ratio != (std::uint64_t{1} << fraction_bits);
  }
  [[nodiscard]] std::uint64_t guest_of_host(std::uint64_t host) const {
    const UInt128 product = static_cast<UInt128>(host) * ratio;
    return static_cast<std::uint64_t>(product >> fraction_bits) +
           static_cast<std::uint64_t>(offset);
  }
  /// Floor; within one tick when ratio <= 1 << fraction_bits. Requires ratio > 0.
  [[nodiscard]] std::uint64_t host_of_guest(std::uint64_t guest) const {
    const UInt128 product = static_cast<UInt128>(guest - static_cast<std::uint64_t>(offset))
                            << fraction_bits;
    return static_cast<std::uint64_t>(product / ratio);
  }
};

/// The relation of an L2's TSC to the host's from both steps.
[[nodiscard]] TscRelation compose(const TscRelation& first, const TscRelation& second);

/// guest_tsc - host_tsc from readings of a deadline timer: the offset that most readings allow.
struct DeadlineOffset {
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  std::size_t agreeing = 0;
  std::size_t readings = 0;
};
[[nodiscard]] std::optional<DeadlineOffset> offset_of(
    std::span<const model::DeadlineReading> readings);

}  // namespace vs::clock
