#include "tests/support/events.h"

#include <gtest/gtest.h>

#include "tests/support/vector_sink.h"

namespace vs::test {
namespace {

using model::EventKind;

TEST(Events, ArgumentsGoToTheSlotsOfTheirNames) {
  const model::Event event = events::sched_switch(
      {.own = 9, .cpu = 3}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8, .next_comm = "n"});
  EXPECT_EQ(event.own.value, 9);
  EXPECT_EQ(event.cpu, 3U);
  EXPECT_EQ(event.tid, 7);
  EXPECT_EQ(event.i(model::arg::kPrevTid), 7);
  EXPECT_EQ(event.i(model::arg::kPrevState), 1);
  EXPECT_EQ(event.i(model::arg::kNextTid), 8);
  EXPECT_EQ(event.texts[model::arg::kNextComm], "n");
  EXPECT_FALSE(event.has(model::arg::kPrevPrio));
}

TEST(Events, AbsentStaysAbsentAndNegativeIsSignExtended) {
  const model::Event fork =
      events::sched_process_fork({.own = 1}, {.parent_tid = 1, .child_tid = 2, .child_ns = -5});
  EXPECT_FALSE(fork.has(model::arg::kForkChildTgid));
  EXPECT_EQ(fork.i(model::arg::kForkChildNs), -5);
  EXPECT_EQ(events::loss({.own = 1}, {.end_own = 4}).type, model::kLossType);
}

TEST(EventsDeathTest, AnUnknownNameEndsTheProgram) {
  EXPECT_DEATH(events::make(EventKind::kKvmEntry, {}, {{"no_such", 1}}), "no argument 'no_such'");
}

TEST(VectorSink, GivesEqualIdsToEqualKeysAndDropsEmptyIntervals) {
  VectorSink sink;
  const std::int64_t key[] = {sink.intern("m"), 0};
  const model::EntityId id = sink.entity(model::TableId::kPcpuState, key);
  EXPECT_EQ(id, sink.entity(model::TableId::kPcpuState, key));
  const std::int64_t values[] = {1, 2, model::kNull, 0};
  sink.add(id, HostTime{5}, HostTime{5}, values);
  sink.add(id, HostTime{5}, HostTime{6}, values);
  ASSERT_EQ(sink.rows(model::TableId::kPcpuState, {key[0], 0}).size(), 1U);
  EXPECT_EQ(sink.text(key[0]), "m");
}

}  // namespace
}  // namespace vs::test
