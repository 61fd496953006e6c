#include "history/scan.h"

#include <algorithm>

namespace vs::history {
namespace {

constexpr std::uint64_t kBuckets = 4000;  ///< what a row of a timeline may always cost

/// Calls visit(block) for the one block per entity that may hold the time.
template <typename Visit>
void blocks_at(std::span<const BlockRef> blocks, std::int64_t time_ns, Visit visit) {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].begin_ns > time_ns) continue;
    const bool last = i + 1 == blocks.size() || blocks[i + 1].entity != blocks[i].entity ||
                      blocks[i + 1].begin_ns > time_ns;
    if (last) visit(blocks[i]);
  }
}

/// Moves to the row that holds at the time; false when there is none.
bool find_row(BlockCursor& rows, std::int64_t time_ns) {
  while (rows.next()) {
    if (rows.begin_ns() > time_ns) return false;
    if (rows.end_ns() > time_ns) return true;
  }
  return false;
}

/// Fills the picture from one level of a summary. `begin_ns` and `end_ns` bound the run's rows: its
/// outer buckets reach beyond them.
Status draw_summary(const SummaryPiece& summary, const SummaryLevel& level, std::int64_t begin_ns,
                    std::int64_t end_ns, PixelRow& picture) {
  VarReader in(summary.bytes_of(level));
  const double width = static_cast<double>(std::uint64_t{1} << level.exponent);
  for (std::uint32_t i = 0; i < level.buckets && !picture.done(); ++i) {
    const std::int64_t bucket = (level.first + i) << level.exponent;
    const std::int64_t from = std::max(bucket, begin_ns);
    const std::int64_t to = std::min(bucket + (std::int64_t{1} << level.exponent), end_ns);
    const std::size_t parts = in.u8();
    const Bytes bytes = in.bytes(2 * parts);
    if (!in.ok()) break;
    if (from >= to || to <= picture.pixel_begin_ns()) continue;
    picture.move_to(from);
    const double scale = width / (255.0 * static_cast<double>(to - from));
    for (std::int64_t at = from; at < to && !picture.done();) {
      const std::int64_t stop = std::min(to, picture.pixel_end_ns());
      for (std::size_t k = 0; k < parts; ++k) {
        const auto number = static_cast<std::size_t>(bytes[2 * k]);
        if (number >= summary.values().size()) return Status(Error{});
        const double share = static_cast<double>(bytes[2 * k + 1]) * scale;
        picture.add_share(at, stop, summary.values()[number], std::min(share, 1.0));
      }
      picture.move_to(stop);
      at = stop;
    }
  }
  if (!in.ok()) return Status(Error{});
  return {};
}

Status draw_rows(const Store& store, const IndexEntry& entry, const Piece& piece,
                 std::int64_t from_ns, std::size_t slot, PixelRow& picture) {
  const auto blocks = piece.blocks_of(entry.entity);
  if (blocks.empty()) return broken_block(store, entry.piece);
  const bool number = std::ranges::count(piece.layout().number_slots, slot) != 0;
  BlockCursor rows;
  for (std::size_t i = block_before(blocks, from_ns); i < blocks.size() && !picture.done(); ++i) {
    rows.open(piece, blocks[i]);
    while (rows.next()) {
      if (rows.end_ns() <= from_ns) continue;
      const std::int64_t value = number ? rows.values()[slot] : piece.tuple(rows.tuple())[slot];
      picture.add(rows.begin_ns(), rows.end_ns(), value);
    }
    if (!rows.ok()) return broken_block(store, entry.piece);
  }
  return {};
}

Status check_piece(const Store& store, std::uint32_t number) {
  const PieceInfo& info = store.footer().pieces[number];
  VS_ASSIGN(auto raw, store.raw_piece(info, kMaxPieceBytes));
  if (info.kind == PieceKind::kSummary) {
    auto parsed = SummaryPiece::parse(std::move(raw));
    if (!parsed.ok()) return store.locate(std::move(parsed).error(), info);
    return {};
  }
  if (info.kind != PieceKind::kRows) return {};
  auto parsed = Piece::parse(std::move(raw), info.table);
  if (!parsed.ok()) return store.locate(std::move(parsed).error(), info);
  BlockCursor rows;
  for (const BlockRef& block : (*parsed)->blocks()) {
    rows.open(**parsed, block);
    while (rows.next()) (void)rows.values();
    if (!rows.ok()) return broken_block(store, number);
  }
  return {};
}

}  // namespace

std::size_t block_before(std::span<const BlockRef> blocks, std::int64_t from_ns) {
  const auto first = std::lower_bound(
      blocks.begin(), blocks.end(), from_ns,
      [](const BlockRef& block, std::int64_t time) { return block.begin_ns < time; });
  const auto at = static_cast<std::size_t>(first - blocks.begin());
  return at == 0 ? 0 : at - 1;
}

Error broken_block(const Store& store, std::uint32_t piece) {
  return store.locate(Error{ErrorCode::kMalformed, "rows of the history break their format", "",
                            "the history will be rebuilt"},
                      store.footer().pieces[piece]);
}

Result<FullState> state_at(const Store& store, TableId table, std::int64_t time_ns) {
  const std::span<const PieceInfo> pieces = store.footer().pieces;
  const std::size_t width = layout_of(table).values;
  FullState state;
  std::vector<BlockRef> wanted;
  BlockCursor rows;
  for (const std::uint32_t number : store.rows_pieces(table)) {
    if (pieces[number].first_ns > time_ns || pieces[number].last_ns <= time_ns) continue;
    VS_ASSIGN(const auto piece, store.rows_piece(number, table));
    // First all places, then all rows: the places lie apart, and fetched together they cost little
    // more than one.
    wanted.clear();
    blocks_at(piece->blocks(), time_ns, [&](const BlockRef& block) {
      __builtin_prefetch(piece->bytes_of(block).data());
      __builtin_prefetch(piece->bytes_of(block).last(1).data());
      wanted.push_back(block);
    });
    bool good = true;
    for (const BlockRef& block : wanted) {
      rows.open(*piece, block);
      if (find_row(rows, time_ns)) {
        const auto values = rows.values();
        state.slots.insert(state.slots.end(), values.begin(), values.end());
        state.rows.push_back(
            FullState::Row{block.entity, HostTime{rows.begin_ns()}, HostTime{rows.end_ns()}, {}});
      }
      good = good && rows.ok();
    }
    if (!good) return broken_block(store, number);
  }
  for (std::size_t i = 0; i < state.rows.size(); ++i) {
    state.rows[i].values = std::span(state.slots).subspan(i * width, width);
  }
  std::ranges::sort(state.rows, {}, &FullState::Row::entity);
  return state;
}

Status draw(const Store& store, EntityId entity, std::int64_t from_ns, std::int64_t to_ns,
            std::size_t value_slot, PixelRow& picture) {
  const EntityInfo& info = store.footer().entities[entity];
  const TableLayout& layout = layout_of(info.table);
  if (value_slot >= layout.values || info.rows == 0) return {};
  if (info.first_ns >= to_ns || info.last_ns <= from_ns) return {};
  const bool summaries = value_slot == layout.state_slot;
  // Half a pixel, and less for a picture of few pixels, where it costs nothing.
  const std::uint64_t bucket_ns = std::min(picture.pixel_ns() / 2, picture.width_ns() / kBuckets);
  VS_ASSIGN(const auto index, store.index_of(entity));
  const std::span<const IndexEntry> entries = index->entries;
  for (std::size_t i = index->before(from_ns); i < entries.size() && !picture.done(); ++i) {
    const IndexEntry& entry = entries[i];
    if (entry.begin_ns >= to_ns) break;
    if (summaries) {
      VS_ASSIGN(const auto summary, store.summary_of(entry.piece));
      const SummaryLevel* const level =
          summary == nullptr ? nullptr : summary->level_for(entity, bucket_ns);
      if (level != nullptr) {
        const std::int64_t end_ns = i + 1 < entries.size() ? entries[i + 1].begin_ns : info.last_ns;
        if (!draw_summary(*summary, *level, entry.begin_ns, end_ns, picture).ok()) {
          return broken_block(store, entry.piece + 1);
        }
        continue;
      }
    }
    VS_ASSIGN(const auto piece, store.rows_piece(entry.piece, info.table));
    VS_TRY(draw_rows(store, entry, *piece, from_ns, value_slot, picture));
  }
  return {};
}

Status check_all(const Store& store) {
  for (std::size_t i = 0; i < store.footer().pieces.size(); ++i) {
    VS_TRY(check_piece(store, static_cast<std::uint32_t>(i)));
  }
  for (std::size_t i = 0; i < store.footer().entities.size(); ++i) {
    VS_ASSIGN(const auto index, store.index_of(static_cast<EntityId>(i)));
    (void)index;
  }
  return {};
}

}  // namespace vs::history
