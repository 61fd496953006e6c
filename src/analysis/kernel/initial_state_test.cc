#include "analysis/kernel/initial_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/kernel/kernel_test_support.h"

namespace vs::analysis::kernel {
namespace {

using namespace test::events;
using model::ThreadState;
using testing::ElementsAre;

const InitialThread* find(const InitialState& state, std::int32_t tid) {
  for (const InitialThread& thread : state.threads) {
    if (thread.tid == tid) return &thread;
  }
  return nullptr;
}

ThreadState state_of(const std::vector<Event>& events, std::int32_t tid) {
  const InitialState state = Passes::collect(events);
  const InitialThread* const thread = find(state, tid);
  return thread == nullptr ? ThreadState::kFork : thread->state;  // kFork: not born yet
}

TEST(InitialState, TheFirstMentionTellsWhatWasBefore) {
  const std::vector<Event> events = {
      sched_waking({.own = 10}, {.tid = 3}),
      sched_switch({.own = 20}, {.prev_tid = 1, .prev_state = 1, .next_tid = 2}),
      sched_switch({.own = 30}, {.prev_tid = 2, .prev_state = 1, .next_tid = 3}),
      sched_process_fork({.own = 40}, {.parent_tid = 3, .child_tid = 4}),
      sched_switch({.own = 50}, {.prev_tid = 3, .prev_state = 1, .next_tid = 4})};
  EXPECT_EQ(state_of(events, 1), ThreadState::kUser) << "switched out: it was running";
  EXPECT_EQ(state_of(events, 2), ThreadState::kRunnable) << "in without a waking: it was waiting";
  EXPECT_EQ(state_of(events, 3), ThreadState::kBlocked) << "woken: it was blocked";
  EXPECT_EQ(state_of(events, 4), ThreadState::kFork) << "forked: it was not born";
}

TEST(InitialState, WithoutWakingsASwitchInTellsNothing) {
  EXPECT_EQ(
      state_of({sched_switch({.own = 20}, {.prev_tid = 1, .prev_state = 1, .next_tid = 2})}, 2),
      ThreadState::kUnknown);
}

TEST(InitialState, AStateDumpTellsOfSleepersAndIsOverruledByNothingLater) {
  const auto dump = [](std::int64_t tid, std::int64_t status) {
    return make(EventKind::kStatedumpProcess, {.own = 10, .tid = 9},
                {{"tid", tid}, {"pid", 5}, {"ppid", 1}, {"status", status}, {"type", 0}});
  };
  const std::vector<Event> events = {dump(3, 5),
                                     dump(4, 1),
                                     dump(5, 4),
                                     dump(6, 0),
                                     sched_waking({.own = 20}, {.tid = 4}),
                                     sched_waking({.own = 20}, {.tid = 6})};
  EXPECT_EQ(state_of(events, 3), ThreadState::kBlocked);
  EXPECT_EQ(state_of(events, 4), ThreadState::kRunnable);
  EXPECT_EQ(state_of(events, 5), ThreadState::kExited);
  EXPECT_EQ(state_of(events, 6), ThreadState::kBlocked) << "a status that says nothing";
  const InitialState state = Passes::collect(events);
  EXPECT_EQ(find(state, 3)->tgid, 5);
  EXPECT_EQ(find(state, 3)->parent_tid, 1);
  EXPECT_EQ(find(state, 3)->privilege, Privilege::kUser);
}

TEST(InitialState, TheEarliestOfAllStreamsCounts) {
  // CPU 1 is read after CPU 0 but its event is older.
  const std::vector<Event> events = {
      sched_waking({.own = 50, .cpu = 0}, {.tid = 3}),
      sched_switch({.own = 20, .cpu = 1}, {.prev_tid = 3, .prev_state = 1, .next_tid = 0}),
      sched_waking({.own = 60, .cpu = 1}, {.tid = 4})};
  EXPECT_EQ(state_of(events, 3), ThreadState::kUser);
  EXPECT_EQ(find(Passes::collect(events), 3)->cpu, 1U);
}

TEST(InitialState, ACpuKnowsItsThreadFromAContextOrFromItsFirstSwitch) {
  const InitialState state =
      Passes::collect({syscall_exit({.own = 10, .cpu = 0, .tid = 5}, 7),
                       sched_switch({.own = 12, .cpu = 1},
                                    {.prev_tid = 0, .next_tid = 6, .prev_comm = "swapper/1"}),
                       irq_entry({.own = 11, .cpu = 2}, 1)});
  ASSERT_EQ(state.cpus.size(), 3U);
  EXPECT_EQ(state.first, OwnTime{10});
  EXPECT_EQ(state.cpus[0].tid, 5);
  EXPECT_EQ(state.cpus[1].tid, 0);
  EXPECT_EQ(state.cpus[1].idle_comm, "swapper/1");
  EXPECT_EQ(state.cpus[2].tid, -1);
  ASSERT_TRUE(find(state, 5)->syscall.has_value()) << "it left a call that it had not entered";
  EXPECT_EQ(find(state, 5)->syscall->nr, 7);
  EXPECT_EQ(find(state, 5)->privilege, Privilege::kUser);
}

TEST(InitialState, AThreadSeenElsewhereBeforeWasNotOnThisCpu) {
  const InitialState state = Passes::collect(
      {sched_switch({.own = 10, .cpu = 0}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
       sched_switch({.own = 90, .cpu = 1}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})});
  EXPECT_EQ(state.cpus[0].tid, 7);
  EXPECT_EQ(state.cpus[1].tid, -1);
}

TEST(InitialState, AfterALossACpuSaysNothingAboutTheBeginning) {
  const InitialState state =
      Passes::collect({loss({.own = 5}, {.end_own = 8}),
                       sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})});
  ASSERT_EQ(state.cpus.size(), 1U);
  EXPECT_EQ(state.cpus[0].tid, -1);
  EXPECT_EQ(find(state, 7)->state, ThreadState::kUnknown);
}

TEST(InitialState, InterruptsThatBeganBeforeTheTraceAreMatched) {
  Passes run({hrtimer_expire_exit({.own = 10}), irq_exit({.own = 10}, 4),
              softirq_exit({.own = 12}, 3),
              sched_switch({.own = 15}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0})});
  run.all().finish(20);
  EXPECT_EQ(run.machine().counters().unmatched(), 0U);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-12 softirq 7", "12-15 user 7", "15-20 idle 0"));
}

TEST(InitialState, ACpuThatComesOnlineBeginsThere) {
  Passes run({sched_switch({.own = 10, .cpu = 0}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
              make(EventKind::kCpuhpEnter, {.own = 20, .cpu = 0}, {{"cpu", 1}, {"target", 200}}),
              sched_switch({.own = 30, .cpu = 1}, {.prev_tid = 0, .next_tid = 9}),
              sched_switch({.own = 40, .cpu = 2},
                           {.prev_tid = 0, .next_tid = 11, .next_comm = "cpuhp/2"})});
  run.all().finish(50);
  EXPECT_THAT(run.cpu(0), ElementsAre("10-50 idle 0"));
  EXPECT_THAT(run.cpu(1), ElementsAre("30-50 user 9"));
  EXPECT_THAT(run.cpu(2), ElementsAre("40-50 kernel 11 cpuhp/2"));
}

TEST(InitialState, WhatBelongsToTheNextLifeOfAnIdIsNotTaken) {
  const InitialState state = Passes::collect(
      {sched_switch({.own = 10}, {.prev_tid = 7, .prev_state = 0x20, .next_tid = 0}),
       sched_process_free({.own = 12}, {.tid = 7}),
       sched_process_fork({.own = 20, .tid = 1}, {.parent_tid = 1, .child_tid = 7}),
       sched_switch({.own = 30}, {.prev_tid = 0, .next_tid = 7, .next_comm = "second"}),
       syscall_entry({.own = 31, .tid = 7}, 1),
       make(EventKind::kStatedumpProcess, {.own = 32, .tid = 7},
            {{"tid", 7}, {"pid", 7}, {"ppid", 1}, {"status", 5}, {"type", 0}})});
  const InitialThread* const first = find(state, 7);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->state, ThreadState::kUser);
  EXPECT_EQ(first->comm, "");
  EXPECT_EQ(first->tgid, -1);
  EXPECT_EQ(first->privilege, Privilege::kUnknown);
}

TEST(InitialState, SavedNamesFillWhatNoEventTells) {
  InitialStateCollector collector;
  collector.add_known_name(7, "saved");
  collector.add_known_name(8, "unused");
  collector.add_known_name(0, "idle");
  const Event events[] = {sched_switch(
      {.own = 10}, {.prev_tid = 7, .prev_state = 1, .next_tid = 9, .next_comm = "seen"})};
  collector.on_events(events, 0);
  test::VectorSink sink;
  MachineState machine({.machine_name = "m"}, collector.finish(), sink, nullptr);
  machine.on_event(HostTime{10}, events[0]);
  EXPECT_EQ(sink.text(machine.comm_of(7)), "saved");
  EXPECT_EQ(sink.text(machine.comm_of(9)), "seen");
  EXPECT_EQ(machine.comm_of(8), model::kNull);
  machine.finish(HostTime{20});
  EXPECT_EQ(machine.thread_table().rows.size(), 2U);
}

TEST(InitialState, TheCollectorIsEmptyAfterFinish) {
  InitialStateCollector collector;
  const Event events[] = {sched_waking({.own = 10}, {.tid = 3})};
  collector.on_events(events, 0);
  EXPECT_EQ(collector.finish().threads.size(), 1U);
  const InitialState empty = collector.finish();
  EXPECT_TRUE(empty.threads.empty());
  EXPECT_FALSE(empty.has_waking);
  EXPECT_FALSE(empty.first.has_value());
}

TEST(InitialState, ThreadsAreRecoveredToTheBeginningOfTheTrace) {
  Passes run({syscall_entry({.own = 100, .cpu = 0, .tid = 5}, 1),
              sched_switch({.own = 130, .cpu = 1}, {.prev_tid = 8, .prev_state = 1, .next_tid = 0}),
              sched_waking({.own = 140, .cpu = 0, .tid = 5}, {.tid = 6}),
              sched_switch({.own = 150, .cpu = 1}, {.prev_tid = 0, .next_tid = 6})});
  run.all().finish(200);
  EXPECT_THAT(run.cpu(1), ElementsAre("100-130 user 8", "130-150 idle 0", "150-200 user 6"));
  EXPECT_THAT(run.thread(8), ElementsAre("100-130 user@1", "130-200 blocked unknown"));
  EXPECT_THAT(run.thread(6),
              ElementsAre("100-140 blocked task by 5", "140-150 runnable by 5", "150-200 user@1"));
}

}  // namespace
}  // namespace vs::analysis::kernel
