#include "report/html_evidence.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/escape.h"

namespace vs::report {
namespace {

// The table in the report's window, and what its rows sum to in there.
struct Cut {
  std::string table;
  std::string sum;
};

Cut cut(const ReportData& data, std::string_view table) {
  if (!data.has_window) return {std::string(table), "sum(dur)"};
  return {fmt::format("{}({}, {})", table, data.begin.ns, data.end.ns),
          fmt::format("sum(min(ts + dur, {}) - max(ts, {}))", data.end.ns, data.begin.ns)};
}

std::string states_sql(const ReportData& data, const std::string& where) {
  const Cut states = cut(data, "vcpu_state");
  return fmt::format(
      "SELECT machine, state, {} AS ns FROM {} WHERE {} GROUP BY machine, state "
      "ORDER BY machine, ns DESC",
      states.sum, states.table, where);
}

std::string thieves_sql(const ReportData& data, const std::string& machine) {
  const Cut stolen = cut(data, "preemption");
  return fmt::format(
      "SELECT vcpu, by_machine, by_vcpu, by_tid, by_comm, count(*) AS times, {} AS ns FROM {} "
      "WHERE machine = {} GROUP BY vcpu, by_machine, by_vcpu, by_tid, by_comm ORDER BY ns DESC",
      stolen.sum, stolen.table, sql_text(machine));
}

std::string pcpus_sql(const ReportData& data) {
  if (data.pcpus.empty()) return {};
  const Cut cpus = cut(data, "fused_cpu");
  return fmt::format(
      "SELECT host_machine, condition, state, {} AS ns FROM {} GROUP BY host_machine, condition, "
      "state ORDER BY ns DESC",
      cpus.sum, cpus.table);
}

std::string losses_sql(const ReportData& data) {
  std::string where;
  if (data.has_window) {
    where = fmt::format(" WHERE ts < {} AND ts + dur >= {}", data.end.ns, data.begin.ns);
  }
  return "SELECT machine, cpu, count(*) AS windows, sum(lost_events) AS lost FROM loss" + where +
         " GROUP BY machine, cpu ORDER BY machine, cpu";
}

}  // namespace

std::string evidence_sql(const ReportData& data, const Conclusion& line) {
  const std::string& rule = line.rule;
  const auto is_one_of = [&](const auto& rules) {
    return std::find(rules.begin(), rules.end(), rule) != rules.end();
  };
  constexpr std::array<std::string_view, 4> kOfStates = {"blocked_in_vmm", "unknown_time",
                                                         "polling", "never_idle"};
  constexpr std::array<std::string_view, 2> kOfAll = {"got_its_cpu", "idle"};
  constexpr std::array<std::string_view, 2> kOfClocks = {"clock_not_joined", "outside_guest_time"};
  const std::string mine = "machine = " + sql_text(line.subject);
  if (rule == "stolen_time") return thieves_sql(data, line.subject);
  if (rule == "exit_overhead") {
    return states_sql(data, mine +
                                " AND state IN ('guest', 'hypervisor', 'userspace', 'host_irq', "
                                "'emulated')");
  }
  if (is_one_of(kOfStates)) return states_sql(data, mine + " AND state <> 'off'");
  if (is_one_of(kOfAll)) return states_sql(data, "state <> 'off'");
  if (is_one_of(kOfClocks)) {
    return "SELECT segment, method, quality, offset_ns, error_ns, outside_before, outside_after "
           "FROM clock_sync WHERE " +
           mine;
  }
  if (rule == "no_vcpu") return pcpus_sql(data);
  if (rule == "lost_events") return losses_sql(data);
  return {};
}

}  // namespace vs::report
