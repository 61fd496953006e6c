#pragma once
// The second pass: every machine's events in host-time order through the kernel states, the vCPU
// states, the exits, the fusion and the further analyses of stream_analyses.h, into an
// IntervalSink.
//
// Machines whose clocks are joined are merged into one flow; a machine that could not be placed is
// run on its own, without fusion. Per machine the order of calls is: kernel state, then vCPU states
// (a host), which tell the joins above them what changed, then the further analyses.
//
// Threads: one. Memory: the states of what exists plus one batch per stream; nothing grows with
// time.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/experiment.h"
#include "model/interval_sink.h"
#include "model/issue.h"
#include "model/tables.h"
#include "session/partial.h"
#include "session/progress.h"
#include "session/stream_analyses.h"
#include "session/survey.h"

namespace vs::session {

/// A trace of the experiment, with what the first pass found. Borrowed.
struct PipelineTrace {
  const reader::Trace* trace = nullptr;
  TraceSurvey* survey = nullptr;  ///< its initial state is copied
  std::string place;
  model::IssueLog* issues = nullptr;  ///< damage seen again while reading; the caller may drop it
};

struct PipelineInput {
  const model::Experiment* experiment = nullptr;
  std::vector<PipelineTrace> traces;
  /// Threads beside this one: one that merges (merge_ahead.h), the others decode streams for it
  /// (decode_ahead.h). 0: this one does all.
  unsigned threads = 0;
  std::span<const StreamFactory> analyses = stream_factories();
  PartialBoard* partial = nullptr;  ///< gets the tables so far when it wants them
};

struct PipelineOutput {
  std::vector<model::SmallTable> tables;  ///< thread, container and those of further analyses
  std::uint64_t events = 0;
};

/// Machines that are merged into one flow, in the order in which the flows are run; without those
/// that have no trace.
[[nodiscard]] std::vector<std::vector<model::MachineIndex>> flows_of(
    const model::Experiment& experiment);

[[nodiscard]] Result<PipelineOutput> run_pipeline(const PipelineInput& input,
                                                  model::IntervalSink& sink,
                                                  model::IssueLog& issues, Progress& progress);

}  // namespace vs::session
