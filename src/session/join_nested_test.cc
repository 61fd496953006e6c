// Nested virtualisation: three kernels, each traced, each with its own clock. The middle one is
// guest and host at once (algorithms B.7).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "session/join.h"
#include "session/synthetic_test_world.h"

namespace vs::session {
namespace {

using synthetic::GuestPlan;
using synthetic::Made;
using synthetic::own_of;
using synthetic::World;

struct Nested {
  Made outer;               ///< the host, and the middle machine as its guest 0
  model::FoundVm inner_vm;  ///< as the middle machine's trace shows it
  reader::TraceInfo inner_info;
  model::TraceEvidence inner;  ///< the innermost guest's trace
  std::vector<synthetic::TruthPoint> truth;
};

// The innermost vCPU runs in parts of the first middle vCPU's runs.
Nested make_nested(std::uint64_t seed, const GuestPlan& middle, const GuestPlan& innermost) {
  Nested out;
  World world;
  world.seed = seed;
  world.guests = {middle};
  out.outer = synthetic::make(world);
  std::mt19937_64 random(seed + 1);
  const auto between = [&random](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  model::ThreadRuns runs{501, {}};
  model::CpuBursts bursts{0, {}};
  for (const model::GuestRun& outer : out.outer.host.threads[0].runs) {
    std::int64_t at = outer.entry.value + between(1'000, 20'000);
    while (at + 12'000 < outer.exit.value) {
      const std::int64_t end = std::min(outer.exit.value - 1'000, at + between(8'000, 200'000));
      runs.runs.push_back({OwnTime{own_of(middle, at)}, OwnTime{own_of(middle, end)}});
      for (std::int64_t t = at + between(400, 900); t < end - 400; t += between(500, 40'000)) {
        bursts.bursts.push_back({own_of(innermost, t), 0, 1});
        out.truth.push_back({own_of(innermost, t), t});
      }
      at = end + between(4'000, 400'000);
    }
  }
  out.inner_vm.vmm_pid = 500;
  model::FoundVcpu vcpu;
  vcpu.id = 0;
  vcpu.threads.push_back({501, kOwnTimeMin, kOwnTimeMax});
  out.inner_vm.vcpus.push_back(vcpu);
  out.outer.guests[0].threads.push_back(std::move(runs));
  out.inner.first = OwnTime{bursts.bursts.front().first};
  out.inner.last = OwnTime{bursts.bursts.back().first};
  out.inner.events = bursts.bursts.size();
  out.inner.cpus.push_back(std::move(bursts));
  out.inner_info.path = "innermost";
  out.inner_info.format = "ctf";
  return out;
}

enum Trace : std::size_t { kOuter, kMiddle, kInner };

// The traces in the order that the caller gave them.
JoinResult join(const Nested& nested, const std::vector<Trace>& order,
                std::vector<model::Issue>& found) {
  const JoinTrace all[] = {
      {&nested.outer.host_info, &nested.outer.host, nested.outer.vms},
      {&nested.outer.guest_info[0], &nested.outer.guests[0], {nested.inner_vm}},
      {&nested.inner_info, &nested.inner, {}}};
  JoinInput input;
  for (const Trace trace : order) input.traces.push_back(all[trace]);
  model::IssueLog issues;
  auto result = join_clocks(input, issues);
  EXPECT_TRUE(result.ok());
  found = issues.rows();
  return result.ok() ? std::move(result).value() : JoinResult{};
}

std::size_t place_of(const std::vector<Trace>& order, Trace trace) {
  return static_cast<std::size_t>(std::find(order.begin(), order.end(), trace) - order.begin());
}

std::size_t beyond(const std::vector<synthetic::TruthPoint>& truth, const model::ClockMap& map) {
  return static_cast<std::size_t>(
      std::count_if(truth.begin(), truth.end(), [&map](const synthetic::TruthPoint& point) {
        const std::int64_t bound = map.segment_of(OwnTime{point.own}).error_max_ns;
        return bound < 0 || std::abs(map.to_host(OwnTime{point.own}).ns - point.host_ns) > bound;
      }));
}

class NestedJoin : public testing::TestWithParam<std::vector<Trace>> {};

TEST_P(NestedJoin, EachIsBoundOneLevelUpAndTheTruthLiesInsideTheBound) {
  const std::vector<Trace>& order = GetParam();
  for (const std::uint64_t seed : {71U, 72U, 73U}) {
    GuestPlan middle;
    middle.vcpus = 2;
    middle.clock = {{0, -3'000'000'000}};
    middle.drift_ppm = 9;
    GuestPlan innermost;
    innermost.clock = {{0, 77'000'000'000}};
    innermost.drift_ppm = -21;
    const Nested nested = make_nested(seed, middle, innermost);
    std::vector<model::Issue> issues;
    const JoinResult result = join(nested, order, issues);
    const std::size_t outer = place_of(order, kOuter);
    EXPECT_EQ(result.reference, outer);
    EXPECT_FALSE(result.traces[outer].binding.has_value());
    const TraceJoin& mid = result.traces[place_of(order, kMiddle)];
    ASSERT_TRUE(mid.binding.has_value());
    EXPECT_EQ(mid.binding->host, outer);
    const TraceJoin& inner = result.traces[place_of(order, kInner)];
    ASSERT_TRUE(inner.binding.has_value());
    EXPECT_EQ(inner.binding->host, place_of(order, kMiddle));
    EXPECT_TRUE(inner.joined);
    EXPECT_EQ(beyond(nested.outer.truth[0], mid.clock), 0U);
    EXPECT_EQ(beyond(nested.truth, inner.clock), 0U);
    EXPECT_LT(inner.clock.segments()[0].error_max_ns, 40'000);
  }
}

INSTANTIATE_TEST_SUITE_P(AnyOrder, NestedJoin,
                         testing::Values(std::vector<Trace>{kOuter, kMiddle, kInner},
                                         std::vector<Trace>{kMiddle, kInner, kOuter},
                                         std::vector<Trace>{kInner, kMiddle, kOuter}));

TEST(NestedJoin, AMiddleClockThatStepsWidensTheBoundOfWhatHangsOnIt) {
  GuestPlan middle;
  middle.vcpus = 2;
  middle.beacons = true;
  middle.clock = {{0, 0}, {3'600'000'000, 2'000'000}};
  GuestPlan innermost;
  innermost.clock = {{0, 5'000'000'000}};
  const Nested nested = make_nested(81, middle, innermost);
  std::vector<model::Issue> issues;
  const JoinResult result = join(nested, {kOuter, kMiddle, kInner}, issues);
  ASSERT_TRUE(result.traces[1].binding.has_value());
  EXPECT_GE(result.traces[1].clock.segments().size(), 2U);
  ASSERT_TRUE(result.traces[2].binding.has_value());
  // Each of the two maps may be early or late at the step.
  EXPECT_LE(beyond(nested.truth, result.traces[2].clock), nested.truth.size() / 500);
}

TEST(NestedJoin, TwoHostsThatHaveNothingToDoWithEachOtherStayApart) {
  World world;
  world.seed = 91;
  world.guests = {GuestPlan{}};
  const Made here = synthetic::make(world);
  world.seed = 92;
  const Made there = synthetic::make(world);
  JoinInput input;
  input.traces.push_back({&here.host_info, &here.host, here.vms});
  input.traces.push_back({&there.host_info, &there.host, there.vms});
  model::IssueLog issues;
  const auto result = join_clocks(input, issues);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.value().reference, 0U);
  EXPECT_FALSE(result.value().traces[0].binding.has_value());
  EXPECT_FALSE(result.value().traces[1].binding.has_value());
  for (const model::Issue& issue : issues.rows()) {
    EXPECT_NE(issue.code, model::IssueCode::kGuestUnbound);
  }
}

}  // namespace
}  // namespace vs::session
