#pragma once
// The open part of one table: rows as they close, until the slab is sealed.
//
// add() keeps a log (entity, times, tuple id, numbers). group() sorts the log by entity, rows of
// one entity staying in the order of the calls, so that they can be coded together. Memory: about
// 52 bytes per open row plus one entry per distinct tuple; the writer seals slabs by row count.
//
// Threads: one.

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
  std::int64_t least_ns = -kTimeLimit;  ///< no row may begin earlier: the end of its last one
  std::uint32_t slab_rows = 0;          ///< rows in the open slab; scratch of group()
  std::uint32_t memo = 0;               ///< what its table adds to the number of a tuple in memos
  TableId table = TableId::kCount;
  std::uint8_t values = 0;  ///< how many a row has
  bool points = false;
  bool overlaps = false;
};

/// Room for rows. Nothing is written to it before a row is.
class RowBuffer {
 public:
  [[nodiscard]] SlabRow* data() { return rows_.get(); }
  [[nodiscard]] const SlabRow* data() const { return rows_.get(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Makes room for `rows`, of which the first `kept` stay.
  void reserve(std::size_t rows, std::size_t kept) {
    if (rows <= capacity_) return;
    auto larger = std::make_unique_for_overwrite<SlabRow[]>(rows);
    std::copy_n(rows_.get(), kept, larger.get());
    rows_ = std::move(larger);
    capacity_ = rows;
  }

 private:
  std::unique_ptr<SlabRow[]> rows_;
  std::size_t capacity_ = 0;
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
  [[nodiscard]] bool ready_for(const OpenEntity& open) const {
    return open.slab_rows != 0 && next_ != end_;
  }
  /// Requires ready_for() or a call of make_ready().
  void add_row(EntityId entity, OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns,
               std::uint32_t tuple) {
    ++open.slab_rows;
    *next_++ = SlabRow{begin_ns, end_ns, tuple, entity};
  }
  void make_ready(EntityId entity, const OpenEntity& open) {
    if (open.slab_rows == 0) present_.push_back(entity);
    if (next_ == end_) grow();
  }
  [[nodiscard]] bool has_numbers() const { return has_numbers_; }
  [[nodiscard]] bool empty() const { return next_ == log_.data(); }
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
  /// The value of the state column.
  [[nodiscard]] std::int64_t state_of(const SlabRow& row) const {
    return dictionary_.tuples()[row.tuple * layout_.tuple_slots.size() + drawn_[0].column];
  }
  /// The rows by entity, ascending, each entity's by begin; valid until clear(). No row may be
  /// added before that. `entities`: those of add().
  [[nodiscard]] std::span<const Run> group(std::span<OpenEntity> entities);
  void clear();

 private:
  void add_numbers(std::span<const std::int64_t> values);
  void grow();
  [[nodiscard]] std::span<const SlabRow> log() const {
    return {log_.data(), static_cast<std::size_t>(next_ - log_.data())};
  }

  SlabRow* next_ = nullptr;  ///< of log_: where the next row goes
  SlabRow* end_ = nullptr;
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
  /// With the entity in place of `numbers`, which follow from the place.
  RowBuffer log_;
  std::vector<std::int64_t> numbers_;
  std::vector<EntityId> present_;
  // scratch of group()
  RowBuffer grouped_;
  std::vector<Run> runs_;
};

}  // namespace vs::history
