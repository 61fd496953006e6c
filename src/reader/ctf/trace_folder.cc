#include "reader/ctf/trace_folder.h"

#include <algorithm>
#include <map>

#include "reader/ctf/packet_directory.h"

namespace vs::reader::ctf {
namespace {

constexpr std::size_t kCheapPackets = 256;  // headers read at most to learn where a file ends

struct FoundFile {
  StreamFile file;
  std::uint64_t bytes = 0;
  std::uint64_t order = 0;  ///< place in the listing
  std::optional<PacketHead> head;
  std::optional<OwnTime> begin;
  std::optional<OwnTime> end;
};

class FolderScan {
 public:
  FolderScan(const TraceModel& model, os::FileSystem& files, const std::string& trace_path,
             model::IssueLog& issues)
      : model_(model), files_(files), trace_path_(trace_path), issues_(issues) {}

  Status scan(const std::string& folder) {
    VS_ASSIGN(const std::vector<os::Entry> entries, files_.list(folder));
    for (const os::Entry& entry : entries) {
      if (entry.folder || entry.name == "metadata" || entry.name.starts_with('.')) continue;
      VS_TRY(add_file(folder, entry.name));
    }
    return {};
  }

  std::vector<StreamChain> chains();

 private:
  Status add_file(const std::string& folder, const std::string& name);
  void look_at_index(const os::File& stream, const std::string& index_path, FoundFile& found);
  Status check_against_index(const os::File& stream, const os::File& index, FoundFile& found);
  void learn_end(const os::File& stream, FoundFile& found);
  void add_issue(model::IssueCode code, std::string place, std::string message);

  const TraceModel& model_;
  os::FileSystem& files_;
  const std::string& trace_path_;
  model::IssueLog& issues_;
  std::vector<FoundFile> found_;
};

void FolderScan::add_issue(model::IssueCode code, std::string place, std::string message) {
  issues_.add(model::Issue{code, trace_path_, std::move(place), 1, std::move(message)});
}

Status FolderScan::check_against_index(const os::File& stream, const os::File& index,
                                       FoundFile& found) {
  const std::string name = found.file.name + ".idx";
  VS_ASSIGN(const std::vector<std::byte> bytes,
            os::read_whole(index, stream.size() + 4096, name));  // an entry needs a packet
  VS_ASSIGN(const std::vector<IndexEntry> entries, parse_index(bytes, name));
  VS_TRY(check_index(entries, stream.size(), name));
  if (entries.empty()) return {};
  for (const IndexEntry* const entry : {&entries.front(), &entries.back()}) {
    PacketHead head;
    VS_ASSIGN(const bool readable, read_head_at(model_, stream, entry->offset, head));
    if (!readable || !agrees(*entry, head)) {
      return Error{ErrorCode::kMalformed,
                   "index disagrees with the packet at byte " + std::to_string(entry->offset) +
                       " of the stream",
                   name + ":" + std::to_string(entry == &entries.front() ? 0 : bytes.size()),
                   {}};
    }
    found.end = place_of(head, entry->offset, 0).end;
  }
  return {};
}

void FolderScan::look_at_index(const os::File& stream, const std::string& index_path,
                               FoundFile& found) {
  const Result<std::unique_ptr<os::File>> index = files_.open(index_path);
  if (!index.ok()) return;  // there is none
  const Status status = check_against_index(stream, **index, found);
  if (status.ok()) {
    found.file.index_path = index_path;
    return;
  }
  found.end.reset();
  const Error& error = status.error();
  add_issue(model::IssueCode::kBadIndexFile,
            error.where.empty() ? found.file.name + ".idx:0" : error.where, error.what);
}

void FolderScan::learn_end(const os::File& stream, FoundFile& found) {
  if (found.end || !found.head) return;
  const Result<Directory> directory = walk_packets(model_, stream, kCheapPackets);
  if (!directory.ok() || !directory->complete || directory->packets.empty()) return;
  const OwnTime end = directory->packets.back().end;
  if (end != kOwnTimeMax) found.end = end;
}

Status FolderScan::add_file(const std::string& folder, const std::string& name) {
  FoundFile found;
  found.file.path = os::join_path(folder, name);
  found.file.name = name;
  found.order = found_.size();
  VS_ASSIGN(const std::unique_ptr<os::File> stream, files_.open(found.file.path));
  found.bytes = stream->size();
  if (found.bytes == 0) {
    add_issue(model::IssueCode::kMissingStream, name + ":0", "stream file is empty");
    return {};
  }
  PacketHead head;
  VS_ASSIGN(const bool readable, read_head_at(model_, *stream, 0, head));
  if (readable) {
    found.head = head;
    const PacketPlace place = place_of(head, 0, 0);
    if (head.begin) found.begin = place.begin;
    look_at_index(*stream, os::join_path(os::join_path(folder, "index"), name + ".idx"), found);
    learn_end(*stream, found);
  }
  found_.push_back(std::move(found));
  return {};
}

// Two files belong to one stream when their packets say so; without an instance and a CPU each file
// stands for itself.
bool same_stream(const FoundFile& a, const FoundFile& b) {
  if (!a.head || !b.head || a.head->stream != b.head->stream) return false;
  if (!a.head->cpu && !a.head->instance) return false;
  return a.head->cpu == b.head->cpu && a.head->instance == b.head->instance;
}

std::vector<StreamChain> FolderScan::chains() {
  std::stable_sort(found_.begin(), found_.end(), [](const FoundFile& a, const FoundFile& b) {
    return a.begin.value_or(kOwnTimeMin) < b.begin.value_or(kOwnTimeMin);
  });
  struct Open {
    std::vector<const FoundFile*> files;
  };
  std::vector<Open> open;
  for (const FoundFile& file : found_) {
    Open* target = nullptr;
    for (Open& candidate : open) {
      const FoundFile& last = *candidate.files.back();
      const bool follows =
          same_stream(last, file) && last.end && file.begin && *last.end <= *file.begin;
      if (follows) target = &candidate;
    }
    if (target == nullptr) target = &open.emplace_back();
    target->files.push_back(&file);
  }
  std::stable_sort(open.begin(), open.end(), [](const Open& a, const Open& b) {
    return a.files.front()->order < b.files.front()->order;
  });
  std::vector<StreamChain> out;
  for (const Open& one : open) {
    StreamChain& chain = out.emplace_back();
    const FoundFile& first = *one.files.front();
    chain.info.place = first.file.name;
    if (first.head && first.head->cpu)
      chain.info.cpu = static_cast<std::uint32_t>(*first.head->cpu);
    chain.info.first = first.begin;
    chain.info.last = one.files.back()->end;
    if (chain.info.last == kOwnTimeMax) chain.info.last.reset();
    for (const FoundFile* file : one.files) {
      chain.info.bytes += file->bytes;
      if (file->head) chain.info.packets += file->bytes / (file->head->packet_bits / 8) + 1;
      chain.files.push_back(file->file);
    }
  }
  return out;
}

}  // namespace

Result<std::vector<StreamChain>> find_streams(const TraceModel& model, os::FileSystem& files,
                                              const std::vector<std::string>& folders,
                                              const std::string& trace_path,
                                              model::IssueLog& issues) {
  FolderScan scan(model, files, trace_path, issues);
  for (const std::string& folder : folders) VS_TRY(scan.scan(folder));
  return scan.chains();
}

}  // namespace vs::reader::ctf
