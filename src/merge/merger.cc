#include "merge/merger.h"

#include <algorithm>
#include <array>
#include <bit>

namespace vs::merge {
namespace {

// A key of the run merger: time since the batch's first | tie (2 bits) | source | number of the
// event in the source's part of the batch, from 1 on.
constexpr int kTieBits = 2;
constexpr int kNumberBits = 10;
constexpr std::size_t kPartEvents = (std::size_t{1} << kNumberBits) - 1;
constexpr std::uint64_t kTimeBias = std::uint64_t{1} << 63;

constexpr std::uint64_t mask_of(int bits) noexcept { return (std::uint64_t{1} << bits) - 1; }

/// Order among events of equal time.
class Ties {
 public:
  explicit Ties(bool guest) : by_kind_((guest ? kOfGuests : kOfHosts).data()) {}

  /// kvm_entry 0, guest events 1, other host events 2, kvm_exit 3.
  [[nodiscard]] std::uint64_t of(model::EventKind kind) const noexcept {
    return by_kind_[static_cast<std::size_t>(kind)];
  }

 private:
  using Table = std::array<std::uint8_t, model::kEventKindCount>;
  [[nodiscard]] static constexpr Table table(bool guest) {
    Table ties{};
    ties.fill(guest ? 1 : 2);
    if (guest) return ties;
    ties[static_cast<std::size_t>(model::EventKind::kKvmEntry)] = 0;
    ties[static_cast<std::size_t>(model::EventKind::kKvmExit)] = 3;
    return ties;
  }
  static const Table kOfGuests;
  static const Table kOfHosts;

  const std::uint8_t* by_kind_;
};

constinit const Ties::Table Ties::kOfGuests = Ties::table(true);
constinit const Ties::Table Ties::kOfHosts = Ties::table(false);

/// The first of `ranks` that `is_behind` holds for. It is mostly near.
template <typename Rank, typename IsBehind>
std::size_t near_end(std::span<const Rank> ranks, IsBehind is_behind) {
  std::size_t from = 0;
  std::size_t step = 1;
  while (from + step < ranks.size() && !is_behind(ranks[from + step])) {
    from += step;
    step *= 2;
  }
  const auto near = ranks.subspan(from, std::min(step, ranks.size() - from));
  const auto found = std::partition_point(near.begin(), near.end(),
                                          [&](const Rank& rank) { return !is_behind(rank); });
  return from + static_cast<std::size_t>(found - near.begin());
}

}  // namespace

Merger::Merger(std::vector<Source> sources)
    : sources_(std::move(sources)),
      heads_(sources_.size()),
      batch_begin_(sources_.size()),
      source_bits_(static_cast<int>(std::bit_width(sources_.size()))) {
  for (const Source& source : sources_) clocks_.emplace_back(*source.clock);
}

Status Merger::start() {
  for (std::size_t i = 0; i < heads_.size(); ++i) VS_TRY(refill(i));
  return {};
}

Status Merger::refill(std::size_t source) {
  Head& head = heads_[source];
  VS_ASSIGN(head.run, sources_[source].cursor->next());
  head.ended = head.run.empty();
  rank_run(source);
  return {};
}

/// Ranks that never go down. An event that is smaller than the one before it in its stream would be
/// the smallest head of all: with the rank of its predecessor it follows at once, as it should.
void Merger::rank_run(std::size_t source) {
  Head& head = heads_[source];
  if (head.ranks.size() < head.run.size()) head.ranks.resize(head.run.size());
  head.position = 0;
  const Ties ties(sources_[source].guest);
  model::ClockWalk clock = clocks_[source];
  Rank last = head.last;
  Rank* out = head.ranks.data();
  for (const model::Event& event : head.run) {
    const auto time = static_cast<std::uint64_t>(clock.to_host(event.own).ns) ^ kTimeBias;
    const std::uint64_t tie = ties.of(event.kind);
    if (time > last.time) [[likely]] {
      last = Rank{time, tie};
    } else {
      last.tie = std::max(last.tie, tie);
    }
    *out++ = last;
  }
  head.last = last;
  clocks_[source] = clock;
}

/// Where the run that ends first does: up to there every stream is known. A source gives no more
/// than kPartEvents.
Merger::Bound Merger::known_until() const {
  Bound bound{Rank{UINT64_MAX, UINT64_MAX}, 0};
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const Head& head = heads_[i];
    if (head.ended) continue;
    const std::size_t last = std::min(head.run.size(), head.position + kPartEvents) - 1;
    if (head.ranks[last] < bound.rank) bound = Bound{head.ranks[last], i};
  }
  return bound;
}

/// Moves what lies up to the bound from the heads to parts_.
void Merger::take_up_to(const Bound& bound) {
  parts_.clear();
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    Head& head = heads_[i];
    if (head.ended) continue;
    const auto is_behind = [&](const Rank& rank) {
      return rank != bound.rank ? bound.rank < rank : i > bound.source;
    };
    if (is_behind(head.ranks[head.position])) continue;
    const std::size_t there = std::min(kPartEvents, head.run.size() - head.position);
    const auto ranks = std::span<const Rank>(head.ranks).subspan(head.position, there);
    parts_.push_back(Part{i, head.position, near_end(ranks, is_behind)});
    head.position += parts_.back().count;
    if (head.position == head.run.size()) drained_.push_back(i);
  }
}

/// Room for `count` items; what is there is not cleared.
void Merger::start_batch(std::size_t count) {
  if (batch_.size() < count) batch_.resize(count);
  batched_ = count;
}

/// A batch of one source needs no merge.
void Merger::hand_through(const Part& part) {
  const Head& head = heads_[part.source];
  start_batch(part.count);
  const model::Event* event = head.run.data() + part.begin;
  const Rank* rank = head.ranks.data() + part.begin;
  for (Item& item : std::span(batch_).first(part.count)) {
    item.time = HostTime{static_cast<std::int64_t>(rank++->time ^ kTimeBias)};
    item.event = event++;
    item.source = static_cast<std::uint32_t>(part.source);
  }
}

/// Hands the events of a part to the run merger.
void Merger::pack(const Part& part, std::uint64_t base) {
  const Head& head = heads_[part.source];
  batch_begin_[part.source] = head.run.data() + part.begin;
  const int tie_shift = kNumberBits + source_bits_;
  const int time_shift = tie_shift + kTieBits;
  const Rank* rank = head.ranks.data() + part.begin;
  std::uint64_t low = std::uint64_t{part.source} << kNumberBits;
  for (MergeKey& key : run_merger_.add_run(part.count)) {
    key = static_cast<MergeKey>((rank->time - base) << time_shift | rank->tie << tie_shift | ++low);
    ++rank;
  }
}

void Merger::merge_parts(std::uint64_t base) {
  run_merger_.clear();
  for (const Part& part : parts_) pack(part, base);
  unpack(run_merger_.merge(), base);
}

void Merger::unpack(std::span<const MergeKey> keys, std::uint64_t base) {
  const int time_shift = kNumberBits + source_bits_ + kTieBits;
  const std::uint64_t source_mask = mask_of(source_bits_);
  start_batch(keys.size());
  Item* item = batch_.data();
  for (const MergeKey signed_key : keys) {
    const auto key = static_cast<std::uint64_t>(signed_key);
    const std::uint64_t source = key >> kNumberBits & source_mask;
    item->time = HostTime{static_cast<std::int64_t>((base + (key >> time_shift)) ^ kTimeBias)};
    item->event = batch_begin_[source] + ((key & kPartEvents) - 1);
    item->source = static_cast<std::uint32_t>(source);
    ++item;
  }
}

Status Merger::fill_batch() {
  while (!drained_.empty()) {
    VS_TRY(refill(drained_.back()));
    drained_.pop_back();
  }
  std::uint64_t base = UINT64_MAX;
  for (const Head& head : heads_) {
    if (!head.ended) base = std::min(base, head.ranks[head.position].time);
  }
  Bound bound = known_until();
  // The times of a batch must fit into the keys.
  const std::uint64_t longest = mask_of(kMergeKeyBits - kNumberBits - source_bits_ - kTieBits) - 1;
  if (bound.rank.time - base > longest) bound = Bound{Rank{base + longest, 3}, heads_.size()};
  take_up_to(bound);
  if (parts_.size() == 1) {
    hand_through(parts_.front());
  } else {
    merge_parts(base);
  }
  taken_ = 0;
  return {};
}

Result<std::span<const Item>> Merger::next_batch() {
  VS_TRY(fill_batch());
  return std::span<const Item>(batch_).first(batched_);
}

std::uint64_t Merger::bytes_done() const {
  std::uint64_t bytes = 0;
  for (const Source& source : sources_) bytes += source.cursor->bytes_done();
  return bytes;
}

}  // namespace vs::merge
