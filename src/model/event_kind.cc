#include "model/event_kind.h"

#include <array>
#include <string>
#include <unordered_map>

#include "base/strings.h"

namespace vs::model {
namespace {

using Args = std::span<const ArgumentSpec>;

constexpr ArgumentSpec kLossArgs[] = {{"end_own", ""}, {"lost", ""}};
constexpr ArgumentSpec kSwitchArgs[] = {{"prev_tid", "prev_tid prev_pid"},
                                        {"prev_state", "prev_state"},
                                        {"prev_prio", "prev_prio"},
                                        {"next_tid", "next_tid next_pid"},
                                        {"next_prio", "next_prio"}};
constexpr ArgumentSpec kSwitchTexts[] = {{"next_comm", "next_comm"}, {"prev_comm", "prev_comm"}};
constexpr ArgumentSpec kWakeArgs[] = {
    {"tid", "tid pid"}, {"prio", "prio"}, {"target_cpu", "target_cpu"}};
constexpr ArgumentSpec kCommText[] = {{"comm", "comm"}};
constexpr ArgumentSpec kMigrateArgs[] = {
    {"tid", "tid pid"}, {"orig_cpu", "orig_cpu"}, {"dest_cpu", "dest_cpu"}};
constexpr ArgumentSpec kForkArgs[] = {{"parent_tid", "parent_tid parent_pid"},
                                      {"parent_tgid", "parent_tgid parent_pid"},
                                      {"child_tid", "child_tid child_pid"},
                                      {"child_tgid", "child_tgid child_pid"},
                                      {"parent_ns_inum", "parent_ns_inum"},
                                      {"child_ns_inum", "child_ns_inum"},
                                      {"child_vtid", "vtids"}};
constexpr ArgumentSpec kForkTexts[] = {{"child_comm", "child_comm"},
                                       {"parent_comm", "parent_comm"}};
constexpr ArgumentSpec kProcessArgs[] = {{"tid", "tid pid"}, {"old_tid", "old_tid old_pid"}};
constexpr ArgumentSpec kExecTexts[] = {{"filename", "filename"}};
constexpr ArgumentSpec kNewtaskArgs[] = {{"tid", "pid tid"}, {"clone_flags", "clone_flags"}};
constexpr ArgumentSpec kRenameArgs[] = {{"tid", "pid tid"}};
constexpr ArgumentSpec kRenameTexts[] = {{"newcomm", "newcomm"}, {"oldcomm", "oldcomm"}};
constexpr ArgumentSpec kEntryArgs[] = {{"vcpu_id", "vcpu_id"},
                                       {"rip", "rip vcpu_pc"},
                                       {"intr_info", "intr_info"},
                                       {"immediate_exit", "immediate_exit"}};
constexpr ArgumentSpec kExitArgs[] = {{"exit_reason", "exit_reason ret"},
                                      {"guest_rip", "guest_rip rip vcpu_pc"},
                                      {"isa", "isa"},
                                      {"info1", "info1"},
                                      {"info2", "info2"},
                                      {"intr_info", "intr_info exit_int_info"},
                                      {"vcpu_id", "vcpu_id"},
                                      {"esr_ec", "esr_ec"}};
constexpr ArgumentSpec kUserspaceArgs[] = {{"reason", "reason"}, {"errno", "errno"}};
constexpr ArgumentSpec kWakeupArgs[] = {{"ns", "ns"}, {"waited", "waited"}, {"valid", "valid"}};
constexpr ArgumentSpec kHaltPollArgs[] = {
    {"grow", "grow"}, {"vcpu_id", "vcpu_id"}, {"new", "new"}, {"old", "old"}};
constexpr ArgumentSpec kInjArgs[] = {
    {"vector", "vector irq"}, {"soft", "soft"}, {"reinjected", "reinjected"}};
constexpr ArgumentSpec kAcceptArgs[] = {
    {"apicid", "apicid"}, {"dm", "dm"}, {"tm", "tm"}, {"vec", "vec"}};
constexpr ArgumentSpec kMsiArgs[] = {{"address", "address"}, {"data", "data"}};
constexpr ArgumentSpec kSetIrqArgs[] = {
    {"gsi", "gsi"}, {"level", "level"}, {"irq_source_id", "irq_source_id"}};
constexpr ArgumentSpec kHypercallArgs[] = {
    {"nr", "nr"}, {"a0", "a0"}, {"a1", "a1"}, {"a2", "a2"}, {"a3", "a3"}};
constexpr ArgumentSpec kMsrArgs[] = {
    {"write", "write"}, {"ecx", "ecx"}, {"data", "data"}, {"exception", "exception"}};
constexpr ArgumentSpec kPioArgs[] = {
    {"rw", "rw"}, {"port", "port"}, {"size", "size"}, {"count", "count"}, {"val", "val"}};
constexpr ArgumentSpec kMmioArgs[] = {
    {"type", "type"}, {"len", "len"}, {"gpa", "gpa"}, {"val", "val"}};
constexpr ArgumentSpec kCpuidArgs[] = {{"function", "function"}, {"index", "index"}};
constexpr ArgumentSpec kApicArgs[] = {{"rw", "rw"}, {"reg", "reg"}, {"val", "val"}};
constexpr ArgumentSpec kIpiArgs[] = {{"icr_low", "icr_low"}, {"dest_id", "dest_id"}};
constexpr ArgumentSpec kEoiArgs[] = {{"apicid", "apicid"}, {"vector", "vector"}};
constexpr ArgumentSpec kFaultArgs[] = {{"vcpu_id", "vcpu_id"},
                                       {"guest_rip", "guest_rip"},
                                       {"fault_address", "fault_address"},
                                       {"error_code", "error_code"}};
constexpr ArgumentSpec kFpuArgs[] = {{"load", "load"}};
constexpr ArgumentSpec kCrArgs[] = {{"rw", "rw"}, {"cr", "cr"}, {"val", "val"}};
constexpr ArgumentSpec kLapicArgs[] = {{"vcpu_id", "vcpu_id"}, {"delta", "delta"}};
constexpr ArgumentSpec kVcpuOnlyArgs[] = {{"vcpu_id", "vcpu_id"}};
constexpr ArgumentSpec kTscOffsetArgs[] = {{"vcpu_id", "vcpu_id"},
                                           {"previous_tsc_offset", "previous_tsc_offset"},
                                           {"next_tsc_offset", "next_tsc_offset"}};
constexpr ArgumentSpec kTrackArgs[] = {{"vcpu_id", "vcpu_id"},
                                       {"nr_vcpus_matched_tsc", "nr_vcpus_matched_tsc"},
                                       {"online_vcpus", "online_vcpus"}};
constexpr ArgumentSpec kPvclockArgs[] = {{"vcpu_id", "vcpu_id"},
                                         {"tsc_timestamp", "tsc_timestamp"},
                                         {"system_time", "system_time"},
                                         {"tsc_to_system_mul", "tsc_to_system_mul"},
                                         {"tsc_shift", "tsc_shift"}};
constexpr ArgumentSpec kNestedEnterArgs[] = {{"rip", "rip"},
                                             {"vmcb", "vmcb"},
                                             {"nested_rip", "nested_rip"},
                                             {"guest_pgd", "guest_pgd"},
                                             {"tdp_enabled", "tdp_enabled npt"}};
constexpr ArgumentSpec kContextArgs[] = {{"cr3", "cr3"},
                                         {"rip", "rip"},
                                         {"rsp", "rsp sp"},
                                         {"cpl", "cpl"},
                                         {"vcpu_id", "vcpu_id vcpuID vcpu"}};
constexpr ArgumentSpec kIrqArgs[] = {{"irq", "irq"}, {"ret", "ret"}};
constexpr ArgumentSpec kNameText[] = {{"name", "name"}};
constexpr ArgumentSpec kSoftirqArgs[] = {{"vec", "vec"}};
constexpr ArgumentSpec kVectorArgs[] = {{"vector", "vector"}};
constexpr ArgumentSpec kHrtimerArgs[] = {
    {"hrtimer", "hrtimer timer"}, {"now", "now"}, {"expires", "expires"}, {"function", "function"}};
constexpr ArgumentSpec kSyscallArgs[] = {{"nr", "__syscall_nr nr id"}, {"ret", "ret"}};
constexpr ArgumentSpec kBlockArgs[] = {
    {"dev", "dev"},     {"sector", "sector"},        {"nr_sector", "nr_sector"},
    {"bytes", "bytes"}, {"error", "error errors"},   {"rwbs", "rwbs"},
    {"tid", "tid"},     {"new_sector", "new_sector"}};
constexpr ArgumentSpec kBlockTexts[] = {{"rwbs", "rwbs"}, {"comm", "comm"}};
constexpr ArgumentSpec kNetArgs[] = {
    {"skbaddr", "skbaddr skb"},       {"len", "len"},        {"seq", "seq"},
    {"ack_seq", "ack_seq"},           {"flags", "flags"},    {"source_port", "source_port sport"},
    {"dest_port", "dest_port dport"}, {"addresses", "saddr"}};
constexpr ArgumentSpec kXmitArgs[] = {{"skbaddr", "skbaddr skb"}, {"len", "len"}, {"rc", "rc"}};
constexpr ArgumentSpec kNetTexts[] = {{"name", "name"}};
constexpr ArgumentSpec kWorkArgs[] = {{"work", "work"}, {"function", "function func"}};
constexpr ArgumentSpec kCgroupArgs[] = {{"tid", "pid tid"}, {"dst_id", "dst_id"}};
constexpr ArgumentSpec kCgroupTexts[] = {{"dst_path", "dst_path"}, {"comm", "comm"}};
constexpr ArgumentSpec kCpuhpArgs[] = {
    {"cpu", "cpu"}, {"target", "target state"}, {"idx", "idx"}, {"ret", "ret"}};
constexpr ArgumentSpec kIdleArgs[] = {{"state", "state"}, {"cpu_id", "cpu_id"}};
constexpr ArgumentSpec kVmsyncArgs[] = {{"cnt", "cnt"}, {"vm_uid", "vm_uid"}};
constexpr ArgumentSpec kMarkTexts[] = {{"text", "buf msg"}};
constexpr ArgumentSpec kStateProcessArgs[] = {
    {"tid", "tid"}, {"pid", "pid"},   {"ppid", "ppid"}, {"status", "status"},
    {"cpu", "cpu"}, {"type", "type"}, {"mode", "mode"}, {"submode", "submode"}};
constexpr ArgumentSpec kStatePidNsArgs[] = {{"tid", "tid"},           {"vtid", "vtid"},
                                            {"vpid", "vpid"},         {"vppid", "vppid"},
                                            {"ns_level", "ns_level"}, {"ns_inum", "ns_inum"}};
constexpr ArgumentSpec kStateIrqArgs[] = {{"irq", "irq"}};
constexpr ArgumentSpec kStateIrqTexts[] = {{"name", "name"}, {"action", "action"}};
constexpr ArgumentSpec kStateBlockArgs[] = {{"dev", "dev"}};
constexpr ArgumentSpec kStateBlockTexts[] = {{"diskname", "diskname"}};

using K = EventKind;

// Rows in the order of the enumeration; a test holds it.
constexpr std::array<EventKindSpec, kEventKindCount> kCatalogue = {{
    {K::kUnknown, "unknown", "", {}, {}},
    {K::kLoss, "loss", "", kLossArgs, {}},
    {K::kSchedSwitch, "sched_switch", "sched_switch", kSwitchArgs, kSwitchTexts},
    {K::kSchedWaking, "sched_waking", "sched_waking", kWakeArgs, kCommText},
    {K::kSchedWakeup, "sched_wakeup", "sched_wakeup sched_ttwu", kWakeArgs, kCommText},
    {K::kSchedWakeupNew, "sched_wakeup_new", "sched_wakeup_new", kWakeArgs, kCommText},
    {K::kSchedMigrateTask, "sched_migrate_task", "sched_migrate_task", kMigrateArgs, kCommText},
    {K::kSchedProcessFork, "sched_process_fork", "sched_process_fork", kForkArgs, kForkTexts},
    {K::kSchedProcessExec, "sched_process_exec", "sched_process_exec", kProcessArgs, kExecTexts},
    {K::kSchedProcessExit, "sched_process_exit", "sched_process_exit", kProcessArgs, kCommText},
    {K::kSchedProcessFree, "sched_process_free", "sched_process_free", kProcessArgs, kCommText},
    {K::kSchedProcessWait, "sched_process_wait", "sched_process_wait", kProcessArgs, kCommText},
    {K::kTaskNewtask, "task_newtask", "task_newtask", kNewtaskArgs, kCommText},
    {K::kTaskRename, "task_rename", "task_rename", kRenameArgs, kRenameTexts},
    {K::kKvmEntry, "kvm_entry", "kvm_entry kvm_x86_entry", kEntryArgs, {}},
    {K::kKvmExit, "kvm_exit", "kvm_exit kvm_x86_exit", kExitArgs, {}},
    {K::kKvmUserspaceExit,
     "kvm_userspace_exit",
     "kvm_userspace_exit kvm_x86_userspace_exit",
     kUserspaceArgs,
     {}},
    {K::kKvmVcpuWakeup, "kvm_vcpu_wakeup", "kvm_vcpu_wakeup", kWakeupArgs, {}},
    {K::kKvmHaltPoll, "kvm_halt_poll_ns", "kvm_halt_poll_ns", kHaltPollArgs, {}},
    {K::kKvmInjVirq, "kvm_inj_virq", "kvm_inj_virq kvm_x86_inj_virq", kInjArgs, {}},
    {K::kKvmApicAcceptIrq,
     "kvm_apic_accept_irq",
     "kvm_apic_accept_irq kvm_x86_apic_accept_irq",
     kAcceptArgs,
     {}},
    {K::kKvmApicvAcceptIrq, "kvm_apicv_accept_irq", "kvm_apicv_accept_irq", kAcceptArgs, {}},
    {K::kKvmMsiSetIrq, "kvm_msi_set_irq", "kvm_msi_set_irq kvm_x86_msi_set_irq", kMsiArgs, {}},
    {K::kKvmSetIrq, "kvm_set_irq", "kvm_set_irq kvm_x86_set_irq", kSetIrqArgs, {}},
    {K::kKvmHypercall, "kvm_hypercall", "kvm_hypercall kvm_x86_hypercall", kHypercallArgs, {}},
    {K::kKvmMsr, "kvm_msr", "kvm_msr kvm_x86_msr", kMsrArgs, {}},
    {K::kKvmPio, "kvm_pio", "kvm_pio kvm_x86_pio", kPioArgs, {}},
    {K::kKvmMmio, "kvm_mmio", "kvm_mmio kvm_x86_mmio", kMmioArgs, {}},
    {K::kKvmCpuid, "kvm_cpuid", "kvm_cpuid kvm_x86_cpuid", kCpuidArgs, {}},
    {K::kKvmApic, "kvm_apic", "kvm_apic kvm_x86_apic", kApicArgs, {}},
    {K::kKvmApicIpi, "kvm_apic_ipi", "kvm_apic_ipi kvm_x86_apic_ipi", kIpiArgs, {}},
    {K::kKvmEoi, "kvm_eoi", "kvm_eoi kvm_x86_eoi", kEoiArgs, {}},
    {K::kKvmPageFault, "kvm_page_fault", "kvm_page_fault kvm_x86_page_fault", kFaultArgs, {}},
    {K::kKvmEmulateInsn, "kvm_emulate_insn", "kvm_emulate_insn kvm_x86_emulate_insn", {}, {}},
    {K::kKvmFpu, "kvm_fpu", "kvm_fpu kvm_x86_fpu", kFpuArgs, {}},
    {K::kKvmCr, "kvm_cr", "kvm_cr kvm_x86_cr", kCrArgs, {}},
    {K::kKvmWaitLapicExpire,
     "kvm_wait_lapic_expire",
     "kvm_wait_lapic_expire kvm_x86_wait_lapic_expire",
     kLapicArgs,
     {}},
    {K::kKvmHvTimerState, "kvm_hv_timer_state", "kvm_hv_timer_state", kVcpuOnlyArgs, {}},
    {K::kKvmWriteTscOffset,
     "kvm_write_tsc_offset",
     "kvm_write_tsc_offset kvm_x86_write_tsc_offset",
     kTscOffsetArgs,
     {}},
    {K::kKvmTrackTsc, "kvm_track_tsc", "kvm_track_tsc kvm_x86_track_tsc", kTrackArgs, {}},
    {K::kKvmPvclockUpdate, "kvm_pvclock_update", "kvm_pvclock_update", kPvclockArgs, {}},
    {K::kKvmNestedVmenter,
     "kvm_nested_vmenter",
     "kvm_nested_vmenter kvm_nested_vmrun kvm_x86_nested_vmrun",
     kNestedEnterArgs,
     {}},
    {K::kKvmNestedVmexit,
     "kvm_nested_vmexit",
     "kvm_nested_vmexit kvm_x86_nested_vmexit",
     kExitArgs,
     {}},
    {K::kKvmNestedVmexitInject,
     "kvm_nested_vmexit_inject",
     "kvm_nested_vmexit_inject kvm_x86_nested_vmexit_inject",
     kExitArgs,
     {}},
    {K::kKvmMmuGetPage, "kvm_mmu_get_page", "kvm_mmu_get_page", {}, {}},
    {K::kGuestContextEntry, "svm_entry", "svm_entry vmx_entry vcpu_enter_guest", kContextArgs, {}},
    {K::kGuestContextExit, "svm_exit", "svm_exit vmx_exit", kContextArgs, {}},
    {K::kIrqHandlerEntry, "irq_handler_entry", "irq_handler_entry", kIrqArgs, kNameText},
    {K::kIrqHandlerExit, "irq_handler_exit", "irq_handler_exit", kIrqArgs, {}},
    {K::kSoftirqRaise, "softirq_raise", "softirq_raise irq_softirq_raise", kSoftirqArgs, {}},
    {K::kSoftirqEntry, "softirq_entry", "softirq_entry irq_softirq_entry", kSoftirqArgs, {}},
    {K::kSoftirqExit, "softirq_exit", "softirq_exit irq_softirq_exit", kSoftirqArgs, {}},
    {K::kIrqVectorEntry, "irq_vector_entry", "", kVectorArgs, {}},
    {K::kIrqVectorExit, "irq_vector_exit", "", kVectorArgs, {}},
    {K::kTimerExpireEntry, "timer_expire_entry", "timer_expire_entry", kHrtimerArgs, {}},
    {K::kTimerExpireExit, "timer_expire_exit", "timer_expire_exit", kHrtimerArgs, {}},
    {K::kHrtimerStart, "hrtimer_start", "hrtimer_start timer_hrtimer_start", kHrtimerArgs, {}},
    {K::kHrtimerCancel, "hrtimer_cancel", "hrtimer_cancel timer_hrtimer_cancel", kHrtimerArgs, {}},
    {K::kHrtimerExpireEntry,
     "hrtimer_expire_entry",
     "hrtimer_expire_entry timer_hrtimer_expire_entry",
     kHrtimerArgs,
     {}},
    {K::kHrtimerExpireExit,
     "hrtimer_expire_exit",
     "hrtimer_expire_exit timer_hrtimer_expire_exit",
     kHrtimerArgs,
     {}},
    {K::kSyscallEntry, "sys_enter", "sys_enter", kSyscallArgs, {}},
    {K::kSyscallExit, "sys_exit", "sys_exit exit_syscall", kSyscallArgs, {}},
    {K::kBlockRqInsert, "block_rq_insert", "block_rq_insert", kBlockArgs, kBlockTexts},
    {K::kBlockRqIssue, "block_rq_issue", "block_rq_issue", kBlockArgs, kBlockTexts},
    {K::kBlockRqComplete, "block_rq_complete", "block_rq_complete", kBlockArgs, kBlockTexts},
    {K::kBlockRqRequeue, "block_rq_requeue", "block_rq_requeue", kBlockArgs, kBlockTexts},
    {K::kBlockRqMerge, "block_rq_merge", "block_rq_merge", kBlockArgs, kBlockTexts},
    {K::kBlockBioQueue, "block_bio_queue", "block_bio_queue", kBlockArgs, kBlockTexts},
    {K::kBlockBioBackmerge, "block_bio_backmerge", "block_bio_backmerge", kBlockArgs, kBlockTexts},
    {K::kBlockBioFrontmerge, "block_bio_frontmerge", "block_bio_frontmerge", kBlockArgs,
     kBlockTexts},
    {K::kBlockSplit, "block_split", "block_split", kBlockArgs, kBlockTexts},
    {K::kNetDevQueue, "net_dev_queue", "net_dev_queue", kNetArgs, kNetTexts},
    {K::kNetDevXmit, "net_dev_xmit", "net_dev_xmit", kXmitArgs, kNetTexts},
    {K::kNetifReceiveSkb, "netif_receive_skb", "netif_receive_skb net_if_receive_skb", kNetArgs,
     kNetTexts},
    {K::kInetSockLocalIn, "inet_sock_local_in", "inet_sock_local_in", kNetArgs, kNetTexts},
    {K::kInetSockLocalOut, "inet_sock_local_out", "inet_sock_local_out", kNetArgs, kNetTexts},
    {K::kWorkqueueQueueWork, "workqueue_queue_work", "workqueue_queue_work", kWorkArgs, {}},
    {K::kWorkqueueExecuteStart,
     "workqueue_execute_start",
     "workqueue_execute_start",
     kWorkArgs,
     {}},
    {K::kWorkqueueExecuteEnd, "workqueue_execute_end", "workqueue_execute_end", kWorkArgs, {}},
    {K::kCgroupAttachTask, "cgroup_attach_task", "cgroup_attach_task", kCgroupArgs, kCgroupTexts},
    {K::kCpuhpEnter, "cpuhp_enter", "cpuhp_enter", kCpuhpArgs, {}},
    {K::kCpuhpExit, "cpuhp_exit", "cpuhp_exit", kCpuhpArgs, {}},
    {K::kCpuIdle, "cpu_idle", "cpu_idle power_cpu_idle", kIdleArgs, {}},
    {K::kVmsyncGhGuest, "vmsync_gh_guest", "vmsync_gh_guest", kVmsyncArgs, {}},
    {K::kVmsyncGhHost, "vmsync_gh_host", "vmsync_gh_host", kVmsyncArgs, {}},
    {K::kVmsyncHgHost, "vmsync_hg_host", "vmsync_hg_host", kVmsyncArgs, {}},
    {K::kVmsyncHgGuest, "vmsync_hg_guest", "vmsync_hg_guest", kVmsyncArgs, {}},
    {K::kMark, "print", "print lttng_logger", {}, kMarkTexts},
    {K::kStatedumpStart, "lttng_statedump_start", "lttng_statedump_start", {}, {}},
    {K::kStatedumpEnd, "lttng_statedump_end", "lttng_statedump_end", {}, {}},
    {K::kStatedumpProcess, "lttng_statedump_process_state", "lttng_statedump_process_state",
     kStateProcessArgs, kNameText},
    {K::kStatedumpPidNs,
     "lttng_statedump_process_pid_ns",
     "lttng_statedump_process_pid_ns",
     kStatePidNsArgs,
     {}},
    {K::kStatedumpCgroupNs,
     "lttng_statedump_process_cgroup_ns",
     "lttng_statedump_process_cgroup_ns",
     kStatePidNsArgs,
     {}},
    {K::kStatedumpInterrupt, "lttng_statedump_interrupt", "lttng_statedump_interrupt",
     kStateIrqArgs, kStateIrqTexts},
    {K::kStatedumpBlockDevice, "lttng_statedump_block_device", "lttng_statedump_block_device",
     kStateBlockArgs, kStateBlockTexts},
    {K::kStatedumpCpuTopology,
     "lttng_statedump_cpu_topology",
     "lttng_statedump_cpu_topology",
     {},
     {}},
}};

const std::unordered_map<std::string_view, EventKind>& names() {
  static const auto* const kNames = [] {
    auto* map = new std::unordered_map<std::string_view, EventKind>;
    for (const EventKindSpec& spec : kCatalogue) {
      for (const std::string_view word : split_words(spec.spellings)) map->emplace(word, spec.kind);
    }
    return map;
  }();
  return *kNames;
}

struct SyscallPrefix {
  std::string_view text;
  bool entry;
};
constexpr SyscallPrefix kSyscallPrefixes[] = {
    {"compat_syscall_entry_", true},
    {"compat_syscall_exit_", false},
    {"syscall_entry_", true},
    {"syscall_exit_", false},
    {"sys_enter_", true},
    {"sys_exit_", false},
};

const SyscallPrefix* syscall_prefix(std::string_view name) {
  for (const SyscallPrefix& prefix : kSyscallPrefixes) {
    if (name.size() > prefix.text.size() && name.starts_with(prefix.text)) return &prefix;
  }
  return nullptr;
}

// irq_vectors:local_timer_entry; LTTng: x86_irq_vectors_local_timer_entry.
EventKind irq_vector_kind(std::string_view name, std::string_view system) {
  const bool is_vector = system == "irq_vectors" || name.starts_with("x86_irq_vectors_");
  if (is_vector && name.ends_with("_entry")) return EventKind::kIrqVectorEntry;
  if (is_vector && name.ends_with("_exit")) return EventKind::kIrqVectorExit;
  return EventKind::kUnknown;
}

}  // namespace

const EventKindSpec& spec_of(EventKind kind) { return kCatalogue[static_cast<std::size_t>(kind)]; }

EventKind kind_of(std::string_view name, std::string_view system) {
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    if (system.empty()) system = name.substr(0, colon);
    name = name.substr(colon + 1);
  }
  if (const auto found = names().find(name); found != names().end()) return found->second;
  if (const SyscallPrefix* prefix = syscall_prefix(name)) {
    return prefix->entry ? EventKind::kSyscallEntry : EventKind::kSyscallExit;
  }
  return irq_vector_kind(name, system);
}

std::string_view syscall_name_of(std::string_view event_name) {
  const SyscallPrefix* prefix = syscall_prefix(event_name);
  return prefix == nullptr ? std::string_view{} : event_name.substr(prefix->text.size());
}

}  // namespace vs::model
