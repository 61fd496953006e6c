#include "session/queued_sink.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/vector_sink.h"

namespace vs::session {
namespace {

using model::TableId;

/// Writes down every call; may give wrong ids.
class Recorder final : public model::IntervalSink {
 public:
  [[nodiscard]] model::StringId intern(std::string_view text) override {
    log += "t " + std::string(text) + "\n";
    return next_string++;
  }
  [[nodiscard]] model::EntityId entity(TableId table, std::span<const std::int64_t> key) override {
    log += "e " + std::to_string(static_cast<int>(table));
    for (const std::int64_t part : key) log += " " + std::to_string(part);
    log += "\n";
    return next_entity++;
  }
  void add(model::EntityId entity, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override {
    log += "a " + std::to_string(entity) + " " + std::to_string(begin.ns) + " " +
           std::to_string(end.ns);
    for (const std::int64_t value : values) log += " " + std::to_string(value);
    log += "\n";
  }
  std::string log;
  model::StringId next_string = 0;
  model::EntityId next_entity = 0;
};

/// The same calls into a sink: few distinct texts and keys, many rows.
void fill(model::IntervalSink& sink, int rows) {
  std::mt19937 random(7);
  for (int i = 0; i < rows; ++i) {
    const model::StringId text = sink.intern("text " + std::to_string(random() % 50));
    const std::array<std::int64_t, 2> key = {text, static_cast<std::int64_t>(random() % 20)};
    const model::EntityId entity = sink.entity(TableId::kPcpuState, key);
    const std::array<std::int64_t, 4> values = {1, i, text, 0};
    sink.add(entity, HostTime{i}, HostTime{i + 1}, values);
  }
}

TEST(QueuedSink, TheTargetSeesFirstUsesAndAllRowsInTheOrderOfTheCalls) {
  for (const int rows : {0, 1, 100, 100'000}) {
    vs::test::VectorSink plain;
    vs::test::VectorSink queued;
    fill(plain, rows);
    QueuedSink sink(queued);
    fill(sink, rows);
    ASSERT_TRUE(sink.drain().ok());
    ASSERT_EQ(plain.entities().size(), queued.entities().size());
    for (std::size_t e = 0; e < plain.entities().size(); ++e) {
      const auto& a = plain.entities()[e];
      const auto& b = queued.entities()[e];
      EXPECT_EQ(a.key, b.key);
      ASSERT_EQ(a.intervals.size(), b.intervals.size());
      for (std::size_t i = 0; i < a.intervals.size(); ++i) {
        ASSERT_EQ(a.intervals[i].begin, b.intervals[i].begin);
        ASSERT_EQ(a.intervals[i].values, b.intervals[i].values);
      }
    }
  }
}

TEST(QueuedSink, CallsKeepTheirOrder) {
  Recorder recorder;
  QueuedSink sink(recorder);
  EXPECT_EQ(sink.intern("a"), 0);
  EXPECT_EQ(sink.intern("b"), 1);
  EXPECT_EQ(sink.intern("a"), 0);
  EXPECT_EQ(sink.entity(TableId::kPcpuState, std::array<std::int64_t, 2>{0, 3}), 0U);
  sink.add(0, HostTime{1}, HostTime{2}, std::array<std::int64_t, 1>{9});
  EXPECT_EQ(sink.entity(TableId::kFusedCpu, std::array<std::int64_t, 2>{0, 3}), 1U);
  EXPECT_EQ(sink.entity(TableId::kPcpuState, std::array<std::int64_t, 2>{0, 3}), 0U);
  ASSERT_TRUE(sink.drain().ok());
  EXPECT_EQ(recorder.log, "t a\nt b\ne 1 0 3\na 0 1 2 9\ne 2 0 3\n");
}

TEST(QueuedSink, AnIdOutOfOrderIsToldAndNothingMoreIsHandedOn) {
  Recorder recorder;
  recorder.next_string = 5;
  QueuedSink sink(recorder);
  fill(sink, 50'000);
  EXPECT_FALSE(sink.drain().ok());
}

TEST(QueuedSink, EndsWithoutDrain) {
  vs::test::VectorSink target;
  {
    QueuedSink sink(target);
    fill(sink, 20'000);
  }
  EXPECT_FALSE(target.entities().empty());
}

}  // namespace
}  // namespace vs::session
