// The sources of clock relations other than envelopes and beacons: TSC offsets of the host's
// events and of the capture's snapshot, vmsync, TCP packets, and none at all.
#include <gtest/gtest.h>

#include <algorithm>

#include "session/join.h"
#include "session/synthetic_test_world.h"

namespace vs::session {
namespace {

using model::IssueCode;
using model::SyncMethod;
using model::SyncQuality;
using synthetic::GuestPlan;
using synthetic::Made;
using synthetic::World;

constexpr std::int64_t kOffset = -70'000'000'000;

struct Joined {
  JoinResult result;
  std::vector<model::Issue> issues;
  [[nodiscard]] bool has(IssueCode code) const {
    return std::any_of(issues.begin(), issues.end(),
                       [code](const model::Issue& issue) { return issue.code == code; });
  }
};

Joined join(const JoinInput& input) {
  model::IssueLog issues;
  auto result = join_clocks(input, issues);
  EXPECT_TRUE(result.ok());
  return {result.ok() ? std::move(result).value() : JoinResult{}, issues.rows()};
}

/// Host and guests count TSC ticks, 1 GHz, so that the world's ns are ticks.
Made in_ticks(World world) {
  Made made = synthetic::make(world);
  const auto set = [](reader::TraceInfo& info) {
    info.format = "trace.dat";
    info.clock.name = "x86-tsc";
    info.clock.unit = reader::ClockInfo::Unit::kTicks;
    info.clock.ticks_per_second = 1e9;
  };
  set(made.host_info);
  for (reader::TraceInfo& info : made.guest_info) set(info);
  return made;
}

GuestPlan shifted_guest() {
  GuestPlan plan;
  plan.clock = {{0, kOffset}};
  return plan;
}

std::int64_t worst_error(const std::vector<synthetic::TruthPoint>& truth,
                         const model::ClockMap& map) {
  std::int64_t worst = 0;
  for (const synthetic::TruthPoint& point : truth) {
    worst = std::max(worst, std::abs(map.to_host(OwnTime{point.own}).ns - point.host_ns));
  }
  return worst;
}

TEST(JoinTsc, AWrittenOffsetIsExact) {
  Made made = in_ticks({.seed = 3, .guests = {shifted_guest()}});
  made.host.tsc_writes = {{OwnTime{-50}, 101, 0, 0, kOffset}};
  const Joined joined = join(made.input());
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_EQ(guest.binding->how, "offset");
  EXPECT_EQ(guest.clock.segment_of(OwnTime{kOffset + 5}).method, SyncMethod::kTsc);
  EXPECT_EQ(guest.clock.segment_of(OwnTime{kOffset + 5}).quality, SyncQuality::kExact);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), 1);
}

TEST(JoinTsc, AnOffsetThatIsRewrittenGivesTwoSegments) {
  constexpr std::int64_t kStep = 900'000'000;
  constexpr std::int64_t kWhen = 2'000'000'000;
  GuestPlan plan = shifted_guest();
  plan.clock.push_back({kWhen, kOffset + kStep});
  plan.vcpus = 2;
  Made made = in_ticks({.seed = 4, .guests = {plan}});
  made.host.tsc_writes = {{OwnTime{kWhen}, 101, 0, kOffset, kOffset + kStep},
                          {OwnTime{kWhen + 9}, 102, 1, kOffset, kOffset + kStep}};
  const Joined joined = join(made.input());
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  ASSERT_EQ(guest.clock.segments().size(), 2U);
  for (const model::ClockSegment& segment : guest.clock.segments()) {
    EXPECT_EQ(segment.quality, SyncQuality::kExact);
    EXPECT_EQ(segment.method, SyncMethod::kTsc);
  }
  EXPECT_EQ(guest.clock.segments()[1].own_begin.value, kWhen + kOffset);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), 1);
  EXPECT_EQ(guest.shares[0].outside_after, 0);
  EXPECT_EQ(guest.shares[1].outside_after, 0);
}

// Set back by 0.3 s: those 0.3 s of own time happened twice, and no bound is claimed for them.
TEST(JoinTsc, AnOffsetThatIsSetBackPromisesNothingForTheTimesThatCameTwice) {
  constexpr std::int64_t kStep = -300'000'000;
  constexpr std::int64_t kWhen = 2'000'000'000;
  GuestPlan plan = shifted_guest();
  plan.clock.push_back({kWhen, kOffset + kStep});
  Made made = in_ticks({.seed = 15, .guests = {plan}});
  JoinInput input = made.input();
  made.host.tsc_writes = {{OwnTime{kWhen}, 101, 0, kOffset, kOffset + kStep}};
  input.options.guests = {{"vm", 1}};
  made.vms[0].name = "vm";
  input.traces[0].vms = made.vms;
  SnapshotMachine vm;  // the capture names the VM, so that the doubtful times do not unbind it
  vm.kind = model::MachineKind::kVm;
  vm.trace = 1;
  vm.vmm_pid = 100;
  input.snapshot = {vm};
  const TraceJoin guest = join(input).result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  std::size_t claimed = 0;
  for (const synthetic::TruthPoint& point : made.truth[0]) {
    const model::ClockSegment& segment = guest.clock.segment_of(OwnTime{point.own});
    if (segment.error_max_ns < 0) continue;
    ++claimed;
    EXPECT_LE(std::abs(guest.clock.to_host(OwnTime{point.own}).ns - point.host_ns),
              segment.error_max_ns);
  }
  EXPECT_GT(claimed, made.truth[0].size() * 3 / 4);
}

// KVM's own write when the vCPU is made: long before the guest's trace, from another epoch.
TEST(JoinTsc, TheWriteAtTheVcpusBirthIsNoStepOfTheTrace) {
  Made made = in_ticks({.seed = 16, .guests = {shifted_guest()}});
  made.host.tsc_writes = {{OwnTime{-60}, 101, 0, 0, kOffset - 1'000},
                          {OwnTime{-50}, 101, 0, kOffset - 1'000, kOffset}};
  const TraceJoin guest = join(made.input()).result.traces[1];
  ASSERT_EQ(guest.clock.segments().size(), 1U);
  EXPECT_EQ(guest.clock.segments()[0].quality, SyncQuality::kExact);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), 1);
}

TEST(JoinTsc, AWrongOffsetIsRejectedAndTheEnvelopesDecide) {
  Made made = in_ticks({.seed = 5, .guests = {shifted_guest()}});
  made.host.tsc_writes = {{OwnTime{-50}, 101, 0, 0, kOffset + 5'000'000}};
  const Joined joined = join(made.input());
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_TRUE(joined.has(IssueCode::kClockFactsRejected));
  const model::ClockSegment& segment = guest.clock.segments()[0];
  EXPECT_NE(segment.quality, SyncQuality::kExact);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), segment.error_max_ns);
}

// guest = (host * ratio >> frac) + offset
TEST(JoinTsc, AScaledTscComesFromTheSnapshot) {
  constexpr std::uint32_t kFraction = 48;
  constexpr std::uint64_t kRatio = (std::uint64_t{1} << kFraction) / 5 * 4;  // 0.8
  Made made = in_ticks({.seed = 6, .guests = {GuestPlan{}}});
  const auto scaled = [](std::int64_t host) {
    return static_cast<std::int64_t>((static_cast<Int128>(host) * kRatio) >> kFraction) + kOffset;
  };
  for (model::Burst& burst : made.guests[0].cpus[0].bursts) burst.first = scaled(burst.first);
  for (synthetic::TruthPoint& point : made.truth[0]) point.own = scaled(point.own);
  made.guests[0].first = OwnTime{scaled(made.guests[0].first.value)};
  made.guests[0].last = OwnTime{scaled(made.guests[0].last.value)};
  JoinInput input = made.input();
  SnapshotMachine vm;
  vm.name = "vm";
  vm.kind = model::MachineKind::kVm;
  vm.trace = 1;
  vm.vmm_pid = 100;
  vm.vcpus = {{0, 101, kOffset, kOffset, kRatio, kFraction}};
  input.snapshot = {vm};
  const Joined joined = join(input);
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_EQ(guest.binding->how, "capture");
  ASSERT_EQ(guest.clock.segments().size(), 1U);
  const model::ClockSegment& segment = guest.clock.segments()[0];
  EXPECT_EQ(segment.quality, SyncQuality::kExact);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), segment.error_max_ns);
  EXPECT_EQ(guest.shares[0].outside_after, 0);
}

TEST(JoinTsc, ASnapshotWhoseOffsetChangedSaysNotWhen) {
  Made made = in_ticks({.seed = 7, .guests = {shifted_guest()}});
  JoinInput input = made.input();
  SnapshotMachine vm;
  vm.kind = model::MachineKind::kVm;
  vm.trace = 1;
  vm.vmm_pid = 100;
  vm.vcpus = {{0, 101, kOffset, kOffset + 1, {}, {}}};
  input.snapshot = {vm};
  const TraceJoin guest = join(input).result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_NE(guest.clock.segments()[0].quality, SyncQuality::kExact);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), guest.clock.segments()[0].error_max_ns);
}

/// a and d in the guest, b and c in the host around the hypercall at each run's end.
void add_vmsync(Made& made, std::uint64_t uid) {
  std::uint64_t count = 0;
  for (const model::GuestRun& run : made.host.threads[0].runs) {
    if (++count % 20 != 0) continue;
    const auto at = [&](char role, std::int64_t own, std::int32_t tid) {
      return model::VmsyncPoint{role, OwnTime{own}, 0, tid, count, uid};
    };
    made.guests[0].vmsync.push_back(at('a', run.exit.value - 320 + kOffset, 5));
    made.host.vmsync.push_back(at('b', run.exit.value + 150, 101));
    made.host.vmsync.push_back(at('c', run.exit.value + 400, 101));
    made.guests[0].vmsync.push_back(at('d', run.exit.value + 1'400 + kOffset, 5));
  }
}

TEST(JoinVmsync, ItsFourPointsBoundTheOffsetFromBothSides) {
  Made made = synthetic::make({.seed = 8, .guests = {shifted_guest()}});
  add_vmsync(made, 0xabc);
  JoinInput input = made.input();
  input.options.mode = SyncMode::kBeacon;  // no envelopes
  const Joined joined = join(input);
  const TraceJoin& guest = joined.result.traces[1];
  ASSERT_TRUE(guest.binding.has_value());
  EXPECT_EQ(guest.binding->how, "beacons");
  const model::ClockSegment& segment = guest.clock.segments()[0];
  EXPECT_EQ(segment.method, SyncMethod::kBeacon);
  EXPECT_GT(segment.facts[static_cast<std::size_t>(model::FactKind::kVmsync)].used, 20U);
  EXPECT_LE(worst_error(made.truth[0], guest.clock), segment.error_max_ns);
  EXPECT_LT(segment.error_max_ns, 2'000);
}

TEST(JoinVmsync, PointsOfAnotherVmOrRoleAreNoFacts) {
  for (const bool other_thread : {true, false}) {
    Made made = synthetic::make({.seed = 9, .guests = {shifted_guest()}});
    add_vmsync(made, 0xabc);
    for (model::VmsyncPoint& point : made.host.vmsync) {
      if (other_thread)
        point.tid = 4242;
      else
        point.role = point.role == 'b' ? 'a' : 'd';  // as a guest would say it
    }
    const TraceJoin guest = join(made.input()).result.traces[1];
    ASSERT_TRUE(guest.binding.has_value());
    EXPECT_EQ(guest.binding->how, "envelopes");
    const auto& facts = guest.clock.segments()[0].facts;
    EXPECT_EQ(facts[static_cast<std::size_t>(model::FactKind::kVmsync)].used, 0U);
  }
}

/// Two machines without a host: `far`'s own time is `near`'s plus an offset.
struct Plain {
  reader::TraceInfo infos[3];
  model::TraceEvidence evidence[3];
  std::uint32_t sequence = 0;

  Plain() {
    for (int m = 0; m < 3; ++m) {
      infos[m].path = "m" + std::to_string(m);
      infos[m].format = "ctf";
      evidence[m].first = OwnTime{offset(m)};
      evidence[m].last = OwnTime{offset(m) + 1'000'000'000};
    }
  }
  static std::int64_t offset(int machine) { return machine * 500'000'000'000; }
  void send(int from, int to, std::int64_t at, std::int64_t delay) {
    ++sequence;
    evidence[from].packets.push_back({OwnTime{at + offset(from)}, true, sequence, 1, 2, 3});
    evidence[to].packets.push_back({OwnTime{at + delay + offset(to)}, false, sequence, 1, 2, 3});
  }
  void talk(int one, int other) {
    for (std::int64_t i = 0; i < 200; ++i) {
      send(one, other, i * 5'000'000, 20'000 + i % 7 * 9'000);
      send(other, one, i * 5'000'000 + 2'000'000, 30'000 + i % 5 * 8'000);
    }
  }
  [[nodiscard]] JoinInput input(int machines) const {
    JoinInput input;
    for (int m = 0; m < machines; ++m) input.traces.push_back({&infos[m], &evidence[m], {}});
    return input;
  }
};

TEST(JoinPackets, PlainMachinesAreJoinedByThePacketsTheyExchange) {
  Plain plain;
  plain.talk(0, 1);
  const Joined joined = join(plain.input(2));
  const TraceJoin& far = joined.result.traces[1];
  EXPECT_EQ(joined.result.reference, 0U);
  EXPECT_TRUE(far.joined);
  EXPECT_EQ(far.source, "TCP packets");
  const model::ClockSegment& segment = far.clock.segments()[0];
  EXPECT_EQ(segment.method, SyncMethod::kPackets);
  EXPECT_FALSE(joined.has(IssueCode::kClockNotJoined));
  for (const std::int64_t at : {0LL, 500'000'000LL, 1'000'000'000LL}) {
    const std::int64_t error = far.clock.to_host(OwnTime{at + Plain::offset(1)}).ns - at;
    EXPECT_LE(std::abs(error), segment.error_max_ns);
  }
  EXPECT_LT(segment.error_max_ns, 100'000);
}

TEST(JoinPackets, AChainOfMachinesAddsItsErrors) {
  Plain plain;
  plain.talk(0, 1);
  plain.talk(1, 2);
  const Joined joined = join(plain.input(3));
  const model::ClockSegment& near = joined.result.traces[1].clock.segments()[0];
  const TraceJoin& far = joined.result.traces[2];
  EXPECT_TRUE(far.joined);
  EXPECT_GT(far.clock.segments()[0].error_max_ns, near.error_max_ns);
  const std::int64_t error = far.clock.to_host(OwnTime{7 + Plain::offset(2)}).ns - 7;
  EXPECT_LE(std::abs(error), far.clock.segments()[0].error_max_ns);
}

TEST(JoinPackets, OneDirectionAloneIsNoRelationToTrust) {
  Plain plain;
  for (std::int64_t i = 0; i < 50; ++i) plain.send(0, 1, i * 1'000'000, 20'000);
  const TraceJoin far = join(plain.input(2)).result.traces[1];
  const bool claims = far.joined && far.clock.segments()[0].quality == SyncQuality::kAccurate;
  EXPECT_FALSE(claims);
}

// Two hosts that never spoke: each keeps its own VMs, neither is put on the other's clock.
TEST(JoinNothing, TwoUnrelatedHostsKeepTheirOwnAnswers) {
  Made first = synthetic::make({.seed = 11, .guests = {shifted_guest()}});
  Made second = synthetic::make({.seed = 12, .guests = {shifted_guest()}});
  second.host_info.path = "host-b";
  second.guest_info[0].path = "guest-b";
  JoinInput input = first.input();
  for (JoinTrace& trace : second.input().traces) input.traces.push_back(std::move(trace));
  const Joined joined = join(input);
  EXPECT_EQ(joined.result.reference, 0U);
  EXPECT_TRUE(joined.result.traces[0].joined);
  EXPECT_FALSE(joined.result.traces[2].joined);
  EXPECT_EQ(joined.result.traces[2].clock.to_host(OwnTime{17}).ns, 17);
  ASSERT_TRUE(joined.result.traces[1].binding && joined.result.traces[3].binding);
  EXPECT_EQ(joined.result.traces[1].binding->host, 0U);
  EXPECT_EQ(joined.result.traces[3].binding->host, 2U);
  EXPECT_TRUE(joined.result.traces[1].joined);
  EXPECT_FALSE(joined.result.traces[3].joined);
  // The second guest is right against its own host.
  EXPECT_LE(worst_error(second.truth[0], joined.result.traces[3].clock),
            joined.result.traces[3].clock.segments()[0].error_max_ns);
  const auto about = std::count_if(joined.issues.begin(), joined.issues.end(), [](const auto& i) {
    return i.code == IssueCode::kClockNotJoined && i.trace == "host-b";
  });
  EXPECT_EQ(about, 1);
}

TEST(JoinNothing, ATraceThatMatchesNoVmIsUnboundAndOnNoOnesClock) {
  Made made = synthetic::make({.seed = 13, .guests = {GuestPlan{}}});
  Made other = synthetic::make({.seed = 14, .guests = {GuestPlan{}}});
  JoinInput input = made.input();
  input.traces.push_back({&other.guest_info[0], &other.guests[0], {}});
  other.guest_info[0].path = "stranger";
  const Joined joined = join(input);
  EXPECT_TRUE(joined.result.traces[1].binding.has_value());
  const TraceJoin& stranger = joined.result.traces[2];
  EXPECT_FALSE(stranger.binding.has_value());
  EXPECT_FALSE(stranger.joined);
  EXPECT_EQ(stranger.clock.segments()[0].quality, SyncQuality::kAbsent);
  EXPECT_EQ(stranger.clock.segments()[0].error_max_ns, -1);
  for (const model::Issue& issue : joined.issues) {
    EXPECT_TRUE(issue.code != IssueCode::kGuestUnbound || issue.trace == "stranger");
  }
  EXPECT_TRUE(joined.has(IssueCode::kGuestUnbound));
  EXPECT_TRUE(joined.has(IssueCode::kClockNotJoined));
}

}  // namespace
}  // namespace vs::session
