#include "reader/ftrace/page.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "reader/ftrace/testing/trace_builder.h"

namespace vs::reader::ftrace {
namespace {

using testing::PageBuilder;
using testing::Variant;
using testing::variant_of;

PageLayout layout_of(const Variant& variant) {
  PageLayout layout;
  layout.order = variant.order;
  layout.page_size = variant.page_size;
  layout.commit_size = variant.long_size;
  layout.data_offset = variant.data_offset();
  return layout;
}

/// Times of a page's records.
std::vector<std::uint64_t> times(const Variant& variant, const std::string& page) {
  PageReader reader(layout_of(variant));
  std::vector<std::uint64_t> out;
  if (!reader.open(as_bytes(page))) return out;
  while (reader.next() == PageReader::Step::kRecord) out.push_back(reader.time());
  EXPECT_EQ(reader.fault().kind, PageFaultKind::kNone);
  return out;
}

class PageAbiTest : public ::testing::TestWithParam<const char*> {
 protected:
  const Variant variant = variant_of(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Abis, PageAbiTest,
                         ::testing::Values("v7-le8", "v7-be8", "v7-le4", "v7-be4"));

TEST_P(PageAbiTest, DeltasExtendsAndPaddingAdd) {
  PageBuilder page(variant, 1000);
  page.event(5, "aaaa").extend((1ULL << 30) + 7).event(1, "bbbb").padding(9, 12).event(2, "cccc");
  EXPECT_EQ(times(variant, page.build()),
            (std::vector<std::uint64_t>{1005, 1013 + (1ULL << 30), 1024 + (1ULL << 30)}));
}

TEST_P(PageAbiTest, DiscardedEventOfDeltaOneAddsNothing) {
  // The kernel writes 1 where the delta was 0: a delta of 0 would mean "nothing follows".
  PageBuilder page(variant, 1000);
  page.padding(1, 8).event(2, "cccc");
  EXPECT_EQ(times(variant, page.build()), (std::vector<std::uint64_t>{1002}));
}

TEST_P(PageAbiTest, AbsoluteStampKeepsWhatLiesAbove59Bits) {
  const std::uint64_t top = 1ULL << 60;
  PageBuilder page(variant, top + 100);
  page.stamp(top + 500).event(1, "aaaa");
  EXPECT_EQ(times(variant, page.build()), (std::vector<std::uint64_t>{top + 501}));
}

TEST_P(PageAbiTest, AbsoluteStampThatWrappedCarries) {
  const std::uint64_t base = (1ULL << 60) + (1ULL << 59) - 10;
  PageBuilder page(variant, base);
  page.stamp(5).event(0, "aaaa");  // 59 bits of a time just past the carry
  EXPECT_EQ(times(variant, page.build()),
            (std::vector<std::uint64_t>{(1ULL << 60) + (1ULL << 59) + 5}));
}

TEST_P(PageAbiTest, LongEventsKeepTheirExactLength) {
  PageBuilder page(variant, 1);
  page.long_event(1, std::string(201, 'x')).event(1, "aaaa");
  const std::string bytes = page.build();
  PageReader reader(layout_of(variant));
  ASSERT_TRUE(reader.open(as_bytes(bytes)));
  ASSERT_EQ(reader.next(), PageReader::Step::kRecord);
  EXPECT_EQ(reader.record_size(), 201U);
  ASSERT_EQ(reader.next(), PageReader::Step::kRecord);
  EXPECT_EQ(reader.record_size(), 4U);
  EXPECT_EQ(reader.next(), PageReader::Step::kEnd);
}

TEST_P(PageAbiTest, MissedEvents) {
  struct Row {
    PageBuilder page;
    std::uint64_t count;
  };
  PageBuilder plain(variant, 5);
  plain.event(1, "aaaa");
  const std::uint64_t unknown = variant.long_size == 8 ? ~0ULL : 0xffffffffULL;
  const Row rows[] = {{PageBuilder(plain).missed(), 0},
                      {PageBuilder(plain).missed(77), 77},
                      {PageBuilder(plain).missed(unknown), 0},
                      {PageBuilder(plain).missed(unknown - 1), unknown - 1}};
  for (const Row& row : rows) {
    const std::string bytes = row.page.build();
    PageReader reader(layout_of(variant));
    ASSERT_TRUE(reader.open(as_bytes(bytes)));
    EXPECT_TRUE(reader.missed());
    EXPECT_EQ(reader.missed_count(), row.count);
    EXPECT_EQ(times(variant, bytes), (std::vector<std::uint64_t>{6}));
  }
}

TEST_P(PageAbiTest, CutPageGivesItsWholeRecords) {
  PageBuilder page(variant, 5);
  for (int i = 0; i < 20; ++i) page.event(1, "aaaabbbb");
  const std::string whole = page.build();
  const std::size_t data = variant.data_offset();
  for (std::size_t size = data; size < data + 20 * 12; ++size) {
    PageReader reader(layout_of(variant));
    ASSERT_TRUE(reader.open(as_bytes(std::string_view(whole).substr(0, size))));
    std::size_t records = 0;
    PageReader::Step step = reader.next();
    for (; step == PageReader::Step::kRecord; step = reader.next()) ++records;
    EXPECT_EQ(records, (size - data) / 12) << size;
    EXPECT_EQ(step, PageReader::Step::kCut) << size;
  }
}

TEST_P(PageAbiTest, OtherSubBufferSizes) {
  Variant large = variant;
  for (const std::uint32_t size : {1024U, 8192U, 65536U}) {
    large.page_size = size;
    PageBuilder page(large, 5);
    while (page.data_size() + 64 < size - large.data_offset()) page.event(1, "aaaabbbb");
    EXPECT_EQ(times(large, page.build()).size(), page.data_size() / 12);
  }
}

}  // namespace
}  // namespace vs::reader::ftrace
