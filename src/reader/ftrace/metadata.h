#pragma once
// The text parts of a trace.dat file: header_page and header_event, event format files, saved
// command lines. Version 6 has them one after the other behind the header, version 7 in sections;
// the bytes of each part are the same.
//
// Threads: pure functions.

#include "base/result.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/file_reader.h"

namespace vs::reader::ftrace {

/// "header_page\0" size text "header_event\0" size text.
[[nodiscard]] Status read_header_info(FileReader& reader, Container& out);
/// count, then size and text of each file of the `ftrace` system.
[[nodiscard]] Status read_ftrace_formats(FileReader& reader, Container& out);
/// count of systems, then name, count, and size and text of each file.
[[nodiscard]] Status read_event_formats(FileReader& reader, Container& out);
/// 32-bit size and text that nobody needs (kallsyms, printk formats).
[[nodiscard]] Status skip_text(FileReader& reader, std::string_view what);
/// 64-bit size and text.
[[nodiscard]] Status read_cmdlines(FileReader& reader, Container& out);

}  // namespace vs::reader::ftrace
