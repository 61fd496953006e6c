#include "query/functions.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include <sqlite3.h>

#include "query/constraint.h"
#include "query/duration.h"

namespace vs::query {
namespace {

// One group's numbers. SQLite keeps a zeroed pointer to it per group.
struct Samples {
  std::vector<double> values;
  double q = 0.5;
};

void quantile_step(sqlite3_context* context, int, sqlite3_value** arguments) {
  const std::span<sqlite3_value*> args(arguments, 2);
  auto** const slot = static_cast<Samples**>(
      sqlite3_aggregate_context(context, static_cast<int>(sizeof(Samples*))));
  if (slot == nullptr) return sqlite3_result_error_nomem(context);
  try {
    if (*slot == nullptr) *slot = new Samples;
    (*slot)->q = sqlite3_value_double(args[1]);
    if (sqlite3_value_type(args[0]) == SQLITE_NULL) return;
    (*slot)->values.push_back(sqlite3_value_double(args[0]));
  } catch (const std::bad_alloc&) {
    sqlite3_result_error_nomem(context);
  }
}

void quantile_final(sqlite3_context* context) {
  auto** const slot = static_cast<Samples**>(sqlite3_aggregate_context(context, 0));
  const std::unique_ptr<Samples> samples(slot == nullptr ? nullptr : *slot);
  if (samples == nullptr || samples->values.empty()) return sqlite3_result_null(context);
  if (!(samples->q >= 0 && samples->q <= 1)) {
    return sqlite3_result_error(context, "quantile(x, q): q must be from 0 to 1", -1);
  }
  auto& values = samples->values;
  const double rank = std::ceil(samples->q * static_cast<double>(values.size()));
  const auto index = static_cast<std::ptrdiff_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), values.begin() + index, values.end());
  const double found = values[static_cast<std::size_t>(index)];
  // Durations are integers; give them back as such.
  if (std::floor(found) == found && std::fabs(found) < 9e15) {
    return sqlite3_result_int64(context, static_cast<sqlite3_int64>(found));
  }
  sqlite3_result_double(context, found);
}

void ns_text(sqlite3_context* context, int, sqlite3_value** arguments) {
  sqlite3_value* const value = *arguments;
  if (sqlite3_value_type(value) == SQLITE_NULL) return sqlite3_result_null(context);
  result_text(context, duration_text(sqlite3_value_int64(value)), /*text_lives=*/false);
}

}  // namespace

int register_functions(sqlite3* connection) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  const int code = sqlite3_create_function_v2(connection, "quantile", 2, kFlags, nullptr, nullptr,
                                              quantile_step, quantile_final, nullptr);
  if (code != SQLITE_OK) return code;
  return sqlite3_create_function_v2(connection, "ns_text", 1, kFlags, nullptr, ns_text, nullptr,
                                    nullptr, nullptr);
}

}  // namespace vs::query
