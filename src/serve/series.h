#pragma once
// Series: figures per machine over time, from the rows of the history. A point stands for one of
// `points` equal parts of the window; intervals are shared out over the parts that they touch.
//
// Threads: reads the history alone; any thread.

#include <atomic>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/views.h"

namespace vs::serve {

struct Series {
  std::string id;  ///< "steal:vm1"
  std::string name;
  std::string_view unit;
  std::string machine;
  std::vector<HostTime> x;  ///< begin of each part
  std::vector<double> y;    ///< NaN: not known, because reading took too long
};

struct SeriesRequest {
  HostTime from;
  HostTime to;
  std::size_t points = 0;
  std::vector<std::string> ids;  ///< empty = all
  const std::atomic<bool>* cancel = nullptr;
};

/// Reads for at most limits::kSeriesTime.
[[nodiscard]] Result<std::vector<Series>> read_series(const Views& views,
                                                      const SeriesRequest& request);

}  // namespace vs::serve
