#pragma once
// The options of a trace.dat file: one small handler per kind.
//
// Handlers check every count against the bytes of the option before they use it. BUFFER and the
// options that point to sections belong to the container (container.h). Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "reader/ftrace/container.h"

namespace vs::reader::ftrace {

namespace option {
enum Id : std::uint16_t {
  kDone,
  kDate,
  kCpuStat,
  kBuffer,
  kTraceClock,
  kUname,
  kHook,
  kOffset,
  kCpuCount,
  kVersion,
  kProcMaps,
  kTraceId,
  kTimeShift,
  kGuest,
  kTscToNs,
  kStrings,
  kHeaderInfo,
  kFtraceEvents,
  kEventFormats,
  kKallsyms,
  kPrintk,
  kCmdlines,
  kBufferText,
  kSavedTgids,
  kCount
};
}  // namespace option

/// "TIME_SHIFT", or "option 99" for one that we do not know.
[[nodiscard]] std::string option_name(std::uint16_t id);

/// Takes what an option says into `out`; kinds that nobody needs are accepted unread. The error's
/// `what` has no place.
[[nodiscard]] Status apply_option(std::uint16_t id, Bytes data, ByteOrder order, Options& out);

/// v7: offset, name, clock, page size, CPUs with their regions.
[[nodiscard]] Result<Buffer> parse_buffer_option(Bytes data, ByteOrder order);

/// Reads a section's or option's text, which is NUL-terminated at most once, at its end.
[[nodiscard]] std::string_view option_text(Bytes data);

}  // namespace vs::reader::ftrace
