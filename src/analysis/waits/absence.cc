// What a process did while it was on no vCPU, told when it is back, and what it does while it is on
// one: the second half of Waits (algorithms E.5).

#include <algorithm>
#include <utility>

#include "analysis/waits/waits.h"

namespace vs::analysis::waits {
namespace {

using delivery::DeliveryClass;
using model::kNull;
using model::VcpuState;
using model::VprocessState;

VprocessState wait_state(DeliveryClass what) {
  switch (what) {
    case DeliveryClass::kTimer:
      return VprocessState::kTimer;
    case DeliveryClass::kDisk:
      return VprocessState::kDisk;
    case DeliveryClass::kNetwork:
      return VprocessState::kNetwork;
    case DeliveryClass::kTask:
      return VprocessState::kTask;
    case DeliveryClass::kDevice:
      return VprocessState::kDevice;
    case DeliveryClass::kUnknown:
      break;
  }
  return VprocessState::kUnknown;
}

VprocessState running_state(Segment segment) {
  switch (segment) {
    case Segment::kNonroot:
      return VprocessState::kNonroot;
    case Segment::kRoot:
      return VprocessState::kRoot;
    case Segment::kPreemptedHost:
      return VprocessState::kPreemptedHost;
    case Segment::kPreemptedVm:
      return VprocessState::kPreemptedVm;
    case Segment::kIdle:
    case Segment::kUnknown:
      break;
  }
  return VprocessState::kUnknown;
}

/// Of the vCPUs of a process that runs on several, the one with the highest rank is shown.
int rank_of(Segment segment) {
  switch (segment) {
    case Segment::kNonroot:
      return 4;
    case Segment::kRoot:
      return 3;
    case Segment::kPreemptedVm:
      return 2;
    case Segment::kPreemptedHost:
      return 1;
    case Segment::kIdle:
    case Segment::kUnknown:
      break;
  }
  return 0;
}

bool is_preempted(Segment segment) {
  return segment == Segment::kPreemptedHost || segment == Segment::kPreemptedVm;
}

/// Tells pieces of one absence, neighbours that say the same as one.
class Teller {
 public:
  Teller(ProcessBook& book, Process& process) : book_(book), process_(process) {}
  void add(HostTime end, const ProcessRow& row) {
    if (pending_ && row_ != row) book_.tell(process_, end_, row_);
    row_ = row;
    end_ = end;
    pending_ = true;
  }
  void finish() {
    if (pending_) book_.tell(process_, end_, row_);
  }

 private:
  ProcessBook& book_;
  Process& process_;
  ProcessRow row_;
  HostTime end_;
  bool pending_ = false;
};

}  // namespace

// ---- on a vCPU ----

Segment Waits::segment_of(const Vcpu& vcpu) const {
  const auto& cpus = cpus_[vms_[vcpu.vm].host];
  switch (vcpu.state) {
    case VcpuState::kGuest:
      return Segment::kNonroot;
    case VcpuState::kPreempted:
    case VcpuState::kWaking: {
      // A vCPU that polls while it idles loses nothing before something wakes it.
      const bool asleep = vcpu.idle && vcpu.causes.empty() && !vcpu.has_woken;
      if (!asleep && vcpu.waits_for_pcpu) {
        const Occupant occupant = cpus[static_cast<std::size_t>(vcpu.pcpu)].occupant;
        if (occupant == Occupant::kVm) return Segment::kPreemptedVm;
        if (occupant == Occupant::kHost) return Segment::kPreemptedHost;
      }
      if (vcpu.idle) return Segment::kIdle;
      return vcpu.state == VcpuState::kPreempted ? Segment::kPreemptedHost : Segment::kRoot;
    }
    case VcpuState::kOff:
    case VcpuState::kUnknown:
    case VcpuState::kStopped:
      return Segment::kUnknown;
    default:
      return vcpu.idle ? Segment::kIdle : Segment::kRoot;
  }
}

void Waits::refresh(HostTime time, Vcpu& vcpu) {
  vcpu.segment = segment_of(vcpu);
  vcpu.log.push(time, vcpu.segment, vcpu.owner != kNoProcess);
  if (vcpu.owner != kNoProcess) show(time, vcpu);
}

/// The row of the vCPU's process: that of the vCPU on which it gets furthest.
void Waits::show(HostTime time, Vcpu& vcpu) {
  Vm& vm = vms_[vcpu.vm];
  Process& process = vm.book.at(vcpu.owner);
  if (process.primary != vcpu.slot) {
    const Vcpu& shown = vcpus_[vm.first_vcpu + process.primary];
    const bool gone = shown.owner != vcpu.owner;
    if (!gone && rank_of(vcpu.segment) <= rank_of(shown.segment)) return;
    process.primary = vcpu.slot;
  } else if (process.running > 1 && vcpu.segment != Segment::kNonroot) {
    for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) {
      const Vcpu& other = vcpus_[vm.first_vcpu + i];
      const Vcpu& best = vcpus_[vm.first_vcpu + process.primary];
      if (other.owner == vcpu.owner && rank_of(other.segment) > rank_of(best.segment)) {
        process.primary = i;
      }
    }
  }
  const Vcpu& best = vcpus_[vm.first_vcpu + process.primary];
  vm.book.change(process, time, {running_state(best.segment), best.id, kNull, kNull});
}

// ---- on none ----

/// An interrupt took the vCPU from it in the middle of its user code and the vCPU has not idled
/// since: it has been runnable all the time.
bool Waits::was_preempted(const Process& process, const Vm& vm) const {
  const Vcpu& left = vcpus_[vm.first_vcpu + process.off_vcpu];
  return process.involuntary && !left.log.idled_since(process.off_since);
}

/// A cluster of code may be many processes, and a vCPU is: their habits do not decide.
bool Waits::has_habits(const Vm& vm) { return vm.identifier.identity() == Identity::kCr3; }

/// A vCPU whose idle loop is awake is woken by another without an IPI. Of the device interrupts
/// that another vCPU of the VM had in hand since this one woke, the newest, unless the process
/// comes back for timers as often as for such ones. What is maybe several processes has no habits;
/// then, as everywhere, rather a device than a timer.
const Cause* Waits::cause_of_sibling(const Vcpu& vcpu, const Process& process) const {
  const Vm& vm = vms_[vcpu.vm];
  const HostTime awake = !vcpu.causes.empty() ? vcpu.causes.oldest()
                         : vcpu.has_woken     ? vcpu.woken
                                              : vcpu.entered;
  const Cause* best = nullptr;
  for (std::uint32_t i = 0; i < vm.vcpu_count; ++i) {
    const Vcpu& other = vcpus_[vm.first_vcpu + i];
    if (&other == &vcpu) continue;
    const Cause& cause = other.last_device;
    if (!is_device(cause.what) || other.device_done < awake) continue;
    if (cause.time < process.asleep_after) continue;
    if (best == nullptr || best->time < cause.time) best = &cause;
  }
  if (best == nullptr || !has_habits(vm)) return best;
  const bool likely = process.habits.of(best->what) > process.habits.of(DeliveryClass::kTimer);
  return likely ? best : nullptr;
}

/// What ended the wait of a process that is back on the vCPU at `end`.
Cause Waits::pick_cause(HostTime end, Vcpu& vcpu, Process& process) {
  vcpu.causes.drop_before(process.asleep_after);
  Cause cause;
  cause.time = end;
  if (vcpu.from_idle && vcpu.causes.only_timers()) {
    if (const Cause* const other = cause_of_sibling(vcpu, process)) {
      cause = *other;
      cause.time = std::clamp(cause.time, process.off_since, std::max(end, process.off_since));
      return cause;
    }
  }
  const Vm& vm = vms_[vcpu.vm];
  const CauseChoice choice{vm.injections, vcpu.from_idle ? kHostTimeMin : vcpu.seen, vcpu.exited};
  if (const auto taken = vcpu.causes.take(has_habits(vm) ? process.habits : Habits{}, choice)) {
    cause = taken->cause;
    // While others run, a timer's interrupt is as likely the tick that ended their turn.
    const bool tick = cause.what == DeliveryClass::kTimer && !vcpu.from_idle;
    if (taken->no_doubt && !tick) process.habits.add(cause.what);
  } else if (!vcpu.from_idle && vcpu.before != kNull && vcpu.before != process.name) {
    cause.what = DeliveryClass::kTask;
    cause.waker = vcpu.before;
  }
  if (vcpu.from_idle && vcpu.has_woken) cause.time = std::min(cause.time, vcpu.woken);
  if (cause.waker == process.name) cause.waker = kNull;
  cause.time = std::clamp(cause.time, process.off_since, std::max(end, process.off_since));
  return cause;
}

void Waits::explain_absence(HostTime end, Vcpu& vcpu, Process& process) {
  Vm& vm = vms_[vcpu.vm];
  const Vcpu& left = vcpus_[vm.first_vcpu + process.off_vcpu];
  Teller teller(vm.book, process);
  ProcessRow row{VprocessState::kPreemptedGuest, left.id, kNull, kNull};
  if (was_preempted(process, vm)) {
    left.log.pieces(process.off_since, end, {}, [&](HostTime, HostTime to, const auto& entry) {
      ProcessRow piece = row;
      if (is_preempted(entry.segment)) piece.state = running_state(entry.segment);
      teller.add(to, piece);
    });
    teller.finish();
    return;
  }
  const Cause cause = pick_cause(end, vcpu, process);
  row = {wait_state(cause.what), left.id, cause.waker, cause.device};
  if (process.off_since < cause.time) teller.add(cause.time, row);
  vcpu.log.pieces(cause.time, end, {}, [&](HostTime, HostTime to, const auto& entry) {
    ProcessRow piece{VprocessState::kPreemptedGuest, vcpu.id, kNull, kNull};
    if (is_preempted(entry.segment)) {
      piece.state = running_state(entry.segment);
    } else if (!entry.process) {
      piece = row;
    }
    teller.add(to, piece);
  });
  teller.finish();
}

}  // namespace vs::analysis::waits
