#pragma once
// Test only: a host with VMs whose true clocks are known. Makes evidence as a gatherer would, from
// layers: host schedule (runs and gaps of each vCPU), guest events inside runs, a true map per
// guest.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/evidence.h"
#include "session/join.h"

namespace vs::session::synthetic {

/// guest own = offset + drift applied to host ns, from `from_ns` on.
struct ClockPiece {
  std::int64_t from_ns = 0;
  std::int64_t offset_ns = 0;
};

struct GuestPlan {
  std::uint32_t vcpus = 1;
  std::vector<ClockPiece> clock{{0, 0}};
  double drift_ppm = 0;
  double idle_share = 0.5;    ///< of the gaps that are idle periods instead of short exits
  std::int64_t begin_ns = 0;  ///< what the guest's trace covers
  std::int64_t end_ns = INT64_MAX;
  bool beacons = false;
  bool permute_cpus = false;   ///< guest CPU numbers are not the vCPUs' ranks
  int wild_events = 0;         ///< events whose stamp is wrong by milliseconds
  std::int64_t jitter_ns = 0;  ///< of stamps, both directions
};

struct World {
  std::int64_t length_ns = 4'000'000'000;
  std::uint64_t seed = 1;
  std::vector<GuestPlan> guests;
};

struct TruthPoint {
  std::int64_t own = 0;
  std::int64_t host_ns = 0;
};

struct Made {
  reader::TraceInfo host_info;
  model::TraceEvidence host;
  std::vector<model::FoundVm> vms;
  std::vector<reader::TraceInfo> guest_info;
  std::vector<model::TraceEvidence> guests;
  std::vector<std::vector<TruthPoint>> truth;  ///< per guest

  [[nodiscard]] JoinInput input() const {
    JoinInput input;
    input.traces.push_back({&host_info, &host, vms});
    for (std::size_t g = 0; g < guests.size(); ++g) {
      input.traces.push_back({&guest_info[g], &guests[g], {}});
    }
    return input;
  }
};

inline std::int64_t own_of(const GuestPlan& plan, std::int64_t host_ns) {
  const ClockPiece* piece = &plan.clock.front();
  for (const ClockPiece& candidate : plan.clock) {
    if (candidate.from_ns <= host_ns) piece = &candidate;
  }
  const double drift = plan.drift_ppm * 1e-6 * static_cast<double>(host_ns);
  return host_ns + piece->offset_ns + std::llround(drift);
}

class Maker {
 public:
  explicit Maker(const World& world) : world_(world), random_(world.seed) {}

  Made make() {
    made_.host_info.path = "host";
    made_.host_info.format = "ctf";
    made_.host.first = OwnTime{0};
    made_.host.last = OwnTime{world_.length_ns};
    for (std::size_t g = 0; g < world_.guests.size(); ++g) make_guest(g);
    std::sort(made_.host.host_beacons.begin(), made_.host.host_beacons.end(),
              [](const auto& a, const auto& b) { return a.call < b.call; });
    return std::move(made_);
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool with(double probability) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  }

  void make_guest(std::size_t g) {
    const GuestPlan& plan = world_.guests[g];
    model::FoundVm vm;
    vm.vmm_pid = static_cast<std::int32_t>(100 * (g + 1));
    model::TraceEvidence evidence;
    made_.truth.emplace_back();
    for (std::uint32_t v = 0; v < plan.vcpus; ++v) {
      const std::int32_t tid = vm.vmm_pid + 1 + static_cast<std::int32_t>(v);
      model::FoundVcpu vcpu;
      vcpu.id = static_cast<std::int32_t>(v);
      vcpu.threads.push_back({tid, kOwnTimeMin, kOwnTimeMax});
      vm.vcpus.push_back(vcpu);
      const std::uint32_t cpu = plan.permute_cpus ? plan.vcpus - 1 - v : v;
      make_vcpu(plan, tid, cpu, evidence);
    }
    finish(evidence);
    made_.vms.push_back(vm);
    made_.guests.push_back(std::move(evidence));
    reader::TraceInfo info;
    info.path = "guest" + std::to_string(g);
    info.format = "ctf";
    made_.guest_info.push_back(info);
  }

  void make_vcpu(const GuestPlan& plan, std::int32_t tid, std::uint32_t cpu,
                 model::TraceEvidence& evidence) {
    model::ThreadRuns thread{tid, {}};
    model::CpuBursts bursts{cpu, {}};
    std::int64_t now = between(0, 3'000'000);
    while (now < world_.length_ns) {
      const std::int64_t entry = now;
      const std::int64_t exit = entry + between(5'000, with(0.2) ? 3'000'000 : 300'000);
      thread.runs.push_back({OwnTime{entry}, OwnTime{exit}});
      // The mode switch costs 300..900 ns on each side of the records.
      std::int64_t at = entry + between(300, 900);
      while (at < exit - 300) {
        note(plan, at, bursts);
        at += between(500, 400'000);
      }
      const bool beacon = plan.beacons && plan.vcpus > 0 && cpu == 0 && with(0.02);
      if (beacon) make_beacon(plan, tid, exit, bursts, evidence);
      const std::int64_t gap =
          with(plan.idle_share) ? between(100'000, 4'000'000) : between(1'000, 6'000);
      now = exit + gap;
    }
    for (int i = 0; i < plan.wild_events; ++i) {
      const std::int64_t at = between(0, world_.length_ns);
      bursts.bursts.push_back({own_of(plan, at) + between(2, 9) * 50'000'000, 0, 1});
    }
    std::sort(bursts.bursts.begin(), bursts.bursts.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    made_.host.threads.push_back(std::move(thread));
    evidence.cpus.push_back(std::move(bursts));
  }

  void note(const GuestPlan& plan, std::int64_t at, model::CpuBursts& bursts) {
    if (at < plan.begin_ns || at > plan.end_ns) return;
    const std::int64_t jitter = plan.jitter_ns > 0 ? between(-plan.jitter_ns, plan.jitter_ns) : 0;
    const std::int64_t own = own_of(plan, at) + jitter;
    bursts.bursts.push_back({own, 0, 1});
    made_.truth.back().push_back({own, at});
  }

  void make_beacon(const GuestPlan& plan, std::int32_t tid, std::int64_t exit,
                   model::CpuBursts& bursts, model::TraceEvidence& evidence) {
    if (exit < plan.begin_ns || exit > plan.end_ns) return;
    const std::int64_t mark = exit - 350;
    note(plan, mark, bursts);
    const auto seq = static_cast<std::uint64_t>(sequence_++);
    const auto value = static_cast<std::uint64_t>(own_of(plan, mark));
    model::BeaconMark guest_mark;
    guest_mark.own = OwnTime{own_of(plan, mark)};
    guest_mark.cpu = bursts.cpu;
    guest_mark.tid = 77;
    guest_mark.nr = 0x5653;
    guest_mark.key = {seq, value * 2, value};
    guest_mark.key_size = 3;
    evidence.marks.push_back(guest_mark);
    model::HostBeacon call;
    call.tid = tid;
    call.call = OwnTime{exit + 200};
    call.nr = 0x5653;
    call.args = {seq, value * 2, value, 0};
    made_.host.host_beacons.push_back(call);
  }

  static void finish(model::TraceEvidence& evidence) {
    std::sort(evidence.cpus.begin(), evidence.cpus.end(),
              [](const auto& a, const auto& b) { return a.cpu < b.cpu; });
    for (const model::CpuBursts& cpu : evidence.cpus) {
      if (cpu.bursts.empty()) continue;
      evidence.first = std::min(evidence.first, OwnTime{cpu.bursts.front().first});
      evidence.last = std::max(evidence.last, OwnTime{cpu.bursts.back().first});
      evidence.events += cpu.bursts.size();
    }
  }

  const World& world_;
  std::mt19937_64 random_;
  Made made_;
  std::int64_t sequence_ = 0;
};

inline Made make(const World& world) { return Maker(world).make(); }

}  // namespace vs::session::synthetic
