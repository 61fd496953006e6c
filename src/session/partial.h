#pragma once
// PartialBoard: what an analysis that still runs has found so far, for those who show it meanwhile.
//
// Nothing is made unless somebody asks: then the history's writer leaves a snapshot of its states
// after the next slab (history/snapshot.h), and after that the pipeline, with its next batches, the
// names of the threads and the rows that have not ended. A history that was stored, or is not
// larger than a slab, is never seen in parts.
//
// Ownership: must outlive the session that fills it. Threads: request() and take() from any; what
// fills it, from the session's.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"
#include "history/reader.h"
#include "history/snapshot.h"
#include "model/experiment.h"
#include "model/open_row.h"
#include "model/tables.h"
#include "os/file.h"

namespace vs::session {

class PartialBoard {
 public:
  struct Found {
    std::unique_ptr<os::File> states;       ///< a history, opened with history::Reader
    std::vector<model::SmallTable> tables;  ///< thread and container; not older than the states
    std::vector<model::OpenRow> open;       ///< what had not ended when the tables were made
  };

  /// Asks for what is newer than what was found so far.
  void request() { snapshots_.request(); }
  /// What came since the last call; nothing when nothing did.
  [[nodiscard]] std::optional<Found> take();

  [[nodiscard]] history::SnapshotBoard& snapshots() { return snapshots_; }
  [[nodiscard]] bool tables_wanted() const {
    return snapshots_.ready() && !told_.load(std::memory_order_relaxed);
  }
  void tell_tables(std::vector<model::SmallTable> tables, std::vector<model::OpenRow> open);

 private:
  history::SnapshotBoard snapshots_;
  std::atomic<bool> told_{false};  ///< tables, since the last take()
  std::mutex mutex_;
  std::vector<model::SmallTable> tables_;  ///< guarded by mutex_; the latest
  std::vector<model::OpenRow> open_;       ///< as these
};

/// Up to when all machines have been analysed in a part of the history of `experiment`: later
/// states of every machine are still to come. kHostTimeMin: not all of them have begun.
[[nodiscard]] HostTime analysed_until(const history::Reader& part,
                                      const model::Experiment& experiment);

}  // namespace vs::session
