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
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    const bool sums = frequency_ == 1'000'000'000 && whole >= 0 && whole <= kMax;
    offset_ns_ = sums ? static_cast<std::uint64_t>(whole) : 0;
    sum_limit_ = sums ? static_cast<std::uint64_t>(kMax) - offset_ns_ + 1 : 0;
  }

  /// Saturates at the ends of OwnTime. Rounds towards the earlier time.
  [[nodiscard]] OwnTime to_own(std::uint64_t cycles) const {
    if (is_sum(cycles)) [[likely]]
      return sum(cycles);
    const Int128 ns = exact(cycles).ns;
    if (ns > kOwnTimeMax.value) return kOwnTimeMax;
    if (ns < kOwnTimeMin.value) return kOwnTimeMin;
    return OwnTime{static_cast<std::int64_t>(ns)};
  }

  /// True when the time is a constant more than the cycles: sum() gives it.
  [[nodiscard]] bool is_sum(std::uint64_t cycles) const { return cycles < sum_limit_; }
  [[nodiscard]] OwnTime sum(std::uint64_t cycles) const {
    return OwnTime{static_cast<std::int64_t>(offset_ns_ + cycles)};
  }

  /// The time before saturation, and what the rounding left over, in 1/frequency ns.
  struct Exact {
    Int128 ns = 0;
    std::uint64_t rest = 0;
  };
  [[nodiscard]] Exact exact(std::uint64_t cycles) const {
    const Int128 total = base_cycles_ + static_cast<Int128>(cycles);
    const Int128 frequency = static_cast<Int128>(frequency_);
    Int128 seconds = total / frequency;
    Int128 rest = total % frequency;
    if (rest < 0) {
      rest += frequency;
      --seconds;
    }
    const Int128 parts = rest * kSecond;
    return {base_ns_ + seconds * kSecond + parts / frequency,
            static_cast<std::uint64_t>(parts % frequency)};
  }
  [[nodiscard]] std::uint64_t frequency() const { return frequency_; }

 private:
  static constexpr Int128 kSecond = 1'000'000'000;
  std::uint64_t frequency_ = 1'000'000'000;
  Int128 base_cycles_ = 0;
  Int128 base_ns_ = 0;
  std::uint64_t offset_ns_ = 0;
  std::uint64_t sum_limit_ = std::uint64_t{1} << 63;  ///< of cycles; 0: no time is a sum
};

/// A TimeScale for times that follow each other: it remembers the last one, so that the next needs
/// one division of 64 bits. Gives exactly what TimeScale gives. Threads: one at a time.
class TimeConverter {
 public:
  /// `scale` must outlive its use.
  void set(const TimeScale& scale) {
    scale_ = &scale;
    anchored_ = false;
  }

  /// Requires set(): what times are made with.
  [[nodiscard]] const TimeScale& scale() const { return *scale_; }
  /// Requires set().
  [[nodiscard]] OwnTime to_own(std::uint64_t cycles) {
    if (scale_->is_sum(cycles)) [[likely]]
      return scale_->sum(cycles);
    const std::uint64_t step = cycles - cycles_;
    if (anchored_ && step <= kMaxStep && own_ns_ <= kFarFromEnd) {
      const std::uint64_t parts = rest_ + step * kSecond;
      own_ns_ += static_cast<std::int64_t>(parts / scale_->frequency());
      rest_ = parts % scale_->frequency();
      cycles_ = cycles;
      return OwnTime{own_ns_};
    }
    return anchor(cycles);
  }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000'000;
  static constexpr std::uint64_t kMaxStep = 1U << 30;
  static constexpr std::uint64_t kMaxFrequency = std::uint64_t{1} << 62;  ///< parts fit 64 bits
  static constexpr std::int64_t kFarFromEnd = std::int64_t{1} << 62;

  OwnTime anchor(std::uint64_t cycles) {
    const TimeScale::Exact exact = scale_->exact(cycles);
    anchored_ =
        scale_->frequency() <= kMaxFrequency && exact.ns >= -kFarFromEnd && exact.ns <= kFarFromEnd;
    cycles_ = cycles;
    own_ns_ = anchored_ ? static_cast<std::int64_t>(exact.ns) : 0;
    rest_ = exact.rest;
    return scale_->to_own(cycles);
  }

  const TimeScale* scale_ = nullptr;
  bool anchored_ = false;
  std::uint64_t cycles_ = 0;
  std::int64_t own_ns_ = 0;
  std::uint64_t rest_ = 0;
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
