#pragma once
// PixelRow: the picture of one entity over a window, filled from rows (exact) or from summaries.
//
// Threads: one.

#include <cstdint>
#include <vector>

#include "history/reader.h"

namespace vs::history {

class PixelRow {
 public:
  PixelRow(std::int64_t from_ns, std::int64_t to_ns, std::size_t pixels);
  /// Adds a span of a value. Spans must come in time order; parts outside the window are cut off.
  void add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value);
  [[nodiscard]] std::vector<Pixel> finish();

 private:
  struct Part {
    std::int64_t value;
    std::int64_t held_ns;
  };
  void put(std::int64_t value, std::int64_t held_ns);
  void close_pixel();

  std::size_t wanted_;               ///< pixels asked for
  std::vector<std::int64_t> edges_;  ///< pixel i is [edges_[i], edges_[i + 1])
  std::vector<Pixel> pixels_;
  std::size_t at_ = 0;
  std::vector<Part> parts_;  ///< of pixel at_
};

}  // namespace vs::history
