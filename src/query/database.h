#pragma once
// Database: SQL over a DataSource. An SQLite connection in memory whose only tables are the virtual
// tables of the contract; nothing can be written, attached or loaded.
//
// SQLite adds two functions of ours: quantile(x, q), an aggregate giving the nearest-rank quantile
// of the non-NULL numbers x (q from 0 to 1), and ns_text(ns), a duration for people ("1.21 s").
//
// Ownership: the source must outlive the database, the database its statements. Threads: one thread
// at a time; `cancel` may be set from any thread or a signal handler.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/tables.h"
#include "query/data_source.h"

struct sqlite3_stmt;

namespace vs::query {

class Database;

/// A prepared statement. Moves; not copied.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  /// True and a row, or false at the end. Errors: kBadUse for SQL that fails while it runs,
  /// kCancelled, or the error of the data below.
  [[nodiscard]] Result<bool> step();
  /// The cells of the current row; blobs as X'hex' text.
  [[nodiscard]] model::Row row() const;

 private:
  friend class Database;
  Statement(Database& database, sqlite3_stmt* statement);
  [[nodiscard]] model::Cell cell(int column) const;

  Database* database_;
  sqlite3_stmt* statement_;
  std::vector<std::string> columns_;
};

/// What is wrong with a statement's text.
struct SqlError {
  Error error;                        ///< `what` is SQLite's message, `hint` a suggestion
  std::optional<std::size_t> offset;  ///< byte in the SQL where it was noticed
};

class Database {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(
      const DataSource& source, const std::atomic<bool>* cancel = nullptr);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Prepares exactly one statement that only reads. On failure `details` (if given) says where.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql, SqlError* details = nullptr);

  /// Tables that the statements prepared so far read.
  [[nodiscard]] const std::set<std::string>& tables_read() const { return tables_read_; }
  /// What has to be said about the answers so far beside their rows: windows that were cut.
  [[nodiscard]] const std::vector<std::string>& notes() const;

 private:
  friend class Statement;
  struct Handles;
  Database();
  [[nodiscard]] Status configure(const DataSource& source);
  /// `sql`: what was to be prepared; hints go by it.
  [[nodiscard]] Error error_of(int code, std::string_view sql = {});
  static int authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char* trigger);

  std::unique_ptr<Handles> handles_;
  std::set<std::string> tables_read_;
  bool refused_write_ = false;
};

/// The SQL with a caret under byte `offset`, as two lines of at most `width` columns, for a
/// terminal.
[[nodiscard]] std::string caret_lines(std::string_view sql, std::size_t offset, std::size_t width);

/// The candidate nearest to `word` by edit distance, nothing when none is near.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> candidates);

}  // namespace vs::query
