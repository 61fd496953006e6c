// `info`: what is in the traces, which analyses can run, which events are missing.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "query/features.h"
#include "report/cells.h"
#include "report/pages.h"

namespace vs::report {
namespace {

using model::Machine;
using query::Availability;
using query::duration_text;
using query::ExperimentSummary;
using query::TraceSummary;

std::string machine_name(const ExperimentSummary& summary, model::MachineIndex machine) {
  const auto& machines = summary.experiment.machines;
  return machine < machines.size() ? machines[machine].name : std::string();
}

model::Cell ts_cell(const std::optional<HostTime>& time) {
  return time ? cell(time->ns) : model::Cell{};
}

bool windows_known(const TraceSummary& trace) {
  return !trace.sample || trace.sample->losses_known;
}

Section trace_section(const ExperimentSummary& summary) {
  Section section{
      "trace",
      {"trace", "machine", "path", "format", "format_detail", "tracer", "kernel", "clock", "cpus",
       "bytes", "begin_ts", "end_ts", "events", "lost_events", "loss_windows", "sampled_events"},
      {}};
  for (const TraceSummary& t : summary.traces) {
    section.rows.push_back(
        {cell(t.id), text_or_null(machine_name(summary, t.machine)), cell(t.info.path),
         cell(t.info.format), text_or_null(t.info.format_detail), text_or_null(t.info.tracer),
         text_or_null(t.info.kernel), text_or_null(t.info.clock.name),
         cell(std::int64_t{t.info.cpu_count}), cell(t.byte_total()), ts_cell(t.begin),
         ts_cell(t.end), t.sample ? model::Cell{} : cell(t.event_total()), cell(t.lost_events()),
         windows_known(t) ? cell(t.loss_windows()) : model::Cell{},
         t.sample ? cell(t.sample->events) : model::Cell{}});
  }
  return section;
}

Section machine_section(const ExperimentSummary& summary) {
  Section section{
      "machine", {"machine", "kind", "parent", "vmm_pid", "vcpus", "traced", "joined"}, {}};
  for (const Machine& m : summary.experiment.machines) {
    const bool vm = m.kind == model::MachineKind::kVm;
    section.rows.push_back(
        {cell(m.name), cell(vm ? "vm" : "host"), text_or_null(machine_name(summary, m.parent)),
         m.vmm_pid < 0 ? model::Cell{} : cell(std::int64_t{m.vmm_pid}),
         cell(std::uint64_t{m.vcpus.size()}), cell(std::int64_t{m.traces.empty() ? 0 : 1}),
         cell(std::int64_t{m.joined ? 1 : 0})});
  }
  return section;
}

Section vcpu_section(const ExperimentSummary& summary) {
  Section section{"vcpu", {"machine", "vcpu", "host_tid"}, {}};
  for (const Machine& m : summary.experiment.machines) {
    for (const model::Vcpu& vcpu : m.vcpus) {
      for (const model::VcpuThread& thread : vcpu.threads) {
        section.rows.push_back(
            {cell(m.name), cell(std::int64_t{vcpu.id}), cell(std::int64_t{thread.tid})});
      }
    }
  }
  return section;
}

std::vector<query::EventCount> by_count(const TraceSummary& trace) {
  auto events = trace.events;
  std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
    if (a.count != b.count) return a.count > b.count;
    return a.name < b.name;
  });
  return events;
}

Section event_section(const ExperimentSummary& summary) {
  Section section{"event", {"trace", "machine", "name", "count", "sampled"}, {}};
  for (const TraceSummary& trace : summary.traces) {
    for (const query::EventCount& event : by_count(trace)) {
      section.rows.push_back({cell(trace.id), text_or_null(machine_name(summary, trace.machine)),
                              cell(event.name), trace.sample ? model::Cell{} : cell(event.count),
                              trace.sample ? cell(event.count) : model::Cell{}});
    }
  }
  return section;
}

Section analysis_section(const ExperimentSummary& summary) {
  Section section{"analysis",
                  {"analysis", "title", "machine", "available", "missing_events",
                   "better_with_events", "command"},
                  {}};
  for (const query::FeatureStatus& s : query::feature_statuses(summary)) {
    auto wanted = s.missing;
    wanted.insert(wanted.end(), s.unrefined.begin(), s.unrefined.end());
    section.rows.push_back(
        {cell(s.feature->id), cell(s.feature->title), cell(machine_name(summary, s.machine)),
         cell(query::name_of(s.availability)), text_or_null(query::kind_list(s.missing)),
         text_or_null(query::kind_list(s.unrefined)),
         wanted.empty() ? model::Cell{} : cell(query::record_command(summary, s.machine, wanted))});
  }
  return section;
}

std::string traces_text(const ExperimentSummary& summary, const Painter& paint,
                        const TextOptions& options) {
  std::string out = paint(Tone::kTitle, "Traces") + "\n";
  for (const TraceSummary& t : summary.traces) {
    std::vector<std::string> facts;
    for (const std::string& fact :
         {t.info.format_detail.empty() ? t.info.format : t.info.format_detail, t.info.tracer,
          t.info.kernel.empty() ? "" : "kernel " + t.info.kernel,
          t.info.clock.name.empty() ? "" : "clock " + t.info.clock.name,
          plural(t.info.cpu_count, "CPU", "CPUs")}) {
      if (!fact.empty()) facts.push_back(terminal_text(fact));
    }
    out += "  " + paint(Tone::kTitle, clip(terminal_text(t.info.path), options.width - 4)) +
           "\n    " + wrap(fmt::format("{}", fmt::join(facts, " · ")), options.width - 4, "    ") +
           "\n";
    const auto lost = t.lost_events();
    std::string line = fmt::format(
        "{}, {}", t.sample ? "events not counted" : plural(t.event_total(), "event", "events"),
        bytes_text(t.byte_total()));
    if (t.begin && t.end) line += fmt::format(" in {}", duration_text(*t.end - *t.begin));
    line += !lost        ? ", losses unknown"
            : *lost == 0 ? ", none lost"
                         : ", " + count_text(*lost) + " lost";
    if (!t.info.is_kernel) line += ", not a kernel trace: only events can be shown";
    if (const std::string name = machine_name(summary, t.machine); !name.empty()) {
      line = terminal_text(name) + ": " + line;
    }
    out += "    " + line + "\n";
  }
  for (const query::RefusedTrace& refused : summary.refused) {
    out += "  " + paint(Tone::kBad, "✗") + " " +
           wrap(terminal_text(refused.path + ": " + refused.error.to_string()), options.width - 4,
                "    ") +
           "\n";
  }
  return out;
}

std::string vcpu_list(const Machine& machine) {
  constexpr std::size_t kMost = 6;
  std::vector<std::string> names;
  for (const model::Vcpu& vcpu : machine.vcpus) {
    std::vector<std::string> tids;
    for (const auto& thread : vcpu.threads) tids.push_back(std::to_string(thread.tid));
    names.push_back(fmt::format("{} (tid {})", vcpu.id, fmt::join(tids, ", ")));
  }
  return plural(machine.vcpus.size(), "vCPU", "vCPUs") +
         (names.empty() ? "" : ": " + name_list(names, kMost));
}

/// A guest's clock may be joined with its host's, and that with no other host's.
std::string clock_text(const ExperimentSummary& summary, const Machine& machine) {
  if (machine.traces.empty()) return "no trace of its own";
  const auto segments = machine.clock.segments();
  const auto method = segments.empty() ? model::SyncMethod::kNone : segments.front().method;
  const bool found = method == model::SyncMethod::kReference
                         ? machine.joined
                         : method != model::SyncMethod::kNone &&
                               segments.front().quality != model::SyncQuality::kFailed;
  if (!found) return "traced, clock not joined";
  const auto& segment = segments.front();
  std::string text =
      fmt::format("traced, clock {} ({})",
                  model::sync_quality_names()[static_cast<std::size_t>(segment.quality)],
                  model::sync_method_names()[static_cast<std::size_t>(segment.method)]);
  const std::string host = terminal_text(std::string(machine_name(summary, machine.parent)));
  if (!machine.joined && !host.empty()) text += " with " + host + " only";
  return text;
}

std::string machine_text(const ExperimentSummary& summary, const Machine& machine) {
  std::string text = terminal_text(machine.name);
  if (machine.kind != model::MachineKind::kVm) {
    const std::string first =
        terminal_text(std::string(machine_name(summary, summary.experiment.reference)));
    return text + " host" + (machine.joined ? "" : ", clock not joined with " + first);
  }
  text += " VM";
  if (machine.vmm_pid >= 0) text += fmt::format(", VMM pid {}", machine.vmm_pid);
  return text + ", " + vcpu_list(machine) + ", " + clock_text(summary, machine);
}

/// A machine's guests, each with its own below it; `before`: what stands at the left of the tree.
void append_guests(const ExperimentSummary& summary, model::MachineIndex host,
                   const std::string& before, std::size_t width, std::string& out) {
  const auto& machines = summary.experiment.machines;
  std::vector<model::MachineIndex> guests;
  for (model::MachineIndex i = 0; i < machines.size(); ++i) {
    // Guests follow their hosts, so that this ends whatever a history says.
    if (machines[i].parent == host && i > host) guests.push_back(i);
  }
  for (const model::MachineIndex guest : guests) {
    const bool last = guest == guests.back();
    const std::string below = before + (last ? "   " : "│  ");
    out += "  " + before + (last ? "└─ " : "├─ ") +
           wrap(machine_text(summary, machines[guest]), width - 6, "  " + below + "  ") + "\n";
    append_guests(summary, guest, below, width, out);
  }
}

std::string machines_text(const ExperimentSummary& summary, const Painter& paint,
                          std::size_t width) {
  const auto& machines = summary.experiment.machines;
  std::string out = paint(Tone::kTitle, "Machines") + "\n";
  for (model::MachineIndex i = 0; i < machines.size(); ++i) {
    const auto parent = machines[i].parent;
    if (parent < machines.size() && parent < i) continue;
    out += "  " + wrap(machine_text(summary, machines[i]), width - 6, "    ") + "\n";
    append_guests(summary, i, "", width, out);
  }
  return machines.empty() ? "" : out;
}

std::string events_text(const ExperimentSummary& summary, const Painter& paint, std::size_t width) {
  constexpr std::size_t kMost = 12;
  std::string out = paint(Tone::kTitle, "Events") + "\n";
  for (const TraceSummary& trace : summary.traces) {
    std::string text = terminal_text(std::string(machine_name(summary, trace.machine)));
    if (trace.sample) text += fmt::format(", of {} read", count_text(trace.sample->events));
    text += text.empty() ? "" : ":";
    auto events = by_count(trace);
    const auto unseen = std::find_if(events.begin(), events.end(),
                                     [](const query::EventCount& e) { return e.count == 0; });
    const auto declared = events.end() - unseen;
    events.erase(unseen, events.end());
    for (std::size_t i = 0; i < events.size() && i < kMost; ++i) {
      text += fmt::format(" {} {}{}", terminal_text(events[i].name), count_text(events[i].count),
                          i + 1 < events.size() ? "," : "");
    }
    if (events.size() > kMost) text += fmt::format(" {} more types", events.size() - kMost);
    if (declared > 0) text += fmt::format("; {} declared, not in the sample", declared);
    out += "  " + wrap(text, width - 2, "    ") + "\n";
  }
  return summary.traces.empty() ? "" : out;
}

// The machines on which a feature stands alike.
struct FeatureGroup {
  query::FeatureStatus status;
  std::vector<std::string> machines;
  std::string command;
};

std::vector<FeatureGroup> feature_groups(const ExperimentSummary& summary) {
  std::vector<FeatureGroup> groups;
  for (query::FeatureStatus& status : query::feature_statuses(summary)) {
    const std::string name = terminal_text(machine_name(summary, status.machine));
    const std::string command = query::record_command(summary, status.machine, status.missing);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const FeatureGroup& group) {
      return group.status.feature == status.feature && group.status.missing == status.missing &&
             group.status.unrefined == status.unrefined && group.command == command;
    });
    if (same != groups.end()) {
      same->machines.push_back(name);
    } else {
      groups.push_back({std::move(status), {name}, command});
    }
  }
  return groups;
}

std::string analyses_text(const ExperimentSummary& summary, const Painter& paint,
                          std::size_t width) {
  std::string out;
  for (const FeatureGroup& group : feature_groups(summary)) {
    const query::FeatureStatus& s = group.status;
    const bool missing = s.availability == Availability::kMissing;
    std::string text = fmt::format("{}: {}", s.feature->title, name_list(group.machines, 5));
    if (missing) {
      text += fmt::format(", needs {}", query::kind_list(s.missing));
    } else if (s.availability == Availability::kPartial) {
      auto wanted = s.missing;
      wanted.insert(wanted.end(), s.unrefined.begin(), s.unrefined.end());
      text += fmt::format("; better with {} ({})", query::kind_list(wanted), s.feature->refinement);
    }
    out += "  " + paint(missing ? Tone::kBad : Tone::kGood, missing ? "✗" : "✓") + " " +
           wrap(text, width - 4, "    ") + "\n";
    if (missing) {
      out += paint(Tone::kDim, "    record: ") + wrap_command(group.command, width - 14, "      ") +
             "\n";
    }
  }
  return out.empty() ? out : paint(Tone::kTitle, "Analyses") + "\n" + out;
}

}  // namespace

Document info_document(const ExperimentSummary& summary) {
  return {{trace_section(summary), machine_section(summary), vcpu_section(summary),
           event_section(summary), analysis_section(summary)}};
}

std::string info_text(const ExperimentSummary& summary, const TextOptions& options) {
  const Painter paint(options.colour);
  std::uint64_t events = 0;
  for (const TraceSummary& trace : summary.traces) events += trace.event_total();
  std::string out = paint(Tone::kTitle, clip(terminal_text(summary.name), 40)) + "   " +
                    plural(summary.traces.size(), "trace", "traces") + "   " +
                    (summary.sampled() ? "overview" : plural(events, "event", "events"));
  if (const auto begin = summary.begin(), end = summary.end(); begin && end) {
    out += "   " + duration_text(*end - *begin) + " from " +
           time_text(*begin, summary.experiment.epoch);
  }
  out += "\n";
  if (summary.sampled()) {
    out += wrap("Headers and " + plural(events, "event", "events") +
                    " were read: numbers of events are not known, and machines, vCPUs and analyses "
                    "are those of this sample. --full reads everything; so does every other "
                    "command, once.",
                options.width, "") +
           "\n";
  }
  for (const std::string& part :
       {traces_text(summary, paint, options), machines_text(summary, paint, options.width),
        events_text(summary, paint, options.width), analyses_text(summary, paint, options.width)}) {
    if (!part.empty()) out += "\n" + part;
  }
  return out;
}

}  // namespace vs::report
