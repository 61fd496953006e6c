#include "clock/hull.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace vs::clock {
namespace {

constexpr std::int64_t kWide = 5'000'000'000;  // residual slope within +-5

TEST(Hull, NothingIsAbsentAndOneSideIsIncomplete) {
  HullSolver solver(0, 0, kWide);
  EXPECT_EQ(solver.solve().kind, SolutionClass::kAbsent);
  ASSERT_TRUE(solver.add_lower(1, 1));
  EXPECT_EQ(solver.solve().kind, SolutionClass::kIncomplete);
  EXPECT_FALSE(solver.solve().feasible());
}

// The steps of Trace Compass' own test of its hull, with the slope range instead of its mid line
// (algorithms J.1). Its last "accurate" result is infeasible: half-planes contradict each other
// there.
TEST(Hull, TraceCompassSteps) {
  HullSolver solver(0, 0, kWide);
  const auto range = [&](long double least, long double greatest) {
    const Solution solution = solver.solve();
    EXPECT_EQ(solution.kind, SolutionClass::kAccurate);
    EXPECT_NEAR(static_cast<double>(1 + solution.slope_min), static_cast<double>(least), 1e-15);
    EXPECT_NEAR(static_cast<double>(1 + solution.slope_max), static_cast<double>(greatest), 1e-15);
  };
  solver.add_lower(1, 1);
  EXPECT_EQ(solver.solve().kind, SolutionClass::kIncomplete);
  solver.add_upper(1, 3);
  solver.add_lower(3, 2);
  EXPECT_EQ(solver.solve().kind, SolutionClass::kApproximate);
  solver.add_upper(3, 5);
  range(-0.5L, 2);  // TC: alpha 0.75
  solver.add_upper(4, 8);
  range(-0.5L, 2);
  solver.add_lower(5, 4);
  range(0.25L, 2);  // TC: 1.125
  solver.add_lower(6, 4);
  range(0.25L, 2);
  solver.add_upper(6, 7);
  range(0.25L, 1.2L);  // TC: 0.725
  solver.add_upper(7, 4);
  EXPECT_EQ(solver.solve().kind, SolutionClass::kInfeasible);  // TC: still "accurate", 0.375
  EXPECT_FALSE(solver.conflict().empty());
}

TEST(Hull, ExactRateNeedsOnlyTheOffset) {
  HullSolver solver(1000, 5000, 0);
  solver.add_upper(2000, 6010);
  solver.add_lower(3000, 6990);
  const Solution solution = solver.solve();
  ASSERT_EQ(solution.kind, SolutionClass::kAccurate);
  EXPECT_EQ(solution.middle(1000), 5000);
  EXPECT_LE(solution.least(9000), 12990);
  EXPECT_GE(solution.greatest(9000), 13010);
  EXPECT_LE(solution.bound(9000), 12);
}

TEST(Hull, ThePriorLimitsTheSlopeOfFactsInOnePlace) {
  HullSolver solver(0, 0, 1000);  // 1 ppm
  solver.add_upper(0, 10);
  solver.add_lower(0, -10);
  const Solution solution = solver.solve();
  ASSERT_EQ(solution.kind, SolutionClass::kApproximate);
  EXPECT_GE(solution.bound(1'000'000'000), 1010);
  EXPECT_LE(solution.bound(1'000'000'000), 1013);
}

TEST(Hull, FarCoordinatesAreRefusedNotOverflowed) {
  HullSolver solver(0, 0, kWide);
  EXPECT_FALSE(solver.add_upper(INT64_MAX, 0));
  EXPECT_FALSE(solver.add_upper(0, INT64_MIN));
  EXPECT_FALSE(solver.add_lower(kFarthest, 0));
  EXPECT_TRUE(solver.add_lower(kFarthest / 2, 0));
  EXPECT_TRUE(solver.add_upper(-kFarthest / 2, 0));
  (void)solver.solve();
  HullSolver low(INT64_MIN, INT64_MIN, kWide);
  EXPECT_FALSE(low.add_upper(5, 5));
}

struct RandomFact {
  std::int64_t x, y;
  bool upper;
};

// The reference: every pair of facts gives a slope (a fraction p/q); among these and the box's ends
// are the polygon's extreme slopes. Feasible at p/q iff q*r_u - p*x_u >= q*r_l - p*x_l for all
// pairs.
struct Fraction {
  std::int64_t p, q;
};
bool feasible_at(const std::vector<RandomFact>& facts, Fraction s) {
  Int128 high = static_cast<Int128>(1) << 120;
  Int128 low = -high;
  for (const RandomFact& fact : facts) {
    const Int128 value =
        static_cast<Int128>(s.q) * (fact.y - fact.x) - static_cast<Int128>(s.p) * fact.x;
    if (fact.upper) {
      high = std::min(high, value);
    } else {
      low = std::max(low, value);
    }
  }
  return low <= high;
}

std::vector<Fraction> slopes_of(const std::vector<RandomFact>& facts, std::int64_t limit_ppb) {
  std::vector<Fraction> slopes{{-limit_ppb, 1'000'000'000}, {limit_ppb, 1'000'000'000}};
  for (const RandomFact& a : facts) {
    for (const RandomFact& b : facts) {
      if (b.x <= a.x) continue;
      const Fraction s{(b.y - b.x) - (a.y - a.x), b.x - a.x};
      if (static_cast<Int128>(s.p) * 1'000'000'000 <= static_cast<Int128>(limit_ppb) * s.q &&
          static_cast<Int128>(s.p) * 1'000'000'000 >= -static_cast<Int128>(limit_ppb) * s.q) {
        slopes.push_back(s);
      }
    }
  }
  return slopes;
}

TEST(Hull, AgreesWithBruteForceOnRandomFacts) {
  std::mt19937_64 random(7);
  int feasible = 0;
  int infeasible = 0;
  for (int round = 0; round < 600; ++round) {
    const std::int64_t limit = round % 3 == 0 ? 200'000'000 : 2'000'000'000;
    HullSolver solver(0, 0, limit);
    std::vector<RandomFact> facts;
    const int count = 2 + static_cast<int>(random() % 10);
    const int noise = round % 4 == 0 ? 3 : 30;
    for (int i = 0; i < count; ++i) {
      const auto x = static_cast<std::int64_t>(random() % 100) - 50;
      const bool upper = i == 0 || (i != 1 && random() % 2 == 0);
      const auto off = static_cast<std::int64_t>(random() % static_cast<unsigned>(noise)) - 2;
      facts.push_back({x, x + x / 7 + (upper ? off : -off), upper});
    }
    for (const RandomFact& fact : facts) {
      ASSERT_TRUE(fact.upper ? solver.add_upper(fact.x, fact.y) : solver.add_lower(fact.x, fact.y));
    }
    long double least = 1e9L;
    long double greatest = -1e9L;
    for (const Fraction s : slopes_of(facts, limit)) {
      if (!feasible_at(facts, s)) continue;
      const long double value = static_cast<long double>(s.p) / static_cast<long double>(s.q);
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    }
    const Solution solution = solver.solve();
    if (least > greatest) {
      ++infeasible;
      ASSERT_EQ(solution.kind, SolutionClass::kInfeasible) << "round " << round;
      continue;
    }
    ++feasible;
    ASSERT_TRUE(solution.feasible()) << "round " << round;
    EXPECT_NEAR(static_cast<double>(solution.slope_min), static_cast<double>(least), 1e-12);
    EXPECT_NEAR(static_cast<double>(solution.slope_max), static_cast<double>(greatest), 1e-12);
    for (const RandomFact& fact : facts) {  // the centre obeys every fact; the bounds enclose it
      const std::int64_t middle = solution.middle(fact.x);
      EXPECT_LE(solution.least(fact.x), middle);
      EXPECT_GE(solution.greatest(fact.x), middle);
      if (fact.upper) {
        EXPECT_LE(middle, fact.y + 1);
        EXPECT_LE(solution.greatest(fact.x), fact.y + 2);
      } else {
        EXPECT_GE(middle, fact.y - 1);
        EXPECT_GE(solution.least(fact.x), fact.y - 2);
      }
    }
  }
  EXPECT_GT(feasible, 100);
  EXPECT_GT(infeasible, 50);
}

TEST(Hull, TheOrderOfFactsDoesNotMatter) {
  std::mt19937_64 random(11);
  std::vector<RandomFact> facts;
  for (int i = 0; i < 400; ++i) {
    const std::int64_t x = i * 1000;
    const auto off = static_cast<std::int64_t>(random() % 500) + 20;
    facts.push_back({x, x + 77 + x / 20000 + (i % 2 == 0 ? off : -off), i % 2 == 0});
  }
  std::vector<std::int64_t> bounds;
  for (int order = 0; order < 4; ++order) {
    HullSolver solver(0, 0, 500'000);
    for (const RandomFact& fact : facts) {
      fact.upper ? solver.add_upper(fact.x, fact.y) : solver.add_lower(fact.x, fact.y);
    }
    const Solution solution = solver.solve();
    ASSERT_TRUE(solution.feasible());
    bounds.push_back(solution.greatest(200'000));
    std::shuffle(facts.begin(), facts.end(), random);
  }
  EXPECT_EQ(std::count(bounds.begin(), bounds.end(), bounds.front()), 4);
}

// Near and far from the origin, on both sides of it.
TEST(RoughMiddle, IsWithinItsDistanceOfTheMiddle) {
  HullSolver solver(1'000'000, 7'000'000, 500'000);
  for (const std::int64_t x : {0, 1'000'000, 3'000'000}) {
    solver.add_upper(x, x + 6'000'050 + x / 30'000);
    solver.add_lower(x, x + 5'999'950 + x / 30'000);
  }
  const Solution solution = solver.solve();
  ASSERT_TRUE(solution.feasible());
  const RoughMiddle rough(solution);
  for (std::int64_t dx = 1; dx < std::int64_t{1} << 50; dx = dx * 3 / 2 + 1) {
    for (const std::int64_t x : {1'000'000 + dx, 1'000'000 - dx}) {
      std::int64_t y = 0;
      if (!rough.at(x, y)) continue;
      EXPECT_LE(std::abs(y - solution.middle(x)), RoughMiddle::kWithin) << x;
    }
  }
  std::int64_t y = 0;
  EXPECT_TRUE(rough.at(2'000'000, y));
  EXPECT_FALSE(rough.at(std::int64_t{1} << 60, y));
}

}  // namespace
}  // namespace vs::clock
