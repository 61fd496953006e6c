#pragma once
// The history reader: point, range and whole-state queries from a file of the Writer.
//
// open() reads the header, the trailer and the footer and nothing else. Pieces are read, checked
// (checksum, sizes, format) and unpacked when a query needs them and kept in a bounded cache. Bytes
// that break the format give an error (kMalformed), never a wrong row; the caller deletes the file
// and rebuilds. Files of another version or with other columns: kUnsupported. Times are ns on the
// host timeline.
//
// Ownership: a Reader owns its file; cursors hold the pieces they stand on and a share of the
// Reader. Threads: all methods are const and may be called from several threads; a RowCursor
// belongs to one.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "history/footer.h"
#include "history/layout.h"
#include "history/picture.h"
#include "model/interval_sink.h"
#include "model/tables.h"
#include "os/file.h"

namespace vs::history {

struct ReaderOptions {
  std::size_t cache_bytes = 64ULL << 20;  ///< unpacked pieces that are kept
  os::FileSystem* files = nullptr;        ///< nullptr: the real ones
};

/// A row that a cursor stands on. `values` is valid until the cursor moves.
struct Row {
  HostTime begin;
  HostTime end;
  std::span<const std::int64_t> values;
};

/// A row on its own.
struct OwnedRow {
  HostTime begin;
  HostTime end;
  std::array<std::int64_t, kMaxValues> slots{};
  std::size_t count = 0;
  [[nodiscard]] std::span<const std::int64_t> values() const {
    return std::span(slots).first(count);
  }
};

/// One entity of a table: its key columns in order (text columns as StringIds).
struct Entity {
  EntityId id = 0;
  std::span<const std::int64_t> key;
};

/// What the entities of a table were in at one time, by id. `values` of the rows point into
/// `slots`.
struct FullState {
  struct Row {
    EntityId entity = 0;
    HostTime begin;
    HostTime end;
    std::span<const std::int64_t> values;
  };
  std::vector<Row> rows;
  std::vector<std::int64_t> slots;
  FullState() = default;
  FullState(FullState&&) = default;
  FullState& operator=(FullState&&) = default;
  FullState(const FullState&) = delete;  // the spans would point into the original
  FullState& operator=(const FullState&) = delete;
  ~FullState() = default;
};

class Reader;

/// Walks the rows of one entity in time order.
class RowCursor {
 public:
  RowCursor(RowCursor&&) noexcept;
  RowCursor& operator=(RowCursor&&) noexcept;
  ~RowCursor();
  /// The next row; false at the end or after an error, see status().
  [[nodiscard]] bool next(Row& row);
  [[nodiscard]] const Status& status() const;

 private:
  friend class Reader;
  struct State;
  explicit RowCursor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Reader : public std::enable_shared_from_this<Reader> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const Reader>> open(
      const std::string& path, const ReaderOptions& options = {});
  /// The same on an open file; `path` is for messages.
  [[nodiscard]] static Result<std::shared_ptr<const Reader>> open(std::unique_ptr<os::File> file,
                                                                  const std::string& path,
                                                                  const ReaderOptions& options);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] std::optional<std::string_view> meta(std::string_view key) const;
  /// nullptr when the history has none.
  [[nodiscard]] const model::SmallTable* small_table(TableId table) const;

  /// The text of an id; empty for ids that do not exist and for kNull.
  [[nodiscard]] std::string_view string(StringId id) const;
  [[nodiscard]] std::optional<StringId> find_string(std::string_view text) const;
  [[nodiscard]] std::size_t string_count() const;

  /// By id, which is the order of their creation.
  [[nodiscard]] std::span<const Entity> entities(TableId table) const;
  [[nodiscard]] std::size_t entity_count() const;
  /// Key, row count and first and last time. Requires entity < entity_count().
  [[nodiscard]] const EntityInfo& entity(EntityId entity) const;
  [[nodiscard]] std::uint64_t row_count(TableId table) const;
  /// Time and rows per value of the table's first state column, by value; from the footer alone.
  [[nodiscard]] std::span<const StateTotal> totals(EntityId entity) const;
  /// The value slot that totals() and summaries are about, if the table has a state column.
  [[nodiscard]] static std::optional<std::size_t> state_slot(TableId table);

  /// Rows that overlap [from, to), by begin; empty rows at ts in [from, to) included. An unknown
  /// entity has no rows.
  [[nodiscard]] RowCursor rows(EntityId entity, HostTime from, HostTime to) const;
  /// The row that holds at `time` (begin <= time < end); of rows that overlap, the one that began
  /// last.
  [[nodiscard]] Result<std::optional<OwnedRow>> at(EntityId entity, HostTime time) const;
  /// at() for every entity of the table that has a row there, by id. All of them are looked up
  /// together, so this costs a fraction of as many at().
  [[nodiscard]] Result<FullState> full_state(TableId table, HostTime time) const;
  /// The same into `state`, whose memory is used again.
  [[nodiscard]] Status full_state(TableId table, HostTime time, FullState& state) const;

  /// [from, to) in `pixels` equal parts: what held longest in each and for which share. Exact from
  /// the rows as long as a pixel covers few of them; zoomed out, the state column comes from
  /// summaries, whose buckets are at most as wide as a pixel. A bucket that lies across a pixel's
  /// edge is divided evenly, so nothing is lost or counted twice, but it may move by half a bucket.
  /// The cost depends on the pixels, not on the length of the window. Of rows that overlap, the one
  /// that began first covers the others.
  [[nodiscard]] Result<std::vector<Pixel>> timeline(EntityId entity, HostTime from, HostTime to,
                                                    std::size_t pixels,
                                                    std::size_t value_slot) const;
  /// The same for many entities at once, of any tables, as stretches of like pixels: each piece is
  /// looked up once for all of them. `pictures` gets one row per entity, in their order, and its
  /// memory is used again; `cost`, where given, is added to.
  [[nodiscard]] Status timelines(std::span<const EntityId> entities, const Window& window,
                                 std::vector<std::vector<Stretch>>& pictures,
                                 DrawCost* cost = nullptr) const;

  /// How long any of `values` of the state column held, of entities of one table, ascending by id:
  /// pictures whose stretches have value 1 and a share, or another value. `window.value_slot` is
  /// not used. Costs what timelines() costs. kUnsupported for tables without summaries.
  [[nodiscard]] Status shares(std::span<const EntityId> entities, const Window& window,
                              std::span<const std::int64_t> values,
                              std::vector<std::vector<Stretch>>& pictures) const;

  /// Reads every piece and compares every checksum: what `virtscope check` asks for.
  [[nodiscard]] Status verify() const;

 private:
  friend struct RowCursor::State;
  struct State;
  explicit Reader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vs::history
