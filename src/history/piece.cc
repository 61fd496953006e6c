#include "history/piece.h"

#include <algorithm>

namespace vs::history {
namespace {

bool in_range(std::int64_t time_ns) { return time_ns >= -kTimeLimit && time_ns <= kTimeLimit; }

std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace

Result<std::shared_ptr<const Piece>> Piece::parse(std::vector<std::byte> raw, TableId table) {
  auto piece = std::make_shared<Piece>();
  piece->layout_ = &layout_of(table);
  piece->raw_ = std::move(raw);
  VarReader in(piece->raw_);
  if (piece->layout_->values == 0 || !piece->parse_dictionary(in) || !piece->parse_directory(in)) {
    return Error{ErrorCode::kMalformed, "a piece of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  return std::shared_ptr<const Piece>(std::move(piece));
}

bool Piece::parse_dictionary(VarReader& in) {
  tuple_count_ = static_cast<std::size_t>(in.varint_up_to(kPieceRows));
  if (!in.ok() || tuple_count_ == 0) return false;
  const std::size_t width = layout_->values;
  tuples_.assign(tuple_count_ * width, model::kNull);
  for (const std::uint8_t slot : layout_->tuple_slots) {
    const std::uint8_t mode = in.u8();
    if (mode > 1) return false;
    const std::int64_t constant = mode == 0 ? in.value() : 0;
    for (std::size_t i = 0; i < tuple_count_ && in.ok(); ++i) {
      tuples_[i * width + slot] = mode == 0 ? constant : in.value();
    }
  }
  return in.ok();
}

bool Piece::parse_directory(VarReader& in) {
  const std::size_t runs = in.count();
  const std::int64_t base_ns = in.signed_varint();
  EntityId entity = 0;
  for (std::size_t i = 0; i < runs; ++i) {
    const std::uint64_t step = in.varint_up_to(kMaxEntities - entity);
    if (!in.ok() || (i != 0 && step == 0)) return false;
    entity += static_cast<EntityId>(step);
    if (!parse_run(in, base_ns, entity)) return false;
  }
  // Block offsets were counted from 0; the payload begins where the directory ends.
  const std::size_t payload = in.offset();
  std::size_t end = payload;
  for (BlockRef& block : blocks_) {
    block.offset += static_cast<std::uint32_t>(payload);
    end = std::size_t{block.offset} + block.size;
    if (end > raw_.size()) return false;
  }
  return end == raw_.size();
}

bool Piece::parse_run(VarReader& in, std::int64_t base_ns, EntityId entity) {
  std::size_t rows = static_cast<std::size_t>(in.varint_up_to(kPieceRows));
  std::int64_t begin_ns = wrapping_add(base_ns, in.signed_varint());
  if (!in.ok() || rows == 0) return false;
  for (bool first = true; rows != 0; first = false) {
    const std::uint64_t size = in.varint_up_to(raw_.size());
    if (!first) begin_ns = wrapping_add(begin_ns, static_cast<std::int64_t>(in.varint()));
    const std::size_t count = std::min(rows, kBlockRows);
    const std::uint32_t offset = blocks_.empty() ? 0 : blocks_.back().offset + blocks_.back().size;
    // Every row has at least one byte, so what the blocks declare is bounded by what is there.
    if (!in.ok() || !in_range(begin_ns) || size < count || offset > raw_.size()) return false;
    blocks_.push_back(BlockRef{begin_ns, entity, offset, static_cast<std::uint32_t>(size),
                               static_cast<std::uint32_t>(count)});
    rows -= count;
  }
  return true;
}

std::span<const BlockRef> Piece::blocks_of(EntityId entity) const {
  const auto first = std::lower_bound(
      blocks_.begin(), blocks_.end(), entity,
      [](const BlockRef& block, EntityId wanted) { return block.entity < wanted; });
  auto last = first;
  while (last != blocks_.end() && last->entity == entity) ++last;
  return {first, last};
}

std::size_t Piece::memory_bytes() const {
  return sizeof(Piece) + raw_.capacity() + tuples_.capacity() * sizeof(std::int64_t) +
         blocks_.capacity() * sizeof(BlockRef);
}

void BlockCursor::open(const Piece& piece, const BlockRef& block) {
  piece_ = &piece;
  rows_ = block.rows;
  row_ = 0;
  ok_ = true;
  begin_ns_ = end_ns_ = block.begin_ns;
  const Bytes bytes = piece.bytes_of(block);
  VarReader in(bytes);
  const std::uint8_t mode = in.u8();
  tiled_ = (mode & 1) != 0;
  open_tuples(in, mode);
  open_numbers(in);
  times_ = VarReader(bytes, in.offset());
  if (!in.ok()) (void)stop();
}

void BlockCursor::open_tuples(VarReader& in, std::uint8_t mode) {
  const unsigned coding = (mode >> 1) & 3;
  width_ = mode >> 3;
  if (coding > 2 || width_ > 4) return in.fail();
  coding_ = static_cast<Coding>(coding);
  const std::uint64_t most = piece_->tuple_count() - 1;
  if (coding_ == Coding::kConstant) {
    constant_ = static_cast<std::uint32_t>(in.varint_up_to(most));
    return;
  }
  if (coding_ == Coding::kLocal) {
    const std::uint64_t count = in.varint_up_to(kBlockRows);
    for (std::size_t i = 0; i < count; ++i) {
      local_[i] = static_cast<std::uint32_t>(in.varint_up_to(most));
    }
    constant_ = static_cast<std::uint32_t>(count);  // indices at or beyond it are broken
    if (count == 0) return in.fail();
  }
  packed_ = in.bytes(((rows_ << width_) + 7) / 8);
}

void BlockCursor::open_numbers(VarReader& in) {
  const std::size_t columns = piece_->layout().number_slots.size();
  if (columns == 0) return;
  if (numbers_ == nullptr) numbers_ = std::make_unique<Numbers>();
  numbers_->rows_read = 0;
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
}

std::uint32_t BlockCursor::packed(std::size_t row) const {
  if (width_ == 4) return load_unchecked<std::uint16_t>(packed_, row * 2, ByteOrder::kLittle);
  const auto byte = static_cast<std::uint32_t>(packed_[(row << width_) >> 3]);
  const unsigned bits = 1U << width_;
  return (byte >> ((row << width_) & 7)) & ((1U << bits) - 1);
}

std::uint32_t BlockCursor::tuple() {
  if (coding_ == Coding::kConstant) return constant_;
  const std::uint32_t index = packed(row_ - 1);
  if (coding_ == Coding::kLocal && index < constant_) return local_[index];
  if (coding_ == Coding::kDirect && index < piece_->tuple_count()) return index;
  (void)stop();
  return 0;
}

std::span<const std::int64_t> BlockCursor::values() {
  const std::size_t row = row_;
  const std::span<const std::int64_t> fixed = piece_->tuple(tuple());
  const TableLayout& layout = piece_->layout();
  if (layout.number_slots.empty()) return fixed;
  std::copy(fixed.begin(), fixed.end(), numbers_->values.begin());
  for (std::size_t c = 0; c < layout.number_slots.size(); ++c) {
    Number& number = numbers_->columns[c];
    if (!number.constant) {
      for (std::size_t i = numbers_->rows_read; i < row; ++i) number.value = number.in.value();
      if (!number.in.ok()) (void)stop();
    }
    numbers_->values[layout.number_slots[c]] = number.value;
  }
  numbers_->rows_read = row;
  return std::span(numbers_->values).first(layout.values);
}

}  // namespace vs::history
