// Facts from marks that both sides of a hypercall left: beacons (algorithms C.2) and Gebai's vmsync
// events. The guest's mark before a hypercall is older than the host's record of it; a mark after
// it is younger.
#include <algorithm>
#include <tuple>

#include "session/join_pair.h"

namespace vs::session {
namespace {

using clock::Fact;
using model::FactKind;

class Matcher {
 public:
  Matcher(const PairTask& task, const ThreadList& tids)
      : guest_(*task.guest->evidence),
        host_(*task.host->evidence),
        clocks_(task.clocks),
        tids_(tids) {}

  BeaconMatches run() {
    match_marks();
    match_vmsync();
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
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
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
    const Calls by_key = calls();
    const model::BeaconMark* previous = nullptr;
    const model::HostBeacon* previous_call = nullptr;
    for (const model::BeaconMark& mark : guest_.marks) {
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

  void match_vmsync() {
    using Key = std::tuple<std::uint64_t, std::uint64_t>;
    std::vector<std::pair<Key, const model::VmsyncPoint*>> host_points;
    const std::vector<std::uint64_t> uids = uids_of(guest_.vmsync);
    for (const model::VmsyncPoint& point : host_.vmsync) {
      const bool host_side = point.role == 'b' || point.role == 'c';
      if (host_side && std::binary_search(uids.begin(), uids.end(), point.uid) &&
          tids_.vcpu_of(point.tid)) {
        host_points.push_back({Key{point.uid, point.count}, &point});
      }
    }
    const auto by_key = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (!std::is_sorted(host_points.begin(), host_points.end(), by_key)) {
      std::stable_sort(host_points.begin(), host_points.end(), by_key);
    }
    const auto before = [](const auto& a, const Key& k) { return a.first < k; };
    auto next = host_points.begin();  // numbers mostly rise: the place is near the one before
    for (const model::VmsyncPoint& point : guest_.vmsync) {
      const char wanted = point.role == 'a' ? 'b' : point.role == 'd' ? 'c' : '\0';
      if (wanted == '\0') continue;
      const Key key{point.uid, point.count};
      auto at = next;
      constexpr int kNear = 8;
      for (int i = 0; i < kNear && at != host_points.end() && at->first < key; ++i) ++at;
      const bool near = (at == host_points.end() || !(at->first < key)) &&
                        (at == host_points.begin() || (at - 1)->first < key);
      if (!near) at = std::lower_bound(host_points.begin(), host_points.end(), key, before);
      next = at;
      for (; at != host_points.end() && at->first == key; ++at) {
        if (at->second->role != wanted) continue;
        ++out_.matched;
        add(point.own, at->second->own, wanted == 'b', FactKind::kVmsync);
      }
    }
  }

  const model::TraceEvidence& guest_;
  const model::TraceEvidence& host_;
  const PairClocks& clocks_;
  const ThreadList& tids_;
  BeaconMatches out_;
};

}  // namespace

BeaconMatches match_beacons(const PairTask& task, const ThreadList& tids) {
  return Matcher(task, tids).run();
}

}  // namespace vs::session
