#include "history/draw.h"

#include <algorithm>
#include <type_traits>

#include "history/block.h"
#include "history/painter.h"

namespace vs::history {
namespace {

/// A picture of few pixels is made of narrower buckets, where that costs nothing.
constexpr std::uint64_t kLeastOfPicture = 2000;
constexpr std::size_t kCacheLine = 64;

/// The first block that may hold rows from `from_ns` on: the one before the first that begins then.
std::size_t block_before(std::span<const BlockRef> blocks, std::int64_t from_ns) {
  const auto first = std::ranges::lower_bound(blocks, from_ns, {}, &BlockRef::begin_ns);
  const auto at = static_cast<std::size_t>(first - blocks.begin());
  return at == 0 ? 0 : at - 1;
}

/// A picture that goes on in a piece: the entity's rows there lie in [begin, end).
struct Visit {
  std::uint32_t piece = 0;
  std::uint32_t picture = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// Orders visits by piece; those of one piece keep their order. Children of one node lie near each
/// other in the file, so they are counted, not compared.
void sort_by_piece(std::vector<Visit>& visits) {
  if (visits.empty()) return;
  const auto [least, most] = std::ranges::minmax(visits, {}, &Visit::piece);
  if (most.piece - least.piece > visits.size() * 8 + 64) {
    std::ranges::stable_sort(visits, {}, &Visit::piece);
    return;
  }
  std::vector<std::uint32_t> place(std::size_t{most.piece} - least.piece + 2);
  for (const Visit& visit : visits) ++place[visit.piece - least.piece + 1];
  for (std::size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
  std::vector<Visit> sorted(visits.size());
  for (const Visit& visit : visits) sorted[place[visit.piece - least.piece]++] = visit;
  visits = std::move(sorted);
}

template <typename Parts>
class Drawing {
  /// Values of the column have numbers.
  static constexpr bool kNumbered = !std::is_same_v<Parts, ValueParts>;

 public:
  Drawing(const Store& store, TableId table, const Window& window)
      : store_(store),
        table_(table),
        layout_(layout_of(table)),
        window_(window),
        frame_(window),
        drawn_(layout_.drawn(window.value_slot)) {
    const std::uint64_t width =
        static_cast<std::uint64_t>(frame_.to_ns()) - static_cast<std::uint64_t>(frame_.from_ns());
    const std::uint64_t pixel_ns = width / std::max<std::uint64_t>(1, window.pixels);
    bucket_ns_ = std::min(pixel_ns, width / kLeastOfPicture) *
                 std::max<std::size_t>(1, window.bucket_pixels);
    number_ = std::ranges::count(layout_.number_slots, window.value_slot) != 0;
    if constexpr (!kNumbered) return;
    summaries_ = !layout_.overlaps;
    values_known_ = store.values(table)[drawn_];
    painted_ = values_known_;
  }

  /// What painters are made with, in place of the column's values.
  void paint_with(std::span<const std::int64_t> values) { painted_ = values; }

  /// Entities must be added in ascending order.
  void add(EntityId entity, std::vector<Stretch>& out) {
    entities_.push_back(entity);
    painters_.emplace_back(frame_, painted_, out);
    drawn_ns_.push_back(-kTimeLimit);
  }
  [[nodiscard]] Status run();
  [[nodiscard]] const DrawCost& cost() const { return cost_; }

 private:
  using Visits = std::span<const Visit>;
  [[nodiscard]] Status visit_all(std::vector<Visit>& visits);
  [[nodiscard]] Status visit_index(std::uint32_t number, Visits visits);
  [[nodiscard]] Status visit_rows(std::uint32_t number, Visits visits);
  void draw_level(const SummaryLevel& level, const Visit& visit);
  void draw_kept_rows(std::span<const Span> rows, const Visit& visit);
  [[nodiscard]] bool draw_rows(const Piece& piece, std::span<const BlockRef> blocks,
                               std::uint32_t picture);
  [[nodiscard]] bool draw_block(const Piece& piece, std::uint32_t picture);
  [[nodiscard]] bool find_keys(const Piece& piece);
  /// Draws what a summary is fine enough for; the rest comes back.
  [[nodiscard]] Result<Visits> draw_summary(std::uint32_t number, Visits visits);

  const Store& store_;
  const TableId table_;
  const TableLayout& layout_;
  const Window window_;
  const Frame frame_;
  const std::size_t drawn_;                     ///< of the drawn columns, where it is one
  std::span<const std::int64_t> values_known_;  ///< of that
  std::span<const std::int64_t> painted_;
  std::uint64_t bucket_ns_ = 0;
  bool number_ = false;     ///< a column of numbers
  bool summaries_ = false;  ///< of this column
  std::vector<EntityId> entities_;
  std::vector<Painter<Parts>> painters_;
  std::vector<std::int64_t> drawn_ns_;  ///< where rows may overlap: how far the picture is
  DrawCost cost_;
  // scratch
  std::vector<Visit> left_;
  std::vector<std::span<const BlockRef>> blocks_;  ///< by visit
  Block block_;
  RowValues values_;
  BlockTimes times_;
  typename Painter<Parts>::Room room_;
  std::array<typename Parts::Key, kBlockRows> keys_{};
};

template <typename Parts>
Status Drawing<Parts>::run() {
  std::vector<Visit> visits;
  for (std::uint32_t i = 0; i < entities_.size(); ++i) {
    const EntityInfo& info = store_.footer().entities[entities_[i]];
    if (info.rows == 0 || info.first_ns >= window_.to.ns || info.last_ns <= window_.from.ns) {
      continue;
    }
    const std::uint32_t root = store_.root_of(entities_[i], table_);
    if (root == store_.footer().pieces.size()) return store_.misplaced(root);
    visits.push_back(Visit{root, i, info.first_ns, info.last_ns});
  }
  VS_TRY(visit_all(visits));
  for (Painter<Parts>& painter : painters_) painter.finish();
  return {};
}

template <typename Parts>
Status Drawing<Parts>::visit_all(std::vector<Visit>& visits) {
  sort_by_piece(visits);
  for (Visits rest = visits; !rest.empty();) {
    const std::uint32_t number = rest.front().piece;
    const auto other =
        std::ranges::find_if(rest, [&](const Visit& visit) { return visit.piece != number; });
    const Visits here = rest.first(static_cast<std::size_t>(other - rest.begin()));
    rest = rest.subspan(here.size());
    const bool index = store_.footer().pieces[number].kind == PieceKind::kIndex;
    VS_TRY(index ? visit_index(number, here) : visit_rows(number, here));
  }
  return {};
}

template <typename Parts>
auto Drawing<Parts>::draw_summary(std::uint32_t number, Visits visits) -> Result<Visits> {
  cost_.nodes += visits.size();
  if (!summaries_) return visits;
  VS_ASSIGN(const auto summary, store_.summary_of(number, drawn_));
  if (summary == nullptr || summary->narrowest_ns() > bucket_ns_) return visits;
  left_.clear();
  for (const Visit& visit : visits) {
    SummaryLevel level;
    if (summary->level_for(entities_[visit.picture], bucket_ns_, level)) {
      level.rows.empty() ? draw_level(level, visit) : draw_kept_rows(level.rows, visit);
    } else {
      left_.push_back(visit);
    }
  }
  return Visits(left_);
}

template <typename Parts>
Status Drawing<Parts>::visit_index(std::uint32_t number, Visits visits) {
  VS_ASSIGN(visits, draw_summary(number, visits));
  if (visits.empty()) return {};
  VS_ASSIGN(const auto piece, store_.index_piece(number, table_));
  std::vector<Visit> children;
  for (const Visit& visit : visits) {
    const Children below = piece->children_of(entities_[visit.picture]);
    if (below.size() == 0) return store_.misplaced(number);
    for (std::size_t i = layout_.overlaps ? 0 : below.last(window_.from.ns, true); i < below.size();
         ++i) {
      const bool behind = below.begin_ns[i] >= window_.to.ns;
      if (behind && !layout_.overlaps) break;
      if (behind || (layout_.overlaps && below.end_ns[i] <= window_.from.ns)) continue;
      const std::int64_t end_ns = i + 1 < below.size() ? below.begin_ns[i + 1] : visit.end_ns;
      children.push_back(Visit{below.piece[i], visit.picture, below.begin_ns[i], end_ns});
    }
  }
  return visit_all(children);
}

template <typename Parts>
Status Drawing<Parts>::visit_rows(std::uint32_t number, Visits visits) {
  VS_ASSIGN(visits, draw_summary(number, visits));
  if (visits.empty()) return {};
  VS_ASSIGN(const auto piece, store_.rows_piece(number, table_));
  // First all places, then all rows: they lie apart, and fetched together they cost little more
  // than one.
  blocks_.clear();
  for (const Visit& visit : visits) {
    const auto blocks = piece->blocks_of(entities_[visit.picture]);
    if (blocks.empty()) return store_.misplaced(number);
    blocks_.push_back(blocks.subspan(layout_.overlaps ? 0 : block_before(blocks, window_.from.ns)));
    const Bytes bytes = piece->bytes_of(blocks_.back().front());
    for (std::size_t at = 0; at < bytes.size(); at += kCacheLine) __builtin_prefetch(&bytes[at]);
  }
  for (std::size_t i = 0; i < visits.size(); ++i) {
    if (!draw_rows(*piece, blocks_[i], visits[i].picture)) return store_.broken_rows(number);
  }
  return {};
}

// The outer buckets of a run reach beyond its rows; what they hold lies within.
template <typename Parts>
void Drawing<Parts>::draw_level(const SummaryLevel& level, const Visit& visit) {
  Painter<Parts>& painter = painters_[visit.picture];
  const double share_ns =
      static_cast<double>(std::uint64_t{1} << level.exponent) / static_cast<double>(kShareUnit);
  const std::int64_t from_ns = std::max(window_.from.ns, visit.begin_ns);
  std::int64_t bucket = std::max(level.first, from_ns >> level.exponent);
  const std::int64_t last = level.first + level.buckets - 1;
  for (; bucket <= last && !painter.done(); ++bucket) {
    const auto at = static_cast<std::size_t>(bucket - level.first) * level.values.size();
    const std::int64_t begin_ns = std::max(bucket << level.exponent, visit.begin_ns);
    const std::int64_t end_ns = std::min((bucket + 1) << level.exponent, visit.end_ns);
    if (begin_ns >= window_.to.ns) break;
    ++cost_.buckets;
    if constexpr (kNumbered) {
      painter.add_bucket(begin_ns, end_ns, share_ns, level.shares.subspan(at, level.values.size()),
                         level.values);
    }
  }
}

template <typename Parts>
void Drawing<Parts>::draw_kept_rows(std::span<const Span> rows, const Visit& visit) {
  if constexpr (kNumbered) {
    Painter<Parts>& painter = painters_[visit.picture];
    rows = rows.subspan(static_cast<std::size_t>(
        std::ranges::upper_bound(rows, window_.from.ns, {}, &Span::end_ns) - rows.begin()));
    while (!rows.empty() && rows.front().begin_ns < window_.to.ns && !painter.done()) {
      const std::size_t count = std::min(rows.size(), kBlockRows);
      for (std::size_t i = 0; i < count; ++i) {
        times_.begin_ns[i] = rows[i].begin_ns;
        times_.end_ns[i] = rows[i].end_ns;
        keys_[i] = rows[i].value;
      }
      painter.add_rows(times_, std::span<const typename Parts::Key>(keys_).first(count), room_);
      cost_.buckets += count;
      rows = rows.subspan(count);
    }
  }
}

template <typename Parts>
bool Drawing<Parts>::draw_rows(const Piece& piece, std::span<const BlockRef> blocks,
                               std::uint32_t picture) {
  for (const BlockRef& block : blocks) {
    if (block.begin_ns >= window_.to.ns || painters_[picture].done()) break;
    block_.open(piece, block);
    if (!block_.ok() || !block_.decode(times_) || !draw_block(piece, picture)) return false;
  }
  return true;
}

template <typename Parts>
bool Drawing<Parts>::draw_block(const Piece& piece, std::uint32_t picture) {
  Painter<Parts>& painter = painters_[picture];
  const std::size_t rows = block_.rows();
  cost_.rows += rows;
  if (layout_.overlaps) {  // what another row has covered stays covered
    for (std::size_t i = 0; i < rows; ++i) {
      times_.begin_ns[i] = std::max(times_.begin_ns[i], drawn_ns_[picture]);
      times_.end_ns[i] = std::max(times_.end_ns[i], times_.begin_ns[i]);
      drawn_ns_[picture] = times_.end_ns[i];
    }
  }
  if (!find_keys(piece)) return false;
  painter.add_rows(times_, std::span<const typename Parts::Key>(keys_).first(rows), room_);
  return true;
}

template <typename Parts>
bool Drawing<Parts>::find_keys(const Piece& piece) {
  const std::size_t rows = block_.rows();
  if constexpr (kNumbered) {
    if (!block_.values(drawn_, keys_)) return false;
    std::uint8_t most = 0;
    for (std::size_t i = 0; i < rows; ++i) most = std::max(most, keys_[i]);
    return most < values_known_.size();
  } else {
    values_.restart();
    for (std::size_t i = 0; i < rows; ++i) {
      if (number_) {
        const auto values = values_.of(piece, block_, i);
        if (values.empty()) return false;
        keys_[i] = values[window_.value_slot];
        continue;
      }
      const std::uint32_t tuple = block_.tuple(i);
      if (tuple >= piece.tuple_count()) return false;
      keys_[i] = piece.tuple(tuple)[window_.value_slot];
    }
    return true;
  }
}

/// An entity of the picture and its place in the answer.
struct Wanted {
  EntityId entity = 0;
  std::size_t place = 0;
};

/// Entities whose pictures are drawn together: of the rows of one table, by one of its columns.
struct Group {
  TableId table = TableId::kCount;
  std::size_t slot = 0;
  std::vector<Wanted> wanted;  ///< by entity, once sorted
};

class Groups {
 public:
  void add(TableId table, std::size_t slot, Wanted wanted) {
    const auto found = std::ranges::find_if(
        groups_, [&](const Group& group) { return group.table == table && group.slot == slot; });
    Group& group = found != groups_.end() ? *found : groups_.emplace_back(Group{table, slot, {}});
    group.wanted.push_back(wanted);
  }
  [[nodiscard]] std::span<const Group> sorted() {
    for (Group& group : groups_) std::ranges::stable_sort(group.wanted, {}, &Wanted::entity);
    return groups_;
  }

 private:
  std::vector<Group> groups_;
};

template <typename Parts>
Status draw_group(const Store& store, const Group& group, const Window& window,
                  std::vector<std::vector<Stretch>>& pictures, DrawCost* cost) {
  Window of_group = window;
  of_group.value_slot = group.slot;
  Drawing<Parts> drawing(store, group.table, of_group);
  for (const Wanted& want : group.wanted) drawing.add(want.entity, pictures[want.place]);
  VS_TRY(drawing.run());
  if (cost != nullptr) {
    cost->nodes += drawing.cost().nodes;
    cost->buckets += drawing.cost().buckets;
    cost->rows += drawing.cost().rows;
  }
  return {};
}

/// Which values of a column are in a set, by their number.
std::array<std::int64_t, 256> numbers_in(std::span<const std::int64_t> set,
                                         std::span<const std::int64_t> known) {
  std::array<std::int64_t, 256> in_set{};
  for (std::size_t i = 0; i < known.size(); ++i) {
    in_set[i] = std::ranges::find(set, known[i]) != set.end() ? 1 : 0;
  }
  return in_set;
}

}  // namespace

Status draw_shares(const Store& store, std::span<const EntityId> entities, const Window& window,
                   std::span<const std::int64_t> values,
                   std::vector<std::vector<Stretch>>& pictures) {
  pictures.resize(entities.size());
  Groups groups;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    const RowsOf rows = store.rows_of(entities[i]);
    const TableLayout& layout = layout_of(store.footer().entities[entities[i]].table);
    const std::size_t slot = layout.has_state() ? rows.slot(layout.state_slot) : 0;
    groups.add(rows.table, slot, {rows.entity, i});
  }
  for (const Group& group : groups.sorted()) {
    const TableLayout& layout = layout_of(group.table);
    const std::size_t drawn = layout.drawn(group.slot);
    const bool summed = drawn < layout.drawn_slots.size() && !layout.overlaps &&
                        store.values(group.table)[drawn].size() <= StateParts::kMost;
    if (!summed) {
      return Error{ErrorCode::kUnsupported, "this table has no summaries of states", "", ""};
    }
    const auto in_set = numbers_in(values, store.values(group.table)[drawn]);
    Drawing<SetParts> drawing(store, group.table,
                              Window{window.from, window.to, window.pixels, group.slot});
    drawing.paint_with(in_set);
    for (const Wanted& want : group.wanted) drawing.add(want.entity, pictures[want.place]);
    VS_TRY(drawing.run());
  }
  return {};
}

Status draw(const Store& store, std::span<const EntityId> entities, const Window& window,
            std::vector<std::vector<Stretch>>& pictures, DrawCost* cost) {
  const auto& known = store.footer().entities;
  pictures.resize(entities.size());
  Groups groups;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    const bool real = entities[i] < known.size() &&
                      window.value_slot < layout_of(known[entities[i]].table).values;
    if (real) {
      const RowsOf rows = store.rows_of(entities[i]);
      groups.add(rows.table, rows.slot(window.value_slot), {rows.entity, i});
    } else {
      const Frame frame(window);
      Painter<ValueParts>(frame, {}, pictures[i]).finish();
    }
  }
  for (const Group& group : groups.sorted()) {
    const TableLayout& layout = layout_of(group.table);
    const std::size_t drawn = layout.drawn(group.slot);
    const bool numbered = drawn < layout.drawn_slots.size() && (drawn == 0 || !layout.overlaps) &&
                          store.values(group.table)[drawn].size() <= StateParts::kMost;
    const auto draw_all = numbered ? draw_group<StateParts> : draw_group<ValueParts>;
    VS_TRY(draw_all(store, group, window, pictures, cost));
  }
  return {};
}

}  // namespace vs::history
