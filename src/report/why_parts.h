#pragma once
// Steps of gather_why. Internal to src/report.

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/flow/critical_path.h"
#include "analysis/flow/disk_neighbours.h"
#include "analysis/flow/execution_flow.h"
#include "report/why.h"

namespace vs::report::why {

/// A thread by the text of --task.
struct Task {
  analysis::flow::MachineNumber machine = analysis::flow::kNoMachine;
  std::int64_t tid = -1;
};
[[nodiscard]] Result<Task> find_task(const analysis::flow::World& world, const std::string& text);

/// One wait of a thread.
struct Wait {
  HostTime begin;
  HostTime end;
  std::int64_t syscall = model::kNull;  ///< StringId
  std::int64_t cause = model::kNull;    ///< StringId
};
[[nodiscard]] Result<std::vector<Wait>> waits_of(const analysis::flow::World& world,
                                                 const analysis::flow::TaskWindow& task);
/// The iterations between the waits of the group that the task spends most time in, and what those
/// waits are; empty when no wait comes back three times. A wait that ends a rest (a timer, a key)
/// is in no iteration; a wait for a disk, a peer or another task is a part of the one that it ends.
struct Iterations {
  std::string waits_in;
  bool with_wait = false;  ///< iterations end with the wait, not before it
  std::vector<Iteration> list;
};
[[nodiscard]] Iterations iterations_of(const analysis::flow::World& world,
                                       const std::vector<Wait>& waits);

/// Adds up pieces of flows.
class FlowTally {
 public:
  FlowTally(const analysis::flow::World& world, std::size_t intervals)
      : world_(world), most_intervals_(intervals) {}
  [[nodiscard]] Status add(const analysis::flow::TaskWindow& task);
  /// Largest first.
  [[nodiscard]] std::vector<FlowGroup> groups() const;
  /// The longest ones in which the task was kept from running; then those in which it waited.
  [[nodiscard]] std::vector<FlowInterval> intervals() const;

 private:
  using Key = std::tuple<model::FlowKind, std::int64_t, std::int64_t, std::int64_t,
                         std::string_view, std::int64_t, std::string_view>;
  void add_interval(const analysis::flow::FlowPiece& piece);
  [[nodiscard]] FlowGroup describe(const analysis::flow::FlowPiece& piece) const;

  const analysis::flow::World& world_;
  std::size_t most_intervals_;
  std::map<Key, FlowGroup> groups_;
  std::vector<FlowInterval> lost_;
  std::vector<FlowInterval> waited_;
};

/// Groups that read alike, taken together over CPUs and, for hypervisor and waits, over causes.
struct Loss {
  std::string text;  ///< "lost to vm2/burst0 on pCPU 0"
  model::FlowKind kind = model::FlowKind::kUnknown;
  std::int64_t total_ns = 0;
  std::int64_t typical_ns = 0;
  [[nodiscard]] std::int64_t excess_ns() const { return total_ns - typical_ns; }
};
[[nodiscard]] std::vector<Loss> losses_of(const std::vector<FlowGroup>& groups,
                                          const std::string& machine);
/// "took 48.3 ms instead of 21.9 ms: 38 % lost to vm2/burst0 on pCPU 0"
[[nodiscard]] std::string slow_text(const std::vector<Loss>& losses, std::int64_t total_ns,
                                    std::int64_t typical_ns);
/// "took 3.68 s: ran 35 %, ..."
[[nodiscard]] std::string window_text(const std::vector<Loss>& losses, std::int64_t total_ns);
/// "; behind its waits: 81 % host's disk 254:32": who else the critical path went through.
[[nodiscard]] std::string behind_text(const WhyData& data);

/// Collects the disks of the task's waits and who else was there.
[[nodiscard]] DiskWaiting disks_of(const analysis::flow::World& world,
                                   const analysis::flow::DiskNeighbours& found);
/// Adds `times` typical iterations to compare with.
void add_typical_disks(DiskWaiting& disk, const DiskWaiting& typical, std::int64_t times);
/// "; for 1.70 s of its 1.94 s of waits for a disk vm2/bulk's requests were in the way at host's
/// disk 254:32"; empty when nobody's were, to speak of.
[[nodiscard]] std::string disk_text(const WhyData& data);
/// The tables of the page.
[[nodiscard]] std::string disk_tables(const WhyData& data, const Painter& paint);
[[nodiscard]] Section disk_section(const WhyData& data);
[[nodiscard]] Section disk_culprit_section(const WhyData& data);

/// What could not be told, by machine.
[[nodiscard]] std::vector<MissingCause> missing_causes(const query::ExperimentSummary& summary,
                                                       const WhyData& data);

[[nodiscard]] bool keeps_from_running(model::FlowKind kind);

}  // namespace vs::report::why
