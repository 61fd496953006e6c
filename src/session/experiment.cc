#include "session/experiment.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace vs::session {
namespace {

using model::Machine;
using model::MachineIndex;

/// "twovms/host.dat" -> "host"; a CTF trace is a folder, "host/kernel" -> "kernel" is no name, so
/// the caller gives the part that tells traces apart.
std::string stem(const std::string& file_name) {
  const std::size_t dot = file_name.rfind('.');
  return dot == std::string::npos || dot == 0 ? file_name : file_name.substr(0, dot);
}

class Builder {
 public:
  Builder(const std::vector<MachineTrace>& traces, const JoinResult& joined,
          const std::optional<Capture>& capture)
      : traces_(traces), joined_(joined), capture_(capture) {
    out_.machine_of_trace.assign(traces.size(), model::kNoMachine);
  }

  MachinesOfTraces build() {
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      if (!is_guest(t) && !shares_boot_of_guest(t)) add_machine_of(t);
    }
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      if (!is_guest(t) && out_.machine_of_trace[t] != model::kNoMachine) add_vms_of(t);
    }
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      if (out_.machine_of_trace[t] == model::kNoMachine) add_machine_of(t);
    }
    out_.experiment.epoch = joined_.epoch;
    if (joined_.reference < traces_.size()) {
      out_.experiment.reference = out_.machine_of_trace[joined_.reference];
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool is_guest(std::size_t trace) const {
    return joined_.traces[trace].binding.has_value();
  }

  /// A further trace of a VM that another trace is bound to: it belongs to that VM's machine.
  [[nodiscard]] bool shares_boot_of_guest(std::size_t trace) const {
    const std::string& boot = traces_[trace].info->clock.uuid;
    for (std::size_t t = 0; t < traces_.size() && !boot.empty(); ++t) {
      if (is_guest(t) && traces_[t].info->clock.uuid == boot) return true;
    }
    return false;
  }

  std::string unique_name(std::string wanted) {
    if (wanted.empty()) wanted = "machine";
    std::string name = wanted;
    for (int n = 2; !names_.insert(name).second; ++n) name = fmt::format("{}#{}", wanted, n);
    return name;
  }

  [[nodiscard]] const CaptureMachine* captured(std::size_t trace) const {
    const auto& index = traces_[trace].capture_machine;
    return index && capture_ ? &capture_->machines[*index] : nullptr;
  }

  [[nodiscard]] std::string name_of_trace(std::size_t trace, const std::string& vm_name) const {
    const MachineTrace& from = traces_[trace];
    if (!from.info->machine_name.empty()) return from.info->machine_name;
    if (!vm_name.empty()) return vm_name;
    if (!from.forced_guest.empty()) return from.forced_guest;
    if (const CaptureMachine* machine = captured(trace)) return machine->name;
    return stem(from.file_name);
  }

  /// Two traces of one boot of one kernel (LTTng: the clock's uuid is the boot id) are one machine.
  [[nodiscard]] MachineIndex machine_of_same_boot(std::size_t trace) const {
    const std::string& boot = traces_[trace].info->clock.uuid;
    for (std::size_t t = 0; t < traces_.size() && !boot.empty(); ++t) {
      const MachineIndex machine = out_.machine_of_trace[t];
      if (machine != model::kNoMachine && traces_[t].info->clock.uuid == boot) return machine;
    }
    return model::kNoMachine;
  }

  void add_machine_of(std::size_t trace) {
    if (const MachineIndex same = machine_of_same_boot(trace); same != model::kNoMachine) {
      out_.machine_of_trace[trace] = same;
      out_.experiment.machines[same].traces.push_back(trace);
      return;
    }
    Machine machine;
    machine.name = unique_name(name_of_trace(trace, ""));
    bool vm = !traces_[trace].forced_guest.empty();
    if (const CaptureMachine* captured_machine = captured(trace)) {
      machine.uuid = captured_machine->uuid;
      vm = vm || captured_machine->kind == "vm";
    }
    machine.kind = vm ? model::MachineKind::kVm : model::MachineKind::kHost;
    take_trace(machine, trace);
    out_.machine_of_trace[trace] = static_cast<MachineIndex>(out_.experiment.machines.size());
    out_.experiment.machines.push_back(std::move(machine));
  }

  void take_trace(Machine& machine, std::size_t trace) const {
    machine.traces.push_back(trace);
    machine.clock = joined_.traces[trace].clock;
    machine.joined = joined_.traces[trace].joined;
  }

  /// The guest trace bound to VM `vm` of host trace `host`.
  [[nodiscard]] std::size_t guest_of(std::size_t host, std::size_t vm) const {
    for (std::size_t t = 0; t < traces_.size(); ++t) {
      const auto& binding = joined_.traces[t].binding;
      if (binding && binding->host == host && binding->vm == vm) return t;
    }
    return kNoTrace;
  }

  /// VMs of a host or, nested, of a guest that is a host itself.
  void add_vms_of(std::size_t host) {
    const std::vector<model::FoundVm>& vms = traces_[host].survey->vms;
    for (std::size_t v = 0; v < vms.size(); ++v) {
      const std::size_t guest = guest_of(host, v);
      if (const MachineIndex known = known_vm(host, vms[v]); known == model::kNoMachine) {
        add_vm(host, vms[v], guest);
      } else if (guest != kNoTrace) {
        add_guest_trace(known, guest);
      }
      if (guest != kNoTrace) add_vms_of(guest);
    }
  }

  /// The machine that this VM is already, by another trace of the same host.
  [[nodiscard]] MachineIndex known_vm(std::size_t host, const model::FoundVm& vm) const {
    for (MachineIndex m = 0; m < out_.experiment.machines.size(); ++m) {
      const Machine& machine = out_.experiment.machines[m];
      if (machine.parent != out_.machine_of_trace[host]) continue;
      if (vm.vmm_pid >= 0 && machine.vmm_pid == vm.vmm_pid) return m;
      if (shares_thread(machine, vm)) return m;
    }
    return model::kNoMachine;
  }

  [[nodiscard]] static bool shares_thread(const Machine& machine, const model::FoundVm& vm) {
    const auto runs = [&machine](std::int32_t tid) {
      return std::any_of(machine.vcpus.begin(), machine.vcpus.end(), [tid](const auto& vcpu) {
        return std::any_of(vcpu.threads.begin(), vcpu.threads.end(),
                           [tid](const auto& thread) { return thread.tid == tid; });
      });
    };
    return std::any_of(vm.vcpus.begin(), vm.vcpus.end(), [&](const model::FoundVcpu& vcpu) {
      return std::any_of(vcpu.threads.begin(), vcpu.threads.end(),
                         [&](const auto& thread) { return runs(thread.tid); });
    });
  }

  /// A guest's trace that another trace of its host was needed to bind.
  void add_guest_trace(MachineIndex index, std::size_t guest) {
    Machine& machine = out_.experiment.machines[index];
    out_.machine_of_trace[guest] = index;
    if (!machine.traces.empty()) {
      machine.traces.push_back(guest);
      return;
    }
    take_trace(machine, guest);
    names_.erase(machine.name);
    machine.name = unique_name(name_of_trace(guest, machine.name));
    for (model::Vcpu& vcpu : machine.vcpus) vcpu.guest_cpu = guest_cpu_of(guest, vcpu.id);
  }

  void add_vm(std::size_t host, const model::FoundVm& vm, std::size_t guest) {
    const CaptureMachine* captured_vm =
        guest != kNoTrace ? captured(guest) : captured_by_pid(vm.vmm_pid);
    Machine machine;
    machine.kind = model::MachineKind::kVm;
    machine.parent = out_.machine_of_trace[host];
    machine.vmm_pid = vm.vmm_pid;
    if (captured_vm != nullptr) machine.uuid = captured_vm->uuid;
    const std::string known = !vm.name.empty()         ? vm.name
                              : captured_vm != nullptr ? captured_vm->name
                                                       : "";
    machine.name =
        unique_name(guest != kNoTrace ? name_of_trace(guest, known) : name_of_vm(vm, known));
    if (guest != kNoTrace) {
      take_trace(machine, guest);
      out_.machine_of_trace[guest] = static_cast<MachineIndex>(out_.experiment.machines.size());
    }
    for (const model::FoundVcpu& found : vm.vcpus) {
      machine.vcpus.push_back(model::Vcpu{found.id, found.threads, guest_cpu_of(guest, found.id)});
    }
    out_.experiment.machines.push_back(std::move(machine));
  }

  [[nodiscard]] static std::string name_of_vm(const model::FoundVm& vm, const std::string& known) {
    if (!known.empty()) return known;
    if (vm.vmm_pid >= 0) return fmt::format("vm-{}", vm.vmm_pid);
    return fmt::format("vm-t{}", vm.lowest_tid());
  }

  [[nodiscard]] const CaptureMachine* captured_by_pid(std::int32_t vmm_pid) const {
    if (!capture_ || vmm_pid < 0) return nullptr;
    for (const CaptureMachine& machine : capture_->machines) {
      if (machine.vmm_pid == vmm_pid) return &machine;
    }
    return nullptr;
  }

  [[nodiscard]] std::int32_t guest_cpu_of(std::size_t guest, std::int32_t vcpu) const {
    if (guest == kNoTrace) return -1;
    for (const CpuBinding& cpu : joined_.traces[guest].binding->cpus) {
      if (cpu.vcpu == vcpu) return static_cast<std::int32_t>(cpu.guest_cpu);
    }
    return -1;
  }

  const std::vector<MachineTrace>& traces_;
  const JoinResult& joined_;
  const std::optional<Capture>& capture_;
  MachinesOfTraces out_;
  std::set<std::string> names_;
};

}  // namespace

MachinesOfTraces build_machines(const std::vector<MachineTrace>& traces, const JoinResult& joined,
                                const std::optional<Capture>& capture) {
  return Builder(traces, joined, capture).build();
}

}  // namespace vs::session
