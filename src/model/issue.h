#pragma once
// The issue catalogue: every problem that data can have is one row of one compile-time table with
// its severity and a sentence of advice (design.md 3 and 4, `issue` table). Bad data is counted and
// stepped over, never lost silently.
//
// Severity: warning and error mean lost, skipped, cut or inconsistent data; quirks of a tracer that
// are fully handled, calibrated rates, unknown loss counters and missing optional events are info.
//
// Threads: IssueLog may be used from any thread.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace vs::model {

enum class Severity : std::uint8_t { kInfo, kWarning, kError };
[[nodiscard]] std::string_view name_of(Severity severity);

enum class IssueCode : std::uint16_t {
  // data that is cut or broken
  kTruncatedPacket,  ///< a CTF packet or ftrace page that ends early
  kTruncatedFile,    ///< a file shorter than its own headers say
  kBadPacketHeader,
  kBadEvent,  ///< an event that breaks its description; rest of the packet skipped
  kUnknownEventId,
  kBadPage,       ///< an ftrace sub-buffer that breaks the ring-buffer's rules
  kBadSection,    ///< a trace.dat section or option that breaks its rules
  kMissingIndex,  ///< trace.dat v7 without its section index: sections found by their headers
  kBadCompression,
  kBadIndexFile,  ///< LTTng index that disagrees with its stream; not used
  kBadFormatFile,
  kBadMetadata,
  kMissingStream,
  // losses that the tracer reports
  kLostEvents,
  kLostPackets,
  kLossCounterUnknown,
  // order and clocks
  kTimeGoesBack,
  kClockOffsetIgnored,
  kTickRateCalibrated,
  kTickRateUnknown,
  kClockBreak,
  kClockNotJoined,
  kClockFactsRejected,
  kSyncSectionImprecise,
  // quirks of tracers
  kVcpuIdIsPointer,
  kTimeShiftPresent,
  // experiment
  kGuestUnbound,
  kGuestAmbiguous,
  kMissingEvents,
  kUnmatchedPairs,  ///< exits without entry and the like
  kVcpuGuessed,
  kHistoryNotStored,
  kHistoryRebuilt,
  kUnreadableTrace,
  kLossesMerged,      ///< more loss windows than are kept apart
  kDevicesOverLimit,  ///< more block or network devices than are followed
  kCr3ReusePossible,  ///< page-table roots of a VM were used again by other processes
  kCount
};

struct IssueSpec {
  IssueCode code;
  std::string_view name;    ///< the `code` column: "truncated_packet"
  std::string_view origin;  ///< reader | clock | analysis | session
  Severity severity;
  std::string_view advice;
};
[[nodiscard]] const IssueSpec& spec_of(IssueCode code);
/// The input is cut, broken or contradicts itself: another read of it may tell something else. What
/// a tracer dropped and counted, or a clock that cannot be joined, is no damage.
[[nodiscard]] bool is_damage(IssueCode code);

/// One row of the `issue` table.
struct Issue {
  IssueCode code;
  std::string trace;  ///< the trace's name or path; may be empty for the whole experiment
  std::string place;  ///< "k_0:8192" or "k_0:8192 packet 3"; never empty for damage
  std::uint64_t count = 1;
  std::string message;
};

/// Collects issues. Rows that share (code, trace) beyond limits::kIssueRowsPerCode are folded into
/// the last one by count.
class IssueLog {
 public:
  void add(Issue issue);
  /// Rows in a stable order: by severity (worst first), code, trace, then arrival.
  [[nodiscard]] std::vector<Issue> rows() const;
  [[nodiscard]] Severity worst() const;  ///< kInfo when there is none
  void clear();
  /// Grows with every change.
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> version_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<IssueCode, std::string>, std::vector<Issue>> by_code_;
};

}  // namespace vs::model
