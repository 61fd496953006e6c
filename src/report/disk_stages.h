#pragma once
// Disk waits of guest processes split into stages (algorithms E.6): from leaving the vCPU to the
// host's request (submit: the VMM takes it up), in the queue, in service, from its end to the
// process' return (deliver: the VMM's completion, the interrupt, the vCPU's wake-up).
//
// The request of a wait is the last of its VM that ended within it; a wait without one is counted
// and not split (a cache of the host or of the VMM answered, or the trace has no block events).
// Stages of one wait sum to its length; where a request's queue time is not known, it is part of
// submit.
//
// Threads: values; gather_disk_stages reads its source from the calling thread. Memory: at most
// kMaxRequests requests are held; `cut` tells that there were more.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/data_source.h"
#include "report/document.h"
#include "report/text.h"
#include "report/waits.h"

namespace vs::report {

inline constexpr std::size_t kDiskStages = 4;
/// "submit", "queue", "service", "deliver"
[[nodiscard]] std::span<const std::string_view> disk_stage_names();

struct DiskStages {
  static constexpr std::size_t kMaxRequests = 1U << 22;

  std::string machine;
  std::string vprocess;
  std::uint64_t waits = 0;  ///< split ones
  std::uint64_t unsplit = 0;
  std::int64_t total_ns = 0;  ///< of the split ones
  std::array<std::int64_t, kDiskStages> stage_ns{};
  bool cut = false;
};

/// Processes with disk waits, the longest total first per machine.
[[nodiscard]] Result<std::vector<DiskStages>> gather_disk_stages(const query::DataSource& source,
                                                                 const WaitsQuery& query);

/// Section "disk_stage".
[[nodiscard]] Section disk_stage_section(std::span<const DiskStages> processes);
[[nodiscard]] std::string disk_stage_text(std::span<const DiskStages> processes,
                                          const TextOptions& options);

}  // namespace vs::report
