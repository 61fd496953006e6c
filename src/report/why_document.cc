// `why` as sections of JSON and CSV.

#include "report/cells.h"
#include "report/why.h"
#include "report/why_parts.h"

namespace vs::report {
namespace {

using model::FlowKind;

double share(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string_view kind_name(FlowKind kind) {
  return model::flow_kind_names()[static_cast<std::size_t>(kind)];
}

Section task_section(const WhyData& data) {
  Section section{"task",
                  {"machine", "tid", "comm", "begin_ts", "end_ts", "dur_ns", "explained_ns",
                   "waits_in", "iterations", "typical_ns", "headline"},
                  {}};
  model::Row row = {cell(data.machine),  cell(data.tid),    text_or_null(data.comm),
                    cell(data.begin.ns), cell(data.end.ns), cell(data.end - data.begin),
                    cell(data.total_ns)};
  if (data.cycle) {
    row.push_back(text_or_null(data.cycle->waits_in));
    row.push_back(cell(data.cycle->iterations));
    row.push_back(cell(data.cycle->typical.dur_ns()));
  } else {
    row.resize(row.size() + 3);
  }
  row.push_back(cell(data.headline));
  section.rows.push_back(std::move(row));
  return section;
}

model::Row iteration_row(const Iteration& one, std::string_view role) {
  model::Row row = {cell(role), cell(one.number), cell(one.begin.ns), cell(one.dur_ns()),
                    cell(one.dur_ns() - one.typical_ns)};
  for (const std::int64_t ns : one.kind_ns) row.push_back(cell(ns));
  row.push_back(text_or_null(one.message));
  return row;
}

Section iteration_section(const WhyData& data) {
  Section section{"iteration", {"role", "iteration", "ts", "dur_ns", "excess_ns"}, {}};
  for (const std::string_view kind : model::flow_kind_names()) {
    section.columns.push_back(std::string(kind) + "_ns");
  }
  section.columns.emplace_back("message");
  if (data.cycle) section.rows.push_back(iteration_row(data.cycle->typical, "typical"));
  for (const Iteration& slow : data.slow) section.rows.push_back(iteration_row(slow, "slow"));
  return section;
}

Section kind_section(const WhyData& data) {
  Section section{"kind", {"kind", "total_ns", "share", "count", "typical_ns", "excess_ns"}, {}};
  for (std::size_t k = 0; k < model::flow_kind_names().size(); ++k) {
    std::int64_t total = 0;
    std::int64_t typical = 0;
    std::uint64_t count = 0;
    for (const FlowGroup& group : data.groups) {
      if (static_cast<std::size_t>(group.kind) != k) continue;
      total += group.total_ns;
      typical += group.typical_ns;
      count += group.count;
    }
    model::Row row = {cell(kind_name(static_cast<FlowKind>(k))), cell(total),
                      cell(share(total, data.total_ns)), cell(count)};
    row.push_back(data.cycle ? cell(typical) : model::Cell{});
    row.push_back(data.cycle ? cell(total - typical) : model::Cell{});
    section.rows.push_back(std::move(row));
  }
  return section;
}

Section culprit_section(const WhyData& data) {
  Section section{"culprit",
                  {"kind", "machine", "vcpu", "tid", "comm", "pcpu", "cause", "total_ns", "share",
                   "count", "max_ns", "max_ts", "typical_ns"},
                  {}};
  for (const FlowGroup& group : data.groups) {
    if (group.kind == FlowKind::kRun) continue;
    section.rows.push_back(
        {cell(kind_name(group.kind)), text_or_null(group.machine), cell(group.vcpu),
         cell(group.tid), text_or_null(group.comm), cell(group.pcpu), text_or_null(group.cause),
         cell(group.total_ns), cell(share(group.total_ns, data.total_ns)), cell(group.count),
         cell(group.max_ns), group.count > 0 ? cell(group.max_ts.ns) : model::Cell{},
         data.cycle ? cell(group.typical_ns) : model::Cell{}});
  }
  return section;
}

Section interval_section(const WhyData& data) {
  Section section{
      "interval", {"ts", "dur", "kind", "machine", "vcpu", "tid", "comm", "pcpu", "cause"}, {}};
  for (const FlowInterval& one : data.intervals) {
    section.rows.push_back({cell(one.ts.ns), cell(one.dur_ns), cell(kind_name(one.what.kind)),
                            text_or_null(one.what.machine), cell(one.what.vcpu), cell(one.what.tid),
                            text_or_null(one.what.comm), cell(one.what.pcpu),
                            text_or_null(one.what.cause)});
  }
  return section;
}

Section share_section(const WhyData& data, std::string_view name, std::string_view column,
                      const std::vector<PathShare>& shares) {
  Section section{std::string(name), {std::string(column), "total_ns", "share", "count"}, {}};
  for (const PathShare& one : shares) {
    section.rows.push_back({text_or_null(one.machine), cell(one.total_ns),
                            cell(share(one.total_ns, data.total_ns)), cell(one.count)});
  }
  return section;
}

Section worker_section(const WhyData& data) {
  Section section{"path_worker", {"machine", "tid", "comm", "total_ns", "share", "count"}, {}};
  for (const PathShare& one : data.path_workers) {
    section.rows.push_back({text_or_null(one.machine), cell(one.tid), text_or_null(one.comm),
                            cell(one.total_ns), cell(share(one.total_ns, data.total_ns)),
                            cell(one.count)});
  }
  return section;
}

}  // namespace

Document to_document(const WhyData& data) {
  Document document;
  document.sections = {task_section(data),
                       iteration_section(data),
                       kind_section(data),
                       culprit_section(data),
                       interval_section(data),
                       share_section(data, "path_label", "label", data.path_labels),
                       worker_section(data),
                       share_section(data, "path_machine", "machine", data.path_machines),
                       share_section(data, "path_layer", "layer", data.path_layers),
                       why::disk_section(data),
                       why::disk_culprit_section(data)};
  Section missing{"missing", {"cause", "machine", "events", "affected_ns", "command"}, {}};
  for (const MissingCause& one : data.missing) {
    missing.rows.push_back({cell(one.cause), cell(one.machine), cell(one.events),
                            cell(one.affected_ns), text_or_null(one.command)});
  }
  Section note{"note", {"message"}, {}};
  for (const std::string& text : data.notes) note.rows.push_back({cell(text)});
  document.sections.push_back(std::move(missing));
  document.sections.push_back(std::move(note));
  return document;
}

}  // namespace vs::report
