#pragma once
// From threads that ran vCPUs to VMs (algorithms A.1): which of them belong together, and to whom.
//
// Evidence, best first, each step only where the ones before it are silent:
//  1. the capture's snapshot (a VM's name, VMM pid and thread ids);
//  2. the thread group: state dump, thread creation, names of kernel helpers (`vhost-<pid>`,
//     `kvm-pit/<pid>`) that the thread wakes or is woken by outside interrupts;
//  3. links between two vCPU threads: one sends an IPI and in the same exit wakes the other; both
//  were
//     forked by the same thread;
//  4. order: vCPU threads are created one after the other, so neighbouring thread ids with rising
//  vCPU
//     numbers are one VM.
// Two threads with the same vCPU number that live at the same time never join, whatever links them,
// unless one of them is seen to run several vCPUs in turn.
//
// Pure functions over plain data. Threads: none shared. Errors: none.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/experiment.h"

namespace vs::analysis::vcpu {

/// What a capture's snapshot or a file's own guest list says about the VMs of a host.
struct VmHint {
  std::int32_t vmm_pid = -1;
  std::string name;
  struct Thread {
    std::int32_t vcpu = model::kNoVcpu;
    std::int32_t tid = -1;
  };
  std::vector<Thread> threads;
};

/// A vCPU number that a thread ran in [first, last]; id kNoVcpu where the events name none.
struct VcpuRun {
  std::int32_t id = model::kNoVcpu;
  OwnTime first;
  OwnTime last;
};

/// One life of a host thread that ran vCPUs.
struct VcpuThreadFacts {
  std::int32_t tid = -1;
  std::vector<VcpuRun> runs;              ///< one per number, by number
  std::int32_t tgid = -1;                 ///< for certain
  std::int32_t helper_pid = -1;           ///< by the kernel helpers it talks to
  std::int32_t parent_tid = -1;           ///< who forked it
  std::int32_t name_id = model::kNoVcpu;  ///< the number in its name
};

struct GroupingInput {
  std::vector<VcpuThreadFacts> threads;
  /// Pairs of indices into `threads` that are of one VM by their IPIs.
  std::vector<std::pair<std::size_t, std::size_t>> links;
  std::vector<std::int32_t> helper_pids;  ///< VMM pids that helpers' names mention, sorted
  std::vector<VmHint> hints;
};

/// VMs by lowest thread id, their vCPUs by number, the vCPUs' threads by first.
[[nodiscard]] std::vector<model::FoundVm> group(const GroupingInput& input);

}  // namespace vs::analysis::vcpu
