#pragma once
// Event: the fixed-size record that readers hand to everything above (algorithms 0.1).
//
// Plain data, no ownership: `texts` point into the reader's batch and are valid as long as that
// batch. An argument a source does not carry is absent (its bit in `present` is 0) and its slot is
// 0.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "model/event_kind.h"

namespace vs::model {

inline constexpr std::int32_t kNoTid = -1;
inline constexpr std::uint32_t kNoCpu = 0xffffffffU;

/// Slots of the arguments, by kind. The catalogue (event_kind.cc) lists them in this order; a test
/// holds the two together.
namespace arg {
// kLoss: a loss window [event.own, end_own]; `lost` absent = some, number unknown.
enum Loss : std::uint8_t { kLossEndOwn, kLossLost };
enum SchedSwitch : std::uint8_t { kPrevTid, kPrevState, kPrevPrio, kNextTid, kNextPrio };
enum SchedSwitchText : std::uint8_t { kNextComm, kPrevComm };
// sched_waking, sched_wakeup, sched_wakeup_new; text 0 = comm
enum SchedWake : std::uint8_t { kWakeTid, kWakePrio, kWakeTargetCpu };
enum SchedMigrate : std::uint8_t { kMigrateTid, kMigrateOrigCpu, kMigrateDestCpu };
// text 0 = child comm, text 1 = parent comm. child_ns: innermost pid namespace inode (LTTng).
enum Fork : std::uint8_t {
  kForkParentTid,
  kForkParentTgid,
  kForkChildTid,
  kForkChildTgid,
  kForkParentNs,
  kForkChildNs,
  kForkChildVtid
};
enum Process : std::uint8_t {
  kProcessTid,
  kProcessOldTid
};  // exec (text 0 filename), exit, free, wait (text 0 comm)
enum Newtask : std::uint8_t { kNewtaskTid, kNewtaskCloneFlags };  // text 0 comm
enum Rename : std::uint8_t { kRenameTid };                        // text 0 newcomm, text 1 oldcomm
enum KvmEntry : std::uint8_t { kEntryVcpu, kEntryRip, kEntryIntrInfo, kEntryImmediateExit };
enum KvmExit : std::uint8_t {
  kExitReason,
  kExitRip,
  kExitIsa,
  kExitInfo1,
  kExitInfo2,
  kExitIntrInfo,
  kExitVcpu,
  kExitEsrEc
};
enum KvmUserspaceExit : std::uint8_t { kUserspaceReason, kUserspaceErrno };
enum KvmVcpuWakeup : std::uint8_t { kWakeupNs, kWakeupWaited, kWakeupValid };
enum KvmHaltPoll : std::uint8_t { kHaltPollGrow, kHaltPollVcpu, kHaltPollNew, kHaltPollOld };
enum KvmInjVirq : std::uint8_t { kInjVector, kInjSoft, kInjReinjected };
enum KvmAcceptIrq : std::uint8_t {
  kAcceptApicId,
  kAcceptDeliveryMode,
  kAcceptTriggerMode,
  kAcceptVector
};
enum KvmMsi : std::uint8_t { kMsiAddress, kMsiData };
enum KvmSetIrq : std::uint8_t { kSetIrqGsi, kSetIrqLevel, kSetIrqSource };
enum KvmHypercall : std::uint8_t {
  kHypercallNr,
  kHypercallA0,
  kHypercallA1,
  kHypercallA2,
  kHypercallA3
};
enum KvmMsr : std::uint8_t { kMsrWrite, kMsrEcx, kMsrData, kMsrException };
enum KvmPio : std::uint8_t { kPioRw, kPioPort, kPioSize, kPioCount, kPioVal };
enum KvmMmio : std::uint8_t { kMmioType, kMmioLen, kMmioGpa, kMmioVal };
enum KvmCpuid : std::uint8_t { kCpuidFunction, kCpuidIndex };
enum KvmApic : std::uint8_t { kApicRw, kApicReg, kApicVal };
enum KvmApicIpi : std::uint8_t { kIpiIcrLow, kIpiDestId };
enum KvmEoi : std::uint8_t { kEoiApicId, kEoiVector };
enum KvmPageFault : std::uint8_t { kFaultVcpu, kFaultRip, kFaultAddress, kFaultErrorCode };
enum KvmFpu : std::uint8_t { kFpuLoad };
enum KvmCr : std::uint8_t { kCrRw, kCrNumber, kCrValue };
enum KvmLapicExpire : std::uint8_t { kExpireVcpu, kExpireDelta };
enum KvmTscOffset : std::uint8_t { kTscVcpu, kTscPrevious, kTscNext };
enum KvmTrackTsc : std::uint8_t { kTrackVcpu, kTrackMatched, kTrackOnline };
enum KvmPvclock : std::uint8_t {
  kPvclockVcpu,
  kPvclockTsc,
  kPvclockSystemTime,
  kPvclockMul,
  kPvclockShift
};
enum KvmNestedEnter : std::uint8_t {
  kNestedRip,
  kNestedVmcb,
  kNestedNestedRip,
  kNestedGuestPgd,
  kNestedTdp
};
enum GuestContext : std::uint8_t {
  kContextCr3,
  kContextRip,
  kContextRsp,
  kContextCpl,
  kContextVcpu
};
enum Irq : std::uint8_t { kIrqNumber, kIrqReturn };  // text 0 name
enum Softirq : std::uint8_t { kSoftirqVector };
enum IrqVector : std::uint8_t { kVectorNumber };
enum Hrtimer : std::uint8_t { kHrtimerAddress, kHrtimerNow, kHrtimerExpires, kHrtimerFunction };
enum Syscall : std::uint8_t { kSyscallNr, kSyscallReturn };
enum Block : std::uint8_t {
  kBlockDevice,
  kBlockSector,
  kBlockSectorCount,
  kBlockBytes,
  kBlockError,
  kBlockRwbs,
  kBlockTid,
  kBlockNewSector
};  // text 0 rwbs text, text 1 comm
enum Net : std::uint8_t {
  kNetSkb,
  kNetLength,
  kNetSeq,
  kNetAckSeq,
  kNetFlags,
  kNetSourcePort,
  kNetDestPort,
  kNetAddresses
};  // text 0 device name
enum Work : std::uint8_t { kWorkAddress, kWorkFunction };
enum Cgroup : std::uint8_t { kCgroupTid, kCgroupId };  // text 0 dst_path, text 1 comm
enum Cpuhp : std::uint8_t { kCpuhpCpu, kCpuhpTarget, kCpuhpIndex, kCpuhpReturn };
enum CpuIdle : std::uint8_t { kIdleState, kIdleCpu };
enum Vmsync : std::uint8_t { kVmsyncCnt, kVmsyncUid };
enum StateProcess : std::uint8_t {
  kStateTid,
  kStatePid,
  kStatePpid,
  kStateStatus,
  kStateCpu,
  kStateType,
  kStateMode,
  kStateSubmode
};  // text 0 name
enum StatePidNs : std::uint8_t { kNsTid, kNsVtid, kNsVpid, kNsVppid, kNsLevel, kNsInum };
enum StateInterrupt : std::uint8_t { kStateIrq };       // text 0 name, text 1 action
enum StateBlockDevice : std::uint8_t { kStateDevice };  // text 0 diskname
}  // namespace arg

struct Event {
  OwnTime own;  ///< begin of the window for kLoss
  EventKind kind = EventKind::kUnknown;
  std::uint16_t type = 0;     ///< index into Trace::event_types(); 0xffff for kLoss
  std::uint16_t present = 0;  ///< bit i: args[i] is there

  std::uint32_t cpu = kNoCpu;
  std::int32_t tid = kNoTid;  ///< thread current before the event, if the source says
  std::array<std::uint64_t, kMaxArgs> args{};  ///< sign-extended where the field is signed
  std::array<std::string_view, kMaxTexts> texts{};
  std::uint64_t record = 0;  ///< reader's own handle, for StreamCursor::fields_json

  [[nodiscard]] bool has(std::size_t slot) const noexcept { return (present >> slot) & 1U; }
  [[nodiscard]] std::uint64_t u(std::size_t slot) const noexcept { return args[slot]; }
  [[nodiscard]] std::int64_t i(std::size_t slot) const noexcept {
    return static_cast<std::int64_t>(args[slot]);
  }
  /// The argument, or `fallback` when the source does not carry it.
  [[nodiscard]] std::int64_t i_or(std::size_t slot, std::int64_t fallback) const noexcept {
    return has(slot) ? i(slot) : fallback;
  }
};

inline constexpr std::uint16_t kLossType = 0xffff;

}  // namespace vs::model
