#include "history/run_sums.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace vs::history {
namespace {

/// Two drawn columns of `tuples` tuples; the second one has `fewer` values.
struct Columns {
  std::vector<std::uint8_t> first, second;
  Columns(std::size_t tuples, std::size_t values, std::size_t fewer) {
    for (std::size_t t = 0; t < tuples; ++t) {
      first.push_back(static_cast<std::uint8_t>(t % values));
      second.push_back(static_cast<std::uint8_t>(t % values % fewer));
    }
  }
  void start(RunSums& sums) const {
    const std::span<const std::uint8_t> columns[] = {first, second};
    sums.start(columns);
  }
};

struct Shape {
  std::uint32_t seed;
  std::size_t rows;
  std::size_t tuples;
  std::size_t values;
  std::int64_t begin_ns;
  bool gaps;
};

std::vector<SlabRow> random_rows(const Shape& shape) {
  std::mt19937_64 random(shape.seed);
  std::vector<SlabRow> rows;
  std::int64_t now = shape.begin_ns;
  for (std::size_t i = 0; i < shape.rows; ++i) {
    if (shape.gaps && random() % 4 == 0) now += static_cast<std::int64_t>(random() % 100);
    std::int64_t length = static_cast<std::int64_t>(random() % 64);
    if (random() % 16 == 0) length *= 1000;
    if (random() % 8 == 0) length = 0;
    rows.push_back({now, now + length, static_cast<std::uint32_t>(random() % shape.tuples), 0});
    now += length;
  }
  return rows;
}

/// What every value of `column` held in every bucket, nanosecond by bucket border.
std::map<std::pair<std::int64_t, std::uint8_t>, std::uint64_t> naive(
    std::span<const SlabRow> rows, const std::vector<std::uint8_t>& column, unsigned exponent) {
  std::map<std::pair<std::int64_t, std::uint8_t>, std::uint64_t> held;
  for (const SlabRow& row : rows) {
    for (std::int64_t at = row.begin_ns; at < row.end_ns;) {
      const std::int64_t bucket = at >> exponent;
      const std::int64_t end = std::min(row.end_ns, (bucket + 1) << exponent);
      held[{bucket, column[row.tuple]}] += static_cast<std::uint64_t>(end - at);
      at = end;
    }
  }
  return held;
}

void expect_column(const RunSums& sums, std::span<const SlabRow> rows,
                   const std::vector<std::uint8_t>& column, std::size_t drawn) {
  std::map<std::pair<std::int64_t, std::uint8_t>, std::uint64_t> held;
  for (std::size_t b = 0; b < sums.buckets(); ++b) {
    const std::int64_t bucket = (sums.first_ns() >> sums.exponent()) + static_cast<std::int64_t>(b);
    for (std::size_t i = 0; i < sums.combinations(); ++i) {
      if (sums.bucket(b)[i] != 0) held[{bucket, sums.value(i, drawn)}] += sums.bucket(b)[i];
    }
  }
  EXPECT_EQ(held, naive(rows, column, sums.exponent()));
}

class RunSumsWorlds : public testing::TestWithParam<Shape> {};

TEST_P(RunSumsWorlds, AgreeWithANaiveSum) {
  const Shape& shape = GetParam();
  const Columns columns(shape.tuples, shape.values, 3);
  RunSums sums;
  columns.start(sums);
  for (std::uint32_t run = 0; run < 5; ++run) {  // numbers of a run before must be forgotten
    Shape one = shape;
    one.seed += run;
    one.rows = 1 + shape.rows * run / 4;
    const std::vector<SlabRow> rows = random_rows(one);
    const std::size_t most = std::max<std::size_t>(1, rows.size() / 8);
    ASSERT_TRUE(sums.sum(rows, most));
    EXPECT_LE(sums.buckets(), most);
    expect_column(sums, rows, columns.first, 0);
    expect_column(sums, rows, columns.second, 1);
    std::map<std::uint8_t, std::uint64_t> count, expected;
    std::uint64_t held = 0;
    for (std::size_t i = 0; i < sums.combinations(); ++i) {
      count[sums.value(i, 0)] += sums.rows(i);
      held += sums.held_ns(i);
    }
    for (const SlabRow& row : rows) {
      ++expected[columns.first[row.tuple]];
      held -= static_cast<std::uint64_t>(row.end_ns - row.begin_ns);
    }
    EXPECT_EQ(count, expected);
    EXPECT_EQ(held, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RunSumsWorlds,
                         testing::Values(Shape{1, 400, 5, 5, 0, false},
                                         Shape{2, 400, 50, 40, 1'700'000'000'000'000'000, false},
                                         Shape{3, 3000, 200, 64, -5'000'000, true},
                                         Shape{4, 300, 1, 1, kTimeLimit - 10'000'000, true},
                                         Shape{5, 300, 9, 9, -kTimeLimit, true}));

TEST(RunSums, TooManyCombinationsAreNotSummed) {
  const Columns columns(200, 65, 3);
  RunSums sums;
  columns.start(sums);
  std::vector<SlabRow> rows;
  for (std::uint32_t i = 0; i < 200; ++i) rows.push_back({i, i + 1, i, 0});
  EXPECT_FALSE(sums.sum(rows, 25));
  EXPECT_TRUE(sums.sum(std::span(rows).first(64), 25));  // and the next run is none the worse
  EXPECT_EQ(sums.combinations(), 64U);
}

TEST(RunSums, OneSpanIsOneValueWithoutGaps) {
  const Columns columns(6, 6, 3);  // second column: 0 1 2 0 1 2
  RunSums sums;
  columns.start(sums);
  const SlabRow tiled[] = {{0, 10, 0, 0}, {10, 10, 3, 0}, {10, 25, 3, 0}};
  ASSERT_TRUE(sums.sum(tiled, 8));
  EXPECT_FALSE(sums.is_one_span(0));
  EXPECT_TRUE(sums.is_one_span(1));
  const SlabRow gap[] = {{0, 10, 0, 0}, {11, 25, 0, 0}};
  ASSERT_TRUE(sums.sum(gap, 8));
  EXPECT_FALSE(sums.is_one_span(0));
}

// An empty row behind the last bucket.
TEST(RunSums, AnEmptyRowAtTheEndCounts) {
  const Columns columns(2, 2, 2);
  RunSums sums;
  columns.start(sums);
  const SlabRow rows[] = {{0, 8, 0, 0}, {8, 8, 1, 0}};
  ASSERT_TRUE(sums.sum(rows, 1));
  EXPECT_EQ(sums.buckets(), 1U);
  EXPECT_EQ(sums.rows(1), 1U);
  EXPECT_EQ(sums.held_ns(1), 0U);
}

}  // namespace
}  // namespace vs::history
