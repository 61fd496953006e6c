#pragma once
// JsonWriter: JSON as text, written from front to back. Commas are its business, nesting the
// caller's. Text of a trace is escaped; 64-bit times are written as texts, because a browser's
// numbers end at 2^53.
//
// Threads: values.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/time.h"

namespace vs::serve {

class JsonWriter {
 public:
  JsonWriter& open(char bracket) {
    comma();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  JsonWriter& key(std::string_view name) {
    comma();
    quote(name);
    text_ += ':';
    first_ = true;
    return *this;
  }
  JsonWriter& text(std::string_view value) {
    comma();
    quote(value);
    return *this;
  }
  JsonWriter& integer(std::int64_t value) { return raw(fmt::format_int(value).str()); }
  JsonWriter& real(double value) {
    return std::isfinite(value) ? raw(fmt::format("{}", value)) : null();
  }
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  /// A 64-bit number as text.
  JsonWriter& wide(std::int64_t value) { return text(fmt::format_int(value).str()); }
  JsonWriter& time(HostTime value) { return wide(value.ns); }
  JsonWriter& maybe(const std::optional<std::int64_t>& value) {
    return value ? integer(*value) : null();
  }
  /// Already JSON.
  JsonWriter& raw(std::string_view json) {
    comma();
    text_ += json;
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }

 private:
  void comma() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  void quote(std::string_view value) {
    text_ += '"';
    escape_json(value, text_);
    text_ += '"';
  }
  std::string text_;
  bool first_ = true;
};

}  // namespace vs::serve
