#pragma once
// Random bytes of the kernel (getrandom(2)), for tokens.
//
// Threads: any.

#include <cstddef>
#include <string>

#include "base/result.h"

namespace vs::os {

/// 2 * `bytes` hexadecimal digits. kIo when the kernel gives none.
[[nodiscard]] Result<std::string> random_hex(std::size_t bytes);

}  // namespace vs::os
