#include "history/painter.h"

#include <type_traits>

#include "base/checked.h"

namespace vs::history {
namespace {

constexpr std::size_t kFewPixels = 4;  ///< so many are stepped over, more are computed

std::uint64_t width_of(const Window& window) {
  if (window.from >= window.to) return 0;
  return static_cast<std::uint64_t>(window.to.ns) - static_cast<std::uint64_t>(window.from.ns);
}

}  // namespace

template <typename Parts>
Painter<Parts>::Painter(const Window& window, std::span<const std::int64_t> values,
                        std::vector<Stretch>& out)
    : out_(out),
      values_(values),
      from_ns_(window.from.ns),
      width_(width_of(window)),
      wanted_(window.pixels),
      pixels_(static_cast<std::size_t>(std::min<std::uint64_t>(width_, window.pixels))) {
  out_.clear();
  if (pixels_ == 0) return;
  step_ = width_ / pixels_;
  rest_ = width_ % pixels_;
  unit_ = 1 / static_cast<double>(step_);
  wide_unit_ = 1 / static_cast<double>(step_ + 1);
  jump_to(0);
}

// advance() computes the same as jump_to() by addition: a division per pixel would cost more than
// the rows of most pictures.
template <typename Parts>
void Painter<Parts>::jump_to(std::size_t pixel) {
  at_ = pixel;
  if (at_ >= pixels_) return;
  const UInt128 position = UInt128{width_} * at_;
  const auto begin = static_cast<std::uint64_t>(position / pixels_);
  error_ = static_cast<std::uint64_t>(position % pixels_);
  end_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(from_ns_) + begin);
  --at_;
  advance();
}

template <typename Parts>
void Painter<Parts>::advance() {
  ++at_;
  begin_ns_ = end_ns_;
  std::uint64_t step = step_;
  error_ += rest_;
  if (error_ >= pixels_) {
    error_ -= pixels_;
    ++step;
  }
  end_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(begin_ns_) + step);
}

template <typename Parts>
std::size_t Painter<Parts>::pixel_of(std::int64_t time_ns) const {
  const std::uint64_t ahead =
      static_cast<std::uint64_t>(time_ns) - static_cast<std::uint64_t>(from_ns_);
  if (ahead >= width_) return pixels_;
  // The pixel's own begin was rounded down, so the time may lie in the next one.
  const auto pixel = static_cast<std::size_t>(UInt128{ahead} * pixels_ / width_);
  const auto next = static_cast<std::uint64_t>(UInt128{width_} * (pixel + 1) / pixels_);
  return ahead >= next ? pixel + 1 : pixel;
}

template <typename Parts>
std::int64_t Painter<Parts>::value_of(Key key) const {
  if constexpr (std::is_same_v<Parts, StateParts>) {
    return values_[key];
  } else {
    return key;
  }
}

template <typename Parts>
void Painter<Parts>::emit(std::int64_t value, std::size_t pixels, float share) {
  written_ += pixels;
  if (!out_.empty() && out_.back().value == value && out_.back().share == share) {
    out_.back().pixels += static_cast<std::uint32_t>(pixels);
    return;
  }
  out_.push_back(Stretch{value, static_cast<std::uint32_t>(pixels), share});
}

template <typename Parts>
void Painter<Parts>::close_pixel() {
  const auto [key, held_ns] = parts_.take();
  const double unit =
      static_cast<std::uint64_t>(end_ns_ - begin_ns_) == step_ ? unit_ : wide_unit_;
  emit(value_of(key), 1, static_cast<float>(std::min(held_ns * unit, 1.0)));
}

template <typename Parts>
void Painter<Parts>::skip_to(std::int64_t time_ns) {
  if (!parts_.empty()) {
    close_pixel();
    advance();
  }
  if (at_ >= pixels_ || time_ns < end_ns_) return;
  const std::size_t pixel = pixel_of(time_ns);
  emit(model::kNull, pixel - at_, 0);
  jump_to(pixel);
}

template <typename Parts>
void Painter<Parts>::cross(std::int64_t begin_ns, std::int64_t end_ns, Key key) {
  if (done()) return;
  if (begin_ns >= end_ns_) {
    skip_to(begin_ns);
    if (done()) return;
  }
  if (end_ns >= end_ns_ && (begin_ns != begin_ns_ || !parts_.empty())) {
    if (begin_ns < end_ns_) parts_.add(key, static_cast<double>(end_ns_ - begin_ns));
    close_pixel();
    advance();
    begin_ns = begin_ns_;
  }
  if (!done()) fill_to(end_ns, key);
  begin_ns = std::max(begin_ns, begin_ns_);
  if (!done() && end_ns > begin_ns) parts_.add(key, static_cast<double>(end_ns - begin_ns));
}

template <typename Parts>
void Painter<Parts>::fill_to(std::int64_t end_ns, Key key) {
  if (end_ns < end_ns_) return;
  const std::size_t before = at_;
  while (at_ < pixels_ && end_ns >= end_ns_ && at_ - before < kFewPixels) advance();
  if (at_ < pixels_ && end_ns >= end_ns_) jump_to(pixel_of(end_ns));
  emit(value_of(key), at_ - before, 1);
}

template <typename Parts>
void Painter<Parts>::add_bucket(std::int64_t begin_ns, std::int64_t end_ns, double share_ns,
                                Bytes shares, std::span<const std::uint8_t> states) {
  if (begin_ns >= end_ns || done()) return;
  const double all = 1 / static_cast<double>(end_ns - begin_ns);
  begin_ns = std::max(begin_ns, begin_ns_);
  while (begin_ns < end_ns && !done()) {
    if (begin_ns >= end_ns_) skip_to(begin_ns);
    if (done()) return;
    const std::int64_t stop_ns = std::min(end_ns, end_ns_);
    const double unit = share_ns * static_cast<double>(stop_ns - begin_ns) * all;
    for (std::size_t v = 0; v < states.size(); ++v) {
      const auto share = static_cast<unsigned>(shares[v]);
      if (share != 0) parts_.add(states[v], static_cast<double>(share) * unit);
    }
    begin_ns = stop_ns;
  }
}

template <typename Parts>
void Painter<Parts>::finish() {
  if (!done() && !parts_.empty()) {
    close_pixel();
    advance();
  }
  if (written_ < pixels_) emit(model::kNull, pixels_ - written_, 0);
  if (pixels_ == wanted_) return;
  if (pixels_ == 0) {
    if (wanted_ != 0) out_.push_back(Stretch{model::kNull, static_cast<std::uint32_t>(wanted_), 0});
    return;
  }
  // Nanoseconds repeat: pixel i of the answer shows nanosecond floor(i * pixels / wanted).
  const auto place = [this](std::size_t ns) {
    return static_cast<std::size_t>((UInt128{ns} * wanted_ + pixels_ - 1) / pixels_);
  };
  std::size_t ns = 0;
  for (Stretch& stretch : out_) {
    const std::size_t end = ns + stretch.pixels;
    stretch.pixels = static_cast<std::uint32_t>(place(end) - place(ns));
    ns = end;
  }
}

template class Painter<StateParts>;
template class Painter<ValueParts>;

}  // namespace vs::history
