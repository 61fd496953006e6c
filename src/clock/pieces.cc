#include "clock/pieces.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vs::clock {
namespace {

constexpr double kProbeNs = 0.5e9;
constexpr double kBucketNs = 20e3;
constexpr double kSlackNs = 25e3;  // 100 ppm over half a probe
constexpr double kDeclaredRangeNs = 3e9;
constexpr double kStepRangeNs = 20e9;
constexpr double kProbeSpacingNs = 150e3;
constexpr std::size_t kProbeTimes = 400;
constexpr std::size_t kProbes = 6;
constexpr std::size_t kMaxPieces = 64;
constexpr std::size_t kLeastPart = 8;
constexpr int kSettleAttempts = 8;
constexpr std::size_t kLeastLaterPiece = 256;
constexpr std::size_t kTrimReach = 1024;
constexpr std::size_t kTrimMargin = 8;
constexpr std::size_t kNeighbours = 2048;
constexpr double kNeighbourSlope = 100e-6;
constexpr double kPlausible = 0.02;
constexpr std::int64_t kMaxBuckets = std::int64_t{1} << 27;

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] std::size_t size() const { return end - begin; }
};

class PieceFinder {
 public:
  explicit PieceFinder(const PieceProblem& problem) : problem_(problem) {}

  std::vector<Piece> run() {
    cover(Range{0, problem_.times.size()});
    std::sort(pieces_.begin(), pieces_.end(),
              [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
    return std::move(pieces_);
  }

 private:
  [[nodiscard]] std::int64_t units(double ns) const {
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(ns / problem_.unit_ns));
  }

  [[nodiscard]] std::span<const Fact> facts_of(Range range) const {
    if (range.size() == 0) return {};
    // The first and last range also own the facts beyond the times.
    const std::int64_t first = range.begin == 0 ? INT64_MIN : problem_.times[range.begin].x;
    const std::int64_t last =
        range.end == problem_.times.size() ? INT64_MAX : problem_.times[range.end - 1].x;
    const auto begin = std::partition_point(problem_.facts.begin(), problem_.facts.end(),
                                            [&](const Fact& fact) { return fact.x < first; });
    const auto end = std::partition_point(begin, problem_.facts.end(),
                                          [&](const Fact& fact) { return fact.x <= last; });
    return {begin, end};
  }

  [[nodiscard]] EnvelopeFit fit(Range range, std::span<const Fact> assumed,
                                bool trial = false) const {
    EnvelopeProblem problem;
    problem.times = problem_.times.subspan(range.begin, range.size());
    problem.vcpus = problem_.vcpus;
    problem.facts = facts_of(range);
    problem.assumed = assumed;
    problem.slope_limit_ppb = problem_.slope_limit_ppb;
    problem.trial = trial;
    return fit_envelopes(problem);
  }

  [[nodiscard]] static bool bounded(std::span<const Fact> facts) {
    const auto count =
        std::count_if(facts.begin(), facts.end(), [](const Fact& fact) { return fact.upper; });
    return count >= 2 && static_cast<std::size_t>(count) + 2 <= facts.size();
  }

  void cover(Range range) {
    std::vector<Range> open{range};
    while (!open.empty() && pieces_.size() < kMaxPieces) {
      const Range next = open.back();
      open.pop_back();
      if (next.size() < kLeastPieceTimes) continue;
      const auto piece = find(next);
      if (!piece) continue;
      // A stretch found by search that is a small part of what is left proves nothing: short
      // stretches fit somewhere by luck. More of them would only cost time.
      const bool lucky =
          !bounded(facts_of(next)) && (piece->end - piece->begin) * kLeastPart < next.size();
      if (lucky) continue;
      open.push_back({next.begin, piece->begin});
      open.push_back({piece->end, next.end});
      pieces_.push_back(*piece);
    }
  }

  std::optional<Piece> find(Range range) {
    std::optional<Piece> best;
    if (bounded(facts_of(range))) {
      // Right after a break the range may still begin with times of the piece before.
      for (const std::size_t skip : {0U, 32U, 128U, 512U}) {
        if (skip >= range.size()) break;
        auto piece = longest_prefix({range.begin + skip, range.end});
        if (piece && (!best || piece->end - piece->begin > best->end - best->begin)) best = piece;
        if (best && (best->end - best->begin) * 4 >= range.size()) break;
      }
    }
    const bool small = !best || best->end - best->begin < std::min(kLeastLaterPiece, range.size());
    if (small && problem_.search) {
      auto found = search(range);
      if (found && (!best || found->end - found->begin > best->end - best->begin)) best = found;
    }
    if (best) best = trim(std::move(*best));
    // What is left around a break is short enough to fit somewhere by luck.
    const std::size_t least = pieces_.empty() ? kLeastPieceTimes : kLeastLaterPiece;
    if (best && best->end - best->begin < least) best.reset();
    if (best && !pieces_.empty() && best->fit.assumed_needed) best.reset();
    return best;
  }

  // A break lies a little before the place where the facts become infeasible: the first times after
  // it can agree by luck. On a side where the times go on, the piece is cut back to before the last
  // contradictions, and to where the host says something.
  [[nodiscard]] Piece trim(Piece piece) const {
    const bool head = piece.begin > 0;
    const bool tail = piece.end < problem_.times.size();
    if (!head && !tail) return piece;
    const Range kept = trimmed(piece, head, tail);
    if (kept.size() < kLeastPieceTimes) return piece;
    const std::array<Fact, 2> box = box_around(piece, kept.begin + kept.size() / 2);
    EnvelopeFit fitted = fit(kept, box);
    if (!fitted.solution.feasible()) return piece;
    return Piece{kept.begin, kept.end, std::move(fitted)};
  }

  [[nodiscard]] Range trimmed(const Piece& piece, bool head, bool tail) const {
    const std::size_t count = piece.end - piece.begin;
    const std::size_t reach = std::min(kTrimReach, count / 4);
    std::size_t begin = piece.begin;
    std::size_t end = piece.end;
    for (std::size_t i = 0; i < reach; ++i) {
      if (head && doubtful(piece.begin + i, piece.fit.solution)) begin = piece.begin + i + 1;
    }
    for (std::size_t i = reach; tail && i-- > 0;) {
      if (doubtful(piece.end - 1 - i, piece.fit.solution)) {
        end = piece.end - 1 - i;
        break;
      }
    }
    if (head) begin += kTrimMargin;
    if (tail) end -= std::min(kTrimMargin, end - piece.begin);
    return {begin, std::max(begin, end)};
  }

  // Contradicts the line, or lies where the host's trace says nothing.
  [[nodiscard]] bool doubtful(std::size_t index, const Solution& solution) const {
    const GuestTime& time = problem_.times[index];
    const RunIndex& runs = problem_.vcpus[time.vcpu];
    if (runs.empty()) return false;
    std::int64_t low = 0;
    std::int64_t high = 0;
    return !runs.covers(solution.middle(time.x)) ||
           !runs.narrow(solution.least(time.x), solution.greatest(time.x), low, high);
  }

  // The refit starts from what the piece already showed, widely.
  [[nodiscard]] std::array<Fact, 2> box_around(const Piece& piece, std::size_t index) const {
    const std::int64_t x = problem_.times[index].x;
    const Solution& solution = piece.fit.solution;
    const std::int64_t room = (solution.greatest(x) - solution.least(x)) + units(kSlackNs);
    return {Fact{x, solution.greatest(x) + room, true}, Fact{x, solution.least(x) - room, false}};
  }

  // The facts bound the offset everywhere: the longest feasible prefix is a piece.
  std::optional<Piece> longest_prefix(Range range) const {
    Piece best{range.begin, range.end, fit(range, {})};
    if (best.fit.solution.feasible()) return best;
    best.end = range.begin;
    std::size_t low = range.begin;
    std::size_t high = range.end;
    while (low + 1 < high) {
      const std::size_t middle = low + (high - low) / 2;
      EnvelopeFit part = fit({range.begin, middle}, {});
      const bool open = part.solution.kind == SolutionClass::kIncomplete ||
                        part.solution.kind == SolutionClass::kAbsent;
      if (part.solution.feasible()) {
        best.end = middle;
        best.fit = std::move(part);
        low = middle;
      } else if (open) {
        low = middle;  // too short to say
      } else {
        high = middle;
      }
    }
    if (best.end - best.begin < kLeastPieceTimes) return std::nullopt;
    return best;
  }

  // Only times apart from each other: a burst of events says the same thing again and again.
  [[nodiscard]] std::vector<GuestTime> thin_probe(std::span<const GuestTime> times) const {
    const std::int64_t spacing = units(kProbeSpacingNs);
    std::vector<GuestTime> probe;
    std::vector<std::int64_t> last(problem_.vcpus.size(), INT64_MIN / 2);
    for (const GuestTime& time : times) {
      if (time.x - last[time.vcpu] < spacing) continue;
      last[time.vcpu] = time.x;
      probe.push_back(time);
    }
    if (probe.size() > kProbeTimes) {
      std::vector<GuestTime> fewer;
      for (std::size_t i = 0; i < kProbeTimes; ++i) {
        fewer.push_back(probe[i * probe.size() / kProbeTimes]);
      }
      return fewer;
    }
    return probe;
  }

  struct OffsetRange {
    std::int64_t least = 0;
    std::int64_t greatest = 0;
  };

  // Where to look: near what is declared or known of a neighbouring piece, then everywhere.
  [[nodiscard]] std::vector<OffsetRange> ranges(std::int64_t x) const {
    std::vector<OffsetRange> list;
    const auto around = [&](std::int64_t offset, double range_ns) {
      list.push_back({offset - units(range_ns), offset + units(range_ns)});
    };
    for (const Piece& piece : pieces_) around(piece.fit.solution.middle(x) - x, kStepRangeNs);
    if (problem_.declared_offset) around(*problem_.declared_offset, kDeclaredRangeNs);
    std::int64_t first = INT64_MAX;
    std::int64_t last = INT64_MIN;
    for (const RunIndex& runs : problem_.vcpus) {
      if (runs.empty()) continue;
      first = std::min(first, runs.cover_begin());
      last = std::max(last, runs.cover_end());
    }
    if (first < last) list.push_back({first - x, last - x});
    return list;
  }

  /// A stretch found by trials, and the coarse alignment that led to it.
  struct Found {
    Piece piece;
    std::array<Fact, 2> box;
    bool complete = false;    ///< the whole range, fitted in full
    std::size_t covered = 0;  ///< times of which the host says something: what the stretch is worth
  };

  [[nodiscard]] std::size_t covered(const Piece& piece) const {
    std::size_t count = 0;
    for (std::size_t i = piece.begin; i < piece.end; ++i) {
      const GuestTime& time = problem_.times[i];
      if (problem_.vcpus[time.vcpu].covers(piece.fit.solution.middle(time.x))) ++count;
    }
    return count;
  }

  std::optional<Piece> search(Range range) const {
    const auto times = problem_.times.subspan(range.begin, range.size());
    const auto windows = probe_windows(times, units(kProbeNs), kProbes);
    std::optional<Found> best;
    for (const bool everywhere : {false, true}) {
      for (const ProbeWindow& window : windows) {
        const Range probe{range.begin + window.begin, range.begin + window.end};
        const bool known = best && probe.begin >= best->piece.begin &&
                           probe.end <= best->piece.end &&
                           best->covered * 2 >= best->piece.end - best->piece.begin;
        if (known) continue;
        const auto where = ranges(problem_.times[probe.begin].x);
        for (std::size_t i = 0; i < where.size(); ++i) {
          if ((i + 1 == where.size()) != everywhere) continue;
          try_window(range, probe, where[i], best);
          if (best && best->complete) return settle(*best);
        }
      }
      if (best && best->covered >= range.size() / 2) break;
    }
    return best ? settle(*best) : std::nullopt;
  }

  void try_window(Range range, Range probe, OffsetRange where, std::optional<Found>& best) const {
    const auto times = problem_.times.subspan(probe.begin, probe.size());
    AlignOptions options;
    options.offset_least = where.least;
    options.offset_greatest = where.greatest;
    options.slack = units(kSlackNs);
    options.bucket = std::max(units(kBucketNs), (where.greatest - where.least) / kMaxBuckets);
    const auto candidates = find_offsets(thin_probe(times), problem_.vcpus, options);
    for (const OffsetCandidate& candidate : candidates) {
      if (!plausible(range, probe, candidate, options.slack)) continue;
      const std::int64_t x = times[times.size() / 2].x;
      const std::int64_t slack = 2 * options.slack + options.bucket;
      auto found = grow(range, probe,
                        {Fact{x, x + candidate.greatest + slack, true},
                         Fact{x, x + candidate.least - slack, false}});
      if (!found) continue;
      found->covered = covered(found->piece);
      if (found->covered < kLeastPieceTimes) continue;
      if (!best || found->covered > best->covered) best = std::move(found);
      if (best && best->complete) return;
    }
  }

  // The probe's neighbours on one side must agree with the candidate, with room for drift. (On one
  // side only: the clock may have been set on the other.)
  [[nodiscard]] bool plausible(Range range, Range probe, const OffsetCandidate& candidate,
                               std::int64_t slack) const {
    const std::size_t left = probe.begin - std::min(probe.begin - range.begin, kNeighbours);
    const std::size_t right = std::min(range.end, probe.end + kNeighbours);
    return agree(left, probe.end, candidate, slack) || agree(probe.begin, right, candidate, slack);
  }

  [[nodiscard]] bool agree(std::size_t begin, std::size_t end, const OffsetCandidate& candidate,
                           std::int64_t slack) const {
    const std::int64_t middle = candidate.least + (candidate.greatest - candidate.least) / 2;
    const std::int64_t half = (candidate.greatest - candidate.least) / 2 + slack;
    const std::int64_t x0 = problem_.times[begin + (end - begin) / 2].x;
    Placement placement;
    for (std::size_t i = begin; i < end; ++i) {
      const GuestTime& time = problem_.times[i];
      const double drift = kNeighbourSlope * std::abs(static_cast<double>(time.x - x0));
      place(problem_.vcpus[time.vcpu], time.x + middle, 1, half + static_cast<std::int64_t>(drift),
            placement);
    }
    return placement.covered > 0 && placement.share() <= kPlausible;
  }

  // From the probe outwards to the longest stretch that a trial finds feasible.
  std::optional<Found> grow(Range range, Range probe, std::array<Fact, 2> box) const {
    Found found{Piece{probe.begin, probe.end, fit(probe, box, true)}, box};
    if (!found.piece.fit.solution.feasible()) return std::nullopt;
    if (fit(range, box, true).solution.feasible()) {
      EnvelopeFit whole = fit(range, box);
      if (whole.solution.feasible()) {
        return Found{Piece{range.begin, range.end, std::move(whole)}, box, true};
      }
    }
    grow_side(range, box, found.piece, true);
    grow_side(range, box, found.piece, false);
    return found;
  }

  // The stretch was found by trials: the full fit decides, on a shorter one where it must.
  std::optional<Piece> settle(Found found) const {
    Piece& piece = found.piece;
    if (found.complete) return piece;
    const bool head = piece.begin > 0;
    const bool tail = piece.end < problem_.times.size();
    const Range kept = trimmed(piece, head, tail);
    piece.begin = kept.begin;
    piece.end = kept.end;
    for (int attempt = 0; attempt < kSettleAttempts; ++attempt) {
      if (piece.end - piece.begin < kLeastPieceTimes) break;
      piece.fit = fit({piece.begin, piece.end}, found.box);
      if (piece.fit.solution.feasible()) return piece;
      const std::size_t cut = std::max<std::size_t>(1, (piece.end - piece.begin) / 32);
      if (head) piece.begin += cut;
      if (tail || !head) piece.end -= cut;
    }
    return std::nullopt;
  }

  void grow_side(Range range, std::span<const Fact> box, Piece& piece, bool right) const {
    std::size_t step = std::max<std::size_t>(64, piece.end - piece.begin);
    while (step > 0) {
      Range wider{piece.begin, piece.end};
      if (right) {
        wider.end = std::min(range.end, piece.end + step);
      } else {
        wider.begin = piece.begin - std::min(piece.begin - range.begin, step);
      }
      if (wider.size() == piece.end - piece.begin) return;
      EnvelopeFit fitted = fit(wider, box, true);
      if (fitted.solution.feasible()) {
        piece = Piece{wider.begin, wider.end, std::move(fitted)};
        step *= 2;
      } else {
        step = step > 1 && wider.size() > 2 ? step / 4 : 0;
      }
    }
  }

  const PieceProblem& problem_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> fit_pieces(const PieceProblem& problem) { return PieceFinder(problem).run(); }

}  // namespace vs::clock
