#pragma once
// Arrays of unsigned integers with a fixed number of bytes (or of bits, for small ones) each,
// little-endian. Any value costs one load.
//
// Both sides touch eight bytes at once, and a search looks at eight values whether they are there
// or not, so kPackSlack bytes must be there behind an array; whoever owns the bytes provides them.
// Whole bytes and not bits: an eighth more space, and half the time.
//
// Threads: values.

#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"

namespace vs::history {

/// 128 values of so many bytes still fit an int64.
inline constexpr unsigned kMaxPackedBytes = 6;
inline constexpr std::size_t kPackSlack = 8 * kMaxPackedBytes + 8;

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

/// Writes `values`, a multiple of 8 of them, as indices of 2^log bits, log <= 3, to `out`, which
/// has room for them and the slack.
inline void pack_bits(std::span<const std::uint8_t> values, unsigned log,
                      std::span<std::byte> out) noexcept {
  const unsigned bits = 1U << log;
  // Eight values at once: neighbours move together, then pairs of them, then fours.
  const std::uint64_t pairs = 0x0001000100010001ULL * ((1U << 2 * bits) - 1);
  const std::uint64_t fours = 0x0000000100000001ULL * ((std::uint64_t{1} << 4 * bits) - 1);
  for (std::size_t i = 0; i < values.size(); i += 8) {
    std::uint64_t word =
        load_unchecked<std::uint64_t>(std::as_bytes(values), i, ByteOrder::kLittle);
    word = (word | word >> (8 - bits)) & pairs;
    word = (word | word >> (16 - 2 * bits)) & fours;
    word |= word >> (32 - 4 * bits);
    if (kNativeOrder != ByteOrder::kLittle) word = byte_swap(word);
    std::memcpy(&out[i / 8 * bits], &word, sizeof word);
  }
}

/// Bytes of `values` indices of 2^log bits each.
[[nodiscard]] constexpr std::size_t index_bytes(std::size_t values, unsigned log) noexcept {
  return ((values << log) + 7) / 8;
}

}  // namespace vs::history
