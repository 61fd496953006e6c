#include "report/process_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "query/testing/memory_source.h"

namespace vs::report {
namespace {

using model::TableId;
using model::VprocessState;
using query::testing::MemorySource;
using testing::ElementsAre;
using testing::HasSubstr;

struct Row {
  VprocessState state;
  std::int64_t until;
  const char* waker = nullptr;
};

void add(MemorySource& source, const std::string& name, std::int64_t at,
         const std::vector<Row>& rows) {
  const std::int64_t key[] = {source.intern("vm1"), source.intern(name)};
  const model::EntityId entity = source.entity(TableId::kVprocessState, key);
  for (const Row& row : rows) {
    const std::int64_t waker = row.waker == nullptr ? model::kNull : source.intern(row.waker);
    const std::int64_t values[] = {0, static_cast<std::int64_t>(row.state), waker, model::kNull, 0};
    source.add(entity, HostTime{at}, HostTime{row.until}, values);
    at = row.until;
  }
}

std::vector<std::string> words(const ProcessPath& path) {
  std::vector<std::string> out;
  for (const ProcessPathPiece& piece : path.pieces) {
    out.push_back(
        std::to_string(piece.begin.ns) + "-" + std::to_string(piece.end.ns) + " " +
        std::to_string(piece.depth) + " " + piece.vprocess + " " +
        std::string(model::vprocess_state_names()[static_cast<std::size_t>(piece.state)]));
  }
  return out;
}

std::vector<std::string> path_of(const MemorySource& source, const ProcessPathQuery& query) {
  const auto path = gather_process_path(source, query);
  return path.ok() ? words(*path) : std::vector<std::string>{path.error().what};
}

constexpr auto kNonroot = VprocessState::kNonroot;
constexpr auto kTask = VprocessState::kTask;
constexpr auto kDisk = VprocessState::kDisk;

/// a waits for b, b for c, c for the disk.
MemorySource chain() {
  MemorySource source;
  add(source, "a", 0, {{kNonroot, 10}, {kTask, 100, "b"}, {kNonroot, 120}});
  add(source, "b", 0, {{kNonroot, 20}, {kTask, 80, "c"}, {kNonroot, 130}});
  add(source, "c", 5, {{kNonroot, 30}, {kDisk, 70}, {kNonroot, 140}});
  return source;
}

TEST(ProcessPath, AWaitIsReplacedByWhatItsWakerDid) {
  EXPECT_THAT(
      path_of(chain(), {"vm1/a"}),
      ElementsAre("0-10 0 a nonroot", "10-20 1 b nonroot", "20-30 2 c nonroot", "30-70 2 c disk",
                  "70-80 2 c nonroot", "80-100 1 b nonroot", "100-120 0 a nonroot"));
}

TEST(ProcessPath, AWindowThatCutsAWaitDoesNotFollowItsLaterWaker) {
  EXPECT_THAT(path_of(chain(), {"vm1/a", HostTime{5}, HostTime{90}}),
              ElementsAre("5-10 0 a nonroot", "10-90 0 a task"));
  EXPECT_THAT(path_of(chain(), {"vm1/a", HostTime{75}, HostTime{110}}),
              ElementsAre("75-80 2 c nonroot", "80-100 1 b nonroot", "100-110 0 a nonroot"));
}

TEST(ProcessPath, UnknownWakersAreNotInvented) {
  MemorySource source;
  add(source, "a", 0, {{kNonroot, 10}, {kTask, 50}, {kTask, 90, "gone"}, {kNonroot, 100}});
  EXPECT_THAT(path_of(source, {"vm1/a"}), ElementsAre("0-10 0 a nonroot", "10-50 0 a task",
                                                      "50-90 0 a task", "90-100 0 a nonroot"));
}

TEST(ProcessPath, BeforeItsWakerLivedAWaitStaysOne) {
  MemorySource source;
  add(source, "a", 0, {{kNonroot, 10}, {kTask, 60, "b"}, {kNonroot, 70}});
  add(source, "b", 40, {{kNonroot, 80}});
  EXPECT_THAT(path_of(source, {"vm1/a"}), ElementsAre("0-10 0 a nonroot", "10-40 0 a task",
                                                      "40-60 1 b nonroot", "60-70 0 a nonroot"));
}

TEST(ProcessPath, TwoThatWokeEachOtherAtOnceEnd) {
  MemorySource source;
  add(source, "a", 0, {{kNonroot, 10}, {kTask, 50, "b"}, {kNonroot, 60}});
  add(source, "b", 0, {{kNonroot, 20}, {kTask, 50, "a"}, {kNonroot, 60}});
  EXPECT_THAT(path_of(source, {"vm1/a"}), ElementsAre("0-10 0 a nonroot", "10-20 1 b nonroot",
                                                      "20-50 1 b task", "50-60 0 a nonroot"));
  EXPECT_THAT(path_of(source, {"vm1"}),
              ElementsAre("0-20 0 b nonroot", "20-50 0 b task", "50-60 0 a nonroot"));
}

TEST(ProcessPath, AVmsPathFollowsWakersForGoodAndCrossesLives) {
  MemorySource source;
  add(source, "shell", 0, {{kNonroot, 30}});
  add(source, "a", 40, {{kNonroot, 50}, {kTask, 100, "b"}, {kNonroot, 120}});
  add(source, "b", 45, {{kNonroot, 110}});
  EXPECT_THAT(path_of(source, {"vm1"}),
              ElementsAre("0-30 0 shell nonroot", "30-40 0  unknown", "40-45 0 a nonroot",
                          "45-100 0 b nonroot", "100-120 0 a nonroot"));
}

TEST(ProcessPath, NamesThatDoNotExistAreRefusedWithTheNearest) {
  const MemorySource source = chain();
  const auto machine = gather_process_path(source, {"vm2"});
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().code, ErrorCode::kBadUse);
  EXPECT_THAT(machine.error().hint, HasSubstr("vm1"));
  const auto process = gather_process_path(source, {"vm1/x"});
  ASSERT_FALSE(process.ok());
  EXPECT_EQ(process.error().code, ErrorCode::kBadUse);
  EXPECT_EQ(process.error().what, "vm1 has no process x");
}

TEST(ProcessPath, AWindowWithoutItIsEmpty) {
  const auto path = gather_process_path(chain(), {"vm1/a", HostTime{500}, HostTime{600}});
  ASSERT_TRUE(path.ok());
  EXPECT_TRUE(path->pieces.empty());
  EXPECT_EQ(path->begin, path->end);
  EXPECT_THAT(process_path_text(*path, {}), HasSubstr("did not run in this window"));
}

TEST(ProcessPath, SharesSumToTheWhole) {
  const auto path = gather_process_path(chain(), {"vm1/a"});
  ASSERT_TRUE(path.ok());
  std::int64_t milli = 0;
  for (const ProcessPathShare& share : path->shares) milli += share.milli_percent;
  EXPECT_EQ(milli, 100'000);
  EXPECT_THAT(process_path_text(*path, {}), HasSubstr("33.333"));
  EXPECT_THAT(to_csv({process_path_sections(*path)}), HasSubstr("30,40,2,c,0,disk,,,0"));
}

TEST(ProcessPath, PiecesTileAnyWindowOfRandomWorlds) {
  std::mt19937 generator(11);
  const auto random = [&generator](std::int64_t below) {
    return static_cast<std::int64_t>(generator() % static_cast<unsigned>(below));
  };
  const char* const names[] = {"p0", "p1", "p2", "p3", "p4", "gone"};
  for (int world = 0; world < 500; ++world) {
    MemorySource source;
    for (int p = 0; p < 5; ++p) {
      const std::int64_t first = random(40);
      std::int64_t at = first;
      std::vector<Row> rows;
      for (std::int64_t left = 1 + random(12); left > 0; --left) {
        at += 1 + random(8);
        const bool waits = random(2) == 0;
        rows.push_back({waits ? kTask : kNonroot, at,
                        waits ? names[static_cast<std::size_t>(random(6))] : nullptr});
      }
      add(source, names[p], first, rows);
    }
    const HostTime from{random(40)};
    const HostTime to = from + (1 + random(60));
    for (const char* target : {"vm1/p0", "vm1/p3", "vm1"}) {
      const auto path = gather_process_path(source, {target, from, to});
      ASSERT_TRUE(path.ok());
      HostTime at = path->begin;
      for (const ProcessPathPiece& piece : path->pieces) {
        ASSERT_EQ(piece.begin, at);
        ASSERT_LT(piece.begin, piece.end);
        at = piece.end;
      }
      ASSERT_EQ(at, path->end);
    }
  }
}

}  // namespace
}  // namespace vs::report
