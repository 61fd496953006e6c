#pragma once
// The checked cursor over bytes from outside. Only `base` may use reinterpret_cast or raw pointer
// arithmetic on such bytes; readers take a Bytes view and a ByteCursor and always know where they
// are.
//
// Ownership: views only, nothing is owned. Threads: values.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace vs {

using Bytes = std::span<const std::byte>;

enum class ByteOrder : std::uint8_t { kLittle, kBig };
inline constexpr ByteOrder kNativeOrder =
    std::endian::native == std::endian::little ? ByteOrder::kLittle : ByteOrder::kBig;

/// Reverses the bytes of an unsigned integer.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T byte_swap(T value) noexcept {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

/// Loads an unsigned integer without a bounds check. Requires offset + sizeof(T) <= bytes.size();
/// for hot loops that have checked a whole record before.
template <std::unsigned_integral T>
[[nodiscard]] inline T load_unchecked(Bytes bytes, std::size_t offset, ByteOrder order) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return order == kNativeOrder ? value : byte_swap(value);
}

/// Loads an unsigned integer, or nothing when it would leave the view.
template <std::unsigned_integral T>
[[nodiscard]] inline std::optional<T> load(Bytes bytes, std::size_t offset,
                                           ByteOrder order) noexcept {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  return load_unchecked<T>(bytes, offset, order);
}

/// The bytes [offset, offset + size), or nothing when they are not all there.
[[nodiscard]] inline std::optional<Bytes> slice(Bytes bytes, std::size_t offset,
                                                std::size_t size) noexcept {
  if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
  return bytes.subspan(offset, size);
}

/// The bytes seen as text (no copy, no terminator implied).
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// Reads forward through a view. Every read either succeeds whole or changes nothing.
class ByteCursor {
 public:
  ByteCursor(Bytes bytes, ByteOrder order) noexcept : bytes_(bytes), order_(order) {}

  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - offset_; }
  [[nodiscard]] bool at_end() const noexcept { return remaining() == 0; }
  [[nodiscard]] ByteOrder order() const noexcept { return order_; }

  template <std::unsigned_integral T>
  [[nodiscard]] std::optional<T> read() noexcept {
    const auto value = load<T>(bytes_, offset_, order_);
    if (value) offset_ += sizeof(T);
    return value;
  }

  /// The next `size` bytes.
  [[nodiscard]] std::optional<Bytes> read_bytes(std::size_t size) noexcept {
    const auto out = slice(bytes_, offset_, size);
    if (out) offset_ += size;
    return out;
  }

  /// Text up to a NUL, which is consumed and not part of the result; nothing when there is no NUL.
  [[nodiscard]] std::optional<std::string_view> read_c_string() noexcept {
    const std::string_view rest = as_text(bytes_.subspan(offset_));
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    offset_ += end + 1;
    return rest.substr(0, end);
  }

  [[nodiscard]] bool skip(std::size_t size) noexcept {
    if (remaining() < size) return false;
    offset_ += size;
    return true;
  }

  /// False when the offset lies past the end.
  [[nodiscard]] bool seek(std::size_t offset) noexcept {
    if (offset > bytes_.size()) return false;
    offset_ = offset;
    return true;
  }

 private:
  Bytes bytes_;
  ByteOrder order_;
  std::size_t offset_ = 0;
};

}  // namespace vs
