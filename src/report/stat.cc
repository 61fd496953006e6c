// `stat`: exit statistics as a section and as tables for people.

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/pages.h"

namespace vs::report {
namespace {

using query::duration_text;

std::string group_of(const ExitStat& stat) {
  std::string name = terminal_text(stat.machine);
  return stat.vcpu ? name + " vCPU " + std::to_string(*stat.vcpu) : name;
}

double part_share(const ExitStat& stat, std::size_t part) {
  if (stat.total_ns <= 0) return 0;
  return static_cast<double>(stat.parts_ns[part]) / static_cast<double>(stat.total_ns);
}

std::vector<Piece> figures(const ExitStat& stat, std::string_view label, Tone tone) {
  const auto text = [](std::string value) { return Piece{std::move(value), Tone::kPlain, 0}; };
  const auto& d = stat.durations;
  return {Piece{clip(label, 22), tone, 0},
          text(count_text(stat.count())),
          text(percent_text(stat.count_share)),
          text(percent_text(stat.time_share)),
          text(duration_text(d.min())),
          text(duration_text(static_cast<std::int64_t>(stat.mean_ns))),
          text(fmt::format("{:.1f} %", stat.relative_error_percent())),
          text(duration_text(d.quantile(0.5))),
          text(duration_text(d.quantile(0.99))),
          text(duration_text(d.max())),
          text(duration_text(stat.total_ns))};
}

ExitStat total_of(std::span<const ExitStat> group) {
  ExitStat total;
  for (const ExitStat& stat : group) total.add(stat);
  total.count_share = 1;
  total.time_share = 1;
  return total;
}

std::vector<Piece> split(const ExitStat& stat, const Painter& paint) {
  const BarPart parts[] = {{part_share(stat, 0), "█", Tone::kOverhead},
                           {part_share(stat, 1), "▓", Tone::kOverhead},
                           {part_share(stat, 4), "╳", Tone::kStolen},
                           {part_share(stat, 3), "░", Tone::kIdle},
                           {part_share(stat, 2), "·", Tone::kIdle}};
  constexpr std::size_t kBar = 24;
  std::vector<Piece> row = {{clip(terminal_text(stat.reason), 22), Tone::kPlain, 0},
                            {stacked_bar(parts, kBar, paint), Tone::kPlain, kBar}};
  for (const std::size_t part : std::initializer_list<std::size_t>{0, 1, 4, 3, 2}) {
    row.push_back(
        {percent_text(part_share(stat, part)), part == 4 ? Tone::kStolen : Tone::kPlain, 0});
  }
  return row;
}

std::string group_text(std::span<const ExitStat> group, const Painter& paint) {
  Grid table({{"reason"},
              {"count", true},
              {"count %", true},
              {"time %", true},
              {"min", true},
              {"mean", true},
              {"±", true},
              {"p50", true},
              {"p99", true},
              {"max", true},
              {"total", true}});
  Grid parts({{"where the time went, %"},
              {""},
              {"handling", true},
              {"userspace", true},
              {"stolen", true},
              {"polling", true},
              {"halted", true}});
  for (const ExitStat& stat : group) {
    table.add(figures(stat, terminal_text(stat.reason), Tone::kPlain));
    parts.add(split(stat, paint));
  }
  if (group.size() > 1) table.add(figures(total_of(group), "all", Tone::kTitle));
  return paint(Tone::kTitle, group_of(group[0])) + "\n" + table.render(paint, 2) + "\n" +
         parts.render(paint, 2);
}

}  // namespace

Section exit_section(std::span<const ExitStat> stats) {
  Section section{"stat",
                  {"machine", "vcpu", "reason", "count", "count_pct", "time_pct", "min_ns",
                   "max_ns", "mean_ns", "stddev_pct", "total_ns", "p50_ns", "p99_ns", "handling_ns",
                   "userspace_ns", "halted_ns", "polling_ns", "steal_ns"},
                  {}};
  for (const ExitStat& s : stats) {
    const auto& d = s.durations;
    model::Row row = {cell(s.machine),
                      cell(s.vcpu),
                      cell(s.reason),
                      cell(s.count()),
                      cell(100 * s.count_share),
                      cell(100 * s.time_share),
                      cell(d.min()),
                      cell(d.max()),
                      cell(s.mean_ns),
                      cell(s.relative_error_percent()),
                      cell(s.total_ns),
                      cell(d.quantile(0.5)),
                      cell(d.quantile(0.99))};
    for (const std::int64_t ns : s.parts_ns) row.push_back(cell(ns));
    section.rows.push_back(std::move(row));
  }
  return section;
}

std::string stat_text(std::span<const ExitStat> stats, const TextOptions& options) {
  const Painter paint(options.colour);
  std::string out;
  for (std::size_t begin = 0; begin < stats.size();) {
    std::size_t end = begin;
    while (end < stats.size() && stats[end].machine == stats[begin].machine &&
           stats[end].vcpu == stats[begin].vcpu) {
      ++end;
    }
    if (!out.empty()) out += '\n';
    out += group_text(stats.subspan(begin, end - begin), paint);
    begin = end;
  }
  if (!out.empty()) {
    out += "\n" +
           paint(Tone::kDim,
                 "█ handling  ▓ userspace  ╳ stolen  ░ polling  · halted     from kvm_exit "
                 "to the next kvm_entry") +
           "\n";
  }
  return out.empty() ? "no VM exits\n" : out;
}

}  // namespace vs::report
