#pragma once
// SQL functions that SQLite does not have: quantile(x, q) and ns_text(ns).

struct sqlite3;

namespace vs::query {

/// Returns an SQLite code.
[[nodiscard]] int register_functions(sqlite3* connection);

}  // namespace vs::query
