// How often and how long the states of a table held over the whole experiment, by machine: what the
// overview and the legend ask for when they are opened. The history's footer has the totals of
// every entity, so no row is read.

#include <algorithm>
#include <map>
#include <utility>

#include "model/tables.h"
#include "serve/page_parts.h"

namespace vs::serve::page {
namespace {

using model::TableDef;

constexpr std::size_t kMostTableName = 64;

struct Held {
  std::uint64_t count = 0;
  std::int64_t total_ns = 0;
};
/// By machine (as the history's strings have it) and state.
using Totals = std::map<std::pair<std::int64_t, std::int64_t>, Held>;

Totals totals_of(const history::Reader& history, model::TableId table) {
  Totals out;
  for (const history::Entity& entity : history.entities(table)) {
    for (const history::StateTotal& one : history.totals(entity.id)) {
      Held& held = out[{entity.key[0], one.value}];
      held.count += one.rows;
      held.total_ns += one.duration_ns;
    }
  }
  return out;
}

/// The column that the totals are about; nullptr where the table has none.
const model::ColumnDef* state_column(const TableDef& table) {
  if (!table.interval) return nullptr;
  const auto slot = history::Reader::state_slot(table.id);
  std::size_t value = 0;
  for (const model::ColumnDef& column : table.columns) {
    if (column.role != model::ColumnRole::kValue) continue;
    if (slot && value++ == *slot) return column.states == nullptr ? nullptr : &column;
  }
  return nullptr;
}

constexpr std::size_t kRowsPerLook = 65536;

struct Asked {
  std::int64_t count = 0;
  std::int64_t bytes = 0;
  std::int64_t total_ns = 0;
  std::int64_t max_ns = 0;
};
/// By VM (as the history's strings have it; kNull: the machine itself).
using Users = std::map<std::int64_t, Asked>;

Result<Users> users_of(const history::Reader& history, model::EntityId device,
                       const std::atomic<bool>* cancel) {
  Users out;
  auto cursor = history.rows(device, kHostTimeMin, kHostTimeMax);
  history::Row row;
  for (std::size_t i = 0; cursor.next(row); ++i) {
    if (i % kRowsPerLook == 0 && cancel != nullptr && cancel->load()) {
      return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
    }
    Asked& asked = out[row.values[model::slot::kBrVm]];
    const std::int64_t bytes = row.values[model::slot::kBrBytes];
    ++asked.count;
    if (bytes != model::kNull) asked.bytes += bytes;
    asked.total_ns += row.end - row.begin;
    asked.max_ns = std::max(asked.max_ns, row.end - row.begin);
  }
  VS_TRY(cursor.status());
  return out;
}

}  // namespace

Response disks(const Call& call) {
  if (const auto kept = call.cache.find("disks")) return json_answer(*kept);
  const history::Reader& history = call.views->history();
  JsonWriter out;
  out.open('{').key("columns").open('[');
  for (const char* name : {"machine", "device", "vm", "count", "bytes", "total_ns", "max_ns"}) {
    out.text(name);
  }
  out.close(']').key("rows").open('[');
  for (const history::Entity& entity : history.entities(model::TableId::kBlockRequest)) {
    const auto users = users_of(history, entity.id, call.request.cancel);
    if (!users.ok()) return failed(users.error());
    for (const auto& [vm, asked] : *users) {
      out.open('[').text(history.string(entity.key[0])).text(history.string(entity.key[1]));
      out.text(history.string(vm)).integer(asked.count).integer(asked.bytes);
      out.integer(asked.total_ns).integer(asked.max_ns).close(']');
    }
  }
  out.close(']').close('}');
  std::string json = out.take();
  call.cache.keep("disks", json);
  return json_answer(std::move(json));
}

Response totals(const Call& call) {
  Fields in = call.fields();
  const std::string name = in.text("table", kMostTableName);
  const auto tables = model::table_defs();
  const auto table = std::ranges::find(tables, name, &TableDef::name);
  const bool known = table != tables.end() && state_column(*table) != nullptr;
  if (in.ok() && !known) in.refuse("table", "names no table of states; docs/sql.md has them");
  if (!in.ok()) return in.refused();
  const history::Reader& history = call.views->history();
  const model::ColumnDef& column = *state_column(*table);
  const auto names = column.states();
  JsonWriter out;
  out.open('{').key("columns").open('[').text("machine").text(column.name);
  out.text("count").text("total_ns").close(']').key("rows").open('[');
  for (const auto& [key, held] : totals_of(history, table->id)) {
    const auto& [machine, state] = key;
    if (state < 0 || std::cmp_greater_equal(state, names.size()) || held.count == 0) continue;
    out.open('[').text(history.string(machine)).text(names[static_cast<std::size_t>(state)]);
    out.integer(static_cast<std::int64_t>(held.count)).integer(held.total_ns).close(']');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

}  // namespace vs::serve::page
