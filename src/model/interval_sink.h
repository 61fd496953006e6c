#pragma once
// IntervalSink: where analyses put state intervals. The history writer implements it; tests use a
// vector.
//
// Threads: one sink belongs to one thread. Entities and strings are created in the order of the
// calls, so the same input gives the same ids.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/time.h"
#include "model/tables.h"

namespace vs::model {

using EntityId = std::uint32_t;  ///< one row of a timeline: a table and its key
using StringId = std::int64_t;   ///< >= 0; stored in text columns

/// Where a sink notes a combination of values that a caller adds again and again, so that it need
/// not look at them each time. Belongs to the caller; to be used with one sink, one table and one
/// combination of values, else it must be set to RowMemo{}.
struct RowMemo {
  std::uint32_t epoch = 0;  ///< 0 = nothing noted
  std::uint32_t number = 0;
};

class IntervalSink {
 public:
  virtual ~IntervalSink() = default;

  /// The id of a text, the same for equal texts.
  [[nodiscard]] virtual StringId intern(std::string_view text) = 0;

  /// The entity (table, key). Calls with equal arguments give the same id. `key` holds the table's
  /// key columns in order, text columns as StringIds.
  [[nodiscard]] virtual EntityId entity(TableId table, std::span<const std::int64_t> key) = 0;

  /// An entity of `table` that has the rows of another one: those of `of`, seen through the columns
  /// that both tables have (view_slots(), which must not be empty). Nothing is added to it. `of`
  /// is no view itself, and has no other view. Calls with equal arguments give the same id; the
  /// entity must not have been made by entity().
  [[nodiscard]] virtual EntityId view(TableId table, std::span<const std::int64_t> key,
                                      EntityId of) = 0;

  /// Adds [begin, end) to the entity. Requires end >= begin and, but for tables that may overlap,
  /// begin >= the entity's last end; `values` has the table's value columns in order. An empty
  /// interval (begin == end) is dropped, except in tables of points (TableDef).
  virtual void add(EntityId entity, HostTime begin, HostTime end,
                   std::span<const std::int64_t> values) = 0;

  /// add() with the values that `memo` stands for. False: the sink does not know them (any more),
  /// nothing was added, and add_noting() has to be called.
  [[nodiscard]] virtual bool add_again(EntityId entity, HostTime begin, HostTime end, RowMemo memo);
  /// add(), and `memo` stands for these values from now on, if the sink does such a thing.
  virtual void add_noting(EntityId entity, HostTime begin, HostTime end,
                          std::span<const std::int64_t> values, RowMemo& memo);
};

}  // namespace vs::model
