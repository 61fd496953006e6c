// What leads from one row to another: the culprit of an interval. Arrows are in view_arrows.cc.

#include <algorithm>

#include <fmt/format.h>

#include "serve/views.h"

namespace vs::serve {
namespace {

using model::TableId;
namespace slot = model::slot;

constexpr std::int64_t state(model::ThreadState value) { return static_cast<std::int64_t>(value); }

/// Somebody on a timeline: a thread, else a vCPU, else a pCPU.
struct Who {
  std::int64_t machine = model::kNull;  // StringId
  std::int64_t vcpu = model::kNull;
  std::int64_t tid = model::kNull;
  std::int64_t pcpu = model::kNull;
  std::string host;  // of the pCPU
};

class Linker {
 public:
  explicit Linker(const Views& views) : views_(views), history_(views.history()) {}

  std::optional<Target> place(const Who& who, HostTime time, std::string message) const {
    const std::string machine(history_.string(who.machine));
    if (who.tid != model::kNull) {
      const auto thread = views_.entity(TableId::kThreadState, machine, who.tid);
      if (auto target = stand(thread, "vms", time, message)) return target;
      if (auto target = stand(thread, "control", time, message)) return target;
    }
    if (who.vcpu != model::kNull) {
      const auto vcpu = views_.entity(TableId::kVcpuState, machine, who.vcpu);
      if (auto target = stand(vcpu, "vms", time, message)) return target;
    }
    if (who.pcpu == model::kNull) return std::nullopt;
    return stand(views_.entity(TableId::kFusedCpu, who.host, who.pcpu), "fused", time, message);
  }

 private:
  std::optional<Target> stand(const std::optional<model::EntityId>& entity,
                              std::string_view view_id, HostTime time,
                              const std::string& message) const {
    if (!entity) return std::nullopt;
    const View* const view = views_.find(view_id);
    const auto id = views_.row_of(*view, *entity);
    if (!id) return std::nullopt;
    const Row& row = *views_.row(*id);
    Target target{view->id, *id, time, time + 1, row.machine + " " + row.label, message};
    const auto at = history_.at(*entity, time);
    if (at.ok() && *at) {
      target.begin = (*at)->begin;
      target.end = (*at)->end;
    }
    return target;
  }

  const Views& views_;
  const history::Reader& history_;
};

/// Who took the pCPU of this vCPU at that time.
Result<std::optional<Target>> robber(const Views& views, const std::string& machine,
                                     std::int64_t vcpu, HostTime time) {
  const auto entity = views.entity(TableId::kPreemption, machine, vcpu);
  if (!entity) return std::optional<Target>{};
  VS_ASSIGN(const auto row, views.history().at(*entity, time));
  if (!row) return std::optional<Target>{};
  const auto values = row->values();
  const Who who{values[slot::kPrByMachine], values[slot::kPrByVcpu], values[slot::kPrByTid],
                values[slot::kPrPcpu], std::string(views.host_of(machine))};
  const std::string_view by = views.history().string(values[slot::kPrByComm]);
  const std::string_view whose = views.history().string(values[slot::kPrByMachine]);
  return Linker(views).place(who, std::max(row->begin, time),
                             fmt::format("{} {} had the CPU", whose, by));
}

bool occupies(std::int64_t what) {
  return what == state(model::ThreadState::kUser) || what == state(model::ThreadState::kSyscall) ||
         what == state(model::ThreadState::kIrq);
}

/// The thread of the machine that ran on this CPU.
Result<std::optional<Target>> runner(const Views& views, const Row& row, std::int64_t cpu,
                                     HostTime time) {
  VS_ASSIGN(const auto all, views.history().full_state(TableId::kThreadState, time));
  const View& threads = *views.find("control");
  for (const auto& other : all.rows) {
    if (other.values[slot::kTsCpu] != cpu || other.entity == row.entity) continue;
    if (!occupies(other.values[slot::kTsState])) continue;
    const auto id = views.row_of(threads, other.entity);
    const Row* const one = id ? views.row(*id) : nullptr;
    if (one == nullptr || one->machine != row.machine) continue;
    const auto machine = views.history().find_string(one->machine);
    const Who who{machine ? static_cast<std::int64_t>(*machine) : model::kNull,
                  model::kNull,
                  *one->tid,
                  model::kNull,
                  {}};
    return Linker(views).place(who, time, "had the CPU");
  }
  return std::optional<Target>{};
}

Result<std::optional<Target>> follow_thread(const Views& views, const Row& row, HostTime time) {
  VS_ASSIGN(const auto now, views.history().at(*row.entity, time));
  if (!now) return std::optional<Target>{};
  const auto values = now->values();
  if (values[slot::kTsEffective] == static_cast<std::int64_t>(model::Effective::kDeprived)) {
    VS_ASSIGN(auto target, robber(views, row.machine, values[slot::kTsCpu], time));
    if (target) return target;
  }
  const std::int64_t what = values[slot::kTsState];
  if (what == state(model::ThreadState::kPreempted) ||
      what == state(model::ThreadState::kRunnable)) {
    return runner(views, row, values[slot::kTsCpu], time);
  }
  if (values[slot::kTsWakerTid] == model::kNull) return std::optional<Target>{};
  const Who who{
      values[slot::kTsWakerMachine], model::kNull, values[slot::kTsWakerTid], model::kNull, {}};
  return Linker(views).place(who, now->end + -1, "ended the wait");
}

Result<std::optional<Target>> follow_pcpu(const Views& views, const Row& row, HostTime time) {
  VS_ASSIGN(const auto now, views.history().at(*row.entity, time));
  if (!now) return std::optional<Target>{};
  const auto values = now->values();
  const Who who{
      values[slot::kFcMachine], values[slot::kFcVcpu], values[slot::kFcTid], model::kNull, {}};
  return Linker(views).place(who, time, "has this CPU");
}

}  // namespace

Result<std::optional<Target>> Views::follow(const View& view, const Row& row, HostTime time) const {
  (void)view;
  if (row.kind == RowKind::kVcpu) return robber(*this, row.machine, *row.vcpu, time);
  if (row.kind == RowKind::kThread) return follow_thread(*this, row, time);
  if (row.kind == RowKind::kPcpu) return follow_pcpu(*this, row, time);
  return std::optional<Target>{};
}

}  // namespace vs::serve
