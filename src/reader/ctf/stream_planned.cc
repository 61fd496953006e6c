// CtfCursor: the events that a RecordPlan carries, in a loop of their own.
#include "reader/ctf/stream_cursor.h"

namespace vs::reader::ctf {
namespace {

/// Reads `count` numbers and moves `load` behind them.
template <ByteOrder kOrder, typename Store>
inline void read_numbers(const FieldLoad*& load, std::size_t count, Bytes memory, std::size_t at,
                         Store store) {
  for (const FieldLoad* const end = load + count; load != end; ++load) {
    store(load->dest, load_field(memory, at, *load, kOrder));
  }
}

/// The fixed part of a record that begins at `at`. Requires its bytes to be there, and kSlackBytes.
inline void read_fixed(const RecordPlan& plan, const FieldLoad* load, Bytes memory, std::size_t at,
                       std::uint64_t* registers, model::Event& event) {
  const auto arg = [&](std::size_t i, std::uint64_t value) { event.args[i] = value; };
  const auto reg = [&](std::size_t i, std::uint64_t value) { registers[i] = value; };
  read_numbers<ByteOrder::kLittle>(load, plan.little_args, memory, at, arg);
  read_numbers<ByteOrder::kBig>(load, plan.big_args, memory, at, arg);
  read_numbers<ByteOrder::kLittle>(load, plan.little_registers, memory, at, reg);
  read_numbers<ByteOrder::kBig>(load, plan.big_registers, memory, at, reg);
  for (const FieldLoad* const end = load + plan.texts; load != end; ++load) {
    const std::size_t text = at + load->byte;
    event.texts[load->dest] = as_text(
        memory.subspan(text, text_size(memory, text, static_cast<std::size_t>(load->mask))));
  }
}

inline void clear(model::Event& event) {
  event.args.fill(0);
  event.texts.fill({});
}

}  // namespace

void CtfCursor::leave_plans() {
  for (StreamPlan& plan : plans_) plan.header.valid = false;
}

/// What the loop moves forward.
struct CtfCursor::PlannedState {
  std::size_t at = 0;  ///< byte of the packet
  std::uint64_t cycles = 0;
  OwnTime own;
  std::int32_t tid = model::kNoTid;
};

// The part of a record behind its fixed one. False: it does not decode, or ends inside a byte.
bool CtfCursor::read_tail(const RecordPlan& plan, std::size_t& at, model::Event& event) {
  machine_.begin_event();
  machine_.set_position(static_cast<std::uint64_t>(at) * 8);
  if (!machine_.run(plan.tail, event) || machine_.position() % 8 != 0) return false;
  at = static_cast<std::size_t>(machine_.position() / 8);
  return true;
}

// Fills events from `event` on, at most to the end of the batch; the first one not filled.
template <bool kAligned>
model::Event* CtfCursor::decode_planned(PlannedState& state, model::Event* event) {
  const HeaderPlan header = plan_->header;
  const std::span<const RecordPlan> plans = plan_->records.plans;
  const FieldLoad* const loads = plan_->records.loads.data();
  const Bytes memory = machine_.memory();
  std::uint64_t* const registers = machine_.registers().data();
  const auto base = static_cast<std::size_t>(machine_.base_byte());
  const auto end = static_cast<std::size_t>(machine_.end_bit() / 8);
  const model::Event* const full = batch_.data() + kBatchEvents;
  PlannedState now = state;
  while (event != full && now.at + kHeaderRoom <= end) {
    std::size_t at = now.at;
    std::uint64_t cycles = now.cycles;
    const std::uint64_t id = ctf::read_header<kAligned>(header, memory, base, at, cycles);
    if (id >= plans.size()) break;
    const RecordPlan& plan = plans[static_cast<std::size_t>(id)];
    if constexpr (kAligned) at = (at + plan.align_mask) & ~std::size_t{plan.align_mask};
    const OwnTime own = converter_.to_own(cycles);
    if (at + plan.bytes > end || own < now.own) break;
    if (plan.deliver) {
      clear(*event);
      event->own = own;
      event->kind = plan.kind;
      event->type = plan.type;
      event->present = plan.present;
      event->cpu = cpu_;
      event->tid = now.tid;
      event->record = static_cast<std::uint64_t>(now.at) * 8;
    }
    read_fixed(plan, loads + plan.first, memory, at - base, registers, *event);
    at += plan.bytes;
    if (plan.special) {
      if (plan.tail != kNone && !read_tail(plan, at, *event)) break;
      if (plan.sets_tid) now.tid = static_cast<std::int32_t>(registers[model_.special.next_tid]);
    }
    if (plan.has_tid) event->tid = static_cast<std::int32_t>(registers[model_.special.tid]);
    now.at = at;
    now.cycles = cycles;
    now.own = own;
    event += plan.deliver ? 1 : 0;
  }
  state = now;
  return event;
}

// Stops before the first event that it does not carry: an unknown id, a type met for the first
// time, an event that does not decode, a time that goes back, the last bytes of the input.
void CtfCursor::decode_planned() {
  if (!plan_->header.valid || !any_time_ || machine_.position() % 8 != 0) return;
  PlannedState state{static_cast<std::size_t>(machine_.position() / 8), clock_.cycles(), last_own_,
                     current_tid_};
  const std::size_t begin = state.at;
  model::Event* const event = batch_.data() + count_;
  model::Event* const done = plan_->records.aligned ? decode_planned<true>(state, event)
                                                    : decode_planned<false>(state, event);
  if (state.at != begin) ahead_bytes_ = 0;
  machine_.set_position(static_cast<std::uint64_t>(state.at) * 8);
  clock_.set(state.cycles);
  last_own_ = state.own;
  current_tid_ = state.tid;
  count_ += static_cast<std::size_t>(done - event);
}

}  // namespace vs::reader::ctf
