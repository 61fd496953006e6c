#pragma once
// EvidenceGatherer: takes the evidence of clock synchronisation out of a trace's events.
//
// Feed it the streams one after the other, each in its own order; no order between streams is
// needed. A vCPU thread migrates between CPUs, so runs are collected per thread and sorted at the
// end.
//
// Memory is bounded whatever the trace's size: when there are too many runs or bursts, the shortest
// gaps are closed (both stay sound, see model/evidence.h); beacons and packets are thinned by a
// hash of their own key, so that the same ones survive on both sides; clock readings are thinned
// evenly.
//
// Ownership: the gatherer owns what it collects. Threads: one gatherer, one thread. Units: own
// times.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/event.h"
#include "model/event_kind.h"
#include "model/evidence.h"

namespace vs::session {

/// What is collected: a host's runs, a guest's event times, or both, with all that joins clocks;
/// and what tells the length of the trace's own tick.
struct EvidenceRoles {
  bool host = true;
  bool guest = true;
  bool rate = true;
};

struct EvidenceLimits {
  std::size_t runs = 1'000'000;  ///< 16 bytes each
  std::size_t bursts = 200'000;  ///< 16 bytes each
  std::size_t losses = 200'000;  ///< 16 bytes each
  std::size_t beacons = 100'000;
  std::size_t packets = 500'000;
  std::size_t readings = 20'000;
};

class EvidenceGatherer {
 public:
  explicit EvidenceGatherer(EvidenceRoles roles, EvidenceLimits limits = {});

  /// What to decode: every kind for a guest (each event's time counts), few for a host, two for the
  /// rate. Switches are not among these: readers know the thread of an event where switches tell
  /// it.
  [[nodiscard]] static model::KindSet kinds(EvidenceRoles roles);

  /// From now on the times of a guest's events come from on_times() alone, and on_events() gets but
  /// the events of kinds({true, false}).
  void take_times_apart() { times_apart_ = true; }
  /// Own times of all events of one stream, in its order; the least and the greatest of them.
  void on_times(std::uint32_t cpu, std::span<const std::int64_t> times, OwnTime least,
                OwnTime greatest);

  /// The next events are another stream's: nobody is known to run anywhere.
  void begin_stream();
  /// Events of one stream, in its order. `cpu`: for events that carry none.
  void on_events(std::span<const model::Event> events, std::uint32_t cpu);

  /// These events were not all shown to on_events(), which is right when their times are no
  /// evidence: first and last time, and how many they are.
  void note_extent(OwnTime first, OwnTime last, std::uint64_t events);

  /// Sorts and hands over. The gatherer is empty afterwards.
  [[nodiscard]] model::TraceEvidence finish();

 private:
  /// What is known about one host CPU in its stream.
  struct HostCpu {
    std::int32_t current = model::kNoTid;    ///< by sched_switch, for traces without tid context
    std::int32_t guest_tid = model::kNoTid;  ///< the thread between entry and exit
    OwnTime entry;
    bool after_loss = false;  ///< nothing seen of this CPU since the loss
    OwnTime loss_begin;
    bool any = false;  ///< an entry or exit was seen
    // deadline timer of the vCPU thread that was here last
    std::int32_t timer_tid = model::kNoTid;
    bool has_deadline = false;
    std::uint64_t deadline = 0;
    OwnTime exit_last = kOwnTimeMin;
    OwnTime exit_before = kOwnTimeMin;
  };
  using Handler = void (EvidenceGatherer::*)(const model::Event&, HostCpu&, std::int32_t tid);
  struct HandlerTable;

  void on_loss(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_switch(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_entry(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_exit(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_hypercall(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_msr(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_lapic_expire(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_tsc_offset(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_pvclock(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_hrtimer(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_mark(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_vmsync(const model::Event& event, HostCpu& cpu, std::int32_t tid);
  void on_packet(const model::Event& event, HostCpu& cpu, std::int32_t tid);

  /// Of an event whose time comes from nowhere else.
  void note_time(const model::Event& event, std::uint32_t cpu);
  void choose_bursts();
  void add_guest_times(std::span<const std::int64_t> times);
  void add_run(std::int32_t tid, OwnTime entry, OwnTime exit);
  HostCpu& cpu_of(std::uint32_t cpu);
  void close_open_runs();
  void coarsen_runs();
  void coarsen_losses();
  [[nodiscard]] std::int64_t gap_for(std::size_t count) const;
  void coarsen_bursts();
  void thin_beacons();
  void thin_packets();
  void resolve_beacons();

  EvidenceRoles roles_;
  EvidenceLimits limits_;
  const HandlerTable* handlers_;
  model::TraceEvidence evidence_;
  std::unordered_map<std::int32_t, std::vector<model::GuestRun>> runs_;
  std::unordered_map<std::uint32_t, HostCpu> cpus_;
  std::vector<model::CpuBursts> bursts_;
  bool times_apart_ = false;
  std::size_t bursts_at_ = 0;             ///< of bursts_: the CPU of the last event
  std::int32_t run_tid_ = model::kNoTid;  ///< the thread of the last run, and its list
  std::vector<model::GuestRun>* run_list_ = nullptr;
  std::size_t run_count_ = 0;
  std::size_t burst_count_ = 0;
  std::uint64_t beacon_mask_ = 0;
  std::uint32_t packet_mask_ = 0;
  std::uint64_t reading_stride_ = 1;
  std::uint64_t readings_seen_ = 0;
  std::uint32_t event_cpu_ = 0;
};

/// "vssync seq=1 tsc=2 mono=3", "vs a 1 2 3", "vs d 1 2 3 4 5": the mark's numbers, or nothing.
[[nodiscard]] bool parse_beacon_mark(std::string_view text, model::BeaconMark& mark);

/// True for a hypercall number that beacon agents use: 0x5653 or 0x5653'0000 + cpu.
[[nodiscard]] constexpr bool is_beacon_number(std::uint64_t nr) {
  return nr == 0x5653 || (nr >> 16) == 0x5653;
}

}  // namespace vs::session
