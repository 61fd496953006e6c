#pragma once
// One block of a rows piece: up to kBlockRows rows of one entity, decoded where a query needs them.
//
// A Block is the parsed head of a block: any row's tuple costs a load, all times about a nanosecond
// each. BlockCursor walks the rows.
//
// Errors: open() and the decoders tell by ok() that the bytes break the format. Ownership: views of
// a Piece, which must outlive them. Threads: values.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "history/bitpack.h"
#include "history/piece.h"
#include "history/varint.h"

namespace vs::history {

/// The times of a block's rows.
struct BlockTimes {
  std::array<std::int64_t, kBlockRows> begin_ns;
  std::array<std::int64_t, kBlockRows> end_ns;
};

/// Where a row was looked for.
struct RowHit {
  std::size_t row = 0;  ///< the block's number of rows when none holds
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  bool gap = false;  ///< none holds, and a later row of the block says that none ever will
};

/// Some rows of a block, the wanted one among them, or none.
struct TilePlace {
  std::size_t row = 0;      ///< the first of them
  std::uint64_t begin = 0;  ///< ns behind the block's begin
};

/// The BlockGuide::kRows rows, or the last ones, that have the row `ahead` ns behind the begin.
[[nodiscard]] inline TilePlace place_in(const BlockGuide& guide, std::uint64_t ahead) {
  // What lies below the marks must not make a difference.
  const std::uint64_t most =
      ((std::min(ahead, BlockGuide::kNever - 1) + 1) << BlockGuide::kBelowMark) - 1;
  std::size_t passed = 0;
  for (std::size_t k = 0; k < BlockGuide::kMarks; ++k) {
    passed += guide.upper_mark(k) <= most ? 1U : 0U;
  }
  const std::uint64_t begin = guide.upper_mark(passed - 1) >> BlockGuide::kBelowMark;
  return {passed * BlockGuide::kRows, passed == 0 ? 0 : begin};
}

/// Finds the row that holds at a time in a block with a guide, from the place that this tells.
/// `at`: the lengths of the place's rows, with the slack behind all of them. Without a branch that
/// depends on the data, so rows are looked at that are not there: they come last and change
/// nothing.
[[nodiscard]] inline RowHit find_guided(const std::byte* at, const BlockGuide& guide,
                                        const TilePlace& place, std::uint64_t ahead) {
  constexpr std::size_t kHalf = BlockGuide::kRows / 2;
  const std::size_t width = guide.length_bytes;
  const std::uint64_t mask = (std::uint64_t{1} << (8 * width)) - 1;
  const auto length = [mask](const std::byte* from) {
    return load_unchecked<std::uint64_t>(Bytes(from, 8), 0, ByteOrder::kLittle) & mask;
  };
  std::uint64_t half = 0;
  for (std::size_t k = 0; k < kHalf; ++k) half += length(at + k * width);
  const std::uint64_t second = place.begin + half <= ahead ? ~std::uint64_t{0} : 0;  // a mask
  at += second & (kHalf * width);
  std::array<std::uint64_t, kHalf + 1> ends;
  ends[0] = place.begin + (second & half);
  std::size_t passed = 0;
  for (std::size_t k = 0; k < kHalf; ++k) {
    ends[k + 1] = ends[k] + length(at + k * width);
    passed += ends[k + 1] <= ahead ? 1U : 0U;
  }
  const std::size_t row = place.row + (second & kHalf) + passed;
  if (row >= guide.rows) return {guide.rows};
  // A mark behind kRows rows that all end in time would have been passed.
  return {row, guide.begin_ns + static_cast<std::int64_t>(ends[passed]),
          guide.begin_ns + static_cast<std::int64_t>(ends[passed + 1])};
}

class Block {
 public:
  Block() = default;
  Block(const Piece& piece, const BlockRef& block) { open(piece, block); }
  void open(const Piece& piece, const BlockRef& block);

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// Decodes all times; false when they leave the range or go back in time.
  [[nodiscard]] bool decode(BlockTimes& out) const;
  /// Finds the row that holds at a time (begin <= time < end) in a table whose rows do not overlap.
  /// ok() tells whether the bytes were good. Requires block.begin_ns <= time.
  [[nodiscard]] RowHit find(std::int64_t time_ns);
  /// Of this block, which `offset` bytes of the raw piece lie before.
  [[nodiscard]] BlockGuide guide(std::uint32_t offset) const;
  /// The tuple of a row, smaller than the piece's tuple_count(); that number when the bytes are
  /// broken.
  [[nodiscard]] std::uint32_t tuple(std::size_t row) const {
    return code_.tuple(bytes_, row, tuples_);
  }
  /// The values of a drawn column in all rows, as numbers of its list; false when the bytes are
  /// broken.
  [[nodiscard]] bool values(std::size_t drawn, std::span<std::uint8_t, kBlockRows> out) const;
  /// What the number columns have.
  [[nodiscard]] Bytes numbers() const { return bytes_.subspan(numbers_); }

 private:
  [[nodiscard]] std::size_t open_tuples(unsigned mode);
  [[nodiscard]] std::size_t open_times(std::size_t at);
  [[nodiscard]] bool decode_packed(BlockTimes& out) const;
  [[nodiscard]] bool decode_varints(BlockTimes& out) const;
  [[nodiscard]] RowHit find_decoded(std::int64_t time_ns);

  const Piece* piece_ = nullptr;
  Bytes bytes_;
  std::int64_t begin_ns_ = 0;
  std::uint32_t rows_ = 0;
  std::uint32_t tuples_ = 0;  ///< of the piece
  bool ok_ = false;
  bool tiled_ = false;
  bool varints_ = false;
  TupleCode code_;
  unsigned length_bytes_ = 0;
  unsigned gap_bytes_ = 0;
  // Where the parts begin in bytes_.
  std::size_t lengths_ = 0;
  std::size_t gaps_ = 0;
  std::size_t numbers_ = 0;
};

/// The values of a block's rows.
class RowValues {
 public:
  /// The values of a row, valid until the next call; rows must not go back. Empty when the bytes
  /// are broken.
  [[nodiscard]] std::span<const std::int64_t> of(const Piece& piece, const Block& block,
                                                 std::size_t row);
  /// Another block follows.
  void restart() { open_ = false; }

 private:
  struct Number {
    VarReader in;
    std::int64_t value = 0;
    bool constant = true;
  };
  [[nodiscard]] bool open(const Piece& piece, const Block& block);

  bool open_ = false;
  /// Only for tables with number columns: most have none, and a cursor must cost little.
  struct Numbers {
    std::size_t rows_read = 0;
    std::array<Number, kMaxValues> columns;
    std::array<std::int64_t, kMaxValues> values;
  };
  std::unique_ptr<Numbers> numbers_;
};

/// Walks the rows of one block.
class BlockCursor {
 public:
  void open(const Piece& piece, const BlockRef& block) {
    piece_ = &piece;
    block_.open(piece, block);
    values_.restart();
    ok_ = block_.ok() && block_.decode(times_);
    next_ = 0;
  }
  /// Moves to the next row; false at the end or when the bytes are broken (then !ok()).
  [[nodiscard]] bool next() {
    if (!ok_ || next_ >= block_.rows()) return false;
    ++next_;
    return true;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::int64_t begin_ns() const { return times_.begin_ns[next_ - 1]; }
  [[nodiscard]] std::int64_t end_ns() const { return times_.end_ns[next_ - 1]; }
  /// The current row's values, valid until the next call. Empty when the bytes are broken (!ok()).
  [[nodiscard]] std::span<const std::int64_t> values() {
    const auto values = values_.of(*piece_, block_, next_ - 1);
    ok_ = ok_ && !values.empty();
    return values;
  }

 private:
  const Piece* piece_ = nullptr;
  Block block_;
  RowValues values_;
  std::size_t next_ = 0;
  bool ok_ = true;
  BlockTimes times_;
};

}  // namespace vs::history
