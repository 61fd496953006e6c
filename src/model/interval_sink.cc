#include "model/interval_sink.h"

namespace vs::model {

// Here and not in the class: where they are seen, the compiler guesses at each call that they are
// meant, and no history's writer is like that.

bool IntervalSink::add_again(EntityId, HostTime, HostTime, RowMemo) { return false; }

void IntervalSink::add_noting(EntityId entity, HostTime begin, HostTime end,
                              std::span<const std::int64_t> values, RowMemo&) {
  add(entity, begin, end, values);
}

}  // namespace vs::model
