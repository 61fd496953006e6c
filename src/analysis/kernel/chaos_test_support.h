#pragma once
// Events that no kernel would make: any kind, any arguments, for tests of what must hold whatever
// comes.

#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "analysis/kernel/event_kinds.h"
#include "model/event.h"
#include "model/tables.h"

namespace vs::analysis::kernel {

class Chaos {
 public:
  explicit Chaos(unsigned seed) : random_(seed) {}

  std::int64_t below(std::int64_t limit) {
    return std::uniform_int_distribution<std::int64_t>(0, limit - 1)(random_);
  }
  /// Any kind, any small arguments, sometimes absent or absurd ones, time mostly forward.
  model::Event event(std::int64_t& time) {
    time += below(10) == 0 ? -below(8) : below(4);
    model::Event event;
    event.own = OwnTime{time};
    event.kind = kKernelKinds[static_cast<std::size_t>(below(std::ssize(kKernelKinds)))];
    if (below(3) == 0) event.kind = model::EventKind::kSchedSwitch;
    if (below(60) == 0) event.kind = model::EventKind::kLoss;
    event.type = static_cast<std::uint16_t>(below(4));
    event.cpu = below(200) == 0 ? model::kNoCpu : static_cast<std::uint32_t>(below(3));
    event.tid = below(2) == 0 ? model::kNoTid : static_cast<std::int32_t>(below(9));
    for (std::size_t slot = 0; slot < model::kMaxArgs; ++slot) {
      if (below(12) == 0) continue;
      event.present = static_cast<std::uint16_t>(event.present | (1U << slot));
      event.args[slot] = static_cast<std::uint64_t>(argument());
    }
    if (event.kind == model::EventKind::kLoss) {
      event.args[model::arg::kLossEndOwn] = static_cast<std::uint64_t>(time + below(20));
    }
    static constexpr std::array<std::string_view, 5> kTexts = {"", "sh", "kworker/1:0", "/a/b",
                                                               "swapper/0"};
    for (auto& text : event.texts) text = kTexts[static_cast<std::size_t>(below(5))];
    return event;
  }

 private:
  std::int64_t argument() {
    static constexpr std::array<std::int64_t, 8> kOdd = {
        -1, 0x20, 0x100, 0x20000000, 4026531836, 4026532001, std::int64_t{1} << 40, model::kNull};
    return below(8) == 0 ? kOdd[static_cast<std::size_t>(below(8))] : below(9);
  }
  std::mt19937 random_;
};

/// `time`: of the last one, at the end.
inline std::vector<model::Event> chaos(unsigned seed, std::int64_t& time, int events_wanted = 400) {
  Chaos random(seed);
  std::vector<model::Event> events;
  for (int i = 0; i < events_wanted; ++i) events.push_back(random.event(time));
  return events;
}

}  // namespace vs::analysis::kernel
