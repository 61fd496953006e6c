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

/// Where the host's clock was at `x` of those times.
std::int64_t truth_of(std::int64_t x, std::int64_t offset) {
  return static_cast<std::int64_t>(static_cast<double>(x + offset) / (1 + 20e-6));
}

EnvelopeFit fit_of(const RunIndex& runs, std::span<const GuestTime> times,
                   std::span<const Fact> facts, std::span<const Fact> assumed) {
  EnvelopeProblem problem;
  problem.times = times;
  problem.vcpus = {&runs, 1};
  problem.facts = facts;
  problem.assumed = assumed;
  EnvelopeFit fit = fit_envelopes(problem);
  EXPECT_TRUE(fit.solution.feasible());
  return fit;
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
    const EnvelopeFit fit = fit_of(runs, some, {}, assumed);
    EXPECT_EQ(fit.rejected, 0U);
    const std::int64_t x = times[30'000].x;
    const std::int64_t y = truth_of(x, offset);
    EXPECT_LE(fit.solution.least(x), y + 2);
    EXPECT_GE(fit.solution.greatest(x), y - 2);
    return fit.solution.greatest(x) - fit.solution.least(x);
  };
  const std::int64_t whole = width_of(times);
  const std::int64_t part = width_of(std::span(times).subspan(29'500, 1000));
  EXPECT_LE(whole, part);
}

// What the fit calls settled is inside a run where the middle puts it; most times are.
TEST(EnvelopeFit, SettledTimesAreInsideARun) {
  std::mt19937 random(12);
  const RunIndex runs = random_runs(random, 60'000);
  const std::vector<GuestTime> times = times_in(runs, random, 40);
  std::vector<Fact> facts;
  for (const std::size_t i : {std::size_t{0}, times.size() - 1}) {
    const std::int64_t y = truth_of(times[i].x, 40);
    facts.push_back({times[i].x, y + 200, true});
    facts.push_back({times[i].x, y - 200, false});
  }
  const EnvelopeFit fit = fit_of(runs, times, facts, {});
  ASSERT_TRUE(fit.unsettled.has_value());
  EXPECT_LT(fit.unsettled->size() * 2, times.size());
  std::vector<bool> settled(times.size(), true);
  for (const std::size_t i : *fit.unsettled) settled[i] = false;
  RunIndex::Hint hint;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::int64_t y = fit.solution.middle(times[i].x);
    EXPECT_TRUE(!settled[i] || runs.within_run(y - 1, y + 1, hint)) << i;
  }
}

// Without the coarse alignment bounds are wider than those that the last look was at.
TEST(EnvelopeFit, SaysNotWhatIsSettledWhereTheAlignmentWasDropped) {
  std::mt19937 random(13);
  const RunIndex runs = random_runs(random, 2000);
  const std::vector<GuestTime> times = times_in(runs, random, 40);
  const std::vector<Fact> assumed{{times[1000].x, times[1000].x + 240, true},
                                  {times[1000].x, times[1000].x - 160, false}};
  const EnvelopeFit fit = fit_of(runs, times, {}, assumed);
  EXPECT_EQ(fit.unsettled.has_value(), fit.assumed_needed);
}

TEST(RunIndexOver, TakesWhatIsApartAndNothingElse) {
  const auto run = [](std::int64_t entry, std::int64_t exit) {
    return model::GuestRun{OwnTime{entry}, OwnTime{exit}};
  };
  const std::vector<model::GuestRun> apart{run(0, 10), run(11, 11), run(20, 30)};
  std::vector<RunIndex> kept;
  kept.push_back(RunIndex::over(apart).value());
  kept.push_back(RunIndex(apart, {}));  // the first one moves
  for (const RunIndex& index : kept) {
    ASSERT_EQ(index.runs().size(), 3U);
    EXPECT_TRUE(index.inside(11));
    EXPECT_FALSE(index.inside(12));
  }
  EXPECT_EQ(kept[0].runs().data(), apart.data());
  EXPECT_FALSE(RunIndex::over(std::vector{run(0, 10), run(10, 20)}));  // they touch
  EXPECT_FALSE(RunIndex::over(std::vector{run(20, 30), run(0, 10)}));
  EXPECT_FALSE(RunIndex::over(std::vector{run(10, 0)}));
  EXPECT_TRUE(RunIndex::over({}).value().empty());
}

}  // namespace
}  // namespace vs::clock
