// Patterns against the library's, where the library is safe to ask; and those that must be refused.

#include "serve/tsp/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>

namespace vs::serve::tsp {
namespace {

bool found(const std::string& pattern, const std::string& text) {
  const auto parsed = Pattern::parse(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern;
  return parsed.ok() && parsed->found_in(text);
}

TEST(Pattern, FindsWhatTheLibraryFinds) {
  const char* const kPatterns[] = {"",
                                   "a",
                                   "abc",
                                   "a|b",
                                   "^a",
                                   "c$",
                                   "^abc$",
                                   "a*b",
                                   "a+b",
                                   "a?b",
                                   "(ab)+c",
                                   "(a|bc)*d",
                                   "[a-c]d",
                                   "[^a-c]",

                                   "[a-]",
                                   "\\d+",
                                   "\\w\\s",
                                   "\\W",
                                   "a{2}",
                                   "a{2,}b",
                                   "a{1,3}b",
                                   "(a{2}){2}",
                                   "x.*y",
                                   "(?:ab|c)d",
                                   "^$",
                                   "\\.",
                                   "a.c",
                                   "a*?b",
                                   "[\\d_]+x",
                                   "sched_(switch|waking)",
                                   "^sys_.*(read|write)$",
                                   "(^a|b$)",
                                   "((a))",
                                   "[0-9a-f]{4}",
                                   "\\[x\\]",
                                   "(|a)b",
                                   "a||b"};
  const char* const kTexts[] = {
      "",    "a",    "b",   "abc",  "aab",          "ababc",          "bcbcad",
      "d",   "cd",   "x y", "12_x", "aaaa",         "aaab",           "x12y",
      "a.c", "axc",  "]",   "-",    "sched_switch", "sys_enter_read", "sys_enter_open",
      "[x]", "beef", "zz"};
  for (const char* const pattern : kPatterns) {
    const std::regex library(pattern, std::regex::ECMAScript);
    for (const char* const text : kTexts) {
      EXPECT_EQ(found(pattern, text), std::regex_search(text, library))
          << pattern << " in " << text;
    }
  }
}

TEST(Pattern, ABracketThatComesFirstIsAMember) {
  EXPECT_TRUE(found("^[]a]$", "]"));
  EXPECT_TRUE(found("^[^]a]$", "b"));
  EXPECT_FALSE(found("^[^]a]$", "]"));
}

TEST(Pattern, RefusesWhatItDoesNotKnow) {
  for (const char* const pattern :
       {"(",    ")",      "(a",      "a)",    "[",     "[a",      "[]",  "*",
        "+a",   "a|*",    "\\",      "\\b",   "(?=a)", "(?<x>a)", "\\1", "a{",
        "a{x}", "a{3,2}", "a{1001}", "a{,3}", "[z-a]", "[a-\\d]"}) {
    const auto parsed = Pattern::parse(pattern);
    ASSERT_FALSE(parsed.ok()) << pattern;
    EXPECT_EQ(parsed.error().code, ErrorCode::kBadUse);
  }
  EXPECT_FALSE(Pattern::parse(std::string(100, '(') + std::string(100, ')')).ok());
  EXPECT_FALSE(Pattern::parse("((a{100}){100}){100}").ok());
  EXPECT_FALSE(Pattern::parse(std::string(10000, 'a')).ok());
}

TEST(Pattern, NoExpressionKeepsItBusy) {
  const std::string text(20000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(found("(a*)*b", text));
  EXPECT_FALSE(found("(a|aa)+$b", text));
  EXPECT_FALSE(found("(a?){50}a{50}b", text));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace vs::serve::tsp
