// The report as one page for a terminal of 100 columns: what happened in the first lines, the
// evidence below, what could not be said at the end.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/escape.h"
#include "model/states.h"
#include "query/duration.h"
#include "report/pages.h"
#include "report/report_page.h"

namespace vs::report {
namespace {

using model::VcpuState;
using query::duration_text;

constexpr std::size_t kMostVcpus = 24;
constexpr std::size_t kMostVictims = 8;
constexpr std::size_t kMostThieves = 4;
constexpr std::size_t kPcpuWidth = 8;

std::string machines_text(const ReportData& data) {
  std::string text;
  if (data.hosts.size() == 1) {
    text = data.hosts[0] == "host" ? "host" : "host " + terminal_text(data.hosts[0]);
  }
  if (data.hosts.size() > 1) text = plural(data.hosts.size(), "host", "hosts");
  if (!data.vms.empty()) text += " + " + plural(data.vms.size(), "VM", "VMs");
  return text.empty() ? "no kernel trace" : text;
}

std::string lost_text(const ReportData& data) {
  if (data.losses.empty()) {
    if (!data.lost_events) return "no loss seen";  // a tracer here keeps no count
    return *data.lost_events == 0 ? "none lost" : count_text(*data.lost_events) + " lost";
  }
  std::int64_t known = 0;
  for (const LossLine& loss : data.losses) known += loss.events.value_or(0);
  const auto lost = std::max(data.lost_events.value_or(0), static_cast<std::uint64_t>(known));
  return lost == 0 ? "some lost" : count_text(lost) + " lost";
}

// "vm1 and vm2 exact (tsc), error ≤ 1 ns; 0 % of guest events outside guest time"
std::string clock_line(const ReportData& data) {
  std::vector<std::string> joined;
  std::set<std::string> ways;
  std::set<std::string> seen;
  std::int64_t error = 0;
  bool error_known = true;
  std::optional<double> outside;
  for (const ClockLine& clock : data.clocks) {
    if (clock.method == "reference" || clock.quality == "failed" || clock.quality == "absent")
      continue;
    if (seen.insert(clock.machine).second) joined.push_back(terminal_text(clock.machine));
    ways.insert(clock.quality + " (" + clock.method + ")");
    error = std::max(error, clock.error_ns.value_or(0));
    error_known = error_known && clock.error_ns.has_value();
    if (clock.outside_after) outside = std::max(outside.value_or(0), *clock.outside_after);
  }
  if (joined.empty()) return {};
  const std::vector<std::string> ways_list(ways.begin(), ways.end());
  return fmt::format(
      "{} {}{}{}", name_list(joined, 4), name_list(ways_list, 3),
      error_known ? ", error ≤ " + duration_text(error) : "",
      outside ? "; " + share_text(*outside) + " of guest events outside guest time" : "");
}

std::string head(const ReportData& data, const Painter& paint, std::size_t width) {
  const std::string name = terminal_text(data.name);
  std::string out = paint(Tone::kTitle, clip(name, 40)) + "   " +
                    paint(Tone::kTitle, duration_text(data.duration_ns())) + "   " +
                    clip(machines_text(data), 36) + "   " + count_text(data.events) + " events, " +
                    lost_text(data) + "\n";
  out +=
      paint(Tone::kDim, fmt::format("{}     {}", data.has_window ? "window" : "from",
                                    data.has_window ? time_text(data.begin, data.epoch) + " to " +
                                                          time_text(data.end, data.epoch)
                                                    : time_text(data.begin, data.epoch))) +
      "\n";
  const std::string clocks = clock_line(data);
  if (!clocks.empty()) {
    out += paint(Tone::kDim, "clocks   " + wrap(clocks, width - 9, "         ")) + "\n";
  }
  return out;
}

struct Mark {
  std::string_view sign;
  Tone tone;
};
Mark mark_of(Conclusion::Kind kind) {
  switch (kind) {
    case Conclusion::Kind::kBad:
      return {"✗", Tone::kBad};
    case Conclusion::Kind::kWarn:
      return {"!", Tone::kWarn};
    case Conclusion::Kind::kGood:
      return {"✓", Tone::kGood};
    case Conclusion::Kind::kNote:
      break;
  }
  return {"·", Tone::kPlain};
}

std::string conclusions_text(const ReportData& data, const Painter& paint, std::size_t width) {
  constexpr std::size_t kMost = 12;
  std::string out;
  bool said_next = false;
  for (std::size_t i = 0; i < data.conclusions.size() && i < kMost; ++i) {
    const Conclusion& line = data.conclusions[i];
    const Mark mark = mark_of(line.kind);
    out += "  " + paint(mark.tone, mark.sign) + " " + wrap(line.message, width - 4, "    ") + "\n";
    // One command to go on with is help; one per line is noise.
    if (line.next.empty() || said_next) continue;
    said_next = true;
    out += "    " + paint(Tone::kDim, "next: ") +
           wrap_command(terminal_text(line.next), width - 12, "          ") + "\n";
  }
  if (data.conclusions.size() > kMost) {
    out += fmt::format("    {} more: --format json\n", data.conclusions.size() - kMost);
  }
  return out;
}

// The columns of the vCPU table: every state of A.5, so that a row sums to 100 %.
struct StateColumn {
  std::string_view head;
  std::vector<VcpuState> states;
  std::string_view glyph;
  Tone tone;
  bool always;
};
const std::vector<StateColumn>& state_columns() {
  static const std::vector<StateColumn> kColumns = {
      {"guest", {VcpuState::kGuest}, "█", Tone::kGuest, true},
      {"kernel", {VcpuState::kHypervisor, VcpuState::kEmulated}, "▒", Tone::kOverhead, true},
      {"vmm", {VcpuState::kUserspace}, "▒", Tone::kOverhead, false},
      {"irq", {VcpuState::kHostIrq}, "▒", Tone::kOverhead, false},
      {"STOLEN", {VcpuState::kPreempted, VcpuState::kWaking}, "╳", Tone::kStolen, true},
      {"blocked", {VcpuState::kBlocked}, "░", Tone::kIdle, false},
      {"poll", {VcpuState::kPolling}, "·", Tone::kIdle, false},
      {"halted", {VcpuState::kHalted}, "·", Tone::kIdle, true},
      {"stopped", {VcpuState::kStopped}, " ", Tone::kIdle, false},
      {"unknown", {VcpuState::kUnknown}, "?", Tone::kIdle, false},
  };
  return kColumns;
}

double share_in(const VcpuShare& vcpu, const StateColumn& column) {
  std::int64_t ns = 0;
  for (const VcpuState state : column.states) ns += vcpu.in(state);
  return vcpu.life_ns <= 0 ? 0 : static_cast<double>(ns) / static_cast<double>(vcpu.life_ns);
}

std::string pcpus_text(const std::map<std::int64_t, std::int64_t>& pcpus) {
  std::string text;
  for (auto i = pcpus.begin(); i != pcpus.end();) {
    auto last = i;
    auto next = std::next(i);
    while (next != pcpus.end() && next->first == last->first + 1) last = next++;
    text += (text.empty() ? "" : ",") + std::to_string(i->first);
    if (last != i) text += "-" + std::to_string(last->first);
    i = next;
  }
  return text;
}

std::vector<const VcpuShare*> shown_vcpus(const ReportData& data) {
  std::vector<const VcpuShare*> list;
  for (const VcpuShare& vcpu : data.vcpus) list.push_back(&vcpu);
  if (list.size() <= kMostVcpus) return list;
  std::stable_sort(list.begin(), list.end(), [](const VcpuShare* a, const VcpuShare* b) {
    if (a->steal_ns() != b->steal_ns()) return a->steal_ns() > b->steal_ns();
    return a->demand_ns() > b->demand_ns();
  });
  list.resize(kMostVcpus - 4);
  return list;
}

std::string vcpu_name(const std::string& machine, std::int64_t vcpu) {
  return clip(terminal_text(machine), 12) + "/" + std::to_string(vcpu);
}

// The columns that say something, and how wide everything may be.
struct VcpuLayout {
  std::vector<const StateColumn*> columns;
  std::size_t gap = 2;
  std::size_t bar = 0;  // 0 = no room for one
};

VcpuLayout layout_of(std::span<const VcpuShare* const> list, std::size_t width) {
  VcpuLayout layout;
  std::size_t name_width = 4;
  std::size_t pcpu_width = 4;
  for (const VcpuShare* vcpu : list) {
    name_width = std::max(name_width, display_width(vcpu_name(vcpu->machine, vcpu->vcpu)));
    pcpu_width = std::max(pcpu_width, std::min(kPcpuWidth, pcpus_text(vcpu->pcpu_ns).size()));
  }
  std::size_t used = 2 + name_width + pcpu_width;  // the indent first
  for (const StateColumn& column : state_columns()) {
    const bool seen = std::any_of(list.begin(), list.end(), [&](const VcpuShare* vcpu) {
      return share_in(*vcpu, column) >= 0.0005;
    });
    if (!column.always && !seen) continue;
    layout.columns.push_back(&column);
    used += std::max<std::size_t>(5, column.head.size());
  }
  const std::size_t gaps = layout.columns.size() + 2;
  constexpr std::size_t kLeastBar = 10;
  constexpr std::size_t kMostBar = 30;
  if (used + 2 * gaps + kLeastBar > width) layout.gap = 1;
  const std::size_t taken = used + layout.gap * gaps;
  if (taken + kLeastBar <= width) layout.bar = std::min(kMostBar, width - taken);
  return layout;
}

std::vector<Piece> vcpu_row(const VcpuShare& vcpu, const VcpuLayout& layout, const Painter& paint) {
  std::vector<BarPart> parts;
  for (const StateColumn& column : state_columns()) {
    parts.push_back({share_in(vcpu, column), column.glyph, column.tone});
  }
  std::vector<Piece> row = {{vcpu_name(vcpu.machine, vcpu.vcpu), Tone::kPlain, 0},
                            {clip(pcpus_text(vcpu.pcpu_ns), kPcpuWidth), Tone::kDim, 0}};
  if (layout.bar > 0) {
    row.push_back({stacked_bar(parts, layout.bar, paint), Tone::kPlain, layout.bar});
  }
  for (const StateColumn* column : layout.columns) {
    const double share = share_in(vcpu, *column);
    const bool alarm = column->tone == Tone::kStolen && share >= 0.02;
    const Tone tone = share < 0.0005 ? Tone::kDim : alarm ? Tone::kBad : Tone::kPlain;
    row.push_back({percent_text(share), tone, 0});
  }
  return row;
}

std::string vcpus_text(const ReportData& data, const Painter& paint, std::size_t width) {
  if (data.vcpus.empty()) return {};
  const auto list = shown_vcpus(data);
  const VcpuLayout layout = layout_of(list, width);
  std::vector<Grid::Column> heads = {{"vCPU"}, {"pCPU"}};
  if (layout.bar > 0) heads.push_back({""});
  for (const StateColumn* column : layout.columns) {
    heads.push_back({std::string(column->head), true});
  }
  Grid grid(std::move(heads), layout.gap);
  for (const VcpuShare* vcpu : list) grid.add(vcpu_row(*vcpu, layout, paint));
  std::string out = paint(Tone::kTitle, "vCPUs") +
                    paint(Tone::kDim, "   percent of each vCPU's life; a row sums to 100") + "\n" +
                    grid.render(paint, 2);
  if (list.size() < data.vcpus.size()) {
    out += paint(Tone::kDim, fmt::format("  {} more vCPUs, less stolen: --format json\n",
                                         data.vcpus.size() - list.size()));
  }
  if (layout.bar == 0) return out;
  return out + paint(Tone::kDim, "  █ guest  ▒ kernel, vmm, irq  ╳ stolen  ░ blocked  · idle") +
         "\n";
}

std::string thief_name(const Thief& thief) {
  if (thief.by_machine.empty()) return "nobody (pCPU idle or unknown)";
  std::string text = clip(terminal_text(thief.by_machine), 12);
  if (thief.by_vcpu) text += "/" + std::to_string(*thief.by_vcpu);
  if (!thief.by_comm.empty()) text += " " + clip(terminal_text(thief.by_comm), 16);
  if (thief.by_tid) text += " (" + std::to_string(*thief.by_tid) + ")";
  return text;
}

void add_thief(const Thief& thief, std::string name, std::int64_t total, Grid& grid) {
  const double share = static_cast<double>(thief.total_ns) / static_cast<double>(total);
  const auto count = static_cast<std::int64_t>(std::max<std::uint64_t>(1, thief.count));
  grid.add({{"  " + std::move(name)},
            {duration_text(thief.total_ns), Tone::kPlain, 0},
            {percent_text(share), Tone::kPlain, 0},
            {plain_bar(share, 12), Tone::kStolen, 0},
            {count_text(thief.count), Tone::kPlain, 0},
            {duration_text(thief.total_ns / count), Tone::kPlain, 0},
            {duration_text(thief.max_ns), Tone::kPlain, 0},
            {clip(pcpus_text(thief.pcpu_ns), kPcpuWidth), Tone::kDim, 0}});
}

// One vCPU's thieves; those beyond the first few in one row.
void add_thieves(std::span<const Thief> thieves, std::int64_t total, Grid& grid) {
  grid.add_line(fmt::format("{} lost {}", vcpu_name(thieves[0].machine, thieves[0].vcpu),
                            duration_text(total)),
                Tone::kPlain);
  const std::size_t shown = thieves.size() <= kMostThieves + 1 ? thieves.size() : kMostThieves;
  for (const Thief& thief : thieves.first(shown)) add_thief(thief, thief_name(thief), total, grid);
  if (shown == thieves.size()) return;
  Thief rest;
  for (const Thief& thief : thieves.subspan(shown)) {
    rest.total_ns += thief.total_ns;
    rest.count += thief.count;
    rest.max_ns = std::max(rest.max_ns, thief.max_ns);
  }
  add_thief(rest, plural(thieves.size() - shown, "other", "others"), total, grid);
}

std::string thieves_text(const ReportData& data, const Painter& paint) {
  struct Victim {
    std::size_t begin;
    std::size_t end;
    std::int64_t total;
  };
  std::vector<Victim> victims;
  for (std::size_t i = 0; i < data.thieves.size();) {
    Victim victim{i, i, 0};
    const Thief& first = data.thieves[i];
    for (; victim.end < data.thieves.size(); ++victim.end) {
      const Thief& t = data.thieves[victim.end];
      if (t.machine != first.machine || t.vcpu != first.vcpu) break;
      victim.total += t.total_ns;
    }
    i = victim.end;
    // Rows of no weight only hide the others.
    if (victim.total * 1000 >= data.duration_ns() && victim.total > 0) victims.push_back(victim);
  }
  if (victims.empty()) return {};
  std::stable_sort(victims.begin(), victims.end(),
                   [](const Victim& a, const Victim& b) { return a.total > b.total; });
  const std::size_t all = victims.size();
  victims.resize(std::min(all, kMostVictims));
  Grid grid({{"to"},
             {"time", true},
             {"%", true},
             {""},
             {"times", true},
             {"mean", true},
             {"longest", true},
             {"pCPU"}});
  for (const Victim& victim : victims) {
    add_thieves(std::span(data.thieves).subspan(victim.begin, victim.end - victim.begin),
                victim.total, grid);
  }
  std::string out = paint(Tone::kTitle, "Stolen time") +
                    paint(Tone::kDim, "   who ran while the vCPU wanted to") + "\n" +
                    grid.render(paint, 2);
  if (all > kMostVictims) {
    out += paint(Tone::kDim, fmt::format("  {} more vCPUs lost less\n", all - kMostVictims));
  }
  return out;
}

}  // namespace

std::string report_text(const ReportData& data, const TextOptions& options) {
  const Painter paint(options.colour);
  std::string out = head(data, paint, options.width) + "\n";
  out += conclusions_text(data, paint, options.width);
  for (const std::string& part :
       {vcpus_text(data, paint, options.width), thieves_text(data, paint),
        page::exits_text(data, paint, options.width), page::pcpus_text(data, paint),
        page::clocks_text(data, paint), page::data_text(data, paint, options.width),
        page::missing_text(data, paint, options.width)}) {
    if (!part.empty()) out += "\n" + part;
  }
  return out;
}

}  // namespace vs::report
