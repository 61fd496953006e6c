#include "analysis/flow/disk_neighbours.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>

namespace vs::analysis::flow {
namespace {

using model::kNull;
using model::TableId;
using model::ThreadState;
namespace slot = model::slot;

constexpr int kMaxLayers = 4;
constexpr int kMaxWakers = 2;  ///< tasks that wait for each other before the disk

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
using Ranges = std::vector<Range>;

/// Sorts, joins what touches.
void normalise(Ranges& ranges) {
  std::ranges::sort(ranges, {}, &Range::begin);
  std::size_t kept = 0;
  for (const Range& range : ranges) {
    if (range.begin >= range.end) continue;
    if (kept > 0 && range.begin <= ranges[kept - 1].end) {
      ranges[kept - 1].end = std::max(ranges[kept - 1].end, range.end);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

std::int64_t length(const Ranges& ranges) {
  std::int64_t sum = 0;
  for (const Range& range : ranges) sum += range.end - range.begin;
  return sum;
}

// The parts of [begin, end) in `within`, which is normal.
void clip_into(const Ranges& within, Range range, Ranges& out) {
  auto at = std::ranges::upper_bound(within, range.begin, {}, &Range::end);
  for (; at != within.end() && at->begin < range.end; ++at) {
    out.push_back({std::max(range.begin, at->begin), std::min(range.end, at->end)});
  }
}

struct Held {
  std::int64_t begin = 0;
  std::int64_t issue = kNull;  ///< kNull: not seen
  std::int64_t end = 0;
  std::int64_t vm = kNull;
  std::int64_t tid = kNull;
  std::int64_t bytes = 0;
  bool counted = false;
};

Held held_of(const StateRow& row) {
  Held held{row.begin.ns,
            kNull,
            row.end.ns,
            row.values[slot::kBrVm],
            row.values[slot::kBrTid],
            row.values[slot::kBrBytes],
            false};
  const std::int64_t service_ns = row.values[slot::kBrServiceNs];
  if (service_ns != kNull) held.issue = std::max(held.begin, held.end - service_ns);
  return held;
}

/// The requests of a disk around a time that only moves forward.
class Feed {
 public:
  static Result<Feed> open(const World& world, model::EntityId entity, HostTime from, HostTime to) {
    Feed feed;
    VS_ASSIGN(feed.rows_, world.source().rows(entity, from, to));
    return feed;
  }
  /// Finished requests that overlap [begin, end); false when there are too many to hold.
  Result<bool> move(std::int64_t begin, std::int64_t end) {
    if (begin == begin_ && end == end_) return all_;
    begin_ = begin;
    end_ = end;
    VS_ASSIGN(all_, fill(begin, end));
    reach_.clear();
    for (const Held& held : held_) {
      reach_.push_back(std::max(held.end, reach_.empty() ? held.end : reach_.back()));
    }
    return all_;
  }
  [[nodiscard]] std::vector<Held>& held() { return held_; }

  /// Calls visit for those that were there all the time from `begin` to `end`, or all but `slack`.
  template <typename Visit>
  void each_around(std::int64_t begin, std::int64_t end, std::int64_t slack, Visit&& visit) const {
    const auto after = std::ranges::upper_bound(held_, begin + slack, {}, &Held::begin);
    for (auto i = static_cast<std::size_t>(after - held_.begin()); i-- > 0;) {
      if (reach_[i] < end - slack) return;
      if (held_[i].end >= end - slack) visit(held_[i]);
    }
  }

 private:
  Result<bool> fill(std::int64_t begin, std::int64_t end) {
    std::erase_if(held_, [&](const Held& held) { return held.end <= begin; });
    while (!next_ || next_->begin < end) {
      if (next_ && next_->end > begin && next_->end > next_->begin) {
        if (held_.size() == DiskNeighbours::kMaxHeld) return false;
        held_.push_back(*next_);
      }
      StateRow row;
      VS_ASSIGN(const bool more, rows_->next(row));
      if (!more) {
        next_ = Held{kHostTimeMax.ns, kNull, kHostTimeMax.ns, kNull, kNull, 0, false};
        break;
      }
      next_ = held_of(row);
    }
    return true;
  }

  std::unique_ptr<StateRows> rows_;
  std::vector<Held> held_;           ///< by begin
  std::vector<std::int64_t> reach_;  ///< the latest end of it and those before it
  std::int64_t begin_ = kNull;       ///< of the last move
  std::int64_t end_ = kNull;
  bool all_ = true;
  std::optional<Held> next_;  ///< read, and begins after the time that was asked for
};

/// A stretch in which the same own requests are at a disk.
struct Slice {
  Range range;
  std::int64_t latest = 0;  ///< begin of the one that came last
};

// `own` cut at every begin and end, inside `within`.
std::vector<Slice> slices_of(const std::vector<const Held*>& own, const Ranges& within) {
  std::vector<std::int64_t> cuts;
  for (const Held* held : own) cuts.insert(cuts.end(), {held->begin, held->end});
  std::ranges::sort(cuts);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<Slice> out;
  std::multiset<std::int64_t> there;  // begins
  std::vector<const Held*> by_end = own;
  std::ranges::sort(by_end, {}, &Held::end);
  std::vector<const Held*> by_begin = own;
  std::ranges::sort(by_begin, {}, &Held::begin);
  std::size_t came = 0;
  std::size_t left = 0;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    for (; came < own.size() && by_begin[came]->begin <= cuts[i]; ++came) {
      there.insert(by_begin[came]->begin);
    }
    for (; left < own.size() && by_end[left]->end <= cuts[i]; ++left) {
      there.erase(there.find(by_end[left]->begin));
    }
    if (there.empty()) continue;
    Ranges parts;
    clip_into(within, {cuts[i], cuts[i + 1]}, parts);
    for (const Range& part : parts) out.push_back({part, *there.rbegin()});
  }
  return out;
}

/// When one neighbour's requests were in the way in one wait.
struct InTheWay {
  Ranges ahead;
  Ranges any;  ///< ahead or beside
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
};

// False when the request was never in the way.
bool add_request(const std::vector<Slice>& slices, const Held& request, InTheWay& out) {
  bool any = false;
  auto at = std::partition_point(slices.begin(), slices.end(), [&](const Slice& slice) {
    return slice.range.end <= request.begin;
  });
  for (; at != slices.end() && at->range.begin < request.end; ++at) {
    const bool ahead = request.begin < at->latest;
    if (!ahead && request.issue == kNull) continue;
    const Range range{std::max(at->range.begin, ahead ? request.begin : request.issue),
                      std::min(at->range.end, request.end)};
    if (range.begin >= range.end) continue;
    any = true;
    out.any.push_back(range);
    if (ahead) out.ahead.push_back(range);
  }
  return any;
}

void add_share(const InTheWay& way, DiskShare& share) {
  const std::int64_t ahead_ns = length(way.ahead);
  share.ahead_ns += ahead_ns;
  share.beside_ns += length(way.any) - ahead_ns;
  share.requests += way.requests;
  share.bytes += way.bytes;
  for (const Range& range : way.any) {
    if (range.end - range.begin <= share.longest_ns) continue;
    share.longest_ns = range.end - range.begin;
    share.longest_at = HostTime{range.begin};
  }
}

/// The thread of several requests, when it is one.
struct Submitters {
  std::int64_t tid = kNull;
  bool several = false;
  void add(std::int64_t one) {
    several = several || (tid != kNull && one != tid);
    tid = one;
  }
  [[nodiscard]] std::int64_t only() const { return several ? kNull : tid; }
};

}  // namespace

/// The disk waits of one task in one window.
class DiskWaits {
 public:
  DiskWaits(DiskNeighbours& out, const TaskWindow& task)
      : out_(out), world_(out.world_), task_(task), states_(world_, {}) {}

  Status run() { return add_task(task_.machine, task_.tid, {task_.begin.ns, task_.end.ns}, 0); }

 private:
  Status add_task(MachineNumber machine, std::int64_t tid, Range window, int depth);
  Status add_wait(MachineNumber machine, std::int64_t tid, Range wait);
  Status add_disk(const World::Device& device, MachineNumber machine, const Ranges& within,
                  Ranges& own);
  Status add_neighbours(const Disk& disk, std::vector<Held>& held, const std::vector<Slice>& slices,
                        Ranges& shared);
  Result<Feed*> feed(const World::Device& device);
  Result<DiskNeighbour> neighbour_of(const Disk& disk, const Held& request);
  Result<std::int64_t> task_of(MachineNumber vm, const Held& request);

  [[nodiscard]] bool is_own(const Held& held) const {
    return own_vm_ == kNull ? held.tid == own_tid_ : held.vm == own_vm_;
  }

  DiskNeighbours& out_;
  const World& world_;
  const TaskWindow task_;
  States states_;
  std::map<model::EntityId, Feed> feeds_;
  std::int64_t own_tid_ = kNull;
  std::int64_t own_vm_ = kNull;  ///< kNull: the thread's own
  Range wait_;
};

Status DiskWaits::add_task(MachineNumber machine, std::int64_t tid, Range window, int depth) {
  for (std::int64_t now = window.begin; now < window.end;) {
    states_.trim();
    VS_ASSIGN(const ThreadSpan span, states_.thread_at(machine, tid, HostTime{now}));
    const Range row{now, std::min(span.end.ns, window.end)};
    now = span.end.ns;
    if (span.state != ThreadState::kBlocked || span.detail == kNull) continue;
    const std::string_view cause = world_.source().string(span.detail);
    if (cause == "disk") {
      VS_TRY(add_wait(machine, tid, row));
    } else if (cause == "task" && span.waker_tid != kNull && depth < kMaxWakers &&
               world_.machine_of(span.waker_machine) == machine && span.waker_tid != tid) {
      VS_TRY(add_task(machine, span.waker_tid, row, depth + 1));
    }
  }
  return {};
}

Status DiskWaits::add_wait(MachineNumber machine, std::int64_t tid, Range wait) {
  out_.waited_ns_ += wait.end - wait.begin;
  wait_ = wait;
  own_tid_ = tid;
  own_vm_ = kNull;
  Ranges within = {wait};
  for (int layer = 0; layer < kMaxLayers && machine != kNoMachine; ++layer) {
    Ranges own;
    for (const World::Device& device : world_.devices(machine)) {
      VS_TRY(add_disk(device, machine, within, own));
    }
    normalise(own);
    if (!own.empty()) within = std::move(own);
    own_vm_ = world_.machine(machine).name_id;
    if (own_vm_ == kNull) break;
    machine = world_.machine(machine).parent;
  }
  return {};
}

// The feed of a device, at the wait.
Result<Feed*> DiskWaits::feed(const World::Device& device) {
  auto found = feeds_.find(device.entity);
  if (found == feeds_.end()) {
    VS_ASSIGN(Feed made, Feed::open(world_, device.entity, task_.begin, task_.end));
    found = feeds_.emplace(device.entity, std::move(made)).first;
  }
  VS_ASSIGN(const bool all, found->second.move(wait_.begin, wait_.end));
  if (!all) out_.cut_ = true;
  return &found->second;
}

// The own requests go to `own`, as far as they lie within the wait.
Status DiskWaits::add_disk(const World::Device& device, MachineNumber machine, const Ranges& within,
                           Ranges& own) {
  VS_ASSIGN(Feed* const at, feed(device));
  std::vector<Held>& held = at->held();
  std::vector<const Held*> ours;
  for (const Held& one : held) {
    if (is_own(one)) ours.push_back(&one);
  }
  const std::vector<Slice> slices = slices_of(ours, within);
  if (slices.empty()) return {};
  Ranges there;
  for (const Slice& slice : slices) there.push_back(slice.range);
  normalise(there);
  own.insert(own.end(), there.begin(), there.end());
  const Disk disk{machine, device.name};
  Ranges shared;
  VS_TRY(add_neighbours(disk, held, slices, shared));
  DiskUse& use = out_.disks_[disk];
  use.own_ns += length(there);
  use.shared_ns += length(shared);
  for (const Held* const one : ours) {
    if (one->end <= wait_.begin || one->end > wait_.end) continue;
    Ranges met;
    clip_into(shared, {one->begin, one->end}, met);
    ++(met.empty() ? use.alone : use.shared);
    (met.empty() ? use.alone_ns : use.shared_took_ns) += one->end - one->begin;
  }
  return {};
}

// When anybody's requests were in the way goes to `shared`, normal.
Status DiskWaits::add_neighbours(const Disk& disk, std::vector<Held>& held,
                                 const std::vector<Slice>& slices, Ranges& shared) {
  std::map<DiskNeighbour, InTheWay> found;
  for (Held& one : held) {
    InTheWay part;
    if (is_own(one) || !add_request(slices, one, part)) continue;
    VS_ASSIGN(const DiskNeighbour who, neighbour_of(disk, one));
    InTheWay& sum = found[who];
    sum.ahead.insert(sum.ahead.end(), part.ahead.begin(), part.ahead.end());
    sum.any.insert(sum.any.end(), part.any.begin(), part.any.end());
    if (one.counted) continue;
    one.counted = true;
    ++sum.requests;
    sum.bytes += static_cast<std::uint64_t>(std::max<std::int64_t>(one.bytes, 0));
  }
  for (auto& [who, way] : found) {
    normalise(way.ahead);
    normalise(way.any);
    add_share(way, out_.shares_[who]);
    shared.insert(shared.end(), way.any.begin(), way.any.end());
  }
  normalise(shared);
  return {};
}

Result<DiskNeighbour> DiskWaits::neighbour_of(const Disk& disk, const Held& request) {
  const MachineNumber vm = world_.machine_of(request.vm);
  if (vm == kNoMachine || vm == disk.machine) return DiskNeighbour{disk, disk.machine, request.tid};
  VS_ASSIGN(const std::int64_t task, task_of(vm, request));
  return DiskNeighbour{disk, vm, task};
}

// Who in the VM submitted what became this request; kNull when the VM's trace does not tell.
Result<std::int64_t> DiskWaits::task_of(MachineNumber vm, const Held& request) {
  const std::optional<std::int64_t> error_ns = world_.machine(vm).error_ns;
  if (!error_ns) return kNull;
  Submitters all;
  Submitters alike;
  for (const World::Device& device : world_.devices(vm)) {
    VS_ASSIGN(const Feed* const at, feed(device));
    at->each_around(request.begin, request.end, *error_ns, [&](const Held& held) {
      all.add(held.tid);
      if (held.bytes == request.bytes) alike.add(held.tid);
    });
  }
  return all.several ? alike.only() : all.only();
}

Status DiskNeighbours::add(const TaskWindow& task) { return DiskWaits(*this, task).run(); }

}  // namespace vs::analysis::flow
