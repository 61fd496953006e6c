#include "history/writer.h"

#include <algorithm>
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

}  // namespace

struct Writer::State {
  State(const WriterOptions& chosen, std::unique_ptr<os::OutputFile> file, std::string name)
      : options(chosen),
        output(std::move(file)),
        path(std::move(name)),
        sealer(*output, options.codec, path),
        slabs(make_slabs()) {}

  void fail(ErrorCode code, std::string what) {
    sealer.fail(code, std::move(what));
    entity_count = 0;
  }
  [[nodiscard]] const Status& status() const { return sealer.status(); }
  /// Makes times keep the rules; false for an empty row that is not kept.
  [[nodiscard]] bool repair(const OpenEntity& open, std::int64_t& begin_ns, std::int64_t& end_ns);
  /// A row that add() cannot take.
  void refuse(EntityId entity, std::size_t values);
  void seal();
  void seal_if_full();
  [[nodiscard]] Footer make_footer();

  const WriterOptions options;
  const std::unique_ptr<os::OutputFile> output;
  const std::string path;
  Sealer sealer;
  bool closed = false;

  StringTable strings;
  NumberTable string_numbers;
  std::vector<OpenEntity> entities;
  /// Of the same; 0 when rows are not taken any more, because of an error or the end.
  std::size_t entity_count = 0;
  std::vector<EntityInfo> infos;  ///< of the same; tables and keys
  NumberTable entity_numbers;
  std::vector<std::int64_t> keys;

  Slabs slabs;
  std::size_t slab_rows = 0;
  std::size_t seal_at = kSlabRows;  ///< when to look whether the slab is full
  std::uint64_t sealed_rows = 0;    ///< of the slabs before this one
  std::uint64_t repaired = 0;

  std::map<std::string, std::string> meta;
  std::map<TableId, model::SmallTable> small_tables;
};

bool Writer::State::repair(const OpenEntity& open, std::int64_t& begin_ns, std::int64_t& end_ns) {
  begin_ns = cut(begin_ns);
  end_ns = cut(end_ns);
  if (begin_ns < open.least_ns || end_ns < begin_ns) {
    ++repaired;
    begin_ns = std::max(begin_ns, open.least_ns);
    end_ns = std::max(begin_ns, end_ns);
  }
  return begin_ns != end_ns || open.points;
}

void Writer::State::refuse(EntityId entity, std::size_t values) {
  if (closed || !status().ok()) return;
  if (entity >= entities.size()) {
    return fail(ErrorCode::kInternal,
                "a row of entity " + std::to_string(entity) + ", which does not exist");
  }
  fail(ErrorCode::kInternal, "a row with " + std::to_string(values) +
                                 " values in a table that has " +
                                 std::to_string(entities[entity].values));
}

void Writer::State::seal() {
  sealer.seal(slabs, entities);
  sealed_rows += slab_rows;
  slab_rows = 0;
  seal_at = kSlabRows;
  if (!status().ok()) entity_count = 0;
}

// A slab with few rows per entity costs more for directory and index than for rows.
void Writer::State::seal_if_full() {
  std::size_t present = 0;
  for (const auto& table : slabs) present += table != nullptr ? table->entities() : 0;
  seal_at = std::clamp(present * kSlabRowsPerEntity, kSlabRows, kSlabRowsMax);
  if (slab_rows >= seal_at) seal();
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

EntityId Writer::entity(TableId table, std::span<const std::int64_t> key) {
  State& s = *state_;
  const auto next = static_cast<EntityId>(s.entities.size());
  if (!model::table_def(table).interval || key.size() != layout_of(table).keys) {
    s.fail(ErrorCode::kInternal, "an entity of a table that has no such key");
    return next;
  }
  if (next >= kMaxEntities) {
    s.fail(ErrorCode::kLimit,
           "the history has more than " + std::to_string(kMaxEntities) + " entities");
    return 0;
  }
  const EntityId id =
      s.entity_numbers.find_or_insert(hash_key(table, key), next, [&](std::uint32_t number) {
        const EntityInfo& info = s.infos[number];
        return info.table == table &&
               std::equal(key.begin(), key.end(),
                          s.keys.begin() + static_cast<std::ptrdiff_t>(info.key_at));
      });
  if (id == next) {
    const TableLayout& layout = layout_of(table);
    OpenEntity& open = s.entities.emplace_back();
    if (!s.closed && s.status().ok()) s.entity_count = s.entities.size();
    open.table = table;
    open.values = static_cast<std::uint8_t>(layout.values);
    open.points = layout.points;
    open.overlaps = layout.overlaps;
    EntityInfo& added = s.infos.emplace_back();
    added.table = table;
    added.key_at = static_cast<std::uint32_t>(s.keys.size());
    s.keys.insert(s.keys.end(), key.begin(), key.end());
  }
  return id;
}

void Writer::add(EntityId entity, HostTime begin, HostTime end,
                 std::span<const std::int64_t> values) {
  State& s = *state_;
  if (entity >= s.entity_count || values.size() != s.entities[entity].values) [[unlikely]] {
    return s.refuse(entity, values.size());
  }
  OpenEntity& open = s.entities[entity];
  std::int64_t begin_ns = begin.ns;
  std::int64_t end_ns = end.ns;
  if (begin_ns < open.least_ns || end_ns <= begin_ns || end_ns > kTimeLimit) [[unlikely]] {
    if (!s.repair(open, begin_ns, end_ns)) return;
  }
  if (!open.overlaps) open.least_ns = end_ns;
  s.slabs[static_cast<std::size_t>(open.table)]->add(entity, open, begin_ns, end_ns, values);
  if (++s.slab_rows >= s.seal_at) [[unlikely]]
    s.seal_if_full();
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
  if (s.status().ok()) s.seal();
  if (s.status().ok()) s.sealer.finish(s.make_footer());
  if (s.status().ok()) s.sealer.keep(s.output->commit());
  return s.status();
}

Result<std::shared_ptr<const Reader>> Writer::finish() {
  VS_TRY(commit());
  VS_ASSIGN(auto file, state_->output->reopen());
  return Reader::open(std::move(file), state_->path, state_->options.reader);
}

std::uint64_t Writer::rows() const { return state_->sealed_rows + state_->slab_rows; }
std::uint64_t Writer::repaired_rows() const { return state_->repaired; }
const Status& Writer::status() const { return state_->status(); }

}  // namespace vs::history
