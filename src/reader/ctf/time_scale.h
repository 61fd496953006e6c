#pragma once
// From a clock's cycles to a trace's own time: ns = offset + cycles / frequency, exact in 128 bits.

#include <cstdint>
#include <limits>

#include "base/checked.h"
#include "base/time.h"
#include "reader/ctf/schema.h"

namespace vs::reader::ctf {

class TimeScale {
 public:
  TimeScale() = default;
  /// Requires clock.frequency != 0.
  explicit TimeScale(const ClockClass& clock)
      : frequency_(clock.frequency),
        base_cycles_(static_cast<Int128>(clock.offset_cycles)),
        base_ns_(static_cast<Int128>(clock.offset_seconds) * kSecond) {
    const Int128 whole = base_ns_ + base_cycles_;
    simple_ = frequency_ == 1'000'000'000 && whole >= 0 &&
              whole <= std::numeric_limits<std::int64_t>::max();
    if (simple_) {
      offset_ns_ = static_cast<std::uint64_t>(whole);
      max_cycles_ =
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - offset_ns_;
    }
  }

  /// Saturates at the ends of OwnTime. Rounds towards the earlier time.
  [[nodiscard]] OwnTime to_own(std::uint64_t cycles) const {
    if (simple_ && cycles <= max_cycles_) [[likely]] {
      return OwnTime{static_cast<std::int64_t>(offset_ns_ + cycles)};
    }
    const Int128 total = base_cycles_ + static_cast<Int128>(cycles);
    const Int128 frequency = static_cast<Int128>(frequency_);
    Int128 seconds = total / frequency;
    Int128 rest = total % frequency;
    if (rest < 0) {
      rest += frequency;
      --seconds;
    }
    const Int128 ns = base_ns_ + seconds * kSecond + rest * kSecond / frequency;
    if (ns > kOwnTimeMax.value) return kOwnTimeMax;
    if (ns < kOwnTimeMin.value) return kOwnTimeMin;
    return OwnTime{static_cast<std::int64_t>(ns)};
  }

 private:
  static constexpr Int128 kSecond = 1'000'000'000;
  std::uint64_t frequency_ = 1'000'000'000;
  Int128 base_cycles_ = 0;
  Int128 base_ns_ = 0;
  bool simple_ = true;
  std::uint64_t offset_ns_ = 0;
  std::uint64_t max_cycles_ = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
};

/// The clock of a stream: fields narrower than 64 bits hold its low bits and never go back.
class ClockState {
 public:
  void set(std::uint64_t cycles) { cycles_ = cycles; }
  [[nodiscard]] std::uint64_t cycles() const { return cycles_; }
  std::uint64_t update(std::uint64_t value, std::uint64_t bits) {
    if (bits >= 64) return cycles_ = value;
    const std::uint64_t span = std::uint64_t{1} << bits;
    const std::uint64_t low = cycles_ & (span - 1);
    cycles_ = cycles_ - low + value + (value < low ? span : 0);
    return cycles_;
  }

 private:
  std::uint64_t cycles_ = 0;
};

}  // namespace vs::reader::ctf
