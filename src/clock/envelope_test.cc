#include "clock/envelope.h"

#include <gtest/gtest.h>

#include <random>

namespace vs::clock {
namespace {

/// Runs of 8 to 67 units with gaps of up to 30.
RunIndex random_runs(std::mt19937& random, int count) {
  std::vector<model::GuestRun> runs;
  std::int64_t at = 1000;
  for (int i = 0; i < count; ++i) {
    const std::int64_t end = at + 8 + static_cast<std::int64_t>(random() % 60);
    runs.push_back({OwnTime{at}, OwnTime{end}});
    at = end + 1 + static_cast<std::int64_t>(random() % 30);
  }
  return RunIndex(std::move(runs), {});
}

// With rising times, near each other or far apart, it says what a look at every run says.
TEST(RunIndexWithinRun, FindsTheRunHoweverFarItIs) {
  std::mt19937 random(3);
  const RunIndex index = random_runs(random, 2000);
  for (const unsigned step : {3U, 100U, 5000U, 40'000U}) {
    RunIndex::Hint hint;
    for (std::int64_t y = 900; y < index.cover_end() + 100;
         y += 1 + static_cast<std::int64_t>(random() % step)) {
      const std::int64_t greatest = y + static_cast<std::int64_t>(random() % 8);
      bool expected = false;
      for (const model::GuestRun& run : index.runs()) {
        expected = expected || (run.entry.value <= y && greatest <= run.exit.value);
      }
      expected = expected && y > index.cover_begin() && greatest < index.cover_end();
      EXPECT_EQ(index.within_run(y, greatest, hint), expected) << y;
    }
  }
}

/// Guest times inside of the runs, not at their ends, seen by a clock that is `offset` behind and
/// 20 ppm fast.
std::vector<GuestTime> times_in(const RunIndex& runs, std::mt19937& random, std::int64_t offset) {
  std::vector<GuestTime> times;
  for (const model::GuestRun& run : runs.runs()) {
    const std::int64_t room = run.exit.value - run.entry.value - 4;
    const std::int64_t y = run.entry.value + 2 + static_cast<std::int64_t>(random()) % room;
    times.push_back({y - offset + y / 50'000});
  }
  return times;
}

// The samples lead to what all times allow: the truth stays inside of the bounds, which are as
// narrow as those of a problem that is small enough to need no sample.
TEST(EnvelopeFit, OfManyTimesIsAsNarrowAsThatOfEach) {
  std::mt19937 random(11);
  const std::int64_t offset = 40;
  const RunIndex runs = random_runs(random, 60'000);
  const std::vector<GuestTime> times = times_in(runs, random, offset);
  const std::vector<Fact> assumed{{times[30'000].x, times[30'000].x + offset + 200, true},
                                  {times[30'000].x, times[30'000].x + offset - 200, false}};
  const auto width_of = [&](std::span<const GuestTime> some) {
    EnvelopeProblem problem;
    problem.times = some;
    problem.vcpus = {&runs, 1};
    problem.assumed = assumed;
    const EnvelopeFit fit = fit_envelopes(problem);
    EXPECT_TRUE(fit.solution.feasible());
    EXPECT_EQ(fit.rejected, 0U);
    const std::int64_t x = times[30'000].x;
    const auto y = static_cast<std::int64_t>(static_cast<double>(x + offset) / (1 + 20e-6));
    EXPECT_LE(fit.solution.least(x), y + 2);
    EXPECT_GE(fit.solution.greatest(x), y - 2);
    return fit.solution.greatest(x) - fit.solution.least(x);
  };
  const std::int64_t whole = width_of(times);
  const std::int64_t part = width_of(std::span(times).subspan(29'500, 1000));
  EXPECT_LE(whole, part);
}

}  // namespace
}  // namespace vs::clock
