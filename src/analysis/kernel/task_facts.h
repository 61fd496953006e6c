#pragma once
// Small facts about Linux tasks that the first pass and the machine state read alike: what a
// prev_state number means, which names only kernel threads have, what a state dump's status says.
//
// prev_state (algorithms A.3): since 4.14 every tracer stores the reported state, with "preempted"
// as the extra bit 0x100; before, the raw task state with the kernel's own TASK_STATE_MAX as that
// bit.
//
// Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "model/event.h"
#include "model/states.h"

namespace vs::analysis::kernel {

enum class TaskStateCoding : std::uint8_t {
  kReported,  ///< Linux 4.14 and later
  kRaw,       ///< earlier
};
/// From a kernel release ("6.1.0-56-amd64"); an unknown one counts as current.
[[nodiscard]] TaskStateCoding task_state_coding(std::string_view kernel_release);

/// What a thread is after it was switched out: kPreempted, kBlocked or kExited.
[[nodiscard]] model::ThreadState state_after_switch(std::int64_t prev_state,
                                                    TaskStateCoding coding);

/// What LTTng's state dump says in `status`: kBlocked, kRunnable, kExited or kUnknown; a running
/// thread is kRunnable (its CPU tells better).
[[nodiscard]] model::ThreadState state_of_dump_status(std::int64_t status);

enum class Privilege : std::uint8_t { kUnknown, kUser, kKernel };
[[nodiscard]] Privilege privilege_of_dump_type(std::int64_t type);
/// True for names that only threads without user mode have ("kworker/0:1", "vhost-812").
[[nodiscard]] bool is_kernel_comm(std::string_view comm);

inline constexpr std::int32_t kKthreadd = 2;
inline constexpr std::int64_t kCloneThread = 0x00010000;
inline constexpr std::int64_t kCloneNewPid = 0x20000000;

/// The longest name kept. Linux's own limit is 15 bytes.
inline constexpr std::size_t kCommBytes = 64;
[[nodiscard]] std::string_view clip_comm(std::string_view comm);
/// The name a task has after it executed `filename`: the last component, cut to 15 bytes.
[[nodiscard]] std::string_view comm_after_exec(std::string_view filename);

/// The thread id in a slot, model::kNoTid when it is absent or no thread id (negative, too large).
[[nodiscard]] inline std::int32_t tid_arg(const model::Event& event, std::size_t slot) {
  const std::int64_t value = event.i_or(slot, model::kNoTid);
  return value >= 0 && value <= 0x7fffffff ? static_cast<std::int32_t>(value) : model::kNoTid;
}

/// Thread groups of a fork, -1 where the event does not tell. ftrace's fork has only thread ids,
/// which the catalogue binds to both: equal numbers tell the group only when the event is LTTng's,
/// which also carries namespaces.
struct ForkGroups {
  std::int32_t parent = -1;
  std::int32_t child = -1;
};
[[nodiscard]] ForkGroups groups_of_fork(const model::Event& fork);

}  // namespace vs::analysis::kernel
