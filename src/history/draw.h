#pragma once
// Timelines: pictures of many entities at once.
//
// A walk from the root of a table's index tree down. Where a node's summary has buckets as narrow
// as a pixel, an entity is drawn from that; else the walk goes on to those children that touch the
// window, at last to the rows. All entities of a picture go down together, so that every piece is
// looked up once, and each of them meets its time in order.
//
// Cost per entity: O(pixels) buckets or rows, and O(log n) nodes, whatever the trace's length n.
//
// Errors: those of the Store, and kMalformed for pieces that do not fit together. Threads: any.

#include <span>
#include <vector>

#include "base/result.h"
#include "history/picture.h"
#include "history/store.h"

namespace vs::history {

/// One picture per entity, in their order; unknown entities get an empty one. `cost` may be null.
[[nodiscard]] Status draw(const Store& store, std::span<const EntityId> entities,
                          const Window& window, std::vector<std::vector<Stretch>>& pictures,
                          DrawCost* cost);

/// How long any of `values` of the table's state column held, in each pixel: stretches with value 1
/// and the share, and others. kUnsupported for a column that has no summaries.
[[nodiscard]] Status draw_shares(const Store& store, std::span<const EntityId> entities,
                                 const Window& window, std::span<const std::int64_t> values,
                                 std::vector<std::vector<Stretch>>& pictures);

}  // namespace vs::history
