#include "history/sealer.h"

#include <algorithm>
#include <utility>

namespace vs::history {
namespace {

const EntityCount kNothing;

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

void Sealer::count_state(std::uint8_t number, std::uint32_t rows, std::uint64_t held_ns) {
  if (value_rows_[number] == 0) present_.push_back(number);
  value_rows_[number] += rows;
  held_ns_[number] += held_ns;
}

void Sealer::sum_states(const TableSlab& slab, TableId table, EntityId entity,
                        std::span<const SlabRow> rows, bool summed) {
  sum_values(slab, 0, rows, summed, counts_[entity].totals);
  const EntityId view = counts_[entity].view;
  if (view == kNoEntity) return;
  const TableId seen = counts_[entity].view_table;
  if (!layout_of(seen).has_state()) return;
  const std::size_t slot = model::view_slots(seen, table)[layout_of(seen).state_slot];
  sum_values(slab, layout_of(table).drawn(slot), rows, summed, counts_[view].totals);
}

void Sealer::sum_values(const TableSlab& slab, std::size_t drawn, std::span<const SlabRow> rows,
                        bool summed, std::vector<StateTotal>& totals) {
  const std::span<const std::uint8_t> numbers = slab.numbers_of(drawn);
  present_.clear();
  if (summed) {
    for (std::size_t i = 0; i < run_.combinations(); ++i) {
      count_state(run_.value(i, drawn), run_.rows(i), run_.held_ns(i));
    }
  } else {
    for (const SlabRow& row : rows) {
      count_state(numbers[row.tuple], 1, static_cast<std::uint64_t>(row.end_ns - row.begin_ns));
    }
  }
  const bool all_numbered = std::ranges::find(present_, kNoNumber) == present_.end();
  for (const std::uint8_t number : present_) {
    const std::uint32_t count = std::exchange(value_rows_[number], 0);
    const auto ns = static_cast<std::int64_t>(std::exchange(held_ns_[number], 0));
    if (all_numbered) add_total(totals, StateTotal{slab.values(drawn)[number], ns, count});
  }
  if (all_numbered) return;
  for (const SlabRow& row : rows) {
    add_total(totals, StateTotal{slab.value_of(row, drawn), row.end_ns - row.begin_ns, 1});
  }
}

void Sealer::build_pyramid(const TableSlab& slab, std::span<const SlabRow> rows, std::size_t drawn,
                           bool summed) {
  if (summed) {
    narrow_sums(rows, drawn);
    return pyramid_.build_run(run_, drawn, rows.size());
  }
  const std::span<const std::uint8_t> numbers = slab.numbers_of(drawn);
  present_.clear();
  for (const SlabRow& row : rows) {
    if (value_rows_[numbers[row.tuple]]++ == 0) present_.push_back(numbers[row.tuple]);
  }
  for (const std::uint8_t number : present_) value_rows_[number] = 0;
  pyramid_.build_rows(rows, numbers, present_);
}

void Sealer::narrow_sums(std::span<const SlabRow> rows, std::size_t drawn) {
  const std::size_t width = run_.count_values(drawn);
  least_width_ = std::min(least_width_, width);
  const std::size_t most = std::max(kLeastBuckets, paid_buckets(rows.size(), width));
  if (fit_buckets(run_.first_ns(), run_.last_ns(), 0, most) < run_.exponent()) {
    (void)run_.sum(rows, most);  // it could be summed before
  }
}

/// The summary of one drawn column of a run.
Carry Sealer::sum_column(const TableSlab& slab, EntityId entity, std::span<const SlabRow> rows,
                         std::size_t drawn, bool summed) {
  std::vector<Span>& carry = carries_[drawn];
  // Many columns say the same for long: nothing is summed of those.
  const std::size_t most = std::clamp(rows.size() / kSummaryRows, kLeastBuckets, kCarryBuckets);
  const std::span<const std::uint8_t> numbers = slab.numbers_of(drawn);
  bool few = summed && run_.is_one_span(drawn);
  if (few) {
    carry.assign(1, Span{rows.front().begin_ns, rows.back().end_ns, run_.value(0, drawn)});
  } else {
    few = spans_of(rows, numbers, most, carry);
  }
  if (few) {
    const bool lost = std::ranges::find(carry, kNoNumber, &Span::value) != carry.end();
    if (lost) return Carry{{}, Carry::kLost, rows.size()};
    if (carry.size() < rows.size()) summaries_[drawn].add_rows(entity, carry);
    return Carry{carry, 0, rows.size()};
  }
  carry.clear();
  build_pyramid(slab, rows, drawn, summed);
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
    sum_states(slab, table, entity, rows, false);
    return tree.add(entry, {});
  }
  std::array<Carry, kMaxDrawn> carries;
  const std::size_t drawn = layout.drawn_slots.size();
  // Of few rows each column is a few spans. The runs of a table are alike: buckets are mostly not
  // wanted narrower than in the run before.
  const std::size_t before = std::exchange(least_width_, RunSums::kMostCombinations);
  const std::size_t most = std::max(kLeastBuckets, paid_buckets(rows.size(), before));
  const bool summed = rows.size() > kLeastBuckets && run_.sum(rows, most);
  sum_states(slab, table, entity, rows, summed);
  for (std::size_t i = 0; i < drawn; ++i) {
    carries[i] = sum_column(slab, entity, rows, i, summed);
  }
  // A run that needed no sums says nothing about the next one.
  if (least_width_ == RunSums::kMostCombinations) least_width_ = before;
  tree.add(entry, std::span(carries).first(drawn));
}

void Sealer::seal_table(TableId table, TableSlab& slab) {
  DrawnValues& values = values_[static_cast<std::size_t>(table)];
  for (std::size_t i = 0; i < layout_of(table).drawn_slots.size(); ++i) {
    slab.number_values(i, values[i]);
  }
  std::array<std::span<const std::uint8_t>, kMaxDrawn> numbers;
  const std::size_t drawn = layout_of(table).drawn_slots.size();
  for (std::size_t i = 0; i < drawn; ++i) numbers[i] = slab.numbers_of(i);
  run_.start(std::span(numbers).first(drawn));
  least_width_ = 1;
  start_piece(table, slab);
  slab.take_runs([&](const TableSlab::Run& run) { seal_run(slab, table, run); });
  write_rows(table);
  trees_[static_cast<std::size_t>(table)]->end_slab(values);
  slab.clear();
}

void Sealer::seal(Slabs& slabs, std::size_t entities, std::span<const EntityView> views) {
  if (!status_.ok()) return;
  counts_.resize(std::max(counts_.size(), entities), kNothing);
  for (const EntityView& view : views.subspan(views_)) {
    counts_[view.of].view = view.view;
    counts_[view.of].view_table = view.table;
  }
  views_ = views.size();
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    if (slabs[i] == nullptr || slabs[i]->empty()) continue;
    seal_table(static_cast<TableId>(i), *slabs[i]);
  }
}

void Sealer::fill_in(Footer& footer) const {
  const auto count_of = [this](std::size_t entity) -> const EntityCount& {
    return entity < counts_.size() ? counts_[entity] : kNothing;
  };
  for (std::size_t i = 0; i < footer.entities.size(); ++i) {
    EntityInfo& entity = footer.entities[i];
    const EntityCount& rows = count_of(entity.is_view() ? entity.shows : i);
    entity.rows = rows.rows;
    entity.first_ns = rows.first_ns;
    entity.last_ns = rows.last_ns;
    const std::vector<StateTotal>& totals = count_of(i).totals;
    entity.totals_at = static_cast<std::uint32_t>(footer.totals.size());
    entity.total_count = static_cast<std::uint32_t>(totals.size());
    footer.totals.insert(footer.totals.end(), totals.begin(), totals.end());
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
