#pragma once
// Snapshots: what of a history is sealed while it is still written, as a file that a Reader opens.
//
// A snapshot is the growing file as far as it has been sealed, and in memory what a finished one
// would have behind that: the open index nodes, the footer and the trailer. The writer makes one
// when somebody has asked for it and a slab has just been sealed, so nothing of it is in the path
// of rows and no byte of the file depends on it. Cost: a copy of the open index nodes of one table
// at a time, and about 200 bytes per entity.
//
// What it says is what the finished history will say: of an entity whose rows do not overlap
// everything up to the end of its last row here, of the others the rows that have been added. What
// began and has not ended yet is in neither.
//
// Ownership: a snapshot keeps its own descriptor; it stays readable when the writer ends, commits
// or is destroyed. Threads: the board is for one writer and any number of others; the file as every
// os::File.

#include <atomic>
#include <memory>
#include <mutex>

#include "history/varint.h"
#include "os/file.h"

namespace vs::history {

/// Where a writer leaves snapshots for those who asked.
class SnapshotBoard {
 public:
  /// Asks for a newer one than those published so far.
  void request() { wanted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool wanted() const { return wanted_.load(std::memory_order_relaxed); }
  /// The writer's answer, in place of one that nobody took; nullptr when it could not be made.
  void publish(std::unique_ptr<os::File> snapshot);
  /// Whether there is one that was not taken yet.
  [[nodiscard]] bool ready() const { return ready_.load(std::memory_order_relaxed); }
  /// The newest one; nullptr when there is none that was not taken yet.
  [[nodiscard]] std::unique_ptr<os::File> take();

 private:
  std::atomic<bool> wanted_{false};
  std::atomic<bool> ready_{false};
  std::mutex mutex_;
  std::unique_ptr<os::File> latest_;  ///< guarded by mutex_
};

/// `sealed` followed by `tail`.
[[nodiscard]] std::unique_ptr<os::File> make_snapshot(std::unique_ptr<os::File> sealed,
                                                      ByteSink tail);

}  // namespace vs::history
