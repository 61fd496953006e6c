#include "analysis/delivery/vector_map.h"

#include <gtest/gtest.h>

namespace vs::analysis::delivery {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(VectorMap, FiveSamplesOfWhichNineInTenAgree) {
  VectorMap map(2);
  for (std::int64_t i = 0; i < 4; ++i) map.learn(HostTime{i}, 0, 37, DeliveryClass::kDisk);
  EXPECT_EQ(map.class_of(0, 37), std::nullopt);
  map.learn(HostTime{4}, 0, 37, DeliveryClass::kDisk);
  EXPECT_EQ(map.class_of(0, 37), DeliveryClass::kDisk);
  map.learn(HostTime{5}, 0, 37, DeliveryClass::kNetwork);
  EXPECT_EQ(map.class_of(0, 37), std::nullopt);  // 5 of 6
  for (std::int64_t i = 6; i < 11; ++i) map.learn(HostTime{i}, 0, 37, DeliveryClass::kDisk);
  EXPECT_EQ(map.class_of(0, 37), DeliveryClass::kDisk);  // 10 of 11
  EXPECT_EQ(map.class_of(1, 37), std::nullopt);
  EXPECT_EQ(map.class_of(0, 38), std::nullopt);
}

TEST(VectorMap, WhatIsOldCountsLess) {
  VectorMap map(1);
  for (std::int64_t i = 0; i < 1000; ++i) map.learn(HostTime{i}, 0, 37, DeliveryClass::kDisk);
  // The guest gives the vector to another device: half of the weight is gone every two seconds.
  for (std::int64_t i = 0; i < 10; ++i) {
    map.learn(HostTime{40 * kSecond + i}, 0, 37, DeliveryClass::kNetwork);
  }
  EXPECT_EQ(map.class_of(0, 37), DeliveryClass::kNetwork);
}

TEST(VectorMap, TimesThatGoBack) {
  VectorMap map(1);
  for (std::int64_t i = 5; i > 0; --i) map.learn(HostTime{i}, 0, 255, DeliveryClass::kTask);
  EXPECT_EQ(map.class_of(0, 255), DeliveryClass::kTask);
}

}  // namespace
}  // namespace vs::analysis::delivery
