#pragma once
// Evidence of clock synchronisation and of which guest is which VM (algorithms B.2, C.3): what the
// gatherers (session/evidence.h) take out of a trace and the join (session/join.h) reasons over.
//
// Plain data in the traces' own times; no ownership, no behaviour. One TraceEvidence per trace: the
// same trace can be a host and (nested) a guest, so both sides are kept.
//
// Every list may be a subset of what the trace held: a smaller set of facts gives a wider bound,
// never a wrong one. Runs and bursts are *coarsened* rather than dropped when they become too many:
// short gaps are closed, which keeps "the guest runs only inside a run" true over the whole trace.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace vs::model {

/// A span in which a vCPU's thread may have executed guest code: from its kvm_entry record to its
/// kvm_exit record. An entry or exit that the trace does not hold leaves the end open
/// (kOwnTimeMin/Max of the trace's extent).
struct GuestRun {
  OwnTime entry;
  OwnTime exit;
};

/// All runs of one host thread, by entry, not overlapping.
struct ThreadRuns {
  std::int32_t tid = -1;
  std::vector<GuestRun> runs;
};

/// Events of one guest CPU in a row, no two neighbours further apart than the gatherer's current
/// gap (0 = every burst is a single time stamp).
struct Burst {
  std::int64_t first = 0;    ///< own time
  std::uint32_t length = 0;  ///< last = first + length
  std::uint32_t count = 1;   ///< events in it
};

/// All bursts of one CPU, by first.
struct CpuBursts {
  std::uint32_t cpu = 0;
  std::vector<Burst> bursts;
};

/// kvm_hypercall of a vCPU's thread with a beacon's number, and the next kvm_entry of that thread.
struct HostBeacon {
  std::int32_t tid = -1;
  OwnTime call;
  OwnTime next_entry = kOwnTimeMax;  ///< kOwnTimeMax: not seen
  std::uint64_t nr = 0;
  std::array<std::uint64_t, 4> args{};
};

/// A text mark of a guest's beacon agent: "vssync seq=N tsc=N mono=N", "vs a CNT UID CPU",
/// "vs d CNT UID CPU T0 T1".
struct BeaconMark {
  OwnTime own;
  std::uint32_t cpu = 0;
  std::int32_t tid = -1;               ///< the agent's thread, -1 when the source does not tell
  bool after = false;                  ///< written after the hypercall ("vs d"), else before it
  std::uint64_t nr = 0;                ///< the hypercall number it goes with
  std::array<std::uint64_t, 3> key{};  ///< equals the hypercall's a0.. as far as `key_size` says
  std::uint8_t key_size = 0;
};

/// Gebai's vmsync events, on either side: a (gh_guest), b (gh_host), c (hg_host), d (hg_guest).
struct VmsyncPoint {
  char role = 'a';
  OwnTime own;
  std::uint32_t cpu = 0;
  std::int32_t tid = -1;
  std::uint64_t count = 0;
  std::uint64_t uid = 0;
};

/// kvm_write_tsc_offset.
struct TscOffsetWrite {
  OwnTime own;
  std::int32_t tid = -1;
  std::int32_t vcpu = -1;
  std::int64_t previous = 0;
  std::int64_t next = 0;
};

/// The guest's TSC as KVM read it for an expired deadline timer: the read lies in [lower, upper]
/// (kvm_wait_lapic_expire after a write of MSR 0x6e0, algorithms C.2 source 3).
struct DeadlineReading {
  std::int32_t tid = -1;
  OwnTime lower;
  OwnTime upper;
  std::int64_t guest_tsc = 0;
};

/// A nanosecond clock read a moment before a record was stamped (hrtimer_expire_entry.now):
/// reading <= clock at `own`.
struct NanosecondReading {
  OwnTime own;
  std::int64_t ns = 0;
};

/// kvm_pvclock_update: the rate the host's kernel gives its guests for the TSC.
struct PvclockRate {
  std::uint32_t multiplier = 0;
  std::int32_t shift = 0;
};

/// A TCP segment as one machine's stack saw it.
struct PacketSighting {
  OwnTime own;
  bool sent = false;  ///< handed down (net_dev_queue, inet_sock_local_out), else received
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint32_t flags = 0;
  std::uint32_t ports = 0;  ///< source << 16 | destination, 0 when the source does not tell
};

struct TraceEvidence {
  OwnTime first = kOwnTimeMax;  ///< extent over all events given to the gatherer
  OwnTime last = kOwnTimeMin;
  std::uint64_t events = 0;

  // as a host
  std::vector<ThreadRuns> threads;         ///< by tid
  std::int64_t run_gap = 0;                ///< gaps shorter than this were closed
  std::vector<GuestRun> losses;            ///< spans in which records of any thread may be missing
  std::vector<HostBeacon> host_beacons;    ///< by call
  std::vector<TscOffsetWrite> tsc_writes;  ///< by own
  std::vector<DeadlineReading> deadlines;  ///< by upper
  std::vector<NanosecondReading> readings;
  std::vector<PvclockRate> pvclock;  ///< distinct rates in the order of appearance

  // as a guest
  std::vector<CpuBursts> cpus;    ///< by cpu
  std::int64_t burst_gap = 0;     ///< neighbours closer than this were put into one burst
  std::vector<BeaconMark> marks;  ///< by own

  // either
  std::vector<VmsyncPoint> vmsync;      ///< by own
  std::vector<PacketSighting> packets;  ///< by own
};

}  // namespace vs::model
