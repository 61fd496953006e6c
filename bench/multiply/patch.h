#pragma once
// What changes from copy to copy in a run of bytes: numbers that are moved on by k steps.
//
// Threads: values. Little-endian numbers may lie at any bit and wrap within their size; big-endian
// ones must fill whole bytes.

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace vs::bench {

/// What a number is, and so by how much it moves per copy.
enum class Moves : std::uint8_t {
  kTime,       ///< the trace's own clock
  kNs,         ///< nanoseconds in a payload field
  kTsc,        ///< ticks of the time stamp counter in a payload field
  kSequence,   ///< packet numbers
  kDiscarded,  ///< a running count of discarded events
  kMark,       ///< counters that pair events of two machines; by 2^20 per copy
  kHide,       ///< from copy 1 on another number, so that it pairs with nothing
  kCount
};

/// How far each kind moves from one copy to the next.
struct Steps {
  std::uint64_t by[static_cast<std::size_t>(Moves::kCount)] = {};
  [[nodiscard]] std::uint64_t& operator[](Moves moves) {
    return by[static_cast<std::size_t>(moves)];
  }
  [[nodiscard]] std::uint64_t operator[](Moves moves) const {
    return by[static_cast<std::size_t>(moves)];
  }
};

struct Patch {
  std::uint64_t bit = 0;  ///< from the begin of the bytes
  std::uint8_t size_bits = 0;
  Moves moves = Moves::kTime;
};

/// Bytes that must stand behind the last one that is patched.
inline constexpr std::size_t kPatchRoom = 8;

/// True when apply_patch can move such a number.
[[nodiscard]] inline bool patchable(const Patch& patch, ByteOrder order) {
  const std::uint64_t in_byte = patch.bit % 8;
  if (order == ByteOrder::kLittle) return in_byte + patch.size_bits <= 64;
  return in_byte == 0 && patch.size_bits % 8 == 0;
}

/// Adds `step` modulo the number's size. Requires kPatchRoom bytes from the number's first byte on.
inline void apply_patch(std::span<std::byte> bytes, const Patch& patch, ByteOrder order,
                        std::uint64_t step) {
  const auto at = static_cast<std::size_t>(patch.bit / 8);
  const auto shift = static_cast<unsigned>(patch.bit % 8);
  const std::uint64_t mask =
      patch.size_bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << patch.size_bits) - 1;
  if (order == ByteOrder::kLittle) {
    const auto word = load_unchecked<std::uint64_t>(bytes, at, ByteOrder::kLittle);
    const std::uint64_t value = ((word >> shift) + step) & mask;
    std::uint64_t out = (word & ~(mask << shift)) | (value << shift);
    for (std::size_t i = 0; i < 8; ++i, out >>= 8) bytes[at + i] = static_cast<std::byte>(out);
    return;
  }
  std::uint64_t value = 0;
  const std::size_t size = patch.size_bits / 8U;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  }
  value = (value + step) & mask;
  for (std::size_t i = size; i-- > 0; value >>= 8) bytes[at + i] = static_cast<std::byte>(value);
}

/// The step of copy `k`; kHide moves once and stays.
[[nodiscard]] inline std::uint64_t step_of(const Steps& steps, Moves moves, std::uint64_t k) {
  return moves == Moves::kHide ? (k == 0 ? 0 : 1) : steps[moves] * k;
}

}  // namespace vs::bench
