#pragma once
// StateSource: what the answers of this floor read. They are computed on demand from stored states;
// the query floor implements this interface over its data source, tests over vectors.
//
// Ownership: views belong to the source and live as long as it; streams belong to the caller and
// must not outlive the source. Threads: one at a time. Times: ns on the host timeline. Text columns
// of interval tables are StringIds (model/tables.h).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/interval_sink.h"
#include "model/tables.h"

namespace vs::analysis::flow {

/// One row of an interval table. `values` is valid until the stream's next call.
struct StateRow {
  HostTime begin;
  HostTime end;
  std::span<const std::int64_t> values;  ///< the table's value columns in order
};

/// Rows of one entity in time order.
class StateRows {
 public:
  virtual ~StateRows() = default;
  /// True and a row, or false at the end.
  [[nodiscard]] virtual Result<bool> next(StateRow& row) = 0;
};

/// One timeline of an interval table.
struct StateEntity {
  model::EntityId id = 0;
  std::span<const std::int64_t> key;  ///< the table's key columns in order
};

class StateSource {
 public:
  virtual ~StateSource() = default;
  [[nodiscard]] virtual const model::SmallTable& small(model::TableId table) const = 0;
  [[nodiscard]] virtual std::vector<StateEntity> entities(model::TableId table) const = 0;
  /// The rows that overlap [from, to).
  [[nodiscard]] virtual Result<std::unique_ptr<StateRows>> rows(model::EntityId entity,
                                                                HostTime from,
                                                                HostTime to) const = 0;
  /// Empty for kNull.
  [[nodiscard]] virtual std::string_view string(std::int64_t id) const = 0;
  [[nodiscard]] virtual std::optional<std::int64_t> find_string(std::string_view text) const = 0;
  /// The vCPU that is this CPU of a guest's own trace.
  [[nodiscard]] virtual std::int64_t vcpu_of_cpu(std::string_view machine,
                                                 std::int64_t cpu) const = 0;
};

}  // namespace vs::analysis::flow
