#pragma once
// ExperimentSummary: what `info`, `sync` and `check` say that is not in the SQL tables. The session
// fills it while it opens the traces; no analysis is needed.
//
// Plain data. Threads: immutable once filled.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/event_kind.h"
#include "model/experiment.h"
#include "reader/trace.h"

namespace vs::query {

/// How often one event type occurs in one trace.
struct EventCount {
  std::string name;    ///< as recorded
  std::string system;  ///< ftrace system, empty in CTF
  model::EventKind kind = model::EventKind::kUnknown;
  std::uint64_t count = 0;
};

struct StreamSummary {
  std::string place;
  std::uint32_t cpu = model::kNoCpu;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> packets;  ///< packets or pages, where the reader counts them
  std::uint64_t events = 0;
  std::optional<std::uint64_t> lost_events;  ///< nothing = some, number unknown
  std::uint64_t loss_windows = 0;
};

/// What is known of a trace of which only a part was read (session/survey.h).
struct SampleSummary {
  std::uint64_t events = 0;   ///< read
  bool losses_known = false;  ///< the loss figures are the whole trace's, from packet headers
};

struct TraceSummary {
  std::int64_t id = 0;  ///< the `trace` column of the SQL tables
  reader::TraceInfo info;
  model::MachineIndex machine = model::kNoMachine;
  /// Types that occur, in any order. Of a sample: how often in it, and with count 0 those of known
  /// kinds that the trace declares and the sample has not.
  std::vector<EventCount> events;
  std::optional<SampleSummary> sample;  ///< set: the trace was not read whole
  std::vector<StreamSummary> streams;
  std::optional<HostTime> begin;  ///< first and last event on the host timeline
  std::optional<HostTime> end;

  [[nodiscard]] std::uint64_t event_total() const;
  [[nodiscard]] std::uint64_t byte_total() const;
  [[nodiscard]] std::uint64_t loss_windows() const;
  /// The tracer's own total where it keeps one, else the sum over the streams; nothing = unknown.
  [[nodiscard]] std::optional<std::uint64_t> lost_events() const;
};

/// A path that could not be opened; the others answer without it.
struct RefusedTrace {
  std::string path;
  Error error;
};

struct ExperimentSummary {
  std::string name;                ///< the capture's name, or the host trace's
  std::vector<std::string> paths;  ///< as given on the command line, for the commands we suggest
  model::Experiment experiment;
  std::vector<TraceSummary> traces;
  std::vector<RefusedTrace> refused;

  /// First and last event of all traces; nothing when there is no event.
  [[nodiscard]] std::optional<HostTime> begin() const;
  [[nodiscard]] std::optional<HostTime> end() const;
  /// Some trace was not read whole.
  [[nodiscard]] bool sampled() const;
  /// Kinds that occur at least once in the machine's traces; of a sample also those declared.
  [[nodiscard]] model::KindSet kinds_of(model::MachineIndex machine) const;
};

}  // namespace vs::query
