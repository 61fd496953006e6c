#include "history/store.h"

#include <algorithm>

#include "history/pack.h"

namespace vs::history {
namespace {

constexpr std::uint64_t kEntityKeys = std::uint64_t{1} << 32;  ///< pieces have 32-bit numbers

}  // namespace

std::size_t EntityIndex::last_at(std::int64_t time_ns) const {
  const auto after = std::upper_bound(
      entries.begin(), entries.end(), time_ns,
      [](std::int64_t time, const IndexEntry& entry) { return time < entry.begin_ns; });
  if (after == entries.begin()) return entries.size();
  return static_cast<std::size_t>(after - entries.begin()) - 1;
}

std::size_t EntityIndex::before(std::int64_t time_ns) const {
  const auto first = std::lower_bound(
      entries.begin(), entries.end(), time_ns,
      [](const IndexEntry& entry, std::int64_t time) { return entry.begin_ns < time; });
  const auto at = static_cast<std::size_t>(first - entries.begin());
  return at == 0 ? 0 : at - 1;
}

Error Store::locate(Error error, const PieceInfo& info) const {
  const std::string place = path_ + ": byte " + std::to_string(info.offset);
  error.where = error.where.empty() ? place : place + ", " + error.where;
  return error;
}

Result<std::vector<std::byte>> Store::read(std::uint64_t offset, std::size_t size) const {
  std::vector<std::byte> bytes(size);
  VS_ASSIGN(const std::size_t got, file_->read_at(offset, bytes));
  bytes.resize(got);  // a file cut after it was opened; the caller compares
  return bytes;
}

Result<std::vector<std::byte>> Store::raw_piece(const PieceInfo& info, std::uint64_t limit) const {
  VS_ASSIGN(auto stored, read(info.offset, info.stored));
  auto raw = unpack(std::move(stored), info, limit);
  if (!raw.ok()) return locate(std::move(raw).error(), info);
  return raw;
}

Status Store::open() {
  if (Status failed = read_footer(); !failed.ok()) {
    Error error = std::move(failed).error();
    if (error.where.empty()) error.where = path_;
    return error;
  }
  EntityId last = 0;
  for (std::size_t i = 0; i < footer_.pieces.size(); ++i) {
    const PieceInfo& piece = footer_.pieces[i];
    if (piece.kind == PieceKind::kRows && piece.table != TableId::kCount) {
      by_table_[static_cast<std::size_t>(piece.table)].push_back(static_cast<std::uint32_t>(i));
    }
    if (piece.kind != PieceKind::kIndex) continue;
    const bool after_index = i != 0 && footer_.pieces[i - 1].kind == PieceKind::kIndex;
    if (segments_.empty() || !after_index || piece.first_entity < last) segments_.emplace_back();
    segments_.back().push_back(static_cast<std::uint32_t>(i));
    last = piece.last_entity;
  }
  return {};
}

Status Store::read_footer() {
  VS_ASSIGN(const auto header, read(0, kHeaderBytes));
  VS_TRY(check_header(header));
  if (file_->size() < kHeaderBytes + kTrailerBytes) {
    return Error{ErrorCode::kTruncated, "the history is cut short", path_,
                 "the history will be rebuilt"};
  }
  VS_ASSIGN(const auto tail, read(file_->size() - kTrailerBytes, kTrailerBytes));
  VS_ASSIGN(const Trailer trailer, parse_trailer(tail, file_->size()));
  VS_ASSIGN(const auto raw, raw_piece(trailer.footer, kMaxFooterBytes));
  VS_ASSIGN(footer_, parse_footer(raw));
  return check_pieces(trailer);
}

Status Store::check_pieces(const Trailer& trailer) const {
  const std::uint64_t end = footer_.pieces.empty()
                                ? kHeaderBytes
                                : footer_.pieces.back().offset + footer_.pieces.back().stored;
  if (end == trailer.footer.offset) return {};
  return Error{ErrorCode::kMalformed, "the history's pieces do not fill the file", path_,
               "the history will be rebuilt"};
}

Result<std::shared_ptr<const Piece>> Store::rows_piece(std::uint32_t number, TableId table) const {
  if (auto found = cache_.find<Piece>(number)) return found;
  const PieceInfo& info = footer_.pieces[number];
  if (info.kind != PieceKind::kRows || info.table != table) {
    return locate(Error{ErrorCode::kMalformed, "the index points to a piece of another table", "",
                        "the history will be rebuilt"},
                  info);
  }
  VS_ASSIGN(auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = Piece::parse(std::move(raw), table);
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(number, *piece);
  return piece;
}

Result<std::shared_ptr<const SummaryPiece>> Store::summary_of(std::uint32_t number) const {
  const std::size_t partner = std::size_t{number} + 1;
  if (partner >= footer_.pieces.size() || footer_.pieces[partner].kind != PieceKind::kSummary) {
    return std::shared_ptr<const SummaryPiece>();
  }
  if (auto found = cache_.find<SummaryPiece>(partner)) return found;
  const PieceInfo& info = footer_.pieces[partner];
  VS_ASSIGN(auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = SummaryPiece::parse(std::move(raw));
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(partner, *piece);
  return piece;
}

Result<std::shared_ptr<const IndexPiece>> Store::index_piece(std::uint32_t number) const {
  if (auto found = cache_.find<IndexPiece>(number)) return found;
  const PieceInfo& info = footer_.pieces[number];
  VS_ASSIGN(const auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = IndexPiece::parse(raw, footer_.pieces.size());
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(number, *piece);
  return piece;
}

Result<std::shared_ptr<const EntityIndex>> Store::index_of(EntityId entity) const {
  if (auto found = cache_.find<EntityIndex>(kEntityKeys + entity)) return found;
  auto index = std::make_shared<EntityIndex>();
  for (const std::vector<std::uint32_t>& segment : segments_) {
    auto piece = std::partition_point(segment.begin(), segment.end(), [&](std::uint32_t number) {
      return footer_.pieces[number].last_entity < entity;
    });
    // A busy entity's entries may fill several pieces.
    for (; piece != segment.end() && footer_.pieces[*piece].first_entity <= entity; ++piece) {
      VS_ASSIGN(const auto part, index_piece(*piece));
      const auto entries = part->entries_of(entity);
      const bool ordered = index->entries.empty() || entries.empty() ||
                           (index->entries.back().piece < entries.front().piece &&
                            index->entries.back().begin_ns <= entries.front().begin_ns);
      if (!ordered) {
        return locate(Error{ErrorCode::kMalformed, "the index goes back in time", "",
                            "the history will be rebuilt"},
                      footer_.pieces[*piece]);
      }
      index->entries.insert(index->entries.end(), entries.begin(), entries.end());
    }
  }
  index->entries.shrink_to_fit();
  cache_.put(kEntityKeys + entity, index);
  return std::shared_ptr<const EntityIndex>(std::move(index));
}

}  // namespace vs::history
