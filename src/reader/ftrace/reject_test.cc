// Every malformed file of tests/reject/ftrace, with exact messages and what still comes out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "os/file.h"
#include "reader/ftrace/testing/case_file.h"

namespace vs::reader::ftrace::testing {
namespace {

struct Case {
  std::string path;
  std::string variant;
};
// The names of the cases in gtest's output.
void PrintTo(const Case& c, std::ostream* out) {
  *out << os::base_name(c.path) << " " << c.variant;
}

CaseFile read_case(const std::string& path) {
  const auto file = os::real_files().open(path);
  if (!file.ok()) return {};
  const auto bytes = os::read_whole(**file, 1 << 20, path);
  return bytes.ok() ? parse_case(as_text(*bytes)) : CaseFile{};
}

std::vector<Case> all_cases() {
  const std::string folder = os::join_path(VS_SOURCE_DIR, "tests/reject/ftrace");
  std::vector<Case> out;
  const auto entries = os::real_files().list(folder);
  if (!entries.ok()) return out;
  for (const os::Entry& entry : *entries) {
    if (!entry.name.ends_with(".case")) continue;
    const std::string path = os::join_path(folder, entry.name);
    const std::string variants = read_case(path).one("variants");
    for (const std::string_view variant : split_words(variants)) {
      out.push_back({path, std::string(variant)});
    }
  }
  return out;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  std::string name(os::base_name(info.param.path));
  name = name.substr(0, name.size() - 5) + "_" + info.param.variant;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}

class RejectTest : public ::testing::TestWithParam<Case> {};

TEST_P(RejectTest, SaysExactlyThisAndKeepsTheRest) {
  const CaseFile recipe = read_case(GetParam().path);
  const CaseInput input = make_input(recipe, variant_of(GetParam().variant));
  std::vector<std::string> expected;
  for (const auto& [key, rest] : recipe.lines) {
    const bool wanted = key == "error" || key == "issue" || key == "events" || key == "losses";
    if (wanted) expected.push_back(input.expand(key + ": " + rest));
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(observe(input.bytes), expected);
}

INSTANTIATE_TEST_SUITE_P(Files, RejectTest, ::testing::ValuesIn(all_cases()), case_name);

TEST(RejectCases, ThereAreEnough) { EXPECT_GE(all_cases().size(), 150U); }

}  // namespace
}  // namespace vs::reader::ftrace::testing
