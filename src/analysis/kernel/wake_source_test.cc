#include "analysis/kernel/wake_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/kernel/kernel_test_support.h"

namespace vs::analysis::kernel {
namespace {

using namespace test::events;
using testing::ElementsAre;

/// Says what it is told to, and remembers what it was asked.
class FakeResolver : public WakeResolver {
 public:
  WakeSource answer;
  std::vector<std::string> asked;
  WakeSource resolve(const WakeSite& site) override {
    asked.push_back(std::to_string(site.time.ns) + "@" + std::to_string(site.cpu) + " " +
                    (site.context == nullptr ? "-" : std::to_string(site.context->number)) + " " +
                    std::string(model::block_cause_names()[static_cast<std::size_t>(site.cause)]));
    return answer;
  }
};

TEST(WakeSource, WhoIsBehindAnInterruptIsAskedOutside) {
  Passes passes({
      sched_switch({.own = 1}, {.prev_tid = 7, .prev_state = 2, .next_tid = 0}),
      irq_entry({.own = 5, .tid = 0}, 28, "virtio3-req.0"),
      sched_waking({.own = 6, .tid = 0}, {.tid = 7, .target_cpu = 0}),
      irq_exit({.own = 7, .tid = 0}, 28),
      sched_switch({.own = 9}, {.prev_tid = 0, .next_tid = 7}),
  });
  FakeResolver resolver;
  resolver.answer = {model::BlockCause::kDisk, passes.sink().intern("host"), 100};
  passes.machine().set_wake_resolver(&resolver);
  passes.all().finish(12);
  EXPECT_THAT(resolver.asked, ElementsAre("6@0 28 irq"));
  EXPECT_THAT(passes.thread(7), ElementsAre("1-6 blocked disk by host:100",
                                            "6-9 runnable@0 by host:100", "9-12 user@0"));
}

TEST(WakeSource, ATasksWakeUpIsItsOwnAndTheIdleTasksIsNot) {
  Passes passes({
      sched_switch({.own = 1}, {.prev_tid = 7, .prev_state = 1, .next_tid = 8}),
      sched_waking({.own = 3, .tid = 8}, {.tid = 7, .target_cpu = 0}),
      sched_switch({.own = 4}, {.prev_tid = 8, .prev_state = 1, .next_tid = 7}),
      sched_switch({.own = 5}, {.prev_tid = 7, .prev_state = 1, .next_tid = 0}),
      sched_waking({.own = 6, .tid = 0}, {.tid = 8, .target_cpu = 0}),
  });
  FakeResolver resolver;
  resolver.answer = {model::BlockCause::kIpi, model::kNull, model::kNull};
  passes.machine().set_wake_resolver(&resolver);
  passes.all().finish(9);
  EXPECT_THAT(resolver.asked, ElementsAre("6@0 - irq"));
  EXPECT_THAT(passes.thread(8), ElementsAre("1-4 user@0", "4-6 blocked ipi", "6-9 runnable@0"));
}

}  // namespace
}  // namespace vs::analysis::kernel
