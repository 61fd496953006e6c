#pragma once
// The first pass over a trace, stream by stream and without any order between streams: what is in
// there, what was true when it began, which VMs it shows and what it says about clocks. Everything
// that needs the global order comes later and starts from this, so that the first part of a trace
// is never dark (trace-compass.md 12.7).
//
// Memory: per thread, CPU and event type; clock evidence is capped by its gatherers.
// Threads: one call works on one trace, in the calling thread and in further ones where several are
// allowed: what it finds does not depend on their number.

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/kernel/initial_state.h"
#include "analysis/vcpu/grouping.h"
#include "base/result.h"
#include "base/time.h"
#include "model/evidence.h"
#include "model/experiment.h"
#include "model/stream_analysis.h"
#include "reader/trace.h"
#include "session/progress.h"

namespace vs::session {

/// A span in which the tracer says that it dropped events (own times).
struct LossWindow {
  std::uint32_t cpu = model::kNoCpu;
  OwnTime begin;
  OwnTime end;
  std::optional<std::uint64_t> lost;  ///< absent: some, number unknown
  std::size_t stream = 0;             ///< index into Trace::streams()
};

/// What one stream delivered.
struct StreamCount {
  std::size_t stream = 0;
  std::uint64_t events = 0;
};

/// What is known of a trace of which only a part was read.
struct Sample {
  std::uint64_t events = 0;   ///< read
  bool losses_known = false;  ///< TraceSurvey::losses is what all packet headers tell
};

struct TraceSurvey {
  std::vector<std::uint64_t> events_by_type;  ///< by Trace::event_types()
  std::uint64_t events = 0;
  std::optional<OwnTime> begin;
  std::optional<OwnTime> end;
  std::vector<LossWindow> losses;
  std::vector<StreamCount> streams;  ///< by Trace::streams()
  model::KindSet kinds;              ///< kinds that occur
  analysis::kernel::InitialState initial;
  std::vector<model::FoundVm> vms;
  model::TraceEvidence evidence;
  std::vector<model::BlockDeviceName> block_devices;  ///< from a state dump; machine not set
  std::uint32_t time_reversals = 0;                   ///< streams in which time goes back
  /// Set: counts, kinds and VMs are those of a sample, and what the rest holds is not known; begin
  /// and end are the whole trace's where its headers tell them.
  std::optional<Sample> sample;
};

/// What a survey is for.
struct SurveyScope {
  /// The experiment has no other trace: nothing is gathered to join clocks with.
  bool alone = false;
  /// False: no other trace shows what runs inside of VMs, so this one cannot be a guest's.
  bool guest = true;
  /// The pipeline will start from it. Else TraceSurvey::initial and block_devices stay empty.
  bool states = true;
};

/// `hints`: what a snapshot says about the VMs of this trace's machine; the file's own guest list
/// is added. `jobs`: threads, of which more than one are of use for a trace that is alone.
[[nodiscard]] Result<TraceSurvey> survey_trace(const reader::Trace& trace,
                                               std::vector<analysis::vcpu::VmHint> hints,
                                               model::IssueLog& issues, Progress& progress,
                                               SurveyScope scope = {}, unsigned jobs = 1);

/// The same from about `events` events of the trace, in pieces spread over each stream from its
/// first event to its last one, and from the packet headers (survey_sample.cc).
[[nodiscard]] Result<TraceSurvey> sample_trace(const reader::Trace& trace,
                                               std::vector<analysis::vcpu::VmHint> hints,
                                               model::IssueLog& issues, std::uint64_t events,
                                               SurveyScope scope = {});

}  // namespace vs::session
