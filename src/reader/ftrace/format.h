#pragma once
// The trace.dat reader (trace-cmd, versions 6 and 7): the one name the session's registry needs.
//
// Times are the ring buffer's own, as recorded: ticks for x86-tsc, nanoseconds for most clocks; the
// file's time shift is reported (TraceInfo::time_shift) and never applied. Page layout, options and
// what happens on damage: docs/formats/trace-dat.md.

#include "reader/trace.h"

namespace vs::reader::ftrace {

extern const Format kTraceDatFormat;

}  // namespace vs::reader::ftrace
