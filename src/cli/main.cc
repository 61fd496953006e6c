// virtscope: the program.

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

#include "cli/app.h"
#include "cli/session_backend.h"
#include "cli/terminal.h"

int main(int argc, char** argv) {
  using vs::cli::ExitCode;
  try {
    std::ios::sync_with_stdio(false);
    std::vector<std::string> args;
    for (int i = 1; i < argc; ++i) args.emplace_back(argv[i]);
    vs::cli::Streams streams{std::cout,
                             std::cerr,
                             vs::cli::is_terminal(STDOUT_FILENO),
                             vs::cli::is_terminal(STDERR_FILENO),
                             vs::cli::wants_colour(),
                             100};
    const auto backend = vs::cli::make_session_backend();
    const auto& cancel = vs::cli::watch_for_interrupt();
    return static_cast<int>(vs::cli::run_app(args, *backend, streams, &cancel));
  } catch (const std::exception& error) {
    std::cerr << "virtscope: our own fault: " << error.what() << '\n';
    return static_cast<int>(ExitCode::kOurFault);
  }
}
