#include "history/row_cursor.h"

#include <algorithm>

namespace vs::history {

RowMerge::Source::Source(std::shared_ptr<const Piece> piece, std::uint32_t number,
                         const RowMerge& merge)
    : merge_(merge),
      piece_(std::move(piece)),
      number_(number),
      blocks_(piece_->blocks_of(merge.entity_)) {
  if (merge.overlaps_) return;
  const auto first = std::ranges::lower_bound(blocks_, merge.from_ns_, {}, &BlockRef::begin_ns);
  const auto at = static_cast<std::size_t>(first - blocks_.begin());
  block_ = at == 0 ? 0 : at - 1;
}

bool RowMerge::Source::open_block() {
  if (merge_.overlaps_) {
    while (block_ < blocks_.size() && piece_->end_of(blocks_[block_]) < merge_.from_ns_) ++block_;
  }
  if (block_ >= blocks_.size() || blocks_[block_].begin_ns >= merge_.to_ns_) return false;
  rows_.open(*piece_, blocks_[block_++]);
  return true;
}

bool RowMerge::Source::advance() {
  while (true) {
    while (rows_.next()) {
      const std::int64_t begin_ns = rows_.begin_ns();
      const std::int64_t end_ns = rows_.end_ns();
      if (begin_ns >= merge_.to_ns_) return false;
      const bool empty_inside = begin_ns == end_ns && begin_ns >= merge_.from_ns_;
      if (end_ns > merge_.from_ns_ || empty_inside) return true;
    }
    if (!rows_.ok() || !open_block()) return false;
  }
}

bool RowMerge::Source::get(Row& row) {
  row = Row{HostTime{rows_.begin_ns()}, HostTime{rows_.end_ns()}, rows_.values()};
  return rows_.ok();
}

RowMerge::RowMerge(const Store& store, EntityId entity, std::int64_t from_ns, std::int64_t to_ns)
    : store_(store), entity_(entity), from_ns_(from_ns), to_ns_(to_ns) {
  if (entity >= store.footer().entities.size() || from_ns >= to_ns) return;
  overlaps_ = layout_of(store.footer().entities[entity].table).overlaps;
  auto leaves = leaves_of(store, entity, from_ns, to_ns);
  if (leaves.ok()) {
    leaves_ = std::move(leaves).value();
  } else {
    status_ = std::move(leaves).error();
  }
}

// Opens the pieces that may have the next row.
bool RowMerge::open_due() {
  const TableId table = store_.footer().entities[entity_].table;
  while (next_leaf_ < leaves_.size()) {
    const Leaf leaf = leaves_[next_leaf_];
    const bool due =
        sources_.empty() || (overlaps_ && std::ranges::any_of(sources_, [&](const auto& source) {
                               return source->begin_ns() >= leaf.begin_ns;
                             }));
    if (!due) break;
    ++next_leaf_;
    auto piece = store_.rows_piece(leaf.piece, table);
    if (!piece.ok()) return stop(std::move(piece).error());
    if ((*piece)->blocks_of(entity_).empty()) return stop(store_.misplaced(leaf.piece));
    auto source = std::make_unique<Source>(std::move(piece).value(), leaf.piece, *this);
    if (source->advance()) {
      sources_.push_back(std::move(source));
    } else if (!source->ok()) {
      return stop(store_.broken_rows(leaf.piece));
    }
  }
  return !sources_.empty();
}

bool RowMerge::next(Row& row) {
  if (last_ != nullptr) {
    Source* const source = std::exchange(last_, nullptr);
    if (!source->advance()) {
      if (!source->ok()) return stop(store_.broken_rows(source->number()));
      std::erase_if(sources_, [&](const auto& open) { return open.get() == source; });
    }
  }
  if ((sources_.empty() || overlaps_) && !open_due()) return false;
  const auto first =
      std::ranges::min_element(sources_, {}, [](const auto& source) { return source->begin_ns(); });
  last_ = first->get();
  if (last_->get(row)) return true;
  const std::uint32_t number = last_->number();
  last_ = nullptr;
  return stop(store_.broken_rows(number));
}

}  // namespace vs::history
