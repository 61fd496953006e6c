#pragma once
// Span: one row that is open, fed with values that may change several times at one instant.
//
// Two kernels' and the vCPUs' views of a processor change at the same time but are told one after
// the other; what lies between is no state. Span keeps the last value told for an instant and emits
// a row only when time has gone on and the value is really another. Rows tile and are never empty.
//
// Value needs ==. Threads: none shared.

#include <utility>

#include "base/time.h"

namespace vs::analysis::fused {

template <typename Value>
class Span {
 public:
  [[nodiscard]] bool open() const { return open_; }

  /// From `time` on the value is `value`. Times must not go back. Emit is called as
  /// emit(begin, end, value) for rows that have ended.
  template <typename Emit>
  void update(HostTime time, const Value& value, Emit&& emit) {
    if (!open_) {
      open_ = true;
      pending_ = false;
      begin_ = time;
      value_ = value;
      return;
    }
    if (!pending_ && value == value_) return;
    if (pending_ && pending_at_ < time) settle(emit);
    pending_ = true;
    pending_at_ = time;
    next_ = value;
  }

  /// Ends the span at `time`; the next update begins a new one.
  template <typename Emit>
  void close(HostTime time, Emit&& emit) {
    if (!open_) return;
    if (pending_ && pending_at_ < time) settle(emit);
    if (begin_ < time) emit(begin_, time, value_);
    open_ = pending_ = false;
  }

 private:
  template <typename Emit>
  void settle(Emit&& emit) {
    pending_ = false;
    if (next_ == value_) return;
    if (begin_ < pending_at_) emit(begin_, pending_at_, value_);
    begin_ = pending_at_;
    value_ = next_;
  }

  bool open_ = false;
  bool pending_ = false;
  HostTime begin_;
  HostTime pending_at_;
  Value value_{};
  Value next_{};
};

}  // namespace vs::analysis::fused
