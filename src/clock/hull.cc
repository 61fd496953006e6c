#include "clock/hull.h"

#include <algorithm>
#include <limits>

namespace vs::clock {
namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

std::int64_t to_units(long double value) {
  constexpr long double kEdge = 4.6e18L;  // well inside 63 bits
  return static_cast<std::int64_t>(std::clamp(value, -kEdge, kEdge));
}

// std::floor(long double) is a call into the library, and these are the join's inner loop.
std::int64_t floor_units(long double value) {
  const std::int64_t cut = to_units(value);
  return cut - (static_cast<long double>(cut) > value ? 1 : 0);
}
std::int64_t ceil_units(long double value) { return -floor_units(-value); }

}  // namespace

std::int64_t Solution::least(std::int64_t x) const {
  const auto dx = static_cast<long double>(x - x0);
  long double low = corners.front().slope * dx + corners.front().offset;
  for (const ResidualLine& line : corners) low = std::min(low, line.slope * dx + line.offset);
  return y0 + (x - x0) + floor_units(low) - 1;
}

std::int64_t Solution::greatest(std::int64_t x) const {
  const auto dx = static_cast<long double>(x - x0);
  long double high = corners.front().slope * dx + corners.front().offset;
  for (const ResidualLine& line : corners) high = std::max(high, line.slope * dx + line.offset);
  return y0 + (x - x0) + ceil_units(high) + 1;
}

std::int64_t Solution::middle(std::int64_t x) const {
  const auto dx = static_cast<long double>(x - x0);
  return y0 + (x - x0) + floor_units(centre.slope * dx + centre.offset + 0.5L);
}

std::int64_t Solution::bound(std::int64_t x) const {
  const std::int64_t middle_y = middle(x);
  return std::max(greatest(x) - middle_y, middle_y - least(x));
}

void Solution::balance(std::int64_t x_first, std::int64_t x_last) {
  if (x_last <= x_first) return;
  const auto middle_of = [this](std::int64_t x) {
    const long double base = static_cast<long double>(y0) + static_cast<long double>(x - x0);
    const long double low = static_cast<long double>(least(x)) - base;
    const long double high = static_cast<long double>(greatest(x)) - base;
    return (low + high) / 2;
  };
  const auto first = static_cast<long double>(x_first - x0);
  const auto length = static_cast<long double>(x_last - x_first);
  const long double at_first = middle_of(x_first);
  const long double slope =
      std::clamp((middle_of(x_last) - at_first) / length, slope_min, slope_max);
  const long double offset = (at_first + middle_of(x_last)) / 2 - slope * (first + length / 2);
  // The polygon's offsets at this slope: between two pairs of corners they run straight.
  std::size_t pair = 0;
  while (2 * pair + 3 < corners.size() && corners[2 * pair + 2].slope < slope) ++pair;
  const std::size_t next = 2 * pair + 3 < corners.size() ? pair + 1 : pair;
  const long double width = corners[2 * next].slope - corners[2 * pair].slope;
  const long double part = width > 0 ? (slope - corners[2 * pair].slope) / width : 0;
  const auto between = [&](std::size_t side) {
    const long double a = corners[2 * pair + side].offset;
    return a + (corners[2 * next + side].offset - a) * part;
  };
  const long double high = between(0);
  centre = {slope, std::clamp(offset, std::min(between(1), high), high)};
}

// The lower envelope of the corners' lines is made of falling slopes as x grows, the upper one of
// rising slopes.
BoundWalk::BoundWalk(const Solution& solution, Side side)
    : side_(side), x0_(solution.x0), y0_(solution.y0) {
  const long double sign = side == Side::kLeast ? 1 : -1;
  std::vector<ResidualLine> lines = solution.corners;
  std::sort(lines.begin(), lines.end(), [sign](const ResidualLine& a, const ResidualLine& b) {
    return a.slope != b.slope ? sign * a.slope > sign * b.slope : sign * a.offset < sign * b.offset;
  });
  for (const ResidualLine& line : lines) {
    if (!lines_.empty() && lines_.back().slope == line.slope) continue;
    const auto crossing = [&line](const ResidualLine& before) {
      return (line.offset - before.offset) / (before.slope - line.slope);
    };
    while (lines_.size() > 1 && crossing(lines_.back()) <= from_.back()) {
      lines_.pop_back();
      from_.pop_back();
    }
    from_.push_back(lines_.empty() ? -std::numeric_limits<long double>::infinity()
                                   : crossing(lines_.back()));
    lines_.push_back(line);
  }
  turn_to(0);
}

void BoundWalk::turn_to(std::size_t line) {
  now_ = line;
  rough_ = {static_cast<double>(lines_[line].slope), static_cast<double>(lines_[line].offset),
            static_cast<double>(from_[line])};
  constexpr double kEndless = std::numeric_limits<double>::infinity();
  rough_until_ = line + 1 < from_.size() ? static_cast<double>(from_[line + 1]) : kEndless;
  if (rough_.offset > kExactDouble || rough_.offset < -kExactDouble) rough_until_ = -kEndless;
}

std::int64_t BoundWalk::at(std::int64_t x) {
  const auto dx = static_cast<long double>(x - x0_);
  std::size_t line = dx < from_[now_] ? 0 : now_;
  while (line + 1 < from_.size() && dx >= from_[line + 1]) ++line;
  if (line != now_) turn_to(line);
  const long double r = lines_[now_].slope * dx + lines_[now_].offset;
  const std::int64_t units = side_ == Side::kLeast ? floor_units(r) - 1 : ceil_units(r) + 1;
  return y0_ + (x - x0_) + units;
}

void HullSolver::add_hull(const HullSolver& other) {
  const auto take = [](Chain& to, const Chain& from) {
    for (const std::vector<Point>* points : {&from.hull, &from.late}) {
      for (const Point& point : *points) {
        if (to.hull.empty() || point.x >= to.hull.back().x) {
          append(to, point);
        } else {
          to.late.push_back(point);
        }
      }
    }
  };
  take(upper_, other.upper_);
  take(lower_, other.lower_);
}

bool HullSolver::add(Chain& chain, std::int64_t x, std::int64_t y) {
  const auto dx = checked_sub(x, x0_);
  const auto dy = checked_sub(y, y0_);
  if (!dx || !dy || *dx > kFarthest / 2 || *dx < -kFarthest / 2) return false;
  const auto r = checked_sub(*dy, *dx);
  if (!r || *r > kFarthest || *r < -kFarthest) return false;
  const Point point{*dx, *r};
  if (chain.hull.empty() || point.x >= chain.hull.back().x) {
    append(chain, point);
  } else {
    chain.late.push_back(point);
  }
  return true;
}

// Andrew's chain. `side` folds the two hulls into one: with side -1 all comparisons are mirrored.
void HullSolver::append(Chain& chain, Point point) {
  std::vector<Point>& hull = chain.hull;
  if (!hull.empty() && hull.back().x == point.x) {
    if ((point.r - hull.back().r) * chain.side >= 0) return;
    hull.pop_back();
  }
  while (hull.size() >= 2) {
    const Point& a = hull[hull.size() - 2];
    const Point& b = hull.back();
    const Int128 cross = static_cast<Int128>(b.x - a.x) * (point.r - a.r) -
                         static_cast<Int128>(b.r - a.r) * (point.x - a.x);
    if (cross * chain.side > 0) break;
    hull.pop_back();
  }
  hull.push_back(point);
}

void HullSolver::merge_late(Chain& chain) {
  if (chain.late.empty()) return;
  std::vector<Point> all = std::move(chain.late);
  all.insert(all.end(), chain.hull.begin(), chain.hull.end());
  std::sort(all.begin(), all.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  chain.late.clear();
  chain.hull.clear();
  for (const Point& point : all) append(chain, point);
}

// The corner that limits the offset for slopes just above `slope`. Edge slopes rise along the lower
// hull and fall along the upper hull.
std::size_t HullSolver::limiting(const Chain& chain, Slope slope) {
  std::size_t low = 0;
  std::size_t high = chain.hull.size() - 1;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const Point& a = chain.hull[middle];
    const Point& b = chain.hull[middle + 1];
    const Int128 turn =
        static_cast<Int128>(b.r - a.r) * slope.run - static_cast<Int128>(slope.rise) * (b.x - a.x);
    const bool beyond = chain.side > 0 ? turn > 0 : turn <= 0;  // edge not crossed at this slope
    if (beyond) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

Int128 HullSolver::room(Slope slope) const {
  const Point& up = upper_.hull[limiting(upper_, slope)];
  const Point& low = lower_.hull[limiting(lower_, slope)];
  return static_cast<Int128>(up.r - low.r) * slope.run -
         static_cast<Int128>(slope.rise) * (up.x - low.x);
}

Int128 HullSolver::derivative(Slope slope) const {
  const Point& up = upper_.hull[limiting(upper_, slope)];
  const Point& low = lower_.hull[limiting(lower_, slope)];
  return static_cast<Int128>(low.x) - up.x;
}

std::vector<HullSolver::Slope> HullSolver::breakpoints() const {
  const auto less = [](const Slope& a, const Slope& b) {
    return static_cast<Int128>(a.rise) * b.run < static_cast<Int128>(b.rise) * a.run;
  };
  const Slope least{-limit_ppb_, kBillion};
  const Slope greatest{limit_ppb_, kBillion};
  std::vector<Slope> slopes{least};
  for (const Chain* chain : {&upper_, &lower_}) {
    for (std::size_t i = 0; i + 1 < chain->hull.size(); ++i) {
      const Slope edge{chain->hull[i + 1].r - chain->hull[i].r,
                       chain->hull[i + 1].x - chain->hull[i].x};
      if (less(least, edge) && less(edge, greatest)) slopes.push_back(edge);
    }
  }
  if (limit_ppb_ > 0) slopes.push_back(greatest);
  std::sort(slopes.begin(), slopes.end(), less);
  return slopes;
}

long double HullSolver::root(Slope inside, Slope outside) const {
  const bool rising = static_cast<Int128>(outside.rise) * inside.run <
                      static_cast<Int128>(inside.rise) * outside.run;
  const Slope left = rising ? outside : inside;  // the limiting corners are constant right of it
  const Point& up = upper_.hull[limiting(upper_, left)];
  const Point& low = lower_.hull[limiting(lower_, left)];
  if (up.x == low.x) return static_cast<long double>(inside.rise) / inside.run;
  return static_cast<long double>(up.r - low.r) / static_cast<long double>(up.x - low.x);
}

void HullSolver::note_conflict(Slope slope) {
  const auto note = [&](const Chain& chain, std::size_t index) {
    const Point& point = chain.hull[index];
    conflict_.push_back({x0_ + point.x, y0_ + point.x + point.r, chain.side > 0});
  };
  for (const Chain* chain : {&upper_, &lower_}) {
    const std::size_t index = limiting(*chain, slope);
    note(*chain, index);
    if (chain->side > 0 ? index > 0 : index + 1 < chain->hull.size()) {
      note(*chain, chain->side > 0 ? index - 1 : index + 1);
    }
  }
}

void HullSolver::build_polygon(Solution& solution, const std::vector<Slope>& slopes,
                               std::size_t best) const {
  std::size_t first = best;
  std::size_t last = best;
  while (first > 0 && room(slopes[first - 1]) >= 0) --first;
  while (last + 1 < slopes.size() && room(slopes[last + 1]) >= 0) ++last;
  const auto value = [](Slope slope) {
    return static_cast<long double>(slope.rise) / static_cast<long double>(slope.run);
  };
  const auto add_corners = [&](long double s, Slope at) {
    const Point& up = upper_.hull[limiting(upper_, at)];
    const Point& low = lower_.hull[limiting(lower_, at)];
    solution.corners.push_back({s, static_cast<long double>(up.r) - s * up.x});
    solution.corners.push_back({s, static_cast<long double>(low.r) - s * low.x});
  };
  const bool root_left = first > 0;
  const bool root_right = last + 1 < slopes.size();
  solution.slope_min = root_left ? root(slopes[first], slopes[first - 1]) : value(slopes.front());
  solution.slope_max = root_right ? root(slopes[last], slopes[last + 1]) : value(slopes.back());
  if (root_left) add_corners(solution.slope_min, slopes[first - 1]);
  for (std::size_t i = first; i <= last; ++i) add_corners(value(slopes[i]), slopes[i]);
  if (root_right) add_corners(solution.slope_max, slopes[last]);
  solution.kind = (root_left && root_right) || limit_ppb_ == 0 ? SolutionClass::kAccurate
                                                               : SolutionClass::kApproximate;
}

void HullSolver::settle() {
  merge_late(upper_);
  merge_late(lower_);
}

Solution HullSolver::solve() {
  settle();
  conflict_.clear();
  Solution solution;
  solution.x0 = x0_;
  solution.y0 = y0_;
  if (upper_.hull.empty() || lower_.hull.empty()) {
    const bool none = upper_.hull.empty() && lower_.hull.empty();
    solution.kind = none ? SolutionClass::kAbsent : SolutionClass::kIncomplete;
    return solution;
  }
  const std::vector<Slope> slopes = breakpoints();
  // w is concave: its derivative falls along the breakpoints.
  const auto top = std::partition_point(slopes.begin(), slopes.end() - 1,
                                        [this](Slope slope) { return derivative(slope) > 0; });
  if (room(*top) < 0) {
    note_conflict(*top);
    solution.kind = SolutionClass::kInfeasible;
    return solution;
  }
  build_polygon(solution, slopes, static_cast<std::size_t>(top - slopes.begin()));
  for (const ResidualLine& line : solution.corners) {
    solution.centre.slope += line.slope / static_cast<long double>(solution.corners.size());
    solution.centre.offset += line.offset / static_cast<long double>(solution.corners.size());
  }
  return solution;
}

}  // namespace vs::clock
