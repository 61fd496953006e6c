#include "history/painter.h"

#include <limits>

#include "base/checked.h"

namespace vs::history {

Frame::Frame(const Window& window)
    : from_ns_(window.from.ns),
      to_ns_(std::max(window.from.ns, window.to.ns)),
      wanted_(std::min<std::size_t>(window.pixels, std::numeric_limits<std::uint32_t>::max() / 2)) {
  const std::uint64_t width =
      static_cast<std::uint64_t>(to_ns_) - static_cast<std::uint64_t>(from_ns_);
  pixels_ = static_cast<std::size_t>(std::min<std::uint64_t>(width, wanted_));
  if (pixels_ == 0) return;
  per_ns_ = static_cast<double>(pixels_) / static_cast<double>(width);
  most_ = static_cast<double>(pixels_);
  edges_.reserve(pixels_ + 2);
  for (std::size_t i = 0; i <= pixels_; ++i) {
    const auto ahead = static_cast<std::uint64_t>(UInt128{width} * i / pixels_);
    edges_.push_back(static_cast<std::int64_t>(static_cast<std::uint64_t>(from_ns_) + ahead));
  }
  edges_.push_back(std::numeric_limits<std::int64_t>::max());
}

template <typename Parts>
Stretch Painter<Parts>::close_pixel() {
  const auto [value, held_ns] = parts_.take();
  const double width_ns = static_cast<double>(static_cast<std::uint64_t>(frame_.edge(at_ + 1)) -
                                              static_cast<std::uint64_t>(frame_.edge(at_)));
  return Stretch{value, 1, std::min(static_cast<float>(held_ns / width_ns), 1.0F)};
}

template <typename Parts>
void Painter<Parts>::move_to(std::uint32_t pixel) {
  if (pixel == at_) return;
  out_.push_back(close_pixel());
  if (pixel > at_ + 1) out_.push_back(Stretch{model::kNull, pixel - at_ - 1, 0});
  at_ = pixel;
}

template <typename Parts>
void Painter<Parts>::add_rows(const BlockTimes& times, std::span<const Key> keys, Room& room) {
  std::array<std::uint32_t, kBlockRows> pixels;
  for (std::size_t i = 0; i < keys.size(); ++i) pixels[i] = frame_.pixel_of(times.end_ns[i]);
  // At most two stretches per row; the place is advanced and not branched over.
  std::size_t count = 0;
  for (std::size_t i = 0; i < keys.size() && !done(); ++i) {
    const std::int64_t begin_ns = std::max(times.begin_ns[i], frame_.edge(at_));
    if (begin_ns >= frame_.edge(at_ + 1)) {  // a hole
      put(std::span(room).first(std::exchange(count, 0)));
      move_to(frame_.pixel_of(begin_ns));
      if (done()) return;
    }
    const Key key = keys[i];
    const std::uint32_t last = pixels[i];
    if (last <= at_) {  // less, and behind its end, when a broken file goes back in time
      const std::int64_t held_ns = std::max<std::int64_t>(0, times.end_ns[i] - begin_ns);
      parts_.add(key, static_cast<double>(held_ns));
      continue;
    }
    parts_.add(key, static_cast<double>(frame_.edge(at_ + 1) - begin_ns));
    room[count++] = close_pixel();
    const std::uint32_t filled = last - at_ - 1;
    room[count] = Stretch{parts_.value(key), filled, 1};
    count += static_cast<std::size_t>(filled != 0);
    at_ = last;
    const std::int64_t end_ns = std::min(times.end_ns[i], frame_.to_ns());
    parts_.add(key, static_cast<double>(end_ns - frame_.edge(at_)));
  }
  put(std::span(room).first(count));
}

template <typename Parts>
void Painter<Parts>::add_across(std::int64_t begin_ns, std::int64_t end_ns, double share_ns,
                                Bytes shares, std::span<const std::uint8_t> values) {
  if (begin_ns >= end_ns || done()) return;
  const double all = 1 / static_cast<double>(end_ns - begin_ns);
  begin_ns = std::max(begin_ns, frame_.edge(at_));
  while (begin_ns < end_ns) {
    if (begin_ns >= frame_.edge(at_ + 1)) move_to(frame_.pixel_of(begin_ns));
    if (done()) return;
    const std::int64_t stop_ns = std::min(end_ns, frame_.edge(at_ + 1));
    const double unit = share_ns * static_cast<double>(stop_ns - begin_ns) * all;
    add_shares(unit, shares, values);
    const bool whole = begin_ns == frame_.edge(at_) && stop_ns == frame_.edge(at_ + 1);
    begin_ns = stop_ns;
    if (whole && begin_ns < end_ns) begin_ns = repeat_pixel(end_ns);
  }
}

// The current pixel is complete, and those up to `end_ns` are like it: one stretch. Gives where it
// ends.
template <typename Parts>
std::int64_t Painter<Parts>::repeat_pixel(std::int64_t end_ns) {
  const std::uint32_t behind = std::max(frame_.pixel_of(end_ns), at_ + 1);
  Stretch like = close_pixel();
  like.pixels = behind - at_;
  out_.push_back(like);
  at_ = behind;
  return done() ? end_ns : frame_.edge(at_);
}

template <typename Parts>
void Painter<Parts>::finish() {
  if (!done()) move_to(static_cast<std::uint32_t>(frame_.pixels()));
  if (frame_.pixels() != frame_.wanted()) repeat_nanoseconds();
}

// Pixel i of the answer shows nanosecond floor(i * pixels / wanted).
template <typename Parts>
void Painter<Parts>::repeat_nanoseconds() {
  if (frame_.pixels() == 0) {
    out_.push_back(Stretch{model::kNull, static_cast<std::uint32_t>(frame_.wanted()), 0});
    return;
  }
  const auto place = [this](std::size_t ns) {
    return (ns * frame_.wanted() + frame_.pixels() - 1) / frame_.pixels();
  };
  std::size_t ns = 0;
  for (Stretch& stretch : out_) {
    const std::size_t end = ns + stretch.pixels;
    stretch.pixels = static_cast<std::uint32_t>(place(end) - place(ns));
    ns = end;
  }
}

template class Painter<StateParts>;
template class Painter<SetParts>;
template class Painter<ValueParts>;

}  // namespace vs::history
