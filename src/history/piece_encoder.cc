#include <algorithm>

#include "history/piece.h"

namespace vs::history {
namespace {

/// log2 of the smallest power-of-two number of bits that holds values up to `most`.
unsigned width_for(std::uint32_t most) {
  unsigned width = 0;
  while (width < 4 && most >= (std::uint64_t{1} << (1U << width))) ++width;
  return width;
}

std::size_t packed_bytes(std::size_t rows, unsigned width) { return ((rows << width) + 7) / 8; }

void put_packed(ByteSink& out, std::span<const std::uint32_t> indices, unsigned width) {
  if (width == 4) {
    for (const std::uint32_t index : indices) {
      out.put_u8(static_cast<std::uint8_t>(index));
      out.put_u8(static_cast<std::uint8_t>(index >> 8));
    }
    return;
  }
  const unsigned per_byte = 8U >> width;
  for (std::size_t i = 0; i < indices.size(); i += per_byte) {
    unsigned byte = 0;
    for (std::size_t k = 0; k < per_byte && i + k < indices.size(); ++k) {
      byte |= indices[i + k] << (k << width);
    }
    out.put_u8(static_cast<std::uint8_t>(byte));
  }
}

}  // namespace

void PieceEncoder::start(TableId table, std::span<const std::int64_t> tuples,
                         std::span<const std::int64_t> numbers) {
  table_ = table;
  layout_ = &layout_of(table);
  slab_tuples_ = tuples;
  slab_numbers_ = numbers;
  const std::size_t width = std::max<std::size_t>(1, layout_->tuple_slots.size());
  local_of_.assign(tuples.size() / width + 1, 0);
  tuples_.clear();
  block_of_.clear();
  rows_ = runs_ = 0;
  last_entity_ = 0;
  base_ns_ = 0;
  directory_.clear();
  payload_.clear();
}

std::uint32_t PieceEncoder::local_tuple(std::uint32_t slab_tuple) {
  std::uint32_t& local = local_of_[slab_tuple];
  if (local == 0) {
    tuples_.push_back(slab_tuple);
    block_of_.push_back(0);
    local = static_cast<std::uint32_t>(tuples_.size());
  }
  return local - 1;
}

void PieceEncoder::add_run(EntityId entity, std::span<const SlabRow> rows) {
  if (runs_ == 0) base_ns_ = rows.front().begin_ns;
  directory_.put_varint(entity - last_entity_);
  directory_.put_varint(rows.size());
  directory_.put_signed(rows.front().begin_ns - base_ns_);
  last_entity_ = entity;
  ++runs_;
  rows_ += rows.size();
  std::int64_t previous_ns = rows.front().begin_ns;
  for (std::size_t at = 0; at < rows.size(); at += kBlockRows) {
    const auto block = rows.subspan(at, std::min(kBlockRows, rows.size() - at));
    const std::size_t before = payload_.size();
    add_block(block);
    directory_.put_varint(payload_.size() - before);
    if (at != 0) {
      directory_.put_varint(static_cast<std::uint64_t>(block.front().begin_ns - previous_ns));
    }
    previous_ns = block.front().begin_ns;
  }
}

void PieceEncoder::add_block(std::span<const SlabRow> rows) {
  bool tiled = true;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    tiled = tiled && rows[i].begin_ns == rows[i - 1].end_ns;
  }
  put_tuples(rows, tiled);
  put_numbers(rows);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!tiled && i != 0) {
      payload_.put_varint(static_cast<std::uint64_t>(rows[i].begin_ns - rows[i - 1].end_ns));
    }
    payload_.put_varint(static_cast<std::uint64_t>(rows[i].end_ns - rows[i].begin_ns));
  }
}

void PieceEncoder::put_tuples(std::span<const SlabRow> rows, bool tiled) {
  std::array<std::uint32_t, kBlockRows> direct{};
  std::array<std::uint32_t, kBlockRows> local{};
  std::array<std::uint32_t, kBlockRows> dictionary{};
  std::size_t distinct = 0;
  std::uint32_t most = 0;
  std::size_t dictionary_bytes = 1;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint32_t tuple = direct[i] = local_tuple(rows[i].tuple);
    std::uint16_t& index = block_of_[tuple];
    if (index == 0) {
      dictionary[distinct++] = tuple;
      index = static_cast<std::uint16_t>(distinct);
      dictionary_bytes += varint_size(tuple);
      most = std::max(most, tuple);
    }
    local[i] = index - 1U;
  }
  for (std::size_t i = 0; i < distinct; ++i) block_of_[dictionary[i]] = 0;

  const unsigned flag = tiled ? 1 : 0;
  if (distinct == 1) {
    payload_.put_u8(static_cast<std::uint8_t>(flag));
    payload_.put_varint(dictionary[0]);
    return;
  }
  const unsigned wide = width_for(most);
  const unsigned narrow = width_for(static_cast<std::uint32_t>(distinct - 1));
  const bool use_local =
      dictionary_bytes + packed_bytes(rows.size(), narrow) < packed_bytes(rows.size(), wide);
  const unsigned width = use_local ? narrow : wide;
  payload_.put_u8(static_cast<std::uint8_t>(flag | (use_local ? 1U : 2U) << 1 | width << 3));
  if (use_local) {
    payload_.put_varint(distinct);
    for (std::size_t i = 0; i < distinct; ++i) payload_.put_varint(dictionary[i]);
  }
  put_packed(payload_, std::span(use_local ? local : direct).first(rows.size()), width);
}

void PieceEncoder::put_numbers(std::span<const SlabRow> rows) {
  const std::size_t columns = layout_->number_slots.size();
  ByteSink column;
  for (std::size_t c = 0; c < columns; ++c) {
    const auto number = [&](const SlabRow& row) { return slab_numbers_[row.numbers + c]; };
    const std::int64_t first = number(rows.front());
    if (std::all_of(rows.begin(), rows.end(),
                    [&](const SlabRow& row) { return number(row) == first; })) {
      payload_.put_varint(0);
      payload_.put_value(first);
      continue;
    }
    column.clear();
    for (const SlabRow& row : rows) column.put_value(number(row));
    payload_.put_varint(column.size());
    payload_.put_bytes(column.bytes());
  }
}

void PieceEncoder::put_dictionary(ByteSink& out) const {
  const std::size_t width = layout_->tuple_slots.size();
  out.put_varint(tuples_.size());
  for (std::size_t c = 0; c < width; ++c) {
    const auto value = [&](std::uint32_t tuple) { return slab_tuples_[tuple * width + c]; };
    const std::int64_t first = value(tuples_.front());
    const bool constant = std::all_of(tuples_.begin(), tuples_.end(),
                                      [&](std::uint32_t tuple) { return value(tuple) == first; });
    out.put_u8(constant ? 0 : 1);
    if (constant) {
      out.put_value(first);
    } else {
      for (const std::uint32_t tuple : tuples_) out.put_value(value(tuple));
    }
  }
}

Bytes PieceEncoder::finish() {
  out_.clear();
  put_dictionary(out_);
  out_.put_varint(runs_);
  out_.put_signed(base_ns_);
  out_.put_bytes(directory_.bytes());
  out_.put_bytes(payload_.bytes());
  return out_.bytes();
}

}  // namespace vs::history
