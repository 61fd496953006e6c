#pragma once
// VirtualTable and Cursor: SQLite's virtual table interface in C++ terms. The adapter
// (virtual_table.cc) is the only place that speaks SQLite's callbacks; no exception passes through
// it.
//
// Ownership: register_table hands the table to the connection, which destroys it when it closes. A
// cursor never outlives its table. Threads: those of the connection (one at a time).

#include <memory>
#include <span>
#include <string>

#include <sqlite3.h>

#include "base/result.h"
#include "query/constraint.h"

namespace vs::query {

/// One scan over a table.
class Cursor {
 public:
  virtual ~Cursor() = default;
  /// Starts over with the plan of best_index; afterwards the cursor is on the first row or
  /// at_end().
  [[nodiscard]] virtual Status filter(int plan_number, std::span<const Argument> arguments) = 0;
  [[nodiscard]] virtual Status next() = 0;
  [[nodiscard]] virtual bool at_end() const = 0;
  /// Gives the cell of the current row to SQLite.
  virtual void column(sqlite3_context* context, int column) = 0;
};

class VirtualTable {
 public:
  virtual ~VirtualTable() = default;
  /// "CREATE TABLE x(...)"; the name is ignored by SQLite.
  [[nodiscard]] virtual std::string declaration() const = 0;
  /// Chooses a plan; returns an SQLite code (SQLITE_CONSTRAINT = this plan cannot work).
  [[nodiscard]] virtual int best_index(sqlite3_index_info& info) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Cursor> open() const = 0;
};

/// Where a table reports failures of the data below it. SQLite knows codes and texts only; the
/// Error waits here for the statement that asked.
class ErrorSlot {
 public:
  void set(Error error) {
    if (!error_) error_ = std::move(error);
  }
  [[nodiscard]] std::optional<Error> take() { return std::exchange(error_, std::nullopt); }

 private:
  std::optional<Error> error_;
};

/// Makes the table known to the connection under `name`. `errors` must outlive the connection.
[[nodiscard]] Status register_table(sqlite3* connection, const std::string& name,
                                    std::unique_ptr<VirtualTable> table, ErrorSlot& errors);

}  // namespace vs::query
