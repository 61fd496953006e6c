#pragma once
// The footer: everything a reader knows before it has read a piece. Written last, packed as one
// piece, found through the trailer at the end of the file.
//
// Errors: parse_* refuse bytes that break the format (kMalformed), another version (kUnsupported)
// and sizes beyond a limit (kLimit). Threads: plain data.

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "history/layout.h"
#include "history/summary.h"
#include "history/varint.h"

namespace vs::history {

/// What the footer says of one value of the state column over an entity's whole life.
struct StateTotal {
  std::int64_t value = 0;
  std::int64_t duration_ns = 0;
  std::uint64_t rows = 0;
};

/// Keys and totals of all entities lie in the footer's two arrays: a hostile file with a million
/// entities must not cost a million allocations.
struct EntityInfo {
  TableId table = TableId::kCount;
  std::uint32_t key_at = 0;  ///< into Footer::keys; the table's key count tells how many
  std::uint32_t totals_at = 0;
  std::uint32_t total_count = 0;  ///< Footer::totals, by value
  std::uint64_t rows = 0;
  std::int64_t first_ns = 0;  ///< begin of the first row
  std::int64_t last_ns = 0;   ///< end of the last row
  /// The entity whose rows it shows (model::IntervalSink::view()), an earlier one; kNoEntity: it
  /// has its own.
  EntityId shows = kNoEntity;

  [[nodiscard]] bool is_view() const { return shows != kNoEntity; }
};

/// Texts one after the other, numbered from 0.
class StringTable {
 public:
  void add(std::string_view text) {
    text_ += text;
    ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  }
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] std::size_t text_bytes() const { return text_.size(); }
  /// Requires index < size(); valid until the next add().
  [[nodiscard]] std::string_view operator[](std::size_t index) const {
    const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }

 private:
  std::string text_;
  std::vector<std::uint32_t> ends_;
};

struct Footer {
  std::map<std::string, std::string> meta;
  StringTable strings;
  std::vector<EntityInfo> entities;
  std::vector<std::int64_t> keys;
  std::vector<StateTotal> totals;
  std::vector<PieceInfo> pieces;
  std::vector<model::SmallTable> small_tables;
  /// Values of the drawn columns of each table, ascending, but for the state column, whose values
  /// the totals name. kMaxStates of them: there may be more.
  std::array<DrawnValues, static_cast<std::size_t>(TableId::kCount)> drawn_values;

  [[nodiscard]] std::span<const std::int64_t> key_of(const EntityInfo& entity) const {
    return std::span(keys).subspan(entity.key_at, layout_of(entity.table).keys);
  }
  [[nodiscard]] std::span<const StateTotal> totals_of(const EntityInfo& entity) const {
    return std::span(totals).subspan(entity.totals_at, entity.total_count);
  }
};

/// Where the footer is; the fixed bytes at the end of the file.
struct Trailer {
  PieceInfo footer;
  std::uint64_t file_size = 0;
};

void put_footer(const Footer& footer, ByteSink& out);
[[nodiscard]] Result<Footer> parse_footer(Bytes raw);

void put_header(ByteSink& out);
[[nodiscard]] Status check_header(Bytes header);

void put_trailer(const Trailer& trailer, ByteSink& out);
[[nodiscard]] Result<Trailer> parse_trailer(Bytes bytes, std::uint64_t file_size);

}  // namespace vs::history
