#include <gtest/gtest.h>

#include "history/history_test_util.h"
#include "history/reader.h"
#include "history/writer.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::Model;
using test::ModelEntity;
using test::ModelRow;

std::string build(Model& model, Codec codec = Codec::kLz4) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.codec = codec;
  options.outputs = &outputs;
  auto writer = Writer::create("h", options);
  EXPECT_TRUE(writer.ok());
  model.fill(**writer);
  const Status done = (*writer)->commit();
  EXPECT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ((*writer)->repaired_rows(), 0U);
  return outputs.bytes();
}

std::vector<ModelRow> expected_rows(const ModelEntity& entity, std::int64_t from, std::int64_t to) {
  std::vector<ModelRow> out;
  for (const ModelRow& row : entity.rows) {
    const bool overlaps = row.end_ns > from && row.begin_ns < to;
    const bool empty_inside =
        row.begin_ns == row.end_ns && row.begin_ns >= from && row.begin_ns < to;
    if ((overlaps && from < to) || empty_inside) out.push_back(row);
  }
  return out;
}

void expect_rows(const Reader& reader, EntityId id, const ModelEntity& entity, std::int64_t from,
                 std::int64_t to) {
  const auto expected = expected_rows(entity, from, to);
  RowCursor cursor = reader.rows(id, HostTime{from}, HostTime{to});
  Row row;
  std::size_t got = 0;
  while (cursor.next(row)) {
    ASSERT_LT(got, expected.size());
    ASSERT_EQ(row.begin.ns, expected[got].begin_ns);
    ASSERT_EQ(row.end.ns, expected[got].end_ns);
    ASSERT_TRUE(std::equal(row.values.begin(), row.values.end(), expected[got].values.begin(),
                           expected[got].values.end()))
        << "row " << got;
    ++got;
  }
  ASSERT_TRUE(cursor.status().ok()) << cursor.status().error().to_string();
  ASSERT_EQ(got, expected.size());
}

void expect_at(const Reader& reader, EntityId id, const ModelEntity& entity, std::int64_t time) {
  const ModelRow* expected = nullptr;
  for (const ModelRow& row : entity.rows) {
    if (row.begin_ns <= time && time < row.end_ns) expected = &row;
  }
  const auto got = reader.at(id, HostTime{time});
  ASSERT_TRUE(got.ok()) << got.error().to_string();
  ASSERT_EQ(got->has_value(), expected != nullptr);
  if (expected == nullptr) return;
  EXPECT_EQ((*got)->begin.ns, expected->begin_ns);
  EXPECT_EQ((*got)->end.ns, expected->end_ns);
  const auto values = (*got)->values();
  EXPECT_TRUE(
      std::equal(values.begin(), values.end(), expected->values.begin(), expected->values.end()));
}

void expect_totals(const Reader& reader, EntityId id, const ModelEntity& entity) {
  const auto slot = Reader::state_slot(entity.table);
  ASSERT_TRUE(slot.has_value());
  std::map<std::int64_t, StateTotal> expected;
  for (const ModelRow& row : entity.rows) {
    StateTotal& total = expected[row.values[*slot]];
    total.duration_ns += row.end_ns - row.begin_ns;
    ++total.rows;
  }
  const auto got = reader.totals(id);
  ASSERT_EQ(got.size(), expected.size());
  std::size_t i = 0;
  for (const auto& [value, total] : expected) {
    EXPECT_EQ(got[i].value, value);
    EXPECT_EQ(got[i].duration_ns, total.duration_ns);
    EXPECT_EQ(got[i].rows, total.rows);
    ++i;
  }
}

void expect_same(const Reader& reader, Model& model) {
  for (std::size_t i = 0; i < model.entities().size(); ++i) {
    const ModelEntity& entity = model.entities()[i];
    const EntityId id = model.id(i);
    expect_rows(reader, id, entity, kHostTimeMin.ns, kHostTimeMax.ns);
    expect_totals(reader, id, entity);
    if (entity.rows.empty()) continue;
    const std::int64_t first = entity.rows.front().begin_ns;
    const std::int64_t span = entity.rows.back().end_ns - first + 10;
    for (int k = 0; k < 12; ++k) {
      const std::int64_t from = first - 5 + model.below(span);
      expect_rows(reader, id, entity, from, from + model.below(span / 4 + 1));
      expect_at(reader, id, entity, from);
      const auto pick = static_cast<std::size_t>(model.below(std::int64_t(entity.rows.size())));
      const ModelRow& row = entity.rows[pick];
      expect_at(reader, id, entity, row.begin_ns);
      expect_at(reader, id, entity, row.end_ns);
      expect_rows(reader, id, entity, row.begin_ns, row.end_ns);
      expect_rows(reader, id, entity, row.end_ns, row.end_ns + 1);
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

void expect_state(const Reader& reader, Model& model, TableId table, std::int64_t time) {
  std::map<EntityId, const ModelRow*> expected;
  for (std::size_t i = 0; i < model.entities().size(); ++i) {
    if (model.entities()[i].table != table) continue;
    for (const ModelRow& row : model.entities()[i].rows) {
      if (row.begin_ns <= time && time < row.end_ns) expected[model.id(i)] = &row;
    }
  }
  const auto got = reader.full_state(table, HostTime{time});
  ASSERT_TRUE(got.ok()) << got.error().to_string();
  ASSERT_EQ(got->rows.size(), expected.size());
  auto want = expected.begin();
  for (const FullState::Row& row : got->rows) {
    EXPECT_EQ(row.entity, want->first);
    EXPECT_EQ(row.begin.ns, want->second->begin_ns);
    EXPECT_EQ(row.end.ns, want->second->end_ns);
    EXPECT_TRUE(std::ranges::equal(row.values, want->second->values));
    ++want;
  }
}

/// Held time by pixel and value, from the rows as they were added.
std::vector<std::map<std::int64_t, std::int64_t>> naive_picture(const ModelEntity& entity,
                                                                std::int64_t from, std::int64_t to,
                                                                std::size_t pixels,
                                                                std::size_t slot) {
  std::vector<std::map<std::int64_t, std::int64_t>> out(pixels);
  const auto edge = [&](std::size_t i) {
    return from + static_cast<std::int64_t>(static_cast<unsigned __int128>(to - from) * i / pixels);
  };
  std::size_t first = 0;
  for (const ModelRow& row : entity.rows) {
    while (first < pixels && edge(first + 1) <= row.begin_ns) ++first;
    for (std::size_t p = first; p < pixels && edge(p) < row.end_ns; ++p) {
      const std::int64_t held = std::min(row.end_ns, edge(p + 1)) - std::max(row.begin_ns, edge(p));
      if (held > 0) out[p][row.values[slot]] += held;
    }
  }
  return out;
}

struct Differences {
  double worst = 0;  ///< of a share
  double sum = 0;
  std::size_t pixels = 0;
};

struct Window {
  std::int64_t from;
  std::int64_t to;
  std::size_t pixels;
};

void compare_picture(const Reader& reader, EntityId id, const ModelEntity& entity,
                     const Window& window, Differences& sum) {
  const auto& [from, to, pixels] = window;
  const std::size_t slot = *Reader::state_slot(entity.table);
  const auto expected = naive_picture(entity, from, to, pixels, slot);
  const auto got = reader.timeline(id, HostTime{from}, HostTime{to}, pixels, slot);
  ASSERT_TRUE(got.ok()) << got.error().to_string();
  ASSERT_EQ(got->size(), pixels);
  for (std::size_t p = 0; p < pixels; ++p) {
    std::int64_t best = 0;
    for (const auto& [value, held] : expected[p]) best = std::max(best, held);
    const auto width = static_cast<double>(to - from) / static_cast<double>(pixels);
    const Pixel& pixel = got.value()[p];
    const auto of_value = expected[p].find(pixel.value);
    const double really =
        of_value == expected[p].end() ? 0 : static_cast<double>(of_value->second) / width;
    // Both that the value is (nearly) the longest one and that its share is right.
    const double off = std::max(std::abs(static_cast<double>(pixel.share) - really),
                                static_cast<double>(best) / width - really);
    sum.worst = std::max(sum.worst, off);
    sum.sum += off;
    ++sum.pixels;
  }
}

class Property : public testing::TestWithParam<Model::Shape> {};

TEST_P(Property, QueriesAgreeWithANaiveModel) {
  for (const Codec codec : {Codec::kLz4, Codec::kZstd, Codec::kStored}) {
    Model model(GetParam());
    if (GetParam().rows > 100'000 && codec != Codec::kLz4) continue;
    const std::string bytes = build(model, codec);
    const auto reader = test::open_bytes(bytes);
    ASSERT_TRUE(reader.ok()) << reader.error().to_string();
    expect_same(**reader, model);
    EXPECT_TRUE((*reader)->verify().ok());
    if (codec != Codec::kLz4) continue;
    for (int k = 0; k < 20; ++k) {
      const std::int64_t span = model.end_ns() - GetParam().start_ns + 1;
      const std::int64_t time = GetParam().start_ns + model.below(span);
      for (const TableId table : {TableId::kVcpuState, TableId::kVmExit, TableId::kThreadState}) {
        expect_state(**reader, model, table, time);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Property,
                         testing::Values(Model::Shape{1, 20, 2000, 1000},
                                         Model::Shape{2, 1, 1000, 5},
                                         Model::Shape{3, 6, 60000, 100},
                                         Model::Shape{4, 300, 3000, 1'000'000},
                                         Model::Shape{5, 6, 280'000, 3000, -1'000'000'000},
                                         Model::Shape{6, 3, 0, 1}, Model::Shape{7, 2, 40'000, 50}));

TEST_P(Property, NarrowPicturesAreExact) {
  Model model(GetParam());
  const auto reader = test::open_bytes(build(model));
  ASSERT_TRUE(reader.ok());
  Differences sum;
  for (std::size_t i = 0; i < model.entities().size(); ++i) {
    const ModelEntity& entity = model.entities()[i];
    if (entity.rows.empty()) continue;
    const auto pick = static_cast<std::size_t>(model.below(std::int64_t(entity.rows.size())));
    const std::int64_t from = entity.rows[pick].begin_ns - 50;
    for (const std::int64_t width : {7, 1000, 20 * 1000}) {
      compare_picture(**reader, model.id(i), entity, {from, from + width * 100, 100}, sum);
    }
  }
  EXPECT_LT(sum.worst, 0.011);  // a share is a float and pixels differ by a nanosecond of width
}

// Only the state column has summaries; a picture of it must be near the truth at every zoom, and
// one that is wider than the trace must not lose time.
TEST(Timeline, WidePicturesAreNearTheTruth) {
  Model model(Model::Shape{11, 2, 300'000, 1000});
  const std::string bytes = build(model);
  const auto reader = test::open_bytes(bytes, 8 << 20);
  ASSERT_TRUE(reader.ok());
  for (const std::size_t pixels : {1U, 10U, 100U, 1000U, 5000U}) {
    Differences sum;
    for (std::size_t i = 0; i < 2; ++i) {
      const ModelEntity& entity = model.entities()[i];
      const std::int64_t from = entity.rows.front().begin_ns;
      compare_picture(**reader, model.id(i), entity, {from, entity.rows.back().end_ns, pixels},
                      sum);
    }
    EXPECT_LT(sum.sum / static_cast<double>(sum.pixels), 0.02) << pixels;
    EXPECT_LT(sum.worst, 0.51) << pixels;
  }
}

TEST(Timeline, DegenerateWindows) {
  Model model(Model::Shape{12, 1, 100, 1000});
  const auto reader = test::open_bytes(build(model));
  ASSERT_TRUE(reader.ok());
  const EntityId id = model.id(0);
  const ModelRow& row = model.entities()[0].rows[5];
  const auto picture = [&](std::int64_t from, std::int64_t to, std::size_t pixels) {
    return (*reader)->timeline(id, HostTime{from}, HostTime{to}, pixels, 0).value();
  };
  EXPECT_TRUE(picture(row.begin_ns, row.end_ns, 0).empty());
  EXPECT_EQ(picture(5, 5, 3).size(), 3U);
  EXPECT_EQ(picture(9, 5, 3)[0].share, 0);
  const auto zoomed = picture(row.begin_ns, row.begin_ns + 1, 4);  // less than a ns per pixel
  for (const Pixel& pixel : zoomed) {
    EXPECT_EQ(pixel.value, row.values[0]);
    EXPECT_EQ(pixel.share, 1);
  }
  const auto everything = picture(kHostTimeMin.ns, kHostTimeMax.ns, 10);
  EXPECT_EQ(everything.size(), 10U);
  const auto unknown = (*reader)->timeline(99, HostTime{0}, HostTime{9}, 3, 0);
  EXPECT_EQ(unknown.value()[0].share, 0);
}

}  // namespace
}  // namespace vs::history
