#pragma once
// What the program learns from its terminal and environment: is it one, are colours wanted, was it
// interrupted.
//
// Threads: main thread; the flag is set from a signal handler.

#include <atomic>

namespace vs::cli {

[[nodiscard]] bool is_terminal(int descriptor);

/// stdout is a terminal, NO_COLOR is not set (or empty) and TERM is not "dumb".
[[nodiscard]] bool wants_colour();

/// A flag that the first SIGINT or SIGTERM sets; the second one ends the program as usual.
[[nodiscard]] const std::atomic<bool>& watch_for_interrupt();

}  // namespace vs::cli
