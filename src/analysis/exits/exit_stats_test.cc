#include "analysis/exits/exit_stats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace vs::analysis::exits {
namespace {

TEST(ExitStats, NothingIsZero) {
  const ExitStats stats;
  EXPECT_EQ(stats.count(), 0U);
  EXPECT_EQ(stats.min_ns(), 0);
  EXPECT_EQ(stats.percentile_ns(0.5), 0);
  EXPECT_EQ(stats.relative_error_percent(), 0.0);
}

TEST(ExitStats, OneValueHasNoError) {
  ExitStats stats;
  stats.add(1234567);
  EXPECT_EQ(stats.min_ns(), 1234567);
  EXPECT_EQ(stats.max_ns(), 1234567);
  EXPECT_EQ(stats.percentile_ns(0.5), 1234567);
  EXPECT_EQ(stats.relative_error_percent(), 0.0);
}

// s of {2,4,4,4,5,5,7,9} is sqrt(32/7), the mean 5.
TEST(ExitStats, ErrorOfTheMeanAsPerfPrintsIt) {
  ExitStats stats;
  for (const int value : {2, 4, 4, 4, 5, 5, 7, 9}) stats.add(value);
  EXPECT_DOUBLE_EQ(stats.mean_ns(), 5.0);
  EXPECT_NEAR(stats.relative_error_percent(), 100 * std::sqrt(32.0 / 7 / 8) / 5, 1e-9);
}

// The seed's table (perf kvm stat): 207 samples, 795429.44 us in all; HLT 8 samples, 99.71 % of the
// time, mean 99141.25 us, +- 28.92 %. Durations made to those figures, half of them at either side
// of the mean.
TEST(ExitStats, SeedTable) {
  const double mean = 99141.25e3;
  const double error = 0.2892 * mean;            // s / sqrt(n)
  const double spread = error * std::sqrt(7.0);  // +- spread: s^2 = 8 * spread^2 / 7, n = 8
  ExitStats hlt;
  for (int i = 0; i < 8; ++i) {
    hlt.add(static_cast<std::int64_t>(std::llround(mean + (i % 2 == 0 ? spread : -spread))));
  }
  ExitStats rest;
  const std::int64_t rest_sum = 795'429'440 - hlt.sum_ns();
  for (int i = 0; i < 199; ++i) rest.add(rest_sum / 199 + (i < rest_sum % 199 ? 1 : 0));
  EXPECT_EQ(hlt.count(), 8U);
  EXPECT_NEAR(hlt.mean_ns() / 1e3, 99141.25, 0.005);
  EXPECT_NEAR(hlt.relative_error_percent(), 28.92, 0.005);
  ExitStats all = hlt;
  all.merge(rest);
  EXPECT_EQ(all.count(), 207U);
  EXPECT_EQ(all.sum_ns(), 795'429'440);
  const double share = static_cast<double>(hlt.sum_ns()) / static_cast<double>(all.sum_ns());
  EXPECT_NEAR(100 * share, 99.71, 0.005);
}

TEST(ExitStats, PercentilesAreWithinASixteenth) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> draw(10, 3);
  std::vector<std::int64_t> values;
  ExitStats stats;
  for (int i = 0; i < 5000; ++i) {
    values.push_back(static_cast<std::int64_t>(draw(random)));
    stats.add(values.back());
  }
  std::ranges::sort(values);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * 5000)) - 1;
    const auto truth = static_cast<double>(values[rank]);
    EXPECT_GE(static_cast<double>(stats.percentile_ns(share)), truth);
    EXPECT_LE(static_cast<double>(stats.percentile_ns(share)), truth * 17 / 16 + 1);
  }
}

TEST(ExitStats, ExtremesFitTheHistogram) {
  ExitStats stats;
  stats.add(-5);
  stats.add(0);
  stats.add(31);
  stats.add(32);
  stats.add(INT64_MAX);
  EXPECT_EQ(stats.sum_ns(), INT64_MAX);  // saturated
  EXPECT_EQ(stats.percentile_ns(0), 0);
  EXPECT_EQ(stats.percentile_ns(0.6), 31);
  EXPECT_EQ(stats.percentile_ns(0.8), 33);  // bucket [32, 33]
  EXPECT_EQ(stats.percentile_ns(1), INT64_MAX);
}

TEST(ExitStats, MergeEqualsAddingAll) {
  std::mt19937_64 random(3);
  ExitStats all;
  ExitStats parts[3];
  for (int i = 0; i < 300; ++i) {
    const auto value = static_cast<std::int64_t>(random() % 1'000'000);
    all.add(value);
    parts[i % 3].add(value);
  }
  ExitStats merged;
  for (const ExitStats& part : parts) merged.merge(part);
  merged.merge(ExitStats());
  EXPECT_EQ(merged.count(), all.count());
  EXPECT_EQ(merged.sum_ns(), all.sum_ns());
  EXPECT_EQ(merged.percentile_ns(0.99), all.percentile_ns(0.99));
  EXPECT_NEAR(merged.relative_error_percent(), all.relative_error_percent(), 1e-9);
}

}  // namespace
}  // namespace vs::analysis::exits
