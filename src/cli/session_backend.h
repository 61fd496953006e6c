#pragma once
// The Backend over vs::session: what the program itself uses.

#include <memory>

#include "cli/backend.h"

namespace vs::cli {

[[nodiscard]] std::unique_ptr<Backend> make_session_backend();

}  // namespace vs::cli
