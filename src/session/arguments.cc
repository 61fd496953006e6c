#include "session/arguments.h"

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

}  // namespace

ArgumentChoice state_arguments(const model::KindSet& whole) {
  ArgumentChoice choice;
  for (const Listed& listed : kListed) {
    if (!whole.has(listed.kind)) choice.only(listed.kind, listed.slots);
  }
  return choice;
}

ArgumentChoice survey_arguments(const model::KindSet& handled) {
  ArgumentChoice choice = ArgumentChoice::none();
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    const auto kind = static_cast<EventKind>(i);
    if (handled.has(kind)) choice.only(kind, ArgumentChoice::kAll);
  }
  for (const Listed& listed : kListed) {
    if (handled.has(listed.kind)) choice.only(listed.kind, listed.slots);
  }
  return choice;
}

}  // namespace vs::session
