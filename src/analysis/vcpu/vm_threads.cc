#include "analysis/vcpu/vm_threads.h"

#include <charconv>
#include <string_view>

namespace vs::analysis::vcpu {
namespace {

using model::EventKind;
namespace arg = model::arg;

/// The number after a prefix: "vhost-812" -> 812; -1 without.
std::int32_t pid_after(std::string_view comm, std::string_view prefix) {
  if (!comm.starts_with(prefix)) return -1;
  std::int32_t pid = -1;
  const char* const begin = comm.data() + prefix.size();
  const auto [end, error] = std::from_chars(begin, comm.data() + comm.size(), pid);
  return error == std::errc{} && end != begin ? pid : -1;
}

std::int32_t tid_arg(const model::Event& event, std::size_t slot) {
  const std::int64_t tid = event.i_or(slot, -1);
  return tid >= 0 && tid <= 0x7fffffff ? static_cast<std::int32_t>(tid) : -1;
}

/// QEMU's thread pool and I/O threads.
bool is_helper_name(std::string_view comm) { return comm == "worker" || comm.starts_with("IO "); }

}  // namespace

VmThreads::VmThreads(const model::Experiment& experiment, model::MachineIndex host,
                     const model::MachineFacts* facts)
    : facts_(facts) {
  for (model::MachineIndex m = 0; m < experiment.machines.size(); ++m) {
    const model::Machine& machine = experiment.machines[m];
    if (machine.parent != host) continue;
    if (machine.vmm_pid > 0) vmm_pids_.emplace(machine.vmm_pid, m);
    for (const model::Vcpu& vcpu : machine.vcpus) {
      for (const model::VcpuThread& thread : vcpu.threads) vcpu_tids_.emplace(thread.tid, m);
    }
  }
}

model::MachineIndex VmThreads::vm_of_pid(std::int32_t pid) const {
  const auto found = vmm_pids_.find(pid);
  return found == vmm_pids_.end() ? model::kNoMachine : found->second;
}

VmThread VmThreads::of(std::int32_t tid) const {
  if (tid <= 0 || (vmm_pids_.empty() && vcpu_tids_.empty())) return {};
  if (const auto vcpu = vcpu_tids_.find(tid); vcpu != vcpu_tids_.end()) {
    return {vcpu->second, VmRole::kVcpu};
  }
  VmThread found{vm_of_pid(tid), VmRole::kVmm};
  if (found.vm == model::kNoMachine && facts_ != nullptr) {
    const std::string_view name = facts_->name_of(tid);
    const std::int32_t vhost = pid_after(name, "vhost-");
    const std::int32_t pit = pid_after(name, "kvm-pit/");
    const std::int32_t helped = vhost > 0 ? vhost : pit;
    if (helped > 0) found = {vm_of_pid(helped), vhost > 0 ? VmRole::kVhost : VmRole::kPit};
    if (found.vm == model::kNoMachine) found = {vm_of_pid(facts_->tgid_of(tid)), VmRole::kVmm};
  }
  if (found.vm == model::kNoMachine) {
    const auto learnt = learnt_.find(tid);
    if (learnt != learnt_.end()) found = {learnt->second.vm, VmRole::kVmm};
  }
  return found.vm == model::kNoMachine ? VmThread{} : found;
}

model::KindSet VmThreads::kinds() {
  return model::KindSet::of({EventKind::kSchedWaking, EventKind::kSchedProcessFork,
                             EventKind::kSchedProcessExec, EventKind::kSchedProcessExit});
}

void VmThreads::on_event(const model::StreamEvent& event, bool bystander) {
  if (vmm_pids_.empty() && vcpu_tids_.empty()) return;
  switch (event.event.kind) {
    case EventKind::kSchedWaking:
      if (!bystander) on_waking(event);
      return;
    case EventKind::kSchedProcessFork:
      return on_fork(event);
    case EventKind::kSchedProcessExec:
    case EventKind::kSchedProcessExit:
      learnt_.erase(tid_arg(event.event, arg::kProcessTid));
      return;
    default:
      return;
  }
}

bool VmThreads::has_group(std::int32_t tid) const {
  return facts_ != nullptr && facts_->tgid_of(tid) >= 0;
}

void VmThreads::on_waking(const model::StreamEvent& event) {
  const std::int32_t tid = tid_arg(event.event, arg::kWakeTid);
  if (tid <= 0 || event.tid == tid || !is_helper_name(event.event.texts[0])) return;
  if (has_group(tid)) return;
  const VmThread by = of(event.tid);
  if (by.vm != model::kNoMachine) learn(tid, by.vm);
}

void VmThreads::on_fork(const model::StreamEvent& event) {
  const std::int32_t child = tid_arg(event.event, arg::kForkChildTid);
  if (child <= 0) return;
  learnt_.erase(child);
  const VmThread parent = of(tid_arg(event.event, arg::kForkParentTid));
  const bool vmm = parent.role == VmRole::kVmm || parent.role == VmRole::kVcpu;
  if (vmm && !has_group(child)) learn(child, parent.vm);
}

// The majority of the last wake-ups: now and then one is seen on top of a bystander.
void VmThreads::learn(std::int32_t tid, model::MachineIndex vm) {
  constexpr std::uint32_t kMaxCount = 16;
  Votes& votes = learnt_[tid];
  if (votes.vm == vm) {
    if (votes.count < kMaxCount) ++votes.count;
  } else if (votes.count > 0) {
    --votes.count;
  } else {
    votes = {vm, 1};
  }
}

}  // namespace vs::analysis::vcpu
