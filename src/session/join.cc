#include "session/join.h"

#include <algorithm>
#include <cmath>

#include "session/join_binding.h"

namespace vs::session {
namespace {

using model::SyncMethod;
using model::SyncQuality;
using Unit = reader::ClockInfo::Unit;

std::int64_t multiply_rates(std::int64_t a, std::int64_t b) {
  const Int128 product = (static_cast<Int128>(a) * b) >> model::kRateShift;
  return static_cast<std::int64_t>(product);
}

class Joiner {
 public:
  Joiner(const JoinInput& input, model::IssueLog& issues)
      : input_(input),
        issues_(issues),
        rates_(input.traces.size()),
        binder_(input, clocks_, issues) {}

  JoinResult run() {
    const std::size_t count = input_.traces.size();
    result_.traces.resize(count);
    clocks_.resize(count);
    if (count == 0) return std::move(result_);
    std::vector<Candidate> chosen = bind_nested_hosts();
    choose_reference();
    for (std::size_t t = 0; t < count; ++t) {
      if (!binder_.hosts_vms(t)) find_rate(t);
    }
    place_reference();
    bind_guests(chosen);
    take_bindings();
    place_by_packets();
    place_by_epoch();
    publish_all(chosen);
    for (std::size_t t = 0; t < count; ++t) finish_unbound(t);
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

  // --- roles and the reference -------------------------------------------------------------------

  // Hosts that are guests of other hosts of the experiment, the outermost first.
  std::vector<Candidate> bind_nested_hosts() {
    std::vector<std::size_t> hosts;
    for (std::size_t t = 0; t < clocks_.size(); ++t) {
      if (binder_.hosts_vms(t)) hosts.push_back(t);
    }
    for (const std::size_t host : hosts) find_own_rate(host);
    std::vector<Candidate> chosen;
    if (hosts.size() < 2) return chosen;
    for (bool more = true; more;) {
      std::vector<std::size_t> open;
      for (const std::size_t t : hosts) {
        if (binder_.may_be_guest(t) && !binder_.binding(t)) open.push_back(t);
      }
      std::vector<Candidate> bound = binder_.bind(open);
      more = !bound.empty();
      for (Candidate& candidate : bound) {
        share_rate(candidate.guest, candidate.host);
        chosen.push_back(std::move(candidate));
      }
    }
    return chosen;
  }

  // Ticks that the host counts, too, are converted with the host's rate: two calibrations differ.
  void share_rate(std::size_t guest, std::size_t host) {
    if (!clocks_[guest].ticks || !clocks_[host].ticks) return;
    clocks_[guest].to_ns = clocks_[host].to_ns;
    clocks_[guest].rate_known = clocks_[host].rate_known;
  }

  void choose_reference() {
    const std::size_t count = result_.traces.size();
    std::size_t first = 0;
    while (first < count && (!binder_.hosts_vms(first) || binder_.binding(first))) ++first;
    result_.reference = first < count ? first : 0;
    if (input_.options.host_trace) result_.reference = *input_.options.host_trace;
    if (!binder_.hosts_vms(result_.reference)) find_own_rate(result_.reference);
    const TraceClock& clock = clocks_[result_.reference];
    if (!clock.ticks) return;
    result_.ticks_per_second = rates_[result_.reference];
    result_.ticks = !clock.rate_known;
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

  void find_own_rate(std::size_t t) {
    TraceClock& clock = clocks_[t];
    if (info(t).clock.unit != Unit::kTicks) return;
    clock.ticks = true;
    rates_[t] = rate_of(t);
    if (rates_[t]) clock.to_ns = clock::scale_of(*rates_[t]);
    clock.rate_known = rates_[t] && !clock.to_ns.identity();
    if (clock.rate_known) return;
    issue(model::IssueCode::kTickRateUnknown, t,
          "clock " + info(t).clock.name + " counts ticks of unknown length");
  }

  // A guest in the reference's ticks is converted with the reference's rate.
  void find_rate(std::size_t t) {
    if (t == result_.reference || info(t).clock.unit != Unit::kTicks) return;
    clocks_[t].ticks = true;
    if (clocks_[result_.reference].ticks) {
      share_rate(t, result_.reference);
    } else {
      find_own_rate(t);
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

  // --- maps --------------------------------------------------------------------------------------

  void bind_guests(std::vector<Candidate>& chosen) {
    // The nested hosts' own rates have given way to their hosts'.
    for (Candidate& candidate : chosen) {
      candidate.result =
          binder_.evaluate(candidate.guest, candidate.host, candidate.vm, SyncMode::kAuto).result;
    }
    std::vector<std::size_t> guests;
    for (std::size_t t = 0; t < clocks_.size(); ++t) {
      if (!binder_.hosts_vms(t) && binder_.may_be_guest(t)) guests.push_back(t);
    }
    for (Candidate& candidate : binder_.bind(guests)) chosen.push_back(std::move(candidate));
  }

  void take_bindings() {
    for (std::size_t t = 0; t < result_.traces.size(); ++t) {
      result_.traces[t].binding = binder_.binding(t);
    }
  }

  // Hosts before their guests.
  void publish_all(std::vector<Candidate>& chosen) {
    std::stable_sort(chosen.begin(), chosen.end(), [this](const auto& a, const auto& b) {
      return binder_.depth(a.guest) < binder_.depth(b.guest);
    });
    for (const Candidate& candidate : chosen) {
      publish(candidate);
      if (binder_.hosts_vms(candidate.guest)) lead_on(candidate.guest);
    }
  }

  // What a nested host's guests are joined to: its widest segment as a line, and how far the others
  // are from it.
  void lead_on(std::size_t t) {
    const TraceJoin& join = result_.traces[t];
    if (std::find(done_.begin(), done_.end(), t) == done_.end() || !join.joined) return;
    const OwnTime begin = evidence(t).first;
    const OwnTime end = evidence(t).last;
    const model::ClockSegment* widest = &join.clock.segments().front();
    std::int64_t width = -1;
    for (const model::ClockSegment& segment : join.clock.segments()) {
      const std::int64_t from = std::max(segment.own_begin.value, begin.value);
      const std::int64_t to = std::min(segment.own_end.value, end.value);
      if (to - from > width) widest = &segment;
      width = std::max(width, to - from);
    }
    set_line(t, *widest);
    std::int64_t apart = 0;
    for (const model::ClockSegment& segment : join.clock.segments()) {
      for (const std::int64_t at : {segment.own_begin.value, segment.own_end.value - 1}) {
        if (at < begin.value || at > end.value) continue;
        const std::int64_t line = clocks_[t].to_host(clocks_[t].to_ns.apply(at));
        apart = std::max(apart, std::abs(line - join.clock.to_host(OwnTime{at}).ns));
      }
    }
    clocks_[t].error_ns = std::max<std::int64_t>(clocks_[t].error_ns, 0) + apart;
  }

  void publish(const Candidate& candidate) {
    TraceJoin& join = result_.traces[candidate.guest];
    report_facts(candidate);
    const SyncMode mode = input_.options.mode;
    if (mode == SyncMode::kAuto) {
      use(candidate, join);
    } else if (mode == SyncMode::kNone) {
      use_own_times(candidate, join);
    } else {
      use(binder_.evaluate(candidate.guest, candidate.host, candidate.vm, mode), join);
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
        if (clocks_[t].placed || binder_.binding(t)) continue;
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
      set_line(best->first, best->second);
      packets_[best->first] = best->second;
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

  void set_line(std::size_t t, const model::ClockSegment& segment) {
    TraceClock& clock = clocks_[t];
    clock.placed = true;
    clock.anchor_ns = clock.to_ns.apply(segment.anchor_own.value);
    clock.anchor_host = segment.anchor_host.ns;
    const long double scale =
        static_cast<long double>(clock.to_ns.rate) / static_cast<long double>(model::kRateOne);
    clock.rate = static_cast<std::int64_t>(
        std::floor(static_cast<long double>(segment.rate) / scale + 0.5L));
    clock.error_ns = segment.error_max_ns;
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
  std::vector<std::optional<double>> rates_;
  Binder binder_;
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
