#pragma once
// One machine's kernel as its own events tell it: who runs on each CPU, what each thread does, in
// which pid namespace. Knows nothing of virtualisation; the joins above tell it, by
// set_effective(), when a CPU of it (a vCPU) does not really run.
//
// Method: algorithms B.3 to B.5 and F.2, design.md 4 (pcpu_state, thread, thread_state, container);
// docs/analyses/kernel.md states the rules and their reasons.
//
// Time: events of one machine in host-time order. A time before the last one counts as the last one
// (the clamp of a clock map, clocks of CPUs that disagree), so intervals never overlap.
// Damage: any sequence of events is accepted; what does not fit is counted and the rows still tile.
// Memory: per CPU and per thread id. No allocation per event once threads and names are known.
// Threads: one machine state belongs to one thread. The sink must outlive it, the observer too.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "analysis/kernel/cpu_rows.h"
#include "analysis/kernel/cpu_view.h"
#include "analysis/kernel/initial_state.h"
#include "analysis/kernel/syscall_names.h"
#include "analysis/kernel/task_facts.h"
#include "analysis/kernel/wake_source.h"
#include "base/time.h"
#include "model/event.h"
#include "model/interval_sink.h"
#include "model/open_row.h"
#include "model/states.h"
#include "model/stream_analysis.h"
#include "model/tables.h"

namespace vs::analysis::kernel {

/// Pairs and sequences that did not fit; material for the issue list (kUnmatchedPairs).
struct MachineCounters {
  std::array<std::uint64_t, model::kContextKinds> exits_without_entry{};  ///< by ContextKind
  std::array<std::uint64_t, model::kContextKinds> entries_without_exit{};
  std::uint64_t syscall_exits_without_entry = 0;
  std::uint64_t syscall_entries_without_exit = 0;
  std::uint64_t missed_switches = 0;  ///< another thread was current than the last switch said
  std::uint64_t without_cpu = 0;      ///< events whose CPU is not known; not used
  std::uint64_t late = 0;             ///< events whose time was before the last one

  /// Everything that belongs to kUnmatchedPairs.
  [[nodiscard]] std::uint64_t unmatched() const;
};

class MachineState final : public model::MachineFacts {
 public:
  struct Options {
    std::string machine_name;
    TaskStateCoding task_states =
        TaskStateCoding::kReported;  ///< task_state_coding(TraceInfo.kernel)
    EventNames event_names;          ///< names of the event types, by trace of this machine
    SyscallTable syscall_table = SyscallTable::kNone;  ///< for traces that give numbers only
    CpuTable cpu_table = CpuTable::kPcpuState;
  };

  /// `observer` may be null. What it is told is told from within the call that caused it.
  MachineState(Options options, InitialState initial, model::IntervalSink& sink,
               CpuObserver* observer);
  ~MachineState() override;
  MachineState(const MachineState&) = delete;
  MachineState& operator=(const MachineState&) = delete;

  [[nodiscard]] static model::KindSet kinds();

  /// Who knows what is behind this machine's interrupts; before start(). It must outlive this one.
  void set_wake_resolver(WakeResolver* resolver);
  /// The machine's trace begins here; the first event's time unless called before it.
  void start(HostTime begin);
  /// Kinds that are not in kinds() are ignored, kLoss too: its times are own times, so the caller
  /// converts them and calls on_loss(). `trace` is the index of the event's trace among the
  /// machine's.
  void on_event(HostTime time, const model::Event& event, std::uint32_t trace = 0);
  /// Events of `cpu` in (begin, end) were lost. To be called in time order, at `begin`. What ran
  /// there is unknown until the CPU's next event; rows that overlap the window carry lossy = 1:
  /// those of this CPU and of the threads on it, and of every thread that was off the CPUs (it may
  /// have been woken there).
  void on_loss(HostTime begin, HostTime end, std::uint32_t cpu);
  /// What really becomes of this CPU; splits the rows of the thread that runs there.
  void set_effective(HostTime time, std::uint32_t cpu, model::Effective effective);
  /// Ends all rows. No calls that change anything have an effect afterwards.
  void finish(HostTime end);

  /// Adds the rows of threads and CPUs that have not ended; `until`: of the last event.
  void list_open(HostTime until, std::vector<model::OpenRow>& out) const;

  /// A CPU never heard of gives an unknown view. Valid until the next call that changes anything.
  [[nodiscard]] const CpuView& cpu(std::uint32_t cpu) const;
  [[nodiscard]] std::int32_t tid_on(std::uint32_t cpu) const override;
  [[nodiscard]] std::int32_t tgid_of(std::int32_t tid) const override;
  [[nodiscard]] model::StringId comm_of(std::int32_t tid) const override;
  [[nodiscard]] std::string_view name_of(std::int32_t tid) const override;
  [[nodiscard]] std::int64_t container_of(std::int32_t tid) const override;
  [[nodiscard]] const model::ContextStack& contexts(std::uint32_t cpu) const override;
  [[nodiscard]] const MachineCounters& counters() const;

  /// Rows of `thread` and `container`; complete after finish().
  [[nodiscard]] model::SmallTable thread_table() const;
  [[nodiscard]] model::SmallTable container_table() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vs::analysis::kernel
