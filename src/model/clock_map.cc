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

HostTime ClockMap::to_host(OwnTime own) const noexcept {
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

}  // namespace vs::model
