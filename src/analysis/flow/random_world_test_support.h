#pragma once
// Test only: a random layered world for the property tests of this folder.
//
// Threads: one.

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/flow/flow_test_support.h"
#include "analysis/flow/property_test_support.h"

namespace vs::analysis::flow::test {

constexpr std::int64_t kEnd = 60;

/// Random tilings of a host with two CPUs, two guests with two vCPUs each, and their threads.
class RandomWorld {
 public:
  explicit RandomWorld(std::uint32_t seed, std::int64_t length = kEnd) : dice(seed), end_(length) {
    memory.machine("host");
    for (const char* vm : {"vm1", "vm2"}) memory.machine(vm, "host");
    for (std::int64_t v = 0; v < 2; ++v) {
      memory.vcpu("vm1", v, "host", 10 + v);
      memory.vcpu("vm2", v, "host", 20 + v);
    }
    for (const char* machine : {"host", "vm1", "vm2"}) {
      for (const std::int64_t tid : tids(machine)) {
        memory.thread(machine, tid, "t" + std::to_string(tid), 0, end_);
        tile(tid, [&](std::int64_t begin, std::int64_t end) { thread(machine, tid, begin, end); });
      }
      for (std::int64_t cpu = 0; cpu < 2; ++cpu) cpu_rows(machine, cpu);
    }
    if (dice(3) == 0) memory.loss(dice(2) == 0 ? "vm1" : "host", dice(30), 30 + dice(30));
  }

  static std::vector<std::int64_t> tids(std::string_view machine) {
    return machine == "host" ? std::vector<std::int64_t>{30, 31, 32, 33, 10, 20}
                             : std::vector<std::int64_t>{1, 2, 3};
  }
  test::Dice dice;
  Memory memory;

 private:
  template <typename Row>
  void tile(std::int64_t salt, Row row) {
    std::int64_t at = dice(4) == 0 ? salt % 7 : 0;
    const std::int64_t last = dice(4) == 0 ? end_ - dice(10) : end_;
    while (at < last) {
      const std::int64_t end = std::min(last, at + 1 + dice(9));
      if (dice(20) != 0) row(at, end);
      at = end;
    }
  }
  std::int64_t cpu() { return dice(12) == 0 ? kNull : dice(2); }
  void thread(const std::string& machine, std::int64_t tid, std::int64_t begin, std::int64_t end) {
    constexpr std::string_view kCauses[] = {"task", "task", "task", "timer", "disk", "network", ""};
    Memory::State state;
    state.state = static_cast<model::ThreadState>(dice(9));
    state.cpu = cpu();
    state.lossy = dice(6) == 0;
    const bool wakes =
        state.state == model::ThreadState::kBlocked || state.state == model::ThreadState::kFork;
    if (wakes) {
      state.detail = kCauses[dice(7)];
      if (dice(3) != 0) {
        // A delivery across machines takes a search of its own; path_test.cc has those.
        const auto list = tids(machine);
        state.waker = list[static_cast<std::size_t>(dice(static_cast<std::int64_t>(list.size())))];
        // A vCPU's thread would stand for its guest's.
        if (machine == "host") state.waker = 30 + dice(4);
        state.waker_machine = machine;
        if (dice(9) == 0) state.waker = 99;
      }
    }
    memory.is(machine, tid, begin, end, state);
  }
  Memory::By somebody() {
    switch (dice(4)) {
      case 0:
        return {};
      case 1:
        return {"host", kNull, 30, "t30"};
      case 2:
        return {"vm2", dice(2), 1 + dice(3), "guest"};
      default:
        return {"vm1", dice(2), 1 + dice(3), "guest"};
    }
  }
  void cpu_rows(const std::string& machine, std::int64_t cpu) {
    tile(cpu, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t tid = dice(4);
      memory.current(machine, cpu, begin, end, tid, tid == 0 ? "swapper" : "t");
    });
    if (machine == "host") {
      tile(cpu, [&](std::int64_t begin, std::int64_t end) {
        memory.holder("host", cpu, begin, end, somebody());
      });
      return;
    }
    tile(cpu, [&](std::int64_t begin, std::int64_t end) {
      memory.robbed(machine, cpu, begin, end, dice(2), somebody());
    });
    tile(cpu, [&](std::int64_t begin, std::int64_t end) {
      constexpr std::string_view kReasons[] = {"", "NPF", "HLT"};
      memory.vcpu_is(machine, cpu, begin, end,
                     {static_cast<model::VcpuState>(dice(13)), dice(8) == 0 ? kNull : dice(2),
                      kReasons[dice(3)]});
    });
  }

  std::int64_t end_;
};

}  // namespace vs::analysis::flow::test
