#pragma once
// Overview: pictures and sums of whole traces in memory. The history's summaries hold only the
// state column of its tables, and rows that are few and far between lie in many of its pieces; so
// after the analysis the rows are read once more, and then a picture or a series of a long window
// costs as much as its pixels, however long the trace is.
//
// What has few rows is kept as it is, by row. Else time is divided into buckets of a power of two,
// bucket i of width 2^e being [i << e, (i+1) << e), at several widths; the narrowest has about
// kRowsPerBucket rows per bucket. A pixel takes the widest buckets that are not wider than it; one
// that lies across a pixel's edge is divided evenly, so it may move by half a bucket. What does not
// fit (a window with pixels narrower than the buckets) has few rows per pixel, and is read from the
// history exactly.
//
// Ownership: values. Threads: built by one; then immutable, every method from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
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

inline constexpr std::uint64_t kRowsPerBucket = 8;        ///< of the narrowest buckets, about
inline constexpr std::uint64_t kLeastBuckets = 16384;     ///< of an entity's narrowest ones
inline constexpr std::uint64_t kKeptRows = 16384;         ///< of one entity, kept as they are
inline constexpr std::uint64_t kMostKeptRows = 4U << 20;  ///< of all entities
inline constexpr std::uint64_t kSumRows = 1024;           ///< fewer are summed up when asked for

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
  /// [begin, end) of the next pixel.
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

/// One entity's column: its rows, or what held longest in each bucket; of points, the first one.
class Track {
 public:
  enum class Keep : std::uint8_t { kRows, kBuckets };
  Track(const BucketFrame& frame, Keep keep, bool points)
      : frame_(frame), keep_(keep), points_(points) {}
  /// In the order of begin; what a row before has covered stays covered.
  void add(std::int64_t begin_ns, std::int64_t end_ns, std::int64_t value);
  /// After the last row: makes the wider buckets. False when there are too many values.
  [[nodiscard]] bool finish();
  /// False when the pixels are too narrow.
  [[nodiscard]] bool draw(const history::Window& window, Picture& picture) const;

 private:
  struct KeptRow {
    std::int64_t begin_ns;
    std::int64_t end_ns;
    std::uint32_t code;
  };
  struct Part {
    std::uint32_t bucket;
    std::uint32_t code;
    std::int64_t ns;
  };
  struct Level {
    std::vector<std::uint16_t> codes;  ///< into values_; kNothing
    std::vector<std::uint8_t> shares;  ///< of the bucket's time, in 1/255
  };
  std::uint32_t code_of(std::int64_t value);
  void add_part(std::int64_t bucket, std::uint32_t code, std::int64_t ns);
  [[nodiscard]] Level level_of(std::span<const Part> parts, unsigned exponent) const;
  void widen(std::vector<Part>& parts, std::int64_t first) const;
  void paint(std::int64_t begin_ns, std::int64_t end_ns, unsigned exponent, Picture& picture) const;
  void draw_rows(const history::Window& window, Picture& picture) const;
  /// One pixel that several rows may share, from row `at` on.
  void mix(std::size_t at, std::int64_t begin_ns, std::int64_t end_ns, Picture& picture) const;

  BucketFrame frame_;
  Keep keep_;
  bool points_;
  std::vector<KeptRow> rows_;
  std::int64_t covered_ns_ = std::numeric_limits<std::int64_t>::min();
  std::vector<Part> parts_;
  std::map<std::int64_t, std::uint32_t> codes_;
  std::uint32_t last_code_ = 0;  // rows mostly repeat the value before
  std::vector<std::int64_t> values_;
  std::vector<Level> levels_;
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

/// What is to be drawn: one column of one entity.
struct OverviewColumn {
  model::EntityId entity = 0;
  std::size_t slot = 0;
  bool points = false;
  auto operator<=>(const OverviewColumn&) const = default;
};

/// What is to be summed up over entities of one table.
struct OverviewSum {
  std::string id;
  std::vector<model::EntityId> entities;
  std::function<double(std::span<const std::int64_t>)> weight;  ///< of a row
  bool over_time = false;               ///< per ns of the row's duration, else at its begin
  std::optional<std::size_t> key_slot;  ///< a sum for every value of this column
  std::uint64_t most_buckets = 1U << 22;
};

class Overview {
 public:
  struct Wanted {
    std::vector<OverviewColumn> columns;
    std::vector<OverviewSum> sums;
  };
  /// Reads all rows of the entities that are wanted once. kCancelled when `cancel` gets set.
  [[nodiscard]] static Result<Overview> build(const history::Reader& history, Wanted wanted,
                                              const std::atomic<bool>* cancel);

  /// nullptr when the column is not in the overview.
  [[nodiscard]] const Track* track(model::EntityId entity, std::size_t slot) const;
  /// By id; nullptr where there is none.
  [[nodiscard]] const SumTrack* sum(const std::string& id) const;
  /// Of a sum with a key_slot, by the key's value; nullptr where there is none.
  [[nodiscard]] const std::map<std::int64_t, SumTrack>* sums_by_key(const std::string& id) const;

 private:
  friend class OverviewBuilder;
  std::map<std::pair<model::EntityId, std::size_t>, Track> tracks_;
  std::map<std::string, SumTrack> sums_;
  std::map<std::string, std::map<std::int64_t, SumTrack>> keyed_;
};

}  // namespace vs::serve
