// Whole trace.dat files: open, read every stream, all fields, one seek each.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "os/file.h"
#include "reader/ftrace/format.h"

namespace {

using namespace vs;

/// Events of a run bounded, so that one input cannot run for ever by being valid.
constexpr std::size_t kMaxRuns = 4096;

void read_stream(reader::StreamCursor& cursor) {
  std::string json;
  for (std::size_t i = 0; i < kMaxRuns; ++i) {
    const auto run = cursor.next();
    if (!run.ok() || run->empty()) return;
    for (const model::Event& event : *run) {
      json.clear();
      cursor.fields_json(event, json);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  os::MemoryFiles files;
  files.put("fuzz.dat", std::string(as_text(std::as_bytes(std::span(data, size)))));
  model::IssueLog issues;
  const auto trace = reader::ftrace::kTraceDatFormat.open(files, "fuzz.dat", issues);
  if (!trace.ok()) return 0;
  for (std::size_t i = 0; i < (*trace)->streams().size() && i < 16; ++i) {
    const auto cursor = (*trace)->open_stream(i, {}, issues);
    if (!cursor.ok()) continue;
    read_stream(**cursor);
    if ((*cursor)->seek((*trace)->streams()[i].last.value_or(OwnTime{1})).ok())
      read_stream(**cursor);
  }
  return 0;
}
