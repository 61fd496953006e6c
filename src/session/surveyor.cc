#include "session/surveyor.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "session/arguments.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;

/// trace.dat names the guests of its recording and the threads of their vCPUs.
void add_guest_list(const reader::TraceInfo& info, std::vector<analysis::vcpu::VmHint>& hints) {
  for (const reader::GuestLink& guest : info.guests) {
    analysis::vcpu::VmHint hint;
    hint.name = guest.name;
    for (std::size_t v = 0; v < guest.vcpu_tids.size(); ++v) {
      if (guest.vcpu_tids[v] > 0) {
        hint.threads.push_back({static_cast<std::int32_t>(v), guest.vcpu_tids[v]});
      }
    }
    hints.push_back(std::move(hint));
  }
}

void note_block_device(const Event& event, TraceSurvey& out) {
  constexpr std::size_t kMaxDevices = 4096;
  if (event.texts[0].empty() || !event.has(model::arg::kStateDevice)) return;
  if (out.block_devices.size() == kMaxDevices) return;
  out.block_devices.push_back(
      {model::kNoMachine, event.u(model::arg::kStateDevice), std::string(event.texts[0])});
}

model::KindSet looked_into() {
  return model::KindSet::of({EventKind::kStatedumpBlockDevice})
      .add(analysis::kernel::InitialStateCollector::kinds())
      .add(analysis::vcpu::Discovery::kinds())
      .add(EvidenceGatherer::kinds(EvidenceRoles{true, false}));
}

/// A trace without any of KVM's events can tell nothing of VMs but what others know of them.
bool may_show_vms(const reader::Trace& trace) {
  const model::KindSet kinds = analysis::vcpu::Discovery::vcpu_kinds();
  return !trace.info().guests.empty() ||
         std::ranges::any_of(trace.event_types(), [&kinds](const reader::EventTypeInfo& type) {
           return kinds.has(type.kind);
         });
}

/// What one event of a kind has to be shown to, beside the initial state.
enum Looker : std::uint8_t { kLookDevices = 1, kLookEvidence = 2 };
using Lookers = std::array<std::uint8_t, model::kEventKindCount>;

const Lookers& lookers() {
  static const Lookers kLookers = [] {
    Lookers table{};
    const model::KindSet evidence = EvidenceGatherer::kinds(EvidenceRoles{true, false});
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (evidence.has(static_cast<EventKind>(i))) table[i] = kLookEvidence;
    }
    table[static_cast<std::size_t>(EventKind::kStatedumpBlockDevice)] |= kLookDevices;
    return table;
  }();
  return kLookers;
}

void report_pointer_ids(const reader::TraceInfo& info, const analysis::vcpu::Discovery& discovery,
                        model::IssueLog& issues) {
  if (!discovery.entry_ids_are_pointers()) return;
  issues.add({model::IssueCode::kVcpuIdIsPointer, info.path, info.path, 1,
              "kvm_entry's vcpu_id is no vCPU number"});
}

}  // namespace

Surveyor::Surveyor(const reader::Trace& trace, bool alone, bool hinted)
    : trace_(trace),
      kernel_(trace.info().is_kernel),
      every_time_(!alone),
      vms_(hinted || may_show_vms(trace)),
      evidence_(EvidenceRoles{!alone, !alone}) {
  out_.events_by_type.assign(trace.event_types().size(), 0);
  for (const reader::ThreadName& name : trace.info().thread_names) {
    initial_.add_known_name(name.tid, name.comm);
  }
  request_.choice = kernel_ ? survey_arguments(looked_into()) : reader::ArgumentChoice::none();
}

void Surveyor::begin_stream(std::size_t stream) {
  out_.streams.push_back({stream, 0});
  cpu_ = trace_.streams()[stream].cpu;
  last_ = kOwnTimeMin;
  reversed_ = false;
}

void Surveyor::end_stream() { out_.time_reversals += reversed_ ? 1 : 0; }

void Surveyor::on_events(std::span<const Event> events) {
  count(events);
  look(events);
}

void Surveyor::on_gap(OwnTime begin, OwnTime end) {
  Event gap;
  gap.kind = EventKind::kLoss;
  gap.type = model::kLossType;
  gap.own = begin;
  gap.cpu = cpu_;
  gap.args[model::arg::kLossEndOwn] = static_cast<std::uint64_t>(end.value);
  gap.present = 1U << model::arg::kLossEndOwn;
  look({&gap, 1});
}

void Surveyor::look(std::span<const Event> events) {
  if (!kernel_) return;
  initial_.on_events(events, cpu_);
  if (vms_) discovery_.on_events(events, cpu_);
  if (every_time_) evidence_.on_events(events, cpu_);
  const Lookers& table = lookers();
  for (const Event& event : events) {
    const std::uint8_t looks = table[static_cast<std::size_t>(event.kind)];
    if (looks == 0) continue;
    if ((looks & kLookDevices) != 0) note_block_device(event, out_);
    if ((looks & kLookEvidence) != 0 && !every_time_) evidence_.on_events({&event, 1}, cpu_);
  }
}

void Surveyor::count(std::span<const Event> events) {
  std::uint64_t* const by_type = out_.events_by_type.data();
  OwnTime first = first_;
  OwnTime end = end_;
  OwnTime last = last_;
  std::uint64_t count = 0;
  for (const Event& event : events) {
    if (event.kind == EventKind::kLoss) {
      if (!header_losses_) count_loss(event, out_.streams.back().stream);
      continue;
    }
    ++by_type[event.type];
    ++count;
    first = std::min(first, event.own);
    if (event.own < last) reversed_ = true;
    last = event.own;
    end = std::max(end, last);
  }
  out_.streams.back().events += count;
  first_ = first;
  end_ = end;
  last_ = last;
}

void Surveyor::on_header_losses(std::span<const Event> losses, std::size_t stream) {
  for (const Event& event : losses) count_loss(event, stream);
}

// Beyond the limit the windows of a stream become one: what it covers and what was lost stay right.
void Surveyor::count_loss(const Event& event, std::size_t stream) {
  LossWindow window{event.cpu == model::kNoCpu ? trace_.streams()[stream].cpu : event.cpu,
                    event.own, OwnTime{event.i(model::arg::kLossEndOwn)}, std::nullopt, stream};
  if (event.has(model::arg::kLossLost)) window.lost = event.u(model::arg::kLossLost);
  const bool full = out_.losses.size() >= limits::kLossWindows;
  if (!full || out_.losses.back().stream != stream) {
    out_.losses.push_back(window);
    return;
  }
  LossWindow& last = out_.losses.back();
  last.begin = std::min(last.begin, window.begin);
  last.end = std::max(last.end, window.end);
  if (last.lost && window.lost) {
    *last.lost += *window.lost;
  } else {
    last.lost.reset();
  }
  ++merged_losses_;
}

void Surveyor::finish_counts() {
  const std::span<const reader::EventTypeInfo> types = trace_.event_types();
  for (std::size_t i = 0; i < types.size(); ++i) {
    out_.events += out_.events_by_type[i];
    if (out_.events_by_type[i] > 0) out_.kinds.add(types[i].kind);
  }
  if (out_.events == 0) return;
  out_.begin = first_;
  out_.end = end_;
}

TraceSurvey Surveyor::finish(std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues) {
  finish_counts();
  out_.initial = initial_.finish();
  add_guest_list(trace_.info(), hints);
  out_.vms = discovery_.finish(std::move(hints));
  report_pointer_ids(trace_.info(), discovery_, issues);
  if (merged_losses_ > 0) {
    issues.add({model::IssueCode::kLossesMerged, trace_.info().path, trace_.info().path,
                merged_losses_,
                "loss windows after the first " + std::to_string(limits::kLossWindows) +
                    " were joined with the one before"});
  }
  if (!every_time_ && out_.events != 0) evidence_.note_extent(first_, end_, out_.events);
  out_.evidence = evidence_.finish();
  return std::move(out_);
}

}  // namespace vs::session
