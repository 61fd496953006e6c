// The state of a whole table at every edge of its rows, against the rows as they were added: blocks
// of all sizes and of all widths of times, tiled and with gaps, and those that have no guide.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "history/block.h"
#include "history/history_test_util.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;

constexpr TableId kTable = TableId::kPcpuState;

/// How the rows of an entity lie in time.
struct Pattern {
  std::size_t rows = 1;
  unsigned bits = 8;           ///< of the lengths, at most
  std::size_t gap_every = 0;   ///< 0: they tile
  std::size_t skew_every = 0;  ///< so many are a million times as long
};

struct Stretches {
  std::vector<std::int64_t> begin_ns;
  std::vector<std::int64_t> end_ns;
  std::vector<std::int64_t> values;
};

class Rows {
 public:
  Rows(std::span<const Pattern> patterns, std::int64_t start_ns) {
    for (const Pattern& pattern : patterns) add(pattern, start_ns);
  }
  [[nodiscard]] const std::vector<Stretches>& entities() const { return entities_; }

  [[nodiscard]] std::string build() const {
    MemoryOutputs written;
    WriterOptions options;
    options.outputs = &written;
    auto writer = std::move(Writer::create("h", options)).value();
    for (std::size_t i = 0; i < entities_.size(); ++i) {
      const EntityId id =
          writer->entity(kTable, std::vector<std::int64_t>{writer->intern("m"), std::int64_t(i)});
      const Stretches& rows = entities_[i];
      for (std::size_t k = 0; k < rows.values.size(); ++k) {
        const std::int64_t value = rows.values[k];
        const std::int64_t values[] = {value % 5, value, value % 3 == 0 ? model::kNull : 7, 0};
        writer->add(id, HostTime{rows.begin_ns[k]}, HostTime{rows.end_ns[k]}, values);
      }
    }
    EXPECT_TRUE(writer->commit().ok());
    return written.bytes();
  }

 private:
  void add(const Pattern& pattern, std::int64_t now_ns) {
    Stretches rows;
    for (std::size_t i = 0; i < pattern.rows; ++i) {
      if (pattern.gap_every != 0 && i % pattern.gap_every == 1) now_ns += 1 + below(100);
      rows.begin_ns.push_back(now_ns);
      now_ns += 1 + below((std::int64_t{1} << pattern.bits) - 1);
      if (pattern.skew_every != 0 && i % pattern.skew_every == 0) now_ns += 1'000'000'000'000;
      rows.end_ns.push_back(now_ns);
      rows.values.push_back(i % 7 == 0 ? 3 : below(i < 200 ? 4 : 300));
    }
    entities_.push_back(std::move(rows));
  }
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  std::mt19937_64 random_{7};
  std::vector<Stretches> entities_;
};

/// The row that holds at a time; the number of rows when none does.
std::size_t row_at(const Stretches& rows, std::int64_t time_ns) {
  const auto after = std::ranges::upper_bound(rows.begin_ns, time_ns);
  const auto row = static_cast<std::size_t>(after - rows.begin_ns.begin());
  return row != 0 && time_ns < rows.end_ns[row - 1] ? row - 1 : rows.values.size();
}

void expect_state(const Reader& reader, const Rows& rows, std::int64_t time_ns, FullState& state) {
  ASSERT_TRUE(reader.full_state(kTable, HostTime{time_ns}, state).ok());
  std::size_t at = 0;
  for (std::size_t i = 0; i < rows.entities().size(); ++i) {
    const Stretches& entity = rows.entities()[i];
    const std::size_t row = row_at(entity, time_ns);
    if (row == entity.values.size()) continue;
    ASSERT_LT(at, state.rows.size());
    const FullState::Row& got = state.rows[at++];
    ASSERT_EQ(got.entity, i);
    ASSERT_EQ(got.begin.ns, entity.begin_ns[row]) << "entity " << i << " row " << row;
    ASSERT_EQ(got.end.ns, entity.end_ns[row]) << "entity " << i << " row " << row;
    ASSERT_EQ(got.values[1], entity.values[row]) << "entity " << i << " row " << row;
  }
  ASSERT_EQ(at, state.rows.size()) << time_ns;
}

/// At the edges of all rows, and one before them.
void expect_states(const Rows& rows, std::size_t step) {
  const std::string bytes = rows.build();
  const auto reader = test::open_bytes(bytes);
  ASSERT_TRUE(reader.ok());
  FullState state;
  for (const Stretches& entity : rows.entities()) {
    for (std::size_t k = 0; k < entity.values.size(); k += step) {
      for (const std::int64_t time_ns :
           {entity.begin_ns[k], entity.end_ns[k] - 1, entity.end_ns[k]}) {
        expect_state(**reader, rows, time_ns, state);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(FullState, RowsOfEveryWidth) {
  std::vector<Pattern> patterns;
  for (unsigned bits = 1; bits <= 47; bits += 2) patterns.push_back(Pattern{150 + bits, bits});
  expect_states(Rows(patterns, 1'700'000'000'000'000'000), 1);
}

TEST(FullState, BlocksOfEverySize) {
  std::vector<Pattern> patterns;
  for (std::size_t rows = 1; rows <= 2 * kBlockRows + 1; ++rows) {
    patterns.push_back(Pattern{rows, 12});
  }
  expect_states(Rows(patterns, -100'000), 3);
}

// Pieces without guides.
TEST(FullState, FewRowsEach) {
  std::vector<Pattern> patterns;
  for (std::size_t i = 0; i < 200; ++i) patterns.push_back(Pattern{1 + i % 5, 10, i % 3});
  expect_states(Rows(patterns, 0), 1);
}

TEST(FullState, GapsAndSkew) {
  std::vector<Pattern> patterns;
  for (std::size_t i = 0; i < 30; ++i) {
    patterns.push_back(Pattern{100 + 3 * i, 10, i % 3 == 0 ? 0 : 5 + i, i % 2 == 0 ? 0 : 9 + i});
  }
  expect_states(Rows(patterns, 0), 1);
}

// Some change that often that their runs have many blocks and go on in the next piece.
TEST(FullState, BusyOnesAmongIdleOnes) {
  std::vector<Pattern> patterns;
  for (std::size_t i = 0; i < 40; ++i) patterns.push_back(Pattern{i % 10 == 0 ? 20'000U : 3U, 10});
  expect_states(Rows(patterns, 5), 997);
}

TEST(FullState, AGuideTellsWhereEveryEighthRowBegins) {
  const Rows rows(std::vector{Pattern{kBlockRows, 20}}, 1000);
  const Stretches& entity = rows.entities()[0];
  BlockGuide guide;
  EXPECT_EQ(guide.length_bytes, BlockGuide::kNone);
  for (std::size_t k = 0; k < BlockGuide::kMarks; ++k) {
    auto mark = static_cast<std::uint64_t>(entity.begin_ns[(k + 1) * BlockGuide::kRows] - 1000);
    for (std::size_t b = 0; b < BlockGuide::kMarkBytes; ++b, mark >>= 8) {
      guide.marks[k * BlockGuide::kMarkBytes + b] = static_cast<std::byte>(mark);
    }
  }
  for (std::size_t row = 0; row < kBlockRows; ++row) {
    const std::size_t first = row / BlockGuide::kRows * BlockGuide::kRows;
    for (const std::int64_t time_ns : {entity.begin_ns[row], entity.end_ns[row] - 1}) {
      const TilePlace place = place_in(guide, static_cast<std::uint64_t>(time_ns - 1000));
      EXPECT_EQ(place.row, first);
      EXPECT_EQ(place.begin, static_cast<std::uint64_t>(entity.begin_ns[first] - 1000));
    }
  }
  EXPECT_EQ(place_in(guide, ~std::uint64_t{0}).row, kBlockRows - BlockGuide::kRows);
}

}  // namespace
}  // namespace vs::history
