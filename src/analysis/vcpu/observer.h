#pragma once
// What the vCPU analysis tells the joins above it (analysis/exits, analysis/fused) while it runs.
//
// A vCPU is named by its machine and its place in Experiment::machines[machine].vcpus. Times are on
// the host timeline and never go back for one host. Threads: called on the thread that feeds
// HostVcpus.

#include <cstdint>

#include "base/time.h"
#include "model/event.h"
#include "model/experiment.h"
#include "model/states.h"

namespace vs::analysis::vcpu {

struct VcpuRef {
  model::MachineIndex machine = model::kNoMachine;  ///< the VM
  std::uint32_t slot = 0;                           ///< index into its vcpus
  friend bool operator==(const VcpuRef&, const VcpuRef&) = default;
};

/// The state of a vCPU from `time` on, as known at that time: a halt that turns out to have been
/// polled is `hypervisor` here and `polling` in the final intervals.
struct VcpuChange {
  HostTime time;
  VcpuRef vcpu;
  model::VcpuState state = model::VcpuState::kUnknown;
  std::int32_t pcpu = -1;  ///< where it runs, or on whose queue it waits; -1 unknown
  std::int32_t tid = -1;   ///< its host thread, -1 without one
  bool on_cpu = false;     ///< its thread is the current one of `pcpu`
  bool entered = false;    ///< it has been in the guest before or is now
  bool lossy = false;
};

/// A final interval, as stored in vcpu_state. Per vCPU they arrive in time order and tile.
struct VcpuInterval {
  HostTime begin;
  HostTime end;
  VcpuRef vcpu;
  model::VcpuState state = model::VcpuState::kUnknown;
};

/// Why a vCPU's run of events is cut.
enum class VcpuBreak : std::uint8_t { kThreadEnd, kLoss, kTraceEnd };

/// Which calls an observer does something with: the others need not be made.
struct VcpuNews {
  bool changes = true;
  bool intervals = true;
  bool events = true;
  bool breaks = true;
};

class VcpuObserver {
 public:
  virtual ~VcpuObserver() = default;
  /// Asked once, at the beginning. Who overrides a call below must not leave it out here.
  [[nodiscard]] virtual VcpuNews wants() const { return {}; }
  virtual void on_vcpu_change(const VcpuChange&) {}
  virtual void on_vcpu_interval(const VcpuInterval&) {}
  /// An event of the vCPU's own thread that belongs to KVM. At a kvm_entry or kvm_exit all
  /// intervals up to `time` that a later event can no longer change have been told.
  virtual void on_vcpu_event(HostTime, const VcpuRef&, const model::Event&) {}
  /// Nothing after `time` continues what was before; all intervals up to it have been told.
  virtual void on_vcpu_break(HostTime, const VcpuRef&, VcpuBreak) {}
};

}  // namespace vs::analysis::vcpu
