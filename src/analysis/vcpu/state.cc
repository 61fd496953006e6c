#include "analysis/vcpu/state.h"

#include <algorithm>
#include <utility>

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
using model::kNull;
using model::VcpuState;

constexpr std::int64_t kUserReasonIntr = 10;  // KVM_EXIT_INTR: kicked out, nothing to emulate

// A vCPU that was kicked out of the guest and sleeps this long in the VMM has been paused. Shorter
// sleeps are the VMM's own work for which it needed the vCPU to stand still.
constexpr std::int64_t kPauseNs = 50'000'000;

}  // namespace

HostVcpus::HostVcpus(const model::Experiment& experiment, model::MachineIndex host,
                     model::IntervalSink& sink, const std::vector<VcpuObserver*>& observers)
    : sink_(sink), reasons_(sink) {
  for (VcpuObserver* const observer : observers) {
    const VcpuNews wanted = observer->wants();
    if (wanted.changes) for_changes_.push_back(observer);
    if (wanted.intervals) for_intervals_.push_back(observer);
    if (wanted.events) for_events_.push_back(observer);
    if (wanted.breaks) for_breaks_.push_back(observer);
  }
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
      for (const model::VcpuThread& thread : machine.vcpus[slot].threads) {
        if (thread.tid < 0) continue;
        if (thread_of(thread.tid) == nullptr) {
          thread_numbers_.insert(thread.tid, static_cast<std::uint32_t>(threads_.size()));
          threads_.emplace_back();
        }
        thread_of(thread.tid)
            ->bindings.push_back(
                {vcpu.index, clock.to_host(thread.first), clock.to_host(thread.last)});
      }
    }
  }
  for (Thread& thread : threads_) {
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
  if (Cpu* at = cpus_.at(cpu)) at->tid = tid;
}

void HostVcpus::on_event(HostTime time, const Event& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.kind)];
  if (handler == nullptr) return;
  Cpu* cpu = cpus_.at(event.cpu);
  if (cpu == nullptr) return;
  if (event.tid != cpu->tid && event.tid != model::kNoTid) note_context(time, event, *cpu);
  if (cpu->running != kNone && event.kind != EventKind::kKvmEntry &&
      event.kind != EventKind::kKvmExit) {
    end_guest_implicitly(time, vcpus_[cpu->running]);
  }
  (this->*handler)(time, event, *cpu);
}

// An event says which thread made it. Where that is not the one we hold for current, a switch was
// not recorded: the vCPU we thought there is somewhere else.
void HostVcpus::note_context(HostTime time, const Event& event, Cpu& cpu) {
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

/// The vCPU that a thread runs at `time`, by the first pass over the trace.
HostVcpus::Vcpu& HostVcpus::bound(Thread& thread, HostTime time) {
  while (thread.current + 1 < thread.bindings.size() &&
         thread.bindings[thread.current].last < time &&
         thread.bindings[thread.current + 1].first <= time) {
    ++thread.current;
  }
  return vcpus_[thread.bindings[thread.current].vcpu];
}

/// The same, if the vCPU is not in the hands of another thread; takes it when nobody has it.
HostVcpus::Vcpu* HostVcpus::active(std::int32_t tid, HostTime time) {
  Thread* const thread = tid > 0 ? thread_of(tid) : nullptr;
  if (thread == nullptr) return nullptr;
  Vcpu& vcpu = bound(*thread, time);
  if (vcpu.tid < 0) bind(vcpu, tid, *thread);
  return vcpu.tid == tid ? &vcpu : nullptr;
}

/// The vCPU whose thread made a KVM event. `id` decides where one thread runs several vCPUs.
HostVcpus::Vcpu* HostVcpus::own(HostTime time, const Event& event, Cpu& cpu, std::int64_t id) {
  const std::int32_t tid = event.tid != model::kNoTid ? event.tid : cpu.tid;
  Thread* const made = tid > 0 ? thread_of(tid) : nullptr;
  if (made == nullptr) return nullptr;
  Thread& thread = *made;
  Vcpu* vcpu = &bound(thread, time);
  if (id >= 0 && thread.bindings.size() > 1) {
    for (std::size_t i = 0; i < thread.bindings.size(); ++i) {
      const Binding& binding = thread.bindings[i];
      const bool alive = binding.first <= time && time <= binding.last;
      if (!alive || vcpus_[binding.vcpu].id != id) continue;
      thread.current = i;
      vcpu = &vcpus_[binding.vcpu];
    }
  }
  if (vcpu->tid != tid) bind(*vcpu, tid, thread);
  place(time, *vcpu, event.cpu, cpu);
  if (vcpu->base == VcpuState::kUnknown) vcpu->base = VcpuState::kHypervisor;
  vcpu->lost = false;
  vcpu->woken_early = false;  // it runs on
  return vcpu;
}

void HostVcpus::bind(Vcpu& vcpu, std::int32_t tid, Thread& thread) {
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
  vcpu.woken_early = false;
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
    put(vcpu.entity, held);
    for (VcpuObserver* const observer : for_intervals_) {
      observer->on_vcpu_interval({held.begin, held.end, vcpu.ref, held.row.state});
    }
  }
  vcpu.held.erase(vcpu.held.begin(), vcpu.held.begin() + static_cast<std::ptrdiff_t>(count));
}

void HostVcpus::put(model::EntityId entity, const HeldRow& held) {
  NotedRow& noted = place_of(held.row);
  if (noted.row == held.row) {
    if (sink_.add_again(entity, held.begin, held.end, noted.memo)) return;
  } else {
    noted = {held.row, {}};
  }
  sink_.add_noting(entity, held.begin, held.end, values_of(held.row), noted.memo);
}

HostVcpus::NotedRow& HostVcpus::place_of(const Row& row) {
  const std::uint64_t most = static_cast<std::uint64_t>(row.reason) * 8 +
                             static_cast<std::uint64_t>(row.state) +
                             static_cast<std::uint64_t>(row.pcpu) * 61;
  return noted_[(most ^ static_cast<std::uint64_t>(row.waker_tid) * 7) % noted_.size()];
}

std::array<std::int64_t, 6> HostVcpus::values_of(const Row& row) {
  return {static_cast<std::int64_t>(row.state),
          row.pcpu < 0 ? kNull : row.pcpu,
          row.level,
          row.reason,
          row.waker_tid,
          row.lossy ? 1 : 0};
}

void HostVcpus::list_open(HostTime until, std::vector<model::OpenRow>& out) const {
  const auto add = [&out](const Vcpu& vcpu, const HeldRow& row) {
    const auto values = values_of(row.row);
    out.push_back({vcpu.entity, row.begin, row.end, {values.begin(), values.end()}});
  };
  for (const Vcpu& vcpu : vcpus_) {
    if (!vcpu.started) continue;
    for (const HeldRow& held : vcpu.held) add(vcpu, held);
    if (vcpu.since < until) add(vcpu, {vcpu.since, until, vcpu.row});
  }
}

void HostVcpus::cut(HostTime time, Vcpu& vcpu, VcpuBreak why) {
  flush(vcpu, vcpu.held.size());
  for (VcpuObserver* const observer : for_breaks_) observer->on_vcpu_break(time, vcpu.ref, why);
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
  for (VcpuObserver* const observer : for_changes_) observer->on_vcpu_change(now);
}

void HostVcpus::tell_event(HostTime time, const Vcpu& vcpu, const Event& event) {
  for (VcpuObserver* const observer : for_events_) {
    observer->on_vcpu_event(time, vcpu.ref, event);
  }
}

}  // namespace vs::analysis::vcpu
