#include "query/database.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "query/event_table.h"
#include "query/flow_source.h"
#include "query/flow_table.h"
#include "query/functions.h"
#include "query/interval_table.h"
#include "query/small_table.h"
#include "query/virtual_table.h"

namespace vs::query {
namespace {

// Enough for any question, small enough that a hostile one cannot take the machine's memory.
constexpr int kLongestText = 64 << 20;
constexpr int kLongestSql = 1 << 20;
constexpr int kStepsBetweenChecks = 10000;

std::vector<std::string_view> table_names() {
  std::vector<std::string_view> names = {kEventTable, kFlowTable, kPathTable};
  for (const model::TableDef& table : model::table_defs()) names.push_back(table.name);
  return names;
}

bool is_table(std::string_view name) {
  const auto names = table_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string_view> columns_of(std::string_view table) {
  const auto all = [](const auto& columns) {
    return std::vector<std::string_view>(columns.begin(), columns.end());
  };
  if (table == kEventTable) return all(event_columns());
  if (table == kFlowTable) return all(flow_columns());
  if (table == kPathTable) return all(path_columns());
  std::vector<std::string_view> names;
  for (const model::TableDef& def : model::table_defs()) {
    if (def.name != table) continue;
    for (const model::ColumnDef& column : def.columns) names.push_back(column.name);
  }
  return names;
}

/// The tables that a statement names, in its order.
std::vector<std::string_view> tables_in(std::string_view sql) {
  constexpr std::string_view kNameChars = "abcdefghijklmnopqrstuvwxyz_";
  std::vector<std::string_view> tables;
  for (std::size_t at = sql.find_first_of(kNameChars); at != std::string_view::npos;) {
    const std::size_t end = std::min(sql.find_first_not_of(kNameChars, at), sql.size());
    const std::string_view word = sql.substr(at, end - at);
    if (is_table(word)) tables.push_back(word);
    at = sql.find_first_of(kNameChars, end);
  }
  return tables;
}

// "no such table: vcpu_states" -> the name after the colon, without its alias or schema.
std::string_view name_after(std::string_view message, std::string_view start) {
  if (!message.starts_with(start)) return {};
  const std::string_view name = message.substr(start.size());
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string column_hint(std::string_view column, std::string_view sql) {
  if (sql.find(fmt::format("\"{}\"", column)) != std::string_view::npos) {
    return fmt::format("a text stands in single quotes: '{}'", column);
  }
  std::vector<std::string_view> tables = tables_in(sql);
  std::vector<std::string_view> columns;
  for (const std::string_view table : tables.empty() ? table_names() : tables) {
    const auto own = columns_of(table);
    columns.insert(columns.end(), own.begin(), own.end());
  }
  if (const auto near = nearest(column, columns)) return fmt::format("did you mean {}?", *near);
  if (tables.empty()) return "SELECT name FROM pragma_table_info('thread_state') lists columns";
  return fmt::format("{} has {}", tables.front(), fmt::join(columns_of(tables.front()), ", "));
}

std::string hint_for(std::string_view message, std::string_view sql) {
  const std::string_view table = name_after(message, "no such table: ");
  if (!table.empty()) {
    const auto names = table_names();
    if (const auto near = nearest(table, names)) return fmt::format("did you mean {}?", *near);
    return fmt::format("tables: {}", fmt::join(names, ", "));
  }
  const std::string_view column = name_after(message, "no such column: ");
  return column.empty() ? std::string() : column_hint(column, sql);
}

bool is_harmless_pragma(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {
      "table_info",    "table_xinfo", "table_list",      "function_list",
      "database_list", "module_list", "compile_options", "collation_list"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

struct Database::Handles {
  sqlite3* connection = nullptr;
  ErrorSlot errors;
  const std::atomic<bool>* cancel = nullptr;
  std::unique_ptr<FlowSource> flow;
  Notes notes;
  ~Handles() { sqlite3_close_v2(connection); }
};

Database::Database() : handles_(std::make_unique<Handles>()) {}
Database::~Database() = default;

const std::vector<std::string>& Database::notes() const { return handles_->notes.texts(); }

Result<std::unique_ptr<Database>> Database::open(const DataSource& source,
                                                 const std::atomic<bool>* cancel) {
  std::unique_ptr<Database> database(new Database);
  database->handles_->cancel = cancel;
  VS_TRY(database->configure(source));
  return database;
}

Status Database::configure(const DataSource& source) {
  sqlite3*& connection = handles_->connection;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY;
  if (sqlite3_open_v2(":memory:", &connection, kFlags, nullptr) != SQLITE_OK) {
    return Error{ErrorCode::kInternal, "cannot open SQLite", "", ""};
  }
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // "x" where a text 'x' is meant is an error, not a text: a misspelt column must not pass.
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, kLongestText);
  sqlite3_limit(connection, SQLITE_LIMIT_SQL_LENGTH, kLongestSql);
  sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0);
  if (register_functions(connection) != SQLITE_OK) {
    return Error{ErrorCode::kInternal, "cannot register SQL functions", "", ""};
  }
  for (const model::TableDef& table : model::table_defs()) {
    auto view =
        table.interval ? make_interval_table(table, source) : make_small_table(table, source);
    VS_TRY(register_table(connection, std::string(table.name), std::move(view), handles_->errors));
  }
  VS_TRY(register_table(connection, std::string(kEventTable), make_event_table(source),
                        handles_->errors));
  handles_->flow = std::make_unique<FlowSource>(source);
  VS_TRY(register_table(connection, std::string(kFlowTable),
                        make_flow_table(*handles_->flow, handles_->notes), handles_->errors));
  VS_TRY(register_table(connection, std::string(kPathTable),
                        make_path_table(*handles_->flow, handles_->notes), handles_->errors));
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_set_authorizer(connection, authorize, this);
  sqlite3_progress_handler(
      connection, kStepsBetweenChecks,
      [](void* handles) {
        const auto* const cancel = static_cast<Handles*>(handles)->cancel;
        return cancel != nullptr && cancel->load(std::memory_order_relaxed) ? 1 : 0;
      },
      handles_.get());
  return {};
}

int Database::authorize(void* self, int action, const char* first, const char* second, const char*,
                        const char*) {
  auto& me = *static_cast<Database*>(self);
  const std::string_view name = first == nullptr ? "" : first;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_READ:
      // A table of which no column is read comes without a database; others are CTEs and pragmas.
      if (is_table(name)) me.tables_read_.emplace(name);
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return second != nullptr && std::string_view(second) == "load_extension" ? SQLITE_DENY
                                                                               : SQLITE_OK;
    case SQLITE_PRAGMA:
      return is_harmless_pragma(name) ? SQLITE_OK : SQLITE_DENY;
    default:
      me.refused_write_ = true;
      return SQLITE_DENY;
  }
}

Error Database::error_of(int code, std::string_view sql) {
  if (auto waiting = handles_->errors.take()) return std::move(*waiting);
  if (code == SQLITE_INTERRUPT) return {ErrorCode::kCancelled, "interrupted", "", ""};
  const std::string message = sqlite3_errmsg(handles_->connection);
  if (code == SQLITE_NOMEM) return {ErrorCode::kLimit, "out of memory in the query", "", ""};
  if (code == SQLITE_AUTH) {
    const char* const what = refused_write_ ? "the tables are read-only" : "not allowed in a query";
    return {ErrorCode::kBadUse, what, "", "ask with SELECT"};
  }
  return {ErrorCode::kBadUse, message, "", hint_for(message, sql)};
}

Result<Statement> Database::prepare(std::string_view sql, SqlError* details) {
  refused_write_ = false;
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const auto fail = [&](Error error, std::optional<std::size_t> offset) {
    sqlite3_finalize(raw);
    if (details != nullptr) *details = {error, offset};
    return error;
  };
  if (sql.size() > kLongestSql) {
    return fail({ErrorCode::kBadUse, "the SQL is longer than 1 MiB", "", ""}, std::nullopt);
  }
  sqlite3* const connection = handles_->connection;
  const int code =
      sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &raw, &tail);
  if (code != SQLITE_OK) {
    const int offset = sqlite3_error_offset(connection);
    return fail(error_of(code, sql),
                offset < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(offset)));
  }
  if (raw == nullptr) {
    return fail({ErrorCode::kBadUse, "there is no SQL statement", "", "type one SELECT"}, {});
  }
  // A second statement would be silently left out; blanks and comments behind the first are fine.
  const auto used = static_cast<std::size_t>(tail - sql.data());
  sqlite3_stmt* second = nullptr;
  const int more =
      sqlite3_prepare_v2(connection, tail, static_cast<int>(sql.size() - used), &second, nullptr);
  const bool has_second = more != SQLITE_OK || second != nullptr;
  sqlite3_finalize(second);
  if (has_second) {
    return fail({ErrorCode::kBadUse, "there is more than one SQL statement", "",
                 "ask one question at a time"},
                used);
  }
  return Statement(*this, raw);
}

Statement::Statement(Database& database, sqlite3_stmt* statement)
    : database_(&database), statement_(statement) {
  const int count = sqlite3_column_count(statement_);
  for (int i = 0; i < count; ++i) {
    const char* const name = sqlite3_column_name(statement_, i);
    columns_.emplace_back(name == nullptr ? "" : name);
  }
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      columns_(std::move(other.columns_)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error_of(code);
}

model::Cell Statement::cell(int column) const {
  sqlite3_value* const value = sqlite3_column_value(statement_, column);
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_value_int64(value)};
    case SQLITE_FLOAT:
      return sqlite3_value_double(value);
    case SQLITE_TEXT:
      return std::string(text_of(value));
    case SQLITE_BLOB:
      break;
    default:
      return std::monostate{};
  }
  const auto* const bytes = static_cast<const std::byte*>(sqlite3_value_blob(value));
  const std::span<const std::byte> blob(bytes,
                                        static_cast<std::size_t>(sqlite3_value_bytes(value)));
  std::string text = "X'";
  for (const std::byte byte : blob) text += fmt::format("{:02X}", std::to_integer<unsigned>(byte));
  return text + "'";
}

model::Row Statement::row() const {
  model::Row row;
  const int count = static_cast<int>(columns_.size());
  for (int i = 0; i < count; ++i) row.push_back(cell(i));
  return row;
}

}  // namespace vs::query
