#include "analysis/flow/execution_flow.h"

#include <algorithm>
#include <string>

namespace vs::analysis::flow {
namespace {

using model::FlowKind;
using model::kNull;
using model::ThreadState;
using What = CpuTruth::What;

constexpr std::string_view kCauseIrq = "irq";
constexpr std::string_view kCauseIdle = "idle";
constexpr std::string_view kCauseHalted = "halted";
constexpr std::string_view kCauseVmm = "vmm";
constexpr std::string_view kCausePaused = "paused";
constexpr std::string_view kCauseFork = "fork";
constexpr std::string_view kCauseUnknown = "unknown";

void clip(FlowPiece& piece, HostTime begin, HostTime end) {
  piece.begin = std::max(piece.begin, begin);
  piece.end = std::min(piece.end, end);
}

// The exit reason, else the state of the vCPU.
std::string_view hypervisor_cause(const World& world, const CpuTruth& truth) {
  const std::string_view reason = world.source().string(truth.reason);
  if (!reason.empty()) return reason;
  return model::vcpu_state_names()[static_cast<std::size_t>(truth.state)];
}

}  // namespace

FlowWalk::FlowWalk(const World& world, const TaskWindow& task, StatesOptions options)
    : world_(world),
      task_(task),
      states_(world, {Direction::kForward, options.part_rows, options.kept_rows}),
      now_(task.begin) {}

Result<bool> FlowWalk::next(FlowPiece& piece) {
  while (now_ < task_.end) {
    states_.trim();
    VS_ASSIGN(FlowPiece found, piece_at(now_));
    found.begin = now_;
    found.end = std::min(found.end, task_.end);
    now_ = found.end;
    if (!waiting_) {
      waiting_ = found;
    } else if (waiting_->same_kind(found)) {
      waiting_->end = found.end;
    } else {
      piece = *waiting_;
      waiting_ = found;
      return true;
    }
  }
  if (!waiting_) return false;
  piece = *waiting_;
  waiting_.reset();
  return true;
}

Result<FlowPiece> FlowWalk::piece_at(HostTime time) {
  VS_ASSIGN(const ThreadSpan span, states_.thread_at(task_.machine, task_.tid, time));
  FlowPiece piece;
  piece.begin = span.begin;
  piece.end = span.end;
  switch (span.state) {
    case ThreadState::kUser:
    case ThreadState::kSyscall:
    case ThreadState::kIrq:
      VS_TRY(describe_running(span, time, piece));
      break;
    case ThreadState::kRunnable:
    case ThreadState::kPreempted:
      VS_TRY(describe_waiting(span, time, piece));
      break;
    case ThreadState::kBlocked:
    case ThreadState::kFork:
      describe_blocked(span, piece);
      break;
    case ThreadState::kExited:
    case ThreadState::kUnknown:
      break;
  }
  return piece;
}

Actor FlowWalk::self(const CpuTruth& truth) const {
  const World::Machine& machine = world_.machine(task_.machine);
  Actor actor{machine.name_id, kNull, task_.tid, kNull};
  if (!machine.is_host() && truth.machine == task_.machine) actor.vcpu = truth.vcpu;
  return actor;
}

// What the CPU of the thread did instead of running anything of its machine; false when it ran.
bool FlowWalk::describe_not_running(const CpuTruth& truth, FlowPiece& piece) const {
  switch (truth.what) {
    case What::kRobbed:
      piece.kind = FlowKind::kVcpuPreemptedBy;
      piece.exec = truth.by;
      piece.comm = world_.source().string(truth.by.comm);
      piece.cause = truth.state == model::VcpuState::kWaking ? "waking" : "preempted";
      return true;
    case What::kBlocked:
      piece.kind = FlowKind::kBlocked;
      piece.cause = kCauseVmm;
      return true;
    case What::kPaused:
      piece.kind = FlowKind::kBlocked;
      piece.cause = kCausePaused;
      return true;
    case What::kRuns:
    case What::kHypervisor:
    case What::kHalted:
    case What::kUnknown:
      break;
  }
  return false;
}

Status FlowWalk::describe_running(const ThreadSpan& span, HostTime time, FlowPiece& piece) {
  VS_ASSIGN(const CpuTruth truth, states_.truth_at(task_.machine, span.cpu, time));
  clip(piece, truth.begin, truth.end);
  piece.pcpu = truth.pcpu;
  if (describe_not_running(truth, piece) || truth.what == What::kUnknown) return {};
  piece.exec = self(truth);
  piece.comm = world_.comm(task_.machine, task_.tid, time.ns);
  if (truth.what == What::kRuns) {
    piece.kind = FlowKind::kRun;
    if (span.state == ThreadState::kIrq) piece.cause = kCauseIrq;
    return {};
  }
  piece.kind = truth.what == What::kHypervisor ? FlowKind::kHypervisor : FlowKind::kLockWait;
  piece.cause = hypervisor_cause(world_, truth);
  return {};
}

Status FlowWalk::describe_waiting(const ThreadSpan& span, HostTime time, FlowPiece& piece) {
  piece.kind = span.state == ThreadState::kPreempted ? FlowKind::kPreemptedBy : FlowKind::kRunnable;
  if (span.cpu == kNull) return {};
  VS_ASSIGN(const CpuTruth truth, states_.truth_at(task_.machine, span.cpu, time));
  clip(piece, truth.begin, truth.end);
  piece.pcpu = truth.pcpu;
  if (describe_not_running(truth, piece)) return {};
  if (truth.what == What::kHalted) {
    piece.cause = kCauseHalted;
    return {};
  }
  const bool host = world_.machine(task_.machine).is_host();
  VS_ASSIGN(const Occupant occupant, host ? states_.holder_at(task_.machine, span.cpu, time)
                                          : states_.current_at(task_.machine, span.cpu, time));
  clip(piece, occupant.begin, occupant.end);
  if (occupant.idle) {
    piece.cause = kCauseIdle;
  } else if (truth.what == What::kHypervisor) {
    piece.cause = hypervisor_cause(world_, truth);
  }
  // Clocks of two CPUs may differ: a thread does not wait for itself.
  const bool itself =
      occupant.who.tid == task_.tid && world_.machine_of(occupant.who.machine) == task_.machine;
  if (itself || !occupant.who.known()) return {};
  piece.exec = occupant.who;
  piece.comm = world_.source().string(occupant.who.comm);
  return {};
}

void FlowWalk::describe_blocked(const ThreadSpan& span, FlowPiece& piece) const {
  piece.kind = FlowKind::kBlocked;
  piece.cause = span.state == ThreadState::kFork ? kCauseFork : kCauseUnknown;
  if (span.detail != kNull) piece.cause = world_.source().string(span.detail);
  if (span.waker_tid == kNull) return;
  piece.exec = {span.waker_machine, kNull, span.waker_tid, kNull};
  const MachineNumber machine = world_.machine_of(span.waker_machine);
  if (machine != kNoMachine) {
    piece.comm = world_.comm(machine, span.waker_tid, span.end.ns - 1);
  }
}

std::optional<TaskWindow> life_of(const World& world, MachineNumber machine, std::int64_t tid) {
  const auto lives = world.lives(machine, tid);
  if (lives.empty()) return std::nullopt;
  TaskWindow window{machine, tid, HostTime{lives.front().first_ns}, HostTime{0}};
  for (const Life& life : lives) window.end.ns = std::max(window.end.ns, life.last_ns);
  return window;
}

std::string actor_text(const World& world, const Actor& actor, std::string_view comm) {
  if (!actor.known()) return {};
  std::string text(world.source().string(actor.machine));
  if (actor.vcpu != kNull) text += "/" + std::to_string(actor.vcpu);
  if (!comm.empty()) text += " " + std::string(comm);
  if (actor.tid != kNull) text += " (" + std::to_string(actor.tid) + ")";
  return text;
}

}  // namespace vs::analysis::flow
