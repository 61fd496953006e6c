#pragma once
// Event types of a trace, found by their ID, and the plan by which each one's record becomes a
// canonical Event: which bytes are argument i of the kind (model/event_kind.h), bound once by name.
//
// Decoding checks a record's size once against `fixed_size`; every load of the plan then lies
// inside.
//
// Threads: immutable after construction. Ownership: values.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/event.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/format_file.h"
#include "reader/ftrace/report.h"
#include "reader/trace.h"

namespace vs::reader::ftrace {

/// Argument `slot` is the integer of `size` bytes at `offset`.
struct ArgBinding {
  std::uint16_t offset = 0;
  std::uint8_t size = 0;
  std::uint8_t slot = 0;
  bool is_signed = false;
};

/// Text `slot` is this field.
struct TextBinding {
  std::uint16_t field = 0;  ///< index into EventType::fields
  std::uint8_t slot = 0;
};

struct EventType {
  std::string name;
  std::string system;
  std::uint16_t id = 0;
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint32_t fixed_size = 0;  ///< no record of this type is shorter
  std::uint16_t present = 0;
  std::vector<ArgBinding> args;
  std::vector<TextBinding> texts;
  std::vector<Field> fields;
};

/// Where every record has its type and its thread.
struct CommonFields {
  std::uint32_t type_offset = 0;
  std::uint32_t pid_offset = 4;
  bool has_pid = true;
  std::uint32_t size = 8;  ///< the smallest record that has both
};

inline constexpr std::uint16_t kNoType = 0xffff;

class EventTable {
 public:
  /// Parses and binds all formats. Formats that break the rules are reported; their types stay
  /// without fields where name and ID are known.
  EventTable(std::span<const FormatText> formats, std::uint32_t long_size, const Reporter& report);

  /// Index of the type with this ID, kNoType when there is none.
  [[nodiscard]] std::uint16_t index_of(std::uint16_t id) const noexcept {
    return id < by_id_.size() ? by_id_[id] : kNoType;
  }
  [[nodiscard]] const EventType& type(std::uint16_t index) const noexcept { return types_[index]; }
  [[nodiscard]] std::span<const EventType> types() const noexcept { return types_; }
  [[nodiscard]] const CommonFields& common() const noexcept { return common_; }
  [[nodiscard]] std::vector<EventTypeInfo> infos() const;

 private:
  void add(const FormatText& text, std::uint32_t long_size, const Reporter& report);
  void take_common(const EventType& type);

  std::vector<EventType> types_;
  std::vector<std::uint16_t> by_id_;
  CommonFields common_;
  bool common_known_ = false;
};

/// The place of a field's bytes in a record.
struct FieldBytes {
  Bytes bytes;
  bool ok = false;  ///< false: it lies outside the record
};
[[nodiscard]] FieldBytes locate(const Field& field, Bytes record, ByteOrder order);

/// A text field, cut at its NUL; empty when it lies outside the record.
[[nodiscard]] std::string_view text_of(const Field& field, Bytes record, ByteOrder order);

/// An integer of 1, 2, 4 or 8 bytes, sign-extended where asked. Requires the bytes to be there.
[[nodiscard]] inline std::uint64_t load_integer(Bytes record, std::size_t offset,
                                                std::uint32_t size, bool is_signed,
                                                ByteOrder order) noexcept {
  // Sign extension through the fixed-width signed types keeps this free of shifts by a file's
  // number.
  const auto extend = [is_signed]<typename S>(auto value, S) -> std::uint64_t {
    return is_signed ? static_cast<std::uint64_t>(std::int64_t{static_cast<S>(value)})
                     : std::uint64_t{value};
  };
  if (size == 8) return load_unchecked<std::uint64_t>(record, offset, order);
  if (size == 4)
    return extend(load_unchecked<std::uint32_t>(record, offset, order), std::int32_t{});
  if (size == 2)
    return extend(load_unchecked<std::uint16_t>(record, offset, order), std::int16_t{});
  return extend(load_unchecked<std::uint8_t>(record, offset, order), std::int8_t{});
}

/// Appends the payload fields of a record as one JSON object, with the ftrace system last.
void append_fields_json(const EventType& type, Bytes record, ByteOrder order, std::string& out);

}  // namespace vs::reader::ftrace
