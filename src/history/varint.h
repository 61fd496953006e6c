#pragma once
// Variable-length integers of the history's pieces: little-endian base 128, at most 10 bytes.
//
// ByteSink appends, VarReader reads with every byte checked. VarReader keeps a sticky failure
// instead of a Result per value: loops read a bounded number of values and look at ok() once.
// Ownership: VarReader is a view. Threads: values.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "history/bitpack.h"
#include "model/tables.h"

namespace vs::history {

inline constexpr std::size_t kMaxVarint = 10;

[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t code) noexcept {
  return static_cast<std::int64_t>((code >> 1) ^ (~(code & 1) + 1));
}

/// A column's value as a code: 0 is NULL, others are zigzag + 1. NULL is the smallest integer,
/// whose zigzag is the largest one, so the + 1 wraps to 0 for it and for nothing else.
[[nodiscard]] constexpr std::uint64_t code_of(std::int64_t value) noexcept {
  return zigzag(value) + 1;
}
[[nodiscard]] constexpr std::int64_t value_of(std::uint64_t code) noexcept {
  return unzigzag(code - 1);
}
static_assert(code_of(model::kNull) == 0 && value_of(0) == model::kNull);

/// Grows by doubling and never shrinks: one is used for many pieces.
class ByteSink {
 public:
  void put_u8(std::uint8_t value) {
    reserve(1);
    data_[size_++] = std::byte{value};
  }
  void put_u32(std::uint32_t value) { put_fixed(value, 4); }
  void put_u64(std::uint64_t value) { put_fixed(value, 8); }
  void put_varint(std::uint64_t value) {
    reserve(kMaxVarint);
    while (value >= 0x80) {
      data_[size_++] = static_cast<std::byte>(value | 0x80);
      value >>= 7;
    }
    data_[size_++] = static_cast<std::byte>(value);
  }
  void put_signed(std::int64_t value) { put_varint(zigzag(value)); }
  void put_value(std::int64_t value) { put_varint(code_of(value)); }
  void put_bytes(Bytes bytes) {
    if (bytes.empty()) return;
    reserve(bytes.size());
    std::memcpy(&data_[size_], bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void put_text(std::string_view text) {
    put_varint(text.size());
    put_bytes(as_bytes(text));
  }

  /// Room for `most` bytes and the slack of an array; the first `used` of them count after
  /// advance(used).
  [[nodiscard]] std::span<std::byte> room(std::size_t most) {
    reserve(most + kPackSlack);
    return std::span(data_).subspan(size_);
  }
  void advance(std::size_t used) { size_ += used; }

  [[nodiscard]] Bytes bytes() const { return Bytes(data_).first(size_); }
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  void reserve(std::size_t more) {
    if (data_.size() - size_ < more) data_.resize(std::max(2 * data_.size(), size_ + more + 64));
  }
  void put_fixed(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) put_u8(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  std::vector<std::byte> data_;  ///< the first size_ bytes count
  std::size_t size_ = 0;
};

/// The number of bytes that put_varint writes.
[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

class VarReader {
 public:
  VarReader() = default;
  explicit VarReader(Bytes bytes, std::size_t offset = 0) noexcept
      : bytes_(bytes), offset_(offset), failed_(offset > bytes.size()) {}

  [[nodiscard]] bool ok() const noexcept { return !failed_; }
  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t remaining() const noexcept {
    return failed_ ? 0 : bytes_.size() - offset_;
  }
  void fail() noexcept { failed_ = true; }

  /// The next integer; 0 after a failure. Bits beyond 64 are a failure.
  [[nodiscard]] std::uint64_t varint() noexcept {
    if (remaining() >= 8) {
      // The common lengths without a loop: one load, the stop bit tells the length.
      const std::uint64_t word = load_unchecked<std::uint64_t>(bytes_, offset_, ByteOrder::kLittle);
      if ((word & 0x80) == 0) return ++offset_, word & 0x7f;
      if ((word & 0x8000) == 0) return offset_ += 2, fold2(word);
      if ((word & 0x800000) == 0) return offset_ += 3, fold2(word) | ((word >> 2) & 0x1fc000);
      const std::uint64_t stops = ~word & 0x8080808080808080;
      if (stops != 0) {
        const auto last = static_cast<unsigned>(std::countr_zero(stops));  // bit of it
        offset_ += (last + 1) / 8;
        return fold8(word & (~std::uint64_t{0} >> (63 - last)));
      }
    }
    return varint_slow();
  }
  [[nodiscard]] std::int64_t signed_varint() noexcept { return unzigzag(varint()); }
  [[nodiscard]] std::int64_t value() noexcept { return value_of(varint()); }

  /// An integer that must be <= limit.
  [[nodiscard]] std::uint64_t varint_up_to(std::uint64_t limit) noexcept {
    const std::uint64_t value = varint();
    if (value > limit) failed_ = true;
    return failed_ ? 0 : value;
  }
  /// A count of things that take at least one byte each, so it cannot exceed what remains.
  [[nodiscard]] std::size_t count() noexcept {
    const std::uint64_t value = varint();
    if (value > remaining()) failed_ = true;
    return failed_ ? 0 : static_cast<std::size_t>(value);
  }
  [[nodiscard]] std::uint8_t u8() noexcept {
    if (remaining() < 1) failed_ = true;
    return failed_ ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes_[offset_++]);
  }
  [[nodiscard]] Bytes bytes(std::size_t size) noexcept {
    if (size > remaining()) failed_ = true;
    if (failed_) return {};
    offset_ += size;
    return bytes_.subspan(offset_ - size, size);
  }
  [[nodiscard]] std::string_view text() noexcept { return as_text(bytes(count())); }

 private:
  [[nodiscard]] static std::uint64_t fold2(std::uint64_t word) noexcept {
    return (word & 0x7f) | ((word >> 1) & 0x3f80);
  }
  /// The seven low bits of each of eight bytes: neighbours move together, then pairs, then fours.
  [[nodiscard]] static std::uint64_t fold8(std::uint64_t word) noexcept {
    word = (word & 0x007f007f007f007f) | ((word & 0x7f007f007f007f00) >> 1);
    word = (word & 0x00003fff00003fff) | ((word & 0x3fff00003fff0000) >> 2);
    return (word & 0x000000000fffffff) | ((word & 0x0fffffff00000000) >> 4);
  }
  [[nodiscard]] std::uint64_t varint_slow() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (remaining() == 0) break;
      const auto byte = static_cast<std::uint64_t>(bytes_[offset_++]);
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    failed_ = true;
    return 0;
  }

  Bytes bytes_;
  std::size_t offset_ = 0;
  bool failed_ = false;
};

}  // namespace vs::history
