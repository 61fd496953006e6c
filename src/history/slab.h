#pragma once
// The open part of one table: rows as they close, until the slab is sealed.
//
// Rows of one entity are coded together, so each entity writes to a place of its own from the first
// row on: a chunk, and when that is full another one, as large as all before it. The first one is
// as large as what the entity needed in the slab before, so that most need no other. Hot entities'
// ends stay in the cache, and nothing has to be sorted. Memory: 24 bytes per row, up to as much
// again in chunks that are not full, plus one entry per distinct tuple; the writer seals slabs by
// row count.
//
// Threads: one; after close() it may be another one until clear(), while new rows go elsewhere.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "history/layout.h"
#include "history/piece.h"

namespace vs::history {

/// Numbers the distinct combinations of a table's dictionary-like columns from 0.
class TupleDictionary {
 public:
  void start(const TableLayout& layout);
  [[nodiscard]] std::uint32_t id_of(std::span<const std::int64_t> values) {
    return in_place_ ? find_(*this, values.data()) : gather(values);
  }
  /// Slot values of all tuples, one after the other.
  [[nodiscard]] std::span<const std::int64_t> tuples() const { return tuples_; }

 private:
  using Find = std::uint32_t (*)(TupleDictionary&, const std::int64_t*);
  template <std::size_t... Widths>
  [[nodiscard]] static Find find_of(std::size_t width, std::index_sequence<Widths...> widths);
  /// One function per width, so that hashing and comparing are straight code: this is called for
  /// every row of every history.
  template <std::size_t kWidth>
  [[nodiscard]] static std::uint32_t find(TupleDictionary& self, const std::int64_t* tuple);
  /// find() of columns that do not stand side by side.
  [[nodiscard]] std::uint32_t gather(std::span<const std::int64_t> values);
  [[nodiscard]] std::uint32_t insert(std::uint64_t hash, std::size_t place,
                                     std::span<const std::int64_t> tuple);
  void grow();

  const TableLayout* layout_ = nullptr;
  Find find_ = nullptr;
  bool in_place_ = false;  ///< the tuple is the first columns as they stand
  std::vector<std::int64_t> tuples_;
  std::vector<std::uint64_t> hashes_;  ///< by id
  /// Open addressing: the hash's upper half and id + 1; 0 = free.
  std::vector<std::uint64_t> places_;
};

/// What adding a row needs of its entity.
struct OpenEntity {
  /// No row may begin earlier: the end of its last one. INT64_MAX where rows may overlap.
  std::int64_t least_ns = -kTimeLimit;
  SlabRow* next = nullptr;        ///< where its next row goes; null: none in the open slab
  SlabRow* end = nullptr;         ///< of that chunk
  std::uint32_t first_chunk = 0;  ///< TableSlab's; of the open slab
  std::uint32_t last_chunk = 0;
  std::uint32_t memo = 0;  ///< what its table adds to the number of a tuple in memos
  TableId table = TableId::kCount;
  static constexpr std::uint8_t kTakesNone = 0xff;
  std::uint8_t values = 0;  ///< how many a row has; kTakesNone: it takes no rows
  bool points = false;
};

/// Room for rows, handed out in chunks that stay where they are. Nothing is written to it before a
/// row is, and what was used once is kept for the next slab.
class RowPool {
 public:
  static constexpr std::size_t kMostRows = 65536;  ///< of one block
  /// Valid until clear().
  [[nodiscard]] SlabRow* take(std::size_t rows);
  void clear() { block_ = used_ = 0; }

 private:
  std::vector<std::unique_ptr<SlabRow[]>> blocks_;  ///< of kMostRows
  std::size_t block_ = 0;                           ///< the one in use
  std::size_t used_ = 0;                            ///< of its rows
};

class TableSlab {
 public:
  struct Run {
    EntityId entity = 0;
    std::span<SlabRow> rows;
  };

  explicit TableSlab(TableId table);
  /// The number of the values' tuple, the same for equal ones until clear(). Their numbers are kept
  /// for the row that add_row() adds next.
  [[nodiscard]] std::uint32_t take(std::span<const std::int64_t> values) {
    if (has_numbers_) [[unlikely]]
      add_numbers(values);
    return dictionary_.id_of(values);
  }
  /// Whether add_row() is only an append.
  [[nodiscard]] static bool ready_for(const OpenEntity& open) { return open.next != open.end; }
  /// Requires ready_for() or a call of make_ready().
  void add_row(OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns, std::uint32_t tuple) {
    append(open, begin_ns, end_ns, tuple, row_numbers_);
  }
  /// The same of a table without numbers.
  static void add_plain_row(OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns,
                            std::uint32_t tuple) {
    append(open, begin_ns, end_ns, tuple, 0);
  }
  void make_ready(EntityId entity, OpenEntity& open) {
    if (!ready_for(open)) add_chunk(entity, open);
  }
  [[nodiscard]] bool has_numbers() const { return has_numbers_; }
  [[nodiscard]] bool empty() const { return present_.empty(); }
  /// Entities that have rows here.
  [[nodiscard]] std::size_t entities() const { return present_.size(); }
  [[nodiscard]] std::span<const std::int64_t> tuples() const { return dictionary_.tuples(); }
  [[nodiscard]] std::span<const std::int64_t> numbers() const { return numbers_; }
  /// Numbers the values of a drawn column, for the calls below. `values` has the numbers that were
  /// given before, and gets new ones; it must outlive those calls.
  void number_values(std::size_t drawn, std::vector<std::int64_t>& values);
  [[nodiscard]] std::span<const std::int64_t> values(std::size_t drawn) const {
    return drawn_[drawn].values;
  }
  /// By tuple: index into values(), or kNoNumber for values beyond the first 255.
  [[nodiscard]] std::span<const std::uint8_t> numbers_of(std::size_t drawn) const {
    return drawn_[drawn].numbers;
  }
  /// The value of a drawn column.
  [[nodiscard]] std::int64_t value_of(const SlabRow& row, std::size_t drawn) const {
    return dictionary_.tuples()[row.tuple * layout_.tuple_slots.size() + drawn_[drawn].column];
  }
  /// No row is added any more: the entities forget this slab. `entities`: those of add_row().
  void close(std::span<OpenEntity> entities);
  /// Hands over the runs by entity, ascending, each entity's rows by begin; a run is valid during
  /// the call of `use`. Requires close(); clear() has to follow.
  template <typename Use>
  void take_runs(Use&& use) {
    for (const ClosedRun& run : closed_) use(Run{run.entity, rows_of(run)});
  }
  void clear();

 private:
  // Field by field: as one structure, the compiler gathers it in vector registers first.
  static void append(OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns,
                     std::uint32_t tuple, std::uint32_t numbers) {
    SlabRow* const row = open.next;
    open.next = row + 1;
    // Rows of many entities are written in turn, each to its own place: no processor foresees that.
    __builtin_prefetch(row + kRowsAhead, 1);
    row->begin_ns = begin_ns;
    row->end_ns = end_ns;
    row->tuple = tuple;
    row->numbers = numbers;
  }
  static constexpr int kRowsAhead = 4;
  struct Chunk {
    SlabRow* rows = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t next = 0;  ///< of the same entity
  };
  /// Where the rows of an entity are.
  struct ClosedRun {
    EntityId entity = 0;
    std::uint32_t first_chunk = 0;
    std::uint32_t last_chunk = 0;
    const SlabRow* end = nullptr;  ///< of the rows in the last one
  };
  void add_numbers(std::span<const std::int64_t> values);
  void add_chunk(EntityId entity, OpenEntity& open);
  /// Room for an entity's first rows.
  [[nodiscard]] std::uint32_t first_capacity(EntityId entity) const;
  [[nodiscard]] std::uint32_t count_rows(const ClosedRun& run) const;
  /// In one piece and in order; valid until the next call.
  [[nodiscard]] std::span<SlabRow> rows_of(const ClosedRun& run);

  const TableLayout& layout_;
  bool has_numbers_ = false;
  /// A drawn column.
  struct Drawn {
    std::size_t column = 0;  ///< of the tuple
    std::span<const std::int64_t> values;
    std::vector<std::uint8_t> numbers;  ///< by tuple
  };
  std::vector<Drawn> drawn_;
  TupleDictionary dictionary_;
  std::vector<std::int64_t> numbers_;
  std::uint32_t row_numbers_ = 0;  ///< where in numbers_ those of the next row are
  std::vector<EntityId> present_;
  std::vector<ClosedRun> closed_;         ///< entities ascend
  std::vector<std::uint32_t> last_rows_;  ///< by entity: in the slab before, 0 = not known
  RowPool pool_;
  std::vector<Chunk> chunks_;
  std::vector<SlabRow> gathered_;  ///< scratch of rows_of()
};

}  // namespace vs::history
