#include "session/join_pair.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "session/evidence_sort.h"
#include "session/join_times.h"

namespace vs::session {
namespace {

using clock::Fact;
using clock::GuestTime;
using clock::Placement;
using clock::RunIndex;
using model::FactKind;

constexpr std::size_t kNone = static_cast<std::size_t>(-1);
constexpr double kMisassigned = 0.01;  // share outside that makes a CPU's vCPU doubtful
constexpr std::int64_t kTickSlopePpb = 500'000;
constexpr std::size_t kSampleTimes = 4096;
constexpr std::size_t kChanceTimes = 1024;
constexpr std::int64_t kMapSlack = 1;  // rounding of the map
constexpr double kChanceShiftsNs[] = {3.1e6, 11.7e6, 47e6, 153e6, 511e6, 1.7e9};

/// One pair's work. Everything below is in working units unless it says own.
class PairJudge {
 public:
  explicit PairJudge(const PairTask& task)
      : task_(task), guest_(*task.guest->evidence), host_(*task.host->evidence) {
    runs_ = vcpu_runs(task);
    for (std::size_t v = 0; v < task.vm->vcpus.size(); ++v) tids_.add(task.vm->vcpus[v], v);
    beacons_ = match_beacons(task, tids_);
    assign_by_rank();
    build_times();
  }

  PairResult run() {
    result_.beacons = beacons_.matched;
    if (times_.empty() || runs_.empty()) return std::move(result_);
    const bool exact_wanted = task_.mode == SyncMode::kAuto || task_.mode == SyncMode::kTsc;
    if (exact_wanted && try_exact()) return finish();
    if (task_.mode == SyncMode::kAuto || task_.mode == SyncMode::kEnvelope) {
      fit_with_envelopes();
    } else {
      fit_facts_alone();
    }
    return finish();
  }

 private:
  // --- preparation -------------------------------------------------------------------------------

  [[nodiscard]] std::int64_t x_of(OwnTime own) const { return task_.clocks.guest.apply(own.value); }
  [[nodiscard]] std::int64_t y_of(OwnTime own) const { return task_.clocks.host.apply(own.value); }

  // The CPU with number c is the vCPU of rank c, unless beacons have shown otherwise.
  void assign_by_rank() {
    for (const model::CpuBursts& cpu : guest_.cpus) {
      std::size_t vcpu = cpu.cpu < runs_.size() ? cpu.cpu : kNone;
      for (const auto& [guest_cpu, voted] : beacons_.votes) {
        if (guest_cpu == cpu.cpu) vcpu = voted;
      }
      vcpu_of_.push_back(vcpu);
    }
  }

  void build_times() {
    std::size_t count = 0;
    for (const model::CpuBursts& cpu : guest_.cpus) count += cpu.bursts.size();
    times_.clear();
    times_.reserve(2 * count);
    for (std::size_t c = 0; c < guest_.cpus.size(); ++c) {
      if (vcpu_of_[c] == kNone || runs_[vcpu_of_[c]].empty()) continue;
      add_times(guest_.cpus[c].bursts, static_cast<std::uint32_t>(vcpu_of_[c]), times_);
    }
    // A CPU whose clock goes back has bursts that overlap.
    sort_stretches(times_, [](const GuestTime& a, const GuestTime& b) { return a.x < b.x; });
    owns_.clear();
    if (task_.clocks.guest.identity()) return;
    owns_.reserve(times_.size());
    for (GuestTime& time : times_) {
      owns_.push_back(OwnTime{time.x});
      time.x = task_.clocks.guest.apply(time.x);
    }
  }
  [[nodiscard]] OwnTime own_of(std::size_t i) const {
    return owns_.empty() ? OwnTime{times_[i].x} : owns_[i];
  }

  // --- hard facts --------------------------------------------------------------------------------

  // The guest's TSC as the host read it; needs a guest trace in the same ticks.
  [[nodiscard]] std::vector<Fact> deadline_facts() const {
    std::vector<Fact> facts;
    if (!task_.clocks.ticks) return facts;
    std::vector<model::DeadlineReading> readings;
    for (const model::DeadlineReading& reading : host_.deadlines) {
      if (tids_.vcpu_of(reading.tid)) readings.push_back(reading);
    }
    const auto offset = clock::offset_of(readings);
    if (!offset || offset->agreeing < 3 || offset->agreeing * 2 < readings.size()) return facts;
    for (const model::DeadlineReading& reading : readings) {
      const bool agrees = reading.guest_tsc - reading.upper.value <= offset->least &&
                          reading.guest_tsc - reading.lower.value >= offset->greatest;
      if (!agrees) continue;
      facts.push_back({reading.guest_tsc, reading.upper.value, true, FactKind::kDeadline});
      facts.push_back({reading.guest_tsc, reading.lower.value, false, FactKind::kDeadline});
    }
    return facts;
  }

  [[nodiscard]] std::vector<Fact> hard_facts() const {
    std::vector<Fact> facts;
    const auto add = [&facts](const std::vector<Fact>& more) {
      facts.insert(facts.end(), more.begin(), more.end());
    };
    const SyncMode mode = task_.mode;
    if (mode == SyncMode::kAuto || mode == SyncMode::kBeacon) add(beacons_.facts);
    if (mode == SyncMode::kAuto || mode == SyncMode::kTsc) add(deadline_facts());
    if (mode == SyncMode::kAuto || mode == SyncMode::kPackets) {
      add(packet_facts(guest_, host_, task_.clocks));
    }
    sort_stretches(facts, [](const Fact& a, const Fact& b) { return a.x < b.x; });
    return facts;
  }

  // --- exact -------------------------------------------------------------------------------------

  // False for KVM's first write, when the vCPU was made: no guest time is older than that.
  [[nodiscard]] bool ran_before(std::int64_t y) const {
    return std::any_of(runs_.begin(), runs_.end(), [y](const RunIndex& runs) {
      return !runs.empty() && runs.cover_begin() < y;
    });
  }

  // A step set the guest's clock back and x is a time that came twice.
  [[nodiscard]] bool came_twice(const TscTimeline& line, std::int64_t x) const {
    for (std::size_t i = 1; i < line.steps.size(); ++i) {
      const TscStep& step = line.steps[i];
      const std::int64_t set_to = own_at(line, step.from, step.offset);
      const bool again = x >= set_to && x < own_at(line, step.from, line.steps[i - 1].offset);
      if (again && set_to > guest_.first.value && ran_before(step.from)) return true;
    }
    return false;
  }

  Placement place_exact(const TscTimeline& line) const {
    Placement placement;
    std::vector<RunIndex::Hint> hints(runs_.size());
    for (const GuestTime& time : times_) {
      if (came_twice(line, time.x)) continue;
      clock::place(runs_[time.vcpu], y_of_exact(line, time.x), time.weight, kMapSlack, placement,
                   hints[time.vcpu]);
    }
    return placement;
  }

  bool try_exact() {
    if (!task_.clocks.ticks) return false;
    for (const TscTimeline& line : task_.exact) {
      const auto map = [&line](std::int64_t x) { return y_of_exact(line, x); };
      Placement placement = place_exact(line);
      if (placement.covered > 0 && placement.share() > kMisassigned && reassign(map)) {
        placement = place_exact(line);
      }
      const double allowed =
          std::max(clock::kTolerated, 2.0 / static_cast<double>(placement.covered + 1));
      const bool fits = placement.covered > 0 ? placement.share() <= allowed : line.trusted;
      if (!fits) {
        result_.exact_rejected = result_.exact_rejected || placement.covered > 0;
        continue;
      }
      publish_exact(line, placement);
      return true;
    }
    return false;
  }

  [[nodiscard]] model::ClockSegment exact_segment(const TscTimeline& line, const TscStep& step,
                                                  std::uint64_t covered) const {
    model::ClockSegment segment = clock::make_exact_segment(step.offset, task_.clocks.timeline);
    if (line.fraction_bits != 0 || line.ratio != 1) {
      const auto scaled = (static_cast<Int128>(segment.rate) << line.fraction_bits) /
                          static_cast<Int128>(line.ratio);
      segment.rate = static_cast<std::int64_t>(scaled);
      segment.error_min_ns = segment.error_median_ns = segment.error_max_ns = 2;
    }
    segment.facts[static_cast<std::size_t>(FactKind::kTscOffset)].used = 1;
    segment.facts[static_cast<std::size_t>(FactKind::kEnvelope)].used = covered;
    return segment;
  }

  // A clock set forward leaves own times that never were: the new segment begins right behind the
  // old one's last. A clock set back shows own times twice: nothing is promised there.
  void add_step(const TscTimeline& line, const TscStep& step, std::int64_t old_offset,
                model::ClockSegment segment) {
    const std::int64_t reached = own_at(line, step.from, old_offset);
    const std::int64_t set_to = own_at(line, step.from, step.offset);
    const OwnTime boundary{std::min(reached, set_to)};
    if (boundary > guest_.last && ran_before(step.from)) return;
    if (boundary <= guest_.first || !ran_before(step.from)) {  // only the new offset is seen
      result_.segments.clear();
    } else if (set_to < reached) {
      add_unplaced(boundary, segment);
    }
    if (!result_.segments.empty()) {
      segment.own_begin = OwnTime{reached};
      if (segment.own_begin > guest_.last) return;
    }
    result_.segments.push_back(segment);
  }

  void publish_exact(const TscTimeline& line, const Placement& placement) {
    const TscStep* previous = nullptr;
    for (const TscStep& step : line.steps) {
      const model::ClockSegment segment = exact_segment(line, step, placement.covered);
      if (previous == nullptr) {
        result_.segments.push_back(segment);
      } else {
        add_step(line, step, previous->offset, segment);
      }
      previous = &step;
    }
    result_.source = line.source;
    result_.exact = true;
    result_.placed = times_.size();
    y_of_x_ = [line](std::int64_t x) { return y_of_exact(line, x); };
    chance(y_of_x_);
  }

  // --- hull --------------------------------------------------------------------------------------

  [[nodiscard]] std::vector<clock::Piece> pieces(const std::vector<Fact>& facts,
                                                 std::int64_t slope_ppb) const {
    clock::PieceProblem problem;
    problem.times = times_;
    problem.vcpus = runs_;
    problem.facts = facts;
    problem.slope_limit_ppb = slope_ppb;
    problem.unit_ns = task_.clocks.unit_ns;
    problem.declared_offset = task_.clocks.declared_offset;
    return clock::fit_pieces(problem);
  }

  static std::size_t placed(const std::vector<clock::Piece>& list) {
    std::size_t count = 0;
    for (const clock::Piece& piece : list) count += piece.end - piece.begin;
    return count;
  }

  void fit_with_envelopes() {
    const std::vector<Fact> facts = hard_facts();
    std::vector<clock::Piece> list = pieces(facts, kTickSlopePpb);
    if (placed(list) * 2 < times_.size() && runs_.size() > 1) {
      list = fit_by_known_cpus(facts, std::move(list));
    } else if (!list.empty() && reassign_by(list)) {
      list = pieces(facts, kTickSlopePpb);
    }
    if (list.empty()) return;
    if (task_.clocks.ticks) {
      // KVM scales a guest's TSC only when its rate differs by more than 250 ppm; otherwise both
      // count the same ticks and only the offset is unknown.
      std::vector<clock::Piece> same_rate = pieces(facts, 0);
      if (placed(same_rate) >= placed(list)) list = std::move(same_rate);
    }
    publish(list, facts);
  }

  // The CPUs are not numbered like the vCPUs: the CPUs that beacons tell, or else the busiest CPU
  // against each vCPU; then the rest by the map found.
  std::vector<clock::Piece> fit_by_known_cpus(const std::vector<Fact>& facts,
                                              std::vector<clock::Piece> fallback) {
    const std::vector<std::size_t> by_rank = vcpu_of_;
    for (const std::vector<std::size_t>& some : partial_assignments()) {
      vcpu_of_ = some;
      build_times();
      std::vector<clock::Piece> list = pieces(facts, kTickSlopePpb);
      if (list.empty() || placed(list) * 2 < times_.size()) continue;
      if (!reassign_by(list)) continue;
      list = pieces(facts, kTickSlopePpb);
      if (placed(list) * 2 >= times_.size()) return list;
    }
    vcpu_of_ = by_rank;
    build_times();
    return fallback;
  }

  [[nodiscard]] std::vector<std::vector<std::size_t>> partial_assignments() const {
    std::vector<std::vector<std::size_t>> list;
    const std::vector<std::size_t> nothing(guest_.cpus.size(), kNone);
    if (!beacons_.votes.empty()) {
      list.push_back(nothing);
      for (std::size_t c = 0; c < guest_.cpus.size(); ++c) {
        for (const auto& [cpu, voted] : beacons_.votes) {
          if (cpu == guest_.cpus[c].cpu) list.back()[c] = voted;
        }
      }
      return list;
    }
    const auto busiest = std::max_element(
        guest_.cpus.begin(), guest_.cpus.end(),
        [](const auto& a, const auto& b) { return a.bursts.size() < b.bursts.size(); });
    for (std::size_t v = 0; v < runs_.size(); ++v) {
      list.push_back(nothing);
      list.back()[static_cast<std::size_t>(busiest - guest_.cpus.begin())] = v;
    }
    return list;
  }

  void fit_facts_alone() {
    const std::vector<Fact> facts = hard_facts();
    if (facts.empty()) return;
    clock::EnvelopeProblem problem;
    problem.facts = facts;
    problem.slope_limit_ppb = task_.mode == SyncMode::kTsc ? 0 : kTickSlopePpb;
    clock::Piece piece{0, times_.size(), clock::fit_envelopes(problem)};
    if (piece.fit.solution.feasible()) publish({piece}, facts);
  }

  void publish(const std::vector<clock::Piece>& list, const std::vector<Fact>& facts) {
    lines_.emplace(list, times_);
    y_of_x_ = *lines_;
    settled_ = settled_times(list, times_.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const clock::Piece& piece = list[i];
      const bool last = i + 1 == list.size();
      // A segment ends with its last event: the clock may jump right after it.
      const OwnTime begin = i == 0 && piece.begin == 0 ? guest_.first : own_of(piece.begin);
      const OwnTime end = last && piece.end == times_.size() ? guest_.last : own_of(piece.end - 1);
      model::ClockSegment segment = clock::make_segment(piece.fit.solution, task_.clocks.guest,
                                                        task_.clocks.timeline, overlap(begin, end));
      segment.own_begin = i == 0 ? kOwnTimeMin : begin;
      if (i > 0 && list[i - 1].end == piece.begin) {
        segment.own_begin = OwnTime{own_of(piece.begin - 1).value + 1};
      }
      count_facts(piece, facts, segment);
      segment.method = method_of(segment);
      const bool firm =
          piece.fit.solution.kind == clock::SolutionClass::kAccurate && !piece.fit.assumed_needed;
      segment.quality = firm ? model::SyncQuality::kAccurate : model::SyncQuality::kApproximate;
      if (i > 0 && piece.begin > list[i - 1].end) {
        add_unplaced(OwnTime{own_of(list[i - 1].end - 1).value + 1}, segment);
      } else if (i == 0 && piece.begin > 0) {
        add_unplaced(kOwnTimeMin, segment);
        segment.own_begin = own_of(piece.begin);
      }
      result_.segments.push_back(segment);
      if (last && piece.end < times_.size() && piece.end > piece.begin) {
        add_unplaced(OwnTime{own_of(piece.end - 1).value + 1}, segment);
      }
    }
    result_.placed = placed(list);
    result_.source = "facts";
    chance(y_of_x_);
  }

  // The bound is stated for what both traces cover: beyond the host's trace there is nothing to
  // compare with, and the slope's freedom would widen the figure for no answer.
  [[nodiscard]] clock::SegmentSpan overlap(OwnTime begin, OwnTime end) const {
    std::int64_t first = INT64_MAX;
    std::int64_t last = INT64_MIN;
    for (const RunIndex& runs : runs_) {
      if (runs.empty()) continue;
      first = std::min(first, runs.cover_begin());
      last = std::max(last, runs.cover_end());
    }
    const auto covered = [&](std::size_t i) {
      const std::int64_t y = y_of_x_(times_[i].x);
      return y >= first && y <= last;
    };
    std::size_t from = 0;
    std::size_t to = times_.size();
    while (from < to && (own_of(from) < begin || !covered(from))) ++from;
    while (from < to && (own_of(to - 1) > end || !covered(to - 1))) --to;
    return from < to ? clock::SegmentSpan{own_of(from), own_of(to - 1)}
                     : clock::SegmentSpan{begin, end};
  }

  // Times that fit in no piece get the neighbour's map, but nothing is promised. Between two pieces
  // that is the later one's: the clock may have jumped ahead, and the map must not run ahead with
  // it.
  void add_unplaced(OwnTime begin, model::ClockSegment segment) {
    segment.own_begin = begin;
    segment.quality = model::SyncQuality::kFailed;
    segment.error_min_ns = segment.error_median_ns = segment.error_max_ns = -1;
    for (model::FactCount& count : segment.facts) count = {};
    result_.segments.push_back(segment);
  }

  void count_facts(const clock::Piece& piece, const std::vector<Fact>& facts,
                   model::ClockSegment& segment) const {
    const auto slot = [&segment](FactKind kind) -> model::FactCount& {
      return segment.facts[static_cast<std::size_t>(kind)];
    };
    const std::int64_t first = piece.begin == 0 ? INT64_MIN : times_[piece.begin].x;
    const std::int64_t last = piece.end >= times_.size() ? INT64_MAX : times_[piece.end - 1].x;
    for (const Fact& fact : facts) {
      if (fact.x >= first && fact.x <= last) ++slot(fact.kind).used;
    }
    slot(FactKind::kEnvelope).used = piece.fit.used;
    slot(FactKind::kEnvelope).rejected = piece.fit.rejected;
    for (std::size_t k = 0; k < piece.fit.removed.size(); ++k) {
      model::FactCount& count = segment.facts[k];
      count.rejected += piece.fit.removed[k];
      count.used -= std::min(count.used, piece.fit.removed[k]);
    }
  }

  static model::SyncMethod method_of(const model::ClockSegment& segment) {
    using model::SyncMethod;
    constexpr std::pair<FactKind, SyncMethod> kMethods[] = {
        {FactKind::kBeacon, SyncMethod::kBeacon},
        {FactKind::kVmsync, SyncMethod::kBeacon},
        {FactKind::kDeadline, SyncMethod::kTsc},
        {FactKind::kPacket, SyncMethod::kPackets},
        {FactKind::kEnvelope, SyncMethod::kEnvelope},
        {FactKind::kInterrupt, SyncMethod::kEnvelope}};
    SyncMethod method = SyncMethod::kNone;
    for (const auto& [kind, of_kind] : kMethods) {
      if (segment.facts[static_cast<std::size_t>(kind)].used == 0) continue;
      if (method != SyncMethod::kNone && method != of_kind) return SyncMethod::kMixed;
      method = of_kind;
    }
    return method;
  }

  // --- verdict -----------------------------------------------------------------------------------

  // Which vCPU each guest CPU is, by where its events fall under a map. True when it changed.
  template <typename Map>
  bool reassign(const Map& map) {
    const std::size_t rows = guest_.cpus.size();
    if (runs_.size() < 2 || rows > runs_.size() || rows == 0) return false;
    std::vector<std::vector<double>> cost(rows, std::vector<double>(runs_.size()));
    for (std::size_t c = 0; c < rows; ++c) {
      const auto& bursts = guest_.cpus[c].bursts;
      const std::size_t stride = bursts.size() / kSampleTimes + 1;
      std::vector<std::int64_t> sample;
      for (std::size_t i = 0; i < bursts.size(); i += stride) {
        sample.push_back(map(x_of(OwnTime{bursts[i].first})));
      }
      for (std::size_t v = 0; v < runs_.size(); ++v) {
        Placement placement;
        RunIndex::Hint hint;
        for (const std::int64_t y : sample) {
          if (!runs_[v].empty()) clock::place(runs_[v], y, 1, kMapSlack, placement, hint);
        }
        // A vCPU that says nothing is worse than one that agrees, better than one that contradicts.
        cost[c][v] = placement.covered == 0 ? 0.5 : placement.share();
        if (vcpu_of_[c] == v)
          cost[c][v] -= kMisassigned;  // keep the rank unless it is clearly wrong
      }
    }
    std::vector<std::size_t> best = clock::assign(cost);
    if (best == vcpu_of_) return false;
    vcpu_of_ = std::move(best);
    build_times();
    return true;
  }

  bool reassign_by(const std::vector<clock::Piece>& list) {
    return reassign(PieceLines(list, times_));
  }

  // How often events would fall outside if the map meant nothing.
  template <typename Map>
  void chance(const Map& map) {
    std::vector<std::pair<std::int64_t, std::uint32_t>> sample;  // y and vCPU
    const std::size_t stride = times_.size() / kChanceTimes + 1;
    for (std::size_t i = 0; i < times_.size(); i += stride) {
      sample.emplace_back(map(times_[i].x), times_[i].vcpu);
    }
    double sum = 0;
    int count = 0;
    for (const double shift_ns : kChanceShiftsNs) {
      for (const double sign : {-1.0, 1.0}) {
        const auto shift = static_cast<std::int64_t>(sign * shift_ns / task_.clocks.unit_ns);
        Placement placement;
        std::vector<RunIndex::Hint> hints(runs_.size());
        for (const auto& [y, vcpu] : sample) {
          clock::place(runs_[vcpu], y + shift, 1, 0, placement, hints[vcpu]);
        }
        if (placement.covered < 16) continue;
        sum += placement.share();
        ++count;
      }
    }
    result_.by_chance = count == 0 ? 0 : sum / count;
  }

  PairResult finish() {
    if (result_.segments.empty()) return std::move(result_);
    result_.times = times_.size();
    for (std::size_t c = 0; c < guest_.cpus.size(); ++c) {
      const std::int32_t id =
          vcpu_of_[c] == kNone ? model::kNoVcpu : task_.vm->vcpus[vcpu_of_[c]].id;
      result_.cpus.push_back({guest_.cpus[c].cpu, id});
    }
    for (std::size_t i = 0; i + 1 < result_.segments.size(); ++i) {
      result_.segments[i].own_end = result_.segments[i + 1].own_begin;
    }
    result_.segments.back().own_end = kOwnTimeMax;
    measure();
    return std::move(result_);
  }

  // The shares outside, per segment: of the events that the map puts into the host's cover.
  void measure() {
    const auto own_of = [this](std::size_t i) { return this->own_of(i); };
    const auto place = [this](std::size_t i, Placement& placement, RunIndex::Hint& hint) {
      return place_mapped(i, placement, hint);
    };
    const std::vector<SegmentPlacement> counts =
        place_by_segment(times_, result_.segments, runs_, own_of, place);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto& [before, after] = counts[i];
      result_.shares.push_back({after.covered, before.share(), after.share()});
      if (result_.segments[i].error_max_ns < 0) continue;  // nothing is claimed there
      result_.covered += after.covered;
      result_.outside += after.outside;
      const double worst = static_cast<double>(after.worst) * task_.clocks.unit_ns;
      result_.worst_ns = std::max(result_.worst_ns, static_cast<std::int64_t>(worst));
    }
  }

  // Counts a time where the map puts it; false: not in the host's cover. Of most times the fit has
  // found that they are right, or a rough map tells.
  bool place_mapped(std::size_t i, Placement& placement, RunIndex::Hint& hint) const {
    constexpr std::int64_t kSlack = kMapSlack + clock::RoughMiddle::kWithin;
    const GuestTime& time = times_[i];
    const RunIndex& runs = runs_[time.vcpu];
    std::int64_t y = 0;
    const bool right =
        (!settled_.empty() && settled_[i] != 0) ||
        (lines_ && lines_->rough(time.x, y) && runs.within_run(y - kSlack, y + kSlack, hint));
    if (right) {
      placement.covered += time.weight;
      return true;
    }
    const std::uint64_t covered = placement.covered;
    clock::place(runs, y_of_x_(time.x), time.weight, kMapSlack, placement, hint);
    return placement.covered != covered;
  }

  const PairTask& task_;
  const model::TraceEvidence& guest_;
  const model::TraceEvidence& host_;
  std::vector<RunIndex> runs_;  ///< by vCPU of the VM
  ThreadList tids_;
  BeaconMatches beacons_;
  std::vector<std::size_t> vcpu_of_;  ///< by position in guest_.cpus
  std::vector<GuestTime> times_;
  std::vector<OwnTime> owns_;  ///< of times_, where they are not x
  std::function<std::int64_t(std::int64_t)> y_of_x_;
  std::optional<PieceLines> lines_;    ///< what y_of_x_ is, when it is that
  std::vector<std::uint8_t> settled_;  ///< by time: 1 where the fit says that y_of_x_ is right
  PairResult result_;
};

}  // namespace

PairResult evaluate_pair(const PairTask& task) { return PairJudge(task).run(); }

std::size_t count_beacons(const PairTask& task, std::size_t most) {
  ThreadList tids;
  for (std::size_t v = 0; v < task.vm->vcpus.size(); ++v) tids.add(task.vm->vcpus[v], v);
  return match_beacons(task, tids, most).matched;
}

}  // namespace vs::session
