#include "report/report_data.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "model/states.h"
#include "report/cells.h"

namespace vs::report {
namespace {

using model::kNull;
using model::TableId;
using model::VcpuState;
namespace slot = model::slot;

// What is seen of a row through the window.
struct Clipped {
  std::int64_t ns = 0;
  bool whole = false;
};

Clipped clip_row(const query::IntervalView& row, const Window& window) {
  const HostTime begin = std::max(row.begin, window.from);
  const HostTime end = std::min(row.end, window.to);
  return {std::max<std::int64_t>(0, end - begin), begin == row.begin && end == row.end};
}

// Calls visit(entity, row, clipped) for every row of the table inside the window.
template <typename Visit>
Status for_each_row(const query::DataSource& source, TableId table, const Window& window,
                    Visit visit) {
  for (const query::EntityKey& entity : source.entities(table)) {
    VS_ASSIGN(const auto rows, source.rows(entity.id, window.from, window.to));
    query::IntervalView row;
    while (true) {
      VS_ASSIGN(const bool more, rows->next(row));
      if (!more) break;
      visit(entity, row, clip_row(row, window));
    }
  }
  return {};
}

Status gather_vcpus(const query::DataSource& source, const Window& window, ReportData& data) {
  std::map<std::string, std::string> host_of;
  for (const model::Row& row : source.small(TableId::kVcpu).rows) {
    host_of[text_at(row, 0)] = text_at(row, 2);
  }
  std::map<model::EntityId, VcpuShare> by_entity;
  VS_TRY(for_each_row(
      source, TableId::kVcpuState, window,
      [&](const query::EntityKey& entity, const query::IntervalView& row, const Clipped& seen) {
        VcpuShare& share = by_entity[entity.id];
        if (share.machine.empty()) {
          share.machine = source.string(entity.key[0]);
          share.vcpu = entity.key[1];
          share.host = host_of[share.machine];
        }
        const auto state = static_cast<std::size_t>(row.values[slot::kVsState]);
        if (state >= kVcpuStates) return;
        share.state_ns[state] += seen.ns;
        if (state == static_cast<std::size_t>(VcpuState::kOff)) return;
        share.life_ns += seen.ns;
        const std::int64_t pcpu = row.values[slot::kVsPcpu];
        if (pcpu != kNull) share.pcpu_ns[pcpu] += seen.ns;
        if (row.values[slot::kVsLossy] == 1) share.lossy_ns += seen.ns;
      }));
  for (auto& [id, share] : by_entity) data.vcpus.push_back(std::move(share));
  std::sort(data.vcpus.begin(), data.vcpus.end(), [](const VcpuShare& a, const VcpuShare& b) {
    return std::tie(a.machine, a.vcpu) < std::tie(b.machine, b.vcpu);
  });
  return {};
}

std::optional<std::int64_t> known(std::int64_t value) {
  return value == kNull ? std::nullopt : std::optional(value);
}

Status gather_thieves(const query::DataSource& source, const Window& window, ReportData& data) {
  using ThiefKey =
      std::tuple<model::EntityId, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  using HitKey = std::pair<std::int64_t, std::int64_t>;
  std::map<ThiefKey, Thief> thieves;
  std::map<HitKey, HitTask> hit;
  const auto text = [&](std::int64_t id) {
    return id == kNull ? std::string() : std::string(source.string(id));
  };
  VS_TRY(for_each_row(
      source, TableId::kPreemption, window,
      [&](const query::EntityKey& entity, const query::IntervalView& row, const Clipped& seen) {
        const auto& v = row.values;
        Thief& thief = thieves[{entity.id, v[slot::kPrByMachine], v[slot::kPrByVcpu],
                                v[slot::kPrByTid], v[slot::kPrByComm]}];
        if (thief.count == 0) {
          thief.machine = text(entity.key[0]);
          thief.vcpu = entity.key[1];
          thief.by_machine = text(v[slot::kPrByMachine]);
          thief.by_vcpu = known(v[slot::kPrByVcpu]);
          thief.by_tid = known(v[slot::kPrByTid]);
          thief.by_comm = text(v[slot::kPrByComm]);
        }
        ++thief.count;
        thief.total_ns += seen.ns;
        const bool waking =
            v[slot::kPrKind] == static_cast<std::int64_t>(model::PreemptionKind::kWaking);
        (waking ? thief.waking_ns : thief.preempted_ns) += seen.ns;
        thief.max_ns = std::max(thief.max_ns, seen.ns);
        if (v[slot::kPrPcpu] != kNull) thief.pcpu_ns[v[slot::kPrPcpu]] += seen.ns;
        if (v[slot::kPrTid] == kNull || v[slot::kPrTid] == 0) return;
        HitTask& task = hit[{entity.key[0], v[slot::kPrTid]}];
        task.machine = thief.machine;
        task.tid = v[slot::kPrTid];
        task.comm = text(v[slot::kPrComm]);
        task.total_ns += seen.ns;
        ++task.count;
      }));
  for (auto& [key, thief] : thieves) data.thieves.push_back(std::move(thief));
  std::stable_sort(data.thieves.begin(), data.thieves.end(), [](const Thief& a, const Thief& b) {
    return std::tie(a.machine, a.vcpu, b.total_ns) < std::tie(b.machine, b.vcpu, a.total_ns);
  });
  std::map<std::pair<std::string, std::string>, std::set<std::int64_t>> named;
  for (const model::Row& row : source.small(TableId::kThread).rows) {
    named[{text_at(row, 0), text_at(row, 4)}].insert(integer_at(row, 1).value_or(0));
  }
  for (auto& [key, task] : hit) {
    task.only_one = named[{task.machine, task.comm}] == std::set{task.tid};
  }
  for (auto& [key, task] : hit) data.hit.push_back(std::move(task));
  std::stable_sort(data.hit.begin(), data.hit.end(), [](const HitTask& a, const HitTask& b) {
    return std::tie(a.machine, b.total_ns) < std::tie(b.machine, a.total_ns);
  });
  return {};
}

Status gather_pcpus(const query::DataSource& source, const Window& window, ReportData& data) {
  std::map<model::EntityId, PcpuShare> by_entity;
  VS_TRY(for_each_row(
      source, TableId::kFusedCpu, window,
      [&](const query::EntityKey& entity, const query::IntervalView& row, const Clipped& seen) {
        PcpuShare& share = by_entity[entity.id];
        share.host = source.string(entity.key[0]);
        share.cpu = entity.key[1];
        share.life_ns += seen.ns;
        const auto& v = row.values;
        using C = model::FusedCondition;
        const auto condition = static_cast<C>(v[slot::kFcCondition]);
        const bool idle = v[slot::kFcState] == static_cast<std::int64_t>(model::PcpuState::kIdle);
        std::int64_t& into = condition == C::kGuest          ? share.guest_ns
                             : condition == C::kHypervisor   ? share.hypervisor_ns
                             : condition == C::kHost && idle ? share.idle_ns
                             : condition == C::kHost         ? share.host_ns
                                                             : share.unknown_ns;
        into += seen.ns;
        const bool of_vm = condition == C::kGuest || condition == C::kHypervisor;
        if (of_vm && v[slot::kFcMachine] != kNull) {
          share.vm_ns[std::string(source.string(v[slot::kFcMachine]))] += seen.ns;
        }
      }));
  for (auto& [id, share] : by_entity) data.pcpus.push_back(std::move(share));
  std::sort(data.pcpus.begin(), data.pcpus.end(), [](const PcpuShare& a, const PcpuShare& b) {
    return std::tie(a.host, a.cpu) < std::tie(b.host, b.cpu);
  });
  return {};
}

void gather_machines(const query::DataSource& source, ReportData& data) {
  std::set<std::string> traced;
  for (const model::Row& row : source.small(TableId::kTrace).rows) traced.insert(text_at(row, 1));
  for (const model::Row& row : source.small(TableId::kMachine).rows) {
    const std::string name = text_at(row, 0);
    (text_at(row, 1) == "vm" ? data.vms : data.hosts).push_back(name);
    if (traced.count(name) > 0) data.traced.push_back(name);
  }
}

void gather_clocks(const query::DataSource& source, ReportData& data) {
  for (const model::Row& row : source.small(TableId::kClockSync).rows) {
    ClockLine line;
    line.machine = text_at(row, 0);
    line.segment = integer_at(row, 1).value_or(0);
    line.method = text_at(row, 4);
    line.quality = text_at(row, 5);
    line.offset_ns = integer_at(row, 6);
    line.drift_ppb = integer_at(row, 7);
    line.error_ns = integer_at(row, 8);
    line.outside_before = real_at(row, 11);
    line.outside_after = real_at(row, 12);
    data.clocks.push_back(std::move(line));
  }
}

void gather_losses(const query::DataSource& source, const Window& window, ReportData& data) {
  std::map<std::pair<std::string, std::int64_t>, LossLine> lines;
  for (const model::Row& row : source.small(TableId::kLoss).rows) {
    const std::int64_t begin = integer_at(row, 3).value_or(0);
    const std::int64_t end = begin + integer_at(row, 4).value_or(0);
    if (HostTime{begin} >= window.to || HostTime{end} < window.from) continue;
    const auto cpu = integer_at(row, 2);
    LossLine& line = lines[{text_at(row, 1), cpu.value_or(kNull)}];
    if (line.windows == 0) line.events = 0;
    line.machine = text_at(row, 1);
    line.cpu = cpu;
    ++line.windows;
    line.total_ns += end - begin;
    const auto lost = integer_at(row, 5);
    line.events = line.events && lost ? std::optional(*line.events + *lost) : std::nullopt;
  }
  for (auto& [key, line] : lines) data.losses.push_back(std::move(line));
}

void gather_issues(const query::DataSource& source, ReportData& data) {
  for (const model::Row& row : source.small(TableId::kIssue).rows) {
    data.issues.push_back({text_at(row, 0), text_at(row, 2), text_at(row, 4),
                           integer_at(row, 5).value_or(1), text_at(row, 6), text_at(row, 7)});
  }
  const auto rank = [](const IssueLine& issue) {
    return issue.severity == "error" ? 0 : issue.severity == "warning" ? 1 : 2;
  };
  std::stable_sort(data.issues.begin(), data.issues.end(),
                   [&](const IssueLine& a, const IssueLine& b) { return rank(a) < rank(b); });
}

void gather_summary(const query::ExperimentSummary& summary, const Window& window,
                    ReportData& data) {
  data.name = summary.name;
  data.epoch = summary.experiment.epoch;
  data.paths = summary.paths;
  data.refused = summary.refused;
  data.begin = std::max(summary.begin().value_or(HostTime{}), window.from);
  data.end = std::max(data.begin, std::min(summary.end().value_or(HostTime{}), window.to));
  data.has_window = window.from != kHostTimeMin || window.to != kHostTimeMax;
  data.lost_events = 0;
  for (const query::TraceSummary& trace : summary.traces) {
    data.events += trace.event_total();
    const auto lost = trace.lost_events();
    data.lost_events =
        data.lost_events && lost ? std::optional(*data.lost_events + *lost) : std::nullopt;
  }
  for (query::FeatureStatus& status : query::feature_statuses(summary)) {
    if (status.availability != query::Availability::kMissing) continue;
    data.missing_machines.push_back(summary.experiment.machines[status.machine].name);
    data.missing_commands.push_back(query::record_command(summary, status.machine, status.missing));
    data.missing.push_back(std::move(status));
  }
}

}  // namespace

std::int64_t VcpuShare::steal_ns() const {
  return in(VcpuState::kWaking) + in(VcpuState::kPreempted);
}
std::int64_t VcpuShare::overhead_ns() const {
  return in(VcpuState::kHypervisor) + in(VcpuState::kUserspace) + in(VcpuState::kHostIrq) +
         in(VcpuState::kEmulated);
}
std::int64_t VcpuShare::demand_ns() const {
  return in(VcpuState::kGuest) + overhead_ns() + steal_ns();
}
std::int64_t VcpuShare::idle_ns() const { return in(VcpuState::kHalted) + in(VcpuState::kPolling); }
double VcpuShare::deprivation() const {
  return demand_ns() == 0 ? 0 : static_cast<double>(steal_ns()) / static_cast<double>(demand_ns());
}

void VcpuShare::add(const VcpuShare& other) {
  life_ns += other.life_ns;
  lossy_ns += other.lossy_ns;
  for (std::size_t i = 0; i < kVcpuStates; ++i) state_ns[i] += other.state_ns[i];
  for (const auto& [pcpu, ns] : other.pcpu_ns) pcpu_ns[pcpu] += ns;
}

std::string_view name_of(Conclusion::Kind kind) {
  constexpr std::array<std::string_view, 4> kNames = {"bad", "warn", "note", "good"};
  return kNames[static_cast<std::size_t>(kind)];
}

Result<ReportData> gather_report(const query::DataSource& source,
                                 const query::ExperimentSummary& summary, const Window& window) {
  ReportData data;
  gather_summary(summary, window, data);
  gather_machines(source, data);
  VS_TRY(gather_vcpus(source, window, data));
  VS_TRY(gather_thieves(source, window, data));
  VS_ASSIGN(data.exits, gather_exit_stats(source, {window.from, window.to, {}, false}));
  VS_TRY(gather_pcpus(source, window, data));
  gather_clocks(source, data);
  gather_losses(source, window, data);
  gather_issues(source, data);
  data.conclusions = conclude(data);
  return data;
}

}  // namespace vs::report
