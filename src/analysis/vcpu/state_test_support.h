#pragma once
// For the tests of HostVcpus: a host with one VM, and events of the threads of its vCPUs.

#include <vector>

#include "model/experiment.h"
#include "tests/support/events.h"

namespace vs::analysis::vcpu {

namespace ev = test::events;

inline constexpr std::int64_t kHlt = 0x78;
inline constexpr std::int64_t kNpf = 0x400;
inline constexpr std::int32_t kT0 = 100;  // host thread of vm/0
inline constexpr std::int32_t kT1 = 101;  // host thread of vm/1
inline constexpr std::int32_t kHog = 50;

inline model::VcpuThread thread(std::int32_t tid, std::int64_t first = 0,
                                std::int64_t last = 1'000'000) {
  return {tid, OwnTime{first}, OwnTime{last}};
}

/// Host `h` with one VM `vm` whose vCPUs have the given threads.
inline model::Experiment experiment_of(std::vector<std::vector<model::VcpuThread>> vcpus) {
  model::Experiment experiment;
  experiment.machines.resize(2);
  experiment.machines[0].name = "h";
  experiment.machines[1].name = "vm";
  experiment.machines[1].kind = model::MachineKind::kVm;
  experiment.machines[1].parent = 0;
  for (std::size_t i = 0; i < vcpus.size(); ++i) {
    experiment.machines[1].vcpus.push_back({static_cast<std::int32_t>(i), vcpus[i], -1});
  }
  return experiment;
}

inline ev::At at(std::int64_t time, std::int32_t tid = kT0, std::uint32_t cpu = 1) {
  return {time, cpu, tid};
}
inline model::Event entry(std::int64_t time, std::int32_t tid = kT0, std::uint32_t cpu = 1) {
  return ev::kvm_entry(at(time, tid, cpu));
}
inline model::Event exit(std::int64_t time, std::int64_t reason, std::int32_t tid = kT0,
                         std::uint32_t cpu = 1) {
  return ev::kvm_exit(at(time, tid, cpu), {.reason = reason, .isa = 2, .vcpu = tid - kT0});
}
inline model::Event out(std::int64_t time, std::int64_t prev_state, std::int32_t next = 0,
                        std::int32_t tid = kT0, std::uint32_t cpu = 1) {
  return ev::sched_switch(at(time, tid, cpu),
                          {.prev_tid = tid, .prev_state = prev_state, .next_tid = next});
}
inline model::Event in(std::int64_t time, std::int32_t prev = 0, std::int32_t tid = kT0,
                       std::uint32_t cpu = 1) {
  return ev::sched_switch(at(time, prev, cpu),
                          {.prev_tid = prev, .prev_state = 0, .next_tid = tid});
}
inline model::Event waking(std::int64_t time, std::int32_t tid = kT0, std::int32_t by = kHog,
                           std::int64_t target = 1, std::uint32_t cpu = 0) {
  return ev::sched_waking(at(time, by, cpu), {.tid = tid, .target_cpu = target});
}
inline model::Event wakeup(std::int64_t time, std::int32_t tid = kT0, std::int64_t target = 1) {
  return ev::sched_wakeup(at(time, 0, 0), {.tid = tid, .target_cpu = target});
}

}  // namespace vs::analysis::vcpu
