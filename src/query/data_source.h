#pragma once
// DataSource: what the SQL tables and the printed answers read. The session implements it over its
// histories and traces; tests implement it over vectors.
//
// Ownership: everything returned by reference or view belongs to the source and lives as long as
// it; streams belong to the caller and must not outlive the source. Threads: one thread at a time.
// Times: ns on the host timeline. Text columns of interval tables are StringIds (model/tables.h).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/interval_sink.h"
#include "model/tables.h"

namespace vs::history {
class Reader;
}

namespace vs::query {

/// One timeline of an interval table.
struct EntityKey {
  model::EntityId id = 0;
  std::vector<std::int64_t> key;  ///< the table's key columns in order; text as StringIds
};

/// One row of an interval table. `values` is valid until the stream's next call.
struct IntervalView {
  HostTime begin;
  HostTime end;
  std::span<const std::int64_t> values;  ///< the table's value columns in order
};

/// The rows of one entity in time order.
class RowStream {
 public:
  virtual ~RowStream() = default;
  /// True and a row, or false at the end. An error means that the history cannot be read further.
  [[nodiscard]] virtual Result<bool> next(IntervalView& row) = 0;
};

/// Which rows of the `event` table are wanted; anything left out is not restricted.
struct EventFilter {
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;  ///< exclusive
  std::optional<std::int64_t> trace;
  std::optional<std::string> machine;
  std::optional<std::uint32_t> cpu;
  std::vector<std::string> names;  ///< empty = all
};

/// One row of the `event` table without its fields. The views are valid until the next call.
struct EventView {
  HostTime ts;
  std::int64_t trace = 0;
  std::string_view machine;
  std::int64_t cpu = model::kNull;  ///< kNull = the source does not say
  std::int64_t tid = model::kNull;
  std::string_view name;
};

/// Events of all selected streams, merged in time order.
class EventStream {
 public:
  virtual ~EventStream() = default;
  [[nodiscard]] virtual Result<bool> next(EventView& event) = 0;
  /// Appends the fields of the event that next() gave last, as one JSON object. Decoded only now.
  virtual void fields_json(std::string& out) const = 0;
};

class DataSource {
 public:
  virtual ~DataSource() = default;

  /// A whole small table (trace, machine, clock_sync, loss, vcpu, thread, container, issue).
  [[nodiscard]] virtual const model::SmallTable& small(model::TableId table) const = 0;

  /// All entities of an interval table, in any order.
  [[nodiscard]] virtual std::span<const EntityKey> entities(model::TableId table) const = 0;

  /// The entity's rows that overlap [from, to): begin < to and end > from. An empty row (begin ==
  /// end) counts when from <= begin < to.
  [[nodiscard]] virtual Result<std::unique_ptr<RowStream>> rows(model::EntityId entity,
                                                                HostTime from,
                                                                HostTime to) const = 0;

  /// The text of a StringId that an entity or row carries.
  [[nodiscard]] virtual std::string_view string(std::int64_t id) const = 0;
  /// The StringId of a text, nothing when no row can carry it.
  [[nodiscard]] virtual std::optional<std::int64_t> find_string(std::string_view text) const = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<EventStream>> events(
      const EventFilter& filter) const = 0;

  /// The vCPU that is this CPU of a guest's own trace; mostly the same number.
  [[nodiscard]] virtual std::int64_t vcpu_of_cpu(std::string_view machine, std::int64_t cpu) const {
    (void)machine;
    return cpu;
  }

  /// Another source that tells the same, for another thread, while what this one borrows lives;
  /// from any thread. nullptr where there can be only one.
  [[nodiscard]] virtual std::shared_ptr<const DataSource> another() const { return nullptr; }

  /// The history that the interval tables are read from, for those who draw; nullptr before the
  /// analysis, and where the rows come from elsewhere.
  [[nodiscard]] virtual const history::Reader* history() const { return nullptr; }
};

}  // namespace vs::query
