// One raw ring-buffer page in an otherwise good file. The first byte chooses byte order and long
// size.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "os/file.h"
#include "reader/ftrace/format.h"
#include "reader/ftrace/page.h"
#include "reader/ftrace/testing/trace_builder.h"

namespace {

using namespace vs;
using namespace vs::reader::ftrace;

struct Host {
  std::string file;
  std::uint64_t page = 0;
  PageLayout layout;
};

Host make_host(const char* name) {
  testing::TraceBuilder builder = testing::standard_trace(testing::variant_of(name));
  Host host;
  host.file = builder.build();
  host.page = builder.marks["page.0.1"];
  host.layout.order = builder.variant.order;
  host.layout.commit_size = builder.variant.long_size;
  host.layout.data_offset = builder.variant.data_offset();
  return host;
}

/// Records lie in the page, do not overlap and come in order; otherwise this is our bug.
void check_records(const PageLayout& layout, Bytes page) {
  PageReader reader(layout);
  if (!reader.open(page)) return;
  std::size_t end = layout.data_offset;
  while (reader.next() == PageReader::Step::kRecord) {
    if (reader.record_offset() < end + 4) std::abort();
    end = std::size_t{reader.record_offset()} + reader.record_size();
    if (end > page.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<Host, 4> kHosts = {make_host("v7-none-le8"), make_host("v7-none-be8"),
                                             make_host("v7-none-le4"), make_host("v7-none-be4")};
  if (size < 2) return 0;
  const Host& host = kHosts[data[0] % kHosts.size()];
  const Bytes page =
      std::as_bytes(std::span(data, size)).subspan(1, std::min<std::size_t>(size - 1, 4096));
  check_records(host.layout, page);
  std::string file = host.file;
  file.replace(host.page, page.size(), as_text(page));
  os::MemoryFiles files;
  files.put("fuzz.dat", std::move(file));
  model::IssueLog issues;
  const auto trace = kTraceDatFormat.open(files, "fuzz.dat", issues);
  if (!trace.ok()) std::abort();
  const auto cursor = (*trace)->open_stream(0, {}, issues);
  std::string json;
  std::uint64_t events = 0;
  while (cursor.ok()) {
    const auto run = (*cursor)->next();
    if (!run.ok() || run->empty()) break;
    for (const model::Event& event : *run) {
      (*cursor)->fields_json(event, json);
      json.clear();
      if (event.kind != model::EventKind::kLoss) ++events;
    }
  }
  // The three pages around it are whole, whatever stands in this one.
  if (events < 3 * testing::kStandardPageEvents) std::abort();
  return 0;
}
