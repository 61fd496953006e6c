// Facts from marks that both sides of a hypercall left: beacons (algorithms C.2) and Gebai's vmsync
// events. The guest's mark before a hypercall is older than the host's record of it; a mark after
// it is younger.
#include <algorithm>
#include <utility>

#include "session/evidence_sort.h"
#include "session/join_pair.h"

namespace vs::session {
namespace {

using clock::Fact;
using model::FactKind;

class Matcher {
 public:
  Matcher(const PairTask& task, const ThreadList& tids, std::size_t most)
      : guest_(*task.guest->evidence),
        host_(*task.host->evidence),
        clocks_(task.clocks),
        tids_(tids),
        most_(most) {}

  BeaconMatches run() {
    match_marks();
    match_vmsync('a', 'b');
    match_vmsync('d', 'c');
    return std::move(out_);
  }

 private:
  using CallKey = std::pair<std::uint64_t, std::uint64_t>;  // hypercall number, first argument
  using Calls = std::vector<std::pair<CallKey, const model::HostBeacon*>>;

  void add(OwnTime guest, OwnTime host, bool upper, FactKind kind) {
    out_.facts.push_back(
        {clocks_.guest.apply(guest.value), clocks_.host.apply(host.value), upper, kind});
  }

  // The VM's hypercalls, sorted for call_of().
  [[nodiscard]] Calls calls() const {
    Calls list;
    for (const model::HostBeacon& beacon : host_.host_beacons) {
      if (!tids_.vcpu_of(beacon.tid)) continue;
      list.push_back({{beacon.nr, beacon.args[0]}, &beacon});
    }
    sort_stretches(list, [](const auto& a, const auto& b) { return a.first < b.first; });
    return list;
  }

  // The one hypercall of this VM that carries the mark's numbers; nullptr: none or several.
  [[nodiscard]] static const model::HostBeacon* call_of(const model::BeaconMark& mark,
                                                        const Calls& calls) {
    const CallKey key{mark.nr, mark.key[0]};
    auto call = std::lower_bound(calls.begin(), calls.end(), key,
                                 [](const auto& a, const auto& b) { return a.first < b; });
    const model::HostBeacon* found = nullptr;
    for (; call != calls.end() && call->first == key; ++call) {
      bool equal = true;
      for (std::size_t i = 1; i < mark.key_size; ++i) {
        equal = equal && call->second->args[i] == mark.key[i];
      }
      if (!equal) continue;
      if (found != nullptr) return nullptr;
      found = call->second;
    }
    return found;
  }

  void match_marks() {
    if (guest_.marks.empty()) return;
    const Calls by_key = calls();
    const model::BeaconMark* previous = nullptr;
    const model::HostBeacon* previous_call = nullptr;
    for (const model::BeaconMark& mark : guest_.marks) {
      if (out_.matched >= most_) return;
      const model::HostBeacon* call = call_of(mark, by_key);
      if (call == nullptr) continue;
      ++out_.matched;
      out_.votes.emplace_back(mark.cpu, *tids_.vcpu_of(call->tid));
      add_mark(mark, *call);
      // An agent writes mark n after its call n-1 has returned.
      if (previous != nullptr && !mark.after && mark.tid == previous->tid && mark.tid >= 0 &&
          mark.nr == previous->nr && mark.key[0] == previous->key[0] + 1) {
        add(mark.own, previous_call->call, false, FactKind::kBeacon);
      }
      previous = &mark;
      previous_call = call;
    }
  }

  void add_mark(const model::BeaconMark& mark, const model::HostBeacon& call) {
    if (!mark.after) {
      add(mark.own, call.call, true, FactKind::kBeacon);
    } else if (call.next_entry != kOwnTimeMax) {
      add(mark.own, call.next_entry, false, FactKind::kBeacon);
    }
  }

  /// Whose points these are; ascending.
  [[nodiscard]] static std::vector<std::uint64_t> uids_of(
      const std::vector<model::VmsyncPoint>& points) {
    std::vector<std::uint64_t> uids;
    for (const model::VmsyncPoint& point : points) {
      if (!uids.empty() && uids.back() == point.uid) continue;
      uids.push_back(point.uid);
    }
    std::sort(uids.begin(), uids.end());
    uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
    return uids;
  }

  /// Whose a vmsync event is, and its number.
  using PointKey = std::pair<std::uint64_t, std::uint64_t>;
  struct HostPoint {
    PointKey key;
    OwnTime own;
  };

  /// What is known per CPU; few have any.
  template <typename T>
  class PerCpu {
   public:
    T& of(std::uint32_t cpu) {
      if (last_ >= list_.size() || list_[last_].first != cpu) {
        const auto at = std::find_if(list_.begin(), list_.end(),
                                     [cpu](const auto& known) { return known.first == cpu; });
        last_ = static_cast<std::size_t>(at - list_.begin());
        if (at == list_.end()) list_.emplace_back(cpu, T{});
      }
      return list_[last_].second;
    }
    [[nodiscard]] const std::vector<std::pair<std::uint32_t, T>>& list() const { return list_; }

   private:
    std::vector<std::pair<std::uint32_t, T>> list_;
    std::size_t last_ = 0;
  };

  /// The host's events of this VM with a role, by key.
  [[nodiscard]] std::vector<HostPoint> host_points(char role) const {
    PerCpu<std::vector<HostPoint>> cpus;  // numbers mostly rise along each
    const std::vector<std::uint64_t> uids = uids_of(guest_.vmsync);
    for (const model::VmsyncPoint& point : host_.vmsync) {
      if (point.role == role && std::binary_search(uids.begin(), uids.end(), point.uid) &&
          tids_.vcpu_of(point.tid)) {
        cpus.of(point.cpu).push_back({{point.uid, point.count}, point.own});
      }
    }
    std::vector<HostPoint> points;
    for (const auto& [cpu, own] : cpus.list()) points.insert(points.end(), own.begin(), own.end());
    sort_stretches(points, [](const auto& a, const auto& b) { return a.key < b.key; });
    return points;
  }

  // The guest's events with role `ours` and the host's with role `theirs`.
  void match_vmsync(char ours, char theirs) {
    if (guest_.vmsync.empty()) return;
    const std::vector<HostPoint> points = host_points(theirs);
    if (points.empty()) return;
    const auto before = [](const HostPoint& a, const PointKey& key) { return a.key < key; };
    PerCpu<std::size_t> places;  // of the last one of each CPU; the next one is near
    for (const model::VmsyncPoint& point : guest_.vmsync) {
      if (point.role != ours) continue;
      if (out_.matched >= most_) return;
      const PointKey key{point.uid, point.count};
      std::size_t& place = places.of(point.cpu);
      auto at = points.begin() + static_cast<std::ptrdiff_t>(place);
      constexpr int kNear = 8;
      for (int i = 0; i < kNear && at != points.end() && at->key < key; ++i) ++at;
      const bool near =
          (at == points.end() || !(at->key < key)) && (at == points.begin() || (at - 1)->key < key);
      if (!near) at = std::lower_bound(points.begin(), points.end(), key, before);
      place = static_cast<std::size_t>(at - points.begin());
      for (; at != points.end() && at->key == key; ++at) {
        ++out_.matched;
        add(point.own, at->own, theirs == 'b', FactKind::kVmsync);
      }
    }
  }

  const model::TraceEvidence& guest_;
  const model::TraceEvidence& host_;
  const PairClocks& clocks_;
  const ThreadList& tids_;
  std::size_t most_;
  BeaconMatches out_;
};

}  // namespace

BeaconMatches match_beacons(const PairTask& task, const ThreadList& tids, std::size_t most) {
  return Matcher(task, tids, most).run();
}

}  // namespace vs::session
