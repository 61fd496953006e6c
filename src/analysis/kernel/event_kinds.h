#pragma once
// The kinds of events that tell about a machine's kernel. Both passes look at the same ones.

#include <array>

#include "model/event_kind.h"

namespace vs::analysis::kernel {

inline constexpr std::array kKernelKinds = {
    model::EventKind::kSchedSwitch,       model::EventKind::kSchedWaking,
    model::EventKind::kSchedWakeup,       model::EventKind::kSchedWakeupNew,
    model::EventKind::kSchedMigrateTask,  model::EventKind::kSchedProcessFork,
    model::EventKind::kSchedProcessExec,  model::EventKind::kSchedProcessExit,
    model::EventKind::kSchedProcessFree,  model::EventKind::kTaskNewtask,
    model::EventKind::kTaskRename,        model::EventKind::kIrqHandlerEntry,
    model::EventKind::kIrqHandlerExit,    model::EventKind::kSoftirqEntry,
    model::EventKind::kSoftirqExit,       model::EventKind::kIrqVectorEntry,
    model::EventKind::kIrqVectorExit,     model::EventKind::kTimerExpireEntry,
    model::EventKind::kTimerExpireExit,   model::EventKind::kHrtimerExpireEntry,
    model::EventKind::kHrtimerExpireExit, model::EventKind::kSyscallEntry,
    model::EventKind::kSyscallExit,       model::EventKind::kBlockRqComplete,
    model::EventKind::kNetifReceiveSkb,   model::EventKind::kCgroupAttachTask,
    model::EventKind::kCpuhpEnter,        model::EventKind::kStatedumpProcess,
    model::EventKind::kStatedumpPidNs,
};

[[nodiscard]] inline model::KindSet kernel_kinds() {
  model::KindSet kinds;
  for (const model::EventKind kind : kKernelKinds) kinds.add(kind);
  return kinds;
}

}  // namespace vs::analysis::kernel
