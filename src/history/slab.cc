#include "history/slab.h"

#include <algorithm>
#include <array>

namespace vs::history {
namespace {

constexpr std::size_t kFirstPlaces = 1024;
constexpr std::uint32_t kFirstRows = 8;   // of an entity's first chunk: most entities have few rows
constexpr std::uint32_t kChunkRows = 64;  // of what takes its place
constexpr std::uint32_t kChunkMost = 4096;  // of what is added to that
constexpr std::uint32_t kFirstMost = RowPool::kMostRows;
static_assert(kFirstMost % kChunkRows == 0);

/// An odd number of 31 bits per column.
constexpr std::array<std::uint32_t, kMaxValues> hash_factors() {
  std::array<std::uint32_t, kMaxValues> factors{};
  std::uint64_t next = 0x9e3779b97f4a7c15ULL;
  for (std::uint32_t& factor : factors) {
    factor = static_cast<std::uint32_t>(next >> 33) | 1;
    next = next * 6364136223846793005ULL + 1442695040888963407ULL;
  }
  return factors;
}

// One by one: the values were stored one by one a moment ago, and wider loads would wait for that.
template <std::size_t... Columns>
bool same(const std::int64_t* a, const std::int64_t* b, std::index_sequence<Columns...> /*all*/) {
  return ((a[Columns] == b[Columns]) && ...);
}

}  // namespace

void TupleDictionary::start(const TableLayout& layout) {
  layout_ = &layout;
  in_place_ = true;
  for (std::size_t c = 0; c < layout.tuple_slots.size(); ++c) {
    in_place_ = in_place_ && layout.tuple_slots[c] == c;
  }
  find_ = find_of(layout.tuple_slots.size(), std::make_index_sequence<kMaxValues + 1>());
  tuples_.clear();
  hashes_.clear();
  places_.assign(kFirstPlaces, 0);
}

template <std::size_t... Widths>
TupleDictionary::Find TupleDictionary::find_of(std::size_t width,
                                               std::index_sequence<Widths...> /*widths*/) {
  constexpr std::array<Find, sizeof...(Widths)> kFinds = {&TupleDictionary::find<Widths>...};
  return kFinds[width];
}

template <std::size_t kWidth>
std::uint32_t TupleDictionary::find(TupleDictionary& self, const std::int64_t* tuple) {
  constexpr auto kFactors = hash_factors();
  // Products that do not wait for each other, folded once. Factors of 31 bits are part of the
  // instruction; the last product spreads them over all bits.
  std::uint64_t hash = 0;
  for (std::size_t c = 0; c < kWidth; ++c) {
    hash += static_cast<std::uint64_t>(tuple[c]) * kFactors[c];
  }
  hash *= 0x9e3779b97f4a7c15ULL;
  hash ^= hash >> 32;
  const std::uint64_t tag = hash >> 32;
  const std::size_t mask = self.places_.size() - 1;
  const std::uint64_t* const places = self.places_.data();
  std::size_t place = hash & mask;
  while (places[place] != 0) {
    const std::uint64_t found = places[place];
    const std::size_t id = static_cast<std::uint32_t>(found) - 1;
    const bool equal = found >> 32 == tag && same(self.tuples_.data() + id * kWidth, tuple,
                                                  std::make_index_sequence<kWidth>());
    if (equal) return static_cast<std::uint32_t>(id);
    place = (place + 1) & mask;
  }
  return self.insert(hash, place, std::span(tuple, kWidth));
}

std::uint32_t TupleDictionary::gather(std::span<const std::int64_t> values) {
  std::array<std::int64_t, kMaxValues> tuple;
  std::size_t width = 0;
  for (const std::uint8_t slot : layout_->tuple_slots) tuple[width++] = values[slot];
  return find_(*this, tuple.data());
}

std::uint32_t TupleDictionary::insert(std::uint64_t hash, std::size_t place,
                                      std::span<const std::int64_t> tuple) {
  const auto id = static_cast<std::uint32_t>(hashes_.size());
  tuples_.insert(tuples_.end(), tuple.begin(), tuple.end());
  hashes_.push_back(hash);
  places_[place] = hash >> 32 << 32 | (id + 1);
  if (hashes_.size() * 2 > places_.size()) grow();
  return id;
}

void TupleDictionary::grow() {
  places_.assign(places_.size() * 2, 0);
  for (std::size_t id = 0; id < hashes_.size(); ++id) {
    std::size_t place = hashes_[id] & (places_.size() - 1);
    while (places_[place] != 0) place = (place + 1) & (places_.size() - 1);
    places_[place] = hashes_[id] >> 32 << 32 | (id + 1);
  }
}

TableSlab::TableSlab(TableId table)
    : layout_(layout_of(table)), has_numbers_(!layout_.number_slots.empty()) {
  dictionary_.start(layout_);
  const auto& slots = layout_.tuple_slots;
  for (const std::uint8_t slot : layout_.drawn_slots) {
    const auto place = std::find(slots.begin(), slots.end(), slot) - slots.begin();
    drawn_.push_back(Drawn{static_cast<std::size_t>(place), {}, {}});
  }
}

void TableSlab::add_numbers(std::span<const std::int64_t> values) {
  row_numbers_ = static_cast<std::uint32_t>(numbers_.size());
  for (const std::uint8_t slot : layout_.number_slots) numbers_.push_back(values[slot]);
}

SlabRow* RowPool::take(std::size_t rows) {
  if (block_ < blocks_.size() && used_ + rows > kMostRows) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    blocks_.push_back(std::make_unique_for_overwrite<SlabRow[]>(kMostRows));
  }
  SlabRow* const taken = blocks_[block_].get() + used_;
  used_ += rows;
  return taken;
}

void TableSlab::add_chunk(EntityId entity, OpenEntity& open) {
  const bool first = open.next == nullptr;
  Chunk chunk;
  std::uint32_t kept = 0;
  if (first) {
    present_.push_back(entity);
    chunk.capacity = first_capacity(entity);
  } else if (chunks_[open.first_chunk].capacity == kFirstRows) {
    chunk.capacity = kChunkRows;
    kept = kFirstRows;
  } else {
    // As much as there is: one more of the first size, then twice the last one.
    const std::uint32_t last = chunks_[open.last_chunk].capacity;
    chunk.capacity = std::min(open.first_chunk == open.last_chunk ? last : 2 * last, kChunkMost);
  }
  chunk.rows = pool_.take(chunk.capacity);
  if (kept != 0) {
    std::copy_n(chunks_[open.first_chunk].rows, kept, chunk.rows);
    chunks_[open.first_chunk] = chunk;
  } else {
    const auto number = static_cast<std::uint32_t>(chunks_.size());
    if (first) {
      open.first_chunk = number;
    } else {
      chunks_[open.last_chunk].next = number;
    }
    open.last_chunk = number;
    chunks_.push_back(chunk);
  }
  open.next = chunk.rows + kept;
  open.end = chunk.rows + chunk.capacity;
}

std::uint32_t TableSlab::first_capacity(EntityId entity) const {
  const std::uint32_t before = entity < last_rows_.size() ? last_rows_[entity] : 0;
  if (before <= kFirstRows) return kFirstRows;
  const std::uint32_t wanted = before + before / 4 + kChunkRows - 1;  // rates vary
  return std::min(wanted / kChunkRows * kChunkRows, kFirstMost);
}

void TableSlab::close(std::span<OpenEntity> entities) {
  std::sort(present_.begin(), present_.end());
  std::ranges::fill(last_rows_, 0);
  if (!present_.empty() && present_.back() >= last_rows_.size()) {
    last_rows_.resize(present_.back() + 1, 0);
  }
  for (const EntityId entity : present_) {
    OpenEntity& open = entities[entity];
    closed_.push_back({entity, open.first_chunk, open.last_chunk, open.next});
    last_rows_[entity] = count_rows(closed_.back());
    open.next = open.end = nullptr;
  }
}

std::uint32_t TableSlab::count_rows(const ClosedRun& run) const {
  std::uint32_t number = run.first_chunk;
  std::uint32_t rows = 0;
  for (; number != run.last_chunk; number = chunks_[number].next) rows += chunks_[number].capacity;
  return rows + static_cast<std::uint32_t>(run.end - chunks_[number].rows);
}

std::span<SlabRow> TableSlab::rows_of(const ClosedRun& run) {
  const Chunk& first = chunks_[run.first_chunk];
  std::span<SlabRow> rows(first.rows,
                          static_cast<std::size_t>(run.end - chunks_[run.last_chunk].rows));
  if (run.first_chunk != run.last_chunk) {
    gathered_.clear();
    std::uint32_t number = run.first_chunk;
    for (; number != run.last_chunk; number = chunks_[number].next) {
      const Chunk& chunk = chunks_[number];
      gathered_.insert(gathered_.end(), chunk.rows, chunk.rows + chunk.capacity);
    }
    gathered_.insert(gathered_.end(), static_cast<const SlabRow*>(chunks_[number].rows), run.end);
    rows = gathered_;
  }
  if (layout_.overlaps) std::ranges::stable_sort(rows, {}, &SlabRow::begin_ns);
  return rows;
}

void TableSlab::number_values(std::size_t drawn, std::vector<std::int64_t>& values) {
  Drawn& column = drawn_[drawn];
  column.numbers.clear();
  const std::size_t width = layout_.tuple_slots.size();
  const std::span<const std::int64_t> tuples = dictionary_.tuples();
  for (std::size_t at = column.column; at < tuples.size(); at += width) {
    const auto found = std::find(values.begin(), values.end(), tuples[at]);
    auto number = static_cast<std::size_t>(found - values.begin());
    if (found == values.end() && number < kMaxStates) values.push_back(tuples[at]);
    number = std::min<std::size_t>(number, kNoNumber);
    column.numbers.push_back(static_cast<std::uint8_t>(number));
  }
  column.values = values;
}

void TableSlab::clear() {
  dictionary_.start(layout_);
  numbers_.clear();
  row_numbers_ = 0;
  present_.clear();
  closed_.clear();
  pool_.clear();
  chunks_.clear();
}

}  // namespace vs::history
