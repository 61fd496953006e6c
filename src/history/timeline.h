#pragma once
// PixelRow: the picture of one entity over a window, filled from rows (exact) or from summaries.
//
// Threads: one.

#include <cstdint>
#include <vector>

#include "history/reader.h"

namespace vs::history {

class PixelRow {
 public:
  PixelRow(std::int64_t from_ns, std::int64_t to_ns, std::size_t pixels);
  /// Adds a span of a value. Spans must come in time order; parts outside the window are cut off.
  void add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value);

  // Summaries: move_to() the begin of a piece of time that lies within one pixel, then add the
  // shares that the values have in it.
  void move_to(std::int64_t time_ns);
  void add_share(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value, double share);
  /// Begin and end of the current pixel; done() when the window is full.
  [[nodiscard]] std::int64_t pixel_begin_ns() const { return begin_ns_; }
  [[nodiscard]] std::int64_t pixel_end_ns() const { return end_ns_; }
  [[nodiscard]] bool done() const { return at_ >= pixels_.size(); }
  /// Nanoseconds per pixel, rounded down.
  [[nodiscard]] std::uint64_t pixel_ns() const { return step_; }

  [[nodiscard]] std::uint64_t width_ns() const { return width_; }

  [[nodiscard]] std::vector<Pixel> finish();

 private:
  struct Part {
    std::int64_t value;
    std::int64_t held_ns;
  };
  void put(std::int64_t value, std::int64_t held_ns);
  void close_pixel();
  void jump_to(std::size_t pixel);
  void advance() {
    ++at_;
    begin_ns_ = end_ns_;
    step_end();
  }
  void step_end() {
    std::uint64_t step = step_;
    error_ += rest_;
    if (error_ >= pixels_.size()) {
      error_ -= pixels_.size();
      ++step;
    }
    end_ns_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(begin_ns_) + step);
  }

  const std::size_t wanted_;  ///< pixels asked for
  const std::int64_t from_ns_;
  const std::uint64_t width_;
  std::vector<Pixel> pixels_;
  std::uint64_t step_ = 0;
  std::uint64_t rest_ = 0;
  std::uint64_t error_ = 0;
  std::size_t at_ = 0;         ///< the pixel that is being filled ...
  std::int64_t begin_ns_ = 0;  ///< ... and its time
  std::int64_t end_ns_ = 0;
  std::vector<Part> parts_;
};

}  // namespace vs::history
