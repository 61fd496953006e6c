// What the figures of a report say. Each rule looks at the data and adds at most a few lines; the
// thresholds are chosen so that an idle or unloaded system reads as such.

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/report_data.h"
#include "report/text.h"

namespace vs::report {
namespace {

using query::duration_text;
using Kind = Conclusion::Kind;
using Lines = std::vector<Conclusion>;

// Shares of a vCPU's demand or life; below them a figure is no news.
constexpr double kStolenBad = 0.10;      // of the demand
constexpr double kStolenWarn = 0.02;     // of the demand
constexpr double kStolenOfLife = 0.005;  // and at least this much of the life
constexpr double kIdleDemand = 0.02;     // of the life: below it a VM is idle
constexpr double kOverheadWarn = 0.25;   // of guest + overhead
constexpr double kBlockedWarn = 0.05;    // of the life
constexpr double kPollingNote = 0.10;    // of the life
constexpr double kUnknownWarn = 0.05;    // of the life
constexpr double kNeverIdle = 0.95;      // guest time of the life
constexpr double kIdlePcpu = 0.5;        // mean idle share of the other pCPUs
constexpr double kOutsideWarn = 0.001;   // of the guest's events

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The vCPUs of one VM taken together.
struct Vm {
  std::string name;
  VcpuShare sum;
};

std::vector<Vm> vms_of(const ReportData& data) {
  std::vector<Vm> vms;
  for (const VcpuShare& vcpu : data.vcpus) {
    if (vms.empty() || vms.back().name != vcpu.machine) vms.push_back({vcpu.machine, {}});
    vms.back().sum.add(vcpu);
  }
  for (Vm& vm : vms) {
    const auto same = std::find_if(data.vcpus.begin(), data.vcpus.end(),
                                   [&](const VcpuShare& v) { return v.machine == vm.name; });
    vm.sum.host = same->host;
  }
  return vms;
}

std::string query_command(const ReportData& data, const std::string& sql) {
  std::string command = "virtscope query";
  for (const std::string& path : data.paths) command += " " + shell_word(path);
  return command + " " + shell_word(sql);
}

template <typename Map>
typename Map::const_iterator largest(const Map& map) {
  return std::max_element(map.begin(), map.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
}

// "vm2 took 97 % of that, mostly burst0 (tid 158) on pCPU 0"
std::string culprit_text(const ReportData& data, const Vm& vm) {
  std::map<std::string, std::int64_t> by_machine;
  std::int64_t total = 0;
  for (const Thief& thief : data.thieves) {
    if (thief.machine != vm.name) continue;
    by_machine[thief.by_machine] += thief.total_ns;
    total += thief.total_ns;
  }
  if (total == 0) return {};
  const auto top = largest(by_machine);
  const std::string share = share_text(ratio(top->second, total));
  if (top->first.empty()) {
    return fmt::format(
        "{} of that nobody is known to have run in its place (woken late, or the "
        "pCPU was idle)",
        share);
  }
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> tasks;
  std::map<std::int64_t, std::int64_t> pcpus;
  for (const Thief& thief : data.thieves) {
    if (thief.machine != vm.name || thief.by_machine != top->first) continue;
    tasks[{thief.by_comm, thief.by_tid.value_or(-1)}] += thief.total_ns;
    for (const auto& [pcpu, ns] : thief.pcpu_ns) pcpus[pcpu] += ns;
  }
  const bool own = top->first == vm.name;
  std::string text = fmt::format("{} took {} of that",
                                 own ? "its own other vCPUs" : terminal_text(top->first), share);
  const auto task = largest(tasks);
  const auto& [comm, tid] = task->first;
  if (!comm.empty()) {
    const double of_top = ratio(task->second, top->second);
    text += of_top > 0.5 ? ", mostly " : ", first of all ";
    text += terminal_text(comm);
    if (tid >= 0) text += fmt::format(" (tid {})", tid);
  }
  if (!pcpus.empty() && ratio(largest(pcpus)->second, top->second) > 0.6) {
    text += fmt::format(" on pCPU {}", largest(pcpus)->first);
  }
  return text;
}

// "pCPUs 2 and 3 were 95 % idle meanwhile": the VM is pinned, or the scheduler did not move it.
std::string idle_elsewhere(const ReportData& data, const Vm& vm) {
  std::vector<std::string> names;
  std::int64_t idle = 0;
  std::int64_t life = 0;
  for (const PcpuShare& pcpu : data.pcpus) {
    if (pcpu.host != vm.sum.host || vm.sum.pcpu_ns.count(pcpu.cpu) > 0) continue;
    if (ratio(pcpu.idle_ns, pcpu.life_ns) < kIdlePcpu) continue;
    names.push_back(std::to_string(pcpu.cpu));
    idle += pcpu.idle_ns;
    life += pcpu.life_ns;
  }
  if (names.empty()) return {};
  return fmt::format(" Over the same time pCPU{} {} {} {} idle.", names.size() > 1 ? "s" : "",
                     name_list(names, 4), names.size() > 1 ? "were" : "was",
                     share_text(ratio(idle, life)));
}

// What goes on from here: why the VM's task that was hit hardest took its time.
std::string why_command(const ReportData& data, const Vm& vm) {
  for (const HitTask& task : data.hit) {
    if (task.machine != vm.name || task.tid <= 0) continue;
    std::string command = "virtscope why";
    for (const std::string& path : data.paths) command += " " + shell_word(path);
    const std::string name = task.only_one ? task.comm : std::to_string(task.tid);
    return command + " --task " + shell_word(task.machine + "/" + name) + " --slowest 5";
  }
  return {};
}

std::string hit_text(const ReportData& data, const Vm& vm) {
  for (const HitTask& task : data.hit) {
    if (task.machine != vm.name) continue;
    return fmt::format(" Hit hardest: {} (tid {}), {}.", terminal_text(task.comm), task.tid,
                       duration_text(task.total_ns));
  }
  return {};
}

void add_stolen(const ReportData& data, const Vm& vm, Lines& lines) {
  const std::int64_t steal = vm.sum.steal_ns();
  const double deprivation = vm.sum.deprivation();
  if (deprivation < kStolenWarn || ratio(steal, vm.sum.life_ns) < kStolenOfLife) return;
  const std::string culprit = culprit_text(data, vm);
  Conclusion line{deprivation >= kStolenBad ? Kind::kBad : Kind::kWarn,
                  "stolen_time",
                  vm.name,
                  fmt::format("{} was robbed of {} of CPU, {} of what it asked for{}.{}{}",
                              terminal_text(vm.name), duration_text(steal), share_text(deprivation),
                              culprit.empty() ? "" : "; " + culprit, hit_text(data, vm),
                              idle_elsewhere(data, vm)),
                  why_command(data, vm),
                  deprivation};
  if (line.next.empty()) {  // its threads are not known
    line.next = query_command(data,
                              "SELECT ts, dur, vcpu, comm, by_machine, by_comm, pcpu "
                              "FROM preemption WHERE machine = " +
                                  sql_text(vm.name) + " ORDER BY dur DESC LIMIT 10");
  }
  lines.push_back(std::move(line));
}

const ExitStat* worst_exit(const ReportData& data, const std::string& machine) {
  const ExitStat* worst = nullptr;
  for (const ExitStat& stat : data.exits) {
    if (stat.machine != machine) continue;
    if (worst == nullptr || stat.busy_ns() > worst->busy_ns()) worst = &stat;
  }
  return worst;
}

void add_overhead(const ReportData& data, const Vm& vm, Lines& lines) {
  const std::int64_t overhead = vm.sum.overhead_ns();
  const std::int64_t used = vm.sum.in(model::VcpuState::kGuest) + overhead;
  const double share = ratio(overhead, used);
  if (share < kOverheadWarn || ratio(used, vm.sum.life_ns) < kIdleDemand) return;
  std::string text = fmt::format("{} spent {} of the CPU it got outside the guest, handling exits",
                                 terminal_text(vm.name), share_text(share));
  if (const ExitStat* const worst = worst_exit(data, vm.name)) {
    text += fmt::format("; most of it {} ({}, {})", terminal_text(worst->reason),
                        plural(worst->count(), "exit", "exits"), duration_text(worst->busy_ns()));
  }
  lines.push_back({Kind::kWarn, "exit_overhead", vm.name, text + ".",
                   query_command(data,
                                 "SELECT reason, detail, count(*), sum(handling_ns) FROM vm_exit "
                                 "WHERE machine = " +
                                     sql_text(vm.name) + " GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 10"),
                   share / 2});
}

bool has_idle_exits(const ReportData& data, const std::string& machine) {
  constexpr std::array<std::string_view, 6> kIdle = {"HLT",    "MWAIT",  "IDLE_HLT",
                                                     "TPAUSE", "UMWAIT", "WFx"};
  return std::any_of(data.exits.begin(), data.exits.end(), [&](const ExitStat& stat) {
    const auto same = [&](std::string_view reason) { return reason == stat.reason; };
    return stat.machine == machine && std::any_of(kIdle.begin(), kIdle.end(), same);
  });
}

void add_other_states(const ReportData& data, const Vm& vm, Lines& lines) {
  using model::VcpuState;
  const std::string name = terminal_text(vm.name);
  const auto share = [&](VcpuState state) { return ratio(vm.sum.in(state), vm.sum.life_ns); };
  if (share(VcpuState::kBlocked) >= kBlockedWarn) {
    lines.push_back({Kind::kWarn, "blocked_in_vmm", vm.name,
                     fmt::format("{}'s vCPUs slept {} of the time in the VMM or on page faults, "
                                 "not idle: blocked.",
                                 name, share_text(share(VcpuState::kBlocked))),
                     "", share(VcpuState::kBlocked)});
  }
  if (share(VcpuState::kUnknown) >= kUnknownWarn) {
    lines.push_back({Kind::kWarn, "unknown_time", vm.name,
                     fmt::format("{} of {}'s time is unknown: lost events, or the trace begins in "
                                 "the middle.",
                                 share_text(share(VcpuState::kUnknown)), name),
                     "", share(VcpuState::kUnknown)});
  }
  if (share(VcpuState::kPolling) >= kPollingNote) {
    lines.push_back({Kind::kNote, "polling", vm.name,
                     fmt::format("{} polled for work {} of the time: idle, but its pCPUs were busy "
                                 "(kvm.halt_poll_ns).",
                                 name, share_text(share(VcpuState::kPolling))),
                     "", share(VcpuState::kPolling)});
  }
  if (share(VcpuState::kGuest) >= kNeverIdle && !has_idle_exits(data, vm.name)) {
    lines.push_back({Kind::kNote, "never_idle", vm.name,
                     fmt::format("{} never gave its CPU back (no idle exits): a guest that idles "
                                 "inside (cpu-pm, idle=poll) looks busy from here.",
                                 name),
                     "", 0});
  }
}

std::string is_or_are(const std::vector<std::string>& names, std::string_view one,
                      std::string_view many) {
  return std::string(names.size() == 1 ? one : many);
}

// One line for all that are fine, so that 40 healthy VMs do not hide one sick one.
void add_healthy(const std::vector<Vm>& vms, Lines& lines) {
  std::vector<std::string> fine;
  std::vector<std::string> idle;
  double worst = 0;
  double most_used = 0;
  for (const Vm& vm : vms) {
    const double stolen_of_life = ratio(vm.sum.steal_ns(), vm.sum.life_ns);
    const double deprivation = vm.sum.deprivation();
    if (deprivation >= kStolenWarn && stolen_of_life >= kStolenOfLife) continue;
    const double demand = ratio(vm.sum.demand_ns(), vm.sum.life_ns);
    if (demand < kIdleDemand) {
      idle.push_back(terminal_text(vm.name));
      most_used = std::max(most_used, demand);
    } else {
      fine.push_back(terminal_text(vm.name));
      worst = std::max(worst, deprivation);
    }
  }
  if (!fine.empty()) {
    lines.push_back({Kind::kGood, "got_its_cpu", fine.size() == 1 ? fine[0] : "",
                     fmt::format("{} got the CPU {} asked for ({}{} stolen).", name_list(fine, 5),
                                 is_or_are(fine, "it", "they"), fine.size() > 1 ? "at most " : "",
                                 share_text(worst)),
                     "", 1});
  }
  if (!idle.empty()) {
    lines.push_back({Kind::kGood, "idle", idle.size() == 1 ? idle[0] : "",
                     fmt::format("{} {} idle (wanted a CPU {}{} of the time).", name_list(idle, 5),
                                 is_or_are(idle, "was", "were"), idle.size() > 1 ? "at most " : "",
                                 share_text(most_used)),
                     "", 0});
  }
}

void add_no_vm(const ReportData& data, Lines& lines) {
  if (!data.vcpus.empty()) return;
  std::int64_t busy = 0;
  std::int64_t life = 0;
  for (const PcpuShare& pcpu : data.pcpus) {
    life += pcpu.life_ns;
    busy += pcpu.life_ns - pcpu.idle_ns - pcpu.unknown_ns;
  }
  std::string text = "No vCPU ran in this trace";
  if (life > 0) text += fmt::format("; the pCPUs were {} busy", share_text(ratio(busy, life)));
  lines.push_back({Kind::kNote, "no_vcpu", "", text + ".", "", 1});
}

void add_clocks(const ReportData& data, Lines& lines) {
  std::set<std::string> reported;
  for (const ClockLine& clock : data.clocks) {
    const bool unplaced = clock.quality == "failed" || clock.quality == "absent";
    if (unplaced && clock.method != "none" && reported.insert(clock.machine).second) {
      lines.push_back({Kind::kWarn, "clock_not_joined", clock.machine,
                       fmt::format("{}'s clock could not be joined with the host's ({}): answers "
                                   "across machines leave its trace out.",
                                   terminal_text(clock.machine), terminal_text(clock.quality)),
                       "", 1});
    } else if (clock.outside_after.value_or(0) > kOutsideWarn &&
               reported.insert(clock.machine).second) {
      lines.push_back({Kind::kWarn, "outside_guest_time", clock.machine,
                       fmt::format("{} of {}'s events lie outside its guest time: its clock map or "
                                   "its binding to a VM is wrong.",
                                   share_text(*clock.outside_after), terminal_text(clock.machine)),
                       "", *clock.outside_after});
    }
  }
}

void add_data_quality(const ReportData& data, Lines& lines) {
  for (const query::RefusedTrace& refused : data.refused) {
    lines.push_back({Kind::kBad, "unreadable", refused.path,
                     fmt::format("{} is left out: {}.", terminal_text(refused.path),
                                 terminal_text(refused.error.to_string())),
                     "", 0});
  }
  std::uint64_t windows = 0;
  std::int64_t lost = 0;
  bool all_known = true;
  std::set<std::string> machines;
  for (const LossLine& loss : data.losses) {
    windows += loss.windows;
    lost += loss.events.value_or(0);
    all_known = all_known && loss.events.has_value();
    machines.insert(terminal_text(loss.machine));
  }
  if (windows == 0) return;
  const std::vector<std::string> names(machines.begin(), machines.end());
  const std::string number =
      lost == 0   ? "An unknown number of events"
      : all_known ? count_text(static_cast<std::uint64_t>(lost)) + " events"
                  : "More than " + count_text(static_cast<std::uint64_t>(lost)) + " events";
  lines.push_back({Kind::kWarn, "lost_events", names.size() == 1 ? names[0] : "",
                   fmt::format("{} of {} were lost in {}; what they touch is marked lossy.", number,
                               name_list(names, 3), plural(windows, "window", "windows")),
                   "", 0});
}

}  // namespace

std::vector<Conclusion> conclude(const ReportData& data) {
  Lines lines;
  const std::vector<Vm> vms = vms_of(data);
  for (const Vm& vm : vms) {
    add_stolen(data, vm, lines);
    add_overhead(data, vm, lines);
    add_other_states(data, vm, lines);
  }
  add_healthy(vms, lines);
  add_no_vm(data, lines);
  add_clocks(data, lines);
  add_data_quality(data, lines);
  std::stable_sort(lines.begin(), lines.end(), [](const Conclusion& a, const Conclusion& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    return a.weight > b.weight;
  });
  return lines;
}

}  // namespace vs::report
