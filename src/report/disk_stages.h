#pragma once
// Disk waits of guest processes split into stages (algorithms E.6), from the host's events alone:
//
//   kick      from leaving the vCPU until a thread of the VMM was woken for it
//   submit    until the host's block layer has the request: the VMM's threads run, wake each other
//   queue     in the queue of the host's device
//   service   at the device
//   wake      from the completion until a thread of the VMM runs for it
//   complete  until that thread, or one it woke, has woken the vCPU
//   deliver   until the process is back
//
// The request of a wait is the last of its VM that ended within it; a wait without one is counted
// and not split (a cache of the host or of the VMM answered, or the trace has no block events).
// The threads are found backwards, from the submitter of the request and from whoever woke the
// vCPU, over their wakers as long as these are no vCPUs. A stage that is not seen is part of the
// next one, and counted: kick where the submitter's wake-up is not in the trace; wake and complete
// where the vCPU was awake, so that nobody had to wake it. Stages of one wait sum to its length.
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

inline constexpr std::size_t kDiskStages = 7;
/// "kick", "submit", "queue", "service", "wake", "complete", "deliver"
[[nodiscard]] std::span<const std::string_view> disk_stage_names();

struct DiskStages {
  static constexpr std::size_t kMaxRequests = 1U << 22;

  std::string machine;
  std::string vprocess;
  std::uint64_t waits = 0;  ///< split ones
  std::uint64_t unsplit = 0;
  std::int64_t total_ns = 0;  ///< of the split ones
  std::array<std::int64_t, kDiskStages> stage_ns{};
  std::uint64_t kick_unseen = 0;  ///< split waits whose kick is part of submit
  std::uint64_t wake_unseen = 0;  ///< whose wake and complete are part of deliver
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
