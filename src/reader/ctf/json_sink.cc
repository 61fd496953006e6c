#include "reader/ctf/json_sink.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/escape.h"

namespace vs::reader::ctf {

void JsonSink::key(std::string_view name) {
  if (comma_) out_ += ',';
  comma_ = true;
  if (!closers_.empty() && closers_.back() == ']') return;
  std::string shown(plain_name(name));
  if (closers_.size() <= 1) {
    const auto is_taken = [&] {
      return std::find(taken_.begin(), taken_.end(), shown) != taken_.end();
    };
    while (contexts_ && is_taken()) shown.insert(0, "ctx_");
    if (is_taken()) shown = name;  // "_a" beside "a"
    taken_.push_back(shown);
  }
  out_ += '"';
  escape_json(shown, out_);
  out_ += "\":";
}

void JsonSink::begin_struct(std::string_view name) {
  if (closers_.empty()) {
    closers_.push_back('\0');
    return;
  }
  key(name);
  out_ += '{';
  closers_.push_back('}');
  comma_ = false;
}

void JsonSink::end_struct() {
  const char closer = closers_.back();
  closers_.pop_back();
  if (closer == '\0') return;
  out_ += closer;
  comma_ = true;
}

void JsonSink::begin_array(std::string_view name) {
  key(name);
  out_ += '[';
  closers_.push_back(']');
  comma_ = false;
}

void JsonSink::end_array() {
  closers_.pop_back();
  out_ += ']';
  comma_ = true;
}

void JsonSink::integer(std::string_view name, const Node& node, std::uint64_t value) {
  key(name);
  const FieldClass& type = *node.type;
  for (const EnumRange& range : type.ranges) {
    if (!TagRange{range.begin, range.end, 0, type.is_signed}.has(value)) continue;
    out_ += '"';
    escape_json(plain_name(range.label), out_);
    out_ += '"';
    return;
  }
  out_ += type.is_signed ? std::to_string(static_cast<std::int64_t>(value)) : std::to_string(value);
}

void JsonSink::real(std::string_view name, const Node& node, double value) {
  key(name);
  if (!std::isfinite(value)) {
    out_ += "null";
    return;
  }
  char buffer[40];
  const auto [end, error] =
      node.type->size_bits == 64
          ? std::to_chars(std::begin(buffer), std::end(buffer), value)
          : std::to_chars(std::begin(buffer), std::end(buffer), static_cast<float>(value));
  out_.append(buffer, error == std::errc{} ? end : buffer);
}

void JsonSink::text(std::string_view name, std::string_view value) {
  key(name);
  out_ += '"';
  escape_json(value, out_);
  out_ += '"';
}

}  // namespace vs::reader::ctf
