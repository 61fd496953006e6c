#pragma once
// Test only: what the property tests of this folder share. Dice, the pieces of a path as they are
// compared, the walk that gives them, and the frame of the recursions that they are compared with.
//
// Threads: one.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "analysis/flow/critical_path.h"

namespace vs::analysis::flow::test {

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  /// 0 to sides - 1.
  std::int64_t operator()(std::int64_t sides) {
    return std::uniform_int_distribution<std::int64_t>(0, sides - 1)(random_);
  }

 private:
  std::mt19937 random_;
};

struct Step {
  HostTime begin;
  HostTime end;
  std::size_t depth = 0;
  model::PathLabel label = model::PathLabel::kUnknown;
  MachineNumber machine = kNoMachine;
  std::int64_t tid = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

/// Appends in the order of time; equal neighbours are one: the walk tells their causes apart.
inline void join_step(std::vector<Step>& steps, const Step& step) {
  const bool same = !steps.empty() && steps.back().depth == step.depth &&
                    steps.back().label == step.label && steps.back().machine == step.machine &&
                    steps.back().tid == step.tid;
  if (same) {
    steps.back().end = step.end;
  } else {
    steps.push_back(step);
  }
}

/// The path as it is walked.
inline std::vector<Step> path_of(const World& world, const TaskWindow& task,
                                 const PathOptions& options = {}) {
  auto walk = PathWalk::make(world, task, options);
  EXPECT_TRUE(walk.ok());
  std::vector<Step> steps;
  PathPiece piece;
  while (walk.ok() && walk->next(piece)) {
    join_step(steps, {piece.begin, piece.end, piece.depth, piece.label, piece.machine, piece.tid});
  }
  return steps;
}

/// F.3 as a recursion over explanations instead of a stack: what the recursions over different
/// worlds have in common. A derived one calls emit() from the latest piece to the first.
class PathRecursion {
 public:
  /// In the order of time.
  [[nodiscard]] std::vector<Step> steps() const {
    std::vector<Step> out;
    std::for_each(latest_first_.rbegin(), latest_first_.rend(),
                  [&out](const Step& step) { join_step(out, step); });
    return out;
  }

 protected:
  /// A wait is given up after 64 hops at one instant.
  [[nodiscard]] bool may_hop(std::int64_t time) {
    if (time != hop_time_) hops_ = 0;
    hop_time_ = time;
    return ++hops_ <= 64;
  }
  void emit(const Step& step) {
    if (step.begin < step.end) latest_first_.push_back(step);
  }

 private:
  std::vector<Step> latest_first_;
  std::int64_t hop_time_ = model::kNull;
  int hops_ = 0;
};

template <typename Piece>
void expect_tiling(const std::vector<Piece>& pieces, std::int64_t begin, std::int64_t end) {
  std::int64_t at = begin;
  for (const Piece& piece : pieces) {
    ASSERT_EQ(piece.begin.ns, at);
    ASSERT_GT(piece.end.ns, piece.begin.ns);
    at = piece.end.ns;
  }
  ASSERT_EQ(at, std::max(begin, end));
}

}  // namespace vs::analysis::flow::test
