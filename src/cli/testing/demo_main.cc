// The command line over the scenes, to look at pages: virtscope_demo report twovms. Not installed.

#include <iostream>

#include <unistd.h>

#include "cli/app.h"
#include "cli/terminal.h"
#include "cli/testing/scene_backend.h"

int main(int argc, char** argv) {
  vs::cli::testing::SceneBackend backend;
  vs::cli::Streams streams{std::cout,
                           std::cerr,
                           vs::cli::is_terminal(STDOUT_FILENO),
                           vs::cli::is_terminal(STDERR_FILENO),
                           vs::cli::wants_colour(),
                           100};
  return static_cast<int>(vs::cli::run_app({argv + 1, argv + argc}, backend, streams, nullptr));
}
