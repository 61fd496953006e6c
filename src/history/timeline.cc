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

PixelRow::PixelRow(std::int64_t from_ns, std::int64_t to_ns, std::size_t pixels)
    : wanted_(pixels), from_ns_(from_ns), width_(width_of(from_ns, to_ns)) {
  // No pixel is narrower than a nanosecond: a deeper zoom repeats the nanoseconds (finish()).
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(width_, pixels));
  pixels_.resize(count);
  if (count == 0) return;
  step_ = width_ / count;
  rest_ = width_ % count;
  jump_to(0);
}

// The begin of pixel i is from + floor(width * i / count). advance() computes the same by addition:
// a division per pixel would cost more than the rows of most pictures.
void PixelRow::jump_to(std::size_t pixel) {
  at_ = pixel;
  if (at_ >= pixels_.size()) return;
  const UInt128 position = UInt128{width_} * at_;
  const auto begin = static_cast<std::uint64_t>(position / pixels_.size());
  error_ = static_cast<std::uint64_t>(position % pixels_.size());
  begin_ns_ = end_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(from_ns_) + begin);
  step_end();
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
  const auto width = static_cast<float>(end_ns_ - begin_ns_);
  const float share = static_cast<float>(best.held_ns) / width;
  pixels_[at_] = Pixel{best.value, std::min(share, 1.0F)};
  parts_.clear();
}

void PixelRow::add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value) {
  if (at_ >= pixels_.size()) return;
  if (begin_ns >= end_ns_) {  // a hole: on to the pixel where the span begins
    if (!parts_.empty()) close_pixel();
    const std::uint64_t ahead =
        static_cast<std::uint64_t>(begin_ns) - static_cast<std::uint64_t>(from_ns_);
    if (ahead >= width_) {
      at_ = pixels_.size();
      return;
    }
    auto pixel = static_cast<std::size_t>(UInt128{ahead} * pixels_.size() / width_);
    jump_to(pixel);
    if (begin_ns >= end_ns_) jump_to(pixel + 1);  // rounding of the pixel's own begin
  }
  begin_ns = std::max(begin_ns, begin_ns_);
  if (begin_ns >= end_ns) return;
  if (end_ns < end_ns_) return put(value, end_ns - begin_ns);
  if (begin_ns != begin_ns_ || !parts_.empty()) {
    put(value, end_ns_ - begin_ns);
    close_pixel();
    advance();
  }
  while (at_ < pixels_.size() && end_ns >= end_ns_) {
    pixels_[at_] = Pixel{value, 1.0F};
    advance();
  }
  if (at_ < pixels_.size() && end_ns > begin_ns_) put(value, end_ns - begin_ns_);
}

void PixelRow::add_share(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value,
                         double share) {
  begin_ns = std::max(begin_ns, begin_ns_);
  if (at_ >= pixels_.size() || begin_ns >= end_ns || begin_ns >= end_ns_) return;
  const std::int64_t within_ns = std::min(end_ns, end_ns_) - begin_ns;
  put(value, static_cast<std::int64_t>(static_cast<double>(within_ns) * share));
}

void PixelRow::move_to(std::int64_t time_ns) {
  while (at_ < pixels_.size() && time_ns >= end_ns_) {
    if (parts_.empty()) return add(time_ns, time_ns, 0);
    close_pixel();
    advance();
  }
}

std::vector<Pixel> PixelRow::finish() {
  if (at_ < pixels_.size() && !parts_.empty()) close_pixel();
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
