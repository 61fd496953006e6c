#include "analysis/delivery/deliveries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/delivery/delivery_test_support.h"

namespace vs::analysis::delivery {
namespace {

using model::EventKind;
using testing::ElementsAre;
using Texts = std::vector<std::string>;

TEST(Deliveries, AnotherVcpuSendsAnIpiForItsGuestThread) {
  Scene scene;
  scene.guest_threads.current[0] = 7;
  scene.run_vcpu(1, 1, 0, 0);
  scene.feed(Scene::accept({.own = 60, .cpu = 0, .tid = 110}, 1, 253));
  EXPECT_THAT(scene.texts, ElementsAre("60 vm1/1 253 task by 110=vm1/0 for vm1:7"));
}

TEST(Deliveries, OwnInterruptsAreTheTimersButForSelfIpis) {
  Scene scene;
  scene.run_vcpu(1, 1, 0, 0);
  scene.feed(Scene::accept({.own = 60, .cpu = 0, .tid = 110}, 0, 236));
  scene.vcpu_event(
      ev::make(EventKind::kKvmApicIpi, {.own = 70, .cpu = 0, .tid = 110}, {{"icr_low", 0x400f6}}),
      1, 0);
  scene.feed(Scene::accept({.own = 71, .cpu = 0, .tid = 110}, 0, 246));
  EXPECT_THAT(scene.texts,
              ElementsAre("60 vm1/0 236 timer by 110=vm1/0", "71 vm1/0 246 task by 110=vm1/0"));
}

TEST(Deliveries, AThreadOfTheVmmThatFinishedABlockRequest) {
  Scene scene;
  scene.feed(Scene::block(EventKind::kBlockRqIssue, {.own = 10, .cpu = 3, .tid = 100}, 64));
  scene.feed(ev::irq_entry({.own = 20, .cpu = 3, .tid = 0}, 37, "virtio2-req.2"));
  scene.feed(Scene::block(EventKind::kBlockRqComplete, {.own = 21, .cpu = 3, .tid = 0}, 64));
  scene.feed(ev::sched_waking({.own = 22, .cpu = 3, .tid = 0}, {.tid = 100}));
  scene.feed(ev::irq_exit({.own = 23, .cpu = 3, .tid = 0}, 37));
  scene.feed(Scene::accept({.own = 30, .cpu = 3, .tid = 100}, 0, 37));
  EXPECT_THAT(scene.texts, ElementsAre("30 vm1/0 37 disk by 100"));
}

}  // namespace
}  // namespace vs::analysis::delivery
