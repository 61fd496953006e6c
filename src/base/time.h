#pragma once
// Time types. Times of different clocks are different types until a clock map has joined them.
//
// OwnTime:  a trace's own timestamp. Nanoseconds as the format defines them (CTF: clock offset and
//           frequency applied), or raw ticks for a tick clock (trace.dat with x86-tsc).
// HostTime: nanoseconds on the host timeline, the one clock all answers use (design.md 1).
// Durations on the host timeline are plain std::int64_t with the suffix `_ns`.

#include <compare>
#include <cstdint>
#include <limits>

namespace vs {

struct OwnTime {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const OwnTime&, const OwnTime&) = default;
};

struct HostTime {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(const HostTime&, const HostTime&) = default;
};

/// Nanoseconds from `begin` to `end`.
[[nodiscard]] constexpr std::int64_t operator-(HostTime end, HostTime begin) noexcept {
  return end.ns - begin.ns;
}
[[nodiscard]] constexpr HostTime operator+(HostTime time, std::int64_t delta_ns) noexcept {
  return HostTime{time.ns + delta_ns};
}

inline constexpr OwnTime kOwnTimeMin{std::numeric_limits<std::int64_t>::min()};
inline constexpr OwnTime kOwnTimeMax{std::numeric_limits<std::int64_t>::max()};
inline constexpr HostTime kHostTimeMin{std::numeric_limits<std::int64_t>::min()};
inline constexpr HostTime kHostTimeMax{std::numeric_limits<std::int64_t>::max()};

}  // namespace vs
