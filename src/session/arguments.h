#pragma once
// Which arguments of the frequent kinds the analyses read; a reader leaves the others out and is
// faster for it. Kinds that are not listed are decoded whole where any analysis wants them.
//
// Whoever makes analysis/kernel, analysis/vcpu or the survey read one more argument of a listed
// kind adds it here: without that it is absent.
//
// Threads: pure functions.

#include "reader/trace.h"

namespace vs::session {

/// For the second pass. `whole`: kinds that further analyses want, with all their arguments.
[[nodiscard]] reader::ArgumentChoice state_arguments(const model::KindSet& whole);

/// For the survey: `handled` are the kinds that it looks into, of the others it counts events.
[[nodiscard]] reader::ArgumentChoice survey_arguments(const model::KindSet& handled);

}  // namespace vs::session
