#pragma once
// Summaries: for the rows of one entity under one node of the tree (a rows piece or an index
// piece), how long each value of a drawn column held in time buckets of a power of two, at several
// widths. A zoomed-out timeline reads these and not what lies below. Where a column seldom changes,
// its summary is its spans, exact.
//
// Bucket i of width 2^e is [i << e, (i + 1) << e) on the host timeline. It has one share of its
// whole width, in 1/255, per value of the run; the shares of a bucket add up to what was held in
// it, rounded once. Only rows of this run count, so runs that share a bucket add up.
//
//   level 0    |--|--|--|--|--|--|--|--|--|--|--|--|   the narrowest, its width fits the run's rows
//   level 1    |-----|-----|-----|-----|-----|-----|   twice as wide, while more than kLeastBuckets
//   the carry  |-----------|-----------|-----------|   a kCarryPart of level 0: goes to the node
//   above
//
// A level costs bytes for every bucket and value, so buckets are as narrow as the rows below pay
// for, never narrower: of an entity with few rows a picture reads those.
//
// Errors: parse refuses bytes that break the format. Threads: a parsed SummaryPiece is immutable.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/run_sums.h"
#include "history/varint.h"

namespace vs::history {

inline constexpr std::size_t kSummaryRows = 8;      ///< rows per bucket of a rows piece, at least
inline constexpr std::size_t kLeastBuckets = 8;     ///< a level has more than these
inline constexpr std::size_t kCarryBuckets = 128;   ///< what a run hands to the node above, at most
inline constexpr std::size_t kCarryPart = 4;        ///< the carry has so many fewer than the level
inline constexpr std::size_t kFewSpans = 16;        ///< that an index piece keeps at any rate
inline constexpr std::size_t kNodeBuckets = 16384;  ///< of a run in an index piece's summary
inline constexpr std::size_t kSummaryValues = 64;   ///< a run with more has no summary
inline constexpr std::size_t kShareUnit = 255;      ///< a share of the whole bucket
inline constexpr std::size_t kMaxStates = 255;  ///< of one column; with more it has no summaries
inline constexpr std::uint8_t kNoNumber = 255;  ///< a value beyond those

/// What the numbers of values stand for, by drawn column of a table.
using DrawnValues = std::array<std::vector<std::int64_t>, kMaxDrawn>;

/// A stretch of time in which one value held; `value` is its number.
struct Span {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint8_t value = 0;
};

/// The rows of one run as spans, of which neighbours of one value are one; false when they are more
/// than `most`. `numbers`: of each tuple's value.
[[nodiscard]] bool spans_of(std::span<const SlabRow> rows, std::span<const std::uint8_t> numbers,
                            std::size_t most, std::vector<Span>& out);

/// Whether so many spans are written as they are, in place of sums: so many rows pay for them.
[[nodiscard]] constexpr bool keeps_spans(std::size_t spans, std::uint64_t rows) {
  return spans <= kFewSpans || spans * kSummaryRows <= rows;
}

/// How many buckets, each of `width` values, the summary of so many rows may have.
[[nodiscard]] constexpr std::size_t paid_buckets(std::size_t rows, std::size_t width) {
  return rows / std::max(kSummaryRows, 3 * width);
}

/// Sums of spans in buckets, and how they are written.
class Pyramid {
 public:
  /// The rows of one run, in time order, at least one: written buckets have several rows each, more
  /// of them the more values there are, so that summaries stay small beside the rows. `numbers`:
  /// of each tuple's value; `present`: those of the rows, by first occurrence.
  void build_rows(std::span<const SlabRow> rows, std::span<const std::uint8_t> numbers,
                  std::span<const std::uint8_t> present);
  /// The same of a run whose sums are there, of which there are at least as many buckets.
  void build_run(const RunSums& sums, std::size_t drawn, std::size_t rows);
  /// What the children of a node carried: buckets of the narrowest width >= 2^exponent of which
  /// there are at most `most`; with exponent 0 they are exact.
  void build(std::span<const Span> spans, unsigned exponent, std::size_t most);
  [[nodiscard]] std::size_t buckets() const { return buckets_; }
  /// There are more values than a summary has room for: nothing may be made of it.
  [[nodiscard]] bool lost() const { return lost_; }
  /// Makes the levels, of which there may be none; `carry` gets the first one with at most a
  /// kCarryPart of the buckets, within kLeastBuckets and kCarryBuckets, as spans that lie in them.
  /// The sums are used up.
  [[nodiscard]] bool make_levels(std::vector<Span>& carry);
  /// log2 of the width of the carry's buckets.
  [[nodiscard]] unsigned carry_exponent() const { return carry_exponent_; }
  /// Writes what make_levels() made.
  void put_levels(ByteSink& out) const;

 private:
  void carry(std::vector<Span>& out) const;
  void number(std::uint8_t value);
  void start_sums(std::int64_t first_ns, std::int64_t last_ns, unsigned exponent, std::size_t most);
  void forget_numbers();
  template <typename Row, typename ValueOf>
  void sum(std::span<const Row> rows, ValueOf value_of, unsigned exponent, std::size_t most);
  void widen();
  void put_level();

  std::vector<std::uint64_t> sums_;                   ///< bucket by value, ns
  std::array<std::uint8_t, kMaxStates + 1> local_{};  ///< number of a state -> place in values_
  std::array<std::uint8_t, kSummaryValues> values_{};
  std::size_t width_ = 0;  ///< values of this run
  bool lost_ = false;
  std::size_t buckets_ = 0;
  std::int64_t first_ = 0;
  unsigned exponent_ = 0;
  std::size_t most_written_ = 0;  ///< buckets of a level that is written
  unsigned carry_exponent_ = 0;
  /// What is written.
  struct Levels {
    unsigned count = 0;
    unsigned exponent = 0;  ///< of the narrowest, as the rest
    std::int64_t first = 0;
    std::size_t buckets = 0;
    ByteSink shares;
  };
  Levels levels_;
};

/// Collects the runs of one summary piece.
class SummaryEncoder {
 public:
  /// `values` are what the numbers of the spans stand for.
  void start(std::span<const std::int64_t> values);
  /// Entities ascend. Nothing is written for a run without levels; what goes up is added to
  /// `carry`.
  void add_run(EntityId entity, Pyramid& pyramid, std::vector<Span>& carry);
  /// A run that is its spans: in time order, without overlaps, at least one.
  void add_rows(EntityId entity, std::span<const Span> rows);
  [[nodiscard]] std::size_t bytes() const { return body_.size(); }
  [[nodiscard]] bool empty() const { return runs_ == 0; }
  [[nodiscard]] EntityId first_entity() const { return first_entity_; }
  [[nodiscard]] EntityId last_entity() const { return last_entity_; }
  [[nodiscard]] Bytes finish();

 private:
  void put_entity(EntityId entity);

  std::span<const std::int64_t> values_;
  std::size_t runs_ = 0;
  EntityId first_entity_ = 0;
  EntityId last_entity_ = 0;
  ByteSink body_;
  ByteSink out_;
};

/// One level of one run, or its spans.
struct SummaryLevel {
  std::span<const Span> rows;  ///< spans; numbers in the column's list of values; else empty, and:
  unsigned exponent = 0;
  std::int64_t first = 0;  ///< number of the first bucket
  std::uint32_t buckets = 0;
  Bytes shares;                          ///< bucket by value
  std::span<const std::uint8_t> values;  ///< numbers in the column's list of values
};

class SummaryPiece final : public Cached {
 public:
  /// `values` are those of the column, in ascending order.
  [[nodiscard]] static Result<std::shared_ptr<const SummaryPiece>> parse(
      std::vector<std::byte> raw, std::span<const std::int64_t> values);
  /// The entity's widest level that is not wider than `width_ns`, or its rows; false when there is
  /// none.
  [[nodiscard]] bool level_for(EntityId entity, std::uint64_t width_ns, SummaryLevel& level) const;
  /// Width of the narrowest bucket of all runs.
  [[nodiscard]] std::uint64_t narrowest_ns() const { return std::uint64_t{1} << least_exponent_; }
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(SummaryPiece) + raw_.capacity() + runs_.capacity() * sizeof(Run) +
           values_.capacity() + rows_.capacity() * sizeof(Span);
  }

 private:
  struct Run {
    EntityId entity = 0;
    std::uint32_t offset = 0;  ///< of the first level's shares; of rows: into rows_
    std::int64_t first = 0;
    std::uint32_t buckets = 0;  ///< of the first level; of rows: how many
    std::uint32_t values = 0;   ///< into values_
    std::uint8_t width = 0;     ///< values; 0: the run is its rows
    std::uint8_t exponent = 0;
    std::uint8_t levels = 0;
  };
  [[nodiscard]] bool parse_run(VarReader& in, std::span<const std::uint8_t> numbers, Run& run);
  [[nodiscard]] bool parse_rows(VarReader& in, std::span<const std::uint8_t> numbers, Run& run);

  std::vector<std::byte> raw_;
  unsigned least_exponent_ = 63;
  std::vector<Run> runs_;  ///< entities ascend
  std::vector<std::uint8_t> values_;
  std::vector<Span> rows_;
};

}  // namespace vs::history
