#pragma once
// HostVcpus: the states of a host's vCPUs, rebuilt from the host's own events (algorithms A.2,
// A.3).
//
// Feed it the events of one host in the order of the merged timeline, then finish(). It fills the
// vcpu_state table and tells the observers of each change, each final interval and each KVM event
// of a vCPU's thread. It also knows which host thread is current on each pCPU, so that sources
// without a thread context (LTTng without `tid`) work.
//
// Two rules deserve a word here, the others are in docs/analyses/vcpu-states.md:
//  - implicit exit: an event of the host on a pCPU whose vCPU is in the guest ends the guest
//  interval at
//    that event; a later kvm_exit record only tells the reason (SVM records it late);
//  - retroactive polling: kvm_vcpu_wakeup tells afterwards that the time before it was polled. Rows
//  are
//    therefore held back from the exit to the next entry, at most kHeldRows of them per vCPU.
//
// Ownership: copies what it needs of the experiment; sink and observers must outlive it. Threads:
// one. Errors: none; contradictions are counted (Counters) and resolved in favour of the newest
// event. Memory: O(vCPUs + pCPUs); no allocation per event once the rows' buffers have grown.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "analysis/vcpu/exit_reason.h"
#include "analysis/vcpu/observer.h"
#include "base/per_cpu.h"
#include "base/tid_map.h"
#include "base/time.h"
#include "model/event.h"
#include "model/experiment.h"
#include "model/interval_sink.h"
#include "model/open_row.h"

namespace vs::analysis::vcpu {

class HostVcpus {
 public:
  static constexpr std::size_t kHeldRows = 256;

  /// What did not fit together.
  struct Counters {
    std::uint64_t entries = 0;
    std::uint64_t exits = 0;
    std::uint64_t implicit_exits = 0;  ///< guest intervals that ended before their kvm_exit record
    std::uint64_t missed_exits = 0;    ///< kvm_entry while already in the guest
    std::uint64_t missed_entries = 0;  ///< kvm_exit without a guest interval before it
    std::uint64_t missed_switches =
        0;  ///< events of a thread on a pCPU where another one was current
    std::uint64_t failed_entries = 0;  ///< VMX entries that never reached the guest
    std::uint64_t late_wakeups = 0;    ///< polling that began before the oldest row held back
  };

  /// The VMs of `host` are the machines whose parent it is; thread times go through the host's
  /// clock.
  HostVcpus(const model::Experiment& experiment, model::MachineIndex host,
            model::IntervalSink& sink, const std::vector<VcpuObserver*>& observers);

  [[nodiscard]] static model::KindSet kinds();

  /// The thread current on a pCPU when its stream begins (Discovery finds it). Before the first
  /// event.
  void set_current(std::uint32_t cpu, std::int32_t tid);

  /// Requires times that do not go back. Losses go to on_loss.
  void on_event(HostTime time, const model::Event& event);
  /// The tracer dropped events of `cpu` (kNoCpu: of any) in [begin, end). At `begin` in event
  /// order.
  void on_loss(HostTime begin, HostTime end, std::uint32_t cpu);
  void finish(HostTime end);

  /// Adds the rows that have not been put out yet, the last of them open; `until`: of the last
  /// event. What is held back may still become polling, what is blocked stopped.
  void list_open(HostTime until, std::vector<model::OpenRow>& out) const;

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  /// One row of vcpu_state, without its times.
  struct Row {
    model::VcpuState state = model::VcpuState::kUnknown;
    std::int32_t pcpu = -1;
    std::int64_t level = model::kNull;
    model::StringId reason = model::kNull;
    std::int64_t waker_tid = model::kNull;
    bool lossy = false;
    bool on_cpu = false;          ///< not stored; tells `unknown` asleep from `unknown` running
    bool reason_pending = false;  ///< after an implicit exit: the next kvm_exit tells the reason
    friend bool operator==(const Row&, const Row&) = default;
  };
  /// Where the sink notes rows; most come again and again, with any times and vCPU.
  struct NotedRow {
    Row row;
    model::RowMemo memo;
  };
  struct HeldRow {
    HostTime begin;
    HostTime end;
    Row row;
  };
  struct Vcpu {
    VcpuRef ref;
    std::uint32_t index = 0;  ///< into vcpus_
    std::int32_t id = -1;     ///< the vCPU's number
    model::EntityId entity = 0;
    std::int32_t tid = -1;
    bool started = false;
    bool on_cpu = false;
    bool entered = false;
    bool level_known = true;
    bool idle_exit = false;  ///< the last exit was of the idle class
    bool reason_pending = false;
    bool lost = false;  ///< unknown because of a loss window
    std::int32_t pcpu = -1;
    std::uint8_t level = 1;
    std::uint32_t emulations = 0;  ///< kvm_emulate_insn since the last entry or exit
    std::int64_t user_reason = -1;
    model::VcpuState base = model::VcpuState::kUnknown;  ///< what it does when it runs in root mode
    model::StringId reason = model::kNull;
    bool woken_early = false;  ///< sched_waking came while it was on its way to sleep
    std::int64_t early_waker = model::kNull;  ///< who did
    HostTime since;
    Row row;
    std::vector<HeldRow> held;
  };
  struct Binding {
    std::uint32_t vcpu = kNone;
    HostTime first;
    HostTime last;
  };
  struct Thread {
    std::vector<Binding> bindings;  ///< by first
    std::size_t current = 0;
    bool newborn = false;  ///< forked within the trace, no event of its own yet
  };
  struct Cpu {
    std::int32_t tid = model::kNoTid;
    std::uint32_t running = kNone;  ///< the vCPU whose thread is current
    std::uint8_t hard = 0;          ///< nesting of handlers and of timer expiries
    std::uint8_t soft = 0;
    [[nodiscard]] bool in_irq() const { return hard != 0 || soft != 0; }
  };

  using Handler = void (HostVcpus::*)(HostTime, const model::Event&, Cpu&);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();
  [[nodiscard]] static HandlerTable make_handlers();

  void on_switch(HostTime, const model::Event&, Cpu&);
  void on_waking(HostTime, const model::Event&, Cpu&);
  void on_wakeup(HostTime, const model::Event&, Cpu&);
  void on_wakeup_new(HostTime, const model::Event&, Cpu&);
  void on_migrate(HostTime, const model::Event&, Cpu&);
  void on_fork(HostTime, const model::Event&, Cpu&);
  void on_thread_end(HostTime, const model::Event&, Cpu&);
  void on_entry(HostTime, const model::Event&, Cpu&);
  void on_exit(HostTime, const model::Event&, Cpu&);
  void on_userspace_exit(HostTime, const model::Event&, Cpu&);
  void on_fpu(HostTime, const model::Event&, Cpu&);
  void on_emulate(HostTime, const model::Event&, Cpu&);
  void on_vcpu_wakeup(HostTime, const model::Event&, Cpu&);
  void on_nested_enter(HostTime, const model::Event&, Cpu&);
  void on_nested_inject(HostTime, const model::Event&, Cpu&);
  void on_inside_run(HostTime, const model::Event&, Cpu&);
  void on_witness(HostTime, const model::Event&, Cpu&) {}
  void on_hard_begin(HostTime, const model::Event&, Cpu&);
  void on_hard_end(HostTime, const model::Event&, Cpu&);
  void on_soft_begin(HostTime, const model::Event&, Cpu&);
  void on_soft_end(HostTime, const model::Event&, Cpu&);
  void on_syscall_exit(HostTime, const model::Event&, Cpu&);
  void on_vmm_call(HostTime, const model::Event&, Cpu&);

  void note_context(HostTime time, const model::Event& event, Cpu& cpu);
  void end_guest_implicitly(HostTime time, Vcpu& vcpu);
  /// Null for a thread that is no vCPU's.
  [[nodiscard]] Thread* thread_of(std::int32_t tid) {
    const std::uint32_t number = tid < 0 ? TidMap::kNone : thread_numbers_.find(tid);
    return number == TidMap::kNone ? nullptr : &threads_[number];
  }
  Vcpu& bound(Thread& thread, HostTime time);
  Vcpu* active(std::int32_t tid, HostTime time);
  Vcpu* own(HostTime time, const model::Event& event, Cpu& cpu, std::int64_t id);
  static void bind(Vcpu& vcpu, std::int32_t tid, Thread& thread);
  void place(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number, Cpu& cpu);
  void release(HostTime time, Cpu& cpu);
  void displace(HostTime time, Cpu& cpu);
  void switch_out(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number, std::int64_t prev_state);
  void switch_in(HostTime time, Vcpu& vcpu, std::uint32_t cpu_number, Cpu& cpu);
  void begin_waking(HostTime time, Vcpu& vcpu, std::int32_t target, std::int64_t waker);
  void end_thread(HostTime time, Vcpu& vcpu, Thread& thread);
  [[nodiscard]] model::VcpuState sleep_state(const Vcpu& vcpu, std::int64_t prev_state) const;
  void lose(HostTime time, Vcpu& vcpu);
  static void learn_vmm(Vcpu& vcpu);

  void run_root(HostTime time, Vcpu& vcpu, const Cpu& cpu);
  void change(HostTime time, Vcpu& vcpu, Row row);
  void tell_change(HostTime time, const Vcpu& vcpu);
  void hold(Vcpu& vcpu, HostTime end);
  [[nodiscard]] static std::array<std::int64_t, 6> values_of(const Row& row);
  void flush(Vcpu& vcpu, std::size_t count);
  void put(model::EntityId entity, const HeldRow& held);
  [[nodiscard]] NotedRow& place_of(const Row& row);
  void cut(HostTime time, Vcpu& vcpu, VcpuBreak why);
  void mark_polling(HostTime begin, Vcpu& vcpu);
  void tell_event(HostTime time, const Vcpu& vcpu, const model::Event& event);
  [[nodiscard]] Row off_cpu_row(HostTime time, const Vcpu& vcpu, model::VcpuState state) const;

  model::IntervalSink& sink_;
  /// Who wants which news, each in the order of the observers.
  std::vector<VcpuObserver*> for_changes_;
  std::vector<VcpuObserver*> for_intervals_;
  std::vector<VcpuObserver*> for_events_;
  std::vector<VcpuObserver*> for_breaks_;
  std::vector<Vcpu> vcpus_;
  TidMap thread_numbers_;  ///< looked up for most events of a host
  std::vector<Thread> threads_;
  PerCpu<Cpu> cpus_;
  ExitTexts reasons_;
  std::array<NotedRow, 256> noted_{};  ///< by a hash of the row
  HostTime lossy_until_ = kHostTimeMin;
  Counters counters_;
};

}  // namespace vs::analysis::vcpu
