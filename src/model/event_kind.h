#pragma once
// The canonical catalogue: what LTTng, ftrace and perf spell differently is one EventKind with
// named argument slots. Readers bind a trace's own events to it by name, once, when the trace is
// opened (algorithms 0.2); analyses never see a source's spelling.
//
// Ownership: compile-time tables. Threads: immutable.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace vs::model {

/// One kind per meaning. kUnknown: an event of the trace that the catalogue does not know; it stays
/// visible in the `event` table. kLoss is made by readers, not by tracers (see Event).
enum class EventKind : std::uint16_t {
  kUnknown = 0,
  kLoss,
  // sched
  kSchedSwitch,
  kSchedWaking,
  kSchedWakeup,
  kSchedWakeupNew,
  kSchedMigrateTask,
  kSchedProcessFork,
  kSchedProcessExec,
  kSchedProcessExit,
  kSchedProcessFree,
  kSchedProcessWait,
  kTaskNewtask,
  kTaskRename,
  // kvm
  kKvmEntry,
  kKvmExit,
  kKvmUserspaceExit,
  kKvmVcpuWakeup,
  kKvmHaltPoll,
  kKvmInjVirq,
  kKvmApicAcceptIrq,
  kKvmApicvAcceptIrq,
  kKvmMsiSetIrq,
  kKvmSetIrq,
  kKvmHypercall,
  kKvmMsr,
  kKvmPio,
  kKvmMmio,
  kKvmCpuid,
  kKvmApic,
  kKvmApicIpi,
  kKvmEoi,
  kKvmPageFault,
  kKvmEmulateInsn,
  kKvmFpu,
  kKvmCr,
  kKvmWaitLapicExpire,
  kKvmHvTimerState,
  kKvmWriteTscOffset,
  kKvmTrackTsc,
  kKvmPvclockUpdate,
  kKvmNestedVmenter,
  kKvmNestedVmexit,
  kKvmNestedVmexitInject,
  kKvmMmuGetPage,
  kGuestContextEntry,  ///< a guest's cr3/rip/rsp/cpl read at entry (kprobe or vcpu_enter_guest)
  kGuestContextExit,   ///< the same at exit
  // interrupts
  kIrqHandlerEntry,
  kIrqHandlerExit,
  kSoftirqRaise,
  kSoftirqEntry,
  kSoftirqExit,
  kIrqVectorEntry,  ///< irq_vectors:*_entry; the vector's name is the type's name
  kIrqVectorExit,
  // timers
  kTimerExpireEntry,
  kTimerExpireExit,
  kHrtimerStart,
  kHrtimerCancel,
  kHrtimerExpireEntry,
  kHrtimerExpireExit,
  // system calls
  kSyscallEntry,  ///< any; `nr` where the source has it, else the type's name tells
  kSyscallExit,
  // block
  kBlockRqInsert,
  kBlockRqIssue,
  kBlockRqComplete,
  kBlockRqRequeue,
  kBlockRqMerge,
  kBlockBioQueue,
  kBlockBioBackmerge,
  kBlockBioFrontmerge,
  kBlockSplit,
  // net
  kNetDevQueue,
  kNetDevXmit,
  kNetifReceiveSkb,
  kInetSockLocalIn,
  kInetSockLocalOut,
  // workqueue, cgroup, cpu hot-plug, power
  kWorkqueueQueueWork,
  kWorkqueueExecuteStart,
  kWorkqueueExecuteEnd,
  kCgroupAttachTask,
  kCpuhpEnter,
  kCpuhpExit,
  kCpuIdle,
  // clock beacons
  kVmsyncGhGuest,  ///< a (Gebai 2014)
  kVmsyncGhHost,   ///< b
  kVmsyncHgHost,   ///< c
  kVmsyncHgGuest,  ///< d
  kMark,           ///< a text written by user space: ftrace print, lttng_logger
  // LTTng state dumps
  kStatedumpStart,
  kStatedumpEnd,
  kStatedumpProcess,
  kStatedumpPidNs,
  kStatedumpCgroupNs,
  kStatedumpInterrupt,
  kStatedumpBlockDevice,
  kStatedumpCpuTopology,
  kCount
};

inline constexpr std::size_t kEventKindCount = static_cast<std::size_t>(EventKind::kCount);
inline constexpr std::size_t kMaxArgs = 8;   ///< integer slots of an Event
inline constexpr std::size_t kMaxTexts = 2;  ///< text slots of an Event

/// One argument slot: its canonical name and the spellings under which sources carry it, best
/// first, separated by blanks ("next_tid next_pid"). A source's field matches with or without CTF's
/// leading underscore.
struct ArgumentSpec {
  std::string_view name;
  std::string_view spellings;
};

/// One row of the catalogue.
struct EventKindSpec {
  EventKind kind = EventKind::kUnknown;
  std::string_view name;                ///< canonical name, for messages: "kvm_exit"
  std::string_view spellings;           ///< names in any source, separated by blanks; "" = by rule
  std::span<const ArgumentSpec> args;   ///< at most kMaxArgs
  std::span<const ArgumentSpec> texts;  ///< at most kMaxTexts
};

/// The row of a kind. Requires kind < kCount.
[[nodiscard]] const EventKindSpec& spec_of(EventKind kind);

/// The kind of a source's event name, with or without its system ("kvm:kvm_exit", "kvm_x86_exit",
/// "syscall_entry_openat", "virtscope:svm_exit"), kUnknown when the catalogue has none.
/// `system` is the ftrace or perf system where it is known, else empty.
[[nodiscard]] EventKind kind_of(std::string_view name, std::string_view system = {});

/// For "syscall_entry_openat", "sys_enter_openat", "compat_syscall_exit_read": the call's name
/// ("openat"); empty for any other name, raw sys_enter included.
[[nodiscard]] std::string_view syscall_name_of(std::string_view event_name);

/// A set of kinds: what an analysis wants decoded.
class KindSet {
 public:
  constexpr KindSet() = default;
  [[nodiscard]] static constexpr KindSet all() {
    KindSet set;
    for (auto& word : set.words_) word = ~std::uint64_t{0};
    return set;
  }
  constexpr KindSet& add(EventKind kind) {
    words_[index(kind) / 64] |= std::uint64_t{1} << (index(kind) % 64);
    return *this;
  }
  constexpr KindSet& add(const KindSet& other) {
    for (std::size_t i = 0; i < kWords; ++i) words_[i] |= other.words_[i];
    return *this;
  }
  [[nodiscard]] constexpr bool has(EventKind kind) const {
    return (words_[index(kind) / 64] >> (index(kind) % 64)) & 1;
  }
  [[nodiscard]] static KindSet of(std::initializer_list<EventKind> kinds) {
    KindSet set;
    for (const EventKind kind : kinds) set.add(kind);
    return set;
  }

 private:
  static constexpr std::size_t kWords = (kEventKindCount + 63) / 64;
  [[nodiscard]] static constexpr std::size_t index(EventKind kind) {
    return static_cast<std::size_t>(kind);
  }
  std::uint64_t words_[kWords] = {};
};

}  // namespace vs::model
