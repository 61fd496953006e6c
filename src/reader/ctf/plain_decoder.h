#pragma once
// The plain decoder: walks a Layout field by field and bit by bit. It is the readable truth that
// the fast one (program.h) is checked against; it reads packet headers, prints fields and words
// every fault. Slow on purpose.
//
// Positions are bits from the begin of the packet. A view may hold only a part of the packet:
// `base_byte` says where in the packet it begins.
//
// Bit order (CTF 1.8.3, 4.1.5): little-endian integers fill bytes from the least significant bit,
// big-endian ones from the most significant bit.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "reader/ctf/layout.h"

namespace vs::reader::ctf {

/// Receives fields in order. Names are as in the metadata; array elements have none.
class FieldSink {
 public:
  virtual ~FieldSink() = default;
  virtual void begin_struct(std::string_view name) = 0;
  virtual void end_struct() = 0;
  virtual void begin_array(std::string_view name) = 0;
  virtual void end_array() = 0;
  /// kInteger and kEnum; signed values are sign-extended.
  virtual void integer(std::string_view name, const Node& node, std::uint64_t value) = 0;
  virtual void real(std::string_view name, const Node& node, double value) = 0;
  /// Strings, and byte arrays with a text encoding (up to the first NUL).
  virtual void text(std::string_view name, std::string_view value) = 0;
};

enum class FaultKind : std::uint8_t {
  kNoFault,
  kPastContent,  ///< needs bits behind the end it was given
  kMalformed,
  kLimit,
};

struct DecodeFault {
  FaultKind kind = FaultKind::kNoFault;
  std::uint64_t bit = 0;  ///< where the field at fault begins, before its alignment
  std::string what;
};

/// Elements that take no bits which one event may have; a billion of them cost nothing in the file.
inline constexpr std::uint32_t kIdleElements = 1U << 16;

class PlainDecoder {
 public:
  /// Decodes bits [.., end_bit) of a packet. Requires registers.size() >= layout.slot_count.
  PlainDecoder(const Layout& layout, ByteOrder native, std::span<std::uint64_t> registers)
      : layout_(layout), native_(native), registers_(registers) {}

  void set_input(Bytes view, std::uint64_t base_byte, std::uint64_t end_bit);
  void set_position(std::uint64_t bit) { position_ = bit; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  void begin_event() {
    idle_ = 0;
    order_known_ = false;
  }

  /// Decodes one scope (root node; kNone does nothing). False: see fault().
  [[nodiscard]] bool decode(std::uint32_t root, FieldSink& sink);
  [[nodiscard]] const DecodeFault& fault() const { return fault_; }

 private:
  [[nodiscard]] bool field(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool compound(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool variant(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool array(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool text_array(std::string_view name, std::uint64_t length, FieldSink& sink);
  [[nodiscard]] bool integer(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool real(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool string(const Node& node, std::string_view name, FieldSink& sink);
  [[nodiscard]] bool align(std::uint32_t bits);
  [[nodiscard]] bool read_bits(const Node& node, std::uint64_t& value);
  [[nodiscard]] bool need(std::uint64_t bits);
  [[nodiscard]] bool fail(FaultKind kind, std::string what);
  [[nodiscard]] std::uint8_t byte_at(std::uint64_t byte) const;
  [[nodiscard]] std::string shown(std::string_view name) const;

  const Layout& layout_;
  ByteOrder native_;
  std::span<std::uint64_t> registers_;
  Bytes view_;
  std::uint64_t base_byte_ = 0;
  std::uint64_t end_bit_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t field_begin_ = 0;
  std::string_view field_name_;
  std::uint32_t idle_ = 0;
  bool order_known_ = false;
  ByteOrder last_order_ = ByteOrder::kLittle;
  DecodeFault fault_;
};

/// Value of an IEEE 754 number of 16, 32 or 64 bits.
[[nodiscard]] double float_value(std::uint64_t bits, std::uint32_t size_bits);

}  // namespace vs::reader::ctf
