// The sentences of `why`: what a group of an execution flow is called, and what follows from it.

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "query/features.h"
#include "report/text.h"
#include "report/why_parts.h"

namespace vs::report::why {
namespace {

using model::EventKind;
using model::FlowKind;
using query::duration_text;

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// "vm2/burst0", or a thread of the task's own machine by its name alone.
std::string who_text(const FlowGroup& group, const std::string& machine) {
  std::string name = terminal_text(group.comm);
  if (name.empty() && group.tid) name = fmt::format("tid {}", *group.tid);
  if (group.machine == machine) return name;
  return terminal_text(group.machine) + "/" + name;
}

std::string lost_words(const FlowGroup& group, const std::string& machine) {
  const std::string where = group.pcpu ? fmt::format(" on pCPU {}", *group.pcpu) : "";
  if (!group.machine.empty()) return "lost to " + who_text(group, machine) + where;
  if (group.kind == FlowKind::kVcpuPreemptedBy) return "lost waiting for a pCPU with nobody on it";
  return group.cause == "idle" || group.cause == "halted"
             ? "waking up"
             : "waiting for a CPU, behind nobody known";
}

std::string words_of(const FlowGroup& group, const std::string& machine) {
  switch (group.kind) {
    case FlowKind::kRun:
      return "running";
    case FlowKind::kHypervisor:
      return "in the hypervisor";
    case FlowKind::kLockWait:
      return "waiting for a lock with its vCPU halted";
    case FlowKind::kBlocked:
      if (group.cause == "vmm") return "with its vCPU asleep in the VMM";
      if (group.cause == "paused") return "with its VM paused";
      return "blocked (" + terminal_text(group.cause) + ")";
    case FlowKind::kPreemptedBy:
    case FlowKind::kVcpuPreemptedBy:
    case FlowKind::kRunnable:
      return lost_words(group, machine);
    case FlowKind::kUnknown:
      break;
  }
  return "unknown";
}

std::string shares_text(const std::vector<Loss>& list, std::int64_t total_ns) {
  std::string text;
  for (const Loss& loss : list) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                        share_text(ratio(loss.total_ns, total_ns)), loss.text);
  }
  return text;
}

}  // namespace

bool keeps_from_running(FlowKind kind) {
  return kind == FlowKind::kVcpuPreemptedBy || kind == FlowKind::kPreemptedBy ||
         kind == FlowKind::kRunnable || kind == FlowKind::kHypervisor ||
         kind == FlowKind::kLockWait;
}

std::vector<Loss> losses_of(const std::vector<FlowGroup>& groups, const std::string& machine) {
  std::map<std::string, Loss> by_text;
  for (const FlowGroup& group : groups) {
    std::string text = words_of(group, machine);
    Loss& loss = by_text[text];
    loss.text = std::move(text);
    loss.kind = group.kind;
    loss.total_ns += group.total_ns;
    loss.typical_ns += group.typical_ns;
  }
  std::vector<Loss> list;
  for (auto& [text, loss] : by_text) list.push_back(std::move(loss));
  std::stable_sort(list.begin(), list.end(),
                   [](const Loss& a, const Loss& b) { return a.total_ns > b.total_ns; });
  return list;
}

std::string slow_text(const std::vector<Loss>& losses, std::int64_t total_ns,
                      std::int64_t typical_ns) {
  std::string text =
      fmt::format("took {} instead of {}", duration_text(total_ns), duration_text(typical_ns));
  if (total_ns <= typical_ns) return text;
  constexpr double kWorthSaying = 0.2;  // of the excess
  constexpr std::size_t kMost = 2;
  std::vector<Loss> sorted = losses;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Loss& a, const Loss& b) { return a.excess_ns() > b.excess_ns(); });
  std::vector<Loss> said;
  for (const Loss& loss : sorted) {
    const bool worth = ratio(loss.excess_ns(), total_ns - typical_ns) >= kWorthSaying;
    if (said.size() < kMost && (said.empty() || worth)) said.push_back(loss);
  }
  // What a typical one hardly has is said by its share, anything else by how much more it is.
  constexpr double kNew = 0.8;
  std::string reasons;
  for (const Loss& loss : said) {
    const bool is_new = ratio(loss.excess_ns(), loss.total_ns) >= kNew;
    reasons += reasons.empty() ? ": " : ", ";
    reasons += is_new ? fmt::format("{} {}", share_text(ratio(loss.total_ns, total_ns)), loss.text)
                      : fmt::format("{} more {}", duration_text(loss.excess_ns()), loss.text);
  }
  return text + reasons;
}

std::string window_text(const std::vector<Loss>& losses, std::int64_t total_ns) {
  constexpr std::size_t kMost = 4;
  constexpr double kWorthSaying = 0.005;
  std::vector<Loss> said;
  for (const Loss& loss : losses) {
    if (said.size() < kMost && ratio(loss.total_ns, total_ns) >= kWorthSaying) said.push_back(loss);
  }
  const std::string text = "took " + duration_text(total_ns);
  return said.empty() ? text : text + ": " + shares_text(said, total_ns);
}

std::string behind_text(const WhyData& data) {
  constexpr std::size_t kMost = 2;
  constexpr double kWorthSaying = 0.05;
  std::string text;
  std::size_t said = 0;
  for (const PathShare& share : data.path_workers) {
    const bool itself = share.machine == data.machine && share.tid == data.tid;
    if (itself || said == kMost || ratio(share.total_ns, data.total_ns) < kWorthSaying) continue;
    const std::string machine = terminal_text(share.machine);
    const std::string comm = terminal_text(share.comm);
    const std::string who = !share.tid      ? fmt::format("{}'s disk {}", machine, comm)
                            : !comm.empty() ? fmt::format("{}/{}", machine, comm)
                                            : fmt::format("{}/{}", machine, *share.tid);
    text += fmt::format("{}{} {}", said++ == 0 ? "; behind its waits: " : ", ",
                        share_text(ratio(share.total_ns, data.total_ns)), who);
  }
  return text;
}

namespace {

struct Need {
  std::string_view cause;
  std::vector<model::PathLabel> labels;  ///< what is not told well without the events
  std::vector<EventKind> events;         ///< any of the first `either`, then all
  std::size_t either;
};

// A wait that only an interrupt is known to have ended may be for a disk or for the network.
std::vector<Need> needs() {
  using L = model::PathLabel;
  return {{"who ended its waits",
           {L::kWaitUnknown},
           {EventKind::kSchedWaking, EventKind::kSchedWakeup},
           2},
          {"which request it waited for",
           {L::kWaitDisk, L::kWaitIrq},
           {EventKind::kBlockRqIssue, EventKind::kBlockRqComplete},
           0},
          {"which packet it waited for",
           {L::kWaitNetwork, L::kWaitIrq},
           {EventKind::kNetDevXmit, EventKind::kNetifReceiveSkb},
           0}};
}

std::vector<EventKind> absent(const Need& need, const model::KindSet& present) {
  std::vector<EventKind> out;
  for (std::size_t i = 0; i < need.events.size(); ++i) {
    if (i < need.either && present.has(need.events[i])) return {};
    if (!present.has(need.events[i])) out.push_back(need.events[i]);
  }
  if (need.either > 0) out.resize(1);  // one of them is enough
  return out;
}

}  // namespace

namespace {

std::int64_t waits_ns(const WhyData& data, std::string_view machine, const Need& need) {
  std::int64_t sum = 0;
  for (const ThreadWaits& waits : data.path_waits) {
    if (waits.machine != machine) continue;
    for (const model::PathLabel label : need.labels) {
      sum += waits.label_ns[static_cast<std::size_t>(label)];
    }
  }
  return sum;
}

/// Is `machine` somewhere below the task's own?
bool is_below(const model::Experiment& experiment, model::MachineIndex machine,
              std::string_view task_machine) {
  const auto& machines = experiment.machines;
  const auto own = std::ranges::find(machines, task_machine, &model::Machine::name);
  if (own == machines.end()) return false;
  for (auto m = own->parent; m < machines.size(); m = machines[m].parent) {
    if (m == machine) return true;
  }
  return false;
}

}  // namespace

std::vector<MissingCause> missing_causes(const query::ExperimentSummary& summary,
                                         const WhyData& data) {
  std::vector<MissingCause> out;
  const auto& machines = summary.experiment.machines;
  const auto note = [&](const Need& need, model::MachineIndex m, std::int64_t affected_ns) {
    if (affected_ns == 0) return;
    const auto missing = absent(need, summary.kinds_of(m));
    if (missing.empty()) return;
    out.push_back({std::string(need.cause), machines[m].name, query::kind_list(missing),
                   affected_ns, query::record_command(summary, m, missing)});
  };
  for (model::MachineIndex m = 0; m < machines.size(); ++m) {
    for (const Need& need : needs()) note(need, m, waits_ns(data, machines[m].name, need));
  }
  const Need neighbours{"whose requests were at its disk",
                        {},
                        {EventKind::kBlockRqIssue, EventKind::kBlockRqComplete},
                        0};
  for (model::MachineIndex m = 0; m < machines.size(); ++m) {
    if (is_below(summary.experiment, m, data.machine)) note(neighbours, m, data.disk.waited_ns);
  }
  std::ranges::stable_sort(out, [](const MissingCause& a, const MissingCause& b) {
    return a.affected_ns > b.affected_ns;
  });
  return out;
}

}  // namespace vs::report::why
