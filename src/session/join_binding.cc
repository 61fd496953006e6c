#include "session/join_binding.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace vs::session {
namespace {

constexpr std::size_t kCertainBeacons = 2;
constexpr double kClearMargin = 0.05;

// The strongest claim first. Of VMs that fit, the inner one: what runs in a nested guest runs
// inside the outer VM, too, but not the other way round.
auto rank(const Candidate& candidate) {
  const bool fits = candidate.result.convincing();
  return std::tuple{!candidate.named.empty(), candidate.result.beacons >= kCertainBeacons, fits,
                    fits ? candidate.depth : 0, candidate.score()};
}

bool has_tid(const model::FoundVm& vm, std::int32_t tid) {
  for (const model::FoundVcpu& vcpu : vm.vcpus) {
    for (const model::VcpuThread& thread : vcpu.threads) {
      if (thread.tid == tid) return true;
    }
  }
  return false;
}

std::string describe(const Candidate& candidate) {
  const PairResult& result = candidate.result;
  if (result.segments.empty()) return "no clock relation puts its events into a VM's run times";
  if (result.by_chance - result.outside_share() < kClearMargin) {
    return "its events say too little: a random offset would fit as well";
  }
  return std::to_string(result.outside) + " of " + std::to_string(result.covered) +
         " events lie outside the best VM's run times";
}

std::string how_bound(const Candidate& candidate) {
  if (!candidate.named.empty()) return candidate.named;
  if (candidate.result.beacons >= kCertainBeacons) return "beacons";
  return candidate.result.exact ? "offset" : "envelopes";
}

}  // namespace

double Candidate::score() const {
  return result.segments.empty() || result.covered == 0 ? 0 : 1 - result.outside_share();
}

bool Candidate::certain() const { return !named.empty() || result.beacons >= kCertainBeacons; }

Binder::Binder(const JoinInput& input, const std::vector<TraceClock>& clocks,
               model::IssueLog& issues)
    : input_(input), clocks_(clocks), issues_(issues), bindings_(input.traces.size()) {
  choose_roles();
}

void Binder::choose_roles() {
  const std::size_t count = input_.traces.size();
  hosts_vms_.assign(count, false);
  may_be_guest_.assign(count, true);
  for (std::size_t t = 0; t < count; ++t) hosts_vms_[t] = !input_.traces[t].vms.empty();
  for (const SnapshotMachine& machine : input_.snapshot) {
    if (machine.trace >= count || machine.kind != model::MachineKind::kHost) continue;
    hosts_vms_[machine.trace] = true;
    may_be_guest_[machine.trace] = false;
  }
  if (input_.options.host_trace) {
    hosts_vms_[*input_.options.host_trace] = true;
    may_be_guest_[*input_.options.host_trace] = false;
  }
  for (const NamedGuest& guest : input_.options.guests) may_be_guest_[guest.trace] = true;
}

std::size_t Binder::depth(std::size_t trace) const {
  std::size_t depth = 0;
  // bind() makes no circles, so this ends.
  while (bindings_[trace]) {
    trace = bindings_[trace]->host;
    ++depth;
  }
  return depth;
}

// Whether `trace` is a guest of `host`, of a guest of it, or the same.
bool Binder::inside(std::size_t trace, std::size_t host) const {
  while (trace != host && bindings_[trace]) trace = bindings_[trace]->host;
  return trace == host;
}

void Binder::refuse(std::size_t guest, model::IssueCode code, std::string message) {
  if (hosts_vms_[guest]) return;  // it answers on its own
  const std::string& path = info(guest).path;
  issues_.add({code, path, path, 1, std::move(message)});
}

PairClocks Binder::clocks_of(std::size_t guest, std::size_t host) const {
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

// What names the VM of a guest trace without looking at its events.
std::string Binder::naming(std::size_t guest, std::size_t host, const model::FoundVm& vm) const {
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

PairTask Binder::task_of(std::size_t guest, std::size_t host, std::size_t vm) const {
  PairTask task;
  task.guest = &input_.traces[guest];
  task.host = &input_.traces[host];
  task.vm = &input_.traces[host].vms[vm];
  task.clocks = clocks_of(guest, host);
  return task;
}

Candidate Binder::evaluate(std::size_t guest, std::size_t host, std::size_t vm,
                           SyncMode mode) const {
  const model::FoundVm& found = input_.traces[host].vms[vm];
  Candidate candidate{guest, host, vm, depth(host), naming(guest, host, found), {}};
  PairTask task = task_of(guest, host, vm);
  task.mode = mode;
  task.named = !candidate.named.empty();
  task.exact = exact_timelines(input_, guest, host, vm);
  if (!task.named) {
    for (TscTimeline& line : task.exact) line.trusted = false;
  }
  candidate.result = evaluate_pair(task);
  return candidate;
}

std::vector<Candidate> Binder::bind(const std::vector<std::size_t>& guests) {
  std::vector<std::vector<Candidate>> claims = all_candidates(guests);
  std::erase_if(claims, [](const auto& list) { return list.empty(); });
  std::stable_sort(claims.begin(), claims.end(),
                   [](const auto& a, const auto& b) { return rank(a.front()) > rank(b.front()); });
  std::vector<Candidate> chosen;
  for (std::vector<Candidate>& list : claims) {
    if (auto candidate = decide(list, chosen)) chosen.push_back(std::move(*candidate));
  }
  return chosen;
}

// Each guest's fits depend on no other's.
std::vector<std::vector<Candidate>> Binder::all_candidates(
    const std::vector<std::size_t>& guests) const {
  std::vector<std::vector<Candidate>> lists(guests.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < guests.size(); i = next++) lists[i] = candidates_of(guests[i]);
  };
  std::vector<std::jthread> helpers;
  const std::size_t jobs = std::min<std::size_t>(input_.options.jobs, guests.size());
  for (std::size_t i = 1; i < jobs; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  return lists;
}

std::vector<Candidate> Binder::candidates_of(std::size_t guest) const {
  using Pair = std::pair<std::size_t, std::size_t>;
  std::vector<Pair> pairs;
  std::vector<Pair> named;
  std::vector<Pair> certain;  // by beacons; fits against other VMs would fail, and cost the most
  for (std::size_t h = 0; h < input_.traces.size(); ++h) {
    if (!hosts_vms_[h] || inside(h, guest)) continue;
    for (std::size_t v = 0; v < input_.traces[h].vms.size(); ++v) {
      pairs.emplace_back(h, v);
      if (!naming(guest, h, input_.traces[h].vms[v]).empty()) named.emplace_back(h, v);
      if (count_beacons(task_of(guest, h, v), kCertainBeacons) >= kCertainBeacons)
        certain.emplace_back(h, v);
    }
  }
  std::vector<Candidate> list;
  for (const auto& [h, v] : !named.empty() ? named : !certain.empty() ? certain : pairs) {
    list.push_back(evaluate(guest, h, v, SyncMode::kAuto));
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Candidate& a, const Candidate& b) { return rank(a) > rank(b); });
  return list;
}

// How much better the best is than the next one that fits. The VMs around a nested one fit, too.
double Binder::margin_of(const std::vector<Candidate>& list) const {
  const Candidate& best = list.front();
  double margin = best.score();
  for (const Candidate& other : list) {
    if (&other == &best || !other.result.convincing()) continue;
    bool around = false;
    for (std::size_t t = best.host; bindings_[t]; t = bindings_[t]->host) {
      around = around || (bindings_[t]->host == other.host && bindings_[t]->vm == other.vm);
    }
    if (!around) margin = std::min(margin, best.score() - other.score());
  }
  return margin;
}

std::optional<Candidate> Binder::decide(std::vector<Candidate>& list,
                                        const std::vector<Candidate>& chosen) {
  Candidate& best = list.front();
  if (!best.acceptable()) {
    refuse(best.guest, model::IssueCode::kGuestUnbound, describe(best));
    return std::nullopt;
  }
  if (inside(best.host, best.guest)) return std::nullopt;  // a circle: that one claimed it first
  for (const Candidate& other : chosen) {
    if (other.host != best.host || other.vm != best.vm) continue;
    refuse(best.guest, model::IssueCode::kGuestAmbiguous,
           "its best VM already has a trace: " + info(other.guest).path);
    return std::nullopt;
  }
  const double margin = margin_of(list);
  if (!best.certain() && margin < kClearMargin) {
    refuse(best.guest, model::IssueCode::kGuestAmbiguous,
           "its events fit the run times of more than one VM");
    return std::nullopt;
  }
  Binding binding;
  binding.host = best.host;
  binding.vm = best.vm;
  binding.score = best.score();
  binding.margin = margin;
  binding.how = how_bound(best);
  binding.cpus = best.result.cpus;
  bindings_[best.guest] = std::move(binding);
  return std::move(best);
}

}  // namespace vs::session
