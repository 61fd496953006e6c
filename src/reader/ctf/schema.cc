#include "reader/ctf/schema.h"

#include <utility>

namespace vs::reader::ctf {

Error metadata_error(TextPlace place, std::string what, ErrorCode code) {
  return Error{code,
               std::move(what),
               "metadata:" + std::to_string(place.line) + ":" + std::to_string(place.column),
               {}};
}

const EnvValue* Schema::find_env(std::string_view name) const {
  for (const EnvValue& value : env) {
    if (value.name == name) return &value;
  }
  return nullptr;
}

std::string Schema::env_text(std::string_view name) const {
  const EnvValue* value = find_env(name);
  if (value == nullptr) return {};
  return value->number ? std::to_string(*value->number) : value->text;
}

bool is_text_array(const FieldClass& field) {
  if (field.type != FieldType::kArray && field.type != FieldType::kSequence) return false;
  const FieldClass& element = *field.element;
  return element.type == FieldType::kInteger && element.size_bits == 8 && element.align_bits == 8 &&
         element.encoding != Encoding::kNone;
}

std::string_view plain_name(std::string_view name) {
  if (name.size() > 1 && name.front() == '_') name.remove_prefix(1);
  return name;
}

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return std::nullopt;
    if (dash) continue;
    const int value = hex_digit(text[i]);
    if (value < 0) return std::nullopt;
    uuid[digits / 2] |= static_cast<std::byte>(digits % 2 == 0 ? value << 4 : value);
    ++digits;
  }
  return uuid;
}

}  // namespace vs::reader::ctf
