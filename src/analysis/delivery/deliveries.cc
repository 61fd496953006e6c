#include "analysis/delivery/deliveries.h"

#include <algorithm>

namespace vs::analysis::delivery {
namespace {

using model::BlockCause;
using model::Context;
using model::ContextKind;
using model::Event;
using model::EventKind;
using model::StreamEvent;
namespace arg = model::arg;

// Delivery modes with a vector (APIC): fixed and lowest priority.
constexpr std::int64_t kLowestPriority = 1;

// kvm_msi_set_irq: destination and vector in the address and data of the message.
constexpr unsigned kMsiDestinationShift = 12;
constexpr unsigned kMsiHighDestinationShift = 40;

std::int64_t msi_destination(std::uint64_t address) {
  const std::uint64_t low = (address >> kMsiDestinationShift) & 0xff;
  const std::uint64_t high = (address >> kMsiHighDestinationShift) & 0xffffff;
  return static_cast<std::int64_t>(high << 8 | low);
}

bool shows_sender(EventKind kind) {
  return kind == EventKind::kKvmApicAcceptIrq || kind == EventKind::kKvmApicvAcceptIrq;
}

std::uint64_t thread_key(model::MachineIndex host, std::int32_t tid) {
  return std::uint64_t{host} << 32 | static_cast<std::uint32_t>(tid);
}

DeliveryClass class_of_interrupt(const Context& context) {
  switch (context.cause) {
    case BlockCause::kTimer:
      return DeliveryClass::kTimer;
    case BlockCause::kDisk:
      return DeliveryClass::kDisk;
    case BlockCause::kNetwork:
      return DeliveryClass::kNetwork;
    default:
      return DeliveryClass::kDevice;
  }
}

}  // namespace

Deliveries::Deliveries(const model::StreamSetup& setup)
    : experiment_(*setup.experiment),
      facts_(setup.facts),
      machines_(setup.experiment->machines.size()),
      vectors_(0) {
  std::vector<model::StringId> names;
  for (const model::Machine& machine : experiment_.machines) {
    names.push_back(setup.sink->intern(machine.name));
  }
  for (model::MachineIndex m = 0; m < machines_.size(); ++m) {
    const model::Machine& source = experiment_.machines[m];
    Machine& machine = machines_[m];
    machine.parent = source.parent;
    machine.first_vcpu = static_cast<std::uint32_t>(vcpus_.size());
    for (std::uint32_t slot = 0; slot < source.vcpus.size(); ++slot) {
      Vcpu& vcpu = vcpus_.emplace_back();
      vcpu.ref = {m, slot};
      vcpu.id = source.vcpus[slot].id;
      vcpu.guest_cpu = source.vcpus[slot].guest_cpu;
      for (const model::VcpuThread& thread : source.vcpus[slot].threads) {
        vcpu_of_tid_[thread_key(source.parent, thread.tid)] = machine.first_vcpu + slot;
      }
    }
  }
  vectors_ = VectorMap(vcpus_.size());
  for (const model::MachineIndex m : setup.machines) {
    const model::KindSet& recorded = setup.recorded[m];
    const bool hosts = std::any_of(machines_.begin(), machines_.end(),
                                   [m](const Machine& other) { return other.parent == m; });
    const model::MachineFacts& facts = *setup.facts[m];
    machines_[m].guest = std::make_unique<GuestInterrupts>(m, names, facts, recorded);
    if (!hosts) continue;
    machines_[m].senders = std::make_unique<Senders>(experiment_, m, facts, recorded);
    machines_[m].accepts =
        recorded.has(EventKind::kKvmApicAcceptIrq) || recorded.has(EventKind::kKvmApicvAcceptIrq);
    machines_[m].ends = recorded.has(EventKind::kKvmEoi);
  }
}

Deliveries::~Deliveries() = default;

kernel::WakeResolver* Deliveries::resolver(model::MachineIndex machine) {
  return machines_[machine].guest.get();
}

model::KindSet Deliveries::kinds(model::MachineIndex machine) const {
  const bool guest = machines_[machine].parent != model::kNoMachine;
  model::KindSet kinds = guest ? GuestInterrupts::kinds() : GuestInterrupts::kinds_of_hosts();
  if (machines_[machine].senders == nullptr) return kinds;
  kinds.add(Senders::kinds());
  return kinds.add(
      model::KindSet::of({EventKind::kKvmApicAcceptIrq, EventKind::kKvmApicvAcceptIrq,
                          EventKind::kKvmMsiSetIrq, EventKind::kKvmInjVirq, EventKind::kKvmApicIpi,
                          EventKind::kKvmUserspaceExit, EventKind::kKvmEoi}));
}

void Deliveries::on_event(const StreamEvent& event) {
  Machine& machine = machines_[event.machine];
  if (machine.guest != nullptr) machine.guest->on_event(event);
  if (machine.senders == nullptr) return;
  machine.senders->on_event(event);
  switch (event.event.kind) {
    case EventKind::kKvmApicAcceptIrq:
    case EventKind::kKvmApicvAcceptIrq:
      return on_accept(event, machine);
    case EventKind::kKvmMsiSetIrq:
      return on_message(event, machine);
    case EventKind::kSchedWaking:
      return on_waking(event, machine);
    case EventKind::kSchedSwitch:
      if (Cpu* const cpu = machine.cpus.at(event.event.cpu)) cpu->shown.valid = false;
      return;
    default:
      return;
  }
}

void Deliveries::on_loss(HostTime, HostTime, model::MachineIndex machine, std::uint32_t cpu) {
  Machine& lost = machines_[machine];
  if (lost.guest != nullptr) lost.guest->on_loss(cpu);
  if (lost.senders == nullptr) return;
  lost.senders->on_loss(cpu);
  if (Cpu* const at = lost.cpus.at(cpu)) at->shown = {};
  forget_deliveries(machine);
}

void Deliveries::finish(model::MachineIndex machine, HostTime) { forget_deliveries(machine); }

void Deliveries::forget_deliveries(model::MachineIndex host) {
  for (const Machine& machine : machines_) {
    if (machine.parent == host && machine.guest != nullptr) machine.guest->forget_deliveries();
  }
  for (Vcpu& vcpu : vcpus_) {
    if (machines_[vcpu.ref.machine].parent != host) continue;
    vcpu.woken = false;
    vcpu.in_service = -1;
  }
}

// ---- what the vCPUs do ----

void Deliveries::on_vcpu_change(const vcpu::VcpuChange& change) {
  Vcpu* const vcpu = vcpu_at(change.vcpu);
  if (vcpu == nullptr) return;
  const std::int32_t pcpu = change.on_cpu ? change.pcpu : -1;
  if (pcpu == vcpu->pcpu && change.tid == vcpu->tid) return;
  const auto index = static_cast<std::uint32_t>(vcpu - vcpus_.data());
  Machine& host = machines_[machines_[change.vcpu.machine].parent];
  if (vcpu->pcpu >= 0) {
    Cpu* const before = host.cpus.at(vcpu->pcpu);
    if (before != nullptr && before->vcpu == index) before->vcpu = kNone;
  }
  if (pcpu >= 0) {
    if (Cpu* const now = host.cpus.at(pcpu)) now->vcpu = index;
  }
  if (change.tid >= 0 && change.tid != vcpu->tid) {
    vcpu_of_tid_[thread_key(machines_[change.vcpu.machine].parent, change.tid)] = index;
  }
  vcpu->pcpu = pcpu;
  vcpu->tid = change.tid;
}

void Deliveries::on_vcpu_event(HostTime time, const vcpu::VcpuRef& ref, const Event& event) {
  Vcpu* const vcpu = vcpu_at(ref);
  if (vcpu == nullptr) return;
  switch (event.kind) {
    case EventKind::kKvmEntry:
      vcpu->woken = false;
      [[fallthrough]];
    case EventKind::kKvmExit:
      vcpu->ipi_vector = -1;
      vcpu->in_userspace = false;
      return;
    case EventKind::kKvmUserspaceExit:
      vcpu->in_userspace = true;
      return;
    case EventKind::kKvmApicIpi:
      vcpu->ipi_vector = event.i_or(arg::kIpiIcrLow, -1) & 0xff;
      return;
    case EventKind::kKvmInjVirq:
      return on_injected(time, *vcpu, event);
    case EventKind::kKvmEoi:
      if (event.i_or(arg::kEoiVector, -1) == vcpu->in_service) vcpu->in_service = -1;
      return;
    default:
      return;
  }
}

// A vector that no event showed on its way in: what woke the vCPU since its last entry sent it.
void Deliveries::on_injected(HostTime time, Vcpu& victim, const Event& event) {
  const std::int64_t number = event.i_or(arg::kInjVector, -1);
  if (number < 0 || number > 0xff) return;
  const auto vector = static_cast<std::uint8_t>(number);
  const Machine& host = machines_[machines_[victim.ref.machine].parent];
  GuestInterrupts* const guest =
      victim.guest_cpu < 0 ? nullptr : machines_[victim.ref.machine].guest.get();
  const auto cpu = static_cast<std::uint32_t>(victim.guest_cpu);
  // An exit that came before the guest took it: it is injected again, and nothing is new.
  const bool again =
      victim.in_service == number && host.ends && event.i_or(arg::kInjReinjected, 1) != 0;
  victim.in_service = vector;
  if (again) return;
  if (!host.accepts) {
    Delivery delivery;
    if (victim.woken) delivery = victim.wake;
    victim.woken = false;
    delivery.time = time;
    delivery.vector = static_cast<std::int16_t>(number);
    tell(delivery, victim);
  }
  if (guest != nullptr) guest->on_injection(cpu, vector);
}

// ---- deliveries ----

void Deliveries::on_accept(const StreamEvent& event, Machine& host) {
  const Event& e = event.event;
  const bool has_vector = e.i_or(arg::kAcceptDeliveryMode, 0) <= kLowestPriority;
  if (!has_vector) return;
  on_sent(event, host, e.i_or(arg::kAcceptApicId, -1), e.i_or(arg::kAcceptVector, -1));
}

void Deliveries::on_message(const StreamEvent& event, Machine& host) {
  if (host.accepts) return;  // they follow, and know the vCPU that took it
  const Event& e = event.event;
  on_sent(event, host, msi_destination(e.u(arg::kMsiAddress)),
          static_cast<std::int64_t>(e.u(arg::kMsiData) & 0xff));
}

void Deliveries::on_sent(const StreamEvent& event, Machine& host, std::int64_t apic_id,
                         std::int64_t vector) {
  Cpu* const cpu = host.cpus.at(event.event.cpu);
  if (cpu == nullptr || apic_id < 0 || vector < 0 || vector > 0xff) return;
  Shown& last = cpu->shown;
  const bool again = last.valid && last.kind != event.event.kind && shows_sender(last.kind) &&
                     last.apic_id == apic_id && last.delivery.vector == vector &&
                     last.delivery.sender_tid == event.tid;
  if (again) return;
  const bool interrupt = host.senders->interrupt_on(event.event.cpu) != nullptr;
  const Vcpu* const sender = interrupt ? nullptr : current_vcpu(host, event.event.cpu, event.tid);
  model::MachineIndex vm = sender != nullptr ? sender->ref.machine : model::kNoMachine;
  if (vm == model::kNoMachine && !interrupt) vm = host.senders->vm_of(event.tid);
  if (vm == model::kNoMachine) vm = only_vm_with(event.machine, apic_id);
  Vcpu* const victim = vcpu_of(vm, apic_id);
  last.valid = true;
  last.placed = victim != nullptr;
  last.apic_id = apic_id;
  last.kind = event.event.kind;
  last.delivery = sent_by(event, host, sender, victim);
  last.delivery.vector = static_cast<std::int16_t>(vector);
  if (victim != nullptr) {
    tell(last.delivery, *victim);
  } else {
    ++counters_.unplaced;
  }
}

Delivery Deliveries::sent_by(const StreamEvent& event, Machine& host, const Vcpu* sender,
                             const Vcpu* victim) const {
  Delivery delivery;
  delivery.time = event.time;
  delivery.evidence = DeliveryEvidence::kContext;
  if (const Context* const inside = host.senders->interrupt_on(event.event.cpu)) {
    delivery.cause = class_of_interrupt(*inside);
    return delivery;
  }
  delivery.sender_tid = event.tid > 0 ? event.tid : -1;
  if (delivery.sender_tid > 0) delivery.sender_machine = event.machine;
  if (sender != nullptr && !sender->in_userspace) {
    delivery.sender_vcpu = sender->ref;
    // A vCPU's own interrupts are its timer's, but for the IPIs it sends to itself.
    const bool own_timer = sender == victim && sender->ipi_vector < 0;
    delivery.cause = own_timer ? DeliveryClass::kTimer : DeliveryClass::kTask;
    return delivery;
  }
  delivery.cause = host.senders->work_of(event.tid);
  return delivery;
}

// The thread that an interrupt of unknown address wakes next is the one it was for.
void Deliveries::on_waking(const StreamEvent& event, Machine& host) {
  const auto tid = static_cast<std::int32_t>(event.event.i_or(arg::kWakeTid, -1));
  Vcpu* const victim = vcpu_of_thread(tid, event.machine);
  Cpu* const cpu = host.cpus.at(event.event.cpu);
  if (victim == nullptr || cpu == nullptr) return;
  const bool interrupt = host.senders->interrupt_on(event.event.cpu) != nullptr;
  const Vcpu* const sender = interrupt ? nullptr : current_vcpu(host, event.event.cpu, event.tid);
  victim->wake = sent_by(event, host, sender, victim);
  victim->woken = true;
  Shown& shown = cpu->shown;
  const bool same_sender = shown.valid && !shown.placed && shown.apic_id == victim->id &&
                           (interrupt || shown.delivery.sender_tid == event.tid);
  if (!same_sender) return;
  shown.placed = true;
  --counters_.unplaced;
  if (!interrupt && sender == nullptr && event.tid > 0) {
    host.senders->learn_vm(event.tid, victim->ref.machine);
  }
  tell(shown.delivery, *victim);
}

// ---- telling ----

void Deliveries::tell(Delivery delivery, Vcpu& victim) {
  delivery.victim = victim.ref;
  ++counters_.deliveries;
  learn(delivery, victim);
  find_source(delivery);
  GuestInterrupts* const guest = machines_[victim.ref.machine].guest.get();
  if (guest != nullptr && victim.guest_cpu >= 0) {
    guest->on_delivery(static_cast<std::uint32_t>(victim.guest_cpu), delivery);
  }
  for (DeliveryObserver* const observer : observers_) observer->on_delivery(delivery);
}

// IPIs and timers are certain. What a thread of the VMM was doing is not, when it does several
// things between two sleeps: there the vector's past is the better witness.
void Deliveries::learn(Delivery& delivery, const Vcpu& victim) {
  const auto index = static_cast<std::size_t>(&victim - vcpus_.data());
  const auto vector = static_cast<std::uint8_t>(delivery.vector);
  const bool told = delivery.cause != DeliveryClass::kUnknown;
  const bool certain =
      delivery.cause == DeliveryClass::kTimer || delivery.cause == DeliveryClass::kTask;
  if (told) vectors_.learn(delivery.time, index, vector, delivery.cause);
  if (certain) return;
  const std::optional<DeliveryClass> learnt = vectors_.class_of(index, vector);
  if (learnt && *learnt != delivery.cause) {
    delivery.cause = *learnt;
    delivery.evidence = DeliveryEvidence::kLearnt;
  } else if (delivery.cause == DeliveryClass::kDevice || !told) {
    delivery.evidence = DeliveryEvidence::kNone;
  }
}

void Deliveries::find_source(Delivery& delivery) const {
  delivery.source_machine = delivery.sender_machine;
  delivery.source_tid = delivery.sender_tid;
  if (delivery.cause == DeliveryClass::kTimer) {
    delivery.source_machine = model::kNoMachine;
    delivery.source_tid = -1;
  }
  if (delivery.cause != DeliveryClass::kTask) return;
  const vcpu::VcpuRef& ref = delivery.sender_vcpu;
  if (ref.machine == model::kNoMachine) return;
  const GuestInterrupts* const guest = machines_[ref.machine].guest.get();
  const std::int32_t number = experiment_.machines[ref.machine].vcpus[ref.slot].guest_cpu;
  const model::MachineFacts* const facts = facts_[ref.machine];
  if (guest == nullptr || facts == nullptr || number < 0) return;
  const auto cpu = static_cast<std::uint32_t>(number);
  if (guest->in_interrupt(cpu)) {
    const Source behind = guest->source_on(cpu);
    delivery.source_machine = behind.machine;
    delivery.source_tid = behind.tid;
    return;
  }
  const std::int32_t tid = facts->tid_on(cpu);
  delivery.source_machine = tid > 0 ? ref.machine : model::kNoMachine;
  delivery.source_tid = tid > 0 ? tid : -1;
}

// ---- look-ups ----

Deliveries::Vcpu* Deliveries::vcpu_at(const vcpu::VcpuRef& ref) {
  if (ref.machine >= machines_.size()) return nullptr;
  return &vcpus_[machines_[ref.machine].first_vcpu + ref.slot];
}

Deliveries::Vcpu* Deliveries::vcpu_of(model::MachineIndex vm, std::int64_t id) {
  if (vm >= machines_.size()) return nullptr;
  const std::size_t count = experiment_.machines[vm].vcpus.size();
  for (std::size_t slot = 0; slot < count; ++slot) {
    Vcpu& vcpu = vcpus_[machines_[vm].first_vcpu + slot];
    if (vcpu.id == id) return &vcpu;
  }
  return nullptr;
}

Deliveries::Vcpu* Deliveries::vcpu_of_thread(std::int32_t tid, model::MachineIndex host) {
  const auto found = vcpu_of_tid_.find(thread_key(host, tid));
  return found == vcpu_of_tid_.end() ? nullptr : &vcpus_[found->second];
}

Deliveries::Vcpu* Deliveries::current_vcpu(Machine& host, std::uint32_t cpu, std::int32_t tid) {
  const Cpu* const at = host.cpus.at(cpu);
  if (at == nullptr || at->vcpu == kNone || vcpus_[at->vcpu].tid != tid) return nullptr;
  return &vcpus_[at->vcpu];
}

model::MachineIndex Deliveries::only_vm_with(model::MachineIndex host, std::int64_t id) {
  model::MachineIndex found = model::kNoMachine;
  for (model::MachineIndex m = 0; m < machines_.size(); ++m) {
    if (machines_[m].parent != host || vcpu_of(m, id) == nullptr) continue;
    if (found != model::kNoMachine) return model::kNoMachine;
    found = m;
  }
  return found;
}

}  // namespace vs::analysis::delivery
