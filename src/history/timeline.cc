#include "history/timeline.h"

#include <algorithm>

#include "base/checked.h"

namespace vs::history {
namespace {

std::uint64_t width_of(std::int64_t from_ns, std::int64_t to_ns) {
  if (from_ns >= to_ns) return 0;
  return static_cast<std::uint64_t>(to_ns) - static_cast<std::uint64_t>(from_ns);
}

}  // namespace

PixelRow::PixelRow(std::int64_t from_ns, std::int64_t to_ns, std::size_t pixels) : wanted_(pixels) {
  const std::uint64_t width = width_of(from_ns, to_ns);
  // No pixel is narrower than a nanosecond: a deeper zoom repeats the nanoseconds (finish()).
  const std::size_t count =
      static_cast<std::size_t>(std::min<std::uint64_t>(width, std::uint64_t{pixels}));
  pixels_.resize(count);
  edges_.reserve(count + 1);
  for (std::size_t i = 0; i <= count && count != 0; ++i) {
    const auto step = static_cast<std::uint64_t>(UInt128{width} * i / count);
    edges_.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(from_ns) + step));
  }
}

void PixelRow::put(std::int64_t value, std::int64_t held_ns) {
  for (Part& part : parts_) {
    if (part.value != value) continue;
    part.held_ns += held_ns;
    return;
  }
  parts_.push_back(Part{value, held_ns});
}

void PixelRow::close_pixel() {
  Part best{model::kNull, 0};
  for (const Part& part : parts_) {
    if (part.held_ns > best.held_ns || (part.held_ns == best.held_ns && part.value < best.value)) {
      best = part;
    }
  }
  const auto width = static_cast<double>(edges_[at_ + 1] - edges_[at_]);
  pixels_[at_] = Pixel{best.value, static_cast<float>(static_cast<double>(best.held_ns) / width)};
  parts_.clear();
  ++at_;
}

void PixelRow::add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value) {
  if (at_ == pixels_.size()) return;
  begin_ns = std::max(begin_ns, edges_[at_]);
  if (begin_ns >= edges_[at_ + 1]) {
    close_pixel();
    const auto after =
        std::upper_bound(edges_.begin() + static_cast<std::ptrdiff_t>(at_), edges_.end(), begin_ns);
    at_ = static_cast<std::size_t>(after - edges_.begin()) - 1;
    if (at_ >= pixels_.size()) {
      at_ = pixels_.size();
      return;
    }
  }
  while (begin_ns < end_ns) {
    const std::int64_t stop_ns = std::min(end_ns, edges_[at_ + 1]);
    put(value, stop_ns - begin_ns);
    begin_ns = stop_ns;
    if (stop_ns < edges_[at_ + 1]) return;
    close_pixel();
    if (at_ == pixels_.size()) return;
  }
}

std::vector<Pixel> PixelRow::finish() {
  if (at_ < pixels_.size()) close_pixel();
  if (pixels_.size() == wanted_ || pixels_.empty()) {
    pixels_.resize(wanted_);
    return std::move(pixels_);
  }
  std::vector<Pixel> out(wanted_);
  for (std::size_t i = 0; i < wanted_; ++i) {
    out[i] = pixels_[static_cast<std::size_t>(UInt128{i} * pixels_.size() / wanted_)];
  }
  return out;
}

}  // namespace vs::history
