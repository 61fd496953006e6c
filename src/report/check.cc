// `check`: is the data whole? Bytes, packets, events, losses and every issue with its advice.

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/pages.h"

namespace vs::report {
namespace {

using model::TableId;
using query::TraceSummary;

std::optional<std::uint64_t> packets_of(const TraceSummary& trace) {
  std::uint64_t sum = 0;
  for (const query::StreamSummary& stream : trace.streams) {
    if (!stream.packets) return std::nullopt;
    sum += *stream.packets;
  }
  return sum;
}

Section trace_section(const query::ExperimentSummary& summary) {
  Section section{"trace",
                  {"trace", "path", "format", "streams", "bytes", "packets", "events",
                   "lost_events", "loss_windows"},
                  {}};
  for (const TraceSummary& t : summary.traces) {
    section.rows.push_back({cell(t.id), cell(t.info.path), cell(t.info.format),
                            cell(std::uint64_t{t.streams.size()}), cell(t.byte_total()),
                            cell(packets_of(t)), cell(t.event_total()), cell(t.lost_events()),
                            cell(t.loss_windows())});
  }
  return section;
}

Section stream_section(const query::ExperimentSummary& summary) {
  Section section{
      "stream",
      {"trace", "place", "cpu", "bytes", "packets", "events", "lost_events", "loss_windows"},
      {}};
  for (const TraceSummary& t : summary.traces) {
    for (const query::StreamSummary& s : t.streams) {
      section.rows.push_back({cell(t.id), cell(s.place),
                              s.cpu == model::kNoCpu ? model::Cell{} : cell(std::int64_t{s.cpu}),
                              cell(s.bytes), cell(s.packets), cell(s.events), cell(s.lost_events),
                              cell(s.loss_windows)});
    }
  }
  return section;
}

Section small_section(const query::DataSource& source, TableId table) {
  const model::TableDef& def = model::table_def(table);
  Section section{std::string(def.name), {}, source.small(table).rows};
  for (const model::ColumnDef& column : def.columns) section.columns.emplace_back(column.name);
  return section;
}

struct Tally {
  std::uint64_t errors = 0;
  std::uint64_t warnings = 0;
  std::uint64_t notes = 0;
};

Tally tally_of(const query::DataSource& source) {
  Tally tally;
  for (const model::Row& row : source.small(TableId::kIssue).rows) {
    const std::string severity = text_at(row, 0);
    ++(severity == "error" ? tally.errors : severity == "warning" ? tally.warnings : tally.notes);
  }
  return tally;
}

std::string verdict(const Tally& tally, const Painter& paint) {
  const std::string notes = tally.notes > 0 ? ", " + plural(tally.notes, "note", "notes") : "";
  if (tally.errors == 0 && tally.warnings == 0) {
    return paint(Tone::kGood, "✓") + " the data is whole" + notes + "\n";
  }
  const bool bad = tally.errors > 0;
  return paint(bad ? Tone::kBad : Tone::kWarn, bad ? "✗" : "!") + " " +
         plural(tally.errors, "error", "errors") + ", " +
         plural(tally.warnings, "warning", "warnings") + notes + "\n";
}

std::string traces_text(const query::ExperimentSummary& summary, const Painter& paint) {
  Grid grid({{"trace"},
             {"format"},
             {"streams", true},
             {"bytes", true},
             {"packets", true},
             {"events", true},
             {"lost", true},
             {"in windows", true}});
  for (const TraceSummary& t : summary.traces) {
    const auto lost = t.lost_events();
    const auto packets = packets_of(t);
    const bool any = t.loss_windows() > 0 || lost.value_or(0) > 0;
    grid.add({{clip(terminal_text(t.info.path), 40)},
              {terminal_text(t.info.format)},
              {count_text(t.streams.size())},
              {bytes_text(t.byte_total())},
              {packets ? count_text(*packets) : "?"},
              {count_text(t.event_total())},
              {lost ? count_text(*lost) : "?", any ? Tone::kWarn : Tone::kPlain, 0},
              {count_text(t.loss_windows())}});
  }
  return grid.render(paint, 0);
}

std::string issues_text(const query::DataSource& source, const Painter& paint, std::size_t width) {
  std::string out;
  std::string last_advice;
  auto rows = source.small(TableId::kIssue).rows;
  const auto rank = [](const model::Row& row) {
    const std::string severity = text_at(row, 0);
    return severity == "error" ? 0 : severity == "warning" ? 1 : 2;
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const model::Row& a, const model::Row& b) { return rank(a) < rank(b); });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const model::Row& row = rows[i];
    const Tone tones[] = {Tone::kBad, Tone::kWarn, Tone::kDim};
    std::string text = text_at(row, 2);
    if (!text_at(row, 4).empty()) text += " " + text_at(row, 4);
    text += ": " + text_at(row, 6);
    const auto count = integer_at(row, 5).value_or(1);
    if (count > 1)
      text += fmt::format(" ({} times)", count_text(static_cast<std::uint64_t>(count)));
    const std::string severity = text_at(row, 0);
    out += paint(tones[rank(row)], pad_right(severity, 8)) + " " +
           wrap(terminal_text(text), width - 9, "         ") + "\n";
    // Advice once per run of the same problem.
    const std::string advice = text_at(row, 7);
    const bool last_of_run = i + 1 == rows.size() || text_at(rows[i + 1], 7) != advice;
    if (!advice.empty() && last_of_run) {
      out += "         " + paint(Tone::kDim, wrap(terminal_text(advice), width - 9, "         ")) +
             "\n";
    }
  }
  return out;
}

}  // namespace

Document check_document(const query::ExperimentSummary& summary, const query::DataSource& source) {
  return {{trace_section(summary), stream_section(summary), small_section(source, TableId::kLoss),
           small_section(source, TableId::kIssue)}};
}

std::string check_text(const query::ExperimentSummary& summary, const query::DataSource& source,
                       const TextOptions& options) {
  const Painter paint(options.colour);
  std::string out = verdict(tally_of(source), paint) + "\n" + traces_text(summary, paint);
  for (const query::RefusedTrace& refused : summary.refused) {
    out += paint(Tone::kBad, "✗") + " " +
           wrap(terminal_text(refused.path + ": " + refused.error.to_string()), options.width - 2,
                "  ") +
           "\n";
  }
  const std::string issues = issues_text(source, paint, options.width);
  return issues.empty() ? out : out + "\n" + issues;
}

}  // namespace vs::report
