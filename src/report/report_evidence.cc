// The lower half of the report's page: exits, pCPUs, clocks, data quality, what is missing.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"
#include "query/duration.h"
#include "report/report_page.h"

namespace vs::report::page {
namespace {

using query::duration_text;

constexpr std::size_t kMostReasons = 6;
constexpr std::size_t kMostMachines = 8;
constexpr std::size_t kMostPcpus = 16;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// "kernel 71 stolen 26": the largest parts in percent, in the words of the vCPU table.
std::string split_text(const ExitStat& stat, std::size_t most) {
  constexpr std::array<std::string_view, kExitParts> kWords = {"kernel", "vmm", "halted", "poll",
                                                               "stolen"};
  std::vector<std::pair<double, std::size_t>> parts;
  for (std::size_t i = 0; i < kExitParts; ++i) {
    parts.emplace_back(ratio(stat.parts_ns[i], stat.total_ns), i);
  }
  std::sort(parts.rbegin(), parts.rend());
  std::string text;
  for (std::size_t i = 0; i < most && parts[i].first >= (i == 0 ? 0.01 : 0.05); ++i) {
    text +=
        fmt::format("{}{} {:.0f}", i > 0 ? " " : "", kWords[parts[i].second], 100 * parts[i].first);
  }
  return text;
}

std::vector<Piece> exit_row(const ExitStat& stat, std::string label, double seconds,
                            std::size_t parts) {
  const auto& d = stat.durations;
  const double per_second = seconds > 0 ? static_cast<double>(stat.count()) / seconds : 0;
  return {{"  " + std::move(label)},
          {count_text(stat.count())},
          {rate_text(per_second)},
          {duration_text(stat.total_ns)},
          {duration_text(static_cast<std::int64_t>(stat.mean_ns))},
          {duration_text(d.quantile(0.5))},
          {duration_text(d.quantile(0.99))},
          {duration_text(d.max())},
          {split_text(stat, parts), Tone::kDim, 0}};
}

// A machine's reasons by the time that is not the guest's own idling.
void add_machine(std::vector<const ExitStat*> stats, double seconds, std::size_t parts,
                 Grid& grid) {
  std::stable_sort(stats.begin(), stats.end(), [](const ExitStat* a, const ExitStat* b) {
    return a->busy_ns() > b->busy_ns();
  });
  grid.add_line(clip(terminal_text(stats[0]->machine), 60), Tone::kPlain);
  const std::size_t shown = stats.size() <= kMostReasons + 1 ? stats.size() : kMostReasons;
  for (std::size_t i = 0; i < shown; ++i) {
    grid.add(exit_row(*stats[i], clip(terminal_text(stats[i]->reason), 18), seconds, parts));
  }
  if (shown == stats.size()) return;
  ExitStat rest;
  for (std::size_t i = shown; i < stats.size(); ++i) rest.add(*stats[i]);
  grid.add(exit_row(rest, plural(stats.size() - shown, "other reason", "other reasons"), seconds,
                    parts));
}

std::size_t widest_line(std::string_view text) {
  std::size_t widest = 0;
  for (const std::string_view line : split(text, '\n')) {
    widest = std::max(widest, display_width(line));
  }
  return widest;
}

// "vm1 41 %, vm2 30 %": the VMs on a pCPU, largest first.
std::string occupants_text(const PcpuShare& pcpu) {
  std::vector<std::pair<std::int64_t, std::string>> list;
  for (const auto& [name, ns] : pcpu.vm_ns) list.emplace_back(ns, name);
  std::sort(list.rbegin(), list.rend());
  std::string text;
  for (std::size_t i = 0; i < list.size() && i < 2; ++i) {
    if (ratio(list[i].first, pcpu.life_ns) < 0.001) break;
    if (i > 0) text += ", ";
    text += fmt::format("{} {}", clip(terminal_text(list[i].second), 12),
                        share_text(ratio(list[i].first, pcpu.life_ns)));
  }
  return text;
}

std::vector<Piece> pcpu_row(const PcpuShare& pcpu, bool several_hosts, const Painter& paint) {
  const auto share = [&](std::int64_t ns) { return ratio(ns, pcpu.life_ns); };
  const BarPart parts[] = {{share(pcpu.guest_ns), "█", Tone::kGuest},
                           {share(pcpu.hypervisor_ns), "▒", Tone::kOverhead},
                           {share(pcpu.host_ns), "▚", Tone::kStolen},
                           {share(pcpu.idle_ns), "·", Tone::kIdle},
                           {share(pcpu.unknown_ns), "?", Tone::kIdle}};
  constexpr std::size_t kBar = 30;
  std::string name = std::to_string(pcpu.cpu);
  if (several_hosts) name = clip(terminal_text(pcpu.host), 12) + "/" + name;
  std::vector<Piece> row = {{std::move(name)},
                            {stacked_bar(parts, kBar, paint), Tone::kPlain, kBar}};
  for (const BarPart& part : parts) {
    row.push_back({percent_text(part.share), part.share < 0.0005 ? Tone::kDim : Tone::kPlain, 0});
  }
  row.push_back({occupants_text(pcpu), Tone::kDim, 0});
  return row;
}

std::string optional_duration(const std::optional<std::int64_t>& ns) {
  return ns ? duration_text(*ns) : "?";
}

}  // namespace

std::string exits_text(const ReportData& data, const Painter& paint, std::size_t width) {
  std::vector<std::vector<const ExitStat*>> machines;
  for (const ExitStat& stat : data.exits) {
    if (machines.empty() || machines.back().front()->machine != stat.machine) {
      machines.emplace_back();
    }
    machines.back().push_back(&stat);
  }
  if (machines.empty()) return {};
  const std::size_t all = machines.size();
  if (all > kMostMachines) {
    const auto busy = [](const std::vector<const ExitStat*>& stats) {
      std::int64_t sum = 0;
      for (const ExitStat* stat : stats) sum += stat->busy_ns();
      return sum;
    };
    std::stable_sort(machines.begin(), machines.end(),
                     [&](const auto& a, const auto& b) { return busy(a) > busy(b); });
    machines.resize(kMostMachines);
  }
  const double seconds = static_cast<double>(data.duration_ns()) / 1e9;
  const auto table = [&](std::size_t parts) {
    Grid grid({{"reason"},
               {"count", true},
               {"/s", true},
               {"total", true},
               {"mean", true},
               {"p50", true},
               {"p99", true},
               {"max", true},
               {"% of time"}});
    for (const auto& stats : machines) add_machine(stats, seconds, parts, grid);
    return grid;
  };
  // The split says less where the figures leave less room.
  std::size_t parts = 3;
  while (parts > 1 && widest_line(table(parts).render(Painter(false), 2)) > width) --parts;
  std::string out = paint(Tone::kTitle, "VM exits") +
                    paint(Tone::kDim,
                          "   from kvm_exit to the next kvm_entry, sorted by time that is not "
                          "idling") +
                    "\n" + table(parts).render(paint, 2);
  if (all > kMostMachines) {
    out += paint(Tone::kDim, fmt::format("  {} more VMs: virtscope stat\n", all - kMostMachines));
  }
  return out;
}

std::string pcpus_text(const ReportData& data, const Painter& paint) {
  if (data.pcpus.empty()) return {};
  std::vector<const PcpuShare*> list;
  for (const PcpuShare& pcpu : data.pcpus) list.push_back(&pcpu);
  if (list.size() > kMostPcpus) {
    std::stable_sort(list.begin(), list.end(), [](const PcpuShare* a, const PcpuShare* b) {
      return ratio(a->idle_ns, a->life_ns) < ratio(b->idle_ns, b->life_ns);
    });
    list.resize(kMostPcpus);
  }
  Grid grid({{"pCPU"},
             {""},
             {"guest", true},
             {"kernel", true},
             {"host", true},
             {"idle", true},
             {"unknown", true},
             {"VMs on it"}});
  for (const PcpuShare* pcpu : list) grid.add(pcpu_row(*pcpu, data.hosts.size() > 1, paint));
  std::string out = paint(Tone::kTitle, "pCPUs") +
                    paint(Tone::kDim, "   percent of the time; kernel = KVM for a vCPU") + "\n" +
                    grid.render(paint, 2);
  if (list.size() < data.pcpus.size()) {
    out += paint(Tone::kDim, fmt::format("  {} more pCPUs, less busy: --format json\n",
                                         data.pcpus.size() - list.size()));
  }
  return out + paint(Tone::kDim, "  █ guest  ▒ kernel  ▚ host  · idle") + "\n";
}

std::string clocks_text(const ReportData& data, const Painter& paint) {
  Grid grid({{"clock"},
             {"method"},
             {"quality"},
             {"error ≤", true},
             {"drift", true},
             {"events outside guest time: before", true},
             {"after", true}});
  for (const ClockLine& clock : data.clocks) {
    if (clock.method == "reference") continue;
    std::string name = clip(terminal_text(clock.machine), 20);
    if (clock.segment > 0) name += fmt::format(" segment {}", clock.segment);
    const bool bad = clock.quality == "failed" || clock.quality == "absent";
    const auto share = [](const std::optional<double>& value) {
      return value ? share_text(*value) : std::string("-");
    };
    grid.add(
        {{std::move(name)},
         {terminal_text(clock.method)},
         {terminal_text(clock.quality), bad ? Tone::kBad : Tone::kGood, 0},
         {bad ? "?" : optional_duration(clock.error_ns)},
         {clock.drift_ppb ? fmt::format("{:.3f} ppm", static_cast<double>(*clock.drift_ppb) / 1000)
                          : "?"},
         {share(clock.outside_before)},
         {share(clock.outside_after)}});
  }
  if (grid.empty()) return {};
  return paint(Tone::kTitle, "Clocks") + "\n" + grid.render(paint, 2);
}

std::string data_text(const ReportData& data, const Painter& paint, std::size_t width) {
  constexpr std::size_t kMost = 6;
  std::string lines;
  for (const LossLine& loss : data.losses) {
    const std::string where = loss.cpu
                                  ? fmt::format("{} CPU {}", terminal_text(loss.machine), *loss.cpu)
                                  : terminal_text(loss.machine);
    lines +=
        fmt::format("  {} {}: {} lost in {}, {} in all\n", paint(Tone::kWarn, "!"), where,
                    loss.events ? count_text(static_cast<std::uint64_t>(*loss.events)) + " events"
                                : "some events",
                    plural(loss.windows, "window", "windows"), duration_text(loss.total_ns));
    if (std::count(lines.begin(), lines.end(), '\n') >= 8) break;
  }
  std::size_t shown = 0;
  std::size_t serious = 0;
  std::size_t notes = 0;
  for (const IssueLine& issue : data.issues) {
    if (issue.severity == "info") {
      ++notes;
      continue;
    }
    ++serious;
    if (shown == kMost) continue;
    ++shown;
    const bool error = issue.severity == "error";
    std::string text = issue.code;
    if (!issue.place.empty()) text += " " + terminal_text(issue.place);
    text += ": " + terminal_text(issue.message);
    if (issue.count > 1)
      text += fmt::format(" ({} times)", count_text(static_cast<std::uint64_t>(issue.count)));
    lines += "  " + paint(error ? Tone::kBad : Tone::kWarn, error ? "✗" : "!") + " " +
             wrap(text, width - 4, "    ") + "\n";
  }
  if (serious > shown || notes > 0) {
    const std::string more =
        serious > shown ? fmt::format("{} more problems and ", serious - shown) : "";
    lines += paint(Tone::kDim,
                   fmt::format("  {}{}: virtscope check\n", more, plural(notes, "note", "notes")));
  }
  return lines.empty() ? lines : paint(Tone::kTitle, "Data") + "\n" + lines;
}

namespace {

// What the same missing events keep from the same machines.
struct Gap {
  std::vector<std::string> titles;
  std::vector<std::string> machines;
  std::string events;
  std::string command;
};

std::vector<Gap> gaps_of(const ReportData& data) {
  std::vector<Gap> gaps;
  for (std::size_t i = 0; i < data.missing.size();) {
    const auto& status = data.missing[i];
    Gap gap{{std::string(status.feature->title)},
            {},
            query::kind_list(status.missing),
            data.missing_commands[i]};
    for (; i < data.missing.size() && data.missing[i].feature == status.feature &&
           data.missing[i].missing == status.missing && data.missing_commands[i] == gap.command;
         ++i) {
      gap.machines.push_back(terminal_text(data.missing_machines[i]));
    }
    const auto same = std::find_if(gaps.begin(), gaps.end(), [&](const Gap& other) {
      return other.machines == gap.machines && other.command == gap.command;
    });
    if (same == gaps.end()) {
      gaps.push_back(std::move(gap));
    } else {
      same->titles.push_back(gap.titles[0]);
    }
  }
  return gaps;
}

}  // namespace

std::string missing_text(const ReportData& data, const Painter& paint, std::size_t width) {
  std::string out;
  for (const Gap& gap : gaps_of(data)) {
    out += "  " +
           wrap(fmt::format("{}: {} (no {})", name_list(gap.machines, 5),
                            fmt::join(gap.titles, ", "), gap.events),
                width - 2, "    ") +
           "\n" + paint(Tone::kDim, "    record: ") +
           wrap_command(gap.command, width - 14, "      ") + "\n";
  }
  return out.empty() ? out : paint(Tone::kTitle, "Not answered") + "\n" + out;
}

}  // namespace vs::report::page
