#pragma once
// What `why` says: where the time of one task went, who took it and which waits made it late, over
// all machines (analysis/flow). As data first; the page, JSON and CSV are written from it.
//
// With `slowest` the task's cycle is found first: the wait that it comes back to. An iteration is
// the time from the end of such a wait to the begin of the next, or to its end where the wait is
// for a disk, a peer or another task: that is part of the work, and a timer is not. The iteration
// of median duration is the typical one; sums are then over the slowest iterations, and
// `typical_ns` is what as many typical ones have in the same group, so that sum of (total -
// typical) = sum of (slow - typical) exactly.
//
// Plain data. Threads: values; gather_why reads its source from the calling thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/flow/disk_neighbours.h"
#include "base/result.h"
#include "model/states.h"
#include "query/data_source.h"
#include "query/summary.h"
#include "report/document.h"
#include "report/report_data.h"
#include "report/text.h"

namespace vs::report {

struct WhyRequest {
  std::string task;  ///< MACHINE/TID, or MACHINE/COMM where one thread has that name
  Window window;
  std::optional<std::size_t> slowest;
  bool unbounded = false;     ///< of the critical path
  std::size_t intervals = 8;  ///< how many to list
};

/// Pieces of a flow that are alike.
struct FlowGroup {
  model::FlowKind kind = model::FlowKind::kUnknown;
  std::string machine;  ///< of who ran instead, or of the task itself; empty = nobody known
  std::optional<std::int64_t> vcpu;
  std::optional<std::int64_t> tid;
  std::string comm;
  std::optional<std::int64_t> pcpu;
  std::string cause;
  std::int64_t total_ns = 0;
  std::uint64_t count = 0;
  std::int64_t max_ns = 0;
  HostTime max_ts;
  std::int64_t typical_ns = 0;  ///< with `slowest`
};

struct FlowInterval {
  HostTime ts;
  std::int64_t dur_ns = 0;
  FlowGroup what;  ///< its figures are not used
};

/// A part of the critical path.
struct PathShare {
  std::string machine;  ///< or label, or layer
  std::optional<std::int64_t> tid;
  std::string comm;
  std::int64_t total_ns = 0;
  std::uint64_t count = 0;
};

/// What the path spends in threads of a machine, by label; not in devices, which are explanations.
struct ThreadWaits {
  std::string machine;
  std::vector<std::int64_t> label_ns;  ///< by model::PathLabel
};

struct Iteration {
  std::uint64_t number = 0;  ///< from 1, in the order of time
  HostTime begin;
  HostTime end;
  std::int64_t typical_ns = 0;
  std::vector<std::int64_t> kind_ns;  ///< by model::FlowKind
  std::string message;
  [[nodiscard]] std::int64_t dur_ns() const { return end - begin; }
};

/// The wait that a task comes back to.
struct Cycle {
  std::string waits_in;    ///< system call, else the cause
  bool with_wait = false;  ///< an iteration ends with the wait, not before it
  std::uint64_t iterations = 0;
  Iteration typical;
};

/// A cause that cannot be told because events were not recorded.
struct MissingCause {
  std::string cause;  ///< "who ended its waits"
  std::string machine;
  std::string events;
  std::int64_t affected_ns = 0;
  std::string command;
};

/// A disk that it waited for (analysis/flow/disk_neighbours.h), while it waited.
struct WaitedDisk {
  std::string machine;
  std::string device;
  analysis::flow::DiskUse use;
};

/// Somebody else whose requests were in the way there.
struct DiskCulprit {
  std::string disk_machine;
  std::string device;
  std::string machine;  ///< a VM, or the disk's own machine
  std::optional<std::int64_t> tid;
  std::string comm;
  std::string container;
  bool inferred = false;  ///< the VM's thread, from its own requests
  analysis::flow::DiskShare share;
  std::int64_t typical_ns = 0;  ///< with `slowest`
};

struct DiskWaiting {
  std::int64_t waited_ns = 0;  ///< disk waits, its own and those of tasks that it waited for
  std::vector<WaitedDisk> disks;
  std::vector<DiskCulprit> culprits;  ///< largest first
};

struct WhyData {
  std::string machine;
  std::int64_t tid = 0;
  std::string comm;
  HostTime begin;
  HostTime end;
  bool epoch = false;
  std::string headline;
  std::vector<std::string> notes;  ///< what was clipped
  std::int64_t total_ns = 0;       ///< of the window, or of the slowest iterations
  std::optional<Cycle> cycle;
  std::vector<Iteration> slow;          ///< slowest first
  std::vector<FlowGroup> groups;        ///< largest first
  std::vector<FlowInterval> intervals;  ///< longest first
  std::vector<PathShare> path_labels;   ///< each sums to total_ns
  std::vector<PathShare> path_workers;
  std::vector<PathShare> path_machines;
  std::vector<PathShare> path_layers;
  std::vector<ThreadWaits> path_waits;  ///< what is left unexplained of the path, by machine
  DiskWaiting disk;
  std::vector<MissingCause> missing;

  [[nodiscard]] std::int64_t kind_ns(model::FlowKind kind) const;
};

/// Requires an analysed source. kBadUse with the nearest names for a task that does not exist or is
/// ambiguous, and for a window outside of its life. When `slowest` finds no cycle, the whole window
/// is explained and a note says so.
[[nodiscard]] Result<WhyData> gather_why(const query::DataSource& source,
                                         const query::ExperimentSummary& summary,
                                         const WhyRequest& request);

/// Sections: task, iteration, kind, culprit, interval, path_label, path_worker, path_machine,
/// path_layer, disk, disk_culprit, missing, note.
[[nodiscard]] Document to_document(const WhyData& data);
[[nodiscard]] std::string why_text(const WhyData& data, const TextOptions& options);

}  // namespace vs::report
