#pragma once
// One piece of rows: up to kPieceRows rows of one table, grouped by entity, coded by column.
//
// PieceEncoder turns runs (the rows of one entity, in time order) into bytes; Piece gives them
// back. A piece starts with its tuple dictionary (every combination of the dictionary-like columns
// once) and a directory of its blocks; a block has up to kBlockRows rows of one entity and can be
// decoded alone. docs/formats/history.md specifies the bytes.
//
// Errors: Piece::parse refuses bytes that break the rules; a BlockCursor that meets such bytes
// stops and says so through ok(). Ownership: Piece owns its bytes, a BlockCursor is a view of a
// Piece. Threads: a parsed Piece is immutable.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/varint.h"

namespace vs::history {

/// A row on its way into a piece. `tuple` and `numbers` index the arrays of its slab.
struct SlabRow {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint32_t tuple = 0;
  std::uint32_t numbers = 0;
};

class PieceEncoder {
 public:
  /// `tuples` and `numbers` are the slab's arrays; they stay valid until finish().
  void start(TableId table, std::span<const std::int64_t> tuples,
             std::span<const std::int64_t> numbers);
  /// Entities must come in ascending order; a run that is split goes to different pieces.
  void add_run(EntityId entity, std::span<const SlabRow> rows);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// The whole piece, valid until the next start().
  [[nodiscard]] Bytes finish();

 private:
  [[nodiscard]] std::uint32_t local_tuple(std::uint32_t slab_tuple);
  void add_block(std::span<const SlabRow> rows);
  void put_tuples(std::span<const SlabRow> rows, bool tiled);
  void put_numbers(std::span<const SlabRow> rows);
  void put_dictionary(ByteSink& out) const;

  TableId table_ = TableId::kCount;
  const TableLayout* layout_ = nullptr;
  std::span<const std::int64_t> slab_tuples_;
  std::span<const std::int64_t> slab_numbers_;
  std::vector<std::uint32_t> local_of_;  ///< slab tuple -> tuple of this piece + 1, 0 = not yet
  std::vector<std::uint32_t> tuples_;    ///< tuple of this piece -> slab tuple
  std::vector<std::uint16_t> block_of_;  ///< tuple of this piece -> index in the block + 1
  std::size_t rows_ = 0;
  std::size_t runs_ = 0;
  EntityId last_entity_ = 0;
  std::int64_t base_ns_ = 0;
  ByteSink directory_;
  ByteSink payload_;
  ByteSink out_;
};

struct BlockRef {
  std::int64_t begin_ns = 0;
  EntityId entity = 0;
  std::uint32_t offset = 0;  ///< into the raw piece
  std::uint32_t size = 0;
  std::uint32_t rows = 0;
};

class Piece final : public Cached {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const Piece>> parse(std::vector<std::byte> raw,
                                                                  TableId table);
  /// The entity's blocks in time order; empty when it has none here.
  [[nodiscard]] std::span<const BlockRef> blocks_of(EntityId entity) const;
  [[nodiscard]] std::span<const BlockRef> blocks() const { return blocks_; }
  [[nodiscard]] const TableLayout& layout() const { return *layout_; }
  [[nodiscard]] Bytes bytes_of(const BlockRef& block) const {
    return Bytes(raw_).subspan(block.offset, block.size);
  }
  [[nodiscard]] std::size_t tuple_count() const { return tuple_count_; }
  /// All value slots of a tuple; number slots hold NULL.
  [[nodiscard]] std::span<const std::int64_t> tuple(std::size_t index) const {
    return std::span(tuples_).subspan(index * layout_->values, layout_->values);
  }
  [[nodiscard]] std::size_t memory_bytes() const override;

 private:
  [[nodiscard]] bool parse_dictionary(VarReader& in);
  [[nodiscard]] bool parse_directory(VarReader& in);
  [[nodiscard]] bool parse_run(VarReader& in, std::int64_t base_ns, EntityId entity);

  const TableLayout* layout_ = nullptr;
  std::vector<std::byte> raw_;
  std::vector<std::int64_t> tuples_;
  std::size_t tuple_count_ = 0;
  std::vector<BlockRef> blocks_;
};

/// Walks the rows of one block. The Piece must outlive it.
class BlockCursor {
 public:
  BlockCursor() = default;
  BlockCursor(const Piece& piece, const BlockRef& block) { open(piece, block); }
  void open(const Piece& piece, const BlockRef& block);

  /// Moves to the next row; false at the end or when the bytes are broken (then !ok()).
  [[nodiscard]] bool next() {
    if (row_ >= rows_) return false;
    const std::uint64_t gap = tiled_ || row_ == 0 ? 0 : times_.varint();
    const std::uint64_t length = times_.varint();
    ++row_;
    const std::int64_t previous_ns = end_ns_;
    begin_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(end_ns_) + gap);
    end_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(begin_ns_) + length);
    // Sums that wrapped go back in time or leave the range.
    if (!times_.ok() || begin_ns_ < previous_ns || end_ns_ < begin_ns_ || end_ns_ > kTimeLimit) {
      return stop();
    }
    return true;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::int64_t begin_ns() const { return begin_ns_; }
  [[nodiscard]] std::int64_t end_ns() const { return end_ns_; }
  /// Index of the current row's tuple in the piece; smaller than tuple_count().
  [[nodiscard]] std::uint32_t tuple();
  /// The current row's values, valid until the next call. Number columns are read forward, so this
  /// may be skipped for rows that nobody wants.
  [[nodiscard]] std::span<const std::int64_t> values();

 private:
  enum class Coding : std::uint8_t { kConstant, kLocal, kDirect };
  struct Number {
    VarReader in;
    std::int64_t value = 0;
    bool constant = true;
  };
  [[nodiscard]] bool stop() {
    ok_ = false;
    rows_ = row_ = 0;
    return false;
  }
  void open_tuples(VarReader& in, std::uint8_t mode);
  void open_numbers(VarReader& in);
  [[nodiscard]] std::uint32_t packed(std::size_t row) const;

  const Piece* piece_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t row_ = 0;  ///< rows delivered so far
  bool ok_ = true;
  bool tiled_ = true;
  std::int64_t begin_ns_ = 0;
  std::int64_t end_ns_ = 0;
  VarReader times_;
  Coding coding_ = Coding::kConstant;
  unsigned width_ = 0;  ///< log2 of the bits per index
  std::uint32_t constant_ = 0;
  Bytes packed_;
  std::array<std::uint32_t, kBlockRows> local_;
  /// Only for tables with number columns: most have none, and a cursor must cost little.
  struct Numbers {
    std::size_t rows_read = 0;
    std::array<Number, kMaxValues> columns;
    std::array<std::int64_t, kMaxValues> values;
  };
  std::unique_ptr<Numbers> numbers_;
};

}  // namespace vs::history
