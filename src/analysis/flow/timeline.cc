#include "analysis/flow/timeline.h"

#include <algorithm>
#include <limits>

namespace vs::analysis::flow {
namespace {

constexpr std::int64_t kFirstPartNs = 1'000'000;
constexpr std::int64_t kLongestPartNs = std::int64_t{1} << 50;  // 13 days
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::int64_t saturated_sum(std::int64_t a, std::int64_t b) {
  if (b > 0 && a > kMost - b) return kMost;
  if (b < 0 && a < kLeast - b) return kLeast;
  return a + b;
}

}  // namespace

Timeline::Timeline(const StateSource& source, model::EntityId entity, Direction direction,
                   std::size_t part_rows)
    : source_(source),
      entity_(entity),
      direction_(direction),
      part_rows_(std::max<std::size_t>(part_rows, 1)),
      part_ns_(kFirstPartNs) {}

Holding Timeline::holding(std::size_t position) const {
  const Span& span = spans_[position];
  return {HostTime{span.begin_ns}, HostTime{span.end_ns},
          std::span(values_).subspan(position * columns_, columns_)};
}

// The stretch before row number `after`.
Holding Timeline::gap(std::size_t after) const {
  const std::int64_t begin = after == 0 ? low_ns_ : std::max(low_ns_, spans_[after - 1].end_ns);
  const std::int64_t end =
      after == spans_.size() ? high_ns_ : std::min(high_ns_, spans_[after].begin_ns);
  return {HostTime{begin}, HostTime{end}, {}};
}

void Timeline::drop_first(std::size_t count) {
  spans_.erase(spans_.begin(), spans_.begin() + static_cast<std::ptrdiff_t>(count));
  values_.erase(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(count * columns_));
}

Status Timeline::load(std::int64_t time_ns) {
  const bool forward = direction_ == Direction::kForward;
  low_ns_ = forward ? time_ns : saturated_sum(time_ns, 1 - part_ns_);
  high_ns_ = forward ? saturated_sum(time_ns, part_ns_) : saturated_sum(time_ns, 1);
  spans_.clear();
  values_.clear();
  last_ = 0;
  VS_ASSIGN(const auto rows, source_.rows(entity_, HostTime{low_ns_}, HostTime{high_ns_}));
  StateRow row;
  while (true) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) break;
    if (row.begin == row.end) continue;
    columns_ = row.values.size();
    spans_.push_back({row.begin.ns, row.end.ns});
    values_.insert(values_.end(), row.values.begin(), row.values.end());
    if (forward && spans_.size() == part_rows_) {
      high_ns_ = std::min(high_ns_, row.end.ns);
      break;
    }
    if (!forward && spans_.size() == 2 * part_rows_) {
      drop_first(part_rows_);
      low_ns_ = std::max(low_ns_, spans_.front().begin_ns);
    }
  }
  const bool full = spans_.size() >= part_rows_;
  if (full) {
    part_ns_ = std::max<std::int64_t>(1, high_ns_ - low_ns_);
  } else if (spans_.size() < part_rows_ / 4 + 1) {
    part_ns_ = std::min(kLongestPartNs, 2 * part_ns_);
  }
  return {};
}

Result<Holding> Timeline::at(HostTime time) {
  const auto holds = [&](std::size_t position) {
    return position < spans_.size() && spans_[position].begin_ns <= time.ns &&
           time.ns < spans_[position].end_ns;
  };
  for (const std::size_t near : {last_, last_ + 1, last_ - 1}) {
    if (!holds(near)) continue;
    last_ = near;
    return holding(near);
  }
  if (time.ns < low_ns_ || time.ns >= high_ns_) VS_TRY(load(time.ns));
  const auto after =
      std::upper_bound(spans_.begin(), spans_.end(), time.ns,
                       [](std::int64_t ns, const Span& span) { return ns < span.begin_ns; });
  const auto position = static_cast<std::size_t>(after - spans_.begin());
  if (position > 0 && holds(position - 1)) {
    last_ = position - 1;
    return holding(last_);
  }
  return gap(position);
}

}  // namespace vs::analysis::flow
