#pragma once
// Constraints of a WHERE clause as SQLite hands them to a virtual table, turned into what the
// tables can use: bounds of ts and sets of wanted values. SQLite tests every pushed constraint
// again, so a bound here may be too wide but never too narrow.
//
// Threads: values.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "base/time.h"
#include "model/tables.h"

namespace vs::query {

/// How one argument of xFilter restricts one column.
enum class Operator : char {
  kEqual = '=',
  kIn = 'i',  ///< the whole right side of an IN at once
  kGreater = '>',
  kGreaterEqual = 'G',
  kLess = '<',
  kLessEqual = 'L',
};

/// One pushed constraint.
struct Argument {
  Operator op = Operator::kEqual;
  int column = 0;
  sqlite3_value* value = nullptr;
};

/// Collects in xBestIndex what xFilter will get. The plan travels as text in idxStr: one operator
/// character and a column number per argument.
class PlanBuilder {
 public:
  explicit PlanBuilder(sqlite3_index_info& info) : info_(info) {}

  [[nodiscard]] int count() const { return info_.nConstraint; }
  [[nodiscard]] int column(int i) const { return info_.aConstraint[i].iColumn; }
  [[nodiscard]] bool usable(int i) const { return info_.aConstraint[i].usable != 0; }
  [[nodiscard]] bool is_equal(int i) const;
  /// The comparison is bytewise; NOCASE and RTRIM must be left to SQLite.
  [[nodiscard]] bool is_binary(int i) const;
  /// The operator of a time bound, nothing for any other comparison.
  [[nodiscard]] std::optional<Operator> time_operator(int i) const;

  /// Asks for the right side of constraint i. `omit`: SQLite need not test it again.
  void take(int i, Operator op, bool omit = false);
  /// As take, an IN list as one argument where SQLite allows it.
  void take_set(int i);
  /// Hands the plan over; `rows` and `cost` are estimates.
  [[nodiscard]] int finish(int plan_number, double rows, double cost);

 private:
  sqlite3_index_info& info_;
  std::string plan_;
  int next_argument_ = 1;
};

[[nodiscard]] std::vector<Argument> parse_plan(const char* text, int count, sqlite3_value** values);

/// A value as SQL compares it with an integer column.
struct Number {
  enum class Kind : std::uint8_t { kInteger, kReal, kNull, kOther } kind = Kind::kOther;
  std::int64_t integer = 0;
  double real = 0;
};
[[nodiscard]] Number number_of(sqlite3_value* value);
/// The integer that equals the value, nothing when no integer does.
[[nodiscard]] std::optional<std::int64_t> integer_of(sqlite3_value* value);
[[nodiscard]] std::string_view text_of(sqlite3_value* value);

/// Half-open bounds of a time column.
struct TimeBounds {
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;  ///< exclusive; kHostTimeMax = no bound
  bool empty = false;          ///< nothing can match

  void narrow(Operator op, sqlite3_value* value);
  void at_least(std::int64_t ns) { from = std::max(from, HostTime{ns}); }
  void below(std::int64_t ns) { to = std::min(to, HostTime{ns}); }
};

/// Calls `visit` for the value, or for each element of an IN list.
int for_each_value(const Argument& argument, const std::function<void(sqlite3_value*)>& visit);

/// Gives a cell to SQLite. Text is copied unless `text_lives`.
void result_text(sqlite3_context* context, std::string_view text, bool text_lives);
void result_integer_or_null(sqlite3_context* context, std::int64_t value);

}  // namespace vs::query
