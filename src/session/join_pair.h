#pragma once
// One guest trace against one VM of one host: the working clocks, the facts, the fit, the verdict.
// Internal to join_clocks.
//
// Units: working units are ticks when both clocks count the same ticks, else ns.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clock/map.h"
#include "clock/pieces.h"
#include "clock/rate.h"
#include "model/evidence.h"
#include "session/join.h"

namespace vs::session {

/// How two traces' own times become comparable numbers, and those the host timeline.
struct PairClocks {
  bool ticks = false;                           ///< both count ticks: own times as they are
  clock::Scale guest;                           ///< own -> working x
  clock::Scale host;                            ///< own -> working y
  clock::Scale timeline;                        ///< working y -> host ns
  double unit_ns = 1;                           ///< of a working unit
  std::optional<std::int64_t> declared_offset;  ///< y - x by the clocks' epochs
};

/// An offset guest_tsc - host_tsc, constant from `from` (working y) on.
struct TscStep {
  std::int64_t from = INT64_MIN;
  std::int64_t offset = 0;
};
/// A complete, exact relation of the two TSCs.
struct TscTimeline {
  std::vector<TscStep> steps;  ///< by from; at least one
  std::uint64_t ratio = 1;     ///< guest = ((host * ratio) >> fraction_bits) + offset
  std::uint32_t fraction_bits = 0;
  std::string source;
  bool trusted = false;  ///< identifies the VM by itself (the capture or the file say so)
};

/// What is tried for a pair.
struct PairTask {
  const JoinTrace* guest = nullptr;
  const JoinTrace* host = nullptr;
  const model::FoundVm* vm = nullptr;
  PairClocks clocks;
  SyncMode mode = SyncMode::kAuto;
  std::vector<TscTimeline> exact;  ///< candidates, best first
  bool named = false;              ///< the user or the capture bind them
};

/// Counts for the verdict.
struct PairResult {
  std::vector<model::ClockSegment> segments;  ///< empty: no clock fits
  std::vector<SegmentShare> shares;
  std::vector<CpuBinding> cpus;
  std::string source;
  std::uint64_t covered = 0;
  std::uint64_t outside = 0;
  std::uint64_t placed = 0;  ///< guest times that lie in some piece
  std::uint64_t times = 0;
  double by_chance = 0;     ///< share outside at unrelated offsets
  std::size_t beacons = 0;  ///< matched
  bool exact = false;
  bool exact_rejected = false;
  std::int64_t worst_ns = 0;
  [[nodiscard]] double outside_share() const {
    return covered == 0 ? 0 : static_cast<double>(outside) / static_cast<double>(covered);
  }
  /// The envelopes could have contradicted and did not.
  [[nodiscard]] bool convincing() const {
    return !segments.empty() && covered >= 32 && outside_share() <= 0.001 && placed * 2 >= times &&
           by_chance - outside_share() >= 0.05;
  }
};

[[nodiscard]] PairResult evaluate_pair(const PairTask& task);
/// PairResult::beacons alone, without a fit; it stops counting at `most`.
[[nodiscard]] std::size_t count_beacons(const PairTask& task, std::size_t most);

/// The host threads of a VM.
class ThreadList {
 public:
  void add(const model::FoundVcpu& vcpu, std::size_t position) {
    for (const model::VcpuThread& thread : vcpu.threads) list_.emplace_back(thread.tid, position);
  }
  /// The vCPU's position in the VM; nothing for a thread of someone else.
  [[nodiscard]] std::optional<std::size_t> vcpu_of(std::int32_t tid) const {
    for (const auto& [known, vcpu] : list_) {
      if (known == tid) return vcpu;
    }
    return std::nullopt;
  }

 private:
  std::vector<std::pair<std::int32_t, std::size_t>> list_;
};

/// When each vCPU of the VM may have run guest code, in working units (join_runs.cc). It may refer
/// to the host's evidence.
[[nodiscard]] std::vector<clock::RunIndex> vcpu_runs(const PairTask& task);

/// What marks on both sides say (join_beacons.cc).
struct BeaconMatches {
  std::size_t matched = 0;
  std::vector<std::pair<std::uint32_t, std::size_t>> votes;  ///< guest CPU, the vCPU that it is
  std::vector<clock::Fact> facts;
};
/// It stops when `most` have matched.
[[nodiscard]] BeaconMatches match_beacons(
    const PairTask& task, const ThreadList& tids,
    std::size_t most = std::numeric_limits<std::size_t>::max());

/// y of x by one step, and by the step that holds there (join_tsc.cc).
[[nodiscard]] std::int64_t y_of_exact(const TscTimeline& line, const TscStep& step, std::int64_t x);
[[nodiscard]] std::int64_t y_of_exact(const TscTimeline& line, std::int64_t x);
/// The own time that the guest's clock had reached (or was set to) when a step came.
[[nodiscard]] std::int64_t own_at(const TscTimeline& line, std::int64_t from, std::int64_t offset);

/// The exact timelines that the traces and the capture offer (join_tsc.cc).
[[nodiscard]] std::vector<TscTimeline> exact_timelines(const JoinInput& input, std::size_t guest,
                                                       std::size_t host, std::size_t vm);

/// Facts from packets: x seen by `guest`, y by `host` (join_packets.cc); by x.
[[nodiscard]] std::vector<clock::Fact> packet_facts(const model::TraceEvidence& guest,
                                                    const model::TraceEvidence& host,
                                                    const PairClocks& clocks);

}  // namespace vs::session
