#include "analysis/vcpu/state.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
using model::kNull;
using model::VcpuState;
namespace arg = model::arg;

constexpr std::int64_t kUserReasonHlt = 5;    // KVM_EXIT_HLT: halted, the VMM waits for it
constexpr std::int64_t kUserReasonIntr = 10;  // KVM_EXIT_INTR: kicked out, nothing to emulate

// A vCPU that was kicked out of the guest and sleeps this long in the VMM has been paused. Shorter
// sleeps are the VMM's own work for which it needed the vCPU to stand still.
constexpr std::int64_t kPauseNs = 50'000'000;

// prev_state of sched_switch. "Preempted" is one extra bit above the states: 0x100 since 4.14,
// 0x400 to 0x1000 before; 0x200 was TASK_PARKED then.
constexpr std::int64_t kStateBits = 0xff | 0x200;
constexpr std::int64_t kStoppedBits = 0x4 | 0x8;        // T, t
constexpr std::int64_t kDeadBits = 0x10 | 0x20 | 0x40;  // X, Z, and TASK_DEAD before 4.14

bool is_runnable(std::int64_t prev_state) { return (prev_state & kStateBits) == 0; }

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

HostVcpus::HostVcpus(const model::Experiment& experiment, model::MachineIndex host,
                     model::IntervalSink& sink, std::vector<VcpuObserver*> observers)
    : sink_(sink), observers_(std::move(observers)) {
  const model::ClockMap& clock = experiment.machines[host].clock;
  for (model::MachineIndex m = 0; m < experiment.machines.size(); ++m) {
    const model::Machine& machine = experiment.machines[m];
    if (machine.parent != host) continue;
    for (std::uint32_t slot = 0; slot < machine.vcpus.size(); ++slot) {
      Vcpu& vcpu = vcpus_.emplace_back();
      vcpu.ref = {m, slot};
      vcpu.index = static_cast<std::uint32_t>(vcpus_.size() - 1);
      vcpu.id = machine.vcpus[slot].id;
      const std::int64_t key[] = {sink_.intern(machine.name), machine.vcpus[slot].id};
      vcpu.entity = sink_.entity(model::TableId::kVcpuState, key);
      vcpu.held.reserve(kHeldRows);
      for (const model::VcpuThread& thread : machine.vcpus[slot].threads) {
        threads_[thread.tid].bindings.push_back(
            {vcpu.index, clock.to_host(thread.first), clock.to_host(thread.last)});
      }
    }
  }
  for (auto& [tid, thread] : threads_) {
    std::ranges::sort(thread.bindings, {}, &Binding::first);
  }
}

HostVcpus::HandlerTable HostVcpus::make_handlers() {
  using K = EventKind;
  HandlerTable table{};
  const auto set = [&table](Handler handler, std::initializer_list<K> kinds) {
    for (const K kind : kinds) table[static_cast<std::size_t>(kind)] = handler;
  };
  set(&HostVcpus::on_switch, {K::kSchedSwitch});
  set(&HostVcpus::on_waking, {K::kSchedWaking});
  set(&HostVcpus::on_wakeup, {K::kSchedWakeup});
  set(&HostVcpus::on_wakeup_new, {K::kSchedWakeupNew});
  set(&HostVcpus::on_migrate, {K::kSchedMigrateTask});
  set(&HostVcpus::on_fork, {K::kSchedProcessFork});
  set(&HostVcpus::on_thread_end, {K::kSchedProcessExit});
  set(&HostVcpus::on_entry, {K::kKvmEntry});
  set(&HostVcpus::on_exit, {K::kKvmExit});
  set(&HostVcpus::on_userspace_exit, {K::kKvmUserspaceExit});
  set(&HostVcpus::on_fpu, {K::kKvmFpu});
  set(&HostVcpus::on_emulate, {K::kKvmEmulateInsn});
  set(&HostVcpus::on_vcpu_wakeup, {K::kKvmVcpuWakeup});
  set(&HostVcpus::on_nested_enter, {K::kKvmNestedVmenter});
  set(&HostVcpus::on_nested_inject, {K::kKvmNestedVmexitInject});
  // Happen in the vCPU's thread, inside KVM_RUN and in root mode only.
  set(&HostVcpus::on_inside_run,
      {K::kKvmMsr, K::kKvmPio, K::kKvmMmio, K::kKvmCpuid, K::kKvmHypercall, K::kKvmPageFault,
       K::kKvmInjVirq, K::kKvmApic, K::kKvmApicIpi, K::kKvmEoi, K::kKvmCr, K::kKvmNestedVmexit});
  // Witnesses of the host on this pCPU, no more. Not among them: kvm_wait_lapic_expire, the context
  // read at entry and whatever else may be recorded between kvm_entry and the guest (irq_enable and
  // its like, which the catalogue does not know): they would cut every guest interval to nothing.
  set(&HostVcpus::on_witness,
      {K::kKvmApicAcceptIrq, K::kKvmApicvAcceptIrq, K::kKvmMsiSetIrq, K::kKvmSetIrq,
       K::kGuestContextExit, K::kSoftirqRaise, K::kHrtimerStart, K::kHrtimerCancel});
  set(&HostVcpus::on_hard_begin, {K::kIrqHandlerEntry, K::kIrqVectorEntry, K::kHrtimerExpireEntry});
  set(&HostVcpus::on_hard_end, {K::kIrqHandlerExit, K::kIrqVectorExit, K::kHrtimerExpireExit});
  set(&HostVcpus::on_soft_begin, {K::kSoftirqEntry});
  set(&HostVcpus::on_soft_end, {K::kSoftirqExit});
  set(&HostVcpus::on_syscall_exit, {K::kSyscallExit});
  set(&HostVcpus::on_vmm_call, {K::kKvmWriteTscOffset, K::kKvmTrackTsc});
  return table;
}

const HostVcpus::HandlerTable& HostVcpus::handlers() {
  static const HandlerTable table = make_handlers();
  return table;
}

model::KindSet HostVcpus::kinds() {
  model::KindSet set;
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    if (handlers()[i] != nullptr) set.add(static_cast<EventKind>(i));
  }
  return set;
}

void HostVcpus::set_current(std::uint32_t cpu, std::int32_t tid) {
  if (Cpu* at = cpu_at(cpu)) at->tid = tid;
}

void HostVcpus::on_event(HostTime time, const Event& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.kind)];
  if (handler == nullptr) return;
  Cpu* cpu = cpu_at(event.cpu);
  if (cpu == nullptr) return;
  note_context(time, event, *cpu);
  if (cpu->running != kNone && event.kind != EventKind::kKvmEntry &&
      event.kind != EventKind::kKvmExit) {
    end_guest_implicitly(time, vcpus_[cpu->running]);
  }
  (this->*handler)(time, event, *cpu);
}

HostVcpus::Cpu* HostVcpus::cpu_at(std::uint32_t cpu) {
  if (cpu >= limits::kCpus) return nullptr;
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return &cpus_[cpu];
}

// An event says which thread made it. Where that is not the one we hold for current, a switch was
// not recorded: the vCPU we thought there is somewhere else.
void HostVcpus::note_context(HostTime time, const Event& event, Cpu& cpu) {
  if (event.tid == model::kNoTid || event.tid == cpu.tid) return;
  if (cpu.running != kNone) {
    end_guest_implicitly(time, vcpus_[cpu.running]);
    displace(time, cpu);
  }
  cpu.tid = event.tid;
  cpu.hard = cpu.soft = 0;
  if (Vcpu* vcpu = active(event.tid, time)) switch_in(time, *vcpu, event.cpu, cpu);
}

void HostVcpus::end_guest_implicitly(HostTime time, Vcpu& vcpu) {
  if (vcpu.row.state != VcpuState::kGuest || !vcpu.started) return;
  ++counters_.implicit_exits;
  vcpu.base = VcpuState::kHypervisor;
  vcpu.reason = kNull;
  vcpu.reason_pending = true;
  run_root(time, vcpu, cpus_[static_cast<std::uint32_t>(vcpu.pcpu)]);
}

// ---- threads and their vCPUs ----

/// The vCPU that `tid` runs at `time`, by the first pass over the trace.
HostVcpus::Vcpu* HostVcpus::bound(std::int32_t tid, HostTime time) {
  const auto at = threads_.find(tid);
  if (at == threads_.end()) return nullptr;
  Thread& thread = at->second;
  while (thread.current + 1 < thread.bindings.size() &&
         thread.bindings[thread.current].last < time &&
         thread.bindings[thread.current + 1].first <= time) {
    ++thread.current;
  }
  return &vcpus_[thread.bindings[thread.current].vcpu];
}

/// The same, if the vCPU is not in the hands of another thread; takes it when nobody has it.
HostVcpus::Vcpu* HostVcpus::active(std::int32_t tid, HostTime time) {
  if (tid <= 0) return nullptr;
  Vcpu* vcpu = bound(tid, time);
  if (vcpu == nullptr) return nullptr;
  if (vcpu->tid < 0) bind(time, *vcpu, tid);
  return vcpu->tid == tid ? vcpu : nullptr;
}

/// The vCPU whose thread made a KVM event. `id` decides where one thread runs several vCPUs.
HostVcpus::Vcpu* HostVcpus::own(HostTime time, const Event& event, Cpu& cpu, std::int64_t id) {
  const std::int32_t tid = event.tid != model::kNoTid ? event.tid : cpu.tid;
  Vcpu* vcpu = tid > 0 ? bound(tid, time) : nullptr;
  if (vcpu == nullptr) return nullptr;
  Thread& thread = threads_.find(tid)->second;
  if (id >= 0 && thread.bindings.size() > 1) {
    for (std::size_t i = 0; i < thread.bindings.size(); ++i) {
      const Binding& binding = thread.bindings[i];
      const bool alive = binding.first <= time && time <= binding.last;
      if (!alive || vcpus_[binding.vcpu].id != id) continue;
      thread.current = i;
      vcpu = &vcpus_[binding.vcpu];
    }
  }
  if (vcpu->tid != tid) bind(time, *vcpu, tid);
  place(time, *vcpu, event.cpu, cpu);
  if (vcpu->base == VcpuState::kUnknown) vcpu->base = VcpuState::kHypervisor;
  vcpu->lost = false;
  return vcpu;
}

void HostVcpus::bind(HostTime, Vcpu& vcpu, std::int32_t tid) {
  Thread& thread = threads_.find(tid)->second;
  vcpu.tid = tid;
  vcpu.base = thread.newborn ? VcpuState::kUserspace : VcpuState::kUnknown;
  vcpu.entered = false;
  thread.newborn = false;
}

void HostVcpus::place(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number, Cpu& cpu) {
  if (cpu.running != kNone && cpu.running != vcpu.index) release(time, cpu);
  const auto number = static_cast<std::int32_t>(cpu_number);
  if (vcpu.on_cpu && vcpu.pcpu != number) {
    Cpu& old = cpus_[static_cast<std::uint32_t>(vcpu.pcpu)];
    if (old.running == vcpu.index) old.running = kNone;
    ++counters_.missed_switches;
  }
  vcpu.pcpu = number;
  vcpu.on_cpu = true;
  cpu.running = vcpu.index;
  cpu.tid = vcpu.tid;
}

/// One thread that now runs another vCPU: nobody runs this one.
void HostVcpus::release(HostTime time, Cpu& cpu) {
  Vcpu& vcpu = vcpus_[std::exchange(cpu.running, kNone)];
  vcpu.on_cpu = false;
  vcpu.tid = -1;
  vcpu.base = VcpuState::kUnknown;
  Row row;
  row.state = VcpuState::kOff;
  change(time, vcpu, row);
}

void HostVcpus::displace(HostTime time, Cpu& cpu) {
  Vcpu& vcpu = vcpus_[std::exchange(cpu.running, kNone)];
  ++counters_.missed_switches;
  vcpu.on_cpu = false;
  vcpu.base = VcpuState::kUnknown;
  Row row;
  row.reason = vcpu.reason;
  row.lossy = vcpu.lost;
  change(time, vcpu, row);
}

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
    end_thread(time, vcpu, threads_.find(vcpu.tid)->second);
  } else {
    change(time, vcpu, off_cpu_row(time, vcpu, sleep_state(vcpu, prev_state)));
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
    vcpu->early_waker = waker;  // on its way to sleep; sched_wakeup follows, no second sched_waking
  }
}

void HostVcpus::on_wakeup(HostTime time, const Event& event, Cpu&) {
  Vcpu* vcpu = active(tid_arg(event, arg::kWakeTid), time);
  if (vcpu == nullptr) return;
  const std::int32_t target = cpu_arg(event, arg::kWakeTargetCpu);
  if (!vcpu->started || is_asleep(vcpu->row.state, vcpu->on_cpu)) {
    begin_waking(time, *vcpu, target, vcpu->early_waker);
  } else if (vcpu->row.state == VcpuState::kWaking && target >= 0) {
    Row row = vcpu->row;
    row.pcpu = vcpu->pcpu = target;
    change(time, *vcpu, row);
  }
}

void HostVcpus::on_wakeup_new(HostTime time, const Event& event, Cpu& cpu) {
  const auto at = threads_.find(tid_arg(event, arg::kWakeTid));
  if (at == threads_.end()) return;
  at->second.newborn = true;
  on_wakeup(time, event, cpu);
}

void HostVcpus::begin_waking(HostTime time, Vcpu& vcpu, std::int32_t target, std::int64_t waker) {
  if (target >= 0) vcpu.pcpu = target;
  Row row = off_cpu_row(time, vcpu, VcpuState::kWaking);
  row.waker_tid = waker;
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
  const auto at = threads_.find(tid_arg(event, arg::kForkChildTid));
  if (at != threads_.end()) at->second.newborn = true;
}

void HostVcpus::on_thread_end(HostTime time, const Event& event, Cpu&) {
  const auto tid = tid_arg(event, arg::kProcessTid);
  if (Vcpu* vcpu = active(tid, time)) end_thread(time, *vcpu, threads_.find(tid)->second);
}

void HostVcpus::end_thread(HostTime time, Vcpu& vcpu, Thread& thread) {
  if (vcpu.on_cpu) cpus_[static_cast<std::uint32_t>(vcpu.pcpu)].running = kNone;
  vcpu.on_cpu = false;
  vcpu.tid = -1;
  vcpu.base = VcpuState::kUnknown;
  vcpu.reason = vcpu.early_waker = kNull;
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
  vcpu->reason = reason_id(code);
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

// ---- losses and the end ----

void HostVcpus::on_loss(HostTime begin, HostTime end, std::uint32_t cpu) {
  lossy_until_ = std::max(lossy_until_, end);
  for (Vcpu& vcpu : vcpus_) {
    if (!vcpu.started || vcpu.row.state == VcpuState::kOff) continue;
    if (cpu == model::kNoCpu || vcpu.pcpu == static_cast<std::int32_t>(cpu) || vcpu.pcpu < 0) {
      lose(begin, vcpu);
    } else if (!vcpu.on_cpu) {
      vcpu.row.lossy = true;  // it may have been woken, run and gone back to sleep there
    }
  }
  for (std::uint32_t i = 0; i < cpus_.size(); ++i) {
    if (cpu == model::kNoCpu || cpu == i) cpus_[i] = Cpu{};
  }
}

void HostVcpus::lose(HostTime time, Vcpu& vcpu) {
  vcpu.on_cpu = false;
  vcpu.lost = true;
  vcpu.base = VcpuState::kUnknown;
  vcpu.reason = vcpu.early_waker = kNull;
  vcpu.reason_pending = vcpu.idle_exit = false;
  vcpu.user_reason = -1;
  vcpu.emulations = 0;
  if (vcpu.level == 2) vcpu.level_known = false;
  Row row;
  row.lossy = true;
  change(time, vcpu, row);
  cut(time, vcpu, VcpuBreak::kLoss);
}

void HostVcpus::finish(HostTime end) {
  for (Vcpu& vcpu : vcpus_) {
    if (!vcpu.started) continue;
    hold(vcpu, end);
    cut(end, vcpu, VcpuBreak::kTraceEnd);
    vcpu.started = false;
  }
}

// ---- rows ----

/// Its thread runs and is not in the guest.
void HostVcpus::run_root(HostTime time, Vcpu& vcpu, const Cpu& cpu) {
  Row row;
  row.state = cpu.in_irq() ? VcpuState::kHostIrq : vcpu.base;
  row.on_cpu = true;
  row.pcpu = vcpu.pcpu;
  row.reason = vcpu.reason;
  row.reason_pending = vcpu.reason_pending;
  row.lossy = vcpu.lost && vcpu.base == VcpuState::kUnknown;
  change(time, vcpu, row);
}

HostVcpus::Row HostVcpus::off_cpu_row(HostTime time, const Vcpu& vcpu, VcpuState state) const {
  Row row;
  row.state = state;
  row.pcpu = vcpu.pcpu;
  row.reason = vcpu.reason;
  row.reason_pending = vcpu.reason_pending;
  row.lossy = time < lossy_until_ || (vcpu.lost && state == VcpuState::kUnknown);
  return row;
}

void HostVcpus::change(HostTime time, Vcpu& vcpu, Row row) {
  if (!vcpu.started) {
    vcpu.started = true;
    vcpu.since = time;
  } else if (row == vcpu.row) {
    return;
  } else {
    hold(vcpu, time);
  }
  vcpu.row = row;
  tell_change(time, vcpu);
}

/// Closes the current row at `end` and begins its continuation there.
void HostVcpus::hold(Vcpu& vcpu, HostTime end) {
  if (end <= vcpu.since) return;
  if (vcpu.row.state == VcpuState::kBlocked && vcpu.base == VcpuState::kUserspace &&
      vcpu.user_reason == kUserReasonIntr && end - vcpu.since >= kPauseNs) {
    vcpu.row.state = VcpuState::kStopped;
  }
  // One place stays free for the row that mark_polling may have to split.
  if (vcpu.held.size() + 1 >= kHeldRows) flush(vcpu, kHeldRows / 2);
  if (!vcpu.held.empty() && vcpu.held.back().end == vcpu.since &&
      vcpu.held.back().row == vcpu.row) {
    vcpu.held.back().end = end;
  } else {
    vcpu.held.push_back({vcpu.since, end, vcpu.row});
  }
  vcpu.since = end;
}

void HostVcpus::flush(Vcpu& vcpu, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const HeldRow& held = vcpu.held[i];
    const Row& row = held.row;
    const std::int64_t values[] = {static_cast<std::int64_t>(row.state),
                                   row.pcpu < 0 ? kNull : row.pcpu,
                                   row.level,
                                   row.reason,
                                   row.waker_tid,
                                   row.lossy ? 1 : 0};
    sink_.add(vcpu.entity, held.begin, held.end, values);
    for (VcpuObserver* observer : observers_) {
      observer->on_vcpu_interval({held.begin, held.end, vcpu.ref, row.state});
    }
  }
  vcpu.held.erase(vcpu.held.begin(), vcpu.held.begin() + static_cast<std::ptrdiff_t>(count));
}

void HostVcpus::cut(HostTime time, Vcpu& vcpu, VcpuBreak why) {
  flush(vcpu, vcpu.held.size());
  for (VcpuObserver* observer : observers_) observer->on_vcpu_break(time, vcpu.ref, why);
}

void HostVcpus::tell_change(HostTime time, const Vcpu& vcpu) {
  VcpuChange now;
  now.time = time;
  now.vcpu = vcpu.ref;
  now.state = vcpu.row.state;
  now.pcpu = vcpu.row.pcpu;
  now.tid = vcpu.tid;
  now.on_cpu = vcpu.on_cpu;
  now.entered = vcpu.entered;
  now.lossy = vcpu.row.lossy;
  for (VcpuObserver* observer : observers_) observer->on_vcpu_change(now);
}

void HostVcpus::tell_event(HostTime time, const Vcpu& vcpu, const Event& event) {
  for (VcpuObserver* observer : observers_) observer->on_vcpu_event(time, vcpu.ref, event);
}

model::StringId HostVcpus::reason_id(const ExitCode& code) {
  const std::uint64_t number =
      code.isa == Isa::kArm && code.reason == kArmTrap ? 0x100 + code.esr_ec : code.reason;
  const std::uint64_t key = (number << 3) | static_cast<std::uint64_t>(code.isa);
  const auto at = reasons_.find(key);
  if (at != reasons_.end()) return at->second;
  char buffer[kExitTextBytes];
  const model::StringId id = sink_.intern(exit_text(code, buffer));
  reasons_.emplace(key, id);
  return id;
}

}  // namespace vs::analysis::vcpu
