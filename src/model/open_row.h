#pragma once
// OpenRow: an interval that has not ended yet, as an analysis has it at a moment. What it says is
// so far: columns that are told at the end (who woke a thread, and for what) are not there.
//
// Threads: values.

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "model/interval_sink.h"

namespace vs::model {

struct OpenRow {
  EntityId entity = 0;
  HostTime begin;
  HostTime end;  ///< it holds up to here, and goes on or not
  std::vector<std::int64_t> values;
};

}  // namespace vs::model
