#pragma once
// What an experiment consists of: machines, VMs, vCPUs and their host threads, as found from the
// host's trace alone (algorithms A.1) and bound to guest traces (B.2). Published result types;
// plain data, immutable once the session has built them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/clock_map.h"
#include "model/states.h"

namespace vs::model {

using MachineIndex = std::uint32_t;
inline constexpr MachineIndex kNoMachine = 0xffffffffU;
inline constexpr std::int32_t kNoVcpu = -1;

/// A host thread that ran a vCPU during [first, last] (own time of the host's trace).
struct VcpuThread {
  std::int32_t tid = -1;
  OwnTime first;
  OwnTime last;
};

/// A vCPU found in a host trace. Key is (VM, vcpu id), not the thread: hot-unplug, migration and
/// some VMMs move a vCPU to another thread.
struct FoundVcpu {
  std::int32_t id = kNoVcpu;
  bool guessed =
      false;  ///< id from the order of the threads: neither the events nor a name tell it
  std::vector<VcpuThread> threads;  ///< by first
};

/// A VM found in a host trace.
struct FoundVm {
  std::int32_t vmm_pid = -1;     ///< thread group of the VMM, -1 when nothing tells it
  std::string name;              ///< from the capture or the file's guest list; may be empty
  std::vector<FoundVcpu> vcpus;  ///< by id
  [[nodiscard]] std::int32_t lowest_tid() const {
    std::int32_t low = 0x7fffffff;
    for (const FoundVcpu& vcpu : vcpus) {
      for (const VcpuThread& thread : vcpu.threads) low = thread.tid < low ? thread.tid : low;
    }
    return low;
  }
};

/// One vCPU of a machine that is a VM.
struct Vcpu {
  std::int32_t id = kNoVcpu;
  std::vector<VcpuThread> threads;
  std::int32_t guest_cpu = -1;  ///< the CPU index in the guest's own trace, -1 without one
};

struct Machine {
  std::string name;
  MachineKind kind = MachineKind::kHost;
  MachineIndex parent = kNoMachine;
  std::int32_t vmm_pid = -1;
  std::string uuid;
  std::vector<Vcpu> vcpus;          ///< VMs only, by id
  std::vector<std::size_t> traces;  ///< indices of its traces; empty for an untraced VM
  ClockMap clock;                   ///< own time of its traces -> host timeline
  bool joined = true;               ///< false: its clock could not be placed
};

struct Experiment {
  std::vector<Machine> machines;  ///< hosts first, each followed by its VMs
  MachineIndex reference = 0;
  bool epoch = false;  ///< the host timeline counts from 1970-01-01 UTC
};

}  // namespace vs::model
