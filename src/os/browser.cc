#include "os/browser.h"

#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace vs::os {

Status open_in_browser(const std::string& address) {
  std::string program = "xdg-open";
  std::string argument = address;
  std::array<char*, 3> words = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, "xdg-open", nullptr, nullptr, words.data(), environ);
  if (failed == 0) return {};
  return Error{ErrorCode::kIo, std::string("cannot start xdg-open: ") + std::strerror(failed), "",
               "open the link by hand"};
}

}  // namespace vs::os
