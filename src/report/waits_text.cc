// The wait table for people, and what it says in words.

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/waits.h"

namespace vs::report {
namespace {

using model::VprocessState;
using query::duration_text;
using Kind = Conclusion::Kind;

constexpr double kContrast = 0.2;    // a share so far from the others' median is worth a line
constexpr double kPreempted = 0.05;  // of a life, taken by others
constexpr double kUnknownWarn = 0.2;
constexpr double kShortLife = 0.01;  // of the longest life: too short to be compared
constexpr std::size_t kRunStates = 2;
constexpr std::size_t kSeedStates = 6;

constexpr std::array<std::string_view, kWaitStates> kDoing = {
    "handled by the hypervisor",
    "running",
    "waiting for other processes",
    "waiting for timers",
    "waiting for disks",
    "waiting for the network",
    "waiting for other devices",
    "kept off by the host's own threads",
    "kept off by other vCPUs",
    "kept off by other processes of the VM",
    "waiting for something the trace does not show"};

using Group = std::span<const ProcessWaits>;

/// The processes of each machine; they come sorted by it.
std::vector<Group> by_machine(Group processes) {
  std::vector<Group> out;
  for (std::size_t begin = 0, end = 0; begin < processes.size(); begin = end) {
    while (end < processes.size() && processes[end].machine == processes[begin].machine) ++end;
    out.push_back(processes.subspan(begin, end - begin));
  }
  return out;
}

ProcessWaits sum_of(Group group) {
  ProcessWaits sum;
  for (const ProcessWaits& process : group) {
    for (std::size_t i = 0; i < kWaitStates; ++i) sum.total_ns[i] += process.total_ns[i];
  }
  return sum;
}

double share_at(const ProcessWaits& process, std::size_t state) {
  return process.share(static_cast<VprocessState>(state));
}

/// The states by their share, largest first.
std::array<std::size_t, kWaitStates> ranked(const ProcessWaits& process) {
  std::array<std::size_t, kWaitStates> order{};
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return process.total_ns[a] > process.total_ns[b];
  });
  return order;
}

void add_overview(Group group, std::vector<Conclusion>& lines) {
  const ProcessWaits sum = sum_of(group);
  const auto order = ranked(sum);
  const std::string name = terminal_text(group[0].machine);
  std::string text = fmt::format("{}: {} spent {} of their time {}", name,
                                 plural(group.size(), "process", "processes"),
                                 share_text(share_at(sum, order[0])), kDoing[order[0]]);
  if (share_at(sum, order[1]) > 0.01) {
    text += fmt::format(", {} {}", share_text(share_at(sum, order[1])), kDoing[order[1]]);
  }
  const double disk = sum.share(VprocessState::kDisk);
  const double network = sum.share(VprocessState::kNetwork);
  text += fmt::format("; disks {}, network {}.", share_text(disk), share_text(network));
  lines.push_back({Kind::kNote, "waits_overview", group[0].machine, std::move(text), "", 2});
}

double median_of_others(Group group, std::size_t self, std::size_t state,
                        std::int64_t least_life_ns) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (i != self && group[i].lifetime_ns() >= least_life_ns) {
      shares.push_back(share_at(group[i], state));
    }
  }
  if (shares.empty()) return -1;
  const auto middle = shares.begin() + static_cast<std::ptrdiff_t>(shares.size() / 2);
  std::nth_element(shares.begin(), middle, shares.end());
  return *middle;
}

/// The process that differs most from the others of its VM, and in what.
void add_contrast(Group group, std::vector<Conclusion>& lines) {
  std::int64_t longest = 0;
  for (const ProcessWaits& process : group) longest = std::max(longest, process.lifetime_ns());
  const auto least = static_cast<std::int64_t>(kShortLife * static_cast<double>(longest));
  Conclusion best;
  for (std::size_t i = 0; group.size() > 2 && i < group.size(); ++i) {
    if (group[i].lifetime_ns() < least) continue;
    for (std::size_t state = 0; state < kWaitStates; ++state) {
      const double others = median_of_others(group, i, state, least);
      const double mine = share_at(group[i], state);
      if (others < 0 || mine - others < kContrast || mine - others <= best.weight) continue;
      best = {Kind::kNote,
              "waits_contrast",
              group[i].machine,
              fmt::format("{}: process {} spent {} of its life {}, the others typically {}.",
                          terminal_text(group[i].machine), terminal_text(group[i].vprocess),
                          share_text(mine), kDoing[state], share_text(others)),
              "",
              mine - others};
    }
  }
  if (best.weight > 0) lines.push_back(std::move(best));
}

void add_preempted(Group group, std::vector<Conclusion>& lines) {
  const ProcessWaits sum = sum_of(group);
  for (const VprocessState state : {VprocessState::kPreemptedVm, VprocessState::kPreemptedHost}) {
    const double share = sum.share(state);
    if (share < kPreempted) continue;
    const auto i = static_cast<std::size_t>(state);
    lines.push_back({Kind::kWarn, "waits_preempted", group[0].machine,
                     fmt::format("{}: {} of its processes' time they were {}.",
                                 terminal_text(group[0].machine), share_text(share), kDoing[i]),
                     "", share});
  }
  const double unknown = sum.share(VprocessState::kUnknown);
  if (unknown >= kUnknownWarn) {
    lines.push_back({Kind::kWarn, "waits_unknown", group[0].machine,
                     fmt::format("{}: {} of its processes' time has no known cause.",
                                 terminal_text(group[0].machine), share_text(unknown)),
                     "", unknown});
  }
}

std::string milli_text(std::int64_t milli) {
  return fmt::format("{}.{:03}", milli / 1000, milli % 1000);
}

Tone tone_of(std::size_t state) {
  if (state == 1) return Tone::kGuest;
  if (state == 0) return Tone::kOverhead;
  if (state >= 7 && state <= 9) return Tone::kStolen;
  return Tone::kPlain;
}

constexpr std::array<std::string_view, kWaitStates> kHeads = {
    "root", "nonrt", "task", "timer", "disk", "net", "device", "phost", "pvm", "pguest", "unkn"};

/// Without what everybody knows: the title says that names are guessed from the code.
std::string short_name(const ProcessWaits& process) {
  std::string_view name = process.vprocess;
  if (name.starts_with("rip:")) name.remove_prefix(4);
  return clip(terminal_text(name), 14);
}

/// The states that a group's table shows: those that occur, or the seed's.
std::vector<std::size_t> columns_of(Group group, bool seed_columns) {
  const ProcessWaits sum = sum_of(group);
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < (seed_columns ? kSeedStates : kWaitStates); ++i) {
    if (i < kSeedStates || sum.total_ns[i] > 0) shown.push_back(i);
  }
  return shown;
}

std::string table_text(Group group, const WaitsPage& page, const Painter& paint) {
  const std::vector<std::size_t> shown = columns_of(group, page.seed_columns);
  std::vector<Grid::Column> columns = {{"process"}, {"life", true}};
  for (const std::size_t i : shown) columns.push_back({std::string(kHeads[i]), true});
  if (page.seed_columns) columns.push_back({"remainder", true});
  Grid grid(std::move(columns), 1);
  for (const ProcessWaits& process : group.first(std::min(page.most, group.size()))) {
    std::vector<Piece> row = {{short_name(process), Tone::kPlain, 0},
                              {duration_text(process.lifetime_ns()), Tone::kPlain, 0}};
    const auto milli = process.milli_percent();
    for (const std::size_t i : shown) {
      row.push_back({milli_text(milli[i]), milli[i] == 0 ? Tone::kDim : tone_of(i), 0});
    }
    if (page.seed_columns) {
      const std::int64_t rest =
          std::accumulate(milli.begin() + kSeedStates, milli.end(), std::int64_t{0});
      row.push_back({milli_text(rest), Tone::kPlain, 0});
    }
    grid.add(std::move(row));
  }
  return grid.render(paint, 0);
}

/// How often and how long each process waited, for the causes that occur.
std::string causes_text(Group group, std::size_t most, const Painter& paint) {
  Grid grid({{"waits"}, {"for"}, {"count", true}, {"mean", true}, {"max", true}});
  const auto names = model::vprocess_state_names();
  for (std::size_t p = 0; p < std::min(most, group.size()); ++p) {
    const ProcessWaits& process = group[p];
    for (std::size_t i = kRunStates; i < kWaitStates; ++i) {
      if (process.count[i] == 0) continue;
      const auto count = static_cast<std::int64_t>(process.count[i]);
      grid.add({{short_name(process), Tone::kPlain, 0},
                {std::string(names[i]), tone_of(i), 0},
                {count_text(process.count[i]), Tone::kPlain, 0},
                {duration_text(process.total_ns[i] / count), Tone::kPlain, 0},
                {duration_text(process.max_ns[i]), Tone::kPlain, 0}});
    }
  }
  return grid.empty() ? std::string() : grid.render(paint, 0);
}

std::string group_text(Group group, const WaitsPage& page, const Painter& paint) {
  const std::string identity = group[0].identity;
  std::string title = terminal_text(group[0].machine);
  if (identity == "rip") title += "   processes guessed from where their code lies";
  if (identity == "vcpu") title += "   a line per vCPU: nothing tells its processes apart";
  std::string out = paint(Tone::kTitle, title) + "\n";
  out += table_text(group, page, paint);
  if (group.size() > page.most) {
    out += fmt::format("  {} more that ran less: --all\n", group.size() - page.most);
  }
  return out + "\n" + causes_text(group, page.most, paint);
}

}  // namespace

std::vector<Conclusion> waits_conclusions(Group processes) {
  std::vector<Conclusion> lines;
  for (const Group group : by_machine(processes)) {
    add_overview(group, lines);
    add_contrast(group, lines);
    add_preempted(group, lines);
  }
  std::stable_sort(lines.begin(), lines.end(), [](const Conclusion& a, const Conclusion& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    return a.weight > b.weight;
  });
  return lines;
}

Section waits_conclusion_section(std::span<const Conclusion> conclusions) {
  Section section{"conclusion", {"kind", "rule", "subject", "message"}, {}};
  for (const Conclusion& line : conclusions) {
    section.rows.push_back(
        {cell(name_of(line.kind)), cell(line.rule), cell(line.subject), cell(line.message)});
  }
  return section;
}

std::string waits_text(const WaitsPage& page, const TextOptions& options) {
  const Painter paint(options.colour);
  if (page.processes.empty()) return "no process of a VM was seen to run\n";
  std::string out;
  for (const Conclusion& line : page.conclusions) {
    const bool warn = line.kind == Kind::kWarn || line.kind == Kind::kBad;
    out += "  " + paint(warn ? Tone::kWarn : Tone::kDim, warn ? "!" : "·") + " " +
           wrap(line.message, options.width - 4, "    ") + "\n";
  }
  for (const Group group : by_machine(page.processes)) {
    out += "\n" + group_text(group, page, paint);
  }
  return out + "\n" +
         paint(Tone::kDim,
               "percent of the life from the first to the last time it ran, each line 100.000; "
               "nonrt = "
               "nonroot;\nphost, pvm, pguest: it could run, but the host, another vCPU, another "
               "process had the processor") +
         "\n";
}

}  // namespace vs::report
