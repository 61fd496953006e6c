#pragma once
// Pictures of rows that overlap (disk requests), of which the history has no summaries: a row is
// seen where none that began before it still lasts. From the sums where an entity has many rows;
// else, and where pixels are narrower than the sums' buckets, row by row.
//
// Threads: any.

#include <vector>

#include "history/picture.h"
#include "history/reader.h"
#include "serve/sums.h"

namespace vs::serve {

/// What has to be summed up for it.
[[nodiscard]] std::vector<WantedSum> cover_sums(const history::Reader& history);

/// False where the sums do not tell. `picture` has the values of the state column.
[[nodiscard]] bool draw_cover(const Sums& sums, model::EntityId entity,
                              const history::Window& window, Picture& picture);

}  // namespace vs::serve
