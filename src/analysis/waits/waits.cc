#include "analysis/waits/waits.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "analysis/vcpu/exit_reason.h"

namespace vs::analysis::waits {
namespace {

using delivery::DeliveryClass;
using model::Event;
using model::EventKind;
using model::kNull;
using model::VcpuState;
using model::VprocessState;
namespace arg = model::arg;

// How the guest tells its interrupt controller that an interrupt is done.
constexpr std::uint64_t kMsrX2apicEoi = 0x80b;
constexpr std::uint64_t kApicEoi = 0xb0;
constexpr std::uint64_t kApicEoiShort = 0xb;  // kvm_apic counts registers where x2APIC is on

bool wants_pcpu(VcpuState state) {
  return state == VcpuState::kPreempted || state == VcpuState::kWaking;
}

bool is_end_of_interrupt(const Event& event) {
  if (event.kind == EventKind::kKvmMsr) {
    return event.u(arg::kMsrWrite) != 0 && event.u(arg::kMsrEcx) == kMsrX2apicEoi;
  }
  if (event.kind != EventKind::kKvmApic || event.u(arg::kApicRw) == 0) return false;
  return event.u(arg::kApicReg) == kApicEoi || event.u(arg::kApicReg) == kApicEoiShort;
}

/// Does the host's trace hold events that read its guests' page-table roots?
bool may_have_roots(const model::StreamSetup& setup, model::MachineIndex host) {
  if (host >= setup.recorded.size()) return true;
  const model::KindSet& kinds = setup.recorded[host];
  return kinds.has(EventKind::kGuestContextEntry) || kinds.has(EventKind::kGuestContextExit);
}

}  // namespace

Waits::Waits(const model::StreamSetup& setup) : experiment_(*setup.experiment), sink_(*setup.sink) {
  const auto& machines = experiment_.machines;
  vm_of_machine_.assign(machines.size(), kNone);
  cpus_.resize(machines.size());
  for (model::MachineIndex m = 0; m < machines.size(); ++m) {
    const model::Machine& machine = machines[m];
    if (machine.parent == model::kNoMachine) continue;
    if (std::ranges::find(setup.machines, machine.parent) == setup.machines.end()) continue;
    vm_of_machine_[m] = static_cast<std::uint32_t>(vms_.size());
    vms_.push_back({m, machine.parent, static_cast<std::uint32_t>(vcpus_.size()),
                    static_cast<std::uint32_t>(machine.vcpus.size()), false, false,
                    Identifier(machine.vcpus.size(), may_have_roots(setup, machine.parent)),
                    ProcessBook(machine.name, sink_.intern(machine.name), sink_),
                    std::vector<model::StringId>(256, kNull)});
    for (std::uint32_t slot = 0; slot < machine.vcpus.size(); ++slot) {
      Vcpu& vcpu = vcpus_.emplace_back();
      vcpu.vm = vm_of_machine_[m];
      vcpu.slot = slot;
      vcpu.id = machine.vcpus[slot].id;
    }
  }
}

model::KindSet Waits::kinds(model::MachineIndex machine) const {
  const bool hosts = std::ranges::any_of(vms_, [&](const Vm& vm) { return vm.host == machine; });
  if (!hosts) return {};
  return model::KindSet::of(
      {EventKind::kSchedSwitch, EventKind::kGuestContextEntry, EventKind::kGuestContextExit});
}

std::uint32_t Waits::index_of(const vcpu::VcpuRef& ref) const {
  if (ref.machine >= vm_of_machine_.size()) return kNone;
  const std::uint32_t vm = vm_of_machine_[ref.machine];
  if (vm == kNone || ref.slot >= vms_[vm].vcpu_count) return kNone;
  return vms_[vm].first_vcpu + ref.slot;
}

// ---- events ----

void Waits::on_event(const model::StreamEvent& event) {
  switch (event.event.kind) {
    case EventKind::kSchedSwitch:
      on_switch(event);
      break;
    case EventKind::kGuestContextEntry:
      on_context(event, false);
      break;
    case EventKind::kGuestContextExit:
      on_context(event, true);
      break;
    default:
      break;
  }
}

/// The pCPU has a new occupant: those who wait for it wait for that one now.
void Waits::on_switch(const model::StreamEvent& event) {
  Cpu* const cpu = cpus_[event.machine].at(event.event.cpu);
  if (cpu == nullptr) return;
  const bool idle = event.event.i_or(arg::kNextTid, 0) == 0;
  cpu->occupant = cpu->vcpu != kNone ? Occupant::kVm : idle ? Occupant::kNobody : Occupant::kHost;
  if (cpu->waiting == 0) return;
  for (Vcpu& vcpu : vcpus_) {
    const bool here =
        vcpu.waits_for_pcpu && vcpu.pcpu == static_cast<std::int32_t>(event.event.cpu);
    if (here && vms_[vcpu.vm].host == event.machine) refresh(event.time, vcpu);
  }
}

void Waits::on_context(const model::StreamEvent& event, bool at_exit) {
  const Cpu* const cpu = cpus_[event.machine].at(event.event.cpu);
  if (cpu == nullptr || cpu->vcpu == kNone) return;
  Vcpu& vcpu = vcpus_[cpu->vcpu];
  // Of the registers at exit and at entry, those at exit say it first. An exit that has been looked
  // at without them told nothing about processes; from now on they are waited for.
  if (vcpu.state == VcpuState::kGuest || (!at_exit && vcpu.has_context)) return;
  Registers& registers = vcpu.registers;
  const Event& from = event.event;
  const auto take = [&from](std::size_t slot, std::uint64_t& value, bool& has) {
    if (!from.has(slot)) return;
    value = from.u(slot);
    has = true;
  };
  take(arg::kContextCr3, registers.cr3, registers.has_cr3);
  take(arg::kContextRip, registers.rip, registers.has_rip);
  take(arg::kContextRsp, registers.rsp, registers.has_rsp);
  if (from.has(arg::kContextCpl)) {
    registers.cpl = static_cast<std::uint8_t>(from.u(arg::kContextCpl));
    registers.has_cpl = true;
  }
  vcpu.has_context = true;
  if (registers.has_cr3 && vms_[vcpu.vm].identifier.note_root(registers.cr3)) {
    begin_anew(event.time, vms_[vcpu.vm]);
  }
  if (vcpu.has_exit && !vcpu.settled) settle(vcpu.exited, vcpu);
}

void Waits::on_vcpu_event(HostTime time, const vcpu::VcpuRef& ref, const Event& event) {
  const std::uint32_t index = index_of(ref);
  if (index == kNone) return;
  Vcpu& vcpu = vcpus_[index];
  if (event.kind == EventKind::kKvmExit) {
    on_kvm_exit(time, vcpu, event);
  } else if (event.kind == EventKind::kKvmInjVirq) {
    vms_[vcpu.vm].injections = true;
    vcpu.interrupts = true;
    vcpu.causes.mark_taken(event.i_or(arg::kInjVector, -1), time);
  } else if (is_end_of_interrupt(event)) {
    if (!vcpu.settled) settle(vcpu.exited, vcpu);
    vms_[vcpu.vm].identifier.note_end_of_interrupt(vcpu.slot);
    if (vcpu.context == Context::kKernelThread) vcpu.context = Context::kInterrupt;
  }
}

void Waits::on_kvm_exit(HostTime time, Vcpu& vcpu, const Event& event) {
  if (vcpu.settled) return;  // a second record of one exit
  vcpu.has_exit = true;
  vcpu.idle_exit = vcpu::exit_class(vcpu::exit_code_of(event)) == model::ExitClass::kIdle;
  if (!vcpu.registers.has_rip && event.has(arg::kExitRip)) {
    vcpu.registers.rip = event.u(arg::kExitRip);
    vcpu.registers.has_rip = true;
  }
  if (vcpu.idle_exit) begin_idle(time, vcpu);
  const bool waits_for_context =
      vms_[vcpu.vm].identifier.identity() == Identity::kCr3 && !vcpu.has_context;
  if (!waits_for_context) settle(vcpu.exited, vcpu);
}

void Waits::on_entry(HostTime time, Vcpu& vcpu) {
  if (!vcpu.settled) settle(vcpu.exited, vcpu);
  const bool seen = vms_[vcpu.vm].injections;
  if (!seen) {
    vcpu.interrupts =
        vcpu.last_cause.what != DeliveryClass::kUnknown && vcpu.last_cause.time >= vcpu.exited;
  }
  vcpu.entered = time;
  vcpu.idle = false;
}

/// From now on processes are told apart in another way.
void Waits::begin_anew(HostTime time, Vm& vm) {
  for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) {
    leave(time, vcpus_[vm.first_vcpu + i], false);
    vcpus_[vm.first_vcpu + i].before = kNull;
  }
  vm.book.finish(time);
}

/// The guest has left a process or an interrupt for its idle loop and stops.
void Waits::begin_idle(HostTime time, Vcpu& vcpu) {
  leave_for_idle(std::min(time, vcpu.exited), vcpu);
  vcpu.idle = vcpu.from_idle = true;
  vcpu.has_woken = false;
  vcpu.before = kNull;
  vcpu.device_done = std::min(vcpu.device_done, time);
  // What has not reached the guest yet will wake it at once.
  if (vms_[vcpu.vm].injections) {
    vcpu.causes.drop_taken();
  } else {
    vcpu.causes.drop_before(vcpu.entered);
  }
  refresh(time, vcpu);
}

void Waits::on_vcpu_change(const vcpu::VcpuChange& change) {
  const std::uint32_t index = index_of(change.vcpu);
  if (index == kNone) return;
  Vcpu& vcpu = vcpus_[index];
  const bool was_guest = vcpu.state == VcpuState::kGuest;
  const bool is_guest = change.state == VcpuState::kGuest;
  place(change, vcpu, index);
  if (is_guest) {
    if (was_guest) settle(change.time, vcpu);
    on_entry(change.time, vcpu);
  } else if (was_guest) {
    vcpu.exited = change.time;
    vcpu.began_interrupted = std::exchange(vcpu.interrupts, false);
    vcpu.registers = Registers{};
    vcpu.settled = vcpu.has_exit = vcpu.has_context = vcpu.idle_exit = false;
  }
  if (vcpu.idle && !vcpu.has_woken && change.state == VcpuState::kWaking) {
    vcpu.woken = change.time;
    vcpu.has_woken = true;
  }
  refresh(change.time, vcpu);
}

/// Keeps who is on which pCPU and who waits for it.
void Waits::place(const vcpu::VcpuChange& change, Vcpu& vcpu, std::uint32_t index) {
  const model::MachineIndex host = vms_[vcpu.vm].host;
  if (Cpu* const old = cpus_[host].at(vcpu.pcpu)) {
    if (vcpu.waits_for_pcpu) --old->waiting;
    if (old->vcpu == index) old->vcpu = kNone;
  }
  vcpu.state = change.state;
  vcpu.pcpu = change.pcpu;
  vcpu.waits_for_pcpu = wants_pcpu(change.state) && change.pcpu >= 0;
  if (Cpu* const now = cpus_[host].at(change.pcpu)) {
    if (vcpu.waits_for_pcpu) ++now->waiting;
    if (change.on_cpu) {
      now->vcpu = index;
      now->occupant = Occupant::kVm;
    }
  } else {
    vcpu.waits_for_pcpu = false;
  }
}

void Waits::on_vcpu_break(HostTime time, const vcpu::VcpuRef& ref, vcpu::VcpuBreak why) {
  const std::uint32_t index = index_of(ref);
  if (index == kNone || why == vcpu::VcpuBreak::kTraceEnd) return;
  Vcpu& vcpu = vcpus_[index];
  leave(time, vcpu, false);
  vms_[vcpu.vm].identifier.forget(vcpu.slot);
  vcpu.causes.clear();
  vcpu.last_cause = vcpu.last_device = Cause{};
  vcpu.context = Context::kUnknown;
  vcpu.idle = vcpu.has_woken = vcpu.interrupted = vcpu.in_user = false;
  vcpu.from_idle = true;  // nothing says who ran: a return has no other explanation than a cause
  vcpu.settled = true;
  vcpu.before = kNull;
}

void Waits::on_loss(HostTime, HostTime end, model::MachineIndex machine, std::uint32_t) {
  for (Vm& vm : vms_) {
    if (vm.host != machine) continue;
    vm.book.mark_lossy(end);
    for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) vcpus_[vm.first_vcpu + i].causes.clear();
  }
}

void Waits::finish(model::MachineIndex machine, HostTime end) {
  for (Vm& vm : vms_) {
    if (vm.host != machine || std::exchange(vm.finished, true)) continue;
    vm.book.finish(end);
    for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) vcpus_[vm.first_vcpu + i].owner = kNoProcess;
  }
}

std::vector<model::SmallTable> Waits::small_tables() const {
  model::SmallTable table{model::TableId::kVprocess, {}};
  for (const Vm& vm : vms_) {
    table.rows.insert(table.rows.end(), vm.book.rows().begin(), vm.book.rows().end());
  }
  std::vector<model::SmallTable> tables;
  tables.push_back(std::move(table));
  return tables;
}

std::vector<model::Issue> Waits::issues() const {
  std::vector<model::Issue> out;
  for (const Vm& vm : vms_) {
    if (vm.identifier.identity() != Identity::kCr3 || vm.book.reused() == 0) continue;
    out.push_back({model::IssueCode::kCr3ReusePossible, "", experiment_.machines[vm.machine].name,
                   vm.book.reused(), "processes on a page-table root that another one had before"});
  }
  return out;
}

// ---- interrupts ----

void Waits::on_delivery(const delivery::Delivery& delivery) {
  const std::uint32_t index = index_of(delivery.victim);
  if (index == kNone) return;
  Vcpu& vcpu = vcpus_[index];
  const Cause cause = cause_of(delivery, vms_[vcpu.vm]);
  vcpu.causes.push(cause);
  vcpu.last_cause = cause;
  vcpu.interrupted = true;
  if (!is_device(cause.what)) return;
  vcpu.last_device = cause;
  vcpu.device_done = kHostTimeMax;
}

/// An IPI of a vCPU that runs a process is that process'; of one that is in an interrupt or has
/// just been woken, it is the consequence of what interrupted or woke that one.
Cause Waits::cause_of(const delivery::Delivery& delivery, Vm& vm) const {
  Cause cause{delivery.cause, delivery.time, kNull, kNull, delivery.vector};
  if (delivery.cause == DeliveryClass::kTask) {
    const std::uint32_t index = index_of(delivery.sender_vcpu);
    if (index == kNone || vcpus_[index].vm != vm_of_machine_[vm.machine]) return cause;
    const Vcpu& sender = vcpus_[index];
    // A stack that is the kernel's own may be an interrupt's that is not known as one yet.
    const bool in_interrupt = sender.context == Context::kInterrupt ||
                              (sender.context == Context::kKernelThread && sender.interrupted);
    if (sender.owner != kNoProcess && !in_interrupt) {
      cause.waker = vm.book.at(sender.owner).name;
    } else if (sender.last_cause.what != DeliveryClass::kUnknown) {
      cause.what = sender.last_cause.what;
      cause.waker = sender.last_cause.waker;
      cause.device = sender.last_cause.device;
    }
    return cause;
  }
  if (is_device(delivery.cause) && delivery.vector >= 0 && delivery.vector < 256) {
    model::StringId& name = vm.vector_names[static_cast<std::size_t>(delivery.vector)];
    if (name == kNull) name = sink_.intern("vector:" + std::to_string(delivery.vector));
    cause.device = name;
  }
  return cause;
}

// ---- who runs ----

/// Looks at the exit: who ran in the guest until `time`.
void Waits::settle(HostTime time, Vcpu& vcpu) {
  vcpu.settled = true;
  Vm& vm = vms_[vcpu.vm];
  const Seen seen = vm.identifier.look(vcpu.slot, vcpu.registers, vcpu.idle_exit);
  vcpu.context = seen.context;
  switch (seen.context) {
    case Context::kIdle:
      leave_for_idle(time, vcpu);
      if (!vcpu.idle) vcpu.before = kNull;
      break;
    case Context::kUser: {
      ProcessIndex index = vm.book.make(vm.identifier.identity(), seen.key);
      check_stack(time, vcpu, index);
      see_process(time, vcpu, index, true);
      break;
    }
    case Context::kKernel: {
      const bool alone = vm.identifier.identity() == Identity::kVcpu;
      const ProcessIndex index =
          alone ? vm.book.make(Identity::kVcpu, seen.key) : vm.book.find(seen.key);
      see_process(time, vcpu, index, false);
      break;
    }
    default:
      break;
  }
}

void Waits::see_process(HostTime time, Vcpu& vcpu, ProcessIndex index, bool user) {
  if (index != vcpu.owner) {
    const bool none = vcpu.owner == kNoProcess;
    if (!none) leave(time, vcpu, true);
    if (index != kNoProcess) {
      // Nobody else ran in the guest interval that ends here, as far as it shows. An interrupt out
      // of idling came first: the process sleeps until that has woken it.
      HostTime begin = none ? std::min(vcpu.entered, time) : time;
      if (none && vcpu.from_idle && vcpu.began_interrupted) {
        begin = begin + half_of_change(time, vcpu, vms_[vcpu.vm].shortest_return_ns);
      }
      come(begin, time, vcpu, index);
    }
  }
  if (index != kNoProcess) vcpu.seen = time;
  vcpu.in_user = user;
  if (user) vcpu.interrupted = false;
}

/// The stack of a program's first thread does not move while the program runs: elsewhere, it is
/// another program that was given the same page-table root.
void Waits::check_stack(HostTime time, Vcpu& vcpu, ProcessIndex& index) {
  constexpr std::uint64_t kMainStacks = 0x7ffb'0000'0000U;  // where Linux puts them
  constexpr std::uint64_t kMoved = 64U << 20;
  const Registers& registers = vcpu.registers;
  Vm& vm = vms_[vcpu.vm];
  const bool known = index != kNoProcess && vm.identifier.identity() == Identity::kCr3;
  if (!known || !registers.has_rsp || registers.rsp < kMainStacks || (registers.rsp >> 47) != 0) {
    return;
  }
  Process& process = vm.book.at(index);
  const std::uint64_t top = process.stack_top;
  const std::uint64_t moved = top > registers.rsp ? top - registers.rsp : registers.rsp - top;
  if (top == 0 || moved <= kMoved) {
    process.stack_top = std::max(top, registers.rsp);
    return;
  }
  const std::uint64_t root = process.key;
  for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) {
    Vcpu& other = vcpus_[vm.first_vcpu + i];
    if (other.owner == index) leave(time, other, false);
  }
  vm.book.end(index);
  index = vm.book.make(Identity::kCr3, root);
  if (index != kNoProcess) vm.book.at(index).stack_top = registers.rsp;
}

/// The process is current on the vCPU from `begin` on, as it shows at `time`.
void Waits::come(HostTime begin, HostTime time, Vcpu& vcpu, ProcessIndex index) {
  Process& process = vms_[vcpu.vm].book.at(index);
  ProcessBook& book = vms_[vcpu.vm].book;
  const bool first_vcpu = process.running == 0;
  if (first_vcpu) {
    if (process.started) explain_absence(begin, vcpu, process);
    book.run(process, begin, {VprocessState::kNonroot, vcpu.id, kNull, kNull});
    process.primary = vcpu.slot;
  }
  ++process.running;
  vcpu.owner = index;
  vcpu.from_idle = vcpu.has_woken = false;
  refresh(time, vcpu);
}

/// In the guest interval that ends at `time` the guest went from a process to its idle loop, or
/// back out of an interrupt; no event shows where. The way is the same code each time, so it fits
/// into the shortest interval that held one: half of that is told to the wait, which errs by no
/// more.
std::int64_t Waits::half_of_change(HostTime time, const Vcpu& vcpu, std::int64_t& shortest_ns) {
  const std::int64_t length = time - vcpu.entered;
  if (length <= 0) return 0;
  shortest_ns = std::min(shortest_ns, length);
  return shortest_ns / 2;
}

/// The guest interval that ended at `time` shows the idle loop at its end.
void Waits::leave_for_idle(HostTime time, Vcpu& vcpu) {
  if (vcpu.owner == kNoProcess) return;
  leave(time, vcpu, false, time + -half_of_change(time, vcpu, vms_[vcpu.vm].shortest_sleep_ns));
}

/// The vCPU's process stops running at `stopped`, which shows at `time`; `for_another`: the guest
/// switched to another one.
void Waits::leave(HostTime time, Vcpu& vcpu, bool for_another, HostTime stopped) {
  const ProcessIndex index = std::exchange(vcpu.owner, kNoProcess);
  if (index == kNoProcess) return;
  Vm& vm = vms_[vcpu.vm];
  Process& process = vm.book.at(index);
  vcpu.before = process.name;
  if (--process.running > 0) {
    if (process.primary == vcpu.slot) {
      for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) {
        Vcpu& other = vcpus_[vm.first_vcpu + i];
        if (other.owner == index) refresh(time, other);
      }
    }
    return;
  }
  vm.book.stop(process, stopped);
  process.off_vcpu = vcpu.slot;
  process.asleep_after = std::min(vcpu.entered, time);
  process.involuntary = for_another && vcpu.in_user && vcpu.interrupted;
  refresh(time, vcpu);
}

}  // namespace vs::analysis::waits
