// Which views there are, and the rows of each.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "query/features.h"
#include "serve/views.h"

namespace vs::serve {
namespace {

using model::TableId;

constexpr Layer kFusedLayers[] = {{"machine", "Machine", LayerKind::kMachine, "machine"},
                                  {"condition", "Condition", LayerKind::kState, "condition"},
                                  {"state", "State", LayerKind::kState, "state"}};
constexpr Layer kVmLayers[] = {{"effective", "Effective", LayerKind::kState, "effective"},
                               {"state", "State", LayerKind::kState, "state"}};
constexpr Layer kControlLayers[] = {{"state", "State", LayerKind::kState, "state"},
                                    {"effective", "Effective", LayerKind::kState, "effective"}};
constexpr Layer kVprocessLayers[] = {{"state", "State", LayerKind::kState, "state"}};
constexpr Layer kDiskLayers[] = {{"op", "Operation", LayerKind::kState, "op"}};
constexpr Layer kNetLayers[] = {{"direction", "Direction", LayerKind::kState, "direction"}};

std::vector<View> all_views() {
  std::vector<View> views = {
      {"fused", "CPUs", "who had each physical CPU", kFusedLayers},
      {"vms", "Virtual machines", "the vCPUs and threads of each VM", kVmLayers},
      {"control", "Threads", "the threads of each machine", kControlLayers},
      {"vprocess", "Guest processes", "guest processes from the host's trace alone",
       kVprocessLayers},
      {"disk", "Disks", "requests of each device", kDiskLayers},
      {"net", "Network", "packets of each device", kNetLayers}};
  for (std::size_t i = 0; i < views.size(); ++i) {
    views[i].first_id = static_cast<std::int32_t>(i) * kIdsOfView;
  }
  return views;
}

/// Where the ids of rows that stand on entities begin; those before are groups', by machine.
constexpr std::int32_t kEntityIds = kIdsOfView / 2;
static_assert(history::kMaxEntities <= static_cast<std::uint64_t>(kIdsOfView - kEntityIds));

/// Rows of one table that stand below each machine in one view.
struct Part {
  std::string_view view;
  TableId table;
  RowKind kind;
  bool only_vms;
};
constexpr Part kParts[] = {
    {"fused", TableId::kFusedCpu, RowKind::kPcpu, false},
    {"vms", TableId::kVcpuState, RowKind::kVcpu, true},
    {"vms", TableId::kThreadState, RowKind::kThread, true},
    {"control", TableId::kThreadState, RowKind::kThread, false},
    {"vprocess", TableId::kVprocessState, RowKind::kVprocess, false},
    {"disk", TableId::kBlockRequest, RowKind::kDevice, false},
    {"net", TableId::kNetPacket, RowKind::kDevice, false},
};

}  // namespace

class ViewBuilder {
 public:
  ViewBuilder(const query::ExperimentSummary& summary, const query::DataSource& source,
              Extent extent)
      : summary_(summary), extent_(extent) {
    for (const model::Row& row : source.small(TableId::kThread).rows) {
      const auto* const machine = std::get_if<std::string>(&row[0]);
      const auto* const tid = std::get_if<std::int64_t>(&row[1]);
      const auto* const comm = std::get_if<std::string>(&row[4]);
      if (machine != nullptr && tid != nullptr && comm != nullptr) {
        comms_[{*machine, *tid}] = *comm;
      }
    }
  }

  Views build(const history::Reader& history, std::span<const model::OpenRow> open) {
    out_.history_ = &history;
    for (const model::OpenRow& row : open) continue_rows(row);
    out_.views_ = all_views();
    out_.row_ids_.resize(out_.views_.size());
    index_entities();
    index_hosts();
    for (View& view : out_.views_) {
      view.first_row = out_.rows_.size();
      for (const model::Machine& machine : summary_.experiment.machines) add_machine(view, machine);
      view.row_count = out_.rows_.size() - view.first_row;
      if (view.row_count == 0) view.missing = missing(view);
      index_rows(view);
    }
    for (std::size_t i = 0; i < out_.rows_.size(); ++i) out_.places_.emplace(out_.rows_[i].id, i);
    return std::move(out_);
  }

 private:
  void continue_rows(const model::OpenRow& open) {
    if (open.entity >= out_.history_->entity_count()) return;
    const history::EntityInfo& info = out_.history_->entity(open.entity);
    const auto known = out_.open_.find(open.entity);
    const HostTime end =
        known == out_.open_.end() ? HostTime{info.last_ns} : known->second.back().end;
    if (info.rows == 0 || open.begin != end) return;  // between them is what nobody told yet
    history::OwnedRow row{open.begin, open.end, {}, open.values.size()};
    std::copy(open.values.begin(), open.values.end(), row.slots.begin());
    out_.open_[open.entity].push_back(row);
  }

  void index_entities() {
    constexpr TableId kTables[] = {TableId::kFusedCpu, TableId::kVcpuState, TableId::kThreadState,
                                   TableId::kPreemption};
    for (const TableId table : kTables) {
      for (const history::Entity& one : out_.history_->entities(table)) {
        out_.entities_.emplace(Views::EntityPlace{table, one.key[0], one.key[1]}, one.id);
      }
    }
  }

  void index_hosts() {
    const auto& machines = summary_.experiment.machines;
    for (const model::Machine& machine : machines) {
      const bool has_parent = machine.parent < machines.size();
      out_.hosts_[machine.name] = has_parent ? machines[machine.parent].name : machine.name;
    }
  }

  void index_rows(const View& view) {
    auto& ids = out_.row_ids_[static_cast<std::size_t>(&view - out_.views_.data())];
    for (const Row& row : out_.rows(view)) {
      if (row.entity) ids.emplace(*row.entity, row.id);
    }
  }

  void add_machine(const View& view, const model::Machine& machine) {
    std::optional<std::size_t> group;
    for (const Part& part : kParts) {
      if (part.view != view.id) continue;
      if (part.only_vms && machine.kind != model::MachineKind::kVm) continue;
      std::vector<model::EntityId> entities;
      for (const history::Entity& entity : out_.history_->entities(part.table)) {
        if (out_.history_->string(entity.key[0]) == machine.name &&
            out_.history_->entity(entity.id).rows != 0) {
          entities.push_back(entity.id);
        }
      }
      if (entities.empty()) continue;
      if (!group) group = add_group(view, machine);
      sort_by_key(part, entities);
      for (const model::EntityId entity : entities) add_row(view, part, *group, entity);
    }
  }

  /// Its place among the rows.
  std::size_t add_group(const View& view, const model::Machine& machine) {
    Row row;
    row.id =
        view.first_id + static_cast<std::int32_t>(&machine - summary_.experiment.machines.data());
    row.label = machine.name;
    row.sub = machine.kind == model::MachineKind::kHost ? "host" : "VM";
    row.machine = machine.name;
    out_.rows_.push_back(std::move(row));
    return out_.rows_.size() - 1;
  }

  void sort_by_key(const Part& part, std::vector<model::EntityId>& entities) const {
    const bool text = part.kind == RowKind::kVprocess || part.kind == RowKind::kDevice;
    std::map<model::EntityId, std::int64_t> keys;
    for (const history::Entity& one : out_.history_->entities(part.table)) {
      keys[one.id] = one.key[1];
    }
    std::sort(entities.begin(), entities.end(), [&](model::EntityId a, model::EntityId b) {
      if (!text) return keys[a] < keys[b];
      return out_.history_->string(keys[a]) < out_.history_->string(keys[b]);
    });
    numbers_ = std::move(keys);
  }

  void add_row(const View& view, const Part& part, std::size_t group, model::EntityId entity) {
    const history::EntityInfo& info = out_.history_->entity(entity);
    const std::int64_t number = numbers_[entity];
    Row row;
    row.id = view.first_id + kEntityIds + static_cast<std::int32_t>(entity);
    row.parent = out_.rows_[group].id;
    row.machine = out_.rows_[group].machine;
    row.kind = part.kind;
    row.entity = entity;
    row.table = part.table;
    row.begin = HostTime{info.first_ns};
    row.end = HostTime{info.last_ns};
    const auto open = out_.open_rows(row);
    if (!open.empty()) row.end = open.back().end;
    name_row(row, number);
    Row& parent = out_.rows_[group];
    const bool first = parent.begin == HostTime{} && parent.end == HostTime{};
    parent.begin = first ? row.begin : std::min(parent.begin, row.begin);
    parent.end = first ? row.end : std::max(parent.end, row.end);
    out_.rows_.push_back(std::move(row));
  }

  void name_row(Row& row, std::int64_t number) const {
    if (row.kind == RowKind::kPcpu) {
      row.cpu = number;
      row.label = fmt::format("CPU {}", number);
    } else if (row.kind == RowKind::kVcpu) {
      row.vcpu = number;
      row.label = fmt::format("vCPU {}", number);
    } else if (row.kind == RowKind::kThread) {
      row.tid = number;
      const auto comm = comms_.find({row.machine, number});
      row.label = comm == comms_.end() ? fmt::format("{}", number) : comm->second;
      row.sub = fmt::format("{}", number);
    } else {
      row.label = out_.history_->string(number);
    }
  }

  [[nodiscard]] Missing missing(const View& view) const {
    std::vector<std::string> tables;
    for (const Part& part : kParts) {
      if (part.view == view.id) tables.emplace_back(model::table_def(part.table).name);
    }
    for (const query::FeatureStatus& status : query::unanswerable(summary_, tables)) {
      return {fmt::format("needs {}", query::kind_list(status.missing)),
              query::record_command(summary_, status.machine, status.missing)};
    }
    if (extent_ == Extent::kPart) return {"nothing of this kind so far", ""};
    return {"nothing of this kind is in these traces", ""};
  }

  const query::ExperimentSummary& summary_;
  const Extent extent_;
  std::map<std::pair<std::string, std::int64_t>, std::string> comms_;
  mutable std::map<model::EntityId, std::int64_t> numbers_;
  Views out_;
};

Result<Views> Views::build(const query::ExperimentSummary& summary, const query::DataSource& source,
                           Extent extent, std::span<const model::OpenRow> open) {
  const history::Reader* const history = source.history();
  if (history == nullptr) {
    return Error{ErrorCode::kInternal, "views need a history", "", "open the traces again"};
  }
  return ViewBuilder(summary, source, extent).build(*history, open);
}

}  // namespace vs::serve
