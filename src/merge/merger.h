#pragma once
// Merger: many streams of several machines as one flow in host-time order, loss windows included.
//
// Each source is a stream cursor with the clock map of its machine. At equal host times the order
// is kvm_entry < guest events < other host events < kvm_exit (algorithms B.3), then the order of
// the sources; within a stream the trace's own order is kept. A stream whose times go back is
// delivered in its own order with the times clamped to its last one, so that what follows sees time
// go forward only.
//
// Method: the decoded run of each stream becomes an array of keys; what lies before the end of the
// run that ends first is merged at once (run_merge.h). The order is that of taking the smallest
// head event by event, because a key is never smaller than the one before it in its stream.
//
// Ownership: the merger owns its cursors; maps are borrowed and must outlive it. Threads: one
// owner. Memory: one run per stream, 16 bytes per event of it, and 72 bytes per event of a batch.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "merge/run_merge.h"
#include "model/clock_map.h"
#include "model/event.h"
#include "reader/trace.h"

namespace vs::merge {

struct Source {
  std::unique_ptr<reader::StreamCursor> cursor;
  const model::ClockMap* clock = nullptr;
  std::uint32_t trace = 0;  ///< the caller's numbers, handed through
  std::uint32_t machine = 0;
  bool guest = false;  ///< the machine is a VM: its events come after kvm_entry on ties
};

struct Item {
  HostTime time;
  const model::Event* event = nullptr;  ///< valid until the next batch
  std::uint32_t source = 0;
};

class Merger {
 public:
  explicit Merger(std::vector<Source> sources);

  /// Reads each source's first run. Call once before next_batch() or next().
  [[nodiscard]] Status start();

  /// The next items in order, at least one; empty at the end. They and their events are valid until
  /// the next call.
  [[nodiscard]] Result<std::span<const Item>> next_batch();

  /// The same one by one; false at the end. Not to be mixed with next_batch().
  [[nodiscard]] Result<bool> next(Item& item) {
    if (taken_ == batch_.size()) {
      VS_TRY(fill_batch());
      if (batch_.empty()) return false;
    }
    item = batch_[taken_++];
    return true;
  }

  [[nodiscard]] const Source& source(std::uint32_t index) const { return sources_[index]; }
  [[nodiscard]] std::size_t source_count() const { return sources_.size(); }
  /// Bytes consumed over all sources, for progress.
  [[nodiscard]] std::uint64_t bytes_done() const;

 private:
  struct Head {
    std::span<const model::Event> run;
    std::vector<MergeKey> keys;  ///< of the run, between two sentinels
    std::size_t position = 1;    ///< in keys, of the first that is not delivered
    std::size_t end = 1;         ///< in keys, behind the last of the run
    MergeKey last = kLeastKey;   ///< of the stream, without the number in its run
    bool ended = false;
  };

  [[nodiscard]] Status refill(std::uint32_t source);
  void make_keys(std::uint32_t source);
  [[nodiscard]] Status fill_batch();
  [[nodiscard]] MergeKey bound() const noexcept;
  void take_runs();

  std::vector<Source> sources_;
  std::vector<model::ClockWalk> clocks_;  // by source
  std::vector<Head> heads_;
  std::vector<std::uint32_t> drained_;  // sources whose run is delivered
  RunMerger run_merger_;
  std::vector<KeyRun> runs_;
  std::vector<Item> batch_;
  std::size_t taken_ = 0;  // items of batch_ that next() gave
};

}  // namespace vs::merge
