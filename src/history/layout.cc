#include "history/layout.h"

namespace vs::history {
namespace {

// Durations inside a row (handling_ns, queue_ns) and byte counts hardly repeat: as part of a tuple
// they would make nearly every tuple a new one.
bool is_number(const model::ColumnDef& column) {
  return column.type == model::ColumnType::kInteger &&
         (column.name.ends_with("_ns") || column.name == "bytes" || column.name == "sector");
}

void add_drawn(const model::TableDef& def, TableLayout& layout) {
  layout.drawn_slots.push_back(layout.state_slot);
  std::uint8_t slot = 0;
  for (const model::ColumnDef& column : def.columns) {
    if (column.role != model::ColumnRole::kValue) continue;
    const bool drawn = column.type == model::ColumnType::kState || column.name == "machine";
    const bool room = layout.drawn_slots.size() < kMaxDrawn;
    if (drawn && room && slot != layout.state_slot) layout.drawn_slots.push_back(slot);
    ++slot;
  }
}

TableLayout make_layout(const model::TableDef& def) {
  TableLayout layout;
  if (!def.interval) return layout;
  layout.keys = def.key_count();
  layout.points = def.points;
  layout.overlaps = def.overlaps;
  for (const model::ColumnDef& column : def.columns) {
    if (column.role != model::ColumnRole::kValue) continue;
    const auto slot = static_cast<std::uint8_t>(layout.values++);
    (is_number(column) ? layout.number_slots : layout.tuple_slots).push_back(slot);
    if (column.type == model::ColumnType::kState && !layout.has_state()) layout.state_slot = slot;
  }
  if (layout.has_state()) add_drawn(def, layout);
  return layout;
}

}  // namespace

const TableLayout& layout_of(TableId table) {
  static const auto kLayouts = [] {
    std::array<TableLayout, static_cast<std::size_t>(TableId::kCount)> layouts;
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      layouts[i] = make_layout(model::table_def(static_cast<TableId>(i)));
    }
    return layouts;
  }();
  return kLayouts[static_cast<std::size_t>(table)];
}

}  // namespace vs::history
