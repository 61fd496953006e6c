#include "history/store.h"

#include <algorithm>

#include "history/pack.h"

namespace vs::history {

Error Store::locate(Error error, const PieceInfo& info) const {
  const std::string place = path_ + ": byte " + std::to_string(info.offset);
  error.where = error.where.empty() ? place : place + ", " + error.where;
  return error;
}

Result<std::vector<std::byte>> Store::read(std::uint64_t offset, std::size_t size) const {
  std::vector<std::byte> bytes;
  bytes.reserve(size + kPackSlack);  // unpack() appends it
  bytes.resize(size);
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
  find_roots();
  list_values();
  cache_.start(footer_.pieces.size());
  return {};
}

void Store::find_roots() {
  std::array<std::uint8_t, static_cast<std::size_t>(TableId::kCount)> top{};
  for (const PieceInfo& piece : footer_.pieces) {
    std::uint8_t& tier = top[static_cast<std::size_t>(piece.table)];
    if (piece.kind == PieceKind::kIndex) tier = std::max(tier, piece.tier);
  }
  for (std::size_t i = 0; i < footer_.pieces.size(); ++i) {
    const PieceInfo& piece = footer_.pieces[i];
    const auto table = static_cast<std::size_t>(piece.table);
    if (piece.kind != PieceKind::kIndex || piece.tier != top[table]) continue;
    roots_[table].push_back(static_cast<std::uint32_t>(i));
  }
}

std::uint32_t Store::root_of(EntityId entity, TableId table) const {
  const auto& roots = roots_[static_cast<std::size_t>(table)];
  const auto root = std::ranges::lower_bound(
      roots, entity, {}, [&](std::uint32_t number) { return footer_.pieces[number].last_entity; });
  return root == roots.end() ? static_cast<std::uint32_t>(footer_.pieces.size()) : *root;
}

RowsOf Store::rows_of(EntityId entity) const {
  const EntityInfo& info = footer_.entities[entity];
  if (!info.is_view()) return {entity, info.table, {}};
  const TableId stored = footer_.entities[info.shows].table;
  return {info.shows, stored, model::view_slots(info.table, stored)};
}

void Store::list_values() {
  values_ = footer_.drawn_values;
  for (const EntityInfo& entity : footer_.entities) {
    auto& states = values_[static_cast<std::size_t>(entity.table)][0];
    for (const StateTotal& total : footer_.totals_of(entity)) {
      const auto place = std::ranges::lower_bound(states, total.value);
      const bool known = place != states.end() && *place == total.value;
      if (!known && states.size() < kMaxStates) states.insert(place, total.value);
    }
  }
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
  VS_ASSIGN(footer_, parse_footer(Bytes(raw).first(trailer.footer.raw)));
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

Error Store::misplaced(std::uint32_t piece) const {
  return locate(Error{ErrorCode::kMalformed, "the index points to a piece that does not fit", "",
                      "the history will be rebuilt"},
                footer_.pieces[std::min<std::size_t>(piece, footer_.pieces.size() - 1)]);
}

Error Store::broken_rows(std::uint32_t piece) const {
  return locate(Error{ErrorCode::kMalformed, "rows of the history break their format", "",
                      "the history will be rebuilt"},
                footer_.pieces[piece]);
}

Result<std::shared_ptr<const Piece>> Store::rows_piece(std::uint32_t number, TableId table) const {
  const PieceInfo& info = footer_.pieces[number];
  if (info.kind != PieceKind::kRows || info.table != table) return misplaced(number);
  if (auto found = cache_.find<Piece>(number)) return found;
  VS_ASSIGN(auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = Piece::parse(std::move(raw), table, values(table));
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(number, *piece);
  return piece;
}

Result<std::shared_ptr<const SummaryPiece>> Store::summary_of(std::uint32_t number,
                                                              std::size_t drawn) const {
  const auto is_summary = [&](std::size_t place) {
    return place < footer_.pieces.size() && footer_.pieces[place].kind == PieceKind::kSummary;
  };
  std::size_t partner = std::size_t{number} + 1;
  while (is_summary(partner) && footer_.pieces[partner].tier < drawn) ++partner;
  if (!is_summary(partner) || footer_.pieces[partner].tier != drawn) {
    return std::shared_ptr<const SummaryPiece>();
  }
  if (auto found = cache_.find<SummaryPiece>(partner)) return found;
  const PieceInfo& info = footer_.pieces[partner];
  VS_ASSIGN(auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = SummaryPiece::parse(std::move(raw), values(info.table)[drawn]);
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(partner, *piece);
  return piece;
}

Result<std::shared_ptr<const IndexPiece>> Store::index_piece(std::uint32_t number,
                                                             TableId table) const {
  const PieceInfo& info = footer_.pieces[number];
  if (info.kind != PieceKind::kIndex || info.table != table) return misplaced(number);
  if (auto found = cache_.find<IndexPiece>(number)) return found;
  VS_ASSIGN(const auto raw, raw_piece(info, kMaxPieceBytes));
  auto piece = IndexPiece::parse(raw, number, layout_of(table).overlaps);
  if (!piece.ok()) return locate(std::move(piece).error(), info);
  cache_.put(number, *piece);
  return piece;
}

}  // namespace vs::history
