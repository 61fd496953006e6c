#pragma once
// Series: figures per machine over time, the same for the page and for TSP. A point stands for one
// of `points` equal parts of the window; intervals are shared out over the parts that they touch,
// what happens at a time counts where its row begins. Time in states comes from the history's
// summaries; the rest of long windows from the sums, of short ones from the rows of the history.
//
// Threads: reads the history alone; any thread.

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/limits.h"
#include "serve/service.h"
#include "serve/views.h"

namespace vs::serve {

/// One kind of series. A new one is a row in series.cc.
struct SeriesKind {
  std::string_view id;
  std::string_view name;
  std::string_view unit;
  model::TableId table;
  /// Time in any of these states of the table, divided by the machine's entities; empty: the sum of
  /// `weight`.
  std::span<const std::int64_t> states;
  double (*weight)(std::span<const std::int64_t> values);  ///< of a row, at its begin
  double scale;  ///< from time or weight per ns to the unit
};
[[nodiscard]] std::span<const SeriesKind> series_kinds();
[[nodiscard]] const SeriesKind* find_series_kind(std::string_view id);

/// A machine that has rows of a table.
struct SeriesMachine {
  std::string machine;
  std::vector<model::EntityId> entities;
};
/// By name.
[[nodiscard]] std::vector<SeriesMachine> series_machines(const history::Reader& history,
                                                         model::TableId table);

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
  std::chrono::milliseconds most_time = limits::kSeriesTime;  ///< of reading rows
  HostTime known_until = kHostTimeMax;  ///< of a part: what comes after is not known

  /// As far as what is shown goes.
  void limit_to(const Shown& shown);
};

/// What is not known is NaN: after `known_until`, time in states also after the end of the
/// machine's first row that is not known further there, and what `most_time` does not suffice to
/// read.
[[nodiscard]] Result<std::vector<Series>> read_series(const Views& views,
                                                      const SeriesRequest& request);

/// Time in exits of a machine by reason, ns; of long windows from the sums, where the window's
/// edges are shared out evenly.
[[nodiscard]] Result<std::map<std::string, double>> read_exit_reasons(const Views& views,
                                                                      const SeriesMachine& machine,
                                                                      const SeriesRequest& request);

/// What is to be summed up for the above.
[[nodiscard]] std::vector<WantedSum> series_sums(const history::Reader& history);

}  // namespace vs::serve
