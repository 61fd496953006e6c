// state_at: what the entities of a table were in at one time.
//
// Most of the rows that hold at a time were closed soon after it, so they lie in one slab, in the
// order of their entities. That slab is found by the entity that changes most, and its pieces are
// gone through in step with the entities, without the index: a row that holds is the only one. The
// entities that this does not decide (their row lies elsewhere) go down the index, all together.
//
// What one row needs lies apart, and each part tells where the next one is. So entities go through
// in steps, a few of them at each: what the next step needs of an entity is fetched while others
// take theirs.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "history/block.h"
#include "history/lookup.h"

namespace vs::history {
namespace {

constexpr std::size_t kCacheLine = 64;
/// Another slab is tried while the one before decided at least one entity in this many ...
constexpr std::size_t kWorthwhile = 4;
/// ... and more than these are left.
constexpr std::size_t kFewLeft = 16;
/// Entities are searched in a piece that has more runs for each of them.
constexpr std::size_t kSearched = 8;

/// Bytes of each of a piece's arrays that are fetched before it is gone through.
constexpr std::size_t kFetchedFirst = 512;
/// Entities that go through at once: so many between one step and the next.
constexpr std::size_t kAhead = 16;

constexpr BlockGuide kNoGuide;

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

void fetch(const void* address) { __builtin_prefetch(address); }
template <typename T>
void fetch(std::span<const T> things) {
  const Bytes bytes = std::as_bytes(things);
  for (std::size_t k = 0; k < bytes.size(); k += kCacheLine) fetch(&bytes[k]);
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
  [[nodiscard]] Status look_in_slab();
  [[nodiscard]] EntityId busiest() const;
  void choose_slab(std::uint32_t piece);
  [[nodiscard]] bool same_slab(std::size_t left, std::size_t right) const;
  [[nodiscard]] std::span<const Wanted> left_in(const PieceInfo& info) const;

  [[nodiscard]] Status go_down();
  [[nodiscard]] Status start_steps();
  [[nodiscard]] Status step_index(std::uint32_t number, std::span<const Step> steps);
  [[nodiscard]] Status step_rows(std::uint32_t number, std::span<const Step> steps);
  void sort_steps();

  /// A piece, and where its parts are.
  struct Leaf {
    Leaf() = default;
    Leaf(std::shared_ptr<const Piece> opened, std::uint32_t piece_number)
        : piece(std::move(opened)),
          number(piece_number),
          blocks(piece->blocks().data()),
          guides(piece->guides().data()),
          raw(piece->raw().data()),
          tuples(piece->tuples().data()),
          tuple_count(static_cast<std::uint32_t>(piece->tuple_count())) {}
    std::shared_ptr<const Piece> piece;
    std::uint32_t number = 0;
    const BlockRef* blocks = nullptr;
    const BlockGuide* guides = nullptr;  ///< by block; nullptr: there are none
    const std::byte* raw = nullptr;
    const std::int64_t* tuples = nullptr;
    std::uint32_t tuple_count = 0;
  };
  /// A block that may have an entity's row.
  struct Place {
    const Leaf* leaf = nullptr;
    const BlockRef* block = nullptr;
    const BlockGuide* guide = nullptr;  ///< nullptr: nothing is looked for here
    std::uint32_t row = 0;
    bool last = false;                   ///< of the run
    TilePlace tile;                      ///< by the guide
    const std::byte* lengths = nullptr;  ///< of the tile's rows

    [[nodiscard]] bool guided() const { return guide->length_bytes != BlockGuide::kNone; }
  };
  static void fetch_first(const Piece& piece);
  void place_in_step(const Leaf& leaf, std::span<const Wanted> wanted);
  void place_each(const Leaf& leaf, std::span<const Wanted> wanted);
  /// False when no row of the run begins by then.
  [[gnu::always_inline]] bool add_place(const Leaf& leaf, const RunRef& run, std::uint32_t row);
  [[gnu::noinline]] void pass_on();
  /// Takes the rows of all places, whose leaves may go then.
  [[nodiscard]] Status finish_places();
  /// How far behind the block's begin the time is.
  [[nodiscard]] std::uint64_t ahead_of(const BlockGuide& guide) const {
    return static_cast<std::uint64_t>(time_ns_) - static_cast<std::uint64_t>(guide.begin_ns);
  }
  void narrow(Place& place) const;
  void take_row(const Place& place);
  [[gnu::noinline]] void take_with_block(const Place& place);
  /// `gap`: a later row of the block says that none holds.
  void put_none(const Place& place, bool gap);
  void put_row(const Place& place, const RowHit& hit);
  void put_values(const Place& place, std::uint32_t tuple);
  void find_broken(const Place& place) { broken_ = place.leaf->number; }

  const Store& store_;
  const std::span<const PieceInfo> pieces_;
  const TableId table_;
  const std::size_t width_;
  const bool numbers_;
  const std::int64_t time_ns_;
  FullState& out_;
  FullState::Row* rows_ = nullptr;      ///< of out_
  std::int64_t* slots_ = nullptr;       ///< of out_
  std::vector<Wanted> left_;            ///< not decided yet, by entity
  std::vector<std::uint16_t> decided_;  ///< by row of the answer; of a type that aliases no other
  std::vector<std::uint32_t> slab_;     ///< rows pieces
  std::vector<Leaf> leaves_;            ///< of the slab
  std::vector<Step> steps_;
  std::vector<Step> next_;
  std::vector<std::uint32_t> order_;
  std::size_t found_ = 0;
  std::array<Place, 2 * kAhead> places_;
  Place* fresh_ = places_.data();        ///< kAhead places that guides have been fetched for
  Place* ready_ = fresh_ + kAhead;       ///< kAhead places that rows have been fetched for
  std::size_t placed_ = 0;               ///< of the fresh ones
  std::optional<std::uint32_t> broken_;  ///< the piece with broken bytes
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

/// The entities whose rows begin before the time and end behind it; those without have no such
/// times.
void StateWalk::list(std::span<const Entity> entities) {
  const EntityInfo* const infos = store_.footer().entities.data();
  out_.rows.resize(entities.size());
  left_.resize(entities.size());
  FullState::Row* const rows = out_.rows.data();
  Wanted* const left = left_.data();
  std::uint32_t count = 0;
  for (const Entity& entity : entities) {
    const EntityInfo& info = infos[entity.id];
    rows[count].entity = entity.id;
    rows[count].values = {};
    left[count] = Wanted{entity.id, count};
    count += info.first_ns <= time_ns_ && time_ns_ < info.last_ns ? 1U : 0U;
  }
  out_.rows.resize(count);
  left_.resize(count);
  decided_.assign(count, 0);
  out_.slots.resize(count * width_);
  rows_ = out_.rows.data();
  slots_ = out_.slots.data();
}

Status StateWalk::look_in_slabs() {
  for (bool more = !left_.empty(); more;) {
    const std::size_t before = left_.size();
    VS_ASSIGN(const std::uint32_t leaf, leaf_at(store_, busiest(), time_ns_));
    choose_slab(leaf);
    VS_TRY(look_in_slab());
    std::erase_if(left_, [this](const Wanted& wanted) { return decided_[wanted.row] != 0; });
    more = left_.size() > kFewLeft && (before - left_.size()) * kWorthwhile >= before;
  }
  return {};
}

Status StateWalk::look_in_slab() {
  leaves_.clear();
  for (const std::uint32_t number : slab_) {
    if (left_in(pieces_[number]).empty()) continue;
    VS_ASSIGN(auto piece, store_.rows_piece(number, table_));
    leaves_.emplace_back(std::move(piece), number);
  }
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    const Leaf& leaf = leaves_[i];
    const std::span<const Wanted> wanted = left_in(pieces_[leaf.number]);
    if (i + 1 < leaves_.size()) fetch_first(*leaves_[i + 1].piece);
    const bool most = wanted.size() * kSearched > leaf.piece->runs().size();
    most ? place_in_step(leaf, wanted) : place_each(leaf, wanted);
  }
  return finish_places();
}

/// What is left of the entities that a piece may have.
std::span<const Wanted> StateWalk::left_in(const PieceInfo& info) const {
  const auto first = std::ranges::lower_bound(left_, info.first_entity, {}, &Wanted::entity);
  const auto behind =
      std::ranges::upper_bound(first, left_.end(), info.last_entity, {}, &Wanted::entity);
  return {first, behind};
}

EntityId StateWalk::busiest() const {
  const EntityInfo* const infos = store_.footer().entities.data();
  EntityId best = left_.front().entity;
  std::uint64_t most = 0;
  for (const Wanted& wanted : left_) {
    const std::uint64_t rows = infos[wanted.entity].rows;
    best = rows > most ? wanted.entity : best;
    most = std::max(most, rows);
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

/// What the first entities of a piece need.
void StateWalk::fetch_first(const Piece& piece) {
  const auto some = []<typename T>(std::span<const T> things, std::size_t bytes) {
    fetch(things.first(std::min(things.size(), bytes / sizeof(T))));
  };
  some(piece.runs(), kFetchedFirst);
  some(piece.blocks(), kFetchedFirst);
  some(piece.tuples(), kFetchedFirst);
}

inline bool StateWalk::add_place(const Leaf& leaf, const RunRef& run, std::uint32_t row) {
  const BlockRef* const first = leaf.blocks + run.first;
  const BlockRef* const block = block_at({first, run.blocks}, time_ns_);
  if (block == nullptr) return false;
  const BlockGuide* const guide =
      leaf.guides != nullptr ? leaf.guides + (block - leaf.blocks) : &kNoGuide;
  fetch(guide);
  Place& place = fresh_[placed_++];
  place.leaf = &leaf;
  place.block = block;
  place.guide = guide;
  place.row = row;
  place.last = block + 1 == first + run.blocks;
  if (placed_ == kAhead) pass_on();
  return true;
}

/// Goes through the piece in step with its entities, of which most are wanted.
void StateWalk::place_in_step(const Leaf& leaf, std::span<const Wanted> wanted) {
  const Wanted* next = wanted.data();
  const Wanted* const end = next + wanted.size();
  for (const RunRef& run : leaf.piece->runs()) {
    while (next != end && next->entity < run.entity) ++next;
    if (next == end) return;
    if (next->entity == run.entity) add_place(leaf, run, next->row);
  }
}

void StateWalk::place_each(const Leaf& leaf, std::span<const Wanted> wanted) {
  const std::span<const RunRef> runs = leaf.piece->runs();
  for (const Wanted& one : wanted) {
    const std::size_t run = find_run(runs, one.entity);
    if (run != runs.size()) add_place(leaf, runs[run], one.row);
  }
}

/// Takes the rows that are ready, and makes the fresh places so.
void StateWalk::pass_on() {
  Place* const fresh = fresh_;
  const Place* const ready = ready_;
  for (std::size_t i = 0; i < kAhead; ++i) {
    if (ready[i].guide != nullptr) take_row(ready[i]);
    if (fresh[i].guide != nullptr) narrow(fresh[i]);
  }
  std::swap(ready_, fresh_);
  placed_ = 0;
}

Status StateWalk::finish_places() {
  for (int i = 0; i < 2; ++i) {
    for (; placed_ != kAhead; ++placed_) fresh_[placed_].guide = nullptr;
    pass_on();
  }
  if (broken_) return store_.broken_rows(*broken_);
  return {};
}

/// By the guide: which rows of the block matter.
void StateWalk::narrow(Place& place) const {
  const BlockGuide& guide = *place.guide;
  if (!place.guided()) return fetch(place.leaf->piece->bytes_of(*place.block));
  place.tile = place_in(guide, ahead_of(guide));
  const std::byte* const block = place.leaf->raw + guide.offset;
  place.lengths = block + guide.lengths + place.tile.row * guide.length_bytes;
  fetch(place.lengths);
  fetch(place.lengths + (BlockGuide::kRows - 1) * guide.length_bytes);
  fetch(block + guide.tuples.indices + (place.tile.row << guide.tuples.index_log >> 3));
  if (guide.tuples.coding == Coding::kLocal) fetch(block);
}

void StateWalk::take_row(const Place& place) {
  const BlockGuide& guide = *place.guide;
  if (numbers_ || !place.guided()) return take_with_block(place);
  const std::byte* const block = place.leaf->raw + guide.offset;
  const RowHit hit = find_guided(place.lengths, guide, place.tile, ahead_of(guide));
  if (hit.row == guide.rows) return put_none(place, false);
  put_row(place, hit);
  const Bytes bytes(block, guide.lengths);
  put_values(place, guide.tuples.tuple(bytes, hit.row, place.leaf->tuple_count));
}

/// For what the guide does not tell.
void StateWalk::take_with_block(const Place& place) {
  const Piece& piece = *place.leaf->piece;
  block_.open(piece, *place.block);
  const RowHit hit = block_.find(time_ns_);
  if (!block_.ok()) return find_broken(place);
  if (hit.row == block_.rows()) return put_none(place, hit.gap);
  put_row(place, hit);
  if (!numbers_) return put_values(place, block_.tuple(hit.row));
  values_.restart();
  const auto values = values_.of(piece, block_, hit.row);
  if (values.empty()) return find_broken(place);
  std::ranges::copy(values, slots_ + place.row * width_);
}

void StateWalk::put_none(const Place& place, bool gap) {
  // A later row of the same run says that there is none.
  if (gap || !place.last) decided_[place.row] = 1;
}

void StateWalk::put_row(const Place& place, const RowHit& hit) {
  FullState::Row& row = rows_[place.row];
  row.begin.ns = hit.begin_ns;
  row.end.ns = hit.end_ns;
  row.values = {slots_ + place.row * width_, width_};
  found_ += decided_[place.row] == 0 ? 1U : 0U;  // in a broken file there may be another one
  decided_[place.row] = 1;
}

void StateWalk::put_values(const Place& place, std::uint32_t tuple) {
  if (tuple >= place.leaf->tuple_count) return find_broken(place);
  const std::size_t width = width_;
  const std::int64_t* const from = place.leaf->tuples + tuple * width;
  std::int64_t* const to = slots_ + place.row * width;
  for (std::size_t i = 1; i < width; i += 2) std::memcpy(to + i - 1, from + i - 1, 2 * sizeof *to);
  if (width % 2 != 0) to[width - 1] = from[width - 1];
}

// One tier of the index after the other.
Status StateWalk::go_down() {
  VS_TRY(start_steps());
  while (!steps_.empty()) {
    sort_steps();
    leaves_.clear();
    leaves_.reserve(steps_.size());  // places point to them
    for (std::span<const Step> rest = steps_; !rest.empty();) {
      const std::uint32_t number = rest.front().piece;
      std::size_t count = 1;
      while (count < rest.size() && rest[count].piece == number) ++count;
      const bool index = pieces_[number].kind == PieceKind::kIndex;
      const std::span<const Step> here = rest.first(count);
      VS_TRY(index ? step_index(number, here) : step_rows(number, here));
      rest = rest.subspan(count);
    }
    VS_TRY(finish_places());
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
  VS_ASSIGN(auto piece, store_.rows_piece(number, table_));
  const Leaf& leaf = leaves_.emplace_back(std::move(piece), number);
  std::size_t at = 0;
  for (const Step& step : steps) {
    const auto* const run = run_of(leaf.piece->runs(), at, step.wanted.entity);
    if (run == nullptr || !add_place(leaf, *run, step.wanted.row)) return store_.misplaced(number);
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
