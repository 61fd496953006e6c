#include "session/evidence.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "session/evidence_sort.h"

namespace vs::session {

using model::Event;
using model::EventKind;
using model::GuestRun;
namespace arg = model::arg;

namespace {

constexpr std::uint64_t kMsrTscDeadline = 0x6e0;
constexpr std::size_t kPvclockRates = 16;
/// No exit and entry take less (ns; ticks are shorter still): what lies between the first and the
/// last time of such a burst says nothing that these two do not say.
constexpr std::int64_t kLeastBurstGap = 256;

// "seq=12" -> 12
std::optional<std::uint64_t> value_of(std::string_view word, std::string_view key) {
  if (!word.starts_with(key)) return std::nullopt;
  return parse_int<std::uint64_t>(word.substr(key.size()));
}

bool parse_vssync(const std::vector<std::string_view>& words, model::BeaconMark& mark) {
  constexpr std::string_view kKeys[] = {"seq=", "tsc=", "mono="};
  mark.nr = 0x5653;
  mark.after = false;
  mark.key_size = 0;
  for (std::size_t i = 0; i < std::size(kKeys) && i + 1 < words.size(); ++i) {
    const auto value = value_of(words[i + 1], kKeys[i]);
    if (!value) break;
    mark.key[mark.key_size++] = *value;
  }
  return mark.key_size > 0;
}

// "vs a CNT UID CPU": hypercall (0x56530000 + CPU, CNT, UID low, UID high, T0).
bool parse_vs(const std::vector<std::string_view>& words, model::BeaconMark& mark) {
  if (words.size() < 5 || (words[1] != "a" && words[1] != "d")) return false;
  const auto count = parse_int<std::uint64_t>(words[2]);
  const auto uid = parse_int<std::uint64_t>(words[3]);
  const auto cpu = parse_int<std::uint64_t>(words[4]);
  if (!count || !uid || !cpu || *cpu > 0xffff) return false;
  mark.after = words[1] == "d";
  mark.nr = 0x56530000 + *cpu;
  mark.key = {*count, *uid & 0xffffffffU, *uid >> 32};
  mark.key_size = 3;
  return true;
}

}  // namespace

bool parse_beacon_mark(std::string_view text, model::BeaconMark& mark) {
  if (!text.starts_with("vs")) return false;
  const std::vector<std::string_view> words = split_words(trim(text));
  if (words.empty()) return false;
  if (words[0] == "vssync") return parse_vssync(words, mark);
  if (words[0] == "vs") return parse_vs(words, mark);
  return false;
}

/// One handler per kind; kinds without one only count as guest times.
struct EvidenceGatherer::HandlerTable {
  std::array<Handler, model::kEventKindCount> of{};
  HandlerTable(bool joins, bool rate) {
    using G = EvidenceGatherer;
    if (rate) {
      set(EventKind::kKvmPvclockUpdate, &G::on_pvclock);
      set(EventKind::kHrtimerExpireEntry, &G::on_hrtimer);
    }
    if (!joins) return;
    set(EventKind::kLoss, &G::on_loss);
    set(EventKind::kSchedSwitch, &G::on_switch);
    set(EventKind::kKvmEntry, &G::on_entry);
    set(EventKind::kKvmExit, &G::on_exit);
    set(EventKind::kKvmHypercall, &G::on_hypercall);
    set(EventKind::kKvmMsr, &G::on_msr);
    set(EventKind::kKvmWaitLapicExpire, &G::on_lapic_expire);
    set(EventKind::kKvmWriteTscOffset, &G::on_tsc_offset);
    set(EventKind::kMark, &G::on_mark);
    for (const EventKind kind : {EventKind::kVmsyncGhGuest, EventKind::kVmsyncGhHost,
                                 EventKind::kVmsyncHgHost, EventKind::kVmsyncHgGuest}) {
      set(kind, &G::on_vmsync);
    }
    for (const EventKind kind : {EventKind::kNetDevQueue, EventKind::kInetSockLocalOut,
                                 EventKind::kNetifReceiveSkb, EventKind::kInetSockLocalIn}) {
      set(kind, &G::on_packet);
    }
  }
  void set(EventKind kind, Handler handler) { of[static_cast<std::size_t>(kind)] = handler; }
  static const HandlerTable& of_roles(EvidenceRoles roles) {
    static const HandlerTable kTables[2][2] = {
        {HandlerTable(false, false), HandlerTable(false, true)},
        {HandlerTable(true, false), HandlerTable(true, true)}};
    return kTables[roles.host || roles.guest ? 1 : 0][roles.rate ? 1 : 0];
  }
};

EvidenceGatherer::EvidenceGatherer(EvidenceRoles roles, EvidenceLimits limits)
    : roles_(roles), limits_(limits), handlers_(&HandlerTable::of_roles(roles)) {
  evidence_.burst_gap = kLeastBurstGap;
}

model::KindSet EvidenceGatherer::kinds(EvidenceRoles roles) {
  if (roles.guest) return model::KindSet::all();
  model::KindSet set;
  const HandlerTable& table = HandlerTable::of_roles(roles);
  for (std::size_t i = 0; i < model::kEventKindCount; ++i) {
    const auto kind = static_cast<EventKind>(i);
    if (table.of[i] != nullptr && kind != EventKind::kSchedSwitch) set.add(kind);
  }
  return set;
}

EvidenceGatherer::HostCpu& EvidenceGatherer::cpu_of(std::uint32_t cpu) { return cpus_[cpu]; }

void EvidenceGatherer::begin_stream() {
  for (auto& [cpu, state] : cpus_) state.current = model::kNoTid;
}

void EvidenceGatherer::on_events(std::span<const Event> events, std::uint32_t cpu) {
  const HandlerTable& table = *handlers_;
  std::uint32_t known = model::kNoCpu;
  HostCpu* state = nullptr;
  for (const Event& event : events) {
    if (!times_apart_) note_time(event, cpu);
    const Handler handler = table.of[static_cast<std::size_t>(event.kind)];
    if (handler == nullptr) continue;
    event_cpu_ = event.cpu == model::kNoCpu ? cpu : event.cpu;
    if (state == nullptr || known != event_cpu_) {
      known = event_cpu_;
      state = &cpu_of(known);
    }
    const std::int32_t tid = event.tid != model::kNoTid ? event.tid : state->current;
    (this->*handler)(event, *state, tid);
  }
}

void EvidenceGatherer::note_time(const Event& event, std::uint32_t cpu) {
  evidence_.first = std::min(evidence_.first, event.own);
  evidence_.last = std::max(evidence_.last, event.own);
  if (event.kind == EventKind::kLoss) return;
  ++evidence_.events;
  event_cpu_ = event.cpu == model::kNoCpu ? cpu : event.cpu;
  if (roles_.guest) add_guest_times({&event.own.value, 1});
}

void EvidenceGatherer::on_times(std::uint32_t cpu, std::span<const std::int64_t> times,
                                OwnTime least, OwnTime greatest) {
  event_cpu_ = cpu;
  evidence_.events += times.size();
  evidence_.first = std::min(evidence_.first, least);
  evidence_.last = std::max(evidence_.last, greatest);
  if (roles_.guest) add_guest_times(times);
}

void EvidenceGatherer::choose_bursts() {
  const auto at =
      std::find_if(bursts_.begin(), bursts_.end(),
                   [this](const model::CpuBursts& list) { return list.cpu == event_cpu_; });
  bursts_at_ = static_cast<std::size_t>(at - bursts_.begin());
  if (at == bursts_.end()) bursts_.push_back({event_cpu_, {}});
}

namespace {

/// Makes `open` longer by the times that follow it closely; the first one that does not.
const std::int64_t* extend(model::Burst& open, std::int64_t gap, const std::int64_t* at,
                           const std::int64_t* end) {
  const std::int64_t* const begin = at;
  const auto first = static_cast<std::uint64_t>(open.first);
  std::uint64_t last = first + open.length;
  for (; at != end; ++at) {
    const auto own = static_cast<std::uint64_t>(*at);
    // What goes back is far away as well.
    if (own - last > static_cast<std::uint64_t>(gap) || own - first >= 0xffffffffU) break;
    last = own;
  }
  open.length = static_cast<std::uint32_t>(last - first);
  open.count += static_cast<std::uint32_t>(at - begin);
  return at;
}

}  // namespace

void EvidenceGatherer::add_guest_times(std::span<const std::int64_t> times) {
  if (bursts_at_ == bursts_.size() || bursts_[bursts_at_].cpu != event_cpu_) choose_bursts();
  std::vector<model::Burst>& bursts = bursts_[bursts_at_].bursts;
  const std::int64_t* const end = times.data() + times.size();
  for (const std::int64_t* at = times.data(); at != end;) {
    if (!bursts.empty()) at = extend(bursts.back(), evidence_.burst_gap, at, end);
    if (at == end) break;
    bursts.push_back({*at++, 0, 1});
    if (++burst_count_ > limits_.bursts) coarsen_bursts();
  }
}

// The least power of two, greater than the present gap, that leaves at most `count` bursts.
std::int64_t EvidenceGatherer::gap_for(std::size_t count) const {
  std::array<std::size_t, 65> wider{};  // gaps between bursts, by bit width
  for (const model::CpuBursts& cpu : bursts_) {
    for (std::size_t i = 1; i < cpu.bursts.size(); ++i) {
      const model::Burst& before = cpu.bursts[i - 1];
      const std::int64_t gap = cpu.bursts[i].first - (before.first + before.length);
      ++wider[gap > 0
                  ? static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(gap - 1)))
                  : 0];
    }
  }
  std::size_t left = burst_count_;
  std::int64_t gap = std::max<std::int64_t>(64, evidence_.burst_gap * 2);
  std::size_t width = 0;
  for (;; gap *= 2) {
    while (width < 62 && (std::int64_t{1} << width) <= gap) left -= wider[width++];
    if (left <= count || gap > (std::int64_t{1} << 31)) return gap;
  }
}

namespace {

/// Joins bursts in place. Which ones join cannot be guessed, so nothing jumps by it.
class BurstJoiner {
 public:
  /// `*at`: the burst that is open, which stays the first one.
  BurstJoiner(model::Burst* at, std::int64_t gap)
      : last_(*at), at_(at), gap_(static_cast<std::uint64_t>(gap)) {}

  void take(const model::Burst& next) {
    const std::uint64_t begin =
        static_cast<std::uint64_t>(next.first) - static_cast<std::uint64_t>(last_.first);
    const std::uint64_t length = begin + next.length;
    const std::uint64_t apart = begin - last_.length;  // of what goes back, large
    const auto may = static_cast<std::uint64_t>(apart <= gap_);
    const std::uint64_t joins = 0 - (may & static_cast<std::uint64_t>(length < 0xffffffffU));
    const auto first = static_cast<std::uint64_t>(next.first);
    last_.first = static_cast<std::int64_t>(first - (begin & joins));
    last_.length = static_cast<std::uint32_t>(next.length + ((length - next.length) & joins));
    last_.count = next.count + (last_.count & static_cast<std::uint32_t>(joins));
    at_ += 1 - (joins & 1);
    *at_ = last_;
  }
  /// Behind the last burst.
  [[nodiscard]] model::Burst* end() const { return at_ + 1; }

 private:
  model::Burst last_;
  model::Burst* at_;
  std::uint64_t gap_;
};

}  // namespace

void EvidenceGatherer::coarsen_bursts() {
  while (burst_count_ > limits_.bursts / 2) {
    evidence_.burst_gap = gap_for(limits_.bursts / 2);
    burst_count_ = 0;
    for (model::CpuBursts& cpu : bursts_) {
      if (cpu.bursts.empty()) continue;
      BurstJoiner joiner(cpu.bursts.data(), evidence_.burst_gap);
      for (std::size_t i = 1; i < cpu.bursts.size(); ++i) joiner.take(cpu.bursts[i]);
      cpu.bursts.resize(static_cast<std::size_t>(joiner.end() - cpu.bursts.data()));
      burst_count_ += cpu.bursts.size();
    }
    if (evidence_.burst_gap > (std::int64_t{1} << 31)) break;  // longest burst reached
  }
}

void EvidenceGatherer::add_run(std::int32_t tid, OwnTime entry, OwnTime exit) {
  if (tid == model::kNoTid || exit < entry) return;
  if (run_list_ == nullptr || run_tid_ != tid) {
    run_tid_ = tid;
    run_list_ = &runs_[tid];  // stays where it is, whatever is added to the map
  }
  run_list_->push_back({entry, exit});
  if (++run_count_ > limits_.runs) coarsen_runs();
}

namespace {

bool by_entry(const GuestRun& a, const GuestRun& b) { return a.entry < b.entry; }

/// Puts spans in order and makes those one that are less than `gap` apart.
void close_gaps(std::vector<GuestRun>& spans, std::int64_t gap) {
  std::sort(spans.begin(), spans.end(), by_entry);
  std::vector<GuestRun> kept;
  for (const GuestRun& span : spans) {
    if (!kept.empty() && span.entry.value - kept.back().exit.value < gap) {
      kept.back().exit = std::max(kept.back().exit, span.exit);
    } else {
      kept.push_back(span);
    }
  }
  spans = std::move(kept);
}

}  // namespace

void EvidenceGatherer::coarsen_runs() {
  while (run_count_ > limits_.runs / 2) {
    evidence_.run_gap = std::max<std::int64_t>(512, evidence_.run_gap * 2);
    run_count_ = 0;
    for (auto& [tid, runs] : runs_) {
      close_gaps(runs, evidence_.run_gap);
      run_count_ += runs.size();
    }
    if (evidence_.run_gap > (std::int64_t{1} << 60)) break;
  }
}

// Wider windows are sound as well: less is concluded.
void EvidenceGatherer::coarsen_losses() {
  std::int64_t gap = 512;
  while (evidence_.losses.size() > limits_.losses / 2 && gap < (std::int64_t{1} << 60)) {
    gap *= 2;
    close_gaps(evidence_.losses, gap);
  }
}

void EvidenceGatherer::on_loss(const Event& event, HostCpu& cpu, std::int32_t) {
  const OwnTime end{event.i_or(arg::kLossEndOwn, event.own.value)};
  evidence_.first = std::min(evidence_.first, event.own);
  evidence_.last = std::max(evidence_.last, event.own);
  evidence_.losses.push_back({event.own, std::max(end, event.own)});
  if (evidence_.losses.size() > limits_.losses) coarsen_losses();
  if (cpu.guest_tid != model::kNoTid) add_run(cpu.guest_tid, cpu.entry, event.own);
  cpu = HostCpu{};
  cpu.after_loss = true;
  cpu.loss_begin = event.own;
}

void EvidenceGatherer::on_switch(const Event& event, HostCpu& cpu, std::int32_t) {
  if (event.has(arg::kNextTid)) cpu.current = static_cast<std::int32_t>(event.i(arg::kNextTid));
}

void EvidenceGatherer::on_entry(const Event& event, HostCpu& cpu, std::int32_t tid) {
  if (!roles_.host) return;
  // An entry without an exit in between: the exit record is missing.
  if (cpu.guest_tid != model::kNoTid) add_run(cpu.guest_tid, cpu.entry, event.own);
  cpu.guest_tid = tid;
  cpu.entry = event.own;
  cpu.any = true;
}

void EvidenceGatherer::on_exit(const Event& event, HostCpu& cpu, std::int32_t tid) {
  if (!roles_.host) return;
  if (cpu.guest_tid == tid && tid != model::kNoTid) {
    add_run(tid, cpu.entry, event.own);
  } else if (cpu.after_loss && !cpu.any) {
    add_run(tid, cpu.loss_begin, event.own);
  } else if (!cpu.any) {
    add_run(tid, event.own, event.own);  // in the guest when the trace began; cover starts here
  }
  cpu.guest_tid = model::kNoTid;
  cpu.any = true;
  if (cpu.timer_tid != tid) {
    cpu.timer_tid = tid;
    cpu.has_deadline = false;
    cpu.exit_last = kOwnTimeMin;
  }
  cpu.exit_before = cpu.exit_last;
  cpu.exit_last = event.own;
}

void EvidenceGatherer::on_hypercall(const Event& event, HostCpu&, std::int32_t tid) {
  if (!roles_.host || !is_beacon_number(event.u(arg::kHypercallNr))) return;
  if ((event.u(arg::kHypercallA0) & beacon_mask_) != 0) return;
  model::HostBeacon beacon;
  beacon.tid = tid;
  beacon.call = event.own;
  beacon.nr = event.u(arg::kHypercallNr);
  for (std::size_t i = 0; i < beacon.args.size(); ++i) {
    beacon.args[i] = event.u(arg::kHypercallA0 + i);
  }
  evidence_.host_beacons.push_back(beacon);
  thin_beacons();
}

void EvidenceGatherer::thin_beacons() {
  while (std::max(evidence_.host_beacons.size(), evidence_.marks.size()) > limits_.beacons &&
         beacon_mask_ < 0xffff'ffff) {
    beacon_mask_ = beacon_mask_ * 2 + 1;
    std::erase_if(evidence_.host_beacons, [this](const model::HostBeacon& beacon) {
      return (beacon.args[0] & beacon_mask_) != 0;
    });
    std::erase_if(evidence_.marks, [this](const model::BeaconMark& mark) {
      return (mark.key[0] & beacon_mask_) != 0;
    });
  }
  if (evidence_.host_beacons.size() > limits_.beacons) evidence_.host_beacons.pop_back();
  if (evidence_.marks.size() > limits_.beacons) evidence_.marks.pop_back();
}

void EvidenceGatherer::on_msr(const Event& event, HostCpu& cpu, std::int32_t tid) {
  if (event.u(arg::kMsrWrite) == 0 || event.u(arg::kMsrEcx) != kMsrTscDeadline) return;
  if (cpu.timer_tid != tid) return;
  cpu.has_deadline = event.u(arg::kMsrData) != 0;
  cpu.deadline = event.u(arg::kMsrData);
}

// Recorded between kvm_entry's record and the mode switch, or (some kernels) after the exit. The
// TSC was read after the exit before, and where the record follows an entry, after that entry's
// record.
void EvidenceGatherer::on_lapic_expire(const Event& event, HostCpu& cpu, std::int32_t tid) {
  if (!roles_.host || cpu.timer_tid != tid || !cpu.has_deadline) return;
  const bool entered = cpu.guest_tid == tid && tid != model::kNoTid;
  const OwnTime lower = entered ? cpu.entry : cpu.exit_before;
  if (lower == kOwnTimeMin || evidence_.deadlines.size() >= limits_.beacons) return;
  const std::uint64_t tsc = cpu.deadline + event.u(arg::kExpireDelta);
  evidence_.deadlines.push_back({tid, lower, event.own, static_cast<std::int64_t>(tsc)});
}

void EvidenceGatherer::on_tsc_offset(const Event& event, HostCpu&, std::int32_t tid) {
  if (evidence_.tsc_writes.size() >= limits_.beacons) return;
  evidence_.tsc_writes.push_back({event.own, tid,
                                  static_cast<std::int32_t>(event.i_or(arg::kTscVcpu, -1)),
                                  event.i(arg::kTscPrevious), event.i(arg::kTscNext)});
}

void EvidenceGatherer::on_pvclock(const Event& event, HostCpu&, std::int32_t) {
  const model::PvclockRate rate{static_cast<std::uint32_t>(event.u(arg::kPvclockMul)),
                                static_cast<std::int8_t>(event.u(arg::kPvclockShift))};
  for (const model::PvclockRate& known : evidence_.pvclock) {
    if (known.multiplier == rate.multiplier && known.shift == rate.shift) return;
  }
  if (evidence_.pvclock.size() < kPvclockRates) evidence_.pvclock.push_back(rate);
}

void EvidenceGatherer::on_hrtimer(const Event& event, HostCpu&, std::int32_t) {
  if (!event.has(arg::kHrtimerNow) || readings_seen_++ % reading_stride_ != 0) return;
  evidence_.readings.push_back({event.own, event.i(arg::kHrtimerNow)});
  if (evidence_.readings.size() <= limits_.readings) return;
  reading_stride_ *= 2;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < evidence_.readings.size(); i += 2) {
    evidence_.readings[kept++] = evidence_.readings[i];
  }
  evidence_.readings.resize(kept);
}

void EvidenceGatherer::on_mark(const Event& event, HostCpu&, std::int32_t tid) {
  model::BeaconMark mark;
  if (!roles_.guest || !parse_beacon_mark(event.texts[0], mark)) return;
  if ((mark.key[0] & beacon_mask_) != 0) return;
  mark.own = event.own;
  mark.cpu = event_cpu_;
  mark.tid = tid;
  evidence_.marks.push_back(mark);
  thin_beacons();
}

void EvidenceGatherer::on_vmsync(const Event& event, HostCpu&, std::int32_t tid) {
  constexpr std::pair<EventKind, char> kRoles[] = {{EventKind::kVmsyncGhGuest, 'a'},
                                                   {EventKind::kVmsyncGhHost, 'b'},
                                                   {EventKind::kVmsyncHgHost, 'c'},
                                                   {EventKind::kVmsyncHgGuest, 'd'}};
  if (evidence_.vmsync.size() >= limits_.packets) return;
  for (const auto& [kind, role] : kRoles) {
    if (kind != event.kind) continue;
    evidence_.vmsync.push_back(
        {role, event.own, event_cpu_, tid, event.u(arg::kVmsyncCnt), event.u(arg::kVmsyncUid)});
  }
}

void EvidenceGatherer::on_packet(const Event& event, HostCpu&, std::int32_t) {
  if (!event.has(arg::kNetSeq)) return;
  model::PacketSighting packet;
  packet.own = event.own;
  packet.sent = event.kind == EventKind::kNetDevQueue || event.kind == EventKind::kInetSockLocalOut;
  packet.sequence = static_cast<std::uint32_t>(event.u(arg::kNetSeq));
  if ((packet.sequence & packet_mask_) != 0) return;
  packet.acknowledgement = static_cast<std::uint32_t>(event.u(arg::kNetAckSeq));
  packet.flags = static_cast<std::uint32_t>(event.u(arg::kNetFlags));
  packet.ports = static_cast<std::uint32_t>((event.u(arg::kNetSourcePort) & 0xffff) << 16 |
                                            (event.u(arg::kNetDestPort) & 0xffff));
  evidence_.packets.push_back(packet);
  thin_packets();
}

void EvidenceGatherer::thin_packets() {
  while (evidence_.packets.size() > limits_.packets && packet_mask_ < 0x7fff'ffff) {
    packet_mask_ = packet_mask_ * 2 + 1;
    std::erase_if(evidence_.packets, [this](const model::PacketSighting& packet) {
      return (packet.sequence & packet_mask_) != 0;
    });
  }
  if (evidence_.packets.size() > limits_.packets) evidence_.packets.pop_back();
}

void EvidenceGatherer::close_open_runs() {
  for (auto& [cpu, state] : cpus_) {
    if (state.guest_tid != model::kNoTid) add_run(state.guest_tid, state.entry, evidence_.last);
  }
  cpus_.clear();
}

// The next kvm_entry of the beacon's thread. Inside a coarsened run it cannot be told; the call
// itself is then the latest time known to be before it.
void EvidenceGatherer::resolve_beacons() {
  for (model::HostBeacon& beacon : evidence_.host_beacons) {
    const auto thread =
        std::lower_bound(evidence_.threads.begin(), evidence_.threads.end(), beacon.tid,
                         [](const model::ThreadRuns& t, std::int32_t tid) { return t.tid < tid; });
    if (thread == evidence_.threads.end() || thread->tid != beacon.tid) continue;
    const auto next =
        std::partition_point(thread->runs.begin(), thread->runs.end(),
                             [&](const GuestRun& run) { return run.entry < beacon.call; });
    const bool inside = next != thread->runs.begin() && (next - 1)->exit > beacon.call;
    if (inside) {
      beacon.next_entry = beacon.call;
    } else if (next != thread->runs.end()) {
      beacon.next_entry = next->entry;
    }
  }
}

void EvidenceGatherer::note_extent(OwnTime first, OwnTime last, std::uint64_t events) {
  evidence_.first = std::min(evidence_.first, first);
  evidence_.last = std::max(evidence_.last, last);
  evidence_.events = events;
}

model::TraceEvidence EvidenceGatherer::finish() {
  close_open_runs();
  for (auto& [tid, runs] : runs_) {
    sort_stretches(runs, by_entry);
    evidence_.threads.push_back({tid, std::move(runs)});
  }
  runs_.clear();
  run_list_ = nullptr;
  const auto by_own = [](auto& list) {
    sort_stretches(list, [](const auto& a, const auto& b) { return a.own < b.own; });
  };
  std::sort(evidence_.threads.begin(), evidence_.threads.end(),
            [](const auto& a, const auto& b) { return a.tid < b.tid; });
  std::sort(bursts_.begin(), bursts_.end(),
            [](const auto& a, const auto& b) { return a.cpu < b.cpu; });
  for (model::CpuBursts& cpu : bursts_) {
    sort_stretches(cpu.bursts, [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  evidence_.cpus = std::move(bursts_);
  by_own(evidence_.tsc_writes);
  by_own(evidence_.readings);
  by_own(evidence_.marks);
  by_own(evidence_.vmsync);
  by_own(evidence_.packets);
  sort_stretches(evidence_.host_beacons,
                 [](const auto& a, const auto& b) { return a.call < b.call; });
  sort_stretches(evidence_.deadlines,
                 [](const auto& a, const auto& b) { return a.upper < b.upper; });
  resolve_beacons();
  return std::exchange(evidence_, model::TraceEvidence{});
}

}  // namespace vs::session
