#pragma once
// What the queries of the Reader share: the open file, its footer, the roots of the index trees and
// the cache of unpacked pieces.
//
// Errors: every load checks size, checksum and format; messages name the file and the byte offset
// of the piece. Threads: any; immutable apart from the cache, which locks itself.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "history/cache.h"
#include "history/footer.h"
#include "history/index.h"
#include "history/piece.h"
#include "history/summary.h"
#include "os/file.h"

namespace vs::history {

/// Where an entity's rows are and how they are seen.
struct RowsOf {
  EntityId entity = kNoEntity;
  TableId table = TableId::kCount;
  std::span<const std::uint8_t> slots;  ///< of a view: model::view_slots(); else empty

  /// The slot of the stored rows that is seen as this one.
  [[nodiscard]] std::size_t slot(std::size_t seen) const {
    return slots.empty() ? seen : slots[seen];
  }
  /// The values of a stored row as they are seen; those of a view are put into `room`.
  [[nodiscard]] std::span<const std::int64_t> seen(std::span<const std::int64_t> stored,
                                                   std::span<std::int64_t, kMaxValues> room) const {
    if (slots.empty()) return stored;
    for (std::size_t i = 0; i < slots.size(); ++i) room[i] = stored[slots[i]];
    return room.first(slots.size());
  }
};

class Store {
 public:
  Store(std::unique_ptr<os::File> file, std::string path, std::size_t cache_bytes)
      : path_(std::move(path)), file_(std::move(file)), cache_(cache_bytes) {}

  /// Reads header, trailer and footer.
  [[nodiscard]] Status open();
  [[nodiscard]] const Footer& footer() const { return footer_; }

  [[nodiscard]] Result<std::shared_ptr<const Piece>> rows_piece(std::uint32_t number,
                                                                TableId table) const;
  /// The summary of a rows piece or an index piece, of one drawn column; nullptr when it has none.
  [[nodiscard]] Result<std::shared_ptr<const SummaryPiece>> summary_of(std::uint32_t number,
                                                                       std::size_t drawn) const;
  [[nodiscard]] Result<std::shared_ptr<const IndexPiece>> index_piece(std::uint32_t number,
                                                                      TableId table) const;
  /// Numbers of the pieces of the table's root, entities ascending.
  [[nodiscard]] std::span<const std::uint32_t> roots(TableId table) const {
    return roots_[static_cast<std::size_t>(table)];
  }
  /// The root piece that may have the entity; the number of pieces when there is none.
  [[nodiscard]] std::uint32_t root_of(EntityId entity, TableId table) const;
  /// Requires an entity of the file.
  [[nodiscard]] RowsOf rows_of(EntityId entity) const;
  /// Values that the table's drawn columns have anywhere, ascending. Where there are kMaxStates of
  /// them, there may be more.
  [[nodiscard]] const DrawnValues& values(TableId table) const {
    return values_[static_cast<std::size_t>(table)];
  }
  /// The unpacked bytes of any piece, followed by kPackSlack bytes.
  [[nodiscard]] Result<std::vector<std::byte>> raw_piece(const PieceInfo& info,
                                                         std::uint64_t limit) const;
  /// Fills in where a piece of this file is broken.
  [[nodiscard]] Error locate(Error error, const PieceInfo& info) const;
  /// The error for a piece that does not fit to what refers to it.
  [[nodiscard]] Error misplaced(std::uint32_t piece) const;
  /// The error for rows of a piece that do not decode.
  [[nodiscard]] Error broken_rows(std::uint32_t piece) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] Result<std::vector<std::byte>> read(std::uint64_t offset, std::size_t size) const;
  [[nodiscard]] Status read_footer();
  [[nodiscard]] Status check_pieces(const Trailer& trailer) const;
  void find_roots();
  void list_values();

  const std::string path_;
  const std::unique_ptr<os::File> file_;
  Footer footer_;
  std::array<std::vector<std::uint32_t>, static_cast<std::size_t>(TableId::kCount)> roots_;
  std::array<DrawnValues, static_cast<std::size_t>(TableId::kCount)> values_;
  mutable Cache cache_;  ///< by number of the piece
};

}  // namespace vs::history
