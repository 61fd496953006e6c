#include "history/index.h"

#include <algorithm>

namespace vs::history {

void put_index(std::span<const IndexEntry> entries, ByteSink& out) {
  out.put_varint(entries.size());
  IndexEntry previous;
  for (const IndexEntry& entry : entries) {
    out.put_varint(entry.entity - previous.entity);
    // The same entity goes on to later pieces and times; another one starts from the last one's.
    out.put_signed(static_cast<std::int64_t>(entry.piece) -
                   static_cast<std::int64_t>(previous.piece));
    out.put_signed(entry.begin_ns - previous.begin_ns);
    previous = entry;
  }
}

Result<std::shared_ptr<const IndexPiece>> IndexPiece::parse(Bytes raw, std::size_t pieces) {
  auto index = std::make_shared<IndexPiece>();
  VarReader in(raw);
  const std::uint64_t count = in.varint_up_to(kIndexPieceEntries);
  IndexEntry entry;
  bool good = in.ok();
  for (std::size_t i = 0; i < count && good; ++i) {
    const IndexEntry previous = entry;
    entry.entity += static_cast<EntityId>(in.varint_up_to(kMaxEntities - entry.entity));
    entry.piece = static_cast<std::uint32_t>(static_cast<std::int64_t>(entry.piece) +
                                             in.signed_varint() % (std::int64_t{1} << 33));
    entry.begin_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(entry.begin_ns) +
                                               static_cast<std::uint64_t>(in.signed_varint()));
    const bool same = i != 0 && entry.entity == previous.entity;
    good = in.ok() && entry.piece < pieces &&
           (!same || (entry.piece > previous.piece && entry.begin_ns >= previous.begin_ns));
    index->entries_.push_back(entry);
  }
  if (!good || in.remaining() != 0) {
    return Error{ErrorCode::kMalformed, "an index piece of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  return std::shared_ptr<const IndexPiece>(std::move(index));
}

std::span<const IndexEntry> IndexPiece::entries_of(EntityId entity) const {
  const auto [first, last] = std::equal_range(
      entries_.begin(), entries_.end(), IndexEntry{entity, 0, 0},
      [](const IndexEntry& a, const IndexEntry& b) { return a.entity < b.entity; });
  return {first, last};
}

}  // namespace vs::history
