#pragma once
// Span: one row that is open, fed with values that may change several times at one instant.
//
// Two kernels' and the vCPUs' views of a processor change at the same time but are told one after
// the other; what lies between is no state. Span keeps the last value told for an instant and emits
// a row only when time has gone on and the value is really another. Rows tile and are never empty.
//
// Value needs ==. Threads: none shared.

#include <array>

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
    if (open_ && !pending_ && value == now()) return;
    next(time, emit) = value;
  }

  /// The same for a value that is filled in by the caller, who finds in it what was there before.
  template <typename Emit>
  [[nodiscard]] Value& next(HostTime time, Emit&& emit) {
    if (!open_) {
      open_ = true;
      pending_ = false;
      begin_ = time;
      return now();
    }
    if (pending_ && pending_at_ < time) settle(emit);
    pending_ = true;
    pending_at_ = time;
    return values_[1 - now_];
  }

  /// Ends the span at `time`; the next update begins a new one.
  template <typename Emit>
  void close(HostTime time, Emit&& emit) {
    if (!open_) return;
    if (pending_ && pending_at_ < time) settle(emit);
    if (begin_ < time) emit(begin_, time, now());
    open_ = pending_ = false;
  }

  /// Calls visit(begin, end, value) for the row that is open, as far as it is sure before `until`.
  template <typename Visit>
  void peek(HostTime until, Visit&& visit) const {
    const bool ends = pending_ && !(values_[0] == values_[1]);
    const HostTime end = ends ? pending_at_ : until;
    if (open_ && begin_ < end) visit(begin_, end, values_[now_]);
  }

 private:
  [[nodiscard]] Value& now() { return values_[now_]; }
  template <typename Emit>
  void settle(Emit&& emit) {
    pending_ = false;
    if (values_[0] == values_[1]) return;
    if (begin_ < pending_at_) emit(begin_, pending_at_, now());
    begin_ = pending_at_;
    now_ = 1 - now_;
  }

  bool open_ = false;
  bool pending_ = false;
  unsigned now_ = 0;  ///< the other one is pending
  HostTime begin_;
  HostTime pending_at_;
  std::array<Value, 2> values_{};
};

}  // namespace vs::analysis::fused
