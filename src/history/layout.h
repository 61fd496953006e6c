#pragma once
// Constants and plain structures of the history file that writer and reader share
// (docs/formats/history.md specifies the bytes).
//
// Threads: immutable values.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "model/interval_sink.h"
#include "model/tables.h"

namespace vs::history {

using model::EntityId;
using model::StringId;
using model::TableId;

inline constexpr EntityId kNoEntity = 0xffffffffU;
inline constexpr std::string_view kMagic = "VSHIST\r\n";
inline constexpr std::string_view kEndMagic = "VSHISEND";
inline constexpr std::uint32_t kVersion = 4;
inline constexpr std::size_t kHeaderBytes = 32;
inline constexpr std::size_t kTrailerBytes = 56;

inline constexpr std::size_t kBlockRows = 64;        ///< rows that are coded together
inline constexpr std::size_t kPieceRows = 16384;     ///< rows that are compressed together
inline constexpr std::size_t kSlabRows = 262144;     ///< a slab is sealed from here on ...
inline constexpr std::size_t kSlabRowsMax = 524288;  ///< ... at the latest here
inline constexpr std::size_t kSlabRowsPerEntity =
    16;                                     ///< ... when entities have this many on average
inline constexpr std::size_t kFanout = 16;  ///< children of an index node, at most
inline constexpr std::size_t kNodeBytes = 16ULL << 20;   ///< memory of an open index node
inline constexpr std::size_t kIndexPieceEntries = 2048;  ///< a piece ends with the entity that ...
inline constexpr std::size_t kIndexPieceMost = 4096;     ///< ... passes the first number, or
inline constexpr std::size_t kIndexSummaryBytes = 1U << 20;  ///< ... has a summary of this size
inline constexpr unsigned kMaxTier = 15;
inline constexpr std::size_t kMaxValues = 16;  ///< value columns of a table
inline constexpr std::size_t kMaxDrawn = 4;    ///< of those, with summaries

/// Times beyond this are cut to it, so that every difference fits an int64.
inline constexpr std::int64_t kTimeLimit = std::int64_t{1} << 62;

// Limits that refuse a file. What they bound is allocated only after the comparison.
inline constexpr std::uint64_t kMaxFooterBytes = 128ULL << 20;
inline constexpr std::uint64_t kMaxPieceBytes = 8ULL << 20;
inline constexpr std::uint64_t kMaxEntities = 1ULL << 22;
inline constexpr std::uint64_t kMaxStrings = 1ULL << 23;
inline constexpr std::uint64_t kMaxCells = 1ULL << 23;  ///< of all small tables together

enum class PieceKind : std::uint8_t { kRows, kSummary, kIndex, kFooter };
enum class Codec : std::uint8_t { kStored, kLz4, kZstd };

/// Where a piece lies and what it holds; the footer has one per piece.
struct PieceInfo {
  std::uint64_t offset = 0;
  std::uint64_t checksum = 0;  ///< XXH3-64 of the stored bytes
  std::uint32_t stored = 0;    ///< bytes in the file
  std::uint32_t raw = 0;       ///< bytes unpacked
  PieceKind kind = PieceKind::kRows;
  Codec codec = Codec::kStored;
  TableId table = TableId::kCount;
  EntityId first_entity = 0;  ///< entities that occur lie within [first, last]
  EntityId last_entity = 0;
  /// Index pieces: 1 points to rows pieces, n + 1 to index pieces of tier n. Summaries: which of
  /// the drawn columns they are about.
  std::uint8_t tier = 0;
};

/// How the rows of an interval table are coded: which value columns go into the tuple dictionary
/// and which are numbers of their own, and which columns the summaries are about.
struct TableLayout {
  std::size_t keys = 0;
  std::size_t values = 0;
  std::vector<std::uint8_t> tuple_slots;
  std::vector<std::uint8_t> number_slots;
  std::uint8_t state_slot = 0xff;  ///< first state column; 0xff: none
  /// Columns that timelines show zoomed out, at most kMaxDrawn: the state columns, the first one
  /// first, and the machine that had a CPU. Only where there is a state column.
  std::vector<std::uint8_t> drawn_slots;
  bool points = false;    ///< rows with begin == end are kept
  bool overlaps = false;  ///< rows of one entity may overlap

  [[nodiscard]] bool has_state() const { return state_slot != 0xff; }
  /// Place of a slot among the drawn ones; drawn_slots.size() when it is none of them.
  [[nodiscard]] std::size_t drawn(std::size_t slot) const {
    return static_cast<std::size_t>(std::ranges::find(drawn_slots, slot) - drawn_slots.begin());
  }
};
[[nodiscard]] const TableLayout& layout_of(TableId table);

/// A row on its way into a piece. `tuple` and `numbers` index the arrays of its slab.
struct SlabRow {
  std::int64_t begin_ns;
  std::int64_t end_ns;
  std::uint32_t tuple;
  std::uint32_t numbers;
};

/// What an index node says of one entity: where its rows begin in one child. A child is a rows
/// piece (tier 1) or an index piece of the tier below.
struct IndexEntry {
  EntityId entity = 0;
  std::uint32_t piece = 0;
  std::int64_t begin_ns = 0;  ///< of the first row there
  std::int64_t end_ns = 0;    ///< the latest end there; only in tables whose rows overlap
};

}  // namespace vs::history
