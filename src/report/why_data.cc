#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "query/flow_source.h"
#include "report/why.h"
#include "report/why_parts.h"

namespace vs::report {
namespace why {
namespace {

namespace flow = analysis::flow;
using model::kNull;

std::optional<std::int64_t> known(std::int64_t value) {
  return value == kNull ? std::nullopt : std::optional(value);
}

// Keeps the longest `most` intervals, longest first.
void keep_longest(std::vector<FlowInterval>& list, FlowInterval interval, std::size_t most) {
  const auto place = std::upper_bound(
      list.begin(), list.end(), interval,
      [](const FlowInterval& a, const FlowInterval& b) { return a.dur_ns > b.dur_ns; });
  if (static_cast<std::size_t>(place - list.begin()) >= most) return;
  list.insert(place, std::move(interval));
  if (list.size() > most) list.pop_back();
}

}  // namespace

FlowGroup FlowTally::describe(const flow::FlowPiece& piece) const {
  FlowGroup group;
  group.kind = piece.kind;
  group.machine = world_.source().string(piece.exec.machine);
  group.vcpu = known(piece.exec.vcpu);
  group.tid = known(piece.exec.tid);
  group.comm = piece.comm;
  group.pcpu = known(piece.pcpu);
  group.cause = piece.cause;
  return group;
}

void FlowTally::add_interval(const flow::FlowPiece& piece) {
  if (piece.kind == model::FlowKind::kRun) return;
  auto& list = keeps_from_running(piece.kind) ? lost_ : waited_;
  const std::int64_t dur_ns = piece.end - piece.begin;
  if (list.size() == most_intervals_ && (list.empty() || list.back().dur_ns >= dur_ns)) return;
  keep_longest(list, {piece.begin, dur_ns, describe(piece)}, most_intervals_);
}

Status FlowTally::add(const flow::TaskWindow& task) {
  flow::FlowWalk walk(world_, task);
  flow::FlowPiece piece;
  while (true) {
    VS_ASSIGN(const bool more, walk.next(piece));
    if (!more) return {};
    const Key key{piece.kind, piece.exec.machine, piece.exec.vcpu, piece.exec.tid,
                  piece.comm, piece.pcpu,         piece.cause};
    const auto [place, fresh] = groups_.try_emplace(key);
    FlowGroup& group = place->second;
    if (fresh) group = describe(piece);
    const std::int64_t dur_ns = piece.end - piece.begin;
    group.total_ns += dur_ns;
    ++group.count;
    if (dur_ns > group.max_ns) {
      group.max_ns = dur_ns;
      group.max_ts = piece.begin;
    }
    add_interval(piece);
  }
}

std::vector<FlowGroup> FlowTally::groups() const {
  std::vector<FlowGroup> list;
  for (const auto& [key, group] : groups_) list.push_back(group);
  std::stable_sort(list.begin(), list.end(),
                   [](const FlowGroup& a, const FlowGroup& b) { return a.total_ns > b.total_ns; });
  return list;
}

std::vector<FlowInterval> FlowTally::intervals() const {
  std::vector<FlowInterval> list = lost_;
  for (const FlowInterval& interval : waited_) {
    if (list.size() < most_intervals_) list.push_back(interval);
  }
  return list;
}

namespace {

bool same_group(const FlowGroup& a, const FlowGroup& b) {
  return a.kind == b.kind && a.machine == b.machine && a.vcpu == b.vcpu && a.tid == b.tid &&
         a.comm == b.comm && a.pcpu == b.pcpu && a.cause == b.cause;
}

// Adds `times` typical iterations to compare with.
void add_typical(std::vector<FlowGroup>& groups, const std::vector<FlowGroup>& typical,
                 std::int64_t times) {
  for (const FlowGroup& group : typical) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const FlowGroup& candidate) {
      return same_group(candidate, group);
    });
    if (found != groups.end()) {
      found->typical_ns += times * group.total_ns;
      continue;
    }
    FlowGroup absent = group;
    absent.total_ns = 0;
    absent.count = 0;
    absent.max_ns = 0;
    absent.typical_ns = times * group.total_ns;
    groups.push_back(std::move(absent));
  }
}

/// Sums over the critical path, each in the order of its first appearance.
class PathTally {
 public:
  explicit PathTally(const flow::World& world) : world_(world) {}

  [[nodiscard]] Status add(const flow::TaskWindow& task, bool unbounded) {
    flow::PathOptions options;
    options.unbounded = unbounded;
    VS_ASSIGN(flow::PathWalk walk, flow::PathWalk::make(world_, task, options));
    flow::PathPiece piece;
    while (walk.next(piece)) add(piece);
    return {};
  }

  void fill(WhyData& data) const {
    data.path_labels = sorted(labels_);
    data.path_workers = sorted(workers_);
    data.path_machines = sorted(machines_);
    data.path_layers = sorted(layers_);
    for (const auto& [machine, label_ns] : waits_) {
      data.path_waits.push_back({std::string(machine), label_ns});
    }
  }

 private:
  using Shares = std::map<std::tuple<std::string_view, std::int64_t, std::string_view>, PathShare>;

  static void add(Shares& shares, std::string_view name, const flow::PathPiece& piece,
                  bool with_thread) {
    const std::int64_t tid = with_thread ? piece.tid : kNull;
    const std::string_view comm = with_thread ? piece.comm : std::string_view{};
    PathShare& share = shares[{name, tid, comm}];
    share.machine = name;
    share.tid = known(tid);
    share.comm = comm;
    share.total_ns += piece.end - piece.begin;
    ++share.count;
  }

  void add(const flow::PathPiece& piece) {
    const bool placed = piece.machine != flow::kNoMachine;
    const std::string_view machine = placed ? world_.machine(piece.machine).name : "";
    add(labels_, model::path_label_names()[static_cast<std::size_t>(piece.label)], piece, false);
    add(workers_, machine, piece, true);
    add(machines_, machine, piece, false);
    add(layers_, layer_of(piece), piece, false);
    if (piece.tid == kNull) return;
    std::vector<std::int64_t>& label_ns = waits_[machine];
    label_ns.resize(model::path_label_names().size());
    label_ns[static_cast<std::size_t>(piece.label)] += piece.end - piece.begin;
  }

  // Where the time went: on the host, in a VM, in a VM of a VM, or in a device.
  [[nodiscard]] std::string_view layer_of(const flow::PathPiece& piece) const {
    if (piece.tid == kNull) return "device";
    if (piece.machine == flow::kNoMachine) return "unknown";
    const bool below = piece.label == model::PathLabel::kHypervisor ||
                       piece.label == model::PathLabel::kHostPreempted;
    int depth = below ? -1 : 0;
    flow::MachineNumber machine = world_.machine(piece.machine).parent;
    for (; machine != flow::kNoMachine && depth < 3; ++depth) {
      machine = world_.machine(machine).parent;
    }
    return depth <= 0 ? "host" : depth == 1 ? "vm" : "nested vm";
  }

  static std::vector<PathShare> sorted(const Shares& shares) {
    std::vector<PathShare> list;
    for (const auto& [key, share] : shares) list.push_back(share);
    std::stable_sort(list.begin(), list.end(), [](const PathShare& a, const PathShare& b) {
      return a.total_ns > b.total_ns;
    });
    return list;
  }

  const flow::World& world_;
  Shares labels_;
  Shares workers_;
  Shares machines_;
  Shares layers_;
  std::map<std::string_view, std::vector<std::int64_t>> waits_;
};

// The part of the asked window in which the task lived.
Result<flow::TaskWindow> clip_window(const flow::World& world, const Task& task,
                                     const Window& window, WhyData& data) {
  const auto life = flow::life_of(world, task.machine, task.tid);
  flow::TaskWindow clipped{task.machine, task.tid, {}, {}};
  if (life) clipped = *life;
  const flow::TaskWindow all = clipped;
  clipped.begin = std::max(clipped.begin, window.from);
  clipped.end = std::min(clipped.end, window.to);
  const std::string name = fmt::format("{}/{}", terminal_text(data.machine), task.tid);
  const std::string lived =
      fmt::format("{} lived from {} to {}", name, time_text(all.begin, data.epoch),
                  time_text(all.end, data.epoch));
  if (clipped.begin >= clipped.end) {
    return Error{ErrorCode::kBadUse, fmt::format("{} has no time in this window", name), "", lived};
  }
  const bool from_cut = window.from != kHostTimeMin && window.from < all.begin;
  const bool to_cut = window.to != kHostTimeMax && window.to > all.end;
  if (from_cut || to_cut) {
    data.notes.push_back(fmt::format("the window is cut to what there is: {}", lived));
  }
  return clipped;
}

std::vector<std::int64_t> by_kind(const std::vector<FlowGroup>& groups) {
  std::vector<std::int64_t> sums(model::flow_kind_names().size());
  for (const FlowGroup& group : groups) {
    sums[static_cast<std::size_t>(group.kind)] += group.total_ns;
  }
  return sums;
}

void note_cut(const flow::DiskNeighbours& disks, WhyData& data) {
  if (!disks.cut()) return;
  data.notes.push_back(
      fmt::format("more than {} requests in one wait for a disk: further ones are not looked at",
                  flow::DiskNeighbours::kMaxHeld));
}

Status explain_window(const flow::World& world, const flow::TaskWindow& window,
                      const WhyRequest& request, WhyData& data) {
  FlowTally tally(world, request.intervals);
  VS_TRY(tally.add(window));
  data.groups = tally.groups();
  data.intervals = tally.intervals();
  data.total_ns = window.end - window.begin;
  PathTally path(world);
  VS_TRY(path.add(window, request.unbounded));
  path.fill(data);
  flow::DiskNeighbours disks(world);
  VS_TRY(disks.add(window));
  data.disk = disks_of(world, disks);
  note_cut(disks, data);
  data.headline = window_text(losses_of(data.groups, data.machine), data.total_ns);
  data.headline += behind_text(data) + disk_text(data);
  return {};
}

Status explain_iteration(const flow::World& world, const flow::TaskWindow& task,
                         const std::vector<FlowGroup>& typical, Iteration& slow,
                         const std::string& machine) {
  FlowTally one(world, 0);
  VS_TRY(one.add({task.machine, task.tid, slow.begin, slow.end}));
  std::vector<FlowGroup> groups = one.groups();
  slow.kind_ns = by_kind(groups);
  add_typical(groups, typical, 1);
  slow.message = slow_text(losses_of(groups, machine), slow.dur_ns(), slow.typical_ns);
  return {};
}

Status explain_slowest(const flow::World& world, const flow::TaskWindow& window,
                       const WhyRequest& request, WhyData& data) {
  VS_ASSIGN(const std::vector<Wait> waits, waits_of(world, window));
  Iterations found = iterations_of(world, waits);
  if (found.list.size() < 2) {
    data.notes.push_back(
        fmt::format("no cycle found ({}): this is the whole window; --from and --to choose a part",
                    plural(waits.size(), "wait", "waits")));
    return explain_window(world, window, request, data);
  }
  std::vector<Iteration>& list = found.list;
  std::stable_sort(list.begin(), list.end(),
                   [](const Iteration& a, const Iteration& b) { return a.dur_ns() > b.dur_ns(); });
  Cycle cycle{found.waits_in, found.with_wait, list.size(), list[list.size() / 2]};
  FlowTally typical_tally(world, 0);
  VS_TRY(typical_tally.add({window.machine, window.tid, cycle.typical.begin, cycle.typical.end}));
  const std::vector<FlowGroup> typical = typical_tally.groups();
  cycle.typical.typical_ns = cycle.typical.dur_ns();
  cycle.typical.kind_ns = by_kind(typical);
  list.resize(std::min(list.size(), *request.slowest));
  flow::DiskNeighbours typical_disks(world);
  VS_TRY(typical_disks.add({window.machine, window.tid, cycle.typical.begin, cycle.typical.end}));
  FlowTally tally(world, request.intervals);
  PathTally path(world);
  flow::DiskNeighbours disks(world);
  for (Iteration& slow : list) {
    slow.typical_ns = cycle.typical.dur_ns();
    VS_TRY(explain_iteration(world, window, typical, slow, data.machine));
    const flow::TaskWindow part{window.machine, window.tid, slow.begin, slow.end};
    VS_TRY(tally.add(part));
    VS_TRY(path.add(part, request.unbounded));
    VS_TRY(disks.add(part));
    data.total_ns += slow.dur_ns();
  }
  data.groups = tally.groups();
  add_typical(data.groups, typical, static_cast<std::int64_t>(list.size()));
  data.intervals = tally.intervals();
  path.fill(data);
  data.disk = disks_of(world, disks);
  add_typical_disks(data.disk, disks_of(world, typical_disks),
                    static_cast<std::int64_t>(list.size()));
  note_cut(disks, data);
  data.headline = list.front().message;
  data.slow = std::move(list);
  data.cycle = std::move(cycle);
  data.headline += disk_text(data);
  return {};
}

}  // namespace
}  // namespace why

std::int64_t WhyData::kind_ns(model::FlowKind kind) const {
  std::int64_t sum = 0;
  for (const FlowGroup& group : groups) sum += group.kind == kind ? group.total_ns : 0;
  return sum;
}

Result<WhyData> gather_why(const query::DataSource& source, const query::ExperimentSummary& summary,
                           const WhyRequest& request) {
  const query::FlowSource states(source);
  const analysis::flow::World& world = states.world();
  VS_ASSIGN(const why::Task task, why::find_task(world, request.task));
  WhyData data;
  data.machine = world.machine(task.machine).name;
  data.tid = task.tid;
  data.epoch = summary.experiment.epoch;
  VS_ASSIGN(const analysis::flow::TaskWindow window,
            why::clip_window(world, task, request.window, data));
  data.begin = window.begin;
  data.end = window.end;
  data.comm = world.comm(task.machine, task.tid, window.end.ns - 1);
  if (request.slowest) {
    VS_TRY(why::explain_slowest(world, window, request, data));
  } else {
    VS_TRY(why::explain_window(world, window, request, data));
  }
  data.headline =
      fmt::format("{}'s task {} ({}) {}", terminal_text(data.machine),
                  terminal_text(data.comm.empty() ? "?" : data.comm), data.tid, data.headline);
  data.missing = why::missing_causes(summary, data);
  return data;
}

}  // namespace vs::report
