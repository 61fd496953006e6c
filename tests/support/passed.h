#pragma once
// A reader::PassedSink that keeps what it is told, for tests of readers.

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "reader/trace.h"

namespace vs::test {

struct PassedList final : reader::PassedSink {
  /// CPU, own time, type.
  std::vector<std::tuple<std::uint32_t, std::int64_t, std::uint16_t>> all;

  void on_passed(std::uint32_t cpu, std::span<const std::int64_t> times,
                 std::span<const std::uint16_t> types) override {
    ASSERT_EQ(times.size(), types.size());
    for (std::size_t i = 0; i < times.size(); ++i) all.emplace_back(cpu, times[i], types[i]);
  }
  void add(const model::Event& event) {
    if (event.kind != model::EventKind::kLoss) {
      all.emplace_back(event.cpu, event.own.value, event.type);
    }
  }
};

}  // namespace vs::test
