#include <algorithm>
#include <utility>

#include "analysis/vcpu/state.h"
#include "base/limits.h"

// The event handlers of HostVcpus: algorithms A.3, one function per event.

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
using model::kNull;
using model::VcpuState;
namespace arg = model::arg;

constexpr std::int64_t kUserReasonHlt = 5;  // KVM_EXIT_HLT: halted, the VMM waits for it

// prev_state of sched_switch. "Preempted" is one extra bit: 0x100 since 4.14 (no state of its own
// at a switch before), 0x400 to 0x1000 before; 0x200 was TASK_PARKED then.
constexpr std::int64_t kPreemptedBit = 0x100;
constexpr std::int64_t kStateBits = 0xff | 0x200;
constexpr std::int64_t kStoppedBits = 0x4 | 0x8;        // T, t
constexpr std::int64_t kDeadBits = 0x10 | 0x20 | 0x40;  // X, Z, and TASK_DEAD before 4.14

bool is_runnable(std::int64_t prev_state) {
  return (prev_state & kPreemptedBit) != 0 || (prev_state & kStateBits) == 0;
}

bool is_asleep(VcpuState state, bool on_cpu) {
  switch (state) {
    case VcpuState::kHalted:
    case VcpuState::kBlocked:
    case VcpuState::kStopped:
    case VcpuState::kOff:
      return true;
    case VcpuState::kUnknown:
      return !on_cpu;
    default:
      return false;
  }
}

/// A pCPU named by an event's argument, -1 when there is none that can be.
std::int32_t cpu_arg(const Event& event, std::size_t slot) {
  const std::int64_t cpu = event.i_or(slot, -1);
  return cpu >= 0 && cpu < limits::kCpus ? static_cast<std::int32_t>(cpu) : -1;
}

std::int32_t tid_arg(const Event& event, std::size_t slot) {
  const std::int64_t tid = event.i_or(slot, model::kNoTid);
  return tid >= 0 && tid <= 0x7fffffff ? static_cast<std::int32_t>(tid) : model::kNoTid;
}

}  // namespace

// ---- the scheduler ----

void HostVcpus::on_switch(HostTime time, const Event& event, Cpu& cpu) {
  const auto prev = tid_arg(event, arg::kPrevTid);
  const auto next = tid_arg(event, arg::kNextTid);
  cpu.hard = cpu.soft = 0;
  if (cpu.running != kNone && vcpus_[cpu.running].tid != prev) displace(time, cpu);
  cpu.running = kNone;
  cpu.tid = next;
  if (Vcpu* vcpu = active(prev, time)) {
    switch_out(time, *vcpu, event.cpu, event.i_or(arg::kPrevState, 0));
  }
  if (Vcpu* vcpu = active(next, time)) switch_in(time, *vcpu, event.cpu, cpu);
}

void HostVcpus::switch_out(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number,
                           std::int64_t prev_state) {
  vcpu.on_cpu = false;
  vcpu.pcpu = static_cast<std::int32_t>(cpu_number);
  if (is_runnable(prev_state)) {
    change(time, vcpu, off_cpu_row(time, vcpu, VcpuState::kPreempted));
  } else if ((prev_state & kDeadBits) != 0) {
    end_thread(time, vcpu, *thread_of(vcpu.tid));
  } else {
    change(time, vcpu, off_cpu_row(time, vcpu, sleep_state(vcpu, prev_state)));
    // try_to_wake_up waits for this switch: from here on the thread waits for a processor.
    if (vcpu.woken_early) begin_waking(time, vcpu, -1, vcpu.early_waker);
  }
}

VcpuState HostVcpus::sleep_state(const Vcpu& vcpu, std::int64_t prev_state) const {
  if ((prev_state & kStoppedBits) != 0) return VcpuState::kStopped;
  if (vcpu.base == VcpuState::kUnknown) return VcpuState::kUnknown;
  if (vcpu.base == VcpuState::kUserspace) {
    return vcpu.user_reason == kUserReasonHlt ? VcpuState::kHalted : VcpuState::kBlocked;
  }
  return vcpu.idle_exit ? VcpuState::kHalted : VcpuState::kBlocked;
}

void HostVcpus::switch_in(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number, Cpu& cpu) {
  place(time, vcpu, cpu_number, cpu);
  vcpu.woken_early = false;
  vcpu.early_waker = kNull;
  run_root(time, vcpu, cpu);
}

void HostVcpus::on_waking(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = active(tid_arg(event, arg::kWakeTid), time);
  if (vcpu == nullptr) return;
  // In an interrupt the current thread is a bystander, not the waker.
  const std::int64_t waker = cpu.in_irq() || cpu.tid <= 0 ? kNull : cpu.tid;
  if (!vcpu->started || is_asleep(vcpu->row.state, vcpu->on_cpu)) {
    begin_waking(time, *vcpu, cpu_arg(event, arg::kWakeTargetCpu), waker);
  } else if (vcpu->on_cpu) {
    vcpu->woken_early = true;  // or it stays: then sched_wakeup or its own next event says so
    vcpu->early_waker = waker;
  }
}

void HostVcpus::on_wakeup(HostTime time, const Event& event, Cpu&) {
  Vcpu* vcpu = active(tid_arg(event, arg::kWakeTid), time);
  if (vcpu == nullptr) return;
  const std::int32_t target = cpu_arg(event, arg::kWakeTargetCpu);
  if (vcpu->on_cpu) vcpu->woken_early = false;
  if (!vcpu->started || is_asleep(vcpu->row.state, vcpu->on_cpu)) {
    begin_waking(time, *vcpu, target, vcpu->early_waker);
  } else if (vcpu->row.state == VcpuState::kWaking && target >= 0) {
    Row row = vcpu->row;
    row.pcpu = vcpu->pcpu = target;
    change(time, *vcpu, row);
  }
}

void HostVcpus::on_wakeup_new(HostTime time, const Event& event, Cpu& cpu) {
  Thread* const thread = thread_of(tid_arg(event, arg::kWakeTid));
  if (thread == nullptr) return;
  thread->newborn = true;
  on_wakeup(time, event, cpu);
}

void HostVcpus::begin_waking(HostTime time, Vcpu& vcpu, std::int32_t target, std::int64_t waker) {
  if (target >= 0) vcpu.pcpu = target;
  Row row = off_cpu_row(time, vcpu, VcpuState::kWaking);
  row.waker_tid = waker;
  vcpu.woken_early = false;
  vcpu.early_waker = kNull;
  change(time, vcpu, row);
}

void HostVcpus::on_migrate(HostTime time, const Event& event, Cpu&) {
  Vcpu* vcpu = active(tid_arg(event, arg::kMigrateTid), time);
  const std::int32_t dest = cpu_arg(event, arg::kMigrateDestCpu);
  if (vcpu == nullptr || vcpu->on_cpu || !vcpu->started || dest < 0) return;
  vcpu->pcpu = dest;
  if (vcpu->row.pcpu < 0) return;
  Row row = vcpu->row;
  row.pcpu = vcpu->pcpu;
  change(time, *vcpu, row);
}

void HostVcpus::on_fork(HostTime, const Event& event, Cpu&) {
  Thread* const thread = thread_of(tid_arg(event, arg::kForkChildTid));
  if (thread != nullptr) thread->newborn = true;
}

void HostVcpus::on_thread_end(HostTime time, const Event& event, Cpu&) {
  const auto tid = tid_arg(event, arg::kProcessTid);
  if (Vcpu* vcpu = active(tid, time)) end_thread(time, *vcpu, *thread_of(tid));
}

void HostVcpus::end_thread(HostTime time, Vcpu& vcpu, Thread& thread) {
  if (vcpu.on_cpu) cpus_[static_cast<std::uint32_t>(vcpu.pcpu)].running = kNone;
  vcpu.on_cpu = false;
  vcpu.tid = -1;
  vcpu.base = VcpuState::kUnknown;
  vcpu.reason = vcpu.early_waker = kNull;
  vcpu.woken_early = false;
  vcpu.reason_pending = vcpu.idle_exit = vcpu.lost = false;
  vcpu.entered = false;
  vcpu.user_reason = -1;
  vcpu.level = 1;
  vcpu.pcpu = -1;
  if (thread.current + 1 < thread.bindings.size()) ++thread.current;
  Row row;
  row.state = VcpuState::kOff;
  change(time, vcpu, row);
  cut(time, vcpu, VcpuBreak::kThreadEnd);
}

// ---- KVM ----

void HostVcpus::on_entry(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, event.i_or(arg::kEntryVcpu, -1));
  if (vcpu == nullptr) return;
  ++counters_.entries;
  if (vcpu->started && vcpu->row.state == VcpuState::kGuest) ++counters_.missed_exits;
  cpu.hard = cpu.soft = 0;
  vcpu->entered = true;
  vcpu->emulations = 0;
  vcpu->base = VcpuState::kHypervisor;
  vcpu->reason = kNull;
  vcpu->reason_pending = vcpu->idle_exit = false;
  vcpu->user_reason = -1;
  Row row;
  row.state = VcpuState::kGuest;
  row.on_cpu = true;
  row.pcpu = vcpu->pcpu;
  row.level = vcpu->level_known ? vcpu->level : kNull;
  change(time, *vcpu, row);
  flush(*vcpu, vcpu->held.size());
  tell_event(time, *vcpu, event);
}

void HostVcpus::on_exit(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, event.i_or(arg::kExitVcpu, -1));
  if (vcpu == nullptr) return;
  ++counters_.exits;
  const ExitCode code = exit_code_of(event);
  const bool in_guest = vcpu->started && vcpu->row.state == VcpuState::kGuest;
  if (!in_guest && !vcpu->reason_pending) {
    ++counters_.missed_entries;
    if (vcpu->started) hold(*vcpu, time);
    flush(*vcpu, vcpu->held.size());
  }
  if (code.failed_entry && in_guest) {
    ++counters_.failed_entries;
    vcpu->row.state = VcpuState::kHypervisor;
    vcpu->row.level = kNull;
  }
  cpu.hard = cpu.soft = 0;
  vcpu->entered = true;
  vcpu->emulations = 0;
  vcpu->base = VcpuState::kHypervisor;
  vcpu->reason = reasons_.of(code);
  vcpu->idle_exit = exit_class(code) == model::ExitClass::kIdle;
  vcpu->user_reason = -1;
  if (std::exchange(vcpu->reason_pending, false)) {
    for (HeldRow& held : vcpu->held) {
      if (std::exchange(held.row.reason_pending, false)) held.row.reason = vcpu->reason;
    }
    if (std::exchange(vcpu->row.reason_pending, false)) vcpu->row.reason = vcpu->reason;
  }
  run_root(time, *vcpu, cpu);
  tell_event(time, *vcpu, event);
}

void HostVcpus::on_userspace_exit(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  vcpu->base = VcpuState::kUserspace;
  vcpu->user_reason = event.i_or(arg::kUserspaceReason, -1);
  run_root(time, *vcpu, cpu);
  tell_event(time, *vcpu, event);
}

void HostVcpus::on_fpu(HostTime time, const Event& event, Cpu& cpu) {
  if (event.i_or(arg::kFpuLoad, 0) == 0) return;
  if (cpu.running != kNone) learn_vmm(vcpus_[cpu.running]);
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  if (vcpu->base == VcpuState::kUserspace) vcpu->base = VcpuState::kHypervisor;
  run_root(time, *vcpu, cpu);
}

// Hardware virtualisation emulates at most one instruction per exit; a run of them without an entry
// is a guest that KVM interprets (PVM, or real mode on old hardware).
void HostVcpus::on_emulate(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  if (vcpu->emulations < 2) ++vcpu->emulations;
  if (vcpu->emulations == 2) {
    vcpu->base = VcpuState::kEmulated;
  } else if (vcpu->base == VcpuState::kUserspace) {
    vcpu->base = VcpuState::kHypervisor;
  }
  run_root(time, *vcpu, cpu);
  tell_event(time, *vcpu, event);
}

void HostVcpus::on_inside_run(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  run_root(time, *vcpu, cpu);
  tell_event(time, *vcpu, event);
}

void HostVcpus::on_nested_enter(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  vcpu->level = 2;
  vcpu->level_known = true;
  run_root(time, *vcpu, cpu);
}

void HostVcpus::on_nested_inject(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  vcpu->level = 1;
  vcpu->level_known = true;
  run_root(time, *vcpu, cpu);
}

void HostVcpus::on_vcpu_wakeup(HostTime time, const Event& event, Cpu& cpu) {
  Vcpu* vcpu = own(time, event, cpu, -1);
  if (vcpu == nullptr) return;
  run_root(time, *vcpu, cpu);
  hold(*vcpu, time);
  const std::uint64_t ns = event.u(arg::kWakeupNs);
  const HostTime oldest = vcpu->held.empty() ? time : vcpu->held.front().begin;
  const auto reach = static_cast<std::uint64_t>(time - oldest);
  if (ns > reach) ++counters_.late_wakeups;
  mark_polling(ns > reach ? oldest : time + -static_cast<std::int64_t>(ns), *vcpu);
}

/// The halt began at `begin`: root mode from there to the first voluntary switch-out was polling.
void HostVcpus::mark_polling(HostTime begin, Vcpu& vcpu) {
  bool polling = true;
  for (std::size_t i = 0; i < vcpu.held.size() && polling; ++i) {
    HeldRow& held = vcpu.held[i];
    if (held.end <= begin) continue;
    const VcpuState state = held.row.state;
    if (state == VcpuState::kBlocked || state == VcpuState::kHalted) {
      polling = false;
      held.row.state = VcpuState::kHalted;
    }
    if (state != VcpuState::kHypervisor && state != VcpuState::kEmulated) continue;
    if (held.begin < begin) {
      HeldRow tail = held;
      held.end = tail.begin = begin;
      vcpu.held.insert(vcpu.held.begin() + static_cast<std::ptrdiff_t>(i) + 1, tail);
      continue;
    }
    held.row.state = VcpuState::kPolling;
  }
}

// ---- interrupts and system calls ----

void HostVcpus::on_hard_begin(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.hard < 0xff) ++cpu.hard;
  if (cpu.running != kNone) run_root(time, vcpus_[cpu.running], cpu);
}

void HostVcpus::on_hard_end(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.hard > 0) --cpu.hard;
  if (cpu.running != kNone) run_root(time, vcpus_[cpu.running], cpu);
}

void HostVcpus::on_soft_begin(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.soft < 0xff) ++cpu.soft;
  if (cpu.running != kNone) run_root(time, vcpus_[cpu.running], cpu);
}

void HostVcpus::on_soft_end(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.soft > 0) --cpu.soft;
  if (cpu.running != kNone) run_root(time, vcpus_[cpu.running], cpu);
}

// After an exit the thread is inside ioctl(KVM_RUN): a system call that ends is that one.
void HostVcpus::on_syscall_exit(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.running == kNone) return;
  Vcpu& vcpu = vcpus_[cpu.running];
  if (vcpu.base != VcpuState::kHypervisor && vcpu.base != VcpuState::kEmulated) return;
  vcpu.base = VcpuState::kUserspace;
  run_root(time, vcpu, cpu);
}

// The VMM sets a vCPU up from its thread, before it lets it run.
void HostVcpus::on_vmm_call(HostTime time, const Event&, Cpu& cpu) {
  if (cpu.running == kNone) return;
  Vcpu& vcpu = vcpus_[cpu.running];
  if (vcpu.base != VcpuState::kUnknown) return;
  learn_vmm(vcpu);
  run_root(time, vcpu, cpu);
  tell_change(time, vcpu);  // the row was relabelled in place
}

/// An unknown past turns out to have been the VMM's: the thread has not entered yet and comes from
/// there.
void HostVcpus::learn_vmm(Vcpu& vcpu) {
  if (vcpu.base != VcpuState::kUnknown || vcpu.entered || vcpu.lost) return;
  vcpu.base = VcpuState::kUserspace;
  for (HeldRow& held : vcpu.held) {
    if (held.row.state != VcpuState::kUnknown) continue;
    held.row.state = held.row.on_cpu ? VcpuState::kUserspace : VcpuState::kBlocked;
  }
  if (vcpu.row.state == VcpuState::kUnknown) {
    vcpu.row.state = vcpu.row.on_cpu ? VcpuState::kUserspace : VcpuState::kBlocked;
  }
}

}  // namespace vs::analysis::vcpu
