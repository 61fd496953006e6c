#include "reader/ftrace/format_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ftrace {
namespace {

Error malformed(std::string what) { return Error{ErrorCode::kMalformed, std::move(what), "", ""}; }

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_integer_size(std::uint32_t size) {
  return size == 1 || size == 2 || size == 4 || size == 8;
}

/// The declaration split up: "unsigned long args[6]" = type, name, dimension "6".
struct Declaration {
  std::string_view type;
  std::string_view name;
  std::optional<std::string_view> dimension;  ///< text inside the brackets; empty for []
};

Result<Declaration> split_declaration(std::string_view text) {
  Declaration out;
  text = trim(text);
  while (text.ends_with(']')) {
    const std::size_t open = text.rfind('[');
    if (open == std::string_view::npos) return malformed("']' without '['");
    // Of several dimensions none is the count; the size then tells how many elements there are.
    out.dimension =
        out.dimension ? std::string_view{} : trim(text.substr(open + 1, text.size() - open - 2));
    text = trim(text.substr(0, open));
  }
  std::size_t begin = text.size();
  while (begin > 0 && is_word_character(text[begin - 1])) --begin;
  out.name = text.substr(begin);
  out.type = trim(text.substr(0, begin));
  if (out.name.empty()) return malformed("field without a name");
  if (out.type.empty()) return malformed(fmt::format("field '{}' has no type", out.name));
  return out;
}

struct TypeSize {
  std::string_view name;
  std::uint32_t bytes;  ///< 0 = the kernel's long
};
constexpr TypeSize kTypeSizes[] = {
    {"char", 1},
    {"unsigned char", 1},
    {"signed char", 1},
    {"u8", 1},
    {"s8", 1},
    {"__u8", 1},
    {"__s8", 1},
    {"bool", 1},
    {"uint8_t", 1},
    {"short", 2},
    {"unsigned short", 2},
    {"u16", 2},
    {"s16", 2},
    {"__u16", 2},
    {"__s16", 2},
    {"__le16", 2},
    {"__be16", 2},
    {"int", 4},
    {"unsigned int", 4},
    {"unsigned", 4},
    {"u32", 4},
    {"s32", 4},
    {"__u32", 4},
    {"__s32", 4},
    {"__le32", 4},
    {"__be32", 4},
    {"pid_t", 4},
    {"long long", 8},
    {"unsigned long long", 8},
    {"u64", 8},
    {"s64", 8},
    {"__u64", 8},
    {"__s64", 8},
    {"__le64", 8},
    {"__be64", 8},
    {"long", 0},
    {"unsigned long", 0},
    {"size_t", 0},
    {"ulong", 0},
};

/// Bytes of one element of an array of this type, or nothing when the type is not known.
std::optional<std::uint32_t> element_size(std::string_view type, std::uint32_t long_size) {
  if (type.starts_with("const ")) type = trim(type.substr(6));
  if (type.ends_with('*')) return long_size;
  for (const TypeSize& known : kTypeSizes) {
    if (known.name == type) return known.bytes == 0 ? long_size : known.bytes;
  }
  return std::nullopt;
}

bool is_char(std::string_view type) {
  if (type.starts_with("const ")) type = trim(type.substr(6));
  return type == "char";
}

/// "__data_loc char[]": the class and, for its target, text or element size.
Result<bool> classify_location(std::string_view type, std::uint32_t long_size, Field& field) {
  const bool data = type.starts_with("__data_loc ");
  const bool relative = type.starts_with("__rel_loc ");
  if (!data && !relative) return false;
  if (field.size != 4) {
    return malformed(
        fmt::format("field '{}' is a location of {} bytes, not 4", field.name, field.size));
  }
  field.kind = data ? FieldClass::kDataLoc : FieldClass::kRelLoc;
  std::string_view target = trim(type.substr(type.find(' ')));
  if (target.ends_with("[]")) target = trim(target.substr(0, target.size() - 2));
  field.text = is_char(target);
  field.element = element_size(target, long_size).value_or(1);
  return true;
}

Status classify_array(const Declaration& declaration, std::uint32_t long_size, Field& field) {
  const std::optional<std::uint32_t> known = element_size(declaration.type, long_size);
  if (field.size == 0) {
    if (!declaration.dimension->empty() && *declaration.dimension != "0") {
      return malformed(fmt::format("array '{}' of size 0", field.name));
    }
    field.kind = is_char(declaration.type) ? FieldClass::kTailText : FieldClass::kTailArray;
    field.element = known.value_or(1);
    return {};
  }
  if (is_char(declaration.type)) {
    field.kind = FieldClass::kText;
    return {};
  }
  const auto count = parse_int<std::uint32_t>(*declaration.dimension);
  std::uint32_t element = known.value_or(0);
  if (element == 0 && count && *count != 0 && field.size % *count == 0)
    element = field.size / *count;
  const bool fits = is_integer_size(element) && field.size % element == 0 &&
                    (!count || std::uint64_t{*count} * element == field.size);
  field.kind = fits ? FieldClass::kArray : FieldClass::kBytes;
  field.element = fits ? element : 1;
  return {};
}

Status classify(const Declaration& declaration, std::uint32_t long_size, Field& field) {
  auto location = classify_location(declaration.type, long_size, field);
  if (!location.ok()) return std::move(location).error();
  if (*location) return {};
  if (declaration.dimension) return classify_array(declaration, long_size, field);
  field.kind = is_integer_size(field.size) ? FieldClass::kInteger : FieldClass::kBytes;
  return {};
}

/// "offset:8;" -> 8. Advances `rest` past the semicolon.
Result<std::uint32_t> take_number(std::string_view& rest, std::string_view key) {
  rest = trim(rest);
  if (!rest.starts_with(key) || rest.size() <= key.size() || rest[key.size()] != ':') {
    return malformed(fmt::format("'{}:' expected", key));
  }
  const std::size_t end = rest.find(';');
  if (end == std::string_view::npos) return malformed(fmt::format("no ';' after '{}:'", key));
  const std::string_view digits = trim(rest.substr(key.size() + 1, end - key.size() - 1));
  const auto value = parse_int<std::uint32_t>(digits);
  if (!value) return malformed(fmt::format("'{}' is not a number", key));
  rest = rest.substr(end + 1);
  return *value;
}

struct Lines {
  std::string_view rest;
  std::size_t number = 0;

  bool next(std::string_view& line) {
    if (rest.empty()) return false;
    const std::size_t end = rest.find('\n');
    line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    ++number;
    return true;
  }
};

/// Adds one field to the format; refuses names twice.
Status add_field(Field field, EventFormat& format) {
  const bool twice = std::any_of(format.fields.begin(), format.fields.end(),
                                 [&](const Field& other) { return other.name == field.name; });
  if (twice) return malformed(fmt::format("field '{}' twice", field.name));
  if (format.fields.size() >= kFieldCountLimit) {
    return malformed(
        fmt::format("more than the limit kFieldCountLimit of {} fields", kFieldCountLimit));
  }
  format.fixed_size = std::max(format.fixed_size, field.offset + field.size);
  format.fields.push_back(std::move(field));
  return {};
}

Status take_id(std::string_view text, FormatResult& result) {
  const auto id = parse_int<std::uint32_t>(trim(text));
  if (!id) return malformed("the ID is not a number");
  if (*id > 0xffff) return malformed(fmt::format("ID {} does not fit into 16 bits", *id));
  result.format.id = static_cast<std::uint16_t>(*id);
  result.has_id = true;
  return {};
}

/// Handles one line; `done` is set by the print format, after which nothing is read.
Status take_line(std::string_view line, std::uint32_t long_size, FormatResult& result, bool& done) {
  const std::string_view text = trim(line);
  if (text.starts_with("name:")) {
    result.format.name = std::string(trim(text.substr(5)));
  } else if (text.starts_with("ID:")) {
    return take_id(text.substr(3), result);
  } else if (text.starts_with("field:") || text.starts_with("field special:")) {
    VS_ASSIGN(Field field, parse_field_line(text, long_size));
    return add_field(std::move(field), result.format);
  } else if (text.starts_with("print fmt")) {
    done = true;
  } else if (!text.empty() && text != "format:") {
    return malformed("not a line of a format file");
  }
  return {};
}

}  // namespace

Result<Field> parse_field_line(std::string_view line, std::uint32_t long_size) {
  line = trim(line);
  const std::size_t colon = line.find(':');
  if (!line.starts_with("field") || colon == std::string_view::npos)
    return malformed("'field:' expected");
  const std::size_t end = line.find(';', colon);
  if (end == std::string_view::npos) return malformed("no ';' after the declaration");
  VS_ASSIGN(const Declaration declaration,
            split_declaration(line.substr(colon + 1, end - colon - 1)));
  std::string_view rest = line.substr(end + 1);
  Field field;
  field.name = std::string(declaration.name);
  VS_ASSIGN(field.offset, take_number(rest, "offset"));
  VS_ASSIGN(field.size, take_number(rest, "size"));
  if (!trim(rest).empty()) {  // kernels before 2.6.32 have no "signed"
    VS_ASSIGN(const std::uint32_t is_signed, take_number(rest, "signed"));
    field.is_signed = is_signed != 0;
  }
  if (field.offset > kFieldEndLimit || field.size > kFieldEndLimit - field.offset) {
    return malformed(fmt::format("field '{}' ends at byte {}, beyond {}", field.name,
                                 std::uint64_t{field.offset} + field.size, kFieldEndLimit));
  }
  field.common = field.name.starts_with("common_");
  VS_TRY(classify(declaration, long_size, field));
  return field;
}

FormatResult parse_event_format(std::string_view text, std::uint32_t long_size) {
  FormatResult result;
  Lines lines{text};
  std::string_view line;
  bool done = false;
  while (!done && lines.next(line)) {
    const Status status = take_line(line, long_size, result, done);
    if (status.ok()) continue;
    if (result.fault.empty())
      result.fault = fmt::format("line {}: {}", lines.number, status.error().what);
  }
  if (result.fault.empty() && result.format.name.empty()) result.fault = "no name";
  if (result.fault.empty() && !result.has_id) result.fault = "no ID";
  if (result.fault.empty() && result.format.fields.empty()) result.fault = "no fields";
  if (!result.fault.empty()) {
    result.format.fields.clear();
    result.format.fixed_size = 0;
  }
  return result;
}

}  // namespace vs::reader::ftrace
