#pragma once
// MergeAhead: the merged flow made by a thread of its own, a bounded number of events ahead of the
// one that takes it.
//
//   Merger ──► thread: [batch][batch][batch][    ] ──► states (the caller's thread)
//
// The events of a batch are copied in the order of the flow, so that the taker reads memory from
// one end to the other, and the merger's cursors go on meanwhile. The thread, when all are
// full, goes on when half of them were taken, not for each: waking costs more than a batch.
//
// Ownership: the merger belongs to the thread until the MergeAhead ends; what next() gives is valid
// until the next call. Threads: next() and the destructor belong to one thread. Errors: those of
// the merger, after everything before them. Memory: kBatches * kBatchEvents events.

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/result.h"
#include "merge/merger.h"
#include "session/event_copies.h"

namespace vs::session {

class MergeAhead {
 public:
  static constexpr std::size_t kBatches = 8;
  static constexpr std::size_t kBatchEvents = 4096;

  /// What the merger would give, in the same order; only where a batch ends differs.
  struct Batch {
    std::span<const merge::Item> items;  ///< empty at the end
    std::uint64_t bytes_done = 0;        ///< over all sources
  };

  /// Requires a merger that was started.
  explicit MergeAhead(merge::Merger& merger);
  ~MergeAhead();
  MergeAhead(const MergeAhead&) = delete;
  MergeAhead& operator=(const MergeAhead&) = delete;

  [[nodiscard]] Result<Batch> next();

 private:
  struct Slot {
    std::vector<merge::Item> items;
    EventCopies events;
    std::uint64_t bytes_done = 0;
    Status status;
    bool last = false;  ///< nothing comes after it
  };

  void work();
  void fill(Slot& slot);

  merge::Merger& merger_;
  std::array<Slot, kBatches> slots_;
  std::span<const merge::Item> rest_;  ///< of the merger's batch: what is not copied yet
  std::size_t taken_ = 0;              ///< of the taker: the slot it has, once has_slot_
  bool has_slot_ = false;
  bool ended_ = false;

  std::mutex mutex_;
  std::condition_variable room_there_;
  std::condition_variable batch_there_;
  std::size_t full_ = 0;        ///< guarded by mutex_: slots that were filled and not given back
  bool stop_ = false;           ///< guarded by mutex_
  bool thread_sleeps_ = false;  ///< guarded by mutex_
  std::jthread thread_;         // last: it uses the others
};

}  // namespace vs::session
