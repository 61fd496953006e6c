#pragma once
// HullSolver: the feasible lines between two clocks from half-plane facts (algorithms C.3, C.4).
//
// Unknown line f(x) = y0 + (x - x0) + r(x), r(x) = slope * (x - x0) + offset. A fact says
//   upper: the event at x happened before the host's event at y, so f(x) <= y;
//   lower: the event at x happened after it,                      so f(x) >= y.
// Only the lower hull of the uppers and the upper hull of the lowers matter. All decisions about
// hulls and feasibility use exact 128-bit integers; the polygon's corners are then given as long
// double and every bound taken from it is widened by one unit.
//
// Any subset of facts is sound; a wrong fact shows as infeasibility, not as noise.
//
// Ownership: values. Threads: one solver, one thread. Units: the clocks' own (ns or ticks).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "model/clock_map.h"

namespace vs::clock {

/// What the facts allow (the classes of Jabbarifar and Trace Compass, made precise).
enum class SolutionClass : std::uint8_t {
  kAbsent,       ///< no facts
  kIncomplete,   ///< facts of one direction only
  kApproximate,  ///< both directions; the slope is limited by the prior alone
  kAccurate,     ///< both directions limit offset and slope
  kInfeasible    ///< no line satisfies all facts
};

/// A line in residual form: r(x) = slope * (x - x0) + offset.
struct ResidualLine {
  long double slope = 0;
  long double offset = 0;
};

/// The polygon of feasible lines.
struct Solution {
  SolutionClass kind = SolutionClass::kAbsent;
  std::int64_t x0 = 0;
  std::int64_t y0 = 0;
  /// Corners by slope, in pairs of equal slope: greatest, then least offset. Empty unless feasible.
  std::vector<ResidualLine> corners;
  ResidualLine centre;  ///< mean of the corners: feasible, the polygon is convex
  long double slope_min = 0;
  long double slope_max = 0;

  [[nodiscard]] bool feasible() const {
    return kind == SolutionClass::kApproximate || kind == SolutionClass::kAccurate;
  }
  /// The least and greatest y that a feasible line gives x, widened by one unit. Require
  /// feasible().
  [[nodiscard]] std::int64_t least(std::int64_t x) const;
  [[nodiscard]] std::int64_t greatest(std::int64_t x) const;
  /// The centre's y. Requires feasible().
  [[nodiscard]] std::int64_t middle(std::int64_t x) const;
  /// Bound of |middle(x) - truth|.
  [[nodiscard]] std::int64_t bound(std::int64_t x) const;
  /// Moves the centre to the feasible line that comes closest to the middle of the bounds at both
  /// ends of a span: the least greatest error there. Requires feasible().
  void balance(std::int64_t x_first, std::int64_t x_last);
};

/// Residuals beyond it are no longer within one unit as a double.
inline constexpr double kExactDouble = 1e12;

/// Solution::middle() roughly, and cheaper.
class RoughMiddle {
 public:
  /// What at() is away from middle() at most: rounding and the double take up to one unit each.
  static constexpr std::int64_t kWithin = 2;

  /// Requires solution.feasible().
  explicit RoughMiddle(const Solution& solution)
      : x0_(solution.x0),
        y0_(solution.y0),
        slope_(static_cast<double>(solution.centre.slope)),
        offset_(static_cast<double>(solution.centre.offset)) {}
  /// False: too far away to say.
  [[nodiscard]] bool at(std::int64_t x, std::int64_t& y) const {
    const std::int64_t dx = x - x0_;
    const double r = slope_ * static_cast<double>(dx) + offset_;
    y = y0_ + dx + static_cast<std::int64_t>(std::clamp(r, -kExactDouble, kExactDouble));
    return r < kExactDouble && r > -kExactDouble && offset_ < kExactDouble &&
           offset_ > -kExactDouble;
  }

 private:
  std::int64_t x0_;
  std::int64_t y0_;
  double slope_;
  double offset_;
};

/// Solution::least() or greatest() at many x in rising order, at the cost of one line each. An x
/// that goes back is answered as well, from the beginning.
class BoundWalk {
 public:
  enum class Side : std::uint8_t { kLeast, kGreatest };
  /// Requires solution.feasible().
  BoundWalk(const Solution& solution, Side side);
  [[nodiscard]] std::int64_t at(std::int64_t x);
  /// At most, and at least, what at() says, and within kRoughWithin of it: cheaper.
  static constexpr std::int64_t kRoughWithin = 8;
  [[nodiscard]] std::int64_t below(std::int64_t x) { return about(x, -kRough); }
  [[nodiscard]] std::int64_t above(std::int64_t x) { return about(x, kRough); }

 private:
  /// at() widens by one unit, rounding and the double take up to one each.
  static constexpr std::int64_t kRough = 3;

  struct Line {
    double slope = 0;
    double offset = 0;
    double from = 0;
  };
  [[nodiscard]] std::int64_t about(std::int64_t x, std::int64_t margin) {
    const auto dx = static_cast<double>(x - x0_);
    const double r = rough_.slope * dx + rough_.offset;
    const bool here = dx > rough_.from && dx < rough_until_;
    if (!here || r > kExactDouble || r < -kExactDouble) return at(x);
    return y0_ + (x - x0_) + static_cast<std::int64_t>(r) + margin;
  }
  void turn_to(std::size_t line);

  Side side_;
  std::int64_t x0_;
  std::int64_t y0_;
  std::vector<ResidualLine> lines_;  ///< those that bind somewhere, by where
  std::vector<long double> from_;    ///< lines_[i] binds from from_[i] on
  std::size_t now_ = 0;
  Line rough_;              ///< lines_[now_]
  double rough_until_ = 0;  ///< where the next line binds
};

/// Coordinates further than this from the origin are refused: products then stay in 128 bits.
inline constexpr std::int64_t kFarthest = std::int64_t{1} << 61;

class HullSolver {
 public:
  /// Origin (x0, y0); the slope's residual is within +-slope_ppb_limit parts per billion (0:
  /// exactly equal rates).
  HullSolver(std::int64_t x0, std::int64_t y0, std::int64_t slope_limit_ppb)
      : x0_(x0), y0_(y0), limit_ppb_(slope_limit_ppb) {}

  /// False: out of range, not taken. Amortised O(1) for facts in the order of x.
  bool add_upper(std::int64_t x, std::int64_t y) { return add(upper_, x, y); }
  bool add_lower(std::int64_t x, std::int64_t y) { return add(lower_, x, y); }

  /// Takes over the facts that matter of another solver with the same origin.
  void add_hull(const HullSolver& other);

  [[nodiscard]] Solution solve();
  /// Puts facts that came out of order in their place, so that a copy takes only what matters.
  void settle();

  /// Corner points of the two hulls, for tests and for `sync` (facts that matter).
  [[nodiscard]] std::size_t hull_size() const { return upper_.hull.size() + lower_.hull.size(); }

  /// After solve() was infeasible: the facts that contradict each other, as (x, y) with direction.
  struct Fact {
    std::int64_t x = 0;
    std::int64_t y = 0;
    bool upper = false;
    model::FactKind kind = model::FactKind::kEnvelope;  ///< for counting only
  };
  [[nodiscard]] const std::vector<Fact>& conflict() const { return conflict_; }

 private:
  struct Point {
    std::int64_t x = 0;
    std::int64_t r = 0;
  };
  struct Chain {
    int side = 1;             ///< +1: lower hull (of the uppers); -1: upper hull (of the lowers)
    std::vector<Point> hull;  ///< by x
    std::vector<Point> late;  ///< facts before the hull's last x, merged at the next solve
  };
  /// A slope as a fraction, denominator > 0.
  struct Slope {
    std::int64_t rise = 0;
    std::int64_t run = 1;
  };

  bool add(Chain& chain, std::int64_t x, std::int64_t y);
  static void append(Chain& chain, Point point);
  static void merge_late(Chain& chain);
  /// The hull's corner that limits the offset for a slope: the last one whose left edge is not
  /// beyond.
  [[nodiscard]] static std::size_t limiting(const Chain& chain, Slope slope);
  /// w(slope) * slope.run: the room between the limiting corners.
  [[nodiscard]] Int128 room(Slope slope) const;
  /// xL - xU of the limiting corners: the sign of w's derivative just right of the slope.
  [[nodiscard]] Int128 derivative(Slope slope) const;
  [[nodiscard]] std::vector<Slope> breakpoints() const;
  void note_conflict(Slope slope);
  void build_polygon(Solution& solution, const std::vector<Slope>& slopes, std::size_t best) const;
  /// Where the room becomes 0 between two neighbouring breakpoints.
  [[nodiscard]] long double root(Slope inside, Slope outside) const;

  std::int64_t x0_;
  std::int64_t y0_;
  std::int64_t limit_ppb_;
  Chain upper_{1, {}, {}};
  Chain lower_{-1, {}, {}};
  std::vector<Fact> conflict_;
};

}  // namespace vs::clock
