#include "history/writer.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "history/footer.h"
#include "history/interner.h"
#include "history/pack.h"
#include "history/sealer.h"
#include "history/slab.h"

namespace vs::history {
namespace {

constexpr std::uint64_t kMaxTextBytes = kMaxFooterBytes / 2;

std::int64_t cut(std::int64_t time_ns) { return std::clamp(time_ns, -kTimeLimit, kTimeLimit); }

std::uint64_t hash_key(TableId table, std::span<const std::int64_t> key) {
  ByteSink bytes;
  bytes.put_u8(static_cast<std::uint8_t>(table));
  for (const std::int64_t value : key) bytes.put_u64(static_cast<std::uint64_t>(value));
  return checksum_of(bytes.bytes());
}

/// OpenEntity::least_ns where rows may overlap: each row is odd, since none is like most.
constexpr std::int64_t kOverlapping = INT64_MAX;

// A memo's number is OpenEntity::memo + tuple; a slab has fewer tuples than rows.
constexpr unsigned kMemoTableShift = 24;
constexpr std::uint32_t kMemoTuple = (1U << kMemoTableShift) - 1;
static_assert(kSlabRowsMax <= kMemoTuple);
/// OpenEntity::memo of an entity that takes no rows: no memo is of its table.
constexpr std::uint32_t kNoMemos = 1U << 31;
static_assert((static_cast<std::uint32_t>(TableId::kCount) << kMemoTableShift) < kNoMemos);

}  // namespace

struct Writer::State {
  State(const WriterOptions& chosen, std::unique_ptr<os::OutputFile> file, std::string name)
      : options(chosen),
        output(std::move(file)),
        path(std::move(name)),
        sealer(*output, options.codec, path),
        slabs(make_slabs()) {
    if (options.seal_beside) closed_slabs = make_slabs();
    keep(sealer.status());
  }

  void fail(ErrorCode code, std::string what) { keep(Error{code, std::move(what), path, ""}); }
  /// The first one counts; nothing is added after it.
  void keep(Status failed) {
    if (status.ok() && !failed.ok()) status = std::move(failed);
    if (!status.ok()) entity_count = 0;
  }
  /// Whether repair() has to look at a row's times.
  [[nodiscard]] static bool is_odd(const OpenEntity& open, std::int64_t begin_ns,
                                   std::int64_t end_ns) {
    return begin_ns < open.least_ns || end_ns <= begin_ns || end_ns > kTimeLimit;
  }
  /// Whether adding a row is only an append.
  [[nodiscard]] bool has_room(const OpenEntity& open) const {
    return rows_left > 1 && TableSlab::ready_for(open);
  }
  /// Adds a row that is not odd, and whose values are a tuple of its table's slab.
  void add_row(EntityId entity, OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns,
               std::uint32_t tuple) {
    // All that is not an append is behind one call, so that this needs few registers.
    if (!has_room(open)) [[unlikely]]
      return add_slowly(entity, open, begin_ns, end_ns, tuple);
    --rows_left;
    open.least_ns = end_ns;
    slab_of(open).add_row(open, begin_ns, end_ns, tuple);
  }
  [[nodiscard]] TableSlab& slab_of(const OpenEntity& open) const {
    return *slabs[static_cast<std::size_t>(open.table)];
  }
  [[gnu::noinline]] void add_slowly(EntityId entity, OpenEntity& open, std::int64_t begin_ns,
                                    std::int64_t end_ns, std::uint32_t tuple);
  /// The same of any times.
  [[gnu::noinline]] void add_odd(EntityId entity, OpenEntity& open, std::int64_t begin_ns,
                                 std::int64_t end_ns, std::uint32_t tuple);
  /// Makes times keep the rules; false for an empty row that is not kept.
  [[nodiscard]] bool repair(const OpenEntity& open, std::int64_t& begin_ns, std::int64_t& end_ns);
  /// The entity with this key; a new one is the view of another, or has rows of its own.
  [[nodiscard]] EntityId entity(TableId table, std::span<const std::int64_t> key, EntityId shows);
  void add_entity(TableId table, std::span<const std::int64_t> key, EntityId shows);
  /// A row that add() cannot take.
  void refuse(EntityId entity, std::size_t values);
  [[nodiscard]] std::size_t slab_rows() const { return look_at - rows_left; }
  /// Has the open slab sealed, after the one before it.
  void seal();
  /// Waits until all that was handed over is sealed.
  void end_sealing();
  void seal_if_full();
  [[nodiscard]] Footer make_footer();
  /// What there is besides the slab that is to be sealed, where somebody wants a snapshot.
  [[nodiscard]] std::optional<Footer> footer_if_asked() const;
  /// Of what has been sealed; called by the thread that seals.
  void publish_snapshot(Footer footer);

  const WriterOptions options;
  const std::unique_ptr<os::OutputFile> output;
  const std::string path;
  Status status;  ///< the first error that was seen
  Sealer sealer;  ///< of `sealing` while that runs
  bool closed = false;

  StringTable strings;
  NumberTable string_numbers;
  std::vector<OpenEntity> entities;
  /// Of the same; 0 when rows are not taken any more, because of an error or the end.
  std::size_t entity_count = 0;
  std::vector<EntityInfo> infos;  ///< of the same; tables and keys
  NumberTable entity_numbers;
  std::vector<std::int64_t> keys;
  std::vector<EntityView> views;

  Slabs slabs;
  Slabs closed_slabs;                 ///< of `sealing`; in its place once it has ended
  std::uint32_t epoch = 1;            ///< of memos: number of the slab
  std::size_t look_at = kSlabRows;    ///< rows after which to look whether the slab is full
  std::size_t rows_left = kSlabRows;  ///< until then
  std::uint64_t sealed_rows = 0;      ///< of the slabs before this one
  std::uint64_t repaired = 0;

  std::map<std::string, std::string> meta;
  std::map<TableId, model::SmallTable> small_tables;

  std::jthread sealing;  // last: it uses others
};

bool Writer::State::repair(const OpenEntity& open, std::int64_t& begin_ns, std::int64_t& end_ns) {
  begin_ns = cut(begin_ns);
  end_ns = cut(end_ns);
  const std::int64_t least_ns = open.least_ns == kOverlapping ? -kTimeLimit : open.least_ns;
  if (begin_ns < least_ns || end_ns < begin_ns) {
    ++repaired;
    begin_ns = std::max(begin_ns, least_ns);
    end_ns = std::max(begin_ns, end_ns);
  }
  return begin_ns != end_ns || open.points;
}

void Writer::State::add_slowly(EntityId entity, OpenEntity& open, std::int64_t begin_ns,
                               std::int64_t end_ns, std::uint32_t tuple) {
  TableSlab& slab = slab_of(open);
  slab.make_ready(entity, open);
  if (open.least_ns != kOverlapping) open.least_ns = end_ns;
  slab.add_row(open, begin_ns, end_ns, tuple);
  if (--rows_left == 0) seal_if_full();
}

void Writer::State::add_odd(EntityId entity, OpenEntity& open, std::int64_t begin_ns,
                            std::int64_t end_ns, std::uint32_t tuple) {
  if (repair(open, begin_ns, end_ns)) add_slowly(entity, open, begin_ns, end_ns, tuple);
}

void Writer::State::refuse(EntityId entity, std::size_t values) {
  if (closed || !status.ok()) return;
  if (entity >= entities.size()) {
    return fail(ErrorCode::kInternal,
                "a row of entity " + std::to_string(entity) + ", which does not exist");
  }
  if (entities[entity].values == OpenEntity::kTakesNone) {
    return fail(ErrorCode::kInternal, "a row of an entity that shows those of another one");
  }
  fail(ErrorCode::kInternal, "a row with " + std::to_string(values) +
                                 " values in a table that has " +
                                 std::to_string(entities[entity].values));
}

void Writer::State::seal() {
  end_sealing();
  sealed_rows += slab_rows();
  rows_left = look_at = kSlabRows;
  ++epoch;
  if (!status.ok()) return;
  for (const auto& slab : slabs) {
    if (slab != nullptr) slab->close(entities);
  }
  std::optional<Footer> asked = footer_if_asked();
  if (!options.seal_beside) {
    sealer.seal(slabs, entities.size(), views);
    if (asked) publish_snapshot(std::move(*asked));
    return keep(sealer.status());
  }
  std::swap(slabs, closed_slabs);
  sealing = std::jthread(
      [this, count = entities.size(), seen = views, asked = std::move(asked)]() mutable {
        sealer.seal(closed_slabs, count, seen);
        if (asked) publish_snapshot(std::move(*asked));
      });
}

void Writer::State::end_sealing() {
  if (!sealing.joinable()) return;
  sealing.join();
  keep(sealer.status());
}

// A slab with few rows per entity costs more for directory and index than for rows.
void Writer::State::seal_if_full() {
  std::size_t present = 0;
  for (const auto& table : slabs) present += table != nullptr ? table->entities() : 0;
  const std::size_t full = std::clamp(present * kSlabRowsPerEntity, kSlabRows, kSlabRowsMax);
  const std::size_t rows = slab_rows();
  if (rows >= full) return seal();
  look_at = full;
  rows_left = full - rows;
}

Footer Writer::State::make_footer() {
  Footer footer;
  footer.meta = meta;
  footer.strings = std::move(strings);
  footer.keys = std::move(keys);
  footer.entities = std::move(infos);
  for (auto& [id, table] : small_tables) footer.small_tables.push_back(std::move(table));
  return footer;
}

std::optional<Footer> Writer::State::footer_if_asked() const {
  if (closed || options.snapshots == nullptr || !options.snapshots->wanted()) return std::nullopt;
  Footer footer;
  footer.strings = strings;
  footer.keys = keys;
  footer.entities = infos;
  return footer;
}

// One that cannot be made is not missed: the file goes on, and its errors are kept elsewhere.
void Writer::State::publish_snapshot(Footer footer) {
  auto tail = sealer.snapshot_tail(std::move(footer));
  auto sealed = tail.ok() ? output->reopen() : tail.error();
  options.snapshots->publish(
      sealed.ok() ? make_snapshot(std::move(sealed).value(), std::move(tail).value()) : nullptr);
}

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Writer::~Writer() = default;

Result<std::unique_ptr<Writer>> Writer::create(const std::string& path,
                                               const WriterOptions& options) {
  os::Outputs& outputs = options.outputs != nullptr ? *options.outputs : os::real_outputs();
  VS_ASSIGN(auto file, outputs.create(path));
  auto state = std::make_unique<State>(options, std::move(file), path);
  std::unique_ptr<Writer> writer(new Writer(std::move(state)));
  VS_TRY(writer->status());
  return writer;
}

Result<std::unique_ptr<Writer>> Writer::create_anonymous(const std::string& folder,
                                                         const WriterOptions& options) {
  os::Outputs& outputs = options.outputs != nullptr ? *options.outputs : os::real_outputs();
  VS_ASSIGN(auto file, outputs.create_anonymous(folder));
  const std::string path = os::join_path(folder, "(temporary history)");
  auto state = std::make_unique<State>(options, std::move(file), path);
  std::unique_ptr<Writer> writer(new Writer(std::move(state)));
  VS_TRY(writer->status());
  return writer;
}

StringId Writer::intern(std::string_view text) {
  State& s = *state_;
  if (s.strings.size() >= kMaxStrings || s.strings.text_bytes() + text.size() > kMaxTextBytes) {
    s.fail(ErrorCode::kLimit, "the history has more than " + std::to_string(kMaxStrings) +
                                  " strings or " + std::to_string(kMaxTextBytes) +
                                  " bytes of text");
    return 0;
  }
  const auto next = static_cast<std::uint32_t>(s.strings.size());
  const std::uint32_t id = s.string_numbers.find_or_insert(
      checksum_of(as_bytes(text)), next,
      [&](std::uint32_t number) { return s.strings[number] == text; });
  if (id == next) s.strings.add(text);
  return id;
}

EntityId Writer::State::entity(TableId table, std::span<const std::int64_t> key, EntityId shows) {
  const auto next = static_cast<EntityId>(entities.size());
  if (!model::table_def(table).interval || key.size() != layout_of(table).keys) {
    fail(ErrorCode::kInternal, "an entity of a table that has no such key");
    return next;
  }
  if (next >= kMaxEntities) {
    fail(ErrorCode::kLimit,
         "the history has more than " + std::to_string(kMaxEntities) + " entities");
    return 0;
  }
  const EntityId id =
      entity_numbers.find_or_insert(hash_key(table, key), next, [&](std::uint32_t number) {
        const EntityInfo& info = infos[number];
        return info.table == table &&
               std::equal(key.begin(), key.end(),
                          keys.begin() + static_cast<std::ptrdiff_t>(info.key_at));
      });
  if (id == next) {
    add_entity(table, key, shows);
  } else if (infos[id].shows != shows) {
    fail(ErrorCode::kInternal, "an entity that has rows and is a view");
  }
  return id;
}

void Writer::State::add_entity(TableId table, std::span<const std::int64_t> key, EntityId shows) {
  const TableLayout& layout = layout_of(table);
  OpenEntity& open = entities.emplace_back();
  if (!closed && status.ok()) entity_count = entities.size();
  open.table = table;
  open.memo = static_cast<std::uint32_t>(table) << kMemoTableShift;
  open.values = static_cast<std::uint8_t>(layout.values);
  open.points = layout.points;
  if (layout.overlaps) open.least_ns = kOverlapping;
  EntityInfo& added = infos.emplace_back();
  added.table = table;
  added.key_at = static_cast<std::uint32_t>(keys.size());
  added.shows = shows;
  keys.insert(keys.end(), key.begin(), key.end());
  if (shows == kNoEntity) return;
  if (std::ranges::find(views, shows, &EntityView::of) != views.end()) {
    return fail(ErrorCode::kInternal, "a second view of the same rows");  // totals are kept for one
  }
  open.memo = kNoMemos;
  open.values = OpenEntity::kTakesNone;
  views.push_back({static_cast<EntityId>(infos.size() - 1), shows, table});
}

EntityId Writer::entity(TableId table, std::span<const std::int64_t> key) {
  return state_->entity(table, key, kNoEntity);
}

EntityId Writer::view(TableId table, std::span<const std::int64_t> key, EntityId of) {
  State& s = *state_;
  const bool fits = of < s.infos.size() && !s.infos[of].is_view() &&
                    !model::view_slots(table, s.infos[of].table).empty();
  if (!fits) s.fail(ErrorCode::kInternal, "a view of rows that have other columns");
  return s.entity(table, key, fits ? of : kNoEntity);
}

void Writer::add(EntityId entity, HostTime begin, HostTime end,
                 std::span<const std::int64_t> values) {
  model::RowMemo memo;
  add_noting(entity, begin, end, values, memo);
}

void Writer::add_noting(EntityId entity, HostTime begin, HostTime end,
                        std::span<const std::int64_t> values, model::RowMemo& memo) {
  State& s = *state_;
  if (entity >= s.entity_count || values.size() != s.entities[entity].values) [[unlikely]] {
    return s.refuse(entity, values.size());
  }
  OpenEntity& open = s.entities[entity];
  const bool odd = s.is_odd(open, begin.ns, end.ns);
  if (odd && !s.repair(open, begin.ns, end.ns)) return;
  TableSlab& slab = s.slab_of(open);
  const std::uint32_t tuple = slab.take(values);  // of a row that will be kept
  memo = slab.has_numbers() ? model::RowMemo{} : model::RowMemo{s.epoch, open.memo + tuple};
  odd ? s.add_slowly(entity, open, begin.ns, end.ns, tuple)
      : s.add_row(entity, open, begin.ns, end.ns, tuple);
}

bool Writer::add_again(EntityId entity, HostTime begin, HostTime end, model::RowMemo memo) {
  State& s = *state_;
  if (memo.epoch != s.epoch || entity >= s.entity_count) return false;
  OpenEntity& open = s.entities[entity];
  const std::uint32_t tuple = memo.number - open.memo;
  if (tuple > kMemoTuple) [[unlikely]]
    return false;  // of another table
  if (s.is_odd(open, begin.ns, end.ns) || !s.has_room(open)) [[unlikely]] {
    s.add_odd(entity, open, begin.ns, end.ns, tuple);
    return true;
  }
  --s.rows_left;
  open.least_ns = end.ns;
  TableSlab::add_plain_row(open, begin.ns, end.ns, tuple);  // a table with numbers gives no memos
  return true;
}

void Writer::put_small_table(model::SmallTable table) {
  const model::TableDef& def = model::table_def(table.id);
  const bool fits = std::all_of(table.rows.begin(), table.rows.end(), [&](const model::Row& row) {
    return row.size() == def.columns.size();
  });
  if (def.interval || !fits) {
    return state_->fail(ErrorCode::kInternal,
                        "rows that do not fit the table " + std::string(def.name));
  }
  state_->small_tables.insert_or_assign(table.id, std::move(table));
}

void Writer::set_meta(std::string key, std::string value) {
  state_->meta.insert_or_assign(std::move(key), std::move(value));
}

Status Writer::commit() {
  State& s = *state_;
  s.entity_count = 0;
  if (std::exchange(s.closed, true)) s.fail(ErrorCode::kInternal, "the history was closed before");
  s.seal();
  s.end_sealing();
  if (s.status.ok()) {
    s.sealer.finish(s.make_footer());
    s.keep(s.sealer.status());
  }
  if (s.status.ok()) s.keep(s.output->commit());
  return s.status;
}

Result<std::shared_ptr<const Reader>> Writer::finish() {
  VS_TRY(commit());
  VS_ASSIGN(auto file, state_->output->reopen());
  return Reader::open(std::move(file), state_->path, state_->options.reader);
}

std::uint64_t Writer::rows() const { return state_->sealed_rows + state_->slab_rows(); }
std::uint64_t Writer::repaired_rows() const { return state_->repaired; }
const Status& Writer::status() const { return state_->status; }

}  // namespace vs::history
