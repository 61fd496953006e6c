#include "session/inputs.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "reader/ctf/format.h"
#include "reader/ftrace/format.h"

namespace vs::session {
namespace {

constexpr std::array<const reader::Format*, 2> kFormats = {&reader::ctf::kCtfFormat,
                                                           &reader::ftrace::kTraceDatFormat};
constexpr std::string_view kCaptureFile = "capture.json";
constexpr std::uint64_t kCaptureBytes = 16ULL << 20;
constexpr int kFolderDepth = 4;

const reader::Format* format_of(os::FileSystem& files, const std::string& path) {
  for (const reader::Format* format : kFormats) {
    if (format->probe(files, path)) return format;
  }
  return nullptr;
}

/// A folder is one trace when it holds the metadata itself, or the chunks of one rotated trace; the
/// reader's probe alone may look deeper.
const reader::Format* format_of_folder(os::FileSystem& files, const std::string& path) {
  const bool trace = files.stat(os::join_path(path, "metadata")).ok() ||
                     files.stat(os::join_path(path, "archives")).ok();
  return trace ? format_of(files, path) : nullptr;
}

bool is_packed(std::string_view path) {
  constexpr std::array<std::string_view, 5> kEndings = {".tar.zst", ".tar.gz", ".tar.xz", ".tar",
                                                        ".zip"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [path](std::string_view ending) { return path.ends_with(ending); });
}

Error packed_error(const std::string& path) {
  return Error{ErrorCode::kUnsupported, "this is a packed trace", path,
               "unpack it first: mkdir trace && tar -C trace -xf " + path};
}

/// Looks for traces below a folder; does not look inside one that is found.
void find_traces(os::FileSystem& files, const std::string& folder, int depth,
                 std::vector<Input>& out, bool& packed) {
  const auto entries = files.list(folder);
  if (!entries.ok()) return;
  for (const os::Entry& entry : entries.value()) {
    const std::string path = os::join_path(folder, entry.name);
    packed = packed || (!entry.folder && is_packed(entry.name));
    const reader::Format* const format =
        entry.folder ? format_of_folder(files, path) : format_of(files, path);
    if (format != nullptr) {
      out.push_back(Input{path, format, false, "", std::nullopt});
    } else if (entry.folder && depth > 1) {
      find_traces(files, path, depth - 1, out, packed);
    }
  }
}

Result<std::vector<Input>> traces_at(os::FileSystem& files, const std::string& path) {
  VS_ASSIGN(const os::FileStat stat, files.stat(path));
  const reader::Format* const format =
      stat.folder ? format_of_folder(files, path) : format_of(files, path);
  if (format != nullptr) {
    return std::vector<Input>{Input{path, format, false, "", std::nullopt}};
  }
  if (!stat.folder) {
    if (is_packed(path)) return packed_error(path);
    if (stat.size == 0) return Error{ErrorCode::kTruncated, "the file is empty", path, ""};
    return Error{ErrorCode::kUnsupported, "this is no trace that virtscope reads", path,
                 "CTF 1.8 folders and trace.dat files are read"};
  }
  std::vector<Input> found;
  bool packed = false;
  find_traces(files, path, kFolderDepth, found, packed);
  if (found.empty()) {
    return Error{ErrorCode::kNotFound, "no trace in this folder", path,
                 packed ? "it holds packed traces: unpack them first with tar -xf"
                        : "a CTF trace is a folder with a file named metadata"};
  }
  return found;
}

Status add_capture(os::FileSystem& files, const std::string& folder, Inputs& inputs) {
  const std::string place = os::join_path(folder, kCaptureFile);
  VS_ASSIGN(const std::unique_ptr<os::File> file, files.open(place));
  VS_ASSIGN(const std::vector<std::byte> content, os::read_whole(*file, kCaptureBytes, place));
  VS_ASSIGN(Capture capture, parse_capture(content, place));
  if (inputs.capture) {
    return Error{ErrorCode::kBadUse, "a second capture folder was named", folder,
                 "open one capture at a time, or name the traces themselves"};
  }
  for (std::size_t i = 0; i < capture.machines.size(); ++i) {
    const CaptureMachine& machine = capture.machines[i];
    if (machine.trace.empty()) continue;
    VS_ASSIGN(std::vector<Input> found, traces_at(files, os::join_path(folder, machine.trace)));
    for (Input& input : found) {
      input.capture_machine = i;
      inputs.traces.push_back(std::move(input));
    }
  }
  inputs.capture = std::move(capture);
  return {};
}

Status add_path(os::FileSystem& files, const std::string& path, Inputs& inputs) {
  if (files.stat(os::join_path(path, kCaptureFile)).ok()) return add_capture(files, path, inputs);
  VS_ASSIGN(std::vector<Input> found, traces_at(files, path));
  for (Input& input : found) inputs.traces.push_back(std::move(input));
  return {};
}

/// Finds the inputs of a path, adding them when they were not named otherwise.
Result<std::vector<std::size_t>> inputs_of(os::FileSystem& files, const std::string& path,
                                           Inputs& inputs) {
  VS_ASSIGN(const std::vector<Input> found, traces_at(files, path));
  std::vector<std::size_t> indices;
  for (const Input& input : found) {
    const auto known = std::find_if(inputs.traces.begin(), inputs.traces.end(),
                                    [&](const Input& other) { return other.path == input.path; });
    indices.push_back(static_cast<std::size_t>(known - inputs.traces.begin()));
    if (known == inputs.traces.end()) inputs.traces.push_back(input);
  }
  return indices;
}

void drop_repeated(std::vector<Input>& traces) {
  std::vector<Input> unique;
  for (Input& input : traces) {
    const bool known = std::any_of(unique.begin(), unique.end(),
                                   [&](const Input& other) { return other.path == input.path; });
    if (!known) unique.push_back(std::move(input));
  }
  traces = std::move(unique);
}

}  // namespace

std::span<const reader::Format* const> formats() { return kFormats; }

Result<Inputs> resolve_inputs(os::FileSystem& files, const InputRequest& request) {
  Inputs inputs;
  for (const std::string& path : request.paths) VS_TRY(add_path(files, path, inputs));
  drop_repeated(inputs.traces);
  for (const std::string& path : request.hosts) {
    VS_ASSIGN(const std::vector<std::size_t> found, inputs_of(files, path, inputs));
    for (const std::size_t index : found) inputs.traces[index].forced_host = true;
  }
  for (const GuestPath& guest : request.guests) {
    VS_ASSIGN(const std::vector<std::size_t> found, inputs_of(files, guest.path, inputs));
    for (const std::size_t index : found) inputs.traces[index].forced_guest = guest.name;
  }
  if (inputs.traces.empty()) {
    return Error{ErrorCode::kBadUse, "no trace was named", "",
                 "name a CTF folder, a trace.dat or a capture folder"};
  }
  if (inputs.traces.size() > limits::kTraces) {
    return Error{ErrorCode::kLimit,
                 std::to_string(inputs.traces.size()) + " traces were found, the limit is " +
                     std::to_string(limits::kTraces),
                 "", ""};
  }
  return inputs;
}

}  // namespace vs::session
