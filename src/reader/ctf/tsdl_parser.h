#pragma once
// TSDL text to Schema (CTF 1.8.3, section C). One pass, no syntax tree: types are built as they are
// read, since TSDL names must be declared before use.
//
// Blocks are taken in whole: a fault ends the reading, and what stood before it is kept, so that
// the metadata of a trace that was cut or is still growing serves as far as it goes. Limits:
// limits::kMetadataDepth, kMetadataTypes, kEventTypes.

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "reader/ctf/schema.h"
#include "reader/ctf/tsdl_lexer.h"

namespace vs::reader::ctf {

struct ParsedMetadata {
  std::unique_ptr<Schema> schema;  ///< never null; what was whole before the fault
  std::optional<Error> fault;
  bool usable = false;  ///< the trace block was read, so streams can be decoded
};

[[nodiscard]] ParsedMetadata parse_tsdl(std::string_view text);

/// The parser's inside; parse_tsdl() is the way in. Types: tsdl_types.cc, blocks: tsdl_blocks.cc.
class TsdlParser {
 public:
  explicit TsdlParser(std::string_view text);
  [[nodiscard]] ParsedMetadata run();

 private:
  using Type = const FieldClass*;
  struct Scope {
    std::unordered_map<std::string, Type> aliases;
    std::unordered_map<std::string, Type> structs;
    std::unordered_map<std::string, Type> variants;
    std::unordered_map<std::string, Type> enums;
  };
  using NameTable = std::unordered_map<std::string, Type> Scope::*;

  /// name = value; inside a block or a type's braces.
  struct Attribute {
    std::string name;
    TextPlace place;
    Token value;  ///< first token of the value
    bool negative = false;
    std::string path;  ///< value as dotted words, when it is identifiers
  };

  // tokens
  [[nodiscard]] Status advance();
  [[nodiscard]] Status expect(std::string_view symbol);
  [[nodiscard]] Result<bool> accept(std::string_view symbol);
  [[nodiscard]] Result<std::string> expect_identifier(std::string_view purpose);
  [[nodiscard]] Result<std::string> parse_path();
  [[nodiscard]] Error unexpected(std::string_view wanted) const;
  [[nodiscard]] bool at_end() const {
    return token_.kind == TokenKind::kEnd || token_.kind == TokenKind::kFault;
  }

  // names
  [[nodiscard]] Type find(NameTable table, const std::string& name) const;
  [[nodiscard]] Status define(NameTable table, const std::string& name, Type type, TextPlace place,
                              std::string_view what);
  [[nodiscard]] Result<FieldClass*> make(FieldType type, TextPlace place);
  [[nodiscard]] Status enter(TextPlace place);
  void leave();

  // types
  [[nodiscard]] Result<Type> parse_type();
  [[nodiscard]] Result<Type> parse_named_type();
  [[nodiscard]] Result<Type> parse_integer(TextPlace place);
  [[nodiscard]] Status parse_integer_braces(FieldClass& type, TextPlace place);
  [[nodiscard]] Status integer_attribute(FieldClass& type, const Attribute& attribute);
  [[nodiscard]] Status integer_shape_attribute(FieldClass& type, const Attribute& attribute);
  [[nodiscard]] Result<Type> parse_float(TextPlace place);
  [[nodiscard]] Result<Type> parse_string(TextPlace place);
  [[nodiscard]] Result<Type> parse_struct(TextPlace place);
  [[nodiscard]] Result<Type> parse_struct_body(const std::string& name, TextPlace place);
  [[nodiscard]] Result<Type> parse_variant(TextPlace place);
  [[nodiscard]] Result<Type> parse_variant_body(const std::string& name, std::string tag,
                                                TextPlace place);
  [[nodiscard]] Result<Type> parse_enum(TextPlace place);
  [[nodiscard]] Status parse_enumerators(FieldClass& type);
  [[nodiscard]] Result<EnumRange> parse_enumerator(const FieldClass& type, std::uint64_t& next,
                                                   bool& next_valid);
  [[nodiscard]] Result<std::uint64_t> parse_enum_value(const FieldClass& type);
  [[nodiscard]] Status parse_members(FieldClass& type, std::string_view what);
  [[nodiscard]] Status parse_member(FieldClass& type, std::string_view what);
  [[nodiscard]] Result<Member> parse_declarator(Type type);
  [[nodiscard]] Result<Type> parse_suffixes(Type type);
  [[nodiscard]] Result<std::uint32_t> parse_align_value(const Attribute& attribute);
  [[nodiscard]] Status parse_typedef();
  [[nodiscard]] Status parse_typealias();
  [[nodiscard]] Result<bool> parse_type_declaration();

  // attributes
  [[nodiscard]] Result<Attribute> parse_attribute(std::string name, TextPlace place);
  [[nodiscard]] Status parse_attribute_value(Attribute& attribute);
  using AttributeHandler = std::function<Status(const Attribute&)>;
  [[nodiscard]] Status parse_attributes(std::initializer_list<std::string_view> once,
                                        const AttributeHandler& handler);
  [[nodiscard]] static Result<std::uint64_t> unsigned_of(const Attribute& attribute);
  [[nodiscard]] static Result<std::int64_t> signed_of(const Attribute& attribute);
  [[nodiscard]] static Result<std::string> text_of(const Attribute& attribute);
  [[nodiscard]] static Result<Endian> endian_of(const Attribute& attribute);

  // blocks
  struct TypeSlot {
    std::string_view name;
    Type* type;
  };
  [[nodiscard]] Status parse_top_level();
  [[nodiscard]] Status parse_block(const std::vector<TypeSlot>& slots,
                                   const AttributeHandler& handler);
  [[nodiscard]] Status parse_block_item(const std::vector<TypeSlot>& slots,
                                        std::vector<std::string>& seen,
                                        const AttributeHandler& handler);
  [[nodiscard]] Status parse_trace(TextPlace place);
  [[nodiscard]] Status parse_env(TextPlace place);
  [[nodiscard]] Status parse_clock(TextPlace place);
  [[nodiscard]] Status parse_stream(TextPlace place);
  [[nodiscard]] Status parse_event(TextPlace place);
  [[nodiscard]] Status parse_callsite(TextPlace place);
  [[nodiscard]] Status trace_attribute(const Attribute& attribute, bool& have_order);
  void place_event(EventClass event);
  void finish();
  void report_late(Error fault);

  TsdlLexer lexer_;
  Token token_;
  std::unique_ptr<Schema> schema_ = std::make_unique<Schema>();
  std::vector<Scope> scopes_{1};
  std::vector<EventClass> events_;
  /// Integers by the text in their braces: tracers write the same few thousands of times.
  std::unordered_map<std::string_view, Type> integers_;
  std::optional<Error> lexer_fault_;
  std::optional<Error> late_fault_;  ///< found when the blocks are put together
  bool have_trace_ = false;
};

}  // namespace vs::reader::ctf
