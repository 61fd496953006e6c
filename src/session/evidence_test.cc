#include "session/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;
namespace arg = model::arg;

Event event(EventKind kind, std::int64_t own, std::int32_t tid, std::uint32_t cpu = 0) {
  Event made;
  made.kind = kind;
  made.own = OwnTime{own};
  made.tid = tid;
  made.cpu = cpu;
  return made;
}

Event with(Event made, std::size_t slot, std::uint64_t value) {
  made.args[slot] = value;
  made.present = static_cast<std::uint16_t>(made.present | (1U << slot));
  return made;
}

model::TraceEvidence gather(const std::vector<Event>& events, EvidenceRoles roles = {},
                            EvidenceLimits limits = {}) {
  EvidenceGatherer gatherer(roles, limits);
  gatherer.on_events(events, 0);
  return gatherer.finish();
}

TEST(Evidence, RunsArePerThreadAcrossCpus) {
  EvidenceGatherer gatherer({true, false});
  const std::array second{event(EventKind::kKvmEntry, 50, 7, 1),
                          event(EventKind::kKvmExit, 60, 7, 1)};
  const std::array first{event(EventKind::kKvmEntry, 10, 7), event(EventKind::kKvmExit, 20, 7)};
  gatherer.on_events(second, 1);
  gatherer.on_events(first, 0);
  const model::TraceEvidence evidence = gatherer.finish();
  ASSERT_EQ(evidence.threads.size(), 1U);
  ASSERT_EQ(evidence.threads[0].runs.size(), 2U);
  EXPECT_EQ(evidence.threads[0].runs[0].entry.value, 10);
  EXPECT_EQ(evidence.threads[0].runs[1].exit.value, 60);
}

TEST(Evidence, AMissingExitEndsAtTheNextEntryAndAnOpenRunAtTheTracesEnd) {
  const auto evidence =
      gather({event(EventKind::kKvmEntry, 10, 7), event(EventKind::kKvmEntry, 30, 8),
              event(EventKind::kSchedSwitch, 90, 8)});
  ASSERT_EQ(evidence.threads.size(), 2U);
  EXPECT_EQ(evidence.threads[0].runs[0].exit.value, 30);
  EXPECT_EQ(evidence.threads[1].runs[0].exit.value, 90);
}

TEST(Evidence, AnExitAfterALossCoversTheLoss) {
  Event loss = with(event(EventKind::kLoss, 100, -1), arg::kLossEndOwn, 200);
  const auto evidence =
      gather({event(EventKind::kKvmEntry, 10, 7), loss, event(EventKind::kKvmExit, 260, 7)});
  ASSERT_EQ(evidence.losses.size(), 1U);
  EXPECT_EQ(evidence.losses[0].exit.value, 200);
  ASSERT_EQ(evidence.threads[0].runs.size(), 2U);
  EXPECT_EQ(evidence.threads[0].runs[0].exit.value, 100);
  EXPECT_EQ(evidence.threads[0].runs[1].entry.value, 100);
  EXPECT_EQ(evidence.threads[0].runs[1].exit.value, 260);
}

TEST(Evidence, WithoutTidContextTheSwitchTellsTheThread) {
  const auto evidence =
      gather({with(event(EventKind::kSchedSwitch, 5, -1), arg::kNextTid, 42),
              event(EventKind::kKvmEntry, 10, -1), event(EventKind::kKvmExit, 20, -1)});
  ASSERT_EQ(evidence.threads.size(), 1U);
  EXPECT_EQ(evidence.threads[0].tid, 42);
}

TEST(Evidence, WithoutARoleOnlyTheTracesOwnRateIsGathered) {
  const EvidenceRoles none{false, false};
  const auto evidence =
      gather({with(event(EventKind::kKvmWriteTscOffset, 5, 7), arg::kTscNext, 42),
              with(event(EventKind::kHrtimerExpireEntry, 10, 7), arg::kHrtimerNow, 9),
              with(event(EventKind::kKvmPvclockUpdate, 20, 7), arg::kPvclockMul, 3),
              with(event(EventKind::kLoss, 30, -1), arg::kLossEndOwn, 40)},
             none);
  EXPECT_TRUE(evidence.tsc_writes.empty());
  EXPECT_TRUE(evidence.losses.empty());
  EXPECT_EQ(evidence.readings.size(), 1U);
  EXPECT_EQ(evidence.pvclock.size(), 1U);
  EXPECT_FALSE(EvidenceGatherer::kinds(none).has(EventKind::kKvmWriteTscOffset));
  EXPECT_TRUE(EvidenceGatherer::kinds(none).has(EventKind::kHrtimerExpireEntry));
}

TEST(Evidence, OfAKnownRateNothingIsGathered) {
  const EvidenceRoles joined{true, false, false};
  const auto evidence =
      gather({with(event(EventKind::kHrtimerExpireEntry, 10, 7), arg::kHrtimerNow, 9),
              with(event(EventKind::kKvmPvclockUpdate, 20, 7), arg::kPvclockMul, 3),
              event(EventKind::kKvmEntry, 30, 7), event(EventKind::kKvmExit, 40, 7)},
             joined);
  EXPECT_TRUE(evidence.readings.empty());
  EXPECT_TRUE(evidence.pvclock.empty());
  EXPECT_EQ(evidence.threads.size(), 1U);
  EXPECT_FALSE(EvidenceGatherer::kinds(joined).has(EventKind::kHrtimerExpireEntry));
}

TEST(Evidence, TooManyRunsAreCoarsenedNotDropped) {
  std::vector<Event> events;
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t at = i * 10'000 + (i % 100 == 0 ? 0 : 100);
    events.push_back(event(EventKind::kKvmEntry, at, 7));
    events.push_back(event(EventKind::kKvmExit, at + (i % 50 == 49 ? 2000 : 9800), 7));
  }
  EvidenceLimits limits;
  limits.runs = 64;
  const auto evidence = gather(events, {true, false}, limits);
  EXPECT_GT(evidence.run_gap, 0);
  ASSERT_LE(evidence.threads[0].runs.size(), 65U);
  EXPECT_GT(evidence.threads[0].runs.size(), 5U);
  // Every run of the trace lies in a kept one.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < events.size(); i += 2) {
    const auto& runs = evidence.threads[0].runs;
    while (kept < runs.size() && runs[kept].exit < events[i].own) ++kept;
    ASSERT_LT(kept, runs.size());
    EXPECT_LE(runs[kept].entry, events[i].own);
    EXPECT_GE(runs[kept].exit, events[i + 1].own);
  }
}

TEST(Evidence, TooManyGuestEventsBecomeBurstsThatKeepTheirCount) {
  std::vector<Event> events;
  for (int i = 0; i < 5000; ++i)
    events.push_back(event(EventKind::kSoftirqEntry, i * 400 + i / 50 * 50'000, 3));
  EvidenceLimits limits;
  limits.bursts = 300;
  const auto evidence = gather(events, {false, true}, limits);
  ASSERT_EQ(evidence.cpus.size(), 1U);
  EXPECT_LE(evidence.cpus[0].bursts.size(), 301U);
  std::uint64_t count = 0;
  for (const model::Burst& burst : evidence.cpus[0].bursts) {
    count += burst.count;
    EXPECT_LE(burst.length, 50U * 50'100U);
  }
  EXPECT_EQ(count, 5000U);
}

TEST(Evidence, GuestEventsNoExitFitsBetweenAreOneBurst) {
  const auto evidence =
      gather({event(EventKind::kSoftirqEntry, 1000, 3), event(EventKind::kSoftirqEntry, 1200, 3),
              event(EventKind::kSoftirqEntry, 1456, 3), event(EventKind::kSoftirqEntry, 1713, 3)},
             {false, true});
  ASSERT_EQ(evidence.cpus.size(), 1U);
  ASSERT_EQ(evidence.cpus[0].bursts.size(), 2U);
  EXPECT_EQ(evidence.cpus[0].bursts[0].first, 1000);
  EXPECT_EQ(evidence.cpus[0].bursts[0].length, 456U);
  EXPECT_EQ(evidence.cpus[0].bursts[0].count, 3U);
  EXPECT_EQ(evidence.cpus[0].bursts[1].first, 1713);
}

TEST(Evidence, TooManyLossesBecomeFewerThatCoverThem) {
  constexpr std::int64_t kLosses = 1000;
  std::vector<Event> events;
  for (std::int64_t i = 0; i < kLosses; ++i) {
    events.push_back(with(event(EventKind::kLoss, i * 10'000, -1), arg::kLossEndOwn,
                          static_cast<std::uint64_t>(i * 10'000 + 100)));
  }
  EvidenceLimits limits;
  limits.losses = 300;
  const auto evidence = gather(events, {}, limits);
  EXPECT_LE(evidence.losses.size(), 301U);
  for (std::int64_t i = 0; i < kLosses; ++i) {
    const bool covered = std::any_of(
        evidence.losses.begin(), evidence.losses.end(), [i](const model::GuestRun& loss) {
          return loss.entry.value <= i * 10'000 && loss.exit.value >= i * 10'000 + 100;
        });
    EXPECT_TRUE(covered) << i;
  }
}

TEST(Evidence, BeaconsAreThinnedAlikeOnBothSides) {
  std::vector<Event> calls;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 400; ++i) {
    calls.push_back(with(with(event(EventKind::kKvmHypercall, static_cast<std::int64_t>(i), 7),
                              arg::kHypercallNr, 0x5653),
                         arg::kHypercallA0, i));
    texts.push_back("vssync seq=" + std::to_string(i) + " tsc=1 mono=2\n");
  }
  std::vector<Event> marks;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    marks.push_back(event(EventKind::kMark, static_cast<std::int64_t>(i), 9));
    marks.back().texts[0] = texts[i];
  }
  EvidenceLimits limits;
  limits.beacons = 100;
  const auto host = gather(calls, {true, false}, limits);
  const auto guest = gather(marks, {false, true}, limits);
  ASSERT_EQ(host.host_beacons.size(), guest.marks.size());
  ASSERT_GT(guest.marks.size(), 40U);
  for (std::size_t i = 0; i < guest.marks.size(); ++i) {
    EXPECT_EQ(host.host_beacons[i].args[0], guest.marks[i].key[0]);
  }
}

TEST(Evidence, DeadlineReadingsAreBoundedByTheEntry) {
  Event write =
      with(with(with(event(EventKind::kKvmMsr, 12, 7), arg::kMsrWrite, 1), arg::kMsrEcx, 0x6e0),
           arg::kMsrData, 5000);
  Event expire = with(event(EventKind::kKvmWaitLapicExpire, 35, 7), arg::kExpireDelta, 70);
  const auto evidence = gather(
      {event(EventKind::kKvmExit, 10, 7), write, event(EventKind::kKvmEntry, 30, 7), expire});
  ASSERT_EQ(evidence.deadlines.size(), 1U);
  EXPECT_EQ(evidence.deadlines[0].guest_tsc, 5070);
  EXPECT_EQ(evidence.deadlines[0].lower.value, 30);
  EXPECT_EQ(evidence.deadlines[0].upper.value, 35);
}

TEST(Evidence, OtherHypercallsAndReadsAreNoBeacons) {
  const auto evidence =
      gather({with(event(EventKind::kKvmHypercall, 1, 7), arg::kHypercallNr, 5),
              with(event(EventKind::kKvmHypercall, 2, 7), arg::kHypercallNr, 0x15653)});
  EXPECT_TRUE(evidence.host_beacons.empty());
}

TEST(Marks, OnlyWholeOnesAreBeacons) {
  model::BeaconMark mark;
  ASSERT_TRUE(parse_beacon_mark("vssync seq=3 tsc=18446744073709551615 mono=9", mark));
  EXPECT_EQ(mark.key_size, 3);
  EXPECT_EQ(mark.key[1], 18446744073709551615ULL);
  ASSERT_TRUE(parse_beacon_mark("vs d 7 4294967298 2 100 200", mark));
  EXPECT_TRUE(mark.after);
  EXPECT_EQ(mark.nr, 0x56530002U);
  EXPECT_EQ(mark.key[1], 2U);
  EXPECT_EQ(mark.key[2], 1U);
  for (const char* text : {"", "vs", "vssync", "vssync seq=", "vssync seq=x tsc=1 mono=2",
                           "vssync tsc=1", "vs a 1 2", "vs b 1 2 3", "vs a 1 2 70000",
                           "vs a -1 2 3", "vssync seq=99999999999999999999 tsc=1 mono=1"}) {
    EXPECT_FALSE(parse_beacon_mark(text, mark)) << text;
  }
}

}  // namespace
}  // namespace vs::session
