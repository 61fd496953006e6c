#pragma once
// RanOn: on which CPUs a thread (a CPU of its own machine) or a vCPU (a pCPU of its host) ran
// within a window. The history has no summary of that, so the rows of all threads and vCPUs are
// read once, when somebody first asks, and what is kept is the set of CPUs of each run of kRunRows
// rows. An answer joins the sets of the runs that lie within the window, and reads the rows of
// those, at most two of each row, that lie across its edges: it is exact, and its cost does not
// grow with the window.
//
// While the analysis runs, each part adds its new rows to what the parts before had: the entities
// and the rows of a part are those of the whole (Service). Memory: 16 bytes a run, and 4 for each
// CPU of a set that differs from the one before it; of long traces runs are longer, so that there
// are about kMostRuns of them.
//
// Ownership: values; borrows the history of a call only. Threads: any; calls wait for each other.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "history/reader.h"
#include "serve/views.h"

namespace vs::serve {

inline constexpr std::uint64_t kRunRows = 256;        ///< the least
inline constexpr std::uint64_t kMostRuns = 1U << 20;  ///< 16 MiB

class RanOn {
 public:
  /// A row and the CPUs that it ran on, ascending.
  using Answer = std::vector<std::pair<std::int32_t, std::vector<std::int32_t>>>;

  /// The rows of the view that ran in [from, to). kCancelled when `cancel` gets set.
  [[nodiscard]] Result<Answer> in(const Views& views, const View& view,
                                  std::pair<HostTime, HostTime> window,
                                  const std::atomic<bool>* cancel);
  /// Rows that were read so far to answer: not those that are read once.
  [[nodiscard]] std::uint64_t edge_rows() const { return edge_rows_.load(); }

 private:
  /// Consecutive rows of an entity, up to where the next run begins.
  struct Run {
    HostTime begin;
    std::uint32_t first = 0;  ///< its CPUs are cpus_[first, first + count)
    std::uint32_t count = 0;
  };
  struct Track {
    std::vector<Run> runs;
    HostTime known_to = kHostTimeMin;  ///< rows that begin earlier have been read
  };

  /// Reads what the history has and nobody has read yet.
  [[nodiscard]] Status learn(const history::Reader& history, const std::atomic<bool>* cancel);
  [[nodiscard]] Status learn(const history::Reader& history, model::TableId table,
                             model::EntityId entity, const std::atomic<bool>* cancel);
  void keep(Track& track, HostTime begin, std::vector<std::int32_t>& cpus);
  [[nodiscard]] Result<std::vector<std::int32_t>> cpus_of(const history::Reader& history,
                                                          const Row& row,
                                                          std::pair<HostTime, HostTime> window);
  [[nodiscard]] std::span<const std::int32_t> cpus_of(const Run& run) const {
    return std::span(cpus_).subspan(run.first, run.count);
  }

  std::mutex mutex_;  // guards the two below
  std::unordered_map<model::EntityId, Track> tracks_;
  std::vector<std::int32_t> cpus_;
  std::atomic<std::uint64_t> edge_rows_{0};
};

}  // namespace vs::serve
