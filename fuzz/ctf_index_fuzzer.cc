// LTTng index files: parsed on their own, and beside a stream that they may contradict.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "os/file.h"
#include "reader/ctf/format.h"
#include "reader/ctf/packet_directory.h"

namespace {

constexpr const char* kMetadata =
    "/* CTF 1.8 */ typealias integer { size = 32; } := u32; typealias integer { size = 64; } := "
    "u64;\n"
    "trace { major = 1; minor = 8; byte_order = le; packet.header := struct { u32 magic; }; };\n"
    "stream { packet.context := struct { u64 content_size; u64 packet_size; u64 timestamp_begin;\n"
    "  u64 timestamp_end; }; event.header := struct { u32 id; u32 timestamp; }; };\n"
    "event { name = a; id = 0; fields := struct { u32 v; }; };\n";

// Two packets of 64 bytes, each with two events of 12.
std::string stream_bytes() {
  std::string out;
  const auto put = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  };
  for (std::uint64_t packet = 0; packet < 2; ++packet) {
    put(0xc1fc1fc1, 4);
    put((4 + 32 + 24) * 8, 8);
    put(64 * 8, 8);
    put(packet * 100, 8);
    put(packet * 100 + 50, 8);
    for (std::uint64_t event = 0; event < 2; ++event) {
      put(0, 4);
      put(packet * 100 + event, 4);
      put(7, 4);
    }
    put(0, 4);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const vs::Bytes bytes = std::as_bytes(std::span(data, size));
  const auto entries = vs::reader::ctf::parse_index(bytes, "k.idx");
  if (!entries.ok() && entries.error().what.empty()) std::abort();
  vs::os::MemoryFiles files;
  files.put("/t/metadata", std::string(kMetadata));
  files.put("/t/k", stream_bytes());
  files.put("/t/index/k.idx", std::string(vs::as_text(bytes)));
  vs::model::IssueLog issues;
  const auto trace = vs::reader::ctf::kCtfFormat.open(files, "/t", issues);
  if (!trace.ok()) std::abort();
  auto cursor = (*trace)->open_stream(0, {}, issues);
  if (!cursor.ok()) std::abort();
  for (const std::int64_t time :
       {0, 60, 120}) {  // whatever the index says, no event may be missing
    if (!(*cursor)->seek(vs::OwnTime{time}).ok()) std::abort();
    std::size_t late = 0;
    while (true) {
      const auto batch = (*cursor)->next();
      if (!batch.ok()) std::abort();
      if (batch->empty()) break;
      for (const auto& event : *batch) late += event.own.value >= time ? 1 : 0;
    }
    if (late != (time == 0 ? 4U : time == 60 ? 2U : 0U)) std::abort();
  }
  return 0;
}
