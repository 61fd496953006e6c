#include "analysis/exits/exits.h"

#include <gtest/gtest.h>

#include <string>

#include "analysis/vcpu/state.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::exits {
namespace {

using model::Event;
using model::EventKind;
namespace ev = test::events;

constexpr std::int32_t kTid = 100;

/// One vCPU of `vm` on host `h`; rows are printed as
/// "20-90 HLT idle 0x1 h5 u0 s0 p35 t10" (handling, userspace, halted, polling, steal).
class Rig : public ExitObserver {
 public:
  Rig() {
    experiment_.machines.resize(2);
    experiment_.machines[0].name = "h";
    experiment_.machines[1].name = "vm";
    experiment_.machines[1].kind = model::MachineKind::kVm;
    experiment_.machines[1].parent = 0;
    experiment_.machines[1].vcpus.push_back({0, {{kTid, OwnTime{0}, OwnTime{1'000'000}}}, -1});
    exits_.emplace(experiment_, sink_, this);
    vcpus_.emplace(experiment_, 0, sink_, std::vector<vcpu::VcpuObserver*>{&*exits_});
  }
  Rig& operator<<(const Event& event) {
    vcpus_->on_event(HostTime{event.own.value}, event);
    return *this;
  }
  Rig& lose(std::int64_t begin, std::int64_t end) {
    vcpus_->on_loss(HostTime{begin}, HostTime{end}, 1);
    return *this;
  }
  std::string rows(std::int64_t end) {
    vcpus_->finish(HostTime{end});
    std::string text;
    for (const auto& row : sink_.rows(model::TableId::kVmExit, {sink_.intern("vm"), 0})) {
      const auto& v = row.values;
      text += (text.empty() ? "" : "; ") + std::to_string(row.begin.ns) + "-" +
              std::to_string(row.end.ns) + " " + sink_.text(v[model::slot::kVeReason]) + " " +
              std::string(
                  model::exit_class_names()[static_cast<std::size_t>(v[model::slot::kVeClass])]);
      if (v[model::slot::kVeDetail] != model::kNull) {
        text += " " + sink_.text(v[model::slot::kVeDetail]);
      }
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < kPartCount; ++i) {
        const std::int64_t part = v[model::slot::kVeHandlingNs + i];
        sum += part;
        static constexpr char kNames[] = {'h', 'u', 's', 'p', 't'};
        if (part != 0) text += std::string(" ") + kNames[i] + std::to_string(part);
      }
      EXPECT_LE(sum, row.end.ns - row.begin.ns);
    }
    return text;
  }
  void on_exit_row(const ExitRow& row) override { complete_ += row.complete ? 'c' : 'x'; }
  [[nodiscard]] const std::string& complete() const { return complete_; }

 private:
  model::Experiment experiment_;
  test::VectorSink sink_;
  std::optional<Exits> exits_;
  std::optional<vcpu::HostVcpus> vcpus_;
  std::string complete_;
};

ev::At at(std::int64_t time) { return {time, 1, kTid}; }
Event entry(std::int64_t time) { return ev::kvm_entry(at(time)); }
Event svm(std::int64_t time, std::int64_t reason, ev::Maybe info1 = {}, ev::Maybe info2 = {}) {
  return ev::kvm_exit(at(time),
                      {.reason = reason, .isa = 2, .vcpu = 0, .info1 = info1, .info2 = info2});
}
Event vmx(std::int64_t time, std::int64_t reason, ev::Maybe info1 = {}, ev::Maybe intr = {}) {
  return ev::kvm_exit(at(time),
                      {.reason = reason, .isa = 1, .vcpu = 0, .info1 = info1, .intr_info = intr});
}
Event out(std::int64_t time, std::int64_t prev_state) {
  return ev::sched_switch(at(time), {.prev_tid = kTid, .prev_state = prev_state, .next_tid = 0});
}
Event in(std::int64_t time) {
  return ev::sched_switch({time, 1, 0}, {.prev_tid = 0, .prev_state = 0, .next_tid = kTid});
}
Event waking(std::int64_t time) {
  return ev::sched_waking({time, 0, 7}, {.tid = kTid, .target_cpu = 1});
}

TEST(Exits, FromTheExitRecordToTheNextEntry) {
  Rig rig;
  rig << entry(10) << svm(20, 0x72) << entry(35);
  EXPECT_EQ(rig.rows(40), "20-35 CPUID emulation h15");
  EXPECT_EQ(rig.complete(), "c");
}

TEST(Exits, PartsOfAPolledHalt) {
  Rig rig;
  rig << entry(10) << svm(20, 0x78) << out(40, 1) << waking(80) << in(85)
      << ev::kvm_vcpu_wakeup(at(90), 65, true) << entry(95);
  EXPECT_EQ(rig.rows(99), "20-95 HLT idle h15 s40 p15 t5");
}

TEST(Exits, PartsOfAnExitToTheVmmWithPreemption) {
  Rig rig;
  rig << entry(10) << svm(20, 0x7b, std::int64_t{0x3f80000}) << ev::kvm_userspace_exit(at(25), 2)
      << out(40, 0x100) << in(50) << ev::make(EventKind::kKvmFpu, at(60), {{"load", 1}})
      << entry(63);
  EXPECT_EQ(rig.rows(70), "20-63 IOIO io 0x3f8 h8 u25 t10");
}

TEST(Exits, InterruptsAndPageInsAreTheRest) {
  Rig rig;
  rig << entry(10) << svm(20, 0x400, {}, std::int64_t{0xfee00000}) << ev::irq_entry(at(22), 3)
      << ev::irq_exit(at(26), 3) << out(30, 2) << waking(60) << in(61) << entry(70);
  EXPECT_EQ(rig.rows(80), "20-70 NPF memory 0xfee00000 h15 t1");
}

TEST(Exits, TheRecordMayComeAfterTheExit) {
  Rig rig;
  rig << entry(10) << ev::hrtimer_expire_entry(at(20)) << ev::hrtimer_expire_exit(at(25))
      << svm(30, 0x60) << entry(40);
  EXPECT_EQ(rig.rows(50), "30-40 INTR host-irq h10");
}

TEST(Exits, WithoutANextEntryToTheEndOfTheVcpu) {
  Rig rig;
  rig << entry(10) << svm(20, 0x60) << ev::sched_process_exit(at(50), {.tid = kTid});
  EXPECT_EQ(rig.rows(80), "20-50 INTR host-irq h30");
  EXPECT_EQ(rig.complete(), "x");
}

TEST(Exits, WithoutANextEntryToTheEndOfTheTrace) {
  Rig rig;
  rig << entry(10) << svm(20, 0x60);
  EXPECT_EQ(rig.rows(80), "20-80 INTR host-irq h60");
  EXPECT_EQ(rig.complete(), "x");
}

TEST(Exits, ALossWindowEndsIt) {
  Rig rig;
  rig << entry(10) << svm(20, 0x60);
  rig.lose(30, 40);
  rig << entry(60);
  EXPECT_EQ(rig.rows(80), "20-30 INTR host-irq h10");
  EXPECT_EQ(rig.complete(), "x");
}

TEST(Exits, TwoExitsWithoutAnEntryDoNotOverlap) {
  Rig rig;
  rig << entry(10) << svm(20, 0x60) << svm(30, 0x78) << entry(50);
  EXPECT_EQ(rig.rows(80), "20-30 INTR host-irq h10; 30-50 HLT idle h20");
  EXPECT_EQ(rig.complete(), "xc");
}

TEST(Exits, RefinedByWhatWasDone) {
  const auto msr = [](std::int64_t time, std::int64_t number, int write) {
    return ev::make(EventKind::kKvmMsr, at(time), {{"write", write}, {"ecx", number}});
  };
  Rig rig;
  rig << entry(0) << svm(10, 0x7c) << msr(11, 0x6e0, 1) << entry(20) << svm(30, 0x7c)
      << msr(31, 0x830, 1) << entry(40) << svm(50, 0x7c) << msr(51, 0x6e0, 0) << entry(60)
      << svm(70, 0x81) << ev::make(EventKind::kKvmHypercall, at(71), {{"nr", 10}}) << entry(80)
      << svm(90, 0x400, {}, std::int64_t{0x1000})
      << ev::make(EventKind::kKvmMmio, at(91), {{"gpa", 0xfebf7004}}) << entry(100)
      << vmx(110, 0, {}, 0x80000202) << entry(120) << vmx(130, 56, 0x300) << entry(140)
      << vmx(150, 1, {}, 0x800000ec) << entry(160) << vmx(170, 56, 0x380) << entry(180);
  EXPECT_EQ(
      rig.rows(190),
      "10-20 MSR timer 0x6e0 h10; 30-40 MSR ipi-send 0x830 h10; 50-60 MSR emulation 0x6e0 h10; "
      "70-80 VMMCALL ipi-send 0xa h10; 90-100 NPF io 0xfebf7004 h10; "
      "110-120 EXCEPTION_NMI host-irq h10; 130-140 APIC_WRITE ipi-send 0x300 h10; "
      "150-160 EXTERNAL_INTERRUPT host-irq 0xec h10; 170-180 APIC_WRITE irq-window 0x380 h10");
}

TEST(Exits, APointerIsNoGuestAddress) {
  Rig rig;
  rig << entry(0) << vmx(10, 48)
      << ev::make(EventKind::kKvmPageFault, at(11),
                  {{"fault_address", std::uint64_t{0xffff888012345000}}})
      << entry(20) << vmx(30, 48)
      << ev::make(EventKind::kKvmPageFault, at(31), {{"fault_address", 0x7000}}) << entry(40);
  EXPECT_EQ(rig.rows(50), "10-20 EPT_VIOLATION memory h10; 30-40 EPT_VIOLATION memory 0x7000 h10");
}

TEST(Exits, UnknownNumbersAndInstructionSets) {
  Rig rig;
  rig << entry(0) << svm(10, 0x999) << entry(20) << ev::kvm_exit(at(30), {.reason = 120})
      << entry(40) << ev::make(EventKind::kKvmExit, at(50), {{"exit_reason", 2}, {"esr_ec", 1}})
      << entry(60) << ev::make(EventKind::kKvmExit, at(70), {{"exit_reason", 0}, {"esr_ec", 0}})
      << entry(80) << svm(90, -1) << entry(100);
  EXPECT_EQ(rig.rows(110),
            "10-20 0x999 emulation h10; 30-40 120 unknown h10; 50-60 WFx idle h10; "
            "70-80 IRQ host-irq h10; 90-100 ERR emulation h10");
}

}  // namespace
}  // namespace vs::analysis::exits
