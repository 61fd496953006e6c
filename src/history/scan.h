#pragma once
// Queries that walk many rows or many entities: whole state, timelines, the check of a whole file.
//
// Errors: those of the Store, and kMalformed for rows that break their format. Threads: any.

#include <cstdint>
#include <span>

#include "base/result.h"
#include "history/reader.h"
#include "history/store.h"
#include "history/timeline.h"

namespace vs::history {

/// The first block that may hold rows from `from_ns` on: the one before the first that begins then.
[[nodiscard]] std::size_t block_before(std::span<const BlockRef> blocks, std::int64_t from_ns);

/// The error for rows of a piece that do not decode.
[[nodiscard]] Error broken_block(const Store& store, std::uint32_t piece);

/// What every entity of the table was in at a time. Walks the pieces whose span holds the time: one
/// pass over their directories costs less than a search per entity.
[[nodiscard]] Result<FullState> state_at(const Store& store, TableId table, std::int64_t time_ns);

/// Fills a picture from summaries where they are fine enough, else from rows.
[[nodiscard]] Status draw(const Store& store, EntityId entity, std::int64_t from_ns,
                          std::int64_t to_ns, std::size_t value_slot, PixelRow& picture);

/// Unpacks and parses every piece, decodes every row and compares the index with the pieces.
[[nodiscard]] Status check_all(const Store& store);

}  // namespace vs::history
