// CtfCursor: the events of a packet.
#include <algorithm>

#include "base/escape.h"
#include "reader/ctf/json_sink.h"
#include "reader/ctf/stream_cursor.h"

namespace vs::reader::ctf {
namespace {

constexpr std::size_t kAheadBytes = 8U << 10;

class NullSink final : public FieldSink {
 public:
  void begin_struct(std::string_view) override {}
  void end_struct() override {}
  void begin_array(std::string_view) override {}
  void end_array() override {}
  void integer(std::string_view, const Node&, std::uint64_t) override {}
  void real(std::string_view, const Node&, double) override {}
  void text(std::string_view, std::string_view) override {}
};

}  // namespace

CtfCursor::CtfCursor(const CursorSource& source, const StreamRequest& request,
                     model::IssueLog& issues)
    : model_(source.model),
      files_(source.files),
      chain_(source.chain),
      trace_path_(source.trace_path),
      issues_(issues),
      arguments_(request.arguments),
      choice_(request.choice),
      fade_rules_(request.fading.rules),
      machine_(programs_, source.model.special),
      marks_(request.arguments ? request.fading.marks : nullptr),
      batch_(kBatchEvents + 8),
      passed_(request.passed) {
  make_plans(request);
}

void CtfCursor::make_plans(const StreamRequest& request) {
  for (const StreamModel& stream : model_.streams) {
    StreamPlan& plan = plans_.emplace_back();
    plan.header = plan_header(stream.header);
    plan.records.order = plan.header.order;
    plan.records.aligned = plan.header.aligned;
    const bool dense = stream.dense.size() <= 8 * stream.events.size() + 256;
    if (plan.header.valid && dense) {
      plan.records.plans.resize(stream.dense.size());
      plan.records.steps.resize(stream.dense.size());
    }
    if (!stream.header.valid && stream.layout->event_header != kNone) {
      const std::uint32_t root = stream.layout->event_header;
      plan.header_program =
          compile_program(model_.layout, model_.schema->order,
                          {{&root, 1}, stream.header_bindings, 1}, model_.special, programs_);
    }
    for (const EventModel& event : stream.events) {
      EventPlan& out = plan.events.emplace_back();
      out.kind = event.kind;
      out.type = event.type;
      out.deliver = request.kinds.has(event.kind);
      for (const Binding& binding : event.tid_bindings) {
        out.has_tid = out.has_tid || binding.dest == model_.special.tid;
        out.sets_tid = out.sets_tid || binding.dest == model_.special.next_tid;
      }
    }
  }
}

std::uint32_t CtfCursor::program_of(std::uint32_t event) {
  EventPlan& plan = plan_->events[event];
  if (plan.program != kNone) return plan.program;
  const EventModel& model = stream_->events[event];
  std::vector<Binding> bindings;
  if (plan.deliver && arguments_) {
    const std::uint16_t wanted = choice_.of(plan.kind);
    std::copy_if(model.bindings.begin(), model.bindings.end(), std::back_inserter(bindings),
                 [wanted](const Binding& binding) {
                   const std::uint16_t slot = binding.space == DestSpace::kText
                                                  ? ArgumentChoice::text(binding.dest)
                                                  : ArgumentChoice::arg(binding.dest);
                   return (wanted & slot) != 0;
                 });
  }
  if (plan.deliver || plan.sets_tid) {
    bindings.insert(bindings.end(), model.tid_bindings.begin(), model.tid_bindings.end());
  }
  const std::uint32_t roots[] = {stream_->layout->event_context, model.layout->context,
                                 model.layout->fields};
  const ProgramSource source{roots, bindings, stream_->header.valid ? 8U : 1U};
  plan.program =
      compile_program(model_.layout, model_.schema->order, source, model_.special, programs_);
  return plan.program;
}

// From now on decode_planned() reads this type.
void CtfCursor::plan_event(std::uint32_t event) {
  const EventModel& model = stream_->events[event];
  const std::uint64_t id = model.layout->event->id;
  if (id >= plan_->records.plans.size()) return;
  RecordPlan& record = plan_->records.plans[static_cast<std::size_t>(id)];
  if (record.bytes != RecordPlan::kNotMade) return;
  const EventPlan& plan = plan_->events[event];
  const auto tids =
      std::count_if(model.tid_bindings.begin(), model.tid_bindings.end(),
                    [this](const Binding& binding) { return binding.dest == model_.special.tid; });
  const auto fade =
      std::find_if(fade_rules_.begin(), fade_rules_.end(),
                   [&plan](const model::FadeRule& rule) { return rule.kind == plan.kind; });
  record.kind = plan.kind;
  record.type = plan.type;
  plan_record(programs_, plan.program, model_.special,
              RecordUse{plan.deliver, static_cast<std::size_t>(tids), plan.sets_tid,
                        fade == fade_rules_.end() ? nullptr : &*fade},
              record, plan_->records);
  // Behind a brief header the extended id is no event's.
  if (id != plan_->header.extended_id) {
    plan_->records.steps[static_cast<std::size_t>(id)] = step_of(record);
  }
}

inline bool CtfCursor::read_fast_header(const FastHeader& header, std::uint64_t& id) {
  std::uint64_t time = 0;
  if (!machine_.take_bits(header.align_bits, header.id_bits, header.big, id)) return false;
  if (id != header.extended_id) [[likely]] {
    if (!machine_.take_bits(header.time_align, header.time_bits, header.big, time)) return false;
    clock_.update(time, header.time_bits);
    return true;
  }
  if (!machine_.take_bits(header.long_id_align, header.long_id_bits, header.big, id)) return false;
  if (!machine_.take_bits(header.long_time_align, header.long_time_bits, header.big, time)) {
    return false;
  }
  clock_.update(time, header.long_time_bits);
  return true;
}

inline bool CtfCursor::read_header(std::uint64_t& id) {
  if (stream_->header.valid) [[likely]]
    return read_fast_header(stream_->header, id);
  if (plan_->header_program == kNone) {
    id = stream_->layout->events.empty() ? 0 : stream_->layout->events.front().event->id;
    return true;
  }
  const SpecialRegisters& special = model_.special;
  const bool one_type = stream_->layout->events.size() == 1;
  machine_.set_value(special.event_id, one_type ? stream_->layout->events.front().event->id : 0);
  machine_.set_value(special.time_bits, 0);
  model::Event scratch;
  if (!machine_.run(plan_->header_program, scratch)) return false;
  id = machine_.value(special.event_id);
  const std::uint64_t bits = machine_.value(special.time_bits);
  if (bits != 0) clock_.update(machine_.value(special.time), bits);
  return true;
}

inline void CtfCursor::deliver(const EventPlan& plan, std::uint64_t begin) {
  model::Event& event = batch_[count_];
  event.own = last_own_;
  event.kind = plan.kind;
  event.type = plan.type;
  event.cpu = cpu_;
  event.tid =
      plan.has_tid ? static_cast<std::int32_t>(machine_.value(model_.special.tid)) : current_tid_;
  event.record = begin;
  ++count_;
}

CtfCursor::Outcome CtfCursor::decode_event(std::uint64_t begin) {
  model::Event& event = batch_[count_];
  event = model::Event{};
  machine_.begin_event();
  failed_event_ = kNone;
  if (!read_header(failed_id_)) return Outcome::kBad;
  const std::uint32_t index = stream_->find(failed_id_);
  if (index == kNone) return Outcome::kUnknownId;
  failed_event_ = index;
  if (!machine_.run(program_of(index), event) || machine_.position() == begin) return Outcome::kBad;
  const EventPlan& plan = plan_->events[index];
  if (stream_->has_time) {
    const OwnTime own = converter_.to_own(clock_.cycles());
    // What was learned at a later time may not be known of this one.
    if (any_time_ && own < last_own_) marks_ = nullptr;
    if (any_time_ && own < last_own_ && !order_reported_) {
      order_reported_ = true;
      add_issue(model::IssueCode::kTimeGoesBack, packet_offset_ + begin / 8,
                "an event is " + std::to_string(last_own_.value - own.value) +
                    " ns earlier than the one before; further ones in this stream are not listed");
    }
    last_own_ = own;
    any_time_ = true;
  }
  passed_.add(cpu_, last_own_.value, plan.type);
  if (plan.deliver) deliver(plan, begin);
  if (plan.sets_tid) {
    current_tid_ = static_cast<std::int32_t>(machine_.value(model_.special.next_tid));
  }
  plan_event(index);
  return Outcome::kEvent;
}

void CtfCursor::set_machine_input() {
  const std::uint64_t base = std::max(window_.begin(), packet_offset_);
  const std::uint64_t window_end = (window_.end() - packet_offset_) * 8;
  machine_.set_input(window_.with_slack(base), base - packet_offset_,
                     std::min(content_end_, window_end));
}

Status CtfCursor::decode_batch() {
  const std::uint64_t at = packet_offset_ + machine_.position() / 8;
  const std::uint64_t left = (content_end_ - std::min(content_end_, machine_.position())) / 8 + 1;
  ahead_bytes_ = std::max(ahead_bytes_, kAheadBytes);
  VS_TRY(window_.ensure(at, static_cast<std::size_t>(std::min<std::uint64_t>(ahead_bytes_, left))));
  const std::uint64_t there = (std::max(window_.file_size(), packet_offset_) - packet_offset_) * 8;
  content_end_ = std::min(content_end_, there);
  batch_packet_ = packet_offset_;
  batch_stream_ = stream_;
  if (machine_.position() < content_end_) set_machine_input();
  const std::uint64_t batch_begin = machine_.position();
  while (count_ < kBatchEvents) {
    if (machine_.position() < content_end_) decode_planned();
    if (count_ == kBatchEvents) break;
    const std::uint64_t begin = machine_.position();
    if (begin >= content_end_) {
      finish_packet();
      return {};
    }
    const ClockState clock = clock_;
    const Outcome outcome = decode_event(begin);
    if (outcome == Outcome::kEvent) [[likely]] {
      ahead_bytes_ = 0;
      continue;
    }
    clock_ = clock;
    if (handle_failure(outcome, begin, begin == batch_begin)) return {};
  }
  return {};
}

// True when the batch ends here. Where only the window ends, the event is tried again with more of
// it.
bool CtfCursor::handle_failure(Outcome outcome, std::uint64_t begin, bool at_batch_begin) {
  const std::uint64_t end = machine_.end_bit();
  const DecodeFault fault = outcome == Outcome::kBad ? explain(begin) : DecodeFault{};
  if (fault.kind == FaultKind::kPastContent && end < content_end_) {
    machine_.set_position(begin);
    if (!at_batch_begin) return true;
    if (ahead_bytes_ < kMaxWindowBytes) {
      ahead_bytes_ = std::min(std::max(ahead_bytes_ * 4, kWindowBytes * 2), kMaxWindowBytes);
      return true;
    }
  }
  const bool cut = content_end_ < head_.content_bits;
  if (fault.kind == FaultKind::kPastContent && cut) {
    finish_packet();  // says so itself
    return true;
  }
  report_bad_event(outcome, begin, fault);
  add_loss(last_own_, packet_end(), std::nullopt);
  if (cut) content_end_ = head_.content_bits;  // one loss window is enough
  finish_packet();
  return true;
}

DecodeFault CtfCursor::explain(std::uint64_t begin) const {
  NullSink sink;
  const auto values = machine_.registers();
  std::vector<std::uint64_t> registers(values.begin(), values.end());
  PlainDecoder decoder(model_.layout, model_.schema->order, registers);
  const std::uint64_t base = std::max(window_.begin(), packet_offset_);
  decoder.set_input(window_.present(base), base - packet_offset_, machine_.end_bit());
  decoder.set_position(begin);
  decoder.begin_event();
  if (!decoder.decode(stream_->layout->event_header, sink)) return decoder.fault();
  if (failed_event_ == kNone) return {};
  const EventLayout& event = *stream_->events[failed_event_].layout;
  for (const std::uint32_t root : {stream_->layout->event_context, event.context, event.fields}) {
    if (!decoder.decode(root, sink)) return decoder.fault();
  }
  DecodeFault fault{FaultKind::kMalformed, begin, "event takes no bits"};
  return fault;
}

void CtfCursor::report_bad_event(Outcome outcome, std::uint64_t begin, const DecodeFault& fault) {
  const std::uint64_t byte = packet_offset_ + begin / 8;
  if (outcome == Outcome::kUnknownId) {
    add_issue(model::IssueCode::kUnknownEventId, byte,
              "event id " + std::to_string(failed_id_) + " at bit " + std::to_string(begin) +
                  " of the packet is not described; the rest of the packet is skipped");
    return;
  }
  std::string what = "event header";
  if (failed_event_ != kNone) {
    what = "event '" + terminal_text(model_.types[stream_->events[failed_event_].type].name) + "'";
  }
  std::string why = fault.what;
  if (fault.kind == FaultKind::kPastContent && machine_.end_bit() < content_end_) {
    why = "event exceeds the limit of 64 MiB";
  }
  add_issue(model::IssueCode::kBadEvent, byte,
            what + " at bit " + std::to_string(begin) + " of the packet: " + why + " at bit " +
                std::to_string(fault.bit) + "; the rest of the packet is skipped");
}

void CtfCursor::fields_json(const model::Event& event, std::string& out) const {
  if (event.type == model::kLossType) {
    const bool known = event.has(model::arg::kLossLost);
    out += known ? "{\"lost\":" + std::to_string(event.u(model::arg::kLossLost)) + "}" : "{}";
    return;
  }
  const auto values = machine_.registers();
  std::vector<std::uint64_t> registers(values.begin(), values.end());
  PlainDecoder decoder(model_.layout, model_.schema->order, registers);
  const std::uint64_t base = std::max(window_.begin(), batch_packet_);
  decoder.set_input(window_.present(base), base - batch_packet_, machine_.end_bit());
  decoder.set_position(event.record);
  decoder.begin_event();
  NullSink nothing;
  const EventModel& model = batch_stream_->events[event.type - batch_stream_->events.front().type];
  // The payload comes last in the file and first in the text, so the contexts are read twice.
  bool fine = decoder.decode(batch_stream_->layout->event_header, nothing);
  const std::uint64_t contexts = decoder.position();
  fine = fine && decoder.decode(batch_stream_->layout->event_context, nothing) &&
         decoder.decode(model.layout->context, nothing);
  JsonSink sink(out);
  fine = fine && decoder.decode(model.layout->fields, sink);
  decoder.set_position(contexts);
  sink.begin_contexts();
  if (fine && decoder.decode(batch_stream_->layout->event_context, sink)) {
    fine = decoder.decode(model.layout->context, sink);
  }
  sink.finish();
}

}  // namespace vs::reader::ctf
