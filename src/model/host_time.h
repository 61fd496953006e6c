#pragma once
// Whether a machine's events can be laid beside its host's. A host that has no relation to the
// reference still has one to its own guests.
//
// Threads: values.

#include <algorithm>

#include "model/experiment.h"

namespace vs::model {

/// A machine that is placed on the timeline, or a guest whose clock is known by its host's,
/// wherever that one stands.
[[nodiscard]] inline bool keeps_host_time(const Machine& machine) {
  if (machine.joined) return true;
  const auto segments = machine.clock.segments();
  return machine.parent != kNoMachine &&
         std::any_of(segments.begin(), segments.end(), [](const ClockSegment& segment) {
           return segment.method != SyncMethod::kNone && segment.method != SyncMethod::kReference;
         });
}

}  // namespace vs::model
