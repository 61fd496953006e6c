// Whose requests were at the disk that a task waited for, on times known to the nanosecond.

#include "analysis/flow/disk_neighbours.h"

#include <gtest/gtest.h>

#include <array>

#include "analysis/flow/flow_test_support.h"
#include "analysis/flow/property_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::ThreadState;
using test::Memory;

constexpr std::int64_t kReader = 5;

// vm1's reader runs, waits for a disk in [100, 200), runs again until 300.
void fill(Memory& memory) {
  memory.machine("host");
  memory.machine("vm1", "host");
  memory.machine("vm2", "host");
  memory.clock("vm1", 0);
  memory.clock("vm2", 0);
  memory.thread("vm1", kReader, "reader");
  memory.thread("vm2", 9, "bulk");
  memory.is("vm1", kReader, 0, 100, {ThreadState::kUser, 0});
  memory.is("vm1", kReader, 100, 200, {ThreadState::kBlocked, 0, "disk"});
  memory.is("vm1", kReader, 200, 300, {ThreadState::kUser, 0});
}

struct Answer {
  std::map<Disk, DiskUse> disks;
  std::map<DiskNeighbour, DiskShare> neighbours;
  std::int64_t waited_ns = 0;

  [[nodiscard]] const DiskShare& only() const {
    EXPECT_EQ(neighbours.size(), 1u);
    static const DiskShare kNone;
    return neighbours.empty() ? kNone : neighbours.begin()->second;
  }
};

Answer ask(const Memory& memory, std::int64_t begin = 0, std::int64_t end = 300,
           std::string_view machine = "vm1", std::int64_t tid = kReader) {
  const World world(memory);
  DiskNeighbours found(world);
  const Status status =
      found.add({world.find_machine(machine), tid, HostTime{begin}, HostTime{end}});
  EXPECT_TRUE(status.ok());
  return {found.disks(), found.neighbours(), found.waited_ns()};
}

TEST(DiskNeighbours, AnEarlierRequestIsAheadUntilItEndsALaterOneBesideWhileInService) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 90, 90, 140, {900, "vm2"});
  memory.request("host", "8:0", 110, 110, 190, {800, "vm1"});
  memory.request("host", "8:0", 120, 150, 400, {900, "vm2"});  // in the queue from 120
  const Answer answer = ask(memory);
  EXPECT_EQ(answer.waited_ns, 100);
  ASSERT_EQ(answer.disks.size(), 1u);
  EXPECT_EQ(answer.disks.begin()->second.own_ns, 80);
  EXPECT_EQ(answer.disks.begin()->second.shared_ns, 30 + 40);
  const DiskShare& share = answer.only();
  EXPECT_EQ(share.ahead_ns, 30);
  EXPECT_EQ(share.beside_ns, 40);
  EXPECT_EQ(share.requests, 2u);
  EXPECT_EQ(share.bytes, 8192u);
  EXPECT_EQ(share.longest_ns, 40);
  EXPECT_EQ(share.longest_at.ns, 150);
}

TEST(DiskNeighbours, AnEarlierRequestInTheQueueIsAhead) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 95, 180, 195, {900, "vm2"});
  memory.request("host", "8:0", 110, 115, 190, {800, "vm1"});
  EXPECT_EQ(ask(memory).only().ahead_ns, 80);
}

TEST(DiskNeighbours, WhatIsElsewhereIsNotInTheWay) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 110, 110, 150, {800, "vm1"});
  memory.request("host", "8:16", 90, 90, 210, {900, "vm2"});   // another disk
  memory.request("host", "8:0", 50, 50, 110, {900, "vm2"});    // before
  memory.request("host", "8:0", 130, 155, 180, {900, "vm2"});  // only in the queue behind it
  memory.request("host", "8:0", 150, 150, 180, {900, "vm2"});  // after
  const Answer answer = ask(memory);
  EXPECT_TRUE(answer.neighbours.empty());
  ASSERT_EQ(answer.disks.size(), 1u);
  EXPECT_EQ(answer.disks.begin()->second.shared_ns, 0);
  EXPECT_EQ(answer.disks.begin()->second.alone, 1u);
  EXPECT_EQ(answer.disks.begin()->second.alone_ns, 40);
}

TEST(DiskNeighbours, NoOwnRequestAtTheDiskNoBlame) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 90, 90, 210, {900, "vm2"});
  const Answer answer = ask(memory);
  EXPECT_TRUE(answer.neighbours.empty());
  EXPECT_TRUE(answer.disks.empty());
}

TEST(DiskNeighbours, NoDiskWaitNoBlame) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 10, 10, 90, {900, "vm2"});
  memory.request("host", "8:0", 20, 20, 90, {800, "vm1"});
  EXPECT_TRUE(ask(memory).neighbours.empty());
}

TEST(DiskNeighbours, TheTasksOwnRequestsNarrowWhatIsIts) {
  Memory memory;
  fill(memory);
  memory.request("vm1", "vda", 105, 105, 150, {kReader, "vm1"});
  memory.request("host", "8:0", 110, 110, 145, {800, "vm1"});
  memory.request("host", "8:0", 160, 160, 190, {800, "vm1"});  // of another task of vm1
  memory.request("host", "8:0", 100, 100, 195, {900, "vm2"});
  EXPECT_EQ(ask(memory).only().total_ns(), 35);
}

TEST(DiskNeighbours, InsideTheVmOtherTasksAreNeighbours) {
  Memory memory;
  fill(memory);
  memory.request("vm1", "vda", 100, 100, 190, {6, "vm1"});
  memory.request("vm1", "vda", 110, 110, 180, {kReader, "vm1"});
  const Answer answer = ask(memory);
  EXPECT_EQ(answer.only().ahead_ns, 70);
  EXPECT_EQ(answer.neighbours.begin()->first.tid, 6);
  EXPECT_EQ(answer.neighbours.begin()->first.machine,
            answer.neighbours.begin()->first.disk.machine);
}

TEST(DiskNeighbours, TheTaskOfTheOtherVmIsToldWhenOnlyOneCanBe) {
  const auto who = [](const auto& add) {
    Memory memory;
    fill(memory);
    add(memory);
    memory.request("host", "8:0", 105, 105, 150, {900, "vm2"});
    memory.request("host", "8:0", 110, 110, 145, {800, "vm1"});
    return ask(memory).neighbours.begin()->first.tid;
  };
  EXPECT_EQ(who([](Memory&) {}), model::kNull);
  EXPECT_EQ(who([](Memory& m) { m.request("vm2", "vda", 100, 100, 155, {9, "vm2"}); }), 9);
  EXPECT_EQ(who([](Memory& m) {
              m.request("vm2", "vda", 106, 106, 155, {9, "vm2"});
            }),
            model::kNull);
  EXPECT_EQ(who([](Memory& m) {
              m.request("vm2", "vda", 99, 99, 160, {8, "vm2"});
              m.request("vm2", "vda", 100, 100, 155, {9, "vm2"});
            }),
            model::kNull);
  EXPECT_EQ(who([](Memory& m) {
              m.request("vm2", "vda", 99, 99, 160, {8, "vm2", 512});
              m.request("vm2", "vda", 100, 100, 155, {9, "vm2"});
            }),
            9);
}

TEST(DiskNeighbours, AClockWithoutBoundTellsNoTask) {
  Memory memory;
  memory.machine("host");
  memory.machine("vm1", "host");
  memory.machine("vm2", "host");
  memory.is("vm1", kReader, 100, 200, {ThreadState::kBlocked, 0, "disk"});
  memory.request("vm2", "vda", 100, 100, 155, {9, "vm2"});
  memory.request("host", "8:0", 105, 105, 150, {900, "vm2"});
  memory.request("host", "8:0", 110, 110, 145, {800, "vm1"});
  EXPECT_EQ(ask(memory).neighbours.begin()->first.tid, model::kNull);
}

TEST(DiskNeighbours, AWaitForATaskThatWaitsForADisk) {
  Memory memory;
  memory.machine("host");
  memory.is("host", 1, 0, 100, {ThreadState::kBlocked, 0, "task", "host", 2});
  memory.is("host", 2, 0, 20, {ThreadState::kUser, 0});
  memory.is("host", 2, 20, 80, {ThreadState::kBlocked, 0, "disk"});
  memory.is("host", 2, 80, 100, {ThreadState::kUser, 0});
  memory.request("host", "8:0", 10, 10, 70, 3);
  memory.request("host", "8:0", 20, 20, 80, 2);
  const Answer answer = ask(memory, 0, 100, "host", 1);
  EXPECT_EQ(answer.waited_ns, 60);
  EXPECT_EQ(answer.only().ahead_ns, 50);
  EXPECT_EQ(answer.neighbours.begin()->first.tid, 3);
}

TEST(DiskNeighbours, SharesOfSeveralAreEachTheirOwnAndTogetherNoMoreThanTheWait) {
  Memory memory;
  fill(memory);
  memory.request("host", "8:0", 100, 100, 170, 70);
  memory.request("host", "8:0", 105, 105, 190, {800, "vm1"});
  memory.request("host", "8:0", 120, 120, 180, {900, "vm2"});
  const Answer answer = ask(memory);
  ASSERT_EQ(answer.neighbours.size(), 2u);
  std::int64_t sum = 0;
  for (const auto& [who, share] : answer.neighbours) sum += share.total_ns();
  EXPECT_EQ(sum, 65 + 60);
  EXPECT_EQ(answer.disks.begin()->second.shared_ns, 75);
}

// Nanosecond by nanosecond.
struct Brute {
  std::int64_t own = 0;
  std::int64_t ahead = 0;
  std::int64_t beside = 0;
};

TEST(DiskNeighbours, EqualsAReferenceThatLooksAtEveryNanosecond) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    test::Dice roll(seed);
    Memory memory;
    fill(memory);
    std::vector<std::array<std::int64_t, 4>> all;  // insert, issue, complete, own
    for (int i = 0; i < 12; ++i) {
      const std::int64_t insert = 60 + roll(150);
      const std::int64_t issue = insert + roll(20);
      all.push_back({insert, issue, issue + 1 + roll(60), roll(2)});
    }
    std::ranges::sort(all);
    for (const auto& r : all) {
      memory.request("host", "8:0", r[0], r[1], r[2], {1, r[3] == 1 ? "vm1" : "vm2"});
    }
    Brute want;
    for (std::int64_t t = 100; t < 200; ++t) {
      std::int64_t latest = -1;
      for (const auto& r : all) {
        if (r[3] == 1 && r[0] <= t && t < r[2]) latest = std::max(latest, r[0]);
      }
      bool ahead = false;
      bool beside = false;
      for (const auto& r : all) {
        if (r[3] == 1 || t < r[0] || t >= r[2] || latest < 0) continue;
        ahead = ahead || r[0] < latest;
        beside = beside || t >= r[1];
      }
      want.own += latest >= 0 ? 1 : 0;
      want.ahead += ahead ? 1 : 0;
      want.beside += beside && !ahead ? 1 : 0;
    }
    const std::int64_t cut = 100 + roll(100);
    Brute got;
    for (const auto& [from, to] : {std::pair<std::int64_t, std::int64_t>{0, cut}, {cut, 300}}) {
      const Answer answer = ask(memory, from, to);
      for (const auto& [disk, use] : answer.disks) got.own += use.own_ns;
      for (const auto& [who, share] : answer.neighbours) {
        got.ahead += share.ahead_ns;
        got.beside += share.beside_ns;
      }
    }
    EXPECT_EQ(got.own, want.own) << seed;
    EXPECT_EQ(got.ahead, want.ahead) << seed;
    EXPECT_EQ(got.beside, want.beside) << seed;
  }
}

}  // namespace
}  // namespace vs::analysis::flow
