#pragma once
// Pattern: regular expressions of clients, which are other people's text. The time of a search
// grows with text times pattern and with nothing else: all ways through the expression are followed
// at once (K. Thompson, Regular Expression Search Algorithm, CACM 11(6), 1968), so that no
// expression can keep the server busy.
//
// Bytes, not characters. Known: . [a-z] [^a-z] \d \w \s \D \W \S \t \n, ^ $, groups, |, * + ?
// {m,n}, each also with the ? of lazy matching, which changes nothing here. Not known: references
// back, looking around, \b; they are errors, as is anything that would become too large.
//
// Threads: values; found_in() from any.

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vs::serve::tsp {

class Pattern {
 public:
  /// kBadUse with what is wrong and where.
  [[nodiscard]] static Result<Pattern> parse(std::string_view text);
  /// Whether it matches anywhere in the text.
  [[nodiscard]] bool found_in(std::string_view text) const;

 private:
  friend class PatternParser;
  using Bytes = std::bitset<256>;
  enum class Kind : std::uint8_t { kByte, kSplit, kBegin, kEnd };
  /// Targets are relative to the step; a split goes to both. The end of all steps is a match.
  struct Step {
    Kind kind = Kind::kByte;
    std::int32_t first = 1;
    std::int32_t second = 1;
    std::uint32_t bytes = 0;  ///< of sets_
  };
  std::vector<Step> steps_;
  std::vector<Bytes> sets_;
};

}  // namespace vs::serve::tsp
