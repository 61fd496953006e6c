#include "analysis/fused/fusion.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>

#include "analysis/vcpu/state.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::fused {
namespace {

using kernel::CpuView;
using model::Event;
using model::EventKind;
using model::MachineIndex;
using model::PcpuState;
using model::VcpuState;
namespace ev = test::events;

struct VmSpec {
  MachineIndex parent = 0;
  std::vector<std::int32_t> tids;
  bool traced = false;
};

/// Machines: the hosts first ("h0", ...), then the VMs ("vm0", ...).
model::Experiment experiment_of(std::size_t hosts, const std::vector<VmSpec>& vms) {
  model::Experiment experiment;
  for (std::size_t i = 0; i < hosts; ++i) {
    model::Machine& host = experiment.machines.emplace_back();
    host.name = "h" + std::to_string(i);
    host.traces = {i};
  }
  for (std::size_t i = 0; i < vms.size(); ++i) {
    model::Machine& vm = experiment.machines.emplace_back();
    vm.name = "vm" + std::to_string(i);
    vm.kind = model::MachineKind::kVm;
    vm.parent = vms[i].parent;
    if (vms[i].traced) vm.traces = {hosts + i};
    for (std::size_t v = 0; v < vms[i].tids.size(); ++v) {
      const auto id = static_cast<std::int32_t>(v);
      vm.vcpus.push_back(
          {id, {{vms[i].tids[v], OwnTime{0}, OwnTime{1LL << 50}}}, vms[i].traced ? id : -1});
    }
  }
  return experiment;
}

/// Wires HostVcpus of the given hosts to a Fusion, as the session does.
class Rig : public EffectiveSink {
 public:
  Rig(model::Experiment experiment, const std::vector<MachineIndex>& hosts)
      : experiment_(std::move(experiment)), fusion_(experiment_, sink_, this), hosts_(hosts) {
    for (const MachineIndex host : hosts) {
      vcpus_.try_emplace(host, experiment_, host, sink_,
                         std::vector<vcpu::VcpuObserver*>{&fusion_});
    }
  }
  void set_effective(HostTime time, MachineIndex machine, std::uint32_t cpu,
                     model::Effective effective) override {
    effective_ += std::to_string(time.ns) + ":" + experiment_.machines[machine].name + "/" +
                  std::to_string(cpu) + "=" +
                  std::string(model::effective_names()[static_cast<std::size_t>(effective)]) + " ";
  }
  void event(const Event& event, MachineIndex host = 0) {
    vcpus_.at(host).on_event(HostTime{event.own.value}, event);
  }
  void view(std::int64_t time, std::uint32_t cpu, std::int32_t tid, MachineIndex machine = 0) {
    CpuView& now = views_[{machine, cpu}];
    now = {};
    now.tid = tid;
    now.state = tid < 0 ? PcpuState::kUnknown : tid == 0 ? PcpuState::kIdle : PcpuState::kUser;
    now.comm = tid < 0 ? model::kNull : sink_.intern("t" + std::to_string(tid));
    fusion_.cpu_observer(machine).on_cpu_change(HostTime{time}, cpu, now);
  }
  /// A sched_switch on a host: the kernel's view and the vCPUs' in either order (set_view_first).
  void switch_to(std::int64_t time, std::uint32_t cpu, std::int32_t prev, std::int64_t prev_state,
                 std::int32_t next, MachineIndex host = 0) {
    if (view_first_) view(time, cpu, next, host);
    event(ev::sched_switch({time, cpu, prev},
                           {.prev_tid = prev, .prev_state = prev_state, .next_tid = next}),
          host);
    if (!view_first_) view(time, cpu, next, host);
  }
  void set_view_first(bool first) { view_first_ = first; }
  void lose(std::int64_t begin, std::int64_t end, std::uint32_t cpu, MachineIndex host = 0) {
    vcpus_.at(host).on_loss(HostTime{begin}, HostTime{end}, cpu);
    CpuView& now = views_[{host, cpu}];
    now = {};
    now.lossy = true;
    fusion_.cpu_observer(host).on_cpu_change(HostTime{begin}, cpu, now);
  }
  void finish(std::int64_t end) {
    for (const MachineIndex host : hosts_) {
      vcpus_.at(host).finish(HostTime{end});
      fusion_.finish(host, HostTime{end});
    }
  }

  /// "10-20 guest vm0/0 t7", ...
  std::string fused(const std::string& host, std::int64_t cpu) {
    std::string text;
    for (const auto& row : sink_.rows(model::TableId::kFusedCpu, {sink_.intern(host), cpu})) {
      text += (text.empty() ? "" : "; ") + times(row) + " " + fused_key(row.values);
    }
    return text;
  }
  std::string fused_key(const std::vector<std::int64_t>& v) {
    std::string text(
        model::fused_condition_names()[static_cast<std::size_t>(v[model::slot::kFcCondition])]);
    return text + " " +
           who(v[model::slot::kFcMachine], v[model::slot::kFcVcpu], v[model::slot::kFcTid],
               v[model::slot::kFcComm]) +
           (v[model::slot::kFcLossy] != 0 ? " lossy" : "");
  }
  std::string preemption(const std::string& vm, std::int64_t vcpu) {
    std::string text;
    for (const auto& row : sink_.rows(model::TableId::kPreemption, {sink_.intern(vm), vcpu})) {
      text += (text.empty() ? "" : "; ") + times(row) + " " + preemption_key(row.values);
    }
    return text;
  }
  std::string preemption_key(const std::vector<std::int64_t>& v) {
    std::string text(
        model::preemption_kind_names()[static_cast<std::size_t>(v[model::slot::kPrKind])]);
    text += "@" + number(v[model::slot::kPrPcpu]);
    if (v[model::slot::kPrTid] != model::kNull) text += " of " + number(v[model::slot::kPrTid]);
    return text + " by " +
           who(v[model::slot::kPrByMachine], v[model::slot::kPrByVcpu], v[model::slot::kPrByTid],
               v[model::slot::kPrByComm]);
  }
  test::VectorSink& sink() { return sink_; }
  [[nodiscard]] const std::string& effective() const { return effective_; }

 private:
  static std::string number(std::int64_t value) {
    return value == model::kNull ? "-" : std::to_string(value);
  }
  static std::string times(const test::VectorSink::Interval& row) {
    return std::to_string(row.begin.ns) + "-" + std::to_string(row.end.ns);
  }
  std::string who(std::int64_t machine, std::int64_t vcpu, std::int64_t tid, std::int64_t comm) {
    if (machine == model::kNull) {
      EXPECT_EQ(vcpu, model::kNull);
      EXPECT_EQ(tid, model::kNull);
      EXPECT_EQ(comm, model::kNull);
      return "nobody";
    }
    std::string text = sink_.text(machine);
    if (vcpu != model::kNull) text += "/" + number(vcpu);
    return text + " " + number(tid);
  }

  model::Experiment experiment_;
  test::VectorSink sink_;
  Fusion fusion_;
  std::vector<MachineIndex> hosts_;
  std::map<std::pair<MachineIndex, std::uint32_t>, CpuView> views_;  // what kernels would hold
  std::map<MachineIndex, vcpu::HostVcpus> vcpus_;
  std::string effective_;
  bool view_first_ = true;
};

Event entry(std::int64_t time, std::int32_t tid, std::uint32_t cpu = 0) {
  return ev::kvm_entry({time, cpu, tid});
}
Event exit(std::int64_t time, std::int32_t tid, std::int64_t reason = 0x60, std::uint32_t cpu = 0) {
  return ev::kvm_exit({time, cpu, tid}, {.reason = reason, .isa = 2});
}
Event waking(std::int64_t time, std::int32_t tid, std::int64_t target = 0) {
  return ev::sched_waking({time, 9, 7}, {.tid = tid, .target_cpu = target});
}

// J.4: two VMs with one vCPU each, both with a CPU hog, on one pCPU. What one gets the other is
// robbed of.
TEST(Fusion, TwoHogsOnOnePcpuAreComplementary) {
  Rig rig(experiment_of(1, {{0, {100}}, {0, {200}}}), {0});
  rig.switch_to(10, 0, 0, 0, 100);
  rig.event(entry(12, 100));
  rig.event(exit(50, 100));
  rig.switch_to(55, 0, 100, 0x100, 200);
  rig.event(entry(60, 200));
  rig.event(exit(90, 200));
  rig.switch_to(95, 0, 200, 0x100, 100);
  rig.event(entry(97, 100));
  rig.finish(120);
  EXPECT_EQ(rig.fused("h0", 0),
            "10-12 host h0 100; 12-50 guest vm0/0 100; 50-55 hypervisor vm0/0 100; "
            "55-60 host h0 200; 60-90 guest vm1/0 200; 90-95 hypervisor vm1/0 200; "
            "95-97 hypervisor vm0/0 100; 97-120 guest vm0/0 100");
  EXPECT_EQ(rig.preemption("vm0", 0), "55-95 preempted@0 by vm1/0 200");
  EXPECT_EQ(rig.preemption("vm1", 0), "95-120 preempted@0 by vm0/0 100");
}

TEST(Fusion, VoluntaryHaltRobsNobody) {
  Rig rig(experiment_of(1, {{0, {100}}}), {0});
  rig.switch_to(5, 0, 0, 0, 100);
  rig.event(entry(10, 100));
  rig.event(exit(20, 100, 0x78));
  rig.switch_to(25, 0, 100, 1, 50);
  rig.event(waking(60, 100));
  rig.switch_to(70, 0, 50, 1, 100);
  rig.event(entry(75, 100));
  rig.finish(90);
  EXPECT_EQ(rig.preemption("vm0", 0), "60-70 waking@0 by h0 50");
}

TEST(Fusion, WaitingOnAnIdleOrUnknownPcpuHasNoCulprit) {
  Rig rig(experiment_of(1, {{0, {100}}}), {0});
  rig.switch_to(5, 0, 0, 0, 100);
  rig.event(entry(10, 100));
  rig.event(exit(20, 100, 0x78));
  rig.switch_to(25, 0, 100, 1, 0);
  rig.event(waking(40, 100));
  rig.view(50, 0, -1);
  rig.view(60, 0, 33);
  rig.switch_to(70, 0, 33, 1, 100);
  rig.finish(90);
  EXPECT_EQ(rig.preemption("vm0", 0), "40-60 waking@0 by nobody; 60-70 waking@0 by h0 33");
}

TEST(Fusion, TheRowFollowsTheOccupantAndTheQueue) {
  Rig rig(experiment_of(1, {{0, {100}, true}, {0, {200, 201}, true}}), {0});
  rig.view(1, 0, 5, 1);   // guest vm0: thread 5
  rig.view(1, 0, 70, 2);  // guest vm1, CPU 0: thread 70
  rig.switch_to(5, 0, 0, 0, 100);
  rig.switch_to(6, 1, 0, 0, 77);
  rig.event(entry(10, 100));
  rig.event(exit(20, 100));
  rig.switch_to(25, 0, 100, 0x100, 200);
  rig.event(entry(27, 200));
  rig.view(30, 0, 71, 2);  // the culprit's guest switches to thread 71
  rig.event(ev::make(EventKind::kSchedMigrateTask, {40, 3, 9},
                     {{"tid", 100}, {"orig_cpu", 0}, {"dest_cpu", 1}}));
  rig.switch_to(50, 1, 77, 1, 100);
  rig.event(entry(55, 100, 1));
  rig.finish(60);
  EXPECT_EQ(rig.preemption("vm0", 0),
            "25-30 preempted@0 of 5 by vm1/0 70; 30-40 preempted@0 of 5 by vm1/0 71; "
            "40-50 preempted@1 of 5 by h0 77");
  EXPECT_EQ(rig.effective().substr(0, rig.effective().find("vm1")),
            "5:vm0/0=waiting 10:vm0/0=running 20:vm0/0=hypervisor 25:vm0/0=deprived 25:");
}

TEST(Fusion, AGuestInRootModeKeepsItsThread) {
  Rig rig(experiment_of(1, {{0, {100}, true}}), {0});
  rig.view(1, 0, 5, 1);
  rig.switch_to(5, 0, 0, 0, 100);
  rig.event(entry(10, 100));
  rig.view(15, 0, 6, 1);
  rig.event(exit(20, 100));
  rig.event(entry(30, 100));
  rig.finish(40);
  EXPECT_EQ(rig.fused("h0", 0),
            "5-10 host h0 100; 10-15 guest vm0/0 5; 15-20 guest vm0/0 6; "
            "20-30 hypervisor vm0/0 6; 30-40 guest vm0/0 6");
}

TEST(Fusion, EffectiveStates) {
  EXPECT_EQ(effective_of(VcpuState::kGuest), model::Effective::kRunning);
  for (const VcpuState state : {VcpuState::kHypervisor, VcpuState::kUserspace, VcpuState::kHostIrq,
                                VcpuState::kPolling, VcpuState::kEmulated}) {
    EXPECT_EQ(effective_of(state), model::Effective::kHypervisor);
  }
  EXPECT_EQ(effective_of(VcpuState::kPreempted), model::Effective::kDeprived);
  EXPECT_EQ(effective_of(VcpuState::kWaking), model::Effective::kDeprived);
  for (const VcpuState state : {VcpuState::kOff, VcpuState::kUnknown, VcpuState::kHalted,
                                VcpuState::kBlocked, VcpuState::kStopped}) {
    EXPECT_EQ(effective_of(state), model::Effective::kWaiting);
  }
}

TEST(Fusion, TwoHostsDoNotMix) {
  Rig rig(experiment_of(2, {{0, {100}}, {1, {100}}}), {0, 1});
  rig.switch_to(5, 0, 0, 0, 100, 0);
  rig.switch_to(6, 0, 0, 0, 100, 1);
  rig.event(entry(10, 100), 0);
  rig.event(entry(11, 100), 1);
  rig.event(exit(20, 100), 1);
  rig.switch_to(22, 0, 100, 0, 44, 1);
  rig.finish(30);
  EXPECT_EQ(rig.fused("h0", 0), "5-10 host h0 100; 10-30 guest vm0/0 100");
  EXPECT_EQ(
      rig.fused("h1", 0),
      "6-11 host h1 100; 11-20 guest vm1/0 100; 20-22 hypervisor vm1/0 100; 22-30 host h1 44");
  EXPECT_EQ(rig.preemption("vm0", 0), "");
  EXPECT_EQ(rig.preemption("vm1", 0), "22-30 preempted@0 by h1 44");
}

// h0 hosts vm0, and vm0, traced, hosts vm1 on the thread 500 of its own.
TEST(Fusion, TheNestedGuestIsOnThePcpu) {
  Rig rig(experiment_of(1, {{0, {100}, true}, {1, {500}, false}}), {0, 1});
  rig.switch_to(5, 0, 0, 0, 100, 0);
  rig.event(entry(10, 100), 0);
  rig.switch_to(12, 0, 7, 0, 500, 1);
  rig.event(entry(15, 500), 1);
  rig.event(exit(25, 500), 1);
  rig.switch_to(28, 0, 500, 0x100, 8, 1);
  rig.switch_to(32, 0, 8, 1, 500, 1);
  rig.event(entry(34, 500), 1);
  rig.event(exit(40, 100), 0);
  rig.finish(50);
  EXPECT_EQ(rig.fused("h0", 0),
            "5-10 host h0 100; 10-12 guest vm0/0 100; 12-15 guest vm0/0 500; "
            "15-25 guest vm1/0 500; 25-28 hypervisor vm1/0 500; 28-32 guest vm0/0 8; 32-34 "
            "hypervisor vm1/0 500; "
            "34-40 guest vm1/0 500; 40-50 hypervisor vm0/0 500");
  EXPECT_EQ(rig.preemption("vm1", 0), "28-32 preempted@0 by vm0 8");
}

TEST(Fusion, ALossWindowMakesThePcpuUnknown) {
  Rig rig(experiment_of(1, {{0, {100}}}), {0});
  rig.switch_to(5, 0, 0, 0, 100);
  rig.event(entry(10, 100));
  rig.lose(20, 30, 0);
  rig.switch_to(40, 0, 44, 0x100, 100);
  rig.event(entry(45, 100));
  rig.finish(50);
  EXPECT_EQ(rig.fused("h0", 0),
            "5-10 host h0 100; 10-20 guest vm0/0 100; 20-40 unknown nobody lossy; "
            "40-45 hypervisor vm0/0 100 lossy; 45-50 guest vm0/0 100");
}

// A thread that is a vCPU's, before anything tells what it does.
TEST(Fusion, AVcpuThreadCulpritCountsForItsVmBeforeItsFirstEntry) {
  Rig rig(experiment_of(1, {{0, {100}}, {0, {200}}}), {0});
  rig.switch_to(5, 0, 0, 0, 100);
  rig.event(entry(10, 100));
  rig.event(exit(20, 100));
  rig.switch_to(25, 0, 100, 0x100, 200);
  rig.finish(50);
  EXPECT_EQ(rig.preemption("vm0", 0), "25-50 preempted@0 by vm1/0 200");
}

// ---- random schedules whose truth is known ----

/// Makes events of a host with `kPcpus` processors, two VMs of two vCPUs (the first one traced) and
/// host tasks, and keeps the books of what was really true.
class World {
 public:
  World(Rig& rig, std::uint64_t seed) : rig_(rig), random_(seed) {
    for (std::uint32_t c = 0; c < kPcpus; ++c) {
      current_[c] = kHostTask + static_cast<std::int32_t>(c);
      rig_.view(0, c, current_[c]);
    }
    for (int v = 0; v < kVcpus; ++v) {
      vcpus_[v].tid = 100 + v;
      if (v < 2) guest_view(v, 1);
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      advance(pick(4) == 0 ? 0 : 1 + static_cast<std::int64_t>(pick(90)));
      switch (pick(8)) {
        case 0:
          wake(static_cast<int>(pick(kVcpus)));
          break;
        case 1:
          migrate(static_cast<int>(pick(kVcpus)));
          break;
        case 2:
          guest_switch(static_cast<int>(pick(2)));
          break;
        default:
          step(static_cast<std::uint32_t>(pick(kPcpus)));
          break;
      }
    }
    advance(10);
    rig_.finish(now_);
  }

  std::map<std::string, std::int64_t> states, stolen, fused;

 private:
  static constexpr std::uint32_t kPcpus = 3;
  static constexpr int kVcpus = 4;
  static constexpr std::int32_t kHostTask = 10;  // one per pCPU: tid 10 + c
  enum class Mode { kAbsent, kGuest, kRoot, kVmm, kAsleep, kPreempted, kWaking };
  struct VcpuTruth {
    std::int32_t tid = 0;
    Mode mode = Mode::kAbsent;  // absent: not heard of yet
    Mode resume = Mode::kVmm;   // what it does when it runs again
    std::uint32_t cpu = 0;
    std::string asleep = "blocked";
    bool idle_exit = false;
    bool entered = false;
    std::int32_t guest_tid = -1;
  };

  std::uint64_t pick(std::uint64_t n) { return random_() % n; }
  int vcpu_of(std::int32_t tid) const { return tid >= 100 ? tid - 100 : -1; }
  static std::string vm(int v) { return v < 2 ? "vm0" : "vm1"; }
  static std::string number(int v) { return std::to_string(v % 2); }

  std::string owner(std::int32_t tid) const {
    if (tid == 0) return "nobody";
    const int v = vcpu_of(tid);
    if (v < 0) return "h0 " + std::to_string(tid);
    const std::int32_t shown = v < 2 ? vcpus_[v].guest_tid : tid;
    return vm(v) + "/" + number(v) + " " + std::to_string(shown);
  }

  void advance(std::int64_t dt) {
    for (int v = 0; v < kVcpus; ++v) {
      const VcpuTruth& truth = vcpus_[v];
      if (truth.mode == Mode::kAbsent) continue;
      const bool waits = truth.mode == Mode::kPreempted || truth.mode == Mode::kWaking;
      states[vm(v) + "/" + number(v) + " " + state_name(truth)] += dt;
      if (!waits) continue;
      std::string key =
          vm(v) + "/" + number(v) + " " + state_name(truth) + "@" + std::to_string(truth.cpu);
      if (v < 2) key += " of " + std::to_string(truth.guest_tid);
      stolen[key + " by " + owner(current_[truth.cpu])] += dt;
    }
    for (std::uint32_t c = 0; c < kPcpus; ++c) {
      const int v = vcpu_of(current_[c]);
      std::string key = std::to_string(c) + " ";
      if (v >= 0 && vcpus_[v].entered) {
        key += (vcpus_[v].mode == Mode::kGuest ? "guest " : "hypervisor ") + owner(current_[c]);
      } else {
        key += "host h0 " + std::to_string(current_[c]);
      }
      fused[key] += dt;
    }
    now_ += dt;
  }
  static std::string state_name(const VcpuTruth& truth) {
    switch (truth.mode) {
      case Mode::kGuest:
        return "guest";
      case Mode::kRoot:
        return "hypervisor";
      case Mode::kVmm:
        return "userspace";
      case Mode::kAsleep:
        return truth.asleep;
      case Mode::kPreempted:
        return "preempted";
      case Mode::kWaking:
        return "waking";
      case Mode::kAbsent:
        break;
    }
    return "absent";
  }

  void guest_view(int v, std::int32_t tid) {
    vcpus_[v].guest_tid = tid;
    rig_.view(now_, static_cast<std::uint32_t>(v), tid, 1);
  }
  void guest_switch(int v) {
    if (vcpus_[v].mode == Mode::kGuest) guest_view(v, static_cast<std::int32_t>(pick(4)));
  }

  void run_on(std::uint32_t cpu, std::int64_t prev_state) {
    std::vector<std::int32_t> ready = {0, kHostTask + static_cast<std::int32_t>(cpu)};
    for (const VcpuTruth& truth : vcpus_) {
      const bool waits = truth.mode == Mode::kPreempted || truth.mode == Mode::kWaking;
      if (waits && truth.cpu == cpu) ready.insert(ready.end(), 2, truth.tid);
    }
    std::erase(ready, current_[cpu]);
    const std::int32_t next = ready[pick(ready.size())];
    rig_.set_view_first(pick(2) == 0);
    rig_.switch_to(now_, cpu, current_[cpu], prev_state, next);
    current_[cpu] = next;
    const int v = vcpu_of(next);
    if (v >= 0) vcpus_[v].mode = vcpus_[v].resume;
  }

  void step(std::uint32_t cpu) {
    const int v = vcpu_of(current_[cpu]);
    if (v < 0) {
      run_on(cpu, 0);
      return;
    }
    VcpuTruth& truth = vcpus_[v];
    const ev::At at{now_, cpu, truth.tid};
    if (truth.mode == Mode::kGuest) {
      const std::int64_t reason = pick(2) == 0 ? 0x78 : 0x400;
      rig_.event(ev::kvm_exit(at, {.reason = reason, .isa = 2, .vcpu = v % 2}));
      truth.mode = Mode::kRoot;
      truth.idle_exit = reason == 0x78;
      return;
    }
    const std::uint64_t what = pick(5);
    if (what <= 1) {
      rig_.event(ev::kvm_entry(at, v % 2));
      truth.mode = Mode::kGuest;
      truth.entered = true;
      truth.idle_exit = false;
    } else if (what == 2 && truth.mode == Mode::kRoot) {
      rig_.event(ev::kvm_userspace_exit(at, 2));
      truth.mode = Mode::kVmm;
    } else {
      const bool sleeps = what == 3;
      truth.resume = truth.mode;
      truth.asleep = truth.mode == Mode::kRoot && truth.idle_exit ? "halted" : "blocked";
      truth.mode = sleeps ? Mode::kAsleep : Mode::kPreempted;
      truth.cpu = cpu;
      run_on(cpu, sleeps ? 1 : pick(2) == 0 ? 0 : 0x100);
    }
  }

  void wake(int v) {
    VcpuTruth& truth = vcpus_[v];
    if (truth.mode != Mode::kAsleep && truth.mode != Mode::kAbsent) return;
    const ev::At at{now_, kPcpus, 7};  // a processor on which nothing else happens
    const bool fresh = truth.mode == Mode::kAbsent;
    const std::uint32_t target = static_cast<std::uint32_t>(pick(kPcpus));
    const std::uint32_t told = fresh ? target : truth.cpu;
    rig_.event(ev::wake(fresh ? EventKind::kSchedWakeupNew : EventKind::kSchedWaking, at,
                        {.tid = truth.tid, .target_cpu = told}));
    truth.mode = Mode::kWaking;
    truth.cpu = told;
    if (fresh || pick(2) == 0) return;
    advance(static_cast<std::int64_t>(pick(5)));
    rig_.event(ev::sched_wakeup({now_, kPcpus, 7}, {.tid = truth.tid, .target_cpu = target}));
    truth.cpu = target;
  }

  void migrate(int v) {
    VcpuTruth& truth = vcpus_[v];
    if (truth.mode != Mode::kPreempted && truth.mode != Mode::kWaking) return;
    const auto dest = static_cast<std::uint32_t>(pick(kPcpus));
    rig_.event(ev::make(EventKind::kSchedMigrateTask, {now_, kPcpus, 7},
                        {{"tid", truth.tid}, {"orig_cpu", truth.cpu}, {"dest_cpu", dest}}));
    truth.cpu = dest;
  }

  Rig& rig_;
  std::mt19937_64 random_;
  std::int64_t now_ = 0;
  std::int32_t current_[kPcpus] = {};
  VcpuTruth vcpus_[kVcpus];
};

using Sums = std::map<std::string, std::int64_t>;

Sums without_zeros(Sums sums) {
  std::erase_if(sums, [](const auto& entry) { return entry.second == 0; });
  return sums;
}

/// Sums the rows by what they say, and checks that the rows of one entity tile.
Sums sum_rows(Rig& rig, model::TableId table, bool tile) {
  Sums sums;
  for (const auto& entity : rig.sink().entities()) {
    if (entity.table != table) continue;
    std::int64_t at = -1;
    for (const auto& row : entity.intervals) {
      EXPECT_TRUE(!tile || at < 0 || at == row.begin.ns);
      at = row.end.ns;
      std::string key;
      if (table == model::TableId::kFusedCpu) {
        key = std::to_string(entity.key[1]) + " " + rig.fused_key(row.values);
      } else {
        key = rig.sink().text(entity.key[0]) + "/" + std::to_string(entity.key[1]) + " ";
        key += table == model::TableId::kPreemption
                   ? rig.preemption_key(row.values)
                   : std::string(model::vcpu_state_names()[static_cast<std::size_t>(
                         row.values[model::slot::kVsState])]);
      }
      sums[key] += row.end.ns - row.begin.ns;
    }
  }
  return sums;
}

TEST(FusionProperty, RandomSchedulesComeOutAsTheyWere) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Rig rig(experiment_of(1, {{0, {100, 101}, true}, {0, {102, 103}, false}}), {0});
    World world(rig, seed);
    world.run(800);
    ASSERT_GT(world.stolen.size(), 30U);
    ASSERT_EQ(sum_rows(rig, model::TableId::kVcpuState, true), without_zeros(world.states));
    ASSERT_EQ(sum_rows(rig, model::TableId::kPreemption, false), without_zeros(world.stolen));
    ASSERT_EQ(sum_rows(rig, model::TableId::kFusedCpu, true), without_zeros(world.fused));
  }
}

}  // namespace
}  // namespace vs::analysis::fused
