#pragma once
// Shows an address in the person's browser (xdg-open).
//
// Threads: any.

#include <string>

#include "base/result.h"

namespace vs::os {

/// Returns at once; kIo when there is no xdg-open.
[[nodiscard]] Status open_in_browser(const std::string& address);

}  // namespace vs::os
