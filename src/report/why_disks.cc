// The part of `why` about disks: who else had requests where the task's own ones were.

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/why_parts.h"

namespace vs::report::why {
namespace {

namespace flow = analysis::flow;
using model::kNull;
using query::duration_text;

constexpr std::size_t kMostCulprits = 8;
constexpr std::size_t kNameWidth = 30;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The name of the container that a thread is in, else its number; empty outside of any.
std::string container_of(const flow::World& world, flow::MachineNumber machine, std::int64_t tid) {
  const std::string_view name = world.machine(machine).name;
  const auto& containers = world.source().small(model::TableId::kContainer).rows;
  if (containers.empty()) return {};
  for (const model::Row& thread : world.source().small(model::TableId::kThread).rows) {
    if (text_at(thread, 0) != name || integer_at(thread, 1) != tid) continue;
    for (const model::Row& one : containers) {
      const bool inside = integer_at(one, 2).has_value();
      if (text_at(one, 0) != name || integer_at(one, 1) != integer_at(thread, 5)) continue;
      if (!inside) return {};
      const std::string word = text_at(one, 3);
      return word.empty() ? std::to_string(integer_at(one, 1).value_or(0)) : word;
    }
  }
  return {};
}

DiskCulprit culprit_of(const flow::World& world, const flow::DiskNeighbour& who,
                       const flow::DiskShare& share) {
  DiskCulprit culprit;
  culprit.disk_machine = world.machine(who.disk.machine).name;
  culprit.device = world.source().string(who.disk.device);
  culprit.machine = world.machine(who.machine).name;
  culprit.inferred = who.machine != who.disk.machine && who.tid != kNull;
  culprit.share = share;
  if (who.tid == kNull) return culprit;
  culprit.tid = who.tid;
  culprit.comm = world.comm(who.machine, who.tid, share.longest_at.ns);
  culprit.container = container_of(world, who.machine, who.tid);
  return culprit;
}

bool same(const DiskCulprit& a, const DiskCulprit& b) {
  return a.disk_machine == b.disk_machine && a.device == b.device && a.machine == b.machine &&
         a.tid == b.tid;
}

// "vm2/bulk", "vm2"
std::string name_of(const DiskCulprit& culprit) {
  std::string name = terminal_text(culprit.machine);
  if (culprit.tid) {
    name +=
        "/" + (culprit.comm.empty() ? std::to_string(*culprit.tid) : terminal_text(culprit.comm));
  }
  if (!culprit.container.empty()) name += " in " + terminal_text(culprit.container);
  return name;
}

std::string mean_text(std::int64_t total_ns, std::uint64_t count) {
  return count == 0 ? "" : duration_text(total_ns / static_cast<std::int64_t>(count));
}

// What it took its requests there with others and without, where both are known from a few.
std::string difference_text(const DiskWaiting& disk, const DiskCulprit& top) {
  constexpr std::uint64_t kFewest = 5;
  for (const WaitedDisk& one : disk.disks) {
    const flow::DiskUse& use = one.use;
    if (one.machine != top.disk_machine || one.device != top.device) continue;
    if (use.alone < kFewest || use.shared < kFewest) break;
    return fmt::format(", where its own took {} on average, and {} alone",
                       mean_text(use.shared_took_ns, use.shared),
                       mean_text(use.alone_ns, use.alone));
  }
  return {};
}

std::string disks_table(const DiskWaiting& disk, const Painter& paint) {
  Grid grid({{"disk"},
             {"own there", true},
             {"others too", true},
             {"%", true},
             {"own alone", true},
             {"took", true},
             {"shared", true},
             {"took", true}});
  for (const WaitedDisk& one : disk.disks) {
    const flow::DiskUse& use = one.use;
    grid.add({{clip(terminal_text(one.machine + " " + one.device), kNameWidth), Tone::kPlain, 0},
              {duration_text(use.own_ns), Tone::kPlain, 0},
              {duration_text(use.shared_ns), Tone::kStolen, 0},
              {percent_text(ratio(use.shared_ns, use.own_ns)), Tone::kPlain, 0},
              {count_text(use.alone), Tone::kDim, 0},
              {mean_text(use.alone_ns, use.alone), Tone::kPlain, 0},
              {count_text(use.shared), Tone::kDim, 0},
              {mean_text(use.shared_took_ns, use.shared), Tone::kPlain, 0}});
  }
  return grid.render(paint, 2);
}

std::string culprits_table(const WhyData& data, const Painter& paint) {
  std::vector<Grid::Column> heads = {{"whose requests were in the way"},
                                     {"disk"},
                                     {"time", true},
                                     {"ahead", true},
                                     {"beside", true},
                                     {"requests", true},
                                     {"longest", true}};
  if (data.cycle) heads.push_back({"typical", true});
  Grid grid(std::move(heads));
  std::size_t shown = 0;
  for (const DiskCulprit& one : data.disk.culprits) {
    if (shown++ == kMostCulprits) break;
    std::string name = name_of(one);
    if (one.tid) name += fmt::format(" ({})", *one.tid);
    std::vector<Piece> row = {{clip(name, kNameWidth), Tone::kStolen, 0},
                              {clip(terminal_text(one.device), 12), Tone::kDim, 0},
                              {duration_text(one.share.total_ns()), Tone::kPlain, 0},
                              {duration_text(one.share.ahead_ns), Tone::kPlain, 0},
                              {duration_text(one.share.beside_ns), Tone::kPlain, 0},
                              {count_text(one.share.requests), Tone::kPlain, 0},
                              {duration_text(one.share.longest_ns), Tone::kPlain, 0}};
    if (data.cycle) row.push_back({duration_text(one.typical_ns), Tone::kDim, 0});
    grid.add(std::move(row));
  }
  if (grid.empty()) return {};
  const bool inferred = std::ranges::any_of(data.disk.culprits, &DiskCulprit::inferred);
  return grid.render(paint, 2) +
         (inferred ? paint(Tone::kDim,
                           "  a VM's task is inferred: the only one there with requests around "
                           "these\n")
                   : std::string{});
}

}  // namespace

DiskWaiting disks_of(const flow::World& world, const flow::DiskNeighbours& found) {
  DiskWaiting out;
  out.waited_ns = found.waited_ns();
  for (const auto& [disk, use] : found.disks()) {
    out.disks.push_back({std::string(world.machine(disk.machine).name),
                         std::string(world.source().string(disk.device)), use});
  }
  for (const auto& [who, share] : found.neighbours()) {
    out.culprits.push_back(culprit_of(world, who, share));
  }
  std::ranges::stable_sort(out.culprits, [](const DiskCulprit& a, const DiskCulprit& b) {
    return a.share.total_ns() > b.share.total_ns();
  });
  return out;
}

void add_typical_disks(DiskWaiting& disk, const DiskWaiting& typical, std::int64_t times) {
  for (const DiskCulprit& one : typical.culprits) {
    const auto found = std::ranges::find_if(
        disk.culprits, [&](const DiskCulprit& candidate) { return same(candidate, one); });
    if (found != disk.culprits.end()) {
      found->typical_ns += times * one.share.total_ns();
      continue;
    }
    DiskCulprit absent = one;
    absent.share = {};
    absent.typical_ns = times * one.share.total_ns();
    disk.culprits.push_back(std::move(absent));
  }
}

std::string disk_text(const WhyData& data) {
  constexpr double kWorthSaying = 0.05;
  if (data.disk.culprits.empty()) return {};
  const DiskCulprit& top = data.disk.culprits.front();
  const std::int64_t total_ns = top.share.total_ns();
  if (ratio(total_ns, data.total_ns) < kWorthSaying) return {};
  const std::string when =
      data.cycle ? fmt::format("in the {} slowest, ", count_text(data.slow.size())) : "";
  std::string text = fmt::format(
      "; {}for {} of its {} of waits for a disk {}'s requests were in the way at {}'s {}", when,
      duration_text(total_ns), duration_text(data.disk.waited_ns), name_of(top),
      terminal_text(top.disk_machine), terminal_text(top.device));
  if (data.cycle) text += fmt::format(" (typical: {})", duration_text(top.typical_ns));
  return text + difference_text(data.disk, top);
}

std::string disk_tables(const WhyData& data, const Painter& paint) {
  if (data.disk.disks.empty()) return {};
  return paint(Tone::kTitle, "Disks that it waited for") +
         paint(Tone::kDim,
               fmt::format("   {} of waits; its requests, and others' at the same disk then",
                           duration_text(data.disk.waited_ns))) +
         "\n" + disks_table(data.disk, paint) + culprits_table(data, paint);
}

Section disk_section(const WhyData& data) {
  Section section{"disk",
                  {"machine", "device", "waited_ns", "own_ns", "shared_ns", "alone",
                   "alone_took_ns", "shared", "shared_took_ns"},
                  {}};
  for (const WaitedDisk& one : data.disk.disks) {
    const flow::DiskUse& use = one.use;
    section.rows.push_back({cell(one.machine), text_or_null(one.device), cell(data.disk.waited_ns),
                            cell(use.own_ns), cell(use.shared_ns), cell(use.alone),
                            cell(use.alone_ns), cell(use.shared), cell(use.shared_took_ns)});
  }
  return section;
}

Section disk_culprit_section(const WhyData& data) {
  Section section{
      "disk_culprit",
      {"disk_machine", "device", "machine", "tid", "comm", "container", "inferred", "total_ns",
       "ahead_ns", "beside_ns", "requests", "bytes", "longest_ns", "longest_ts", "typical_ns"},
      {}};
  for (const DiskCulprit& one : data.disk.culprits) {
    const flow::DiskShare& share = one.share;
    section.rows.push_back({cell(one.disk_machine), text_or_null(one.device), cell(one.machine),
                            cell(one.tid), text_or_null(one.comm), text_or_null(one.container),
                            cell(std::int64_t{one.inferred ? 1 : 0}), cell(share.total_ns()),
                            cell(share.ahead_ns), cell(share.beside_ns), cell(share.requests),
                            cell(share.bytes), cell(share.longest_ns),
                            share.requests > 0 ? cell(share.longest_at.ns) : model::Cell{},
                            data.cycle ? cell(one.typical_ns) : model::Cell{}});
  }
  return section;
}

}  // namespace vs::report::why
