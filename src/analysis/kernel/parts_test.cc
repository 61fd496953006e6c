// The small parts: task facts, tid map, context stack, namespaces, names.

#include <gtest/gtest.h>

#include "analysis/kernel/event_kinds.h"
#include "analysis/kernel/pid_namespaces.h"
#include "analysis/kernel/syscall_names.h"
#include "analysis/kernel/task_facts.h"
#include "analysis/kernel/wake_cause.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::kernel {
namespace {

using model::BlockCause;
using model::ThreadState;

TEST(TaskFacts, PrevStateOfCurrentKernels) {
  const auto state = [](std::int64_t value) {
    return state_after_switch(value, TaskStateCoding::kReported);
  };
  EXPECT_EQ(state(0), ThreadState::kPreempted);
  EXPECT_EQ(state(0x100), ThreadState::kPreempted);
  for (const std::int64_t sleep : {1, 2, 4, 8, 0x40, 0x80}) {
    EXPECT_EQ(state(sleep), ThreadState::kBlocked) << sleep;
  }
  EXPECT_EQ(state(0x10), ThreadState::kExited);
  EXPECT_EQ(state(0x20), ThreadState::kExited);
  EXPECT_EQ(state(0x101), ThreadState::kPreempted) << "preempted on its way to sleep";
  EXPECT_EQ(state(-1), ThreadState::kBlocked);
}

TEST(TaskFacts, PrevStateOfOldKernels) {
  const auto state = [](std::int64_t value) {
    return state_after_switch(value, TaskStateCoding::kRaw);
  };
  for (const std::int64_t max : {0x400, 0x800, 0x1000}) {
    EXPECT_EQ(state(max), ThreadState::kPreempted) << max;
  }
  for (const std::int64_t sleep : {1, 2, 0x82, 0x200, 0x402}) {
    EXPECT_EQ(state(sleep), ThreadState::kBlocked) << sleep;
  }
  EXPECT_EQ(state(0x40), ThreadState::kExited) << "TASK_DEAD";
  EXPECT_EQ(state(0), ThreadState::kPreempted);
}

TEST(TaskFacts, TheKernelsReleaseTellsTheCoding) {
  EXPECT_EQ(task_state_coding("4.13.0-45-generic"), TaskStateCoding::kRaw);
  EXPECT_EQ(task_state_coding("3.10.0"), TaskStateCoding::kRaw);
  for (const char* release : {"4.14.0", "6.1.0-56-amd64", "", "what", "4", "4.", "x.y"}) {
    EXPECT_EQ(task_state_coding(release), TaskStateCoding::kReported) << release;
  }
}

TEST(TaskFacts, NamesAreCutAsTheKernelCutsThem) {
  EXPECT_EQ(comm_after_exec("/usr/bin/qemu-system-x86_64"), "qemu-system-x86");
  EXPECT_EQ(comm_after_exec("ls"), "ls");
  EXPECT_EQ(comm_after_exec("/"), "");
  EXPECT_EQ(clip_comm(std::string(1000, 'x')).size(), kCommBytes);
  EXPECT_TRUE(is_kernel_comm("kworker/u8:2"));
  EXPECT_TRUE(is_kernel_comm("vhost-1234"));
  EXPECT_FALSE(is_kernel_comm("kworkerish"));
  EXPECT_FALSE(is_kernel_comm(""));
}

TEST(TaskFacts, ThreadIdsOutsideOfTheirRangeAreNone) {
  using namespace test::events;
  const auto tid = [](std::int64_t value) {
    return tid_arg(sched_waking({}, {.tid = value}), model::arg::kWakeTid);
  };
  EXPECT_EQ(tid(5), 5);
  EXPECT_EQ(tid(-1), model::kNoTid);
  EXPECT_EQ(tid(0x80000000), model::kNoTid);
  EXPECT_EQ(tid_arg(make(EventKind::kSchedWaking, {}), model::arg::kWakeTid), model::kNoTid);
}

TEST(PidNamespaces, TheInitialOneIsNoContainer) {
  PidNamespaces spaces;
  EXPECT_EQ(spaces.container_of(model::kNull), model::kNull);
  EXPECT_EQ(spaces.container_of(PidNamespaces::kInitialInode), model::kNull);
  EXPECT_EQ(spaces.container_of(4026532999), 4026532999);
  spaces.note_level(1, 0, 4026532999, true);
  EXPECT_EQ(spaces.container_of(4026532999), model::kNull) << "the outermost of all processes";
}

TEST(PidNamespaces, EnteringAnOldOneDoesNotMoveIt) {
  PidNamespaces spaces;
  spaces.note_child(500, PidNamespaces::kInitialInode, 10);
  spaces.note_child(600, 500, 11);
  spaces.note_child(600, PidNamespaces::kInitialInode, 12);
  EXPECT_EQ(spaces.all().at(600).parent, 500);
  EXPECT_EQ(spaces.all().at(600).init_tid, 11);
  EXPECT_EQ(spaces.make_synthetic(600, 13), -1);
  EXPECT_EQ(spaces.make_synthetic(-1, 14), -2);
}

TEST(PidNamespaces, WhatOthersWereToldLaterIsTakenAsIfToldHere) {
  struct Note {
    std::int32_t tid;
    std::int64_t level;
    std::int64_t inum;
  };
  const std::vector<Note> notes = {{7, 1, 600}, {7, 0, 100}, {8, 0, 100}, {1, 2, 700},
                                   {1, 1, 600}, {1, 0, 100}, {9, 0, 100}};
  for (std::size_t cut = 0; cut <= notes.size(); ++cut) {
    PidNamespaces all;
    PidNamespaces first;
    PidNamespaces second;
    for (std::size_t i = 0; i < notes.size(); ++i) {
      const bool init = notes[i].tid == 1;
      all.note_level(notes[i].tid, notes[i].level, notes[i].inum, init);
      // What one task is in is told in one stream.
      const bool before = notes[i].tid != 1 ? i < cut : cut > 3;
      (before ? first : second).note_level(notes[i].tid, notes[i].level, notes[i].inum, init);
    }
    first.take(second);
    EXPECT_EQ(first.container_of(100), all.container_of(100)) << cut;
    EXPECT_EQ(first.container_of(700), 700) << cut;
    if (cut == 1) continue;  // task 7's levels are told apart
    for (const auto& [inum, space] : all.all()) {
      EXPECT_EQ(first.all().at(inum).parent, space.parent) << cut << " " << inum;
      EXPECT_EQ(first.all().at(inum).init_tid, space.init_tid) << cut << " " << inum;
    }
  }
}

TEST(Syscalls, TheTableEndsWhereTheKernelsDoes) {
  EXPECT_EQ(x86_64_syscall_name(0), "read");
  EXPECT_EQ(x86_64_syscall_name(16), "ioctl");
  EXPECT_EQ(x86_64_syscall_name(231), "exit_group");
  EXPECT_EQ(x86_64_syscall_name(435), "clone3");
  EXPECT_EQ(x86_64_syscall_name(400), "") << "a gap";
  EXPECT_EQ(x86_64_syscall_name(100000), "");
  EXPECT_EQ(x86_64_syscall_name(-1), "");
}

TEST(EventTypes, NamesComeFromTheTypeOfTheRightTrace) {
  test::VectorSink sink;
  EventTypes types({{"sys_enter_read"}, {"syscall_entry_write", "reschedule_entry"}},
                   SyscallTable::kNone, sink);
  EXPECT_EQ(sink.text(types.call(0, 0, model::kNull).name), "read");
  EXPECT_EQ(sink.text(types.call(1, 0, 5).name), "write");
  EXPECT_EQ(sink.text(types.call(1, 1, 5000).name), "nr:5000");
  EXPECT_EQ(types.call(7, 7, model::kNull).name, model::kNull);
  EXPECT_EQ(types.vector_cause(1, 1), BlockCause::kIpi);
  EXPECT_EQ(types.vector_cause(9, 0), BlockCause::kIrq);
}

TEST(WakeCause, SoftirqsOutsideOfTheTableAreInterrupts) {
  EXPECT_EQ(cause_of_softirq(8), BlockCause::kTimer);
  EXPECT_EQ(cause_of_softirq(2), BlockCause::kNetwork);
  EXPECT_EQ(cause_of_softirq(-1), BlockCause::kIrq);
  EXPECT_EQ(cause_of_softirq(10), BlockCause::kIrq);
}

TEST(KernelKinds, BothPassesAskForTheSame) {
  const model::KindSet kinds = kernel_kinds();
  EXPECT_TRUE(kinds.has(model::EventKind::kSchedSwitch));
  EXPECT_FALSE(kinds.has(model::EventKind::kKvmEntry));
}

}  // namespace
}  // namespace vs::analysis::kernel
