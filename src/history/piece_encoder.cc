#include <algorithm>
#include <bit>

#include "history/bitpack.h"
#include "history/piece.h"

namespace vs::history {
namespace {

/// log2 of the smallest power-of-two number of bits that holds values up to `most`.
unsigned width_for(std::uint32_t most) {
  unsigned width = 0;
  while (width < 4 && most >= (std::uint64_t{1} << (1U << width))) ++width;
  return width;
}

/// When the largest of a block's times is so much longer than the mean, varints may be shorter.
constexpr unsigned kSkewBytes = 1;

unsigned bytes_for(std::uint64_t value) {
  return (static_cast<unsigned>(std::bit_width(value)) + 7) / 8;
}

}  // namespace

/// The times of a block as they are written.
struct PieceEncoder::Times {
  std::array<std::uint64_t, kBlockRows> lengths;
  std::array<std::uint64_t, kBlockRows>
      gaps;                   ///< before each row but the first; not where all are 0
  unsigned length_bytes = 0;  ///< of each
  unsigned gap_bytes = 0;
  std::int64_t last_ns = 0;  ///< the latest end

  /// Fills all but gap_bytes; the bits of all gaps.
  [[nodiscard]] std::uint64_t take(std::span<const SlabRow> rows) {
    std::uint64_t all_lengths = 0;
    std::uint64_t sum = 0;
    std::uint64_t* length = lengths.data();
    for (const SlabRow& row : rows) {
      const auto held = static_cast<std::uint64_t>(row.end_ns - row.begin_ns);
      *length++ = held;
      all_lengths |= held;
      sum += held;
    }
    length_bytes = bytes_for(all_lengths);
    last_ns = rows.back().end_ns;
    // Rows do not overlap: as long in all as from the first to the last, they have no gaps.
    if (sum == static_cast<std::uint64_t>(last_ns - rows.front().begin_ns)) return 0;
    std::uint64_t all_gaps = 0;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      gaps[i] = static_cast<std::uint64_t>(rows[i].begin_ns - rows[i - 1].end_ns);
      all_gaps |= gaps[i];
    }
    return all_gaps;
  }
  /// The same where gaps are from begin to begin.
  [[nodiscard]] std::uint64_t take_overlapping(std::span<const SlabRow> rows) {
    std::uint64_t all_lengths = 0;
    std::uint64_t all_gaps = 0;
    std::int64_t from_ns = rows.front().begin_ns;
    last_ns = from_ns;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      lengths[i] = static_cast<std::uint64_t>(rows[i].end_ns - rows[i].begin_ns);
      gaps[i] = static_cast<std::uint64_t>(rows[i].begin_ns - from_ns);
      all_lengths |= lengths[i];
      all_gaps |= gaps[i];
      last_ns = std::max(last_ns, rows[i].end_ns);
      from_ns = rows[i].begin_ns;
    }
    length_bytes = bytes_for(all_lengths);
    return all_gaps;
  }
};

void PieceEncoder::start(TableId table, std::span<const std::int64_t> tuples,
                         std::span<const std::int64_t> numbers) {
  table_ = table;
  layout_ = &layout_of(table);
  slab_tuples_ = tuples;
  slab_numbers_ = numbers;
  const std::size_t width = std::max<std::size_t>(1, layout_->tuple_slots.size());
  if (seen_.size() <= tuples.size() / width) seen_.resize(tuples.size() / width + 1);
  if (block_ > UINT32_MAX - kPieceRows) {
    std::ranges::fill(seen_, Seen{});
    block_ = 0;
  }
  piece_from_block_ = block_ + 1;
  tuples_.clear();
  rows_ = runs_ = 0;
  last_entity_ = 0;
  base_ns_ = 0;
  directory_.clear();
  payload_.clear();
}

std::uint16_t PieceEncoder::piece_tuple(std::uint32_t slab_tuple, const Seen& seen) {
  if (seen.block >= piece_from_block_) return seen.tuple;
  tuples_.push_back(slab_tuple);
  return static_cast<std::uint16_t>(tuples_.size() - 1);
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
    const std::int64_t last_ns = add_block(block);
    directory_.put_varint(payload_.size() - before);
    const std::int64_t begin_ns = block.front().begin_ns;
    if (at != 0) directory_.put_varint(static_cast<std::uint64_t>(begin_ns - previous_ns));
    if (layout_->overlaps) directory_.put_varint(static_cast<std::uint64_t>(last_ns - begin_ns));
    previous_ns = begin_ns;
  }
}

std::int64_t PieceEncoder::add_block(std::span<const SlabRow> rows) {
  Times times;
  const unsigned mode = measure(rows, times);
  put_tuples(rows, mode);
  put_times(times, rows.size(), mode);
  put_numbers(rows);
  return times.last_ns;
}

// The mode bits that say how the times are written.
unsigned PieceEncoder::measure(std::span<const SlabRow> rows, Times& times) const {
  const bool overlaps = layout_->overlaps;
  const std::uint64_t all_gaps = overlaps ? times.take_overlapping(rows) : times.take(rows);
  times.gap_bytes = bytes_for(all_gaps);
  unsigned mode = all_gaps == 0 && !overlaps ? kBlockTiled : 0;
  const auto mean = static_cast<std::uint64_t>(times.last_ns - rows.front().begin_ns) / rows.size();
  const unsigned widest = std::max(times.length_bytes, times.gap_bytes);
  if (widest <= kMaxPackedBytes && widest <= bytes_for(mean) + kSkewBytes) return mode;
  std::size_t varints = 2;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    varints += varint_size(times.lengths[i]);
    if (mode == 0 && i != 0) varints += varint_size(times.gaps[i]);
  }
  const std::size_t packed = 1 + rows.size() * times.length_bytes +
                             (mode != 0 ? 0 : 1 + (rows.size() - 1) * times.gap_bytes);
  if (widest > kMaxPackedBytes || varints + varints / 8 < packed) mode |= kBlockVarints;
  return mode;
}

void PieceEncoder::put_times(const Times& times, std::size_t rows, unsigned mode) {
  const std::span lengths = std::span(times.lengths).first(rows);
  const std::span gaps = std::span(times.gaps).first(rows).subspan(1);
  if ((mode & kBlockVarints) != 0) {
    scratch_.clear();
    for (std::size_t i = 0; i < rows; ++i) {
      if ((mode & kBlockTiled) == 0 && i != 0) scratch_.put_varint(times.gaps[i]);
      scratch_.put_varint(times.lengths[i]);
    }
    payload_.put_u8(static_cast<std::uint8_t>(scratch_.size()));
    payload_.put_u8(static_cast<std::uint8_t>(scratch_.size() >> 8));
    payload_.put_bytes(scratch_.bytes());
    return;
  }
  payload_.put_u8(static_cast<std::uint8_t>(times.length_bytes));
  if ((mode & kBlockTiled) == 0) payload_.put_u8(static_cast<std::uint8_t>(times.gap_bytes));
  put_array(lengths, times.length_bytes);
  if ((mode & kBlockTiled) == 0) put_array(gaps, times.gap_bytes);
}

void PieceEncoder::put_array(std::span<const std::uint64_t> values, unsigned width) {
  pack(values, width, payload_.room(values.size() * width));
  payload_.advance(values.size() * width);
}

void PieceEncoder::put_entries(std::span<const std::uint16_t> tuples, bool wide) {
  const std::size_t step = wide ? 2 : 1;
  const std::span<std::byte> out = payload_.room(step * tuples.size());
  std::size_t at = 0;
  // The upper byte of a narrow one is 0, and the next one takes its place.
  for (const std::uint16_t tuple : tuples) {
    out[at] = static_cast<std::byte>(tuple);
    out[at + 1] = static_cast<std::byte>(tuple >> 8);
    at += step;
  }
  payload_.advance(at);
}

// Numbers of tuples that need 16 bits each.
void PieceEncoder::put_wide_indices(std::span<const std::uint8_t> local,
                                    std::span<const std::uint16_t> dictionary) {
  std::span<std::byte> out = payload_.room(2 * local.size());
  for (std::size_t i = 0; i < local.size(); ++i) {
    const std::uint16_t tuple = dictionary[local[i]];
    out[2 * i] = static_cast<std::byte>(tuple);
    out[2 * i + 1] = static_cast<std::byte>(tuple >> 8);
  }
  payload_.advance(2 * local.size());
}

void PieceEncoder::put_tuples(std::span<const SlabRow> rows, unsigned mode) {
  std::array<std::uint8_t, kBlockRows> local;  // by row: place in the dictionary
  std::array<std::uint16_t, kBlockRows> dictionary;
  dictionary[0] = 0;
  std::size_t distinct = 0;
  const std::uint32_t block = ++block_;
  Seen* const all_seen = seen_.data();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Seen& seen = all_seen[rows[i].tuple];
    if (seen.block != block) {
      dictionary[distinct] = piece_tuple(rows[i].tuple, seen);
      seen = Seen{block, dictionary[distinct], static_cast<std::uint8_t>(distinct)};
      ++distinct;
    }
    local[i] = seen.index;
  }
  const auto tuples = std::span(dictionary).first(distinct);
  const std::uint32_t most = *std::ranges::max_element(tuples);
  const bool wide = most > 255;
  if (wide) mode |= kBlockWide;
  if (distinct == 1) {
    payload_.put_u8(static_cast<std::uint8_t>(mode));
    return put_entries(tuples, wide);
  }
  const unsigned far = width_for(most);
  const unsigned near = width_for(static_cast<std::uint32_t>(distinct - 1));
  const bool use_local = 1 + distinct * (wide ? 2 : 1) + index_bytes(rows.size(), near) <
                         index_bytes(rows.size(), far);
  const auto coding = static_cast<unsigned>(use_local ? Coding::kLocal : Coding::kDirect);
  const unsigned log = use_local ? near : far;
  payload_.put_u8(static_cast<std::uint8_t>(mode | coding << 1 | log << 3));
  if (use_local) {
    payload_.put_u8(static_cast<std::uint8_t>(distinct));
    put_entries(tuples, wide);
  } else if (log == 4) {
    return put_wide_indices(std::span<const std::uint8_t>(local).first(rows.size()), tuples);
  } else {
    for (std::uint8_t& index : std::span(local).first(rows.size())) {
      index = static_cast<std::uint8_t>(dictionary[index]);
    }
  }
  std::fill(local.begin() + static_cast<std::ptrdiff_t>(rows.size()), local.end(), std::uint8_t{0});
  pack_bits(local, log, payload_.room(index_bytes(kBlockRows, log)));
  payload_.advance(index_bytes(rows.size(), log));
}

void PieceEncoder::put_numbers(std::span<const SlabRow> rows) {
  const std::size_t columns = layout_->number_slots.size();
  for (std::size_t c = 0; c < columns; ++c) {
    const auto number = [&](const SlabRow& row) { return slab_numbers_[row.numbers + c]; };
    const std::int64_t first = number(rows.front());
    if (std::all_of(rows.begin(), rows.end(),
                    [&](const SlabRow& row) { return number(row) == first; })) {
      payload_.put_varint(0);
      payload_.put_value(first);
      continue;
    }
    scratch_.clear();
    for (const SlabRow& row : rows) scratch_.put_value(number(row));
    payload_.put_varint(scratch_.size());
    payload_.put_bytes(scratch_.bytes());
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
