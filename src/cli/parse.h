#pragma once
// From words to a command and its arguments. Options may stand anywhere, before and after the
// command and between the traces.
//
// Threads: values.

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace vs::cli {

struct Parsed {
  enum class Wish : std::uint8_t { kRun, kHelp, kVersion } wish = Wish::kRun;
  const Command* command = nullptr;  ///< null only for help and version of the program
  Arguments arguments;
};

/// kBadUse says in one line what was wrong and what to type instead.
[[nodiscard]] Result<Parsed> parse_command_line(const std::vector<std::string>& args);

}  // namespace vs::cli
