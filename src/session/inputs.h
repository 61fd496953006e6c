#pragma once
// What the user named on the command line, resolved to traces: files, CTF folders, folders of
// several traces, capture folders (design.md 3). The registry of readers is here and nowhere else.
//
// Errors are the user's (kBadUse, kNotFound) or say why a named thing is no trace.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"
#include "reader/trace.h"
#include "session/capture.h"

namespace vs::session {

/// One trace to open.
struct Input {
  std::string path;  ///< file or CTF folder
  const reader::Format* format = nullptr;
  bool forced_host = false;                    ///< --host
  std::string forced_guest;                    ///< --guest NAME=: the VM's name; empty otherwise
  std::optional<std::size_t> capture_machine;  ///< index into Inputs::capture
};

struct Inputs {
  std::vector<Input> traces;
  std::optional<Capture> capture;
};

struct GuestPath {
  std::string name;
  std::string path;
};

struct InputRequest {
  std::vector<std::string> paths;
  std::vector<std::string> hosts;
  std::vector<GuestPath> guests;
};

/// Every reader that this program has, most specific first.
[[nodiscard]] std::span<const reader::Format* const> formats();

[[nodiscard]] Result<Inputs> resolve_inputs(os::FileSystem& files, const InputRequest& request);

}  // namespace vs::session
