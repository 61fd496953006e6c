#pragma once
// CTF 1.8 traces: a folder with a `metadata` file and stream files (docs/formats/ctf.md).

#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"
#include "reader/trace.h"

namespace vs::reader::ctf {

/// open() takes a trace's folder, its metadata file, or a folder above the chunks of one rotated
/// trace (archives/*/kernel), which are joined.
extern const Format kCtfFormat;

/// The folders with a metadata file at `path` or at most 4 levels below it, sorted by path. Empty
/// when there is none; folders that cannot be listed are passed over.
[[nodiscard]] std::vector<std::string> find_ctf_traces(os::FileSystem& files,
                                                       const std::string& path);

}  // namespace vs::reader::ctf
