#pragma once
// Program: the flat decoding procedure of an event type, and the machine that runs it.
//
// Everything that is known from the description is settled at compile time. Fields of fixed size
// whose positions relative to each other are known become one kRun: one bounds check, then only the
// loads that somebody wants. A typical kernel event with its contexts is a single kRun.
//
//   sched_switch:  kRun 992 bits { tid@32, prev_tid@288, ..., next_comm@... }
//   net_dev_queue: kRun, kString, kRun, kSwitch -> { kRun, kSwitch -> ..., kJump } ...
//
// A machine reports only that an event does not decode; the plain decoder finds the words for it.
// Both accept and refuse exactly the same bytes (a differential test and fuzz/ctf_stream_fuzzer.cc
// hold it).
//
// Threads: a ProgramSet is immutable once built; a Machine belongs to one thread. No allocation and
// no virtual call while events are decoded.

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "model/event.h"
#include "reader/ctf/layout.h"

namespace vs::reader::ctf {

/// Readable bytes that must follow every input of a Machine: loads are 8 or 9 bytes wide.
inline constexpr std::size_t kSlackBytes = 16;

enum class DestSpace : std::uint8_t {
  kArg,       ///< Event::args[dest]
  kText,      ///< Event::texts[dest]
  kRegister,  ///< registers[dest]
  kClock,     ///< the time register, with the width of the field
};

/// Registers behind those of the Layout.
struct SpecialRegisters {
  std::uint32_t event_id = 0;
  std::uint32_t time = 0;       ///< raw value of the last clock field
  std::uint32_t time_bits = 0;  ///< its width; 0 = there was none
  std::uint32_t tid = 0;        ///< context tid
  std::uint32_t next_tid = 0;   ///< sched_switch
  std::uint32_t count = 0;      ///< number of registers in all

  static SpecialRegisters after(std::uint32_t slot_count);
};

/// What a node's value is wanted for.
struct Binding {
  std::uint32_t node = kNone;
  DestSpace space = DestSpace::kArg;
  std::uint32_t dest = 0;
};

struct Load {
  std::uint32_t bit = 0;     ///< from the byte in which the run begins
  std::uint32_t length = 0;  ///< kText: bytes
  std::uint32_t dest = 0;
  std::uint8_t size = 0;  ///< bits; 0 = text
  bool is_signed = false;
  bool big = false;
  DestSpace space = DestSpace::kArg;
};

enum class OpCode : std::uint8_t {
  kEnd,        ///< the program is done
  kRun,        ///< a = bits; loads
  kAlign,      ///< a = bits
  kBits,       ///< one integer at an unknown place inside a byte: first load says its shape
  kString,     ///< a = text slot or kNone
  kSequence,   ///< a = index into sequences
  kLoopBegin,  ///< a = index into sequences, b = op behind the loop
  kLoopEnd,    ///< a = first op of the body
  kSwitch,     ///< a = register, loads = ranges
  kJump,       ///< a = op
  kFail,       ///< cannot be decoded by its description (byte order changes inside a byte)
};

struct Op {
  OpCode code = OpCode::kEnd;
  std::uint8_t order_after = 0;  ///< kRun that ends inside a byte: 1 + ByteOrder
  std::uint16_t present = 0;     ///< kRun, kBits: arguments it fills
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t first = 0;  ///< loads or ranges
  std::uint32_t count = 0;
};

struct SwitchRange {
  TagRange range;
  std::uint32_t target = 0;
};

struct SequenceInfo {
  std::uint64_t length = 0;  ///< when length_register is kNone
  std::uint32_t length_register = kNone;
  std::uint32_t stride_bits = 0;  ///< kSequence
  std::uint32_t text = kNone;     ///< kSequence: text slot
  Load last;                      ///< kSequence: wants the last element when last.size != 0
};

struct ProgramSet {
  std::vector<Op> ops;
  std::vector<Load> loads;
  std::vector<SwitchRange> ranges;
  std::vector<SequenceInfo> sequences;
};

/// What one program decodes.
struct ProgramSource {
  std::span<const std::uint32_t> roots;  ///< one behind the other; kNone entries are left out
  std::span<const Binding> bindings;
  std::uint32_t start_alignment = 1;  ///< of the position: a multiple of it (a power of two)
};

/// Appends the program of `source` to `out`; its first op.
[[nodiscard]] std::uint32_t compile_program(const Layout& layout, ByteOrder native,
                                            const ProgramSource& source,
                                            const SpecialRegisters& special, ProgramSet& out);

/// `size` bits at `bit`; requires kSlackBytes readable bytes behind it.
[[nodiscard]] inline std::uint64_t load_bits(Bytes memory, std::uint64_t bit, std::uint32_t size,
                                             bool big) noexcept {
  const auto byte = static_cast<std::size_t>(bit >> 3);
  const auto inside = static_cast<std::uint32_t>(bit & 7);
  const auto raw =
      load_unchecked<std::uint64_t>(memory, byte, big ? ByteOrder::kBig : ByteOrder::kLittle);
  if (inside + size <= 64) [[likely]] {
    return big ? (raw << inside) >> (64 - size) : (raw << (64 - inside - size)) >> (64 - size);
  }
  const std::uint64_t next = std::to_integer<std::uint8_t>(memory[byte + 8]);
  if (big) return ((raw << inside) | (next >> (8 - inside))) >> (64 - size);
  return (((raw >> inside) | (next << (64 - inside))) << (64 - size)) >> (64 - size);
}

/// Bytes of the text at `at` before its NUL, at most `limit`. Requires kSlackBytes readable bytes
/// behind at + limit.
[[nodiscard]] inline std::size_t text_size(Bytes memory, std::size_t at,
                                           std::size_t limit) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  for (std::size_t done = 0; done < limit; done += 8) {
    const auto word = load_unchecked<std::uint64_t>(memory, at + done, ByteOrder::kLittle);
    const std::uint64_t zeros = (word - kOnes) & ~word & kHighs;  // its lowest bit is exact
    if (zeros == 0) continue;
    const std::size_t size = done + static_cast<std::size_t>(std::countr_zero(zeros)) / 8;
    return size < limit ? size : limit;
  }
  return limit;
}

class Machine {
 public:
  Machine(const ProgramSet& programs, SpecialRegisters special)
      : programs_(programs), special_(special), registers_(special.count, 0) {}

  /// `memory` holds kSlackBytes more than the bits up to `end_bit`; it begins at packet byte
  /// `base_byte`.
  void set_input(Bytes memory, std::uint64_t base_byte, std::uint64_t end_bit) {
    memory_ = memory;
    base_bit_ = base_byte * 8;
    end_bit_ = end_bit;
  }
  void set_position(std::uint64_t bit) { position_ = bit; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t end_bit() const { return end_bit_; }
  [[nodiscard]] Bytes memory() const { return memory_; }
  [[nodiscard]] std::uint64_t base_byte() const { return base_bit_ / 8; }
  void begin_event() {
    idle_ = 0;
    order_known_ = false;
  }

  /// Runs a program from the position. False: the bytes do not fit it (or end too early).
  [[nodiscard]] bool run(std::uint32_t program, model::Event& event);

  /// Bits at the position, unsigned, which then moves on. Requires size <= 57 or a byte boundary.
  [[nodiscard]] bool take_bits(std::uint32_t align_bits, std::uint32_t size, bool big,
                               std::uint64_t& value) {
    const std::uint64_t at = (position_ + align_bits - 1) & ~std::uint64_t{align_bits - 1};
    if (at > end_bit_ || end_bit_ - at < size) return false;
    value = load_bits(memory_, at - base_bit_, size, big);
    position_ = at + size;
    return true;
  }

  [[nodiscard]] std::span<std::uint64_t> registers() { return registers_; }
  [[nodiscard]] std::span<const std::uint64_t> registers() const { return registers_; }
  [[nodiscard]] std::uint64_t value(std::uint32_t index) const { return registers_[index]; }
  void set_value(std::uint32_t index, std::uint64_t value) { registers_[index] = value; }

 private:
  struct Loop {
    std::uint64_t left = 0;
    std::uint64_t begin = 0;
  };

  void apply(const Load& load, std::uint64_t base, model::Event& event);
  void store(const Load& load, std::uint64_t value, model::Event& event);
  [[nodiscard]] bool do_run(const Op& op, model::Event& event);
  [[nodiscard]] bool do_align(std::uint32_t bits);
  [[nodiscard]] bool do_bits(const Op& op, model::Event& event);
  [[nodiscard]] bool do_string(const Op& op, model::Event& event);
  [[nodiscard]] bool do_sequence(const Op& op, model::Event& event);
  [[nodiscard]] bool do_switch(const Op& op, std::uint32_t& pc);
  void do_loop_begin(const Op& op, std::uint32_t& pc);
  [[nodiscard]] bool do_loop_end(const Op& op, std::uint32_t& pc);
  [[nodiscard]] std::uint64_t length_of(const SequenceInfo& info) const {
    return info.length_register == kNone ? info.length : registers_[info.length_register];
  }

  const ProgramSet& programs_;
  SpecialRegisters special_;
  std::vector<std::uint64_t> registers_;
  Bytes memory_;
  std::uint64_t base_bit_ = 0;
  std::uint64_t end_bit_ = 0;
  std::uint64_t position_ = 0;
  std::uint32_t idle_ = 0;
  bool order_known_ = false;
  ByteOrder last_order_ = ByteOrder::kLittle;
  std::size_t loop_depth_ = 0;
  std::array<Loop, 80> loops_{};  ///< deeper than limits::kMetadataDepth
};

}  // namespace vs::reader::ctf
