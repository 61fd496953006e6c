#include "clock/rate.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace vs::clock {
namespace {

constexpr std::size_t kLeastReadings = 16;
constexpr std::size_t kSlices = 64;
constexpr double kKeepWithinNs = 20e6;  // of the median residual: the same clock base
constexpr double kWorstPpm = 200;

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Line {
  double slope = 0;  ///< ns per tick
  double at_zero = 0;
  double error = 0;  ///< standard error of the slope
};

std::optional<Line> least_squares(const std::vector<std::pair<double, double>>& points) {
  const auto n = static_cast<double>(points.size());
  if (points.size() < 8) return std::nullopt;
  double mean_x = 0;
  double mean_y = 0;
  for (const auto& [x, y] : points) {
    mean_x += x / n;
    mean_y += y / n;
  }
  double xx = 0;
  double xy = 0;
  for (const auto& [x, y] : points) {
    xx += (x - mean_x) * (x - mean_x);
    xy += (x - mean_x) * (y - mean_y);
  }
  if (xx <= 0) return std::nullopt;
  Line line{xy / xx, 0, 0};
  line.at_zero = mean_y - line.slope * mean_x;
  double squares = 0;
  for (const auto& [x, y] : points) {
    const double off = y - line.at_zero - line.slope * x;
    squares += off * off;
  }
  line.error = std::sqrt(squares / (n - 2) / xx);
  return line;
}

// Median slope of pairs half the trace apart: readings of other clock bases are a minority.
std::optional<double> rough_slope(std::span<const model::NanosecondReading> readings) {
  const std::size_t half = readings.size() / 2;
  std::vector<double> slopes;
  for (std::size_t i = 0; i + half < readings.size(); ++i) {
    const double dx = static_cast<double>(readings[i + half].own.value) -
                      static_cast<double>(readings[i].own.value);
    const double dy =
        static_cast<double>(readings[i + half].ns) - static_cast<double>(readings[i].ns);
    if (dx > 0 && dy > 0) slopes.push_back(dy / dx);
  }
  if (slopes.size() < kLeastReadings / 2) return std::nullopt;
  return median(slopes);
}

}  // namespace

std::optional<Calibration> calibrate(std::span<const model::NanosecondReading> readings) {
  if (readings.size() < kLeastReadings) return std::nullopt;
  const auto rough = rough_slope(readings);
  if (!rough || !std::isfinite(*rough) || *rough <= 0) return std::nullopt;
  const std::int64_t x0 = readings.front().own.value;
  const std::int64_t span = readings.back().own.value - x0;
  if (span <= 0) return std::nullopt;
  // Work relative to a first guess of the base, so that doubles keep nanoseconds.
  std::vector<double> residuals;
  const std::int64_t y0 = readings[readings.size() / 2].ns;
  const auto residual = [&](const model::NanosecondReading& reading) {
    return static_cast<double>(reading.ns - y0) -
           *rough * static_cast<double>(reading.own.value - x0);
  };
  for (const auto& reading : readings) residuals.push_back(residual(reading));
  const double middle = median(residuals);
  // The latest reading of each slice relative to the line was taken with the least delay.
  std::vector<std::optional<std::pair<double, double>>> best(kSlices);
  for (const auto& reading : readings) {
    const double off = residual(reading) - middle;
    if (std::abs(off) > kKeepWithinNs) continue;
    const auto x = static_cast<double>(reading.own.value - x0);
    const auto slice = std::min(
        kSlices - 1, static_cast<std::size_t>(x / static_cast<double>(span) * double{kSlices}));
    if (!best[slice] || off > best[slice]->second) best[slice] = {x, off};
  }
  std::vector<std::pair<double, double>> points;
  for (const auto& point : best) {
    if (point) points.push_back(*point);
  }
  auto line = least_squares(points);
  if (!line) return std::nullopt;
  // Slices without a prompt reading lie far below the others: once more without the worst quarter.
  std::sort(points.begin(), points.end(), [&](const auto& a, const auto& b) {
    return a.second - line->slope * a.first > b.second - line->slope * b.first;
  });
  points.resize(std::max<std::size_t>(8, points.size() * 3 / 4));
  line = least_squares(points);
  if (!line) return std::nullopt;
  const double ns_per_tick = *rough + line->slope;
  Calibration calibration{1e9 / ns_per_tick, line->error / ns_per_tick * 1e6};
  if (!(calibration.error_ppm < kWorstPpm)) return std::nullopt;
  return calibration;
}

std::optional<double> rate_of(const model::PvclockRate& pvclock) {
  if (pvclock.multiplier == 0 || pvclock.shift < -31 || pvclock.shift > 31) return std::nullopt;
  const double ns_per_tick =
      std::ldexp(static_cast<double>(pvclock.multiplier), pvclock.shift - 32);
  return 1e9 / ns_per_tick;
}

TscRelation compose(const TscRelation& first, const TscRelation& second) {
  TscRelation both;
  both.fraction_bits = first.fraction_bits;
  both.ratio = static_cast<std::uint64_t>((static_cast<UInt128>(first.ratio) * second.ratio) >>
                                          second.fraction_bits);
  both.offset = static_cast<std::int64_t>(
      ((static_cast<Int128>(first.offset) * static_cast<Int128>(second.ratio)) >>
       second.fraction_bits) +
      second.offset);
  return both;
}

std::optional<DeadlineOffset> offset_of(std::span<const model::DeadlineReading> readings) {
  // The point covered by most of [tsc - upper, tsc - lower].
  struct Edge {
    std::int64_t at = 0;
    int step = 0;
  };
  std::vector<Edge> edges;
  for (const model::DeadlineReading& reading : readings) {
    const auto least = checked_sub(reading.guest_tsc, reading.upper.value);
    const auto greatest = checked_sub(reading.guest_tsc, reading.lower.value);
    if (!least || !greatest || *greatest < *least) continue;
    edges.push_back({*least, +1});
    edges.push_back({*greatest, -1});
  }
  if (edges.empty()) return std::nullopt;
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return a.at != b.at ? a.at < b.at : a.step > b.step;
  });
  DeadlineOffset best;
  best.readings = edges.size() / 2;
  std::int64_t depth = 0;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    depth += edges[i].step;
    if (depth > static_cast<std::int64_t>(best.agreeing)) {
      best.agreeing = static_cast<std::size_t>(depth);
      best.least = edges[i].at;
      best.greatest = edges[i + 1].at;
    }
  }
  return best;
}

}  // namespace vs::clock
