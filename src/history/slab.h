#pragma once
// The open part of one table: rows as they close, until the slab is sealed.
//
// add() keeps a log (entity, times, tuple id, numbers). group() sorts the log by entity, rows of
// one entity staying in the order of the calls, so that they can be coded together. Memory: about
// 52 bytes per open row plus one entry per distinct tuple; the writer seals slabs by row count.
//
// Threads: one.

#include <cstdint>
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
  TableId table = TableId::kCount;
  std::uint8_t values = 0;
  bool points = false;
  bool overlaps = false;
};

class TableSlab {
 public:
  struct Run {
    EntityId entity = 0;
    std::span<SlabRow> rows;
  };

  explicit TableSlab(TableId table);
  void add(EntityId entity, OpenEntity& open, std::int64_t begin_ns, std::int64_t end_ns,
           std::span<const std::int64_t> values) {
    if (open.slab_rows++ == 0) [[unlikely]]
      present_.push_back(entity);
    if (has_numbers_) [[unlikely]]
      add_numbers(values);
    // The tuple last: what is in registers need not live through the lookup.
    SlabRow& row = log_.emplace_back(SlabRow{begin_ns, end_ns, 0, entity});
    row.tuple = dictionary_.id_of(values);
  }
  [[nodiscard]] bool empty() const { return log_.empty(); }
  /// Entities that have rows here.
  [[nodiscard]] std::size_t entities() const { return present_.size(); }
  [[nodiscard]] std::span<const std::int64_t> tuples() const { return dictionary_.tuples(); }
  [[nodiscard]] std::span<const std::int64_t> numbers() const { return numbers_; }
  /// Numbers the values of the state column, for the calls below. `states` has the numbers that
  /// were given before, and gets new ones; it must outlive those calls. Requires a table that has
  /// a state column.
  void number_states(std::vector<std::int64_t>& states);
  [[nodiscard]] std::span<const std::int64_t> states() const { return states_; }
  /// By tuple: index into states(), or kNoNumber for values beyond the first 255.
  [[nodiscard]] std::span<const std::uint8_t> state_numbers() const { return state_numbers_; }
  [[nodiscard]] std::int64_t state_of(const SlabRow& row) const {
    return dictionary_.tuples()[row.tuple * layout_.tuple_slots.size() + state_column_];
  }
  /// The rows by entity, ascending, each entity's by begin; valid until clear(). No row may be
  /// added before that. `entities`: those of add().
  [[nodiscard]] std::span<const Run> group(std::span<OpenEntity> entities);
  void clear();

 private:
  void add_numbers(std::span<const std::int64_t> values);

  const TableLayout& layout_;
  bool has_numbers_ = false;
  std::size_t state_column_ = 0;  ///< of the tuple
  std::span<const std::int64_t> states_;
  std::vector<std::uint8_t> state_numbers_;  ///< by tuple
  TupleDictionary dictionary_;
  std::vector<SlabRow>
      log_;  ///< with the entity in place of `numbers`, which follow from the place
  std::vector<std::int64_t> numbers_;
  std::vector<EntityId> present_;
  // scratch of group()
  std::vector<SlabRow> grouped_;
  std::vector<Run> runs_;
};

}  // namespace vs::history
