#pragma once
// Merger: many streams of several machines as one flow in host-time order, loss windows included.
//
// Each source is a stream cursor with the clock map of its machine. At equal host times the order
// is kvm_entry < guest events < other host events < kvm_exit (algorithms B.3), then the order of
// the sources; within a stream the trace's own order is kept. A stream whose times go back is
// delivered in its own order with the times clamped to its last one, so that what follows sees time
// go forward only.
//
// Ownership: the merger owns its cursors; maps are borrowed and must outlive it. Threads: one
// owner. Memory: one batch per stream.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "merge/loser_tree.h"
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
  const model::Event* event = nullptr;  ///< valid until next()
  std::uint32_t source = 0;
};

class Merger {
 public:
  explicit Merger(std::vector<Source> sources);

  /// Reads each source's first batch. Call once before next().
  [[nodiscard]] Status start();

  /// The next item in order; false at the end.
  [[nodiscard]] Result<bool> next(Item& item) {
    if (pending_) VS_TRY(advance());
    if (tree_.exhausted()) return false;
    const std::size_t winner = tree_.winner();
    const Head& head = heads_[winner];
    item = Item{HostTime{tree_.winner_key().time_ns}, &head.run[head.position],
                static_cast<std::uint32_t>(winner)};
    pending_ = true;
    return true;
  }

  [[nodiscard]] const Source& source(std::uint32_t index) const { return sources_[index]; }
  [[nodiscard]] std::size_t source_count() const { return sources_.size(); }
  /// Bytes consumed over all sources, for progress.
  [[nodiscard]] std::uint64_t bytes_done() const;

 private:
  struct Head {
    std::span<const model::Event> run;
    std::size_t position = 0;
    std::int64_t last_ns = INT64_MIN;
  };

  /// Steps the winner forward.
  [[nodiscard]] Status advance();
  [[nodiscard]] Status refill(std::size_t source);
  [[nodiscard]] HeadKey key_of_head(std::size_t source);

  std::vector<Source> sources_;
  std::vector<Head> heads_;
  LoserTree tree_;
  bool pending_ = false;  // the winner was handed out and is still the head
};

}  // namespace vs::merge
