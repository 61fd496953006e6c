#pragma once
// The index: for every table a tree whose leaves are the rows pieces.
//
//   tier 2 (root)            [entity: children, with the begin of its first row in each] ...
//   tier 1        [...] [...] [...]            index pieces, cut by entity; kFanout slabs together
//   rows pieces   .. .. .. .. .. ..            in the order of the file
//
// A node covers a span of the file; it is cut by entity into index pieces, so that a reader unpacks
// a small part for one entity. Behind an index piece may lie its summaries (summary.h), one per
// drawn column: the same span, in wider buckets than those below. The writer keeps one open node
// per tier and table and writes it when it has kFanout children or kNodeBytes, so its memory grows
// with the number of tiers only.
//
// Threads: values; an IndexTree belongs to one thread.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/summary.h"
#include "history/varint.h"

namespace vs::history {

/// Codes entries (sorted by entity) as one index piece. `ends`: the table's rows overlap.
void put_index(std::span<const IndexEntry> entries, bool ends, ByteSink& out);

/// The children of one entity under a node, in the order of the file: by begin, but for tables
/// whose rows overlap.
struct Children {
  std::span<const std::int64_t> begin_ns;  ///< of the first row
  std::span<const std::uint32_t> piece;
  std::span<const std::int64_t> end_ns;  ///< the latest one; only in tables whose rows overlap

  [[nodiscard]] std::size_t size() const { return piece.size(); }
  /// The last child that begins at or before `time_ns` (`at_too`) or before it; 0 when there is
  /// none. Requires begins that ascend.
  [[nodiscard]] std::size_t last(std::int64_t time_ns, bool at_too) const noexcept {
    std::size_t at = 0;
    for (std::size_t count = size(); count > 1;) {
      const std::size_t half = count / 2;
      const std::int64_t middle_ns = begin_ns[at + half];
      at += middle_ns < time_ns || (at_too && middle_ns == time_ns) ? half : 0;
      count -= half;
    }
    return at;
  }
};

/// Finds an entity among runs that ascend by entity. Entities often are neighbours, so the place
/// that it would have then is looked at first. runs.size() when it is not there.
template <typename Run>
[[nodiscard]] std::size_t find_run(std::span<const Run> runs, EntityId entity) {
  if (runs.empty() || entity < runs.front().entity) return runs.size();
  const std::size_t guess = entity - runs.front().entity;
  if (guess < runs.size() && runs[guess].entity == entity) return guess;
  const auto run = std::ranges::lower_bound(runs, entity, {}, &Run::entity);
  const bool found = run != runs.end() && run->entity == entity;
  return found ? static_cast<std::size_t>(run - runs.begin()) : runs.size();
}

/// An unpacked index piece.
class IndexPiece final : public Cached {
 public:
  /// The children of one entity.
  struct Run {
    EntityId entity = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };

  /// `raw` is followed by kPackSlack bytes. `number` is the piece's own number; children lie before
  /// it.
  [[nodiscard]] static Result<std::shared_ptr<const IndexPiece>> parse(Bytes raw,
                                                                       std::uint32_t number,
                                                                       bool ends);
  /// Nothing when the entity is not here.
  [[nodiscard]] Children children_of(EntityId entity) const {
    const std::size_t run = find_run(std::span<const Run>(runs_), entity);
    return run == runs_.size() ? Children{} : children_of(runs_[run]);
  }
  [[nodiscard]] Children children_of(const Run& run) const {
    return Children{std::span(begins_).subspan(run.first, run.count),
                    std::span(pieces_).subspan(run.first, run.count),
                    ends_.empty() ? std::span<const std::int64_t>()
                                  : std::span(ends_).subspan(run.first, run.count)};
  }
  [[nodiscard]] std::span<const Run> runs() const { return runs_; }
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(IndexPiece) + pieces_.capacity() * sizeof(std::uint32_t) +
           (begins_.capacity() + ends_.capacity()) * sizeof(std::int64_t) +
           runs_.capacity() * sizeof(Run);
  }

 private:
  std::vector<Run> runs_;
  std::vector<std::int64_t> begins_;
  std::vector<std::uint32_t> pieces_;
  std::vector<std::int64_t> ends_;
};

/// What one run hands to the node above, of one drawn column. `exponent`: log2 of the width of the
/// buckets that its spans lie in; 0: they are exact.
struct Carry {
  static constexpr unsigned kLost = 63;  ///< as exponent: too many values for a summary
  std::span<const Span> spans;
  unsigned exponent = 0;
  std::uint64_t rows = 0;  ///< that they stand for
};

/// Where pieces go; they are numbered in the order of the calls.
class PieceSink {
 public:
  PieceSink() = default;
  virtual ~PieceSink() = default;
  PieceSink(const PieceSink&) = delete;
  PieceSink& operator=(const PieceSink&) = delete;
  /// The number of the next piece.
  [[nodiscard]] virtual std::uint32_t next_piece() const = 0;
  virtual void put_piece(const PieceInfo& info, Bytes raw) = 0;
};

/// The writer's side of one table's tree.
class IndexTree {
 public:
  IndexTree(TableId table, PieceSink& sink)
      : table_(table),
        drawn_(layout_of(table).overlaps ? 0 : layout_of(table).drawn_slots.size()),
        sink_(sink) {}
  /// The open nodes of another one, which may be finished in its place.
  IndexTree(const IndexTree& open, PieceSink& sink)
      : table_(open.table_), drawn_(open.drawn_), sink_(sink), tiers_(open.tiers_) {}

  /// A run of the slab that is being sealed, with what its summaries hand up, by drawn column: one
  /// of each, or none in tables without summaries. Entities may come in any order, pieces ascend.
  void add(const IndexEntry& entry, std::span<const Carry> carries) { add_to(0, entry, carries); }
  /// The slab is complete. `values`: what the numbers of spans stand for, by drawn column.
  void end_slab(const DrawnValues& values);
  /// Writes all open nodes; the last one is the root.
  void finish(const DrawnValues& values);

 private:
  struct Left {  ///< the carry of one entry
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    unsigned exponent = 0;
    std::uint64_t rows = 0;
  };
  struct Column {
    std::vector<Left> left;  ///< by entry
    std::vector<Span> spans;
  };
  struct Node {
    std::vector<IndexEntry> entries;
    std::array<Column, kMaxDrawn> columns;
    std::size_t children = 0;
    std::size_t written = 0;  ///< nodes of this tier so far
    [[nodiscard]] std::size_t bytes() const;
  };
  void add_to(std::size_t tier, const IndexEntry& entry, std::span<const Carry> carries);
  void write(std::size_t tier, const DrawnValues& values, bool root);
  void put_entity(const Node& node, std::span<const std::uint32_t> places, std::size_t above);
  /// One column of put_entity(). What goes up lies in spans_.
  [[nodiscard]] Carry put_column(EntityId entity, const Column& column,
                                 std::span<const std::uint32_t> places, std::size_t number);
  void start_summaries(const DrawnValues& values);
  [[nodiscard]] bool is_full() const;
  void put_pieces(std::size_t tier, const DrawnValues& values);

  const TableId table_;
  const std::size_t drawn_;  ///< columns with summaries
  PieceSink& sink_;
  std::vector<Node> tiers_;
  // scratch of write()
  std::vector<std::uint32_t> order_;
  std::vector<IndexEntry> part_;
  std::array<std::vector<Span>, kMaxDrawn> spans_;
  Pyramid pyramid_;
  std::array<SummaryEncoder, kMaxDrawn> summaries_;
  ByteSink bytes_;
};

}  // namespace vs::history
