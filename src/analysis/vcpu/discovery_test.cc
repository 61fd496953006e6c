#include "analysis/vcpu/discovery.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/support/events.h"

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
namespace ev = test::events;

/// "167{0:175 1:176} 200{0:300?}" in the order of the result; -1 when the VMM is not known.
std::string describe(const std::vector<model::FoundVm>& vms) {
  std::string text;
  for (const model::FoundVm& vm : vms) {
    text += (text.empty() ? "" : " ") + vm.name + std::to_string(vm.vmm_pid) + "{";
    std::string inner;
    for (const model::FoundVcpu& vcpu : vm.vcpus) {
      inner += (inner.empty() ? "" : " ") + std::to_string(vcpu.id) + ":";
      for (std::size_t i = 0; i < vcpu.threads.size(); ++i) {
        inner += (i == 0 ? "" : ",") + std::to_string(vcpu.threads[i].tid);
      }
      if (vcpu.guessed) inner += "?";
    }
    text += inner + "}";
  }
  return text;
}

class Rig {
 public:
  Rig& operator<<(const Event& event) {
    discovery_.on_events({&event, 1}, event.cpu);
    return *this;
  }
  std::string vms(std::vector<VmHint> hints = {}) {
    return describe(discovery_.finish(std::move(hints)));
  }
  Discovery& discovery() { return discovery_; }

  /// Entry, exit and entry again of a vCPU thread whose exit tells its number.
  Rig& runs(std::int32_t tid, std::int64_t id, std::int64_t time = 10, std::uint32_t cpu = 0) {
    *this << ev::kvm_entry({time, cpu, tid}, id)
          << ev::kvm_exit({time + 5, cpu, tid}, {.reason = 0x78, .isa = 2, .vcpu = id})
          << ev::kvm_entry({time + 9, cpu, tid}, id);
    return *this;
  }

 private:
  Discovery discovery_;
};

TEST(Discovery, NothingIsNoVm) {
  Rig rig;
  rig << ev::sched_switch({5, 0}, {.prev_tid = 7, .prev_state = 0, .next_tid = 8});
  EXPECT_EQ(rig.vms(), "");
}

TEST(Discovery, NeighboursWithRisingNumbersAreOneVm) {
  Rig rig;
  rig.runs(175, 0).runs(176, 1).runs(177, 2);
  EXPECT_EQ(rig.vms(), "-1{0:175 1:176 2:177}");
}

TEST(Discovery, ARepeatedNumberIsAnotherVm) {
  Rig rig;
  rig.runs(180, 0).runs(181, 1).runs(189, 0).runs(190, 1);
  EXPECT_EQ(rig.vms(), "-1{0:180 1:181} -1{0:189 1:190}");
}

TEST(Discovery, InterleavedStartsGoToTheNearest) {
  Rig rig;
  rig.runs(100, 0).runs(101, 0).runs(102, 1).runs(103, 1);
  EXPECT_EQ(rig.vms(), "-1{0:100 1:103} -1{0:101 1:102}");
}

TEST(Discovery, FarAwayIsAnotherVm) {
  Rig rig;
  rig.runs(180, 0).runs(5000, 1);
  EXPECT_EQ(rig.vms(), "-1{0:180} -1{1:5000}");
}

TEST(Discovery, AHelperThatAVcpuWakesTellsTheVmm) {
  Rig rig;
  rig.runs(190, 0).runs(191, 0) << ev::sched_waking({30, 0, 190}, {.tid = 200, .comm = "vhost-178"})
                                << ev::sched_waking({31, 0, 191},
                                                    {.tid = 201, .comm = "vhost-172"});
  EXPECT_EQ(rig.vms(), "178{0:190} 172{0:191}");
}

TEST(Discovery, AHelperThatWakesAVcpuTellsTheVmm) {
  Rig rig;
  rig << ev::sched_switch(
             {5, 1}, {.prev_tid = 0, .prev_state = 0, .next_tid = 200, .next_comm = "vhost-178"})
      << ev::sched_waking({6, 1, 200}, {.tid = 190, .comm = "CPU 0/KVM"});
  rig.runs(190, 0);
  EXPECT_EQ(rig.vms(), "178{0:190}");
}

TEST(Discovery, AWakeUpInAnInterruptTellsNothing) {
  Rig rig;
  rig.runs(190, 0).runs(300, 0) << ev::softirq_entry({30, 0, 190}, 3)
                                << ev::sched_waking({31, 0, 190}, {.tid = 200, .comm = "vhost-1"})
                                << ev::softirq_exit({32, 0, 190}, 3);
  EXPECT_EQ(rig.vms(), "-1{0:190} -1{0:300}");
}

TEST(Discovery, HelpersInTheOrderOfTheVmms) {
  Rig rig;
  rig.runs(180, 0).runs(181, 1).runs(189, 0)
      << ev::sched_switch(
             {5, 1}, {.prev_tid = 0, .prev_state = 0, .next_tid = 194, .next_comm = "vhost-176"})
      << ev::sched_switch({6, 1}, {.prev_tid = 194,
                                   .prev_state = 1,
                                   .next_tid = 185,
                                   .prev_comm = "vhost-176",
                                   .next_comm = "vhost-168"});
  EXPECT_EQ(rig.vms(), "168{0:180 1:181} 176{0:189}");
}

TEST(Discovery, HelpersThatDoNotMatchNameNobody) {
  Rig rig;
  rig.runs(180, 0).runs(189, 0) << ev::sched_switch(
      {5, 1}, {.prev_tid = 0, .prev_state = 0, .next_tid = 194, .next_comm = "vhost-176"});
  EXPECT_EQ(rig.vms(), "-1{0:180} -1{0:189}");
}

TEST(Discovery, AStateDumpTellsTheThreadGroup) {
  Rig rig;
  for (const auto& [tid, pid] : {std::pair{180, 168}, {190, 168}, {181, 176}, {191, 176}}) {
    rig << ev::make(EventKind::kStatedumpProcess, {1, 0}, {{"tid", tid}, {"pid", pid}});
  }
  rig.runs(180, 0).runs(181, 0).runs(190, 1).runs(191, 1);
  EXPECT_EQ(rig.vms(), "168{0:180 1:190} 176{0:181 1:191}");
}

TEST(Discovery, ThreadCreationTellsTheThreadGroup) {
  Rig rig;
  const auto clone = [](std::int64_t time, std::int32_t parent, std::int32_t child,
                        unsigned flags) {
    return ev::make(EventKind::kTaskNewtask, {time, 0, parent},
                    {{"tid", child}, {"clone_flags", flags}});
  };
  rig << clone(1, 50, 168, 0) << clone(2, 168, 170, 0x10000) << clone(3, 170, 180, 0x10000)
      << clone(4, 170, 900, 0x10000);
  rig.runs(180, 0).runs(900, 1);
  EXPECT_EQ(rig.vms(), "168{0:180 1:900}");
}

TEST(Discovery, ForksOfLttngTellTheThreadGroup) {
  Rig rig;
  rig << ev::sched_process_fork(
             {1, 0, 168},
             {.parent_tid = 168, .child_tid = 180, .parent_tgid = 168, .child_tgid = 168})
      << ev::sched_process_fork(
             {2, 0, 168},
             {.parent_tid = 168, .child_tid = 900, .parent_tgid = 168, .child_tgid = 168});
  rig.runs(180, 0).runs(900, 1);
  EXPECT_EQ(rig.vms(), "168{0:180 1:900}");
}

// ftrace has one number for thread and process: what it says of a child is no thread group.
TEST(Discovery, ForksOfFtraceLinkButDoNotName) {
  Rig rig;
  for (const std::int32_t child : {180, 900}) {
    rig << ev::sched_process_fork(
        {1, 0, 168},
        {.parent_tid = 168, .child_tid = child, .parent_tgid = 168, .child_tgid = child});
  }
  rig.runs(180, 0).runs(900, 1);
  EXPECT_EQ(rig.vms(), "-1{0:180 1:900}");
}

TEST(Discovery, WhoExecsLeadsItsThreads) {
  Rig rig;
  rig << ev::sched_process_exec({1, 0, 206}, {.tid = 206, .filename = "/usr/bin/qemu"})
      << ev::make(EventKind::kTaskNewtask, {2, 0, 206}, {{"tid", 222}, {"clone_flags", 0x10f00}});
  rig.runs(222, 0);
  EXPECT_EQ(rig.vms(), "206{0:222}");
}

TEST(Discovery, AnIpiThatWakesTellsOneVm) {
  Rig rig;
  rig.runs(180, 0).runs(7000, 1) << ev::make(EventKind::kKvmApicIpi, {30, 0, 180}, {{"dest_id", 1}})
                                 << ev::sched_waking({31, 0, 180},
                                                     {.tid = 7000, .comm = "CPU 1/KVM"});
  EXPECT_EQ(rig.vms(), "-1{0:180 1:7000}");
}

TEST(Discovery, NoLinkJoinsTwoThatRunTheSameNumberAtOnce) {
  Rig rig;
  rig.runs(180, 0).runs(190, 0) << ev::make(EventKind::kKvmApicIpi, {30, 0, 180}, {{"dest_id", 1}})
                                << ev::sched_waking({31, 0, 180},
                                                    {.tid = 190, .comm = "CPU 0/KVM"});
  EXPECT_EQ(rig.vms(), "-1{0:180} -1{0:190}");
}

TEST(Discovery, TheCapturesSnapshotDecides) {
  Rig rig;
  rig.runs(180, 0).runs(181, 1).runs(182, 0).runs(183, 1);
  EXPECT_EQ(rig.vms({{168, "web", {{0, 180}, {1, 183}}}, {176, "db", {{0, 182}, {1, 181}}}}),
            "web168{0:180 1:183} db176{0:182 1:181}");
}

TEST(Discovery, AnEntryThatCarriesAPointerIsNoNumber) {
  Rig rig;
  rig << ev::kvm_entry({10, 0, 180}, 0x1c30000)
      << ev::kvm_exit({15, 0, 180}, {.reason = 1, .isa = 1, .vcpu = 3});
  EXPECT_TRUE(rig.discovery().entry_ids_are_pointers());
  EXPECT_EQ(rig.vms(), "-1{3:180}");
}

TEST(Discovery, AnEntryThatContradictsTheExitIsNoNumber) {
  Rig rig;
  rig << ev::kvm_entry({10, 0, 180}, 17)
      << ev::kvm_exit({15, 0, 180}, {.reason = 1, .isa = 1, .vcpu = 3});
  EXPECT_EQ(rig.vms(), "-1{3:180}");
}

TEST(Discovery, BeforeExitsHadNumbersTheEntryTells) {
  Rig rig;
  rig << ev::kvm_entry({10, 0, 180}, 1) << ev::kvm_exit({15, 0, 180}, {.reason = 1, .isa = 1});
  EXPECT_EQ(rig.vms(), "-1{1:180}");
}

TEST(Discovery, TheThreadsNameTells) {
  for (const std::string_view name : {"CPU 2/KVM", "fc_vcpu 2", "crosvm_vcpu2", "vcpu2"}) {
    Rig rig;
    rig << ev::kvm_entry({10, 0, 180})
        << ev::sched_switch({20, 0},
                            {.prev_tid = 180, .prev_state = 1, .next_tid = 0, .prev_comm = name});
    EXPECT_EQ(rig.vms(), "-1{2:180}") << name;
  }
}

TEST(Discovery, WithoutAnyNumberTheNextFreeOneIsGuessed) {
  Rig rig;
  rig << ev::kvm_entry({10, 0, 180}) << ev::kvm_entry({11, 1, 181}) << ev::kvm_entry({12, 2, 900});
  EXPECT_EQ(rig.vms(), "-1{0:180? 1:181?} -1{0:900?}");
}

TEST(Discovery, EmulatingBackendsHaveNoEntries) {
  for (const EventKind kind : {EventKind::kKvmEmulateInsn, EventKind::kKvmVcpuWakeup,
                               EventKind::kKvmPio, EventKind::kKvmApic}) {
    Rig rig;
    rig << ev::make(kind, {10, 0, 180});
    EXPECT_EQ(rig.vms(), "-1{0:180?}");
  }
  Rig rig;
  rig << ev::make(EventKind::kKvmFpu, {10, 0, 180}, {{"load", 1}})
      << ev::make(EventKind::kKvmFpu, {10, 0, 181}, {{"load", 0}});
  EXPECT_EQ(rig.vms(), "-1{0:180?}");
}

TEST(Discovery, ReplacedThreadOfOneProcessIsTheSameVcpu) {
  Rig rig;
  for (const std::int32_t tid : {180, 400}) {
    rig << ev::make(EventKind::kStatedumpProcess, {1, 0}, {{"tid", tid}, {"pid", 168}});
  }
  rig.runs(180, 0, 10).runs(400, 0, 100);
  EXPECT_EQ(rig.vms(), "168{0:180,400}");
}

TEST(Discovery, AMigrationToAnotherProcessIsAnotherVm) {
  Rig rig;
  rig << ev::make(EventKind::kStatedumpProcess, {1, 0}, {{"tid", 177}, {"pid", 169}})
      << ev::make(EventKind::kStatedumpProcess, {1, 0}, {{"tid", 278}, {"pid", 272}});
  rig.runs(177, 0, 10).runs(278, 0, 100);
  EXPECT_EQ(rig.vms(), "169{0:177} 272{0:278}");
}

TEST(Discovery, AThreadIdUsedAgainIsAnotherThread) {
  Rig rig;
  rig.runs(180, 0, 10);
  rig << ev::sched_process_exit({50, 0, 180}, {.tid = 180});
  rig.runs(180, 3, 100);
  EXPECT_EQ(rig.vms(), "-1{0:180} -1{3:180}");
}

TEST(Discovery, WithoutThreadContextTheSwitchesTell) {
  Rig rig;
  rig << ev::kvm_entry({10, 2, model::kNoTid}, 0x123456)
      << ev::kvm_exit({15, 2, model::kNoTid}, {.reason = 1, .isa = 1, .vcpu = 4})
      << ev::make(EventKind::kSchedSwitch, {20, 2, model::kNoTid},
                  {{"prev_tid", 180}, {"prev_state", 1}, {"next_tid", 190}})
      << ev::kvm_exit({25, 2, model::kNoTid}, {.reason = 1, .isa = 1, .vcpu = 5});
  EXPECT_EQ(rig.discovery().first_tids().at(2), 180);
  EXPECT_EQ(rig.vms(), "-1{4:180 5:190}");
}

TEST(Discovery, AfterALossTheThreadIsUnknownAgain) {
  Rig rig;
  rig << ev::make(EventKind::kSchedSwitch, {5, 0, model::kNoTid},
                  {{"prev_tid", 7}, {"next_tid", 180}})
      << ev::loss({6, 0}, {.end_own = 9})
      << ev::kvm_exit({25, 0, model::kNoTid}, {.reason = 1, .isa = 1, .vcpu = 5});
  EXPECT_EQ(rig.vms(), "");
}

// Any sequence of events is survived, and each thread is found at most once per VM and number.
TEST(Discovery, ArbitraryEvents) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 40; ++round) {
    Discovery discovery;
    for (int i = 0; i < 2000; ++i) {
      Event event;
      event.kind = static_cast<EventKind>(random() % model::kEventKindCount);
      event.own = OwnTime{i};
      event.cpu = static_cast<std::uint32_t>(random() % 4);
      event.tid = static_cast<std::int32_t>(random() % 40) - 2;
      event.present = static_cast<std::uint16_t>(random());
      for (auto& value : event.args) {
        value = random() % 3 == 0 ? random() : random() % 40;
      }
      event.texts[0] = random() % 2 == 0 ? "vhost-3" : "CPU 1/KVM";
      discovery.on_events({&event, 1}, event.cpu);
    }
    for (const model::FoundVm& vm : discovery.finish({})) {
      EXPECT_FALSE(vm.vcpus.empty());
      for (std::size_t i = 0; i + 1 < vm.vcpus.size(); ++i) {
        EXPECT_LT(vm.vcpus[i].id, vm.vcpus[i + 1].id);
      }
    }
  }
}

}  // namespace
}  // namespace vs::analysis::vcpu
