#pragma once
// What a timeline is asked and what it answers.
//
// Threads: values.

#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "model/tables.h"

namespace vs::history {

/// [from, to) in `pixels` equal parts, of one value column.
struct Window {
  HostTime from;
  HostTime to;
  std::size_t pixels = 0;
  std::size_t value_slot = 0;
  /// So many pixels wide a summary's buckets may be: with more than one, edges are that much less
  /// sharp where rows are many, and nothing else is.
  std::size_t bucket_pixels = 1;
};

/// One pixel of a timeline.
struct Pixel {
  std::int64_t value = model::kNull;  ///< the value that held longest; kNull too when none did
  float share = 0;                    ///< of the pixel's time; 0: no row touches the pixel
};

/// Neighbouring pixels that are alike.
struct Stretch {
  std::int64_t value = model::kNull;
  std::uint32_t pixels = 0;
  float share = 0;  ///< of each pixel's time
};

/// What drawing touched; tests hold it against the length of the history.
struct DrawCost {
  std::size_t nodes = 0;    ///< pieces and summaries looked into, per entity
  std::size_t buckets = 0;  ///< of summaries, and spans kept there
  std::size_t rows = 0;
};

}  // namespace vs::history
