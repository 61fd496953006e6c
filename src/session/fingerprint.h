#pragma once
// The content key of a set of trace files: what decides whether a stored history still holds.

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "os/file.h"

namespace vs::session {

/// 32 hexadecimal digits over the files below each path: names, sizes, times of change and content.
/// Files up to 4 MiB are hashed whole; of larger ones the first and last 256 KiB and 64 blocks of
/// 4 KiB spread evenly, so that a capture of gigabytes is recognised in milliseconds. `options` is
/// whatever else changes the answer.
[[nodiscard]] Result<std::string> fingerprint(os::FileSystem& files,
                                              std::span<const std::string> paths,
                                              const std::string& options);

}  // namespace vs::session
