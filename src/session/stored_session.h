#pragma once
// What a stored history keeps of the stages before it, so that opening it again reads no event:
// counts and extents of the traces, clocks, machines, issues. One text of the history's metadata.
//
// Not kept: what only those stages need (initial states, clock evidence). The encoding belongs to
// this build of the analyses; a history of another version is not reused at all.
//
// Errors: bytes that say anything impossible give nothing. Ownership: values. Threads: pure
// functions.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/experiment.h"
#include "model/issue.h"
#include "session/join.h"
#include "session/survey.h"

namespace vs::session {

struct StoredTrace {
  std::vector<std::uint64_t> events_by_type;
  std::uint64_t events = 0;
  std::optional<OwnTime> begin;
  std::optional<OwnTime> end;
  std::vector<LossWindow> losses;
  std::vector<StreamCount> streams;
  std::uint32_t time_reversals = 0;
  model::MachineIndex machine = model::kNoMachine;
  std::vector<model::ClockSegment> clock;
  bool joined = true;
  std::string source;
  std::vector<model::Issue> issues;
};

struct StoredSession {
  std::vector<StoredTrace> traces;
  model::Experiment experiment;
  std::size_t reference = 0;
  bool epoch = false;
  bool ticks = false;
  std::vector<model::Issue> issues;  ///< of the session itself
};

[[nodiscard]] std::string pack_session(const StoredSession& session);
/// Nothing when the bytes are not of one, or do not fit `traces` (types and streams per trace).
struct TraceShape {
  std::size_t types = 0;
  std::size_t streams = 0;
};
[[nodiscard]] std::optional<StoredSession> unpack_session(std::string_view bytes,
                                                          const std::vector<TraceShape>& traces);

}  // namespace vs::session
