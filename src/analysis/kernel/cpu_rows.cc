#include "analysis/kernel/cpu_rows.h"

#include <array>
#include <utility>

#include "model/tables.h"

namespace vs::analysis::kernel {
namespace {

using model::FusedCondition;
using model::kNull;

std::int64_t tid_cell(const CpuView& view) { return view.tid < 0 ? kNull : view.tid; }

std::array<std::int64_t, 4> pcpu_values(const CpuView& view, bool lossy) {
  std::array<std::int64_t, 4> values{};
  values[model::slot::kPsState] = static_cast<std::int64_t>(view.state);
  values[model::slot::kPsTid] = tid_cell(view);
  values[model::slot::kPsComm] = view.comm;
  values[model::slot::kPsLossy] = lossy ? 1 : 0;
  return values;
}

std::array<std::int64_t, 8> fused_values(const CpuView& view, model::StringId machine) {
  const bool known = view.tid >= 0;
  const FusedCondition condition = known ? FusedCondition::kHost : FusedCondition::kUnknown;
  std::array<std::int64_t, 8> values{};
  values[model::slot::kFcCondition] = static_cast<std::int64_t>(condition);
  values[model::slot::kFcMachine] = known ? machine : kNull;
  values[model::slot::kFcVcpu] = kNull;
  values[model::slot::kFcTid] = tid_cell(view);
  values[model::slot::kFcComm] = view.comm;
  values[model::slot::kFcState] = static_cast<std::int64_t>(view.state);
  values[model::slot::kFcContainer] = view.container;
  values[model::slot::kFcLossy] = view.lossy ? 1 : 0;
  return values;
}

}  // namespace

OpenCpuRow CpuRows::begin(std::uint32_t cpu, HostTime at) {
  const std::array<std::int64_t, 2> key = {machine_, cpu};
  if (table_ == CpuTable::kPcpuState) return {at, sink_.entity(model::TableId::kPcpuState, key)};
  const model::EntityId entity = sink_.entity(model::TableId::kFusedCpu, key);
  (void)sink_.view(model::TableId::kPcpuState, key, entity);
  return {at, entity};
}

// Called for nearly every event: what seldom happens is elsewhere, so that this needs few
// registers.
void CpuRows::end(OpenCpuRow& row, HostTime at, const CpuView& view, HostTime loss_end) {
  if (at <= row.since) return;
  const bool lossy = tells_all() ? view.lossy : row.since < loss_end;
  if (lossy) [[unlikely]]
    return add(row, at, view, true);
  model::RowMemo* const noted = memo_of(view);
  if (noted == nullptr || !sink_.add_again(row.entity, row.since, at, *noted)) [[unlikely]]
    return add(row, at, view, false);
  row.since = at;
}

void CpuRows::add(OpenCpuRow& row, HostTime at, const CpuView& view, bool lossy) {
  const HostTime since = std::exchange(row.since, at);
  model::RowMemo* const noted = lossy ? nullptr : memo_of(view);
  model::RowMemo unused;
  model::RowMemo& memo = noted != nullptr ? *noted : unused;
  if (tells_all()) {
    sink_.add_noting(row.entity, since, at, fused_values(view, machine_), memo);
  } else {
    sink_.add_noting(row.entity, since, at, pcpu_values(view, lossy), memo);
  }
}

/// Where the row of a view without losses is noted, null if nowhere.
model::RowMemo* CpuRows::memo_of(const CpuView& view) const {
  ViewMemos* const memos = view.memos;
  if (memos == nullptr) return nullptr;
  // The thread may have changed its name or container: its memos are of another row then.
  if (memos->comm != view.comm || memos->container != view.container) return nullptr;
  return &(tells_all() ? memos->fused : memos->pcpu)[static_cast<std::size_t>(view.state)];
}

void CpuRows::list_open(const OpenCpuRow& row, HostTime until, const CpuView& view,
                        HostTime loss_end, std::vector<model::OpenRow>& out) const {
  if (until <= row.since) return;
  if (tells_all()) {
    const auto values = fused_values(view, machine_);
    out.push_back({row.entity, row.since, until, {values.begin(), values.end()}});
  } else {
    const auto values = pcpu_values(view, row.since < loss_end);
    out.push_back({row.entity, row.since, until, {values.begin(), values.end()}});
  }
}

}  // namespace vs::analysis::kernel
