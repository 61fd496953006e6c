#pragma once
// Streams of unsigned integers of one width: value i has the bits [i * width, (i + 1) * width),
// counted from the lowest bit of the first byte. Any value costs one load and one shift.
//
// Both sides touch eight bytes at once, so kPackSlack bytes must be there behind a stream; whoever
// owns the bytes provides them. Threads: values.

#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace vs::history {

inline constexpr std::size_t kPackSlack = 8;
/// An unaligned load of eight bytes has 57 useful bits at least; and 128 values of this width added
/// up still fit an int64.
inline constexpr unsigned kMaxPackedBits = 55;

[[nodiscard]] constexpr std::size_t packed_bytes(std::size_t values, unsigned width) noexcept {
  return (values * width + 7) / 8;
}

/// Value `index`. Requires width <= kMaxPackedBits, the whole stream and the slack.
[[nodiscard]] inline std::uint64_t packed_at(Bytes stream, std::size_t index,
                                             unsigned width) noexcept {
  const std::size_t bit = index * width;
  const auto word = load_unchecked<std::uint64_t>(stream, bit >> 3, ByteOrder::kLittle);
  return (word >> (bit & 7)) & ((std::uint64_t{1} << width) - 1);
}

/// Writes a stream to `out`, which has packed_bytes() and the slack.
template <typename Value>
void pack_bits(std::span<const Value> values, unsigned width, std::span<std::byte> out) noexcept {
  std::uint64_t word = 0;
  unsigned filled = 0;
  std::size_t at = 0;
  for (const Value value : values) {
    word |= static_cast<std::uint64_t>(value) << filled;
    filled += width;
    const std::uint64_t little = kNativeOrder == ByteOrder::kLittle ? word : byte_swap(word);
    std::memcpy(&out[at], &little, sizeof little);
    at += filled >> 3;
    word >>= filled & ~7U;
    filled &= 7;
  }
}

}  // namespace vs::history
