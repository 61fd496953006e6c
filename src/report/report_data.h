#pragma once
// ReportData: everything the report says, as data. Gathered once from the tables; the page, JSON
// and CSV are written from it.
//
// Plain data. Threads: values; gather_report reads its source from the calling thread.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "query/data_source.h"
#include "query/features.h"
#include "query/summary.h"
#include "report/document.h"
#include "report/exit_stat.h"

namespace vs::report {

inline constexpr std::size_t kVcpuStates = 13;  ///< model::VcpuState

/// One vCPU's time by state (algorithms A.5); `off` is no part of its life.
struct VcpuShare {
  std::string machine;
  std::int64_t vcpu = 0;
  std::string host;
  std::int64_t life_ns = 0;
  std::array<std::int64_t, kVcpuStates> state_ns{};
  std::map<std::int64_t, std::int64_t> pcpu_ns;  ///< time on each pCPU
  std::int64_t lossy_ns = 0;

  [[nodiscard]] std::int64_t in(model::VcpuState state) const {
    return state_ns[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] std::int64_t steal_ns() const;
  [[nodiscard]] std::int64_t overhead_ns() const;  ///< the guest believes it is its own CPU time
  [[nodiscard]] std::int64_t demand_ns() const;    ///< guest + overhead + steal
  [[nodiscard]] std::int64_t idle_ns() const;      ///< halted + polling
  [[nodiscard]] double deprivation() const;        ///< steal / demand
  void add(const VcpuShare& other);
};

/// Who ran while a vCPU wanted to. by_machine empty: nobody known (idle or unknown pCPU).
struct Thief {
  std::string machine;
  std::int64_t vcpu = 0;
  std::string by_machine;
  std::optional<std::int64_t> by_vcpu;
  std::optional<std::int64_t> by_tid;
  std::string by_comm;
  std::int64_t total_ns = 0;
  std::int64_t preempted_ns = 0;
  std::int64_t waking_ns = 0;
  std::int64_t max_ns = 0;
  std::uint64_t count = 0;
  std::map<std::int64_t, std::int64_t> pcpu_ns;
};

/// A guest thread that lost time to others; known only with the guest's trace.
struct HitTask {
  std::string machine;
  std::int64_t tid = 0;
  std::string comm;
  bool only_one = false;  ///< no other thread of the machine has this name
  std::int64_t total_ns = 0;
  std::uint64_t count = 0;
};

/// One pCPU of a host: who was there.
struct PcpuShare {
  std::string host;
  std::int64_t cpu = 0;
  std::int64_t life_ns = 0;
  std::int64_t guest_ns = 0;
  std::int64_t hypervisor_ns = 0;
  std::int64_t host_ns = 0;  ///< host work, idle left out
  std::int64_t idle_ns = 0;
  std::int64_t unknown_ns = 0;
  std::map<std::string, std::int64_t> vm_ns;  ///< guest and hypervisor time by VM
};

struct ClockLine {
  std::string machine;
  std::int64_t segment = 0;
  std::string method;
  std::string quality;
  std::optional<std::int64_t> offset_ns;
  std::optional<std::int64_t> drift_ppb;
  std::optional<std::int64_t> error_ns;
  std::optional<double> outside_before;
  std::optional<double> outside_after;
};

struct LossLine {
  std::string machine;
  std::optional<std::int64_t> cpu;
  std::uint64_t windows = 0;
  std::int64_t total_ns = 0;
  std::optional<std::int64_t> events;  ///< nothing = some, number unknown
};

struct IssueLine {
  std::string severity;
  std::string code;
  std::string place;
  std::int64_t count = 0;
  std::string message;
  std::string advice;
};

/// One line that says what follows from the figures, worst first.
struct Conclusion {
  enum class Kind : std::uint8_t { kBad, kWarn, kNote, kGood } kind = Kind::kNote;
  std::string rule;     ///< stable name: "stolen_time"
  std::string subject;  ///< machine or vCPU
  std::string message;
  std::string next;   ///< a command that leads on; may be empty
  double weight = 0;  ///< order within a kind
};
[[nodiscard]] std::string_view name_of(Conclusion::Kind kind);

struct ReportData {
  std::string name;
  bool epoch = false;
  bool has_window = false;  ///< --from or --to given
  HostTime begin;
  HostTime end;
  std::vector<std::string> paths;
  std::vector<std::string> hosts;
  std::vector<std::string> vms;
  std::vector<std::string> traced;  ///< machines with a trace
  std::vector<query::RefusedTrace> refused;
  std::uint64_t events = 0;
  std::optional<std::uint64_t> lost_events;
  std::vector<VcpuShare> vcpus;  ///< by machine and number
  std::vector<Thief> thieves;    ///< per vCPU, worst first
  std::vector<HitTask> hit;      ///< per machine, worst first
  std::vector<ExitStat> exits;
  std::vector<PcpuShare> pcpus;
  std::vector<ClockLine> clocks;  ///< machines other than hosts' own reference included
  std::vector<LossLine> losses;
  std::vector<IssueLine> issues;
  std::vector<query::FeatureStatus> missing;  ///< analyses that could not run
  std::vector<std::string> missing_machines;  ///< names beside `missing`
  std::vector<std::string> missing_commands;
  std::vector<Conclusion> conclusions;

  [[nodiscard]] std::int64_t duration_ns() const { return end - begin; }
};

struct Window {
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;
};

[[nodiscard]] Result<ReportData> gather_report(const query::DataSource& source,
                                               const query::ExperimentSummary& summary,
                                               const Window& window);

/// What the figures say, worst first (conclusions.cc).
[[nodiscard]] std::vector<Conclusion> conclude(const ReportData& data);

/// Sections: experiment, conclusion, vcpu, thief, hit_task, exit, pcpu, clock, loss, issue,
/// missing.
[[nodiscard]] Document to_document(const ReportData& data);

}  // namespace vs::report
