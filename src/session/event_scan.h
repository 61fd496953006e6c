#pragma once
// EventScan: the raw events of an experiment in host-time order, decoded on demand, for the `event`
// table. Streams are positioned by the readers' indexes, so a narrow window does not read the whole
// trace; only event types that are asked for are decoded.
//
// Ownership: borrows traces, clocks and the issue log. Threads: one owner.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "merge/merger.h"
#include "model/clock_map.h"
#include "model/issue.h"
#include "reader/trace.h"

namespace vs::session {

/// A trace as the scan sees it.
struct ScanTrace {
  const reader::Trace* trace = nullptr;
  const model::ClockMap* clock = nullptr;
  std::uint32_t index = 0;  ///< the caller's number
  bool guest = false;
};

struct ScanRequest {
  HostTime from = kHostTimeMin;
  HostTime to = kHostTimeMax;  ///< exclusive
  std::optional<std::uint32_t> cpu;
  std::vector<std::string> names;  ///< empty = all
};

struct ScanItem {
  HostTime time;
  std::uint32_t trace = 0;              ///< ScanTrace::index
  const model::Event* event = nullptr;  ///< valid until the next call; never kLoss
  const reader::EventTypeInfo* type = nullptr;
};

class EventScan {
 public:
  [[nodiscard]] static Result<std::unique_ptr<EventScan>> open(std::vector<ScanTrace> traces,
                                                               ScanRequest request,
                                                               model::IssueLog& issues);
  /// False at the end.
  [[nodiscard]] Result<bool> next(ScanItem& item);
  /// The fields of the last item as one JSON object.
  void fields_json(std::string& out) const;

 private:
  EventScan(ScanRequest request, std::vector<ScanTrace> by_source,
            std::vector<std::vector<bool>> wanted, merge::Merger merger);

  const ScanRequest request_;
  const std::vector<ScanTrace> by_source_;
  const std::vector<std::vector<bool>> wanted_;  // by trace position, type; empty = all
  merge::Merger merger_;
  merge::Item last_;
};

}  // namespace vs::session
