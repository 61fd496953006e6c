// A whole CTF trace: metadata text, a line "@@@", the bytes of one stream file. Everything is read
// through the public interface, and the fast decoder is held against the plain one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "os/file.h"
#include "reader/ctf/differential.h"
#include "reader/ctf/format.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/tsdl_parser.h"

namespace {

using namespace vs::reader::ctf;

constexpr std::size_t kMaxEvents = 20000;  // enough to meet every path; keeps runs short

void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

void read_all(vs::os::MemoryFiles& files) {
  vs::model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, "/t", issues);
  if (!trace.ok()) return;
  std::string json;
  for (std::size_t i = 0; i < (*trace)->streams().size(); ++i) {
    auto cursor = (*trace)->open_stream(i, {}, issues);
    if (!cursor.ok()) fail("a stream does not open");
    std::size_t events = 0;
    while (events < kMaxEvents) {
      const auto batch = (*cursor)->next();
      if (!batch.ok()) fail(batch.error().to_string());
      if (batch->empty()) break;
      for (const auto& event : *batch) {
        json.clear();
        (*cursor)->fields_json(event, json);
        if (json.empty() || json.front() != '{' || json.back() != '}') fail("bad JSON: " + json);
      }
      events += batch->size();
    }
    if (!(*cursor)->seek(vs::OwnTime{1000}).ok()) fail("seek fails");
    if (!(*cursor)->next().ok()) fail("next fails after seek");
  }
}

void compare(std::string_view metadata, vs::Bytes stream) {
  const auto text = unwrap_metadata(vs::as_bytes(metadata));
  if (!text.ok()) return;
  ParsedMetadata parsed = parse_tsdl(text->text);
  if (!parsed.usable) return;
  std::optional<vs::Error> left_out;
  const auto model = build_model(std::move(parsed.schema), left_out);
  if (!model.ok()) return;
  vs::reader::StreamRequest few;
  few.kinds = vs::model::KindSet::of({vs::model::EventKind::kSchedSwitch});
  for (const auto& request : {vs::reader::StreamRequest{}, few}) {
    if (auto difference = compare_ways(**model, stream, request, kMaxEvents)) fail(*difference);
  }
  const vs::Bytes some = stream.first(std::min<std::size_t>(stream.size(), 4096));
  for (const StreamModel& one : (*model)->streams) {
    for (std::size_t i = 0; i < std::min<std::size_t>(one.events.size(), 16); ++i) {
      for (const std::uint64_t bit : {0U, 5U, 64U, 520U}) {
        if (bit > some.size() * 8) continue;
        if (auto difference = compare_decoders(**model, one, one.events[i], some, bit)) {
          fail(*difference + " at bit " + std::to_string(bit));
        }
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = vs::as_text(std::as_bytes(std::span(data, size)));
  const std::size_t mark = input.find("\n@@@\n");
  if (mark == std::string_view::npos) return 0;
  const std::string_view metadata = input.substr(0, mark);
  const std::string_view stream = input.substr(mark + 5);
  vs::os::MemoryFiles files;
  files.put("/t/metadata", std::string(metadata));
  files.put("/t/s", std::string(stream));
  read_all(files);
  compare(metadata, vs::as_bytes(stream));
  return 0;
}
