#pragma once
// Small text helpers without allocation surprises.

#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

namespace vs {

/// The words of a text separated by one or more blanks.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view text);
/// The pieces between `separator`; empty pieces are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string_view trim(std::string_view text);

/// The whole text as an integer (no blanks, no sign for unsigned types), or nothing.
template <typename T>
[[nodiscard]] std::optional<T> parse_int(std::string_view text, int base = 10) noexcept {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [pointer, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || pointer != end || text.empty()) return std::nullopt;
  return value;
}

}  // namespace vs
