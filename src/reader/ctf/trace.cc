// kCtfFormat: opening a trace.
#include <algorithm>

#include "base/limits.h"
#include "reader/ctf/format.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/stream_cursor.h"
#include "reader/ctf/trace_folder.h"
#include "reader/ctf/trace_model.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf {
namespace {

constexpr int kSearchDepth = 4;
constexpr std::int64_t kYear2001 =
    978'307'200;  // LTTng's offsets are later, clocks since boot earlier

class CtfTrace final : public Trace {
 public:
  CtfTrace(os::FileSystem& files, std::unique_ptr<TraceModel> model, TraceInfo info,
           std::vector<StreamChain> chains)
      : files_(files),
        model_(std::move(model)),
        info_(std::move(info)),
        chains_(std::move(chains)) {
    for (const StreamChain& chain : chains_) streams_.push_back(chain.info);
  }

  const TraceInfo& info() const override { return info_; }
  std::span<const EventTypeInfo> event_types() const override { return model_->types; }
  std::span<const StreamInfo> streams() const override { return streams_; }
  Result<std::unique_ptr<StreamCursor>> open_stream(std::size_t stream,
                                                    const StreamRequest& request,
                                                    model::IssueLog& issues) const override {
    VS_ASSIGN(std::unique_ptr<CtfCursor> cursor, open_cursor(stream, request, issues));
    return std::unique_ptr<StreamCursor>(std::move(cursor));
  }
  Result<std::unique_ptr<StreamCursor>> open_headers(std::size_t stream,
                                                     model::IssueLog& issues) const override {
    VS_ASSIGN(std::unique_ptr<CtfCursor> cursor, open_cursor(stream, {}, issues));
    cursor->only_headers();
    return std::unique_ptr<StreamCursor>(std::move(cursor));
  }

 private:
  [[nodiscard]] Result<std::unique_ptr<CtfCursor>> open_cursor(std::size_t stream,
                                                               const StreamRequest& request,
                                                               model::IssueLog& issues) const {
    if (stream >= chains_.size()) {
      return Error{ErrorCode::kBadUse, "no stream " + std::to_string(stream), info_.path, {}};
    }
    const CursorSource source{*model_, files_, chains_[stream].files, info_.path};
    return std::make_unique<CtfCursor>(source, request, issues);
  }

  os::FileSystem& files_;
  std::unique_ptr<TraceModel> model_;
  TraceInfo info_;
  std::vector<StreamChain> chains_;
  std::vector<StreamInfo> streams_;
};

Result<bool> has_metadata(os::FileSystem& files, const std::string& folder) {
  const Result<os::FileStat> stat = files.stat(os::join_path(folder, "metadata"));
  return stat.ok() && !stat->folder;
}

void search(os::FileSystem& files, const std::string& folder, int depth,
            std::vector<std::string>& out) {
  if (out.size() >= limits::kTraces) return;
  const Result<bool> here = has_metadata(files, folder);
  if (here.ok() && *here) {
    out.push_back(folder);
    return;
  }
  if (depth == 0) return;
  const Result<std::vector<os::Entry>> entries = files.list(folder);
  if (!entries.ok()) return;
  for (const os::Entry& entry : *entries) {
    if (entry.folder && !entry.name.starts_with('.')) {
      search(files, os::join_path(folder, entry.name), depth - 1, out);
    }
  }
}

struct ReadMetadata {
  ParsedMetadata parsed;
  std::optional<Error> fault;  ///< of the file or of the text
};

Result<ReadMetadata> read_metadata(os::FileSystem& files, const std::string& folder) {
  VS_ASSIGN(const std::unique_ptr<os::File> file, files.open(os::join_path(folder, "metadata")));
  VS_ASSIGN(const std::vector<std::byte> bytes,
            os::read_whole(*file, limits::kMetadataBytes, "metadata"));
  VS_ASSIGN(const MetadataText text, unwrap_metadata(bytes));
  ReadMetadata out;
  out.parsed = parse_tsdl(text.text);
  // A cut file also ends the text in the middle: the cut is the cause worth naming.
  out.fault = text.fault ? text.fault : out.parsed.fault;
  if (!out.parsed.usable) return out.fault.value_or(metadata_error({}, "no trace block"));
  const Schema& schema = *out.parsed.schema;
  if (text.uuid && schema.uuid && *text.uuid != *schema.uuid) {
    return metadata_error({}, "UUID of the metadata's packets differs from the trace block's");
  }
  if (text.order && *text.order != schema.order) {
    return metadata_error({},
                          "byte order of the metadata's packets differs from the trace block's");
  }
  return out;
}

// The chunks of one rotated trace share its UUID.
Status check_chunks(os::FileSystem& files, const std::vector<std::string>& folders,
                    const Schema& schema) {
  for (const std::string& folder : folders) {
    VS_ASSIGN(const ReadMetadata other, read_metadata(files, folder));
    if (!schema.uuid || other.parsed.schema->uuid != schema.uuid) {
      return Error{ErrorCode::kBadUse,
                   std::to_string(folders.size()) + " different CTF traces are in this folder",
                   folder, "name one of them"};
    }
  }
  return {};
}

ClockInfo clock_info(const Schema& schema) {
  ClockInfo out;
  if (schema.clocks.empty()) return out;
  const ClockClass& clock = schema.clocks.front();
  out.name = clock.name;
  out.uuid = clock.uuid;
  const std::int64_t begin_ns = TimeScale(clock).to_own(0).value;
  out.epoch = begin_ns / 1'000'000'000 >= kYear2001;
  return out;
}

TraceInfo trace_info(const Schema& schema, const std::string& path) {
  TraceInfo info;
  info.path = path;
  info.format = "ctf";
  info.format_detail = "CTF 1.8";
  info.machine_name = schema.env_text("hostname");
  info.kernel = schema.env_text("kernel_release");
  info.is_kernel = schema.env_text("domain") == "kernel";
  info.tracer = schema.env_text("tracer_name");
  std::string version;
  for (const char* part : {"tracer_major", "tracer_minor", "tracer_patchlevel"}) {
    const std::string text = schema.env_text(part);
    if (!text.empty()) version += (version.empty() ? "" : ".") + text;
  }
  if (!version.empty()) info.tracer += (info.tracer.empty() ? "" : " ") + version;
  if (schema.uuid) {
    info.trace_id = load<std::uint64_t>(Bytes(*schema.uuid), 0, ByteOrder::kBig).value_or(0);
  }
  info.clock = clock_info(schema);
  info.buffers = {""};
  return info;
}

Result<std::unique_ptr<Trace>> open_trace(os::FileSystem& files, const std::string& path,
                                          model::IssueLog& issues) {
  const std::vector<std::string> folders = find_ctf_traces(files, path);
  if (folders.empty()) {
    return Error{ErrorCode::kNotFound, "no CTF trace here (no metadata file)", path, {}};
  }
  // The last chunk's metadata describes every event type there was until then.
  VS_ASSIGN(ReadMetadata metadata, read_metadata(files, folders.back()));
  if (folders.size() > 1) VS_TRY(check_chunks(files, folders, *metadata.parsed.schema));
  TraceInfo info = trace_info(*metadata.parsed.schema, path);
  std::optional<Error> left_out;
  VS_ASSIGN(std::unique_ptr<TraceModel> model,
            build_model(std::move(metadata.parsed.schema), left_out));
  for (const std::optional<Error>& fault : {metadata.fault, left_out}) {
    if (!fault) continue;
    issues.add(model::Issue{model::IssueCode::kBadMetadata, path, fault->where, 1, fault->what});
  }
  VS_ASSIGN(std::vector<StreamChain> chains, find_streams(*model, files, folders, path, issues));
  for (const StreamChain& chain : chains) {
    if (chain.info.cpu < limits::kCpus) {
      info.cpu_count = std::max(info.cpu_count, chain.info.cpu + 1);
    }
  }
  return std::unique_ptr<Trace>(
      std::make_unique<CtfTrace>(files, std::move(model), std::move(info), std::move(chains)));
}

/// The folders lie in more than one folder right below `path`.
bool branches_at(const std::string& path, const std::vector<std::string>& folders) {
  std::string below = path;
  while (below.size() > 1 && below.back() == '/') below.pop_back();
  const auto child = [&below](const std::string& folder) {
    const std::string_view rest = std::string_view(folder).substr(below.size());
    return rest.substr(0, rest.find('/', 1));
  };
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
    return child(folder) != child(folders.front());
  });
}

// A trace's own folder (or its metadata), or the folder right above the chunks of one rotated
// trace. A folder further up is none, even with a single trace below: what else it holds would be
// passed over, and one trace would have two paths.
bool probe_trace(os::FileSystem& files, const std::string& path) {
  const Result<os::FileStat> own = files.stat(os::join_path(path, "metadata"));
  if (own.ok() && !own->folder) return true;
  const std::vector<std::string> folders = find_ctf_traces(files, path);
  if (folders.size() == 1) return os::base_name(path) == "metadata";
  if (folders.empty() || !branches_at(path, folders)) return false;
  const Result<ReadMetadata> metadata = read_metadata(files, folders.back());
  return metadata.ok() && check_chunks(files, folders, *metadata->parsed.schema).ok();
}

}  // namespace

const Format kCtfFormat{"ctf", &probe_trace, &open_trace};

std::vector<std::string> find_ctf_traces(os::FileSystem& files, const std::string& path) {
  std::vector<std::string> out;
  std::string folder = path;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  const std::string_view name = os::base_name(folder);
  if (name == "metadata") {
    const Result<os::FileStat> stat = files.stat(folder);
    if (stat.ok() && !stat->folder) {
      folder.resize(folder.size() - name.size());
      while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
      if (folder.empty()) folder = ".";
      return {folder};
    }
  }
  search(files, folder, kSearchDepth, out);
  return out;
}

}  // namespace vs::reader::ctf
