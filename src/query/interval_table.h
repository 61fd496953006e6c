#pragma once
// The interval tables (vcpu_state, pcpu_state, ...) as virtual tables: one generic table driven by
// the definitions of model/tables.h.
//
// What is pushed down, so that a narrow question does not scan:
//  - key columns: equality and IN choose the entities;
//  - ts: =, <, <=, >, >=, BETWEEN choose the part of each entity's rows;
//  - from_ts, to_ts (hidden columns, also as arguments: vcpu_state(from, to)): the rows that
//  overlap
//    [from_ts, to_ts), which bounds on ts alone cannot say;
//  - integer, text and state columns: equality and IN skip rows before SQLite sees them;
//  - ORDER BY ts (ascending): entities are merged, no sort; ORDER BY or GROUP BY over a prefix of
//    (key columns, ts): entities come in key order.
//
// Threads: those of the connection.

#include <memory>

#include "query/data_source.h"
#include "query/virtual_table.h"

namespace vs::query {

/// Requires an interval table; `source` must outlive the result.
[[nodiscard]] std::unique_ptr<VirtualTable> make_interval_table(const model::TableDef& table,
                                                                const DataSource& source);

}  // namespace vs::query
