#include "clock/envelope.h"

#include <algorithm>
#include <optional>

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
    build_hard_hull();
    found_ = HullSolver(x0_, y0_, problem.slope_limit_ppb);
  }

  EnvelopeFit run() {
    fit_.solution = solve_without_conflicts(true);
    if (!fit_.solution.feasible()) return fit_;
    build_hard_hull();
    const std::size_t sample = problem_.trial ? kTrialSample : kSample;
    const std::size_t stride = std::max<std::size_t>(1, problem_.times.size() / sample);
    if (!converge(stride) || problem_.trial) return fit_;
    if (stride > 1 && !converge(1)) return fit_;
    if (problem_.assumed.empty()) return fit_;
    Solution open = removed_ ? solve_without_conflicts(false) : solve_hulls(all_facts(), false);
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
    add_all(envelope_, solver);
    add_all(hard_, solver);
    if (with_assumed) add_all(problem_.assumed, solver);
    Solution solution = solver.solve();
    if (conflict != nullptr) *conflict = solver.conflict();
    return solution;
  }

  // Only the hulls of the facts matter to a solution; all of them are kept only while a wrong one
  // is looked for.
  [[nodiscard]] Solution solve_hulls(const HullSolver& envelope, bool with_assumed) const {
    HullSolver solver = envelope;
    solver.add_hull(hard_hull_);
    if (with_assumed) add_all(problem_.assumed, solver);
    return solver.solve();
  }

  static void add_all(std::span<const Fact> facts, HullSolver& solver) {
    for (const Fact& fact : facts) {
      fact.upper ? solver.add_upper(fact.x, fact.y) : solver.add_lower(fact.x, fact.y);
    }
  }

  void build_hard_hull() {
    hard_hull_ = HullSolver(x0_, y0_, problem_.slope_limit_ppb);
    add_all(hard_, hard_hull_);
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

  /// What a round hands on.
  enum class Facts : std::uint8_t {
    kNew,  ///< those that the solution does not imply
    kAll   ///< of every time what the solution and its run say
  };

  // One round of propagation over every stride-th time, each fact to `take`. False: too many times
  // fit in no run.
  template <Facts kWanted, typename Take>
  bool propagate(std::size_t stride, const Take& take) {
    BoundWalk least_walk(fit_.solution, BoundWalk::Side::kLeast);
    BoundWalk greatest_walk(fit_.solution, BoundWalk::Side::kGreatest);
    std::vector<RunIndex::Hint> hints(problem_.vcpus.size());
    std::uint64_t rejected = 0;
    std::uint64_t seen = 0;
    std::uint64_t used = 0;
    for (std::size_t i = 0; i < problem_.times.size(); i += stride) {
      const GuestTime& time = problem_.times[i];
      const RunIndex& runs = problem_.vcpus[time.vcpu];
      if (runs.empty()) continue;
      ++seen;
      if constexpr (kWanted == Facts::kNew) {
        // Nearly always the bounds lie in one run, which then says nothing new.
        if (runs.within_run(least_walk.below(time.x), greatest_walk.above(time.x),
                            hints[time.vcpu])) {
          used += 2;
          continue;
        }
      }
      const std::int64_t least = least_walk.at(time.x);
      const std::int64_t greatest = greatest_walk.at(time.x);
      std::int64_t low = least;
      std::int64_t high = greatest;
      if (!runs.narrow(least, greatest, low, high, hints[time.vcpu])) {
        ++rejected;
        continue;
      }
      if (low > runs.cover_begin()) {
        if (kWanted == Facts::kAll || low > least) take(Fact{time.x, low, false});
        ++used;
      }
      if (high < runs.cover_end()) {
        if (kWanted == Facts::kAll || high < greatest) take(Fact{time.x, high, true});
        ++used;
      }
    }
    fit_.rejected = rejected;
    fit_.used = used;
    return rejected <= tolerated(seen);
  }

  static auto into(HullSolver& hull) {
    return [&hull](const Fact& fact) {
      fact.upper ? hull.add_upper(fact.x, fact.y) : hull.add_lower(fact.x, fact.y);
    };
  }

  [[nodiscard]] HullSolver all_facts() {
    HullSolver hull(x0_, y0_, problem_.slope_limit_ppb);
    (void)propagate<Facts::kAll>(1, into(hull));
    return hull;
  }

  // A round, and the solution that its facts allow; nothing: they contradict too much. What earlier
  // rounds found still holds, so only what is new is added to it.
  std::optional<Solution> round(std::size_t stride) {
    HullSolver fresh(x0_, y0_, problem_.slope_limit_ppb);
    if (!propagate<Facts::kNew>(stride, into(fresh))) return std::nullopt;
    removed_ = false;
    if (fresh.hull_size() == 0) return fit_.solution;
    fresh.add_hull(found_);
    fresh.settle();
    Solution next = solve_hulls(fresh, true);
    if (next.kind == SolutionClass::kInfeasible && !problem_.trial) {
      removed_ = true;
      envelope_.clear();
      (void)propagate<Facts::kAll>(stride, [this](const Fact& fact) { envelope_.push_back(fact); });
      next = solve_without_conflicts(true);
      build_hard_hull();  // a wrong one may be out
      fresh = HullSolver(x0_, y0_, problem_.slope_limit_ppb);
      add_all(envelope_, fresh);
    }
    if (!next.feasible()) return std::nullopt;
    found_ = std::move(fresh);
    return next;
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
    // The whole after its sample has converged: one quiet round is enough.
    const int wanted = stride == 1 && sampled_ ? 1 : 2;
    sampled_ = stride > 1;
    for (int i = 0; i < rounds && calm < wanted; ++i) {
      std::optional<Solution> next = round(stride);
      if (!next) return fail();
      fit_.solution = std::move(*next);
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
  HullSolver hard_hull_{0, 0, 0};
  HullSolver found_{0, 0, 0};  ///< envelope facts of all rounds so far
  bool removed_ = false;       ///< the last round took a wrong fact out of envelope_ or hard_
  bool sampled_ = false;
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
  if (!std::is_sorted(runs.begin(), runs.end(), by_entry)) {
    std::sort(runs.begin(), runs.end(), by_entry);
  }
  std::size_t kept = 0;
  for (const model::GuestRun run : runs) {
    if (run.exit < run.entry) continue;
    if (kept != 0 && run.entry <= runs[kept - 1].exit) {
      runs[kept - 1].exit = std::max(runs[kept - 1].exit, run.exit);
    } else {
      runs[kept++] = run;
    }
  }
  runs.resize(kept);
  runs_ = std::move(runs);
}

namespace {

/// The first index from which `before` does not hold, found from a guess near it.
template <typename Before>
std::size_t gallop(std::span<const model::GuestRun> runs, std::size_t guess, const Before& before) {
  std::size_t low = guess <= runs.size() && (guess == 0 || before(runs[guess - 1])) ? guess : 0;
  std::size_t step = 1;
  std::size_t high = low;
  while (high < runs.size() && before(runs[high])) {
    low = high + 1;
    high = low + step;
    step *= 2;
  }
  high = std::min(high, runs.size());
  const auto at = std::partition_point(runs.begin() + static_cast<std::ptrdiff_t>(low),
                                       runs.begin() + static_cast<std::ptrdiff_t>(high), before);
  return static_cast<std::size_t>(at - runs.begin());
}

std::size_t first_ending(std::span<const model::GuestRun> runs, std::int64_t y, std::size_t guess) {
  return gallop(runs, guess, [y](const model::GuestRun& run) { return run.exit.value < y; });
}

}  // namespace

bool RunIndex::inside(std::int64_t y) const {
  Hint hint;
  return inside(y, hint);
}

bool RunIndex::inside(std::int64_t y, Hint& hint) const {
  hint.ending = first_ending(runs_, y, hint.ending);
  return hint.ending < runs_.size() && runs_[hint.ending].entry.value <= y;
}

bool RunIndex::narrow(std::int64_t least, std::int64_t greatest, std::int64_t& low,
                      std::int64_t& high) const {
  Hint hint;
  return narrow(least, greatest, low, high, hint);
}

bool RunIndex::narrow(std::int64_t least, std::int64_t greatest, std::int64_t& low,
                      std::int64_t& high, Hint& hint) const {
  low = least;
  high = greatest;
  if (least >= cover_begin()) {
    hint.ending = first_ending(runs_, least, hint.ending);
    if (hint.ending < runs_.size()) low = std::max(low, runs_[hint.ending].entry.value);
  }
  if (greatest <= cover_end()) {
    // No run before `ending` begins later.
    const std::size_t guess = least <= greatest ? std::max(hint.begun, hint.ending) : hint.begun;
    hint.begun = gallop(runs_, guess, [greatest](const model::GuestRun& run) {
      return run.entry.value <= greatest;
    });
    if (hint.begun > 0) high = std::min(high, runs_[hint.begun - 1].exit.value);
  }
  return low <= high;
}

void place(const RunIndex& runs, std::int64_t y, std::uint32_t weight, std::int64_t slack,
           Placement& placement) {
  RunIndex::Hint hint;
  place(runs, y, weight, slack, placement, hint);
}

void place(const RunIndex& runs, std::int64_t y, std::uint32_t weight, std::int64_t slack,
           Placement& placement, RunIndex::Hint& hint) {
  if (runs.within_run(y - slack, y + slack, hint)) {
    placement.covered += weight;
    return;
  }
  if (!runs.covers(y)) return;
  placement.covered += weight;
  std::int64_t low = 0;
  std::int64_t high = 0;
  if (runs.narrow(y - slack, y + slack, low, high, hint)) return;
  placement.outside += weight;
  const auto all = runs.runs();
  const std::size_t next = first_ending(all, y, hint.ending);
  std::int64_t distance = next == all.size() ? y - runs.cover_end() : all[next].entry.value - y;
  if (next > 0) distance = std::min(distance, y - all[next - 1].exit.value);
  placement.worst = std::max(placement.worst, distance);
}

}  // namespace vs::clock
