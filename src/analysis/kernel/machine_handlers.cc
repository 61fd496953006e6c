// One small handler per kind of event. What they share is in machine_state.cc.

#include "analysis/kernel/event_kinds.h"
#include "analysis/kernel/machine_impl.h"
#include "analysis/kernel/wake_cause.h"
#include "base/limits.h"

namespace vs::analysis::kernel {

using model::BlockCause;
using model::EventKind;
using model::kNull;
using model::ThreadState;
namespace arg = model::arg;

namespace {

std::int64_t cpu_arg(const model::Event& event, std::size_t slot) {
  const std::int64_t cpu = event.i_or(slot, -1);
  return cpu >= 0 && cpu < limits::kCpus ? cpu : kNull;
}

// By how much the clocks of two CPUs may disagree (trace clock "local") in our reading of who was
// first.
constexpr std::uint64_t kClockSkewNs = 10'000'000;

bool just_appeared(const Thread& thread, HostTime now) {
  const std::uint64_t age =
      static_cast<std::uint64_t>(now.ns) - static_cast<std::uint64_t>(thread.first.ns);
  return thread.birth == Birth::kAppeared && !thread.exited() && age < kClockSkewNs;
}

bool queued(const Thread& thread) {
  return thread.row.state == ThreadState::kRunnable || thread.row.state == ThreadState::kPreempted;
}

}  // namespace

const MachineState::Impl::Handlers& MachineState::Impl::handlers() {
  static const Handlers kHandlers = [] {
    Handlers table{};
    const auto set = [&table](EventKind kind, Method run, bool sync = true) {
      table[static_cast<std::size_t>(kind)] = {run, sync};
    };
    for (const EventKind kind : kKernelKinds) set(kind, &call<&Impl::on_nothing>);
    set(EventKind::kSchedSwitch, &call<&Impl::on_switch>, false);  // its arguments say it
    set(EventKind::kSchedWaking, &call<&Impl::on_waking>);
    set(EventKind::kSchedWakeup, &call<&Impl::on_wakeup>);
    set(EventKind::kSchedWakeupNew, &call<&Impl::on_wakeup_new>);
    set(EventKind::kSchedMigrateTask, &call<&Impl::on_migrate>);
    set(EventKind::kSchedProcessFork, &call<&Impl::on_fork>);
    set(EventKind::kTaskNewtask, &call<&Impl::on_newtask>);
    set(EventKind::kSchedProcessExec, &call<&Impl::on_exec>,
        false);  // may change the current thread's id
    set(EventKind::kSchedProcessExit, &call<&Impl::on_exit>);
    set(EventKind::kSchedProcessFree, &call<&Impl::on_free>);
    set(EventKind::kTaskRename, &call<&Impl::on_rename>);
    set(EventKind::kIrqHandlerEntry, &call<&Impl::on_irq_entry>);
    set(EventKind::kIrqHandlerExit, &call<&Impl::on_irq_exit>);
    set(EventKind::kSoftirqEntry, &call<&Impl::on_softirq_entry>);
    set(EventKind::kSoftirqExit, &call<&Impl::on_softirq_exit>);
    set(EventKind::kIrqVectorEntry, &call<&Impl::on_vector_entry>);
    set(EventKind::kIrqVectorExit, &call<&Impl::on_vector_exit>);
    set(EventKind::kTimerExpireEntry, &call<&Impl::on_timer_entry>);
    set(EventKind::kTimerExpireExit, &call<&Impl::on_timer_exit>);
    set(EventKind::kHrtimerExpireEntry, &call<&Impl::on_timer_entry>);
    set(EventKind::kHrtimerExpireExit, &call<&Impl::on_timer_exit>);
    set(EventKind::kSyscallEntry, &call<&Impl::on_syscall_entry>);
    set(EventKind::kSyscallExit, &call<&Impl::on_syscall_exit>);
    set(EventKind::kBlockRqComplete, &call<&Impl::on_block_complete>);
    set(EventKind::kNetifReceiveSkb, &call<&Impl::on_net_receive>);
    set(EventKind::kCgroupAttachTask, &call<&Impl::on_cgroup>);
    set(EventKind::kStatedumpProcess, &call<&Impl::on_dump_process>);
    set(EventKind::kStatedumpPidNs, &call<&Impl::on_dump_pid_ns>);
    return table;
  }();
  return kHandlers;
}

// ---- scheduling ----

void MachineState::Impl::on_switch(const Site& site) {
  const model::Event& event = site.event;
  Cpu& cpu = site.cpu;
  const std::int32_t prev = tid_arg(event, arg::kPrevTid);
  const std::int32_t next = tid_arg(event, arg::kNextTid);
  if (prev != cpu.tid) {
    if (cpu.tid >= 0) ++counters_.missed_switches;
    displace(cpu);
  }
  drop_contexts(cpu);  // no kernel switches inside of an interrupt
  if (prev == 0) name_idle(cpu, event.texts[arg::kPrevComm]);
  if (prev > 0) switch_out(cpu, prev, event);
  cpu.tid = next;
  cpu.left = prev;
  cpu.settled = false;
  cpu.current = nullptr;
  if (next == 0) name_idle(cpu, event.texts[arg::kNextComm]);
  if (next > 0) {
    Thread& thread = live(next);
    threads_.set_comm(thread, event.texts[arg::kNextComm]);
    cpu.current = &thread;
    run_on(cpu, thread);
  }
  publish(cpu);
}

void MachineState::Impl::switch_out(Cpu& cpu, std::int32_t tid, const model::Event& event) {
  const bool known = cpu.tid == tid && cpu.current != nullptr && !cpu.current->exited();
  Thread& thread = known ? *cpu.current : live(tid);
  threads_.set_comm(thread, event.texts[arg::kPrevComm]);
  // Clocks of CPUs may disagree: another one may have it already.
  if (thread.running() && !thread.runs_on(cpu.index)) return;
  ThreadState state = thread.exiting ? ThreadState::kExited : ThreadState::kUnknown;
  if (event.has(arg::kPrevState)) {
    state = state_after_switch(event.i(arg::kPrevState), options_.task_states);
  }
  const bool stays_queued = state == ThreadState::kPreempted;
  const PendingWake pending = thread.pending;
  take_off(thread, state, stays_queued ? std::int64_t{cpu.index} : kNull);
  // Woken on its way out (try_to_wake_up waits for the switch): from here on it waits for a CPU.
  // Only where wakeups are recorded is a waking that did not stop the thread told from one that
  // did.
  if (state == ThreadState::kBlocked && pending.valid && initial_.has_wakeup) {
    thread.pending.valid = false;
    wake(thread, pending.waker, std::int64_t{cpu.index});
  }
}

void MachineState::Impl::name_idle(Cpu& cpu, std::string_view comm) {
  comm = clip_comm(comm);
  if (comm.empty() || comm == cpu.idle_comm) return;
  cpu.idle_comm = std::string(comm);
  cpu.idle_comm_id = sink_.intern(comm);
}

void MachineState::Impl::on_waking(const Site& site) {
  has_waking_ = true;
  const std::int32_t tid = tid_arg(site.event, arg::kWakeTid);
  if (tid <= 0) return;
  Thread* const found = threads_.find(tid);
  Thread& thread = found != nullptr ? *found : threads_.add(tid, now_, Birth::kAppeared);
  if (thread.exited() || queued(thread)) return;
  const Waker waker = waker_at(site.cpu, tid);
  if (thread.running()) {
    thread.pending = {true, waker};  // it is about to leave its CPU
    return;
  }
  threads_.set_comm(thread, site.event.texts[0]);
  wake(thread, waker, cpu_arg(site.event, arg::kWakeTargetCpu));
}

void MachineState::Impl::on_wakeup(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kWakeTid);
  if (tid <= 0) return;
  Thread* const found = threads_.find(tid);
  Thread& thread = found != nullptr ? *found : threads_.add(tid, now_, Birth::kAppeared);
  const std::int64_t target = cpu_arg(site.event, arg::kWakeTargetCpu);
  const PendingWake pending = thread.pending;
  thread.pending.valid = false;
  if (thread.running() || thread.exited()) return;
  if (queued(thread)) {
    requeue(thread, target);
    return;
  }
  // With sched_waking in the trace this one may come from another CPU than the waker's.
  Waker waker;
  if (pending.valid) waker = pending.waker;
  if (!pending.valid && !has_waking_) waker = waker_at(site.cpu, tid);
  threads_.set_comm(thread, site.event.texts[0]);
  wake(thread, waker, target);
}

void MachineState::Impl::on_wakeup_new(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kWakeTid);
  if (tid <= 0) return;
  Thread* thread = threads_.find(tid);
  if (thread == nullptr || thread->exited()) thread = &birth(tid, Birth::kForked);
  const bool waits = thread->row.state == ThreadState::kFork ||
                     thread->row.state == ThreadState::kUnknown || thread->exited();
  if (!waits) return;
  threads_.set_comm(*thread, site.event.texts[0]);
  wake(*thread, waker_at(site.cpu, tid), cpu_arg(site.event, arg::kWakeTargetCpu));
}

void MachineState::Impl::on_migrate(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kMigrateTid);
  Thread* const thread = tid > 0 ? threads_.find(tid) : nullptr;
  const std::int64_t target = cpu_arg(site.event, arg::kMigrateDestCpu);
  if (thread != nullptr && queued(*thread)) requeue(*thread, target);
}

// ---- lives ----

Thread& MachineState::Impl::newborn(std::int32_t tid, std::int32_t parent_tid) {
  Thread* const found = threads_.find(tid);
  if (found != nullptr && found->row.state == ThreadState::kFork) return *found;
  // Another CPU's clock showed it before its birth.
  if (found != nullptr && just_appeared(*found, now_)) return *found;
  Thread* const parent = parent_tid > 0 ? threads_.find(parent_tid) : nullptr;
  Thread& child = birth(tid, Birth::kForked);
  child.parent_tid = parent_tid;
  if (parent_tid == kKthreadd) child.privilege = Privilege::kKernel;
  if (parent != nullptr && parent != &child) {
    if (parent->privilege == Privilege::kKernel) child.privilege = Privilege::kKernel;
    child.pid_ns = parent->pid_ns;
    child.cgroup = parent->cgroup;
    // It returns from the call that its parent made.
    child.in_syscall = parent->in_syscall;
    child.syscall = parent->syscall;
    child.may_return_unseen = parent->may_return_unseen;
  }
  ThreadRow row = off_row(ThreadState::kFork);
  if (parent_tid > 0) {
    row.waker_tid = parent_tid;
    row.waker_machine = threads_.machine_id();
  }
  set_row(child, row);
  return child;
}

void MachineState::Impl::on_fork(const Site& site) {
  const model::Event& event = site.event;
  const std::int32_t parent_tid = tid_arg(event, arg::kForkParentTid);
  const std::int32_t child_tid = tid_arg(event, arg::kForkChildTid);
  if (child_tid <= 0) return;
  const ForkGroups groups = groups_of_fork(event);
  if (parent_tid > 0) {
    Thread& parent = live(parent_tid);
    if (groups.parent >= 0) parent.tgid = groups.parent;
    if (event.has(arg::kForkParentNs)) parent.pid_ns = event.i(arg::kForkParentNs);
    threads_.set_comm(parent, event.texts[1]);
  }
  Thread& child = newborn(child_tid, parent_tid);
  child.parent_tid = parent_tid;
  if (groups.child >= 0) child.tgid = groups.child;
  threads_.set_comm(child, event.texts[0]);
  if (event.has(arg::kForkChildNs)) {
    child.pid_ns = event.i(arg::kForkChildNs);
    const std::int64_t parent_ns = event.i_or(arg::kForkParentNs, kNull);
    if (child.pid_ns != parent_ns) namespaces_.note_child(child.pid_ns, parent_ns, child_tid);
  }
  refresh(site.cpu);
}

// Comes before sched_process_fork and is the only one to tell threads from processes in ftrace.
void MachineState::Impl::on_newtask(const Site& site) {
  const model::Event& event = site.event;
  const std::int32_t tid = tid_arg(event, arg::kNewtaskTid);
  if (tid <= 0) return;
  Thread& child = newborn(tid, site.cpu.tid);
  threads_.set_comm(child, event.texts[0]);
  const std::int64_t flags = event.i_or(arg::kNewtaskCloneFlags, 0);
  const Thread* const parent = site.cpu.current;
  if (event.has(arg::kNewtaskCloneFlags)) {
    const bool thread = (flags & kCloneThread) != 0;
    child.tgid = thread ? (parent != nullptr ? parent->tgid : -1) : tid;
  }
  const bool fresh_namespace = (flags & kCloneNewPid) != 0 && child.row.state == ThreadState::kFork;
  if (fresh_namespace) child.pid_ns = namespaces_.make_synthetic(child.pid_ns, tid);
}

void MachineState::Impl::on_exec(const Site& site) {
  const model::Event& event = site.event;
  Cpu& cpu = site.cpu;
  const std::int32_t tid = tid_arg(event, arg::kProcessTid);
  if (tid <= 0) return;
  const std::int32_t old_tid = tid_arg(event, arg::kProcessOldTid);
  if (old_tid > 0 && old_tid != tid && cpu.tid == old_tid) {
    // A thread other than the leader executed: it takes the leader's id, its own is gone.
    Thread& old = *cpu.current;
    const std::int32_t parent_tid = old.parent_tid;
    const std::int64_t pid_ns = old.pid_ns;
    set_row(old, off_row(ThreadState::kExited));
    set_current(cpu, tid);
    cpu.current->parent_tid = parent_tid;
    cpu.current->pid_ns = pid_ns;
    cpu.current->exiting = false;
  } else {
    sync_current(cpu, tid);
  }
  Thread& thread = live(tid);
  thread.tgid = tid;
  thread.privilege = Privilege::kUser;
  threads_.set_comm(thread, comm_after_exec(event.texts[0]));
  refresh(cpu);
}

void MachineState::Impl::on_exit(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kProcessTid);
  Thread* const thread = tid > 0 ? threads_.find(tid) : nullptr;
  if (thread == nullptr || thread->exited()) return;
  threads_.set_comm(*thread, site.event.texts[0]);
  thread->exiting = true;  // it runs on until its last switch
  refresh_where_it_runs(*thread);
}

void MachineState::Impl::on_free(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kProcessTid);
  Thread* const thread = tid > 0 ? threads_.find(tid) : nullptr;
  if (thread == nullptr || thread->exited() || thread->running()) return;
  // A free comes late: the id may belong to a new thread by now.
  const bool its_own = thread->exiting || thread->birth == Birth::kInitial;
  if (its_own) take_off(*thread, ThreadState::kExited, kNull);
}

void MachineState::Impl::on_rename(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kRenameTid);
  Thread* const thread = tid > 0 ? threads_.find(tid) : nullptr;
  if (thread == nullptr) return;
  threads_.set_comm(*thread, site.event.texts[0]);
  refresh_where_it_runs(*thread);
}

void MachineState::Impl::on_cgroup(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, arg::kCgroupTid);
  Thread* const thread = tid > 0 ? threads_.find(tid) : nullptr;
  const std::string_view path = site.event.texts[0];
  if (thread != nullptr && !path.empty() && path != "/") thread->cgroup = std::string(path);
}

// ---- interrupts ----

void MachineState::Impl::on_irq_entry(const Site& site) {
  enter(site, {model::ContextKind::kHardirq, cause_of_irq_name(site.event.texts[0]),
               site.event.i_or(arg::kIrqNumber, -1)});
}
void MachineState::Impl::on_irq_exit(const Site& site) {
  leave(site, model::ContextKind::kHardirq, site.event.i_or(arg::kIrqNumber, -1));
}
void MachineState::Impl::on_softirq_entry(const Site& site) {
  const std::int64_t vector = site.event.i_or(arg::kSoftirqVector, -1);
  enter(site, {model::ContextKind::kSoftirq, cause_of_softirq(vector), vector});
}
void MachineState::Impl::on_softirq_exit(const Site& site) {
  leave(site, model::ContextKind::kSoftirq, site.event.i_or(arg::kSoftirqVector, -1));
}
void MachineState::Impl::on_vector_entry(const Site& site) {
  enter(site, {model::ContextKind::kVector, types_.vector_cause(site.trace, site.event.type),
               site.event.i_or(arg::kVectorNumber, -1)});
}
void MachineState::Impl::on_vector_exit(const Site& site) {
  leave(site, model::ContextKind::kVector, site.event.i_or(arg::kVectorNumber, -1));
}
void MachineState::Impl::on_timer_entry(const Site& site) {
  enter(site, {model::ContextKind::kTimer, BlockCause::kTimer,
               site.event.i_or(arg::kHrtimerAddress, -1)});
}
void MachineState::Impl::on_timer_exit(const Site& site) {
  leave(site, model::ContextKind::kTimer, site.event.i_or(arg::kHrtimerAddress, -1));
}

void MachineState::Impl::on_block_complete(const Site& site) {
  model::ContextStack& contexts = site.cpu.contexts;
  if (contexts.size() > 0) contexts.top().cause = BlockCause::kDisk;
}
void MachineState::Impl::on_net_receive(const Site& site) {
  model::ContextStack& contexts = site.cpu.contexts;
  if (contexts.size() > 0) contexts.top().cause = BlockCause::kNetwork;
}

// ---- system calls ----

void MachineState::Impl::on_syscall_entry(const Site& site) {
  drop_contexts(site.cpu);  // user code is not inside of an interrupt
  Thread* const thread = site.cpu.current;
  if (thread == nullptr) return;
  const std::int64_t nr = site.event.i_or(arg::kSyscallNr, kNull);
  const auto [name, end] = types_.call(site.trace, site.event.type, nr);
  if (thread->in_syscall && !thread->may_return_unseen) ++counters_.syscall_entries_without_exit;
  thread->in_syscall = end != EventTypes::Return::kUnseen;
  thread->may_return_unseen = end == EventTypes::Return::kMaybe;
  if (thread->privilege == Privilege::kUnknown) thread->privilege = Privilege::kUser;
  thread->syscall = name;
  refresh_state(site.cpu);
}

void MachineState::Impl::on_syscall_exit(const Site& site) {
  drop_contexts(site.cpu);
  Thread* const thread = site.cpu.current;
  if (thread == nullptr) return;
  if (!thread->in_syscall) ++counters_.syscall_exits_without_entry;
  thread->in_syscall = false;
  thread->syscall = kNull;
  refresh_state(site.cpu);
}

// ---- state dumps ----

void MachineState::Impl::on_dump_process(const Site& site) {
  const model::Event& event = site.event;
  const std::int32_t tid = tid_arg(event, arg::kStateTid);
  if (tid <= 0) return;
  const ThreadState status = state_of_dump_status(event.i_or(arg::kStateStatus, -1));
  Thread* const found = threads_.find(tid);
  if (found != nullptr && found->exited()) return;
  Thread& thread = found != nullptr ? *found : threads_.add(tid, now_, Birth::kAppeared);
  if (event.has(arg::kStatePid)) thread.tgid = tid_arg(event, arg::kStatePid);
  if (event.has(arg::kStatePpid)) thread.parent_tid = tid_arg(event, arg::kStatePpid);
  const Privilege privilege = privilege_of_dump_type(event.i_or(arg::kStateType, -1));
  if (privilege != Privilege::kUnknown) thread.privilege = privilege;
  threads_.set_comm(thread, event.texts[0]);
  const bool fills = thread.row.state == ThreadState::kUnknown && status != ThreadState::kUnknown;
  if (fills) set_row(thread, off_row(status));
  refresh_where_it_runs(thread);
}

void MachineState::Impl::on_dump_pid_ns(const Site& site) {
  const model::Event& event = site.event;
  const std::int32_t tid = tid_arg(event, arg::kNsTid);
  if (tid <= 0 || !event.has(arg::kNsInum)) return;
  const std::int64_t inum = event.i(arg::kNsInum);
  const std::int64_t level = event.i_or(arg::kNsLevel, 0);
  namespaces_.note_level(tid, level, inum, event.i_or(arg::kNsVtid, 0) == 1);
  Thread* const thread = threads_.find(tid);
  if (thread == nullptr || thread->exited() || level <= thread->ns_level) return;
  thread->ns_level = level;
  thread->pid_ns = inum;
  refresh_where_it_runs(*thread);
}

}  // namespace vs::analysis::kernel
