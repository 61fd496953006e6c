#pragma once
// The small SQL tables that the first pass and the join fill (design.md 4): trace, machine,
// clock_sync, loss, vcpu, issue. `thread` and `container` come from the analyses.
//
// Pure functions over what the session holds. Threads: values.

#include <vector>

#include "model/experiment.h"
#include "model/issue.h"
#include "model/tables.h"
#include "session/join.h"
#include "session/survey.h"

namespace vs::session {

/// A trace as the tables see it; `trace` of the tables is its index.
struct TableTrace {
  const reader::TraceInfo* info = nullptr;
  const TraceSurvey* survey = nullptr;
  std::string path;
  model::MachineIndex machine = model::kNoMachine;
};

struct TableInput {
  const model::Experiment* experiment = nullptr;
  const JoinResult* joined = nullptr;
  std::vector<TableTrace> traces;
};

[[nodiscard]] model::SmallTable trace_table(const TableInput& input);
[[nodiscard]] model::SmallTable machine_table(const TableInput& input);
[[nodiscard]] model::SmallTable clock_sync_table(const TableInput& input);
[[nodiscard]] model::SmallTable loss_table(const TableInput& input);
[[nodiscard]] model::SmallTable vcpu_table(const TableInput& input);

/// An issue with the index of the trace it is about.
struct LocatedIssue {
  model::Issue issue;
  std::optional<std::size_t> trace;
};
[[nodiscard]] model::SmallTable issue_table(const std::vector<LocatedIssue>& issues);

/// Events that the tracer says it dropped: its own total, else the sum over the loss windows;
/// nothing when some window has no number, or when the tracer keeps no count at all.
[[nodiscard]] std::optional<std::uint64_t> lost_events(const reader::TraceInfo& info,
                                                       const TraceSurvey& survey);

}  // namespace vs::session
