#include "history/slab.h"

#include <algorithm>

namespace vs::history {
namespace {

constexpr std::size_t kFirstPlaces = 1024;

}  // namespace

void TupleDictionary::start(const TableLayout& layout) {
  layout_ = &layout;
  in_place_ = true;
  for (std::size_t c = 0; c < layout.tuple_slots.size(); ++c) {
    in_place_ = in_place_ && layout.tuple_slots[c] == c;
  }
  tuples_.clear();
  hashes_.clear();
  places_.assign(kFirstPlaces, 0);
}

bool TupleDictionary::equal(std::uint32_t id, std::span<const std::int64_t> values) const {
  const std::size_t width = layout_->tuple_slots.size();
  const std::span<const std::int64_t> tuple = std::span(tuples_).subspan(id * width, width);
  // One by one: the values were stored one by one a moment ago, and wider loads would wait for
  // that.
  for (std::size_t c = 0; c < width; ++c) {
    if (tuple[c] != values[in_place_ ? c : layout_->tuple_slots[c]]) return false;
  }
  return true;
}

std::uint32_t TupleDictionary::id_of(std::span<const std::int64_t> values) {
  // Products that do not wait for each other, folded once.
  std::uint64_t hash = 0;
  std::uint64_t factor = 0x9e3779b97f4a7c15ULL;
  for (const std::uint8_t slot : layout_->tuple_slots) {
    hash += static_cast<std::uint64_t>(values[slot]) * factor;
    factor += 0x6a09e667f3bcc908ULL;
  }
  hash ^= hash >> 32;
  const std::uint64_t tag = hash >> 32;
  std::size_t place = hash & (places_.size() - 1);
  while (places_[place] != 0) {
    const auto id = static_cast<std::uint32_t>(places_[place]) - 1;
    if (places_[place] >> 32 == tag && equal(id, values)) return id;
    place = (place + 1) & (places_.size() - 1);
  }
  const auto id = static_cast<std::uint32_t>(hashes_.size());
  for (const std::uint8_t slot : layout_->tuple_slots) tuples_.push_back(values[slot]);
  hashes_.push_back(hash);
  places_[place] = tag << 32 | (id + 1);
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

TableSlab::TableSlab(TableId table) : layout_(layout_of(table)) {
  dictionary_.start(layout_);
  const auto& slots = layout_.tuple_slots;
  if (layout_.has_state()) {
    state_column_ = static_cast<std::size_t>(
        std::find(slots.begin(), slots.end(), layout_.state_slot) - slots.begin());
  }
}

void TableSlab::add(EntityId entity, std::int64_t begin_ns, std::int64_t end_ns,
                    std::span<const std::int64_t> values) {
  log_.push_back(SlabRow{begin_ns, end_ns, dictionary_.id_of(values), entity});
  for (const std::uint8_t slot : layout_.number_slots) numbers_.push_back(values[slot]);
}

std::span<const TableSlab::Run> TableSlab::group(std::size_t entities) {
  if (place_.size() < entities) place_.resize(entities, 0);
  present_.clear();
  for (const SlabRow& row : log_) {
    if (place_[row.numbers]++ == 0) present_.push_back(row.numbers);
  }
  std::sort(present_.begin(), present_.end());
  grouped_.resize(log_.size());
  runs_.clear();
  std::uint32_t next = 0;
  for (const EntityId entity : present_) {
    const std::uint32_t rows = place_[entity];
    place_[entity] = next;
    runs_.push_back(Run{entity, std::span(grouped_).subspan(next, rows)});
    next += rows;
  }
  const auto columns = static_cast<std::uint32_t>(layout_.number_slots.size());
  std::uint32_t numbers = 0;
  for (const SlabRow& row : log_) {
    SlabRow& to = grouped_[place_[row.numbers]++];
    to = row;
    to.numbers = numbers;
    numbers += columns;
  }
  for (const EntityId entity : present_) place_[entity] = 0;
  if (layout_.overlaps) {
    for (const Run& run : runs_) std::ranges::stable_sort(run.rows, {}, &SlabRow::begin_ns);
  }
  return runs_;
}

void TableSlab::number_states(std::vector<std::int64_t>& states) {
  state_numbers_.clear();
  const std::size_t width = layout_.tuple_slots.size();
  const std::span<const std::int64_t> tuples = dictionary_.tuples();
  for (std::size_t at = state_column_; at < tuples.size(); at += width) {
    const auto found = std::find(states.begin(), states.end(), tuples[at]);
    auto number = static_cast<std::size_t>(found - states.begin());
    if (found == states.end() && number < kMaxStates) states.push_back(tuples[at]);
    number = std::min<std::size_t>(number, kNoNumber);
    state_numbers_.push_back(static_cast<std::uint8_t>(number));
  }
  states_ = states;
}

void TableSlab::clear() {
  dictionary_.start(layout_);
  log_.clear();
  numbers_.clear();
}

}  // namespace vs::history
