// CtfCursor: the events that a RecordPlan carries, in a loop of their own.
#include "reader/ctf/stream_cursor.h"

namespace vs::reader::ctf {
namespace {

/// Reads `count` numbers and moves `load` behind them.
template <ByteOrder kOrder>
inline void read_numbers(const FieldLoad*& load, std::size_t count, Bytes memory, std::size_t at,
                         std::uint64_t* out) {
  for (const FieldLoad* const end = load + count; load != end; ++load) {
    out[load->dest] = load_field<kOrder>(memory, at, *load);
  }
}

inline void read_texts(const FieldLoad* load, std::size_t count, Bytes memory, std::size_t at,
                       model::Event& event) {
  for (const FieldLoad* const end = load + count; load != end; ++load) {
    const std::size_t text = at + load->byte;
    const auto limit = static_cast<std::size_t>(load->mask);
    event.texts[load->dest] = as_text(memory.subspan(text, text_size(memory, text, limit)));
  }
}

/// The thread whose marks were looked up last, and they; kNoTid has none.
struct Runner {
  std::int32_t tid = model::kNoTid;
  std::uint32_t marks = 0;
};

/// Tells which of the events that are more than time and type can be stepped over.
template <ByteOrder kOrder>
struct Passer {
  Bytes memory;
  const model::ThreadMarks& marks;

  /// The fixed part is at `at`. `tid`: who runs; where the event can be stepped over, from now on.
  [[nodiscard]] bool passes(const RecordPlan& plan, std::size_t at, std::int32_t& tid) const {
    if (plan.only_switches) {
      tid = thread(at + plan.fade_bytes[0]);
      return true;
    }
    if (plan.fade == 0 || tid == model::kNoTid) return false;
    if (plan.has_tid && thread(at + plan.tid_byte) != tid) return false;
    if (plan.fade_count == 0) return marks.has(tid, plan.fade);
    std::int32_t last = tid;
    for (std::size_t i = 0; i < plan.fade_count; ++i) {
      last = thread(at + plan.fade_bytes[i]);
      if (!marks.has(last, plan.fade)) return false;
    }
    if (plan.sets_tid) tid = last;
    return true;
  }

  /// The same by its step.
  [[nodiscard]] bool passes(const RecordStep& step, std::span<const RecordPlan> plans,
                            std::uint64_t id, std::size_t at, std::int32_t& tid,
                            Runner& runner) const {
    if (step.next_tid != RecordStep::kMayFade) {
      // The byte before the fixed part is there: read without asking, it costs no jump.
      const std::int32_t next = thread(at + step.next_tid - 1);
      tid = step.next_tid != 0 ? next : tid;
      return true;
    }
    const RecordPlan& plan = plans[static_cast<std::size_t>(id)];
    if (!plan.asks_runner) return passes(plan, at, tid);
    if (runner.tid != tid) runner = {tid, marks.of(tid)};
    return (runner.marks & plan.fade) == plan.fade;
  }

  [[nodiscard]] std::int32_t thread(std::size_t byte) const {
    return static_cast<std::int32_t>(load_unchecked<std::uint32_t>(memory, byte, kOrder));
  }
};

const model::ThreadMarks kNoMarks{};

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
  std::size_t at = 0;  ///< byte of the machine's memory
  std::uint64_t cycles = 0;
  OwnTime own;
  std::int32_t tid = model::kNoTid;
};

// What not every type has: the rest of its fixed part at `at`, and its tail at `end`, which moves
// behind it. False: the tail does not decode, or ends inside a byte.
bool CtfCursor::read_more(const RecordPlan& plan, const FieldLoad* load, std::size_t at,
                          std::size_t& end, model::Event& event) {
  const Bytes memory = machine_.memory();
  std::uint64_t* const registers = machine_.registers().data();
  read_numbers<ByteOrder::kLittle>(load, plan.little_args, memory, at, event.args.data());
  read_numbers<ByteOrder::kBig>(load, plan.big_args, memory, at, event.args.data());
  read_numbers<ByteOrder::kLittle>(load, plan.little_registers, memory, at, registers);
  read_numbers<ByteOrder::kBig>(load, plan.big_registers, memory, at, registers);
  read_texts(load, plan.texts, memory, at, event);
  if (plan.tail != kNone) {
    const std::uint64_t base = machine_.base_byte();
    machine_.begin_event();
    machine_.set_position((base + end) * 8);
    if (!machine_.run(plan.tail, event) || machine_.position() % 8 != 0) return false;
    end = static_cast<std::size_t>(machine_.position() / 8 - base);
  }
  if (plan.register_tid) event.tid = static_cast<std::int32_t>(registers[model_.special.tid]);
  return true;
}

// Goes over the events that nobody wants anything of, up to the first other one or to `end`.
template <ByteOrder kOrder, bool kAligned>
void CtfCursor::skip_planned(PlannedState& state, std::size_t end) {
  const HeaderPlan& header = plan_->header;
  const std::span<const RecordPlan> plans = plan_->records.plans;
  const RecordPlace place{machine_.memory(), static_cast<std::size_t>(machine_.base_byte())};
  const TimeScale& scale = converter_.scale();
  const Passer<kOrder> passer{place.memory, marks_ != nullptr ? *marks_ : kNoMarks};
  const reader::PassedBuffer::Room room = passed_.room();
  // One by one: loads of more than was stored at once would wait for the stores.
  std::size_t now_at = state.at;
  std::uint64_t now_cycles = state.cycles;
  OwnTime now_own = state.own;
  std::int32_t now_tid = state.tid;
  Runner runner;
  std::size_t count = 0;
  std::int64_t* const times = room.times.data();
  std::uint16_t* const types = room.types.data();
  const std::size_t most = end < kHeaderRoom ? 0 : room.times.size();
  const std::size_t last_header = end - kHeaderRoom;
  const std::span<const RecordStep> steps = plan_->records.steps;
  while (count < most && now_at <= last_header) {
    // From one event to the next everything waits for its size: the shortest way to it comes first.
    if constexpr (!kAligned) {
      const BriefHeader brief = read_brief_header<kOrder>(header, place, now_at, now_cycles);
      if (brief.id < steps.size()) [[likely]] {
        const RecordStep step = steps[static_cast<std::size_t>(brief.id)];
        const std::size_t fixed = now_at + header.brief_bytes;
        const std::size_t next = fixed + step.bytes;
        const OwnTime own = scale.sum(brief.cycles);
        if (step.bytes != RecordPlan::kNotMade) [[likely]] {
          if (next > end || !scale.is_sum(brief.cycles) || own < now_own) break;
          if (!passer.passes(step, plans, brief.id, fixed, now_tid, runner)) break;
          times[count] = own.value;
          types[count] = step.type;
          ++count;
          now_at = next;
          now_cycles = brief.cycles;
          now_own = own;
          continue;
        }
        if (brief.id != header.extended_id) break;
      }
    }
    std::size_t at = now_at;
    std::uint64_t cycles = now_cycles;
    const std::uint64_t id = kAligned ? read_header_parts<kOrder>(header, place, at, cycles)
                                      : read_header_word<kOrder>(header, place, at, cycles);
    if (id >= plans.size()) break;
    const RecordPlan& plan = plans[static_cast<std::size_t>(id)];
    if constexpr (kAligned) at = place.aligned(at, plan.align_mask);
    const std::size_t fixed = at;
    at += plan.bytes;
    if (at > end || !scale.is_sum(cycles)) break;
    const OwnTime own = scale.sum(cycles);
    if (own < now_own) break;
    if (!plan.skip && !passer.passes(plan, fixed, now_tid)) break;
    times[count] = own.value;
    types[count] = plan.type;
    ++count;
    now_at = at;
    now_cycles = cycles;
    now_own = own;
  }
  state.at = now_at;
  state.cycles = now_cycles;
  state.own = now_own;
  state.tid = now_tid;
  passed_.advance(cpu_, count);
}

// Fills events from `event` on, at most to the end of the batch; the first one not filled.
template <ByteOrder kOrder, bool kAligned>
model::Event* CtfCursor::decode_planned(PlannedState& state, model::Event* event) {
  const HeaderPlan& header = plan_->header;
  const std::span<const RecordPlan> plans = plan_->records.plans;
  const FieldLoad* const loads = plan_->records.loads.data();
  const RecordPlace place{machine_.memory(), static_cast<std::size_t>(machine_.base_byte())};
  const std::size_t end = static_cast<std::size_t>(machine_.end_bit() / 8) - place.base;
  const model::Event* const full = batch_.data() + kBatchEvents;
  const bool fades = marks_ != nullptr;
  const bool passed_wanted = passed_.wanted();
  // Whether the next event can be stepped over at all: on a busy host most cannot.
  const std::span<const RecordStep> steps = plan_->records.steps;
  const auto may_step = [&](const PlannedState& at) {
    if (kAligned || at.at + kHeaderRoom > end) return true;
    const std::uint64_t id = read_brief_header<kOrder>(header, place, at.at, at.cycles).id;
    return id >= steps.size() || id == header.extended_id ||
           steps[static_cast<std::size_t>(id)].bytes != RecordPlan::kNotMade;
  };
  PlannedState now = state;
  while (event != full && now.at + kHeaderRoom <= end) {
    std::size_t at = now.at;
    std::uint64_t cycles = now.cycles;
    const std::uint64_t id = kAligned ? read_header_parts<kOrder>(header, place, at, cycles)
                                      : read_header_word<kOrder>(header, place, at, cycles);
    if (id >= plans.size()) break;
    const RecordPlan& plan = plans[static_cast<std::size_t>(id)];
    if constexpr (kAligned) at = place.aligned(at, plan.align_mask);
    const OwnTime own = converter_.to_own(cycles);
    std::size_t next = at + plan.bytes;
    if (next > end || own < now.own) break;
    if (plan.deliver) {
      clear(*event);
      event->own = own;
      event->kind = plan.kind;
      event->type = plan.type;
      event->present = plan.present;
      event->cpu = cpu_;
      event->tid = now.tid;
      event->record = static_cast<std::uint64_t>(place.base + now.at) * 8;
    }
    const FieldLoad* load = loads + plan.first;
    if (plan.has_tid) {
      event->tid = static_cast<std::int32_t>(load_field<kOrder>(place.memory, at, *load));
      ++load;
    }
    read_numbers<kOrder>(load, plan.args, place.memory, at, event->args.data());
    if (plan.more) {
      if (!read_more(plan, load, at, next, *event)) break;
      if (plan.sets_tid)
        now.tid = static_cast<std::int32_t>(machine_.value(model_.special.next_tid));
    } else if (plan.texts != 0) {
      read_texts(load, plan.texts, place.memory, at, *event);
    }
    if (passed_wanted) passed_.add(cpu_, own.value, plan.type);
    now.at = next;
    now.cycles = cycles;
    now.own = own;
    if ((plan.brief || fades) && may_step(now)) skip_planned<kOrder, kAligned>(now, end);
    event += plan.deliver ? 1 : 0;
  }
  state = now;
  return event;
}

// Stops before the first event that it does not carry: an unknown id, a type met for the first
// time, an event that does not decode, a time that goes back, the last bytes of the input.
void CtfCursor::decode_planned() {
  const HeaderPlan& header = plan_->header;
  if (!header.valid || !any_time_ || machine_.position() % 8 != 0) return;
  const auto base = machine_.base_byte();
  const std::uint64_t begin = machine_.position() / 8;
  PlannedState state{static_cast<std::size_t>(begin - base), clock_.cycles(), last_own_,
                     current_tid_};
  model::Event* const event = batch_.data() + count_;
  const bool big = header.order == ByteOrder::kBig;
  const auto loop = plan_->records.aligned
                        ? (big ? &CtfCursor::decode_planned<ByteOrder::kBig, true>
                               : &CtfCursor::decode_planned<ByteOrder::kLittle, true>)
                        : (big ? &CtfCursor::decode_planned<ByteOrder::kBig, false>
                               : &CtfCursor::decode_planned<ByteOrder::kLittle, false>);
  model::Event* const done = (this->*loop)(state, event);
  if (base + state.at != begin) ahead_bytes_ = 0;
  machine_.set_position((base + state.at) * 8);
  clock_.set(state.cycles);
  last_own_ = state.own;
  current_tid_ = state.tid;
  count_ += static_cast<std::size_t>(done - event);
}

}  // namespace vs::reader::ctf
