#pragma once
// Lookups through the index trees: the piece that holds an entity's row at a time, the pieces that
// touch a range, the state of a whole table, and the check of a whole file.
//
// Errors: those of the Store, and kMalformed for pieces that do not fit together. Threads: any.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "history/reader.h"
#include "history/store.h"

namespace vs::history {

/// A rows piece that has rows of an entity.
struct Leaf {
  std::uint32_t piece = 0;
  std::int64_t begin_ns = 0;  ///< of the first row there
};

/// The row of an entity that holds at a time, in a table whose rows do not overlap.
[[nodiscard]] Result<std::optional<OwnedRow>> row_at(const Store& store, EntityId entity,
                                                     std::int64_t time_ns);

/// The rows pieces that may have rows of an entity in [from, to), or empty ones at `from`; by
/// begin.
[[nodiscard]] Result<std::vector<Leaf>> leaves_of(const Store& store, EntityId entity,
                                                  std::int64_t from_ns, std::int64_t to_ns);

/// The rows piece that has an entity's last row that begins at or before a time, in a table whose
/// rows do not overlap. Requires that there is one.
[[nodiscard]] Result<std::uint32_t> leaf_at(const Store& store, EntityId entity,
                                            std::int64_t time_ns);

/// What the entities of a table, all of them and by id, were in at a time; rows must not overlap.
/// `state` keeps its memory. (full_state.cc)
[[nodiscard]] Status state_at(const Store& store, TableId table, std::span<const Entity> entities,
                              std::int64_t time_ns, FullState& state);

/// The same of a table some of whose entities are views.
[[nodiscard]] Status seen_state_at(const Store& store, TableId table,
                                   std::span<const Entity> entities, std::int64_t time_ns,
                                   FullState& state);

/// Unpacks and parses every piece, decodes every row and compares the index with the pieces.
[[nodiscard]] Status check_all(const Store& store);

}  // namespace vs::history
