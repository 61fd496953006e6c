#pragma once
// The state vocabularies of the SQL contract (design.md 4). Enumerators and their SQL names live
// together; the numeric values are stored in histories, so they only ever grow at the end.

#include <cstdint>
#include <span>
#include <string_view>

namespace vs::model {

enum class VcpuState : std::uint8_t {
  kOff,
  kUnknown,
  kGuest,
  kHypervisor,
  kUserspace,
  kHostIrq,
  kPolling,
  kHalted,
  kBlocked,
  kWaking,
  kPreempted,
  kStopped,
  kEmulated
};
enum class PcpuState : std::uint8_t { kUnknown, kIdle, kUser, kSyscall, kIrq, kSoftirq, kKernel };
enum class FusedCondition : std::uint8_t { kGuest, kHypervisor, kHost, kUnknown };
enum class ThreadState : std::uint8_t {
  kUnknown,
  kUser,
  kSyscall,
  kIrq,
  kRunnable,
  kPreempted,
  kBlocked,
  kFork,
  kExited
};
enum class Effective : std::uint8_t { kRunning, kHypervisor, kDeprived, kWaiting };
enum class BlockCause : std::uint8_t {
  kTimer,
  kDisk,
  kNetwork,
  kTask,
  kUserInput,
  kIpi,
  kIrq,
  kUnknown
};
enum class PreemptionKind : std::uint8_t { kPreempted, kWaking };
enum class ExitClass : std::uint8_t {
  kIdle,
  kHostIrq,
  kTimer,
  kIpiSend,
  kIo,
  kMemory,
  kSpin,
  kHypercall,
  kNested,
  kIrqWindow,
  kEmulation,
  kUnknown
};
enum class VprocessState : std::uint8_t {
  kRoot,
  kNonroot,
  kTask,
  kTimer,
  kDisk,
  kNetwork,
  kDevice,
  kPreemptedHost,
  kPreemptedVm,
  kPreemptedGuest,
  kUnknown
};
enum class BlockOp : std::uint8_t { kRead, kWrite, kDiscard, kFlush, kOther };
enum class NetDirection : std::uint8_t { kReceive, kTransmit };
/// What a stretch of an execution flow was (algorithms D).
enum class FlowKind : std::uint8_t {
  kRun,
  kHypervisor,
  kPreemptedBy,
  kVcpuPreemptedBy,
  kRunnable,
  kBlocked,
  kLockWait,
  kUnknown
};
/// What a stretch of a critical path was (algorithms F).
enum class PathLabel : std::uint8_t {
  kRun,
  kPreempted,
  kHypervisor,
  kHostPreempted,
  kTransit,
  kWaitTask,
  kWaitTimer,
  kWaitDisk,
  kWaitNetwork,
  kWaitUserInput,
  kWaitIpi,
  kWaitIrq,
  kWaitUnknown,
  kUnknown
};
enum class MachineKind : std::uint8_t { kHost, kVm };
enum class SyncMethod : std::uint8_t {
  kReference,
  kNone,
  kTsc,
  kBeacon,
  kEnvelope,
  kPackets,
  kMixed
};
enum class SyncQuality : std::uint8_t {
  kExact,
  kAccurate,
  kApproximate,
  kIncomplete,
  kAbsent,
  kFailed
};

/// SQL names in the order of the enumerators.
[[nodiscard]] std::span<const std::string_view> vcpu_state_names();
[[nodiscard]] std::span<const std::string_view> pcpu_state_names();
[[nodiscard]] std::span<const std::string_view> fused_condition_names();
[[nodiscard]] std::span<const std::string_view> thread_state_names();
[[nodiscard]] std::span<const std::string_view> effective_names();
[[nodiscard]] std::span<const std::string_view> block_cause_names();
[[nodiscard]] std::span<const std::string_view> preemption_kind_names();
[[nodiscard]] std::span<const std::string_view> exit_class_names();
[[nodiscard]] std::span<const std::string_view> vprocess_state_names();
[[nodiscard]] std::span<const std::string_view> block_op_names();
[[nodiscard]] std::span<const std::string_view> net_direction_names();
[[nodiscard]] std::span<const std::string_view> flow_kind_names();
[[nodiscard]] std::span<const std::string_view> path_label_names();
[[nodiscard]] std::span<const std::string_view> machine_kind_names();
[[nodiscard]] std::span<const std::string_view> sync_method_names();
[[nodiscard]] std::span<const std::string_view> sync_quality_names();

}  // namespace vs::model
