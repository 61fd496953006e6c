#include "session/survey.h"

#include <algorithm>

#include "analysis/vcpu/discovery.h"
#include "session/arguments.h"
#include "session/evidence.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;

/// Counts and extents of one trace.
class Counter {
 public:
  Counter(TraceSurvey& out, std::span<const reader::EventTypeInfo> types)
      : out_(out), types_(types) {
    out_.events_by_type.assign(types.size(), 0);
  }

  void begin_stream(std::size_t stream) {
    out_.streams.push_back({stream, 0});
    last_ = kOwnTimeMin;
    reversed_ = false;
  }

  void on_events(std::span<const Event> events, std::uint32_t cpu) {
    for (const Event& event : events) {
      if (event.kind == EventKind::kLoss) {
        on_loss(event, cpu);
        continue;
      }
      ++out_.events_by_type[event.type];
      ++out_.streams.back().events;
      first_ = std::min(first_, event.own);
      end_ = std::max(end_, event.own);
      if (event.own < last_) reversed_ = true;
      last_ = event.own;
    }
  }

  void end_stream() { out_.time_reversals += reversed_ ? 1 : 0; }

  void finish() {
    for (std::size_t i = 0; i < types_.size(); ++i) {
      out_.events += out_.events_by_type[i];
      if (out_.events_by_type[i] > 0) out_.kinds.add(types_[i].kind);
    }
    if (out_.events == 0) return;
    out_.begin = first_;
    out_.end = end_;
  }

 private:
  void on_loss(const Event& event, std::uint32_t cpu) {
    LossWindow window{event.cpu == model::kNoCpu ? cpu : event.cpu, event.own,
                      OwnTime{event.i(model::arg::kLossEndOwn)}, std::nullopt,
                      out_.streams.back().stream};
    if (event.has(model::arg::kLossLost)) window.lost = event.u(model::arg::kLossLost);
    out_.losses.push_back(window);
  }

  TraceSurvey& out_;
  std::span<const reader::EventTypeInfo> types_;
  OwnTime first_ = kOwnTimeMax;
  OwnTime end_ = kOwnTimeMin;
  OwnTime last_ = kOwnTimeMin;
  bool reversed_ = false;
};

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

void note_block_devices(std::span<const Event> events, TraceSurvey& out) {
  constexpr std::size_t kMaxDevices = 4096;
  for (const Event& event : events) {
    if (event.kind != EventKind::kStatedumpBlockDevice || event.texts[0].empty()) continue;
    if (!event.has(model::arg::kStateDevice) || out.block_devices.size() == kMaxDevices) continue;
    out.block_devices.push_back(
        {model::kNoMachine, event.u(model::arg::kStateDevice), std::string(event.texts[0])});
  }
}

model::KindSet looked_into() {
  return model::KindSet::of({EventKind::kStatedumpBlockDevice})
      .add(analysis::kernel::InitialStateCollector::kinds())
      .add(analysis::vcpu::Discovery::kinds())
      .add(EvidenceGatherer::kinds(EvidenceRoles{true, false}));
}

void report_pointer_ids(const reader::TraceInfo& info, const analysis::vcpu::Discovery& discovery,
                        model::IssueLog& issues) {
  if (!discovery.entry_ids_are_pointers()) return;
  issues.add({model::IssueCode::kVcpuIdIsPointer, info.path, info.path, 1,
              "kvm_entry's vcpu_id is no vCPU number"});
}

}  // namespace

Result<TraceSurvey> survey_trace(const reader::Trace& trace,
                                 std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues,
                                 Progress& progress, bool alone) {
  TraceSurvey out;
  Counter counter(out, trace.event_types());
  analysis::kernel::InitialStateCollector initial;
  for (const reader::ThreadName& name : trace.info().thread_names) {
    initial.add_known_name(name.tid, name.comm);
  }
  analysis::vcpu::Discovery discovery;
  EvidenceGatherer evidence(EvidenceRoles{!alone, !alone});
  const bool kernel = trace.info().is_kernel;
  reader::StreamRequest request;
  request.choice = kernel ? survey_arguments(looked_into()) : reader::ArgumentChoice::none();
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor,
              trace.open_stream(s, request, issues));
    const std::uint32_t cpu = trace.streams()[s].cpu;
    std::uint64_t told = 0;
    counter.begin_stream(s);
    for (;;) {
      VS_ASSIGN(const std::span<const Event> events, cursor->next());
      if (events.empty()) break;
      counter.on_events(events, cpu);
      if (kernel) {
        note_block_devices(events, out);
        initial.on_events(events, cpu);
        discovery.on_events(events, cpu);
        evidence.on_events(events, cpu);
      }
      if (const std::uint64_t done = cursor->bytes_done(); done - told > (1U << 20)) {
        progress.add(done - told);
        told = done;
        if (progress.cancelled()) return Progress::cancel_error();
      }
    }
    counter.end_stream();
  }
  counter.finish();
  out.initial = initial.finish();
  add_guest_list(trace.info(), hints);
  out.vms = discovery.finish(std::move(hints));
  report_pointer_ids(trace.info(), discovery, issues);
  out.evidence = evidence.finish();
  return out;
}

}  // namespace vs::session
