#pragma once
// Inside of MachineState: its members, one handler per kind of event (machine_handlers.cc) and what
// they share (machine_state.cc).

#include <array>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "analysis/kernel/cpu_rows.h"
#include "analysis/kernel/machine_state.h"
#include "analysis/kernel/thread_rows.h"
#include "model/cpu_contexts.h"

namespace vs::analysis::kernel {

/// Where the sink notes the rows of threads that run on one CPU with one `effective`.
struct RunMemos {
  model::RowMemo user;
  model::RowMemo irq;
  model::RowMemo kernel;  ///< a kernel thread, or a call without a name
  /// By the call's StringId, for the first ones; they stay where they are.
  static constexpr std::size_t kChunk = 64;
  std::array<std::unique_ptr<std::array<model::RowMemo, kChunk>>, 64> syscall;
};

/// What is known of one CPU, from its own stream alone.
struct Cpu {
  std::uint32_t index = 0;
  bool open = false;          ///< it has rows
  bool begun = false;         ///< an event came from it
  bool settled = true;        ///< an event came from the current thread since it was switched in
  std::int32_t tid = -1;      ///< 0 = idle, -1 = unknown
  std::int32_t left = -1;     ///< the thread that the last switch took off
  Thread* current = nullptr;  ///< record of `tid` when that is > 0
  model::ContextStack contexts;
  model::Effective effective = model::Effective::kRunning;
  std::string idle_comm;
  model::StringId idle_comm_id = model::kNull;
  OpenCpuRow row;
  HostTime loss_end = kHostTimeMin;
  CpuView view;
  ViewMemos idle_memos;
  std::array<RunMemos, 4> run_memos;  ///< by model::Effective
  model::RowMemo preempted_memo;
  model::RowMemo woken_memo;                     ///< runnable, its waker not known
  std::vector<model::Context> initial_contexts;  ///< pushed at its first event
};

class MachineState::Impl {
 public:
  Impl(Options options, InitialState initial, model::IntervalSink& sink, CpuObserver* observer);

  void set_wake_resolver(WakeResolver* resolver) { resolver_ = resolver; }
  void start(HostTime begin);
  void on_event(HostTime time, const model::Event& event, std::uint32_t trace);
  void on_loss(HostTime begin, HostTime end, std::uint32_t cpu);
  void set_effective(HostTime time, std::uint32_t cpu, model::Effective effective);
  void finish(HostTime end);

  void list_open(HostTime until, std::vector<model::OpenRow>& out) const;

  [[nodiscard]] const CpuView& view(std::uint32_t cpu) const;
  [[nodiscard]] const model::ContextStack& contexts(std::uint32_t cpu) const;
  [[nodiscard]] const Thread* find(std::int32_t tid) const {
    return tid > 0 ? threads_.find(tid) : nullptr;
  }
  [[nodiscard]] std::int64_t container_of(const Thread& thread) const {
    return namespaces_.container_of(thread.pid_ns);
  }
  [[nodiscard]] const MachineCounters& counters() const { return counters_; }
  [[nodiscard]] model::SmallTable thread_table() const;
  [[nodiscard]] model::SmallTable container_table() const;

 private:
  struct Site {
    const model::Event& event;
    Cpu& cpu;
    std::uint32_t trace;
  };
  // In registers up to here: a handler is inlined, and then its site is nowhere.
  using Method = void (*)(Impl&, const model::Event&, Cpu&, std::uint32_t);
  template <void (Impl::*kHandle)(const Site&)>
  static void call(Impl& self, const model::Event& event, Cpu& cpu, std::uint32_t trace) {
    (self.*kHandle)(Site{event, cpu, trace});
  }
  struct Handler {
    Method run = nullptr;
    bool sync = true;  ///< the event's tid says who is current
  };
  using Handlers = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const Handlers& handlers();

  // ---- handlers, machine_handlers.cc ----
  void on_switch(const Site& site);
  void on_waking(const Site& site);
  void on_wakeup(const Site& site);
  void on_wakeup_new(const Site& site);
  void on_migrate(const Site& site);
  void on_fork(const Site& site);
  void on_newtask(const Site& site);
  void on_exec(const Site& site);
  void on_exit(const Site& site);
  void on_free(const Site& site);
  void on_rename(const Site& site);
  void on_irq_entry(const Site& site);
  void on_irq_exit(const Site& site);
  void on_softirq_entry(const Site& site);
  void on_softirq_exit(const Site& site);
  void on_vector_entry(const Site& site);
  void on_vector_exit(const Site& site);
  void on_timer_entry(const Site& site);
  void on_timer_exit(const Site& site);
  void on_syscall_entry(const Site& site);
  void on_syscall_exit(const Site& site);
  void on_block_complete(const Site& site);
  void on_net_receive(const Site& site);
  void on_cgroup(const Site& site);
  void on_dump_process(const Site& site);
  void on_dump_pid_ns(const Site& site);
  void on_nothing(const Site&) {}

  // ---- shared, machine_state.cc ----
  void advance(HostTime time);
  /// on_event() where it is not like most: the CPU is new, or time goes back.
  [[gnu::noinline]] void on_odd_event(HostTime time, const model::Event& event,
                                      std::uint32_t trace);
  [[nodiscard]] Cpu& cpu_at(std::uint32_t index) {
    return index < cpu_count_ ? *cpu_by_index_[index] : add_cpus(index);
  }
  [[nodiscard]] Cpu& add_cpus(std::uint32_t index);
  void open_cpu(Cpu& cpu);
  void begin_cpu(Cpu& cpu);
  /// The event comes from another thread than the current one.
  [[gnu::noinline]] void handle_unsettled(const Handler& handler, const model::Event& event,
                                          Cpu& cpu, std::uint32_t trace);
  void handle(const Handler& handler, const model::Event& event, Cpu& cpu, std::uint32_t trace) {
    if (handler.sync && event.tid >= 0) {
      if (event.tid != cpu.tid) [[unlikely]]
        return handle_unsettled(handler, event, cpu, trace);
      cpu.settled = true;
    }
    handler.run(*this, event, cpu, trace);
  }
  void sync_current(Cpu& cpu, std::int32_t tid);
  void set_current(Cpu& cpu, std::int32_t tid);
  /// The CPU's current thread is not there any more, and nobody saw where it went.
  void displace(Cpu& cpu);
  /// Brings the running thread's row and the CPU's view in line with what is known.
  void refresh(Cpu& cpu);
  void publish(Cpu& cpu);
  void publish_task(Cpu& cpu, model::PcpuState state);
  /// The same where neither the thread nor its name or container are another one: of most events.
  void refresh_state(Cpu& cpu);
  void publish_state(Cpu& cpu, model::PcpuState state);
  void end_cpu_row(Cpu& cpu) { cpu_rows_.end(cpu.row, now_, cpu.view, cpu.loss_end); }

  /// The live thread of this id: found, revived or added. Requires tid > 0.
  [[nodiscard]] Thread& live(std::int32_t tid);
  /// A new life for this id. Requires tid > 0.
  [[nodiscard]] Thread& birth(std::int32_t tid, Birth how);
  /// The child of a fork: a new life in state `fork`, unless it has begun already.
  [[nodiscard]] Thread& newborn(std::int32_t tid, std::int32_t parent_tid);
  void switch_out(Cpu& cpu, std::int32_t tid, const model::Event& event);
  void name_idle(Cpu& cpu, std::string_view comm);
  void refresh_where_it_runs(const Thread& thread);
  void run_on(Cpu& cpu, Thread& thread);
  /// A queued thread waits for another CPU.
  void requeue(Thread& thread, std::int64_t queue_cpu);
  void take_off(Thread& thread, model::ThreadState state, std::int64_t queue_cpu);
  void wake(Thread& thread, const Waker& waker, std::int64_t queue_cpu);
  void set_row(Thread& thread, const ThreadRow& row);
  [[nodiscard]] static ThreadRow running_row(Cpu& cpu, const Thread& thread);
  /// What of a running thread's row can change while it runs.
  struct Running {
    model::ThreadState state = model::ThreadState::kUnknown;
    std::int64_t detail = model::kNull;
  };
  [[nodiscard]] static Running running_of(model::PcpuState state, const Thread& thread);
  [[nodiscard]] static model::RowMemo* memo_of(Cpu& cpu, const ThreadRow& row);
  /// Of the current thread, which runs there; `state`: the CPU's.
  void refresh_row(Cpu& cpu, model::PcpuState state);
  [[nodiscard]] ThreadRow off_row(model::ThreadState state);
  [[nodiscard]] HostTime loss_end_of(const Thread& thread) const;
  [[nodiscard]] Waker waker_at(const Cpu& cpu, std::int32_t tid) const;
  [[nodiscard]] Waker behind_interrupt(const Cpu& cpu, std::int32_t tid,
                                       model::BlockCause cause) const;
  [[nodiscard]] model::StringId cause_text(model::BlockCause cause);
  void enter(const Site& site, model::Context context);
  void leave(const Site& site, model::ContextKind kind, std::int64_t number);
  void drop_contexts(Cpu& cpu);
  void add_initial_thread(const InitialThread& initial);
  /// The name that the trace's file keeps beside its events, empty without one.
  [[nodiscard]] std::string_view saved_name(std::int32_t tid) const;
  void label_container_of(const Thread& thread);

  const Handlers& handlers_ = handlers();
  Options options_;
  InitialState initial_;
  model::IntervalSink& sink_;
  CpuObserver* observer_;
  WakeResolver* resolver_ = nullptr;
  ThreadRows threads_;
  CpuRows cpu_rows_;
  EventTypes types_;
  PidNamespaces namespaces_;
  std::deque<Cpu> cpus_;
  std::vector<Cpu*> cpu_by_index_;
  std::size_t cpu_count_ = 0;  ///< of the same
  std::array<model::StringId, 8> cause_texts_{};
  std::array<model::RowMemo, 8> blocked_memos_{};  ///< by cause, its waker not known
  MachineCounters counters_;
  HostTime now_;
  HostTime loss_end_ = kHostTimeMin;  ///< of any CPU
  bool started_ = false;
  bool finished_ = false;
  bool has_waking_ = false;
};

}  // namespace vs::analysis::kernel
