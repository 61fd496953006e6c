#include "analysis/exits/exits.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace vs::analysis::exits {
namespace {

using model::Event;
using model::EventKind;
using model::ExitClass;
using model::kNull;
using model::VcpuState;
using vcpu::ExitCode;
using vcpu::Isa;
namespace arg = model::arg;

constexpr std::size_t kNoPart = kPartCount;

std::size_t part_of(VcpuState state) {
  switch (state) {
    case VcpuState::kHypervisor:
    case VcpuState::kEmulated:
      return static_cast<std::size_t>(Part::kHandling);
    case VcpuState::kUserspace:
      return static_cast<std::size_t>(Part::kUserspace);
    case VcpuState::kHalted:
      return static_cast<std::size_t>(Part::kHalted);
    case VcpuState::kPolling:
      return static_cast<std::size_t>(Part::kPolling);
    case VcpuState::kPreempted:
    case VcpuState::kWaking:
      return static_cast<std::size_t>(Part::kSteal);
    default:
      return kNoPart;
  }
}

// VMX and SVM numbers of the exits whose fields or events tell more.
constexpr std::uint64_t kVmxException = 0;
constexpr std::uint64_t kVmxExternalInterrupt = 1;
constexpr std::uint64_t kVmxIo = 30;
constexpr std::uint64_t kVmxApicWrite = 56;
constexpr std::uint64_t kSvmIo = 0x7b;
constexpr std::uint64_t kSvmNpf = 0x400;

constexpr std::uint64_t kApicIcr = 0x300;  // register offset of the interrupt command
constexpr std::uint64_t kMsrTscDeadline = 0x6e0;
constexpr std::uint64_t kMsrX2apicIcr = 0x830;
constexpr std::uint64_t kMsrX2apicLvtTimer = 0x832;
constexpr std::uint64_t kMsrX2apicTimerCount = 0x838;
constexpr std::uint64_t kHypercallSendIpi = 10;  // KVM_HC_SEND_IPI

constexpr std::uint64_t kIntrValid = 0x80000000U;
constexpr std::uint64_t kIntrTypeMask = 0x700;
constexpr std::uint64_t kIntrTypeNmi = 0x200;

// Guest-physical addresses have at most 52 bits. LTTng's kvm_x86_page_fault carries a pointer of
// the kernel in the address field where its probe does not fit the kernel.
constexpr std::uint64_t kMaxGpa = std::uint64_t{1} << 52;

struct Fields {
  const Event& event;
  [[nodiscard]] std::uint64_t intr_info() const { return event.u(arg::kExitIntrInfo); }
  [[nodiscard]] std::uint64_t info1() const { return event.u(arg::kExitInfo1); }
  [[nodiscard]] bool has_info1() const { return event.has(arg::kExitInfo1); }
};

ExitClass class_by_fields(const ExitCode& code, const Fields& fields) {
  if (code.isa == Isa::kVmx && code.reason == kVmxException) {
    const std::uint64_t info = fields.intr_info();
    if ((info & kIntrValid) != 0 && (info & kIntrTypeMask) == kIntrTypeNmi) {
      return ExitClass::kHostIrq;
    }
  }
  if (code.isa == Isa::kVmx && code.reason == kVmxApicWrite && fields.has_info1() &&
      (fields.info1() & 0xfff) == kApicIcr) {
    return ExitClass::kIpiSend;
  }
  return vcpu::exit_class(code);
}

/// The sub-key that the kvm_exit record itself tells.
std::optional<std::uint64_t> detail_by_fields(const ExitCode& code, const Fields& fields) {
  if (code.isa == Isa::kVmx) {
    if (code.reason == kVmxExternalInterrupt && (fields.intr_info() & kIntrValid) != 0) {
      return fields.intr_info() & 0xff;
    }
    if (code.reason == kVmxIo && fields.has_info1()) return (fields.info1() >> 16) & 0xffff;
    if (code.reason == kVmxApicWrite && fields.has_info1()) return fields.info1() & 0xfff;
  }
  if (code.isa == Isa::kSvm) {
    if (code.reason == kSvmIo && fields.has_info1()) return (fields.info1() >> 16) & 0xffff;
    if (code.reason == kSvmNpf && fields.event.has(arg::kExitInfo2) &&
        fields.event.u(arg::kExitInfo2) < kMaxGpa) {
      return fields.event.u(arg::kExitInfo2);
    }
  }
  return std::nullopt;
}

}  // namespace

Exits::Exits(const model::Experiment& experiment, model::IntervalSink& sink, ExitObserver* observer)
    : sink_(sink), observer_(observer), machines_(experiment.machines.size()), reasons_(sink) {
  for (std::size_t m = 0; m < experiment.machines.size(); ++m) {
    const model::Machine& machine = experiment.machines[m];
    names_.push_back(machine.vcpus.empty() ? kNull : sink_.intern(machine.name));
    for (const model::Vcpu& vcpu : machine.vcpus) {
      machines_[m].emplace_back().id = vcpu.id;
    }
  }
}

const Exits::RefinerTable& Exits::refiners() {
  static const RefinerTable table = [] {
    RefinerTable made{};
    const auto set = [&made](EventKind kind, Refiner refiner) {
      made[static_cast<std::size_t>(kind)] = refiner;
    };
    set(EventKind::kKvmMsr, [](Occurrence& now, const Event& event) {
      const std::uint64_t msr = event.u(arg::kMsrEcx);
      now.detail = msr;
      now.has_detail = event.has(arg::kMsrEcx);
      if (!now.has_detail || event.u(arg::kMsrWrite) == 0) return;
      if (msr == kMsrX2apicIcr) now.exit_class = ExitClass::kIpiSend;
      if (msr == kMsrTscDeadline || msr == kMsrX2apicLvtTimer || msr == kMsrX2apicTimerCount) {
        now.exit_class = ExitClass::kTimer;
      }
    });
    set(EventKind::kKvmPio, [](Occurrence& now, const Event& event) {
      if (!event.has(arg::kPioPort) || now.has_detail) return;
      now.detail = event.u(arg::kPioPort);
      now.has_detail = true;
    });
    set(EventKind::kKvmMmio, [](Occurrence& now, const Event& event) {
      if (now.exit_class == ExitClass::kMemory) now.exit_class = ExitClass::kIo;
      if (now.exit_class != ExitClass::kIo || !event.has(arg::kMmioGpa)) return;
      now.detail = event.u(arg::kMmioGpa);
      now.has_detail = true;
    });
    set(EventKind::kKvmHypercall, [](Occurrence& now, const Event& event) {
      if (!event.has(arg::kHypercallNr)) return;
      now.detail = event.u(arg::kHypercallNr);
      now.has_detail = true;
      if (now.detail == kHypercallSendIpi) now.exit_class = ExitClass::kIpiSend;
    });
    set(EventKind::kKvmCpuid, [](Occurrence& now, const Event& event) {
      if (!event.has(arg::kCpuidFunction)) return;
      now.detail = event.u(arg::kCpuidFunction);
      now.has_detail = true;
    });
    set(EventKind::kKvmPageFault, [](Occurrence& now, const Event& event) {
      const std::uint64_t address = event.u(arg::kFaultAddress);
      if (!event.has(arg::kFaultAddress) || now.has_detail || address >= kMaxGpa) return;
      now.detail = address;
      now.has_detail = true;
    });
    return made;
  }();
  return table;
}

model::KindSet Exits::kinds() {
  model::KindSet set = model::KindSet::of({EventKind::kKvmEntry, EventKind::kKvmExit});
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    if (refiners()[i] != nullptr) set.add(static_cast<EventKind>(i));
  }
  return set;
}

void Exits::on_vcpu_interval(const vcpu::VcpuInterval& interval) {
  Occurrence& now = machines_[interval.vcpu.machine][interval.vcpu.slot].now;
  const std::size_t part = part_of(interval.state);
  if (!now.open || part == kNoPart) return;
  const HostTime begin = std::max(interval.begin, now.begin);
  if (begin < interval.end) now.parts_ns[part] += interval.end - begin;
}

void Exits::on_vcpu_event(HostTime time, const vcpu::VcpuRef& ref, const Event& event) {
  Vcpu& vcpu = machines_[ref.machine][ref.slot];
  if (event.kind == EventKind::kKvmExit) {
    if (vcpu.now.open) close(time, ref, vcpu, false);
    open(time, vcpu, event);
  } else if (event.kind == EventKind::kKvmEntry) {
    if (vcpu.now.open) close(time, ref, vcpu, true);
  } else if (vcpu.now.open) {
    const Refiner refine = refiners()[static_cast<std::size_t>(event.kind)];
    if (refine != nullptr) refine(vcpu.now, event);
  }
}

void Exits::on_vcpu_break(HostTime time, const vcpu::VcpuRef& ref, vcpu::VcpuBreak) {
  Vcpu& vcpu = machines_[ref.machine][ref.slot];
  if (vcpu.now.open) close(time, ref, vcpu, false);
}

void Exits::open(HostTime time, Vcpu& vcpu, const Event& event) {
  const Fields fields{event};
  Occurrence& now = vcpu.now;
  now = Occurrence{};
  now.open = true;
  now.begin = time;
  now.code = vcpu::exit_code_of(event);
  now.exit_class = class_by_fields(now.code, fields);
  if (const auto detail = detail_by_fields(now.code, fields)) {
    now.detail = *detail;
    now.has_detail = true;
  }
}

void Exits::close(HostTime time, const vcpu::VcpuRef& ref, Vcpu& vcpu, bool complete) {
  Occurrence& now = vcpu.now;
  now.open = false;
  if (!vcpu.has_entity) {
    const std::int64_t key[] = {names_[ref.machine], vcpu.id};
    vcpu.entity = sink_.entity(model::TableId::kVmExit, key);
    vcpu.has_entity = true;
  }
  ExitRow row;
  row.begin = now.begin;
  row.end = time;
  row.vcpu = ref;
  row.reason = reasons_.of(now.code);
  row.exit_class = now.exit_class;
  row.detail = now.has_detail ? detail_id(now.detail) : kNull;
  row.parts_ns = now.parts_ns;
  row.complete = complete;
  std::array<std::int64_t, 3 + kPartCount> values{};
  values[model::slot::kVeReason] = row.reason;
  values[model::slot::kVeClass] = static_cast<std::int64_t>(row.exit_class);
  values[model::slot::kVeDetail] = row.detail;
  std::ranges::copy(row.parts_ns, values.begin() + model::slot::kVeHandlingNs);
  sink_.add(vcpu.entity, row.begin, row.end, values);
  if (observer_ != nullptr) observer_->on_exit_row(row);
}

model::StringId Exits::detail_id(std::uint64_t value) {
  const auto at = details_.find(value);
  if (at != details_.end()) return at->second;
  if (details_.size() >= kMaxDetails) return kNull;
  std::array<char, 2 + 16> text{'0', 'x'};
  const auto end = std::to_chars(&text[2], text.end(), value, 16).ptr;
  const model::StringId id = sink_.intern(std::string_view(text.begin(), end));
  details_.emplace(value, id);
  return id;
}

}  // namespace vs::analysis::exits
