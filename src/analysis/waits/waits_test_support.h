#pragma once
// For the tests of this folder: a host (machine 0) with one VM whose vCPU n is host thread 100 + n
// on pCPU n. Guests' lives are told event by event; deliveries are handed in as they are.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "analysis/vcpu/state.h"
#include "analysis/waits/waits.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::waits {

namespace ev = test::events;
using delivery::DeliveryClass;

constexpr std::int64_t kHlt = 0x78;
constexpr std::int64_t kIntr = 0x60;
constexpr std::int64_t kMsr = 0x7c;
constexpr std::int32_t kFirstTid = 100;
constexpr std::int64_t kUserRip = 0x402630;
constexpr std::int64_t kKernelRip = -0x7f000000;  // 0xffffffff81000000

inline model::Experiment experiment_of(std::uint32_t vcpus) {
  model::Experiment experiment;
  experiment.machines.resize(2);
  experiment.machines[0].name = "h";
  experiment.machines[1].name = "vm";
  experiment.machines[1].kind = model::MachineKind::kVm;
  experiment.machines[1].parent = 0;
  for (std::uint32_t i = 0; i < vcpus; ++i) {
    const auto tid = kFirstTid + static_cast<std::int32_t>(i);
    const model::VcpuThread thread{tid, OwnTime{0}, OwnTime{1'000'000'000'000}};
    experiment.machines[1].vcpus.push_back({static_cast<std::int32_t>(i), {thread}, -1});
  }
  return experiment;
}

class World {
 public:
  explicit World(std::uint32_t vcpus, bool may_have_roots = true)
      : experiment_(experiment_of(vcpus)),
        waits_(setup(may_have_roots)),
        states_(experiment_, 0, sink_, {&waits_}) {}

  void feed(const model::Event& event) {
    const HostTime time{event.own.value};
    states_.on_event(time, event);
    const bool wanted = waits_.kinds(0).has(event.kind);
    if (wanted) waits_.on_event({time, 0, 0, event.tid, event});
  }

  /// The vCPU's thread gets its pCPU.
  void run(std::int64_t t, std::uint32_t vcpu, std::int64_t after = 0) {
    feed(ev::sched_switch({t, vcpu, 0},
                          {.prev_tid = after, .prev_state = 0, .next_tid = tid(vcpu)}));
  }
  /// It goes: prev_state 1 asleep, 0 preempted by thread `next`.
  void stop(std::int64_t t, std::uint32_t vcpu, std::int64_t state, std::int64_t next = 0) {
    feed(ev::sched_switch({t, vcpu, tid(vcpu)},
                          {.prev_tid = tid(vcpu), .prev_state = state, .next_tid = next}));
  }
  void switch_others(std::int64_t t, std::uint32_t cpu, std::int64_t from, std::int64_t to) {
    feed(ev::sched_switch({t, cpu, static_cast<std::int32_t>(from)},
                          {.prev_tid = from, .prev_state = 0, .next_tid = to}));
  }
  void wake(std::int64_t t, std::uint32_t vcpu) {
    feed(ev::sched_waking({t, vcpu, 0}, {.tid = tid(vcpu), .target_cpu = vcpu}));
  }
  void enter(std::int64_t t, std::uint32_t vcpu) {
    feed(ev::kvm_entry({t, vcpu, tid(vcpu)}, vcpu));
  }
  /// The guest stops with these registers.
  void exit(std::int64_t t, std::uint32_t vcpu, std::int64_t reason, std::int64_t cr3,
            std::int64_t rsp, bool user) {
    feed(ev::make(model::EventKind::kGuestContextExit, {t, vcpu, tid(vcpu)},
                  {{"cr3", cr3},
                   {"rip", user ? kUserRip : kKernelRip},
                   {"rsp", rsp},
                   {"cpl", user ? 3 : 0}}));
    feed(ev::kvm_exit({t, vcpu, tid(vcpu)}, {.reason = reason, .isa = 2, .vcpu = vcpu}));
  }
  void exit_user(std::int64_t t, std::uint32_t vcpu, std::int64_t cr3,
                 std::int64_t reason = kIntr) {
    exit(t, vcpu, reason, cr3, 0x7ffc'6000'0000 + (cr3 >> 4), true);
  }
  void halt(std::int64_t t, std::uint32_t vcpu, std::int64_t cr3) {
    exit(t, vcpu, kHlt, cr3, -0x1000'0000 - 0x10000 * static_cast<std::int64_t>(vcpu), false);
  }
  /// Without registers but the one that the exit itself tells.
  void exit_code(std::int64_t t, std::uint32_t vcpu, std::int64_t reason, std::int64_t rip) {
    feed(ev::make(model::EventKind::kKvmExit, {t, vcpu, tid(vcpu)},
                  {{"exit_reason", reason}, {"isa", 2}, {"vcpu_id", vcpu}, {"guest_rip", rip}}));
  }
  void deliver(std::int64_t t, std::uint32_t vcpu, DeliveryClass what, std::int32_t sender = -1,
               std::int16_t vector = 50) {
    delivery::Delivery delivery;
    delivery.time = HostTime{t};
    delivery.victim = {1, vcpu};
    delivery.cause = what;
    delivery.vector = vector;
    if (sender >= 0) delivery.sender_vcpu = {1, static_cast<std::uint32_t>(sender)};
    waits_.on_delivery(delivery);
  }
  void lose(std::int64_t begin, std::int64_t end, std::uint32_t cpu) {
    states_.on_loss(HostTime{begin}, HostTime{end}, cpu);
    waits_.on_loss(HostTime{begin}, HostTime{end}, 0, cpu);
  }
  void finish(std::int64_t t) {
    states_.finish(HostTime{t});
    waits_.finish(0, HostTime{t});
  }

  [[nodiscard]] std::vector<test::VectorSink::Interval> intervals(const std::string& name) {
    return sink_.rows(model::TableId::kVprocessState, {sink_.intern("vm"), sink_.intern(name)});
  }
  /// "10-20 nonroot@0; 20-30 task by 0x2000".
  [[nodiscard]] std::string rows(const std::string& name) {
    std::string text;
    for (const auto& row : intervals(name)) {
      const auto& v = row.values;
      const auto names = model::vprocess_state_names();
      text += (text.empty() ? "" : "; ") + std::to_string(row.begin.ns) + "-" +
              std::to_string(row.end.ns) + " " +
              std::string(names[static_cast<std::size_t>(v[model::slot::kVpState])]) + "@" +
              std::to_string(v[model::slot::kVpVcpu]);
      if (v[model::slot::kVpWaker] != model::kNull)
        text += " by " + sink_.text(v[model::slot::kVpWaker]);
      if (v[model::slot::kVpDevice] != model::kNull)
        text += " of " + sink_.text(v[model::slot::kVpDevice]);
      if (v[model::slot::kVpLossy] != 0) text += " lossy";
    }
    return text;
  }
  [[nodiscard]] std::vector<model::Row> processes() const {
    return waits_.small_tables().front().rows;
  }
  [[nodiscard]] std::vector<model::Issue> issues() const { return waits_.issues(); }
  test::VectorSink& sink() { return sink_; }

 private:
  [[nodiscard]] static std::int32_t tid(std::uint32_t vcpu) {
    return kFirstTid + static_cast<std::int32_t>(vcpu);
  }
  [[nodiscard]] model::StreamSetup setup(bool may_have_roots) {
    model::StreamSetup setup;
    if (!may_have_roots) setup.recorded.resize(2);
    setup.experiment = &experiment_;
    setup.sink = &sink_;
    setup.machines = {0};
    setup.facts.assign(2, nullptr);
    return setup;
  }

  model::Experiment experiment_;
  test::VectorSink sink_;
  Waits waits_;
  vcpu::HostVcpus states_;
};

}  // namespace vs::analysis::waits
