#pragma once
// States: the stored rows of an experiment by (machine, thread | CPU | vCPU) and time, as typed
// values, and what a machine's CPU really did at a time (algorithms B.3, D): the guest's view and
// the states of the vCPUs below it, over all layers.
//
// Everything comes with [begin, end), the largest stretch around the asked time on which it holds
// as far as the rows say; a walk may see one stretch in several pieces and joins equal ones.
//
// Where a row is marked lossy, the part of it that lies in a loss window of its machine is unknown.
//
// Ownership: borrows the world and its source. Threads: one. Memory: bounded; see trim().

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "analysis/flow/timeline.h"
#include "analysis/flow/world.h"
#include "model/states.h"

namespace vs::analysis::flow {

struct ThreadSpan {
  HostTime begin;
  HostTime end;
  model::ThreadState state = model::ThreadState::kUnknown;
  std::int64_t cpu = model::kNull;
  std::int64_t detail = model::kNull;
  std::int64_t waker_machine = model::kNull;
  std::int64_t waker_tid = model::kNull;
  bool known = false;        ///< false: no row, or lost
  bool cut_by_loss = false;  ///< the row goes on behind `end`, which is where a loss begins
};

struct VcpuSpan {
  HostTime begin;
  HostTime end;
  model::VcpuState state = model::VcpuState::kUnknown;
  std::int64_t pcpu = model::kNull;
  std::int64_t exit_reason = model::kNull;
  std::int64_t waker_tid = model::kNull;
};

/// Who holds a CPU. `idle`: nobody, and that is known.
struct Occupant {
  HostTime begin;
  HostTime end;
  Actor who;
  bool idle = false;
};

/// What a CPU of a machine really did.
struct CpuTruth {
  enum class What : std::uint8_t {
    kRuns,        ///< the code that the machine believes to run
    kHypervisor,  ///< its vCPU, on some layer, is in root mode
    kRobbed,      ///< its vCPU, on some layer, wants to run and does not
    kBlocked,     ///< its vCPU sleeps in the VMM or on a page fault
    kPaused,      ///< its VM is stopped
    kHalted,      ///< its vCPU sleeps because the guest idles
    kUnknown,
  };
  HostTime begin;
  HostTime end;
  What what = What::kUnknown;
  std::int64_t pcpu = model::kNull;  ///< processor of the host, or the queue it waits in
  model::VcpuState state = model::VcpuState::kUnknown;  ///< of the layer that decided
  std::int64_t reason = model::kNull;                   ///< exit reason, StringId
  Actor by;                                             ///< kRobbed
  MachineNumber machine = kNoMachine;                   ///< whose vCPU decided
  std::int64_t vcpu = model::kNull;
};

struct StatesOptions {
  Direction direction = Direction::kForward;
  std::size_t part_rows = 2048;        ///< rows of one entity that are kept
  std::size_t kept_rows = 512 * 1024;  ///< rows of all entities that are kept
};

class States {
 public:
  States(const World& world, StatesOptions options);

  [[nodiscard]] const World& world() const { return world_; }

  [[nodiscard]] Result<ThreadSpan> thread_at(MachineNumber machine, std::int64_t tid,
                                             HostTime time);
  [[nodiscard]] Result<VcpuSpan> vcpu_at(MachineNumber machine, std::int64_t vcpu, HostTime time);
  /// The thread that the machine's own kernel ran on the CPU.
  [[nodiscard]] Result<Occupant> current_at(MachineNumber machine, std::int64_t cpu, HostTime time);
  /// Who is really on a host's CPU: a vCPU's thread stands for its VM and the guest's thread.
  [[nodiscard]] Result<Occupant> holder_at(MachineNumber host, std::int64_t cpu, HostTime time);
  [[nodiscard]] Result<CpuTruth> truth_at(MachineNumber machine, std::int64_t cpu, HostTime time);

  /// Forgets the rows not asked for lately when too many are kept. Results are values and stay
  /// valid.
  void trim();

 private:
  struct Kept {
    std::unique_ptr<Timeline> timeline;
    std::uint64_t used = 0;
  };
  [[nodiscard]] Result<Holding> row_at(model::TableId table, MachineNumber machine,
                                       std::int64_t number, HostTime time);
  [[nodiscard]] Result<CpuTruth> truth_at(MachineNumber machine, std::int64_t cpu, HostTime time,
                                          int layer);
  [[nodiscard]] Result<CpuTruth> waiting_truth(CpuTruth truth, HostTime time, int layer);

  const World& world_;
  const StatesOptions options_;
  std::unordered_map<model::EntityId, Kept> timelines_;
  std::uint64_t clock_ = 0;
  std::uint64_t last_trim_ = 0;
};

}  // namespace vs::analysis::flow
