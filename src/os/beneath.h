#pragma once
// Files below one folder and nowhere else: paths that come from the network are opened through
// this. The kernel resolves them (openat2, RESOLVE_BENEATH), so that neither ".." nor a link, also
// one that is put there between a look and the opening, leads out.
//
// Ownership and threads: as FileSystem (file.h).

#include <memory>
#include <string>

#include "base/result.h"
#include "os/file.h"

namespace vs::os {

/// The folder's real path, without links; kNotFound when there is none, kBadUse for a file.
[[nodiscard]] Result<std::string> real_folder(const std::string& path);

/// `root` as real_folder() gives it. Paths are absolute, below `root`; others are kNotFound.
/// kUnsupported where the kernel has no openat2 (Linux before 5.6).
[[nodiscard]] Result<std::unique_ptr<FileSystem>> files_beneath(const std::string& root);

}  // namespace vs::os
