#include "analysis/net/packets.h"

#include <algorithm>

namespace vs::analysis::net {
namespace {

using model::Event;
using model::EventKind;
using model::kNull;
using model::NetDirection;
using model::StreamEvent;
namespace arg = model::arg;

// net_dev_xmit has slots of its own: skbaddr, len, rc. The first two are those of the others.
constexpr std::size_t kXmitReturn = 2;

std::int64_t bytes_of(const Event& event) { return event.i_or(arg::kNetLength, kNull); }

}  // namespace

Packets::Packets(const model::StreamSetup& setup)
    : experiment_(*setup.experiment),
      sink_(*setup.sink),
      machines_(setup.experiment->machines.size()) {
  for (const model::MachineIndex m : setup.machines) {
    Machine& machine = machines_[m];
    machine.traced = true;
    machine.name = sink_.intern(experiment_.machines[m].name);
    machine.hosts_vms = std::any_of(experiment_.machines.begin(), experiment_.machines.end(),
                                    [m](const model::Machine& other) { return other.parent == m; });
    if (experiment_.machines[m].parent != model::kNoMachine) machine.vm = machine.name;
    const model::KindSet& recorded = setup.recorded[m];
    machine.sees_xmit = recorded.has(EventKind::kNetDevXmit);
    const bool any = machine.sees_xmit || recorded.has(EventKind::kNetDevQueue) ||
                     recorded.has(EventKind::kNetifReceiveSkb);
    machine.hosts_vms = machine.hosts_vms && any;
    machine.facts = setup.facts[m];
    machine.threads = std::make_unique<vcpu::VmThreads>(experiment_, m, machine.facts);
  }
}

const Packets::HandlerTable& Packets::handlers() {
  static const HandlerTable kHandlers = [] {
    using K = EventKind;
    HandlerTable table{};
    const auto set = [&table](K kind, Handler handler) {
      table[static_cast<std::size_t>(kind)] = handler;
    };
    set(K::kNetDevQueue, &Packets::on_queue);
    set(K::kNetDevXmit, &Packets::on_xmit);
    set(K::kNetifReceiveSkb, &Packets::on_receive);
    set(K::kSchedWaking, &Packets::on_waking);
    set(K::kSchedSwitch, &Packets::on_switch);
    return table;
  }();
  return kHandlers;
}

// Who a packet's thread is only matters, and only costs, where VMs are hosted.
model::KindSet Packets::kinds(model::MachineIndex machine) const {
  model::KindSet kinds = model::KindSet::of(
      {EventKind::kNetDevQueue, EventKind::kNetDevXmit, EventKind::kNetifReceiveSkb});
  if (!machines_[machine].hosts_vms) return kinds;
  kinds.add(model::KindSet::of({EventKind::kSchedWaking, EventKind::kSchedSwitch}));
  return kinds.add(vcpu::VmThreads::kinds());
}

void Packets::on_event(const StreamEvent& event) {
  Machine& machine = machines_[event.machine];
  if (!machine.traced) return;
  const Handler handler = handlers()[static_cast<std::size_t>(event.event.kind)];
  if (handler != nullptr) (this->*handler)(machine, event);
  if (!machine.hosts_vms) return;
  machine.threads->on_event(event, in_interrupt(machine, event));
}

void Packets::on_loss(HostTime, HostTime, model::MachineIndex index, std::uint32_t cpu) {
  Machine& machine = machines_[index];
  if (Cpu* const at = machine.cpus.at(cpu)) *at = {};
}

void Packets::finish(model::MachineIndex index, HostTime) {
  for (auto& [name, device] : machines_[index].devices) release(device);
}

// ---- events ----

bool Packets::in_interrupt(const Machine& machine, const StreamEvent& event) {
  return machine.facts->contexts(event.event.cpu).size() > 0;
}

void Packets::on_queue(Machine& machine, const StreamEvent& event) {
  Device* const device = device_of(machine, event.event);
  if (device == nullptr) return;
  Cpu* const cpu = machine.cpus.at(event.event.cpu);
  const bool own = machine.hosts_vms && !in_interrupt(machine, event);
  if (cpu != nullptr && own) *cpu = {event.tid, device};
  if (machine.sees_xmit) return;
  ++counters_.sent;
  put(*device, {event.time, NetDirection::kTransmit, bytes_of(event.event)});
}

void Packets::on_xmit(Machine& machine, const StreamEvent& event) {
  if (Cpu* const cpu = machine.cpus.at(event.event.cpu)) *cpu = {};
  if (event.event.i_or(kXmitReturn, 0) != 0) {
    ++counters_.not_sent;
    return;
  }
  Device* const device = device_of(machine, event.event);
  if (device == nullptr) return;
  ++counters_.sent;
  put(*device, {event.time, NetDirection::kTransmit, bytes_of(event.event)});
}

// In an interrupt or softirq the current thread is a bystander.
void Packets::on_receive(Machine& machine, const StreamEvent& event) {
  Device* const device = device_of(machine, event.event);
  if (device == nullptr) return;
  const bool own = machine.hosts_vms && !in_interrupt(machine, event);
  if (own) learn(machine, *device, event.tid);
  ++counters_.received;
  put(*device, {event.time, NetDirection::kReceive, bytes_of(event.event)});
}

// The wake-up is part of giving the packet to the device.
void Packets::on_waking(Machine& machine, const StreamEvent& event) {
  const Cpu* const cpu = machine.cpus.at(event.event.cpu);
  if (cpu == nullptr || cpu->sending_to == nullptr || cpu->sending_tid != event.tid) return;
  if (in_interrupt(machine, event)) return;
  const std::int64_t tid = event.event.i_or(arg::kWakeTid, -1);
  if (tid > 0 && tid <= 0x7fffffff) {
    learn(machine, *cpu->sending_to, static_cast<std::int32_t>(tid));
  }
}

void Packets::on_switch(Machine& machine, const StreamEvent& event) {
  if (Cpu* const cpu = machine.cpus.at(event.event.cpu)) *cpu = {};
}

// ---- devices ----

Packets::Device* Packets::device_of(Machine& machine, const Event& event) {
  const std::string_view name = event.texts[0];
  const auto found = machine.devices.find(name);
  if (found != machine.devices.end()) return &found->second;
  if (machine.devices.size() == kMaxDevices) {
    ++counters_.devices_dropped;
    ++machine.over_limit;
    return nullptr;
  }
  Device& device = machine.devices[std::string(name)];
  const std::int64_t key[] = {machine.name, sink_.intern(name)};
  device.entity = sink_.entity(model::TableId::kNetPacket, key);
  device.vm = machine.vm;
  device.waits = machine.hosts_vms && machine.vm == kNull;
  return &device;
}

void Packets::learn(Machine& machine, Device& device, std::int32_t tid) {
  const vcpu::VmThread thread = machine.threads->of(tid);
  if (thread.vm == model::kNoMachine) return;
  device.vm = sink_.intern(experiment_.machines[thread.vm].name);
  if (device.waits) release(device);
}

void Packets::put(Device& device, const Held& packet) {
  if (!device.waits) return write(device, packet);
  device.held.push_back(packet);
  if (device.held.size() == kMaxHeld) release(device);
}

void Packets::release(Device& device) {
  device.waits = false;
  for (const Held& packet : device.held) write(device, packet);
  device.held.clear();
  device.held.shrink_to_fit();
}

void Packets::write(const Device& device, const Held& packet) {
  std::array<std::int64_t, 3> values{};
  values[model::slot::kNpVm] = device.vm;
  values[model::slot::kNpDirection] = static_cast<std::int64_t>(packet.direction);
  values[model::slot::kNpBytes] = packet.bytes;
  sink_.add(device.entity, packet.time, packet.time, values);
}

std::vector<model::Issue> Packets::issues() const {
  std::vector<model::Issue> out;
  for (std::size_t m = 0; m < machines_.size(); ++m) {
    if (machines_[m].over_limit == 0) continue;
    out.push_back({model::IssueCode::kDevicesOverLimit, "", experiment_.machines[m].name,
                   machines_[m].over_limit,
                   "packets of network devices after the first " + std::to_string(kMaxDevices)});
  }
  return out;
}

}  // namespace vs::analysis::net
