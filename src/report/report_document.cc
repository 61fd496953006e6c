// The report as sections of rows, for JSON and CSV.

#include "model/states.h"
#include "report/cells.h"
#include "report/report_data.h"

namespace vs::report {
namespace {

Section experiment_section(const ReportData& data) {
  const auto count = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
  return {"experiment",
          {"name", "begin_ts", "end_ts", "dur", "hosts", "vms", "events", "lost_events"},
          {{cell(data.name), cell(data.begin.ns), cell(data.end.ns), cell(data.duration_ns()),
            cell(count(data.hosts)), cell(count(data.vms)), cell(data.events),
            cell(data.lost_events)}}};
}

Section conclusion_section(const ReportData& data) {
  Section section{"conclusion", {"kind", "rule", "subject", "message", "next"}, {}};
  for (const Conclusion& c : data.conclusions) {
    section.rows.push_back({cell(name_of(c.kind)), cell(c.rule), text_or_null(c.subject),
                            cell(c.message), text_or_null(c.next)});
  }
  return section;
}

Section vcpu_section(const ReportData& data) {
  Section section{"vcpu", {"machine", "vcpu", "host_machine", "life_ns"}, {}};
  for (const std::string_view state : model::vcpu_state_names()) {
    if (state != "off") section.columns.push_back(std::string(state) + "_ns");
  }
  for (const char* name : {"steal_ns", "overhead_ns", "demand_ns", "deprivation", "lossy_ns"}) {
    section.columns.emplace_back(name);
  }
  for (const VcpuShare& v : data.vcpus) {
    model::Row row = {cell(v.machine), cell(v.vcpu), text_or_null(v.host), cell(v.life_ns)};
    for (std::size_t i = 1; i < kVcpuStates; ++i) row.push_back(cell(v.state_ns[i]));
    for (const std::int64_t ns : {v.steal_ns(), v.overhead_ns(), v.demand_ns()}) {
      row.push_back(cell(ns));
    }
    row.push_back(cell(v.deprivation()));
    row.push_back(cell(v.lossy_ns));
    section.rows.push_back(std::move(row));
  }
  return section;
}

Section thief_section(const ReportData& data) {
  Section section{"thief",
                  {"machine", "vcpu", "by_machine", "by_vcpu", "by_tid", "by_comm", "count",
                   "total_ns", "preempted_ns", "waking_ns", "max_ns"},
                  {}};
  for (const Thief& t : data.thieves) {
    section.rows.push_back({cell(t.machine), cell(t.vcpu), text_or_null(t.by_machine),
                            cell(t.by_vcpu), cell(t.by_tid), text_or_null(t.by_comm), cell(t.count),
                            cell(t.total_ns), cell(t.preempted_ns), cell(t.waking_ns),
                            cell(t.max_ns)});
  }
  return section;
}

Section hit_section(const ReportData& data) {
  Section section{"hit_task", {"machine", "tid", "comm", "count", "total_ns"}, {}};
  for (const HitTask& t : data.hit) {
    section.rows.push_back(
        {cell(t.machine), cell(t.tid), text_or_null(t.comm), cell(t.count), cell(t.total_ns)});
  }
  return section;
}

Section pcpu_section(const ReportData& data) {
  Section section{"pcpu",
                  {"host_machine", "cpu", "life_ns", "guest_ns", "hypervisor_ns", "host_ns",
                   "idle_ns", "unknown_ns"},
                  {}};
  for (const PcpuShare& p : data.pcpus) {
    section.rows.push_back({cell(p.host), cell(p.cpu), cell(p.life_ns), cell(p.guest_ns),
                            cell(p.hypervisor_ns), cell(p.host_ns), cell(p.idle_ns),
                            cell(p.unknown_ns)});
  }
  return section;
}

Section clock_section(const ReportData& data) {
  Section section{"clock",
                  {"machine", "segment", "method", "quality", "offset_ns", "drift_ppb", "error_ns",
                   "outside_before", "outside_after"},
                  {}};
  for (const ClockLine& c : data.clocks) {
    section.rows.push_back({cell(c.machine), cell(c.segment), cell(c.method), cell(c.quality),
                            cell(c.offset_ns), cell(c.drift_ppb), cell(c.error_ns),
                            cell(c.outside_before), cell(c.outside_after)});
  }
  return section;
}

Section loss_section(const ReportData& data) {
  Section section{"loss", {"machine", "cpu", "windows", "total_ns", "lost_events"}, {}};
  for (const LossLine& l : data.losses) {
    section.rows.push_back(
        {cell(l.machine), cell(l.cpu), cell(l.windows), cell(l.total_ns), cell(l.events)});
  }
  return section;
}

Section issue_section(const ReportData& data) {
  Section section{"issue", {"severity", "code", "place", "count", "message", "advice"}, {}};
  for (const IssueLine& i : data.issues) {
    section.rows.push_back({cell(i.severity), cell(i.code), text_or_null(i.place), cell(i.count),
                            cell(i.message), cell(i.advice)});
  }
  return section;
}

Section missing_section(const ReportData& data) {
  Section section{"missing", {"analysis", "title", "machine", "events", "command"}, {}};
  for (std::size_t i = 0; i < data.missing.size(); ++i) {
    const auto& status = data.missing[i];
    section.rows.push_back({cell(status.feature->id), cell(status.feature->title),
                            cell(data.missing_machines[i]), cell(query::kind_list(status.missing)),
                            cell(data.missing_commands[i])});
  }
  return section;
}

}  // namespace

Document to_document(const ReportData& data) {
  Section exits = exit_section(data.exits);
  exits.name = "exit";
  return {{experiment_section(data), conclusion_section(data), vcpu_section(data),
           thief_section(data), hit_section(data), std::move(exits), pcpu_section(data),
           clock_section(data), loss_section(data), issue_section(data), missing_section(data)}};
}

}  // namespace vs::report
