#include "history/reader.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "history/draw.h"
#include "history/lookup.h"
#include "history/row_cursor.h"
#include "history/store.h"

namespace vs::history {
namespace {

constexpr std::size_t kTables = static_cast<std::size_t>(TableId::kCount);

void see(const RowsOf& rows, OwnedRow& row) {
  std::array<std::int64_t, kMaxValues> room;
  const auto seen = rows.seen(row.values(), room);
  row.count = seen.size();
  if (seen.data() == room.data()) std::ranges::copy(seen, row.slots.begin());
}

}  // namespace

struct Reader::State {
  State(std::unique_ptr<os::File> file, std::string path, std::size_t cache_bytes)
      : store(std::move(file), std::move(path), cache_bytes) {}

  void list_entities();

  Store store;
  std::array<std::vector<Entity>, kTables> by_table;
  std::array<bool, kTables> has_views{};
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
    has_views[table] = has_views[table] || info.is_view();
  }
}

struct RowCursor::State {
  State(std::shared_ptr<const Reader> owner, const Store& store, EntityId entity, HostTime from,
        HostTime to)
      : reader(std::move(owner)),
        rows_of(entity < store.footer().entities.size() ? store.rows_of(entity) : RowsOf{}),
        merge(store, rows_of.entity, from.ns, to.ns) {}
  std::shared_ptr<const Reader> reader;
  const RowsOf rows_of;
  RowMerge merge;
  std::array<std::int64_t, kMaxValues> room{};
};

RowCursor::RowCursor(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowCursor::RowCursor(RowCursor&&) noexcept = default;
RowCursor& RowCursor::operator=(RowCursor&&) noexcept = default;
RowCursor::~RowCursor() = default;
bool RowCursor::next(Row& row) {
  if (!state_->merge.next(row)) return false;
  row.values = state_->rows_of.seen(row.values, state_->room);
  return true;
}
const Status& RowCursor::status() const { return state_->merge.status(); }

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
  return RowCursor(
      std::make_unique<RowCursor::State>(shared_from_this(), state_->store, entity, from, to));
}

Result<std::optional<OwnedRow>> Reader::at(EntityId entity, HostTime time) const {
  std::optional<OwnedRow> found;
  if (entity >= entity_count()) return found;
  if (!layout_of(this->entity(entity).table).overlaps) {
    const RowsOf rows = state_->store.rows_of(entity);
    VS_ASSIGN(found, row_at(state_->store, rows.entity, time.ns));
    if (found) see(rows, *found);
    return found;
  }
  RowMerge rows(state_->store, entity, time.ns, time.ns + 1);
  Row row;
  while (rows.next(row)) {
    if (row.begin == row.end) continue;
    found = OwnedRow{row.begin, row.end, {}, row.values.size()};
    std::ranges::copy(row.values, found->slots.begin());
  }
  if (!rows.status().ok()) return rows.status().error();
  return found;
}

Result<FullState> Reader::full_state(TableId table, HostTime time) const {
  FullState state;
  VS_TRY(full_state(table, time, state));
  return state;
}

Status Reader::full_state(TableId table, HostTime time, FullState& state) const {
  if (!layout_of(table).overlaps) {
    if (!state_->has_views[static_cast<std::size_t>(table)]) {
      return state_at(state_->store, table, entities(table), time.ns, state);
    }
    return seen_state_at(state_->store, table, entities(table), time.ns, state);
  }
  state.rows.clear();
  state.slots.clear();
  const std::size_t width = layout_of(table).values;
  for (const Entity& entity : entities(table)) {
    VS_ASSIGN(const auto row, at(entity.id, time));
    if (!row) continue;
    state.rows.push_back(FullState::Row{entity.id, row->begin, row->end, {}});
    state.slots.insert(state.slots.end(), row->values().begin(), row->values().end());
  }
  for (std::size_t i = 0; i < state.rows.size(); ++i) {
    state.rows[i].values = std::span(state.slots).subspan(i * width, width);
  }
  return {};
}

Result<std::vector<Pixel>> Reader::timeline(EntityId entity, HostTime from, HostTime to,
                                            std::size_t pixels, std::size_t value_slot) const {
  std::vector<std::vector<Stretch>> pictures;
  VS_TRY(timelines(std::span(&entity, 1), Window{from, to, pixels, value_slot}, pictures));
  std::vector<Pixel> out;
  out.reserve(pixels);
  for (const Stretch& stretch : pictures.front()) {
    out.insert(out.end(), stretch.pixels, Pixel{stretch.value, stretch.share});
  }
  return out;
}

Status Reader::timelines(std::span<const EntityId> entities, const Window& window,
                         std::vector<std::vector<Stretch>>& pictures, DrawCost* cost) const {
  return draw(state_->store, entities, window, pictures, cost);
}

Status Reader::shares(std::span<const EntityId> entities, const Window& window,
                      std::span<const std::int64_t> values,
                      std::vector<std::vector<Stretch>>& pictures) const {
  return draw_shares(state_->store, entities, window, values, pictures);
}

Status Reader::verify() const { return check_all(state_->store); }

}  // namespace vs::history
