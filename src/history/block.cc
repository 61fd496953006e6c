#include "history/block.h"

#include <algorithm>
#include <utility>

namespace vs::history {
namespace {

std::int64_t plus(std::int64_t time_ns, std::uint64_t more) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time_ns) + more);
}

/// Finds the first row whose end is more than `ahead` behind the begin of the block. What is left
/// is summed by halves and passed without a branch that depends on the data: a processor would
/// guess each of them wrong half the time, for longer than the sums take.
template <std::size_t kBytes>
class TileSearch {
 public:
  TileSearch(Bytes lengths, std::size_t rows, const TilePlace& from, std::uint64_t ahead)
      : lengths_(lengths), rows_(rows), ahead_(ahead), at_(from) {}

  /// Goes over `count` rows when they all end in time.
  void pass(std::size_t count) {
    if (at_.row + count > rows_) return;
    std::uint64_t sum = at_.begin;
    for (std::size_t k = 0; k < count; ++k) sum += length(at_.row + k);
    const bool passed = sum <= ahead_;
    at_.row += passed ? count : 0;
    at_.begin = passed ? sum : at_.begin;
  }
  /// The same, row by row.
  void pass_each(std::size_t most) {
    const std::size_t last = std::min(rows_, at_.row + most);
    std::uint64_t end = at_.begin;
    for (std::size_t i = at_.row; i < last; ++i) {
      end += length(i);
      const bool passed = end <= ahead_;
      at_.row += passed ? 1 : 0;
      at_.begin = passed ? end : at_.begin;
    }
  }
  [[nodiscard]] const TilePlace& at() const { return at_; }

 private:
  [[nodiscard]] std::uint64_t length(std::size_t row) const {
    return packed_at(lengths_, row, static_cast<unsigned>(kBytes));
  }
  Bytes lengths_;
  std::size_t rows_;
  std::uint64_t ahead_;
  TilePlace at_;
};

constexpr std::size_t kEach = 8;  ///< rows that are looked at one by one
static_assert(kBlockRows == 8 * kEach);

template <std::size_t kBytes>
TilePlace find_tile(Bytes lengths, std::size_t rows, const TilePlace& from, std::uint64_t ahead) {
  TileSearch<kBytes> search(lengths, rows, from, ahead);
  search.pass(kEach);
  search.pass_each(kEach);
  return search.at();
}

/// The quarter of the block that has the row.
template <std::size_t kBytes>
TilePlace narrow_tile(Bytes lengths, std::size_t rows, std::uint64_t ahead) {
  TileSearch<kBytes> search(lengths, rows, {}, ahead);
  search.pass(kBlockRows / 2);
  search.pass(kBlockRows / 4);
  return search.at();
}

using Widths = std::make_index_sequence<kMaxPackedBytes + 1>;
constexpr auto kFinders = []<std::size_t... kBytes>(std::index_sequence<kBytes...>) {
  return std::array{&find_tile<kBytes>...};
}
(Widths());
constexpr auto kNarrowers = []<std::size_t... kBytes>(std::index_sequence<kBytes...>) {
  return std::array{&narrow_tile<kBytes>...};
}
(Widths());
void pack_marks(std::span<const std::uint64_t, BlockGuide::kMarks> marks, BlockGuide& guide) {
  std::array<std::byte, sizeof guide.marks + 8> room{};
  pack(marks, BlockGuide::kMarkBytes, room);
  std::copy_n(room.begin(), guide.marks.size(), guide.marks.begin());
}

std::uint64_t ns_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<std::uint64_t>(to_ns) - static_cast<std::uint64_t>(from_ns);
}

}  // namespace

void Block::open(const Piece& piece, const BlockRef& block) {
  piece_ = &piece;
  bytes_ = piece.bytes_of(block);
  begin_ns_ = block.begin_ns;
  rows_ = block.rows;
  tuples_ = static_cast<std::uint32_t>(piece.tuple_count());
  const auto mode = static_cast<unsigned>(bytes_[0]);  // no block is empty
  tiled_ = (mode & kBlockTiled) != 0;
  varints_ = (mode & kBlockVarints) != 0;
  ok_ = !tiled_ || !piece.layout().overlaps;
  numbers_ = open_times(open_tuples(mode));
  if (numbers_ > bytes_.size()) ok_ = false;
  if (!ok_) rows_ = 0;
}

std::size_t Block::open_tuples(unsigned mode) {
  code_.wide = (mode & kBlockWide) != 0;
  code_.index_log = (mode >> 3) & 7;
  code_.coding = static_cast<Coding>((mode >> 1) & 3);
  const bool local = code_.coding == Coding::kLocal;
  if (code_.coding > Coding::kDirect || code_.index_log > (local ? 3U : 4U)) ok_ = false;
  code_.entries = local && bytes_.size() > 1 ? static_cast<std::uint8_t>(bytes_[1]) : 0;
  const std::size_t dictionary_bytes = std::size_t{code_.entries} << (code_.wide ? 1 : 0);
  code_.indices = static_cast<std::uint16_t>(code_.dictionary() + dictionary_bytes);
  return code_.end(rows_);
}

std::size_t Block::open_times(std::size_t at) {
  // The slack behind a piece makes these loads safe, whatever `at` is: it is compared first.
  if (!ok_ || at + 2 > bytes_.size()) {
    ok_ = false;
    return at;
  }
  if (varints_) {
    lengths_ = at + 2;
    return lengths_ + load_unchecked<std::uint16_t>(bytes_, at, ByteOrder::kLittle);
  }
  length_bytes_ = static_cast<unsigned>(bytes_[at++]);
  gap_bytes_ = tiled_ ? 0 : static_cast<unsigned>(bytes_[at++]);
  if (length_bytes_ > kMaxPackedBytes || gap_bytes_ > kMaxPackedBytes) ok_ = false;
  lengths_ = at;
  gaps_ = lengths_ + std::size_t{rows_} * length_bytes_;
  return gaps_ + (tiled_ ? 0 : std::size_t{rows_ - 1} * gap_bytes_);
}

bool Block::decode(BlockTimes& out) const {
  return varints_ ? decode_varints(out) : decode_packed(out);
}

// Lengths and gaps have at most kMaxPackedBytes, so these sums cannot wrap: only the last one has
// to be compared.
bool Block::decode_packed(BlockTimes& out) const {
  const Bytes lengths = bytes_.subspan(lengths_);
  std::int64_t end_ns = begin_ns_;
  if (tiled_) {
    for (std::size_t i = 0; i < rows_; ++i) {
      out.begin_ns[i] = end_ns;
      end_ns = plus(end_ns, packed_at(lengths, i, length_bytes_));
      out.end_ns[i] = end_ns;
    }
    return end_ns <= kTimeLimit;
  }
  const Bytes gaps = bytes_.subspan(gaps_);
  const bool overlaps = piece_->layout().overlaps;
  std::int64_t begin_ns = begin_ns_;
  for (std::size_t i = 0; i < rows_; ++i) {
    if (i != 0) begin_ns = plus(overlaps ? begin_ns : end_ns, packed_at(gaps, i - 1, gap_bytes_));
    end_ns = plus(begin_ns, packed_at(lengths, i, length_bytes_));
    out.begin_ns[i] = begin_ns;
    out.end_ns[i] = end_ns;
    if (overlaps && end_ns > kTimeLimit) return false;
  }
  return end_ns <= kTimeLimit;
}

bool Block::decode_varints(BlockTimes& out) const {
  VarReader in(bytes_.subspan(lengths_, numbers_ - lengths_));
  const bool overlaps = piece_->layout().overlaps;
  std::int64_t begin_ns = begin_ns_;
  std::int64_t end_ns = begin_ns_;
  for (std::size_t i = 0; i < rows_; ++i) {
    const std::int64_t from = overlaps ? begin_ns : end_ns;
    begin_ns = tiled_ || i == 0 ? from : plus(from, in.varint());
    end_ns = plus(begin_ns, in.varint());
    // Sums that wrapped go back in time or leave the range.
    if (!in.ok() || begin_ns < from || end_ns < begin_ns || end_ns > kTimeLimit) return false;
    out.begin_ns[i] = begin_ns;
    out.end_ns[i] = end_ns;
  }
  return true;
}

RowHit Block::find_decoded(std::int64_t time_ns) {
  RowHit hit{rows_};
  BlockTimes times;
  if (!ok_ || !decode(times)) {
    ok_ = false;
    return hit;
  }
  // From behind: of several rows that hold, the one that began last.
  for (std::size_t i = rows_; i-- > 0;) {
    if (times.begin_ns[i] > time_ns) continue;
    if (times.end_ns[i] > time_ns) return {i, times.begin_ns[i], times.end_ns[i]};
  }
  hit.gap = rows_ != 0 && times.begin_ns[rows_ - 1] > time_ns;
  return hit;
}

RowHit Block::find(std::int64_t time_ns) {
  if (!tiled_ || varints_ || !ok_) return find_decoded(time_ns);
  const Bytes lengths = bytes_.subspan(lengths_);
  const std::uint64_t ahead = ns_between(begin_ns_, time_ns);
  const TilePlace from = kNarrowers[length_bytes_](lengths, rows_, ahead);
  const TilePlace at = kFinders[length_bytes_](lengths, rows_, from, ahead);
  if (at.row == rows_) return {rows_};
  const std::int64_t begin_ns = plus(begin_ns_, at.begin);
  const std::int64_t end_ns = plus(begin_ns, packed_at(lengths, at.row, length_bytes_));
  if (end_ns > kTimeLimit) ok_ = false;
  return {at.row, begin_ns, end_ns};
}

BlockGuide Block::guide(std::uint32_t offset) const {
  BlockGuide guide;
  if (!tiled_ || varints_ || !ok_) return guide;
  const Bytes lengths = bytes_.subspan(lengths_);
  std::array<std::uint64_t, BlockGuide::kMarks> marks;
  marks.fill(BlockGuide::kNever);
  std::uint64_t end = 0;
  for (std::size_t row = 0; row < rows_; ++row) {
    if (row != 0 && row % BlockGuide::kRows == 0) marks[row / BlockGuide::kRows - 1] = end;
    end += packed_at(lengths, row, length_bytes_);
  }
  // Nothing is left to compare when a row is found: no end lies beyond the limit.
  if (end >= BlockGuide::kNever || plus(begin_ns_, end) > kTimeLimit) return guide;
  pack_marks(marks, guide);
  guide.begin_ns = begin_ns_;
  guide.tuples = code_;
  guide.lengths = static_cast<std::uint16_t>(lengths_);
  guide.rows = static_cast<std::uint8_t>(rows_);
  guide.length_bytes = static_cast<std::uint8_t>(length_bytes_);
  guide.offset = offset;
  return guide;
}

std::span<const BlockGuide> Piece::guides() const {
  std::call_once(guides_once_, [this] {
    std::size_t rows = 0;
    for (const BlockRef& block : blocks_) rows += block.rows;
    if (rows < blocks_.size() * BlockGuide::kRows) return;
    guides_.reserve(blocks_.size());
    for (const BlockRef& block : blocks_) {
      guides_.push_back(Block(*this, block).guide(block.offset));
    }
  });
  return guides_;
}

bool Block::values(std::size_t drawn, std::span<std::uint8_t, kBlockRows> out) const {
  const std::uint8_t* const numbers = piece_->value_numbers(drawn);
  const Bytes bytes = bytes_;
  const TupleCode code = code_;  // bytes that are written could be its own
  if (code.coding == Coding::kDirect) {
    for (std::size_t i = 0; i < rows_; ++i) {
      const std::uint32_t tuple = code.index(bytes, i);
      if (tuple >= tuples_) return false;
      out[i] = numbers[tuple];
    }
    return true;
  }
  // Those of the block's own dictionary first.
  const std::size_t entries = code.coding == Coding::kConstant ? 1 : code.entries;
  std::array<std::uint8_t, 256> local;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::uint32_t tuple = code.entry(bytes, i);
    if (tuple >= tuples_) return false;
    local[i] = numbers[tuple];
  }
  if (code.coding == Coding::kConstant) {
    std::fill_n(out.begin(), rows_, local[0]);
    return true;
  }
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < rows_; ++i) {
    const std::uint32_t number = code.index(bytes, i);  // at most 8 bits
    most = std::max(most, number);
    out[i] = local[number];
  }
  return most < entries;
}

bool RowValues::open(const Piece& piece, const Block& block) {
  const std::size_t columns = piece.layout().number_slots.size();
  if (numbers_ == nullptr) numbers_ = std::make_unique<Numbers>();
  numbers_->rows_read = 0;
  VarReader in(block.numbers());
  for (std::size_t c = 0; c < columns; ++c) {
    Number& number = numbers_->columns[c];
    const std::size_t size = in.count();
    number.constant = size == 0;
    if (size == 0) {
      number.value = in.value();
    } else {
      number.in = VarReader(in.bytes(size));
    }
  }
  open_ = in.ok();
  return open_;
}

std::span<const std::int64_t> RowValues::of(const Piece& piece, const Block& block,
                                            std::size_t row) {
  const std::uint32_t tuple = block.tuple(row);
  if (tuple >= piece.tuple_count()) return {};
  const std::span<const std::int64_t> fixed = piece.tuple(tuple);
  const TableLayout& layout = piece.layout();
  if (layout.number_slots.empty()) return fixed;
  if (!open_ && !open(piece, block)) return {};
  std::copy(fixed.begin(), fixed.end(), numbers_->values.begin());
  for (std::size_t c = 0; c < layout.number_slots.size(); ++c) {
    Number& number = numbers_->columns[c];
    if (!number.constant) {
      for (std::size_t i = numbers_->rows_read; i <= row; ++i) number.value = number.in.value();
      if (!number.in.ok()) return {};
    }
    numbers_->values[layout.number_slots[c]] = number.value;
  }
  numbers_->rows_read = row + 1;
  return std::span(numbers_->values).first(layout.values);
}

}  // namespace vs::history
