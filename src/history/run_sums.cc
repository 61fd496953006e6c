#include "history/run_sums.h"

#include <algorithm>
#include <bit>
#include <bitset>
#include <numeric>

namespace vs::history {
namespace {

constexpr std::size_t kFirstStride = 8;  // combinations that a bucket has room for at first
constexpr std::size_t kFirstPlaces = 64;

std::size_t place_of(std::uint32_t key, std::size_t mask) {
  return (key * std::uint64_t{0x9e3779b97f4a7c15ULL} >> 32) & mask;
}

}  // namespace

unsigned fit_buckets(std::int64_t first_ns, std::int64_t last_ns, unsigned exponent,
                     std::size_t most) {
  // One less than enough, if anything: a span touches one bucket more than it is long.
  const auto span = static_cast<std::uint64_t>(last_ns) - static_cast<std::uint64_t>(first_ns);
  exponent = std::max(exponent, static_cast<unsigned>(std::bit_width(span / most / 2)));
  while (count_buckets(first_ns, last_ns, exponent) > most) ++exponent;
  return exponent;
}

void RunSums::start(std::span<const std::span<const std::uint8_t>> columns) {
  keys_.clear();
  places_.assign(kFirstPlaces, 0);
  present_.clear();
  of_tuple_.clear();
  const std::size_t tuples = columns.empty() ? 0 : columns.front().size();
  for (std::size_t t = 0; t < tuples; ++t) {
    std::uint32_t key = 0;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      key |= std::uint32_t{columns[c][t]} << (8 * c);
    }
    of_tuple_.push_back(number(key));
  }
  local_.assign(keys_.size(), kMostCombinations);
  place_of_.assign(tuples, kMostCombinations);
  tuples_.clear();
}

std::uint32_t RunSums::number(std::uint32_t key) {
  std::size_t place = place_of(key, places_.size() - 1);
  for (; places_[place] != 0; place = (place + 1) & (places_.size() - 1)) {
    const std::uint32_t found = places_[place] - 1;
    if (keys_[found] == key) return found;
  }
  keys_.push_back(key);
  places_[place] = static_cast<std::uint32_t>(keys_.size());
  if (keys_.size() * 2 > places_.size()) {
    places_.assign(places_.size() * 2, 0);
    for (std::uint32_t i = 0; i < keys_.size(); ++i) {
      std::size_t at = place_of(keys_[i], places_.size() - 1);
      while (places_[at] != 0) at = (at + 1) & (places_.size() - 1);
      places_[at] = i + 1;
    }
  }
  return static_cast<std::uint32_t>(keys_.size() - 1);
}

bool RunSums::add_tuple(std::uint32_t tuple) {
  std::uint8_t& place = local_[of_tuple_[tuple]];
  if (place == kMostCombinations) {
    const std::size_t next = present_.size();
    if (next == kMostCombinations) return false;
    if (next == stride_) widen_stride();
    place = static_cast<std::uint8_t>(next);
    present_.push_back(of_tuple_[tuple]);
    rows_[next] = 0;
  }
  place_of_[tuple] = place;
  tuples_.push_back(tuple);
  return true;
}

void RunSums::widen_stride() {
  std::vector<std::uint64_t> wider(2 * sums_.size(), 0);
  for (std::size_t i = 0; i < buckets_; ++i) {
    std::copy_n(sums_.begin() + static_cast<std::ptrdiff_t>(i * stride_), stride_,
                wider.begin() + static_cast<std::ptrdiff_t>(2 * i * stride_));
  }
  sums_ = std::move(wider);
  stride_ *= 2;
}

bool RunSums::sum(std::span<const SlabRow> rows, std::size_t most) {
  // The runs of a table are alike: the next one mostly needs what the one before needed.
  stride_ = std::max(kFirstStride, std::bit_ceil(present_.size()));
  for (const std::uint32_t number : present_) local_[number] = kMostCombinations;
  for (const std::uint32_t tuple : tuples_) place_of_[tuple] = kMostCombinations;
  present_.clear();
  tuples_.clear();
  first_ns_ = rows.front().begin_ns;
  last_ns_ = std::max(first_ns_, rows.back().end_ns - 1);
  exponent_ = fit_buckets(first_ns_, last_ns_, 0, most);
  buckets_ = count_buckets(first_ns_, last_ns_, exponent_);
  sums_.assign((buckets_ + 1) * stride_, 0);  // an empty row at the end may lie behind the last one
  // In registers: what is written might be members, as far as the compiler knows.
  const unsigned exponent = exponent_;
  const std::int64_t first = first_ns_ >> exponent;
  const std::uint8_t* const place_of = place_of_.data();
  std::uint64_t* sums = sums_.data();
  auto stride = static_cast<std::int64_t>(stride_);
  for (const SlabRow& row : rows) {
    if (place_of[row.tuple] == kMostCombinations) [[unlikely]] {
      if (!add_tuple(row.tuple)) return false;
      sums = sums_.data();
      stride = static_cast<std::int64_t>(stride_);
    }
    const std::size_t place = place_of[row.tuple];
    ++rows_[place];
    std::int64_t begin = row.begin_ns;
    std::int64_t bucket = begin >> exponent;
    std::uint64_t* held = sums + (bucket - first) * stride + static_cast<std::int64_t>(place);
    // Most rows lie in one bucket.
    const std::int64_t last = (row.end_ns - 1) >> exponent;
    for (; bucket < last; ++bucket, held += stride) {
      const std::int64_t end = (bucket + 1) << exponent;
      *held += static_cast<std::uint64_t>(end - begin);
      begin = end;
    }
    *held += static_cast<std::uint64_t>(row.end_ns - begin);
  }
  held_.fill(0);
  const std::size_t present = present_.size();
  const std::uint64_t* bucket = sums;
  for (std::size_t b = 0; b < buckets_; ++b, bucket += stride) {
    for (std::size_t i = 0; i < present; ++i) held_[i] += bucket[i];
  }
  const std::uint64_t all = std::accumulate(held_.begin(), held_.end(), std::uint64_t{0});
  tiled_ = all == static_cast<std::uint64_t>(rows.back().end_ns - first_ns_);
  return true;
}

std::size_t RunSums::count_values(std::size_t drawn) const {
  std::bitset<256> seen;
  for (std::size_t i = 0; i < present_.size(); ++i) seen.set(value(i, drawn));
  return seen.count();
}

bool RunSums::is_one_span(std::size_t drawn) const {
  if (!tiled_) return false;
  for (std::size_t i = 1; i < present_.size(); ++i) {
    if (value(i, drawn) != value(0, drawn)) return false;
  }
  return true;
}

}  // namespace vs::history
