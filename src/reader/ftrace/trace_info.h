#pragma once
// From a container to what the rest of the program knows about the trace: TraceInfo, page layouts,
// and the check of the CPU regions.
//
// Threads: pure functions; problems go to the Reporter.

#include "base/result.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/page.h"
#include "reader/ftrace/report.h"
#include "reader/trace.h"

namespace vs::reader::ftrace {

/// Page layout of the kernel that recorded, without the size of a buffer's pages. Refuses only ring
/// buffers of kernels before 2.6.31, whose events have another header.
[[nodiscard]] Result<PageLayout> layout_of(const Container& container, const Reporter& report);
/// The layout with this buffer's page size.
[[nodiscard]] PageLayout layout_for(const PageLayout& common, const Buffer& buffer,
                                    const Container& container, const Reporter& report);

/// Takes out regions that contradict the file or each other, and names what the file's end cuts
/// off.
void check_regions(Container& container, std::uint64_t file_size, const Reporter& report);

/// Drops buffers whose clock is not the first one's: their times could not be compared.
void drop_foreign_clocks(Container& container, const Reporter& report);

[[nodiscard]] TraceInfo make_info(const Container& container, const std::string& path,
                                  const Reporter& report);

/// "[x86-tsc]" of a trace_clock file's text; the text itself when nothing is bracketed.
[[nodiscard]] std::string selected_clock(std::string_view text);

}  // namespace vs::reader::ftrace
