#include "query/small_table.h"

#include <map>
#include <unordered_map>

namespace vs::query {
namespace {

using model::Cell;
using model::ColumnType;
using RowNumbers = std::vector<std::uint32_t>;

class SmallTableView final : public VirtualTable {
 public:
  SmallTableView(const model::TableDef& table, const DataSource& source)
      : table_(table), source_(source) {}

  [[nodiscard]] std::string declaration() const override {
    std::string sql = "CREATE TABLE t(";
    for (const model::ColumnDef& column : table_.columns) {
      if (sql.back() != '(') sql += ", ";
      sql += std::string(column.name);
      sql += column.type == ColumnType::kText   ? " TEXT"
             : column.type == ColumnType::kReal ? " REAL"
                                                : " INTEGER";
    }
    return sql + ")";
  }

  [[nodiscard]] int best_index(sqlite3_index_info& info) const override {
    PlanBuilder plan(info);
    double expected = static_cast<double>(rows().size());
    for (int i = 0; i < plan.count(); ++i) {
      if (plan.column(i) < 0 || !plan.usable(i) || !plan.is_equal(i)) continue;
      if (type_of(plan.column(i)) == ColumnType::kReal || !plan.is_binary(i)) continue;
      plan.take(i, Operator::kEqual);
      expected /= 10;
    }
    return plan.finish(0, expected, 1 + expected);
  }

  [[nodiscard]] std::unique_ptr<Cursor> open() const override;

  [[nodiscard]] const std::vector<model::Row>& rows() const {
    return source_.small(table_.id).rows;
  }
  [[nodiscard]] ColumnType type_of(int column) const {
    return table_.columns[static_cast<std::size_t>(column)].type;
  }

  // The rows whose cell in `column` equals the value.
  [[nodiscard]] const RowNumbers& lookup(int column, sqlite3_value* value) const {
    const auto [place, is_new] = indexes_.try_emplace(column);
    if (is_new) fill(place->second, column);
    const auto key = key_of(column, value);
    const auto found = key ? place->second.find(*key) : place->second.end();
    return found == place->second.end() ? none_ : found->second;
  }

 private:
  using Index = std::unordered_map<std::string, RowNumbers>;

  void fill(Index& index, int column) const {
    for (std::uint32_t i = 0; i < rows().size(); ++i) {
      const Cell& cell = rows()[i][static_cast<std::size_t>(column)];
      if (const auto* text = std::get_if<std::string>(&cell)) index[*text].push_back(i);
      if (const auto* number = std::get_if<std::int64_t>(&cell)) {
        index[std::to_string(*number)].push_back(i);
      }
    }
  }
  [[nodiscard]] std::optional<std::string> key_of(int column, sqlite3_value* value) const {
    if (sqlite3_value_type(value) == SQLITE_NULL) return std::nullopt;
    if (type_of(column) == ColumnType::kText) return std::string(text_of(value));
    const auto number = integer_of(value);
    if (!number) return std::nullopt;
    return std::to_string(*number);
  }

  const model::TableDef& table_;
  const DataSource& source_;
  mutable std::map<int, Index> indexes_;  // by column, built on demand
  RowNumbers none_;
};

class SmallCursor final : public Cursor {
 public:
  explicit SmallCursor(const SmallTableView& table) : table_(table) {}

  [[nodiscard]] Status filter(int, std::span<const Argument> arguments) override {
    position_ = 0;
    chosen_ = nullptr;
    for (const Argument& argument : arguments) {
      const RowNumbers& rows = table_.lookup(argument.column, argument.value);
      if (chosen_ == nullptr || rows.size() < chosen_->size()) chosen_ = &rows;
    }
    return {};
  }
  [[nodiscard]] Status next() override {
    ++position_;
    return {};
  }
  [[nodiscard]] bool at_end() const override {
    return position_ >= (chosen_ != nullptr ? chosen_->size() : table_.rows().size());
  }
  void column(sqlite3_context* context, int index) override {
    const std::size_t number = chosen_ != nullptr ? (*chosen_)[position_] : position_;
    const Cell& cell = table_.rows()[number][static_cast<std::size_t>(index)];
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
      sqlite3_result_int64(context, *integer);
    } else if (const auto* real = std::get_if<double>(&cell)) {
      sqlite3_result_double(context, *real);
    } else if (const auto* text = std::get_if<std::string>(&cell)) {
      // The source may make a table anew at the next look (issues are still being found).
      result_text(context, *text, /*text_lives=*/false);
    } else {
      sqlite3_result_null(context);
    }
  }

 private:
  const SmallTableView& table_;
  const RowNumbers* chosen_ = nullptr;  // null = all rows
  std::size_t position_ = 0;
};

std::unique_ptr<Cursor> SmallTableView::open() const {
  return std::make_unique<SmallCursor>(*this);
}

}  // namespace

std::unique_ptr<VirtualTable> make_small_table(const model::TableDef& table,
                                               const DataSource& source) {
  return std::make_unique<SmallTableView>(table, source);
}

}  // namespace vs::query
