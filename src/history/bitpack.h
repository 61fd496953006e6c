#pragma once
// Arrays of unsigned integers with a fixed number of bytes (or of bits, for small ones) each,
// little-endian. Any value costs one load.
//
// Both sides touch eight bytes at once, so kPackSlack bytes must be there behind an array; whoever
// owns the bytes provides them. Whole bytes and not bits: an eighth more space, and half the time.
//
// Threads: values.

#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace vs::history {

inline constexpr std::size_t kPackSlack = 8;
/// 128 values of so many bytes still fit an int64.
inline constexpr unsigned kMaxPackedBytes = 6;

/// Value `index`. Requires width <= kMaxPackedBytes, the whole array and the slack.
[[nodiscard]] inline std::uint64_t packed_at(Bytes array, std::size_t index,
                                             unsigned width) noexcept {
  return load_unchecked<std::uint64_t>(array, index * width, ByteOrder::kLittle) &
         ((std::uint64_t{1} << (8 * width)) - 1);
}

/// Writes an array to `out`, which has `width` bytes per value and the slack.
inline void pack(std::span<const std::uint64_t> values, unsigned width,
                 std::span<std::byte> out) noexcept {
  std::size_t at = 0;
  for (const std::uint64_t value : values) {
    const std::uint64_t little = kNativeOrder == ByteOrder::kLittle ? value : byte_swap(value);
    std::memcpy(&out[at], &little, sizeof little);
    at += width;
  }
}

/// Bytes of `values` indices of 2^log bits each.
[[nodiscard]] constexpr std::size_t index_bytes(std::size_t values, unsigned log) noexcept {
  return ((values << log) + 7) / 8;
}

}  // namespace vs::history
