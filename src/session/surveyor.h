#pragma once
// Surveyor: what the first pass looks at in the events of one trace, whole or in pieces: counts and
// extents, initial states, VMs, clock evidence (session/survey.h).
//
// Ownership: refers to the trace. Threads: one. Memory: see survey.h.

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/kernel/initial_state.h"
#include "analysis/vcpu/discovery.h"
#include "session/evidence.h"
#include "session/survey.h"

namespace vs::session {

class Surveyor {
 public:
  /// `alone`: as of survey_trace().
  /// `hinted`: finish() will get hints about VMs.
  Surveyor(const reader::Trace& trace, bool alone, bool hinted);

  [[nodiscard]] const reader::StreamRequest& request() const { return request_; }
  /// From now on losses are counted only where on_header_losses() tells them.
  void count_header_losses() { header_losses_ = true; }
  void on_header_losses(std::span<const model::Event> losses, std::size_t stream);
  void begin_stream(std::size_t stream);
  /// Events of the stream, in its order.
  void on_events(std::span<const model::Event> events);
  /// Events of the stream between these two were not read: nothing is concluded across them.
  void on_gap(OwnTime begin, OwnTime end);
  void end_stream();
  /// `hints`: as of survey_trace().
  [[nodiscard]] TraceSurvey finish(std::vector<analysis::vcpu::VmHint> hints,
                                   model::IssueLog& issues);

 private:
  void count(std::span<const model::Event> events);
  void count_loss(const model::Event& event, std::size_t stream);
  void look(std::span<const model::Event> events);
  void finish_counts();

  const reader::Trace& trace_;
  const bool kernel_;
  const bool every_time_;  ///< each event's time is evidence about clocks
  const bool vms_;         ///< it can show VMs
  reader::StreamRequest request_;
  TraceSurvey out_;
  std::uint32_t cpu_ = model::kNoCpu;
  OwnTime first_ = kOwnTimeMax;
  OwnTime end_ = kOwnTimeMin;
  OwnTime last_ = kOwnTimeMin;
  bool reversed_ = false;
  bool header_losses_ = false;
  std::uint64_t merged_losses_ = 0;
  analysis::kernel::InitialStateCollector initial_;
  analysis::vcpu::Discovery discovery_;
  EvidenceGatherer evidence_;
};

}  // namespace vs::session
