#include "clock/envelope.h"

#include <algorithm>

namespace vs::clock {
namespace {

constexpr int kMaxRounds = 60;
constexpr int kTrialRounds = 24;
constexpr std::size_t kTrialSample = 1536;
constexpr std::size_t kSample = 16384;  // times used until the sample has converged
constexpr std::size_t kMaxConflicts = 64;

std::uint64_t tolerated(std::uint64_t count) {
  return 2 + static_cast<std::uint64_t>(static_cast<double>(count) * kTolerated);
}

/// The state of one fit.
class Fitter {
 public:
  explicit Fitter(const EnvelopeProblem& problem) : problem_(problem) {
    hard_.assign(problem.facts.begin(), problem.facts.end());
    choose_origin();
  }

  EnvelopeFit run() {
    fit_.solution = solve_without_conflicts(true);
    if (!fit_.solution.feasible()) return fit_;
    const std::size_t sample = problem_.trial ? kTrialSample : kSample;
    const std::size_t stride = std::max<std::size_t>(1, problem_.times.size() / sample);
    if (!converge(stride) || problem_.trial) return fit_;
    if (stride > 1 && !converge(1)) return fit_;
    Solution open = solve_without_conflicts(false);
    if (open.feasible()) {
      fit_.solution = std::move(open);
    } else {
      fit_.assumed_needed = true;
    }
    return fit_;
  }

 private:
  void choose_origin() {
    const std::span<const Fact> any = problem_.assumed.empty() ? problem_.facts : problem_.assumed;
    if (any.empty()) return;
    x0_ = any[any.size() / 2].x;
    y0_ = any[any.size() / 2].y;
  }

  Solution solve(bool with_assumed, std::vector<Fact>* conflict) {
    HullSolver solver(x0_, y0_, problem_.slope_limit_ppb);
    const auto add = [&solver](const Fact& fact) {
      fact.upper ? solver.add_upper(fact.x, fact.y) : solver.add_lower(fact.x, fact.y);
    };
    for (const Fact& fact : envelope_) add(fact);
    for (const Fact& fact : hard_) add(fact);
    if (with_assumed) {
      for (const Fact& fact : problem_.assumed) add(fact);
    }
    Solution solution = solver.solve();
    if (conflict != nullptr) *conflict = solver.conflict();
    return solution;
  }

  // Wrong facts are few by construction; each conflict names at most four candidates. The one whose
  // removal helps is taken out, hard facts first on equal terms.
  Solution solve_without_conflicts(bool with_assumed) {
    std::vector<Fact> conflict;
    Solution solution = solve(with_assumed, &conflict);
    const std::uint64_t limit =
        problem_.trial
            ? 0
            : std::min<std::uint64_t>(kMaxConflicts, tolerated(hard_.size() + envelope_.size()));
    for (std::uint64_t i = 0; i < limit && solution.kind == SolutionClass::kInfeasible; ++i) {
      if (!remove_worst(conflict)) break;
      solution = solve(with_assumed, &conflict);
    }
    return solution;
  }

  static bool same(const Fact& a, const Fact& b) {
    return a.x == b.x && a.y == b.y && a.upper == b.upper;
  }
  [[nodiscard]] model::FactKind kind_of(const Fact& fact) const {
    const auto found = std::find_if(hard_.begin(), hard_.end(),
                                    [&](const Fact& other) { return same(other, fact); });
    return found == hard_.end() ? model::FactKind::kEnvelope : found->kind;
  }
  static bool erase(std::vector<Fact>& list, const Fact& fact) {
    const auto end = std::remove_if(list.begin(), list.end(),
                                    [&](const Fact& other) { return same(other, fact); });
    if (end == list.end()) return false;
    list.erase(end, list.end());
    return true;
  }

  bool remove_worst(const std::vector<Fact>& conflict) {
    const std::vector<Fact> envelope = envelope_;
    const std::vector<Fact> hard = hard_;
    std::vector<Fact> best_envelope;
    std::vector<Fact> best_hard;
    auto best_kind = model::FactKind::kEnvelope;
    bool found = false;
    for (const Fact& fact : conflict) {
      envelope_ = envelope;
      hard_ = hard;
      const model::FactKind kind = kind_of(fact);
      if (!erase(hard_, fact) && !erase(envelope_, fact)) continue;  // an assumed one
      const bool helps = solve(true, nullptr).feasible();
      if (!found || helps) {
        best_envelope = envelope_;
        best_hard = hard_;
        best_kind = kind;
        found = true;
      }
      if (helps) break;
    }
    if (found) {
      fit_.removed[static_cast<std::size_t>(best_kind)] += 1;
      envelope_ = std::move(best_envelope);
      hard_ = std::move(best_hard);
    } else {
      envelope_ = envelope;
      hard_ = hard;
    }
    return found;
  }

  // One round of propagation over every stride-th time. False: too many times fit in no run.
  bool propagate(std::size_t stride) {
    const Solution& solution = fit_.solution;
    envelope_.clear();
    std::uint64_t rejected = 0;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < problem_.times.size(); i += stride) {
      const GuestTime& time = problem_.times[i];
      const RunIndex& runs = problem_.vcpus[time.vcpu];
      if (runs.empty()) continue;
      const std::int64_t least = solution.least(time.x);
      const std::int64_t greatest = solution.greatest(time.x);
      std::int64_t low = least;
      std::int64_t high = greatest;
      ++seen;
      if (!runs.narrow(least, greatest, low, high)) {
        ++rejected;
        continue;
      }
      if (low > runs.cover_begin()) envelope_.push_back({time.x, low, false});
      if (high < runs.cover_end()) envelope_.push_back({time.x, high, true});
    }
    fit_.rejected = rejected;
    fit_.used = envelope_.size();
    return rejected <= tolerated(seen);
  }

  [[nodiscard]] std::int64_t width() const {
    const std::int64_t first = problem_.times.front().x;
    const std::int64_t last = problem_.times.back().x;
    const Solution& s = fit_.solution;
    return (s.greatest(first) - s.least(first)) / 2 + (s.greatest(last) - s.least(last)) / 2;
  }

  bool converge(std::size_t stride) {
    if (problem_.times.empty()) return true;
    std::int64_t before = width();
    int calm = 0;
    const int rounds = problem_.trial ? kTrialRounds : kMaxRounds;
    for (int round = 0; round < rounds && calm < 2; ++round) {
      if (!propagate(stride)) return fail();
      Solution next = solve_without_conflicts(true);
      if (!next.feasible()) return fail();
      fit_.solution = std::move(next);
      const std::int64_t after = width();
      calm = after > before - before / 256 - 1 ? calm + 1 : 0;
      before = after;
    }
    return true;
  }

  bool fail() {
    fit_.solution.kind = SolutionClass::kInfeasible;
    return false;
  }

  const EnvelopeProblem& problem_;
  std::int64_t x0_ = 0;
  std::int64_t y0_ = 0;
  std::vector<Fact> hard_;
  std::vector<Fact> envelope_;
  EnvelopeFit fit_;
};

}  // namespace

EnvelopeFit fit_envelopes(const EnvelopeProblem& problem) { return Fitter(problem).run(); }

RunIndex::RunIndex(std::vector<model::GuestRun> runs, std::span<const model::GuestRun> losses) {
  if (runs.empty()) return;
  const auto by_entry = [](const model::GuestRun& a, const model::GuestRun& b) {
    return a.entry < b.entry;
  };
  runs.insert(runs.end(), losses.begin(), losses.end());
  std::sort(runs.begin(), runs.end(), by_entry);
  for (const model::GuestRun& run : runs) {
    if (run.exit < run.entry) continue;
    if (!runs_.empty() && run.entry <= runs_.back().exit) {
      runs_.back().exit = std::max(runs_.back().exit, run.exit);
    } else {
      runs_.push_back(run);
    }
  }
}

std::size_t RunIndex::first_ending_at_or_after(std::int64_t y) const {
  return static_cast<std::size_t>(
      std::partition_point(runs_.begin(), runs_.end(),
                           [y](const model::GuestRun& run) { return run.exit.value < y; }) -
      runs_.begin());
}

bool RunIndex::inside(std::int64_t y) const {
  const std::size_t index = first_ending_at_or_after(y);
  return index < runs_.size() && runs_[index].entry.value <= y;
}

bool RunIndex::narrow(std::int64_t least, std::int64_t greatest, std::int64_t& low,
                      std::int64_t& high) const {
  low = least;
  high = greatest;
  if (least >= cover_begin()) {
    const std::size_t first = first_ending_at_or_after(least);
    if (first < runs_.size()) low = std::max(low, runs_[first].entry.value);
  }
  if (greatest <= cover_end()) {
    const std::size_t after =
        static_cast<std::size_t>(std::partition_point(runs_.begin(), runs_.end(),
                                                      [greatest](const model::GuestRun& run) {
                                                        return run.entry.value <= greatest;
                                                      }) -
                                 runs_.begin());
    if (after > 0) high = std::min(high, runs_[after - 1].exit.value);
  }
  return low <= high;
}

void place(const RunIndex& runs, std::int64_t y, std::uint32_t weight, std::int64_t slack,
           Placement& placement) {
  if (!runs.covers(y)) return;
  placement.covered += weight;
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (runs.narrow(y - slack, y + slack, low, high)) return;
  placement.outside += weight;
  const auto all = runs.runs();
  const auto next = std::partition_point(
      all.begin(), all.end(), [y](const model::GuestRun& run) { return run.exit.value < y; });
  std::int64_t distance = next == all.end() ? y - runs.cover_end() : next->entry.value - y;
  if (next != all.begin()) distance = std::min(distance, y - (next - 1)->exit.value);
  placement.worst = std::max(placement.worst, distance);
}

}  // namespace vs::clock
