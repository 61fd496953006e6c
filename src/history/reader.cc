#include "history/reader.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "history/scan.h"
#include "history/store.h"
#include "history/timeline.h"

namespace vs::history {
namespace {

constexpr std::size_t kTables = static_cast<std::size_t>(TableId::kCount);

OwnedRow own(BlockCursor& cursor) {
  OwnedRow row{HostTime{cursor.begin_ns()}, HostTime{cursor.end_ns()}, {}, 0};
  const auto values = cursor.values();
  std::copy(values.begin(), values.end(), row.slots.begin());
  row.count = values.size();
  return row;
}

}  // namespace

struct Reader::State {
  State(std::unique_ptr<os::File> file, std::string path, std::size_t cache_bytes)
      : store(std::move(file), std::move(path), cache_bytes) {}

  void list_entities();
  [[nodiscard]] bool may_hold(EntityId entity, std::int64_t time_ns) const {
    const EntityInfo& info = store.footer().entities[entity];
    return info.rows != 0 && info.first_ns <= time_ns && time_ns < info.last_ns;
  }
  [[nodiscard]] Result<std::optional<OwnedRow>> row_at(EntityId entity, std::int64_t time_ns) const;

  Store store;
  std::array<std::vector<Entity>, kTables> by_table;
  std::array<std::uint64_t, kTables> rows{};
  mutable std::once_flag strings_once;
  mutable std::unordered_map<std::string_view, StringId> string_ids;
};

void Reader::State::list_entities() {
  const Footer& footer = store.footer();
  for (std::size_t i = 0; i < footer.entities.size(); ++i) {
    const EntityInfo& info = footer.entities[i];
    const auto table = static_cast<std::size_t>(info.table);
    by_table[table].push_back(Entity{static_cast<EntityId>(i), footer.key_of(info)});
    rows[table] += info.rows;
  }
}

Result<std::optional<OwnedRow>> Reader::State::row_at(EntityId entity, std::int64_t time_ns) const {
  if (!may_hold(entity, time_ns)) return std::optional<OwnedRow>();
  VS_ASSIGN(const auto index, store.index_of(entity));
  const std::size_t at = index->last_at(time_ns);
  if (at == index->entries.size()) return std::optional<OwnedRow>();
  const std::uint32_t number = index->entries[at].piece;
  VS_ASSIGN(const auto piece, store.rows_piece(number, store.footer().entities[entity].table));
  const auto blocks = piece->blocks_of(entity);
  const auto after = std::upper_bound(
      blocks.begin(), blocks.end(), time_ns,
      [](std::int64_t time, const BlockRef& block) { return time < block.begin_ns; });
  if (after == blocks.begin()) return broken_block(store, number);
  BlockCursor cursor(*piece, *(after - 1));
  while (cursor.next()) {
    if (cursor.begin_ns() > time_ns) break;
    if (cursor.end_ns() <= time_ns) continue;
    OwnedRow row = own(cursor);
    if (!cursor.ok()) break;
    return std::optional<OwnedRow>(row);
  }
  if (!cursor.ok()) return broken_block(store, number);
  return std::optional<OwnedRow>();
}

struct RowCursor::State {
  std::shared_ptr<const Reader> reader;
  EntityId entity = 0;
  std::int64_t from_ns = 0;
  std::int64_t to_ns = 0;
  Status status;
  std::shared_ptr<const EntityIndex> index;
  std::size_t entry = 0;  ///< the next one to open
  std::shared_ptr<const Piece> piece;
  std::span<const BlockRef> blocks;
  std::size_t block = 0;  ///< the next one to open
  BlockCursor rows;
  bool done = false;

  void start();
  [[nodiscard]] bool open_next_block();
  [[nodiscard]] Error broken() const {
    return broken_block(reader->state_->store, index->entries[entry - 1].piece);
  }
  [[nodiscard]] bool stop(Status failed) {
    done = true;
    status = std::move(failed);
    return false;
  }
};

void RowCursor::State::start() {
  const Reader::State& state = *reader->state_;
  if (entity >= state.store.footer().entities.size() || from_ns >= to_ns) {
    done = true;
    return;
  }
  const EntityInfo& info = state.store.footer().entities[entity];
  if (info.rows == 0 || info.first_ns >= to_ns || info.last_ns < from_ns) {
    done = true;
    return;
  }
  auto found = state.store.index_of(entity);
  if (!found.ok()) {
    (void)stop(std::move(found).error());
    return;
  }
  index = std::move(found).value();
  entry = index->before(from_ns);
}

bool RowCursor::State::open_next_block() {
  const Store& store = reader->state_->store;
  if (block == blocks.size()) {
    if (entry == index->entries.size() || index->entries[entry].begin_ns >= to_ns) {
      return stop({});
    }
    const std::uint32_t number = index->entries[entry].piece;
    auto loaded = store.rows_piece(number, store.footer().entities[entity].table);
    if (!loaded.ok()) return stop(std::move(loaded).error());
    piece = std::move(loaded).value();
    blocks = piece->blocks_of(entity);
    block = block_before(blocks, from_ns);
    ++entry;
    if (blocks.empty()) return stop(broken_block(store, number));
  }
  if (blocks[block].begin_ns >= to_ns) return stop({});
  rows.open(*piece, blocks[block++]);
  return true;
}

RowCursor::RowCursor(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowCursor::RowCursor(RowCursor&&) noexcept = default;
RowCursor& RowCursor::operator=(RowCursor&&) noexcept = default;
RowCursor::~RowCursor() = default;
const Status& RowCursor::status() const { return state_->status; }

bool RowCursor::next(Row& row) {
  State& s = *state_;
  while (!s.done) {
    while (s.rows.next()) {
      const std::int64_t begin_ns = s.rows.begin_ns();
      const std::int64_t end_ns = s.rows.end_ns();
      if (begin_ns >= s.to_ns) return s.stop({});
      const bool empty_inside = begin_ns == end_ns && begin_ns >= s.from_ns;
      if (end_ns <= s.from_ns && !empty_inside) continue;
      row = Row{HostTime{begin_ns}, HostTime{end_ns}, s.rows.values()};
      if (s.rows.ok()) return true;
    }
    if (!s.rows.ok()) {
      return s.stop(s.broken());
    }
    if (!s.open_next_block()) return false;
  }
  return false;
}

Reader::Reader(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reader::~Reader() = default;

Result<std::shared_ptr<const Reader>> Reader::open(const std::string& path,
                                                   const ReaderOptions& options) {
  os::FileSystem& files = options.files != nullptr ? *options.files : os::real_files();
  VS_ASSIGN(auto file, files.open(path));
  return open(std::move(file), path, options);
}

Result<std::shared_ptr<const Reader>> Reader::open(std::unique_ptr<os::File> file,
                                                   const std::string& path,
                                                   const ReaderOptions& options) {
  auto state = std::make_unique<State>(std::move(file), path, options.cache_bytes);
  VS_TRY(state->store.open());
  state->list_entities();
  return std::shared_ptr<const Reader>(new Reader(std::move(state)));
}

std::optional<std::string_view> Reader::meta(std::string_view key) const {
  const auto found = state_->store.footer().meta.find(std::string(key));
  if (found == state_->store.footer().meta.end()) return std::nullopt;
  return found->second;
}

const model::SmallTable* Reader::small_table(TableId table) const {
  for (const model::SmallTable& candidate : state_->store.footer().small_tables) {
    if (candidate.id == table) return &candidate;
  }
  return nullptr;
}

std::string_view Reader::string(StringId id) const {
  const StringTable& strings = state_->store.footer().strings;
  if (id < 0 || static_cast<std::uint64_t>(id) >= strings.size()) return {};
  return strings[static_cast<std::size_t>(id)];
}

std::optional<StringId> Reader::find_string(std::string_view text) const {
  const StringTable& strings = state_->store.footer().strings;
  std::call_once(state_->strings_once, [&] {
    for (std::size_t i = 0; i < strings.size(); ++i) {
      state_->string_ids.emplace(strings[i], static_cast<StringId>(i));
    }
  });
  const auto found = state_->string_ids.find(text);
  if (found == state_->string_ids.end()) return std::nullopt;
  return found->second;
}

std::size_t Reader::string_count() const { return state_->store.footer().strings.size(); }

std::span<const Entity> Reader::entities(TableId table) const {
  return state_->by_table[static_cast<std::size_t>(table)];
}
std::size_t Reader::entity_count() const { return state_->store.footer().entities.size(); }
const EntityInfo& Reader::entity(EntityId entity) const {
  return state_->store.footer().entities[entity];
}
std::uint64_t Reader::row_count(TableId table) const {
  return state_->rows[static_cast<std::size_t>(table)];
}

std::span<const StateTotal> Reader::totals(EntityId entity) const {
  if (entity >= entity_count()) return {};
  return state_->store.footer().totals_of(state_->store.footer().entities[entity]);
}

std::optional<std::size_t> Reader::state_slot(TableId table) {
  const TableLayout& layout = layout_of(table);
  if (!layout.has_state()) return std::nullopt;
  return layout.state_slot;
}

RowCursor Reader::rows(EntityId entity, HostTime from, HostTime to) const {
  auto state = std::make_unique<RowCursor::State>();
  state->reader = shared_from_this();
  state->entity = entity;
  state->from_ns = from.ns;
  state->to_ns = to.ns;
  state->start();
  return RowCursor(std::move(state));
}

Result<std::optional<OwnedRow>> Reader::at(EntityId entity, HostTime time) const {
  if (entity >= entity_count()) return std::optional<OwnedRow>();
  return state_->row_at(entity, time.ns);
}

Result<FullState> Reader::full_state(TableId table, HostTime time) const {
  return state_at(state_->store, table, time.ns);
}

Result<std::vector<Pixel>> Reader::timeline(EntityId entity, HostTime from, HostTime to,
                                            std::size_t pixels, std::size_t value_slot) const {
  PixelRow picture(from.ns, to.ns, pixels);
  if (entity < entity_count()) {
    VS_TRY(draw(state_->store, entity, from.ns, to.ns, value_slot, picture));
  }
  return picture.finish();
}

Status Reader::verify() const { return check_all(state_->store); }

}  // namespace vs::history
