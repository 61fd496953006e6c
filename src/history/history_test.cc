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
    for (int k = 0; k < 30; ++k) {
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

class Property : public testing::TestWithParam<Model::Shape> {};

TEST_P(Property, QueriesAgreeWithANaiveModel) {
  for (const Codec codec : {Codec::kLz4, Codec::kZstd, Codec::kStored}) {
    Model model(GetParam());
    const std::string bytes = build(model, codec);
    const auto reader = test::open_bytes(bytes);
    ASSERT_TRUE(reader.ok()) << reader.error().to_string();
    expect_same(**reader, model);
    EXPECT_TRUE((*reader)->verify().ok());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Property,
    testing::Values(Model::Shape{1, 20, 2000, 1000}, Model::Shape{2, 1, 1000, 5},
                    Model::Shape{3, 6, 60000, 100}, Model::Shape{4, 300, 3000, 1'000'000},
                    Model::Shape{5, 6, 150'000, 3000, -1'000'000'000}, Model::Shape{6, 3, 0, 1},
                    Model::Shape{7, 2, 100'000, 50}));

}  // namespace
}  // namespace vs::history
