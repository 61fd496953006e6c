#include "analysis/delivery/senders.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "analysis/kernel/wake_cause.h"
#include "base/limits.h"

namespace vs::analysis::delivery {
namespace {

using kernel::Context;
using kernel::ContextKind;
using model::BlockCause;
using model::Event;
using model::EventKind;
using model::StreamEvent;
namespace arg = model::arg;

std::int32_t tid_arg(const Event& event, std::size_t slot) {
  const std::int64_t tid = event.i_or(slot, -1);
  return tid >= 0 && tid <= 0x7fffffff ? static_cast<std::int32_t>(tid) : -1;
}

/// The number after a prefix: "vhost-812" -> 812.
std::optional<std::int32_t> pid_after(std::string_view comm, std::string_view prefix) {
  if (!comm.starts_with(prefix)) return std::nullopt;
  std::int32_t pid = -1;
  const char* const begin = comm.data() + prefix.size();
  const auto [end, error] = std::from_chars(begin, comm.data() + comm.size(), pid);
  return error == std::errc{} && end != begin && pid > 0 ? std::optional(pid) : std::nullopt;
}

}  // namespace

Senders::Senders(const model::Experiment& experiment, model::MachineIndex host,
                 const model::ThreadFacts* facts, const model::KindSet& recorded)
    : facts_(facts),
      sees_packets_(recorded.has(EventKind::kNetDevQueue) || recorded.has(EventKind::kNetDevXmit) ||
                    recorded.has(EventKind::kNetifReceiveSkb)),
      in_flight_(kInFlight) {
  for (model::MachineIndex m = 0; m < experiment.machines.size(); ++m) {
    const model::Machine& machine = experiment.machines[m];
    if (machine.parent == host && machine.vmm_pid > 0) vm_of_pid_.emplace(machine.vmm_pid, m);
  }
}

const Senders::HandlerTable& Senders::handlers() {
  static const HandlerTable kHandlers = [] {
    using K = EventKind;
    HandlerTable table{};
    const auto set = [&table](K kind, Handler handler) {
      table[static_cast<std::size_t>(kind)] = handler;
    };
    set(K::kSchedSwitch, &Senders::on_switch);
    set(K::kSchedWaking, &Senders::on_waking);
    set(K::kSchedProcessExit, &Senders::on_exit);
    set(K::kIrqHandlerEntry, &Senders::on_irq_entry);
    set(K::kIrqHandlerExit, &Senders::on_irq_exit);
    set(K::kIrqVectorEntry, &Senders::on_vector_entry);
    set(K::kIrqVectorExit, &Senders::on_vector_exit);
    set(K::kSoftirqEntry, &Senders::on_softirq_entry);
    set(K::kSoftirqExit, &Senders::on_softirq_exit);
    set(K::kHrtimerExpireEntry, &Senders::on_timer_entry);
    set(K::kHrtimerExpireExit, &Senders::on_timer_exit);
    set(K::kTimerExpireEntry, &Senders::on_timer_entry);
    set(K::kTimerExpireExit, &Senders::on_timer_exit);
    set(K::kBlockRqInsert, &Senders::on_block_submit);
    set(K::kBlockRqIssue, &Senders::on_block_submit);
    set(K::kBlockRqComplete, &Senders::on_block_complete);
    set(K::kNetDevQueue, &Senders::on_net_queue);
    set(K::kNetDevXmit, &Senders::on_net_xmit);
    set(K::kNetifReceiveSkb, &Senders::on_net_receive);
    return table;
  }();
  return kHandlers;
}

model::KindSet Senders::kinds() {
  model::KindSet kinds;
  for (std::size_t kind = 0; kind < model::kEventKindCount; ++kind) {
    if (handlers()[kind] != nullptr) kinds.add(static_cast<EventKind>(kind));
  }
  return kinds;
}

void Senders::on_event(const StreamEvent& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.event.kind)];
  Cpu* const cpu = handler == nullptr ? nullptr : cpu_at(event.event.cpu);
  if (cpu != nullptr) (this->*handler)(event, *cpu);
}

void Senders::on_loss(std::uint32_t cpu) {
  if (Cpu* const at = cpu_at(cpu)) *at = {};
}

Senders::Cpu* Senders::cpu_at(std::uint32_t cpu) {
  if (cpu >= limits::kCpus) return nullptr;
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return &cpus_[cpu];
}

// ---- threads ----

Senders::Thread& Senders::thread(std::int32_t tid, std::string_view comm) {
  const auto [found, fresh] = threads_.try_emplace(tid);
  Thread& thread = found->second;
  if (!fresh || comm.empty()) return thread;
  std::optional<std::int32_t> pid = pid_after(comm, "vhost-");
  if (pid) thread.role = Role::kVhost;
  if (!pid && (pid = pid_after(comm, "kvm-pit/"))) thread.role = Role::kPit;
  const auto vm = pid ? vm_of_pid_.find(*pid) : vm_of_pid_.end();
  if (vm != vm_of_pid_.end()) thread.vm = vm->second;
  return thread;
}

void Senders::place(Thread& thread, std::int32_t tid) const {
  if (thread.vm != model::kNoMachine) return;
  auto vm = vm_of_pid_.find(tid);
  if (vm == vm_of_pid_.end() && facts_ != nullptr) vm = vm_of_pid_.find(facts_->tgid_of(tid));
  if (vm == vm_of_pid_.end()) return;
  thread.vm = vm->second;
  if (thread.role == Role::kOther) thread.role = Role::kVmm;
}

model::MachineIndex Senders::vm_of(std::int32_t tid) {
  if (tid <= 0) return model::kNoMachine;
  Thread& found = thread(tid);
  place(found, tid);
  return found.vm;
}

Role Senders::role_of(std::int32_t tid) const {
  const auto found = threads_.find(tid);
  return found == threads_.end() ? Role::kOther : found->second.role;
}

void Senders::learn_vm(std::int32_t tid, model::MachineIndex vm) {
  Thread& found = thread(tid);
  found.vm = vm;
  if (found.role == Role::kOther) found.role = Role::kVmm;
}

DeliveryClass Senders::work_of(std::int32_t tid) const {
  const auto found = threads_.find(tid);
  if (found == threads_.end()) return DeliveryClass::kUnknown;
  const Thread& thread = found->second;
  if (thread.role == Role::kPit) return DeliveryClass::kTimer;
  if (thread.work != DeliveryClass::kUnknown) return thread.work;
  // A vhost thread that moves no packets serves something else (vsock, scsi); that it moves none
  // is only known where packets are recorded.
  if (thread.role == Role::kVhost && !sees_packets_) return DeliveryClass::kNetwork;
  return DeliveryClass::kDevice;
}

void Senders::on_exit(const StreamEvent& event, Cpu&) {
  threads_.erase(tid_arg(event.event, arg::kProcessTid));
}

void Senders::on_switch(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.clear();
  cpu.sending_tid = -1;
  const std::int32_t next = tid_arg(event.event, arg::kNextTid);
  if (next > 0) thread(next, event.event.texts[arg::kNextComm]);
}

// What a thread did before it slept is done with; what it is woken for is what its waker did.
void Senders::on_waking(const StreamEvent& event, Cpu& cpu) {
  const std::int32_t tid = tid_arg(event.event, arg::kWakeTid);
  if (tid <= 0) return;
  DeliveryClass work = DeliveryClass::kUnknown;
  if (cpu.contexts.size() > 0) {
    const BlockCause cause = cpu.contexts.top().cause;
    if (cause == BlockCause::kDisk) work = DeliveryClass::kDisk;
    if (cause == BlockCause::kNetwork) work = DeliveryClass::kNetwork;
  } else if (event.tid > 0 && event.tid == cpu.sending_tid) {
    work = DeliveryClass::kNetwork;
  } else if (event.tid > 0) {
    // A worker of the VMM hands the finished work on to the thread that interrupts the guest.
    const model::MachineIndex vm = vm_of(event.tid);
    if (vm != model::kNoMachine && vm == vm_of(tid)) work = thread(event.tid).work;
  }
  thread(tid, event.event.texts[0]).work = work;
}

// ---- interrupts ----

const Context* Senders::interrupt_on(std::uint32_t cpu) const {
  if (cpu >= cpus_.size() || cpus_[cpu].contexts.size() == 0) return nullptr;
  return &cpus_[cpu].contexts.top();
}

void Senders::on_irq_entry(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.push({ContextKind::kHardirq, kernel::cause_of_irq_name(event.event.texts[0]),
                     event.event.i_or(arg::kIrqNumber, -1)});
}
void Senders::on_irq_exit(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.pop(ContextKind::kHardirq, event.event.i_or(arg::kIrqNumber, -1));
}
void Senders::on_vector_entry(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.push(
      {ContextKind::kVector, BlockCause::kIrq, event.event.i_or(arg::kVectorNumber, -1)});
}
void Senders::on_vector_exit(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.pop(ContextKind::kVector, event.event.i_or(arg::kVectorNumber, -1));
}
void Senders::on_softirq_entry(const StreamEvent& event, Cpu& cpu) {
  const std::int64_t vector = event.event.i_or(arg::kSoftirqVector, -1);
  cpu.contexts.push({ContextKind::kSoftirq, kernel::cause_of_softirq(vector), vector});
}
void Senders::on_softirq_exit(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.pop(ContextKind::kSoftirq, event.event.i_or(arg::kSoftirqVector, -1));
}
void Senders::on_timer_entry(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.push(
      {ContextKind::kTimer, BlockCause::kTimer, event.event.i_or(arg::kHrtimerAddress, -1)});
}
void Senders::on_timer_exit(const StreamEvent& event, Cpu& cpu) {
  cpu.contexts.pop(ContextKind::kTimer, event.event.i_or(arg::kHrtimerAddress, -1));
}

// ---- disks and networks ----

Senders::InFlight& Senders::slot_of(const Event& event) {
  const std::uint64_t mixed =
      (event.u(arg::kBlockSector) ^ (event.u(arg::kBlockDevice) << 40)) * 0x9e3779b97f4a7c15U;
  return in_flight_[mixed >> 54];
}

void Senders::on_block_submit(const StreamEvent& event, Cpu&) {
  const Event& e = event.event;
  InFlight& slot = slot_of(e);
  // Who queued it waits for it; a helper of the kernel may issue it later.
  const bool queued = e.kind == EventKind::kBlockRqIssue && slot.tid > 0 &&
                      slot.device == e.u(arg::kBlockDevice) &&
                      slot.sector == e.u(arg::kBlockSector);
  if (!queued) slot = {e.u(arg::kBlockDevice), e.u(arg::kBlockSector), event.tid};
}

void Senders::on_block_complete(const StreamEvent& event, Cpu& cpu) {
  if (cpu.contexts.size() > 0) cpu.contexts.top().cause = BlockCause::kDisk;
  const Event& e = event.event;
  InFlight& slot = slot_of(e);
  const bool mine = slot.device == e.u(arg::kBlockDevice) && slot.sector == e.u(arg::kBlockSector);
  if (!mine) return;
  if (slot.tid > 0) thread(slot.tid).work = DeliveryClass::kDisk;
  slot = {};
}

void Senders::on_net_queue(const StreamEvent& event, Cpu& cpu) {
  if (cpu.contexts.size() == 0) cpu.sending_tid = event.tid;
}

void Senders::on_net_xmit(const StreamEvent& event, Cpu& cpu) {
  cpu.sending_tid = -1;
  moved_packet(event, cpu);
}

void Senders::on_net_receive(const StreamEvent& event, Cpu& cpu) {
  if (cpu.contexts.size() > 0) cpu.contexts.top().cause = BlockCause::kNetwork;
  moved_packet(event, cpu);
}

// In an interrupt the current thread is a bystander.
void Senders::moved_packet(const StreamEvent& event, Cpu& cpu) {
  if (cpu.contexts.size() == 0 && event.tid > 0) thread(event.tid).work = DeliveryClass::kNetwork;
}

}  // namespace vs::analysis::delivery
