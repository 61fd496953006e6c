#pragma once
// Merger: many streams of several machines as one flow in host-time order, loss windows included.
//
// Each source is a stream cursor with the clock map of its machine. At equal host times the order
// is kvm_entry < guest events < other host events < kvm_exit (algorithms B.3), then the order of
// the sources; within a stream the trace's own order is kept. A stream whose times go back is
// delivered in its own order with the times clamped to its last one, so that what follows sees time
// go forward only.
//
// Method: the decoded run of each stream gets an array of ranks (host time and order on ties) that
// never go down; what lies before the end of the run that ends first is merged at once, by keys of
// 64 bits that hold rank, source and number (run_merge.h). The order is that of taking the smallest
// head event by event.
//
// Ownership: the merger owns its cursors; maps are borrowed and must outlive it. Threads: one
// owner. Memory: one run per stream, 16 bytes per event of it, and 40 bytes per event of a batch.

#include <compare>
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
    if (taken_ == batched_) {
      VS_TRY(fill_batch());
      if (batched_ == 0) return false;
    }
    item = batch_[taken_++];
    return true;
  }

  [[nodiscard]] const Source& source(std::uint32_t index) const { return sources_[index]; }
  [[nodiscard]] std::size_t source_count() const { return sources_.size(); }
  /// Bytes consumed over all sources, for progress.
  [[nodiscard]] std::uint64_t bytes_done() const;

 private:
  /// Place of an event in the flow, but for its source.
  struct Rank {
    std::uint64_t time = 0;  ///< host time, moved so that it sorts as an unsigned number
    std::uint64_t tie = 0;   ///< among equal times

    friend auto operator<=>(const Rank&, const Rank&) = default;
  };
  struct Head {
    std::span<const model::Event> run;
    std::vector<Rank> ranks;   ///< of the run
    std::size_t position = 0;  ///< of the first event that is not delivered
    Rank last;                 ///< of the stream
    bool ended = false;
  };
  /// What a source gives to a batch: events of its run, which follow one another.
  struct Part {
    std::size_t source = 0;
    std::size_t begin = 0;  ///< in the run
    std::size_t count = 0;
  };
  /// All events up to and including this rank and source are in the batch.
  struct Bound {
    Rank rank;
    std::size_t source = 0;
  };

  [[nodiscard]] Status refill(std::size_t source);
  void rank_run(std::size_t source);
  [[nodiscard]] Status fill_batch();
  [[nodiscard]] Bound known_until() const;
  void take_up_to(const Bound& bound);
  void start_batch(std::size_t count);
  void hand_through(const Part& part);
  void merge_parts(std::uint64_t base);
  void pack(const Part& part, std::uint64_t base);
  void unpack(std::span<const MergeKey> keys, std::uint64_t base);

  std::vector<Source> sources_;
  std::vector<model::ClockWalk> clocks_;          // by source
  std::vector<Head> heads_;                       // by source
  std::vector<const model::Event*> batch_begin_;  // by source: its first event of the batch
  std::vector<std::size_t> drained_;              // sources whose run is delivered
  std::vector<Part> parts_;                       // of the batch that is made
  const int source_bits_;
  RunMerger run_merger_;
  std::vector<Item> batch_;  // with room for the longest so far
  std::size_t batched_ = 0;  // items of it in the batch
  std::size_t taken_ = 0;    // items of batch_ that next() gave
};

}  // namespace vs::merge
