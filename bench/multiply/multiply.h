#pragma once
// multiply: one trace made N times as long in time, without changing its character.
//
// Copy k (counted from 0) of the trace is the trace itself, every time in it k periods later: time
// stamps of packets, pages, events and indexes, and those payload fields that carry times. Counters
// that grow through a trace (packet numbers, discarded events) go on growing. Everything else stays
// as it is, byte for byte; the order of events in each stream stays, and no event is added or left
// out.
//
// At a seam the machine jumps from the state that it had at the trace's end to the one at its
// begin, as if some events had been lost there; no tool takes that for an error.
//
// Memory: the input is mapped; beside it a list of what to change in one stream (CTF, 16 bytes per
// changed number) or one chunk of pages (trace.dat). It does not depend on N. Output goes straight
// to the file. Errors: damaged input is refused, with the place; what was written stays,
// incomplete.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace vs::bench {

struct MultiplyOptions {
  std::string in;
  std::string out;
  std::uint64_t copies = 1;
  /// Ticks of the trace's clock from one copy to the next; from the trace where not given.
  std::optional<std::uint64_t> period;
  /// trace.dat: leave the pages unpacked, also where the input's are packed.
  bool plain = false;
  /// Say at each seam that events were lost there (CTF: one discarded event per stream; trace.dat:
  /// the page's flag). Host and guests are never recorded from the same moment on, so at a seam of
  /// a capture a guest runs that the host does not see: without this, its clock seems to jump.
  bool seam_loss = false;
  /// Of the time stamp counter: how payload fields of the other unit (ns in a trace of ticks, ticks
  /// in a trace of ns) move. Without it ns fields follow from hrtimer_expire_entry, tick fields
  /// stay.
  std::optional<double> tsc_hz;
};

struct TraceSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t events = 0;

  /// From one copy's begin to the next: the span, and one mean distance of events.
  [[nodiscard]] std::uint64_t period() const {
    const std::uint64_t span = end - begin;
    return span + (events > 1 ? span / events : 0) + 1;
  }
  void add(const TraceSpan& other) {
    begin = events == 0 ? other.begin : (other.events == 0 ? begin : std::min(begin, other.begin));
    end = std::max(end, other.end);
    events += other.events;
  }
};

struct MultiplyResult {
  TraceSpan span;            ///< of the input
  std::uint64_t period = 0;  ///< that was used
  std::uint64_t bytes = 0;   ///< of the output's streams
};

/// `in`: a folder with one trace or several (LTTng's session folder). With copies 0 nothing is
/// written; the result tells the span.
[[nodiscard]] Result<MultiplyResult> multiply_ctf(const MultiplyOptions& options);
/// `in`: a trace.dat of version 6 or 7.
[[nodiscard]] Result<MultiplyResult> multiply_dat(const MultiplyOptions& options);

}  // namespace vs::bench
