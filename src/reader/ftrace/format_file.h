#pragma once
// Parser of the kernel's event format files (tracefs events/*/*/format) and of header_page, which
// uses the same field lines. Ours instead of libtraceevent's: inputs are hostile, every number is
// checked, and the result is a flat table.
//
//   name: sched_waking
//   ID: 322
//   format:
//           field:unsigned short common_type;       offset:0;       size:2; signed:0;
//           field:char comm[16];    offset:8;       size:16;        signed:0;
//           field:__data_loc char[] text;   offset:24;      size:4; signed:0;
//
//   print fmt: ...                                  (not used)
//
// Method: own, from the kernel's Documentation/trace/events.rst. Threads: pure functions.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vs::reader::ftrace {

enum class FieldClass : std::uint8_t {
  kInteger,    ///< 1, 2, 4 or 8 bytes
  kText,       ///< char name[N]: up to the first NUL
  kArray,      ///< T name[N] of integers
  kTailText,   ///< char name[]: to the first NUL or the end of the record
  kTailArray,  ///< T name[]: to the end of the record
  kDataLoc,    ///< 32-bit word: offset from the record's begin, length << 16
  kRelLoc,     ///< the same with the offset from the end of the word itself
  kBytes,      ///< anything else, shown as hexadecimal digits
};

struct Field {
  std::string name;
  FieldClass kind = FieldClass::kInteger;
  bool is_signed = false;     ///< of the integer or of the elements
  bool text = false;          ///< kDataLoc, kRelLoc: the target is char[]
  bool common = false;        ///< one of the common_* header fields
  std::uint32_t offset = 0;   ///< bytes from the record's begin
  std::uint32_t size = 0;     ///< bytes in the record's fixed part
  std::uint32_t element = 1;  ///< bytes of one array element: 1, 2, 4 or 8
};

struct EventFormat {
  std::string name;
  std::uint16_t id = 0;
  std::vector<Field> fields;
  std::uint32_t fixed_size = 0;  ///< the smallest record that holds every field
};

/// Largest offset + size a field may have: no event is larger than a sub-buffer, and real ones are
/// below 64 KiB.
inline constexpr std::uint32_t kFieldEndLimit = 1U << 16;
/// Fields of one event. The kernel's largest formats have some dozens.
inline constexpr std::size_t kFieldCountLimit = 2048;

/// A format with its name and id may still be usable when its fields are not.
struct FormatResult {
  EventFormat format;
  bool has_id = false;
  std::string fault;  ///< "line 7: ..." of the first fault; fields are empty then
};

/// `long_size` is the kernel's (4 or 8). Never fails as a whole: see FormatResult.
[[nodiscard]] FormatResult parse_event_format(std::string_view text, std::uint32_t long_size);

/// One field line, without the line's end. Errors have no place.
[[nodiscard]] Result<Field> parse_field_line(std::string_view line, std::uint32_t long_size);

}  // namespace vs::reader::ftrace
