// state_at: what the entities of a table were in at one time.
//
// Most of the rows that hold at a time were closed soon after it, so they lie in one slab, in the
// order of their entities. That slab is found by the entity that changes most, and its pieces are
// gone through in step with the entities, without the index: a row that holds is the only one. The
// entities that this does not decide (their row lies elsewhere) go down the index, all together.
#include <algorithm>

#include "history/block.h"
#include "history/lookup.h"

namespace vs::history {
namespace {

constexpr std::size_t kCacheLine = 64;
/// Another slab is tried while the one before decided at least one entity in this many ...
constexpr std::size_t kWorthwhile = 4;
/// ... and more than these are left.
constexpr std::size_t kFewLeft = 16;

/// An entity that is looked for, and its place in the answer.
struct Wanted {
  EntityId entity = 0;
  std::uint32_t row = 0;
};

/// The next piece on an entity's way down the tree.
struct Step {
  std::uint32_t piece = 0;
  Wanted wanted;
};

constexpr int kIntoL2 = 2;  ///< what is fetched for a whole slab does not fit closer

template <typename T>
void fetch(std::span<const T> things) {
  const Bytes bytes = std::as_bytes(things);
  for (std::size_t k = 0; k < bytes.size(); k += kCacheLine) {
    __builtin_prefetch(&bytes[k], 0, kIntoL2);
  }
}

class StateWalk {
 public:
  StateWalk(const Store& store, TableId table, std::int64_t time_ns, FullState& out)
      : store_(store),
        pieces_(store.footer().pieces),
        table_(table),
        width_(layout_of(table).values),
        numbers_(!layout_of(table).number_slots.empty()),
        time_ns_(time_ns),
        out_(out) {}
  [[nodiscard]] Status run(std::span<const Entity> entities);

 private:
  void list(std::span<const Entity> entities);
  [[nodiscard]] Status look_in_slabs();
  void place_left();
  [[nodiscard]] EntityId busiest() const;
  void choose_slab(std::uint32_t piece);
  [[nodiscard]] bool same_slab(std::size_t left, std::size_t right) const;

  [[nodiscard]] Status go_down();
  [[nodiscard]] Status start_steps();
  [[nodiscard]] Status step_index(std::uint32_t number, std::span<const Step> steps);
  [[nodiscard]] Status step_rows(std::uint32_t number, std::span<const Step> steps);
  void sort_steps();

  /// A block that may have an entity's row.
  struct Place {
    const BlockRef* block = nullptr;
    const BlockGuide* guide = nullptr;  ///< nullptr: it has none
    TilePlace tile;                     ///< by the guide
    Bytes bytes;                        ///< of the block
    std::uint32_t row = 0;
    bool last = false;  ///< of the run
  };
  struct Leaf {
    std::shared_ptr<const Piece> piece;
    std::span<const BlockGuide> guides;
    std::uint32_t number = 0;
    std::size_t places = 0;
  };
  [[nodiscard]] Status open_leaf(std::uint32_t number);
  /// False when no row of the run begins by then.
  bool add_place(Leaf& leaf, const RunRef& run, std::uint32_t row);
  void narrow(Place& place) const;
  [[nodiscard]] Status take_rows();
  [[nodiscard]] Status take_rows(const Leaf& leaf, std::span<const Place> places);
  [[nodiscard]] bool take_row(const Piece& piece, const Place& place);
  [[nodiscard]] bool take_values(const Piece& piece, const Place& place, std::size_t block_row);

  const Store& store_;
  const std::span<const PieceInfo> pieces_;
  const TableId table_;
  const std::size_t width_;
  const bool numbers_;
  const std::int64_t time_ns_;
  FullState& out_;
  std::vector<Wanted> left_;           ///< not decided yet, by entity
  std::vector<std::uint8_t> decided_;  ///< by row of the answer
  std::vector<std::uint32_t> slab_;    ///< rows pieces
  std::vector<Leaf> leaves_;
  std::vector<Place> places_;  ///< of all leaves
  std::vector<Step> steps_;
  std::vector<Step> next_;
  std::vector<std::uint32_t> order_;
  std::size_t found_ = 0;
  Block block_;
  RowValues values_;
};

Status StateWalk::run(std::span<const Entity> entities) {
  list(entities);
  VS_TRY(look_in_slabs());
  if (!left_.empty()) VS_TRY(go_down());
  if (found_ != out_.rows.size()) {
    std::erase_if(out_.rows, [](const FullState::Row& row) { return row.values.empty(); });
  }
  return {};
}

/// The entities whose rows begin before the time and end behind it.
void StateWalk::list(std::span<const Entity> entities) {
  const std::span<const EntityInfo> infos = store_.footer().entities;
  out_.rows.resize(entities.size());
  left_.resize(entities.size());
  std::uint32_t count = 0;
  for (const Entity& entity : entities) {
    const EntityInfo& info = infos[entity.id];
    out_.rows[count] = FullState::Row{entity.id, {}, {}, {}};
    left_[count] = Wanted{entity.id, count};
    count += info.first_ns <= time_ns_ && time_ns_ < info.last_ns && info.rows != 0 ? 1 : 0;
  }
  out_.rows.resize(count);
  left_.resize(count);
  decided_.assign(count, 0);
  places_.reserve(count);
  out_.slots.resize(count * width_);
}

Status StateWalk::look_in_slabs() {
  for (bool more = !left_.empty(); more;) {
    const std::size_t before = left_.size();
    VS_ASSIGN(const std::uint32_t leaf, leaf_at(store_, busiest(), time_ns_));
    choose_slab(leaf);
    for (const std::uint32_t number : slab_) {
      VS_TRY(open_leaf(number));
      fetch(leaves_.back().piece->runs());
      fetch(leaves_.back().piece->blocks());
    }
    place_left();
    VS_TRY(take_rows());
    std::erase_if(left_, [this](const Wanted& wanted) { return decided_[wanted.row] != 0; });
    more = left_.size() > kFewLeft && (before - left_.size()) * kWorthwhile >= before;
  }
  return {};
}

/// Goes through the leaves in step with the entities that are left.
void StateWalk::place_left() {
  std::span<const Wanted> rest = left_;
  for (Leaf& leaf : leaves_) {
    for (const RunRef& run : leaf.piece->runs()) {
      while (!rest.empty() && rest.front().entity < run.entity) rest = rest.subspan(1);
      if (rest.empty()) return;
      if (rest.front().entity == run.entity) add_place(leaf, run, rest.front().row);
    }
  }
}

EntityId StateWalk::busiest() const {
  const std::span<const EntityInfo> infos = store_.footer().entities;
  EntityId best = left_.front().entity;
  for (const Wanted& wanted : left_) {
    if (infos[wanted.entity].rows > infos[best].rows) best = wanted.entity;
  }
  return best;
}

bool StateWalk::same_slab(std::size_t left, std::size_t right) const {
  return pieces_[left].table == table_ && pieces_[left].last_entity <= pieces_[right].first_entity;
}

/// The rows pieces around one whose entities ascend. Between them lie summaries only.
void StateWalk::choose_slab(std::uint32_t piece) {
  slab_.assign(1, piece);
  for (std::size_t i = piece; i-- > 0 && pieces_[i].kind != PieceKind::kIndex;) {
    if (pieces_[i].kind != PieceKind::kRows) continue;
    if (!same_slab(i, slab_.back())) break;
    slab_.push_back(static_cast<std::uint32_t>(i));
  }
  std::ranges::reverse(slab_);
  for (std::size_t i = piece + 1; i < pieces_.size(); ++i) {
    if (pieces_[i].kind == PieceKind::kIndex) break;
    if (pieces_[i].kind != PieceKind::kRows) continue;
    if (pieces_[i].table != table_ || !same_slab(slab_.back(), i)) break;
    slab_.push_back(static_cast<std::uint32_t>(i));
  }
}

Status StateWalk::open_leaf(std::uint32_t number) {
  VS_ASSIGN(auto piece, store_.rows_piece(number, table_));
  const std::span<const BlockGuide> guides = piece->guides();
  leaves_.push_back(Leaf{std::move(piece), guides, number, 0});
  return {};
}

bool StateWalk::add_place(Leaf& leaf, const RunRef& run, std::uint32_t row) {
  const std::span<const BlockRef> blocks = leaf.piece->blocks_of(run);
  const BlockRef* const block = block_at(blocks, time_ns_);
  if (block == nullptr) return false;
  const auto number = static_cast<std::size_t>(block - leaf.piece->blocks().data());
  const BlockGuide& guide = leaf.guides[number];
  __builtin_prefetch(&guide, 0, kIntoL2);
  const Bytes bytes = leaf.piece->bytes_of(*block);
  __builtin_prefetch(bytes.data(), 0, kIntoL2);
  places_.push_back(Place{block, &guide, {}, bytes, row, block == &blocks.back()});
  ++leaf.places;
  return true;
}

// What one row needs lies apart, and each part tells where the next one is: each is fetched for all
// rows before it is used for the first one, since many that come together cost little more than
// one.
Status StateWalk::take_rows() {
  for (Place& place : places_) narrow(place);
  std::span<const Place> rest = places_;
  for (const Leaf& leaf : leaves_) {
    VS_TRY(take_rows(leaf, rest.first(leaf.places)));
    rest = rest.subspan(leaf.places);
  }
  leaves_.clear();
  places_.clear();
  return {};
}

void StateWalk::narrow(Place& place) const {
  const BlockGuide& guide = *place.guide;
  if (guide.length_bytes == BlockGuide::kNone) {
    place.guide = nullptr;
    fetch(place.bytes);
    return;
  }
  place.tile = place_in(guide, static_cast<std::uint64_t>(time_ns_ - place.block->begin_ns));
  const std::size_t rows = place.block->rows;
  const std::byte* const lengths = place.bytes.data() + guide.tuples.end(rows) + 1;
  const std::size_t last = std::min(rows, place.tile.row + BlockGuide::kRows);
  __builtin_prefetch(lengths + place.tile.row * guide.length_bytes, 0, kIntoL2);
  __builtin_prefetch(lengths + last * guide.length_bytes, 0, kIntoL2);
}

Status StateWalk::take_rows(const Leaf& leaf, std::span<const Place> places) {
  for (const Place& place : places) {
    if (!take_row(*leaf.piece, place)) return store_.broken_rows(leaf.number);
  }
  return {};
}

/// False when the bytes are broken.
bool StateWalk::take_row(const Piece& piece, const Place& place) {
  RowHit hit;
  if (place.guide != nullptr) {
    hit = find_guided(piece, *place.block, *place.guide, place.tile, time_ns_);
  } else {
    block_.open(piece, *place.block);
    hit = block_.find(time_ns_);
    if (!block_.ok()) return false;
  }
  if (hit.row == place.block->rows) {
    // A later row of the same run says that there is none.
    if (hit.gap || !place.last) decided_[place.row] = 1;
    return true;
  }
  FullState::Row& row = out_.rows[place.row];
  row.begin.ns = hit.begin_ns;
  row.end.ns = hit.end_ns;
  decided_[place.row] = 1;
  ++found_;
  return hit.end_ns <= kTimeLimit && take_values(piece, place, hit.row);
}

bool StateWalk::take_values(const Piece& piece, const Place& place, std::size_t block_row) {
  const std::span<std::int64_t> slots = std::span(out_.slots).subspan(place.row * width_, width_);
  out_.rows[place.row].values = slots;
  if (numbers_) {
    if (place.guide != nullptr) block_.open(piece, *place.block);
    values_.restart();
    const auto values = values_.of(piece, block_, block_row);
    std::ranges::copy(values, slots.begin());
    return !values.empty();
  }
  const auto tuples = static_cast<std::uint32_t>(piece.tuple_count());
  const std::uint32_t tuple = place.guide != nullptr
                                  ? place.guide->tuples.tuple(place.bytes, block_row, tuples)
                                  : block_.tuple(block_row);
  if (tuple >= tuples) return false;
  const std::span<const std::int64_t> values = piece.tuple(tuple);
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = values[i];
  return true;
}

// One tier of the index after the other.
Status StateWalk::go_down() {
  VS_TRY(start_steps());
  while (!steps_.empty()) {
    sort_steps();
    for (std::span<const Step> rest = steps_; !rest.empty();) {
      const std::uint32_t number = rest.front().piece;
      std::size_t count = 1;
      while (count < rest.size() && rest[count].piece == number) ++count;
      const bool index = pieces_[number].kind == PieceKind::kIndex;
      const std::span<const Step> here = rest.first(count);
      VS_TRY(index ? step_index(number, here) : step_rows(number, here));
      rest = rest.subspan(count);
    }
    VS_TRY(take_rows());
    steps_.swap(next_);
    next_.clear();
  }
  return {};
}

Status StateWalk::start_steps() {
  std::span<const std::uint32_t> roots = store_.roots(table_);
  for (const Wanted& wanted : left_) {
    while (!roots.empty() && pieces_[roots.front()].last_entity < wanted.entity) {
      roots = roots.subspan(1);
    }
    if (roots.empty()) return store_.misplaced(static_cast<std::uint32_t>(pieces_.size()));
    steps_.push_back(Step{roots.front(), wanted});
  }
  return {};
}

// By piece, entities still ascending. The pieces of one tier lie near each other.
void StateWalk::sort_steps() {
  const auto [least, most] = std::ranges::minmax(steps_, {}, &Step::piece);
  if (least.piece == most.piece) return;
  order_.assign(std::size_t{most.piece} - least.piece + 2, 0);
  for (const Step& step : steps_) ++order_[step.piece - least.piece + 1];
  for (std::size_t i = 1; i < order_.size(); ++i) order_[i] += order_[i - 1];
  next_.resize(steps_.size());
  for (const Step& step : steps_) next_[order_[step.piece - least.piece]++] = step;
  steps_.swap(next_);
  next_.clear();
}

/// The run of an entity, from `at` on.
template <typename Run>
const Run* run_of(std::span<const Run> runs, std::size_t& at, EntityId entity) {
  while (at < runs.size() && runs[at].entity < entity) ++at;
  return at < runs.size() && runs[at].entity == entity ? &runs[at] : nullptr;
}

Status StateWalk::step_index(std::uint32_t number, std::span<const Step> steps) {
  VS_ASSIGN(const auto index, store_.index_piece(number, table_));
  std::size_t at = 0;
  for (const Step& step : steps) {
    const auto* const run = run_of(index->runs(), at, step.wanted.entity);
    if (run == nullptr) return store_.misplaced(number);
    const Children children = index->children_of(*run);
    const std::size_t child = children.last(time_ns_, true);
    if (children.begin_ns[child] > time_ns_) return store_.misplaced(number);
    next_.push_back(Step{children.piece[child], step.wanted});
  }
  return {};
}

Status StateWalk::step_rows(std::uint32_t number, std::span<const Step> steps) {
  VS_TRY(open_leaf(number));
  std::size_t at = 0;
  for (const Step& step : steps) {
    const auto* const run = run_of(leaves_.back().piece->runs(), at, step.wanted.entity);
    if (run == nullptr || !add_place(leaves_.back(), *run, step.wanted.row))
      return store_.misplaced(number);
  }
  return {};
}

/// The full states of the tables that have the rows of a table with views.
class SeenState {
 public:
  SeenState(const Store& store, TableId table, std::span<const Entity> entities)
      : store_(store), table_(table), entities_(entities) {
    for (const Entity& entity : entities) {
      const RowsOf rows = store.rows_of(entity.id);
      part_of(rows.table).entities.push_back(Entity{rows.entity, {}});
    }
  }
  [[nodiscard]] Status run(std::int64_t time_ns, FullState& out);

 private:
  struct Part {
    TableId table = TableId::kCount;
    std::vector<Entity> entities;
    FullState state;
  };
  Part& part_of(TableId table) {
    const auto found = std::ranges::find(parts_, table, &Part::table);
    return found != parts_.end() ? *found : parts_.emplace_back(Part{table, {}, {}});
  }
  [[nodiscard]] const FullState::Row* row_of(const RowsOf& rows);

  const Store& store_;
  const TableId table_;
  const std::span<const Entity> entities_;
  std::vector<Part> parts_;
};

const FullState::Row* SeenState::row_of(const RowsOf& rows) {
  const std::vector<FullState::Row>& there = part_of(rows.table).state.rows;
  const auto row = std::ranges::lower_bound(there, rows.entity, {}, &FullState::Row::entity);
  return row != there.end() && row->entity == rows.entity ? &*row : nullptr;
}

Status SeenState::run(std::int64_t time_ns, FullState& out) {
  for (Part& part : parts_) {
    std::ranges::sort(part.entities, {}, &Entity::id);
    VS_TRY(state_at(store_, part.table, part.entities, time_ns, part.state));
  }
  const std::size_t width = layout_of(table_).values;
  out.rows.clear();
  out.slots.clear();
  out.slots.reserve(entities_.size() * width);  // spans into it stay valid
  std::array<std::int64_t, kMaxValues> room;
  for (const Entity& entity : entities_) {
    const RowsOf rows = store_.rows_of(entity.id);
    const FullState::Row* const row = row_of(rows);
    if (row == nullptr) continue;
    const auto values = rows.seen(row->values, room);
    const std::size_t at = out.slots.size();
    out.slots.insert(out.slots.end(), values.begin(), values.end());
    out.rows.push_back(
        FullState::Row{entity.id, row->begin, row->end, std::span(out.slots).subspan(at)});
  }
  return {};
}

}  // namespace

Status seen_state_at(const Store& store, TableId table, std::span<const Entity> entities,
                     std::int64_t time_ns, FullState& state) {
  return SeenState(store, table, entities).run(time_ns, state);
}

Status state_at(const Store& store, TableId table, std::span<const Entity> entities,
                std::int64_t time_ns, FullState& state) {
  return StateWalk(store, table, time_ns, state).run(entities);
}

}  // namespace vs::history
