#include "reader/ctf/record_plan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

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

/// The loads of a run by what they fill and how, in the order in which plans keep them.
struct SortedLoads {
  enum List : std::size_t {
    kTid,
    kArgs,
    kLittleArgs,
    kBigArgs,
    kLittleRegisters,
    kBigRegisters,
    kTexts,
    kCount
  };
  std::array<std::vector<FieldLoad>, kCount> lists;

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

class RunPlanner {
 public:
  /// Register `tid` has a list of its own; those below `kept` are left out. Numbers of byte order
  /// `order` take the shortest way.
  RunPlanner(std::uint32_t tid, std::uint32_t kept, ByteOrder order)
      : tid_(tid), kept_(kept), order_(order) {}

  /// Nothing when the run needs the general way.
  std::optional<SortedLoads> plan(const ProgramSet& programs, const Op& run) {
    if (run.a % 8 != 0) return std::nullopt;
    for (std::uint32_t i = 0; i < run.count; ++i) {
      if (!sort(programs.loads[run.first + i])) return std::nullopt;
    }
    const bool small = std::all_of(out_.lists.begin(), out_.lists.end(), [](const auto& list) {
      return list.size() <= std::numeric_limits<std::uint8_t>::max();
    });
    if (!small || clash() || out_.lists[SortedLoads::kTid].size() > 1) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool sort(const Load& load) {
    if (load.space == DestSpace::kText) return sort_text(load, out_);
    const bool is_register = load.space == DestSpace::kRegister;
    if (is_register && load.dest < kept_) return true;
    auto number = load_at(load.bit, load.size, load.is_signed, load.big);
    if (!number || load.space == DestSpace::kClock) return false;
    if (load.dest > std::numeric_limits<std::uint16_t>::max()) return false;
    number->dest = static_cast<std::uint16_t>(load.dest);
    out_.lists[list_of(load, is_register)].push_back(*number);
    return true;
  }

  [[nodiscard]] SortedLoads::List list_of(const Load& load, bool is_register) const {
    const bool main = load.big == (order_ == ByteOrder::kBig);
    if (!is_register) {
      if (main) return SortedLoads::kArgs;
      return load.big ? SortedLoads::kBigArgs : SortedLoads::kLittleArgs;
    }
    if (main && load.dest == tid_) return SortedLoads::kTid;
    return load.big ? SortedLoads::kBigRegisters : SortedLoads::kLittleRegisters;
  }

  // Two numbers of different byte order that fill one place would change their order.
  [[nodiscard]] bool clash() const {
    std::array<std::vector<std::uint16_t>, 2> filled;  // arguments, registers
    for (const auto list : {SortedLoads::kArgs, SortedLoads::kLittleArgs, SortedLoads::kBigArgs,
                            SortedLoads::kLittleRegisters, SortedLoads::kBigRegisters}) {
      auto& before = filled[list >= SortedLoads::kLittleRegisters ? 1 : 0];
      const std::size_t count = before.size();
      for (const FieldLoad& load : out_.lists[list]) {
        if (std::find(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(count),
                      load.dest) != before.begin() + static_cast<std::ptrdiff_t>(count)) {
          return true;
        }
        before.push_back(load.dest);
      }
    }
    return false;
  }

  const std::uint32_t tid_;
  const std::uint32_t kept_;
  const ByteOrder order_;
  SortedLoads out_;
};

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

void store_loads(const SortedLoads& sorted, RecordPlan& plan, std::vector<FieldLoad>& loads) {
  plan.first = static_cast<std::uint32_t>(loads.size());
  for (const auto& list : sorted.lists) loads.insert(loads.end(), list.begin(), list.end());
  plan.args = sorted.size(SortedLoads::kArgs);
  plan.little_args = sorted.size(SortedLoads::kLittleArgs);
  plan.big_args = sorted.size(SortedLoads::kBigArgs);
  plan.little_registers = sorted.size(SortedLoads::kLittleRegisters);
  plan.big_registers = sorted.size(SortedLoads::kBigRegisters);
  plan.texts = sorted.size(SortedLoads::kTexts);
  plan.has_tid = !sorted.lists[SortedLoads::kTid].empty();
}

bool is_32_bits(const FieldLoad& load, ByteOrder order) {
  return load.right == 32 && load.left == (order == ByteOrder::kBig ? 0 : 32);
}

// What says of an event, without more than its fixed part, that it is of no use.
void plan_fading(const SortedLoads& sorted, const RecordUse& use, ByteOrder order,
                 RecordPlan& plan) {
  const model::FadeRule* const rule = use.fade;
  if (rule == nullptr || !plan.deliver || plan.tail != kNone || plan.register_tid) return;
  const std::size_t count = std::min<std::size_t>(rule->count, plan.fade_bytes.size());
  if (plan.sets_tid && (count == 0 || rule->args[count - 1] != model::arg::kNextTid)) return;
  if (plan.has_tid) {
    const FieldLoad& tid = sorted.lists[SortedLoads::kTid].front();
    if (!is_32_bits(tid, order)) return;
    plan.tid_byte = tid.byte;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto& args = sorted.lists[SortedLoads::kArgs];
    const auto found = std::find_if(args.begin(), args.end(), [&](const FieldLoad& load) {
      return load.dest == rule->args[i] && is_32_bits(load, order);
    });
    if (found == args.end()) return;
    plan.fade_bytes[i] = found->byte;
  }
  plan.fade_count = static_cast<std::uint8_t>(count);
  plan.fade = rule->mark;
  plan.asks_runner = count == 0 && !plan.has_tid;
}

// A switch that is not delivered: all that is read of it is the next thread.
void plan_switch(const SortedLoads& sorted, std::uint32_t next_tid, ByteOrder order,
                 RecordPlan& plan) {
  if (plan.deliver || !plan.sets_tid || plan.tail != kNone) return;
  const bool big = order == ByteOrder::kBig;
  const auto& registers =
      sorted.lists[big ? SortedLoads::kBigRegisters : SortedLoads::kLittleRegisters];
  const auto found = std::find_if(registers.begin(), registers.end(), [&](const FieldLoad& load) {
    return load.dest == next_tid && is_32_bits(load, order);
  });
  if (found == registers.end()) return;
  plan.only_switches = true;
  plan.fade_bytes[0] = found->byte;
}

}  // namespace

void plan_record(const ProgramSet& programs, std::uint32_t program, const SpecialRegisters& special,
                 const RecordUse& use, RecordPlan& plan, RecordSet& out) {
  const auto op = [&programs](std::uint32_t pc) { return programs.ops[pc]; };
  std::uint32_t pc = program;
  std::uint32_t align_mask = 0;
  if (op(pc).code == OpCode::kAlign) {
    align_mask = op(pc).a >= 8 ? op(pc).a / 8 - 1 : 0;
    ++pc;
  }
  plan.bytes = 0;
  std::optional<SortedLoads> sorted;
  if (op(pc).code == OpCode::kRun) {
    const bool whole = op(pc + 1).code == OpCode::kEnd;
    RunPlanner planner(use.tids == 1 ? special.tid : kNone, whole ? special.event_id : 0,
                       out.order);
    sorted = planner.plan(programs, op(pc));
  }
  if (sorted) {
    plan.bytes = op(pc).a / 8;
    plan.present = op(pc).present;
    plan.align_mask = align_mask;
    ++pc;
  } else {
    pc = program;
  }
  const SortedLoads loads = std::move(sorted).value_or(SortedLoads{});
  store_loads(loads, plan, out.loads);
  plan.deliver = use.deliver;
  plan.sets_tid = use.sets_tid;
  plan.register_tid = use.deliver && use.tids != 0 && !plan.has_tid;
  plan.tail = op(pc).code == OpCode::kEnd ? kNone : pc;
  plan.more = plan.little_args + plan.big_args + plan.little_registers + plan.big_registers != 0 ||
              plan.register_tid || plan.sets_tid || plan.tail != kNone;
  plan.skip = !plan.deliver && !plan.more && !plan.has_tid && plan.args == 0 && plan.texts == 0;
  plan_fading(loads, use, out.order, plan);
  plan_switch(loads, special.next_tid, out.order, plan);
  plan.brief = plan.skip || plan.only_switches;
  out.aligned = out.aligned || plan.align_mask != 0;
}

RecordStep step_of(const RecordPlan& plan) {
  if (plan.skip) return {plan.bytes, plan.type, 0};
  if (plan.only_switches) {
    const std::uint32_t next_tid = plan.fade_bytes[0] + 1;
    if (next_tid >= RecordStep::kMayFade) return {};
    return {plan.bytes, plan.type, static_cast<std::uint16_t>(next_tid)};
  }
  if (plan.fade != 0) return {plan.bytes, plan.type, RecordStep::kMayFade};
  return {};
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
  out.brief_bytes = out.time.skip + out.time.end;
  out.aligned = out.brief_bytes > 8;
  for (const auto* part : {&out.id, &out.time, &out.long_id, &out.long_time}) {
    out.aligned = out.aligned || part->mask != 0;
  }
  if (out.aligned) return out;
  const std::uint32_t end = out.time.skip * 8 + end_of(out.time, header.time_bits, big);
  out.id_shift = big ? 64 - header.id_bits : 0;
  out.time_shift = big ? 64 - end : end - header.time_bits;
  return out;
}

}  // namespace vs::reader::ctf
