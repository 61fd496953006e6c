#include "session/small_tables.h"

#include <algorithm>

namespace vs::session {
namespace {

using model::Cell;
using model::Row;
using model::SmallTable;
using model::TableId;

Cell integer(std::int64_t value) { return Cell{value}; }
Cell text(std::string_view value) { return value.empty() ? Cell{} : Cell{std::string(value)}; }
Cell positive(std::int32_t value) { return value < 0 ? Cell{} : Cell{std::int64_t{value}}; }

template <typename Enum>
Cell word(Enum value, std::span<const std::string_view> names) {
  return Cell{std::string(names[static_cast<std::size_t>(value)])};
}

const model::Machine* machine_of(const TableInput& input, const TableTrace& trace) {
  return trace.machine == model::kNoMachine ? nullptr : &input.experiment->machines[trace.machine];
}

Cell name_of(const model::Machine* machine) {
  return machine == nullptr ? Cell{} : text(machine->name);
}

Cell host_time(const TableInput& input, std::size_t trace, std::optional<OwnTime> own) {
  return own ? integer(input.joined->traces[trace].clock.to_host(*own).ns) : Cell{};
}

/// A segment's part of the trace's extent, in own time.
struct Extent {
  OwnTime begin;
  OwnTime end;
};
Extent clip(const model::ClockSegment& segment, const TraceSurvey& survey, bool first) {
  Extent extent{survey.begin.value_or(OwnTime{}), survey.end.value_or(OwnTime{})};
  if (!first) extent.begin = std::max(extent.begin, segment.own_begin);
  if (segment.own_end != kOwnTimeMax) extent.end = std::min(extent.end, segment.own_end);
  return extent;
}

/// The trace's own timestamp in ns: ticks are converted with the segment's rate (design.md 5).
std::int64_t own_ns(const reader::ClockInfo& clock, const model::ClockSegment& segment,
                    OwnTime own) {
  if (clock.unit == reader::ClockInfo::Unit::kNanoseconds) return own.value;
  return static_cast<std::int64_t>((static_cast<Int128>(own.value) * segment.rate) >>
                                   model::kRateShift);
}

Row clock_row(const TableInput& input, std::size_t t, std::size_t s) {
  const TableTrace& trace = input.traces[t];
  const TraceJoin& join = input.joined->traces[t];
  const model::ClockSegment& segment = join.clock.segments()[s];
  const Extent extent = clip(segment, *trace.survey, s == 0);
  const HostTime begin = join.clock.to_host(extent.begin);
  std::uint64_t used = 0;
  std::uint64_t rejected = 0;
  for (const model::FactCount& fact : segment.facts) {
    used += fact.used;
    rejected += fact.rejected;
  }
  const bool shared = s < join.shares.size() && join.shares[s].covered > 0;
  return {name_of(machine_of(input, trace)),
          integer(static_cast<std::int64_t>(s)),
          integer(begin.ns),
          integer(join.clock.to_host(extent.end).ns),
          word(segment.method, model::sync_method_names()),
          word(segment.quality, model::sync_quality_names()),
          integer(begin.ns - own_ns(trace.info->clock, segment, extent.begin)),
          integer(segment.drift_ppb),
          segment.error_max_ns < 0 ? Cell{} : integer(segment.error_max_ns),
          integer(static_cast<std::int64_t>(used)),
          integer(static_cast<std::int64_t>(rejected)),
          shared ? Cell{join.shares[s].outside_before} : Cell{},
          shared ? Cell{join.shares[s].outside_after} : Cell{}};
}

}  // namespace

std::optional<std::uint64_t> lost_events(const reader::TraceInfo& info, const TraceSurvey& survey) {
  if (survey.sample && !survey.sample->losses_known) return info.lost_events;
  std::uint64_t total = 0;
  for (const LossWindow& window : survey.losses) {
    if (!window.lost) return std::nullopt;
    total += *window.lost;
  }
  if (info.lost_events) return std::max(*info.lost_events, total);
  // LTTng counts in every packet, so no window means no loss; a trace.dat without statistics is
  // silent.
  if (info.format == "ctf" || !survey.losses.empty()) return total;
  return std::nullopt;
}

SmallTable trace_table(const TableInput& input) {
  SmallTable table{TableId::kTrace, {}};
  for (std::size_t t = 0; t < input.traces.size(); ++t) {
    const TableTrace& trace = input.traces[t];
    const auto lost = lost_events(*trace.info, *trace.survey);
    table.rows.push_back({integer(static_cast<std::int64_t>(t)), name_of(machine_of(input, trace)),
                          text(trace.path), text(trace.info->format), text(trace.info->tracer),
                          text(trace.info->clock.name), host_time(input, t, trace.survey->begin),
                          host_time(input, t, trace.survey->end),
                          integer(static_cast<std::int64_t>(trace.survey->events)),
                          lost ? integer(static_cast<std::int64_t>(*lost)) : Cell{},
                          integer(static_cast<std::int64_t>(trace.survey->losses.size()))});
  }
  return table;
}

namespace {

/// A VM whose vCPU threads were all born within the host's trace booted there: its first entry.
Cell boot_of(const TableInput& input, const model::Machine& machine) {
  if (machine.parent == model::kNoMachine || machine.vcpus.empty()) return {};
  const model::Machine& host = input.experiment->machines[machine.parent];
  if (host.traces.empty()) return {};
  const auto& existed = input.traces[host.traces.front()].survey->initial.threads;
  OwnTime first = kOwnTimeMax;
  for (const model::Vcpu& vcpu : machine.vcpus) {
    for (const model::VcpuThread& thread : vcpu.threads) {
      const bool old = std::any_of(existed.begin(), existed.end(),
                                   [&](const auto& known) { return known.tid == thread.tid; });
      if (old) return {};
      first = std::min(first, thread.first);
    }
  }
  return first == kOwnTimeMax ? Cell{} : integer(host.clock.to_host(first).ns);
}

}  // namespace

SmallTable machine_table(const TableInput& input) {
  SmallTable table{TableId::kMachine, {}};
  for (const model::Machine& machine : input.experiment->machines) {
    const bool vm = machine.kind == model::MachineKind::kVm;
    const bool has_parent = machine.parent != model::kNoMachine;
    table.rows.push_back(
        {text(machine.name), word(machine.kind, model::machine_kind_names()),
         has_parent ? text(input.experiment->machines[machine.parent].name) : Cell{},
         positive(machine.vmm_pid), text(machine.uuid),
         vm ? integer(static_cast<std::int64_t>(machine.vcpus.size())) : Cell{},
         boot_of(input, machine)});
  }
  return table;
}

SmallTable clock_sync_table(const TableInput& input) {
  SmallTable table{TableId::kClockSync, {}};
  for (std::size_t t = 0; t < input.traces.size(); ++t) {
    const model::Machine* machine = machine_of(input, input.traces[t]);
    if (machine == nullptr || machine->traces.front() != t) continue;
    for (std::size_t s = 0; s < input.joined->traces[t].clock.segments().size(); ++s) {
      table.rows.push_back(clock_row(input, t, s));
    }
  }
  return table;
}

SmallTable loss_table(const TableInput& input) {
  SmallTable table{TableId::kLoss, {}};
  for (std::size_t t = 0; t < input.traces.size(); ++t) {
    const TableTrace& trace = input.traces[t];
    for (const LossWindow& window : trace.survey->losses) {
      const HostTime begin = input.joined->traces[t].clock.to_host(window.begin);
      const HostTime end =
          input.joined->traces[t].clock.to_host(std::max(window.end, window.begin));
      table.rows.push_back(
          {integer(static_cast<std::int64_t>(t)), name_of(machine_of(input, trace)),
           window.cpu == model::kNoCpu ? Cell{} : integer(window.cpu), integer(begin.ns),
           integer(end - begin),
           window.lost ? integer(static_cast<std::int64_t>(*window.lost)) : Cell{}});
    }
  }
  return table;
}

SmallTable vcpu_table(const TableInput& input) {
  SmallTable table{TableId::kVcpu, {}};
  for (const model::Machine& machine : input.experiment->machines) {
    if (machine.parent == model::kNoMachine) continue;
    const model::Machine& host = input.experiment->machines[machine.parent];
    for (const model::Vcpu& vcpu : machine.vcpus) {
      for (const model::VcpuThread& thread : vcpu.threads) {
        table.rows.push_back({text(machine.name), integer(vcpu.id), text(host.name),
                              integer(thread.tid), integer(host.clock.to_host(thread.first).ns),
                              integer(host.clock.to_host(thread.last).ns)});
      }
    }
  }
  return table;
}

SmallTable issue_table(const std::vector<LocatedIssue>& issues) {
  SmallTable table{TableId::kIssue, {}};
  for (const LocatedIssue& located : issues) {
    const model::Issue& issue = located.issue;
    const model::IssueSpec& spec = model::spec_of(issue.code);
    table.rows.push_back(
        {text(model::name_of(spec.severity)), text(spec.origin), text(spec.name),
         located.trace ? integer(static_cast<std::int64_t>(*located.trace)) : Cell{},
         text(issue.place), integer(static_cast<std::int64_t>(issue.count)), text(issue.message),
         text(spec.advice)});
  }
  return table;
}

}  // namespace vs::session
