#include "reader/ctf/record_plan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace vs::reader::ctf {
namespace {

constexpr std::uint32_t kMaxHeaderAlign = 64;

std::uint64_t low_bits(std::uint32_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// Nothing when the number lies across more than 8 bytes.
std::optional<FieldLoad> load_at(std::uint32_t bit, std::uint32_t size, bool is_signed, bool big) {
  const std::uint32_t inside = bit % 8;
  if (size == 0 || inside + size > 64) return std::nullopt;
  FieldLoad out;
  out.byte = bit / 8;
  out.left = static_cast<std::uint8_t>(big ? inside : 64 - inside - size);
  out.right = static_cast<std::uint8_t>(64 - size);
  out.mask = is_signed ? ~std::uint64_t{0} : low_bits(size);
  return out;
}

/// The loads of a run by what they fill and how.
struct SortedLoads {
  enum List : std::size_t { kLittleArgs, kBigArgs, kLittleRegisters, kBigRegisters, kTexts };
  std::array<std::vector<FieldLoad>, 5> lists;

  [[nodiscard]] std::uint8_t size(List list) const {
    return static_cast<std::uint8_t>(lists[list].size());
  }
};

bool sort_text(const Load& load, SortedLoads& out) {
  if (load.dest == kNone) return true;
  if (load.size != 0 || load.bit % 8 != 0) return false;
  FieldLoad text;
  text.byte = load.bit / 8;
  text.dest = static_cast<std::uint16_t>(load.dest);
  text.mask = load.length;
  out.lists[SortedLoads::kTexts].push_back(text);
  return true;
}

bool sort_load(const Load& load, SortedLoads& out) {
  if (load.space == DestSpace::kText) return sort_text(load, out);
  auto number = load_at(load.bit, load.size, load.is_signed, load.big);
  if (!number || load.space == DestSpace::kClock) return false;
  if (load.dest > std::numeric_limits<std::uint16_t>::max()) return false;
  number->dest = static_cast<std::uint16_t>(load.dest);
  const bool arg = load.space == DestSpace::kArg;
  const auto list = arg ? (load.big ? SortedLoads::kBigArgs : SortedLoads::kLittleArgs)
                        : (load.big ? SortedLoads::kBigRegisters : SortedLoads::kLittleRegisters);
  out.lists[list].push_back(*number);
  return true;
}

// Two numbers of different byte order that fill one argument would change places.
bool keeps_order(const SortedLoads& sorted) {
  for (const FieldLoad& little : sorted.lists[SortedLoads::kLittleArgs]) {
    for (const FieldLoad& big : sorted.lists[SortedLoads::kBigArgs]) {
      if (little.dest == big.dest) return false;
    }
  }
  return true;
}

// False when the run needs the general way.
bool plan_run(const ProgramSet& programs, const Op& run, std::uint32_t kept_registers,
              SortedLoads& out) {
  if (run.a % 8 != 0) return false;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    const Load& load = programs.loads[run.first + i];
    if (load.space == DestSpace::kRegister && load.dest < kept_registers) continue;
    if (!sort_load(load, out)) return false;
  }
  return keeps_order(out) && std::all_of(out.lists.begin(), out.lists.end(), [](const auto& list) {
           return list.size() <= std::numeric_limits<std::uint8_t>::max();
         });
}

// A part behind `bits` bits of the part before it; false when it does not fit into 8 bytes.
bool plan_part(std::uint32_t bits, std::uint32_t align, std::uint32_t size, bool big,
               HeaderPlan::Part& out) {
  if (align > kMaxHeaderAlign) return false;
  const std::uint32_t begin = align >= 8 ? (bits + 7) / 8 * 8 : (bits + align - 1) & ~(align - 1);
  const auto load = load_at(begin % 8, size, false, big);
  if (!load) return false;
  out.skip = begin / 8;
  out.mask = align >= 8 ? align / 8 - 1 : 0;
  out.load = *load;
  out.end = (begin % 8 + size) / 8;
  return true;
}

// Bits from the byte in which the part begins to its end.
std::uint32_t end_of(const HeaderPlan::Part& part, std::uint32_t size, bool big) {
  return (big ? part.load.left : 64U - part.load.left - size) + size;
}

}  // namespace

void plan_record(const ProgramSet& programs, std::uint32_t program, const SpecialRegisters& special,
                 RecordPlan& plan, RecordSet& out) {
  const auto op = [&programs](std::uint32_t pc) { return programs.ops[pc]; };
  std::uint32_t pc = program;
  const bool align = op(pc).code == OpCode::kAlign;
  const std::uint32_t align_mask = align && op(pc).a >= 8 ? op(pc).a / 8 - 1 : 0;
  if (align) ++pc;
  plan.first = static_cast<std::uint32_t>(out.loads.size());
  SortedLoads sorted;
  if (op(pc).code == OpCode::kRun) {
    const bool whole = op(pc + 1).code == OpCode::kEnd;
    if (plan_run(programs, op(pc), whole ? special.event_id : 0, sorted)) {
      plan.bytes = op(pc).a / 8;
      plan.present = op(pc).present;
      ++pc;
    } else {
      sorted = {};
      pc = program;
    }
  }
  if (plan.bytes == RecordPlan::kNotMade) plan.bytes = 0;
  for (const auto& list : sorted.lists) {
    out.loads.insert(out.loads.end(), list.begin(), list.end());
  }
  plan.little_args = sorted.size(SortedLoads::kLittleArgs);
  plan.big_args = sorted.size(SortedLoads::kBigArgs);
  plan.little_registers = sorted.size(SortedLoads::kLittleRegisters);
  plan.big_registers = sorted.size(SortedLoads::kBigRegisters);
  plan.texts = sorted.size(SortedLoads::kTexts);
  plan.align_mask = pc == program ? 0 : align_mask;
  plan.tail = op(pc).code == OpCode::kEnd ? kNone : pc;
  plan.special = plan.sets_tid || plan.tail != kNone;
  out.aligned = out.aligned || plan.align_mask != 0;
}

HeaderPlan plan_header(const FastHeader& header) {
  HeaderPlan out;
  if (!header.valid) return out;
  const bool big = header.big;
  out.order = big ? ByteOrder::kBig : ByteOrder::kLittle;
  out.extended_id = header.extended_id;
  // The header begins at a byte; its parts may be of a lesser alignment.
  const bool fits =
      plan_part(0, header.align_bits, header.id_bits, big, out.id) &&
      plan_part(header.id_bits, header.time_align, header.time_bits, big, out.time) &&
      plan_part(header.id_bits, header.long_id_align, header.long_id_bits, big, out.long_id) &&
      plan_part(end_of(out.long_id, header.long_id_bits, big), header.long_time_align,
                header.long_time_bits, big, out.long_time);
  if (!fits) return out;
  out.valid = end_of(out.time, header.time_bits, big) % 8 == 0 &&
              end_of(out.long_time, header.long_time_bits, big) % 8 == 0;
  for (const auto* part : {&out.id, &out.time, &out.long_id, &out.long_time}) {
    out.aligned = out.aligned || part->mask != 0;
  }
  return out;
}

}  // namespace vs::reader::ctf
