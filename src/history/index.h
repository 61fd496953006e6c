#pragma once
// The index: for every entity the pieces that hold its rows, with the begin of its first row there.
//
// The writer keeps a bounded number of entries and writes them out as a segment: sorted by entity
// and cut into index pieces of at most kIndexPieceEntries, so that a reader unpacks a small part
// for one entity. An entity's entries are in time order within a segment and from segment to
// segment.
//
// Threads: values.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "history/cache.h"
#include "history/layout.h"
#include "history/varint.h"

namespace vs::history {

/// Codes entries (sorted by entity) as one index piece.
void put_index(std::span<const IndexEntry> entries, ByteSink& out);

/// An unpacked index piece.
class IndexPiece final : public Cached {
 public:
  /// `pieces` is the number of pieces in the file; entries that point beyond are refused.
  [[nodiscard]] static Result<std::shared_ptr<const IndexPiece>> parse(Bytes raw,
                                                                       std::size_t pieces);
  [[nodiscard]] std::span<const IndexEntry> entries_of(EntityId entity) const;
  [[nodiscard]] std::span<const IndexEntry> entries() const { return entries_; }
  [[nodiscard]] std::size_t memory_bytes() const override {
    return sizeof(IndexPiece) + entries_.capacity() * sizeof(IndexEntry);
  }

 private:
  std::vector<IndexEntry> entries_;
};

}  // namespace vs::history
