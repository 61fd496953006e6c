#pragma once
// Summaries: for the rows of one entity under one node of the tree (a rows piece or an index
// piece), how long each value of the state column held in time buckets of a power of two, at
// several widths. A zoomed-out timeline reads these and not what lies below.
//
// Bucket i of width 2^e is [i << e, (i + 1) << e) on the host timeline. It has one share of its
// whole width, in 1/255, per value of the run; the shares of a bucket add up to what was held in
// it, rounded once. Only rows of this run count, so runs that share a bucket add up.
//
//   level 0    |--|--|--|--|--|--|--|--|--|--|--|--|   the narrowest, its width fits the run's rows
//   level 1    |-----|-----|-----|-----|-----|-----|   twice as wide, while more than kCarryBuckets
//   the carry  |-----------|-----------|-----------|   goes to the node above and is not written
//
// Errors: parse refuses bytes that break the format. Threads: a parsed SummaryPiece is immutable.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/varint.h"

namespace vs::history {

inline constexpr std::size_t kSummaryRows = 8;     ///< rows per bucket of a rows piece, at least
inline constexpr std::size_t kCarryBuckets = 8;    ///< what a run hands to the node above, at most
inline constexpr std::size_t kSummaryValues = 16;  ///< of one run; further ones are left out
inline constexpr std::size_t kShareUnit = 255;     ///< a share of the whole bucket
inline constexpr std::size_t kMaxStates = 255;     ///< of one table; further ones are left out
inline constexpr std::uint8_t kNoNumber = 255;     ///< a state beyond those

/// A stretch of time in which one value held; `value` is the number of a state.
struct Span {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  std::uint8_t value = 0;
};

/// Sums of spans in buckets, and how they are written.
class Pyramid {
 public:
  /// The rows of one run, in time order, at least one: buckets for several rows each, more of them
  /// the more values there are, so that summaries stay small beside the rows. `states`: number of
  /// each tuple's state; `present`: those of the rows, by first occurrence.
  void build_rows(std::span<const SlabRow> rows, std::span<const std::uint8_t> states,
                  std::span<const std::uint8_t> present);
  /// What the children of a node carried: buckets of the narrowest width >= 2^exponent of which
  /// there are at most `most`.
  void build(std::span<const Span> spans, unsigned exponent, std::size_t most);
  [[nodiscard]] std::size_t buckets() const { return buckets_; }
  /// Whether there is more than what goes into the carry.
  [[nodiscard]] bool worth_writing() const { return buckets_ > kCarryBuckets && width_ != 0; }
  [[nodiscard]] unsigned exponent() const { return exponent_; }
  /// Writes this level and wider ones as long as they have more than kCarryBuckets buckets.
  void put_levels(ByteSink& out);
  /// What is left, as spans that lie in their buckets.
  void carry(std::vector<Span>& out) const;

 private:
  void number(std::uint8_t value);
  void forget_numbers();
  template <typename Row, typename ValueOf>
  void sum(std::span<const Row> rows, ValueOf value_of, unsigned exponent, std::size_t most);
  void widen();
  void put_level();

  std::vector<std::uint64_t> sums_;                   ///< bucket by value, ns
  std::array<std::uint8_t, kMaxStates + 1> local_{};  ///< number of a state -> place in values_
  std::array<std::uint8_t, kSummaryValues> values_{};
  std::size_t width_ = 0;  ///< values of this run
  std::size_t buckets_ = 0;
  std::int64_t first_ = 0;
  unsigned exponent_ = 0;
  ByteSink level_;
};

/// Collects the runs of one summary piece.
class SummaryEncoder {
 public:
  /// `values` are what the numbers of the spans stand for.
  void start(std::span<const std::int64_t> values);
  /// Entities ascend. Nothing is written for a run that fits into the carry.
  void add_run(EntityId entity, Pyramid& pyramid);
  [[nodiscard]] bool empty() const { return runs_ == 0; }
  [[nodiscard]] EntityId first_entity() const { return first_entity_; }
  [[nodiscard]] EntityId last_entity() const { return last_entity_; }
  [[nodiscard]] Bytes finish();

 private:
  std::span<const std::int64_t> values_;
  std::size_t runs_ = 0;
  EntityId first_entity_ = 0;
  EntityId last_entity_ = 0;
  ByteSink body_;
  ByteSink out_;
};

/// One level of one run.
struct SummaryLevel {
  unsigned exponent = 0;
  std::int64_t first = 0;  ///< number of the first bucket
  std::uint32_t buckets = 0;
  Bytes shares;                          ///< bucket by value
  std::span<const std::uint8_t> states;  ///< numbers in the table's list of states
};

class SummaryPiece final : public Cached {
 public:
  /// `states` are the values of the table's state column, in ascending order.
  [[nodiscard]] static Result<std::shared_ptr<const SummaryPiece>> parse(
      std::vector<std::byte> raw, std::span<const std::int64_t> states);
  /// The entity's widest level that is not wider than `width_ns`; false when there is none.
  [[nodiscard]] bool level_for(EntityId entity, std::uint64_t width_ns, SummaryLevel& level) const;
  /// Width of the narrowest bucket of all runs.
  [[nodiscard]] std::uint64_t narrowest_ns() const { return std::uint64_t{1} << least_exponent_; }
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(SummaryPiece) + raw_.capacity() + runs_.capacity() * sizeof(Run) +
           states_.capacity();
  }

 private:
  struct Run {
    EntityId entity = 0;
    std::uint32_t offset = 0;  ///< of the first level's shares
    std::int64_t first = 0;
    std::uint32_t buckets = 0;
    std::uint32_t states = 0;  ///< into states_
    std::uint8_t width = 0;
    std::uint8_t exponent = 0;
    std::uint8_t levels = 0;
  };
  [[nodiscard]] bool parse_run(VarReader& in, std::span<const std::uint8_t> numbers, Run& run);

  std::vector<std::byte> raw_;
  unsigned least_exponent_ = 63;
  std::vector<Run> runs_;  ///< entities ascend
  std::vector<std::uint8_t> states_;
};

}  // namespace vs::history
