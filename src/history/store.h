#pragma once
// What the queries of the Reader share: the open file, its footer, and the caches of unpacked
// pieces.
//
// Errors: every load checks size, checksum and format; messages name the file and the byte offset
// of the piece. Threads: any; immutable apart from the caches, which lock themselves.

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "history/cache.h"
#include "history/footer.h"
#include "history/index.h"
#include "history/piece.h"
#include "history/summary.h"
#include "os/file.h"

namespace vs::history {

/// All index entries of one entity, in time order.
struct EntityIndex final : public Cached {
  std::vector<IndexEntry> entries;
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(EntityIndex) + entries.capacity() * sizeof(IndexEntry);
  }
  /// The last entry that begins at or before `time_ns`, or entries.size() when there is none.
  [[nodiscard]] std::size_t last_at(std::int64_t time_ns) const;
  /// The entry before the first one that begins at or after `time_ns` (or the first one).
  [[nodiscard]] std::size_t before(std::int64_t time_ns) const;
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
  /// Numbers of the table's rows pieces, in the order of the file.
  [[nodiscard]] std::span<const std::uint32_t> rows_pieces(TableId table) const {
    return by_table_[static_cast<std::size_t>(table)];
  }
  /// The summary of a rows piece; nullptr when it has none.
  [[nodiscard]] Result<std::shared_ptr<const SummaryPiece>> summary_of(std::uint32_t number) const;
  [[nodiscard]] Result<std::shared_ptr<const EntityIndex>> index_of(EntityId entity) const;
  /// The unpacked bytes of any piece.
  [[nodiscard]] Result<std::vector<std::byte>> raw_piece(const PieceInfo& info,
                                                         std::uint64_t limit) const;
  /// Fills in where a piece of this file is broken.
  [[nodiscard]] Error locate(Error error, const PieceInfo& info) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] Result<std::vector<std::byte>> read(std::uint64_t offset, std::size_t size) const;
  [[nodiscard]] Status read_footer();
  [[nodiscard]] Status check_pieces(const Trailer& trailer) const;
  [[nodiscard]] Result<std::shared_ptr<const IndexPiece>> index_piece(std::uint32_t number) const;

  const std::string path_;
  const std::unique_ptr<os::File> file_;
  Footer footer_;
  std::array<std::vector<std::uint32_t>, static_cast<std::size_t>(TableId::kCount)> by_table_;
  /// Index pieces by segment: within one, entities ascend.
  std::vector<std::vector<std::uint32_t>> segments_;
  mutable Cache cache_;  ///< pieces by number, entity indices by kEntityKeys + entity
};

}  // namespace vs::history
