// The `fields` column: a record's payload as JSON, straight from its format.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/escape.h"
#include "reader/ftrace/event_table.h"

namespace vs::reader::ftrace {
namespace {

void append_key(std::string_view name, std::string& out) {
  if (out.back() != '{') out += ',';
  out += '"';
  escape_json(name, out);
  out += "\":";
}

void append_text(std::string_view text, std::string& out) {
  out += '"';
  escape_json(text, out);
  out += '"';
}

void append_integer(Bytes bytes, std::size_t offset, std::uint32_t size, bool is_signed,
                    ByteOrder order, std::string& out) {
  const std::uint64_t value = load_integer(bytes, offset, size, is_signed, order);
  if (is_signed) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void append_array(const Field& field, Bytes bytes, ByteOrder order, std::string& out) {
  out += '[';
  for (std::size_t at = 0; bytes.size() - at >= field.element; at += field.element) {
    if (at != 0) out += ',';
    append_integer(bytes, at, field.element, field.is_signed, order, out);
  }
  out += ']';
}

void append_hex(Bytes bytes, std::string& out) {
  out += '"';
  for (const std::byte byte : bytes) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned>(byte));
  }
  out += '"';
}

void append_value(const Field& field, Bytes record, ByteOrder order, std::string& out) {
  const FieldBytes found = locate(field, record, order);
  if (!found.ok) {
    out += "null";
    return;
  }
  const bool location = field.kind == FieldClass::kDataLoc || field.kind == FieldClass::kRelLoc;
  if (field.kind == FieldClass::kInteger) {
    append_integer(found.bytes, 0, field.size, field.is_signed, order, out);
  } else if (field.kind == FieldClass::kText || field.kind == FieldClass::kTailText ||
             (location && field.text)) {
    append_text(text_of(field, record, order), out);
  } else if (field.kind == FieldClass::kBytes) {
    append_hex(found.bytes, out);
  } else {
    append_array(field, found.bytes, order, out);
  }
}

}  // namespace

void append_fields_json(const EventType& type, Bytes record, ByteOrder order, std::string& out) {
  out += '{';
  bool own_system = false;
  for (const Field& field : type.fields) {
    if (field.common) continue;
    own_system = own_system || field.name == "system";
    append_key(field.name, out);
    append_value(field, record, order, out);
  }
  // A payload field of that name keeps it.
  append_key(own_system ? "_system" : "system", out);
  append_text(type.system, out);
  out += '}';
}

}  // namespace vs::reader::ftrace
