// Random exchanges of packets between two machines: the path equals a recursion that looks at every
// moment on its own, and its pieces sum to the window.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "analysis/flow/critical_path.h"
#include "analysis/flow/flow_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::kNull;
using model::PathLabel;
using model::ThreadState;
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

struct Step {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::size_t depth = 0;
  PathLabel label = PathLabel::kRun;
  Who who;
  friend bool operator==(const Step&, const Step&) = default;
};

/// Threads that run and wait in turns, woken by packets, by each other or by a timer.
class RandomExchange {
 public:
  explicit RandomExchange(std::uint32_t seed) : random_(seed) {
    for (const std::size_t m : {0U, 1U}) {
      memory.machine(name(m));
      for (std::int64_t tid = 1; tid <= kThreads; ++tid) {
        memory.thread(name(m), tid, "t", 0, kEnd);
        tile({m, tid});
      }
    }
  }
  static std::string name(std::size_t machine) { return machine == 0 ? "a" : "b"; }
  std::int64_t dice(std::int64_t sides) {
    return std::uniform_int_distribution<std::int64_t>(0, sides - 1)(random_);
  }
  [[nodiscard]] const Row& at(const Who& who, std::int64_t time) const {
    const auto& list = rows[who.machine][static_cast<std::size_t>(who.tid)];
    return *std::find_if(list.begin(), list.end(),
                         [time](const Row& row) { return row.begin <= time && time < row.end; });
  }
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

  std::mt19937 random_;
  std::string_view detail_;
  bool named_ = true;
};

class Reference {
 public:
  explicit Reference(const RandomExchange& world) : world_(world) {}
  void explain(const Who& who, std::int64_t low, std::int64_t high, std::size_t depth) {
    for (std::int64_t t = high; t > low;) {
      const Row& row = world_.at(who, t - 1);
      const std::int64_t begin = std::max(low, row.begin);
      const bool asked = row.label != PathLabel::kRun && row.label != PathLabel::kWaitTimer;
      if (asked && row.end == t && may_hop(t) && row.hops) {
        const std::int64_t from = std::max(row.sent, begin);
        emit({from, t, depth + 1, PathLabel::kTransit, who});
        explain(row.by, begin, from, depth + 1);
      } else {
        emit({begin, t, depth, row.label, who});
      }
      t = begin;
    }
  }
  std::vector<Step> steps;  ///< latest first

 private:
  bool may_hop(std::int64_t time) {
    if (time != hop_time_) hops_ = 0;
    hop_time_ = time;
    return ++hops_ <= 64;
  }
  void emit(const Step& step) {
    if (step.begin < step.end) steps.push_back(step);
  }
  const RandomExchange& world_;
  std::int64_t hop_time_ = kNull;
  int hops_ = 0;
};

/// Equal neighbours as one: the walk joins what has the same cause too.
std::vector<Step> joined(const std::vector<Step>& steps) {
  std::vector<Step> out;
  for (const Step& step : steps) {
    const bool same = !out.empty() && out.back().depth == step.depth &&
                      out.back().label == step.label && out.back().who == step.who;
    if (same) {
      out.back().end = step.end;
    } else {
      out.push_back(step);
    }
  }
  return out;
}

TEST(PacketProperty, EqualsTheRecursionAndTilesTheWindow) {
  std::int64_t transits = 0;
  for (std::uint32_t seed = 0; seed < 10'000; ++seed) {
    RandomExchange random(seed);
    const World world(random.memory);
    const Who who{seed % 2, 1 + random.dice(kThreads)};
    const std::int64_t begin = random.dice(20);
    const std::int64_t end = kEnd - random.dice(20);
    Reference reference(random);
    reference.explain(who, begin, end, 1);
    std::reverse(reference.steps.begin(), reference.steps.end());

    auto walk = PathWalk::make(world, {world.find_machine(RandomExchange::name(who.machine)),
                                       who.tid, HostTime{begin}, HostTime{end}});
    ASSERT_TRUE(walk.ok());
    std::vector<Step> steps;
    PathPiece piece;
    std::int64_t at = begin;
    while (walk->next(piece)) {
      ASSERT_EQ(piece.begin.ns, at) << "seed " << seed;
      at = piece.end.ns;
      const std::size_t machine = world.machine(piece.machine).name == "a" ? 0 : 1;
      steps.push_back(
          {piece.begin.ns, piece.end.ns, piece.depth, piece.label, {machine, piece.tid}});
      transits += piece.label == PathLabel::kTransit ? 1 : 0;
    }
    ASSERT_EQ(at, end) << "seed " << seed;
    ASSERT_EQ(joined(steps), joined(reference.steps)) << "seed " << seed;
  }
  EXPECT_GT(transits, 10'000);
}

}  // namespace
}  // namespace vs::analysis::flow
