#include "analysis/flow/states.h"

#include <algorithm>
#include <vector>

namespace vs::analysis::flow {
namespace {

using model::kNull;
using model::TableId;
using model::ThreadState;
using model::VcpuState;
namespace slot = model::slot;
using What = CpuTruth::What;

constexpr int kMaxLayers = 8;
constexpr std::uint64_t kLookupsBetweenTrims = 4096;

template <typename State>
State state_of(std::int64_t value, std::size_t count, State unknown) {
  return value >= 0 && static_cast<std::size_t>(value) < count ? static_cast<State>(value)
                                                               : unknown;
}

void clip(CpuTruth& truth, HostTime begin, HostTime end) {
  truth.begin = std::max(truth.begin, begin);
  truth.end = std::min(truth.end, end);
}

// What the states of a vCPU mean that are not `runs`, and need no look further down.
What what_of(VcpuState state) {
  switch (state) {
    case VcpuState::kBlocked:
      return What::kBlocked;
    case VcpuState::kStopped:
      return What::kPaused;
    case VcpuState::kHalted:
      return What::kHalted;
    case VcpuState::kWaking:
    case VcpuState::kPreempted:
      return What::kRobbed;
    case VcpuState::kGuest:
      return What::kRuns;
    case VcpuState::kHypervisor:
    case VcpuState::kUserspace:
    case VcpuState::kHostIrq:
    case VcpuState::kPolling:
    case VcpuState::kEmulated:
      return What::kHypervisor;
    case VcpuState::kOff:
    case VcpuState::kUnknown:
      break;
  }
  return What::kUnknown;
}

}  // namespace

States::States(const World& world, StatesOptions options) : world_(world), options_(options) {}

Result<Holding> States::row_at(TableId table, MachineNumber machine, std::int64_t number,
                               HostTime time) {
  const auto entity =
      machine < world_.machines().size() ? world_.entity(table, machine, number) : std::nullopt;
  if (!entity) return Holding{kHostTimeMin, kHostTimeMax, {}};
  Kept& kept = timelines_[*entity];
  if (!kept.timeline) {
    kept.timeline = std::make_unique<Timeline>(world_.source(), *entity, options_.direction,
                                               options_.part_rows);
  }
  kept.used = ++clock_;
  return kept.timeline->at(time);
}

void States::trim() {
  if (clock_ - last_trim_ < kLookupsBetweenTrims) return;
  last_trim_ = clock_;
  std::size_t rows = 0;
  for (const auto& [id, kept] : timelines_) rows += kept.timeline->row_count();
  if (rows <= options_.kept_rows) return;
  std::vector<std::pair<std::uint64_t, model::EntityId>> by_age;
  for (const auto& [id, kept] : timelines_) by_age.emplace_back(kept.used, id);
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [used, id] : by_age) {
    if (rows <= options_.kept_rows / 2) break;
    rows -= timelines_[id].timeline->row_count();
    timelines_.erase(id);
  }
}

Result<ThreadSpan> States::thread_at(MachineNumber machine, std::int64_t tid, HostTime time) {
  VS_ASSIGN(const Holding row, row_at(TableId::kThreadState, machine, tid, time));
  ThreadSpan span;
  span.begin = row.begin;
  span.end = row.end;
  if (row.values.empty()) return span;
  span.known = true;
  if (row.values[slot::kTsLossy] == 1 &&
      world_.clip_to_losses(machine, time.ns, span.begin.ns, span.end.ns)) {
    span.known = false;
    return span;
  }
  span.cut_by_loss = span.end < row.end;
  span.state = state_of(row.values[slot::kTsState], model::thread_state_names().size(),
                        ThreadState::kUnknown);
  span.cpu = row.values[slot::kTsCpu];
  span.detail = row.values[slot::kTsDetail];
  span.waker_machine = row.values[slot::kTsWakerMachine];
  span.waker_tid = row.values[slot::kTsWakerTid];
  return span;
}

Result<VcpuSpan> States::vcpu_at(MachineNumber machine, std::int64_t vcpu, HostTime time) {
  VS_ASSIGN(const Holding row, row_at(TableId::kVcpuState, machine, vcpu, time));
  VcpuSpan span;
  span.begin = row.begin;
  span.end = row.end;
  if (row.values.empty()) return span;
  if (row.values[slot::kVsLossy] == 1 &&
      world_.clip_to_losses(world_.machine(machine).parent, time.ns, span.begin.ns, span.end.ns)) {
    return span;
  }
  span.state =
      state_of(row.values[slot::kVsState], model::vcpu_state_names().size(), VcpuState::kUnknown);
  span.pcpu = row.values[slot::kVsPcpu];
  span.exit_reason = row.values[slot::kVsExitReason];
  span.waker_tid = row.values[slot::kVsWakerTid];
  return span;
}

Result<Occupant> States::current_at(MachineNumber machine, std::int64_t cpu, HostTime time) {
  VS_ASSIGN(const Holding row, row_at(TableId::kPcpuState, machine, cpu, time));
  Occupant occupant{row.begin, row.end, {}, false};
  if (row.values.empty()) return occupant;
  const std::int64_t tid = row.values[slot::kPsTid];
  occupant.idle = tid == 0;
  if (tid == kNull || tid == 0) return occupant;
  const World::Machine& info = world_.machine(machine);
  occupant.who = {info.name_id, kNull, tid, row.values[slot::kPsComm]};
  if (!info.is_host()) occupant.who.vcpu = world_.source().vcpu_of_cpu(info.name, cpu);
  return occupant;
}

Result<Occupant> States::holder_at(MachineNumber host, std::int64_t cpu, HostTime time) {
  if (!world_.entity(TableId::kFusedCpu, host, cpu)) return current_at(host, cpu, time);
  VS_ASSIGN(const Holding row, row_at(TableId::kFusedCpu, host, cpu, time));
  Occupant occupant{row.begin, row.end, {}, false};
  if (row.values.empty()) return occupant;
  const Actor who = {row.values[slot::kFcMachine], row.values[slot::kFcVcpu],
                     row.values[slot::kFcTid], row.values[slot::kFcComm]};
  occupant.idle = who.vcpu == kNull && who.tid == 0;
  if (!occupant.idle && who.known()) occupant.who = who;
  return occupant;
}

Result<CpuTruth> States::truth_at(MachineNumber machine, std::int64_t cpu, HostTime time) {
  return truth_at(machine, cpu, time, 0);
}

Result<CpuTruth> States::truth_at(MachineNumber machine, std::int64_t cpu, HostTime time,
                                  int layer) {
  CpuTruth truth;
  truth.begin = kHostTimeMin;
  truth.end = kHostTimeMax;
  if (cpu == kNull || machine >= world_.machines().size() || layer >= kMaxLayers) return truth;
  const World::Machine& info = world_.machine(machine);
  truth.machine = machine;
  if (info.is_host()) {
    truth.what = What::kRuns;
    truth.pcpu = cpu;
    return truth;
  }
  truth.vcpu = world_.source().vcpu_of_cpu(info.name, cpu);
  VS_ASSIGN(const VcpuSpan span, vcpu_at(machine, truth.vcpu, time));
  clip(truth, span.begin, span.end);
  truth.state = span.state;
  truth.what = what_of(span.state);
  truth.reason = span.exit_reason;
  if (truth.what == What::kRobbed) return waiting_truth(truth, time, layer);
  if (truth.what != What::kRuns && truth.what != What::kHypervisor) return truth;
  VS_ASSIGN(CpuTruth below, truth_at(info.parent, span.pcpu, time, layer + 1));
  clip(truth, below.begin, below.end);
  const bool below_decides =
      below.what != What::kRuns && !(below.what == What::kHypervisor && truth.what != What::kRuns);
  if (below_decides && span.pcpu != kNull) {
    clip(below, truth.begin, truth.end);
    if (below.what == What::kHypervisor) {  // the thread is still this vCPU's
      below.machine = truth.machine;
      below.vcpu = truth.vcpu;
    }
    return below;
  }
  truth.pcpu = below.pcpu;
  return truth;
}

// The vCPU waits on the queue of a processor of its host; where that host is a guest itself, its
// own processor may not have run either.
Result<CpuTruth> States::waiting_truth(CpuTruth truth, HostTime time, int layer) {
  VS_ASSIGN(const Holding row, row_at(TableId::kPreemption, truth.machine, truth.vcpu, time));
  clip(truth, row.begin, row.end);
  if (row.values.empty()) return truth;
  const std::int64_t queue = row.values[slot::kPrPcpu];
  truth.pcpu = queue;
  truth.by = {row.values[slot::kPrByMachine], row.values[slot::kPrByVcpu],
              row.values[slot::kPrByTid], row.values[slot::kPrByComm]};
  const MachineNumber host = world_.machine(truth.machine).parent;
  if (world_.machine(host).is_host() || queue == kNull) return truth;
  VS_ASSIGN(CpuTruth below, truth_at(host, queue, time, layer + 1));
  clip(truth, below.begin, below.end);
  truth.pcpu = below.pcpu;
  if (below.what == What::kRuns || below.what == What::kHypervisor ||
      below.what == What::kUnknown) {
    return truth;
  }
  clip(below, truth.begin, truth.end);
  return below;
}

}  // namespace vs::analysis::flow
