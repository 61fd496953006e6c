#pragma once
// Event types of a trace, found by their ID, and the plan by which each one's record becomes a
// canonical Event: which bytes are argument i of the kind (model/event_kind.h), bound once by name.
//
// Decoding checks a record's size once against the plan's; every load of the plan then begins
// inside and may read up to kLoadSlack bytes behind, so that one kind of load serves all widths.
//
// Threads: immutable after construction. Ownership: values.

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
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

inline constexpr std::size_t kLoadSlack = 8;

/// One argument: of the 8 bytes at `offset` those that are the field's, sign-extended where `sign`
/// (the field's highest bit) is not 0. All zeros: the argument is 0 whatever the record says.
struct ArgLoad {
  std::uint64_t mask = 0;
  std::uint64_t sign = 0;
  std::uint16_t offset = 0;
  std::uint8_t unused = 0;  ///< bits of the 8 bytes that are not the field's

  template <ByteOrder kOrder>
  [[nodiscard]] std::uint64_t load(Bytes record) const noexcept {
    auto bytes = load_unchecked<std::uint64_t>(record, offset, kOrder);
    if constexpr (kOrder == ByteOrder::kBig) bytes >>= unused;
    return ((bytes & mask) ^ sign) - sign;
  }
};
/// All arguments of a type: loops of a fixed length have no branch to mispredict.
using ArgLoads = std::array<ArgLoad, model::kMaxArgs>;
/// The loads of a type with no more arguments than these.
inline constexpr std::size_t kFewArgs = 4;

/// Text `slot` is this field.
struct TextLoad {
  std::uint32_t offset = 0;
  std::uint16_t field = 0;  ///< index into EventType::fields
  std::uint8_t slot = 0;
  bool is_comm = false;  ///< 16 bytes in the fixed part
};
inline constexpr std::uint32_t kCommBytes = 16;

/// What the hot path needs of a type; small, so that the plans of all frequent types stay near.
struct DecodePlan {
  std::uint32_t size = 0;  ///< no record of this type is shorter
  std::uint32_t first_text = 0;
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint16_t present = 0;
  std::uint16_t arg_loads = 0;  ///< index into EventTable::arg_loads(); 0 = none
  std::uint8_t texts = 0;
  bool few_args = true;  ///< none behind kFewArgs
};

struct EventType {
  std::string name;
  std::string system;
  std::uint16_t id = 0;
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint16_t present = 0;
  std::vector<Field> fields;
};

/// Where every record has its type and its thread.
struct CommonFields {
  std::uint32_t type_offset = 0;
  std::uint32_t pid_offset = 4;
  std::uint32_t no_pid = 0;  ///< all ones: records do not name their thread
  std::uint32_t size = 8;    ///< the smallest record that has both
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
  [[nodiscard]] const DecodePlan& plan(std::uint16_t index) const noexcept { return plans_[index]; }
  [[nodiscard]] std::span<const std::uint16_t> by_id() const noexcept { return by_id_; }
  [[nodiscard]] std::span<const DecodePlan> plans() const noexcept { return plans_; }
  [[nodiscard]] std::span<const ArgLoads> arg_loads() const noexcept { return arg_loads_; }
  [[nodiscard]] std::span<const TextLoad> texts() const noexcept { return texts_; }
  [[nodiscard]] const CommonFields& common() const noexcept { return common_; }
  [[nodiscard]] std::vector<EventTypeInfo> infos() const;

 private:
  void add(const FormatText& text, std::uint32_t long_size, const Reporter& report);
  void bind(EventType& type, std::uint32_t fixed_size);
  void take_common(const EventType& type);

  std::vector<EventType> types_;
  std::vector<DecodePlan> plans_;       // by type
  std::vector<ArgLoads> arg_loads_{1};  // one for each type that has arguments
  std::vector<TextLoad> texts_;
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

/// Length of the text in the 16 bytes at `offset`, up to its NUL. Requires them to be there.
[[nodiscard]] inline std::size_t comm_length(Bytes record, std::size_t offset) noexcept {
  const auto first = load_unchecked<std::uint64_t>(record, offset, ByteOrder::kLittle);
  const auto second = load_unchecked<std::uint64_t>(record, offset + 8, ByteOrder::kLittle);
#ifdef __SSE2__
  const __m128i text =
      _mm_set_epi64x(static_cast<std::int64_t>(second), static_cast<std::int64_t>(first));
  const int nulls = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_setzero_si128()));
  return static_cast<std::size_t>(
      std::countr_zero(static_cast<unsigned>(nulls) | (1U << kCommBytes)));
#else
  // A word's lowest byte that is 0 is the lowest one whose top bit survives (Hacker's Delight 6-1).
  const auto text_bytes = [](std::uint64_t word) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    return static_cast<std::size_t>(std::countr_zero((word - kOnes) & ~word & (kOnes << 7))) / 8;
  };
  const std::size_t length = text_bytes(first);
  return length == 8 ? 8 + text_bytes(second) : length;
#endif
}

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
