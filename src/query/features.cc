#include "query/features.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/strings.h"

namespace vs::query {
namespace {

using K = model::EventKind;

constexpr K kSwitchEntryExit[] = {K::kSchedSwitch, K::kKvmEntry, K::kKvmExit};
constexpr K kEntryExit[] = {K::kKvmEntry, K::kKvmExit};
constexpr K kSwitch[] = {K::kSchedSwitch};
constexpr K kEmulated[] = {K::kKvmEmulateInsn};
constexpr K kVcpuExtras[] = {K::kSchedWaking, K::kKvmUserspaceExit, K::kKvmVcpuWakeup};
constexpr K kExitExtras[] = {K::kKvmUserspaceExit, K::kKvmVcpuWakeup, K::kKvmMsr, K::kKvmPio};
constexpr K kWaking[] = {K::kSchedWaking};
constexpr K kInterrupts[] = {K::kIrqHandlerEntry, K::kSoftirqEntry};
constexpr K kHardInterrupts[] = {K::kIrqHandlerEntry};
constexpr K kSoftInterrupts[] = {K::kSoftirqEntry};
constexpr K kThreadExtras[] = {K::kSchedWaking, K::kSchedProcessFork, K::kSchedProcessExit};
constexpr K kWaitExtras[] = {K::kIrqHandlerEntry, K::kSoftirqEntry, K::kHrtimerExpireEntry};
constexpr K kHostWaitExtras[] = {K::kKvmApicAcceptIrq, K::kSchedWaking, K::kKvmInjVirq,
                                 K::kBlockRqComplete, K::kGuestContextExit};
constexpr K kSyscalls[] = {K::kSyscallEntry, K::kSyscallExit};
constexpr K kClockExtras[] = {K::kKvmWriteTscOffset, K::kKvmHypercall, K::kKvmApicAcceptIrq};

constexpr K kBlock[] = {K::kBlockRqIssue, K::kBlockRqComplete};
constexpr K kBlockExtras[] = {K::kBlockRqInsert};
constexpr K kPackets[] = {K::kNetDevXmit, K::kNetifReceiveSkb};
constexpr K kQueuedPackets[] = {K::kNetDevQueue};
constexpr K kDeliveries[] = {K::kKvmApicAcceptIrq};
constexpr K kOtherDeliveries[] = {K::kKvmApicvAcceptIrq, K::kKvmMsiSetIrq, K::kKvmInjVirq};
constexpr K kDeliveryExtras[] = {K::kKvmApicIpi, K::kBlockRqIssue, K::kBlockRqComplete,
                                 K::kNetDevXmit, K::kNetifReceiveSkb};

constexpr Feature kFeatures[] = {
    {"vcpu_state", "vCPU states", "vcpu vcpu_state", Side::kHost, kSwitchEntryExit, kEmulated,
     kVcpuExtras, "wake-up latency, time in the VMM, polling"},
    {"vm_exit",
     "VM exits",
     "vm_exit",
     Side::kHost,
     kEntryExit,
     {},
     kExitExtras,
     "time in the VMM, polling, MSR and port numbers"},
    {"preemption", "stolen time and who took it", "preemption", Side::kHost, kSwitchEntryExit,
     kEmulated, kWaking, "late wake-ups"},
    {"fused_cpu",
     "who is on each pCPU",
     "fused_cpu",
     Side::kHost,
     kSwitch,
     {},
     kInterrupts,
     "interrupts"},
    {"thread_state",
     "threads and CPUs",
     "thread thread_state pcpu_state flow critical_path",
     Side::kAny,
     kSwitch,
     {},
     kThreadExtras,
     "wakers, births and deaths"},
    {"wait_cause",
     "what blocked threads waited for",
     "",
     Side::kAny,
     kWaking,
     {},
     kWaitExtras,
     "timers, disks, networks"},
    {"block_request",
     "disk requests",
     "block_request",
     Side::kAny,
     kBlock,
     {},
     kBlockExtras,
     "time in the queue, where there is an I/O scheduler"},
    {"net_packet", "network packets", "net_packet", Side::kAny, kPackets, kQueuedPackets, {}, ""},
    {"delivery", "who interrupted a guest, and for what", "", Side::kHost, kDeliveries,
     kOtherDeliveries, kDeliveryExtras, "IPIs to itself, disks, networks"},
    {"waits", "waits of guest processes", "vprocess vprocess_state", Side::kHost, kSwitchEntryExit,
     kEmulated, kHostWaitExtras, "causes of waits, disks, exact processes"},
    {"interrupt", "interrupts", "", Side::kAny, kHardInterrupts, kSoftInterrupts, kSoftInterrupts,
     "softirqs"},
    {"syscall", "system calls", "", Side::kAny, kSyscalls, {}, {}, ""},
    {"clock",
     "joining guest clocks",
     "",
     Side::kHost,
     kEntryExit,
     {},
     kClockExtras,
     "exact offsets, more facts"},
};

bool has_tables(const Feature& feature, std::span<const std::string> tables) {
  for (const std::string_view mine : split_words(feature.tables)) {
    if (std::find(tables.begin(), tables.end(), mine) != tables.end()) return true;
  }
  return false;
}

std::vector<K> absent(std::span<const K> wanted, const model::KindSet& present) {
  std::vector<K> out;
  for (const K kind : wanted) {
    if (!present.has(kind)) out.push_back(kind);
  }
  return out;
}

FeatureStatus status_of(const Feature& feature, model::MachineIndex machine,
                        const model::KindSet& present) {
  FeatureStatus status{&feature, machine, Availability::kFull, absent(feature.needs, present),
                       absent(feature.refined_by, present)};
  const bool other_way = std::any_of(feature.instead.begin(), feature.instead.end(),
                                     [&](K kind) { return present.has(kind); });
  if (!status.missing.empty()) {
    status.availability = other_way ? Availability::kPartial : Availability::kMissing;
  } else if (!status.unrefined.empty()) {
    status.availability = Availability::kPartial;
  }
  return status;
}

bool applies(const Feature& feature, const model::Machine& machine) {
  if (machine.traces.empty()) return false;
  if (feature.side == Side::kAny) return true;
  return (feature.side == Side::kHost) == (machine.kind == model::MachineKind::kHost);
}

bool has_kernel_trace(const ExperimentSummary& summary, model::MachineIndex machine) {
  return std::any_of(summary.traces.begin(), summary.traces.end(), [&](const TraceSummary& trace) {
    return trace.machine == machine && trace.info.is_kernel;
  });
}

// Names under which the two tracers record a kind, where they are not the canonical one.
struct Spelling {
  K kind;
  std::string_view ftrace_system;
  std::string_view lttng;
};
constexpr Spelling kSpellings[] = {
    {K::kSchedSwitch, "sched", "sched_switch"},
    {K::kSchedWaking, "sched", "sched_waking"},
    {K::kSchedProcessFork, "sched", "sched_process_fork"},
    {K::kSchedProcessExit, "sched", "sched_process_exit"},
    {K::kKvmEntry, "kvm", "kvm_x86_entry"},
    {K::kKvmExit, "kvm", "kvm_x86_exit"},
    {K::kKvmUserspaceExit, "kvm", "kvm_userspace_exit"},
    {K::kKvmVcpuWakeup, "kvm", "kvm_vcpu_wakeup"},
    {K::kKvmMsr, "kvm", "kvm_x86_msr"},
    {K::kKvmPio, "kvm", "kvm_x86_pio"},
    {K::kKvmEmulateInsn, "kvm", "kvm_x86_emulate_insn"},
    {K::kKvmWriteTscOffset, "kvm", "kvm_x86_write_tsc_offset"},
    {K::kKvmHypercall, "kvm", "kvm_x86_hypercall"},
    {K::kKvmApicAcceptIrq, "kvm", "kvm_x86_apic_accept_irq"},
    {K::kKvmInjVirq, "kvm", "kvm_x86_inj_virq"},
    {K::kKvmApicIpi, "kvm", "kvm_x86_apic_ipi"},
    {K::kBlockRqInsert, "block", "block_rq_insert"},
    {K::kBlockRqIssue, "block", "block_rq_issue"},
    {K::kBlockRqComplete, "block", "block_rq_complete"},
    {K::kNetDevXmit, "net", "net_dev_xmit"},
    {K::kNetifReceiveSkb, "net", "net_if_receive_skb"},
    {K::kIrqHandlerEntry, "irq", "irq_handler_entry"},
    {K::kSoftirqEntry, "irq", "irq_softirq_entry"},
    {K::kHrtimerExpireEntry, "timer", "timer_hrtimer_expire_entry"},
    {K::kSyscallEntry, "raw_syscalls", ""},
    {K::kSyscallExit, "raw_syscalls", ""},
};

const Spelling* spelling_of(K kind) {
  const auto found = std::find_if(std::begin(kSpellings), std::end(kSpellings),
                                  [&](const Spelling& s) { return s.kind == kind; });
  return found == std::end(kSpellings) ? nullptr : &*found;
}

std::string trace_cmd_command(std::span<const K> kinds) {
  std::string command = "trace-cmd record";
  for (const K kind : kinds) {
    const Spelling* const spelling = spelling_of(kind);
    if (spelling == nullptr) continue;
    command += " -e " + std::string(spelling->ftrace_system) + ':';
    command += model::spec_of(kind).name;
  }
  return command;
}

std::string lttng_command(std::span<const K> kinds) {
  std::string names;
  bool syscalls = false;
  for (const K kind : kinds) {
    const Spelling* const spelling = spelling_of(kind);
    if (spelling == nullptr) continue;
    if (spelling->lttng.empty()) {
      syscalls = true;
    } else {
      names += (names.empty() ? "" : ",") + std::string(spelling->lttng);
    }
  }
  std::string command;
  if (!names.empty()) command = "lttng enable-event -k " + names;
  if (syscalls)
    command += (names.empty() ? "" : " && ") + std::string("lttng enable-event -k --syscall --all");
  return command;
}

}  // namespace

std::span<const Feature> features() { return kFeatures; }

std::string_view name_of(Availability availability) {
  constexpr std::array<std::string_view, 3> kNames = {"full", "partial", "missing"};
  return kNames[static_cast<std::size_t>(availability)];
}

std::vector<FeatureStatus> feature_statuses(const ExperimentSummary& summary) {
  std::vector<FeatureStatus> out;
  const auto& machines = summary.experiment.machines;
  const bool has_guests =
      std::any_of(machines.begin(), machines.end(), [](const model::Machine& machine) {
        return machine.kind == model::MachineKind::kVm && !machine.traces.empty();
      });
  for (const Feature& feature : kFeatures) {
    if (feature.id == "clock" && !has_guests) continue;
    for (model::MachineIndex i = 0; i < machines.size(); ++i) {
      if (!applies(feature, machines[i]) || !has_kernel_trace(summary, i)) continue;
      out.push_back(status_of(feature, i, summary.kinds_of(i)));
    }
  }
  return out;
}

std::vector<FeatureStatus> unanswerable(const ExperimentSummary& summary,
                                        std::span<const std::string> tables) {
  std::vector<FeatureStatus> out;
  const auto statuses = feature_statuses(summary);
  for (const Feature& feature : kFeatures) {
    if (!has_tables(feature, tables)) continue;
    const FeatureStatus* best = nullptr;
    for (const FeatureStatus& status : statuses) {
      if (status.feature != &feature) continue;
      if (best == nullptr || status.availability < best->availability) best = &status;
    }
    if (best == nullptr) {
      out.push_back(status_of(feature, model::kNoMachine, {}));
    } else if (best->availability == Availability::kMissing) {
      out.push_back(*best);
    }
  }
  return out;
}

std::string kind_list(std::span<const K> kinds) {
  std::string text;
  for (const K kind : kinds) {
    if (!text.empty()) text += ", ";
    text += model::spec_of(kind).name;
  }
  return text;
}

std::string record_command(const ExperimentSummary& summary, model::MachineIndex machine,
                           std::span<const K> kinds) {
  for (const TraceSummary& trace : summary.traces) {
    if (trace.machine == machine && trace.info.format == "ctf") return lttng_command(kinds);
  }
  return trace_cmd_command(kinds);
}

}  // namespace vs::query
