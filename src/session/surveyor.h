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
#include "session/arguments.h"
#include "session/evidence.h"
#include "session/survey.h"

namespace vs::session {

class Surveyor final : private reader::PassedSink {
 public:
  /// Who looks for VMs.
  enum class VmSearch : std::uint8_t {
    kDone,  ///< this does
    kLeft   ///< nobody: found_vcpu() tells when that was wrong
  };
  Surveyor(const reader::Trace& trace, SurveyScope scope, VmSearch search);
  Surveyor(const Surveyor&) = delete;
  Surveyor& operator=(const Surveyor&) = delete;

  /// For streams that are read whole: what nobody looks into is counted, not delivered.
  [[nodiscard]] reader::StreamRequest whole_request();
  /// For pieces: every event is delivered.
  [[nodiscard]] reader::StreamRequest piece_request() const;
  /// The trace's description has events that only a vCPU's thread makes.
  [[nodiscard]] static bool may_show_vms(const reader::Trace& trace);
  /// With VmSearch::kLeft: such an event came.
  [[nodiscard]] bool found_vcpu() const { return found_vcpu_; }
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
  void on_passed(std::uint32_t cpu, std::span<const std::int64_t> times,
                 std::span<const std::uint16_t> types) override;
  [[nodiscard]] SurveyedKinds looked_into() const;
  void count(std::span<const model::Event> events);
  void count_losses(std::span<const model::Event> events);
  void count_loss(const model::Event& event, std::size_t stream);
  void look(std::span<const model::Event> events);
  void finish_counts();

  const reader::Trace& trace_;
  const SurveyScope scope_;
  const bool kernel_;
  const VmSearch search_;
  const bool gathers_;  ///< evidence_ wants events
  bool found_vcpu_ = false;
  bool counts_passed_ = false;  ///< on_passed() counts and tells the times, not on_events()
  TraceSurvey out_;
  std::uint32_t cpu_ = model::kNoCpu;
  OwnTime first_ = kOwnTimeMax;
  OwnTime end_ = kOwnTimeMin;
  OwnTime last_ = kOwnTimeMin;
  bool reversed_ = false;
  bool header_losses_ = false;
  std::uint64_t merged_losses_ = 0;
  analysis::kernel::InitialStateCollector initial_;
  model::KindSet rare_;  ///< kinds that the surveyor itself looks at
  analysis::vcpu::Discovery discovery_;
  EvidenceGatherer evidence_;
};

}  // namespace vs::session
