#pragma once
// Sums: what happens at a time (exits, bytes), how long exits took by reason, and of rows that
// overlap (disk requests) which operation is seen for how long, summed up over whole traces. Made
// once after the analysis, because the history has no summaries of that; then a series or a picture
// of a long window costs as much as its points.
//
// Time is divided into buckets of a power of two, bucket i of width 2^e being [i << e, (i+1) << e),
// at several widths. A part of a series takes the widest buckets that are fine enough. What does
// not fit (parts narrower than the buckets) is read from the history exactly. Memory: there are at
// most kMostBuckets narrowest buckets, up to twice as many where widths are rounded, however many
// machines there are and however long the trace is.
//
// Ownership: values. Threads: built by one; then immutable, every method from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "history/reader.h"

namespace vs::serve {

using Picture = std::vector<history::Stretch>;

inline constexpr std::uint64_t kSumRows = 1024;  ///< fewer are summed up when asked for
/// Narrowest buckets of all sums together; with the wider ones each costs 8 bytes.
inline constexpr std::uint64_t kMostBuckets = 2U << 20;
inline constexpr std::uint64_t kMostOfSum = 65536;  ///< of one sum
inline constexpr std::uint64_t kMostOfKey = 4096;   ///< of one key of a sum
inline constexpr std::uint64_t kExpectedKeys = 64;  ///< of a sum, for dividing kMostBuckets
/// Fewer rows that overlap are drawn one by one; of more there are so many to a narrowest bucket.
inline constexpr std::uint64_t kCoverRows = 65536;
inline constexpr std::uint64_t kRowsOfCover = 64;
inline constexpr std::uint64_t kMostOfCovers = 131072;  ///< narrowest buckets of a key, of all
inline constexpr std::size_t kMostKeys = 1024;          ///< of a sum; one with more is left out

/// Appends pixels; neighbours that are alike become one stretch.
void append_pixels(Picture& picture, std::int64_t value, std::uint32_t pixels, float share);

/// Where the pixels of a window begin. One after the other without a division each, or any of them.
class PixelEdges {
 public:
  PixelEdges(HostTime from, HostTime to, std::size_t pixels)
      : from_ns_(from.ns),
        at_ns_(from.ns),
        step_ns_((to - from) / static_cast<std::int64_t>(pixels)),
        rest_((to - from) % static_cast<std::int64_t>(pixels)),
        pixels_(static_cast<std::int64_t>(pixels)) {}
  /// [begin, end) of the next part.
  std::pair<std::int64_t, std::int64_t> next() {
    const std::int64_t begin_ns = at_ns_;
    at_ns_ += step_ns_;
    error_ += rest_;
    if (error_ >= pixels_) {
      error_ -= pixels_;
      ++at_ns_;
    }
    return {begin_ns, at_ns_};
  }
  /// Begin of pixel `number`.
  [[nodiscard]] std::int64_t edge(std::int64_t number) const {
    return from_ns_ + step_ns_ * number + rest_ * number / pixels_;
  }
  /// The pixel that holds a time of the window.
  [[nodiscard]] std::int64_t pixel_of(std::int64_t time_ns) const;

 private:
  std::int64_t from_ns_;
  std::int64_t at_ns_;
  std::int64_t step_ns_;
  std::int64_t rest_;
  std::int64_t pixels_;
  std::int64_t error_ = 0;
};

/// The life of what is summed up, and how wide its narrowest buckets are.
struct BucketFrame {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  unsigned exponent = 0;

  /// `buckets` of them in [begin, end), up to twice as many.
  static BucketFrame of(HostTime begin, HostTime end, std::uint64_t buckets);
  /// [begin, end) of a bucket within the life.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> bucket(std::int64_t number,
                                                             unsigned of_exponent) const;
  /// How many buckets of that width the life touches.
  [[nodiscard]] std::size_t count(unsigned of_exponent) const;
  /// The exponent of the widest buckets that are good enough for parts of this width, of `levels`
  /// ones; nothing when even the narrowest are too wide.
  [[nodiscard]] std::optional<unsigned> exponent_for(std::int64_t width_ns,
                                                     std::size_t levels) const;
};

/// Sums by bucket.
class SumTrack {
 public:
  explicit SumTrack(const BucketFrame& frame) : frame_(frame), levels_(1) {
    levels_[0].resize(frame.count(frame.exponent));
  }
  /// `weight` per nanosecond of [begin, end).
  void add_span(std::int64_t begin_ns, std::int64_t end_ns, double weight);
  void add_point(std::int64_t at_ns, double weight);
  void finish();
  /// Adds to `sums`, one per equal part of [from, to); false when the parts are too narrow.
  [[nodiscard]] bool add_to(HostTime from, HostTime to, std::span<double> sums) const;

 private:
  BucketFrame frame_;
  std::vector<std::vector<float>> levels_;
};

/// What is to be summed up over entities of one table.
struct WantedSum {
  std::string id;
  std::vector<model::EntityId> entities;
  std::function<double(std::span<const std::int64_t>)> weight;  ///< of a row
  /// Set: a sum for every value of this column, of weight per ns of the rows; else weight at the
  /// rows' begin.
  std::optional<std::size_t> key_slot;
  /// Of a row only what no row before it covers counts, as in pictures of rows that overlap.
  /// Requires a key_slot and one entity.
  bool covering = false;
};

class Sums {
 public:
  /// Reads all rows of the entities that are wanted once. kCancelled when `cancel` gets set.
  [[nodiscard]] static Result<Sums> build(const history::Reader& history,
                                          std::vector<WantedSum> wanted,
                                          const std::atomic<bool>* cancel);

  /// By id; nullptr where there is none.
  [[nodiscard]] const SumTrack* sum(const std::string& id) const;
  /// Of a sum with a key_slot, by the key's value; nullptr where there is none.
  [[nodiscard]] const std::map<std::int64_t, SumTrack>* sums_by_key(const std::string& id) const;

 private:
  friend class SumBuilder;
  std::map<std::string, SumTrack> sums_;
  std::map<std::string, std::map<std::int64_t, SumTrack>> keyed_;
};

}  // namespace vs::serve
