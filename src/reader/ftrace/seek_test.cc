// Seeks in streams of many pages and chunks: what is read is what reading from the begin gives from
// there on, and finding the place reads little of the file.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "os/file.h"
#include "reader/ftrace/format.h"
#include "reader/ftrace/testing/trace_builder.h"

namespace vs::reader::ftrace {
namespace {

using testing::PageBuilder;
using testing::TraceBuilder;
using testing::Variant;
using testing::variant_of;

constexpr std::uint32_t kPages = 2000;
constexpr std::uint32_t kPageEvents = 12;

/// A file in memory that counts the bytes which are read.
class CountingFiles final : public os::FileSystem {
 public:
  explicit CountingFiles(std::string content) { files_.put("host.dat", std::move(content)); }

  [[nodiscard]] Result<std::unique_ptr<os::File>> open(const std::string& path) override {
    VS_ASSIGN(std::unique_ptr<os::File> file, files_.open(path));
    return std::unique_ptr<os::File>(std::make_unique<CountingFile>(std::move(file), bytes_));
  }
  [[nodiscard]] Result<std::vector<os::Entry>> list(const std::string& path) override {
    return files_.list(path);
  }
  [[nodiscard]] Result<os::FileStat> stat(const std::string& path) override {
    return files_.stat(path);
  }
  /// Since the last call.
  std::uint64_t take_bytes() { return bytes_->exchange(0); }

 private:
  using Count = std::shared_ptr<std::atomic<std::uint64_t>>;

  class CountingFile final : public os::File {
   public:
    CountingFile(std::unique_ptr<os::File> file, Count bytes)
        : file_(std::move(file)), bytes_(std::move(bytes)) {}
    [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
    [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                              std::span<std::byte> out) const override {
      *bytes_ += out.size();
      return file_->read_at(offset, out);
    }

   private:
    std::unique_ptr<os::File> file_;
    Count bytes_;
  };

  os::MemoryFiles files_;
  Count bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// CPU 0 with many pages; what they hold packs badly.
TraceBuilder long_trace(const Variant& variant) {
  TraceBuilder builder = testing::standard_trace(variant);
  std::mt19937_64 random(5);
  std::uint64_t time = 1'000'000;
  auto& pages = builder.buffers[0].cpus[0].pages;
  pages.clear();
  for (std::uint32_t p = 0; p < kPages; ++p) {
    time += random() % 100'000 + 1;
    PageBuilder page(variant, time);
    for (std::uint32_t i = 0; i < kPageEvents; ++i) {
      const auto delta = static_cast<std::uint32_t>(random() % 1000 + 1);
      std::string record = testing::standard_record(variant, 0, 5 * p);  // sched_switch
      for (std::size_t at = 8; at < 24; ++at) record[at] = static_cast<char>(random() % 255 + 1);
      page.event(delta, record);
      time += delta;
    }
    pages.push_back(page.build());
  }
  return builder;
}

std::vector<std::int64_t> times_of(StreamCursor& cursor) {
  std::vector<std::int64_t> out;
  for (;;) {
    const auto run = cursor.next();
    if (!run.ok() || run->empty()) return out;
    for (const model::Event& event : *run) {
      if (event.kind != model::EventKind::kLoss) out.push_back(event.own.value);
    }
  }
}

class SeekTest : public ::testing::TestWithParam<const char*> {
 protected:
  const Variant variant = variant_of(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Variants, SeekTest,
                         ::testing::Values("v6-le8", "v7-none-be4", "v7-zstd-le8", "v7-zlib-be4"));

TEST_P(SeekTest, FindsThePlaceAndReadsLittle) {
  TraceBuilder builder = long_trace(variant);
  CountingFiles files(builder.build());
  model::IssueLog issues;
  const auto trace = kTraceDatFormat.open(files, "host.dat", issues);
  ASSERT_TRUE(trace.ok());
  EXPECT_LT(files.take_bytes(), 2U << 20);
  auto cursor = std::move((*trace)->open_stream(0, {}, issues)).value();
  const std::vector<std::int64_t> all = times_of(*cursor);
  ASSERT_EQ(all.size(), std::size_t{kPages} * kPageEvents);
  EXPECT_EQ((*trace)->streams()[0].last->value / 1'000'000, all.back() / 1'000'000);
  std::mt19937_64 random(3);
  std::vector<std::size_t> wanted = {0, 1, all.size() / 2, all.size() - 1};
  for (int i = 0; i < 20; ++i) wanted.push_back(random() % all.size());
  for (const std::size_t index : wanted) {
    files.take_bytes();
    ASSERT_TRUE(cursor->seek(OwnTime{all[index]}).ok());
    EXPECT_LT(files.take_bytes(), 400U << 10) << index;
    const auto run = cursor->next();
    ASSERT_TRUE(run.ok() && !run->empty());
    const auto begin = std::lower_bound(all.begin(), all.end(), run->front().own.value);
    const auto first = static_cast<std::size_t>(begin - all.begin());
    EXPECT_LE(first, index);
    EXPECT_GE(first + std::size_t{3} * variant.chunk_pages * kPageEvents, index);
    std::vector<std::int64_t> tail;
    for (const model::Event& event : *run) tail.push_back(event.own.value);
    const std::vector<std::int64_t> rest = times_of(*cursor);
    tail.insert(tail.end(), rest.begin(), rest.end());
    EXPECT_TRUE(std::equal(tail.begin(), tail.end(), begin, all.end())) << index;
  }
  EXPECT_TRUE(issues.rows().empty());
}

TEST_P(SeekTest, StepsOverWhatIsBroken) {
  TraceBuilder builder = long_trace(variant);
  std::string file = builder.build();
  // Every 20th chunk or page, in the middle of its data.
  const bool packed = variant.codec != Codec::kNone;
  const std::uint32_t count = packed ? kPages / variant.chunk_pages : kPages;
  for (std::uint32_t i = 10; i < count; i += 20) {
    const std::string mark = (packed ? "chunk.0." : "page.0.") + std::to_string(i);
    const std::uint64_t at = builder.marks.at(mark) + (packed ? 40 : 8);
    std::fill_n(file.begin() + static_cast<std::ptrdiff_t>(at), 8, '\xa5');
  }
  CountingFiles files(file);
  model::IssueLog issues;
  const auto trace = kTraceDatFormat.open(files, "host.dat", issues);
  ASSERT_TRUE(trace.ok());
  auto cursor = std::move((*trace)->open_stream(0, {}, issues)).value();
  const std::vector<std::int64_t> all = times_of(*cursor);
  ASSERT_GT(all.size(), std::size_t{kPages} * kPageEvents * 9 / 10);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20; ++i) {
    const std::size_t index = random() % all.size();
    ASSERT_TRUE(cursor->seek(OwnTime{all[index]}).ok());
    const std::vector<std::int64_t> tail = times_of(*cursor);
    ASSERT_LE(tail.size(), all.size());
    ASSERT_GE(tail.size(), all.size() - index);
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), all.rbegin())) << index;
  }
}

}  // namespace
}  // namespace vs::reader::ftrace
