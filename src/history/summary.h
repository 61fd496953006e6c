#pragma once
// Summaries: for the rows of one entity in one piece, how long each value of the state column held
// in time buckets of a power of two, at several widths. A zoomed-out timeline reads these and not
// the rows.
//
// The narrowest bucket has room for kSummaryRows rows on average, each further level is four times
// as wide, the widest has at most kSummaryTop buckets. Bucket i of width 2^e is [i << e, (i + 1) <<
// e) on the host timeline. A bucket lists its values with their shares of the whole width in 1/255,
// at most kSummaryParts of them, the largest ones. Shares of neighbouring pieces add up.
//
// Errors: parse refuses bytes that break the format. Threads: a parsed SummaryPiece is immutable.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/piece.h"
#include "history/slab.h"
#include "history/varint.h"

namespace vs::history {

inline constexpr std::size_t kSummaryRows = 32;
inline constexpr std::size_t kSummaryTop = 4;
inline constexpr std::size_t kSummaryParts = 6;
inline constexpr unsigned kSummaryStep = 2;  ///< log2 of the ratio of two levels' widths
/// Runs with fewer rows are read as rows.
inline constexpr std::size_t kSummaryMinRows = 4 * kSummaryRows;

class SummaryEncoder {
 public:
  /// `states` are the values that a slab's state numbers stand for.
  void start(std::span<const std::int64_t> states);
  /// Entities ascend.
  void add_run(EntityId entity, std::span<const SlabRow> rows, const TableSlab& slab);
  [[nodiscard]] bool empty() const { return runs_ == 0; }
  [[nodiscard]] EntityId first_entity() const { return first_entity_; }
  [[nodiscard]] EntityId last_entity() const { return last_entity_; }
  [[nodiscard]] Bytes finish();

 private:
  struct Span {
    std::int64_t begin_ns;
    std::int64_t end_ns;
    std::uint8_t value;
  };
  void put_run(EntityId entity);
  void sum_spans(unsigned exponent, std::int64_t first);
  void widen(std::int64_t& first);
  void put_level(unsigned exponent, std::int64_t first);

  std::span<const std::int64_t> values_;
  std::vector<Span> spans_;
  std::vector<std::uint64_t> sums_;  ///< bucket by value, ns
  std::vector<std::uint64_t> wider_;
  std::size_t buckets_ = 0;
  std::size_t runs_ = 0;
  EntityId first_entity_ = 0;
  EntityId last_entity_ = 0;
  ByteSink level_;
  ByteSink body_;
  ByteSink out_;
};

struct SummaryLevel {
  EntityId entity = 0;
  unsigned exponent = 0;
  std::int64_t first = 0;  ///< number of the first bucket
  std::uint32_t buckets = 0;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

class SummaryPiece final : public Cached {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const SummaryPiece>> parse(
      std::vector<std::byte> raw);
  /// The entity's widest level that is not wider than `width_ns`; nullptr when there is none.
  [[nodiscard]] const SummaryLevel* level_for(EntityId entity, std::uint64_t width_ns) const;
  [[nodiscard]] std::span<const std::int64_t> values() const { return values_; }
  [[nodiscard]] Bytes bytes_of(const SummaryLevel& level) const {
    return Bytes(raw_).subspan(level.offset, level.size);
  }
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(SummaryPiece) + raw_.capacity() + values_.capacity() * sizeof(std::int64_t) +
           levels_.capacity() * sizeof(SummaryLevel);
  }

 private:
  std::vector<std::byte> raw_;
  std::vector<std::int64_t> values_;
  std::vector<SummaryLevel> levels_;  ///< by entity, then by width
};

}  // namespace vs::history
