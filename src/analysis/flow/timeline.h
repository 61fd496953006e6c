#pragma once
// Timeline: the rows of one entity, looked up by times that mostly go one way.
//
// Rows are loaded in parts of at most a few thousand; a part begins (forwards) or ends (backwards)
// at the time that was asked for, and its length follows how dense the rows are. A walk that only
// goes one way loads each row about once, so it is linear in the rows of its window, and entering
// costs what StateSource::rows costs.
//
// Ownership: borrows the source. Threads: one. Errors: those of the source.

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/flow/state_source.h"

namespace vs::analysis::flow {

enum class Direction : std::uint8_t { kForward, kBackward };

/// What holds at a time: a row, or a stretch without one (`values` empty). A stretch without rows
/// may end where the loaded part ends.
struct Holding {
  HostTime begin;
  HostTime end;
  std::span<const std::int64_t> values;  ///< valid until the timeline's next call
};

class Timeline {
 public:
  /// `part_rows`: rows that are kept at once.
  Timeline(const StateSource& source, model::EntityId entity, Direction direction,
           std::size_t part_rows);
  /// begin <= time < end of the result.
  [[nodiscard]] Result<Holding> at(HostTime time);
  [[nodiscard]] std::size_t row_count() const { return spans_.size(); }

 private:
  struct Span {
    std::int64_t begin_ns;
    std::int64_t end_ns;
  };
  [[nodiscard]] Status load(std::int64_t time_ns);
  [[nodiscard]] Holding holding(std::size_t position) const;
  [[nodiscard]] Holding gap(std::size_t after) const;
  void drop_first(std::size_t count);

  const StateSource& source_;
  const model::EntityId entity_;
  const Direction direction_;
  const std::size_t part_rows_;
  std::int64_t part_ns_;  ///< length of the next part
  std::int64_t low_ns_ = 0;
  std::int64_t high_ns_ = 0;  ///< the part covers [low, high); empty before the first load
  std::size_t columns_ = 0;
  std::size_t last_ = 0;  ///< position of the last answer
  std::vector<Span> spans_;
  std::vector<std::int64_t> values_;
};

}  // namespace vs::analysis::flow
