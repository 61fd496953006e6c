#pragma once
// Reading and writing cells of small tables.
//
// Threads: values.

#include <cstdint>
#include <optional>
#include <string>

#include "model/tables.h"

namespace vs::report {

/// The text, or "" when the cell is NULL or no text.
[[nodiscard]] inline std::string text_at(const model::Row& row, std::size_t i) {
  const auto* const text = std::get_if<std::string>(&row[i]);
  return text == nullptr ? std::string() : *text;
}
[[nodiscard]] inline std::optional<std::int64_t> integer_at(const model::Row& row, std::size_t i) {
  const auto* const number = std::get_if<std::int64_t>(&row[i]);
  return number == nullptr ? std::nullopt : std::optional(*number);
}
[[nodiscard]] inline std::optional<double> real_at(const model::Row& row, std::size_t i) {
  if (const auto* const real = std::get_if<double>(&row[i])) return *real;
  const auto integer = integer_at(row, i);
  return integer ? std::optional(static_cast<double>(*integer)) : std::nullopt;
}

[[nodiscard]] inline model::Cell cell(std::int64_t value) { return value; }
[[nodiscard]] inline model::Cell cell(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
[[nodiscard]] inline model::Cell cell(double value) { return value; }
[[nodiscard]] inline model::Cell cell(std::string_view text) { return std::string(text); }
template <typename T>
[[nodiscard]] model::Cell cell(const std::optional<T>& value) {
  return value ? cell(*value) : model::Cell{};
}
/// NULL when empty.
[[nodiscard]] inline model::Cell text_or_null(std::string_view text) {
  return text.empty() ? model::Cell{} : cell(text);
}

}  // namespace vs::report
