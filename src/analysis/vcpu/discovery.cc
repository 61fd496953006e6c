#include "analysis/vcpu/discovery.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/limits.h"

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using model::EventKind;
using model::kNoVcpu;
namespace arg = model::arg;

constexpr std::int64_t kMaxEntryId = 4096;  // above: not a number but half a pointer
constexpr std::int64_t kMaxExitId = 1 << 16;
constexpr std::uint64_t kCloneThread = 0x10000;
constexpr std::size_t kEarlyEvents = 256;

std::int32_t tid_arg(const Event& event, std::size_t slot) {
  const std::int64_t tid = event.i_or(slot, -1);
  return tid > 0 && tid <= 0x7fffffff ? static_cast<std::int32_t>(tid) : -1;
}

/// The number that follows `prefix` in `text`, -1 when there is none.
std::int32_t number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return -1;
  text.remove_prefix(prefix.size());
  std::int32_t number = -1;
  const auto result = std::from_chars(text.begin(), text.end(), number);
  return result.ec == std::errc() && number >= 0 ? number : -1;
}

/// Few names matter; of most, the first letter tells that they do not.
constexpr bool may_tell(char first) {
  return first == 'C' || first == 'f' || first == 'c' || first == 'v' || first == 'k';
}

/// vCPU number in a thread's name: QEMU, Firecracker, crosvm, cloud-hypervisor.
std::int32_t vcpu_of_name(std::string_view comm) {
  for (const std::string_view prefix : {"CPU ", "fc_vcpu ", "crosvm_vcpu", "vcpu"}) {
    const std::int32_t number = number_after(comm, prefix);
    if (number >= 0 && number < kMaxEntryId) return number;
  }
  return kNoVcpu;
}

/// VMM pid in the name of a kernel helper.
std::int32_t pid_of_helper(std::string_view comm) {
  const std::int32_t vhost = number_after(comm, "vhost-");
  return vhost > 0 ? vhost : number_after(comm, "kvm-pit/");
}

}  // namespace

Discovery::HandlerTable Discovery::make_handlers() {
  using K = EventKind;
  HandlerTable table{};
  const auto set = [&table](Handler handler, std::initializer_list<K> kinds) {
    for (const K kind : kinds) table[static_cast<std::size_t>(kind)] = handler;
  };
  set(&Discovery::on_switch, {K::kSchedSwitch});
  set(&Discovery::on_waking, {K::kSchedWaking});
  set(&Discovery::on_fork, {K::kSchedProcessFork});
  set(&Discovery::on_newtask, {K::kTaskNewtask});
  set(&Discovery::on_exec, {K::kSchedProcessExec});
  set(&Discovery::on_rename, {K::kTaskRename});
  set(&Discovery::on_thread_end, {K::kSchedProcessExit});
  set(&Discovery::on_statedump, {K::kStatedumpProcess});
  set(&Discovery::on_entry, {K::kKvmEntry});
  set(&Discovery::on_exit, {K::kKvmExit});
  set(&Discovery::on_emulation, {K::kKvmEmulateInsn, K::kKvmVcpuWakeup, K::kKvmPio, K::kKvmApic});
  set(&Discovery::on_fpu, {K::kKvmFpu});
  set(&Discovery::on_ipi, {K::kKvmApicIpi});
  set(&Discovery::on_irq_begin,
      {K::kIrqHandlerEntry, K::kIrqVectorEntry, K::kHrtimerExpireEntry, K::kSoftirqEntry});
  set(&Discovery::on_irq_end,
      {K::kIrqHandlerExit, K::kIrqVectorExit, K::kHrtimerExpireExit, K::kSoftirqExit});
  set(&Discovery::on_loss, {K::kLoss});
  return table;
}

const Discovery::HandlerTable& Discovery::handlers() {
  static const HandlerTable table = make_handlers();
  return table;
}

model::KindSet Discovery::kinds() {
  model::KindSet set;
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    if (handlers()[i] != nullptr) set.add(static_cast<EventKind>(i));
  }
  return set;
}

model::KindSet Discovery::vcpu_kinds() {
  model::KindSet set;
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    const Handler handler = handlers()[i];
    const bool shows = handler == &Discovery::on_entry || handler == &Discovery::on_exit ||
                       handler == &Discovery::on_emulation || handler == &Discovery::on_fpu;
    if (shows) set.add(static_cast<EventKind>(i));
  }
  return set;
}

void Discovery::on_events(std::span<const Event> events, std::uint32_t number) {
  if (number >= limits::kCpus) return;
  if (number >= cpus_.size()) {
    cpus_.resize(number + 1);
    first_tids_.resize(number + 1, model::kNoTid);
  }
  Cpu& cpu = cpus_[number];
  const HandlerTable& table = handlers();
  for (const Event& event : events) {
    const Handler handler = table[static_cast<std::size_t>(event.kind)];
    if (handler == nullptr) continue;
    if (event.tid != model::kNoTid) {
      if (event.tid != cpu.tid) cpu.irq_depth = 0;
      cpu.tid = event.tid;
      if (first_tids_[number] == model::kNoTid) first_tids_[number] = event.tid;
    }
    (this->*handler)(event, cpu, number);
  }
}

// ---- who is where ----

void Discovery::on_switch(const Event& event, Cpu& cpu, std::uint32_t number) {
  const auto prev = static_cast<std::int32_t>(event.i_or(arg::kPrevTid, model::kNoTid));
  if (first_tids_[number] == model::kNoTid) first_tids_[number] = prev;
  if (!cpu.early.empty()) {
    const std::vector<Event> early = std::exchange(cpu.early, {});
    cpu.tid = prev;
    for (const Event& before : early) {
      (this->*handlers()[static_cast<std::size_t>(before.kind)])(before, cpu, number);
    }
  }
  learn_name(prev, event.texts[arg::kPrevComm]);
  const auto next = static_cast<std::int32_t>(event.i_or(arg::kNextTid, model::kNoTid));
  learn_name(next, event.texts[arg::kNextComm]);
  cpu.tid = next;
  cpu.irq_depth = 0;
  cpu.ipi_sender = -1;
}

void Discovery::on_loss(const Event&, Cpu& cpu, std::uint32_t) { cpu = Cpu{}; }

void Discovery::on_irq_begin(const Event&, Cpu& cpu, std::uint32_t) {
  if (cpu.irq_depth < 0xffff) ++cpu.irq_depth;
}

void Discovery::on_irq_end(const Event&, Cpu& cpu, std::uint32_t) {
  if (cpu.irq_depth > 0) --cpu.irq_depth;
}

// ---- threads ----

void Discovery::learn_name(std::int32_t tid, std::string_view comm) {
  if (tid <= 0 || comm.empty() || !may_tell(comm[0]) || is_learned(tid, comm)) return;
  if (const std::int32_t id = vcpu_of_name(comm); id != kNoVcpu) threads_[tid].name_id = id;
  if (const std::int32_t pid = pid_of_helper(comm); pid > 0) threads_[tid].helper_of = pid;
}

bool Discovery::is_learned(std::int32_t tid, std::string_view comm) {
  Learned& last = learned_[static_cast<std::size_t>(tid) % learned_.size()];
  if (last.tid == tid && std::string_view(last.comm.data(), last.size) == comm) return true;
  last.tid = comm.size() <= last.comm.size() ? tid : -1;
  last.size = static_cast<std::uint8_t>(std::min(comm.size(), last.comm.size()));
  std::copy_n(comm.begin(), last.size, last.comm.begin());
  return false;
}

Discovery::Thread* Discovery::known_thread(Cpu& cpu) {
  if (cpu.found != nullptr && cpu.found_tid == cpu.tid) return cpu.found;
  const auto at = threads_.find(cpu.tid);
  if (at == threads_.end()) return nullptr;
  cpu.found_tid = cpu.tid;
  cpu.found = &at->second;
  return cpu.found;
}

void Discovery::on_rename(const Event& event, Cpu&, std::uint32_t) {
  learn_name(tid_arg(event, arg::kRenameTid), event.texts[0]);
}

// A wake-up outside interrupts is the work of the current thread. Between a vCPU and a kernel
// helper of its VMM it tells the VMM; between two vCPUs after an IPI it tells that they are of one
// VM.
void Discovery::on_waking(const Event& event, Cpu& cpu, std::uint32_t) {
  const std::int32_t target = tid_arg(event, arg::kWakeTid);
  if (target < 0) return;
  learn_name(target, event.texts[0]);
  if (cpu.tid <= 0 || cpu.irq_depth != 0) return;
  if (const std::int32_t pid = pid_of_helper(event.texts[0]); pid > 0) {
    vote(threads_[cpu.tid], pid);
    return;
  }
  const Thread* const waker = known_thread(cpu);
  if (waker != nullptr && waker->helper_of > 0) vote(threads_[target], waker->helper_of);
  if (cpu.ipi_sender == cpu.tid && target != cpu.tid) {
    ++ipi_links_[std::minmax(cpu.tid, target)];
  }
}

void Discovery::vote(Thread& thread, std::int32_t pid) {
  for (Vote& vote : thread.votes) {
    if (vote.pid == pid) {
      ++vote.count;
      return;
    }
  }
  thread.votes.push_back({pid, 1});
}

void Discovery::on_fork(const Event& event, Cpu&, std::uint32_t) {
  const std::int32_t child = tid_arg(event, arg::kForkChildTid);
  const std::int32_t parent = tid_arg(event, arg::kForkParentTid);
  if (child < 0) return;
  Thread& thread = threads_[child];
  thread.parent = parent;
  learn_name(child, event.texts[0]);
  // LTTng tells thread groups; ftrace has one number for both, so equal ones say nothing.
  const std::int32_t tgid = tid_arg(event, arg::kForkChildTgid);
  const std::int32_t parent_tgid = tid_arg(event, arg::kForkParentTgid);
  const bool told = (tgid > 0 && tgid != child) || (parent_tgid > 0 && parent_tgid != parent);
  forks_tell_groups_ = forks_tell_groups_ || told || event.has(arg::kForkChildNs);
  if (tgid > 0 && (tgid != child || forks_tell_groups_)) thread.tgid = tgid;
  if (parent > 0 && parent_tgid > 0 && parent_tgid != parent) threads_[parent].tgid = parent_tgid;
}

void Discovery::on_newtask(const Event& event, Cpu& cpu, std::uint32_t) {
  const std::int32_t child = tid_arg(event, arg::kNewtaskTid);
  if (child < 0 || cpu.tid <= 0 || !event.has(arg::kNewtaskCloneFlags)) return;
  Thread& thread = threads_[child];
  thread.parent = cpu.tid;
  thread.same_group_as_parent = (event.u(arg::kNewtaskCloneFlags) & kCloneThread) != 0;
  thread.leader = !thread.same_group_as_parent;
}

void Discovery::on_exec(const Event& event, Cpu&, std::uint32_t) {
  const std::int32_t tid = tid_arg(event, arg::kProcessTid);
  if (tid > 0) threads_[tid].leader = true;  // who execs leads its group afterwards
}

void Discovery::on_thread_end(const Event& event, Cpu&, std::uint32_t) {
  const auto at = threads_.find(tid_arg(event, arg::kProcessTid));
  if (at != threads_.end()) at->second.ends.push_back(event.own);
}

void Discovery::on_statedump(const Event& event, Cpu&, std::uint32_t) {
  const std::int32_t tid = tid_arg(event, arg::kStateTid);
  const std::int32_t pid = tid_arg(event, arg::kStatePid);
  if (tid < 0) return;
  // An id that is used again can be in two dumps: the one that calls it a vCPU is about the VM.
  const bool vcpu = vcpu_of_name(event.texts[0]) != kNoVcpu;
  Thread& thread = threads_[tid];
  if (pid > 0 && (vcpu || !thread.dumped_as_vcpu)) thread.tgid = pid;
  thread.dumped_as_vcpu = thread.dumped_as_vcpu || vcpu;
  learn_name(tid, event.texts[0]);
}

// ---- KVM ----

/// Notes that the event's thread runs a vCPU; null while its thread is not known.
Discovery::Thread* Discovery::evidence(const Event& event, Cpu& cpu, std::uint32_t number,
                                       std::int32_t id) {
  if (cpu.tid == model::kNoTid) {
    if (cpu.early.size() < kEarlyEvents) cpu.early.push_back(event);
    return nullptr;
  }
  if (cpu.tid <= 0) return nullptr;
  Thread* const known = known_thread(cpu);
  Thread& thread = known != nullptr ? *known : threads_[cpu.tid];
  for (Run& run : thread.runs) {
    if (run.cpu != number || run.id != id) continue;
    run.first = std::min(run.first, event.own);
    run.last = std::max(run.last, event.own);
    return &thread;
  }
  thread.runs.push_back({number, id, event.own, event.own});
  return &thread;
}

void Discovery::on_entry(const Event& event, Cpu& cpu, std::uint32_t number) {
  cpu.irq_depth = 0;
  cpu.ipi_sender = -1;
  Thread* thread = evidence(event, cpu, number, kNoVcpu);
  if (thread == nullptr || !event.has(arg::kEntryVcpu)) return;
  const std::int64_t id = event.i(arg::kEntryVcpu);
  if (id < 0 || id >= kMaxEntryId) {
    entry_ids_are_pointers_ = true;
    return;
  }
  const auto small = static_cast<std::int32_t>(id);
  thread->entry_id_varies |= thread->entry_id != kNoVcpu && thread->entry_id != small;
  thread->entry_id = small;
}

void Discovery::on_exit(const Event& event, Cpu& cpu, std::uint32_t number) {
  cpu.irq_depth = 0;
  const std::int64_t id = event.i_or(arg::kExitVcpu, -1);
  const bool plausible = id >= 0 && id < kMaxExitId;
  exits_have_ids_ = exits_have_ids_ || plausible;
  evidence(event, cpu, number, plausible ? static_cast<std::int32_t>(id) : kNoVcpu);
}

void Discovery::on_emulation(const Event& event, Cpu& cpu, std::uint32_t number) {
  if (cpu.irq_depth == 0) evidence(event, cpu, number, kNoVcpu);
}

void Discovery::on_fpu(const Event& event, Cpu& cpu, std::uint32_t number) {
  if (event.i_or(arg::kFpuLoad, 0) != 0) evidence(event, cpu, number, kNoVcpu);
}

void Discovery::on_ipi(const Event&, Cpu& cpu, std::uint32_t) {
  if (cpu.irq_depth == 0) cpu.ipi_sender = cpu.tid;
}

// ---- the sum ----

/// The thread group where events tell it: directly, or through CLONE_THREAD and exec.
std::int32_t Discovery::certain_tgid(std::int32_t tid) const {
  for (int depth = 0; depth < 64; ++depth) {
    const auto at = threads_.find(tid);
    if (at == threads_.end()) return -1;
    const Thread& thread = at->second;
    if (thread.tgid > 0) return thread.tgid;
    if (thread.leader) return tid;
    if (!thread.same_group_as_parent) return -1;
    tid = thread.parent;
  }
  return -1;
}

/// The VMM pid that most of the helpers' wake-ups speak for; a rare contradiction (a wake-up in an
/// interrupt that was not recorded) does not count.
std::int32_t Discovery::voted_pid(const Thread& thread) const {
  std::uint32_t all = 0;
  Vote best;
  for (const Vote& vote : thread.votes) {
    all += vote.count;
    if (vote.count > best.count) best = vote;
  }
  return best.count * 2 > all ? best.pid : -1;
}

/// One VcpuThreadFacts per life of the thread that ran a vCPU.
void Discovery::add_lives(std::int32_t tid, const Thread& thread, GroupingInput& input) const {
  std::vector<OwnTime> ends = thread.ends;
  std::ranges::sort(ends);
  const bool entry_id_good =
      thread.entry_id != kNoVcpu && !thread.entry_id_varies && !exits_have_ids_;
  for (std::size_t life = 0; life <= ends.size(); ++life) {
    const OwnTime from = life == 0 ? kOwnTimeMin : ends[life - 1];
    const OwnTime to = life == ends.size() ? kOwnTimeMax : ends[life];
    std::map<std::int32_t, VcpuRun> runs;
    for (const Run& run : thread.runs) {
      if (run.last <= from || run.first > to) continue;
      const std::int32_t id = run.id == kNoVcpu && entry_id_good ? thread.entry_id : run.id;
      VcpuRun& sum = runs.try_emplace(id, VcpuRun{id, run.first, run.last}).first->second;
      sum.first = std::max(std::min(sum.first, run.first), from);
      sum.last = std::min(std::max(sum.last, run.last), to);
    }
    // Events that name no number belong to the one number that others name.
    if (runs.size() == 2 && runs.contains(kNoVcpu)) {
      const VcpuRun unnamed = runs.extract(kNoVcpu).mapped();
      VcpuRun& named = runs.begin()->second;
      named.first = std::min(named.first, unnamed.first);
      named.last = std::max(named.last, unnamed.last);
    } else if (runs.size() > 2) {
      runs.erase(kNoVcpu);
    }
    if (runs.empty()) continue;
    VcpuThreadFacts& facts = input.threads.emplace_back();
    facts.tid = tid;
    for (const auto& [id, run] : runs) facts.runs.push_back(run);
    facts.tgid = certain_tgid(tid);
    facts.helper_pid = voted_pid(thread);
    facts.parent_tid = thread.parent;
    facts.name_id = thread.name_id;
  }
}

std::vector<model::FoundVm> Discovery::finish(std::vector<VmHint> hints) {
  GroupingInput input;
  input.hints = std::move(hints);
  std::vector<std::int32_t> tids;
  for (const auto& [tid, thread] : threads_) {
    if (!thread.runs.empty()) tids.push_back(tid);
    if (thread.helper_of > 0) input.helper_pids.push_back(thread.helper_of);
  }
  std::ranges::sort(tids);
  std::ranges::sort(input.helper_pids);
  // Not std::ranges::unique: Clang 14 cannot compile libstdc++'s.
  input.helper_pids.erase(std::unique(input.helper_pids.begin(), input.helper_pids.end()),
                          input.helper_pids.end());
  for (const std::int32_t tid : tids) add_lives(tid, threads_.at(tid), input);
  for (std::size_t a = 0; a < input.threads.size(); ++a) {
    for (std::size_t b = a + 1; b < input.threads.size(); ++b) {
      if (ipi_links_.contains(std::minmax(input.threads[a].tid, input.threads[b].tid))) {
        input.links.emplace_back(a, b);
      }
    }
  }
  return group(input);
}

}  // namespace vs::analysis::vcpu
