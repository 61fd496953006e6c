#pragma once
// Painter: the picture of one entity over a window as stretches of pixels, filled from rows (exact)
// or from summaries.
//
// The window is cut into pixels of equal width; pixel i begins at from + floor(width * i / pixels).
// What is added comes in time order. A pixel gets the value that held longest in it (of equals the
// smallest), and its share.
//
//   rows     |----a----|-b-|-a-|--------------c---------------|-b-|
//   pixels   |    1    |    2    |    3    |    4    |    5    |
//   out       a 1 x 1   a 0.6     c 1 x 2             c 0.6
//
// Threads: one.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "history/picture.h"
#include "history/summary.h"

namespace vs::history {

/// What a pixel holds so far, by number of the state: for columns with few values.
class StateParts {
 public:
  using Key = std::uint8_t;
  static constexpr std::size_t kMost = 64;

  void add(Key state, double held_ns) {
    held_ns_[state] = ((mask_ >> state & 1) != 0 ? held_ns_[state] : 0.0) + held_ns;
    mask_ |= std::uint64_t{1} << state;
  }
  [[nodiscard]] bool empty() const { return mask_ == 0; }
  /// The part that held longest; everything is forgotten.
  [[nodiscard]] std::pair<Key, double> take() {
    auto best = static_cast<Key>(std::countr_zero(mask_));
    for (std::uint64_t rest = mask_ & (mask_ - 1); rest != 0; rest &= rest - 1) {
      const auto state = static_cast<Key>(std::countr_zero(rest));
      best = held_ns_[state] > held_ns_[best] ? state : best;
    }
    mask_ = 0;
    return {best, held_ns_[best]};
  }

 private:
  std::uint64_t mask_ = 0;
  std::array<double, kMost> held_ns_{};
};

/// The same for any values.
class ValueParts {
 public:
  using Key = std::int64_t;

  void add(Key value, double held_ns) {
    for (auto& [known, held] : parts_) {
      if (known != value) continue;
      held += held_ns;
      return;
    }
    parts_.emplace_back(value, held_ns);
  }
  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] std::pair<Key, double> take() {
    std::pair<Key, double> best = parts_.front();
    for (const auto& part : parts_) {
      const bool longer = part.second > best.second;
      if (longer || (part.second == best.second && part.first < best.first)) best = part;
    }
    parts_.clear();
    return best;
  }

 private:
  std::vector<std::pair<Key, double>> parts_;
};

template <typename Parts>
class Painter {
 public:
  using Key = typename Parts::Key;

  /// Fills `out`, which must outlive this; `values` are what the numbers of states stand for.
  Painter(const Window& window, std::span<const std::int64_t> values, std::vector<Stretch>& out);

  /// Adds a span; parts outside the window are cut off.
  void add(std::int64_t begin_ns, std::int64_t end_ns, Key key) {
    begin_ns = std::max(begin_ns, begin_ns_);
    if (end_ns >= end_ns_) return cross(begin_ns, end_ns, key);
    if (end_ns > begin_ns) parts_.add(key, static_cast<double>(end_ns - begin_ns));
  }
  /// Adds a bucket [begin, end) of a summary that is not wider than a pixel: of `states` with
  /// `shares`, one of which is worth `share_ns`. A bucket across a pixel's edge is divided evenly.
  void add_bucket(std::int64_t begin_ns, std::int64_t end_ns, double share_ns, Bytes shares,
                  std::span<const std::uint8_t> states);

  [[nodiscard]] bool done() const { return at_ >= pixels_; }
  /// Ends the picture: pixels that nothing was added to have no value.
  void finish();

 private:
  void cross(std::int64_t begin_ns, std::int64_t end_ns, Key key);
  void fill_to(std::int64_t end_ns, Key key);
  /// Moves to the pixel that holds a time; those between are empty.
  void skip_to(std::int64_t time_ns);
  void close_pixel();
  void jump_to(std::size_t pixel);
  void advance();
  void emit(std::int64_t value, std::size_t pixels, float share);
  [[nodiscard]] std::int64_t value_of(Key key) const;
  [[nodiscard]] std::size_t pixel_of(std::int64_t time_ns) const;

  std::vector<Stretch>& out_;
  const std::span<const std::int64_t> values_;
  const std::int64_t from_ns_;
  const std::uint64_t width_;    ///< ns
  const std::size_t wanted_;     ///< pixels asked for
  const std::size_t pixels_;     ///< no pixel is narrower than a nanosecond
  std::uint64_t step_ = 0;
  std::uint64_t rest_ = 0;
  std::uint64_t error_ = 0;
  std::size_t at_ = 0;         ///< the pixel that is being filled ...
  std::int64_t begin_ns_ = 0;  ///< ... and its time
  std::int64_t end_ns_ = 0;
  double unit_ = 0;  ///< 1 / step, and 1 / (step + 1)
  double wide_unit_ = 0;
  std::size_t written_ = 0;  ///< pixels in out_
  Parts parts_;
};

extern template class Painter<StateParts>;
extern template class Painter<ValueParts>;

}  // namespace vs::history
