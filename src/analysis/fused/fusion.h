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

#include <cstdint>
#include <memory>
#include <vector>

#include "analysis/fused/span.h"
#include "analysis/kernel/cpu_view.h"
#include "analysis/vcpu/observer.h"
#include "base/per_cpu.h"
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
  void on_vcpu_change(const vcpu::VcpuChange& change) override;
  /// Closes the rows of a machine's processors and of the vCPUs it hosts. Once per host.
  void finish(model::MachineIndex host, HostTime end);

  /// Adds the rows of processors that have not ended; `until`: of the last event.
  void list_open(HostTime until, std::vector<model::OpenRow>& out) const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;
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
  struct Cpu {
    const kernel::CpuView* view = &kUnknownView;  ///< the kernel's own, as it is now
    std::uint32_t occupant = kNone;               ///< the vCPU whose thread is current
    std::vector<std::uint32_t> waiting;           ///< vCPUs on its queue
    bool has_entity = false;
    model::EntityId entity = 0;
    Span<FusedRow> row;
  };
  struct Vcpu {
    model::MachineIndex machine = model::kNoMachine;
    std::int32_t id = -1;
    std::int32_t guest_cpu = -1;  ///< -1: its guest is not traced
    vcpu::VcpuChange now;
    std::int32_t queue = -1;  ///< the pCPU in whose `waiting` it is
    int effective = -1;       ///< last told, -1 none
    bool has_entity = false;
    model::EntityId entity = 0;
    Span<PreemptionRow> row;
  };
  struct Machine {
    model::StringId name = model::kNull;
    model::MachineIndex parent = model::kNoMachine;
    bool physical = false;  ///< a host, not a VM
    bool traced = false;
    std::uint32_t first_vcpu = 0;
    PerCpu<Cpu> cpus;
    std::vector<std::uint32_t> vcpu_of_cpu;  ///< by its own CPU number
    std::unique_ptr<Listener> listener;
  };

  void on_cpu_change(HostTime time, model::MachineIndex machine, std::uint32_t cpu,
                     const kernel::CpuView& now);
  [[nodiscard]] Cpu* cpu_at(model::MachineIndex machine, std::int64_t cpu) {
    return machine < machines_.size() ? machines_[machine].cpus.at(cpu) : nullptr;
  }
  void refresh(HostTime time, model::MachineIndex machine, std::int64_t number, int layer);
  void refresh(HostTime time, model::MachineIndex machine, std::int64_t number, Cpu& cpu,
               int layer);
  void update_fused(HostTime time, model::MachineIndex machine, std::uint32_t number, Cpu& cpu);
  void update_victim(HostTime time, Vcpu& vcpu);
  void close_victim(HostTime time, Vcpu& vcpu);
  void move_occupant(const vcpu::VcpuChange& before, const vcpu::VcpuChange& now,
                     std::uint32_t index);
  void move_queue(Vcpu& vcpu, std::uint32_t index, std::int32_t queue);
  void tell_effective(HostTime time, Vcpu& vcpu);

  [[nodiscard]] static Holder host_holder(model::MachineIndex machine, const Cpu& cpu);
  [[nodiscard]] Holder holder_of(model::MachineIndex machine, const Cpu& cpu, int layer) const;
  /// Fills in a holder where it stands, since copying one waits for its fields. Gives the memos of
  /// its thread, null if that is not known.
  kernel::ViewMemos* vcpu_holder(Holder& holder, const Vcpu& vcpu, const Cpu& cpu, int layer) const;
  [[nodiscard]] const Cpu* guest_cpu_of(const Vcpu& vcpu) const;
  void fill(FusedRow& row, model::MachineIndex machine, const Cpu& cpu) const;
  [[nodiscard]] PreemptionRow preemption_row(const Vcpu& vcpu) const;
  [[nodiscard]] model::StringId name_of(model::MachineIndex machine) const;
  void emit(Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row);
  [[nodiscard]] std::array<std::int64_t, 8> values_of(const FusedRow& row) const;
  [[nodiscard]] static model::RowMemo* memo_of(const FusedRow& row);
  void emit(Vcpu& vcpu, HostTime begin, HostTime end, const PreemptionRow& row);

  model::IntervalSink& sink_;
  EffectiveSink* effective_;
  std::vector<Machine> machines_;
  std::vector<Vcpu> vcpus_;
};

}  // namespace vs::analysis::fused
