#pragma once
// Text from a trace (comm, VM name, path) is escaped before a terminal, JSON, HTML or CSV sees it.
//
// All functions append to `out` and never fail. Input is arbitrary bytes; bytes that are not valid
// UTF-8 become U+FFFD in JSON and HTML and \xNN on a terminal.

#include <string>
#include <string_view>

namespace vs {

/// Control characters, ANSI escapes, bidirectional overrides and invalid UTF-8 as \xNN or \u{NNNN}.
void escape_terminal(std::string_view text, std::string& out);
/// The inside of a JSON string (without the quotes).
void escape_json(std::string_view text, std::string& out);
/// Text or attribute content of HTML.
void escape_html(std::string_view text, std::string& out);
/// One CSV field (RFC 4180), with a leading ' before = + - @ tab and CR so that no spreadsheet runs
/// it.
void escape_csv(std::string_view text, std::string& out);

[[nodiscard]] std::string terminal_text(std::string_view text);
[[nodiscard]] std::string json_text(std::string_view text);  ///< With the quotes.
[[nodiscard]] std::string sql_text(std::string_view text);   ///< A literal, with its quotes.

/// Number of terminal columns the (already escaped) text takes.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace vs
