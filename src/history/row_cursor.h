#pragma once
// The inside of RowCursor: rows of one entity from one or, where rows may overlap, several pieces
// at a time, merged by begin.
//
// A piece is opened when its first row is due. In tables without overlaps that is when the one
// before is at its end.
//
// Errors: those of the Store. Threads: one.

#include <memory>
#include <vector>

#include "history/block.h"
#include "history/lookup.h"
#include "history/store.h"

namespace vs::history {

class RowMerge {
 public:
  RowMerge(const Store& store, EntityId entity, std::int64_t from_ns, std::int64_t to_ns);
  /// The next row; false at the end or after an error.
  [[nodiscard]] bool next(Row& row);
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  /// The rows of one piece that lie in the range.
  class Source {
   public:
    Source(std::shared_ptr<const Piece> piece, std::uint32_t number, const RowMerge& merge);
    /// False at the end, or when the bytes are broken.
    [[nodiscard]] bool advance();
    [[nodiscard]] bool ok() const { return rows_.ok(); }
    [[nodiscard]] std::int64_t begin_ns() const { return rows_.begin_ns(); }
    [[nodiscard]] bool get(Row& row);
    [[nodiscard]] std::uint32_t number() const { return number_; }

   private:
    [[nodiscard]] bool open_block();
    const RowMerge& merge_;
    const std::shared_ptr<const Piece> piece_;
    const std::uint32_t number_;
    std::span<const BlockRef> blocks_;
    std::size_t block_ = 0;  ///< the next one to open
    BlockCursor rows_;
  };
  [[nodiscard]] bool open_due();
  [[nodiscard]] bool stop(Status failed) {
    status_ = std::move(failed);
    sources_.clear();
    leaves_.clear();
    next_leaf_ = 0;
    return false;
  }

  const Store& store_;
  const EntityId entity_;
  const std::int64_t from_ns_;
  const std::int64_t to_ns_;
  bool overlaps_ = false;
  Status status_;
  std::vector<Leaf> leaves_;
  std::size_t next_leaf_ = 0;
  std::vector<std::unique_ptr<Source>> sources_;  ///< each stands on a row
  Source* last_ = nullptr;                        ///< whose row was given out
};

}  // namespace vs::history
