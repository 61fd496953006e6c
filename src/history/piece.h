#pragma once
// One piece of rows: up to kPieceRows rows of one table, grouped by entity, coded by column.
//
// PieceEncoder turns runs (the rows of one entity, in time order) into bytes; Piece gives them
// back. A piece starts with its tuple dictionary (every combination of the dictionary-like columns
// once) and a directory of its blocks; a block has up to kBlockRows rows of one entity and can be
// decoded alone (block.h). docs/formats/history.md specifies the bytes.
//
// Errors: Piece::parse refuses bytes that break the rules of dictionary and directory. Ownership:
// Piece owns its bytes. Threads: a parsed Piece is immutable, but for what
// guides() makes once.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/bitpack.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/summary.h"
#include "history/varint.h"

namespace vs::history {

/// How the tuples of a block are written (bits 1-2 of its first byte).
enum class Coding : std::uint8_t { kConstant, kLocal, kDirect };
// The other bits of a block's first byte; bits 3-5 are log2 of the bits per index.
inline constexpr unsigned kBlockTiled = 1;     ///< each row begins where the one before ends
inline constexpr unsigned kBlockVarints = 64;  ///< times are varints, not arrays
inline constexpr unsigned kBlockWide = 128;    ///< dictionary entries have two bytes

class PieceEncoder {
 public:
  /// `tuples` and `numbers` are the slab's arrays; they stay valid until finish().
  void start(TableId table, std::span<const std::int64_t> tuples,
             std::span<const std::int64_t> numbers);
  /// Entities must come in ascending order, rows by begin; a run that is split goes to different
  /// pieces.
  void add_run(EntityId entity, std::span<const SlabRow> rows);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// The whole piece, valid until the next start().
  [[nodiscard]] Bytes finish();

 private:
  struct Times;
  /// What the last block that had a tuple of the slab knows of it.
  struct Seen {
    std::uint32_t block = 0;  ///< its number
    std::uint16_t tuple = 0;  ///< tuple of the block's piece
    std::uint8_t index = 0;   ///< in the block's dictionary
  };
  [[nodiscard]] std::uint16_t piece_tuple(std::uint32_t slab_tuple, const Seen& seen);
  [[nodiscard]] std::int64_t add_block(std::span<const SlabRow> rows);
  [[nodiscard]] unsigned measure(std::span<const SlabRow> rows, Times& times) const;
  void put_tuples(std::span<const SlabRow> rows, unsigned mode);
  void put_times(const Times& times, std::size_t rows, unsigned mode);
  void put_numbers(std::span<const SlabRow> rows);
  void put_array(std::span<const std::uint64_t> values, unsigned width);
  void put_wide_indices(std::span<const std::uint8_t> local,
                        std::span<const std::uint16_t> dictionary);
  void put_entries(std::span<const std::uint16_t> tuples, bool wide);
  void put_dictionary(ByteSink& out) const;

  TableId table_ = TableId::kCount;
  const TableLayout* layout_ = nullptr;
  std::span<const std::int64_t> slab_tuples_;
  std::span<const std::int64_t> slab_numbers_;
  std::vector<Seen> seen_;              ///< by slab tuple; never cleared between pieces
  std::vector<std::uint32_t> tuples_;   ///< tuple of this piece -> slab tuple
  std::uint32_t block_ = 0;             ///< number of the last block, over all pieces
  std::uint32_t piece_from_block_ = 0;  ///< what was seen in blocks before is of another piece
  std::size_t rows_ = 0;
  std::size_t runs_ = 0;
  EntityId last_entity_ = 0;
  std::int64_t base_ns_ = 0;
  ByteSink directory_;
  ByteSink payload_;
  ByteSink scratch_;
  ByteSink out_;
};

struct BlockRef {
  std::int64_t begin_ns = 0;
  std::uint32_t offset = 0;  ///< into the raw piece
  std::uint16_t size = 0;
  std::uint16_t rows = 0;
};

/// How the tuples of a block are written, as its head tells.
struct TupleCode {
  Coding coding = Coding::kConstant;
  bool wide = false;           ///< entries have two bytes
  std::uint8_t index_log = 0;  ///< log2 of the bits per index
  std::uint8_t entries = 0;    ///< of the block's own dictionary
  std::uint16_t indices = 0;   ///< where they begin in the block

  /// The tuple of a row, smaller than `tuples`; that number when the bytes are broken.
  [[nodiscard]] std::uint32_t tuple(Bytes block, std::size_t row, std::uint32_t tuples) const {
    std::uint32_t tuple = 0;
    if (coding == Coding::kConstant) {
      tuple = entry(block, 0);
    } else {
      tuple = index(block, row);
      if (coding == Coding::kLocal) tuple = tuple < entries ? entry(block, tuple) : tuples;
    }
    return std::min(tuple, tuples);
  }
  [[nodiscard]] std::uint32_t entry(Bytes block, std::size_t index) const {
    const std::size_t at = dictionary() + (index << (wide ? 1 : 0));
    if (!wide) return static_cast<std::uint32_t>(block[at]);
    return load_unchecked<std::uint16_t>(block, at, ByteOrder::kLittle);
  }
  [[nodiscard]] std::uint32_t index(Bytes block, std::size_t row) const {
    if (index_log == 4) {
      return load_unchecked<std::uint16_t>(block, indices + row * 2, ByteOrder::kLittle);
    }
    const std::size_t bit = row << index_log;
    const auto byte = static_cast<std::uint32_t>(block[indices + (bit >> 3)]);
    return (byte >> (bit & 7)) & ((1U << (1U << index_log)) - 1);
  }
  /// Where the dictionary begins in the block.
  [[nodiscard]] std::size_t dictionary() const { return coding == Coding::kLocal ? 2 : 1; }
  /// Where the times begin.
  [[nodiscard]] std::size_t end(std::size_t rows) const {
    if (coding == Coding::kConstant) return dictionary() + (wide ? 2 : 1);
    return indices + index_bytes(rows, index_log);
  }
};

/// What finds a row of a block by few of its bytes, in one cache line: what the block's head says,
/// and how far behind its begin the rows kRows, 2 kRows, ... begin. For blocks whose rows tile,
/// with times in whole bytes.
struct alignas(64) BlockGuide {
  static constexpr std::size_t kRows = 8;
  static constexpr std::size_t kMarks = kBlockRows / kRows - 1;
  static constexpr unsigned kMarkBytes = 6;
  static constexpr unsigned kBelowMark = 64 - 8 * kMarkBytes;  ///< bits of other things
  static constexpr std::uint64_t kNever = (std::uint64_t{1} << (8 * kMarkBytes)) - 1;
  static constexpr std::uint8_t kNone = 0xff;  ///< as length_bytes: there is no guide

  std::int64_t begin_ns = 0;
  /// Of row kRows, 2 kRows, ...; kNever: there is no such row. All rows end before kNever.
  std::array<std::byte, kMarks * kMarkBytes> marks{};
  TupleCode tuples;
  std::uint16_t lengths = 0;  ///< where they begin in the block
  std::uint8_t rows = 0;
  std::uint8_t length_bytes = kNone;
  std::uint32_t offset = 0;  ///< of the block in the raw piece

  /// The bytes that end with those of a mark, as a number: the mark is its upper part.
  [[nodiscard]] std::uint64_t upper_mark(std::size_t index) const {
    static_assert(sizeof begin_ns >= kBelowMark / 8);  // lies before the marks
    const Bytes all = std::as_bytes(std::span(this, 1));
    return load_unchecked<std::uint64_t>(
        all, offsetof(BlockGuide, marks) - kBelowMark / 8 + index * kMarkBytes, ByteOrder::kLittle);
  }
};
static_assert(sizeof(BlockGuide) == 64 && kBlockRows <= 0xff);

/// The last block that begins at or before a time; nullptr when there is none.
[[nodiscard]] inline const BlockRef* block_at(std::span<const BlockRef> blocks,
                                              std::int64_t time_ns) {
  // Most runs have few blocks.
  constexpr std::size_t kFew = 8;
  std::size_t count = 0;
  if (blocks.size() <= kFew) {
    for (const BlockRef& block : blocks) count += block.begin_ns <= time_ns ? 1 : 0;
  } else {
    const auto after = std::ranges::upper_bound(blocks, time_ns, {}, &BlockRef::begin_ns);
    count = static_cast<std::size_t>(after - blocks.begin());
  }
  return count == 0 ? nullptr : &blocks[count - 1];
}

/// The blocks of one entity in a piece.
struct RunRef {
  EntityId entity = 0;
  std::uint32_t first = 0;
  std::uint32_t blocks = 0;
};

class Piece final : public Cached {
 public:
  /// `raw` is followed by kPackSlack bytes. `values` are those of the table's drawn columns, each
  /// in ascending order; a tuple with another one gets kNoNumber.
  [[nodiscard]] static Result<std::shared_ptr<const Piece>> parse(std::vector<std::byte> raw,
                                                                  TableId table,
                                                                  const DrawnValues& values);
  /// The entity's blocks in time order; empty when it has none here.
  [[nodiscard]] std::span<const BlockRef> blocks_of(EntityId entity) const;
  [[nodiscard]] std::span<const BlockRef> blocks_of(const RunRef& run) const {
    return std::span(blocks_).subspan(run.first, run.blocks);
  }
  [[nodiscard]] std::span<const RunRef> runs() const { return runs_; }
  [[nodiscard]] std::span<const BlockRef> blocks() const { return blocks_; }
  /// The latest end in a block, in tables whose rows overlap.
  [[nodiscard]] std::int64_t end_of(const BlockRef& block) const {
    return ends_[static_cast<std::size_t>(&block - blocks_.data())];
  }
  /// Of all blocks; nothing where these have so few rows that it would not pay. Made when they are
  /// first asked for, which takes less than the piece's reading. They are not in memory_bytes(): of
  /// the pieces in a cache few are asked, and they take at most eight bytes per row.
  [[nodiscard]] std::span<const BlockGuide> guides() const;
  [[nodiscard]] const TableLayout& layout() const { return *layout_; }
  [[nodiscard]] Bytes bytes_of(const BlockRef& block) const {
    return Bytes(raw_).subspan(block.offset, block.size);
  }
  /// All bytes, the slack included.
  [[nodiscard]] Bytes raw() const { return raw_; }
  [[nodiscard]] std::size_t tuple_count() const { return tuple_count_; }
  /// The value slots of all tuples, one after the other.
  [[nodiscard]] std::span<const std::int64_t> tuples() const { return tuples_; }
  /// All value slots of a tuple; number slots hold NULL.
  [[nodiscard]] std::span<const std::int64_t> tuple(std::size_t index) const {
    return std::span(tuples_).subspan(index * layout_->values, layout_->values);
  }
  /// Position of each tuple's value in the drawn column's list of values.
  [[nodiscard]] const std::uint8_t* value_numbers(std::size_t drawn) const {
    return &numbers_[drawn * tuple_count_];
  }
  [[nodiscard]] std::size_t memory_bytes() const override;

 private:
  [[nodiscard]] bool parse_dictionary(VarReader& in);
  [[nodiscard]] bool parse_directory(VarReader& in);
  [[nodiscard]] bool parse_run(VarReader& in, std::int64_t base_ns, EntityId entity);
  void number_values(std::size_t slot, std::span<const std::int64_t> values);

  const TableLayout* layout_ = nullptr;
  std::vector<std::byte> raw_;
  std::vector<std::int64_t> tuples_;
  std::vector<std::uint8_t> numbers_;  ///< by drawn column and tuple
  std::size_t tuple_count_ = 0;
  std::vector<RunRef> runs_;  ///< entities ascend
  std::vector<BlockRef> blocks_;
  std::vector<std::int64_t> ends_;  ///< by block; only in tables whose rows overlap
  mutable std::once_flag guides_once_;
  mutable std::vector<BlockGuide> guides_;  ///< by block
};

}  // namespace vs::history
