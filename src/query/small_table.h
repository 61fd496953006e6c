#pragma once
// The small tables (machine, thread, clock_sync, issue, ...) as virtual tables. Equality on any
// column is answered from an index that is built when it is first asked for, so joins do not scan.
//
// Threads: those of the connection.

#include <memory>

#include "query/data_source.h"
#include "query/virtual_table.h"

namespace vs::query {

/// Requires a small table; `source` must outlive the result.
[[nodiscard]] std::unique_ptr<VirtualTable> make_small_table(const model::TableDef& table,
                                                             const DataSource& source);

}  // namespace vs::query
