#include "analysis/kernel/task_facts.h"

#include <array>
#include <charconv>

namespace vs::analysis::kernel {
namespace {

using model::ThreadState;

// include/linux/sched.h. The numbers of EXIT_DEAD and EXIT_ZOMBIE are the same two bits everywhere.
constexpr std::int64_t kExitBits = 0x30;
constexpr std::int64_t kReportedPreempted = 0x100;
constexpr std::int64_t kReportedBits = 0xff;
constexpr std::int64_t kRawDead = 0x40;
constexpr std::int64_t kRawSleepBits =
    0x8f;  // interruptible, uninterruptible, stopped, traced, killable
constexpr std::int64_t kRawParked = 0x200;

ThreadState reported_state(std::int64_t value) {
  if ((value & kReportedPreempted) != 0 || (value & kReportedBits) == 0) {
    return ThreadState::kPreempted;
  }
  return (value & kExitBits) != 0 ? ThreadState::kExited : ThreadState::kBlocked;
}

ThreadState raw_state(std::int64_t value) {
  if ((value & (kExitBits | kRawDead)) != 0) return ThreadState::kExited;
  const bool sleeps = (value & kRawSleepBits) != 0 || value == kRawParked;
  return sleeps ? ThreadState::kBlocked : ThreadState::kPreempted;
}

// Names of threads that never run user code. vhost and io_uring workers have had a user address
// space since 6.4 and 5.12, and still never return to user mode.
constexpr std::array<std::string_view, 27> kKernelPrefixes = {
    "kworker/", "ksoftirqd/",   "migration/", "cpuhp/",    "idle_inject/", "irq/",
    "rcuop/",   "rcuos/",       "rcuog/",     "rcub/",     "rcuc/",        "rcu_",
    "rcuo/",    "watchdog/",    "jbd2/",      "vhost-",    "iou-wrk-",     "iou-sqp-",
    "kvm-pit/", "kvm-nx-lpage", "kswapd",     "kcompactd", "khugepaged",   "ksmd",
    "kthreadd", "khungtaskd",   "kvm-irqfd-"};

}  // namespace

TaskStateCoding task_state_coding(std::string_view kernel_release) {
  unsigned major = 0;
  unsigned minor = 0;
  const char* const end = kernel_release.data() + kernel_release.size();
  const auto first = std::from_chars(kernel_release.data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') {
    return TaskStateCoding::kReported;
  }
  const std::string_view rest =
      kernel_release.substr(static_cast<std::size_t>(first.ptr - kernel_release.data()) + 1);
  const auto second = std::from_chars(rest.data(), rest.data() + rest.size(), minor);
  if (second.ec != std::errc{}) return TaskStateCoding::kReported;
  const bool raw = major < 4 || (major == 4 && minor < 14);
  return raw ? TaskStateCoding::kRaw : TaskStateCoding::kReported;
}

ThreadState state_after_switch(std::int64_t prev_state, TaskStateCoding coding) {
  if (prev_state < 0) return ThreadState::kBlocked;  // "unrunnable" in the oldest convention
  return coding == TaskStateCoding::kRaw ? raw_state(prev_state) : reported_state(prev_state);
}

ThreadState state_of_dump_status(std::int64_t status) {
  // lttng-statedump's enumeration. 1 is meant to be "forked, never ran", but its test holds for
  // every runnable thread of the fair class.
  switch (status) {
    case 1:
    case 2:
    case 6:
      return ThreadState::kRunnable;
    case 5:
      return ThreadState::kBlocked;
    case 3:
    case 4:
    case 7:
      return ThreadState::kExited;
    default:
      return ThreadState::kUnknown;
  }
}

Privilege privilege_of_dump_type(std::int64_t type) {
  if (type == 0) return Privilege::kUser;
  return type == 1 ? Privilege::kKernel : Privilege::kUnknown;
}

bool is_kernel_comm(std::string_view comm) {
  for (const std::string_view prefix : kKernelPrefixes) {
    if (comm.starts_with(prefix)) return true;
  }
  return false;
}

std::string_view clip_comm(std::string_view comm) { return comm.substr(0, kCommBytes); }

std::string_view comm_after_exec(std::string_view filename) {
  const std::size_t slash = filename.rfind('/');
  if (slash != std::string_view::npos) filename.remove_prefix(slash + 1);
  return filename.substr(0, 15);
}

ForkGroups groups_of_fork(const model::Event& fork) {
  using namespace model::arg;
  const bool trusted =
      fork.has(kForkChildNs) || fork.has(kForkParentNs) || fork.has(kForkChildVtid);
  ForkGroups groups;
  const std::int32_t parent = tid_arg(fork, kForkParentTgid);
  const std::int32_t child = tid_arg(fork, kForkChildTgid);
  const bool differs =
      parent != tid_arg(fork, kForkParentTid) || child != tid_arg(fork, kForkChildTid);
  if (trusted || (differs && parent >= 0 && child >= 0)) groups = {parent, child};
  return groups;
}

}  // namespace vs::analysis::kernel
