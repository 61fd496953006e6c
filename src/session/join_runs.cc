// The runs of a VM's vCPUs, for a pair's fit (join_pair.h).
#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "session/join_pair.h"

namespace vs::session {
namespace {

using clock::RunIndex;
using model::GuestRun;

std::span<const GuestRun> runs_of(const model::TraceEvidence& host,
                                  const model::VcpuThread& thread) {
  const auto found = std::ranges::find(host.threads, thread.tid, &model::ThreadRuns::tid);
  if (found == host.threads.end()) return {};
  return found->runs;
}

GuestRun to_working(const clock::Scale& scale, const GuestRun& run) {
  return {OwnTime{scale.apply(run.entry.value)}, OwnTime{scale.apply(run.exit.value)}};
}

/// Where the host's runs can be taken as they are.
std::optional<RunIndex> same_runs(const PairTask& task, const model::FoundVcpu& vcpu) {
  const model::TraceEvidence& host = *task.host->evidence;
  if (vcpu.threads.size() != 1 || !host.losses.empty() || !task.clocks.host.identity()) {
    return std::nullopt;
  }
  const model::VcpuThread& thread = vcpu.threads.front();
  const std::span<const GuestRun> runs = runs_of(host, thread);
  const bool all =
      runs.empty() || (runs.front().exit >= thread.first && runs.back().entry <= thread.last);
  return all ? RunIndex::over(runs) : std::nullopt;
}

std::vector<GuestRun> working_runs(const PairTask& task, const model::FoundVcpu& vcpu) {
  std::vector<GuestRun> runs;
  for (const model::VcpuThread& thread : vcpu.threads) {
    const std::span<const GuestRun> all = runs_of(*task.host->evidence, thread);
    runs.reserve(runs.size() + all.size());
    for (const GuestRun& run : all) {
      if (run.exit < thread.first || run.entry > thread.last) continue;
      runs.push_back(to_working(task.clocks.host, run));
    }
  }
  return runs;
}

}  // namespace

std::vector<RunIndex> vcpu_runs(const PairTask& task) {
  std::vector<GuestRun> losses;
  for (const GuestRun& loss : task.host->evidence->losses) {
    losses.push_back(to_working(task.clocks.host, loss));
  }
  std::vector<RunIndex> list;
  for (const model::FoundVcpu& vcpu : task.vm->vcpus) {
    std::optional<RunIndex> same = same_runs(task, vcpu);
    list.push_back(same ? std::move(*same) : RunIndex(working_runs(task, vcpu), losses));
  }
  return list;
}

}  // namespace vs::session
