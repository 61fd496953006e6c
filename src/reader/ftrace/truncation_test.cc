// A small file of each variant, cut after every byte (in the usual run after every 50th):
// nothing but an error or issues may happen, whole events before the cut come out, other streams
// stay whole, and no cut gives fewer events than an earlier one.
//
// VS_FULL=1 in the environment cuts at every byte.

#include <gtest/gtest.h>

#include <cstdlib>

#include "os/file.h"
#include "reader/ftrace/format.h"
#include "reader/ftrace/testing/trace_builder.h"

namespace vs::reader::ftrace {
namespace {

struct Read {
  bool opened = false;
  bool complained = false;  ///< an issue row
  std::uint64_t by_cpu[2] = {};
  [[nodiscard]] std::uint64_t events() const { return by_cpu[0] + by_cpu[1]; }
};

Read read_all(const std::string& bytes) {
  os::MemoryFiles files;
  files.put("host.dat", bytes);
  model::IssueLog issues;
  Read out;
  const auto trace = kTraceDatFormat.open(files, "host.dat", issues);
  if (!trace.ok()) return out;
  out.opened = true;
  for (std::size_t i = 0; i < (*trace)->streams().size(); ++i) {
    auto cursor = (*trace)->open_stream(i, {}, issues);
    while (cursor.ok()) {
      const auto run = (*cursor)->next();
      if (!run.ok() || run->empty()) break;
      for (const model::Event& event : *run) {
        if (event.kind != model::EventKind::kLoss) ++out.by_cpu[event.cpu & 1U];
      }
    }
  }
  out.complained = !issues.rows().empty();
  return out;
}

class TruncationTest : public ::testing::TestWithParam<const char*> {};

TEST_P(TruncationTest, EveryCut) {
  testing::TraceBuilder builder = testing::standard_trace(testing::variant_of(GetParam()));
  builder.variant.chunk_pages = 1;
  const std::string whole = builder.build();
  const std::size_t step = std::getenv("VS_FULL") == nullptr ? 50 : 1;
  const std::uint64_t cpu1 = builder.marks["cpu.1"];
  std::uint64_t before = 0;
  for (std::size_t size = 0; size < whole.size(); size += step) {
    const Read read = read_all(whole.substr(0, size));
    EXPECT_GE(read.events(), before) << size;
    EXPECT_LE(read.events(), testing::kStandardEvents) << size;
    EXPECT_TRUE(!read.opened || read.complained || read.events() == testing::kStandardEvents)
        << size;
    if (size > cpu1 + 16) {
      EXPECT_EQ(read.by_cpu[0], 40U) << size;
    }
    before = read.events();
  }
  EXPECT_EQ(read_all(whole).events(), testing::kStandardEvents);
}

TEST_P(TruncationTest, MissingBytesOfTheLastPageCostOnlyItsEvents) {
  testing::TraceBuilder builder = testing::standard_trace(testing::variant_of(GetParam()));
  builder.variant.chunk_pages = 1;
  const std::string whole = builder.build();
  const bool plain = builder.variant.codec == Codec::kNone || builder.variant.version == 6;
  const std::uint64_t last = builder.marks[plain ? "page.1.2" : "chunk.1.2"];
  EXPECT_GE(read_all(whole.substr(0, last)).events(), 60U);
  EXPECT_GE(read_all(whole.substr(0, last + 1)).events(), 60U);
  EXPECT_GE(read_all(whole.substr(0, last - 1)).events(), plain ? 60U : 50U);
  EXPECT_EQ(read_all(whole.substr(0, whole.size() - 1)).events(), 70U);
}

INSTANTIATE_TEST_SUITE_P(Variants, TruncationTest,
                         ::testing::Values("v6-le8", "v6-be4", "v7-none-le8", "v7-none-be4",
                                           "v7-zlib-le8", "v7-zstd-le8", "v7-zstd-be4"));

}  // namespace
}  // namespace vs::reader::ftrace
