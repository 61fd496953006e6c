// `sync`: how each machine's clock was placed on the host's timeline, and how far that can be
// trusted.

#include <array>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/pages.h"

namespace vs::report {
namespace {

using model::TableId;
using query::duration_text;

constexpr std::size_t kFactKinds = static_cast<std::size_t>(model::FactKind::kCount);
constexpr std::array<std::string_view, kFactKinds> kFactNames = {
    "tsc_offset", "beacon", "envelope", "interrupt", "deadline", "packet", "vmsync"};

// The segment of the clock map behind a row of clock_sync, nothing when there is none.
const model::ClockSegment* segment_of(const query::ExperimentSummary& summary,
                                      const std::string& machine, std::int64_t number) {
  for (const model::Machine& m : summary.experiment.machines) {
    if (m.name != machine) continue;
    const auto segments = m.clock.segments();
    if (number >= 0 && static_cast<std::size_t>(number) < segments.size()) {
      return &segments[static_cast<std::size_t>(number)];
    }
  }
  return nullptr;
}

model::Cell bound_cell(std::int64_t ns) { return ns < 0 ? model::Cell{} : cell(ns); }

std::string optional_text(const std::optional<std::int64_t>& ns) {
  return ns ? duration_text(*ns) : "?";
}

std::string share_or_dash(const std::optional<double>& share) {
  return share ? share_text(*share) : "-";
}

std::string facts_text(const model::ClockSegment& segment) {
  std::string text;
  for (std::size_t i = 0; i < kFactKinds; ++i) {
    const model::FactCount& fact = segment.facts[i];
    if (fact.used == 0 && fact.rejected == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kFactNames[i], count_text(fact.used));
    if (fact.rejected > 0) text += fmt::format(" ({} rejected)", count_text(fact.rejected));
  }
  return text;
}

std::string machine_text(const query::ExperimentSummary& summary, const model::Row& row,
                         const Painter& paint, std::size_t width) {
  const std::string machine = text_at(row, 0);
  const std::int64_t number = integer_at(row, 1).value_or(0);
  const std::string quality = text_at(row, 5);
  const bool bad = quality == "failed" || quality == "absent";
  std::string out = paint(Tone::kTitle, terminal_text(machine));
  if (number > 0) out += fmt::format(" segment {}", number);
  out += "   " + paint(bad ? Tone::kBad : Tone::kGood, terminal_text(quality)) + " (" +
         terminal_text(text_at(row, 4)) + ")\n";
  if (text_at(row, 4) == "reference") return out + "  the timeline itself\n";
  const bool epoch = summary.experiment.epoch;
  if (const auto begin = integer_at(row, 2), end = integer_at(row, 3); begin && end) {
    out += fmt::format("  holds for    {} from {}\n", duration_text(*end - *begin),
                       time_text(HostTime{*begin}, epoch));
  }
  const auto drift = integer_at(row, 7);
  if (const auto offset = integer_at(row, 6)) out += fmt::format("  offset       {} ns\n", *offset);
  out += fmt::format("  drift        {}\n",
                     drift ? fmt::format("{:.3f} ppm", static_cast<double>(*drift) / 1000) : "?");
  const model::ClockSegment* const segment = segment_of(summary, machine, number);
  out += fmt::format("  error        ≤ {}", optional_text(integer_at(row, 8)));
  if (segment != nullptr && segment->error_max_ns >= 0) {
    out += fmt::format(" (min {}, median {})", duration_text(segment->error_min_ns),
                       duration_text(segment->error_median_ns));
  }
  out += fmt::format("\n  facts        {} used, {} rejected",
                     count_text(static_cast<std::uint64_t>(integer_at(row, 9).value_or(0))),
                     count_text(static_cast<std::uint64_t>(integer_at(row, 10).value_or(0))));
  if (segment != nullptr && !facts_text(*segment).empty()) {
    out += ": " + wrap(facts_text(*segment), width - 30, "               ");
  }
  out += "\n";
  if (real_at(row, 11) || real_at(row, 12)) {
    out += fmt::format("  outside      {} of its events lay outside guest time before, {} after\n",
                       share_or_dash(real_at(row, 11)), share_or_dash(real_at(row, 12)));
  }
  return out;
}

}  // namespace

Document sync_document(const query::ExperimentSummary& summary, const query::DataSource& source) {
  Section clocks{"clock_sync", {}, {}};
  for (const model::ColumnDef& column : model::table_def(TableId::kClockSync).columns) {
    clocks.columns.emplace_back(column.name);
  }
  clocks.columns.insert(clocks.columns.end(), {"error_min_ns", "error_median_ns"});
  Section facts{"fact", {"machine", "segment", "kind", "used", "rejected"}, {}};
  for (const model::Row& row : source.small(TableId::kClockSync).rows) {
    const auto* const segment =
        segment_of(summary, text_at(row, 0), integer_at(row, 1).value_or(0));
    model::Row line = row;
    line.push_back(segment == nullptr ? model::Cell{} : bound_cell(segment->error_min_ns));
    line.push_back(segment == nullptr ? model::Cell{} : bound_cell(segment->error_median_ns));
    clocks.rows.push_back(std::move(line));
    for (std::size_t i = 0; segment != nullptr && i < kFactKinds; ++i) {
      const model::FactCount& fact = segment->facts[i];
      if (fact.used == 0 && fact.rejected == 0) continue;
      facts.rows.push_back(
          {row[0], row[1], cell(kFactNames[i]), cell(fact.used), cell(fact.rejected)});
    }
  }
  return {{std::move(clocks), std::move(facts)}};
}

std::string sync_text(const query::ExperimentSummary& summary, const query::DataSource& source,
                      const TextOptions& options) {
  const Painter paint(options.colour);
  std::string out;
  for (const model::Row& row : source.small(TableId::kClockSync).rows) {
    if (!out.empty()) out += '\n';
    out += machine_text(summary, row, paint, options.width);
  }
  return out.empty() ? "no clocks: no trace has events\n" : out;
}

}  // namespace vs::report
