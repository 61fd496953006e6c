#pragma once
// The sealing side of the writer: full slabs become pieces of the file.
//
// A slab's rows are coded table by table and entity by entity; summaries and the index trees go
// along. Totals per entity are counted on the way. Memory: one piece, the open index nodes, and the
// totals.
//
// Errors: the first one is kept in status(); from then on calls have no effect. Ownership: the
// output file belongs to the caller. Threads: one at a time.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "history/footer.h"
#include "history/index.h"
#include "history/pack.h"
#include "history/piece.h"
#include "history/run_sums.h"
#include "history/slab.h"
#include "history/summary.h"
#include "os/write_file.h"

namespace vs::history {

inline constexpr std::size_t kTables = static_cast<std::size_t>(TableId::kCount);
/// The open rows by table; nullptr for small tables.
using Slabs = std::array<std::unique_ptr<TableSlab>, kTables>;
[[nodiscard]] Slabs make_slabs();

/// What was counted of one entity.
struct EntityCount {
  std::uint64_t rows = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = -kTimeLimit;
  std::vector<StateTotal> totals;  ///< by value
  EntityId view = kNoEntity;       ///< the entity that shows its rows
  TableId view_table = TableId::kCount;
};

/// An entity that shows another one's rows.
struct EntityView {
  EntityId view = kNoEntity;
  EntityId of = kNoEntity;
  TableId table = TableId::kCount;  ///< of the view
};

/// Whether a sort of piece is worth compressing. Pieces that gain nothing are tried more and more
/// rarely, up to every 16th: on packed columns the codec often costs time and saves nothing.
class Thrift {
 public:
  [[nodiscard]] bool try_now() const { return skip_ == 0; }
  void seen(bool packed) {
    if (skip_ != 0) {
      --skip_;
    } else if (packed) {
      wait_ = 0;
    } else {
      wait_ = wait_ < 7 ? 2 * wait_ + 1 : 15;
      skip_ = wait_;
    }
  }

 private:
  unsigned skip_ = 0;  ///< pieces that are still stored as they are
  unsigned wait_ = 0;
};

class Sealer final : public PieceSink {
 public:
  /// `path` is for messages. Writes the header.
  Sealer(os::OutputFile& output, Codec codec, std::string path);

  /// Writes the rows of the slabs, which are closed, and empties them. `entities`: how many there
  /// are in all; `views`: all of them, each of an entity of its own.
  void seal(Slabs& slabs, std::size_t entities, std::span<const EntityView> views);
  /// Writes what is left of the index, then the footer (its pieces, and the entities' counts, are
  /// filled in here) and the trailer.
  void finish(Footer footer);
  /// What finish() would append now, as a snapshot has it (snapshot.h): the rows sealed so far.
  /// Changes nothing. Defined beside the snapshots.
  [[nodiscard]] Result<ByteSink> snapshot_tail(Footer footer) const;

  [[nodiscard]] const Status& status() const { return status_; }
  void fail(ErrorCode code, std::string what) { keep(Error{code, std::move(what), path_, ""}); }
  void keep(Status failed) {
    if (status_.ok() && !failed.ok()) status_ = std::move(failed);
  }

  [[nodiscard]] std::uint32_t next_piece() const override {
    return static_cast<std::uint32_t>(pieces_.size());
  }
  void put_piece(const PieceInfo& info, Bytes raw) override;

 private:
  void append(Bytes bytes) {
    if (status_.ok()) keep(output_.append(bytes));
  }
  void seal_table(TableId table, TableSlab& slab);
  void seal_run(TableSlab& slab, TableId table, const TableSlab::Run& run);
  void seal_part(const TableSlab& slab, TableId table, EntityId entity,
                 std::span<const SlabRow> rows);
  void count_rows(const TableSlab::Run& run, bool overlaps);
  /// Adds what each state held to the totals of the entity, and of its view. `summed`: run_ has the
  /// sums of these rows.
  void sum_states(const TableSlab& slab, TableId table, EntityId entity,
                  std::span<const SlabRow> rows, bool summed);
  /// Adds what each value of a drawn column held.
  void sum_values(const TableSlab& slab, std::size_t drawn, std::span<const SlabRow> rows,
                  bool summed, std::vector<StateTotal>& totals);
  void count_state(std::uint8_t number, std::uint32_t rows, std::uint64_t held_ns);
  [[nodiscard]] Carry sum_column(const TableSlab& slab, EntityId entity,
                                 std::span<const SlabRow> rows, std::size_t drawn, bool summed);
  void build_pyramid(const TableSlab& slab, std::span<const SlabRow> rows, std::size_t drawn,
                     bool summed);
  /// Makes run_'s buckets as narrow as the summary of the column wants them.
  void narrow_sums(std::span<const SlabRow> rows, std::size_t drawn);
  void start_piece(TableId table, const TableSlab& slab);
  void write_rows(TableId table);
  /// All of the footer that has been counted here, but the pieces.
  void fill_in(Footer& footer) const;
  /// The footer, where it begins at `offset` of the file, and the trailer.
  [[nodiscard]] Status put_end(const Footer& footer, std::uint64_t offset, Codec codec,
                               Packer& packer, ByteSink& out) const;

  os::OutputFile& output_;
  const Codec codec_;
  const std::string path_;
  Status status_;
  std::uint64_t offset_ = 0;
  std::vector<PieceInfo> pieces_;
  std::vector<EntityCount> counts_;
  std::size_t views_ = 0;  ///< of the views, how many are noted in the counts
  std::array<std::unique_ptr<IndexTree>, kTables> trees_;
  std::array<DrawnValues, kTables> values_;  ///< numbers of the slabs, kept

  Packer packer_;
  std::array<Thrift, static_cast<std::size_t>(PieceKind::kFooter) * (kTables + 1)> thrifts_;
  PieceEncoder encoder_;
  std::array<SummaryEncoder, kMaxDrawn> summaries_;  ///< by drawn column
  RunSums run_;
  /// The fewest values that a column had which needed sums: of the last run that had such a one.
  std::size_t least_width_ = 1;
  Pyramid pyramid_;
  EntityId piece_first_ = 0;
  EntityId piece_last_ = 0;
  // scratch
  std::array<std::vector<Span>, kMaxDrawn> carries_;
  std::array<std::uint32_t, kMaxStates + 1> value_rows_{};  ///< by number of value; mostly zeros
  std::array<std::uint64_t, kMaxStates + 1> held_ns_{};     ///< the same
  std::vector<std::uint8_t> present_;                       ///< values, by first occurrence
  ByteSink bytes_;
};

}  // namespace vs::history
