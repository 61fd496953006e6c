// Sums against plain arithmetic on the same rows.

#include "serve/sums.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace vs::serve {
namespace {

struct Interval {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t value;
};

/// Intervals of a few values with gaps between some of them.
std::vector<Interval> random_rows(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Interval> out;
  std::int64_t at = -5000;
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 4 == 0) at += static_cast<std::int64_t>(random() % 3000);
    const std::int64_t end = at + 1 + static_cast<std::int64_t>(random() % 5000);
    out.push_back({at, end, static_cast<std::int64_t>(random() % 5)});
    at = end;
  }
  return out;
}

/// Time of each value in [begin, end).
std::map<std::int64_t, double> times_in(const std::vector<Interval>& rows, std::int64_t begin,
                                        std::int64_t end) {
  std::map<std::int64_t, double> out;
  for (const Interval& row : rows) {
    const std::int64_t held = std::min(row.end, end) - std::max(row.begin, begin);
    if (held > 0) out[row.value] += static_cast<double>(held);
  }
  return out;
}

TEST(PixelEdges, AnyAndOneAfterTheOtherAreTheSame) {
  PixelEdges edges(HostTime{-1000}, HostTime{9999}, 37);
  for (std::int64_t i = 0; i < 37; ++i) {
    const auto [begin, end] = edges.next();
    EXPECT_EQ(begin, edges.edge(i));
    EXPECT_EQ(end, edges.edge(i + 1));
    EXPECT_EQ(edges.pixel_of(begin), i);
    EXPECT_EQ(edges.pixel_of(end - 1), i);
  }
  EXPECT_EQ(edges.edge(37), 9999);
}

TEST(SumTrack, NothingIsLostAndParts) {
  const auto rows = random_rows(8192, 4);
  const HostTime begin{rows.front().begin};
  const HostTime end{rows.back().end};
  SumTrack time(BucketFrame::of(begin, end, rows.size() / 4));
  SumTrack count(BucketFrame::of(begin, end, rows.size() / 4));
  for (const Interval& row : rows) {
    if (row.value == 1) time.add_span(row.begin, row.end, 1);
    count.add_point(row.begin, 1);
  }
  time.finish();
  count.finish();
  std::vector<double> times(100);
  std::vector<double> counts(100);
  ASSERT_TRUE(time.add_to(begin, end, times));
  ASSERT_TRUE(count.add_to(begin, end, counts));
  double sum = 0;
  for (const double part : counts) sum += part;
  EXPECT_NEAR(sum, static_cast<double>(rows.size()), 0.5);
  PixelEdges edges(begin, end, times.size());
  for (const double part : times) {
    const auto [from, to] = edges.next();
    const double exact = times_in(rows, from, to)[1];
    EXPECT_NEAR(part, exact, 0.05 * static_cast<double>(to - from));
  }
  std::vector<double> narrow(100000);
  EXPECT_FALSE(time.add_to(begin, end, narrow));
}

}  // namespace
}  // namespace vs::serve
