#pragma once
// The generators' random numbers: xorshift64*, the same on every machine for the same seed.

#include <cstdint>

namespace vs::bench {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}

  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  std::uint32_t below(std::uint32_t limit) {
    return static_cast<std::uint32_t>((next() >> 32) * limit >> 32);
  }
  bool chance(std::uint32_t permille) { return below(1000) < permille; }
  /// A step in time: mostly near `mean_ns`, one in fifty up to twenty times that.
  std::uint64_t gap(std::uint32_t mean_ns) {
    std::uint64_t out = 40 + std::uint64_t{below(mean_ns)};
    if (chance(20)) out += below(mean_ns * 20);
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace vs::bench
