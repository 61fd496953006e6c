#pragma once
// join_clocks: which trace is a host, which is the trace of which VM, and how each trace's own time
// maps to the host timeline (design.md 4 clock_sync and 5; algorithms B.2, C).
//
// Order of trust: exact TSC offset (trace.dat's kvm section, kvm_write_tsc_offset, the capture's
// snapshot), always checked against envelopes; else one polygon from beacons, deadline readings,
// vmsync, packets and envelopes; else declared epochs, said to be approximate; else nothing. A
// trace that fits no VM is reported and left unjoined, never bound by guess.
//
// Ownership: inputs must outlive the call; the result is self-contained. Threads: a pure function.
// Units: host timeline in ns. Errors: kBadUse when an option names a trace that is not there.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/clock_map.h"
#include "model/evidence.h"
#include "model/experiment.h"
#include "model/issue.h"
#include "reader/trace.h"

namespace vs::session {

inline constexpr std::size_t kNoTrace = static_cast<std::size_t>(-1);

enum class SyncMode : std::uint8_t { kAuto, kNone, kTsc, kBeacon, kEnvelope, kPackets };
/// "auto", "none", ...; nothing for another word.
[[nodiscard]] std::optional<SyncMode> parse_sync_mode(std::string_view word);

struct NamedGuest {
  std::string name;
  std::size_t trace = kNoTrace;
};

struct JoinOptions {
  SyncMode mode = SyncMode::kAuto;
  std::optional<double> tsc_hz;
  std::optional<std::size_t> host_trace;  ///< --host
  std::vector<NamedGuest> guests;         ///< --guest NAME=PATH
  unsigned jobs = 1;                      ///< threads at most; the result does not depend on it
};

/// capture.json's machines, as far as they matter here. Unknown numbers are absent.
struct SnapshotVcpu {
  std::int32_t id = -1;
  std::int32_t tid = -1;
  std::optional<std::int64_t> tsc_offset_begin;
  std::optional<std::int64_t> tsc_offset_end;
  std::optional<std::uint64_t> tsc_ratio;
  std::optional<std::uint32_t> tsc_frac_bits;
};
struct SnapshotMachine {
  std::string name;
  model::MachineKind kind = model::MachineKind::kHost;
  std::string parent;
  std::size_t trace = kNoTrace;  ///< resolved by the caller
  std::optional<double> tsc_hz;
  std::int32_t vmm_pid = -1;
  std::string uuid;
  std::vector<SnapshotVcpu> vcpus;
};

struct JoinTrace {
  const reader::TraceInfo* info = nullptr;
  const model::TraceEvidence* evidence = nullptr;
  std::vector<model::FoundVm> vms;  ///< found in this trace
};

struct JoinInput {
  std::vector<JoinTrace> traces;
  JoinOptions options;
  std::vector<SnapshotMachine> snapshot;
};

struct CpuBinding {
  std::uint32_t guest_cpu = 0;
  std::int32_t vcpu = model::kNoVcpu;
};

/// A guest trace bound to a VM.
struct Binding {
  std::size_t host = kNoTrace;
  std::size_t vm = 0;  ///< index into the host's vms
  double score = 0;    ///< share of its covered events inside runs
  double margin = 0;   ///< score minus that of the next best VM (0 when that one fits no clock)
  std::string how;     ///< "named", "trace id", "beacons", "offset", "envelopes", ...
  std::vector<CpuBinding> cpus;
};

/// Per segment of the clock map.
struct SegmentShare {
  std::uint64_t covered = 0;
  double outside_before = 0;
  double outside_after = 0;
};

struct TraceJoin {
  std::optional<Binding> binding;
  model::ClockMap clock;
  bool joined = true;
  std::string source;  ///< where the map comes from, in words: "TSC offset (trace.dat)"
  std::vector<SegmentShare> shares;
  std::int64_t worst_outside_ns = 0;
};

struct JoinResult {
  std::vector<TraceJoin> traces;  ///< parallel to the input
  std::size_t reference = 0;
  bool epoch = false;  ///< the timeline counts from 1970
  bool ticks = false;  ///< no rate known: the timeline counts ticks
  std::optional<double> ticks_per_second;
};

[[nodiscard]] Result<JoinResult> join_clocks(const JoinInput& input, model::IssueLog& issues);

}  // namespace vs::session
