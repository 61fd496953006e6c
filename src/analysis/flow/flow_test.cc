// Execution flows of scenes written by hand: each rule of design.md 4 once, and the borders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/flow/execution_flow.h"
#include "analysis/flow/flow_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::TableId;
using model::ThreadState;
using model::VcpuState;
using test::Memory;
using ::testing::ElementsAre;
using Lines = std::vector<std::string>;

// "10-20 run vm1/0 critical (5) p3 cause"
std::string line_of(const World& world, const FlowPiece& piece) {
  std::string text = std::to_string(piece.begin.ns) + "-" + std::to_string(piece.end.ns) + " " +
                     std::string(model::flow_kind_names()[static_cast<std::size_t>(piece.kind)]);
  const std::string who = actor_text(world, piece.exec, piece.comm);
  if (!who.empty()) text += " " + who;
  if (piece.pcpu != model::kNull) text += " p" + std::to_string(piece.pcpu);
  if (!piece.cause.empty()) text += " " + std::string(piece.cause);
  return text;
}

Lines flow_of(const Memory& memory, const std::string& machine, std::int64_t tid,
              std::int64_t begin, std::int64_t end, std::size_t part_rows = 2048) {
  const World world(memory);
  const TaskWindow task{world.find_machine(machine), tid, HostTime{begin}, HostTime{end}};
  StatesOptions options;
  options.part_rows = part_rows;
  FlowWalk walk(world, task, options);
  Lines lines;
  FlowPiece piece;
  while (true) {
    const auto more = walk.next(piece);
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !*more) return lines;
    lines.push_back(line_of(world, piece));
  }
}

// A guest with one vCPU on pCPU 0, next to vm2, whose thread takes it at 40.
Memory one_guest() {
  Memory memory;
  memory.machine("host");
  memory.machine("vm1", "host");
  memory.machine("vm2", "host");
  memory.vcpu("vm1", 0, "host", 100);
  memory.vcpu("vm2", 0, "host", 200);
  memory.thread("vm1", 5, "critical");
  memory.thread("vm1", 6, "other");
  memory.thread("host", 100, "CPU 0/KVM");
  memory.vcpu_is("vm1", 0, 0, 20, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm1", 0, 20, 30, {VcpuState::kHypervisor, 0, "NPF"});
  memory.vcpu_is("vm1", 0, 30, 40, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm1", 0, 40, 60, {VcpuState::kPreempted, 0, "INTR"});
  memory.robbed("vm1", 0, 40, 50, 0, {"vm2", 0, 155, "burst0"});
  memory.robbed("vm1", 0, 50, 60, 0, {});
  memory.vcpu_is("vm1", 0, 60, 70, {VcpuState::kBlocked, model::kNull});
  memory.vcpu_is("vm1", 0, 70, 80, {VcpuState::kHalted});
  memory.vcpu_is("vm1", 0, 80, 90, {VcpuState::kUserspace, 0});
  memory.vcpu_is("vm1", 0, 90, 95, {VcpuState::kStopped});
  memory.vcpu_is("vm1", 0, 95, 100, {VcpuState::kUnknown});
  return memory;
}

TEST(Flow, RunningThreadIsSplitByItsVcpu) {
  Memory memory = one_guest();
  memory.is("vm1", 5, 0, 10, {.state = ThreadState::kUser, .cpu = 0});
  memory.is("vm1", 5, 10, 15, {.state = ThreadState::kIrq, .cpu = 0});
  memory.is("vm1", 5, 15, 100, {.state = ThreadState::kSyscall, .cpu = 0, .detail = "read"});
  EXPECT_THAT(
      flow_of(memory, "vm1", 5, 0, 110),
      ElementsAre("0-10 run vm1/0 critical (5) p0", "10-15 run vm1/0 critical (5) p0 irq",
                  "15-20 run vm1/0 critical (5) p0", "20-30 hypervisor vm1/0 critical (5) p0 NPF",
                  "30-40 run vm1/0 critical (5) p0",
                  "40-50 vcpu_preempted_by vm2/0 burst0 (155) p0 preempted",
                  "50-60 vcpu_preempted_by p0 preempted", "60-70 blocked vmm",
                  "70-80 lock_wait vm1/0 critical (5) halted",
                  "80-90 hypervisor vm1/0 critical (5) p0 userspace", "90-95 blocked paused",
                  "95-110 unknown"));
}

TEST(Flow, WaitingThreadNamesWhoRanAndWhatTheCpuReallyDid) {
  Memory memory = one_guest();
  memory.is("vm1", 5, 0, 45, {.state = ThreadState::kPreempted, .cpu = 0});
  memory.is("vm1", 5, 45, 100, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.current("vm1", 0, 0, 35, 6, "other");
  memory.current("vm1", 0, 35, 100, 0, "swapper/0");
  EXPECT_THAT(flow_of(memory, "vm1", 5, 5, 96),
              ElementsAre("5-20 preempted_by vm1/0 other (6) p0",
                          "20-30 preempted_by vm1/0 other (6) p0 NPF",
                          "30-35 preempted_by vm1/0 other (6) p0", "35-40 preempted_by p0 idle",
                          "40-50 vcpu_preempted_by vm2/0 burst0 (155) p0 preempted",
                          "50-60 vcpu_preempted_by p0 preempted", "60-70 blocked vmm",
                          "70-80 runnable halted", "80-90 runnable p0 idle", "90-95 blocked paused",
                          "95-96 runnable idle"));
}

TEST(Flow, BlockedNamesCauseAndWaker) {
  Memory memory = one_guest();
  memory.is("vm1", 5, 0, 10, {.state = ThreadState::kFork, .waker_machine = "vm1", .waker = 6});
  memory.is("vm1", 5, 10, 20,
            {.state = ThreadState::kBlocked, .detail = "task", .waker_machine = "vm1", .waker = 6});
  memory.is("vm1", 5, 20, 30, {.state = ThreadState::kBlocked, .detail = "timer"});
  memory.is("vm1", 5, 30, 40, {.state = ThreadState::kBlocked});
  memory.is("vm1", 5, 40, 50, {.state = ThreadState::kExited});
  EXPECT_THAT(flow_of(memory, "vm1", 5, 0, 50),
              ElementsAre("0-10 blocked vm1 other (6) fork", "10-20 blocked vm1 other (6) task",
                          "20-30 blocked timer", "30-40 blocked unknown", "40-50 unknown"));
}

TEST(Flow, HostThreadNamesTheGuestThreadThatHeldItsCpu) {
  Memory memory = one_guest();
  memory.thread("host", 7, "qemu");
  memory.is("host", 7, 0, 10, {.state = ThreadState::kUser, .cpu = 3});
  memory.is("host", 7, 10, 30, {.state = ThreadState::kPreempted, .cpu = 3});
  memory.is("host", 7, 30, 40, {.state = ThreadState::kRunnable, .cpu = 3});
  memory.holder("host", 3, 0, 10, {"host", model::kNull, 7, "qemu"});
  memory.holder("host", 3, 10, 20, {"vm2", 0, 155, "burst0"});
  memory.holder("host", 3, 20, 32, {"host", model::kNull, 0, "swapper/3"});
  memory.holder("host", 3, 32, 40, {"host", model::kNull, 7, "qemu"});  // clocks differ a little
  EXPECT_THAT(
      flow_of(memory, "host", 7, 0, 40),
      ElementsAre("0-10 run host qemu (7) p3", "10-20 preempted_by vm2/0 burst0 (155) p3",
                  "20-30 preempted_by p3 idle", "30-32 runnable p3 idle", "32-40 runnable p3"));
}

TEST(Flow, LossWindowsAreUnknownOnlyWhereRowsAreLossy) {
  Memory memory = one_guest();
  memory.loss("vm1", 12, 14);
  memory.loss("vm1", 13, 16);
  memory.loss("vm1", 36, 38);
  memory.is("vm1", 5, 0, 30, {.state = ThreadState::kBlocked, .detail = "disk", .lossy = true});
  memory.is("vm1", 5, 30, 40, {.state = ThreadState::kUser, .cpu = 0});
  EXPECT_THAT(flow_of(memory, "vm1", 5, 0, 40),
              ElementsAre("0-12 blocked disk", "12-16 unknown", "16-30 blocked disk",
                          "30-40 run vm1/0 critical (5) p0"));
}

// vm1 hosts vm3, whose vCPU thread is vm1's thread 6 on vm1's CPU 0.
TEST(Flow, NestedGuestIsRobbedOnEachLayer) {
  Memory memory = one_guest();
  memory.machine("vm3", "vm1");
  memory.vcpu("vm3", 0, "vm1", 6);
  memory.thread("vm3", 9, "deep");
  memory.vcpu_is("vm3", 0, 0, 10, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm3", 0, 10, 15, {VcpuState::kHypervisor, 0, "CPUID"});
  memory.vcpu_is("vm3", 0, 15, 32, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm3", 0, 32, 55, {VcpuState::kPreempted, 0});
  memory.robbed("vm3", 0, 32, 55, 0, {"vm1", model::kNull, 5, "critical"});
  memory.vcpu_is("vm3", 0, 55, 60, {VcpuState::kGuest, 0});
  memory.is("vm3", 9, 0, 60, {.state = ThreadState::kUser, .cpu = 0});
  EXPECT_THAT(flow_of(memory, "vm3", 9, 0, 60),
              ElementsAre("0-10 run vm3/0 deep (9) p0", "10-15 hypervisor vm3/0 deep (9) p0 CPUID",
                          "15-20 run vm3/0 deep (9) p0", "20-30 hypervisor vm3/0 deep (9) p0 NPF",
                          "30-32 run vm3/0 deep (9) p0",
                          "32-40 vcpu_preempted_by vm1 critical (5) p0 preempted",
                          "40-50 vcpu_preempted_by vm2/0 burst0 (155) p0 preempted",
                          "50-60 vcpu_preempted_by p0 preempted"));
}

TEST(Flow, NothingKnownIsUnknownAndAnEmptyWindowIsNothing) {
  Memory memory = one_guest();
  EXPECT_THAT(flow_of(memory, "vm1", 5, 100, 200), ElementsAre("100-200 unknown"));
  EXPECT_THAT(flow_of(memory, "vm1", 77, -10, 20), ElementsAre("-10-20 unknown"));
  EXPECT_THAT(flow_of(memory, "vm1", 5, 20, 20), ElementsAre());
  EXPECT_THAT(flow_of(memory, "vm1", 5, 20, 10), ElementsAre());
}

TEST(Flow, UsedAgainTheIdHasTheNameOfItsTime) {
  Memory memory = one_guest();
  memory.thread("vm1", 8, "first", 0, 10);
  memory.thread("vm1", 8, "second", 15, 20);
  memory.is("vm1", 8, 0, 10, {.state = ThreadState::kUser, .cpu = 0});
  memory.is("vm1", 8, 10, 15, {.state = ThreadState::kExited});
  memory.is("vm1", 8, 15, 20, {.state = ThreadState::kUser, .cpu = 0});
  EXPECT_THAT(
      flow_of(memory, "vm1", 8, 0, 20),
      ElementsAre("0-10 run vm1/0 first (8) p0", "10-15 unknown", "15-20 run vm1/0 second (8) p0"));
  const World world(memory);
  const auto life = life_of(world, world.find_machine("vm1"), 8);
  ASSERT_TRUE(life);
  EXPECT_EQ(life->begin.ns, 0);
  EXPECT_EQ(life->end.ns, 20);
  EXPECT_FALSE(life_of(world, world.find_machine("vm1"), 99));
}

// ---- how rows are read

TEST(Timeline, EveryTimeEitherWayWhateverThePartsAre) {
  Memory memory;
  memory.machine("host");
  std::int64_t at = 0;
  for (int i = 0; i < 200; ++i) {  // rows of 1 to 7 ns, a gap after each fifth
    const std::int64_t end = at + 1 + i % 7;
    memory.is("host", 1, at, end, {.state = ThreadState::kUser, .cpu = i});
    at = end + (i % 5 == 0 ? 3 : 0);
  }
  const World world(memory);
  const auto entity = world.entity(TableId::kThreadState, 0, 1);
  ASSERT_TRUE(entity);
  const auto& rows = memory.rows_of(TableId::kThreadState, "host", 1);
  const auto expected = [&](std::int64_t time) -> std::int64_t {
    for (const auto& row : rows) {
      if (row.begin <= time && time < row.end) return row.values[1];
    }
    return -1;
  };
  for (const std::size_t part : {1U, 2U, 3U, 50U, 5000U}) {
    for (const Direction direction : {Direction::kForward, Direction::kBackward}) {
      Timeline timeline(memory, *entity, direction, part);
      for (std::int64_t i = -5; i < at + 5; ++i) {
        const std::int64_t time = direction == Direction::kForward ? i : at - i;
        const auto found = timeline.at(HostTime{time});
        ASSERT_TRUE(found.ok());
        EXPECT_LE(found->begin.ns, time);
        EXPECT_GT(found->end.ns, time);
        ASSERT_EQ(found->values.empty() ? -1 : found->values[1], expected(time))
            << time << " part " << part;
      }
    }
  }
}

TEST(Timeline, OneWayReadsEachRowAboutOnce) {
  Memory memory;
  memory.machine("host");
  constexpr std::int64_t kRows = 100'000;
  for (std::int64_t i = 0; i < kRows; ++i) {
    memory.is("host", 1, 1000 * i, 1000 * (i + 1), {.state = ThreadState::kUser, .cpu = i % 4});
  }
  const World world(memory);
  for (const Direction direction : {Direction::kForward, Direction::kBackward}) {
    memory.rows_given = 0;
    memory.calls = 0;
    Timeline timeline(memory, 0, direction, 2048);
    for (std::int64_t i = 0; i < kRows; ++i) {
      const std::int64_t row = direction == Direction::kForward ? i : kRows - 1 - i;
      ASSERT_TRUE(timeline.at(HostTime{1000 * row + 500}).ok());
    }
    EXPECT_LE(memory.rows_given, static_cast<std::uint64_t>(kRows + kRows / 50));
    EXPECT_LE(memory.calls, 200u);
  }
}

}  // namespace
}  // namespace vs::analysis::flow
