#include "session/evidence_sort.h"

#include <gtest/gtest.h>

#include <random>

namespace vs::session {
namespace {

using Entry = std::pair<int, int>;  // key, place before

bool by_key(const Entry& a, const Entry& b) { return a.first < b.first; }

/// `stretches` ascending rows of up to `length` keys, of few values so that many are equal.
std::vector<Entry> rows(std::mt19937& random, int stretches, int length) {
  std::vector<Entry> list;
  for (int s = 0; s < stretches; ++s) {
    int key = static_cast<int>(random() % 50);
    for (int i = 0; i < length; ++i) {
      list.emplace_back(key, static_cast<int>(list.size()));
      key += static_cast<int>(random() % 3);
    }
  }
  return list;
}

// Few stretches, an odd number of them, one, and so many that they are not merged one by one.
TEST(SortStretches, DoesWhatAStableSortDoes) {
  std::mt19937 random(5);
  for (const auto& [stretches, length] :
       {std::pair{0, 0}, {1, 1}, {1, 100}, {2, 77}, {3, 50}, {7, 31}, {64, 9}, {9000, 2}}) {
    std::vector<Entry> list = rows(random, stretches, length);
    std::vector<Entry> expected = list;
    std::stable_sort(expected.begin(), expected.end(), by_key);
    sort_stretches(list, by_key);
    EXPECT_EQ(list, expected) << stretches << " stretches of " << length;
  }
}

}  // namespace
}  // namespace vs::session
