#include "history/lookup.h"

#include <algorithm>

#include "history/block.h"

namespace vs::history {
namespace {

OwnedRow own(std::int64_t begin_ns, std::int64_t end_ns, std::span<const std::int64_t> values) {
  OwnedRow row{HostTime{begin_ns}, HostTime{end_ns}, {}, values.size()};
  std::ranges::copy(values, row.slots.begin());
  return row;
}

Status add_leaves(const Store& store, std::uint32_t number, EntityId entity, std::int64_t from_ns,
                  std::int64_t to_ns, std::vector<Leaf>& out) {
  const TableId table = store.footer().entities[entity].table;
  const bool overlaps = layout_of(table).overlaps;
  VS_ASSIGN(const auto index, store.index_piece(number, table));
  const Children children = index->children_of(entity);
  if (children.size() == 0) return store.misplaced(number);
  for (std::size_t i = overlaps ? 0 : children.last(from_ns, false); i < children.size(); ++i) {
    if (children.begin_ns[i] >= to_ns) {
      if (overlaps) continue;
      break;
    }
    if (overlaps && children.end_ns[i] < from_ns) continue;
    const std::uint32_t piece = children.piece[i];
    if (store.footer().pieces[piece].kind == PieceKind::kIndex) {
      VS_TRY(add_leaves(store, piece, entity, from_ns, to_ns, out));
    } else {
      out.push_back(Leaf{piece, children.begin_ns[i]});
    }
  }
  return {};
}

Status check_piece(const Store& store, std::uint32_t number) {
  const PieceInfo& info = store.footer().pieces[number];
  VS_ASSIGN(auto raw, store.raw_piece(info, kMaxPieceBytes));
  if (info.kind == PieceKind::kSummary) {
    const std::size_t drawn = std::min<std::size_t>(info.tier, kMaxDrawn - 1);
    auto parsed = SummaryPiece::parse(std::move(raw), store.values(info.table)[drawn]);
    if (!parsed.ok()) return store.locate(std::move(parsed).error(), info);
    return {};
  }
  if (info.kind == PieceKind::kIndex) {
    return store.index_piece(number, info.table).ok() ? Status{} : store.misplaced(number);
  }
  auto parsed = Piece::parse(std::move(raw), info.table, store.values(info.table));
  if (!parsed.ok()) return store.locate(std::move(parsed).error(), info);
  BlockCursor rows;
  for (const BlockRef& block : (*parsed)->blocks()) {
    rows.open(**parsed, block);
    while (rows.next()) (void)rows.values();
    if (!rows.ok()) return store.broken_rows(number);
  }
  return {};
}

/// Every entity's leaves are there and have it.
Status check_entity(const Store& store, EntityId entity) {
  const EntityInfo& info = store.footer().entities[entity];
  if (info.is_view()) return {};
  VS_ASSIGN(const auto leaves, leaves_of(store, entity, kHostTimeMin.ns, kHostTimeMax.ns));
  for (const Leaf& leaf : leaves) {
    VS_ASSIGN(const auto piece, store.rows_piece(leaf.piece, info.table));
    const auto blocks = piece->blocks_of(entity);
    if (blocks.empty() || blocks.front().begin_ns != leaf.begin_ns) {
      return store.misplaced(leaf.piece);
    }
  }
  return {};
}

}  // namespace

Result<std::uint32_t> leaf_at(const Store& store, EntityId entity, std::int64_t time_ns) {
  const TableId table = store.footer().entities[entity].table;
  std::uint32_t number = store.root_of(entity, table);
  if (number == store.footer().pieces.size()) return store.misplaced(number);
  while (store.footer().pieces[number].kind == PieceKind::kIndex) {
    VS_ASSIGN(const auto index, store.index_piece(number, table));
    const Children children = index->children_of(entity);
    if (children.size() == 0) return store.misplaced(number);
    const std::size_t child = children.last(time_ns, true);
    if (children.begin_ns[child] > time_ns) return store.misplaced(number);
    number = children.piece[child];
  }
  return number;
}

Result<std::optional<OwnedRow>> row_at(const Store& store, EntityId entity, std::int64_t time_ns) {
  const EntityInfo& info = store.footer().entities[entity];
  if (info.rows == 0 || info.first_ns > time_ns || time_ns >= info.last_ns) {
    return std::optional<OwnedRow>();
  }
  VS_ASSIGN(const std::uint32_t number, leaf_at(store, entity, time_ns));
  VS_ASSIGN(const auto piece, store.rows_piece(number, info.table));
  const BlockRef* const block = block_at(piece->blocks_of(entity), time_ns);
  if (block == nullptr) return store.misplaced(number);
  Block rows(*piece, *block);
  const RowHit hit = rows.find(time_ns);
  if (!rows.ok()) return store.broken_rows(number);
  if (hit.row == rows.rows()) return std::optional<OwnedRow>();
  RowValues values;
  const auto slots = values.of(*piece, rows, hit.row);
  if (slots.empty()) return store.broken_rows(number);
  return std::optional<OwnedRow>(own(hit.begin_ns, hit.end_ns, slots));
}

Result<std::vector<Leaf>> leaves_of(const Store& store, EntityId entity, std::int64_t from_ns,
                                    std::int64_t to_ns) {
  std::vector<Leaf> leaves;
  const EntityInfo& info = store.footer().entities[entity];
  if (info.rows == 0 || info.first_ns >= to_ns || info.last_ns < from_ns) return leaves;
  const std::uint32_t root = store.root_of(entity, info.table);
  if (root == store.footer().pieces.size()) return store.misplaced(root);
  VS_TRY(add_leaves(store, root, entity, from_ns, to_ns, leaves));
  if (layout_of(info.table).overlaps) std::ranges::stable_sort(leaves, {}, &Leaf::begin_ns);
  return leaves;
}

Status check_all(const Store& store) {
  for (std::size_t i = 0; i < store.footer().pieces.size(); ++i) {
    VS_TRY(check_piece(store, static_cast<std::uint32_t>(i)));
  }
  for (std::size_t i = 0; i < store.footer().entities.size(); ++i) {
    VS_TRY(check_entity(store, static_cast<EntityId>(i)));
  }
  return {};
}

}  // namespace vs::history
