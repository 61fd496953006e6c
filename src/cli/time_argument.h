#pragma once
// Times on the command line: absolute ns, HH:MM:SS.nnnnnnnnn (UTC, where the timeline has an
// epoch), or +1.5s from the start (units ns, us, ms, s, m; without a unit seconds).
//
// Threads: values.

#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace vs::cli {

struct Timeline {
  HostTime begin;
  bool epoch = false;  ///< counts from 1970-01-01 UTC
};

/// kBadUse names what is wrong and shows the three forms.
[[nodiscard]] Result<HostTime> parse_time(std::string_view text, const Timeline& timeline);

}  // namespace vs::cli
