#include "analysis/delivery/senders.h"

namespace vs::analysis::delivery {
namespace {

using model::BlockCause;
using model::Context;
using model::Event;
using model::EventKind;
using model::StreamEvent;
namespace arg = model::arg;

std::int32_t tid_arg(const Event& event, std::size_t slot) {
  const std::int64_t tid = event.i_or(slot, -1);
  return tid >= 0 && tid <= 0x7fffffff ? static_cast<std::int32_t>(tid) : -1;
}

}  // namespace

Senders::Senders(const model::Experiment& experiment, model::MachineIndex host,
                 const model::MachineFacts& facts, const model::KindSet& recorded)
    : facts_(facts),
      threads_(experiment, host, &facts),
      sees_packets_(recorded.has(EventKind::kNetDevQueue) || recorded.has(EventKind::kNetDevXmit) ||
                    recorded.has(EventKind::kNetifReceiveSkb)),
      in_flight_(kInFlight) {}

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
  model::KindSet kinds = vcpu::VmThreads::kinds();
  for (std::size_t kind = 0; kind < model::kEventKindCount; ++kind) {
    if (handlers()[kind] != nullptr) kinds.add(static_cast<EventKind>(kind));
  }
  return kinds;
}

void Senders::on_event(const StreamEvent& event) {
  threads_.on_event(event, interrupt_on(event.event.cpu) != nullptr);
  const Handler handler = handlers()[static_cast<std::size_t>(event.event.kind)];
  Cpu* const cpu = handler == nullptr ? nullptr : cpus_.at(event.event.cpu);
  if (cpu != nullptr) (this->*handler)(event, *cpu);
}

void Senders::on_loss(std::uint32_t cpu) {
  if (Cpu* const at = cpus_.at(cpu)) *at = {};
}

// ---- threads ----

DeliveryClass Senders::noted(std::int32_t tid) const {
  const auto found = work_.find(tid);
  return found == work_.end() ? DeliveryClass::kUnknown : found->second;
}

DeliveryClass Senders::work_of(std::int32_t tid) const {
  const vcpu::VmThread thread = threads_.of(tid);
  if (thread.role == vcpu::VmRole::kPit) return DeliveryClass::kTimer;
  const DeliveryClass work = noted(tid);
  if (work != DeliveryClass::kUnknown) return work;
  // A vhost thread that moves no packets serves something else (vsock, scsi); that it moves none
  // is only known where packets are recorded.
  if (thread.role == vcpu::VmRole::kVhost && !sees_packets_) return DeliveryClass::kNetwork;
  return thread.role == vcpu::VmRole::kOther ? DeliveryClass::kUnknown : DeliveryClass::kDevice;
}

void Senders::on_exit(const StreamEvent& event, Cpu&) {
  const std::int32_t tid = tid_arg(event.event, arg::kProcessTid);
  work_.erase(tid);
}

void Senders::on_switch(const StreamEvent&, Cpu& cpu) { cpu.sending_tid = -1; }

// What a thread did before it slept is done with; what it is woken for is what its waker did.
void Senders::on_waking(const StreamEvent& event, Cpu& cpu) {
  const std::int32_t tid = tid_arg(event.event, arg::kWakeTid);
  if (tid <= 0) return;
  DeliveryClass work = DeliveryClass::kUnknown;
  if (const Context* const context = interrupt_on(event.event.cpu)) {
    if (context->cause == BlockCause::kDisk) work = DeliveryClass::kDisk;
    if (context->cause == BlockCause::kNetwork) work = DeliveryClass::kNetwork;
  } else if (event.tid > 0 && event.tid == cpu.sending_tid) {
    work = DeliveryClass::kNetwork;
  } else if (event.tid > 0) {
    // A worker of the VMM hands the finished work on to the thread that interrupts the guest.
    const DeliveryClass done = noted(event.tid);
    const model::MachineIndex vm =
        done == DeliveryClass::kUnknown ? model::kNoMachine : vm_of(event.tid);
    if (vm != model::kNoMachine && vm == vm_of(tid)) work = done;
  }
  work_[tid] = work;
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

void Senders::on_block_complete(const StreamEvent& event, Cpu&) {
  const Event& e = event.event;
  InFlight& slot = slot_of(e);
  const bool mine = slot.device == e.u(arg::kBlockDevice) && slot.sector == e.u(arg::kBlockSector);
  if (!mine) return;
  if (slot.tid > 0) work_[slot.tid] = DeliveryClass::kDisk;
  slot = {};
}

void Senders::on_net_queue(const StreamEvent& event, Cpu& cpu) {
  if (interrupt_on(event.event.cpu) == nullptr) cpu.sending_tid = event.tid;
}

void Senders::on_net_xmit(const StreamEvent& event, Cpu& cpu) {
  cpu.sending_tid = -1;
  moved_packet(event);
}

void Senders::on_net_receive(const StreamEvent& event, Cpu&) { moved_packet(event); }

// In an interrupt the current thread is a bystander.
void Senders::moved_packet(const StreamEvent& event) {
  if (interrupt_on(event.event.cpu) == nullptr && event.tid > 0)
    work_[event.tid] = DeliveryClass::kNetwork;
}

}  // namespace vs::analysis::delivery
