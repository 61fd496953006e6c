#pragma once
// RecordPlan: the events of one type read by offsets alone, as far as their layout is fixed.
//
//   sched_switch    [ header ][ fixed part: loads at known bytes                          ]
//   openat          [ header ][ fixed part ][ tail: a Program from its first string on    ]
//
// A fixed part needs one bounds check; each load takes 8 bytes and shifts the number out of them.
// Plans are made from compiled programs (program.h), so both mean the same by construction; the
// programs stay in charge of every event that needs more care (unusual headers, the last bytes of a
// packet, anything that does not decode).
//
// Threads: immutable once made. No allocation while events are decoded.

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "model/fading.h"
#include "reader/ctf/program.h"
#include "reader/ctf/trace_model.h"

namespace vs::reader::ctf {

/// A number of at most 64 bits at a fixed place, or a text of fixed length.
struct FieldLoad {
  std::uint32_t byte = 0;  ///< from the begin of the fixed part
  std::uint16_t dest = 0;  ///< argument, register or text
  std::uint8_t left = 0;   ///< shifts that leave the number alone in 64 bits ...
  std::uint8_t right = 0;
  std::uint64_t mask = 0;  ///< ... and what is kept of its sign. Texts: bytes
};

/// The number at `at` + load.byte. Requires 8 readable bytes there.
template <ByteOrder kOrder>
[[nodiscard]] inline std::uint64_t load_field(Bytes memory, std::size_t at,
                                              const FieldLoad& load) noexcept {
  const std::uint64_t raw = load_unchecked<std::uint64_t>(memory, at + load.byte, kOrder)
                            << load.left;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(raw) >> load.right) & load.mask;
}

/// One event type. Its loads lie behind each other: the thread's id, arguments, and then those that
/// fewer types have (`more`).
struct RecordPlan {
  static constexpr std::uint32_t kNotMade = 0xffffffffU;

  std::uint32_t bytes = kNotMade;  ///< the fixed part
  std::uint32_t first = 0;         ///< into RecordSet::loads
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint16_t type = 0;
  std::uint16_t present = 0;
  std::uint8_t args = 0;         ///< little-endian ones
  bool deliver = false;          ///< else it is stepped over
  bool skip = false;             ///< nothing of it is wanted but its time and type
  bool brief = false;            ///< `skip` or `only_switches`: others like it may follow
  bool has_tid = false;          ///< the first load is the context's tid, little-endian
  bool more = false;             ///< any of the following is there
  std::uint8_t little_args = 0;  ///< the other arguments
  std::uint8_t big_args = 0;
  std::uint8_t little_registers = 0;
  std::uint8_t big_registers = 0;
  std::uint8_t texts = 0;     ///< the last loads; on their own, they are not `more`
  bool register_tid = false;  ///< the context's tid is read into its register
  bool sets_tid = false;
  std::uint32_t align_mask = 0;  ///< the fixed part begins at a multiple of this + 1 bytes
  std::uint32_t tail = kNone;    ///< program of the rest
  std::uint32_t fade = 0;        ///< mark by which it is of no use (model/fading.h); 0: none
  std::uint32_t tid_byte = 0;    ///< for fading: where the first load is
  /// The threads that it is about, numbers of 32 bits; none: the one that runs.
  std::array<std::uint32_t, model::FadeRule::kMaxThreads> fade_bytes{};
  std::uint8_t fade_count = 0;
  /// Nothing of it is wanted but its time, its type and who runs from now on, who is at
  /// fade_bytes[0].
  bool only_switches = false;
  bool asks_runner = false;  ///< it fades by the marks of the thread that runs alone
};

/// All there is to know of an event that is stepped over behind a brief header.
struct RecordStep {
  /// It is stepped over if its plan's fading says so.
  static constexpr std::uint16_t kMayFade = std::numeric_limits<std::uint16_t>::max();

  std::uint32_t bytes = RecordPlan::kNotMade;  ///< behind the header; else it ends the steps
  std::uint16_t type = 0;
  /// Where it says who runs from now on, the byte before the fixed part being 0; 0: nowhere.
  std::uint16_t next_tid = 0;
};

/// The plans of a stream, by event id.
struct RecordSet {
  std::vector<RecordPlan> plans;
  std::vector<FieldLoad> loads;
  std::vector<RecordStep> steps;  ///< by event id, too
  ByteOrder order = ByteOrder::kLittle;
  bool aligned = false;  ///< some fixed part or the header has to be aligned
};

/// What the events of a type are wanted for.
struct RecordUse {
  bool deliver = false;
  std::size_t tids = 0;   ///< fields that give the context's tid
  bool sets_tid = false;  ///< the program reads the thread that runs from now on
  const model::FadeRule* fade = nullptr;
};

/// Makes the fixed part and the tail of `plan` from a program that begins at a byte. Registers of
/// the layout are filled for the tail only; the `special` ones always. It can fade where all that
/// decides about that is in the fixed part, in 32 bits each; of a type that sets the thread that
/// runs, the last one that it is about is that thread.
void plan_record(const ProgramSet& programs, std::uint32_t program, const SpecialRegisters& special,
                 const RecordUse& use, RecordPlan& plan, RecordSet& out);

/// The step of a plan that was made.
[[nodiscard]] RecordStep step_of(const RecordPlan& plan);

/// A FastHeader whose parts begin at whole bytes or follow each other inside 8 bytes.
struct HeaderPlan {
  /// A part of the header: where it begins, once aligned, and what lies there.
  struct Part {
    std::uint32_t skip = 0;  ///< bytes behind the begin of the part before
    std::uint32_t mask = 0;  ///< alignment in bytes - 1
    FieldLoad load;
    std::uint32_t end = 0;  ///< bytes from its begin to that of what follows, before alignment
  };
  bool valid = false;
  bool aligned = false;  ///< some mask is not 0, or the brief form is longer than 8 bytes
  ByteOrder order = ByteOrder::kLittle;
  std::uint64_t extended_id = 0;
  Part id;
  Part time;  ///< the brief form
  Part long_id;
  Part long_time;
  // The brief form in one word of 8 bytes, unless `aligned`.
  std::uint32_t id_shift = 0;
  std::uint32_t time_shift = 0;
  std::uint32_t brief_bytes = 0;
};

/// Bytes behind its begin that a header with its padding reaches at most.
inline constexpr std::size_t kHeaderRoom = 64;

[[nodiscard]] HeaderPlan plan_header(const FastHeader& header);

/// Where a record is read: packet byte `base` + `at` is memory[at].
struct RecordPlace {
  Bytes memory;
  std::size_t base = 0;

  [[nodiscard]] std::size_t aligned(std::size_t at, std::size_t mask) const noexcept {
    return ((at + base + mask) & ~mask) - base;
  }
};

/// Reads a header at `at`, which moves behind it, and brings `cycles` forward; the id. Requires
/// kHeaderRoom readable bytes at `at`.
template <ByteOrder kOrder>
[[nodiscard]] inline std::uint64_t read_header_parts(const HeaderPlan& plan,
                                                     const RecordPlace& place, std::size_t& at,
                                                     std::uint64_t& cycles) noexcept {
  const auto take = [&](const HeaderPlan::Part& part) {
    at = place.aligned(at + part.skip, part.mask);
    return load_field<kOrder>(place.memory, at, part.load);
  };
  std::uint64_t id = take(plan.id);
  const HeaderPlan::Part* time = &plan.time;
  if (id == plan.extended_id) {
    id = take(plan.long_id);
    time = &plan.long_time;
  }
  // A narrow field holds the clock's low bits; the clock never goes back.
  cycles += (take(*time) - cycles) & time->load.mask;
  at += time->end;
  return id;
}

/// What a header that is not `aligned` says in its brief form.
struct BriefHeader {
  std::uint64_t id = 0;
  std::uint64_t cycles = 0;  ///< meaningless where the id is the extended one
};

/// Requires 8 readable bytes at `at`.
template <ByteOrder kOrder>
[[nodiscard]] inline BriefHeader read_brief_header(const HeaderPlan& plan, const RecordPlace& place,
                                                   std::size_t at, std::uint64_t cycles) noexcept {
  const auto word = load_unchecked<std::uint64_t>(place.memory, at, kOrder);
  return {kOrder == ByteOrder::kBig ? word >> plan.id_shift : word & plan.id.load.mask,
          cycles + (((word >> plan.time_shift) - cycles) & plan.time.load.mask)};
}

/// Reads a header that is not `aligned` as read_header_parts() does.
template <ByteOrder kOrder>
[[nodiscard]] inline std::uint64_t read_header_word(const HeaderPlan& plan,
                                                    const RecordPlace& place, std::size_t& at,
                                                    std::uint64_t& cycles) noexcept {
  const BriefHeader brief = read_brief_header<kOrder>(plan, place, at, cycles);
  if (brief.id == plan.extended_id) [[unlikely]] {
    return read_header_parts<kOrder>(plan, place, at, cycles);
  }
  cycles = brief.cycles;
  at += plan.brief_bytes;
  return brief.id;
}

}  // namespace vs::reader::ctf
