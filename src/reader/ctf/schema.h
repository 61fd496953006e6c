#pragma once
// The description of a CTF 1.8 trace: what the TSDL parser builds and everything after it only
// reads. A later reader of CTF 2's JSON metadata fills the same Schema.
//
// Ownership: Schema owns every field class (an arena that never moves them); FieldClass pointers
// are valid as long as the Schema. Threads: immutable once parse_tsdl() has returned it. Units:
// sizes and alignments in bits, as in TSDL.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace vs::reader::ctf {

/// A place in the metadata text, both counted from 1.
struct TextPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

/// kMalformed (or `code`) at "metadata:LINE:COLUMN".
[[nodiscard]] Error metadata_error(TextPlace place, std::string what,
                                   ErrorCode code = ErrorCode::kMalformed);

enum class FieldType : std::uint8_t {
  kInteger,
  kFloat,
  kEnum,
  kString,
  kStruct,
  kVariant,
  kArray,
  kSequence
};
enum class Encoding : std::uint8_t { kNone, kUtf8, kAscii };
enum class Endian : std::uint8_t { kNative, kLittle, kBig };

/// One enumerator; a label may have several. Signed containers: the bits of an int64_t.
struct EnumRange {
  std::string label;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  ///< inclusive
};

struct FieldClass;

struct Member {
  std::string name;
  const FieldClass* type = nullptr;
  TextPlace place;
};

struct FieldClass {
  FieldType type = FieldType::kInteger;
  TextPlace place;
  std::uint32_t align_bits = 1;
  // kInteger, kEnum (its container), kFloat
  std::uint32_t size_bits = 0;
  bool is_signed = false;
  std::uint8_t base = 10;
  Encoding encoding = Encoding::kNone;  ///< also kString
  Endian endian = Endian::kNative;
  std::uint32_t exponent_bits = 0;      ///< kFloat; the mantissa with its sign bit is the rest
  std::string clock;                    ///< name of the mapped clock, or empty
  std::vector<EnumRange> ranges;        ///< kEnum
  std::vector<Member> members;          ///< kStruct: fields; kVariant: options
  std::string path;                     ///< kVariant: tag; kSequence: length; "" = none given
  const FieldClass* element = nullptr;  ///< kArray, kSequence
  std::uint64_t length = 0;             ///< kArray
};

struct ClockClass {
  std::string name;
  std::string uuid;
  std::string description;
  std::uint64_t frequency = 1'000'000'000;
  std::int64_t offset_seconds = 0;
  std::int64_t offset_cycles = 0;
  bool absolute = false;
};

struct EventClass {
  std::uint64_t id = 0;
  bool has_id = false;
  std::uint64_t stream_id = 0;
  bool has_stream_id = false;
  std::string name;
  const FieldClass* context = nullptr;
  const FieldClass* fields = nullptr;
  TextPlace place;
};

struct StreamClass {
  std::uint64_t id = 0;
  bool has_id = false;
  const FieldClass* packet_context = nullptr;
  const FieldClass* event_header = nullptr;
  const FieldClass* event_context = nullptr;
  std::vector<EventClass> events;
  TextPlace place;
};

struct EnvValue {
  std::string name;
  std::string text;
  std::optional<std::int64_t> number;
};

using Uuid = std::array<std::byte, 16>;

struct Schema {
  std::uint64_t major = 1;
  std::uint64_t minor = 8;
  std::optional<Uuid> uuid;
  ByteOrder order = ByteOrder::kLittle;
  const FieldClass* packet_header = nullptr;
  std::vector<EnvValue> env;
  std::vector<ClockClass> clocks;
  std::vector<StreamClass> streams;
  std::deque<FieldClass> arena;

  [[nodiscard]] const EnvValue* find_env(std::string_view name) const;
  /// The text of an environment entry, numbers printed; empty when there is none.
  [[nodiscard]] std::string env_text(std::string_view name) const;
  [[nodiscard]] ByteOrder order_of(const FieldClass& field) const {
    if (field.endian == Endian::kNative) return order;
    return field.endian == Endian::kBig ? ByteOrder::kBig : ByteOrder::kLittle;
  }
};

/// True for an array or sequence of bytes that hold text.
[[nodiscard]] bool is_text_array(const FieldClass& field);
/// The name without CTF's one leading underscore.
[[nodiscard]] std::string_view plain_name(std::string_view name);
/// "9f3da993-14dd-5b45-9b5a-adf8a5750032" to bytes, or nothing.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

}  // namespace vs::reader::ctf
