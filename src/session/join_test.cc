#include "session/join.h"

#include <gtest/gtest.h>

#include <functional>

#include "session/synthetic_test_world.h"

namespace vs::session {
namespace {

using model::SyncMethod;
using model::SyncQuality;
using synthetic::GuestPlan;
using synthetic::Made;
using synthetic::World;

struct Accuracy {
  std::size_t points = 0;
  std::size_t beyond = 0;    ///< error greater than the stated bound
  std::size_t unstated = 0;  ///< no bound promised there
  std::int64_t worst_bound = 0;
};

Accuracy measure(const std::vector<synthetic::TruthPoint>& truth, const model::ClockMap& map) {
  Accuracy accuracy;
  for (const synthetic::TruthPoint& point : truth) {
    const model::ClockSegment& segment = map.segment_of(OwnTime{point.own});
    ++accuracy.points;
    if (segment.error_max_ns < 0) {
      ++accuracy.unstated;
      continue;
    }
    const std::int64_t error = std::abs(map.to_host(OwnTime{point.own}).ns - point.host_ns);
    if (error > segment.error_max_ns) ++accuracy.beyond;
    accuracy.worst_bound = std::max(accuracy.worst_bound, segment.error_max_ns);
  }
  return accuracy;
}

struct Joined {
  Made made;
  JoinResult result;
  std::vector<model::Issue> issues;
  [[nodiscard]] bool has(model::IssueCode code) const {
    return std::any_of(issues.begin(), issues.end(),
                       [code](const model::Issue& issue) { return issue.code == code; });
  }
};

Joined join(Made made, const std::function<void(JoinInput&)>& change = {}) {
  Joined joined{std::move(made), {}, {}};
  JoinInput input = joined.made.input();
  if (change) change(input);
  model::IssueLog issues;
  auto result = join_clocks(input, issues);
  EXPECT_TRUE(result.ok());
  if (result.ok()) joined.result = std::move(result).value();
  joined.issues = issues.rows();
  return joined;
}

struct Case {
  const char* name;
  std::int64_t offset_ns;
  double drift_ppm;
  std::uint32_t vcpus;
  bool beacons;
  int wild;
  std::int64_t jitter_ns;
  std::uint64_t seed;
  std::int64_t bound_limit_ns;
};

class OneGuest : public testing::TestWithParam<int> {};

// R31: offset x drift x vCPUs x beacons x disturbances.
Case case_of(int index) {
  constexpr std::int64_t kOffsets[] = {0, -18'949'053'583, 312'000'111, 7'200'000'000'000};
  constexpr double kDrifts[] = {0, 3.7, -48.5, 150};
  Case c{"",
         kOffsets[index % 4],
         kDrifts[index / 4 % 4],
         1 + static_cast<std::uint32_t>(index % 3),
         index / 16 % 2 == 0,
         0,
         0,
         static_cast<std::uint64_t>(1000 + index),
         20'000};
  if (index % 5 == 1) c.wild = 1;
  if (index % 7 == 2) c.jitter_ns = 150;  // less than the switch costs: facts stay true
  return c;
}

TEST_P(OneGuest, TheTruthLiesInsideTheBound) {
  const Case c = case_of(GetParam());
  GuestPlan plan;
  plan.vcpus = c.vcpus;
  plan.clock = {{0, c.offset_ns}};
  plan.drift_ppm = c.drift_ppm;
  plan.beacons = c.beacons;
  plan.wild_events = c.wild;
  plan.jitter_ns = c.jitter_ns;
  World world;
  world.seed = c.seed;
  world.guests = {plan};
  const Joined joined = join(synthetic::make(world));
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_TRUE(guest.joined);
  const Accuracy accuracy = measure(joined.made.truth[0], guest.clock);
  EXPECT_GT(accuracy.points, 1000U);
  EXPECT_EQ(accuracy.beyond, 0U);
  EXPECT_EQ(accuracy.unstated, 0U);
  EXPECT_LT(accuracy.worst_bound, c.bound_limit_ns);
  EXPECT_EQ(guest.clock.segments().size(), 1U);
  EXPECT_LE(guest.shares[0].outside_after, 0.001);
  EXPECT_EQ(guest.clock.segments()[0].quality, SyncQuality::kAccurate);
}

INSTANTIATE_TEST_SUITE_P(R31, OneGuest, testing::Range(0, 48));

class SteppedGuest : public testing::TestWithParam<int> {};

// A clock that is set forward or back, once or twice, by far more than the bound.
TEST_P(SteppedGuest, GivesOneSegmentPerStretchAndKeepsTheBound) {
  const int index = GetParam();
  constexpr std::int64_t kSteps[] = {250'000'000, -3'000'000, 40'000'000'000, -700'000'000};
  GuestPlan plan;
  plan.vcpus = 1 + static_cast<std::uint32_t>(index % 2);
  plan.drift_ppm = index % 3 == 0 ? 0 : 20;
  plan.beacons = index != 1 && index != 3 && index != 13;
  const std::int64_t step = kSteps[index % 4];
  plan.clock = {{0, 5'000'000'000}, {1'700'000'000, 5'000'000'000 + step}};
  const bool twice = index >= 8;
  if (twice) plan.clock.push_back({2'900'000'000, 5'000'000'000 + step + 900'000'000});
  World world;
  world.seed = static_cast<std::uint64_t>(500 + index);
  world.guests = {plan};
  const Joined joined = join(synthetic::make(world));
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_TRUE(joined.has(model::IssueCode::kClockBreak));
  const Accuracy accuracy = measure(joined.made.truth[0], guest.clock);
  // A clock set back gives the same own time twice: there the map promises nothing.
  const bool back = step < 0;
  EXPECT_LE(accuracy.unstated, back ? accuracy.points * 2 / 5 : accuracy.points / 50);
  EXPECT_LE(accuracy.beyond, accuracy.points / 1000) << "of " << accuracy.points;
}

INSTANTIATE_TEST_SUITE_P(R31, SteppedGuest, testing::Range(0, 16));

TEST(Join, TwoVmsOfEqualShapeAreToldApart) {
  for (const bool beacons : {false, true}) {
    World world;
    world.seed = 31;
    world.length_ns = 2'000'000'000;
    GuestPlan plan;
    plan.vcpus = 2;
    plan.beacons = beacons;
    plan.clock = {{0, 123'456'789}};
    world.guests = {plan, plan, plan};
    Made made = synthetic::make(world);
    std::swap(made.guests[0], made.guests[2]);  // traces in another order than the VMs
    std::swap(made.truth[0], made.truth[2]);
    const Joined joined = join(std::move(made));
    for (std::size_t g = 0; g < 3; ++g) {
      const TraceJoin& guest = joined.result.traces[g + 1];
      ASSERT_TRUE(guest.binding.has_value());
      EXPECT_EQ(guest.binding->vm, 2 - g);
      EXPECT_EQ(guest.binding->how, beacons ? "beacons" : "envelopes");
      EXPECT_GT(guest.binding->margin, 0.05);
      EXPECT_EQ(measure(joined.made.truth[g], guest.clock).beyond, 0U);
    }
  }
}

TEST(Join, AGuestOfAnotherHostIsReportedNotBound) {
  World here;
  here.seed = 41;
  here.guests = {GuestPlan{}, GuestPlan{}};
  World elsewhere = here;
  elsewhere.seed = 42;
  Made made = synthetic::make(here);
  Made other = synthetic::make(elsewhere);
  made.guests[1] = other.guests[1];
  const Joined joined = join(std::move(made));
  EXPECT_TRUE(joined.result.traces[1].binding.has_value());
  EXPECT_FALSE(joined.result.traces[2].binding.has_value());
  EXPECT_FALSE(joined.result.traces[2].joined);
  EXPECT_TRUE(joined.has(model::IssueCode::kGuestUnbound));
  EXPECT_TRUE(joined.has(model::IssueCode::kClockNotJoined));
}

TEST(Join, AVmThatNeverExitsSaysNothing) {
  World world;
  world.seed = 43;
  world.guests = {GuestPlan{}};
  Made made = synthetic::make(world);
  made.host.threads[0].runs = {{OwnTime{0}, OwnTime{world.length_ns}}};
  const Joined joined = join(std::move(made));
  EXPECT_FALSE(joined.result.traces[1].binding.has_value());
  EXPECT_TRUE(joined.has(model::IssueCode::kGuestUnbound));
}

TEST(Join, CpusNumberedOtherwiseAreAssignedByTheirEvents) {
  for (const bool beacons : {false, true}) {
    World world;
    world.seed = 47;
    GuestPlan plan;
    plan.vcpus = 3;
    plan.permute_cpus = true;
    plan.beacons = beacons;
    plan.clock = {{0, -77'000'000}};
    world.guests = {plan};
    const Joined joined = join(synthetic::make(world));
    const TraceJoin& guest = joined.result.traces[1];
    ASSERT_TRUE(guest.binding.has_value());
    ASSERT_EQ(guest.binding->cpus.size(), 3U);
    for (std::uint32_t c = 0; c < 3; ++c) {
      EXPECT_EQ(guest.binding->cpus[c].guest_cpu, c);
      EXPECT_EQ(guest.binding->cpus[c].vcpu, static_cast<std::int32_t>(2 - c));
    }
    EXPECT_EQ(measure(joined.made.truth[0], guest.clock).beyond, 0U);
  }
}

TEST(Join, TracesThatOverlapOnlyPartlyAreJoined) {
  World world;
  world.seed = 53;
  world.length_ns = 6'000'000'000;
  GuestPlan plan;
  plan.clock = {{0, 1'000'000'000'000}};
  plan.drift_ppm = 12;
  world.guests = {plan};
  Made made = synthetic::make(world);
  auto& runs = made.host.threads[0].runs;  // the host's trace ends after a third
  std::erase_if(runs, [](const model::GuestRun& run) { return run.exit.value > 2'000'000'000; });
  made.host.last = OwnTime{2'000'000'000};
  const Joined joined = join(std::move(made));
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_EQ(measure(joined.made.truth[0], guest.clock).beyond, 0U);
}

TEST(Join, LostHostRecordsAreNoContradiction) {
  World world;
  world.seed = 59;
  world.guests = {GuestPlan{}};
  Made made = synthetic::make(world);
  const model::GuestRun loss{OwnTime{1'000'000'000}, OwnTime{1'200'000'000}};
  std::erase_if(made.host.threads[0].runs, [&](const model::GuestRun& run) {
    return run.exit > loss.entry && run.entry < loss.exit;
  });
  made.host.losses = {loss};
  const Joined joined = join(std::move(made));
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_EQ(guest.clock.segments().size(), 1U);
  EXPECT_EQ(measure(joined.made.truth[0], guest.clock).beyond, 0U);
}

TEST(Join, NoneTakesTheOwnTimesButStillBinds) {
  World world;
  world.seed = 61;
  GuestPlan plan;
  plan.clock = {{0, 5'000'000}};
  world.guests = {plan};
  const Joined joined =
      join(synthetic::make(world), [](JoinInput& input) { input.options.mode = SyncMode::kNone; });
  const TraceJoin& guest = joined.result.traces[1];
  EXPECT_TRUE(guest.binding.has_value());
  EXPECT_EQ(guest.clock.to_host(OwnTime{123'456}).ns, 123'456);
  EXPECT_EQ(guest.clock.segments()[0].method, SyncMethod::kNone);
  EXPECT_EQ(guest.clock.segments()[0].error_max_ns, -1);
  EXPECT_GT(guest.shares[0].outside_after, 0.05);
}

TEST(Join, BeaconModeUsesBeaconsAlone) {
  World world;
  world.seed = 67;
  GuestPlan plan;
  plan.beacons = true;
  plan.clock = {{0, -40'000'000'000}};
  world.guests = {plan};
  const Joined joined = join(synthetic::make(world),
                             [](JoinInput& input) { input.options.mode = SyncMode::kBeacon; });
  const TraceJoin& guest = joined.result.traces[1];
  const model::ClockSegment& segment = guest.clock.segments()[0];
  EXPECT_EQ(segment.method, SyncMethod::kBeacon);
  EXPECT_EQ(segment.facts[static_cast<std::size_t>(model::FactKind::kEnvelope)].used, 0U);
  EXPECT_EQ(measure(joined.made.truth[0], guest.clock).beyond, 0U);
}

TEST(Join, AnUnknownTraceInAnOptionIsRefused) {
  const Made made = synthetic::make(World{});
  JoinInput input = made.input();
  input.options.host_trace = 9;
  model::IssueLog issues;
  const auto result = join_clocks(input, issues);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kBadUse);
}

}  // namespace
}  // namespace vs::session
