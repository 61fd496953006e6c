#include "analysis/vcpu/state.h"

#include <gtest/gtest.h>

#include <string>

#include "analysis/vcpu/state_test_support.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
using model::VcpuState;
using test::VectorSink;

/// Feeds events at own time = host time and prints the rows of a vCPU:
/// "10-20 guest@1 L1; 20-30 hypervisor@1 HLT".
class Rig {
 public:
  explicit Rig(model::Experiment experiment = experiment_of({{thread(kT0)}, {thread(kT1)}}))
      : experiment_(std::move(experiment)), vcpus_(experiment_, 0, sink_, {}) {}

  Rig& operator<<(const Event& event) {
    vcpus_.on_event(HostTime{event.own.value}, event);
    return *this;
  }
  Rig& lose(std::int64_t begin, std::int64_t end, std::uint32_t cpu) {
    vcpus_.on_loss(HostTime{begin}, HostTime{end}, cpu);
    return *this;
  }
  std::string rows(std::int64_t end, std::int64_t vcpu = 0) {
    if (!finished_) vcpus_.finish(HostTime{end});
    finished_ = true;
    std::string text;
    std::int64_t at = -1;
    for (const auto& row : sink_.rows(model::TableId::kVcpuState, {sink_.intern("vm"), vcpu})) {
      EXPECT_TRUE(at < 0 || at == row.begin.ns) << "gap or overlap at " << row.begin.ns;
      at = row.end.ns;
      text += (text.empty() ? "" : "; ") + describe(row);
    }
    return text;
  }
  HostVcpus& vcpus() { return vcpus_; }

 private:
  std::string describe(const VectorSink::Interval& row) {
    const auto& v = row.values;
    std::string text =
        std::to_string(row.begin.ns) + "-" + std::to_string(row.end.ns) + " " +
        std::string(model::vcpu_state_names()[static_cast<std::size_t>(v[model::slot::kVsState])]);
    if (v[model::slot::kVsPcpu] != model::kNull) {
      text += "@" + std::to_string(v[model::slot::kVsPcpu]);
    }
    if (v[model::slot::kVsLevel] != model::kNull) {
      text += " L" + std::to_string(v[model::slot::kVsLevel]);
    }
    const std::string reason = sink_.text(v[model::slot::kVsExitReason]);
    if (!reason.empty()) text += " " + reason;
    if (v[model::slot::kVsWakerTid] != model::kNull) {
      text += " by " + std::to_string(v[model::slot::kVsWakerTid]);
    }
    if (v[model::slot::kVsLossy] != 0) text += " lossy";
    return text;
  }

  model::Experiment experiment_;
  VectorSink sink_;
  HostVcpus vcpus_;
  bool finished_ = false;
};

TEST(HostVcpus, EntryAndExitAlternate) {
  Rig rig;
  rig << entry(10) << exit(20, kNpf) << entry(30) << exit(40, 0x7c);
  EXPECT_EQ(rig.rows(50),
            "10-20 guest@1 L1; 20-30 hypervisor@1 NPF; 30-40 guest@1 L1; 40-50 hypervisor@1 MSR");
}

TEST(HostVcpus, FirstEvidenceMayBeTheExit) {
  Rig rig;
  rig << exit(20, kHlt) << entry(30);
  EXPECT_EQ(rig.rows(40), "20-30 hypervisor@1 HLT; 30-40 guest@1 L1");
  EXPECT_EQ(rig.vcpus().counters().missed_entries, 1U);
}

TEST(HostVcpus, VoluntaryHaltIsNotPreemption) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(25, 1) << waking(60) << in(70) << entry(80);
  EXPECT_EQ(rig.rows(90),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-60 halted@1 HLT; "
            "60-70 waking@1 HLT by 50; 70-80 hypervisor@1 HLT; 80-90 guest@1 L1");
}

TEST(HostVcpus, RunnableSwitchOutIsPreemptionWhateverTheBit) {
  for (const std::int64_t prev_state : {0x0, 0x100, 0x101, 0x400, 0x800, 0x1000}) {
    Rig rig;
    rig << entry(10) << exit(20, 0x60) << out(25, prev_state, kHog) << in(50, kHog) << entry(60);
    EXPECT_EQ(rig.rows(70),
              "10-20 guest@1 L1; 20-25 hypervisor@1 INTR; 25-50 preempted@1 INTR; "
              "50-60 hypervisor@1 INTR; 60-70 guest@1 L1")
        << prev_state;
  }
}

TEST(HostVcpus, SleepInNestedPageFaultIsBlocked) {
  Rig rig;
  rig << entry(10) << exit(20, kNpf) << out(25, 2) << waking(40) << in(45) << entry(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-25 hypervisor@1 NPF; 25-40 blocked@1 NPF; "
            "40-45 waking@1 NPF by 50; 45-50 hypervisor@1 NPF; 50-60 guest@1 L1");
}

TEST(HostVcpus, SleepInTheVmmIsBlockedAndResumesThere) {
  Rig rig;
  rig << entry(10) << exit(20, 0x7b) << ev::kvm_userspace_exit(at(22), 2) << out(25, 1)
      << waking(40) << in(45) << ev::make(EventKind::kKvmFpu, at(48), {{"load", 1}}) << entry(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-22 hypervisor@1 IOIO; 22-25 userspace@1 IOIO; "
            "25-40 blocked@1 IOIO; 40-45 waking@1 IOIO by 50; 45-48 userspace@1 IOIO; "
            "48-50 hypervisor@1 IOIO; 50-60 guest@1 L1");
}

TEST(HostVcpus, HaltThatTheVmmWaitsForIsHalted) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << ev::kvm_userspace_exit(at(22), 5) << out(25, 1);
  EXPECT_EQ(rig.rows(30),
            "10-20 guest@1 L1; 20-22 hypervisor@1 HLT; 22-25 userspace@1 HLT; 25-30 halted@1 HLT");
}

TEST(HostVcpus, HaltThatTheVmmInterruptedForAnotherReasonIsBlocked) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << ev::kvm_userspace_exit(at(22), 10) << out(25, 1);
  EXPECT_EQ(rig.rows(30),
            "10-20 guest@1 L1; 20-22 hypervisor@1 HLT; 22-25 userspace@1 HLT; 25-30 blocked@1 HLT");
}

TEST(HostVcpus, StoppedBySignalIsStopped) {
  Rig rig;
  rig << entry(10) << exit(20, 0x60) << out(25, 4) << waking(90) << in(95);
  EXPECT_EQ(rig.rows(99),
            "10-20 guest@1 L1; 20-25 hypervisor@1 INTR; 25-90 stopped@1 INTR; "
            "90-95 waking@1 INTR by 50; 95-99 hypervisor@1 INTR");
}

TEST(HostVcpus, KickedOutAndLeftAsleepForLongIsPaused) {
  constexpr std::int64_t kMs = 1'000'000;
  Rig rig;
  rig << entry(10) << exit(20, 0x60) << ev::kvm_userspace_exit(at(22), 10, -4) << out(25, 1)
      << waking(25 + 49 * kMs) << in(30 + 49 * kMs) << out(35 + 49 * kMs, 1);
  EXPECT_EQ(rig.rows(200 * kMs),
            "10-20 guest@1 L1; 20-22 hypervisor@1 INTR; 22-25 userspace@1 INTR; "
            "25-49000025 blocked@1 INTR; 49000025-49000030 waking@1 INTR by 50; "
            "49000030-49000035 userspace@1 INTR; 49000035-200000000 stopped@1 INTR");
}

// A vCPU that waits for a migration to come in: its thread is older than the trace and not in KVM.
TEST(HostVcpus, AnUnknownPastMayTurnOutToBeTheVmm) {
  Rig rig;
  rig << in(10) << out(20, 1) << waking(30) << in(35)
      << ev::make(EventKind::kKvmWriteTscOffset, at(40), {{"vcpu_id", 0}}) << out(45, 1)
      << waking(50) << in(55) << entry(60);
  EXPECT_EQ(rig.rows(70),
            "10-20 userspace@1; 20-30 blocked@1; 30-35 waking@1 by 50; 35-45 userspace@1; "
            "45-50 blocked@1; 50-55 waking@1 by 50; 55-60 userspace@1; 60-70 guest@1 L1");
}

TEST(HostVcpus, AnUnknownSleepStaysUnknownAndOffTheProcessor) {
  struct Watch : VcpuObserver {
    std::string text;
    void on_vcpu_change(const VcpuChange& now) override {
      text += std::string(model::vcpu_state_names()[static_cast<std::size_t>(now.state)]) +
              (now.on_cpu ? "+ " : "- ");
    }
  } watch;
  VectorSink sink;
  const model::Experiment experiment = experiment_of({{thread(kT0)}});
  HostVcpus vcpus(experiment, 0, sink, {&watch});
  for (const Event& event : {in(10), out(20, 1), waking(30), in(35), entry(40)}) {
    vcpus.on_event(HostTime{event.own.value}, event);
  }
  EXPECT_EQ(watch.text, "unknown+ unknown- waking- unknown+ guest+ ");
}

TEST(HostVcpus, EndOfSystemCallMeansTheVmm) {
  Rig rig;
  rig << entry(10) << exit(20, 0x7b) << ev::syscall_exit(at(25), 16, 0) << entry(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-25 hypervisor@1 IOIO; 25-50 userspace@1 IOIO; 50-60 guest@1 L1");
}

// algorithms 0.2 rule 4: SVM recorded kvm_exit late, after the interrupts that caused it.
TEST(HostVcpus, ImplicitExitAtTheFirstHostEvent) {
  Rig rig;
  rig << entry(10) << ev::hrtimer_expire_entry(at(20)) << ev::hrtimer_expire_exit(at(23))
      << exit(30, 0x60) << entry(40);
  EXPECT_EQ(rig.rows(50),
            "10-20 guest@1 L1; 20-23 host_irq@1 INTR; 23-40 hypervisor@1 INTR; 40-50 guest@1 L1");
  EXPECT_EQ(rig.vcpus().counters().implicit_exits, 1U);
  EXPECT_EQ(rig.vcpus().counters().missed_entries, 0U);
}

TEST(HostVcpus, WaitForTheLapicTimerIsNoExit) {
  Rig rig;
  rig << entry(10) << ev::make(EventKind::kKvmWaitLapicExpire, at(11), {{"delta", 5}})
      << ev::make(EventKind::kUnknown, at(12)) << exit(20, kHlt);
  EXPECT_EQ(rig.rows(30), "10-20 guest@1 L1; 20-30 hypervisor@1 HLT");
}

TEST(HostVcpus, EventsOnOtherProcessorsAreNoExit) {
  Rig rig;
  rig << entry(10) << ev::irq_entry(at(12, 0, 2), 7) << ev::irq_exit(at(13, 0, 2), 7)
      << exit(20, kHlt);
  EXPECT_EQ(rig.rows(30), "10-20 guest@1 L1; 20-30 hypervisor@1 HLT");
}

TEST(HostVcpus, InterruptsInRootModeAreTheHosts) {
  Rig rig;
  rig << entry(10) << exit(20, kNpf) << ev::irq_entry(at(22), 7) << ev::softirq_entry(at(23), 3)
      << ev::irq_exit(at(24), 7) << ev::softirq_exit(at(26), 3) << entry(30);
  EXPECT_EQ(rig.rows(40),
            "10-20 guest@1 L1; 20-22 hypervisor@1 NPF; 22-26 host_irq@1 NPF; "
            "26-30 hypervisor@1 NPF; 30-40 guest@1 L1");
}

TEST(HostVcpus, AnInterruptWithoutItsEndEndsAtTheSwitch) {
  Rig rig;
  rig << entry(10) << exit(20, 0x60) << ev::irq_entry(at(22), 7) << out(25, 0, kHog) << in(30, kHog)
      << entry(35);
  EXPECT_EQ(rig.rows(40),
            "10-20 guest@1 L1; 20-22 hypervisor@1 INTR; 22-25 host_irq@1 INTR; "
            "25-30 preempted@1 INTR; 30-35 hypervisor@1 INTR; 35-40 guest@1 L1");
}

TEST(HostVcpus, PollingWithoutSleepIsAllPolling) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << ev::kvm_vcpu_wakeup(at(60), 35, false) << entry(70);
  EXPECT_EQ(rig.rows(80),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-60 polling@1 HLT; "
            "60-70 hypervisor@1 HLT; 70-80 guest@1 L1");
}

TEST(HostVcpus, PollingBeforeSleepEndsAtTheSwitchOut) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(40, 1) << waking(80) << in(85)
      << ev::kvm_vcpu_wakeup(at(90), 65, true) << entry(95);
  EXPECT_EQ(rig.rows(99),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-40 polling@1 HLT; 40-80 halted@1 HLT; "
            "80-85 waking@1 HLT by 50; 85-95 hypervisor@1 HLT; 95-99 guest@1 L1");
}

TEST(HostVcpus, ADescheduledPollingVcpuIsPreempted) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(30, 0x100, kHog) << in(50, kHog)
      << ev::kvm_vcpu_wakeup(at(60), 35, false) << entry(70);
  EXPECT_EQ(rig.rows(80),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-30 polling@1 HLT; "
            "30-50 preempted@1 HLT; 50-60 polling@1 HLT; 60-70 hypervisor@1 HLT; 70-80 guest@1 L1");
}

TEST(HostVcpus, PollingNeverReachesIntoTheGuest) {
  for (const std::int64_t ns : {std::int64_t{1000}, std::int64_t{-1}}) {  // -1: a huge value
    Rig rig;
    rig << entry(10) << exit(20, kHlt) << ev::kvm_vcpu_wakeup(at(60), ns, false) << entry(70);
    EXPECT_EQ(rig.rows(80),
              "10-20 guest@1 L1; 20-60 polling@1 HLT; 60-70 hypervisor@1 HLT; 70-80 guest@1 L1");
    EXPECT_EQ(rig.vcpus().counters().late_wakeups, 1U);
  }
}

TEST(HostVcpus, WakeUpToAnotherProcessor) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(25, 1) << waking(40)
      << ev::make(EventKind::kSchedMigrateTask, at(42, kHog, 0),
                  {{"tid", kT0}, {"orig_cpu", 1}, {"dest_cpu", 3}})
      << wakeup(44, kT0, 3) << in(50, 0, kT0, 3) << entry(55, kT0, 3);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-40 halted@1 HLT; "
            "40-42 waking@1 HLT by 50; 42-50 waking@3 HLT by 50; 50-55 hypervisor@3 HLT; "
            "55-60 guest@3 L1");
}

TEST(HostVcpus, WithoutMigrationEventsTheWakeUpTellsTheProcessor) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(25, 1) << waking(40) << wakeup(44, kT0, 3)
      << in(50, 0, kT0, 3);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-40 halted@1 HLT; "
            "40-44 waking@1 HLT by 50; 44-50 waking@3 HLT by 50; 50-60 hypervisor@3 HLT");
}

TEST(HostVcpus, MigrationWhilePreempted) {
  Rig rig;
  rig << entry(10) << exit(20, 0x60) << out(25, 0x100, kHog)
      << ev::make(EventKind::kSchedMigrateTask, at(30, 7, 2),
                  {{"tid", kT0}, {"orig_cpu", 1}, {"dest_cpu", 2}})
      << in(40, 7, kT0, 2) << entry(45, kT0, 2);
  EXPECT_EQ(rig.rows(50),
            "10-20 guest@1 L1; 20-25 hypervisor@1 INTR; 25-30 preempted@1 INTR; "
            "30-40 preempted@2 INTR; 40-45 hypervisor@2 INTR; 45-50 guest@2 L1");
}

// ttwu of a thread that is still on its way to sleep: sched_waking comes before the switch-out and
// only sched_wakeup after it.
TEST(HostVcpus, WakingBeforeTheSwitchOut) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << waking(24) << out(25, 1) << wakeup(30) << in(35);
  EXPECT_EQ(rig.rows(40),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-35 waking@1 HLT by 50; "
            "35-40 hypervisor@1 HLT");
}

TEST(HostVcpus, WakingOfARunningThreadChangesNothing) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << waking(24) << wakeup(25) << entry(30);
  EXPECT_EQ(rig.rows(40), "10-20 guest@1 L1; 20-30 hypervisor@1 HLT; 30-40 guest@1 L1");
}

TEST(HostVcpus, AnInterruptIsNotTheThreadItInterrupted) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(25, 1) << ev::hrtimer_expire_entry(at(38, kHog, 0))
      << waking(40) << ev::hrtimer_expire_exit(at(41, kHog, 0)) << in(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-40 halted@1 HLT; 40-50 waking@1 HLT; "
            "50-60 hypervisor@1 HLT");
}

TEST(HostVcpus, ANewThreadStartsInTheVmm) {
  Rig rig;
  rig << ev::sched_process_fork(at(5, 90, 0), {.parent_tid = 90, .child_tid = kT0})
      << ev::sched_wakeup_new(at(6, 90, 0), {.tid = kT0, .target_cpu = 1}) << in(10) << out(12, 1)
      << waking(20) << in(22) << ev::make(EventKind::kKvmFpu, at(24), {{"load", 1}}) << entry(26);
  EXPECT_EQ(rig.rows(30),
            "6-10 waking@1; 10-12 userspace@1; 12-20 blocked@1; 20-22 waking@1 by 50; "
            "22-24 userspace@1; 24-26 hypervisor@1; 26-30 guest@1 L1");
}

TEST(HostVcpus, AThreadSeenFirstByTheSchedulerIsUnknownUntilItsOwnEvent) {
  Rig rig;
  rig << in(10) << entry(20) << exit(30, kHlt);
  EXPECT_EQ(rig.rows(40), "10-20 unknown@1; 20-30 guest@1 L1; 30-40 hypervisor@1 HLT");
}

TEST(HostVcpus, ThreadExitIsOffAndTheVcpuComesBackOnAnotherThread) {
  Rig rig(experiment_of({{thread(kT0, 10, 20), thread(kT1, 60, 80)}}));
  rig << entry(10) << exit(20, 0x60)
      << ev::make(EventKind::kSchedProcessExit, at(30), {{"tid", kT0}}) << out(31, 0x20)
      << ev::sched_wakeup_new(at(50, 90, 0), {.tid = kT1, .target_cpu = 2}) << in(55, 0, kT1, 2)
      << ev::kvm_entry(at(60, kT1, 2), 0)
      << ev::kvm_exit(at(80, kT1, 2), {.reason = kHlt, .isa = 2});
  EXPECT_EQ(rig.rows(90),
            "10-20 guest@1 L1; 20-30 hypervisor@1 INTR; 30-50 off; 50-55 waking@2; "
            "55-60 userspace@2; 60-80 guest@2 L1; 80-90 hypervisor@2 HLT");
}

TEST(HostVcpus, DeadAtTheSwitchIsOffWithoutAnExitEvent) {
  Rig rig;
  rig << entry(10) << exit(20, 0x60) << out(30, 0x10);
  EXPECT_EQ(rig.rows(40), "10-20 guest@1 L1; 20-30 hypervisor@1 INTR; 30-40 off");
}

TEST(HostVcpus, NestedGuestIsLevelTwoUntilTheExitIsReflected) {
  Rig rig;
  rig << entry(10) << exit(20, 0x80) << ev::make(EventKind::kKvmNestedVmenter, at(22)) << entry(30)
      << exit(40, kNpf) << entry(50) << exit(60, 0x7c)
      << ev::make(EventKind::kKvmNestedVmexitInject, at(65)) << entry(70);
  EXPECT_EQ(rig.rows(80),
            "10-20 guest@1 L1; 20-30 hypervisor@1 VMRUN; 30-40 guest@1 L2; 40-50 hypervisor@1 NPF; "
            "50-60 guest@1 L2; 60-70 hypervisor@1 MSR; 70-80 guest@1 L1");
}

TEST(HostVcpus, AFailedVmxEntryNeverWasTheGuest) {
  Rig rig;
  rig << entry(10) << ev::kvm_exit(at(20), {.reason = 0x80000021, .isa = 1, .vcpu = 0})
      << entry(30);
  EXPECT_EQ(rig.rows(40), "10-20 hypervisor@1; 20-30 hypervisor@1 INVALID_STATE; 30-40 guest@1 L1");
  EXPECT_EQ(rig.vcpus().counters().failed_entries, 1U);
}

TEST(HostVcpus, ARunOfEmulatedInstructionsIsAnEmulatedGuest) {
  Rig rig;
  rig << ev::make(EventKind::kKvmEmulateInsn, at(10))
      << ev::make(EventKind::kKvmEmulateInsn, at(20)) << ev::kvm_userspace_exit(at(30), 2)
      << ev::make(EventKind::kKvmEmulateInsn, at(40)) << out(50, 1) << waking(70) << in(75)
      << ev::kvm_vcpu_wakeup(at(80), 35, true) << ev::make(EventKind::kKvmEmulateInsn, at(90));
  EXPECT_EQ(rig.rows(99),
            "10-20 hypervisor@1; 20-30 emulated@1; 30-40 userspace@1; 40-45 emulated@1; "
            "45-50 polling@1; 50-70 halted@1; 70-75 waking@1 by 50; 75-99 emulated@1");
}

TEST(HostVcpus, OneEmulatedInstructionPerExitIsTheHypervisor) {
  Rig rig;
  rig << entry(10) << exit(20, 0x7c) << ev::make(EventKind::kKvmEmulateInsn, at(22)) << entry(30)
      << exit(40, 0x7c) << ev::make(EventKind::kKvmEmulateInsn, at(42)) << entry(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-30 hypervisor@1 MSR; 30-40 guest@1 L1; 40-50 hypervisor@1 MSR; "
            "50-60 guest@1 L1");
}

TEST(HostVcpus, LossOnItsProcessorIsUnknownUntilTheNextOwnEvent) {
  Rig rig;
  rig << entry(10);
  rig.lose(20, 30, 1);
  rig << in(40, kHog) << entry(50);
  EXPECT_EQ(rig.rows(60),
            "10-20 guest@1 L1; 20-40 unknown lossy; 40-50 unknown@1 lossy; 50-60 guest@1 L1");
}

TEST(HostVcpus, LossElsewhereOnlyMarksAVcpuThatIsNotRunning) {
  Rig rig;
  rig << entry(10) << entry(10, kT1, 2) << exit(12, kHlt, kT1, 2) << out(14, 1, 0, kT1, 2);
  rig.lose(20, 30, 3);
  rig << exit(40, kHlt) << waking(50, kT1, kHog, 2) << in(52, 0, kT1, 2);
  EXPECT_EQ(rig.rows(60), "10-40 guest@1 L1; 40-60 hypervisor@1 HLT");
  EXPECT_EQ(rig.rows(60, 1),
            "10-12 guest@2 L1; 12-14 hypervisor@2 HLT; 14-50 halted@2 HLT lossy; "
            "50-52 waking@2 HLT by 50; 52-60 hypervisor@2 HLT");
}

TEST(HostVcpus, LossMakesTheLevelUnknown) {
  Rig rig;
  rig << exit(5, 0x80) << ev::make(EventKind::kKvmNestedVmenter, at(6)) << entry(10);
  rig.lose(20, 30, 1);
  rig << entry(40) << exit(50, 0x7c) << ev::make(EventKind::kKvmNestedVmexitInject, at(55))
      << entry(60);
  EXPECT_EQ(rig.rows(70),
            "5-10 hypervisor@1 VMRUN; 10-20 guest@1 L2; 20-40 unknown lossy; 40-50 guest@1; "
            "50-60 hypervisor@1 MSR; 60-70 guest@1 L1");
}

// LTTng without a tid context: the last sched_switch of the pCPU says whose event it is.
TEST(HostVcpus, WithoutThreadContextTheSwitchesTell) {
  Rig rig;
  rig.vcpus().set_current(2, kT1);
  const auto bare = [](std::int64_t time, std::uint32_t cpu) {
    return ev::At{time, cpu, model::kNoTid};
  };
  rig << in(10) << ev::kvm_entry(bare(12, 1))
      << ev::kvm_exit(bare(20, 1), {.reason = kHlt, .isa = 2}) << ev::kvm_entry(bare(25, 2))
      << ev::kvm_entry(bare(26, 3));
  EXPECT_EQ(rig.rows(30), "10-12 unknown@1; 12-20 guest@1 L1; 20-30 hypervisor@1 HLT");
  EXPECT_EQ(rig.rows(30, 1), "25-30 guest@2 L1");
}

TEST(HostVcpus, AMissedSwitchMakesTheOldOneUnknown) {
  Rig rig;
  rig << entry(10) << ev::softirq_entry(at(30, kHog), 1) << in(40, kHog) << entry(45);
  EXPECT_EQ(rig.rows(50), "10-30 guest@1 L1; 30-40 unknown; 40-45 unknown@1; 45-50 guest@1 L1");
  EXPECT_EQ(rig.vcpus().counters().missed_switches, 1U);
}

// gVisor's way: one thread, several vCPUs in turn.
TEST(HostVcpus, OneThreadMayRunSeveralVcpus) {
  Rig rig(experiment_of({{thread(kT0)}, {thread(kT0)}}));
  rig << ev::kvm_entry(at(10), 0) << ev::kvm_exit(at(20), {.reason = kHlt, .isa = 2, .vcpu = 0})
      << ev::kvm_entry(at(30), 1) << ev::kvm_exit(at(40), {.reason = kNpf, .isa = 2, .vcpu = 1})
      << ev::kvm_entry(at(50), 0);
  EXPECT_EQ(rig.rows(60), "10-20 guest@1 L1; 20-30 hypervisor@1 HLT; 30-50 off; 50-60 guest@1 L1");
  EXPECT_EQ(rig.rows(60, 1), "30-40 guest@1 L1; 40-50 hypervisor@1 NPF; 50-60 off");
}

TEST(HostVcpus, RowsThatCannotBeHeldAreStillTiled) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt);
  std::int64_t time = 20;
  for (int i = 0; i < 1000; ++i) {
    rig << ev::softirq_entry(at(time + 1), 1) << ev::softirq_exit(at(time + 2), 1);
    time += 2;
  }
  rig << ev::kvm_vcpu_wakeup(at(time + 1), time, false) << entry(time + 2);
  EXPECT_NE(rig.rows(time + 10).find("polling"), std::string::npos);
  EXPECT_EQ(rig.vcpus().counters().late_wakeups, 1U);
}

TEST(HostVcpus, ArgumentsFromOutsideTheirRangeAreIgnored) {
  Rig rig;
  rig << entry(10) << exit(20, kHlt) << out(25, 1)
      << ev::sched_waking(at(30, kHog, 0), {.tid = kT0, .target_cpu = 1'000'000'000'000})
      << ev::sched_waking(at(31, kHog, 0), {.tid = -5, .target_cpu = -3})
      << ev::make(EventKind::kSchedMigrateTask, at(32, kHog, 0),
                  {{"tid", kT0}, {"orig_cpu", 1}, {"dest_cpu", -7}})
      << ev::make(EventKind::kSchedSwitch, {33, 0xfffffffe, kHog})
      << ev::make(EventKind::kSchedSwitch, at(34, kHog, 0))
      << ev::make(EventKind::kKvmExit, at(35));
  EXPECT_EQ(rig.rows(40),
            "10-20 guest@1 L1; 20-25 hypervisor@1 HLT; 25-30 halted@1 HLT; "
            "30-35 waking@1 HLT by 50; 35-40 hypervisor@1 0");
}

}  // namespace
}  // namespace vs::analysis::vcpu
