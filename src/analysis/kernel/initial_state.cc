#include "analysis/kernel/initial_state.h"

#include <algorithm>

#include "analysis/kernel/event_kinds.h"
#include "analysis/kernel/initial_state_impl.h"

namespace vs::analysis::kernel {
using model::Event;
using model::EventKind;
using model::ThreadState;

const InitialStateCollector::Impl::Table& InitialStateCollector::Impl::handlers() {
  static const auto kHandlers = [] {
    Table table{};
    const auto set = [&table](EventKind kind, Handler handler, bool until_switch = false) {
      table[static_cast<std::size_t>(kind)] = {handler, until_switch};
    };
    for (const EventKind kind : kKernelKinds) set(kind, &Impl::on_other, true);
    set(EventKind::kLoss, &Impl::on_loss);
    set(EventKind::kSchedSwitch, &Impl::on_switch);
    set(EventKind::kSchedWaking, &Impl::on_waking);
    set(EventKind::kSchedWakeup, &Impl::on_wakeup);
    set(EventKind::kSchedWakeupNew, &Impl::on_wakeup_new);
    set(EventKind::kSchedMigrateTask, &Impl::on_migrate);
    set(EventKind::kSchedProcessFork, &Impl::on_fork);
    set(EventKind::kTaskNewtask, &Impl::on_newtask);
    set(EventKind::kSchedProcessExec, &Impl::on_exec);
    set(EventKind::kSchedProcessExit, &Impl::on_gone);
    set(EventKind::kSchedProcessFree, &Impl::on_gone);
    set(EventKind::kTaskRename, &Impl::on_rename);
    set(EventKind::kIrqHandlerEntry, &Impl::on_irq_entry, true);
    set(EventKind::kIrqHandlerExit, &Impl::on_irq_exit, true);
    set(EventKind::kSoftirqEntry, &Impl::on_softirq_entry, true);
    set(EventKind::kSoftirqExit, &Impl::on_softirq_exit, true);
    set(EventKind::kIrqVectorEntry, &Impl::on_vector_entry, true);
    set(EventKind::kIrqVectorExit, &Impl::on_vector_exit, true);
    set(EventKind::kTimerExpireEntry, &Impl::on_timer_entry, true);
    set(EventKind::kTimerExpireExit, &Impl::on_timer_exit, true);
    set(EventKind::kHrtimerExpireEntry, &Impl::on_timer_entry, true);
    set(EventKind::kHrtimerExpireExit, &Impl::on_timer_exit, true);
    set(EventKind::kSyscallEntry, &Impl::on_syscall);
    set(EventKind::kSyscallExit, &Impl::on_syscall);
    set(EventKind::kCpuhpEnter, &Impl::on_cpuhp);
    set(EventKind::kStatedumpProcess, &Impl::on_dump_process);
    set(EventKind::kStatedumpPidNs, &Impl::on_dump_pid_ns);
    for (const EventKind kind : {EventKind::kSyscallEntry, EventKind::kSyscallExit}) {
      table[static_cast<std::size_t>(kind)].is_call = true;
    }
    return table;
  }();
  return kHandlers;
}

// All that is kept of a thread is the earliest, so once a stream has told it, what the stream says
// later is of no use. Contexts are of use up to the CPU's first switch only.
model::Fading InitialStateCollector::Impl::fading() const {
  namespace arg = model::arg;
  model::Fading fading{&marks_, {}};
  fading.rules = {
      {EventKind::kSchedSwitch, kMarkRan, 2, {arg::kPrevTid, arg::kNextTid}},
      {EventKind::kSchedMigrateTask, kMarkRan, 1, {arg::kMigrateTid}},
      {EventKind::kSchedWaking, kMarkWaking, 1, {arg::kWakeTid}},
      {EventKind::kSchedWakeup, kMarkWakeup, 1, {arg::kWakeTid}},
      {EventKind::kSyscallEntry, kMarkCalled, 0, {}},
      {EventKind::kSyscallExit, kMarkCalled, 0, {}},
  };
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    if (!handlers()[i].until_switch) continue;
    fading.rules.push_back({static_cast<EventKind>(i), kMarkRan, 0, {}});
  }
  return fading;
}

ThreadFacts* InitialStateCollector::Impl::find(std::int32_t tid) {
  const std::uint32_t at = index_.find(tid);
  return at == TidMap::kNone ? nullptr : &threads_[at];
}

ThreadFacts& InitialStateCollector::Impl::facts(std::int32_t tid) {
  if (ThreadFacts* const found = find(tid)) return *found;
  index_.insert(tid, static_cast<std::uint32_t>(threads_.size()));
  threads_.emplace_back().tid = tid;
  return threads_.back();
}

void InitialStateCollector::Impl::arrive(const Site& site) {
  const Event& event = site.event;
  if (!site.cpu.seen) {
    site.cpu.seen = true;
    site.cpu.first = event.own;
  }
  first_ = std::min(first_, event.own);
  if (event.tid >= 0 && event.kind != EventKind::kSchedSwitch) note_current(site, event.tid);
}

void InitialStateCollector::Impl::on_loss(const Site& site) {
  site.cpu.closed = true;
  site.cpu.current = -1;
}

void InitialStateCollector::Impl::note_current(const Site& site, std::int32_t tid) {
  CpuFacts& cpu = site.cpu;
  if (cpu.current == tid) return;
  cpu.current = tid;
  if (!cpu.closed && !cpu.switched && cpu.tid < 0) cpu.tid = tid;
  if (tid > 0) mention(site, tid, Mention::kRan);
}

ThreadFacts* InitialStateCollector::Impl::mention(const Site& site, std::int32_t tid, Mention how,
                                                  std::string_view comm) {
  if (tid <= 0) return nullptr;
  ThreadFacts& thread = facts(tid);
  const OwnTime at = site.event.own;
  thread.mention.take(at, how);
  if (how == Mention::kRan || how == Mention::kSwitchedIn) thread.ran_on.take(at, site.cpu_index);
  name(thread, at, comm);
  return &thread;
}

void InitialStateCollector::Impl::name(ThreadFacts& thread, OwnTime at, std::string_view comm) {
  if (comm.empty() || !thread.comm.wants(at)) return;
  thread.comm.take(at, std::string(clip_comm(comm)));
}

void InitialStateCollector::Impl::name(const Site& site, std::int32_t tid, std::string_view comm) {
  if (tid > 0 && !comm.empty()) name(facts(tid), site.event.own, comm);
}

void InitialStateCollector::Impl::on_switch(const Site& site) {
  const Event& event = site.event;
  const std::int32_t prev = tid_arg(event, model::arg::kPrevTid);
  const std::int32_t next = tid_arg(event, model::arg::kNextTid);
  const std::string_view prev_comm = event.texts[model::arg::kPrevComm];
  const std::string_view next_comm = event.texts[model::arg::kNextComm];
  if (prev >= 0) note_current(site, prev);
  name(site, prev, prev_comm);
  const ThreadFacts* const in = mention(site, next, Mention::kSwitchedIn, next_comm);
  CpuFacts& cpu = site.cpu;
  if (cpu.idle_comm.empty()) {
    if (prev == 0) cpu.idle_comm = std::string(clip_comm(prev_comm));
    if (next == 0) cpu.idle_comm = std::string(clip_comm(next_comm));
  }
  // A CPU that comes online first runs its hot-plug thread; one that was there never does.
  if (!cpu.switched && next_comm.starts_with("cpuhp/")) cpu.late = true;
  cpu.switched = true;
  cpu.current = next;
  const bool named = in != nullptr ? !in->comm.wants(event.own) : !cpu.idle_comm.empty();
  if (next >= 0 && named) marks_.add(next, kMarkRan);
}

void InitialStateCollector::Impl::woken(const Site& site, Mark mark) {
  const std::int32_t tid = tid_arg(site.event, model::arg::kWakeTid);
  const ThreadFacts* const thread = mention(site, tid, Mention::kWoken, site.event.texts[0]);
  if (thread != nullptr && !thread->comm.wants(site.event.own)) marks_.add(tid, mark);
}

void InitialStateCollector::Impl::on_waking(const Site& site) {
  has_waking_ = true;
  woken(site, kMarkWaking);
}

void InitialStateCollector::Impl::on_wakeup(const Site& site) {
  has_wakeup_ = true;
  woken(site, kMarkWakeup);
}

void InitialStateCollector::Impl::on_wakeup_new(const Site& site) {
  mention(site, tid_arg(site.event, model::arg::kWakeTid), Mention::kBorn);
}

void InitialStateCollector::Impl::on_migrate(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, model::arg::kMigrateTid);
  mention(site, tid, Mention::kMigrated, site.event.texts[0]);
}

void InitialStateCollector::Impl::on_fork(const Site& site) {
  const Event& event = site.event;
  const std::int32_t parent = tid_arg(event, model::arg::kForkParentTid);
  mention(site, tid_arg(event, model::arg::kForkChildTid), Mention::kBorn);
  if (parent <= 0) return;
  ThreadFacts& thread = facts(parent);
  const ForkGroups groups = groups_of_fork(event);
  if (groups.parent >= 0) thread.tgid.take(event.own, groups.parent);
  if (event.has(model::arg::kForkParentNs)) {
    thread.pid_ns.take(event.own, event.i(model::arg::kForkParentNs));
  }
  name(site, parent, event.texts[1]);
}

void InitialStateCollector::Impl::on_newtask(const Site& site) {
  mention(site, tid_arg(site.event, model::arg::kNewtaskTid), Mention::kBorn);
}

void InitialStateCollector::Impl::on_exec(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, model::arg::kProcessTid);
  if (tid > 0) facts(tid).tgid.take(site.event.own, tid);
}

void InitialStateCollector::Impl::on_gone(const Site& site) {
  const std::int32_t tid = tid_arg(site.event, model::arg::kProcessTid);
  if (tid <= 0) return;
  name(site, tid, site.event.texts[0]);
  ThreadFacts& thread = facts(tid);
  thread.gone = std::min(thread.gone, site.event.own);
}

void InitialStateCollector::Impl::on_rename(const Site& site) {
  name(site, tid_arg(site.event, model::arg::kRenameTid), site.event.texts[1]);
}

void InitialStateCollector::Impl::enter(const Site& site, model::ContextKind kind,
                                        std::size_t slot) {
  CpuFacts& cpu = site.cpu;
  if (cpu.switched || cpu.closed) return;
  cpu.open.push({kind, model::BlockCause::kIrq, site.event.i_or(slot, -1)});
}

// An exit whose entry came before the trace. Switches do not happen inside of interrupts, so only
// exits before the CPU's first switch can be such.
void InitialStateCollector::Impl::leave(const Site& site, model::ContextKind kind,
                                        std::size_t slot) {
  CpuFacts& cpu = site.cpu;
  if (cpu.switched || cpu.closed) return;
  const std::int64_t number = site.event.i_or(slot, -1);
  if (cpu.open.pop(kind, number).found || cpu.contexts.size() == model::ContextStack::kDepth)
    return;
  cpu.open.clear();
  cpu.contexts.push_back({kind, model::BlockCause::kIrq, number});
}

void InitialStateCollector::Impl::on_syscall(const Site& site) {
  has_syscalls_ = true;
  CpuFacts& cpu = site.cpu;
  const std::int32_t tid = cpu.current;
  const Event& event = site.event;
  if (tid <= 0 || cpu.knows_call_of(tid, event.own)) return;
  cpu.called = tid;
  cpu.called_at = event.own;
  marks_.add(tid, kMarkCalled);
  ThreadFacts& thread = facts(tid);
  if (!thread.syscall.wants(event.own)) return;
  const std::int64_t nr = event.i_or(model::arg::kSyscallNr, model::kNull);
  thread.syscall.take(event.own,
                      {event.kind == EventKind::kSyscallExit, {site.trace, event.type, nr}});
}

void InitialStateCollector::Impl::on_cpuhp(const Site& site) {
  const std::int64_t cpu = site.event.i_or(model::arg::kCpuhpCpu, -1);
  if (cpu < 0 || cpu >= limits::kCpus) return;
  const std::size_t index = static_cast<std::size_t>(cpu);
  const OwnTime at = site.event.own;
  if (index >= cpus_.size()) cpus_.resize(index + 1);  // `site.cpu` is not used after this
  cpus_[index].online = std::min(cpus_[index].online, at);
}

void InitialStateCollector::Impl::on_dump_process(const Site& site) {
  const Event& event = site.event;
  const std::int32_t tid = tid_arg(event, model::arg::kStateTid);
  if (tid <= 0) return;
  name(site, tid, event.texts[0]);
  ThreadFacts& thread = facts(tid);
  thread.dumped.take(event.own, state_of_dump_status(event.i_or(model::arg::kStateStatus, -1)));
  thread.tgid.take(event.own, tid_arg(event, model::arg::kStatePid));
  thread.parent.take(event.own, tid_arg(event, model::arg::kStatePpid));
  thread.privilege.take(event.own, privilege_of_dump_type(event.i_or(model::arg::kStateType, -1)));
}

void InitialStateCollector::Impl::on_dump_pid_ns(const Site& site) {
  const Event& event = site.event;
  const std::int32_t tid = tid_arg(event, model::arg::kNsTid);
  if (tid <= 0 || !event.has(model::arg::kNsInum)) return;
  const std::int64_t inum = event.i(model::arg::kNsInum);
  const std::int64_t level = event.i_or(model::arg::kNsLevel, 0);
  // Innermost level first: the first one is the task's own.
  namespaces_.note_level(tid, level, inum, event.i_or(model::arg::kNsVtid, 0) == 1);
  facts(tid).pid_ns.take(event.own, inum);
}

void InitialStateCollector::Impl::take(Impl&& later) {
  for (ThreadFacts& thread : later.threads_) facts(thread.tid).take(std::move(thread));
  if (cpus_.size() < later.cpus_.size()) cpus_.resize(later.cpus_.size());
  for (std::size_t i = 0; i < later.cpus_.size(); ++i) {
    const OwnTime online = std::min(cpus_[i].online, later.cpus_[i].online);
    if (!cpus_[i].seen && !cpus_[i].closed) cpus_[i] = std::move(later.cpus_[i]);
    cpus_[i].online = online;
  }
  names_.merge(later.names_);
  namespaces_.take(later.namespaces_);
  first_ = std::min(first_, later.first_);
  has_waking_ = has_waking_ || later.has_waking_;
  has_wakeup_ = has_wakeup_ || later.has_wakeup_;
  has_syscalls_ = has_syscalls_ || later.has_syscalls_;
}

ThreadState InitialStateCollector::Impl::state_of(const ThreadFacts& facts) const {
  const bool dump_first = facts.dumped.time < facts.mention.time;
  if (dump_first && facts.dumped.value != ThreadState::kUnknown) return facts.dumped.value;
  const bool wakes_seen = has_waking_ || has_wakeup_;
  switch (facts.mention.value) {
    case Mention::kWoken:
      return ThreadState::kBlocked;
    case Mention::kSwitchedIn:
    case Mention::kMigrated:
      return wakes_seen ? ThreadState::kRunnable : ThreadState::kUnknown;
    default:
      return facts.dumped.value;
  }
}

InitialThread InitialStateCollector::Impl::thread_of(const ThreadFacts& facts) const {
  InitialThread thread;
  thread.tid = facts.tid;
  thread.state = state_of(facts);
  thread.tgid = facts.tgid.before(facts.gone, -1);
  thread.parent_tid = facts.parent.before(facts.gone, -1);
  thread.privilege = facts.privilege.before(facts.gone, Privilege::kUnknown);
  thread.pid_ns = facts.pid_ns.before(facts.gone, model::kNull);
  thread.comm = facts.comm.before(facts.gone, {});
  const SyscallEvidence syscall = facts.syscall.before(facts.gone, {});
  if (syscall.exit) thread.syscall = syscall.ref;
  const bool user = facts.syscall.time != kOwnTimeMax && facts.syscall.time <= facts.gone;
  if (thread.privilege == Privilege::kUnknown && user) thread.privilege = Privilege::kUser;
  return thread;
}

InitialCpu InitialStateCollector::Impl::cpu_of(std::uint32_t index, CpuFacts& facts) {
  InitialCpu cpu;
  cpu.cpu = index;
  cpu.first = facts.first;
  cpu.idle_comm = facts.idle_comm;
  cpu.late = facts.late || facts.online < facts.first;
  cpu.contexts.assign(facts.contexts.rbegin(), facts.contexts.rend());
  cpu.tid = facts.tid;
  if (cpu.tid <= 0) return cpu;
  // It was there since the beginning only if it was neither born later nor seen elsewhere before.
  const ThreadFacts* const thread = find(cpu.tid);
  const bool since_begin =
      thread != nullptr && thread->mention.value != Mention::kBorn && thread->ran_on.value == index;
  if (!since_begin) cpu.tid = -1;
  return cpu;
}

InitialState InitialStateCollector::Impl::finish() {
  InitialState state;
  if (first_ != kOwnTimeMax) state.first = first_;
  for (std::uint32_t i = 0; i < cpus_.size(); ++i) {
    if (cpus_[i].seen) state.cpus.push_back(cpu_of(i, cpus_[i]));
  }
  for (const ThreadFacts& facts : threads_) {
    const bool born =
        facts.mention.value == Mention::kBorn && facts.mention.time <= facts.dumped.time;
    // Only freed: it was dead before the trace began.
    const bool dead = facts.mention.value == Mention::kNone && facts.dumped.time == kOwnTimeMax &&
                      facts.gone != kOwnTimeMax;
    if (!born && !dead) state.threads.push_back(thread_of(facts));
  }
  std::sort(state.threads.begin(), state.threads.end(),
            [](const InitialThread& a, const InitialThread& b) { return a.tid < b.tid; });
  for (const InitialCpu& cpu : state.cpus) {
    if (cpu.tid <= 0 || cpu.late) continue;
    const auto found = std::lower_bound(
        state.threads.begin(), state.threads.end(), cpu.tid,
        [](const InitialThread& thread, std::int32_t tid) { return thread.tid < tid; });
    if (found == state.threads.end() || found->tid != cpu.tid) continue;
    found->state = ThreadState::kUser;
    found->cpu = cpu.cpu;
  }
  state.names.assign(names_.begin(), names_.end());
  state.namespaces = std::move(namespaces_);
  state.has_waking = has_waking_;
  state.has_wakeup = has_wakeup_;
  state.has_syscalls = has_syscalls_;
  return state;
}

InitialStateCollector::InitialStateCollector() : impl_(std::make_unique<Impl>()) {}
InitialStateCollector::~InitialStateCollector() = default;
InitialStateCollector::InitialStateCollector(InitialStateCollector&&) noexcept = default;
InitialStateCollector& InitialStateCollector::operator=(InitialStateCollector&&) noexcept = default;

model::KindSet InitialStateCollector::kinds() { return kernel_kinds(); }

model::Fading InitialStateCollector::fading() const { return impl_->fading(); }

void InitialStateCollector::begin_stream() { impl_->begin_stream(); }

void InitialStateCollector::on_events(std::span<const Event> events, std::uint32_t cpu,
                                      std::uint32_t trace) {
  impl_->on_events(events, cpu, trace);
}

void InitialStateCollector::add_known_name(std::int32_t tid, std::string_view comm) {
  impl_->add_known_name(tid, comm);
}

void InitialStateCollector::take(InitialStateCollector&& later) {
  impl_->take(std::move(*later.impl_));
}

InitialState InitialStateCollector::finish() {
  InitialState state = impl_->finish();
  impl_ = std::make_unique<Impl>();
  return state;
}

}  // namespace vs::analysis::kernel
