#include "query/interval_table.h"

#include <algorithm>
#include <limits>
#include <queue>

namespace vs::query {
namespace {

using model::ColumnDef;
using model::ColumnRole;
using model::ColumnType;

// Merging holds one open stream per entity; beyond this many a sort by SQLite is cheaper in memory.
constexpr std::size_t kMergeLimit = 256;

enum Plan : int { kByEntity = 0, kMerged = 1 };

// The entities in the order of their keys, so that scanning them one after the other gives the
// order (key columns, ts).
class EntityList {
 public:
  EntityList(const model::TableDef& table, const DataSource& source) {
    for (const EntityKey& entity : source.entities(table.id)) entities_.push_back(&entity);
    std::vector<bool> is_text;
    for (const ColumnDef& column : table.columns) {
      if (column.role == ColumnRole::kKey) is_text.push_back(column.type == ColumnType::kText);
    }
    std::sort(entities_.begin(), entities_.end(), [&](const EntityKey* a, const EntityKey* b) {
      return compare(*a, *b, is_text, source) < 0;
    });
  }
  [[nodiscard]] const std::vector<const EntityKey*>& all() const { return entities_; }

 private:
  // SQLite's BINARY order: NULL first, integers by value, text by bytes.
  static int compare(const EntityKey& a, const EntityKey& b, const std::vector<bool>& is_text,
                     const DataSource& source) {
    for (std::size_t i = 0; i < is_text.size(); ++i) {
      const std::int64_t x = a.key[i];
      const std::int64_t y = b.key[i];
      if (x == y) continue;
      if (!is_text[i] || x == model::kNull || y == model::kNull) return x < y ? -1 : 1;
      const int order = source.string(x).compare(source.string(y));
      if (order != 0) return order;
    }
    return 0;
  }
  std::vector<const EntityKey*> entities_;
};

// The values that a column may have, sorted.
struct Wanted {
  std::size_t slot = 0;  // index into the key, or into the values
  std::vector<std::int64_t> values;
  [[nodiscard]] bool has(std::int64_t value) const {
    return std::binary_search(values.begin(), values.end(), value);
  }
};

struct Selection {
  TimeBounds bounds;
  std::optional<std::int64_t> from_ts;
  std::optional<std::int64_t> to_ts;
  std::vector<Wanted> keys;
  std::vector<Wanted> values;
};

class IntervalTable final : public VirtualTable {
 public:
  IntervalTable(const model::TableDef& table, const DataSource& source)
      : table_(table), source_(source), entities_(table, source) {
    std::size_t keys = 0;
    std::size_t values = 0;
    for (const ColumnDef& column : table.columns) {
      slots_.push_back(column.role == ColumnRole::kKey ? keys++ : values);
      if (column.role == ColumnRole::kValue) ++values;
    }
  }

  [[nodiscard]] std::string declaration() const override;
  [[nodiscard]] int best_index(sqlite3_index_info& info) const override;
  [[nodiscard]] std::unique_ptr<Cursor> open() const override;

  [[nodiscard]] const DataSource& source() const { return source_; }
  [[nodiscard]] const std::vector<const EntityKey*>& entities() const { return entities_.all(); }
  [[nodiscard]] std::size_t column_count() const { return table_.columns.size(); }
  [[nodiscard]] int from_column() const { return static_cast<int>(column_count()); }
  [[nodiscard]] int to_column() const { return from_column() + 1; }
  [[nodiscard]] const ColumnDef& column(int i) const {
    return table_.columns[static_cast<std::size_t>(i)];
  }
  /// A request that was never completed has begun but has no duration.
  [[nodiscard]] bool unfinished(const IntervalView& row) const {
    return table_.id == model::TableId::kBlockRequest && row.begin == row.end &&
           row.values[model::slot::kBrServiceNs] == model::kNull;
  }
  [[nodiscard]] std::size_t slot(int i) const { return slots_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Result<Selection> select(std::span<const Argument> arguments) const;

 private:
  [[nodiscard]] bool is_hidden(int i) const { return i >= from_column(); }
  [[nodiscard]] bool order_by_ts(const sqlite3_index_info& info, bool one_entity) const;
  [[nodiscard]] bool order_by_key(const sqlite3_index_info& info) const;
  [[nodiscard]] std::optional<std::int64_t> stored_value(const ColumnDef& column,
                                                         sqlite3_value* value) const;

  const model::TableDef& table_;
  const DataSource& source_;
  EntityList entities_;
  std::vector<std::size_t> slots_;  // per column: index among the keys or among the values
};

std::string IntervalTable::declaration() const {
  std::string sql = "CREATE TABLE t(";
  for (const ColumnDef& column : table_.columns) {
    const bool text = column.type == ColumnType::kText || column.type == ColumnType::kState;
    sql += std::string(column.name) + (text ? " TEXT, " : " INTEGER, ");
  }
  return sql + "from_ts INTEGER HIDDEN, to_ts INTEGER HIDDEN)";
}

// ORDER BY ts alone, ascending. With one entity its own order is enough; else a merge.
bool IntervalTable::order_by_ts(const sqlite3_index_info& info, bool one_entity) const {
  return info.nOrderBy == 1 && info.aOrderBy[0].iColumn == 0 && info.aOrderBy[0].desc == 0 &&
         (one_entity || entities().size() <= kMergeLimit);
}

// A prefix of (key columns in order, ts), ascending.
bool IntervalTable::order_by_key(const sqlite3_index_info& info) const {
  std::vector<int> order;
  for (int i = 0; i < from_column(); ++i) {
    if (column(i).role == ColumnRole::kKey) order.push_back(i);
  }
  order.push_back(0);
  if (info.nOrderBy < 1 || static_cast<std::size_t>(info.nOrderBy) > order.size()) return false;
  for (int i = 0; i < info.nOrderBy; ++i) {
    const auto& term = info.aOrderBy[i];
    if (term.desc != 0 || term.iColumn != order[static_cast<std::size_t>(i)]) return false;
  }
  return true;
}

int IntervalTable::best_index(sqlite3_index_info& info) const {
  PlanBuilder plan(info);
  constexpr double kRowsPerEntity = 1e5;
  double entity_count = static_cast<double>(std::max<std::size_t>(1, entities().size()));
  double share = 1;   // of an entity's rows that is read
  double passed = 1;  // of those read that SQLite sees
  std::size_t keys_fixed = 0;
  for (int i = 0; i < plan.count(); ++i) {
    const int index = plan.column(i);
    if (index < 0) continue;  // rowid
    if (is_hidden(index)) {
      if (!plan.is_equal(i)) continue;
      if (!plan.usable(i)) return SQLITE_CONSTRAINT;
      plan.take(i, Operator::kEqual, /*omit=*/true);
      share *= 0.3;
      continue;
    }
    if (!plan.usable(i)) continue;
    const ColumnDef& def = column(index);
    if (def.type == ColumnType::kTs) {
      const auto op = plan.time_operator(i);
      if (op) plan.take(i, *op);
      if (op) share *= *op == Operator::kEqual ? 1e-4 : 0.3;
      continue;
    }
    if (!plan.is_equal(i) || def.type == ColumnType::kDur || !plan.is_binary(i)) continue;
    plan.take_set(i);
    if (def.role == ColumnRole::kKey) {
      ++keys_fixed;
      entity_count = std::max(1.0, entity_count / 8);
    } else {
      passed *= 0.2;
    }
  }
  const bool one_entity = keys_fixed == table_.key_count();
  const bool by_ts = order_by_ts(info, one_entity);
  info.orderByConsumed = (by_ts || order_by_key(info)) ? 1 : 0;
  const double read = entity_count * kRowsPerEntity * share;
  return plan.finish(by_ts ? kMerged : kByEntity, read * passed, 10 * entity_count + read);
}

// How the column stores the value, nothing when no row can have it.
std::optional<std::int64_t> IntervalTable::stored_value(const ColumnDef& def,
                                                        sqlite3_value* value) const {
  if (sqlite3_value_type(value) == SQLITE_NULL) return std::nullopt;
  if (def.type == ColumnType::kText) return source_.find_string(text_of(value));
  if (def.type != ColumnType::kState) return integer_of(value);
  const auto names = def.states();
  const auto found = std::find(names.begin(), names.end(), text_of(value));
  if (found == names.end()) return std::nullopt;
  return found - names.begin();
}

Result<Selection> IntervalTable::select(std::span<const Argument> arguments) const {
  Selection selection;
  for (const Argument& argument : arguments) {
    if (is_hidden(argument.column)) {
      auto& given = argument.column == from_column() ? selection.from_ts : selection.to_ts;
      given = integer_of(argument.value);
      if (!given) {
        return Error{ErrorCode::kBadUse, "from_ts and to_ts must be integers (nanoseconds)", "",
                     ""};
      }
      continue;
    }
    const ColumnDef& def = column(argument.column);
    if (def.type == ColumnType::kTs) {
      selection.bounds.narrow(argument.op, argument.value);
      continue;
    }
    Wanted wanted{slot(argument.column), {}};
    const int code = for_each_value(argument, [&](sqlite3_value* value) {
      if (const auto stored = stored_value(def, value)) wanted.values.push_back(*stored);
    });
    if (code != SQLITE_OK) return Error{ErrorCode::kInternal, sqlite3_errstr(code), "", ""};
    std::sort(wanted.values.begin(), wanted.values.end());
    auto& list = def.role == ColumnRole::kKey ? selection.keys : selection.values;
    list.push_back(std::move(wanted));
  }
  if (selection.from_ts) selection.bounds.at_least(*selection.from_ts);
  if (selection.to_ts) selection.bounds.below(*selection.to_ts);
  if (selection.bounds.from >= selection.bounds.to) selection.bounds.empty = true;
  return selection;
}

// The rows of one entity that pass the value sets.
class FilteredStream {
 public:
  FilteredStream(const EntityKey& entity, std::unique_ptr<RowStream> rows)
      : entity_(&entity), rows_(std::move(rows)) {}

  // False at the end.
  [[nodiscard]] Result<bool> advance(const std::vector<Wanted>& wanted) {
    while (true) {
      VS_ASSIGN(const bool more, rows_->next(row_));
      if (!more) return false;
      const bool passes = std::all_of(wanted.begin(), wanted.end(),
                                      [&](const Wanted& w) { return w.has(row_.values[w.slot]); });
      if (passes) return true;
    }
  }
  [[nodiscard]] const IntervalView& row() const { return row_; }
  [[nodiscard]] const EntityKey& entity() const { return *entity_; }

 private:
  const EntityKey* entity_;
  std::unique_ptr<RowStream> rows_;
  IntervalView row_;
};

class IntervalCursor final : public Cursor {
 public:
  explicit IntervalCursor(const IntervalTable& table) : table_(table) {}

  [[nodiscard]] Status filter(int plan_number, std::span<const Argument> arguments) override;
  [[nodiscard]] Status next() override { return merged_ ? next_merged() : next_by_entity(); }
  [[nodiscard]] bool at_end() const override { return current_ == nullptr; }
  void column(sqlite3_context* context, int index) override;

 private:
  struct Later {
    bool operator()(const FilteredStream* a, const FilteredStream* b) const {
      if (a->row().begin != b->row().begin) return a->row().begin > b->row().begin;
      return a->entity().id > b->entity().id;  // a stable order for equal times
    }
  };

  [[nodiscard]] Result<std::unique_ptr<FilteredStream>> open(const EntityKey& entity) const;
  [[nodiscard]] Status open_all();
  [[nodiscard]] Status next_merged();
  [[nodiscard]] Status next_by_entity();

  const IntervalTable& table_;
  Selection selection_;
  std::vector<const EntityKey*> chosen_;
  std::size_t next_entity_ = 0;
  bool merged_ = false;
  std::vector<std::unique_ptr<FilteredStream>> streams_;
  std::priority_queue<FilteredStream*, std::vector<FilteredStream*>, Later> heap_;
  FilteredStream* current_ = nullptr;
};

Status IntervalCursor::filter(int plan_number, std::span<const Argument> arguments) {
  VS_ASSIGN(selection_, table_.select(arguments));
  chosen_.clear();
  streams_.clear();
  heap_ = {};
  current_ = nullptr;
  next_entity_ = 0;
  merged_ = plan_number == kMerged;
  if (selection_.bounds.empty) return {};
  for (const EntityKey* entity : table_.entities()) {
    const bool wanted = std::all_of(selection_.keys.begin(), selection_.keys.end(),
                                    [&](const Wanted& w) { return w.has(entity->key[w.slot]); });
    if (wanted) chosen_.push_back(entity);
  }
  if (merged_) return open_all();
  return next_by_entity();
}

Result<std::unique_ptr<FilteredStream>> IntervalCursor::open(const EntityKey& entity) const {
  const TimeBounds& bounds = selection_.bounds;
  VS_ASSIGN(auto rows, table_.source().rows(entity.id, bounds.from, bounds.to));
  return std::make_unique<FilteredStream>(entity, std::move(rows));
}

Status IntervalCursor::open_all() {
  for (const EntityKey* entity : chosen_) {
    VS_ASSIGN(auto stream, open(*entity));
    VS_ASSIGN(const bool more, stream->advance(selection_.values));
    if (!more) continue;
    heap_.push(stream.get());
    streams_.push_back(std::move(stream));
  }
  if (!heap_.empty()) current_ = heap_.top();
  return {};
}

Status IntervalCursor::next_merged() {
  FilteredStream* const stream = heap_.top();
  heap_.pop();  // before advancing: the heap's order depends on the row
  VS_ASSIGN(const bool more, stream->advance(selection_.values));
  if (more) heap_.push(stream);
  current_ = heap_.empty() ? nullptr : heap_.top();
  return {};
}

Status IntervalCursor::next_by_entity() {
  while (true) {
    if (current_ != nullptr) {
      VS_ASSIGN(const bool more, current_->advance(selection_.values));
      if (more) return {};
      current_ = nullptr;
    }
    streams_.clear();
    if (next_entity_ == chosen_.size()) return {};
    VS_ASSIGN(auto stream, open(*chosen_[next_entity_++]));
    streams_.push_back(std::move(stream));
    current_ = streams_.back().get();
  }
}

void IntervalCursor::column(sqlite3_context* context, int index) {
  if (index >= table_.from_column()) {
    const auto& given = index == table_.from_column() ? selection_.from_ts : selection_.to_ts;
    result_integer_or_null(context, given.value_or(model::kNull));
    return;
  }
  const IntervalView& row = current_->row();
  const ColumnDef& def = table_.column(index);
  if (def.type == ColumnType::kTs) return sqlite3_result_int64(context, row.begin.ns);
  if (def.type == ColumnType::kDur) {
    return result_integer_or_null(context,
                                  table_.unfinished(row) ? model::kNull : row.end - row.begin);
  }
  const std::size_t slot = table_.slot(index);
  const std::int64_t value =
      def.role == ColumnRole::kKey ? current_->entity().key[slot] : row.values[slot];
  if (value == model::kNull) return sqlite3_result_null(context);
  if (def.type == ColumnType::kText) {
    return result_text(context, table_.source().string(value), /*text_lives=*/true);
  }
  if (def.type != ColumnType::kState) return sqlite3_result_int64(context, value);
  const auto names = def.states();
  const auto state = static_cast<std::size_t>(value);
  if (state < names.size()) {
    result_text(context, names[state], /*text_lives=*/true);
  } else {
    sqlite3_result_null(context);
  }
}

std::unique_ptr<Cursor> IntervalTable::open() const {
  return std::make_unique<IntervalCursor>(*this);
}

}  // namespace

std::unique_ptr<VirtualTable> make_interval_table(const model::TableDef& table,
                                                  const DataSource& source) {
  return std::make_unique<IntervalTable>(table, source);
}

}  // namespace vs::query
