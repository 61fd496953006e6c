#include "analysis/kernel/machine_state.h"

#include <algorithm>
#include <utility>

#include "analysis/kernel/event_kinds.h"
#include "analysis/kernel/machine_impl.h"
#include "analysis/kernel/wake_cause.h"
#include "base/limits.h"

namespace vs::analysis::kernel {

using model::Effective;
using model::kNull;
using model::PcpuState;
using model::ThreadState;

namespace {

std::int64_t number(Effective effective) { return static_cast<std::int64_t>(effective); }

/// Of a CPU with this thread; null: idle, or not known who it is.
PcpuState state_with(const Cpu& cpu, const Thread* thread) {
  if (cpu.contexts.size() > 0) {
    const PcpuState inside = cpu.contexts.state();
    if (inside != PcpuState::kUnknown) return inside;
  }
  if (thread == nullptr) return cpu.tid < 0 ? PcpuState::kUnknown : PcpuState::kIdle;
  if (thread->kernel()) return PcpuState::kKernel;
  return thread->in_syscall ? PcpuState::kSyscall : PcpuState::kUser;
}

PcpuState state_of(const Cpu& cpu) { return state_with(cpu, cpu.current); }

/// Forgets what was noted for another name or container.
void use_memos(CpuView& view, ViewMemos& memos) {
  if (memos.comm != view.comm || memos.container != view.container) [[unlikely]] {
    memos = ViewMemos{};
    memos.comm = view.comm;
    memos.container = view.container;
  }
  view.memos = &memos;
}

model::Cell cell(std::int64_t value, std::int64_t null) {
  return value == null ? model::Cell{} : model::Cell{value};
}

model::Cell text_cell(const std::string& text) {
  return text.empty() ? model::Cell{} : model::Cell{text};
}

}  // namespace

std::uint64_t MachineCounters::unmatched() const {
  std::uint64_t sum = syscall_exits_without_entry + syscall_entries_without_exit + missed_switches;
  for (const std::uint64_t count : exits_without_entry) sum += count;
  for (const std::uint64_t count : entries_without_exit) sum += count;
  return sum;
}

// ---- begin and end ----

MachineState::Impl::Impl(Options options, InitialState initial, model::IntervalSink& sink,
                         CpuObserver* observer)
    : options_(std::move(options)),
      initial_(std::move(initial)),
      sink_(sink),
      observer_(observer),
      threads_(sink, options_.machine_name),
      cpu_rows_(sink, threads_.machine_id(), options_.cpu_table),
      types_(std::move(options_.event_names), options_.syscall_table, sink),
      namespaces_(initial_.namespaces),
      has_waking_(initial_.has_waking) {
  cause_texts_.fill(kNull);
}

void MachineState::Impl::start(HostTime begin) {
  if (started_) return;
  started_ = true;
  now_ = begin;
  for (const InitialCpu& initial : initial_.cpus) {
    if (initial.cpu >= limits::kCpus) continue;
    Cpu& cpu = cpu_at(initial.cpu);
    cpu.idle_comm = std::string(clip_comm(initial.idle_comm));
    if (!cpu.idle_comm.empty()) cpu.idle_comm_id = sink_.intern(cpu.idle_comm);
    cpu.initial_contexts = initial.contexts;
    for (model::Context& context : cpu.initial_contexts) {
      if (context.kind == model::ContextKind::kSoftirq)
        context.cause = cause_of_softirq(context.number);
      if (context.kind == model::ContextKind::kTimer) context.cause = model::BlockCause::kTimer;
    }
  }
  for (const InitialThread& thread : initial_.threads) add_initial_thread(thread);
  for (const InitialCpu& initial : initial_.cpus) {
    if (initial.cpu >= limits::kCpus || initial.late) continue;
    Cpu& cpu = cpu_at(initial.cpu);
    set_current(cpu, initial.tid);
    open_cpu(cpu);
  }
  initial_.threads.clear();
  initial_.cpus.clear();
}

void MachineState::Impl::add_initial_thread(const InitialThread& initial) {
  if (initial.tid <= 0 || threads_.find(initial.tid) != nullptr) return;
  Thread& thread = threads_.add(initial.tid, now_, Birth::kInitial);
  thread.tgid = initial.tgid;
  thread.parent_tid = initial.parent_tid;
  thread.privilege = initial.privilege;
  thread.pid_ns = initial.pid_ns;
  if (thread.tid == kKthreadd || thread.parent_tid == kKthreadd) {
    thread.privilege = Privilege::kKernel;
  }
  threads_.set_comm(thread, initial.comm.empty() ? saved_name(initial.tid) : initial.comm);
  if (initial.syscall) {
    thread.in_syscall = true;
    thread.syscall =
        types_.call(initial.syscall->trace, initial.syscall->type, initial.syscall->nr).name;
  }
  if (initial.state == ThreadState::kUser) {
    if (initial.cpu < limits::kCpus) run_on(cpu_at(initial.cpu), thread);
    return;
  }
  set_row(thread, off_row(initial.state));
}

std::string_view MachineState::Impl::saved_name(std::int32_t tid) const {
  const auto found = std::lower_bound(initial_.names.begin(), initial_.names.end(), tid,
                                      [](const std::pair<std::int32_t, std::string>& name,
                                         std::int32_t id) { return name.first < id; });
  return found != initial_.names.end() && found->first == tid ? found->second : std::string_view{};
}

void MachineState::Impl::finish(HostTime end) {
  if (finished_) return;
  start(end);
  advance(end);
  finished_ = true;
  cpu_count_ = 0;  // what comes now is odd
  for (Cpu& cpu : cpus_) {
    if (cpu.open) end_cpu_row(cpu);
  }
  const auto loss_end = [](const void* self, const Thread& thread) {
    return static_cast<const Impl*>(self)->loss_end_of(thread);
  };
  threads_.finish(now_, loss_end, this);
  for (const std::pair<std::int32_t, std::string>& known : initial_.names) {
    Thread* const thread = known.first > 0 ? threads_.find(known.first) : nullptr;
    if (thread != nullptr && thread->comm.empty()) threads_.set_comm(*thread, known.second);
  }
  for (const auto& [id, ns] : namespaces_.all()) {
    const Thread* const init = find(ns.init_tid);
    if (init != nullptr && init->pid_ns == id) label_container_of(*init);
  }
}

void MachineState::Impl::advance(HostTime time) { now_ = std::max(now_, time); }

// ---- events, losses, effectiveness ----

// Called for every event: what seldom happens is elsewhere, so that this needs few registers.
void MachineState::Impl::on_event(HostTime time, const model::Event& event, std::uint32_t trace) {
  const Handler& handler = handlers_[static_cast<std::size_t>(event.kind)];
  if (handler.run == nullptr) return;
  if (time < now_ || event.cpu >= cpu_count_ || !cpu_by_index_[event.cpu]->begun) [[unlikely]]
    return on_odd_event(time, event, trace);
  now_ = time;
  handle(handler, event, *cpu_by_index_[event.cpu], trace);
}

void MachineState::Impl::on_odd_event(HostTime time, const model::Event& event,
                                      std::uint32_t trace) {
  if (finished_) return;
  if (!started_) start(time);
  if (time < now_) ++counters_.late;
  advance(time);
  if (event.cpu >= limits::kCpus) {
    ++counters_.without_cpu;
    return;
  }
  Cpu& cpu = cpu_at(event.cpu);
  if (!cpu.begun) begin_cpu(cpu);
  handle(handlers_[static_cast<std::size_t>(event.kind)], event, cpu, trace);
}

void MachineState::Impl::handle_unsettled(const Handler& handler, const model::Event& event,
                                          Cpu& cpu, std::uint32_t trace) {
  sync_current(cpu, event.tid);
  handler.run(*this, event, cpu, trace);
}

void MachineState::Impl::on_loss(HostTime begin, HostTime end, std::uint32_t index) {
  if (finished_ || index >= limits::kCpus) return;
  if (!started_) start(begin);
  advance(begin);
  Cpu& cpu = cpu_at(index);
  if (!cpu.open) open_cpu(cpu);
  // A window of no length is still a place where events are missing.
  const HostTime reach = end > now_ || now_ == kHostTimeMax ? end : now_ + 1;
  displace(cpu);
  cpu.contexts.clear();
  cpu.initial_contexts.clear();
  end_cpu_row(cpu);
  cpu.loss_end = std::max(cpu.loss_end, reach);
  loss_end_ = std::max(loss_end_, reach);
  publish(cpu);
}

void MachineState::Impl::set_effective(HostTime time, std::uint32_t index, Effective effective) {
  if (finished_ || index >= limits::kCpus) return;
  if (!started_) start(time);
  advance(time);
  Cpu& cpu = cpu_at(index);
  cpu.effective = effective;
  refresh_state(cpu);
}

// ---- CPUs ----

Cpu& MachineState::Impl::add_cpus(std::uint32_t index) {
  while (index >= cpus_.size()) {
    const auto next = static_cast<std::uint32_t>(cpus_.size());
    Cpu& cpu = cpus_.emplace_back();
    cpu.index = next;
    cpu_by_index_.push_back(&cpu);
  }
  cpu_count_ = cpus_.size();
  return cpus_[index];
}

void MachineState::Impl::open_cpu(Cpu& cpu) {
  cpu.open = true;
  cpu.row = cpu_rows_.begin(cpu.index, now_);
  const CpuView before = cpu.view;
  publish(cpu);
  // Its rows begin here, even if nothing is known of it.
  if (observer_ != nullptr && cpu.view == before) {
    observer_->on_cpu_change(now_, cpu.index, cpu.view);
  }
}

void MachineState::Impl::begin_cpu(Cpu& cpu) {
  cpu.begun = true;
  if (!cpu.open) open_cpu(cpu);
  for (const model::Context& context : cpu.initial_contexts) cpu.contexts.push(context);
  cpu.initial_contexts.clear();
}

void MachineState::Impl::sync_current(Cpu& cpu, std::int32_t tid) {
  if (tid == cpu.tid) {
    cpu.settled = true;
    return;
  }
  // Between the switch event and the switch itself the old thread still counts as current.
  if (!cpu.settled && tid == cpu.left) return;
  if (cpu.tid >= 0) ++counters_.missed_switches;
  displace(cpu);
  set_current(cpu, tid);
  refresh(cpu);
}

void MachineState::Impl::set_current(Cpu& cpu, std::int32_t tid) {
  cpu.tid = tid;
  cpu.settled = true;
  cpu.current = nullptr;
  if (tid <= 0) return;
  Thread& thread = live(tid);
  cpu.current = &thread;
  run_on(cpu, thread);
}

void MachineState::Impl::displace(Cpu& cpu) {
  if (cpu.current != nullptr && cpu.current->runs_on(cpu.index)) {
    set_row(*cpu.current, off_row(ThreadState::kUnknown));
  }
  cpu.tid = -1;
  cpu.current = nullptr;
}

void MachineState::Impl::refresh(Cpu& cpu) {
  const PcpuState state = state_of(cpu);
  if (cpu.current != nullptr && cpu.current->runs_on(cpu.index)) refresh_row(cpu, state);
  if (cpu.open) publish_task(cpu, state);
}

void MachineState::Impl::refresh_state(Cpu& cpu) {
  const PcpuState state = state_of(cpu);
  if (cpu.current != nullptr && cpu.current->runs_on(cpu.index)) refresh_row(cpu, state);
  if (cpu.open) publish_state(cpu, state);
}

// As set_row(thread, running_row(cpu, thread)): only some values can differ.
void MachineState::Impl::refresh_row(Cpu& cpu, PcpuState state) {
  Thread& thread = *cpu.current;
  const Running running = running_of(state, thread);
  const std::int64_t effective = number(cpu.effective);
  ThreadRow& row = thread.row;
  if (row.state == running.state && row.detail == running.detail && row.effective == effective) {
    return;
  }
  threads_.end_row(thread, now_, cpu.loss_end);
  row.state = running.state;
  row.detail = running.detail;
  row.effective = effective;
  row.memo = memo_of(cpu, row);
}

void MachineState::Impl::refresh_where_it_runs(const Thread& thread) {
  if (thread.running()) refresh(cpus_[static_cast<std::size_t>(thread.row.cpu)]);
}

void MachineState::Impl::publish(Cpu& cpu) { publish_task(cpu, state_of(cpu)); }

void MachineState::Impl::publish_task(Cpu& cpu, PcpuState state) {
  model::StringId comm = cpu.tid == 0 ? cpu.idle_comm_id : kNull;
  std::int64_t container = kNull;
  if (cpu.current != nullptr) {
    comm = cpu.current->comm_id;
    container = container_of(*cpu.current);
  }
  CpuView& view = cpu.view;
  const bool same_task = view.tid == cpu.tid && view.comm == comm;
  if (same_task && view.container == container) return publish_state(cpu, state);
  if (!same_task || view.state != state || cpu_rows_.tells_all()) end_cpu_row(cpu);
  view.state = state;
  view.lossy = now_ < cpu.loss_end;
  view.tid = cpu.tid;
  view.comm = comm;
  view.container = container;
  view.memos = nullptr;
  if (cpu.tid >= 0) use_memos(view, cpu.tid > 0 ? cpu.current->memos : cpu.idle_memos);
  if (observer_ != nullptr) observer_->on_cpu_change(now_, cpu.index, view);
}

void MachineState::Impl::publish_state(Cpu& cpu, PcpuState state) {
  CpuView& view = cpu.view;
  const bool lossy = now_ < cpu.loss_end;
  if (view.state == state && view.lossy == lossy) return;
  if (view.state != state || cpu_rows_.tells_all()) end_cpu_row(cpu);
  view.state = state;
  view.lossy = lossy;
  if (observer_ != nullptr) observer_->on_cpu_change(now_, cpu.index, view);
}

// ---- threads ----

Thread& MachineState::Impl::live(std::int32_t tid) {
  Thread* const found = threads_.find(tid);
  if (found == nullptr) return threads_.add(tid, now_, Birth::kAppeared);
  if (!found->exited()) return *found;
  return birth(tid, Birth::kAppeared);
}

Thread& MachineState::Impl::birth(std::int32_t tid, Birth how) {
  Thread* const found = threads_.find(tid);
  if (found == nullptr) return threads_.add(tid, now_, how);
  label_container_of(*found);
  threads_.begin_life(*found, now_, how);
  return *found;
}

void MachineState::Impl::run_on(Cpu& cpu, Thread& thread) {
  thread.pending.valid = false;
  set_row(thread, running_row(cpu, thread));
}

void MachineState::Impl::take_off(Thread& thread, ThreadState state, std::int64_t queue_cpu) {
  ThreadRow row = off_row(state);
  row.cpu = queue_cpu;
  if (state == ThreadState::kPreempted && queue_cpu != kNull) {
    row.memo = &cpu_at(static_cast<std::uint32_t>(queue_cpu)).preempted_memo;
  }
  set_row(thread, row);
}

void MachineState::Impl::requeue(Thread& thread, std::int64_t queue_cpu) {
  if (queue_cpu == kNull || queue_cpu == thread.row.cpu) return;
  thread.row.cpu = queue_cpu;
  thread.row.memo = nullptr;
}

void MachineState::Impl::wake(Thread& thread, const Waker& waker, std::int64_t queue_cpu) {
  const bool no_waker = waker.tid == kNull && waker.machine == kNull;
  if (thread.row.state == ThreadState::kBlocked) {
    thread.row.detail = cause_text(waker.cause);
    thread.row.waker_tid = waker.tid;
    thread.row.waker_machine = waker.machine;
    thread.row.memo = no_waker ? &blocked_memos_[static_cast<std::size_t>(waker.cause)] : nullptr;
  }
  ThreadRow row = off_row(ThreadState::kRunnable);
  row.cpu = queue_cpu;
  row.waker_tid = waker.tid;
  row.waker_machine = waker.machine;
  if (no_waker && queue_cpu != kNull) {
    row.memo = &cpu_at(static_cast<std::uint32_t>(queue_cpu)).woken_memo;
  }
  set_row(thread, row);
}

void MachineState::Impl::set_row(Thread& thread, const ThreadRow& row) {
  threads_.set(thread, now_, row, loss_end_of(thread));
}

model::RowMemo* MachineState::Impl::memo_of(Cpu& cpu, const ThreadRow& row) {
  RunMemos& memos = cpu.run_memos[static_cast<std::size_t>(cpu.effective)];
  if (row.state == ThreadState::kUser) return &memos.user;
  if (row.state == ThreadState::kIrq) return &memos.irq;
  if (row.detail == kNull) return &memos.kernel;
  const auto call = static_cast<std::size_t>(row.detail);  // a text's number, or negative
  if (call / RunMemos::kChunk >= memos.syscall.size()) return nullptr;
  auto& chunk = memos.syscall[call / RunMemos::kChunk];
  if (chunk == nullptr) {
    chunk = std::make_unique<std::array<model::RowMemo, RunMemos::kChunk>>();
  }
  return &(*chunk)[call % RunMemos::kChunk];
}

MachineState::Impl::Running MachineState::Impl::running_of(PcpuState state, const Thread& thread) {
  if (state == PcpuState::kUser) return {ThreadState::kUser, kNull};
  if (state == PcpuState::kSyscall) return {ThreadState::kSyscall, thread.syscall};
  return {state == PcpuState::kKernel ? ThreadState::kSyscall : ThreadState::kIrq, kNull};
}

ThreadRow MachineState::Impl::running_row(Cpu& cpu, const Thread& thread) {
  const Running running = running_of(state_with(cpu, &thread), thread);
  ThreadRow row;
  row.cpu = cpu.index;
  row.effective = number(cpu.effective);
  row.state = running.state;
  row.detail = running.detail;
  row.memo = memo_of(cpu, row);
  return row;
}

ThreadRow MachineState::Impl::off_row(ThreadState state) {
  ThreadRow row;
  row.state = state;
  if (state == ThreadState::kBlocked) row.detail = cause_text(model::BlockCause::kUnknown);
  const bool known = state != ThreadState::kUnknown && state != ThreadState::kExited;
  if (known) row.effective = number(Effective::kWaiting);
  return row;
}

// A running thread is touched by the losses of its CPU; any other one may have been woken and have
// run where events were lost.
HostTime MachineState::Impl::loss_end_of(const Thread& thread) const {
  return thread.running() ? cpu_by_index_[static_cast<std::size_t>(thread.row.cpu)]->loss_end
                          : loss_end_;
}

Waker MachineState::Impl::waker_at(const Cpu& cpu, std::int32_t tid) const {
  if (cpu.contexts.size() > 0) return behind_interrupt(cpu, tid, cpu.contexts.top().cause);
  if (cpu.tid > 0) return {model::BlockCause::kTask, cpu.tid, threads_.machine_id()};
  // The idle thread wakes nobody: this was an interrupt whose entry is not among the events.
  if (cpu.tid == 0) return behind_interrupt(cpu, tid, model::BlockCause::kIrq);
  return {};
}

Waker MachineState::Impl::behind_interrupt(const Cpu& cpu, std::int32_t tid,
                                           model::BlockCause cause) const {
  if (resolver_ == nullptr) return {cause};
  const model::Context* const context = cpu.contexts.size() > 0 ? &cpu.contexts.top() : nullptr;
  const WakeSource source = resolver_->resolve({now_, cpu.index, tid, context, cause});
  return {source.cause, source.tid, source.machine};
}

model::StringId MachineState::Impl::cause_text(model::BlockCause cause) {
  const std::size_t index = static_cast<std::size_t>(cause);
  if (cause_texts_[index] == kNull) {
    cause_texts_[index] = sink_.intern(model::block_cause_names()[index]);
  }
  return cause_texts_[index];
}

// ---- contexts ----

void MachineState::Impl::enter(const Site& site, model::Context context) {
  context.since = now_;
  if (!site.cpu.contexts.push(context)) {
    drop_contexts(site.cpu);
    site.cpu.contexts.push(context);
  }
  refresh_state(site.cpu);
}

void MachineState::Impl::leave(const Site& site, model::ContextKind kind, std::int64_t number) {
  const model::ContextStack::Popped popped = site.cpu.contexts.pop(kind, number);
  const std::size_t index = static_cast<std::size_t>(kind);
  if (!popped.found) {
    ++counters_.exits_without_entry[index];
    return;
  }
  counters_.entries_without_exit[index] += popped.dropped;
  refresh_state(site.cpu);
}

void MachineState::Impl::drop_contexts(Cpu& cpu) {
  while (cpu.contexts.size() > 0) {
    const model::Context top = cpu.contexts.top();
    ++counters_.entries_without_exit[static_cast<std::size_t>(top.kind)];
    cpu.contexts.pop(top.kind, top.number);
  }
}

// ---- tables and queries ----

const model::ContextStack& MachineState::Impl::contexts(std::uint32_t cpu) const {
  static const model::ContextStack kNone;
  return cpu < cpu_by_index_.size() ? cpu_by_index_[cpu]->contexts : kNone;
}

const CpuView& MachineState::Impl::view(std::uint32_t cpu) const {
  static const CpuView kUnknownView;
  return cpu < cpu_by_index_.size() ? cpu_by_index_[cpu]->view : kUnknownView;
}

// A container is called like the control group of its first process, else like that process.
void MachineState::Impl::label_container_of(const Thread& thread) {
  const std::int64_t container = container_of(thread);
  if (container == kNull) return;
  const auto found = namespaces_.all().find(container);
  if (found == namespaces_.all().end() || found->second.init_tid != thread.tid) return;
  namespaces_.name(container, thread.cgroup.empty() ? thread.comm : thread.cgroup);
}

model::SmallTable MachineState::Impl::thread_table() const {
  model::SmallTable table{model::TableId::kThread, {}};
  for (const ThreadRows::Life& life : threads_.lives()) {
    table.rows.push_back({threads_.machine_name(), std::int64_t{life.tid}, cell(life.tgid, -1),
                          cell(life.parent_tid, -1), text_cell(life.comm),
                          cell(namespaces_.container_of(life.pid_ns), kNull), life.first.ns,
                          life.last.ns});
  }
  return table;
}

model::SmallTable MachineState::Impl::container_table() const {
  model::SmallTable table{model::TableId::kContainer, {}};
  for (const auto& [id, ns] : namespaces_.all()) {
    if (namespaces_.container_of(id) == kNull) continue;
    table.rows.push_back({threads_.machine_name(), id,
                          cell(namespaces_.container_of(ns.parent), kNull), text_cell(ns.name)});
  }
  return table;
}

// ---- the public face ----

MachineState::MachineState(Options options, InitialState initial, model::IntervalSink& sink,
                           CpuObserver* observer)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(initial), sink, observer)) {}
MachineState::~MachineState() = default;

model::KindSet MachineState::kinds() { return kernel_kinds(); }
void MachineState::start(HostTime begin) { impl_->start(begin); }
void MachineState::on_event(HostTime time, const model::Event& event, std::uint32_t trace) {
  impl_->on_event(time, event, trace);
}
void MachineState::on_loss(HostTime begin, HostTime end, std::uint32_t cpu) {
  impl_->on_loss(begin, end, cpu);
}
void MachineState::set_effective(HostTime time, std::uint32_t cpu, Effective effective) {
  impl_->set_effective(time, cpu, effective);
}
void MachineState::set_wake_resolver(WakeResolver* resolver) { impl_->set_wake_resolver(resolver); }
void MachineState::finish(HostTime end) { impl_->finish(end); }
const CpuView& MachineState::cpu(std::uint32_t cpu) const { return impl_->view(cpu); }
std::int32_t MachineState::tid_on(std::uint32_t cpu) const { return impl_->view(cpu).tid; }
std::int32_t MachineState::tgid_of(std::int32_t tid) const {
  const Thread* const thread = impl_->find(tid);
  return thread == nullptr ? -1 : thread->tgid;
}
std::string_view MachineState::name_of(std::int32_t tid) const {
  const Thread* const thread = impl_->find(tid);
  return thread == nullptr ? std::string_view{} : thread->comm;
}
model::StringId MachineState::comm_of(std::int32_t tid) const {
  const Thread* const thread = impl_->find(tid);
  return thread == nullptr ? kNull : thread->comm_id;
}
const model::ContextStack& MachineState::contexts(std::uint32_t cpu) const {
  return impl_->contexts(cpu);
}

std::int64_t MachineState::container_of(std::int32_t tid) const {
  const Thread* const thread = impl_->find(tid);
  return thread == nullptr ? kNull : impl_->container_of(*thread);
}
const MachineCounters& MachineState::counters() const { return impl_->counters(); }
model::SmallTable MachineState::thread_table() const { return impl_->thread_table(); }
model::SmallTable MachineState::container_table() const { return impl_->container_table(); }

}  // namespace vs::analysis::kernel
