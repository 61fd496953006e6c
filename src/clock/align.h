#pragma once
// Coarse alignment without any declared clock relation (algorithms C.6 stage 1): which offsets
// would put a handful of guest events into runs of their vCPUs? Instead of comparing idle-gap
// fingerprints, which need idle periods on both sides, every gap between two runs *forbids*
// offsets: event x and gap (a, b) rule out all offsets in (a - x, b - x). The offset that hardly
// any event forbids is a candidate.
//
// Candidates are guesses; only a fit over the whole trace (envelope.h) decides.
//
// Threads: pure functions. Units: as the clocks; `unit_ns` scales the method's lengths.

#include <cstdint>
#include <span>
#include <vector>

#include "clock/envelope.h"

namespace vs::clock {

struct AlignOptions {
  std::int64_t offset_least = 0;  ///< range of y - x
  std::int64_t offset_greatest = 0;
  std::int64_t bucket = 20'000;  ///< resolution
  std::int64_t slack = 25'000;   ///< drift allowed for within the probe
  std::size_t candidates = 24;
};

/// A range of offsets that few probe events forbid.
struct OffsetCandidate {
  std::int64_t least = 0;
  std::int64_t greatest = 0;
  std::uint32_t covered = 0;
  std::uint32_t outside = 0;
};

/// Best first. `probe`: guest times within a short window (drift is neglected there).
[[nodiscard]] std::vector<OffsetCandidate> find_offsets(std::span<const GuestTime> probe,
                                                        std::span<const RunIndex> vcpus,
                                                        const AlignOptions& options);

/// Up to `count` windows of `length` with the most separate bursts, spread over the trace; each a
/// range of indices into `times`.
struct ProbeWindow {
  std::size_t begin = 0;
  std::size_t end = 0;
};
[[nodiscard]] std::vector<ProbeWindow> probe_windows(std::span<const GuestTime> times,
                                                     std::int64_t length, std::size_t count);

/// Least-cost assignment of rows to columns (Hungarian method); cost[r][c], rows <= columns.
/// Result: the column of each row.
[[nodiscard]] std::vector<std::size_t> assign(const std::vector<std::vector<double>>& cost);

}  // namespace vs::clock
