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

/// Who looks into which kinds in the first pass.
struct SurveyedKinds {
  model::KindSet evidence;
  model::KindSet discovery;
  model::KindSet states;  ///< the initial ones
  [[nodiscard]] model::KindSet all() const {
    model::KindSet kinds = evidence;
    return kinds.add(discovery).add(states);
  }
};

/// For the survey, which counts the events of all other kinds.
[[nodiscard]] reader::ArgumentChoice survey_arguments(const SurveyedKinds& kinds);

}  // namespace vs::session
