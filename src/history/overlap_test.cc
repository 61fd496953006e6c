// Tables whose rows may overlap: several requests of a device in flight, added as they complete.
#include <gtest/gtest.h>

#include "history/history_test_util.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::ModelRow;

constexpr TableId kTable = TableId::kBlockRequest;

struct Shape {
  std::uint32_t seed;
  std::size_t devices;
  std::size_t rows;
  std::int64_t longest_ns;
};

class Requests {
 public:
  explicit Requests(const Shape& shape) : shape_(shape), random_(shape.seed) {}

  void fill(Writer& writer) {
    rows_.resize(shape_.devices);
    for (std::size_t d = 0; d < shape_.devices; ++d) {
      const std::int64_t key[] = {0, static_cast<std::int64_t>(d)};
      ids_.push_back(writer.entity(kTable, key));
    }
    const std::size_t width = model::table_def(kTable).value_count();
    std::int64_t now_ns = -1000;
    for (std::size_t i = 0; i < shape_.rows; ++i) {
      now_ns += below(200);
      const auto d = static_cast<std::size_t>(below(std::int64_t(shape_.devices)));
      std::int64_t length_ns = below(20) == 0 ? 0 : below(1000);
      if (below(100) == 0) length_ns = below(shape_.longest_ns);
      ModelRow row{now_ns - length_ns, now_ns, {}};
      for (std::size_t c = 0; c < width; ++c) {
        row.values.push_back(below(6) == 0 ? model::kNull : below(c % 2 == 0 ? 4 : 100'000));
      }
      writer.add(ids_[d], HostTime{row.begin_ns}, HostTime{row.end_ns}, row.values);
      rows_[d].push_back(std::move(row));
    }
    // As they are read: by begin, of equals the first one that completed.
    for (auto& rows : rows_) std::ranges::stable_sort(rows, {}, &ModelRow::begin_ns);
  }
  [[nodiscard]] EntityId id(std::size_t device) const { return ids_[device]; }
  [[nodiscard]] const std::vector<ModelRow>& rows(std::size_t device) const {
    return rows_[device];
  }
  [[nodiscard]] std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }

 private:
  const Shape shape_;
  std::mt19937_64 random_;
  std::vector<EntityId> ids_;
  std::vector<std::vector<ModelRow>> rows_;
};

std::shared_ptr<const Reader> build(Requests& requests) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  requests.fill(*writer);
  EXPECT_TRUE(writer->commit().ok());
  EXPECT_EQ(writer->repaired_rows(), 0U);
  auto reader = test::open_bytes(outputs.bytes());
  EXPECT_TRUE(reader.ok()) << reader.error().to_string();
  return std::move(reader).value();
}

void expect_range(const Reader& reader, EntityId id, const std::vector<ModelRow>& rows,
                  std::int64_t from, std::int64_t to) {
  std::vector<const ModelRow*> expected;
  for (const ModelRow& row : rows) {
    const bool empty_inside =
        row.begin_ns == row.end_ns && row.begin_ns >= from && row.begin_ns < to;
    if ((row.end_ns > from && row.begin_ns < to) || empty_inside) expected.push_back(&row);
  }
  RowCursor cursor = reader.rows(id, HostTime{from}, HostTime{to});
  Row row;
  std::size_t got = 0;
  while (cursor.next(row)) {
    ASSERT_LT(got, expected.size());
    ASSERT_EQ(row.begin.ns, expected[got]->begin_ns);
    ASSERT_EQ(row.end.ns, expected[got]->end_ns);
    ASSERT_TRUE(std::ranges::equal(row.values, expected[got]->values)) << got;
    ++got;
  }
  ASSERT_TRUE(cursor.status().ok()) << cursor.status().error().to_string();
  ASSERT_EQ(got, expected.size());
}

class Overlap : public testing::TestWithParam<Shape> {};

TEST_P(Overlap, RangesAgreeWithANaiveModel) {
  Requests requests(GetParam());
  const auto reader = build(requests);
  EXPECT_TRUE(reader->verify().ok());
  for (std::size_t d = 0; d < GetParam().devices; ++d) {
    const auto& rows = requests.rows(d);
    expect_range(*reader, requests.id(d), rows, kHostTimeMin.ns, kHostTimeMax.ns);
    if (rows.empty()) continue;
    const std::int64_t first = rows.front().begin_ns;
    const std::int64_t span = rows.back().end_ns - first + 10;
    for (int i = 0; i < 10; ++i) {
      const std::int64_t from = first - 5 + requests.below(span);
      expect_range(*reader, requests.id(d), rows, from, from + requests.below(span / 8 + 1));
      expect_range(*reader, requests.id(d), rows, from, from + 1);
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST_P(Overlap, OfRowsThatHoldTheLastToBeginIsTheState) {
  Requests requests(GetParam());
  const auto reader = build(requests);
  for (int i = 0; i < 30; ++i) {
    const auto d = static_cast<std::size_t>(requests.below(std::int64_t(GetParam().devices)));
    const auto& rows = requests.rows(d);
    if (rows.empty()) continue;
    const std::int64_t time =
        rows[static_cast<std::size_t>(requests.below(std::int64_t(rows.size())))].begin_ns;
    const ModelRow* expected = nullptr;
    for (const ModelRow& row : rows) {
      if (row.begin_ns <= time && time < row.end_ns) expected = &row;
    }
    const auto got = reader->at(requests.id(d), HostTime{time});
    ASSERT_TRUE(got.ok());
    ASSERT_EQ(got->has_value(), expected != nullptr);
    if (expected == nullptr) continue;
    EXPECT_EQ((*got)->begin.ns, expected->begin_ns);
    EXPECT_EQ((*got)->end.ns, expected->end_ns);
    const auto state = reader->full_state(kTable, HostTime{time});
    ASSERT_TRUE(state.ok());
    const auto mine = std::ranges::find(state->rows, requests.id(d), &FullState::Row::entity);
    ASSERT_NE(mine, state->rows.end());
    EXPECT_EQ(mine->begin.ns, expected->begin_ns);
    EXPECT_TRUE(std::ranges::equal(mine->values, (*got)->values()));
  }
}

TEST_P(Overlap, TimelinesCoverWhatIsCovered) {
  Requests requests(GetParam());
  const auto reader = build(requests);
  const auto& rows = requests.rows(0);
  if (rows.empty()) return;
  const std::int64_t from = rows[rows.size() / 2].begin_ns;
  const Window window{HostTime{from}, HostTime{from + 20'000}, 200, 0};
  const auto picture =
      reader->timeline(requests.id(0), window.from, window.to, window.pixels, window.value_slot);
  ASSERT_TRUE(picture.ok());
  for (std::size_t p = 0; p < window.pixels; ++p) {
    const std::int64_t begin = from + static_cast<std::int64_t>(p) * 100;
    const bool covered = std::ranges::any_of(rows, [&](const ModelRow& row) {
      return row.begin_ns < begin + 100 && row.end_ns > begin && row.end_ns > row.begin_ns;
    });
    EXPECT_EQ((*picture)[p].share > 0, covered) << p;
    EXPECT_LE((*picture)[p].share, 1.0F);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Overlap,
                         testing::Values(Shape{1, 3, 2000, 5000}, Shape{2, 1, 5000, 1'000'000},
                                         Shape{3, 2, 20'000, 50'000}, Shape{4, 40, 500, 100'000},
                                         Shape{5, 2, 0, 10}));

// Requests that are in flight when a slab is sealed.
TEST(OverlapSlabs, RangesAgreeWithANaiveModel) {
  Requests requests(Shape{6, 1, 270'000, 2'000'000});
  const auto reader = build(requests);
  const auto& rows = requests.rows(0);
  expect_range(*reader, requests.id(0), rows, kHostTimeMin.ns, kHostTimeMax.ns);
  for (int i = 0; i < 5; ++i) {
    const std::int64_t from = rows.back().end_ns - 4'000'000 + requests.below(4'000'000);
    expect_range(*reader, requests.id(0), rows, from, from + requests.below(100'000));
  }
}

}  // namespace
}  // namespace vs::history
