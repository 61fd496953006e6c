#pragma once
// The command line's door to the session (src/session): the only file of this floor that names it.

#include <memory>

#include "cli/backend.h"

namespace vs::cli {

[[nodiscard]] std::unique_ptr<Backend> make_session_backend();

}  // namespace vs::cli
