#pragma once
// The command line: finds the command, parses its options, opens the traces, runs it, and turns
// every outcome into messages and an exit code.
//
// Threads: main thread only; `cancel` may be set from a signal handler.

#include <atomic>
#include <string>
#include <vector>

#include "cli/backend.h"
#include "cli/command.h"
#include "cli/exit_code.h"

namespace vs::cli {

/// `args` without the program's name.
[[nodiscard]] ExitCode run_app(const std::vector<std::string>& args, Backend& backend,
                               Streams& streams, const std::atomic<bool>* cancel);

/// What --help prints; `command` null: the program's own.
[[nodiscard]] std::string help_text(const Command* command);

inline constexpr std::string_view kProgramVersion = VS_VERSION;

}  // namespace vs::cli
