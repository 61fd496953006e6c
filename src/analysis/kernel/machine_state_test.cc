#include "analysis/kernel/machine_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/kernel/kernel_test_support.h"

namespace vs::analysis::kernel {
namespace {

using namespace test::events;
using testing::ElementsAre;
using testing::IsEmpty;

using Texts = std::vector<std::string>;

// ---- scheduling ----

TEST(MachineState, SwitchesGiveRunningPreemptedAndBlocked) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 0, .next_tid = 8}),
              sched_switch({.own = 20}, {.prev_tid = 8, .prev_state = 1, .next_tid = 7}),
              sched_switch({.own = 30}, {.prev_tid = 7, .prev_state = 0x100, .next_tid = 0}),
              sched_waking({.own = 31}, {.tid = 8})});
  run.all().finish(40);
  EXPECT_THAT(run.thread(7), ElementsAre("10-20 preempted@0", "20-30 user@0", "30-40 preempted@0"));
  EXPECT_THAT(run.thread(8), ElementsAre("10-20 user@0", "20-31 blocked irq", "31-40 runnable"));
  EXPECT_THAT(run.cpu(0), ElementsAre("10-20 user 8", "20-30 user 7", "30-40 idle 0"));
}

TEST(MachineState, WakingByATaskNamesItInBothRows) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              sched_waking({.own = 15, .tid = 8}, {.tid = 7, .target_cpu = 0}),
              sched_wakeup({.own = 16, .tid = 8}, {.tid = 7, .target_cpu = 1}),
              sched_switch({.own = 20}, {.prev_tid = 8, .prev_state = 0, .next_tid = 7})});
  run.all().finish(30);
  EXPECT_THAT(run.thread(7),
              ElementsAre("10-15 blocked task by 8", "15-20 runnable@1 by 8", "20-30 user@0"));
}

TEST(MachineState, WakeupCountsWhereWakingWasNotRecorded) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              sched_wakeup({.own = 15, .tid = 8}, {.tid = 7, .target_cpu = 0}),
              sched_wakeup({.own = 16, .tid = 8}, {.tid = 7, .target_cpu = 0})});
  run.all().finish(30);
  EXPECT_THAT(run.thread(7), ElementsAre("10-15 blocked task by 8", "15-30 runnable@0 by 8"));
}

TEST(MachineState, WakeupAloneTellsNoWakerWhereWakingIsRecorded) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              sched_waking({.own = 12, .tid = 8}, {.tid = 9}),
              sched_wakeup({.own = 15, .tid = 8}, {.tid = 7, .target_cpu = 3})});
  run.all().finish(30);
  EXPECT_THAT(run.thread(7), ElementsAre("10-15 blocked unknown", "15-30 runnable@3"));
}

// try_to_wake_up on one CPU while the target is on its way out on another one.
TEST(MachineState, WakingThatOvertakesTheSwitchOutKeepsItsWaker) {
  Passes run({sched_switch({.own = 5, .cpu = 1}, {.prev_tid = 0, .next_tid = 9}),
              sched_switch({.own = 5, .cpu = 0}, {.prev_tid = 0, .next_tid = 7}),
              sched_waking({.own = 9, .cpu = 1, .tid = 9}, {.tid = 7}),
              sched_switch({.own = 10, .cpu = 0}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
              sched_wakeup({.own = 12, .cpu = 1, .tid = 9}, {.tid = 7, .target_cpu = 0})});
  run.all().finish(20);
  EXPECT_THAT(run.thread(7), ElementsAre("5-10 user@0", "10-20 runnable@0 by 9"));
}

TEST(MachineState, WakingOfARunningThreadThatStaysHasNoEffect) {
  Passes run({sched_switch({.own = 5}, {.prev_tid = 0, .next_tid = 7}),
              sched_waking({.own = 9, .tid = 7}, {.tid = 7}),
              sched_wakeup({.own = 9, .tid = 7}, {.tid = 7}),
              sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
              sched_wakeup({.own = 12}, {.tid = 7})});
  run.all().finish(20);
  EXPECT_THAT(run.thread(7), ElementsAre("5-10 user@0", "10-12 blocked unknown", "12-20 runnable"));
}

TEST(MachineState, MigrationMovesTheQueueOfAWaitingThread) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 0, .next_tid = 8}),
              make(EventKind::kSchedMigrateTask, {.own = 15}, {{"tid", 7}, {"dest_cpu", 2}})});
  run.all().finish(20);
  EXPECT_THAT(run.thread(7), ElementsAre("10-20 preempted@2"));
}

TEST(MachineState, EventsOfTheOldThreadBetweenSwitchEventAndSwitchAreNotASwitchBack) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              irq_entry({.own = 11, .tid = 7}, 4), irq_exit({.own = 12, .tid = 7}, 4),
              irq_entry({.own = 14, .tid = 8}, 4), irq_exit({.own = 15, .tid = 8}, 4)});
  run.all().finish(20);
  EXPECT_EQ(run.machine().counters().missed_switches, 0U);
  EXPECT_THAT(run.thread(7), ElementsAre("10-20 blocked unknown"));
}

TEST(MachineState, AnotherThreadWithoutASwitchIsAMissedSwitch) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              syscall_entry({.own = 12, .tid = 8}, 1), syscall_exit({.own = 13, .tid = 8}, 1),
              syscall_entry({.own = 15, .tid = 9}, 1)});
  run.all().finish(20);
  EXPECT_EQ(run.machine().counters().missed_switches, 1U);
  EXPECT_THAT(run.thread(8),
              ElementsAre("10-12 user@0", "12-13 syscall@0 nr:1", "13-15 user@0", "15-20 unknown"));
  EXPECT_THAT(run.thread(9), ElementsAre("10-15 unknown", "15-20 syscall@0 nr:1"));
}

TEST(MachineState, TimesThatGoBackAreClampedAndCounted) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              sched_switch({.own = 30}, {.prev_tid = 8, .prev_state = 1, .next_tid = 9}),
              sched_switch({.own = 20}, {.prev_tid = 9, .prev_state = 1, .next_tid = 0})});
  run.all().finish(40);
  EXPECT_EQ(run.machine().counters().late, 1U);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-30 user 8", "30-40 idle 0"));
}

// ---- interrupts and system calls ----

TEST(MachineState, HardirqsNestOverSoftirqsOverTheTask) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}),
              softirq_entry({.own = 12}, 3), irq_entry({.own = 14}, 30), irq_exit({.own = 16}, 30),
              softirq_exit({.own = 18}, 3)});
  run.all().finish(20);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-12 user 7", "12-14 softirq 7", "14-16 irq 7",
                                      "16-18 softirq 7", "18-20 user 7"));
  EXPECT_THAT(run.thread(7), ElementsAre("10-12 user@0", "12-18 irq@0", "18-20 user@0"));
  EXPECT_EQ(run.machine().counters().unmatched(), 0U);
}

TEST(MachineState, InterruptsShowOverIdleAndIdleHasNoThreadRows) {
  Passes run(
      {sched_switch({.own = 10},
                    {.prev_tid = 7, .prev_state = 1, .next_tid = 0, .next_comm = "swapper/0"}),
       irq_entry({.own = 14}, 30), irq_exit({.own = 16}, 30)});
  run.all().finish(20);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-14 idle 0 swapper/0", "14-16 irq 0 swapper/0",
                                      "16-20 idle 0 swapper/0"));
  EXPECT_THAT(run.thread(0), IsEmpty());
}

TEST(MachineState, UnmatchedExitsAreCountedAndChangeNothing) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}), irq_exit({.own = 12}, 30),
              softirq_entry({.own = 13}, 1), irq_exit({.own = 14}, 5), softirq_exit({.own = 15}, 1),
              softirq_exit({.own = 16}, 1)});
  run.all().finish(20);
  const MachineCounters& counters = run.machine().counters();
  EXPECT_EQ(counters.exits_without_entry[static_cast<std::size_t>(model::ContextKind::kHardirq)],
            2U);
  EXPECT_EQ(counters.exits_without_entry[static_cast<std::size_t>(model::ContextKind::kSoftirq)],
            1U);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-13 user 7", "13-15 softirq 7", "15-20 user 7"));
}

TEST(MachineState, ASwitchEndsInterruptsThatWereLeftOpen) {
  Passes run({irq_entry({.own = 10}, 30),
              sched_switch({.own = 12}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8})});
  run.all().finish(20);
  EXPECT_EQ(run.machine().counters().unmatched(), 1U);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-12 irq 7", "12-20 user 8"));
}

TEST(MachineState, MoreNestingThanAKernelHasIsDropped) {
  std::vector<Event> events = {sched_switch({.own = 1}, {.prev_tid = 0, .next_tid = 7})};
  for (int i = 0; i < 40; ++i) events.push_back(irq_entry({.own = 2 + i}, i));
  events.push_back(sched_switch({.own = 60}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}));
  Passes run(events);
  run.all().finish(70);
  EXPECT_EQ(run.machine().counters().unmatched(), 40U);
  EXPECT_THAT(run.cpu(0), ElementsAre("1-2 user 7", "2-60 irq 7", "60-70 idle 0"));
}

TEST(MachineState, SystemCallsAreNamedByTypeByTableOrByNumber) {
  MachineState::Options options{.machine_name = "m",
                                .event_names = {{"sys_enter", "syscall_entry_openat"}}};
  const std::vector<Event> events = {
      sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}),
      syscall_entry({.own = 12, .type = 1}), syscall_exit({.own = 14, .type = 1}),
      syscall_entry({.own = 16, .type = 0}, 35), syscall_exit({.own = 18, .type = 0}, 35)};
  Passes plain(events, options);
  plain.all().finish(20);
  EXPECT_THAT(plain.thread(7), ElementsAre("10-12 user@0", "12-14 syscall@0 openat", "14-16 user@0",
                                           "16-18 syscall@0 nr:35", "18-20 user@0"));
  options.syscall_table = SyscallTable::kX86_64;
  Passes named(events, options);
  named.all().finish(20);
  EXPECT_EQ(named.thread(7)[3], "16-18 syscall@0 nanosleep");
  EXPECT_EQ(named.cpu(0)[3], "16-18 syscall 7");
}

TEST(MachineState, UnmatchedSystemCallsAreCounted) {
  Passes run({syscall_entry({.own = 10, .tid = 7}, 1), syscall_entry({.own = 11, .tid = 7}, 2),
              syscall_exit({.own = 12, .tid = 7}, 2), syscall_exit({.own = 13, .tid = 7}, 1)});
  run.all().finish(20);
  EXPECT_EQ(run.machine().counters().syscall_entries_without_exit, 1U);
  EXPECT_EQ(run.machine().counters().syscall_exits_without_entry, 1U);
  EXPECT_THAT(run.thread(7),
              ElementsAre("10-11 syscall@0 nr:1", "11-12 syscall@0 nr:2", "12-20 user@0"));
}

// LTTng calls rt_sigreturn "unknown" (id 15) and records no exit of it.
TEST(MachineState, AReturnFromASignalInLttngIsNoOpenCall) {
  MachineState::Options options{
      .machine_name = "m",
      .event_names = {{"syscall_entry_unknown", "syscall_entry_wait4", "syscall_exit_wait4"}}};
  const std::vector<Event> events = {syscall_entry({.own = 10, .tid = 7, .type = 0}, 15),
                                     syscall_entry({.own = 14, .tid = 7, .type = 1}),
                                     syscall_exit({.own = 16, .tid = 7, .type = 2})};
  Passes without_table(events, options);
  without_table.all().finish(20);
  EXPECT_EQ(without_table.machine().counters().unmatched(), 0U);
  EXPECT_EQ(without_table.thread(7)[0], "10-14 syscall@0 nr:15");
  options.syscall_table = SyscallTable::kX86_64;
  Passes with_table(events, options);
  with_table.all().finish(20);
  EXPECT_EQ(with_table.machine().counters().unmatched(), 0U);
  EXPECT_THAT(with_table.thread(7),
              ElementsAre("10-14 user@0", "14-16 syscall@0 wait4", "16-20 user@0"));
}

TEST(MachineState, ASystemCallGoesOnAfterSleepingInIt) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}),
              syscall_entry({.own = 12, .tid = 7}, 35),
              sched_switch({.own = 14}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
              sched_waking({.own = 16}, {.tid = 7}),
              sched_switch({.own = 18}, {.prev_tid = 0, .next_tid = 7}),
              syscall_exit({.own = 19, .tid = 7}, 35)});
  run.all().finish(20);
  EXPECT_THAT(run.thread(7),
              ElementsAre("10-12 user@0", "12-14 syscall@0 nr:35", "14-16 blocked irq",
                          "16-18 runnable", "18-19 syscall@0 nr:35", "19-20 user@0"));
}

// ---- causes ----

TEST(MachineState, TheContextOfTheWakerTellsTheCause) {
  struct Case {
    Event enter;
    const char* expected;
  };
  const MachineState::Options options{
      .machine_name = "m", .event_names = {{"", "local_timer_entry", "reschedule_entry"}}};
  const Case cases[] = {
      {hrtimer_expire_entry({.own = 20}), "timer"},
      {softirq_entry({.own = 20}, 1), "timer"},
      {softirq_entry({.own = 20}, 3), "network"},
      {softirq_entry({.own = 20}, 4), "disk"},
      {softirq_entry({.own = 20}, 9), "irq"},
      {irq_entry({.own = 20}, 1, "i8042"), "user_input"},
      {irq_entry({.own = 20}, 30, "virtio0-req.0"), "irq"},
      {irq_vector_entry({.own = 20, .type = 1}, 236), "timer"},
      {irq_vector_entry({.own = 20, .type = 2}, 253), "ipi"},
  };
  for (const Case& c : cases) {
    Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}), c.enter,
                sched_waking({.own = 25}, {.tid = 7})},
               options);
    run.all().finish(30);
    EXPECT_THAT(run.thread(7),
                ElementsAre(std::string("10-25 blocked ") + c.expected, "25-30 runnable"));
  }
}

TEST(MachineState, AFinishedRequestMakesTheInterruptOneOfADisk) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              irq_entry({.own = 20}, 30, "virtio0-req.0"),
              make(EventKind::kBlockRqComplete, {.own = 21}, {{"sector", 8}}),
              sched_waking({.own = 25}, {.tid = 7}), irq_exit({.own = 26}, 30),
              sched_switch({.own = 27}, {.prev_tid = 8, .prev_state = 1, .next_tid = 7})});
  run.all().finish(30);
  EXPECT_EQ(run.thread(7)[0], "10-25 blocked disk");
}

// ---- lives ----

TEST(MachineState, ForkExitAndReuseGiveTwoLivesOfOneTimeline) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7, .next_comm = "sh"}),
              sched_process_fork({.own = 12, .tid = 7}, {.parent_tid = 7,
                                                         .child_tid = 20,
                                                         .parent_tgid = 7,
                                                         .child_tgid = 20,
                                                         .child_ns = PidNamespaces::kInitialInode,
                                                         .child_comm = "sh"}),
              sched_wakeup_new({.own = 13, .tid = 7}, {.tid = 20, .target_cpu = 0}),
              sched_switch({.own = 15}, {.prev_tid = 7, .prev_state = 1, .next_tid = 20}),
              sched_process_exec({.own = 16, .tid = 20},
                                 {.tid = 20, .old_tid = 20, .filename = "/usr/bin/true"}),
              sched_process_exit({.own = 17, .tid = 20}, {.tid = 20}),
              sched_switch({.own = 18}, {.prev_tid = 20, .prev_state = 0x20, .next_tid = 0}),
              sched_process_free({.own = 19}, {.tid = 20}),
              sched_process_fork({.own = 25}, {.parent_tid = 7,
                                               .child_tid = 20,
                                               .parent_tgid = 7,
                                               .child_tgid = 7,
                                               .child_comm = "thread"})});
  run.all().finish(30);
  EXPECT_THAT(run.thread(20), ElementsAre("12-13 fork by 7", "13-15 runnable@0 by 7",
                                          "15-18 user@0", "18-25 exited", "25-30 fork by 7"));
  EXPECT_THAT(run.lives(), ElementsAre("7 tgid 7 parent - comm sh container - 10-30",
                                       "20 tgid 20 parent 7 comm true container - 12-18",
                                       "20 tgid 7 parent 7 comm thread container - 25-30"));
}

TEST(MachineState, AForkOverALivingThreadEndsItsLifeThere) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 20, .prev_state = 1, .next_tid = 7}),
              sched_process_fork({.own = 15, .tid = 7}, {.parent_tid = 7, .child_tid = 20})});
  run.all().finish(30);
  EXPECT_THAT(run.thread(20), ElementsAre("10-15 blocked unknown", "15-30 fork by 7"));
  EXPECT_THAT(run.lives(), ElementsAre("7 tgid - parent - comm - container - 10-30",
                                       "20 tgid - parent - comm - container - 10-15",
                                       "20 tgid - parent 7 comm - container - 15-30"));
}

TEST(MachineState, CloneFlagsTellThreadsFromProcessesInFtrace) {
  const auto fork = [](std::int64_t at, std::int64_t child) {
    return sched_process_fork(
        {.own = at, .tid = 7},
        {.parent_tid = 7, .child_tid = child, .parent_tgid = 7, .child_tgid = child});
  };
  Passes run(
      {sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}),
       sched_process_exec({.own = 11, .tid = 7}, {.tid = 7, .old_tid = 7, .filename = "a"}),
       make(EventKind::kTaskNewtask, {.own = 12, .tid = 7},
            {{"tid", 20}, {"clone_flags", kCloneThread}}),
       fork(12, 20),
       make(EventKind::kTaskNewtask, {.own = 13, .tid = 7}, {{"tid", 21}, {"clone_flags", 17}}),
       fork(13, 21), fork(14, 22)});
  run.all().finish(20);
  EXPECT_EQ(run.machine().tgid_of(20), 7);
  EXPECT_EQ(run.machine().tgid_of(21), 21);
  EXPECT_EQ(run.machine().tgid_of(22), -1) << "fork alone does not tell";
  EXPECT_THAT(run.thread(20), ElementsAre("12-20 fork by 7"));
}

TEST(MachineState, AThreadThatExecutesTakesTheLeadersId) {
  Passes run(
      {sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
       sched_process_exec({.own = 15, .tid = 7}, {.tid = 7, .old_tid = 8, .filename = "/bin/x"}),
       sched_switch({.own = 18}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})});
  run.all().finish(20);
  EXPECT_THAT(run.thread(8), ElementsAre("10-15 user@0", "15-20 exited"));
  EXPECT_THAT(run.thread(7),
              ElementsAre("10-15 blocked unknown", "15-18 user@0", "18-20 blocked unknown"));
  EXPECT_EQ(run.machine().counters().missed_switches, 0U);
}

TEST(MachineState, AFreeThatComesLateDoesNotEndTheNextLife) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 20}),
              sched_process_exit({.own = 11, .tid = 20}, {.tid = 20}),
              sched_switch({.own = 12}, {.prev_tid = 20, .prev_state = 0x10, .next_tid = 0}),
              sched_process_fork({.own = 14}, {.parent_tid = 7, .child_tid = 20}),
              sched_process_free({.own = 16}, {.tid = 20})});
  run.all().finish(20);
  EXPECT_EQ(run.thread(20).back(), "14-20 fork by 7");
}

TEST(MachineState, KernelThreadsAreInTheKernel) {
  Passes run(
      {sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 2, .next_comm = "kthreadd"}),
       sched_process_fork({.own = 11, .tid = 2},
                          {.parent_tid = 2, .child_tid = 30, .child_comm = "kthreadd"}),
       make(EventKind::kTaskRename, {.own = 12, .tid = 2},
            {{"tid", 30}, {"newcomm", "mine"}, {"oldcomm", "kthreadd"}}),
       sched_switch({.own = 14},
                    {.prev_tid = 2, .prev_state = 1, .next_tid = 30, .next_comm = "mine"}),
       sched_switch({.own = 16},
                    {.prev_tid = 30, .prev_state = 1, .next_tid = 31, .next_comm = "kworker/0:1"}),
       sched_switch({.own = 18}, {.prev_tid = 31, .prev_state = 0x80, .next_tid = 0})});
  run.all().finish(20);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-14 kernel 2 kthreadd", "14-16 kernel 30 mine",
                                      "16-18 kernel 31 kworker/0:1", "18-20 idle 0"));
  EXPECT_EQ(run.thread(30)[1], "14-16 syscall@0");
}

// io_uring and vhost workers are created inside of their owner's call and never leave the kernel.
TEST(MachineState, AWorkerCreatedInsideOfACallIsNotInThatCall) {
  Passes run(
      {sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}),
       syscall_entry({.own = 11, .tid = 7}, 426),
       make(EventKind::kTaskNewtask, {.own = 12, .tid = 7},
            {{"tid", 30}, {"clone_flags", kCloneThread}}),
       sched_wakeup_new({.own = 13, .tid = 7}, {.tid = 30, .target_cpu = 0}),
       sched_switch({.own = 14},
                    {.prev_tid = 7, .prev_state = 1, .next_tid = 30, .next_comm = "iou-wrk-7"})});
  run.all().finish(20);
  EXPECT_EQ(run.thread(30).back(), "14-20 syscall@0");
  EXPECT_EQ(run.cpu(0).back(), "14-20 kernel 30 iou-wrk-7");
}

TEST(MachineState, AForkSoonAfterItsChildWasSeenIsItsBirth) {
  const auto fork = [](std::int64_t at) {
    return sched_process_fork({.own = at, .cpu = 1, .tid = 7}, {.parent_tid = 7, .child_tid = 20});
  };
  const auto seen = sched_switch({.own = 100, .cpu = 0}, {.prev_tid = 0, .next_tid = 20});
  test::VectorSink sink;
  MachineState machine({.machine_name = "m"}, {}, sink, nullptr);
  machine.on_event(HostTime{100}, seen);
  machine.on_event(HostTime{200}, fork(200));
  EXPECT_EQ(machine.thread_table().rows.size(), 2U) << "7 and 20";
  machine.on_event(HostTime{50'000'000}, fork(50'000'000));
  machine.finish(HostTime{60'000'000});
  EXPECT_EQ(machine.thread_table().rows.size(), 3U) << "20 was used again";
}

TEST(MachineState, ANewNameSplitsTheRowOfTheCpu) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7, .next_comm = "sh"}),
              make(EventKind::kTaskRename, {.own = 15, .tid = 7},
                   {{"tid", 7}, {"newcomm", "java"}, {"oldcomm", "sh"}})});
  run.all().finish(20);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-15 user 7 sh", "15-20 user 7 java"));
  EXPECT_EQ(run.sink().text(run.machine().comm_of(7)), "java");
}

// ---- losses ----

TEST(MachineState, ALossMakesItsCpuUnknownUntilTheNextEvent) {
  Passes run(
      {sched_switch({.own = 10, .cpu = 0}, {.prev_tid = 0, .next_tid = 7}),
       sched_switch({.own = 10, .cpu = 1}, {.prev_tid = 9, .prev_state = 1, .next_tid = 8}),
       loss({.own = 20, .cpu = 0}, {.end_own = 30}),
       sched_switch({.own = 35, .cpu = 0}, {.prev_tid = 5, .prev_state = 1, .next_tid = 6})});
  run.all().finish(40);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-20 user 7", "20-35 unknown lossy", "35-40 user 6"));
  EXPECT_THAT(run.cpu(1), ElementsAre("10-40 user 8"));
  EXPECT_THAT(run.thread(7), ElementsAre("10-20 user@0", "20-40 unknown lossy"));
  EXPECT_THAT(run.thread(8), ElementsAre("10-40 user@1"));
  EXPECT_THAT(run.thread(9), ElementsAre("10-40 blocked unknown lossy"));
  EXPECT_EQ(run.thread(6).back(), "35-40 user@0");
}

TEST(MachineState, ALossForgetsInterruptsAndHasAnEffectWithoutALength) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 0, .next_tid = 7}), irq_entry({.own = 15}, 3),
              loss({.own = 20}, {.end_own = 20}), syscall_entry({.own = 25, .tid = 7}, 1)});
  run.all().finish(40);
  EXPECT_THAT(run.cpu(0),
              ElementsAre("10-15 user 7", "15-20 irq 7", "20-25 unknown lossy", "25-40 syscall 7"));
}

TEST(MachineState, ALossBeforeAnyEvidenceHidesTheBeginning) {
  Passes run(
      {sched_waking({.own = 5, .cpu = 1}, {.tid = 3}), loss({.own = 10, .cpu = 0}, {.end_own = 12}),
       sched_switch({.own = 20, .cpu = 0}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})});
  run.all().finish(30);
  EXPECT_THAT(run.cpu(0), ElementsAre("5-10 unknown", "10-20 unknown lossy", "20-30 idle 0"));
  EXPECT_THAT(run.thread(7), ElementsAre("5-20 unknown lossy", "20-30 blocked unknown"));
}

// ---- effectiveness, views ----

TEST(MachineState, EffectivenessSplitsTheRunningThreadOnly) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8})});
  run.all();
  run.machine().set_effective(HostTime{15}, 0, model::Effective::kDeprived);
  run.machine().set_effective(HostTime{18}, 0, model::Effective::kHypervisor);
  run.feed(sched_switch({.own = 20}, {.prev_tid = 8, .prev_state = 0, .next_tid = 7}));
  run.machine().set_effective(HostTime{25}, 0, model::Effective::kRunning);
  run.finish(30);
  EXPECT_THAT(run.thread(8), ElementsAre("10-15 user@0", "15-18 user@0 deprived",
                                         "18-20 user@0 hypervisor", "20-30 preempted@0"));
  EXPECT_THAT(run.thread(7),
              ElementsAre("10-20 blocked unknown", "20-25 user@0 hypervisor", "25-30 user@0"));
  EXPECT_THAT(run.cpu(0), ElementsAre("10-20 user 8", "20-30 user 7"));
}

TEST(MachineState, TheObserverHearsEveryChangeOnceInOrder) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
              irq_entry({.own = 12}, 1), irq_exit({.own = 13}, 1),
              sched_waking({.own = 14}, {.tid = 7}), loss({.own = 20}, {.end_own = 25})});
  run.all().finish(30);
  std::vector<std::string> heard;
  for (const Passes::Change& change : run.changes) {
    heard.push_back(
        std::to_string(change.time.ns) + " " +
        std::string(model::pcpu_state_names()[static_cast<std::size_t>(change.view.state)]) + " " +
        std::to_string(change.view.tid) + (change.view.lossy ? " lossy" : ""));
  }
  EXPECT_THAT(
      heard, ElementsAre("10 user 7", "10 user 8", "12 irq 8", "13 user 8", "20 unknown -1 lossy"));
  EXPECT_EQ(run.machine().cpu(0), run.changes.back().view);
  EXPECT_EQ(run.machine().cpu(99), CpuView{});
}

TEST(MachineState, NothingChangesAfterFinish) {
  Passes run({sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8})});
  run.all().finish(20);
  run.feed(sched_switch({.own = 25}, {.prev_tid = 8, .prev_state = 1, .next_tid = 7}));
  run.machine().on_loss(HostTime{26}, HostTime{27}, 0);
  run.machine().set_effective(HostTime{28}, 0, model::Effective::kDeprived);
  run.finish(30);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-20 user 8"));
}

TEST(MachineState, AnEmptyMachineHasEmptyTables) {
  Passes run({});
  run.finish(20);
  EXPECT_THAT(run.lives(), IsEmpty());
  EXPECT_THAT(run.containers(), IsEmpty());
  EXPECT_THAT(run.sink().entities(), IsEmpty());
}

TEST(MachineState, EventsWithoutAKnownCpuAreCounted) {
  Passes run({});
  run.feed(sched_switch({.own = 1, .cpu = model::kNoCpu}, {.prev_tid = 1, .next_tid = 2}));
  run.feed(sched_switch({.own = 1, .cpu = 65536}, {.prev_tid = 1, .next_tid = 2}));
  run.finish(5);
  EXPECT_EQ(run.machine().counters().without_cpu, 2U);
}

// ---- containers ----

TEST(MachineState, StateDumpsTellContainersAndTheirNesting) {
  const auto level = [](std::int64_t at, std::int64_t tid, std::int64_t vtid, std::int64_t depth,
                        std::int64_t inum) {
    return make(EventKind::kStatedumpPidNs, {.own = at, .tid = 100},
                {{"tid", tid}, {"vtid", vtid}, {"ns_level", depth}, {"ns_inum", inum}});
  };
  const auto process = [](std::int64_t at, std::int64_t tid, const char* name) {
    return make(
        EventKind::kStatedumpProcess, {.own = at, .tid = 100},
        {{"tid", tid}, {"pid", tid}, {"ppid", 1}, {"status", 5}, {"type", 0}, {"name", name}});
  };
  constexpr std::int64_t kRoot = PidNamespaces::kInitialInode;
  Passes run({process(10, 1, "init"), level(10, 1, 1, 0, kRoot), process(11, 50, "outer"),
              level(11, 50, 1, 1, 4026532001), level(11, 50, 50, 0, kRoot),
              process(12, 60, "inner"), level(12, 60, 1, 2, 4026532002),
              level(12, 60, 4, 1, 4026532001), level(12, 60, 60, 0, kRoot),
              sched_switch({.own = 20}, {.prev_tid = 100, .prev_state = 1, .next_tid = 60})});
  run.all();
  EXPECT_EQ(run.machine().container_of(1), model::kNull);
  EXPECT_EQ(run.machine().container_of(50), 4026532001);
  EXPECT_EQ(run.machine().cpu(0).container, 4026532002);
  run.finish(30);
  EXPECT_THAT(run.containers(), ElementsAre("4026532001 parent - name outer",
                                            "4026532002 parent 4026532001 name inner"));
  EXPECT_THAT(run.thread(50), ElementsAre("10-30 blocked unknown"));
}

TEST(MachineState, ForksTellContainersByNamespace) {
  constexpr std::int64_t kRoot = PidNamespaces::kInitialInode;
  Passes run({sched_process_fork({.own = 10, .tid = 7}, {.parent_tid = 7,
                                                         .child_tid = 20,
                                                         .parent_ns = kRoot,
                                                         .child_ns = 4026532200,
                                                         .child_comm = "unshare"}),
              sched_process_fork({.own = 12, .tid = 7}, {.parent_tid = 20,
                                                         .child_tid = 21,
                                                         .parent_ns = 4026532200,
                                                         .child_ns = 4026532200,
                                                         .child_comm = "worker"})});
  run.all().finish(20);
  EXPECT_EQ(run.machine().container_of(7), model::kNull);
  EXPECT_EQ(run.machine().container_of(21), 4026532200);
  EXPECT_THAT(run.containers(), ElementsAre("4026532200 parent - name unshare"));
}

TEST(MachineState, CloneFlagsGiveSyntheticContainersNamedByControlGroup) {
  Passes run(
      {sched_switch({.own = 9}, {.prev_tid = 0, .next_tid = 7}),
       make(EventKind::kTaskNewtask, {.own = 10, .tid = 7},
            {{"tid", 20}, {"clone_flags", kCloneNewPid}}),
       sched_process_fork({.own = 10, .tid = 7},
                          {.parent_tid = 7, .child_tid = 20, .parent_tgid = 7, .child_tgid = 20}),
       make(EventKind::kCgroupAttachTask, {.own = 11, .tid = 7},
            {{"tid", 20}, {"dst_path", "/machine/web"}}),
       make(EventKind::kTaskNewtask, {.own = 12, .tid = 7}, {{"tid", 21}, {"clone_flags", 0}}),
       sched_process_fork({.own = 13, .tid = 7}, {.parent_tid = 20, .child_tid = 22})});
  run.all().finish(20);
  EXPECT_EQ(run.machine().container_of(20), -1);
  EXPECT_EQ(run.machine().container_of(21), model::kNull);
  EXPECT_EQ(run.machine().container_of(22), -1);
  EXPECT_THAT(run.containers(), ElementsAre("-1 parent - name /machine/web"));
}

}  // namespace
}  // namespace vs::analysis::kernel
