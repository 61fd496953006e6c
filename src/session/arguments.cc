#include "session/arguments.h"

#include <algorithm>
#include <span>

namespace vs::session {
namespace {

using model::EventKind;
using reader::ArgumentChoice;
namespace arg = model::arg;

struct Listed {
  EventKind kind;
  unsigned slots;
};

constexpr unsigned a(std::size_t slot) { return ArgumentChoice::arg(slot); }
constexpr unsigned t(std::size_t slot) { return ArgumentChoice::text(slot); }

constexpr unsigned kWake = a(arg::kWakeTid) | a(arg::kWakeTargetCpu) | t(0);

// analysis/kernel and analysis/vcpu.
constexpr Listed kListed[] = {
    {EventKind::kSchedSwitch, a(arg::kPrevTid) | a(arg::kPrevState) | a(arg::kNextTid) |
                                  t(arg::kNextComm) | t(arg::kPrevComm)},
    {EventKind::kSchedWaking, kWake},
    {EventKind::kSchedWakeup, kWake},
    {EventKind::kSchedWakeupNew, kWake},
    {EventKind::kSchedMigrateTask, a(arg::kMigrateTid) | a(arg::kMigrateDestCpu) | t(0)},
    {EventKind::kIrqHandlerEntry, a(arg::kIrqNumber) | t(0)},
    {EventKind::kIrqHandlerExit, a(arg::kIrqNumber)},
    {EventKind::kSoftirqEntry, a(arg::kSoftirqVector)},
    {EventKind::kSoftirqExit, a(arg::kSoftirqVector)},
    {EventKind::kIrqVectorEntry, a(arg::kVectorNumber)},
    {EventKind::kIrqVectorExit, a(arg::kVectorNumber)},
    {EventKind::kTimerExpireEntry, a(arg::kHrtimerAddress)},
    {EventKind::kTimerExpireExit, a(arg::kHrtimerAddress)},
    {EventKind::kHrtimerExpireEntry, a(arg::kHrtimerAddress) | a(arg::kHrtimerNow)},
    {EventKind::kHrtimerExpireExit, a(arg::kHrtimerAddress)},
    {EventKind::kSyscallEntry, a(arg::kSyscallNr)},
    {EventKind::kSyscallExit, a(arg::kSyscallNr)},
};

// session/evidence.cc.
constexpr Listed kEvidenceListed[] = {
    {EventKind::kSchedSwitch, a(arg::kNextTid)},
    {EventKind::kKvmEntry, 0},
    {EventKind::kKvmExit, 0},
    {EventKind::kKvmMsr, a(arg::kMsrWrite) | a(arg::kMsrEcx) | a(arg::kMsrData)},
    {EventKind::kHrtimerExpireEntry, a(arg::kHrtimerNow)},
};

// analysis/vcpu/discovery.cc. Of interrupts it counts how deep they are.
constexpr Listed kDiscoveryListed[] = {
    {EventKind::kSchedSwitch,
     a(arg::kPrevTid) | a(arg::kNextTid) | t(arg::kNextComm) | t(arg::kPrevComm)},
    {EventKind::kSchedWaking, a(arg::kWakeTid) | t(0)},
    {EventKind::kKvmEntry, a(arg::kEntryVcpu)},
    {EventKind::kKvmExit, a(arg::kExitVcpu)},
    {EventKind::kKvmEmulateInsn, 0},
    {EventKind::kKvmVcpuWakeup, 0},
    {EventKind::kKvmPio, 0},
    {EventKind::kKvmApic, 0},
    {EventKind::kKvmFpu, a(arg::kFpuLoad)},
    {EventKind::kKvmApicIpi, 0},
    {EventKind::kIrqHandlerEntry, 0},
    {EventKind::kIrqHandlerExit, 0},
    {EventKind::kIrqVectorEntry, 0},
    {EventKind::kIrqVectorExit, 0},
    {EventKind::kHrtimerExpireEntry, 0},
    {EventKind::kHrtimerExpireExit, 0},
    {EventKind::kSoftirqEntry, 0},
    {EventKind::kSoftirqExit, 0},
};

}  // namespace

ArgumentChoice state_arguments(const model::KindSet& whole) {
  ArgumentChoice choice;
  for (const Listed& listed : kListed) {
    if (!whole.has(listed.kind)) choice.only(listed.kind, listed.slots);
  }
  return choice;
}

ArgumentChoice survey_arguments(const SurveyedKinds& kinds) {
  ArgumentChoice choice = ArgumentChoice::none();
  const auto add = [&choice](const model::KindSet& handled, std::span<const Listed> listed) {
    for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
      const auto kind = static_cast<EventKind>(i);
      if (!handled.has(kind)) continue;
      const auto found = std::ranges::find(listed, kind, &Listed::kind);
      const unsigned slots = found == listed.end() ? ArgumentChoice::kAll : found->slots;
      choice.only(kind, choice.of(kind) | slots);
    }
  };
  add(kinds.evidence, kEvidenceListed);
  add(kinds.discovery, kDiscoveryListed);
  add(kinds.states, kListed);
  return choice;
}

}  // namespace vs::session
