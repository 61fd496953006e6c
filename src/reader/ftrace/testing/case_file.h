#pragma once
// One malformed trace.dat per text file (tests/reject/ftrace/*.case): a recipe that damages the
// standard trace, and exactly what the reader must say and still deliver.
//
//   variants: v7-none-le8 v6-be4     the files to make; one test each
//   option: 12 | u64 1 u32 0         adds an option
//   drop_option: 2                   takes all options of this id away
//   format: sched | name: x\nID: 9   adds an event format (\n and \t are escapes)
//   header_page: text                replaces the text; also header_event, cmdlines
//   page: 0 1 | good 3 head 29 0     replaces a page: what its data are (see write_values)
//   chunk_pages: 4                   pages per packed chunk
//   buffer: name clock               adds a buffer with one page of 10 events on CPU 0
//   patch: page.0.1+8 | u32 5        overwrites bytes of the finished file
//   cut: chunk.1.0+40                cuts the finished file there
//   error: host.dat:0: ...           open() fails with this text
//   issue: bad_page | place | text   an issue row; all rows of all severities must be listed
//   events: 60                       events delivered, without losses
//   losses: 2 5                      loss windows, and the sum of their numbers
//
// Places are sums of marks (testing/trace_builder.h), numbers, `data` (bytes of a page header) and
// `long`; ${place} stands for one in the expectations. Values: u8 u16 u32 u64 long N, head TYPE
// DELTA, c TEXT (NUL-terminated), text TEXT, zeros N, good N (standard events), fill N (so many
// 0xff).

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "reader/ftrace/testing/trace_builder.h"

namespace vs::reader::ftrace::testing {

struct CaseFile {
  std::vector<std::pair<std::string, std::string>> lines;  ///< key and rest, in order

  [[nodiscard]] std::vector<std::string> all(std::string_view key) const;
  [[nodiscard]] std::string one(std::string_view key) const;  ///< the first, or empty
};

[[nodiscard]] CaseFile parse_case(std::string_view text);

/// The damaged file and its marks.
struct CaseInput {
  std::string bytes;
  TraceBuilder builder;

  /// The number a place expression stands for.
  [[nodiscard]] std::uint64_t place(std::string_view expression) const;
  /// The text with every ${place} replaced.
  [[nodiscard]] std::string expand(std::string_view text) const;
};
[[nodiscard]] CaseInput make_input(const CaseFile& recipe, const Variant& variant);

/// What the reader made of a file, as text: "error: ...", "issue: code | place | message" sorted,
/// "events: N", "losses: N SUM".
[[nodiscard]] std::vector<std::string> observe(const std::string& bytes);

}  // namespace vs::reader::ftrace::testing
