// Exact TSC relations: from the guest's file, the host's events, the capture's snapshot.
#include <algorithm>

#include "session/join_pair.h"

namespace vs::session {
namespace {

constexpr std::uint32_t kInterpolated = 1;  // trace-cmd: samples of a round-trip protocol (PTP)
constexpr std::string_view kTscClock = "x86-tsc";

bool runs_on(const model::FoundVm& vm, std::int32_t tid) {
  return std::any_of(vm.vcpus.begin(), vm.vcpus.end(), [tid](const model::FoundVcpu& vcpu) {
    return std::any_of(vcpu.threads.begin(), vcpu.threads.end(),
                       [tid](const model::VcpuThread& thread) { return thread.tid == tid; });
  });
}

// trace-cmd's kvm protocol read the offset from debugfs: peer = own + offset, the same for all CPUs
// and times. Scaled relations are left to the other sources: their rounding is not stated.
std::optional<TscTimeline> from_file(const reader::TraceInfo& guest,
                                     const reader::TraceInfo& host) {
  if (!guest.time_shift || guest.time_shift->samples.empty()) return std::nullopt;
  const reader::TimeShift& shift = *guest.time_shift;
  if (guest.clock.name != kTscClock || host.clock.name != kTscClock) return std::nullopt;
  if ((shift.protocol_flags & kInterpolated) != 0) return std::nullopt;
  const bool other_host =
      shift.peer_trace_id != 0 && host.trace_id != 0 && shift.peer_trace_id != host.trace_id;
  if (other_host) return std::nullopt;
  TscTimeline line;
  line.source = "TSC offset (trace.dat, kvm protocol)";
  const std::int64_t offset = shift.samples.front().offset;
  for (const reader::TimeShiftSample& sample : shift.samples) {
    const bool scaled = sample.fraction_bits != 0 || sample.scaling > 1;
    if (sample.offset != offset || scaled || sample.offset == INT64_MIN) return std::nullopt;
  }
  line.steps.push_back({INT64_MIN, -offset});
  line.trusted = shift.peer_trace_id != 0 && shift.peer_trace_id == host.trace_id;
  return line;
}

// kvm_write_tsc_offset of the VM's threads. Every vCPU gets the same value; the first vCPU's writes
// tell when it changed. `previous` of the first one holds before it.
std::optional<TscTimeline> from_writes(const model::TraceEvidence& host, const model::FoundVm& vm) {
  TscTimeline line;
  line.source = "TSC offset (kvm_write_tsc_offset)";
  std::optional<std::int32_t> vcpu;
  for (const model::TscOffsetWrite& write : host.tsc_writes) {
    if (!runs_on(vm, write.tid)) continue;
    if (!vcpu) vcpu = write.vcpu;
    if (write.vcpu != *vcpu) continue;
    if (line.steps.empty()) line.steps.push_back({INT64_MIN, write.previous});
    if (line.steps.back().offset != write.next) line.steps.push_back({write.own.value, write.next});
  }
  if (line.steps.empty()) return std::nullopt;
  return line;
}

std::optional<TscTimeline> from_snapshot(const SnapshotMachine& machine) {
  TscTimeline line;
  line.source = "TSC offset (capture)";
  line.trusted = true;
  std::optional<std::int64_t> offset;
  for (const SnapshotVcpu& vcpu : machine.vcpus) {
    if (!vcpu.tsc_offset_begin || !vcpu.tsc_offset_end) return std::nullopt;
    if (*vcpu.tsc_offset_begin != *vcpu.tsc_offset_end) return std::nullopt;  // when is not known
    if (offset && *offset != *vcpu.tsc_offset_begin) return std::nullopt;
    offset = *vcpu.tsc_offset_begin;
    const bool scaled =
        vcpu.tsc_ratio && vcpu.tsc_frac_bits && *vcpu.tsc_ratio > 0 && *vcpu.tsc_frac_bits < 63;
    if (scaled) {
      line.ratio = *vcpu.tsc_ratio;
      line.fraction_bits = *vcpu.tsc_frac_bits;
    }
  }
  if (!offset) return std::nullopt;
  line.steps.push_back({INT64_MIN, *offset});
  return line;
}

bool describes(const SnapshotMachine& machine, const model::FoundVm& vm, std::size_t guest) {
  if (machine.kind != model::MachineKind::kVm) return false;
  if (machine.trace != kNoTrace) return machine.trace == guest;
  if (machine.vmm_pid >= 0 && vm.vmm_pid >= 0) return machine.vmm_pid == vm.vmm_pid;
  return std::any_of(machine.vcpus.begin(), machine.vcpus.end(),
                     [&](const SnapshotVcpu& vcpu) { return runs_on(vm, vcpu.tid); });
}

}  // namespace

std::int64_t y_of_exact(const TscTimeline& line, const TscStep& step, std::int64_t x) {
  const Int128 host = (static_cast<Int128>(x) - step.offset) << line.fraction_bits;
  return static_cast<std::int64_t>(host / static_cast<Int128>(line.ratio));
}

std::int64_t y_of_exact(const TscTimeline& line, std::int64_t x) {
  std::int64_t y = y_of_exact(line, line.steps.front(), x);
  for (const TscStep& step : line.steps) {
    const std::int64_t candidate = y_of_exact(line, step, x);
    if (candidate >= step.from) y = candidate;
  }
  return y;
}

std::int64_t own_at(const TscTimeline& line, std::int64_t from, std::int64_t offset) {
  const Int128 scaled = (static_cast<Int128>(from) * line.ratio) >> line.fraction_bits;
  return static_cast<std::int64_t>(scaled) + offset;
}

std::vector<TscTimeline> exact_timelines(const JoinInput& input, std::size_t guest,
                                         std::size_t host, std::size_t vm) {
  std::vector<TscTimeline> lines;
  const auto add = [&lines](std::optional<TscTimeline> line) {
    if (line) lines.push_back(std::move(*line));
  };
  const model::FoundVm& found = input.traces[host].vms[vm];
  add(from_writes(*input.traces[host].evidence, found));
  add(from_file(*input.traces[guest].info, *input.traces[host].info));
  for (const SnapshotMachine& machine : input.snapshot) {
    if (describes(machine, found, guest)) add(from_snapshot(machine));
  }
  return lines;
}

}  // namespace vs::session
