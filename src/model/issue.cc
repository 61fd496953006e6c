#include "model/issue.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace vs::model {
namespace {

using C = IssueCode;
using enum Severity;

constexpr std::size_t kCodeCount = static_cast<std::size_t>(IssueCode::kCount);

// Rows in the order of the enumeration; a test holds it.
constexpr std::array<IssueSpec, kCodeCount> kCatalogue = {{
    {C::kTruncatedPacket, "truncated_packet", "reader", kWarning,
     "Events up to the cut are used. Copy the trace again, or stop the tracer before copying."},
    {C::kTruncatedFile, "truncated_file", "reader", kWarning,
     "What is whole is used. Copy the file again; a recorder that was killed leaves such a file."},
    {C::kBadPacketHeader, "bad_packet_header", "reader", kError,
     "The packet is skipped. The file is damaged or was written by a broken tracer."},
    {C::kBadEvent, "bad_event", "reader", kError,
     "The rest of that packet or page is skipped and counted as a loss window."},
    {C::kUnknownEventId, "unknown_event_id", "reader", kError,
     "The metadata does not describe this event; was it copied together with the streams?"},
    {C::kBadPage, "bad_page", "reader", kError,
     "The rest of that page is skipped and counted as a loss window."},
    {C::kBadSection, "bad_section", "reader", kError,
     "The section is skipped; what it describes is missing."},
    {C::kMissingIndex, "missing_section_index", "reader", kWarning,
     "The end of the file is cut; sections were found by their headers."},
    {C::kBadCompression, "bad_compression", "reader", kError,
     "The chunk is skipped and counted as a loss window."},
    {C::kBadIndexFile, "bad_index_file", "reader", kWarning,
     "The index is not used; packets are found by reading the stream."},
    {C::kBadFormatFile, "bad_format_file", "reader", kError,
     "Events of that type are shown without fields."},
    {C::kBadMetadata, "bad_metadata", "reader", kError,
     "The part of the metadata before the fault is used."},
    {C::kMissingStream, "missing_stream", "reader", kWarning,
     "A CPU that the trace announces has no data."},
    {C::kLostEvents, "lost_events", "reader", kWarning,
     "The tracer dropped events. Enlarge its buffers or record fewer events."},
    {C::kLostPackets, "lost_packets", "reader", kWarning,
     "The tracer overwrote packets. Enlarge its buffers or record fewer events."},
    {C::kLossCounterUnknown, "loss_counter_unknown", "reader", kInfo,
     "This file does not say whether events were lost in total; losses inside pages are known."},
    {C::kTimeGoesBack, "time_goes_back", "reader", kWarning,
     "Events are used in the order of their time."},
    {C::kClockOffsetIgnored, "clock_offset_ignored", "reader", kInfo,
     "The file carries a coarse clock estimate that is not used for the result."},
    {C::kTickRateCalibrated, "tick_rate_calibrated", "clock", kInfo,
     "The clock counts ticks and the file states no rate; the rate was found in the trace. "
     "--tsc-hz sets it."},
    {C::kTickRateUnknown, "tick_rate_unknown", "clock", kWarning,
     "Times are ticks, not nanoseconds. Give the rate with --tsc-hz."},
    {C::kClockBreak, "clock_break", "clock", kInfo,
     "The guest's clock changed its offset here; the map has one segment on each side."},
    {C::kClockNotJoined, "clock_not_joined", "clock", kWarning,
     "This machine's events cannot be placed on the host's timeline; answers across machines leave "
     "it out."},
    {C::kClockFactsRejected, "clock_facts_rejected", "clock", kWarning,
     "Some facts contradict the clock map; the bound holds only if they are mismatches."},
    {C::kSyncSectionImprecise, "sync_section_imprecise", "clock", kInfo,
     "The file's own time-shift section is an estimate and serves as a hint only."},
    {C::kVcpuIdIsPointer, "vcpu_id_is_pointer", "reader", kInfo,
     "This tracer records half a pointer as vcpu_id at kvm_entry; vCPU numbers come from kvm_exit "
     "and the thread names."},
    {C::kTimeShiftPresent, "time_shift_present", "reader", kInfo,
     "Other tools apply the file's time shift silently; virtscope shows times as recorded and "
     "joins "
     "clocks itself."},
    {C::kGuestUnbound, "guest_unbound", "session", kWarning,
     "No VM of the host trace fits this trace. Name it with --guest NAME=PATH or check that both "
     "were "
     "recorded at the same time."},
    {C::kGuestAmbiguous, "guest_ambiguous", "session", kWarning,
     "Several VMs fit this trace almost equally well. Name it with --guest NAME=PATH."},
    {C::kMissingEvents, "missing_events", "session", kInfo,
     "Record the named events to get the analyses that need them."},
    {C::kUnmatchedPairs, "unmatched_pairs", "analysis", kInfo,
     "Begin and end events do not pair up; the states between them are unknown."},
    {C::kVcpuGuessed, "vcpu_guessed", "analysis", kInfo,
     "vCPU numbers were taken from the order of the threads."},
    {C::kHistoryNotStored, "history_not_stored", "session", kInfo,
     "The history could not be stored and is rebuilt each time; see --history."},
    {C::kHistoryRebuilt, "history_rebuilt", "session", kInfo,
     "A stored history was broken, stale or of another version and was rebuilt."},
    {C::kUnreadableTrace, "unreadable_trace", "session", kError,
     "This trace is left out of the answer."},
    {C::kLossesMerged, "losses_merged", "session", kInfo,
     "Too many loss windows: those after the limit are told as one per stream, from the first to "
     "the last of them. The count of lost events stays right."},
    {C::kDevicesOverLimit, "devices_over_limit", "analysis", kWarning,
     "This machine used more devices than are followed; rows of the others are missing."},
    {C::kCr3ReusePossible, "cr3_reuse_possible", "analysis", kInfo,
     "Processes of this VM are told apart by their page-table roots, and a root is used again "
     "after "
     "its process has ended. Those whose stack moved are told apart (0x6838000#2); processes "
     "forked "
     "without exec share that place, so one name may still be several."},
}};

}  // namespace

std::string_view name_of(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames = {"info", "warning", "error"};
  return kNames[static_cast<std::size_t>(severity)];
}

const IssueSpec& spec_of(IssueCode code) { return kCatalogue[static_cast<std::size_t>(code)]; }

bool is_damage(IssueCode code) {
  if (code == C::kLostEvents || code == C::kLostPackets) return false;
  const IssueSpec& spec = spec_of(code);
  return code == C::kUnreadableTrace || (spec.severity > kInfo && spec.origin == "reader");
}

void IssueLog::add(Issue issue) {
  const std::lock_guard lock(mutex_);
  ++version_;
  auto& rows = by_code_[{issue.code, issue.trace}];
  if (rows.size() >= limits::kIssueRowsPerCode) {
    rows.back().count += issue.count;
    return;
  }
  rows.push_back(std::move(issue));
}

std::vector<Issue> IssueLog::rows() const {
  std::vector<Issue> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, rows] : by_code_) out.insert(out.end(), rows.begin(), rows.end());
  }
  std::stable_sort(out.begin(), out.end(), [](const Issue& a, const Issue& b) {
    return spec_of(a.code).severity > spec_of(b.code).severity;
  });
  return out;
}

Severity IssueLog::worst() const {
  const std::lock_guard lock(mutex_);
  Severity worst = kInfo;
  for (const auto& [key, rows] : by_code_) worst = std::max(worst, spec_of(key.first).severity);
  return worst;
}

void IssueLog::clear() {
  const std::lock_guard lock(mutex_);
  ++version_;
  by_code_.clear();
}

}  // namespace vs::model
