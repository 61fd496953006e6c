#pragma once
// The `event` table: decoded from the traces when asked. ts, trace, machine, cpu and name are
// pushed down to the readers (seek, streams, event types); `fields` is decoded only for rows whose
// `fields` are read. Rows come in time order, so ORDER BY ts costs nothing.
//
// Threads: those of the connection.

#include <memory>
#include <span>
#include <string_view>

#include "query/data_source.h"
#include "query/virtual_table.h"

namespace vs::query {

inline constexpr std::string_view kEventTable = "event";
/// ts, trace, machine, cpu, tid, name, fields
[[nodiscard]] std::span<const std::string_view> event_columns();

/// `source` must outlive the result.
[[nodiscard]] std::unique_ptr<VirtualTable> make_event_table(const DataSource& source);

}  // namespace vs::query
