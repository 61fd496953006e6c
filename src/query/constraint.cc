#include "query/constraint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "base/strings.h"

namespace vs::query {

bool PlanBuilder::is_equal(int i) const {
  return info_.aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ;
}

bool PlanBuilder::is_binary(int i) const {
  const char* const name = sqlite3_vtab_collation(&info_, i);
  return name == nullptr || sqlite3_stricmp(name, "BINARY") == 0;
}

std::optional<Operator> PlanBuilder::time_operator(int i) const {
  switch (info_.aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return Operator::kEqual;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return Operator::kGreater;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return Operator::kGreaterEqual;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return Operator::kLess;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return Operator::kLessEqual;
    default:
      return std::nullopt;
  }
}

void PlanBuilder::take(int i, Operator op, bool omit) {
  info_.aConstraintUsage[i].argvIndex = next_argument_++;
  info_.aConstraintUsage[i].omit = omit ? 1 : 0;
  plan_ += static_cast<char>(op);
  plan_ += std::to_string(column(i));
  plan_ += ' ';
}

void PlanBuilder::take_set(int i) {
  // The question must be asked before the offer: 1 = "give me all of them in one call".
  const bool whole_list = sqlite3_vtab_in(&info_, i, -1) != 0;
  if (whole_list) sqlite3_vtab_in(&info_, i, 1);
  take(i, whole_list ? Operator::kIn : Operator::kEqual);
}

int PlanBuilder::finish(int plan_number, double rows, double cost) {
  info_.idxNum = plan_number;
  info_.idxStr = sqlite3_mprintf("%s", plan_.c_str());
  if (info_.idxStr == nullptr) return SQLITE_NOMEM;
  info_.needToFreeIdxStr = 1;
  info_.estimatedCost = cost;
  info_.estimatedRows = static_cast<sqlite3_int64>(std::max(1.0, rows));
  return SQLITE_OK;
}

std::vector<Argument> parse_plan(const char* text, int count, sqlite3_value** values) {
  std::vector<Argument> arguments;
  const auto words = split_words(text == nullptr ? "" : text);
  const std::span<sqlite3_value*> all(values, static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < words.size() && i < all.size(); ++i) {
    const auto column = parse_int<int>(words[i].substr(1));
    arguments.push_back({static_cast<Operator>(words[i][0]), column.value_or(0), all[i]});
  }
  return arguments;
}

Number number_of(sqlite3_value* value) {
  using Kind = Number::Kind;
  switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
      return {Kind::kInteger, sqlite3_value_int64(value), 0};
    case SQLITE_FLOAT:
      return {Kind::kReal, 0, sqlite3_value_double(value)};
    case SQLITE_NULL:
      return {Kind::kNull, 0, 0};
    default:
      return {Kind::kOther, 0, 0};
  }
}

std::optional<std::int64_t> integer_of(sqlite3_value* value) {
  const Number number = number_of(value);
  if (number.kind == Number::Kind::kInteger) return number.integer;
  constexpr double kLimit = 9223372036854775808.0;
  if (number.kind != Number::Kind::kReal || std::floor(number.real) != number.real) return {};
  if (number.real < -kLimit || number.real >= kLimit) return {};
  return static_cast<std::int64_t>(number.real);
}

std::string_view text_of(sqlite3_value* value) {
  const unsigned char* const text = sqlite3_value_text(value);
  if (text == nullptr) return {};
  return as_text({static_cast<const std::byte*>(static_cast<const void*>(text)),
                  static_cast<std::size_t>(sqlite3_value_bytes(value))});
}

namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// The largest integer <= real and the smallest >= real, held at the ends of the range.
std::int64_t to_integer(double real) {
  constexpr double kLimit = 9223372036854775808.0;
  if (real >= kLimit) return kMax;
  if (real < -kLimit) return kMin;
  return static_cast<std::int64_t>(real);
}

}  // namespace

void TimeBounds::narrow(Operator op, sqlite3_value* value) {
  const Number number = number_of(value);
  if (number.kind == Number::Kind::kNull) empty = true;  // a comparison with NULL is never true
  if (number.kind == Number::Kind::kNull || number.kind == Number::Kind::kOther) return;
  const bool real = number.kind == Number::Kind::kReal;
  const std::int64_t down = real ? to_integer(std::floor(number.real)) : number.integer;
  const std::int64_t up = real ? to_integer(std::ceil(number.real)) : number.integer;
  const bool is_lower = op != Operator::kLess && op != Operator::kLessEqual;
  const bool is_upper = op != Operator::kGreater && op != Operator::kGreaterEqual;
  if (is_lower) {
    if (op == Operator::kGreater && down == kMax) empty = true;
    at_least(op == Operator::kGreater ? (down == kMax ? kMax : down + 1) : up);
  }
  if (is_upper) {
    if (op == Operator::kLess) {
      below(up);
    } else if (down != kMax) {
      below(down + 1);
    }
  }
}

int for_each_value(const Argument& argument, const std::function<void(sqlite3_value*)>& visit) {
  if (argument.op != Operator::kIn) {
    visit(argument.value);
    return SQLITE_OK;
  }
  sqlite3_value* element = nullptr;
  int code = sqlite3_vtab_in_first(argument.value, &element);
  while (code == SQLITE_OK && element != nullptr) {
    visit(element);
    code = sqlite3_vtab_in_next(argument.value, &element);
  }
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

void result_text(sqlite3_context* context, std::string_view text, bool text_lives) {
  // SQLITE_TRANSIENT is a cast of -1 to a function pointer, hence the C-style macro.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
  sqlite3_result_text64(context, text.empty() ? "" : text.data(), text.size(),
                        text_lives ? SQLITE_STATIC : SQLITE_TRANSIENT, SQLITE_UTF8);
#pragma GCC diagnostic pop
}

void result_integer_or_null(sqlite3_context* context, std::int64_t value) {
  if (value == model::kNull) {
    sqlite3_result_null(context);
  } else {
    sqlite3_result_int64(context, value);
  }
}

}  // namespace vs::query
