#pragma once
// Which VM a host thread belongs to or works for, from all that tells it: vCPU threads (algorithms
// A.1), the VMM's thread group, and the names of the kernel's helpers, which carry the VMM's pid
// ("vhost-812", "kvm-pit/812").
//
// Traces without thread groups (trace-cmd does not record them unless told to) leave a VMM's I/O
// threads out. There a thread counts as the VM's that a thread of the VM created, until it executes
// a program of its own; or, with a name that QEMU gives to its helpers, the VM's whose threads wake
// it, by majority. on_event() collects that evidence.
//
// Nothing else is remembered per thread, so a thread id that is used again is no trouble.
// Ownership: the thread facts must outlive it. Threads: one.

#include <cstdint>
#include <unordered_map>

#include "model/experiment.h"
#include "model/stream_analysis.h"

namespace vs::analysis::vcpu {

enum class VmRole : std::uint8_t { kOther, kVcpu, kVmm, kVhost, kPit };

struct VmThread {
  model::MachineIndex vm = model::kNoMachine;
  VmRole role = VmRole::kOther;  ///< kOther exactly when `vm` is kNoMachine
};

class VmThreads {
 public:
  /// `facts` may be null. On a machine that hosts no VMs every thread is kOther.
  VmThreads(const model::Experiment& experiment, model::MachineIndex host,
            const model::MachineFacts* facts);

  [[nodiscard]] VmThread of(std::int32_t tid) const;
  /// The kinds of events that are evidence.
  [[nodiscard]] static model::KindSet kinds();
  /// `bystander`: the event came in an interrupt, its thread had no part in it.
  void on_event(const model::StreamEvent& event, bool bystander = false);
  /// Events showed that this thread works for the VM although nothing above tells it.
  void learn(std::int32_t tid, model::MachineIndex vm);

 private:
  struct Votes {
    model::MachineIndex vm = model::kNoMachine;
    std::uint32_t count = 0;
  };
  void on_waking(const model::StreamEvent& event);
  void on_fork(const model::StreamEvent& event);
  [[nodiscard]] bool has_group(std::int32_t tid) const;
  [[nodiscard]] model::MachineIndex vm_of_pid(std::int32_t pid) const;

  const model::MachineFacts* facts_;
  std::unordered_map<std::int32_t, model::MachineIndex> vmm_pids_;
  std::unordered_map<std::int32_t, model::MachineIndex> vcpu_tids_;
  std::unordered_map<std::int32_t, Votes> learnt_;
};

}  // namespace vs::analysis::vcpu
