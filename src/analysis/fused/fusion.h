#pragma once
// Fusion: who is really on each pCPU, and who keeps a vCPU that wants to run from it (algorithms
// B.3, B.7, G.1). Joins three views: each host's processors (kernel::CpuObserver), its vCPUs
// (vcpu::VcpuObserver) and each guest's processors. Fills fused_cpu and preemption and tells the
// guests' kernel states what their running threads effectively do.
//
// Wiring: one Fusion for an experiment. Give cpu_observer(m) to the MachineState of every traced
// machine m and the Fusion itself to the HostVcpus of every machine that hosts VMs, a guest with
// nested VMs included; all must use the same sink (texts are its ids). Several unrelated hosts are
// no trouble. A host without VMs needs none of this: there is nothing to join, and its MachineState
// can put out fused_cpu itself (kernel::CpuTable).
//
// The occupancy stack: a pCPU is held by its current thread; if that is a vCPU's thread, by the VM,
// in guest and in root mode; if the vCPU is in the guest and its guest is traced and runs a vCPU
// thread itself, by the nested VM, and so on.
//
// Ownership: sinks must outlive it. Threads: one. Errors: none. Times must not go back.
// Memory: O(processors + vCPUs); no allocation per event once the queues have grown.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/fused/span.h"
#include "analysis/kernel/cpu_view.h"
#include "analysis/vcpu/observer.h"
#include "base/time.h"
#include "model/experiment.h"
#include "model/interval_sink.h"
#include "model/open_row.h"
#include "model/states.h"

namespace vs::analysis::fused {

/// What a vCPU's state means for the thread that its guest believes to be running.
[[nodiscard]] model::Effective effective_of(model::VcpuState state);

class EffectiveSink {
 public:
  virtual ~EffectiveSink() = default;
  /// Threads on `guest_cpu` of `machine` effectively are in this state from `time` on.
  virtual void set_effective(HostTime time, model::MachineIndex machine, std::uint32_t guest_cpu,
                             model::Effective effective) = 0;
};

class Fusion final : public vcpu::VcpuObserver {
 public:
  /// `effective` may be null.
  Fusion(const model::Experiment& experiment, model::IntervalSink& sink, EffectiveSink* effective);
  ~Fusion() override;
  Fusion(const Fusion&) = delete;
  Fusion& operator=(const Fusion&) = delete;

  /// Valid as long as the Fusion.
  [[nodiscard]] kernel::CpuObserver& cpu_observer(model::MachineIndex machine);
  [[nodiscard]] vcpu::VcpuNews wants() const override {
    return {.intervals = false, .events = false, .breaks = false};
  }
  void on_vcpu_change(const vcpu::VcpuChange& change) override;
  /// Closes the rows of a machine's processors and of the vCPUs it hosts. Once per host.
  void finish(model::MachineIndex host, HostTime end);

  /// Adds the rows of processors that have not ended; `until`: of the last event.
  void list_open(HostTime until, std::vector<model::OpenRow>& out) const;

 private:
  static constexpr int kMaxLayers = 8;
  static constexpr kernel::CpuView kUnknownView{};

  class Listener;

  /// Who holds a processor.
  struct Holder {
    // What changes most is compared first.
    model::PcpuState state = model::PcpuState::kUnknown;
    bool in_guest = false;  ///< guest code runs
    bool lossy = false;
    std::int32_t tid = model::kNoTid;
    model::StringId comm = model::kNull;
    std::int64_t container = model::kNull;
    std::int64_t vcpu = model::kNull;
    model::MachineIndex machine = model::kNoMachine;  ///< kNoMachine: nobody known
    friend bool operator==(const Holder&, const Holder&) = default;
  };
  struct FusedRow {
    Holder holder;
    model::FusedCondition condition = model::FusedCondition::kUnknown;
    kernel::ViewMemos* memos = nullptr;  ///< of the holder's thread, null if it is not known

    friend bool operator==(const FusedRow& a, const FusedRow& b) {
      return a.holder == b.holder && a.condition == b.condition;
    }
  };
  struct PreemptionRow {
    model::PreemptionKind kind = model::PreemptionKind::kPreempted;
    std::int32_t pcpu = -1;
    std::int64_t tid = model::kNull;  ///< the victim's guest thread
    model::StringId comm = model::kNull;
    model::MachineIndex by_machine = model::kNoMachine;
    std::int64_t by_vcpu = model::kNull;
    std::int64_t by_tid = model::kNull;
    model::StringId by_comm = model::kNull;
    friend bool operator==(const PreemptionRow&, const PreemptionRow&) = default;
  };
  struct Vcpu;
  struct Machine;
  /// A machine's processor. Stays where it is.
  struct Cpu {
    Machine* machine = nullptr;
    std::uint32_t number = 0;
    bool physical = false;                        ///< of a host: it has rows
    const kernel::CpuView* view = &kUnknownView;  ///< the kernel's own, as it is now
    Vcpu* occupant = nullptr;                     ///< whose thread is current
    Vcpu* below = nullptr;                        ///< of a guest: the vCPU that this is
    std::vector<Vcpu*> waiting;                   ///< on its queue
    bool has_entity = false;
    model::EntityId entity = 0;
    Span<FusedRow> row;
  };
  struct Vcpu {
    Machine* machine = nullptr;
    std::int32_t id = -1;
    Cpu* guest_cpu = nullptr;  ///< null: its guest is not traced
    vcpu::VcpuChange now;
    Cpu* pcpu = nullptr;   ///< whose current thread is its own
    Cpu* queue = nullptr;  ///< in whose `waiting` it is
    int effective = -1;    ///< last told, -1 none
    bool has_entity = false;
    model::EntityId entity = 0;
    Span<PreemptionRow> row;
  };
  struct Machine {
    model::MachineIndex index = model::kNoMachine;
    model::StringId name = model::kNull;
    Machine* parent = nullptr;  ///< null: a host
    bool physical = false;      ///< a host, not a VM
    std::uint32_t first_vcpu = 0;
    std::vector<std::unique_ptr<Cpu>> cpus;  ///< by number; null: not seen yet
    std::unique_ptr<Listener> listener;
  };

  void add_vcpus(const model::Machine& from, Machine& machine);
  void on_cpu_change(HostTime time, Machine& machine, std::uint32_t number,
                     const kernel::CpuView& now);
  /// Null for a number that no machine has.
  [[nodiscard]] static Cpu* cpu_at(Machine& machine, std::int64_t number) {
    const auto at = static_cast<std::uint64_t>(number);  // a negative one is too large
    if (at < machine.cpus.size() && machine.cpus[at] != nullptr) return machine.cpus[at].get();
    return add_cpu(machine, at);
  }
  [[gnu::noinline]] static Cpu* add_cpu(Machine& machine, std::uint64_t number);
  void refresh(HostTime time, Cpu& cpu, int layer);
  void update_fused(HostTime time, Cpu& cpu);
  [[gnu::noinline]] void open_rows(Cpu& cpu);
  void update_victim(HostTime time, Vcpu& vcpu);
  void close_victim(HostTime time, Vcpu& vcpu);
  static void move_occupant(Vcpu& vcpu, Cpu* pcpu);
  static void move_queue(Vcpu& vcpu, Cpu* queue);
  void tell_effective(HostTime time, Vcpu& vcpu);

  // Holders and rows are filled in where they stand, since copying one waits for its fields. Each
  // gives the memos of the holder's thread, null if that is not known.
  static kernel::ViewMemos* host_holder(Holder& holder, const Cpu& cpu);
  static kernel::ViewMemos* vcpu_holder(Holder& holder, const Vcpu& vcpu, const Cpu& cpu,
                                        int layer);
  static void fill(FusedRow& row, const Cpu& cpu);
  [[nodiscard]] static PreemptionRow preemption_row(const Vcpu& vcpu);
  [[nodiscard]] model::StringId name_of(model::MachineIndex machine) const;
  void emit(const Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row);
  /// emit() of a row whose values the sink has to be told.
  [[gnu::noinline]] void add(const Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row);
  [[nodiscard]] std::array<std::int64_t, 8> values_of(const FusedRow& row) const;
  [[nodiscard]] static model::RowMemo* memo_of(const FusedRow& row);
  [[gnu::noinline]] static void move_memos(kernel::ViewMemos& memos, const Holder& holder);
  void emit(const Vcpu& vcpu, HostTime begin, HostTime end, const PreemptionRow& row);

  model::IntervalSink& sink_;
  EffectiveSink* effective_;
  std::vector<Machine> machines_;
  std::vector<Vcpu> vcpus_;
};

}  // namespace vs::analysis::fused
