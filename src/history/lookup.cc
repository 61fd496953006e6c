#include "history/lookup.h"

#include <algorithm>

#include "history/block.h"

namespace vs::history {
namespace {

constexpr std::size_t kCacheLine = 64;

/// The last block that begins at or before a time; nullptr when there is none.
const BlockRef* block_at(std::span<const BlockRef> blocks, std::int64_t time_ns) {
  const auto after = std::ranges::upper_bound(blocks, time_ns, {}, &BlockRef::begin_ns);
  return after == blocks.begin() ? nullptr : &*(after - 1);
}

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

/// An entity's way down the tree: the next piece to look into, and its place in the answer.
struct Step {
  std::uint32_t piece = 0;
  std::uint32_t row = 0;
};

/// The state of a table at a time, one tier of the index after the other.
class StateWalk {
 public:
  StateWalk(const Store& store, TableId table, std::int64_t time_ns, FullState& out)
      : store_(store),
        table_(table),
        width_(layout_of(table).values),
        time_ns_(time_ns),
        out_(out) {}
  [[nodiscard]] Status run();

 private:
  [[nodiscard]] Status start(std::uint32_t root);
  [[nodiscard]] Status go_down();
  [[nodiscard]] Status step_index(std::uint32_t number, std::span<const Step> steps);
  struct Place {
    const BlockRef* block = nullptr;
    std::uint32_t row = 0;
  };
  struct Group {
    std::shared_ptr<const Piece> piece;
    std::uint32_t number = 0;
    std::span<const Step> steps;
  };
  [[nodiscard]] Status find_places(const Group& leaf);
  [[nodiscard]] Status take_rows(const Group& leaf, std::span<const Place> places);
  void sort_steps();
  void compact();

  const Store& store_;
  const TableId table_;
  const std::size_t width_;
  const std::int64_t time_ns_;
  FullState& out_;
  std::vector<Step> steps_;
  std::vector<Step> next_;
  std::vector<std::uint32_t> place_;
  std::size_t missing_ = 0;  ///< entities that have no row at this time
  std::vector<Group> leaves_;
  std::vector<Place> places_;
  Block block_;
  RowValues values_;
};

Status StateWalk::run() {
  for (const std::uint32_t root : store_.roots(table_)) VS_TRY(start(root));
  out_.slots.resize(out_.rows.size() * width_);
  while (!steps_.empty()) {
    VS_TRY(go_down());
    steps_.swap(next_);
  }
  compact();
  return {};
}

Status StateWalk::start(std::uint32_t root) {
  VS_ASSIGN(const auto index, store_.index_piece(root, table_));
  for (const IndexPiece::Run& run : index->runs()) {
    const Children children = index->children_of(run);
    const std::size_t child = children.last(time_ns_, true);
    if (children.begin_ns[child] > time_ns_) continue;
    steps_.push_back(Step{children.piece[child], static_cast<std::uint32_t>(out_.rows.size())});
    out_.rows.push_back(FullState::Row{run.entity, {}, {}, {}});
  }
  return {};
}

// By piece, entities still ascending. The pieces of one tier lie near each other.
void StateWalk::sort_steps() {
  const auto [least, most] = std::ranges::minmax(steps_, {}, &Step::piece);
  place_.assign(std::size_t{most.piece} - least.piece + 2, 0);
  for (const Step& step : steps_) ++place_[step.piece - least.piece + 1];
  for (std::size_t i = 1; i < place_.size(); ++i) place_[i] += place_[i - 1];
  next_.resize(steps_.size());
  for (const Step& step : steps_) next_[place_[step.piece - least.piece]++] = step;
  steps_.swap(next_);
  next_.clear();
}

Status StateWalk::go_down() {
  sort_steps();
  leaves_.clear();
  places_.clear();
  for (std::span<const Step> rest = steps_; !rest.empty();) {
    const std::uint32_t number = rest.front().piece;
    std::size_t count = 1;
    while (count < rest.size() && rest[count].piece == number) ++count;
    if (store_.footer().pieces[number].kind == PieceKind::kIndex) {
      VS_TRY(step_index(number, rest.first(count)));
    } else {
      VS_ASSIGN(auto piece, store_.rows_piece(number, table_));
      leaves_.push_back(Group{std::move(piece), number, rest.first(count)});
    }
    rest = rest.subspan(count);
  }
  // First all places, then all rows: the places lie apart, and fetched together they cost little
  // more than one.
  for (const Group& leaf : leaves_) VS_TRY(find_places(leaf));
  std::span<const Place> places = places_;
  for (const Group& leaf : leaves_) {
    VS_TRY(take_rows(leaf, places.first(leaf.steps.size())));
    places = places.subspan(leaf.steps.size());
  }
  return {};
}

Status StateWalk::step_index(std::uint32_t number, std::span<const Step> steps) {
  VS_ASSIGN(const auto index, store_.index_piece(number, table_));
  const auto runs = index->runs();
  std::size_t at = 0;
  for (const Step& step : steps) {
    const EntityId entity = out_.rows[step.row].entity;
    while (at < runs.size() && runs[at].entity < entity) ++at;
    if (at == runs.size() || runs[at].entity != entity) return store_.misplaced(number);
    const Children children = index->children_of(runs[at]);
    const std::size_t child = children.last(time_ns_, true);
    if (children.begin_ns[child] > time_ns_) return store_.misplaced(number);
    next_.push_back(Step{children.piece[child], step.row});
  }
  return {};
}

Status StateWalk::find_places(const Group& leaf) {
  const auto runs = leaf.piece->runs();
  std::size_t at = 0;
  for (const Step& step : leaf.steps) {
    const EntityId entity = out_.rows[step.row].entity;
    while (at < runs.size() && runs[at].entity < entity) ++at;
    if (at == runs.size() || runs[at].entity != entity) return store_.misplaced(leaf.number);
    const BlockRef* const block = block_at(leaf.piece->blocks_of(runs[at]), time_ns_);
    if (block == nullptr) return store_.misplaced(leaf.number);
    const Bytes bytes = leaf.piece->bytes_of(*block);
    for (std::size_t k = 0; k < bytes.size(); k += kCacheLine) __builtin_prefetch(&bytes[k], 0, 2);
    places_.push_back(Place{block, step.row});
  }
  return {};
}

Status StateWalk::take_rows(const Group& leaf, std::span<const Place> places) {
  for (const Place& place : places) {
    FullState::Row& row = out_.rows[place.row];
    block_.open(*leaf.piece, *place.block);
    const std::size_t found = block_.find(time_ns_, row.begin.ns, row.end.ns);
    if (!block_.ok()) return store_.broken_rows(leaf.number);
    if (found == block_.rows()) {
      ++missing_;
      continue;
    }
    values_.restart();
    const auto values = values_.of(*leaf.piece, block_, found);
    if (values.empty()) return store_.broken_rows(leaf.number);
    const auto slots = std::span(out_.slots).subspan(place.row * width_, width_);
    std::copy_n(values.begin(), width_, slots.begin());
    row.values = slots;
  }
  return {};
}

void StateWalk::compact() {
  if (missing_ == 0) return;
  std::erase_if(out_.rows, [](const FullState::Row& row) { return row.values.empty(); });
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

Result<std::optional<OwnedRow>> row_at(const Store& store, EntityId entity, std::int64_t time_ns) {
  const EntityInfo& info = store.footer().entities[entity];
  if (info.rows == 0 || info.first_ns > time_ns || time_ns >= info.last_ns) {
    return std::optional<OwnedRow>();
  }
  std::uint32_t number = store.root_of(entity, info.table);
  if (number == store.footer().pieces.size()) return store.misplaced(number);
  while (store.footer().pieces[number].kind == PieceKind::kIndex) {
    VS_ASSIGN(const auto index, store.index_piece(number, info.table));
    const Children children = index->children_of(entity);
    if (children.size() == 0) return store.misplaced(number);
    const std::size_t child = children.last(time_ns, true);
    if (children.begin_ns[child] > time_ns) return store.misplaced(number);
    number = children.piece[child];
  }
  VS_ASSIGN(const auto piece, store.rows_piece(number, info.table));
  const BlockRef* const block = block_at(piece->blocks_of(entity), time_ns);
  if (block == nullptr) return store.misplaced(number);
  Block rows(*piece, *block);
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  const std::size_t row = rows.find(time_ns, begin_ns, end_ns);
  if (!rows.ok()) return store.broken_rows(number);
  if (row == rows.rows()) return std::optional<OwnedRow>();
  RowValues values;
  const auto slots = values.of(*piece, rows, row);
  if (slots.empty()) return store.broken_rows(number);
  return std::optional<OwnedRow>(own(begin_ns, end_ns, slots));
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

Status state_at(const Store& store, TableId table, std::int64_t time_ns, FullState& state) {
  state.rows.clear();
  state.slots.clear();
  return StateWalk(store, table, time_ns, state).run();
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
