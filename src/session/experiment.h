#pragma once
// Builds the experiment's machines from what the first pass found and the join decided: which trace
// is which machine, what machines are called (design.md 4, rule for `machine`), which VMs have no
// trace.
//
// Pure functions; no I/O. Threads: values.

#include <string>
#include <vector>

#include "model/experiment.h"
#include "session/capture.h"
#include "session/join.h"
#include "session/survey.h"

namespace vs::session {

/// A trace as this step sees it.
struct MachineTrace {
  const reader::TraceInfo* info = nullptr;
  const TraceSurvey* survey = nullptr;
  std::string file_name;     ///< last part of the path, the last resort for a name
  std::string forced_guest;  ///< --guest NAME=PATH
  std::optional<std::size_t> capture_machine;
};

struct MachinesOfTraces {
  model::Experiment experiment;
  std::vector<model::MachineIndex> machine_of_trace;
};

/// Names are unique: the second of two alike is "name#2". No two machines mean one VM.
[[nodiscard]] MachinesOfTraces build_machines(const std::vector<MachineTrace>& traces,
                                              const JoinResult& joined,
                                              const std::optional<Capture>& capture);

}  // namespace vs::session
