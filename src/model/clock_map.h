#pragma once
// ClockMap: a monotone, piecewise affine map from one trace's own time to the host timeline, with
// its error bound. The published result of clock synchronisation (algorithms C); immutable once
// built.
//
// host = host_begin + (own - own_begin) * rate, rate as a fixed-point number with 62 fraction bits,
// so that the identity is exact and a guest that shares the host's ticks converts with the very
// same rounding as the host ("joined in ticks, converted once", design.md 5).
//
// Threads: immutable.

#include <cstdint>
#include <span>
#include <vector>

#include "base/checked.h"
#include "base/time.h"
#include "model/states.h"

namespace vs::model {

inline constexpr int kRateShift = 62;
inline constexpr std::int64_t kRateOne = std::int64_t{1} << kRateShift;

/// Counts of facts by kind, for `sync` (design.md 4 clock_sync, algorithms C.3).
enum class FactKind : std::uint8_t {
  kTscOffset,
  kBeacon,
  kEnvelope,
  kInterrupt,
  kDeadline,
  kPacket,
  kVmsync,
  kCount
};
struct FactCount {
  std::uint64_t used = 0;
  std::uint64_t rejected = 0;
};

struct ClockSegment {
  OwnTime own_begin;  ///< the segment holds for own >= own_begin (first one: for all earlier too)
  OwnTime own_end = kOwnTimeMax;  ///< exclusive; the next segment's own_begin
  /// The affine piece: to_host(own) = anchor_host + (own - anchor_own) * rate.
  OwnTime anchor_own;
  HostTime anchor_host;
  std::int64_t rate = kRateOne;  ///< host ns per own unit, 62 fraction bits; > 0
  SyncMethod method = SyncMethod::kReference;
  SyncQuality quality = SyncQuality::kExact;
  /// Bound of |to_host(own) - truth| over the segment, ns; -1 = unknown (quality absent or failed).
  std::int64_t error_min_ns = 0;
  std::int64_t error_median_ns = 0;
  std::int64_t error_max_ns = 0;
  std::int64_t drift_ppb = 0;  ///< how much faster than the host timeline this clock runs
  FactCount facts[static_cast<std::size_t>(FactKind::kCount)] = {};

  [[nodiscard]] HostTime to_host(OwnTime own) const noexcept {
    const Int128 product = static_cast<Int128>(own.value - anchor_own.value) * rate;
    return HostTime{anchor_host.ns + static_cast<std::int64_t>(product >> kRateShift)};
  }
};

class ClockMap {
 public:
  /// One segment: host ns = own value.
  ClockMap();
  /// Requires at least one segment, ordered and without gaps in own time.
  explicit ClockMap(std::vector<ClockSegment> segments);

  /// Monotone: where two segments would overlap on the host timeline, the later one is clamped.
  [[nodiscard]] HostTime to_host(OwnTime own) const noexcept {
    // The first segment has no floor.
    return segments_.size() == 1 ? segments_.front().to_host(own) : to_host_piecewise(own);
  }
  /// The smallest own time whose image is >= host.
  [[nodiscard]] OwnTime to_own(HostTime host) const noexcept;
  [[nodiscard]] const ClockSegment& segment_of(OwnTime own) const noexcept;
  [[nodiscard]] std::span<const ClockSegment> segments() const noexcept { return segments_; }

 private:
  friend class ClockWalk;
  [[nodiscard]] HostTime to_host_piecewise(OwnTime own) const noexcept;

  std::vector<ClockSegment> segments_;
  std::vector<std::int64_t> floor_ns_;  ///< per segment: the least image it may give
};

/// ClockMap::to_host for times that mostly lie near each other: remembers the segment of the last
/// one. Refers to the map. Threads: one owner.
class ClockWalk {
 public:
  explicit ClockWalk(const ClockMap& map) : map_(&map) { enter(0); }

  [[nodiscard]] HostTime to_host(OwnTime own) noexcept {
    // Unsigned: one comparison for both ends.
    if (static_cast<std::uint64_t>(own.value) - begin_ > length_) [[unlikely]]
      find(own);
    const Int128 product = static_cast<Int128>(own.value - anchor_own_) * rate_;
    const std::int64_t image = anchor_host_ + static_cast<std::int64_t>(product >> kRateShift);
    return HostTime{image > floor_ns_ ? image : floor_ns_};
  }

 private:
  void find(OwnTime own) noexcept;
  void enter(std::size_t segment) noexcept;

  const ClockMap* map_;
  std::uint64_t begin_ = 0;   ///< first own time that the segment holds for
  std::uint64_t length_ = 0;  ///< to the last one
  std::int64_t anchor_own_ = 0;
  std::int64_t anchor_host_ = 0;
  std::int64_t rate_ = kRateOne;
  std::int64_t floor_ns_ = 0;
};

}  // namespace vs::model
