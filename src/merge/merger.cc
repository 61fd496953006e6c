#include "merge/merger.h"

#include <algorithm>

namespace vs::merge {
namespace {

// Low half of a key: rank on ties (2 bits), source (30 bits), number in the run from 1 on (32
// bits). The high half is the time, moved so that it sorts as an unsigned number.
constexpr int kRankShift = 62;
constexpr int kSourceShift = 32;
constexpr std::uint64_t kSourceMask = (std::uint64_t{1} << (kRankShift - kSourceShift)) - 1;
constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << kSourceShift) - 1;
constexpr std::uint64_t kTimeBias = std::uint64_t{1} << 63;

/// Position among events of equal time.
std::uint64_t tie_rank(model::EventKind kind, bool guest) noexcept {
  if (guest) return 1;
  if (kind == model::EventKind::kKvmEntry) return 0;
  return kind == model::EventKind::kKvmExit ? 3 : 2;
}

/// The first key behind `from` that is greater than `bound`. It is mostly near.
const MergeKey* behind(const MergeKey* from, const MergeKey* end, const MergeKey& bound) noexcept {
  std::ptrdiff_t step = 1;
  while (step < end - from && !(bound < from[step])) {
    from += step;
    step *= 2;
  }
  return std::upper_bound(from, from + std::min(step, end - from), bound);
}

}  // namespace

Merger::Merger(std::vector<Source> sources)
    : sources_(std::move(sources)), heads_(sources_.size()) {
  for (const Source& source : sources_) clocks_.emplace_back(*source.clock);
}

Status Merger::start() {
  for (std::uint32_t i = 0; i < heads_.size(); ++i) VS_TRY(refill(i));
  return {};
}

Status Merger::refill(std::uint32_t source) {
  Head& head = heads_[source];
  VS_ASSIGN(head.run, sources_[source].cursor->next());
  head.ended = head.run.empty();
  make_keys(source);
  return {};
}

/// Keys that never go down: what the greedy order does with an event that is smaller than the one
/// before it in its stream, namely to let it follow at once.
void Merger::make_keys(std::uint32_t source) {
  Head& head = heads_[source];
  const std::size_t count = head.run.size();
  if (head.keys.size() < count + 2) head.keys.resize(count + 2, kLeastKey);
  const bool guest = sources_[source].guest;
  const std::uint64_t source_bits = std::uint64_t{source} << kSourceShift;
  model::ClockWalk& clock = clocks_[source];
  MergeKey last = head.last;
  MergeKey* out = head.keys.data() + 1;
  for (std::size_t i = 0; i < count; ++i) {
    const model::Event& event = head.run[i];
    const auto time = static_cast<std::uint64_t>(clock.to_host(event.own).ns) ^ kTimeBias;
    const MergeKey key{time, tie_rank(event.kind, guest) << kRankShift | source_bits};
    last = key < last ? last : key;
    out[i] = MergeKey{last.high, last.low | (i + 1)};
  }
  out[count] = kGreatestKey;
  head.last = last;
  head.position = 1;
  head.end = count + 1;
}

/// The smallest of the last keys: up to there every stream is known.
MergeKey Merger::bound() const noexcept {
  MergeKey least = kGreatestKey;
  for (const Head& head : heads_) {
    if (!head.ended) least = std::min(least, head.keys[head.end - 1]);
  }
  return least;
}

/// Moves what lies up to the bound from the heads to runs_.
void Merger::take_runs() {
  const MergeKey limit = bound();
  for (std::uint32_t i = 0; i < heads_.size(); ++i) {
    Head& head = heads_[i];
    const MergeKey* const begin = head.keys.data() + head.position;
    if (head.ended || limit < *begin) continue;
    const MergeKey* const end = behind(begin, head.keys.data() + head.end, limit);
    const auto count = static_cast<std::size_t>(end - begin);
    runs_.push_back(KeyRun{begin, count});
    head.position += count;
    if (head.position == head.end) drained_.push_back(i);
  }
}

Status Merger::fill_batch() {
  while (!drained_.empty()) {
    VS_TRY(refill(drained_.back()));
    drained_.pop_back();
  }
  runs_.clear();
  take_runs();
  const std::span<const MergeKey> keys = run_merger_.merge(runs_);
  batch_.resize(keys.size());
  taken_ = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto source = static_cast<std::uint32_t>(keys[i].low >> kSourceShift & kSourceMask);
    const auto time = static_cast<std::int64_t>(keys[i].high ^ kTimeBias);
    const std::size_t number = keys[i].low & kNumberMask;
    batch_[i] = Item{HostTime{time}, &heads_[source].run[number - 1], source};
  }
  return {};
}

Result<std::span<const Item>> Merger::next_batch() {
  VS_TRY(fill_batch());
  return std::span<const Item>(batch_);
}

std::uint64_t Merger::bytes_done() const {
  std::uint64_t bytes = 0;
  for (const Source& source : sources_) bytes += source.cursor->bytes_done();
  return bytes;
}

}  // namespace vs::merge
