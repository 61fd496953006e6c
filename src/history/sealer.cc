#include "history/sealer.h"

#include <algorithm>
#include <utility>

namespace vs::history {
namespace {

/// Adds to the totals, which are kept by value.
void add_total(std::vector<StateTotal>& totals, const StateTotal& more) {
  const auto found = std::ranges::lower_bound(totals, more.value, {}, &StateTotal::value);
  if (found == totals.end() || found->value != more.value) {
    totals.insert(found, more);
    return;
  }
  found->duration_ns += more.duration_ns;
  found->rows += more.rows;
}

}  // namespace

Slabs make_slabs() {
  Slabs slabs;
  for (std::size_t i = 0; i < kTables; ++i) {
    if (model::table_defs()[i].interval) {
      slabs[i] = std::make_unique<TableSlab>(static_cast<TableId>(i));
    }
  }
  return slabs;
}

Sealer::Sealer(os::OutputFile& output, Codec codec, std::string path)
    : output_(output), codec_(codec), path_(std::move(path)) {
  for (std::size_t i = 0; i < kTables; ++i) {
    if (!model::table_defs()[i].interval) continue;
    trees_[i] = std::make_unique<IndexTree>(static_cast<TableId>(i), *this);
  }
  put_header(bytes_);
  append(bytes_.bytes());
  offset_ = bytes_.size();
}

void Sealer::put_piece(const PieceInfo& info, Bytes raw) {
  if (raw.size() > kMaxPieceBytes) {
    return fail(ErrorCode::kLimit, "a piece of the history has " + std::to_string(raw.size()) +
                                       " bytes, the limit is " + std::to_string(kMaxPieceBytes));
  }
  PieceInfo& piece = pieces_.emplace_back(info);
  piece.offset = offset_;
  Thrift& thrift = thrifts_[static_cast<std::size_t>(info.kind) * (kTables + 1) +
                            static_cast<std::size_t>(info.table)];
  const Bytes packed = packer_.pack(raw, thrift.try_now() ? codec_ : Codec::kStored, piece);
  thrift.seen(piece.codec != Codec::kStored);
  append(packed);
  offset_ += packed.size();
}

void Sealer::write_rows(TableId table) {
  if (encoder_.rows() == 0) return;
  PieceInfo info;
  info.kind = PieceKind::kRows;
  info.table = table;
  info.first_entity = piece_first_;
  info.last_entity = piece_last_;
  put_piece(info, encoder_.finish());
  info.kind = PieceKind::kSummary;  // their numbers are the next ones: readers look there
  for (std::size_t i = 0; i < layout_of(table).drawn_slots.size(); ++i) {
    if (summaries_[i].empty()) continue;
    info.tier = static_cast<std::uint8_t>(i);
    info.first_entity = summaries_[i].first_entity();
    info.last_entity = summaries_[i].last_entity();
    put_piece(info, summaries_[i].finish());
  }
}

void Sealer::start_piece(TableId table, const TableSlab& slab) {
  encoder_.start(table, slab.tuples(), slab.numbers());
  for (std::size_t i = 0; i < layout_of(table).drawn_slots.size(); ++i) {
    summaries_[i].start(slab.values(i));
  }
}

void Sealer::count_rows(const TableSlab::Run& run, bool overlaps) {
  EntityCount& count = counts_[run.entity];
  const std::int64_t first_ns = run.rows.front().begin_ns;
  count.first_ns = count.rows == 0 ? first_ns : std::min(count.first_ns, first_ns);
  count.rows += run.rows.size();
  count.last_ns = std::max(count.last_ns, run.rows.back().end_ns);
  if (!overlaps) return;
  for (const SlabRow& row : run.rows) count.last_ns = std::max(count.last_ns, row.end_ns);
}

/// Counts the rows of each value, by number of the tuples' values. The values, by first occurrence.
std::span<const std::uint8_t> Sealer::count_values(std::span<const std::uint8_t> numbers,
                                                   std::span<const SlabRow> rows) {
  const std::uint8_t* const values = numbers.data();
  std::size_t count = 0;
  for (const SlabRow& row : rows) {
    const std::uint8_t value = values[row.tuple];
    if (value_rows_[value]++ == 0) present_[count++] = value;
  }
  return std::span(present_).first(count);
}

/// What each state held goes to the entity's totals, and value_rows_ is zeros again.
void Sealer::sum_states(const TableSlab& slab, EntityId entity, std::span<const SlabRow> rows,
                        std::span<const std::uint8_t> present, const Held& held) {
  std::vector<StateTotal>& totals = counts_[entity].totals;
  const bool all_numbered = std::ranges::find(present, kNoNumber) == present.end();
  const Pyramid* const pyramid =
      held.pyramid != nullptr && all_numbered && !held.pyramid->lost() ? held.pyramid : nullptr;
  const std::span<const std::uint8_t> numbers = slab.numbers_of(0);
  for (const Span& span : held.spans) {
    held_ns_[span.value] += static_cast<std::uint64_t>(span.end_ns - span.begin_ns);
  }
  if (held.spans.empty() && pyramid == nullptr) {
    for (const SlabRow& row : rows) {
      held_ns_[numbers[row.tuple]] += static_cast<std::uint64_t>(row.end_ns - row.begin_ns);
    }
  }
  for (std::size_t i = 0; i < present.size(); ++i) {
    const std::uint32_t count = std::exchange(value_rows_[present[i]], 0);
    const auto ns = static_cast<std::int64_t>(std::exchange(held_ns_[present[i]], 0));
    if (!all_numbered) continue;
    add_total(totals, StateTotal{slab.values(0)[present[i]],
                                 pyramid != nullptr ? pyramid->held_ns(i) : ns, count});
  }
  if (all_numbered) return;
  for (const SlabRow& row : rows) {
    add_total(totals, StateTotal{slab.state_of(row), row.end_ns - row.begin_ns, 1});
  }
}

/// The summary of one drawn column of a run; of the state column, the totals too.
Carry Sealer::sum_column(const TableSlab& slab, EntityId entity, std::span<const SlabRow> rows,
                         std::size_t drawn) {
  const std::span<const std::uint8_t> numbers = slab.numbers_of(drawn);
  std::vector<Span>& carry = carries_[drawn];
  // Many columns say the same for long: nothing is summed of those.
  const std::size_t most = std::clamp(rows.size() / kSummaryRows, kLeastBuckets, kCarryBuckets);
  const bool few = spans_of(rows, numbers, most, carry);
  if (drawn == 0 || !few) {
    const std::span<const std::uint8_t> present = count_values(numbers, rows);
    if (!few) {
      carry.clear();
      pyramid_.build_rows(rows, numbers, present);
    }
    if (drawn == 0) {
      sum_states(slab, entity, rows, present, {carry, few ? nullptr : &pyramid_});
    } else {
      for (const std::uint8_t value : present) value_rows_[value] = 0;
    }
  }
  if (few) {
    const bool lost = std::ranges::find(carry, kNoNumber, &Span::value) != carry.end();
    if (lost) return Carry{{}, Carry::kLost, rows.size()};
    if (carry.size() < rows.size()) summaries_[drawn].add_rows(entity, carry);
    return Carry{carry, 0, rows.size()};
  }
  if (pyramid_.lost()) return {{}, Carry::kLost, rows.size()};
  summaries_[drawn].add_run(entity, pyramid_, carry);
  return {carry, std::max(1U, pyramid_.carry_exponent()), rows.size()};
}

void Sealer::seal_run(TableSlab& slab, TableId table, const TableSlab::Run& run) {
  count_rows(run, layout_of(table).overlaps);
  const std::span<const SlabRow> rows = run.rows;
  for (std::size_t at = 0; at < rows.size(); at += kPieceRows) {
    const std::size_t size = std::min(kPieceRows, rows.size() - at);
    if (encoder_.rows() + size > kPieceRows) {
      write_rows(table);
      start_piece(table, slab);
    }
    if (encoder_.rows() == 0) piece_first_ = run.entity;
    piece_last_ = run.entity;
    seal_part(slab, table, run.entity, rows.subspan(at, size));
  }
}

void Sealer::seal_part(const TableSlab& slab, TableId table, EntityId entity,
                       std::span<const SlabRow> rows) {
  const TableLayout& layout = layout_of(table);
  encoder_.add_run(entity, rows);
  IndexEntry entry{entity, next_piece(), rows.front().begin_ns, rows.back().end_ns};
  if (layout.overlaps) {
    for (const SlabRow& row : rows) entry.end_ns = std::max(entry.end_ns, row.end_ns);
  }
  IndexTree& tree = *trees_[static_cast<std::size_t>(table)];
  if (!layout.has_state()) return tree.add(entry, {});
  if (layout.overlaps) {
    sum_states(slab, entity, rows, count_values(slab.numbers_of(0), rows), {});
    return tree.add(entry, {});
  }
  std::array<Carry, kMaxDrawn> carries;
  const std::size_t drawn = layout.drawn_slots.size();
  for (std::size_t i = 0; i < drawn; ++i) carries[i] = sum_column(slab, entity, rows, i);
  tree.add(entry, std::span(carries).first(drawn));
}

void Sealer::seal_table(TableId table, TableSlab& slab, std::span<OpenEntity> entities) {
  DrawnValues& values = values_[static_cast<std::size_t>(table)];
  for (std::size_t i = 0; i < layout_of(table).drawn_slots.size(); ++i) {
    slab.number_values(i, values[i]);
  }
  start_piece(table, slab);
  slab.take_runs(entities, [&](const TableSlab::Run& run) { seal_run(slab, table, run); });
  write_rows(table);
  trees_[static_cast<std::size_t>(table)]->end_slab(values);
  slab.clear();
}

void Sealer::seal(Slabs& slabs, std::span<OpenEntity> entities) {
  if (!status_.ok()) return;
  counts_.resize(std::max(counts_.size(), entities.size()), EntityCount{0, 0, -kTimeLimit, {}});
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    if (slabs[i] == nullptr || slabs[i]->empty()) continue;
    seal_table(static_cast<TableId>(i), *slabs[i], entities);
  }
}

void Sealer::fill_in(Footer& footer) const {
  const EntityCount none{0, 0, -kTimeLimit, {}};
  for (std::size_t i = 0; i < footer.entities.size(); ++i) {
    const EntityCount& count = i < counts_.size() ? counts_[i] : none;
    EntityInfo& entity = footer.entities[i];
    entity.rows = count.rows;
    entity.first_ns = count.first_ns;
    entity.last_ns = count.last_ns;
    entity.totals_at = static_cast<std::uint32_t>(footer.totals.size());
    entity.total_count = static_cast<std::uint32_t>(count.totals.size());
    footer.totals.insert(footer.totals.end(), count.totals.begin(), count.totals.end());
  }
  footer.drawn_values = values_;
  for (DrawnValues& columns : footer.drawn_values) {
    columns[0].clear();
    for (std::vector<std::int64_t>& values : columns) std::ranges::sort(values);
  }
}

Status Sealer::put_end(const Footer& footer, std::uint64_t offset, Codec codec, Packer& packer,
                       ByteSink& out) const {
  ByteSink raw;
  put_footer(footer, raw);
  std::size_t cells = 0;
  for (const model::SmallTable& table : footer.small_tables) {
    for (const model::Row& row : table.rows) cells += row.size();
  }
  if (raw.size() > kMaxFooterBytes || footer.strings.size() > kMaxStrings ||
      footer.entities.size() > kMaxEntities || cells > kMaxCells) {
    return Error{ErrorCode::kLimit,
                 "the history's footer is beyond its limits: " + std::to_string(raw.size()) +
                     " bytes, " + std::to_string(footer.entities.size()) + " entities, " +
                     std::to_string(footer.strings.size()) + " strings, " + std::to_string(cells) +
                     " cells",
                 path_, ""};
  }
  Trailer trailer;
  trailer.footer.kind = PieceKind::kFooter;
  trailer.footer.offset = offset;
  out.put_bytes(packer.pack(raw.bytes(), codec, trailer.footer));
  trailer.file_size = offset + trailer.footer.stored + kTrailerBytes;
  put_trailer(trailer, out);
  return {};
}

void Sealer::finish(Footer footer) {
  for (std::size_t i = 0; i < kTables; ++i) {
    if (trees_[i] != nullptr && status_.ok()) trees_[i]->finish(values_[i]);
  }
  if (!status_.ok()) return;
  fill_in(footer);
  footer.pieces = std::move(pieces_);
  bytes_.clear();
  keep(put_end(footer, offset_, Codec::kZstd, packer_, bytes_));
  append(bytes_.bytes());
}

}  // namespace vs::history
