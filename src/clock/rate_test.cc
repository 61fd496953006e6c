#include "clock/rate.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "clock/align.h"
#include "clock/map.h"

namespace vs::clock {
namespace {

// algorithms J.2
TEST(Tsc, RatioAndOffset) {
  const TscRelation one{-1'000'000'000'000, std::uint64_t{1} << 48, 48};
  EXPECT_EQ(one.host_of_guest(0), 1'000'000'000'000U);
  const TscRelation scaled{100, (std::uint64_t{3} << 32) / 2, 32};
  EXPECT_EQ(scaled.guest_of_host(1000), 1600U);
  EXPECT_EQ(scaled.host_of_guest(1600), 1000U);
  EXPECT_EQ(static_cast<std::int64_t>(18446738682045395389ULL), -5391664156227);
}

TEST(Tsc, TwoStepsAsOneDifferByAtMostTwoTicks) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    const TscRelation first{-static_cast<std::int64_t>(random() % 1'000'000'000'000),
                            (std::uint64_t{1} << 48) + random() % (std::uint64_t{1} << 46), 48};
    const TscRelation second{-static_cast<std::int64_t>(random() % 1'000'000'000),
                             (std::uint64_t{1} << 48) - random() % (std::uint64_t{1} << 46), 48};
    const std::uint64_t host = 2'000'000'000'000 + random() % 1'000'000'000'000;
    const auto both = compose(first, second).guest_of_host(host);
    const auto steps = second.guest_of_host(first.guest_of_host(host));
    EXPECT_LE(both > steps ? both - steps : steps - both, 2U);
  }
}

TEST(Calibrate, FindsTheRateThroughDelaysAndOtherBases) {
  std::mt19937_64 random(5);
  std::vector<model::NanosecondReading> readings;
  constexpr double kHz = 2'299'998'026.0;
  for (int i = 0; i < 4000; ++i) {
    const std::int64_t ns = i * 5'000'000LL + static_cast<std::int64_t>(random() % 1'000'000);
    const auto delay =
        static_cast<double>(random() % 10 == 0 ? random() % 3'000'000 : random() % 9000);
    const auto ticks = static_cast<std::int64_t>((static_cast<double>(ns) + delay) * kHz / 1e9);
    const bool realtime = random() % 6 == 0;
    readings.push_back({OwnTime{ticks + 77}, realtime ? ns + 1'795'196'357'955'425'975 : ns});
  }
  const auto found = calibrate(readings);
  ASSERT_TRUE(found.has_value());
  EXPECT_NEAR(found->ticks_per_second / kHz, 1.0, 1e-6);
  EXPECT_LT(found->error_ppm, 1.0);
}

TEST(Calibrate, RefusesTooLittleAndNoise) {
  EXPECT_FALSE(calibrate({}).has_value());
  std::vector<model::NanosecondReading> same(100, {OwnTime{5}, 5});
  EXPECT_FALSE(calibrate(same).has_value());
  std::vector<model::NanosecondReading> falling;
  for (int i = 0; i < 100; ++i) falling.push_back({OwnTime{i * 1000}, 100'000 - i * 1000});
  EXPECT_FALSE(calibrate(falling).has_value());
}

TEST(Calibrate, PvclockRate) {
  // 2.3 GHz: ns = ticks * mul >> 32 with shift 0 would need mul < 2^32.
  const auto rate = rate_of({static_cast<std::uint32_t>(4294967296.0 / 2.3), 0});
  ASSERT_TRUE(rate.has_value());
  EXPECT_NEAR(*rate, 2.3e9, 10.0);
  EXPECT_FALSE(rate_of({0, 0}).has_value());
  EXPECT_FALSE(rate_of({1, 60}).has_value());
}

TEST(Deadline, TheMajorityDecides) {
  std::vector<model::DeadlineReading> readings;
  for (int i = 0; i < 50; ++i) {
    const std::int64_t host = 1'000'000 + i * 10'000;
    const bool stale = i % 10 == 3;
    readings.push_back(
        {1, OwnTime{host - 40}, OwnTime{host + 60}, host - 777'000 + (stale ? 9000 : 0)});
  }
  const auto offset = offset_of(readings);
  ASSERT_TRUE(offset.has_value());
  EXPECT_EQ(offset->agreeing, 45U);
  EXPECT_LE(offset->least, -777'000);
  EXPECT_GE(offset->greatest, -777'000);
  EXPECT_FALSE(offset_of({}).has_value());
}

TEST(Scale, RefusesRatesItCannotRepresent) {
  EXPECT_TRUE(scale_of(0).identity());
  EXPECT_TRUE(scale_of(-1).identity());
  EXPECT_TRUE(scale_of(24e6).identity());
  EXPECT_FALSE(scale_of(2.3e9).identity());
  EXPECT_EQ(scale_of(2e9).apply(2'000'000'000), 1'000'000'000);
}

TEST(Map, AGuestInTheHostsTicksRoundsLikeTheHost) {
  const Scale host = scale_of(2'299'998'026.0);
  const model::ClockSegment segment = make_exact_segment(-37'401'732'727, host);
  std::mt19937_64 random(9);
  for (int i = 0; i < 1000; ++i) {
    const auto tick = static_cast<std::int64_t>(random() % 200'000'000'000);
    EXPECT_EQ(segment.to_host(OwnTime{tick - 37'401'732'727}).ns, host.apply(tick));
  }
}

TEST(Assign, FindsTheLeastCost) {
  EXPECT_EQ(assign({{4, 1, 3}, {2, 0, 5}, {3, 2, 2}}), (std::vector<std::size_t>{1, 0, 2}));
  EXPECT_EQ(assign({{0.9, 0.0}}), (std::vector<std::size_t>{1}));
  EXPECT_TRUE(assign({}).empty());
}

}  // namespace
}  // namespace vs::clock
