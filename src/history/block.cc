#include "history/block.h"

#include <algorithm>

namespace vs::history {
namespace {

constexpr std::size_t kStride = 8;  ///< rows that find() skips at once

std::int64_t plus(std::int64_t time_ns, std::uint64_t more) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time_ns) + more);
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
  wide_ = (mode & kBlockWide) != 0;
  ok_ = !tiled_ || !piece.layout().overlaps;
  numbers_ = open_times(open_tuples(mode));
  if (numbers_ > bytes_.size()) ok_ = false;
  if (!ok_) rows_ = 0;
}

std::size_t Block::open_tuples(unsigned mode) {
  const std::size_t entry_bytes = wide_ ? 2 : 1;
  index_log_ = (mode >> 3) & 7;
  coding_ = static_cast<Coding>((mode >> 1) & 3);
  if (coding_ > Coding::kDirect || index_log_ > (coding_ == Coding::kLocal ? 3U : 4U)) ok_ = false;
  dictionary_ = 1;
  if (coding_ == Coding::kConstant) {
    entries_ = 1;
    return dictionary_ + entry_bytes;
  }
  entries_ = 0;
  if (coding_ == Coding::kLocal) {
    entries_ = bytes_.size() > 1 ? static_cast<std::uint32_t>(bytes_[1]) : 0;
    dictionary_ = 2;
  }
  indices_ = dictionary_ + entries_ * entry_bytes;
  return indices_ + index_bytes(rows_, index_log_);
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

std::size_t Block::find(std::int64_t time_ns, std::int64_t& begin_ns, std::int64_t& end_ns) {
  if (!tiled_ || varints_) {
    BlockTimes times;
    if (!ok_ || !decode(times)) {
      ok_ = false;
      return rows_;
    }
    // From behind: of several rows that hold, the one that began last.
    for (std::size_t i = rows_; i-- > 0;) {
      if (times.begin_ns[i] > time_ns || times.end_ns[i] <= time_ns) continue;
      begin_ns = times.begin_ns[i];
      end_ns = times.end_ns[i];
      return i;
    }
    return rows_;
  }
  const Bytes lengths = bytes_.subspan(lengths_);
  std::int64_t at_ns = begin_ns_;
  std::size_t row = 0;
  for (; row + kStride <= rows_; row += kStride) {
    std::uint64_t sum = 0;  // eight loads that do not wait for each other
    for (std::size_t k = 0; k < kStride; ++k) sum += packed_at(lengths, row + k, length_bytes_);
    if (plus(at_ns, sum) > time_ns) break;
    at_ns = plus(at_ns, sum);
  }
  for (; row < rows_; ++row) {
    const std::int64_t next_ns = plus(at_ns, packed_at(lengths, row, length_bytes_));
    if (next_ns > time_ns) {
      begin_ns = at_ns;
      end_ns = next_ns;
      if (next_ns > kTimeLimit) ok_ = false;
      return ok_ && at_ns <= time_ns ? row : rows_;
    }
    at_ns = next_ns;
  }
  return rows_;
}

std::uint32_t Block::tuple(std::size_t row) const {
  std::uint32_t tuple = 0;
  if (coding_ == Coding::kConstant) {
    tuple = entry(0);
  } else {
    tuple = index(row);
    if (coding_ == Coding::kLocal) tuple = tuple < entries_ ? entry(tuple) : tuples_;
  }
  return std::min(tuple, tuples_);
}

bool Block::values(std::size_t drawn, std::span<std::uint8_t, kBlockRows> out) const {
  const std::uint8_t* const numbers = piece_->value_numbers(drawn);
  if (coding_ == Coding::kDirect) {
    for (std::size_t i = 0; i < rows_; ++i) {
      const std::uint32_t tuple = index(i);
      if (tuple >= tuples_) return false;
      out[i] = numbers[tuple];
    }
    return true;
  }
  // Those of the block's own dictionary first.
  std::array<std::uint8_t, 256> local;
  for (std::size_t i = 0; i < entries_; ++i) {
    const std::uint32_t tuple = entry(i);
    if (tuple >= tuples_) return false;
    local[i] = numbers[tuple];
  }
  if (coding_ == Coding::kConstant) {
    std::fill_n(out.begin(), rows_, local[0]);
    return true;
  }
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < rows_; ++i) {
    const std::uint32_t number = index(i);  // at most 8 bits
    most = std::max(most, number);
    out[i] = local[number];
  }
  return most < entries_;
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
