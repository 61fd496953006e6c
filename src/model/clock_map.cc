#include "model/clock_map.h"

#include <algorithm>

namespace vs::model {

ClockMap::ClockMap() : ClockMap(std::vector<ClockSegment>{ClockSegment{}}) {}

ClockMap::ClockMap(std::vector<ClockSegment> segments) : segments_(std::move(segments)) {
  floor_ns_.reserve(segments_.size());
  std::int64_t floor_ns = kHostTimeMin.ns;
  for (const ClockSegment& segment : segments_) {
    floor_ns_.push_back(floor_ns);
    if (segment.own_end != kOwnTimeMax) {
      floor_ns = std::max(floor_ns, segment.to_host(OwnTime{segment.own_end.value - 1}).ns);
    }
  }
}

const ClockSegment& ClockMap::segment_of(OwnTime own) const noexcept {
  if (segments_.size() == 1) return segments_.front();
  const auto after = std::upper_bound(
      segments_.begin() + 1, segments_.end(), own,
      [](OwnTime time, const ClockSegment& segment) { return time < segment.own_begin; });
  return *(after - 1);
}

HostTime ClockMap::to_host_piecewise(OwnTime own) const noexcept {
  const ClockSegment& segment = segment_of(own);
  const HostTime image = segment.to_host(own);
  const auto index = static_cast<std::size_t>(&segment - segments_.data());
  return HostTime{std::max(image.ns, floor_ns_[index])};
}

OwnTime ClockMap::to_own(HostTime host) const noexcept {
  std::int64_t low = kOwnTimeMin.value / 4;
  std::int64_t high = kOwnTimeMax.value / 4;
  while (low < high) {  // to_host is monotone
    const std::int64_t middle = low + (high - low) / 2;
    if (to_host(OwnTime{middle}) >= host) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return OwnTime{low};
}

void ClockWalk::find(OwnTime own) noexcept {
  enter(static_cast<std::size_t>(&map_->segment_of(own) - map_->segments_.data()));
}

void ClockWalk::enter(std::size_t segment) noexcept {
  const std::vector<ClockSegment>& segments = map_->segments_;
  const ClockSegment& entered = segments[segment];
  // As segment_of() chooses: the first one holds for all earlier times, the last for all later.
  const OwnTime begin = segment == 0 ? kOwnTimeMin : entered.own_begin;
  const OwnTime last = segment + 1 == segments.size()
                           ? kOwnTimeMax
                           : OwnTime{segments[segment + 1].own_begin.value - 1};
  begin_ = static_cast<std::uint64_t>(begin.value);
  length_ = static_cast<std::uint64_t>(last.value) - begin_;
  anchor_own_ = entered.anchor_own.value;
  anchor_host_ = entered.anchor_host.ns;
  rate_ = entered.rate;
  floor_ns_ = map_->floor_ns_[segment];
}

}  // namespace vs::model
