// TsdlParser: tokens, attributes and the top-level blocks.
#include <algorithm>

#include "base/limits.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf {

TsdlParser::TsdlParser(std::string_view text) : lexer_(text) {}

// A fault of the lexer counts when its token is looked at: a block before it is whole.
Status TsdlParser::advance() {
  if (lexer_fault_) return *lexer_fault_;
  const Status read = lexer_.next(token_);
  if (read.ok()) return {};
  lexer_fault_ = read.error();
  token_ = Token{};
  token_.kind = TokenKind::kFault;
  return {};
}

Error TsdlParser::unexpected(std::string_view wanted) const {
  if (lexer_fault_) return *lexer_fault_;
  return metadata_error(token_.place,
                        "expected " + std::string(wanted) + ", found " + describe(token_));
}

Status TsdlParser::expect(std::string_view symbol) {
  if (!token_.is(symbol)) return unexpected("'" + std::string(symbol) + "'");
  return advance();
}

Result<bool> TsdlParser::accept(std::string_view symbol) {
  if (!token_.is(symbol)) return false;
  VS_TRY(advance());
  return true;
}

Result<std::string> TsdlParser::parse_path() {
  std::string path;
  while (true) {
    if (token_.kind != TokenKind::kIdentifier) return unexpected("a field's name");
    path += token_.text;
    VS_TRY(advance());
    if (!token_.is(".")) return path;
    path += '.';
    VS_TRY(advance());
  }
}

Status TsdlParser::parse_attribute_value(Attribute& attribute) {
  if (token_.is("-") || token_.is("+")) {
    attribute.negative = token_.is("-");
    VS_TRY(advance());
    if (token_.kind != TokenKind::kNumber) return unexpected("an integer");
  }
  attribute.value = token_;
  if (token_.kind == TokenKind::kIdentifier) {
    VS_ASSIGN(attribute.path, parse_path());
    return {};
  }
  if (token_.kind != TokenKind::kNumber && token_.kind != TokenKind::kString) {
    return unexpected("a value");
  }
  return advance();
}

Result<TsdlParser::Attribute> TsdlParser::parse_attribute(std::string name, TextPlace place) {
  Attribute attribute;
  attribute.name = std::move(name);
  attribute.place = place;
  VS_TRY(expect("="));
  VS_TRY(parse_attribute_value(attribute));
  VS_TRY(expect(";"));
  return attribute;
}

// The attributes of a type's braces: names in `once` only, each at most once.
Status TsdlParser::parse_attributes(std::initializer_list<std::string_view> once,
                                    const AttributeHandler& handler) {
  std::vector<std::string> seen;
  while (!token_.is("}")) {
    const TextPlace place = token_.place;
    if (token_.kind != TokenKind::kIdentifier) return unexpected("an attribute");
    std::string name(token_.text);
    VS_TRY(advance());
    if (std::find(once.begin(), once.end(), name) == once.end()) {
      return metadata_error(place, "unknown attribute '" + name + "'");
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return metadata_error(place, "attribute '" + name + "' is given twice");
    }
    seen.push_back(name);
    VS_ASSIGN(const Attribute attribute, parse_attribute(std::move(name), place));
    VS_TRY(handler(attribute));
  }
  return advance();
}

Result<std::uint64_t> TsdlParser::unsigned_of(const Attribute& attribute) {
  if (attribute.value.kind != TokenKind::kNumber || !attribute.path.empty()) {
    return metadata_error(attribute.place, "'" + attribute.name + "' needs an integer");
  }
  if (attribute.negative && attribute.value.number != 0) {
    return metadata_error(attribute.place, "'" + attribute.name + "' is negative");
  }
  return attribute.value.number;
}

Result<std::int64_t> TsdlParser::signed_of(const Attribute& attribute) {
  if (attribute.value.kind != TokenKind::kNumber || !attribute.path.empty()) {
    return metadata_error(attribute.place, "'" + attribute.name + "' needs an integer");
  }
  const std::uint64_t limit = (std::uint64_t{1} << 63) - (attribute.negative ? 0 : 1);
  if (attribute.value.number > limit) {
    return metadata_error(attribute.place, "'" + attribute.name + "' exceeds 64 bits");
  }
  const std::uint64_t bits =
      attribute.negative ? std::uint64_t{0} - attribute.value.number : attribute.value.number;
  return static_cast<std::int64_t>(bits);
}

Result<std::string> TsdlParser::text_of(const Attribute& attribute) {
  if (attribute.value.kind == TokenKind::kString) return attribute.value.string;
  if (!attribute.path.empty()) return attribute.path;
  return metadata_error(attribute.place, "'" + attribute.name + "' needs a text");
}

Result<Endian> TsdlParser::endian_of(const Attribute& attribute) {
  const std::string& word = attribute.path;
  if (word == "native") return Endian::kNative;
  if (word == "network" || word == "be") return Endian::kBig;
  if (word == "le") return Endian::kLittle;
  return metadata_error(attribute.place, "'byte_order' is none of le, be, network, native");
}

// One of: a type declaration, `a.b := type;`, `a.b = value;`.
Status TsdlParser::parse_block_item(const std::vector<TypeSlot>& slots,
                                    std::vector<std::string>& seen,
                                    const AttributeHandler& handler) {
  VS_ASSIGN(const bool declared, parse_type_declaration());
  if (declared) return {};
  if (token_.is("struct") || token_.is("variant") || token_.is("enum")) {
    VS_TRY(parse_type());
    return expect(";");
  }
  const TextPlace place = token_.place;
  VS_ASSIGN(std::string name, parse_path());
  if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
    return metadata_error(place, "'" + name + "' is given twice");
  }
  if (seen.size() < limits::kMetadataDepth) seen.push_back(name);
  if (!token_.is(":=")) {
    VS_ASSIGN(const Attribute attribute, parse_attribute(std::move(name), place));
    return handler(attribute);
  }
  VS_TRY(advance());
  for (const TypeSlot& slot : slots) {
    if (slot.name != name) continue;
    VS_ASSIGN(*slot.type, parse_type());
    if ((*slot.type)->type != FieldType::kStruct) {
      return metadata_error(place, "'" + name + "' is not a structure");
    }
    return expect(";");
  }
  return metadata_error(place, "unknown scope '" + name + "'");
}

Status TsdlParser::parse_block(const std::vector<TypeSlot>& slots,
                               const AttributeHandler& handler) {
  std::vector<std::string> seen;
  VS_TRY(enter(token_.place));
  VS_TRY(expect("{"));
  while (!token_.is("}")) {
    if (at_end()) return unexpected("'}'");
    VS_TRY(parse_block_item(slots, seen, handler));
  }
  leave();
  VS_TRY(advance());
  return expect(";");
}

Status TsdlParser::trace_attribute(const Attribute& attribute, bool& have_order) {
  if (attribute.name == "major") {
    VS_ASSIGN(schema_->major, unsigned_of(attribute));
  } else if (attribute.name == "minor") {
    VS_ASSIGN(schema_->minor, unsigned_of(attribute));
  } else if (attribute.name == "uuid") {
    VS_ASSIGN(const std::string text, text_of(attribute));
    schema_->uuid = parse_uuid(text);
    if (!schema_->uuid) return metadata_error(attribute.place, "'uuid' is not a UUID");
  } else if (attribute.name == "byte_order") {
    VS_ASSIGN(const Endian endian, endian_of(attribute));
    if (endian == Endian::kNative) {
      return metadata_error(attribute.place, "the trace's 'byte_order' cannot be native");
    }
    schema_->order = endian == Endian::kBig ? ByteOrder::kBig : ByteOrder::kLittle;
    have_order = true;
  }
  return {};
}

Status TsdlParser::parse_trace(TextPlace place) {
  if (have_trace_) return metadata_error(place, "second trace block");
  bool have_order = false;
  bool have_major = false;
  bool have_minor = false;
  VS_TRY(parse_block({{"packet.header", &schema_->packet_header}}, [&](const Attribute& attribute) {
    have_major = have_major || attribute.name == "major";
    have_minor = have_minor || attribute.name == "minor";
    return trace_attribute(attribute, have_order);
  }));
  if (!have_major) return metadata_error(place, "trace has no major version");
  if (!have_minor) return metadata_error(place, "trace has no minor version");
  if (!have_order) return metadata_error(place, "trace has no byte_order");
  if (schema_->major != 1 || schema_->minor != 8) {
    return metadata_error(place,
                          "CTF " + std::to_string(schema_->major) + "." +
                              std::to_string(schema_->minor) + " is not supported",
                          ErrorCode::kUnsupported);
  }
  have_trace_ = true;
  return {};
}

Status TsdlParser::parse_env(TextPlace) {
  VS_TRY(expect("{"));
  while (!token_.is("}")) {
    const TextPlace place = token_.place;
    VS_ASSIGN(std::string name, parse_path());
    VS_ASSIGN(const Attribute attribute, parse_attribute(name, place));
    EnvValue value;
    value.name = std::move(name);
    if (attribute.value.kind == TokenKind::kNumber) {
      VS_ASSIGN(value.number, signed_of(attribute));
    } else {
      VS_ASSIGN(value.text, text_of(attribute));
    }
    schema_->env.push_back(std::move(value));
  }
  VS_TRY(advance());
  return expect(";");
}

Status TsdlParser::parse_clock(TextPlace place) {
  ClockClass clock;
  VS_TRY(parse_block({}, [&](const Attribute& attribute) -> Status {
    if (attribute.name == "name") {
      VS_ASSIGN(clock.name, text_of(attribute));
    } else if (attribute.name == "uuid") {
      VS_ASSIGN(clock.uuid, text_of(attribute));
    } else if (attribute.name == "description") {
      VS_ASSIGN(clock.description, text_of(attribute));
    } else if (attribute.name == "freq") {
      VS_ASSIGN(clock.frequency, unsigned_of(attribute));
      if (clock.frequency == 0) return metadata_error(attribute.place, "clock has frequency 0");
    } else if (attribute.name == "offset_s") {
      VS_ASSIGN(clock.offset_seconds, signed_of(attribute));
    } else if (attribute.name == "offset") {
      VS_ASSIGN(clock.offset_cycles, signed_of(attribute));
    } else if (attribute.name == "absolute") {
      clock.absolute = attribute.path == "true" || attribute.path == "TRUE" ||
                       (attribute.value.kind == TokenKind::kNumber && attribute.value.number == 1);
    }
    return {};
  }));
  if (clock.name.empty()) return metadata_error(place, "clock has no name");
  for (const ClockClass& other : schema_->clocks) {
    if (other.name == clock.name) {
      return metadata_error(place, "clock '" + clock.name + "' is defined twice");
    }
  }
  schema_->clocks.push_back(std::move(clock));
  return {};
}

Status TsdlParser::parse_stream(TextPlace place) {
  StreamClass stream;
  stream.place = place;
  VS_TRY(parse_block({{"packet.context", &stream.packet_context},
                      {"event.header", &stream.event_header},
                      {"event.context", &stream.event_context}},
                     [&](const Attribute& attribute) -> Status {
                       if (attribute.name != "id") return {};
                       VS_ASSIGN(stream.id, unsigned_of(attribute));
                       stream.has_id = true;
                       return {};
                     }));
  for (const StreamClass& other : schema_->streams) {
    if (other.id == stream.id) {
      return metadata_error(place, "stream " + std::to_string(stream.id) + " is defined twice");
    }
    if (!other.has_id || !stream.has_id) {
      return metadata_error(place, "several streams, and one of them has no id");
    }
  }
  schema_->streams.push_back(std::move(stream));
  return {};
}

Status TsdlParser::parse_event(TextPlace place) {
  EventClass event;
  event.place = place;
  VS_TRY(parse_block({{"context", &event.context}, {"fields", &event.fields}},
                     [&](const Attribute& attribute) -> Status {
                       if (attribute.name == "name") {
                         VS_ASSIGN(event.name, text_of(attribute));
                       } else if (attribute.name == "id") {
                         VS_ASSIGN(event.id, unsigned_of(attribute));
                         event.has_id = true;
                       } else if (attribute.name == "stream_id") {
                         VS_ASSIGN(event.stream_id, unsigned_of(attribute));
                         event.has_stream_id = true;
                       }
                       return {};
                     }));
  if (event.name.empty()) return metadata_error(place, "event has no name");
  if (events_.size() >= limits::kEventTypes) {
    return metadata_error(place, "metadata exceeds the limit of 65535 event types",
                          ErrorCode::kLimit);
  }
  events_.push_back(std::move(event));
  return {};
}

// Source places of events: nothing a reader needs.
Status TsdlParser::parse_callsite(TextPlace) {
  return parse_block({}, [](const Attribute&) { return Status{}; });
}

Status TsdlParser::parse_top_level() {
  struct Row {
    std::string_view word;
    Status (TsdlParser::*parse)(TextPlace);
  };
  static constexpr Row kRows[] = {
      {"trace", &TsdlParser::parse_trace}, {"env", &TsdlParser::parse_env},
      {"clock", &TsdlParser::parse_clock}, {"stream", &TsdlParser::parse_stream},
      {"event", &TsdlParser::parse_event}, {"callsite", &TsdlParser::parse_callsite}};
  VS_ASSIGN(const bool declared, parse_type_declaration());
  if (declared) return {};
  const TextPlace place = token_.place;
  for (const Row& row : kRows) {
    if (!token_.is(row.word)) continue;
    VS_TRY(advance());
    return (this->*row.parse)(place);
  }
  if (token_.is("struct") || token_.is("variant") || token_.is("enum")) {
    VS_TRY(parse_type());
    return expect(";");
  }
  return unexpected("a declaration or a block");
}

void TsdlParser::report_late(Error fault) {
  if (!late_fault_) late_fault_ = std::move(fault);
}

void TsdlParser::place_event(EventClass event) {
  auto& streams = schema_->streams;
  if (!event.has_stream_id && streams.size() > 1) {
    report_late(metadata_error(event.place, "event '" + event.name + "' names no stream"));
    return;
  }
  auto stream = streams.begin();
  if (event.has_stream_id) {
    stream = std::find_if(streams.begin(), streams.end(),
                          [&](const StreamClass& s) { return s.id == event.stream_id; });
  }
  if (stream == streams.end()) {
    report_late(metadata_error(event.place, "event '" + event.name + "' belongs to stream " +
                                                std::to_string(event.stream_id) +
                                                ", which is not defined"));
    return;
  }
  if (!event.has_id && !stream->events.empty()) {
    report_late(metadata_error(event.place, "event '" + event.name + "' has no id"));
    return;
  }
  stream->events.push_back(std::move(event));
}

// Events may stand before their stream, so they are handed out at the end.
void TsdlParser::finish() {
  auto& streams = schema_->streams;
  const bool implicit = std::none_of(events_.begin(), events_.end(),
                                     [](const EventClass& e) { return e.has_stream_id; });
  if (streams.empty() && implicit) streams.emplace_back();
  for (EventClass& event : events_) place_event(std::move(event));
  for (StreamClass& stream : streams) {
    std::stable_sort(stream.events.begin(), stream.events.end(),
                     [](const EventClass& a, const EventClass& b) { return a.id < b.id; });
    const auto twin =
        std::adjacent_find(stream.events.begin(), stream.events.end(),
                           [](const EventClass& a, const EventClass& b) { return a.id == b.id; });
    if (twin == stream.events.end()) continue;
    report_late(metadata_error(std::next(twin)->place, "event id " + std::to_string(twin->id) +
                                                           " is used twice in stream " +
                                                           std::to_string(stream.id)));
    const auto last =
        std::unique(stream.events.begin(), stream.events.end(),
                    [](const EventClass& a, const EventClass& b) { return a.id == b.id; });
    stream.events.erase(last, stream.events.end());
  }
}

ParsedMetadata TsdlParser::run() {
  ParsedMetadata out;
  Status status = advance();
  while (status.ok() && token_.kind != TokenKind::kEnd) status = parse_top_level();
  if (!status.ok()) out.fault = status.error();
  finish();
  if (!out.fault) out.fault = late_fault_;
  if (!out.fault && !have_trace_) out.fault = metadata_error(token_.place, "no trace block");
  out.usable = have_trace_;
  out.schema = std::move(schema_);
  return out;
}

ParsedMetadata parse_tsdl(std::string_view text) { return TsdlParser(text).run(); }

}  // namespace vs::reader::ctf
