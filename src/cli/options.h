#pragma once
// The options of the command line as data: one table for all commands (global_options) and one per
// command. Parsing, --help, suggestions and the test of the man page all read them.
//
// Threads: values.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/backend.h"

namespace vs::cli {

enum class Format : std::uint8_t { kTable, kJson, kCsv };
enum class ProgressMode : std::uint8_t { kAuto, kAlways, kNever };

/// Everything that a command line can say.
struct Arguments {
  OpenOptions open;
  Format format = Format::kTable;
  ProgressMode progress = ProgressMode::kAuto;
  bool quiet = false;
  std::string from;  ///< as typed; resolved once the timeline is known
  std::string to;
  std::string vm;
  std::string html;  ///< report: where to write the page
  bool per_vcpu = false;
  bool seed_columns = false;  ///< waits
  bool all = false;
  bool full = false;  ///< info
  bool disk_stages = false;
  std::string path;  ///< waits: MACHINE or MACHINE/VPROCESS
  std::string sort = "time";
  std::string task;
  std::optional<std::size_t> slowest;
  bool unbounded = false;
  std::uint16_t port = 0;  ///< serve; 0 = any free one
  std::string prefix;      ///< serve: "" or "/name"
  std::string root;        ///< serve: clients may open traces below it
  bool open_page = false;
  bool tsp_open = false;
  std::string sql;
};

/// One option. `value` names its value in the help, empty for a flag.
struct OptionSpec {
  std::string_view name;   ///< "--format"
  std::string_view value;  ///< "table|json|csv"
  std::string_view help;
  Status (*set)(Arguments& arguments, const std::string& value);
  bool repeatable = false;
};

[[nodiscard]] std::span<const OptionSpec> global_options();

// Options that several commands share.
[[nodiscard]] Status set_from(Arguments& arguments, const std::string& value);
[[nodiscard]] Status set_to(Arguments& arguments, const std::string& value);
inline constexpr OptionSpec kFromOption = {
    "--from", "TIME",
    "look at nothing before TIME: nanoseconds, HH:MM:SS.nnn\n(UTC), or +1.5s from the start",
    set_from, false};
inline constexpr OptionSpec kToOption = {"--to", "TIME", "look at nothing from TIME on", set_to,
                                         false};

/// Fails with a suggestion unless `value` is one of the words, separated by "|".
[[nodiscard]] Status check_word(std::string_view option, const std::string& value,
                                std::string_view words);

}  // namespace vs::cli
