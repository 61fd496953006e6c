// `why` as one page for a terminal of 100 columns.

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/why.h"
#include "report/why_parts.h"

namespace vs::report {
namespace {

using model::FlowKind;
using query::duration_text;

constexpr std::size_t kMostGroups = 12;
constexpr std::size_t kMostWorkers = 10;
constexpr std::size_t kNameWidth = 34;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Tone tone_of(FlowKind kind) {
  switch (kind) {
    case FlowKind::kRun:
      return Tone::kGuest;
    case FlowKind::kHypervisor:
      return Tone::kOverhead;
    case FlowKind::kVcpuPreemptedBy:
    case FlowKind::kPreemptedBy:
    case FlowKind::kRunnable:
    case FlowKind::kLockWait:
      return Tone::kStolen;
    case FlowKind::kBlocked:
    case FlowKind::kUnknown:
      break;
  }
  return Tone::kIdle;
}

std::string_view words_of(FlowKind kind) {
  constexpr std::string_view kWords[] = {
      "ran",     "in the hypervisor", "preempted by", "vCPU preempted by", "waited for a CPU",
      "blocked", "waited for a lock", "unknown"};
  return kWords[static_cast<std::size_t>(kind)];
}

// For tables: without the day, as --from takes it.
std::string clock_text(HostTime time, bool epoch) {
  std::string text = time_text(time, epoch);
  if (!epoch) return text;
  constexpr std::string_view kDay = "2026-01-01 ";
  constexpr std::string_view kZone = " UTC";
  if (text.size() < kDay.size() + kZone.size()) return text;
  return text.substr(kDay.size(), text.size() - kDay.size() - kZone.size());
}

std::string who_text(const FlowGroup& group) {
  if (group.machine.empty()) {
    if (group.kind == FlowKind::kBlocked) return terminal_text(group.cause);
    return group.cause == "idle" || group.cause == "halted" ? "nobody (waking up)" : "nobody known";
  }
  std::string text = clip(terminal_text(group.machine), 12);
  if (group.vcpu) text += "/" + std::to_string(*group.vcpu);
  if (!group.comm.empty()) text += " " + clip(terminal_text(group.comm), 16);
  if (group.tid) text += fmt::format(" ({})", *group.tid);
  return text;
}

std::string head(const WhyData& data, const Painter& paint, std::size_t width) {
  std::string out =
      paint(Tone::kTitle, clip(terminal_text(data.machine + "/" + data.comm), 40)) +
      fmt::format(" ({})   {}\n", data.tid, duration_text(data.end - data.begin)) +
      paint(Tone::kDim, fmt::format("from {} to {}", time_text(data.begin, data.epoch),
                                    time_text(data.end, data.epoch))) +
      "\n";
  for (const std::string& note : data.notes) {
    out += paint(Tone::kWarn, wrap(note, width, "")) + "\n";
  }
  const std::int64_t lost = data.kind_ns(FlowKind::kVcpuPreemptedBy) +
                            data.kind_ns(FlowKind::kPreemptedBy) +
                            data.kind_ns(FlowKind::kRunnable);
  const bool bad = ratio(lost, data.total_ns) >= 0.02;
  return out + "\n  " + paint(bad ? Tone::kBad : Tone::kPlain, bad ? "✗" : "·") + " " +
         wrap(data.headline, width - 4, "    ") + "\n";
}

std::string iterations_text(const WhyData& data, const Painter& paint) {
  if (!data.cycle) return {};
  Grid grid({{"iteration", true},
             {"begins at"},
             {"took", true},
             {"ran", true},
             {"hypervisor", true},
             {"robbed", true},
             {"behind others", true},
             {"blocked", true}});
  const auto row = [&](const Iteration& one, std::string name, Tone tone) {
    const auto kind = [&](FlowKind k) { return one.kind_ns[static_cast<std::size_t>(k)]; };
    grid.add(
        {{std::move(name), tone, 0},
         {clock_text(one.begin, data.epoch), Tone::kDim, 0},
         {duration_text(one.dur_ns()), tone, 0},
         {duration_text(kind(FlowKind::kRun)), Tone::kPlain, 0},
         {duration_text(kind(FlowKind::kHypervisor)), Tone::kPlain, 0},
         {duration_text(kind(FlowKind::kVcpuPreemptedBy)), Tone::kStolen, 0},
         {duration_text(kind(FlowKind::kPreemptedBy) + kind(FlowKind::kRunnable)), Tone::kPlain, 0},
         {duration_text(kind(FlowKind::kBlocked)), Tone::kDim, 0}});
  };
  for (const Iteration& slow : data.slow) {
    row(slow, fmt::format("{}", slow.number), Tone::kPlain);
  }
  row(data.cycle->typical, "typical", Tone::kDim);
  return paint(Tone::kTitle, "Slowest iterations") +
         paint(Tone::kDim,
               fmt::format("   of {}, {} one wait in {} to the {}", data.cycle->iterations,
                           data.cycle->with_wait ? "from the end of" : "from",
                           terminal_text(data.cycle->waits_in),
                           data.cycle->with_wait ? "end of the next" : "next")) +
         "\n" + grid.render(paint, 2);
}

std::string kinds_text(const WhyData& data, const Painter& paint) {
  std::vector<Grid::Column> heads = {{""}, {"time", true}, {"%", true}, {""}};
  if (data.cycle) heads.insert(heads.end(), {{"typical", true}, {"more", true}});
  Grid grid(std::move(heads));
  for (std::size_t k = 0; k < model::flow_kind_names().size(); ++k) {
    const auto kind = static_cast<FlowKind>(k);
    std::int64_t typical = 0;
    for (const FlowGroup& group : data.groups) typical += group.kind == kind ? group.typical_ns : 0;
    const std::int64_t total = data.kind_ns(kind);
    if (total == 0 && typical == 0) continue;
    const double part = ratio(total, data.total_ns);
    std::vector<Piece> row = {{std::string(words_of(kind)), Tone::kPlain, 0},
                              {duration_text(total), Tone::kPlain, 0},
                              {percent_text(part), Tone::kPlain, 0},
                              {plain_bar(part, 24), tone_of(kind), 0}};
    if (data.cycle) {
      row.push_back({duration_text(typical), Tone::kDim, 0});
      row.push_back({duration_text(total - typical), Tone::kPlain, 0});
    }
    grid.add(std::move(row));
  }
  return paint(Tone::kTitle, "Where the time went") +
         paint(Tone::kDim, data.cycle ? "   in these iterations, and in as many typical ones"
                                      : "   sums to the window") +
         "\n" + grid.render(paint, 2);
}

std::string culprits_text(const WhyData& data, const Painter& paint) {
  Grid grid({{"who"},
             {"how"},
             {"time", true},
             {"%", true},
             {"times", true},
             {"longest", true},
             {"pCPU", true},
             {"cause"}});
  std::size_t shown = 0;
  for (const FlowGroup& group : data.groups) {
    if (group.kind == FlowKind::kRun || group.total_ns == 0) continue;
    if (shown++ == kMostGroups) break;
    grid.add({{clip(who_text(group), kNameWidth), tone_of(group.kind), 0},
              {std::string(model::flow_kind_names()[static_cast<std::size_t>(group.kind)]),
               Tone::kDim, 0},
              {duration_text(group.total_ns), Tone::kPlain, 0},
              {percent_text(ratio(group.total_ns, data.total_ns)), Tone::kPlain, 0},
              {count_text(group.count), Tone::kPlain, 0},
              {duration_text(group.max_ns), Tone::kPlain, 0},
              {group.pcpu ? std::to_string(*group.pcpu) : "", Tone::kDim, 0},
              {clip(terminal_text(group.cause), 16), Tone::kDim, 0}});
  }
  if (grid.empty()) return {};
  return paint(Tone::kTitle, "Who decided") +
         paint(Tone::kDim, "   blocked: who woke it; hypervisor: itself") + "\n" +
         grid.render(paint, 2);
}

std::string intervals_text(const WhyData& data, const Painter& paint) {
  if (data.intervals.empty()) return {};
  Grid grid({{"at"}, {"lasted", true}, {"what"}, {"who"}, {"pCPU", true}, {"cause"}});
  for (const FlowInterval& one : data.intervals) {
    grid.add({{clock_text(one.ts, data.epoch), Tone::kDim, 0},
              {duration_text(one.dur_ns), Tone::kPlain, 0},
              {std::string(words_of(one.what.kind)), tone_of(one.what.kind), 0},
              {clip(who_text(one.what), kNameWidth - 6), Tone::kPlain, 0},
              {one.what.pcpu ? std::to_string(*one.what.pcpu) : "", Tone::kDim, 0},
              {clip(terminal_text(one.what.cause), 12), Tone::kDim, 0}});
  }
  return paint(Tone::kTitle, "Longest intervals that kept it from running") + "\n" +
         grid.render(paint, 2);
}

std::string one_line(const WhyData& data, std::string_view title,
                     const std::vector<PathShare>& shares, std::size_t width) {
  std::string text;
  for (const PathShare& one : shares) {
    text += fmt::format("{}{} {} %", text.empty() ? "" : ", ",
                        one.machine.empty() ? "unknown" : terminal_text(one.machine),
                        percent_text(ratio(one.total_ns, data.total_ns)));
  }
  const std::string head = fmt::format("  by {:<8}", title);
  return head + wrap(text, width - 13, std::string(13, ' ')) + "\n";
}

std::string path_text(const WhyData& data, const Painter& paint, std::size_t width) {
  if (data.path_workers.empty()) return {};
  Grid grid({{"worker"}, {"time", true}, {"%", true}, {""}, {"pieces", true}});
  for (std::size_t i = 0; i < data.path_workers.size() && i < kMostWorkers; ++i) {
    const PathShare& one = data.path_workers[i];
    std::string name =
        clip(terminal_text(one.machine), 12) + " " + clip(terminal_text(one.comm), 16);
    if (one.tid) name += fmt::format(" ({})", *one.tid);
    const double part = ratio(one.total_ns, data.total_ns);
    grid.add({{std::move(name), Tone::kPlain, 0},
              {duration_text(one.total_ns), Tone::kPlain, 0},
              {percent_text(part), Tone::kPlain, 0},
              {plain_bar(part, 24), Tone::kGuest, 0},
              {count_text(one.count), Tone::kPlain, 0}});
  }
  return paint(Tone::kTitle, "Critical path") +
         paint(Tone::kDim, "   waits replaced by what their wakers did") + "\n" +
         one_line(data, "label", data.path_labels, width) +
         one_line(data, "machine", data.path_machines, width) +
         one_line(data, "layer", data.path_layers, width) + grid.render(paint, 2);
}

std::string missing_text(const WhyData& data, const Painter& paint, std::size_t width) {
  std::string out;
  for (const MissingCause& one : data.missing) {
    out += "  ! " +
           wrap(fmt::format("{} ({} of the time): the trace of {} has no {}", one.cause,
                            duration_text(one.affected_ns), terminal_text(one.machine), one.events),
                width - 4, "    ") +
           "\n";
    if (!one.command.empty()) {
      out += "    " + paint(Tone::kDim, "record them: ") +
             wrap_command(one.command, width - 19, "      ") + "\n";
    }
  }
  return out.empty() ? out : paint(Tone::kTitle, "Not known") + "\n" + out;
}

}  // namespace

std::string why_text(const WhyData& data, const TextOptions& options) {
  const Painter paint(options.colour);
  std::string out = head(data, paint, options.width);
  for (const std::string& part :
       {iterations_text(data, paint), kinds_text(data, paint), culprits_text(data, paint),
        intervals_text(data, paint), path_text(data, paint, options.width),
        why::disk_tables(data, paint), missing_text(data, paint, options.width)}) {
    if (!part.empty()) out += "\n" + part;
  }
  return out;
}

}  // namespace vs::report
