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
// The inner loop has no division and few branches: where the rows' ends lie is computed for a whole
// block, from a table of the pixels' edges that all painters of a picture share.
//
// Ownership: a Painter refers to its Frame and its answer. Threads: one.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "history/block.h"
#include "history/picture.h"

namespace vs::history {

/// The pixels of a window.
class Frame {
 public:
  explicit Frame(const Window& window);

  [[nodiscard]] std::size_t pixels() const { return pixels_; }
  /// Pixels asked for: no pixel is narrower than a nanosecond, deeper zooms repeat them.
  [[nodiscard]] std::size_t wanted() const { return wanted_; }
  [[nodiscard]] std::int64_t from_ns() const { return from_ns_; }
  [[nodiscard]] std::int64_t to_ns() const { return to_ns_; }
  /// Begin of a pixel; of pixels(): the end of the window.
  [[nodiscard]] std::int64_t edge(std::size_t pixel) const { return edges_[pixel]; }
  /// The pixel that holds a time; 0 before the window, pixels() behind it.
  [[nodiscard]] std::uint32_t pixel_of(std::int64_t time_ns) const {
    const std::int64_t inside = std::clamp(time_ns, from_ns_, to_ns_);
    // The product is near, the table is right.
    auto pixel = static_cast<std::size_t>(std::min(ahead_of(inside) * per_ns_, most_));
    pixel -= static_cast<std::size_t>(inside < edges_[pixel]);
    pixel += static_cast<std::size_t>(inside >= edges_[pixel + 1]);
    return static_cast<std::uint32_t>(std::min(pixel, pixels_));
  }

 private:
  /// Distance from the begin. In two halves, each of which fits a signed number: those convert
  /// without a branch.
  [[nodiscard]] double ahead_of(std::int64_t time_ns) const {
    const std::uint64_t ahead =
        static_cast<std::uint64_t>(time_ns) - static_cast<std::uint64_t>(from_ns_);
    return static_cast<double>(static_cast<std::int64_t>(ahead >> 1)) * 2;
  }

  std::int64_t from_ns_;
  std::int64_t to_ns_;
  std::size_t wanted_;
  std::size_t pixels_;
  double per_ns_ = 0;  ///< pixels
  double most_ = 0;
  std::vector<std::int64_t> edges_;  ///< of all pixels, the end, and one that is never reached
};

/// What a pixel holds so far, by number of the state: for columns with few values.
class StateParts {
 public:
  using Key = std::uint8_t;
  static constexpr std::size_t kMost = 254;  ///< with kMaxStates values there may be more

  /// `values` are what the numbers stand for, ascending; at most kMost.
  explicit StateParts(std::span<const std::int64_t> values) : values_(values) {}
  void add(Key state, double held_ns) { held_ns_[state] += held_ns; }
  /// The value that held longest and how long; 0 ns when nothing held. Everything is forgotten.
  [[nodiscard]] std::pair<std::int64_t, double> take() {
    std::size_t best = 0;
    double most_ns = held_ns_[0];
    held_ns_[0] = 0;
    for (std::size_t i = 1; i < values_.size(); ++i) {
      const double held_ns = held_ns_[i];
      held_ns_[i] = 0;
      best = held_ns > most_ns ? i : best;
      most_ns = std::max(most_ns, held_ns);
    }
    return {most_ns > 0 ? values_[best] : model::kNull, most_ns};
  }
  [[nodiscard]] std::int64_t value(Key state) const { return values_[state]; }

 private:
  std::span<const std::int64_t> values_;
  std::array<double, 256> held_ns_{};  ///< by any key: a broken file may have others
};

/// How long any of some values held: their stretches have the value 1, all others 0. `in_set`: by
/// number of a state, 1 or 0, of all 256.
class SetParts {
 public:
  using Key = std::uint8_t;

  explicit SetParts(std::span<const std::int64_t> in_set) : in_set_(in_set) {}
  void add(Key state, double held_ns) { held_ns_ += in_set_[state] != 0 ? held_ns : 0; }
  [[nodiscard]] std::pair<std::int64_t, double> take() {
    const double held_ns = std::exchange(held_ns_, 0);
    return {held_ns > 0 ? 1 : 0, held_ns};
  }
  [[nodiscard]] std::int64_t value(Key state) const { return in_set_[state]; }

 private:
  std::span<const std::int64_t> in_set_;
  double held_ns_ = 0;
};

/// The same for any values.
class ValueParts {
 public:
  using Key = std::int64_t;

  explicit ValueParts(std::span<const std::int64_t>) {}
  void add(Key value, double held_ns) {
    for (auto& [known, held] : parts_) {
      if (known != value) continue;
      held += held_ns;
      return;
    }
    parts_.emplace_back(value, held_ns);
  }
  [[nodiscard]] std::pair<std::int64_t, double> take() {
    std::pair<std::int64_t, double> best{model::kNull, 0};
    for (const auto& part : parts_) {
      const bool longer = part.second > best.second;
      if (longer || (part.second == best.second && part.first < best.first)) best = part;
    }
    parts_.clear();
    return best;
  }
  [[nodiscard]] std::int64_t value(Key value) const { return value; }

 private:
  std::vector<std::pair<std::int64_t, double>> parts_;
};

template <typename Parts>
class Painter {
 public:
  using Key = typename Parts::Key;

  /// Fills `out`. `values`: see StateParts.
  Painter(const Frame& frame, std::span<const std::int64_t> values, std::vector<Stretch>& out)
      : frame_(frame), out_(out), parts_(values) {
    out_.clear();
  }

  /// Where add_rows() puts its stretches first; any of them may use the same.
  using Room = std::array<Stretch, 2 * kBlockRows>;
  /// Adds the rows of a block; parts outside the window are cut off.
  void add_rows(const BlockTimes& times, std::span<const Key> keys, Room& room);
  /// Adds a bucket [begin, end) of a summary, of any width: of `values` with
  /// `shares`, one of which is worth `share_ns`. A bucket across a pixel's edge is divided evenly.
  void add_bucket(std::int64_t begin_ns, std::int64_t end_ns, double share_ns, Bytes shares,
                  std::span<const std::uint8_t> values) {
    const bool inside = !done() && begin_ns >= frame_.edge(at_) && end_ns <= frame_.edge(at_ + 1);
    if (!inside) return add_across(begin_ns, end_ns, share_ns, shares, values);
    if (begin_ns < end_ns) add_shares(share_ns, shares, values);
  }

  [[nodiscard]] bool done() const { return at_ >= frame_.pixels(); }
  /// Ends the picture: pixels that nothing was added to have no value.
  void finish();

 private:
  /// The current pixel is complete.
  [[nodiscard]] Stretch close_pixel();
  void add_across(std::int64_t begin_ns, std::int64_t end_ns, double share_ns, Bytes shares,
                  std::span<const std::uint8_t> values);
  void add_shares(double unit_ns, Bytes shares, std::span<const std::uint8_t> values) {
    for (std::size_t v = 0; v < values.size(); ++v) {
      parts_.add(values[v], static_cast<double>(static_cast<int>(shares[v])) * unit_ns);
    }
  }
  [[nodiscard]] std::int64_t repeat_pixel(std::int64_t end_ns);
  void put(std::span<const Stretch> stretches) {
    out_.insert(out_.end(), stretches.begin(), stretches.end());
  }
  /// Moves to a pixel further on; those between are empty.
  void move_to(std::uint32_t pixel);
  void repeat_nanoseconds();

  const Frame& frame_;
  std::vector<Stretch>& out_;
  std::uint32_t at_ = 0;  ///< the pixel that is being filled
  Parts parts_;
};

extern template class Painter<StateParts>;
extern template class Painter<SetParts>;
extern template class Painter<ValueParts>;

}  // namespace vs::history
