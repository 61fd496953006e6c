#include "session/surveyor.h"

#include <algorithm>

#include "base/limits.h"

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

constexpr std::size_t kMaxDevices = 4096;

void note_block_device(const Event& event, TraceSurvey& out) {
  if (event.texts[0].empty() || !event.has(model::arg::kStateDevice)) return;
  if (out.block_devices.size() == kMaxDevices) return;
  out.block_devices.push_back(
      {model::kNoMachine, event.u(model::arg::kStateDevice), std::string(event.texts[0])});
}

void report_pointer_ids(const reader::TraceInfo& info, const analysis::vcpu::Discovery& discovery,
                        model::IssueLog& issues) {
  if (!discovery.entry_ids_are_pointers()) return;
  issues.add({model::IssueCode::kVcpuIdIsPointer, info.path, info.path, 1,
              "kvm_entry's vcpu_id is no vCPU number"});
}

bool has_unknown_ticks(const reader::ClockInfo& clock) {
  return clock.unit == reader::ClockInfo::Unit::kTicks && !clock.ticks_per_second;
}

/// A trace alone has nothing to be joined to; only its ticks may have to be measured.
EvidenceRoles roles_of(const SurveyScope& scope, const reader::TraceInfo& info) {
  return {!scope.alone, !scope.alone && scope.guest, has_unknown_ticks(info.clock)};
}

}  // namespace

bool Surveyor::may_show_vms(const reader::Trace& trace) {
  const model::KindSet kinds = analysis::vcpu::Discovery::vcpu_kinds();
  return std::ranges::any_of(trace.event_types(), [&kinds](const reader::EventTypeInfo& type) {
    return kinds.has(type.kind);
  });
}

Surveyor::Surveyor(const reader::Trace& trace, SurveyScope scope, VmSearch search)
    : trace_(trace),
      scope_(scope),
      kernel_(trace.info().is_kernel),
      search_(search),
      gathers_(!scope.alone || has_unknown_ticks(trace.info().clock)),
      evidence_(roles_of(scope, trace.info())) {
  if (search == VmSearch::kLeft) rare_ = analysis::vcpu::Discovery::vcpu_kinds();
  if (scope.states) rare_.add(EventKind::kStatedumpBlockDevice);
  out_.events_by_type.assign(trace.event_types().size(), 0);
  for (const reader::ThreadName& name : trace.info().thread_names) {
    initial_.add_known_name(name.tid, name.comm);
  }
}

SurveyedKinds Surveyor::looked_into() const {
  SurveyedKinds kinds;
  // A guest's times come from on_passed().
  if (gathers_) {
    EvidenceRoles roles = roles_of(scope_, trace_.info());
    roles.guest = false;
    kinds.evidence = EvidenceGatherer::kinds(roles);
  }
  using analysis::vcpu::Discovery;
  kinds.discovery = search_ == VmSearch::kDone ? Discovery::kinds() : Discovery::vcpu_kinds();
  if (!scope_.states) return kinds;
  kinds.states = analysis::kernel::InitialStateCollector::kinds();
  kinds.states.add(model::KindSet::of({EventKind::kStatedumpBlockDevice}));
  return kinds;
}

reader::StreamRequest Surveyor::piece_request() const {
  reader::StreamRequest request;
  request.choice = kernel_ ? survey_arguments(looked_into()) : reader::ArgumentChoice::none();
  return request;
}

reader::StreamRequest Surveyor::whole_request() {
  reader::StreamRequest request = piece_request();
  if (!kernel_) return request;
  counts_passed_ = true;
  evidence_.take_times_apart();
  const SurveyedKinds kinds = looked_into();
  request.kinds = kinds.all();
  request.passed = this;
  if (!scope_.states) return request;
  request.fading = initial_.fading();
  std::erase_if(request.fading.rules, [&kinds](const model::FadeRule& rule) {
    return kinds.evidence.has(rule.kind) || kinds.discovery.has(rule.kind);
  });
  return request;
}

void Surveyor::begin_stream(std::size_t stream) {
  out_.streams.push_back({stream, 0});
  initial_.begin_stream();
  evidence_.begin_stream();
  cpu_ = trace_.streams()[stream].cpu;
  last_ = kOwnTimeMin;
  reversed_ = false;
}

void Surveyor::end_stream() { out_.time_reversals += reversed_ ? 1 : 0; }

void Surveyor::on_events(std::span<const Event> events) {
  counts_passed_ ? count_losses(events) : count(events);
  look(events);
}

void Surveyor::on_passed(std::uint32_t cpu, std::span<const std::int64_t> times,
                         std::span<const std::uint16_t> types) {
  std::uint64_t* const counts = out_.events_by_type.data();
  for (const std::uint16_t type : types) ++counts[type];
  out_.streams.back().events += times.size();
  // Hardly any goes back, and then the ends tell all.
  bool reversed = times.front() < last_.value;
  for (std::size_t i = 1; i < times.size(); ++i) reversed |= times[i] < times[i - 1];
  OwnTime least{times.front()};
  OwnTime greatest{times.back()};
  if (reversed) {
    const auto [low, high] = std::ranges::minmax(times);
    least.value = low;
    greatest.value = high;
    reversed_ = true;
  }
  last_ = OwnTime{times.back()};
  first_ = std::min(first_, least);
  end_ = std::max(end_, greatest);
  if (gathers_) evidence_.on_times(cpu == model::kNoCpu ? cpu_ : cpu, times, least, greatest);
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
  if (scope_.states) initial_.on_events(events, cpu_);
  if (search_ == VmSearch::kDone) discovery_.on_events(events, cpu_);
  if (gathers_) evidence_.on_events(events, cpu_);
  for (const Event& event : events) {
    if (!rare_.has(event.kind)) continue;
    if (event.kind == EventKind::kStatedumpBlockDevice) {
      note_block_device(event, out_);
    } else {
      found_vcpu_ = true;
    }
  }
}

void Surveyor::count_losses(std::span<const Event> events) {
  if (header_losses_) return;
  for (const Event& event : events) {
    if (event.kind == EventKind::kLoss) count_loss(event, out_.streams.back().stream);
  }
}

void Surveyor::count(std::span<const Event> events) {
  count_losses(events);
  for (const Event& event : events) {
    if (event.kind == EventKind::kLoss) continue;
    ++out_.events_by_type[event.type];
    ++out_.streams.back().events;
    first_ = std::min(first_, event.own);
    end_ = std::max(end_, event.own);
    if (event.own < last_) reversed_ = true;
    last_ = event.own;
  }
}

void Surveyor::on_header_losses(std::span<const Event> losses, std::size_t stream) {
  for (const Event& event : losses) count_loss(event, stream);
}

// Beyond the limit the windows of a stream become one: what it covers and what was lost stay right.
void Surveyor::count_loss(const Event& event, std::size_t stream) {
  LossWindow window{event.cpu == model::kNoCpu ? trace_.streams()[stream].cpu : event.cpu,
                    event.own, OwnTime{event.i(model::arg::kLossEndOwn)}, std::nullopt, stream};
  if (event.has(model::arg::kLossLost)) window.lost = event.u(model::arg::kLossLost);
  add_loss(window);
}

void Surveyor::add_loss(const LossWindow& window) {
  const bool full = out_.losses.size() >= limits::kLossWindows;
  if (!full || out_.losses.back().stream != window.stream) {
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

bool Surveyor::may_be_split() const { return kernel_ && !gathers_ && search_ == VmSearch::kLeft; }

void Surveyor::take(Surveyor&& later) {
  for (std::size_t i = 0; i < out_.events_by_type.size(); ++i) {
    out_.events_by_type[i] += later.out_.events_by_type[i];
  }
  out_.streams.insert(out_.streams.end(), later.out_.streams.begin(), later.out_.streams.end());
  for (const LossWindow& window : later.out_.losses) add_loss(window);
  merged_losses_ += later.merged_losses_;
  out_.time_reversals += later.out_.time_reversals;
  for (model::BlockDeviceName& device : later.out_.block_devices) {
    if (out_.block_devices.size() < kMaxDevices) out_.block_devices.push_back(std::move(device));
  }
  first_ = std::min(first_, later.first_);
  end_ = std::max(end_, later.end_);
  found_vcpu_ = found_vcpu_ || later.found_vcpu_;
  initial_.take(std::move(later.initial_));
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
  out_.evidence = evidence_.finish();
  return std::move(out_);
}

}  // namespace vs::session
