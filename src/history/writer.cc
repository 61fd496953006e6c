#include "history/writer.h"

#include <algorithm>
#include <utility>

#include "history/footer.h"
#include "history/index.h"
#include "history/interner.h"
#include "history/pack.h"
#include "history/piece.h"
#include "history/slab.h"
#include "history/summary.h"

namespace vs::history {
namespace {

constexpr std::size_t kTables = static_cast<std::size_t>(TableId::kCount);
constexpr std::uint64_t kMaxTextBytes = kMaxFooterBytes / 2;

std::int64_t cut(HostTime time) { return std::clamp(time.ns, -kTimeLimit, kTimeLimit); }

std::uint64_t hash_key(TableId table, std::span<const std::int64_t> key) {
  ByteSink bytes;
  bytes.put_u8(static_cast<std::uint8_t>(table));
  for (const std::int64_t value : key) bytes.put_u64(static_cast<std::uint64_t>(value));
  return checksum_of(bytes.bytes());
}

/// The writer's side of an entity.
struct OpenEntity {
  EntityInfo info;
  std::uint64_t slab = 0;  ///< number of the last slab in which it had a row
  std::vector<StateTotal> totals;
};

/// Adds to the totals, which are kept by value.
void add_total(std::vector<StateTotal>& totals, const StateTotal& more) {
  const auto found = std::lower_bound(
      totals.begin(), totals.end(), more.value,
      [](const StateTotal& total, std::int64_t wanted) { return total.value < wanted; });
  if (found == totals.end() || found->value != more.value) {
    totals.insert(found, more);
    return;
  }
  found->duration_ns += more.duration_ns;
  found->rows += more.rows;
}

/// Whether a sort of piece is worth compressing. Pieces that gain nothing are tried more and more
/// rarely, up to every 16th: on varint columns the codec often costs time and saves nothing.
class Thrift {
 public:
  [[nodiscard]] bool try_now() const { return skip_ == 0; }
  void seen(bool packed) {
    if (skip_ != 0) {
      --skip_;
    } else if (packed) {
      wait_ = 0;
    } else {
      wait_ = std::min(2 * wait_ + 1, 15U);
      skip_ = wait_;
    }
  }

 private:
  unsigned skip_ = 0;  ///< pieces that are still stored as they are
  unsigned wait_ = 0;
};

}  // namespace

struct Writer::State {
  State(WriterOptions chosen, std::unique_ptr<os::OutputFile> file, std::string name)
      : options(std::move(chosen)), output(std::move(file)), path(std::move(name)) {
    for (std::size_t i = 0; i < kTables; ++i) {
      if (model::table_defs()[i].interval) {
        slabs[i] = std::make_unique<TableSlab>(static_cast<TableId>(i));
      }
    }
  }

  void keep(Status failed) {
    if (status.ok() && !failed.ok()) status = std::move(failed);
  }
  void fail(ErrorCode code, std::string what) { keep(Error{code, std::move(what), path, ""}); }
  void append(Bytes bytes) {
    if (status.ok()) keep(output->append(bytes));
  }
  void write_piece(PieceInfo info, Bytes raw);
  void seal();
  void seal_table(TableId table);
  void seal_run(TableId table, const TableSlab::Run& run);
  void count_run(TableId table, const TableSlab::Run& run);
  void start_piece(TableId table);
  void write_rows(TableId table);
  void write_index();
  [[nodiscard]] Footer make_footer();
  void write_footer();

  const WriterOptions options;
  const std::unique_ptr<os::OutputFile> output;
  const std::string path;
  Status status;
  bool closed = false;
  std::uint64_t offset = 0;

  StringTable strings;
  NumberTable string_numbers;
  std::vector<OpenEntity> entities;
  NumberTable entity_numbers;
  std::vector<std::int64_t> keys;

  std::array<std::unique_ptr<TableSlab>, kTables> slabs;
  std::uint64_t slab = 1;
  std::size_t slab_rows = 0;
  std::size_t slab_entities = 0;
  std::uint64_t rows = 0;
  std::uint64_t repaired = 0;

  Packer packer;
  std::array<Thrift, static_cast<std::size_t>(PieceKind::kFooter) * (kTables + 1)> thrifts;
  PieceEncoder encoder;
  EntityId piece_first = 0;
  EntityId piece_last = 0;
  std::int64_t piece_first_ns = 0;
  std::int64_t piece_last_ns = 0;
  SummaryEncoder summary;
  ByteSink scratch;
  std::vector<StateTotal> sums;  ///< scratch of count_run()
  std::vector<PieceInfo> pieces;
  std::vector<IndexEntry> index;
  std::map<std::string, std::string> meta;
  std::map<TableId, model::SmallTable> small_tables;
};

void Writer::State::write_piece(PieceInfo info, Bytes raw) {
  if (raw.size() > kMaxPieceBytes) {
    return fail(ErrorCode::kLimit, "a piece of the history has " + std::to_string(raw.size()) +
                                       " bytes, the limit is " + std::to_string(kMaxPieceBytes));
  }
  info.offset = offset;
  Thrift& thrift = thrifts[static_cast<std::size_t>(info.kind) * (kTables + 1) +
                           static_cast<std::size_t>(info.table)];
  const Bytes packed = packer.pack(raw, thrift.try_now() ? options.codec : Codec::kStored, info);
  thrift.seen(info.codec != Codec::kStored);
  append(packed);
  offset += packed.size();
  pieces.push_back(info);
}

void Writer::State::write_rows(TableId table) {
  if (encoder.rows() == 0) return;
  PieceInfo info;
  info.kind = PieceKind::kRows;
  info.table = table;
  info.first_entity = piece_first;
  info.last_entity = piece_last;
  info.first_ns = piece_first_ns;
  info.last_ns = piece_last_ns;
  write_piece(info, encoder.finish());
  if (summary.empty()) return;
  info.kind = PieceKind::kSummary;  // its number is the next one: readers look there
  info.first_entity = summary.first_entity();
  info.last_entity = summary.last_entity();
  write_piece(info, summary.finish());
}

void Writer::State::start_piece(TableId table) {
  const TableSlab& open = *slabs[static_cast<std::size_t>(table)];
  encoder.start(table, open.tuples(), open.numbers());
  summary.start(open.states());
  piece_first_ns = kTimeLimit;
  piece_last_ns = -kTimeLimit;
}

void Writer::State::count_run(TableId table, const TableSlab::Run& run) {
  OpenEntity& entity = entities[run.entity];
  if (entity.info.rows == 0) entity.info.first_ns = run.rows.front().begin_ns;
  entity.info.rows += run.rows.size();
  const TableLayout& layout = layout_of(table);
  if (!layout.has_state()) return;
  const TableSlab& open = *slabs[static_cast<std::size_t>(table)];
  sums.clear();
  for (const std::int64_t value : open.states()) sums.push_back(StateTotal{value, 0, 0});
  for (const SlabRow& row : run.rows) {
    const std::uint8_t number = open.state_number(row);
    const std::int64_t held_ns = row.end_ns - row.begin_ns;
    if (number == kOtherState) {
      add_total(entity.totals, StateTotal{open.state_of(row), held_ns, 1});
    } else {
      sums[number].duration_ns += held_ns;
      ++sums[number].rows;
    }
  }
  for (const StateTotal& sum : sums) {
    if (sum.rows != 0) add_total(entity.totals, sum);
  }
}

void Writer::State::seal_run(TableId table, const TableSlab::Run& run) {
  count_run(table, run);
  TableSlab& open = *slabs[static_cast<std::size_t>(table)];
  for (std::size_t at = 0; at < run.rows.size(); at += kPieceRows) {
    const auto part = run.rows.subspan(at, std::min(kPieceRows, run.rows.size() - at));
    if (encoder.rows() + part.size() > kPieceRows) {
      write_rows(table);
      start_piece(table);
    }
    if (encoder.rows() == 0) piece_first = run.entity;
    piece_last = run.entity;
    index.push_back(
        IndexEntry{run.entity, static_cast<std::uint32_t>(pieces.size()), part.front().begin_ns});
    piece_first_ns = std::min(piece_first_ns, part.front().begin_ns);
    piece_last_ns = std::max(piece_last_ns, part.back().end_ns);
    encoder.add_run(run.entity, part);
    if (layout_of(table).has_state()) {
      summary.add_run(run.entity, part, open);
    }
  }
}

void Writer::State::seal_table(TableId table) {
  TableSlab& open = *slabs[static_cast<std::size_t>(table)];
  if (layout_of(table).has_state()) open.number_states();
  start_piece(table);
  for (const TableSlab::Run& run : open.group(entities.size())) seal_run(table, run);
  write_rows(table);
  open.clear();
}

void Writer::State::seal() {
  for (std::size_t i = 0; i < kTables; ++i) {
    if (slabs[i] != nullptr && slabs[i]->rows() != 0) seal_table(static_cast<TableId>(i));
  }
  ++slab;
  slab_rows = slab_entities = 0;
  if (index.size() >= kIndexEntries) write_index();
}

void Writer::State::write_index() {
  std::stable_sort(index.begin(), index.end(),
                   [](const IndexEntry& a, const IndexEntry& b) { return a.entity < b.entity; });
  std::span<const IndexEntry> rest = index;
  while (!rest.empty()) {
    const auto part = rest.first(std::min(kIndexPieceEntries, rest.size()));
    rest = rest.subspan(part.size());
    scratch.clear();
    put_index(part, scratch);
    PieceInfo info;
    info.kind = PieceKind::kIndex;
    info.first_entity = part.front().entity;
    info.last_entity = part.back().entity;
    write_piece(info, scratch.bytes());
  }
  index.clear();
}

Footer Writer::State::make_footer() {
  Footer footer;
  footer.meta = meta;
  footer.strings = std::move(strings);
  footer.keys = std::move(keys);
  footer.pieces = std::move(pieces);
  for (OpenEntity& entity : entities) {
    entity.info.totals_at = static_cast<std::uint32_t>(footer.totals.size());
    entity.info.total_count = static_cast<std::uint32_t>(entity.totals.size());
    footer.totals.insert(footer.totals.end(), entity.totals.begin(), entity.totals.end());
    footer.entities.push_back(entity.info);
  }
  for (auto& [id, table] : small_tables) footer.small_tables.push_back(std::move(table));
  return footer;
}

void Writer::State::write_footer() {
  const Footer footer = make_footer();
  scratch.clear();
  put_footer(footer, scratch);
  std::size_t cells = 0;
  for (const model::SmallTable& table : footer.small_tables) {
    for (const model::Row& row : table.rows) cells += row.size();
  }
  if (scratch.size() > kMaxFooterBytes || footer.strings.size() > kMaxStrings ||
      footer.entities.size() > kMaxEntities || cells > kMaxCells) {
    return fail(ErrorCode::kLimit,
                "the history's footer is beyond its limits: " + std::to_string(scratch.size()) +
                    " bytes, " + std::to_string(footer.entities.size()) + " entities, " +
                    std::to_string(footer.strings.size()) + " strings, " + std::to_string(cells) +
                    " cells");
  }
  Trailer trailer;
  trailer.footer.kind = PieceKind::kFooter;
  trailer.footer.offset = offset;
  append(packer.pack(scratch.bytes(), Codec::kZstd, trailer.footer));
  trailer.file_size = offset + trailer.footer.stored + kTrailerBytes;
  ByteSink bytes;
  put_trailer(trailer, bytes);
  append(bytes.bytes());
}

Writer::Writer(std::unique_ptr<State> state) : state_(std::move(state)) {
  ByteSink header;
  put_header(header);
  state_->append(header.bytes());
  state_->offset = header.size();
}
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
        const EntityInfo& info = s.entities[number].info;
        return info.table == table &&
               std::equal(key.begin(), key.end(),
                          s.keys.begin() + static_cast<std::ptrdiff_t>(info.key_at));
      });
  if (id == next) {
    OpenEntity& added = s.entities.emplace_back();
    added.info.table = table;
    added.info.key_at = static_cast<std::uint32_t>(s.keys.size());
    added.info.last_ns = -kTimeLimit;
    s.keys.insert(s.keys.end(), key.begin(), key.end());
  }
  return id;
}

void Writer::add(EntityId entity, HostTime begin, HostTime end,
                 std::span<const std::int64_t> values) {
  State& s = *state_;
  if (!s.status.ok() || s.closed) return;
  if (entity >= s.entities.size()) {
    return s.fail(ErrorCode::kInternal,
                  "a row of entity " + std::to_string(entity) + ", which does not exist");
  }
  OpenEntity& open = s.entities[entity];
  const TableId table = open.info.table;
  if (values.size() != layout_of(table).values) {
    return s.fail(ErrorCode::kInternal, "a row with " + std::to_string(values.size()) +
                                            " values in a table that has " +
                                            std::to_string(layout_of(table).values));
  }
  std::int64_t begin_ns = cut(begin);
  std::int64_t end_ns = cut(end);
  if (begin_ns < open.info.last_ns || end_ns < begin_ns) {
    ++s.repaired;
    begin_ns = std::max(begin_ns, open.info.last_ns);
    end_ns = std::max(begin_ns, end_ns);
  }
  if (begin_ns == end_ns && !model::table_def(table).points) return;
  open.info.last_ns = end_ns;
  if (open.slab != s.slab) {
    open.slab = s.slab;
    ++s.slab_entities;
  }
  s.slabs[static_cast<std::size_t>(table)]->add(entity, begin_ns, end_ns, values);
  ++s.rows;
  ++s.slab_rows;
  // A slab with few rows per entity costs more for directory and index than for rows.
  if (s.slab_rows >= kSlabRows &&
      (s.slab_rows >= kSlabRowsMax || s.slab_rows >= s.slab_entities * kSlabRowsPerEntity)) {
    s.seal();
  }
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
  if (std::exchange(s.closed, true)) s.fail(ErrorCode::kInternal, "the history was closed before");
  if (s.status.ok()) s.seal();
  if (s.status.ok()) s.write_index();
  if (s.status.ok()) s.write_footer();
  if (s.status.ok()) s.keep(s.output->commit());
  return s.status;
}

Result<std::shared_ptr<const Reader>> Writer::finish() {
  VS_TRY(commit());
  VS_ASSIGN(auto file, state_->output->reopen());
  return Reader::open(std::move(file), state_->path, state_->options.reader);
}

std::uint64_t Writer::rows() const { return state_->rows; }
std::uint64_t Writer::repaired_rows() const { return state_->repaired; }
const Status& Writer::status() const { return state_->status; }

}  // namespace vs::history
