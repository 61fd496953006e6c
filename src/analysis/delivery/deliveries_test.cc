#include "analysis/delivery/deliveries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "analysis/delivery/delivery_test_support.h"

namespace vs::analysis::delivery {
namespace {

using model::EventKind;
using testing::ElementsAre;

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

TEST(Deliveries, ADiskCompletionOnTopOfTheVmmsThreadCountsWhenItIsItsOwn) {
  Scene scene;
  scene.feed(Scene::block(EventKind::kBlockRqIssue, {.own = 10, .cpu = 3, .tid = 100}, 64));
  scene.feed(Scene::block(EventKind::kBlockRqIssue, {.own = 11, .cpu = 3, .tid = 9}, 128));
  scene.feed(Scene::block(EventKind::kBlockRqComplete, {.own = 12, .cpu = 3, .tid = 200}, 128));
  scene.feed(Scene::accept({.own = 13, .cpu = 3, .tid = 200}, 0, 37));
  scene.feed(Scene::block(EventKind::kBlockRqComplete, {.own = 14, .cpu = 3, .tid = 100}, 64));
  scene.feed(Scene::accept({.own = 15, .cpu = 3, .tid = 100}, 0, 37));
  EXPECT_THAT(scene.texts, ElementsAre("13 vm2/0 37 device by 200", "15 vm1/0 37 disk by 100"));
}

TEST(Deliveries, AWorkerHandsItsDiskRequestOn) {
  Scene scene;
  scene.host_threads.tgid = {{150, 100}};
  scene.feed(Scene::block(EventKind::kBlockRqInsert, {.own = 9, .cpu = 3, .tid = 150}, 64));
  scene.feed(Scene::block(EventKind::kBlockRqIssue, {.own = 10, .cpu = 3, .tid = 33}, 64));
  scene.feed(Scene::block(EventKind::kBlockRqComplete, {.own = 20, .cpu = 2, .tid = 0}, 64));
  scene.feed(ev::sched_waking({.own = 30, .cpu = 3, .tid = 150}, {.tid = 100}));
  scene.feed(Scene::accept({.own = 31, .cpu = 3, .tid = 100}, 0, 37));
  // Its next wake-up is for something else.
  scene.feed(ev::sched_waking({.own = 40, .cpu = 0, .tid = 110}, {.tid = 100}));
  scene.feed(Scene::accept({.own = 41, .cpu = 3, .tid = 100}, 0, 38));
  EXPECT_THAT(scene.texts, ElementsAre("31 vm1/0 37 disk by 100", "41 vm1/0 38 device by 100"));
}

TEST(Deliveries, APacketToTheTapWakesTheVmm) {
  Scene scene;
  const auto packet = [](EventKind kind, const ev::At& at) {
    return ev::make(kind, at, {{"len", 60}, {"name", "tap1"}});
  };
  scene.feed(packet(EventKind::kNetDevQueue, {.own = 10, .cpu = 2, .tid = 9}));
  scene.feed(ev::sched_waking({.own = 11, .cpu = 2, .tid = 9}, {.tid = 100}));
  scene.feed(packet(EventKind::kNetDevXmit, {.own = 12, .cpu = 2, .tid = 9}));
  scene.feed(Scene::accept({.own = 20, .cpu = 3, .tid = 100}, 1, 39));
  // And what it sends itself.
  scene.feed(ev::sched_waking({.own = 30, .cpu = 0, .tid = 110}, {.tid = 100}));
  scene.feed(packet(EventKind::kNetifReceiveSkb, {.own = 31, .cpu = 3, .tid = 100}));
  scene.feed(Scene::accept({.own = 32, .cpu = 3, .tid = 100}, 0, 40));
  EXPECT_THAT(scene.texts, ElementsAre("20 vm1/1 39 network by 100", "32 vm1/0 40 network by 100"));
}

TEST(Deliveries, VhostIsTheNetworkUnlessPacketsAreRecordedAndItMovesNone) {
  const auto run = [](const model::KindSet& recorded) {
    Scene scene(recorded);
    scene.host_threads.name = {{192, "vhost-100"}, {193, "kvm-pit/200"}};
    scene.feed(Scene::accept({.own = 20, .cpu = 3, .tid = 192}, 1, 39));
    scene.feed(Scene::accept({.own = 21, .cpu = 3, .tid = 193}, 0, 48));
    return scene.texts;
  };
  EXPECT_THAT(run(model::KindSet::of({EventKind::kKvmApicAcceptIrq})),
              ElementsAre("20 vm1/1 39 network by 192", "21 vm2/0 48 timer by 193"));
  EXPECT_THAT(run(model::KindSet::all()),
              ElementsAre("20 vm1/1 39 device by 192", "21 vm2/0 48 timer by 193"));
}

TEST(Deliveries, AnInterruptOfTheHost) {
  Scene scene;
  scene.feed(ev::irq_entry({.own = 10, .cpu = 2, .tid = 110}, 60, "vfio-msix[0](0000:01:00.0)"));
  scene.feed(Scene::accept({.own = 11, .cpu = 2, .tid = 110}, 1, 50));
  EXPECT_THAT(scene.texts, ElementsAre());  // both VMs have a vCPU 1: whose is it?
  scene.feed(ev::sched_waking({.own = 12, .cpu = 2, .tid = 110}, {.tid = 211}));
  scene.feed(ev::irq_exit({.own = 13, .cpu = 2, .tid = 110}, 60));
  EXPECT_THAT(scene.texts, ElementsAre("11 vm2/1 50 device"));
  EXPECT_EQ(scene.deliveries().counters().unplaced, 0U);
}

TEST(Deliveries, AThreadThatNothingTellsIsPlacedByWhomItWakes) {
  Scene scene;
  scene.feed(Scene::accept({.own = 11, .cpu = 2, .tid = 77}, 1, 50));
  scene.feed(ev::sched_waking({.own = 12, .cpu = 2, .tid = 77}, {.tid = 111}));
  scene.feed(Scene::accept({.own = 21, .cpu = 2, .tid = 77}, 0, 50));  // known from now on
  EXPECT_THAT(scene.texts, ElementsAre("11 vm1/1 50 unknown by 77", "21 vm1/0 50 device by 77"));
}

TEST(Deliveries, TwoEventsOfOneDelivery) {
  Scene scene;
  scene.feed(ev::make(EventKind::kKvmMsiSetIrq, {.own = 10, .cpu = 3, .tid = 100},
                      {{"address", 0xfee01000}, {"data", 0x4027}}));
  scene.feed(Scene::accept({.own = 11, .cpu = 3, .tid = 100}, 1, 39));
  scene.feed(
      Scene::accept({.own = 12, .cpu = 3, .tid = 100}, 1, 39, EventKind::kKvmApicvAcceptIrq));
  scene.feed(Scene::accept({.own = 13, .cpu = 3, .tid = 100}, 1, 39));
  EXPECT_THAT(scene.texts, ElementsAre("11 vm1/1 39 device by 100", "13 vm1/1 39 device by 100"));
}

TEST(Deliveries, WithoutAcceptEventsTheMessageTells) {
  Scene scene(model::KindSet::of({EventKind::kKvmMsiSetIrq}));
  scene.feed(ev::make(EventKind::kKvmMsiSetIrq, {.own = 10, .cpu = 3, .tid = 100},
                      {{"address", 0xfee01000}, {"data", 0x4027}}));
  EXPECT_THAT(scene.texts, ElementsAre("10 vm1/1 39 device by 100"));
}

TEST(Deliveries, WithoutEitherTheInjectionTellsAndTheWakerSentIt) {
  Scene scene(model::KindSet::of({EventKind::kKvmInjVirq, EventKind::kKvmEoi}));
  scene.host_threads.name = {{192, "vhost-100"}};
  scene.feed(ev::sched_waking({.own = 10, .cpu = 3, .tid = 192}, {.tid = 111}));
  const auto inject = [](std::int64_t at, std::int64_t vector) {
    return ev::make(EventKind::kKvmInjVirq, {.own = at, .cpu = 1, .tid = 111},
                    {{"vector", vector}});
  };
  scene.vcpu_event(inject(20, 39), 1, 1);
  scene.vcpu_event(inject(21, 39), 1, 1);  // again after an exit: nothing new
  scene.vcpu_event(inject(30, 236), 1, 1);
  scene.vcpu_event(ev::make(EventKind::kKvmEoi, {.own = 31, .cpu = 1, .tid = 111},
                            {{"apicid", 1}, {"vector", 236}}),
                   1, 1);
  scene.vcpu_event(inject(40, 236), 1, 1);
  EXPECT_THAT(scene.texts, ElementsAre("20 vm1/1 39 network by 192", "30 vm1/1 236 unknown",
                                       "40 vm1/1 236 unknown"));
}

TEST(Deliveries, InterruptsWithoutAVectorAreNone) {
  Scene scene;
  for (const std::int64_t mode : {2, 4, 5, 6}) {
    scene.feed(ev::make(EventKind::kKvmApicAcceptIrq, {.own = 1, .cpu = 3, .tid = 100},
                        {{"apicid", 0}, {"dm", mode}, {"tm", 0}, {"vec", 2}}));
  }
  scene.feed(Scene::accept({.own = 2, .cpu = 3, .tid = 100}, 7, 39));   // no such vCPU
  scene.feed(Scene::accept({.own = 3, .cpu = 3, .tid = 100}, 0, 300));  // no such vector
  EXPECT_THAT(scene.texts, ElementsAre());
}

TEST(Deliveries, TheVmmInAVcpusThreadIsTheVmm) {
  Scene scene;
  scene.run_vcpu(1, 1, 0, 0);
  scene.vcpu_event(ev::kvm_userspace_exit({.own = 5, .cpu = 0, .tid = 110}, 2), 1, 0);
  scene.feed(Scene::accept({.own = 6, .cpu = 0, .tid = 110}, 1, 33));
  EXPECT_THAT(scene.texts, ElementsAre("6 vm1/1 33 device by 110"));
}

TEST(Deliveries, AnIpiFromAnInterruptIsForWhoIsBehindThat) {
  Scene scene;
  scene.guest_threads.current[0] = 7;
  scene.run_vcpu(1, 1, 0, 0);
  scene.host_threads.name = {{192, "vhost-100"}};
  scene.feed(Scene::accept({.own = 10, .cpu = 3, .tid = 192}, 0, 39));
  scene.vcpu_event(
      ev::make(EventKind::kKvmInjVirq, {.own = 11, .cpu = 0, .tid = 110}, {{"vector", 39}}), 1, 0);
  scene.feed(ev::irq_entry({.own = 12, .cpu = 0, .tid = 7}, 31, "virtio2-input.0"), 1);
  scene.feed(Scene::accept({.own = 13, .cpu = 0, .tid = 110}, 1, 253));
  scene.feed(ev::irq_exit({.own = 14, .cpu = 0, .tid = 7}, 31), 1);
  scene.feed(Scene::accept({.own = 15, .cpu = 0, .tid = 110}, 1, 253));
  EXPECT_THAT(scene.texts, ElementsAre("10 vm1/0 39 device by 192",
                                       "13 vm1/1 253 task by 110=vm1/0 for host:192",
                                       "15 vm1/1 253 task by 110=vm1/0 for vm1:7"));
}

TEST(Deliveries, NothingIsOutstandingAfterTheHostsTraceOrALoss) {
  for (const bool ended : {true, false}) {
    Scene scene;
    scene.run_vcpu(1, 1, 0, 0);
    scene.feed(Scene::accept({.own = 10, .cpu = 3, .tid = 100}, 0, 39));
    scene.vcpu_event(
        ev::make(EventKind::kKvmInjVirq, {.own = 11, .cpu = 0, .tid = 110}, {{"vector", 39}}), 1,
        0);
    if (ended) scene.deliveries().finish(0, HostTime{12});
    if (!ended) scene.lose(HostTime{12}, HostTime{13}, 0, 2);
    scene.feed(ev::irq_entry({.own = 14, .cpu = 0, .tid = 7}, 31, "virtio2-input.0"), 1);
    const model::Context context{model::ContextKind::kHardirq, model::BlockCause::kIrq, 31};
    EXPECT_EQ(scene.deliveries().resolver(1)->resolve({HostTime{15}, 0, -1, &context, {}}).tid,
              model::kNull);
  }
}

TEST(Deliveries, AVectorsPastOverrulesWhatElseTheVmmDid) {
  Scene scene;
  std::int64_t at = 1;
  const auto disk = [&scene, &at] {
    scene.feed(Scene::block(EventKind::kBlockRqIssue, {.own = at, .cpu = 3, .tid = 100}, 64));
    scene.feed(Scene::block(EventKind::kBlockRqComplete, {.own = at, .cpu = 3, .tid = 100}, 64));
  };
  for (; at < 50; ++at) {
    disk();
    scene.feed(Scene::accept({.own = at, .cpu = 3, .tid = 100}, 0, 37));
  }
  scene.texts.clear();
  scene.feed(ev::sched_waking({.own = 50, .cpu = 0, .tid = 110}, {.tid = 100}));
  scene.feed(Scene::accept({.own = 51, .cpu = 3, .tid = 100}, 0, 37));
  scene.feed(Scene::accept({.own = 52, .cpu = 3, .tid = 100}, 1, 37));  // another vCPU's vector
  EXPECT_THAT(scene.texts,
              ElementsAre("51 vm1/0 37 disk learnt by 100", "52 vm1/1 37 device by 100"));
}

/// Any sequence: each delivery has a vCPU that exists, and a lossy trace breaks nothing.
TEST(DeliveriesProperty, AnySequence) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Scene scene(seed % 2 == 0 ? model::KindSet::all() : model::KindSet::of({}));
    for (std::int64_t at = 1; at < 600; ++at) {
      const auto kind = static_cast<EventKind>(1 + random() % (model::kEventKindCount - 1));
      model::Event event;
      event.own = OwnTime{at};
      event.kind = kind;
      event.cpu = static_cast<std::uint32_t>(random() % 6 == 5 ? 0xffffffffU : random() % 4);
      event.tid = std::array{-1, 0, 9, 100, 110, 111, 200, 211}[random() % 8];
      event.present = static_cast<std::uint16_t>(random());
      for (std::uint64_t& value : event.args) {
        value = random() % 8 == 0 ? ~std::uint64_t{0} : random() % 300;
      }
      const auto vm = static_cast<model::MachineIndex>(1 + random() % 2);
      const auto slot = static_cast<std::uint32_t>(random() % 2);
      switch (random() % 8) {
        case 0:
          scene.vcpu_event(event, vm, slot);
          break;
        case 1:
          scene.run_vcpu(at, vm, slot, static_cast<std::int32_t>(random() % 5) - 1);
          break;
        case 2:
          scene.lose(HostTime{at}, HostTime{at + 1}, 0, event.cpu);
          scene.lose(HostTime{at}, HostTime{at + 1}, 1, event.cpu);
          break;
        default:
          scene.feed(event, static_cast<model::MachineIndex>(random() % 2));
      }
      const model::Context context{model::ContextKind::kSoftirq, model::BlockCause::kNetwork, 3};
      (void)scene.deliveries().resolver(1)->resolve({HostTime{at}, event.cpu, -1, &context, {}});
    }
    EXPECT_EQ(scene.seen.size(), scene.deliveries().counters().deliveries);
    for (const Delivery& delivery : scene.seen) {
      EXPECT_LT(delivery.victim.machine, 3U);
      EXPECT_LT(delivery.victim.slot, 2U);
      EXPECT_LE(delivery.vector, 255);
      EXPECT_EQ(delivery.sender_machine == model::kNoMachine, delivery.sender_tid < 0);
    }
  }
}

}  // namespace
}  // namespace vs::analysis::delivery
