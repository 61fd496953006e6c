#pragma once
// Envelopes: a guest event can only have happened while its vCPU was between kvm_entry and kvm_exit
// (algorithms C.3, C.6). Turns guest event times and a host's runs into facts for the hull solver,
// by propagation:
//
//   given that f(x) lies in [least, greatest], the event lies in one of the runs that meet this
//   span, so f(x) >= begin of the first of them and f(x) <= end of the last. New facts, narrower
//   span, again, until nothing moves.
//
// Every step is sound whatever the number of runs in the span; no event has to be matched to one
// run.
//
// Ownership: values and spans that must outlive the call. Threads: pure functions. Units: guest own
// time for x, host own time for y.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "clock/hull.h"
#include "model/evidence.h"

namespace vs::clock {

using Fact = HullSolver::Fact;

/// The spans in which one vCPU may have run guest code, ordered and disjoint.
class RunIndex {
 public:
  RunIndex() = default;
  /// Sorts and joins what overlaps. `losses`: spans in which anything may have happened.
  RunIndex(std::vector<model::GuestRun> runs, std::span<const model::GuestRun> losses);
  /// Of runs that are ordered and disjoint as they are, without a copy: they must outlive it.
  /// Nothing: they are not.
  [[nodiscard]] static std::optional<RunIndex> over(std::span<const model::GuestRun> runs);
  RunIndex(RunIndex&&) = default;
  RunIndex& operator=(RunIndex&&) = default;
  RunIndex(const RunIndex&) = delete;
  RunIndex& operator=(const RunIndex&) = delete;
  ~RunIndex() = default;

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] std::span<const model::GuestRun> runs() const { return runs_; }
  /// What the host trace says something about: outside it a guest event is neither in nor out.
  [[nodiscard]] std::int64_t cover_begin() const { return runs_.front().entry.value; }
  [[nodiscard]] std::int64_t cover_end() const { return runs_.back().exit.value; }
  [[nodiscard]] bool covers(std::int64_t y) const {
    return !runs_.empty() && y >= cover_begin() && y <= cover_end();
  }
  [[nodiscard]] bool inside(std::int64_t y) const;

  /// The first run that does not end before y, found from a guess near it.
  [[nodiscard]] std::size_t ending_from(std::int64_t y, std::size_t guess) const;

  /// Where the last look-up ended; look-ups in rising order of y then cost next to nothing.
  struct Hint {
    std::size_t ending = 0;  ///< a run index: runs before it end before y
    std::size_t begun = 0;   ///< runs before it begin at or before y
  };
  [[nodiscard]] bool inside(std::int64_t y, Hint& hint) const;
  /// True: [least, greatest] lies in one run, and neither end is an end of the cover. It does not
  /// look behind the hint, so for a span before that false says nothing.
  [[nodiscard]] bool within_run(std::int64_t least, std::int64_t greatest, Hint& hint) const {
    constexpr std::size_t kAhead = 8;
    const std::size_t size = runs_.size();
    std::size_t at = hint.ending;
    const std::size_t stop = std::min(at + kAhead, size);
    while (at < stop && runs_[at].exit.value < least) ++at;
    if (at == stop) at = ending_from(least, at);
    hint.ending = at;
    if (at == size) return false;
    const model::GuestRun& run = runs_[at];
    // Only the first and the last run have an end of the cover.
    return run.entry.value <= least && greatest <= run.exit.value &&
           (at > 0 || least > run.entry.value) && (at + 1 < size || greatest < run.exit.value);
  }
  [[nodiscard]] bool narrow(std::int64_t least, std::int64_t greatest, std::int64_t& low,
                            std::int64_t& high, Hint& hint) const;

  /// The narrowest [low, high] that holds all points of runs within [least, greatest]; false: none.
  /// Ends that reach out of the cover stay as they are.
  [[nodiscard]] bool narrow(std::int64_t least, std::int64_t greatest, std::int64_t& low,
                            std::int64_t& high) const;

 private:
  std::vector<model::GuestRun> own_;  ///< stays where it is when this is moved
  std::span<const model::GuestRun> runs_;
};

/// A guest event (or the first or last of a burst) on the vCPU `vcpu` of the problem's list.
struct GuestTime {
  std::int64_t x = 0;
  std::uint32_t vcpu = 0;
  std::uint32_t weight = 1;  ///< events it stands for
};

struct EnvelopeProblem {
  std::span<const GuestTime> times;  ///< by x
  std::span<const RunIndex> vcpus;
  std::span<const Fact> facts;    ///< hard facts from elsewhere (beacons, packets, deadlines)
  std::span<const Fact> assumed;  ///< the coarse alignment; dropped in the end
  std::int64_t slope_limit_ppb = 500'000;
  bool trial =
      false;  ///< a sample of the times only, and no search for the wrong fact: a first look
};

struct EnvelopeFit {
  Solution solution;
  bool assumed_needed = false;  ///< without the coarse alignment's box the result would be open
  std::uint64_t used = 0;       ///< envelope facts
  std::uint64_t rejected = 0;   ///< guest times that no line could place in a run
  /// Facts taken out because they contradicted the others, by kind.
  std::array<std::uint64_t, static_cast<std::size_t>(model::FactKind::kCount)> removed{};
  /// Times, by position, that the solution's bounds do not put inside one run; the middle puts all
  /// others there whose vCPU has runs. Nothing: not known.
  std::optional<std::vector<std::size_t>> unsettled;
};

/// Tolerated share of facts that contradict the rest: wrong matches, records out of order.
inline constexpr double kTolerated = 1e-4;

/// Never fails: look at fit.solution.kind.
[[nodiscard]] EnvelopeFit fit_envelopes(const EnvelopeProblem& problem);

/// How guest times fall under a line y = x + shift(x) given by a function.
struct Placement {
  std::uint64_t covered = 0;
  std::uint64_t outside = 0;
  std::int64_t worst = 0;  ///< the farthest distance to a run
  [[nodiscard]] double share() const {
    return covered == 0 ? 0.0 : static_cast<double>(outside) / static_cast<double>(covered);
  }
};

/// Counts one time. `slack`: tolerated distance (rounding of the map).
void place(const RunIndex& runs, std::int64_t y, std::uint32_t weight, std::int64_t slack,
           Placement& placement);
void place(const RunIndex& runs, std::int64_t y, std::uint32_t weight, std::int64_t slack,
           Placement& placement, RunIndex::Hint& hint);

}  // namespace vs::clock
