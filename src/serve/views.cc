#include "serve/views.h"

#include <algorithm>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "base/escape.h"
#include "history/layout.h"
#include "serve/covers.h"

namespace vs::serve {
namespace {

using model::TableId;

constexpr std::int64_t kTableStep = 256;          // state values of different tables do not collide
constexpr std::int64_t kFirstStepNs = 1'000'000;  // first window when going backwards
constexpr std::int64_t kStepGrowth = 4;           // of the next window
constexpr unsigned kDrawThreads = 4;              // for one picture
constexpr std::size_t kRowsPerThread = 16;        // fewer are not worth a thread
constexpr std::size_t kBucketPixels = 2;          // see history::Window
constexpr std::size_t kPointsPerPixel = 64;       // that are passed one by one

struct Slot {
  std::size_t index = 0;
  const model::ColumnDef* column = nullptr;
};

std::optional<Slot> slot_of(TableId table, std::string_view column) {
  std::size_t slot = 0;
  for (const model::ColumnDef& def : model::table_def(table).columns) {
    if (def.role != model::ColumnRole::kValue) continue;
    if (def.name == column) return Slot{slot, &def};
    ++slot;
  }
  return std::nullopt;
}

bool is_point_table(TableId table) { return table == TableId::kNetPacket; }

std::int64_t shown(TableId table, const Slot& slot, std::int64_t value) {
  if (value == model::kNull || slot.column->type != model::ColumnType::kState) return value;
  return static_cast<std::int64_t>(table) * kTableStep + value;
}

std::string state_name(const model::ColumnDef& column, std::int64_t value) {
  const auto names = column.states();
  const auto index = static_cast<std::size_t>(value);
  return value >= 0 && index < names.size() ? std::string(names[index]) : std::string();
}

/// Rows without a duration: a pixel that has one is filled by the first. Where there are many in a
/// pixel, the walk goes on at the next one, so that the cost follows the pixels.
Status draw_points(const history::Reader& history, model::EntityId entity,
                   const history::Window& window, std::size_t slot, Picture& picture) {
  picture.clear();
  const PixelEdges edges(window.from, window.to, window.pixels);
  const auto pixels = static_cast<std::int64_t>(window.pixels);
  std::int64_t next = 0;
  for (bool more = true; more && next < pixels;) {
    auto cursor = history.rows(entity, HostTime{edges.edge(next)}, window.to);
    history::Row row;
    std::size_t skipped = 0;
    while ((more = cursor.next(row)) && next < pixels && skipped < kPointsPerPixel) {
      if (row.begin.ns < edges.edge(next)) {
        ++skipped;
        continue;
      }
      const std::int64_t pixel = edges.pixel_of(row.begin.ns);
      append_pixels(picture, model::kNull, static_cast<std::uint32_t>(pixel - next), 0);
      append_pixels(picture, row.values[slot], 1, 1);
      next = pixel + 1;
      skipped = 0;
    }
    VS_TRY(cursor.status());
  }
  append_pixels(picture, model::kNull, static_cast<std::uint32_t>(pixels - next), 0);
  return {};
}

}  // namespace

std::string_view name_of(RowKind kind) {
  constexpr std::string_view kNames[] = {"group", "pcpu", "vcpu", "thread", "vprocess", "device"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name_of(LayerKind kind) {
  constexpr std::string_view kNames[] = {"state", "text", "machine"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name_of(ArrowKind kind) {
  constexpr std::string_view kNames[] = {"wakeup", "preempt", "migrate"};
  return kNames[static_cast<std::size_t>(kind)];
}

const View* Views::find(std::string_view id) const {
  const auto found =
      std::find_if(views_.begin(), views_.end(), [&](const View& view) { return view.id == id; });
  return found == views_.end() ? nullptr : &*found;
}

std::span<const Row> Views::rows(const View& view) const {
  return std::span(rows_).subspan(view.first_row, view.row_count);
}

const Row* Views::row(std::int32_t id) const {
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : &rows_[found->second];
}

const Row* Views::row(const View& view, std::int32_t id) const {
  const bool of_it = id >= view.first_id && id - view.first_id < kIdsOfView;
  return of_it ? row(id) : nullptr;
}

std::optional<std::size_t> Views::layer(const View& view, std::string_view id) {
  for (std::size_t i = 0; i < view.layers.size(); ++i) {
    if (view.layers[i].id == id) return i;
  }
  return std::nullopt;
}

/// Pictures of one request, by the way that they are drawn.
class Views::Gallery {
 public:
  Gallery(const Views& views, history::Window window, std::vector<Picture>& pictures)
      : history_(views.history()), sums_(views.sums()), window_(window), pictures_(pictures) {
    window_.bucket_pixels = kBucketPixels;
  }

  /// Draws it, or keeps it for draw_rest().
  Status draw(std::size_t place, const Row& row, std::size_t slot) {
    if (is_point_table(row.table)) {
      return draw_points(history_, *row.entity, window_, slot, pictures_[place]);
    }
    const bool covers = model::table_def(row.table).overlaps && sums_ != nullptr &&
                        slot == history::Reader::state_slot(row.table);
    if (covers && draw_cover(*sums_, *row.entity, window_, pictures_[place])) return {};
    batches_[slot].entities.push_back(*row.entity);
    batches_[slot].places.push_back(place);
    return {};
  }

  Status draw_rest() {
    for (const auto& [slot, batch] : batches_) {
      window_.value_slot = slot;
      VS_TRY(draw_batch(batch));
    }
    return {};
  }

 private:
  struct Batch {
    std::vector<model::EntityId> entities;
    std::vector<std::size_t> places;
  };

  /// Many rows are drawn by several threads. They take turns: neighbours are often alike, so that
  /// each gets as much to do.
  Status draw_batch(const Batch& batch) {
    const std::size_t all = batch.entities.size();
    const std::size_t cpus = std::clamp(std::thread::hardware_concurrency(), 1U, kDrawThreads);
    const std::size_t parts = std::clamp<std::size_t>(all / kRowsPerThread, 1, cpus);
    std::vector<Status> ended(parts);
    const auto draw_part = [&](std::size_t part) {
      std::vector<model::EntityId> entities;
      for (std::size_t i = part; i < all; i += parts) entities.push_back(batch.entities[i]);
      std::vector<Picture> drawn;
      ended[part] = history_.timelines(entities, window_, drawn);
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        pictures_[batch.places[part + i * parts]] = std::move(drawn[i]);
      }
    };
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < parts; ++i) others.emplace_back(draw_part, i);
    draw_part(0);
    for (std::thread& other : others) other.join();
    for (Status& status : ended) VS_TRY(std::move(status));
    return {};
  }

  const history::Reader& history_;
  const Sums* const sums_;  ///< nullptr: none yet
  history::Window window_;
  std::vector<Picture>& pictures_;
  std::map<std::size_t, Batch> batches_;  // by slot: tables differ in where the column is
};

Status Views::states(const View& view, std::size_t layer, std::span<const std::int32_t> rows,
                     history::Window window, std::vector<Picture>& pictures) const {
  pictures.assign(rows.size(), {});
  Gallery gallery(*this, window, pictures);
  std::unordered_map<std::int32_t, std::size_t> first;  // a row that is asked for twice
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row* const one = row(rows[i]);
    if (one == nullptr || !one->entity || !first.emplace(rows[i], i).second) continue;
    const auto slot = slot_of(one->table, view.layers[layer].column);
    if (slot) VS_TRY(gallery.draw(i, *one, slot->index));
  }
  VS_TRY(gallery.draw_rest());
  for (const auto& [id, place] : first) {
    if (pictures[place].empty()) continue;
    const auto slot = slot_of(row(id)->table, view.layers[layer].column);
    draw_open(*row(id), slot->index, window, pictures[place]);
    for (auto& stretch : pictures[place])
      stretch.value = shown(row(id)->table, *slot, stretch.value);
  }
  for (std::size_t i = 0; i < rows.size() && first.size() < rows.size(); ++i) {
    const auto found = first.find(rows[i]);
    if (found != first.end() && found->second != i) pictures[i] = pictures[found->second];
  }
  return {};
}

std::string Views::name(const View& view, std::size_t layer, std::int64_t value) const {
  if (value == model::kNull) return {};
  if (view.layers[layer].kind != LayerKind::kState) return std::string(history_->string(value));
  const std::int64_t table = value / kTableStep;
  if (table < 0 || table >= static_cast<std::int64_t>(TableId::kCount)) return {};
  const auto slot = slot_of(static_cast<TableId>(table), view.layers[layer].column);
  return slot ? state_name(*slot->column, value % kTableStep) : std::string();
}

namespace {

std::string column_text(const history::Reader& history, const model::ColumnDef& column,
                        std::int64_t value) {
  if (value == model::kNull) return {};
  if (column.type == model::ColumnType::kState) return state_name(column, value);
  if (column.type == model::ColumnType::kText) return std::string(history.string(value));
  return fmt::format("{}", value);
}

RowState describe(const history::Reader& history, const Row& row, HostTime begin, HostTime end,
                  std::span<const std::int64_t> values) {
  const model::TableDef& def = model::table_def(row.table);
  RowState out;
  out.begin = begin;
  out.end = end;
  std::size_t slot = 0;
  for (const model::ColumnDef& column : def.columns) {
    if (column.role != model::ColumnRole::kValue) continue;
    std::string text = column_text(history, column, values[slot++]);
    if (out.state.empty() && column.type == model::ColumnType::kState) out.state = text;
    if (!text.empty()) out.attributes.emplace_back(column.name, std::move(text));
  }
  std::string where = fmt::format("ts = {}", begin.ns);
  std::size_t key = 0;
  for (const model::ColumnDef& column : def.columns) {
    if (column.role != model::ColumnRole::kKey) continue;
    const auto number = row.cpu ? row.cpu : row.vcpu ? row.vcpu : row.tid;
    const std::string value = key == 0 ? sql_text(row.machine)
                              : number ? fmt::format("{}", *number)
                                       : sql_text(row.label);
    where += fmt::format(" AND {} = {}", column.name, value);
    ++key;
  }
  out.sql = fmt::format("SELECT * FROM {} WHERE {}", def.name, where);
  return out;
}

}  // namespace

namespace {

history::OwnedRow owned(const history::Row& row) {
  history::OwnedRow out;
  out.begin = row.begin;
  out.end = row.end;
  out.count = std::min(row.values.size(), out.slots.size());
  std::copy_n(row.values.begin(), out.count, out.slots.begin());
  return out;
}

/// The last row that begins in [floor, before). In windows that grow, because rows come in one
/// direction.
Result<std::optional<history::OwnedRow>> last_before(const history::Reader& history,
                                                     model::EntityId entity, HostTime before,
                                                     HostTime floor) {
  std::optional<history::OwnedRow> found;
  std::int64_t width = kFirstStepNs;
  HostTime to = before;
  while (to > floor && !found) {
    const HostTime from = to - floor > width ? to + -width : floor;
    auto cursor = history.rows(entity, from, to);
    history::Row one;
    while (cursor.next(one)) {
      if (one.begin >= floor) found = owned(one);
    }
    VS_TRY(cursor.status());
    to = from;
    width *= kStepGrowth;
  }
  return found;
}

}  // namespace

Result<std::optional<history::OwnedRow>> Views::nearest(const Row& row, HostTime time,
                                                        std::int64_t within_ns) const {
  std::optional<history::OwnedRow> after;
  if (time.ns > history::kTimeLimit || time.ns < -history::kTimeLimit) return after;
  if (within_ns > 0) {
    auto cursor = history_->rows(*row.entity, time, time + within_ns);
    history::Row one;
    if (cursor.next(one)) after = owned(one);
    VS_TRY(cursor.status());
  }
  const bool point = is_point_table(row.table) && within_ns == 0;
  const HostTime floor = point ? row.begin : time + -within_ns;
  VS_ASSIGN(auto before, last_before(*history_, *row.entity, time + 1, std::max(floor, row.begin)));
  if (!after || (before && time - before->begin < after->begin - time)) return before;
  return after;
}

Result<std::optional<RowState>> Views::at(const Row& row, HostTime time,
                                          std::int64_t within_ns) const {
  if (!row.entity) return std::optional<RowState>{};
  VS_ASSIGN(auto found, history_->at(*row.entity, time));
  const auto open = found ? std::nullopt : open_at(row, time);
  if (open) found = open;
  if (!found) {
    VS_ASSIGN(found, nearest(row, time, within_ns));
  }
  if (!found) return std::optional<RowState>{};
  RowState state = describe(*history_, row, found->begin, found->end, found->values());
  // Of several that were not put out yet only the last one goes on.
  state.open = open && open->end == row.end;
  return std::optional(std::move(state));
}

Result<std::optional<RowState>> Views::step(const View& view, const Row& row, HostTime time,
                                            int direction, std::size_t layer,
                                            const std::atomic<bool>* cancel) const {
  if (!row.entity) return std::optional<RowState>{};
  const auto slot = slot_of(row.table, view.layers[layer].column);
  if (!slot) return std::optional<RowState>{};
  VS_ASSIGN(auto now, history_->at(*row.entity, time));
  if (!now) now = open_at(row, time);
  const std::int64_t value = now ? now->values()[slot->index] : model::kNull;
  // Forwards all of the rest; backwards in windows that double, because rows come in one direction.
  const HostTime first = row.begin;
  const HostTime last = row.end + 1;
  HostTime to = direction > 0 ? last : (now ? now->begin : time);
  HostTime from = direction > 0 ? (now ? now->end : time + 1) : to;
  std::int64_t width = kFirstStepNs;
  do {
    if (direction < 0) {
      from = to.ns - first.ns > width ? to + -width : first;
      width *= kStepGrowth;
    }
    std::optional<RowState> found;
    auto cursor = history_->rows(*row.entity, from, to);
    history::Row one;
    while (cursor.next(one)) {
      if (cancel != nullptr && cancel->load()) {
        return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
      }
      if (now && (one.values[slot->index] == value || one.begin == now->begin)) continue;
      if (direction < 0 && one.begin >= to) break;
      found = describe(*history_, row, one.begin, one.end, one.values);
      if (direction > 0) break;
    }
    VS_TRY(cursor.status());
    if (found) return found;
    to = from;
  } while (direction < 0 && from > first);
  for (const history::OwnedRow& open : open_rows(row)) {
    const bool other = !now || open.slots[slot->index] != value;
    if (direction < 0 || open.begin < (now ? now->end : time) || !other) continue;
    return std::optional(describe(*history_, row, open.begin, open.end, open.values()));
  }
  return std::optional<RowState>{};
}

std::optional<std::int32_t> Views::row_of(const View& view, model::EntityId entity) const {
  const auto& ids = row_ids_[static_cast<std::size_t>(&view - views_.data())];
  const auto found = ids.find(entity);
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

std::size_t Views::PlaceHash::operator()(const EntityPlace& place) const {
  // Odd constants of the golden ratio spread neighbouring keys (Knuth's multiplicative hashing).
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = static_cast<std::uint64_t>(place.first) * kSpread;
  hash = (hash ^ static_cast<std::uint64_t>(place.second)) * kSpread;
  return static_cast<std::size_t>(((hash >> 32U) ^ hash) * kSpread +
                                  static_cast<std::uint64_t>(place.table));
}

std::optional<model::EntityId> Views::entity(TableId table, std::string_view first,
                                             std::int64_t second) const {
  const auto machine = history_->find_string(first);
  if (!machine) return std::nullopt;
  const auto found =
      entities_.find(EntityPlace{table, static_cast<std::int64_t>(*machine), second});
  return found == entities_.end() ? std::nullopt : std::optional(found->second);
}

std::string_view Views::host_of(std::string_view machine) const {
  const auto found = hosts_.find(machine);
  return found == hosts_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace vs::serve
