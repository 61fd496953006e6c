#include "session/join.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "session/join_pair.h"

namespace vs::session {
namespace {

using model::SyncMethod;
using model::SyncQuality;
using Unit = reader::ClockInfo::Unit;

constexpr std::size_t kCertainBeacons = 2;
constexpr double kClearMargin = 0.05;

/// How one trace's own time becomes ns, and these the host timeline.
struct TraceClock {
  clock::Scale to_ns;  ///< identity for ns clocks and for ticks without a rate
  bool ticks = false;
  bool rate_known = true;
  bool placed = false;  ///< `line` holds
  // timeline = anchor_host + (ns - anchor_ns) * rate
  std::int64_t anchor_ns = 0;
  std::int64_t anchor_host = 0;
  std::int64_t rate = model::kRateOne;
  std::int64_t error_ns = 0;

  [[nodiscard]] std::int64_t to_host(std::int64_t ns) const {
    const Int128 product = static_cast<Int128>(ns - anchor_ns) * rate;
    return anchor_host + static_cast<std::int64_t>(product >> model::kRateShift);
  }
};

/// One guest against one VM.
struct Candidate {
  std::size_t guest = 0;
  std::size_t host = 0;
  std::size_t vm = 0;
  std::string named;  ///< how the VM is known without evidence; empty: it is not
  PairResult result;

  [[nodiscard]] double score() const {
    return result.segments.empty() || result.covered == 0 ? 0 : 1 - result.outside_share();
  }
  [[nodiscard]] bool certain() const { return !named.empty() || result.beacons >= kCertainBeacons; }
  [[nodiscard]] bool acceptable() const { return certain() || result.convincing(); }
  [[nodiscard]] auto rank() const {
    return std::tuple{!named.empty(), result.beacons >= kCertainBeacons, result.convincing(),
                      score()};
  }
};

std::int64_t multiply_rates(std::int64_t a, std::int64_t b) {
  const Int128 product = (static_cast<Int128>(a) * b) >> model::kRateShift;
  return static_cast<std::int64_t>(product);
}

class Joiner {
 public:
  Joiner(const JoinInput& input, model::IssueLog& issues) : input_(input), issues_(issues) {}

  JoinResult run() {
    result_.traces.resize(input_.traces.size());
    clocks_.resize(input_.traces.size());
    if (input_.traces.empty()) return std::move(result_);
    choose_roles();
    find_rate(result_.reference);
    for (std::size_t t = 0; t < input_.traces.size(); ++t) {
      if (t != result_.reference) find_rate(t);
    }
    place_reference();
    std::vector<Candidate> chosen = bind_guests();
    place_by_packets();
    place_by_epoch();
    for (const Candidate& candidate : chosen) publish(candidate);
    for (std::size_t t = 0; t < input_.traces.size(); ++t) finish_unbound(t);
    return std::move(result_);
  }

 private:
  void issue(model::IssueCode code, std::size_t trace, std::string message,
             std::uint64_t count = 1) {
    const std::string& path = input_.traces[trace].info->path;
    issues_.add({code, path, path, count, std::move(message)});
  }
  [[nodiscard]] const reader::TraceInfo& info(std::size_t t) const {
    return *input_.traces[t].info;
  }
  [[nodiscard]] const model::TraceEvidence& evidence(std::size_t t) const {
    return *input_.traces[t].evidence;
  }
  [[nodiscard]] bool is_host(std::size_t t) const {
    return result_.traces[t].role == TraceRole::kHost;
  }

  // --- roles and the reference -------------------------------------------------------------------

  void choose_roles() {
    for (std::size_t t = 0; t < input_.traces.size(); ++t) {
      const bool host = !input_.traces[t].vms.empty() || input_.options.host_trace == t;
      result_.traces[t].role = host ? TraceRole::kHost : TraceRole::kGuest;
    }
    for (const SnapshotMachine& machine : input_.snapshot) {
      if (machine.trace < result_.traces.size() && machine.kind == model::MachineKind::kHost) {
        result_.traces[machine.trace].role = TraceRole::kHost;
      }
    }
    for (const NamedGuest& guest : input_.options.guests) {
      result_.traces[guest.trace].role = TraceRole::kGuest;
    }
    // Without any host nothing can be a guest.
    bool any = false;
    for (const TraceJoin& trace : result_.traces) any = any || trace.role == TraceRole::kHost;
    for (TraceJoin& trace : result_.traces) {
      if (!any) trace.role = TraceRole::kOther;
    }
    const auto first = std::find_if(result_.traces.begin(), result_.traces.end(),
                                    [](const auto& t) { return t.role == TraceRole::kHost; });
    result_.reference = first == result_.traces.end()
                            ? 0
                            : static_cast<std::size_t>(first - result_.traces.begin());
    if (input_.options.host_trace) result_.reference = *input_.options.host_trace;
  }

  [[nodiscard]] std::optional<double> snapshot_rate(std::size_t t) const {
    for (const SnapshotMachine& machine : input_.snapshot) {
      if (machine.trace == t && machine.tsc_hz) return machine.tsc_hz;
    }
    return std::nullopt;
  }

  // Stated by the file, by the capture, found in the trace, told by the user.
  [[nodiscard]] std::optional<double> rate_of(std::size_t t) {
    if (info(t).clock.ticks_per_second) return info(t).clock.ticks_per_second;
    if (const auto rate = snapshot_rate(t)) return rate;
    if (const auto found = clock::calibrate(evidence(t).readings)) {
      issue(model::IssueCode::kTickRateCalibrated, t,
            "clock " + info(t).clock.name + " runs at " +
                std::to_string(static_cast<std::int64_t>(found->ticks_per_second)) +
                " ticks per second, found from hrtimer_expire_entry");
      return found->ticks_per_second;
    }
    if (!evidence(t).pvclock.empty()) {
      if (const auto rate = clock::rate_of(evidence(t).pvclock.front())) {
        issue(model::IssueCode::kTickRateCalibrated, t, "rate taken from kvm_pvclock_update");
        return rate;
      }
    }
    return input_.options.tsc_hz;
  }

  void find_rate(std::size_t t) {
    TraceClock& clock = clocks_[t];
    if (info(t).clock.unit != Unit::kTicks) return;
    clock.ticks = true;
    clock.rate_known = false;
    // A guest in the reference's ticks is converted with the reference's rate.
    if (t != result_.reference && clocks_[result_.reference].ticks && !is_host(t)) {
      clock.to_ns = clocks_[result_.reference].to_ns;
      clock.rate_known = clocks_[result_.reference].rate_known;
      return;
    }
    const auto rate = rate_of(t);
    if (rate) {
      clock.to_ns = clock::scale_of(*rate);
      clock.rate_known = !clock.to_ns.identity();
    }
    if (t == result_.reference) {
      result_.ticks_per_second = rate;
      result_.ticks = !clock.rate_known;
    }
    if (!clock.rate_known) {
      issue(model::IssueCode::kTickRateUnknown, t,
            "clock " + info(t).clock.name + " counts ticks of unknown length");
    }
  }

  void place_reference() {
    const reader::ClockInfo& clock = info(result_.reference).clock;
    TraceClock& own = clocks_[result_.reference];
    const bool shifted = clock.epoch_offset_ns != 0 && !result_.ticks;
    own.anchor_host = shifted ? clock.epoch_offset_ns : 0;
    own.placed = true;
    result_.epoch = clock.epoch || shifted;
  }

  // --- binding -----------------------------------------------------------------------------------

  [[nodiscard]] PairClocks clocks_of(std::size_t guest, std::size_t host) const {
    PairClocks pair;
    const TraceClock& g = clocks_[guest];
    const TraceClock& h = clocks_[host];
    pair.ticks = g.ticks && h.ticks;
    if (pair.ticks) {
      pair.timeline = h.to_ns;
      pair.unit_ns = h.rate_known
                         ? static_cast<double>(h.to_ns.rate) / static_cast<double>(model::kRateOne)
                         : 0.5;
    } else {
      pair.guest = g.to_ns;
      pair.host = h.to_ns;
      const reader::ClockInfo& a = info(guest).clock;
      const reader::ClockInfo& b = info(host).clock;
      const bool both = (a.epoch || a.epoch_offset_ns != 0) && (b.epoch || b.epoch_offset_ns != 0);
      if (both) pair.declared_offset = a.epoch_offset_ns - b.epoch_offset_ns;
    }
    if (info(guest).time_shift && !info(guest).time_shift->samples.empty() && g.ticks == h.ticks) {
      pair.declared_offset = info(guest).time_shift->samples.front().offset;
    }
    return pair;
  }

  [[nodiscard]] static bool has_tid(const model::FoundVm& vm, std::int32_t tid) {
    for (const model::FoundVcpu& vcpu : vm.vcpus) {
      for (const model::VcpuThread& thread : vcpu.threads) {
        if (thread.tid == tid) return true;
      }
    }
    return false;
  }

  // What names the VM of a guest trace without looking at its events.
  [[nodiscard]] std::string naming(std::size_t guest, std::size_t host,
                                   const model::FoundVm& vm) const {
    for (const NamedGuest& named : input_.options.guests) {
      if (named.trace == guest && !vm.name.empty() && named.name == vm.name) return "named";
    }
    for (const SnapshotMachine& machine : input_.snapshot) {
      if (machine.trace != guest || machine.kind != model::MachineKind::kVm) continue;
      bool same = machine.vmm_pid >= 0 && machine.vmm_pid == vm.vmm_pid;
      for (const SnapshotVcpu& vcpu : machine.vcpus) same = same || has_tid(vm, vcpu.tid);
      if (same) return "capture";
    }
    for (const reader::GuestLink& link : info(host).guests) {
      if (link.trace_id == 0 || link.trace_id != info(guest).trace_id) continue;
      for (const std::int32_t tid : link.vcpu_tids) {
        if (has_tid(vm, tid)) return "trace id";
      }
    }
    return {};
  }

  [[nodiscard]] Candidate evaluate(std::size_t guest, std::size_t host, std::size_t vm,
                                   SyncMode mode) const {
    Candidate candidate{guest, host, vm, naming(guest, host, input_.traces[host].vms[vm]), {}};
    PairTask task;
    task.guest = &input_.traces[guest];
    task.host = &input_.traces[host];
    task.vm = &input_.traces[host].vms[vm];
    task.clocks = clocks_of(guest, host);
    task.mode = mode;
    task.named = !candidate.named.empty();
    task.exact = exact_timelines(input_, guest, host, vm);
    if (!task.named) {
      for (TscTimeline& line : task.exact) line.trusted = false;
    }
    candidate.result = evaluate_pair(task);
    return candidate;
  }

  // All candidates of all guests; each guest takes its best VM, the strongest claims first.
  std::vector<Candidate> bind_guests() {
    std::vector<std::vector<Candidate>> claims;
    for (std::size_t g = 0; g < input_.traces.size(); ++g) {
      if (result_.traces[g].role != TraceRole::kGuest) continue;
      std::vector<Candidate> list = candidates_of(g);
      if (!list.empty()) claims.push_back(std::move(list));
    }
    std::stable_sort(claims.begin(), claims.end(), [](const auto& a, const auto& b) {
      return a.front().rank() > b.front().rank();
    });
    std::vector<Candidate> chosen;
    for (std::vector<Candidate>& list : claims) {
      if (auto candidate = decide(list, chosen)) chosen.push_back(std::move(*candidate));
    }
    return chosen;
  }

  [[nodiscard]] std::vector<Candidate> candidates_of(std::size_t guest) const {
    std::vector<std::tuple<std::size_t, std::size_t>> pairs;
    std::vector<std::tuple<std::size_t, std::size_t>> named;
    for (std::size_t h = 0; h < input_.traces.size(); ++h) {
      if (!is_host(h)) continue;
      for (std::size_t v = 0; v < input_.traces[h].vms.size(); ++v) {
        pairs.emplace_back(h, v);
        if (!naming(guest, h, input_.traces[h].vms[v]).empty()) named.emplace_back(h, v);
      }
    }
    std::vector<Candidate> list;
    for (const auto& [h, v] : named.empty() ? pairs : named) {
      list.push_back(evaluate(guest, h, v, SyncMode::kAuto));
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const Candidate& a, const Candidate& b) { return a.rank() > b.rank(); });
    return list;
  }

  std::optional<Candidate> decide(std::vector<Candidate>& list,
                                  const std::vector<Candidate>& chosen) {
    Candidate& best = list.front();
    if (!best.acceptable()) {
      issue(model::IssueCode::kGuestUnbound, best.guest, describe(best));
      return std::nullopt;
    }
    for (const Candidate& other : chosen) {
      if (other.host != best.host || other.vm != best.vm) continue;
      issue(model::IssueCode::kGuestAmbiguous, best.guest,
            "its best VM already has a trace: " + info(other.guest).path);
      return std::nullopt;
    }
    double margin = best.score();
    for (std::size_t i = 1; i < list.size(); ++i) {
      if (!list[i].result.convincing()) continue;
      margin = std::min(margin, best.score() - list[i].score());
    }
    if (!best.certain() && margin < kClearMargin) {
      issue(model::IssueCode::kGuestAmbiguous, best.guest,
            "its events fit the run times of more than one VM");
      return std::nullopt;
    }
    Binding binding;
    binding.host = best.host;
    binding.vm = best.vm;
    binding.score = best.score();
    binding.margin = margin;
    binding.how = !best.named.empty()                      ? best.named
                  : best.result.beacons >= kCertainBeacons ? "beacons"
                  : best.result.exact                      ? "offset"
                                                           : "envelopes";
    binding.cpus = best.result.cpus;
    result_.traces[best.guest].binding = std::move(binding);
    return std::move(best);
  }

  [[nodiscard]] static std::string describe(const Candidate& candidate) {
    const PairResult& result = candidate.result;
    if (result.segments.empty()) return "no clock relation puts its events into a VM's run times";
    if (result.by_chance - result.outside_share() < kClearMargin) {
      return "its events say too little: a random offset would fit as well";
    }
    return std::to_string(result.outside) + " of " + std::to_string(result.covered) +
           " events lie outside the best VM's run times";
  }

  // --- maps --------------------------------------------------------------------------------------

  void publish(const Candidate& candidate) {
    TraceJoin& join = result_.traces[candidate.guest];
    report_facts(candidate);
    const SyncMode mode = input_.options.mode;
    if (mode == SyncMode::kAuto) {
      use(candidate, join);
    } else if (mode == SyncMode::kNone) {
      use_own_times(candidate, join);
    } else {
      use(evaluate(candidate.guest, candidate.host, candidate.vm, mode), join);
    }
  }

  void report_facts(const Candidate& candidate) {
    const PairResult& result = candidate.result;
    if (result.exact_rejected) {
      issue(model::IssueCode::kClockFactsRejected, candidate.guest,
            "a TSC offset contradicts the VM's run times and is not used");
    }
    std::uint64_t rejected = 0;
    for (const model::ClockSegment& segment : result.segments) {
      for (const model::FactCount& count : segment.facts) rejected += count.rejected;
    }
    if (rejected > 0) {
      issue(model::IssueCode::kClockFactsRejected, candidate.guest,
            std::to_string(rejected) + " facts contradict the clock map", rejected);
    }
    if (result.segments.size() > 1) {
      issue(model::IssueCode::kClockBreak, candidate.guest,
            "the clock has " + std::to_string(result.segments.size()) + " segments",
            result.segments.size() - 1);
    }
    const auto& shift = info(candidate.guest).time_shift;
    if (shift && !result.exact) {
      issue(model::IssueCode::kSyncSectionImprecise, candidate.guest,
            "the file's own clock estimate served as a hint at most");
    }
  }

  void use(const Candidate& candidate, TraceJoin& join) {
    const PairResult& result = candidate.result;
    if (result.segments.empty()) {
      issue(model::IssueCode::kClockNotJoined, candidate.guest,
            "the VM is known, but no facts join its clock");
      return;  // finish_unbound places it by what is declared
    }
    const TraceClock& host = clocks_[candidate.host];
    std::vector<model::ClockSegment> segments = result.segments;
    for (model::ClockSegment& segment : segments) {
      // Segments come in the host's ns; the host's own line leads on to the timeline.
      segment.anchor_host.ns = host.to_host(segment.anchor_host.ns);
      if (host.rate != model::kRateOne) segment.rate = multiply_rates(segment.rate, host.rate);
      if (segment.error_max_ns < 0) continue;
      segment.error_min_ns += host.error_ns;
      segment.error_median_ns += host.error_ns;
      segment.error_max_ns += host.error_ns;
    }
    join.clock = model::ClockMap(std::move(segments));
    join.shares = result.shares;
    join.source = result.source;
    join.worst_outside_ns = result.worst_ns;
    join.joined = host.placed;
    done_.push_back(candidate.guest);
  }

  void use_own_times(const Candidate& candidate, TraceJoin& join) {
    double before = 0;
    std::uint64_t covered = 0;
    for (const SegmentShare& share : candidate.result.shares) {
      before += share.outside_before * static_cast<double>(share.covered);
      covered += share.covered;
    }
    if (covered > 0) before /= static_cast<double>(covered);
    const TraceClock& host = clocks_[candidate.host];
    model::ClockSegment segment = own_segment(candidate.guest);
    segment.anchor_host.ns += host.anchor_host;  // one clock: the host's shift holds for all
    join.clock = model::ClockMap({segment});
    join.shares = {{covered, before, before}};
    join.source = "own timestamps";
    done_.push_back(candidate.guest);
  }

  [[nodiscard]] model::ClockSegment own_segment(std::size_t t) const {
    model::ClockSegment segment;
    segment.own_begin = kOwnTimeMin;
    segment.rate = clocks_[t].to_ns.rate;
    segment.method = SyncMethod::kNone;
    segment.quality = SyncQuality::kAbsent;
    segment.error_min_ns = segment.error_median_ns = segment.error_max_ns = -1;
    return segment;
  }

  void finish_unbound(std::size_t t) {
    if (std::find(done_.begin(), done_.end(), t) != done_.end()) return;
    TraceJoin& join = result_.traces[t];
    const TraceClock& clock = clocks_[t];
    model::ClockSegment segment = own_segment(t);
    join.shares = {{0, 0, 0}};
    if (t == result_.reference) {
      segment.anchor_host.ns = clock.anchor_host;
      segment.method = SyncMethod::kReference;
      segment.quality = SyncQuality::kExact;
      segment.error_min_ns = segment.error_median_ns = segment.error_max_ns = 0;
      join.source = "reference";
    } else if (input_.options.mode == SyncMode::kNone) {
      segment.anchor_host.ns = clocks_[result_.reference].anchor_host;
      join.source = "own timestamps";
    } else if (packets_[t]) {
      segment = *packets_[t];
      join.source = "TCP packets";
    } else if (clock.placed) {
      segment.anchor_host.ns = clock.anchor_host;
      segment.quality = SyncQuality::kApproximate;
      join.source = "declared wall clock";
      issue(model::IssueCode::kClockNotJoined, t,
            "placed by the wall clock that it declares; the error is not known");
    } else {
      join.joined = false;
      issue(model::IssueCode::kClockNotJoined, t, "its clock has no relation to the reference");
    }
    join.clock = model::ClockMap({segment});
  }

  // Machines without a common host, by packets: the most exact link first, errors add up.
  void place_by_packets() {
    packets_.resize(input_.traces.size());
    if (input_.options.mode == SyncMode::kNone) return;
    for (;;) {
      std::optional<std::pair<std::size_t, model::ClockSegment>> best;
      for (std::size_t t = 0; t < input_.traces.size(); ++t) {
        if (clocks_[t].placed || result_.traces[t].binding) continue;
        for (std::size_t other = 0; other < input_.traces.size(); ++other) {
          if (other == t || !clocks_[other].placed) continue;
          const auto segment = packet_link(t, other);
          if (!segment) continue;
          if (!best || segment->error_median_ns < best->second.error_median_ns) {
            best = {t, *segment};
          }
        }
      }
      if (!best) return;
      adopt(best->first, best->second);
    }
  }

  [[nodiscard]] std::optional<model::ClockSegment> packet_link(std::size_t t,
                                                               std::size_t other) const {
    PairClocks pair;
    pair.guest = clocks_[t].to_ns;
    pair.host = clocks_[other].to_ns;
    const std::vector<clock::Fact> facts = packet_facts(evidence(t), evidence(other), pair);
    if (facts.empty()) return std::nullopt;
    clock::EnvelopeProblem problem;
    problem.facts = facts;
    const clock::EnvelopeFit fit = clock::fit_envelopes(problem);
    if (!fit.solution.feasible()) return std::nullopt;
    model::ClockSegment segment = clock::make_segment(fit.solution, pair.guest, clock::Scale{},
                                                      {evidence(t).first, evidence(t).last});
    const TraceClock& base = clocks_[other];
    segment.anchor_host.ns = base.to_host(segment.anchor_host.ns);
    segment.rate = multiply_rates(segment.rate, base.rate);
    segment.error_min_ns += base.error_ns;
    segment.error_median_ns += base.error_ns;
    segment.error_max_ns += base.error_ns;
    segment.method = SyncMethod::kPackets;
    segment.quality = fit.solution.kind == clock::SolutionClass::kAccurate
                          ? SyncQuality::kAccurate
                          : SyncQuality::kApproximate;
    auto& count = segment.facts[static_cast<std::size_t>(model::FactKind::kPacket)];
    count.used = facts.size();
    count.rejected = fit.removed[static_cast<std::size_t>(model::FactKind::kPacket)];
    return segment;
  }

  void adopt(std::size_t t, const model::ClockSegment& segment) {
    TraceClock& clock = clocks_[t];
    clock.placed = true;
    clock.anchor_ns = clock.to_ns.apply(segment.anchor_own.value);
    clock.anchor_host = segment.anchor_host.ns;
    const long double scale =
        static_cast<long double>(clock.to_ns.rate) / static_cast<long double>(model::kRateOne);
    clock.rate = static_cast<std::int64_t>(
        std::floor(static_cast<long double>(segment.rate) / scale + 0.5L));
    clock.error_ns = segment.error_max_ns;
    packets_[t] = segment;
  }

  // What is left and declares a wall clock, as the reference does.
  void place_by_epoch() {
    if (!result_.epoch) return;
    for (std::size_t t = 0; t < input_.traces.size(); ++t) {
      const reader::ClockInfo& clock = info(t).clock;
      const bool declared = clock.epoch || clock.epoch_offset_ns != 0;
      if (clocks_[t].placed || !declared || !clocks_[t].rate_known) continue;
      clocks_[t].placed = true;
      clocks_[t].anchor_host = clock.epoch_offset_ns;
    }
  }

  const JoinInput& input_;
  model::IssueLog& issues_;
  JoinResult result_;
  std::vector<TraceClock> clocks_;
  std::vector<std::optional<model::ClockSegment>> packets_;
  std::vector<std::size_t> done_;
};

}  // namespace

std::optional<SyncMode> parse_sync_mode(std::string_view word) {
  constexpr std::pair<std::string_view, SyncMode> kWords[] = {
      {"auto", SyncMode::kAuto},         {"none", SyncMode::kNone},
      {"tsc", SyncMode::kTsc},           {"beacon", SyncMode::kBeacon},
      {"envelope", SyncMode::kEnvelope}, {"packets", SyncMode::kPackets}};
  for (const auto& [name, mode] : kWords) {
    if (name == word) return mode;
  }
  return std::nullopt;
}

Result<JoinResult> join_clocks(const JoinInput& input, model::IssueLog& issues) {
  const std::size_t count = input.traces.size();
  bool known = !input.options.host_trace || *input.options.host_trace < count;
  for (const NamedGuest& guest : input.options.guests) known = known && guest.trace < count;
  if (!known)
    return Error{ErrorCode::kBadUse, "an option names a trace that was not given", "", ""};
  return Joiner(input, issues).run();
}

}  // namespace vs::session
