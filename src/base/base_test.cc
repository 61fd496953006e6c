#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/escape.h"
#include "base/per_cpu.h"
#include "base/result.h"
#include "base/strings.h"
#include "base/tid_map.h"
#include "base/time.h"

namespace vs {
namespace {

TEST(Result, CarriesValueOrError) {
  const Result<int> good = 7;
  const Result<int> bad =
      Error{ErrorCode::kMalformed, "odd length", "k_0: byte 3", "copy it again"};
  EXPECT_EQ(good.value(), 7);
  EXPECT_EQ(bad.error().to_string(), "k_0: byte 3: odd length (copy it again)");
}

Result<int> half(int value) {
  if (value % 2 != 0) return Error{ErrorCode::kMalformed, "odd", "", ""};
  return value / 2;
}
Result<int> quarter(int value) {
  VS_ASSIGN(const int once, half(value));
  VS_ASSIGN(const int twice, half(once));
  return twice;
}

TEST(Result, AssignReturnsTheFirstError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_FALSE(quarter(6).ok());
}

TEST(Checked, RefusesWhatDoesNotFit) {
  EXPECT_EQ(checked_add<std::uint8_t>(200, 55), 255);
  EXPECT_FALSE(checked_add<std::uint8_t>(200, 56));
  EXPECT_FALSE(checked_mul<std::uint64_t>(1ULL << 40, 1ULL << 24));
  EXPECT_EQ(checked_align_up<std::uint64_t>(9, 8), 16U);
  EXPECT_FALSE(checked_align_up<std::uint64_t>(~0ULL, 8));
}

TEST(ByteCursor, ReadsWholeOrNothing) {
  const std::array<std::byte, 5> data = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                                         std::byte{0}};
  ByteCursor little(data, ByteOrder::kLittle);
  EXPECT_EQ(little.read<std::uint32_t>(), 0x04030201U);
  EXPECT_FALSE(little.read<std::uint16_t>());
  EXPECT_EQ(little.offset(), 4U);
  EXPECT_EQ(little.read_c_string(), "");
  EXPECT_FALSE(little.read_c_string());
  ByteCursor big(data, ByteOrder::kBig);
  EXPECT_EQ(big.read<std::uint16_t>(), 0x0102U);
  EXPECT_FALSE(big.seek(6));
  EXPECT_FALSE(slice(data, 4, 2));
}

TEST(Escape, TerminalNeverSeesControls) {
  EXPECT_EQ(terminal_text("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(terminal_text("\xff\xc3\xa9"), "\\xff\xc3\xa9");
  EXPECT_EQ(terminal_text("x\xe2\x80\xaey"), "x\\u{202e}y");
}

TEST(Escape, JsonHtmlCsv) {
  EXPECT_EQ(sql_text("O'Neil'"), "'O''Neil'''");
  EXPECT_EQ(sql_text(""), "''");
  EXPECT_EQ(json_text("a\"\\\n\x01\xff"), "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\"");
  std::string html;
  escape_html("<b a='1'>&", html);
  EXPECT_EQ(html, "&lt;b a=&#39;1&#39;&gt;&amp;");
  std::string csv;
  escape_csv("=1,\"2\"", csv);
  EXPECT_EQ(csv, "\"'=1,\"\"2\"\"\"");
}

TEST(Strings, SplitAndParse) {
  EXPECT_EQ(split_words("  a bb  c ").size(), 3U);
  EXPECT_EQ(split("a,,b", ',').size(), 3U);
  EXPECT_EQ(parse_int<int>("-12"), -12);
  EXPECT_FALSE(parse_int<int>("12x"));
  EXPECT_FALSE(parse_int<unsigned>("-1"));
  EXPECT_FALSE(parse_int<int>(""));
  EXPECT_EQ(trim(" x \n"), "x");
}

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a < b;
};

TEST(Time, TimesOfDifferentClocksDoNotMix) {
  static_assert(!Comparable<OwnTime, HostTime>);
  static_assert(Comparable<HostTime, HostTime>);
  EXPECT_EQ(HostTime{7} - HostTime{2}, 5);
}

TEST(PerCpu, EntriesComeIntoBeingInAnyOrderUpToTheLimit) {
  PerCpu<int> cpus;
  EXPECT_EQ(cpus.size(), 0U);
  *cpus.at(5) = 7;
  EXPECT_EQ(cpus.size(), 6U);
  EXPECT_EQ(*cpus.at(5), 7);
  EXPECT_EQ(*cpus.at(0), 0);
  EXPECT_EQ(cpus.at(-1), nullptr);
  EXPECT_EQ(cpus.at(limits::kCpus), nullptr);
  EXPECT_EQ(cpus.at(INT64_MAX), nullptr);
  EXPECT_EQ(cpus.at(INT64_MIN), nullptr);
  EXPECT_EQ(cpus.size(), 6U);  // a number that no machine has adds nothing
  EXPECT_NE(cpus.at(limits::kCpus - 1), nullptr);
}

TEST(TidMap, FindsWhatWasInsertedAndNothingElse) {
  TidMap map;
  for (std::int32_t i = 0; i < 20000; ++i) {
    ASSERT_EQ(map.find(i * 7), TidMap::kNone);
    map.insert(i * 7, static_cast<std::uint32_t>(i));
  }
  for (std::int32_t i = 0; i < 20000; ++i) {
    ASSERT_EQ(map.find(i * 7), static_cast<std::uint32_t>(i));
    ASSERT_EQ(map.find(i * 7 + 1), TidMap::kNone);
  }
  EXPECT_EQ(map.find(0x7fffffff), TidMap::kNone);
}

}  // namespace
}  // namespace vs
