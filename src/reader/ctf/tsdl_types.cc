// TsdlParser: types, names and declarations.
#include <algorithm>
#include <bit>
#include <unordered_set>

#include "base/checked.h"
#include "base/limits.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf {
namespace {

constexpr std::string_view kTypeWords[] = {"void",     "char",  "short",    "int",
                                           "long",     "float", "double",   "signed",
                                           "unsigned", "_Bool", "_Complex", "_Imaginary"};
constexpr std::string_view kKeywords[] = {
    "align",   "callsite", "const",          "char",   "clock",   "double",   "enum",
    "env",     "event",    "floating_point", "float",  "integer", "int",      "long",
    "short",   "signed",   "stream",         "string", "struct",  "trace",    "typealias",
    "typedef", "unsigned", "variant",        "void",   "_Bool",   "_Complex", "_Imaginary"};

template <typename Words>
bool contains(const Words& words, std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

/// The largest value an integer container holds, as an unsigned 64-bit number.
bool fits(const FieldClass& type, std::uint64_t value, bool negative) {
  if (type.size_bits >= 64) {
    if (type.is_signed) return negative || value <= (~std::uint64_t{0} >> 1);
    return !negative;
  }
  if (!type.is_signed) return !negative && value < (std::uint64_t{1} << type.size_bits);
  const std::uint64_t half = std::uint64_t{1} << (type.size_bits - 1);
  return negative ? std::uint64_t{0} - value <= half : value < half;
}

bool in_order(const FieldClass& type, std::uint64_t begin, std::uint64_t end) {
  return type.is_signed ? static_cast<std::int64_t>(begin) <= static_cast<std::int64_t>(end)
                        : begin <= end;
}

}  // namespace

TsdlParser::Type TsdlParser::find(NameTable table, const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto& names = (*scope).*table;
    if (const auto found = names.find(name); found != names.end()) return found->second;
  }
  return nullptr;
}

Status TsdlParser::define(NameTable table, const std::string& name, Type type, TextPlace place,
                          std::string_view what) {
  if (!(scopes_.back().*table).emplace(name, type).second) {
    return metadata_error(place, std::string(what) + " '" + name + "' is defined twice");
  }
  return {};
}

Result<FieldClass*> TsdlParser::make(FieldType type, TextPlace place) {
  if (schema_->arena.size() >= limits::kMetadataTypes) {
    return metadata_error(place, "metadata exceeds the limit of 1048576 field classes",
                          ErrorCode::kLimit);
  }
  FieldClass& made = schema_->arena.emplace_back();
  made.type = type;
  made.place = place;
  return &made;
}

Status TsdlParser::enter(TextPlace place) {
  if (scopes_.size() > limits::kMetadataDepth) {
    return metadata_error(place, "nesting exceeds the limit of 64 levels", ErrorCode::kLimit);
  }
  scopes_.emplace_back();
  return {};
}

void TsdlParser::leave() { scopes_.pop_back(); }

Result<TsdlParser::Type> TsdlParser::parse_type() {
  while (token_.is("const")) VS_TRY(advance());
  if (token_.kind != TokenKind::kIdentifier) return unexpected("a type");
  const TextPlace place = token_.place;
  struct Row {
    std::string_view word;
    Result<Type> (TsdlParser::*parse)(TextPlace);
  };
  static constexpr Row kRows[] = {
      {"integer", &TsdlParser::parse_integer}, {"floating_point", &TsdlParser::parse_float},
      {"string", &TsdlParser::parse_string},   {"struct", &TsdlParser::parse_struct},
      {"variant", &TsdlParser::parse_variant}, {"enum", &TsdlParser::parse_enum}};
  for (const Row& row : kRows) {
    if (!token_.is(row.word)) continue;
    VS_TRY(advance());
    return (this->*row.parse)(place);
  }
  return parse_named_type();
}

Result<TsdlParser::Type> TsdlParser::parse_named_type() {
  const TextPlace place = token_.place;
  std::string name;
  if (contains(kTypeWords, token_.text)) {
    while (token_.kind == TokenKind::kIdentifier &&
           (contains(kTypeWords, token_.text) || token_.is("const"))) {
      if (!token_.is("const")) name += (name.empty() ? "" : " ") + std::string(token_.text);
      VS_TRY(advance());
    }
  } else {
    if (contains(kKeywords, token_.text)) return unexpected("a type");
    name = token_.text;
    VS_TRY(advance());
  }
  while (token_.is("*")) {
    name += " *";
    VS_TRY(advance());
    while (token_.is("const")) VS_TRY(advance());
  }
  const Type type = find(&Scope::aliases, name);
  if (type == nullptr) return metadata_error(place, "unknown type '" + name + "'");
  return type;
}

Result<std::uint32_t> TsdlParser::parse_align_value(const Attribute& attribute) {
  VS_ASSIGN(const std::uint64_t value, unsigned_of(attribute));
  if (!std::has_single_bit(value)) {
    return metadata_error(attribute.place,
                          "alignment " + std::to_string(value) + " is not a power of two");
  }
  if (value > (1U << 30)) {
    return metadata_error(attribute.place,
                          "alignment " + std::to_string(value) + " exceeds the limit of 2^30 bits",
                          ErrorCode::kLimit);
  }
  return static_cast<std::uint32_t>(value);
}

Status TsdlParser::integer_shape_attribute(FieldClass& type, const Attribute& attribute) {
  if (attribute.name == "size") {
    VS_ASSIGN(const std::uint64_t size, unsigned_of(attribute));
    if (size == 0) return metadata_error(attribute.place, "integer has size 0");
    if (size > 64) {
      return metadata_error(attribute.place,
                            "integer of " + std::to_string(size) + " bits exceeds the limit of 64",
                            ErrorCode::kLimit);
    }
    type.size_bits = static_cast<std::uint32_t>(size);
  } else if (attribute.name == "align") {
    VS_ASSIGN(type.align_bits, parse_align_value(attribute));
  } else {
    VS_ASSIGN(type.endian, endian_of(attribute));
  }
  return {};
}

Status TsdlParser::integer_attribute(FieldClass& type, const Attribute& attribute) {
  const std::string& word = attribute.path;
  if (attribute.name == "signed") {
    if (word == "true" || word == "TRUE") {
      type.is_signed = true;
    } else if (word != "false" && word != "FALSE") {
      VS_ASSIGN(const std::uint64_t value, unsigned_of(attribute));
      if (value > 1) return metadata_error(attribute.place, "signed is neither true nor false");
      type.is_signed = value == 1;
    }
  } else if (attribute.name == "base") {
    static constexpr std::pair<std::string_view, std::uint8_t> kBases[] = {
        {"decimal", 10}, {"dec", 10},   {"d", 10},  {"i", 10}, {"u", 10},    {"hexadecimal", 16},
        {"hex", 16},     {"x", 16},     {"X", 16},  {"p", 16}, {"octal", 8}, {"oct", 8},
        {"o", 8},        {"binary", 2}, {"bin", 2}, {"b", 2}};
    for (const auto& [name, base] : kBases) {
      if (word == name) {
        type.base = base;
        return {};
      }
    }
    VS_ASSIGN(const std::uint64_t value, unsigned_of(attribute));
    if (value != 2 && value != 8 && value != 10 && value != 16) {
      return metadata_error(attribute.place,
                            "base " + std::to_string(value) + " is none of 2, 8, 10, 16");
    }
    type.base = static_cast<std::uint8_t>(value);
  } else if (attribute.name == "encoding") {
    static constexpr std::pair<std::string_view, Encoding> kEncodings[] = {
        {"none", Encoding::kNone},  {"UTF8", Encoding::kUtf8},  {"utf8", Encoding::kUtf8},
        {"UTF-8", Encoding::kUtf8}, {"utf-8", Encoding::kUtf8}, {"ASCII", Encoding::kAscii},
        {"ascii", Encoding::kAscii}};
    const std::string& text =
        attribute.value.kind == TokenKind::kString ? attribute.value.string : word;
    for (const auto& [name, encoding] : kEncodings) {
      if (text == name) {
        type.encoding = encoding;
        return {};
      }
    }
    return metadata_error(attribute.place, "encoding is none of none, UTF8, ASCII");
  } else if (attribute.name == "map") {
    if (!word.starts_with("clock.") || !word.ends_with(".value") || word.size() < 13) {
      return metadata_error(attribute.place, "map needs clock.NAME.value");
    }
    type.clock = word.substr(6, word.size() - 12);
  }
  return {};
}

Status TsdlParser::parse_integer_braces(FieldClass& type, TextPlace place) {
  type.align_bits = 0;
  VS_TRY(expect("{"));
  VS_TRY(parse_attributes({"size", "align", "signed", "byte_order", "base", "encoding", "map"},
                          [&](const Attribute& attribute) -> Status {
                            const bool shape = attribute.name == "size" ||
                                               attribute.name == "align" ||
                                               attribute.name == "byte_order";
                            return shape ? integer_shape_attribute(type, attribute)
                                         : integer_attribute(type, attribute);
                          }));
  if (type.size_bits == 0) return metadata_error(place, "integer has no size");
  if (type.align_bits == 0) type.align_bits = type.size_bits % 8 == 0 ? 8 : 1;
  return {};
}

Result<TsdlParser::Type> TsdlParser::parse_integer(TextPlace place) {
  VS_ASSIGN(FieldClass* const type, make(FieldType::kInteger, place));
  const std::string_view braces = token_.is("{") ? lexer_.braces_ahead() : std::string_view();
  if (const auto known = integers_.find(braces); known != integers_.end()) {
    *type = *known->second;
    type->place = place;
    lexer_.skip(braces);
    VS_TRY(advance());
    return type;
  }
  VS_TRY(parse_integer_braces(*type, place));
  if (!braces.empty()) integers_.emplace(braces, type);
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_float(TextPlace place) {
  VS_ASSIGN(FieldClass* const type, make(FieldType::kFloat, place));
  type->align_bits = 0;
  std::uint64_t mantissa = 0;
  std::uint64_t exponent = 0;
  VS_TRY(expect("{"));
  VS_TRY(parse_attributes({"exp_dig", "mant_dig", "align", "byte_order"},
                          [&](const Attribute& attribute) -> Status {
                            if (attribute.name == "exp_dig") {
                              VS_ASSIGN(exponent, unsigned_of(attribute));
                            } else if (attribute.name == "mant_dig") {
                              VS_ASSIGN(mantissa, unsigned_of(attribute));
                            } else {
                              return integer_shape_attribute(*type, attribute);
                            }
                            return {};
                          }));
  if (exponent == 0) return metadata_error(place, "floating_point has no exp_dig");
  if (mantissa == 0) return metadata_error(place, "floating_point has no mant_dig");
  const bool known = (exponent == 5 && mantissa == 11) || (exponent == 8 && mantissa == 24) ||
                     (exponent == 11 && mantissa == 53);
  if (!known) {
    return metadata_error(place,
                          "floating_point with exp_dig " + std::to_string(exponent) +
                              " and mant_dig " + std::to_string(mantissa) + " is not supported",
                          ErrorCode::kUnsupported);
  }
  type->exponent_bits = static_cast<std::uint32_t>(exponent);
  type->size_bits = static_cast<std::uint32_t>(exponent + mantissa);
  if (type->align_bits == 0) type->align_bits = 8;
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_string(TextPlace place) {
  VS_ASSIGN(FieldClass* const type, make(FieldType::kString, place));
  type->align_bits = 8;
  type->encoding = Encoding::kUtf8;
  VS_ASSIGN(const bool braces, accept("{"));
  if (!braces) return type;
  VS_TRY(parse_attributes({"encoding"}, [&](const Attribute& attribute) -> Status {
    return integer_attribute(*type, attribute);
  }));
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_struct(TextPlace place) {
  std::string name;
  if (token_.kind == TokenKind::kIdentifier) {
    VS_ASSIGN(name, expect_identifier("structure"));
    if (!token_.is("{")) {
      const Type type = find(&Scope::structs, name);
      if (type == nullptr) return metadata_error(place, "unknown structure 'struct " + name + "'");
      return type;
    }
  }
  return parse_struct_body(name, place);
}

Result<TsdlParser::Type> TsdlParser::parse_struct_body(const std::string& name, TextPlace place) {
  VS_ASSIGN(FieldClass* const type, make(FieldType::kStruct, place));
  VS_TRY(parse_members(*type, "field"));
  for (const Member& member : type->members) {
    type->align_bits = std::max(type->align_bits, member.type->align_bits);
  }
  if (token_.is("align")) {
    VS_TRY(advance());
    VS_TRY(expect("("));
    Attribute attribute;
    attribute.name = "align";
    attribute.place = token_.place;
    VS_TRY(parse_attribute_value(attribute));
    VS_TRY(expect(")"));
    VS_ASSIGN(const std::uint32_t align, parse_align_value(attribute));
    type->align_bits = std::max(type->align_bits, align);
  }
  if (!name.empty()) VS_TRY(define(&Scope::structs, name, type, place, "structure"));
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_variant(TextPlace place) {
  std::string name;
  std::string tag;
  if (token_.kind == TokenKind::kIdentifier) {
    VS_ASSIGN(name, expect_identifier("variant"));
  }
  if (token_.is("<")) {
    VS_TRY(advance());
    VS_ASSIGN(tag, parse_path());
    VS_TRY(expect(">"));
  }
  if (token_.is("{")) return parse_variant_body(name, tag, place);
  if (name.empty()) return unexpected("'{'");
  const Type known = find(&Scope::variants, name);
  if (known == nullptr) return metadata_error(place, "unknown variant 'variant " + name + "'");
  if (tag.empty() || tag == known->path) return known;
  VS_ASSIGN(FieldClass* const type, make(FieldType::kVariant, place));
  type->members = known->members;
  type->path = tag;
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_variant_body(const std::string& name, std::string tag,
                                                        TextPlace place) {
  VS_ASSIGN(FieldClass* const type, make(FieldType::kVariant, place));
  type->path = std::move(tag);
  VS_TRY(parse_members(*type, "option"));
  if (type->members.empty()) return metadata_error(place, "variant has no option");
  if (!name.empty()) VS_TRY(define(&Scope::variants, name, type, place, "variant"));
  return type;
}

Result<TsdlParser::Type> TsdlParser::parse_enum(TextPlace place) {
  std::string name;
  if (token_.kind == TokenKind::kIdentifier) {
    VS_ASSIGN(name, expect_identifier("enumeration"));
    if (!token_.is("{") && !token_.is(":")) {
      const Type type = find(&Scope::enums, name);
      if (type == nullptr) return metadata_error(place, "unknown enumeration 'enum " + name + "'");
      return type;
    }
  }
  Type container = nullptr;
  if (token_.is(":")) {
    VS_TRY(advance());
    VS_ASSIGN(container, parse_type());
  } else {
    container = find(&Scope::aliases, "int");
    if (container == nullptr) {
      return metadata_error(place, "enumeration names no type and 'int' is not defined");
    }
  }
  if (container->type != FieldType::kInteger) {
    return metadata_error(place, "enumeration's type is not an integer");
  }
  VS_ASSIGN(FieldClass* const type, make(FieldType::kEnum, place));
  *type = *container;
  type->type = FieldType::kEnum;
  type->place = place;
  VS_TRY(parse_enumerators(*type));
  if (!name.empty()) VS_TRY(define(&Scope::enums, name, type, place, "enumeration"));
  return type;
}

Status TsdlParser::parse_enumerators(FieldClass& type) {
  VS_TRY(expect("{"));
  std::uint64_t next = 0;
  bool next_valid = true;
  while (!token_.is("}")) {
    VS_ASSIGN(EnumRange range, parse_enumerator(type, next, next_valid));
    type.ranges.push_back(std::move(range));
    if (token_.is("}")) break;
    VS_TRY(expect(","));
  }
  if (type.ranges.empty()) return metadata_error(type.place, "enumeration is empty");
  return advance();
}

Result<EnumRange> TsdlParser::parse_enumerator(const FieldClass& type, std::uint64_t& next,
                                               bool& next_valid) {
  EnumRange range;
  const TextPlace place = token_.place;
  if (token_.kind == TokenKind::kString) {
    range.label = token_.string;
  } else if (token_.kind == TokenKind::kIdentifier) {
    range.label = token_.text;
  } else {
    return unexpected("an enumerator");
  }
  VS_TRY(advance());
  if (token_.is("=")) {
    VS_TRY(advance());
    VS_ASSIGN(range.begin, parse_enum_value(type));
    range.end = range.begin;
    if (token_.is("...")) {
      VS_TRY(advance());
      VS_ASSIGN(range.end, parse_enum_value(type));
    }
    if (!in_order(type, range.begin, range.end)) {
      return metadata_error(place, "enumerator '" + range.label + "' ends before it begins");
    }
  } else {
    if (!next_valid || !fits(type, next, type.is_signed && static_cast<std::int64_t>(next) < 0)) {
      return metadata_error(place, "enumerator '" + range.label + "' is out of range");
    }
    range.begin = range.end = next;
  }
  next = range.end + 1;
  next_valid =
      type.is_signed ? range.end != (~std::uint64_t{0} >> 1) : range.end != ~std::uint64_t{0};
  return range;
}

Result<std::uint64_t> TsdlParser::parse_enum_value(const FieldClass& type) {
  const TextPlace place = token_.place;
  bool negative = false;
  if (token_.is("-") || token_.is("+")) {
    negative = token_.is("-");
    VS_TRY(advance());
  }
  if (token_.kind != TokenKind::kNumber) return unexpected("an integer");
  const std::uint64_t magnitude = token_.number;
  const bool below = negative && magnitude != 0;
  const std::uint64_t value = negative ? std::uint64_t{0} - magnitude : magnitude;
  const bool too_small = below && magnitude > (std::uint64_t{1} << 63);
  if (too_small || !fits(type, value, below)) {
    return metadata_error(place, "enumerator value " + std::string(negative ? "-" : "") +
                                     std::to_string(magnitude) + " does not fit its type");
  }
  VS_TRY(advance());
  return value;
}

Status TsdlParser::parse_members(FieldClass& type, std::string_view what) {
  const TextPlace place = token_.place;
  VS_TRY(expect("{"));
  VS_TRY(enter(place));
  while (!token_.is("}")) {
    if (at_end()) return unexpected("'}'");
    VS_TRY(parse_member(type, what));
  }
  leave();
  if (type.members.size() > 1) {
    std::unordered_set<std::string_view> names;
    for (const Member& member : type.members) {
      if (!names.insert(member.name).second) {
        return metadata_error(member.place,
                              std::string(what) + " '" + member.name + "' is given twice");
      }
    }
  }
  return advance();
}

Status TsdlParser::parse_member(FieldClass& type, std::string_view what) {
  VS_ASSIGN(const bool declared, parse_type_declaration());
  if (declared) return {};
  const bool compound = token_.is("struct") || token_.is("variant") || token_.is("enum");
  VS_ASSIGN(const Type base, parse_type());
  if (compound && token_.is(";")) return advance();  // it only declares a name
  while (true) {
    if (token_.is("}") || token_.is(";")) return unexpected("the name of a " + std::string(what));
    VS_ASSIGN(Member member, parse_declarator(base));
    type.members.push_back(std::move(member));
    if (!token_.is(",")) break;
    VS_TRY(advance());
  }
  return expect(";");
}

Result<Member> TsdlParser::parse_declarator(Type type) {
  Member member;
  member.place = token_.place;
  VS_ASSIGN(member.name, expect_identifier("field"));
  VS_ASSIGN(member.type, parse_suffixes(type));
  return member;
}

// a[2][n] is two sequences of n: suffixes bind from the right.
Result<TsdlParser::Type> TsdlParser::parse_suffixes(Type type) {
  std::vector<FieldClass*> arrays;
  while (token_.is("[")) {
    const TextPlace place = token_.place;
    VS_TRY(advance());
    if (arrays.size() >= limits::kMetadataDepth) {
      return metadata_error(place, "nesting exceeds the limit of 64 levels", ErrorCode::kLimit);
    }
    VS_ASSIGN(FieldClass* const array, make(FieldType::kArray, place));
    if (token_.kind == TokenKind::kNumber) {
      array->length = token_.number;
      VS_TRY(advance());
    } else if (token_.kind == TokenKind::kIdentifier) {
      array->type = FieldType::kSequence;
      VS_ASSIGN(array->path, parse_path());
    } else {
      return unexpected("an array's length");
    }
    VS_TRY(expect("]"));
    arrays.push_back(array);
  }
  for (auto array = arrays.rbegin(); array != arrays.rend(); ++array) {
    (*array)->element = type;
    (*array)->align_bits = type->align_bits;
    type = *array;
  }
  return type;
}

Status TsdlParser::parse_typedef() {
  VS_TRY(advance());
  VS_ASSIGN(const Type base, parse_type());
  while (true) {
    const TextPlace place = token_.place;
    VS_ASSIGN(const Member alias, parse_declarator(base));
    VS_TRY(define(&Scope::aliases, alias.name, alias.type, place, "type"));
    if (!token_.is(",")) break;
    VS_TRY(advance());
  }
  return expect(";");
}

Status TsdlParser::parse_typealias() {
  VS_TRY(advance());
  VS_ASSIGN(Type type, parse_type());
  VS_ASSIGN(type, parse_suffixes(type));
  VS_TRY(expect(":="));
  const TextPlace place = token_.place;
  std::string name;
  while (token_.kind == TokenKind::kIdentifier || token_.is("*")) {
    const bool reserved = contains(kKeywords, token_.text) && !contains(kTypeWords, token_.text);
    if (reserved && !token_.is("const")) return unexpected("the name of a type");
    if (!token_.is("const")) name += (name.empty() ? "" : " ") + std::string(token_.text);
    VS_TRY(advance());
  }
  if (name.empty()) return unexpected("the name of a type");
  VS_TRY(define(&Scope::aliases, name, type, place, "type"));
  return expect(";");
}

Result<bool> TsdlParser::parse_type_declaration() {
  if (token_.is("typedef")) {
    VS_TRY(parse_typedef());
    return true;
  }
  if (token_.is("typealias")) {
    VS_TRY(parse_typealias());
    return true;
  }
  return false;
}

Result<std::string> TsdlParser::expect_identifier(std::string_view purpose) {
  if (token_.kind != TokenKind::kIdentifier) {
    return unexpected("the name of a " + std::string(purpose));
  }
  if (contains(kKeywords, token_.text)) {
    return metadata_error(token_.place, "keyword '" + std::string(token_.text) +
                                            "' cannot name a " + std::string(purpose));
  }
  std::string name(token_.text);
  VS_TRY(advance());
  return name;
}

}  // namespace vs::reader::ctf
