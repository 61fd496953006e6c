#include "history/piece.h"

#include <algorithm>

#include "history/index.h"

namespace vs::history {
namespace {

bool in_range(std::int64_t time_ns) { return time_ns >= -kTimeLimit && time_ns <= kTimeLimit; }

std::int64_t wrapping_add(std::int64_t a, std::uint64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
}

}  // namespace

Result<std::shared_ptr<const Piece>> Piece::parse(std::vector<std::byte> raw, TableId table,
                                                  const DrawnValues& values) {
  auto piece = std::make_shared<Piece>();
  piece->layout_ = &layout_of(table);
  piece->raw_ = std::move(raw);
  VarReader in(Bytes(piece->raw_).first(piece->raw_.size() - kPackSlack));
  if (piece->layout_->values == 0 || !piece->parse_dictionary(in) || !piece->parse_directory(in)) {
    return Error{ErrorCode::kMalformed, "a piece of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  const auto& drawn = piece->layout_->drawn_slots;
  piece->numbers_.reserve(drawn.size() * piece->tuple_count_);
  for (std::size_t i = 0; i < drawn.size(); ++i) piece->number_values(drawn[i], values[i]);
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
  const std::size_t size = raw_.size() - kPackSlack;
  std::size_t end = payload;
  for (BlockRef& block : blocks_) {
    block.offset += static_cast<std::uint32_t>(payload);
    end = std::size_t{block.offset} + block.size;
    if (end > size) return false;
  }
  return end == size;
}

bool Piece::parse_run(VarReader& in, std::int64_t base_ns, EntityId entity) {
  std::size_t rows = static_cast<std::size_t>(in.varint_up_to(kPieceRows));
  std::int64_t begin_ns = wrapping_add(base_ns, static_cast<std::uint64_t>(in.signed_varint()));
  if (!in.ok() || rows == 0) return false;
  RunRef run{entity, static_cast<std::uint32_t>(blocks_.size()), 0};
  for (bool first = true; rows != 0; first = false) {
    const std::uint64_t size = in.varint_up_to(std::min<std::uint64_t>(raw_.size(), 0xffff));
    const std::int64_t previous_ns = begin_ns;
    if (!first) begin_ns = wrapping_add(begin_ns, in.varint());
    if (layout_->overlaps) ends_.push_back(wrapping_add(begin_ns, in.varint()));
    const std::size_t count = std::min(rows, kBlockRows);
    const std::uint32_t offset = blocks_.empty() ? 0 : blocks_.back().offset + blocks_.back().size;
    if (!in.ok() || !in_range(begin_ns) || begin_ns < previous_ns || size == 0 ||
        offset > raw_.size()) {
      return false;
    }
    blocks_.push_back(BlockRef{begin_ns, offset, static_cast<std::uint16_t>(size),
                               static_cast<std::uint16_t>(count)});
    ++run.blocks;
    rows -= count;
  }
  runs_.push_back(run);
  return true;
}

void Piece::number_values(std::size_t slot, std::span<const std::int64_t> values) {
  for (std::size_t i = 0; i < tuple_count_; ++i) {
    const std::int64_t value = tuples_[i * layout_->values + slot];
    const auto found = std::lower_bound(values.begin(), values.end(), value);
    const bool known = found != values.end() && *found == value;
    numbers_.push_back(known ? static_cast<std::uint8_t>(found - values.begin()) : kNoNumber);
  }
}

std::span<const BlockRef> Piece::blocks_of(EntityId entity) const {
  const std::size_t run = find_run(std::span<const RunRef>(runs_), entity);
  if (run == runs_.size()) return {};
  return blocks_of(runs_[run]);
}

std::size_t Piece::memory_bytes() const {
  return sizeof(Piece) + raw_.capacity() + numbers_.capacity() +
         tuples_.capacity() * sizeof(std::int64_t) + blocks_.capacity() * sizeof(BlockRef) +
         ends_.capacity() * sizeof(std::int64_t) + runs_.capacity() * sizeof(RunRef);
}

}  // namespace vs::history
