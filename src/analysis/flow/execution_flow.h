#pragma once
// FlowWalk: the execution flow around a task (algorithms D, design.md 4): the gap-free list of what
// decided when it finished, over all machines, from stored states.
//
//   running   its vCPU in guest mode: run; in root mode: hypervisor (cause = exit reason); robbed
//   of
//             its pCPU: vcpu_preempted_by, with who was there; asleep in the VMM or paused: blocked
//             (cause vmm, paused); halted: lock_wait. On a host: run.
//   waiting   on a run queue: preempted_by (put off) or runnable (woken), with who ran there. While
//             the vCPU of that queue was itself robbed: vcpu_preempted_by, that decided.
//   blocked   cause and, as the executor, the waker
//
// The pieces follow each other without gap from begin to end and differ from their neighbours, so
// their sum is the window. What no row tells, and what loss windows touch, is `unknown`.
//
// Ownership: borrows the world; texts are views into its source. Threads: one. Cost: O(log n) to
// enter, then linear in the rows of the window.

#include <optional>
#include <string_view>

#include "analysis/flow/states.h"

namespace vs::analysis::flow {

/// A task and a window.
struct TaskWindow {
  MachineNumber machine = kNoMachine;
  std::int64_t tid = -1;
  HostTime begin;
  HostTime end;
};

struct FlowPiece {
  HostTime begin;
  HostTime end;
  model::FlowKind kind = model::FlowKind::kUnknown;
  Actor exec;             ///< `comm` of it is not used, see below
  std::string_view comm;  ///< empty = not known
  std::int64_t pcpu = model::kNull;
  std::string_view cause;  ///< empty = none

  [[nodiscard]] bool same_kind(const FlowPiece& other) const {
    return kind == other.kind && exec.machine == other.exec.machine &&
           exec.vcpu == other.exec.vcpu && exec.tid == other.exec.tid && comm == other.comm &&
           pcpu == other.pcpu && cause == other.cause;
  }
};

class FlowWalk {
 public:
  FlowWalk(const World& world, const TaskWindow& task, StatesOptions options = {});
  /// True and the next piece, or false at the end.
  [[nodiscard]] Result<bool> next(FlowPiece& piece);

 private:
  [[nodiscard]] Result<FlowPiece> piece_at(HostTime time);
  [[nodiscard]] Status describe_running(const ThreadSpan& span, HostTime time, FlowPiece& piece);
  [[nodiscard]] Status describe_waiting(const ThreadSpan& span, HostTime time, FlowPiece& piece);
  [[nodiscard]] bool describe_not_running(const CpuTruth& truth, FlowPiece& piece) const;
  void describe_blocked(const ThreadSpan& span, FlowPiece& piece) const;
  [[nodiscard]] Actor self(const CpuTruth& truth) const;

  const World& world_;
  const TaskWindow task_;
  States states_;
  HostTime now_;
  std::optional<FlowPiece> waiting_;  ///< may still grow
};

/// The window of a task's life: from the first to the last time of its id; nothing when the
/// experiment does not have it.
[[nodiscard]] std::optional<TaskWindow> life_of(const World& world, MachineNumber machine,
                                                std::int64_t tid);

/// "vm2/0 burst0 (155)", "host kworker/0:1 (12)"; empty when nobody is known.
[[nodiscard]] std::string actor_text(const World& world, const Actor& actor, std::string_view comm);

}  // namespace vs::analysis::flow
