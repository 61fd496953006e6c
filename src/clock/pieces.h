#pragma once
// Piecewise fit of a guest's clock against a VM's runs (algorithms C.6, C.8): pieces of guest time
// over which one line satisfies all facts. A piece ends where the facts become infeasible: the
// clock was stepped, suspended, migrated or re-slewed there.
//
// Ownership: values; spans must outlive the call. Threads: pure function. Units: x guest, y host
// working units (both ns or both ticks), `unit_ns` tells how long one is.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "clock/align.h"
#include "clock/envelope.h"

namespace vs::clock {

struct PieceProblem {
  std::span<const GuestTime> times;  ///< by x
  std::span<const RunIndex> vcpus;
  std::span<const Fact> facts;  ///< by x
  std::int64_t slope_limit_ppb = 500'000;
  double unit_ns = 1.0;
  /// y - x as declared by the clocks' epochs, tried first.
  std::optional<std::int64_t> declared_offset;
  bool search = true;  ///< look for the offset when the facts alone do not bound it
};

/// Times [begin, end) of the problem lie on one line.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  EnvelopeFit fit;
};

/// By x. Times in no piece could not be placed. Empty: nothing fits.
[[nodiscard]] std::vector<Piece> fit_pieces(const PieceProblem& problem);

/// Fewer times than this make no piece.
inline constexpr std::size_t kLeastPieceTimes = 24;

}  // namespace vs::clock
