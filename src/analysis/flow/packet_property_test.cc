// Random exchanges of packets between two machines: the path equals a recursion that looks at every
// moment on its own, and its pieces sum to the window.

#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/flow/flow_test_support.h"
#include "analysis/flow/property_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::kNull;
using model::PathLabel;
using model::ThreadState;
using test::expect_tiling;
using test::Memory;

constexpr std::int64_t kEnd = 80;
constexpr std::int64_t kThreads = 3;  // of each machine

struct Who {
  std::size_t machine = 0;
  std::int64_t tid = 0;
  friend bool operator==(const Who&, const Who&) = default;
};

struct Row {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  PathLabel label = PathLabel::kRun;
  bool hops = false;
  Who by;
  std::int64_t sent = 0;  ///< when `by` did what ended this row
};

/// Threads that run and wait in turns, woken by packets, by each other or by a timer.
class RandomExchange {
 public:
  explicit RandomExchange(std::uint32_t seed) : dice(seed) {
    for (const std::size_t m : {0U, 1U}) {
      memory.machine(name(m));
      for (std::int64_t tid = 1; tid <= kThreads; ++tid) {
        memory.thread(name(m), tid, "t", 0, kEnd);
        tile({m, tid});
      }
    }
  }
  static std::string name(std::size_t machine) { return machine == 0 ? "a" : "b"; }
  [[nodiscard]] const Row& at(const Who& who, std::int64_t time) const {
    const auto& list = rows[who.machine][static_cast<std::size_t>(who.tid)];
    return *std::find_if(list.begin(), list.end(),
                         [time](const Row& row) { return row.begin <= time && time < row.end; });
  }
  test::Dice dice;
  Memory memory;
  std::vector<Row> rows[2][kThreads + 1];

 private:
  void tile(const Who& who) {
    bool waits = dice(2) == 0;
    for (std::int64_t at = 0; at < kEnd; waits = !waits) {
      Row row{at, std::min(kEnd, at + 1 + dice(12)), PathLabel::kRun, false, {}, 0};
      at = row.end;
      if (waits) wait(who, row);
      const ThreadState state = waits ? ThreadState::kBlocked : ThreadState::kUser;
      const std::string by = row.hops && named_ ? name(row.by.machine) : std::string();
      memory.is(name(who.machine), who.tid, row.begin, row.end,
                {.state = state,
                 .cpu = waits ? kNull : 0,
                 .detail = waits ? detail_ : std::string_view{},
                 .waker_machine = by,
                 .waker = by.empty() ? kNull : row.by.tid});
      rows[who.machine][static_cast<std::size_t>(who.tid)].push_back(row);
    }
  }
  void wait(const Who& who, Row& row) {
    const std::int64_t sort = dice(6);
    named_ = true;
    if (sort == 0) {
      detail_ = "timer";
      row.label = PathLabel::kWaitTimer;
      return;
    }
    if (sort == 1) {
      detail_ = "task";
      row.label = PathLabel::kWaitTask;
      row.by = {who.machine, 1 + dice(kThreads)};
      row.sent = row.end;
    } else {
      detail_ = "network";
      row.label = PathLabel::kWaitNetwork;
      if (sort == 2) return;  // nobody saw the packet being sent
      named_ = dice(3) != 0;  // or the wait does not name its sender, and the packet alone tells
      row.by = {1 - who.machine, 1 + dice(kThreads)};
      row.sent = std::max<std::int64_t>(0, row.end - dice(20));
      memory.packet(name(who.machine), who.tid, row.sent, row.end, name(row.by.machine),
                    row.by.tid);
    }
    row.hops = !(row.by == who);
  }

  std::string_view detail_;
  bool named_ = true;
};

class Reference final : public test::PathRecursion {
 public:
  Reference(const RandomExchange& exchange, const World& world)
      : exchange_(exchange),
        machines_{world.find_machine(RandomExchange::name(0)),
                  world.find_machine(RandomExchange::name(1))} {}
  void explain(const Who& who, std::int64_t low, std::int64_t high, std::size_t depth) {
    for (std::int64_t t = high; t > low;) {
      const Row& row = exchange_.at(who, t - 1);
      const std::int64_t begin = std::max(low, row.begin);
      const bool asked = row.label != PathLabel::kRun && row.label != PathLabel::kWaitTimer;
      if (asked && row.end == t && may_hop(t) && row.hops) {
        const std::int64_t from = std::max(row.sent, begin);
        add(from, t, depth + 1, PathLabel::kTransit, who);
        explain(row.by, begin, from, depth + 1);
      } else {
        add(begin, t, depth, row.label, who);
      }
      t = begin;
    }
  }

 private:
  void add(std::int64_t begin, std::int64_t end, std::size_t depth, PathLabel label,
           const Who& who) {
    emit({HostTime{begin}, HostTime{end}, depth, label, machines_[who.machine], who.tid});
  }
  const RandomExchange& exchange_;
  const MachineNumber machines_[2];
};

TEST(PacketProperty, EqualsTheRecursionAndTilesTheWindow) {
  std::int64_t transits = 0;
  for (std::uint32_t seed = 0; seed < 10'000; ++seed) {
    RandomExchange random(seed);
    const World world(random.memory);
    const Who who{seed % 2, 1 + random.dice(kThreads)};
    const std::int64_t begin = random.dice(20);
    const std::int64_t end = kEnd - random.dice(20);
    Reference reference(random, world);
    reference.explain(who, begin, end, 1);
    const auto steps = test::path_of(world, {world.find_machine(RandomExchange::name(who.machine)),
                                             who.tid, HostTime{begin}, HostTime{end}});
    expect_tiling(steps, begin, end);
    ASSERT_EQ(steps, reference.steps()) << "seed " << seed;
    transits += std::ranges::count(steps, PathLabel::kTransit, &test::Step::label);
  }
  EXPECT_GT(transits, 10'000);
}

}  // namespace
}  // namespace vs::analysis::flow
