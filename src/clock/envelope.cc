#include "clock/envelope.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace vs::clock {
namespace {

constexpr int kMaxRounds = 60;
constexpr int kTrialRounds = 24;
constexpr std::size_t kTrialSample = 1536;
// Times used until they have converged, before all of them: what few times say comes cheaply, and
// each larger sample starts from there.
constexpr std::size_t kPreviewSample = 1024;  // may fail: then it was too small to say
constexpr std::size_t kSample = 16384;
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
    if (problem_.trial) {
      level_ = Level::kTrial;
      (void)converge(stride_of(kTrialSample));
      return fit_;
    }
    if (!converge_by_samples()) return fit_;
    if (open_stride_ == 1) fit_.unsettled = open_;
    if (problem_.assumed.empty()) return fit_;
    Solution open = removed_ ? solve_without_conflicts(false) : solve_hulls(all_facts(), false);
    if (open.feasible()) {
      fit_.solution = std::move(open);
      fit_.unsettled.reset();  // its bounds are wider
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

  /// What the rounds over a sample of the times are for.
  enum class Level : std::uint8_t {
    kTrial,    ///< a first look, which answers at once
    kPreview,  ///< what it finds holds; that it fails says nothing
    kDecides   ///< looks for the wrong fact where facts contradict each other
  };

  /// What a round hands on.
  enum class Facts : std::uint8_t {
    kNew,  ///< those that the solution does not imply
    kAll   ///< of every time what the solution and its run say
  };

  /// The bounds of the present solution, at times in rising order.
  struct Walk {
    Walk(const Solution& solution, std::size_t vcpus)
        : least(solution, BoundWalk::Side::kLeast),
          greatest(solution, BoundWalk::Side::kGreatest),
          hints(vcpus) {}
    BoundWalk least;
    BoundWalk greatest;
    std::vector<RunIndex::Hint> hints;
    std::int64_t spread = 0;  ///< the greatest is no more than this above least.below(), anywhere
  };
  [[nodiscard]] Walk walk() const {
    Walk along(fit_.solution, problem_.vcpus.size());
    if (problem_.times.empty()) return along;
    // Bounds are farthest apart at one of the ends: their distance is convex.
    const auto [first, last] = widths();
    along.spread = std::max(first, last) + BoundWalk::kRoughWithin;
    return along;
  }
  /// How far the bounds are apart at the first and the last time.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> widths() const {
    const auto at = [&s = fit_.solution](std::int64_t x) { return s.greatest(x) - s.least(x); };
    return {at(problem_.times.front().x), at(problem_.times.back().x)};
  }

  [[nodiscard]] bool within_run(std::size_t index, Walk& walk) const {
    const GuestTime& time = problem_.times[index];
    const RunIndex& runs = problem_.vcpus[time.vcpu];
    RunIndex::Hint& hint = walk.hints[time.vcpu];
    const std::int64_t least = walk.least.below(time.x);
    return runs.within_run(least, least + walk.spread, hint) ||
           runs.within_run(least, walk.greatest.above(time.x), hint);
  }

  // Of every stride-th time those whose bounds do not lie in one run. Nearly all do and say nothing
  // new then, and bounds only become narrower: later rounds need not look at them.
  void find_open(std::size_t stride) {
    Walk along = walk();
    if (stride == open_stride_) {
      std::erase_if(open_, [&](std::size_t i) { return within_run(i, along); });
      return;
    }
    open_.clear();
    seen_ = 0;
    open_stride_ = stride;
    for (std::size_t i = 0; i < problem_.times.size(); i += stride) {
      if (problem_.vcpus[problem_.times[i].vcpu].empty()) continue;
      ++seen_;
      if (!within_run(i, along)) open_.push_back(i);
    }
  }

  // One round of propagation over every stride-th time, each fact to `take`. False: too many times
  // fit in no run.
  template <Facts kWanted, typename Take>
  bool propagate(std::size_t stride, const Take& take) {
    fit_.rejected = 0;
    fit_.used = 0;
    Walk along = walk();
    if (kWanted == Facts::kNew) {
      find_open(stride);
      fit_.used = 2 * (seen_ - open_.size());
      for (const std::size_t i : open_) tell<kWanted>(i, along, take);
      return fit_.rejected <= tolerated(seen_);
    }
    for (std::size_t i = 0; i < problem_.times.size(); i += stride) tell<kWanted>(i, along, take);
    return true;
  }

  // What one time says.
  template <Facts kWanted, typename Take>
  void tell(std::size_t index, Walk& walk, const Take& take) {
    const GuestTime& time = problem_.times[index];
    const RunIndex& runs = problem_.vcpus[time.vcpu];
    if (runs.empty()) return;
    const std::int64_t least = walk.least.at(time.x);
    const std::int64_t greatest = walk.greatest.at(time.x);
    std::int64_t low = least;
    std::int64_t high = greatest;
    if (!runs.narrow(least, greatest, low, high, walk.hints[time.vcpu])) {
      ++fit_.rejected;
      return;
    }
    if (low > runs.cover_begin()) {
      if (kWanted == Facts::kAll || low > least) take(Fact{time.x, low, false});
      ++fit_.used;
    }
    if (high < runs.cover_end()) {
      if (kWanted == Facts::kAll || high < greatest) take(Fact{time.x, high, true});
      ++fit_.used;
    }
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
    if (next.kind == SolutionClass::kInfeasible && level_ == Level::kDecides) {
      removed_ = true;
      open_stride_ = 0;  // without the wrong fact, bounds may be wider again
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
    const auto [first, last] = widths();
    return first / 2 + last / 2;
  }

  [[nodiscard]] std::size_t stride_of(std::size_t sample) const {
    return std::max<std::size_t>(1, problem_.times.size() / sample);
  }

  bool converge_by_samples() {
    if (stride_of(kPreviewSample) > 1) {
      level_ = Level::kPreview;
      (void)converge(stride_of(kPreviewSample));
    }
    level_ = Level::kDecides;
    const std::size_t stride = stride_of(kSample);
    if (stride > 1 && !converge(stride)) return false;
    return converge(1);
  }

  bool converge(std::size_t stride) {
    if (problem_.times.empty()) return true;
    std::int64_t before = width();
    int calm = 0;
    const int rounds = level_ == Level::kTrial ? kTrialRounds : kMaxRounds;
    // The whole after its sample has converged: one quiet round is enough.
    const int wanted = stride == 1 && sampled_ ? 1 : 2;
    sampled_ = level_ == Level::kDecides && stride > 1;
    for (int i = 0; i < rounds && calm < wanted; ++i) {
      std::optional<Solution> next = round(stride);
      if (!next) return level_ == Level::kPreview || fail();
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
  HullSolver found_{0, 0, 0};      ///< envelope facts of all rounds so far
  bool removed_ = false;           ///< the last round took a wrong fact out of envelope_ or hard_
  std::vector<std::size_t> open_;  ///< indices of times; those of the last round
  std::size_t open_stride_ = 0;    ///< what of; 0: of nothing
  std::uint64_t seen_ = 0;         ///< times of which the open ones are a part
  bool sampled_ = false;
  Level level_ = Level::kDecides;
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
  own_ = std::move(runs);
  runs_ = own_;
}

std::optional<RunIndex> RunIndex::over(std::span<const model::GuestRun> runs) {
  bool apart = true;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    apart &= runs[i].entry <= runs[i].exit;
    if (i > 0) apart &= runs[i - 1].exit < runs[i].entry;
  }
  if (!apart) return std::nullopt;
  RunIndex index;
  index.runs_ = runs;
  return index;
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

}  // namespace

std::size_t RunIndex::ending_from(std::int64_t y, std::size_t guess) const {
  return gallop(runs_, guess, [y](const model::GuestRun& run) { return run.exit.value < y; });
}

bool RunIndex::inside(std::int64_t y) const {
  Hint hint;
  return inside(y, hint);
}

bool RunIndex::inside(std::int64_t y, Hint& hint) const {
  hint.ending = ending_from(y, hint.ending);
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
    hint.ending = ending_from(least, hint.ending);
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
  const std::size_t next = runs.ending_from(y, hint.ending);
  std::int64_t distance = next == all.size() ? y - runs.cover_end() : all[next].entry.value - y;
  if (next > 0) distance = std::min(distance, y - all[next - 1].exit.value);
  placement.worst = std::max(placement.worst, distance);
}

}  // namespace vs::clock
