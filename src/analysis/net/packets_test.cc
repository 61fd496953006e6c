#include "analysis/net/packets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/events.h"
#include "tests/support/fake_facts.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::net {
namespace {

namespace ev = test::events;
using model::EventKind;
using testing::ElementsAre;
using testing::IsEmpty;

/// Points are kept here; VectorSink drops empty intervals.
class Rows : public test::VectorSink {
 public:
  void add(model::EntityId id, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override {
    const Entity& entity = entities().at(id);
    EXPECT_EQ(begin, end);
    EXPECT_GE(begin, last_[id]);
    last_[id] = begin;
    std::string line =
        std::to_string(begin.ns) + " " + text(entity.key[0]) + " " + text(entity.key[1]);
    if (values[model::slot::kNpVm] != model::kNull)
      line += " of " + text(values[model::slot::kNpVm]);
    const auto direction = static_cast<std::size_t>(values[model::slot::kNpDirection]);
    lines.push_back(line + " " + std::string(model::net_direction_names()[direction]) + " " +
                    std::to_string(values[model::slot::kNpBytes]));
  }
  std::vector<std::string> lines;

 private:
  std::map<model::EntityId, HostTime> last_;
};

class Scene {
 public:
  explicit Scene(model::KindSet recorded = model::KindSet::all())
      : experiment_(make()), packets_(setup(recorded)) {}

  Scene& feed(const model::Event& event, model::MachineIndex machine = 0) {
    facts_[machine].on_event(event);
    packets_.on_event({HostTime{event.own.value}, machine, 0, event.tid, event});
    return *this;
  }
  Scene& receive(const ev::At& at, std::string_view device, std::int64_t bytes,
                 model::MachineIndex machine = 0) {
    return feed(ev::make(EventKind::kNetifReceiveSkb, at, {{"len", bytes}, {"name", device}}),
                machine);
  }
  Scene& queue(const ev::At& at, std::string_view device, std::int64_t bytes) {
    return feed(ev::make(EventKind::kNetDevQueue, at, {{"len", bytes}, {"name", device}}));
  }
  Scene& xmit(const ev::At& at, std::string_view device, std::int64_t bytes, std::int64_t rc = 0,
              model::MachineIndex machine = 0) {
    return feed(
        ev::make(EventKind::kNetDevXmit, at, {{"len", bytes}, {"rc", rc}, {"name", device}}),
        machine);
  }
  void lose(HostTime begin, HostTime end, model::MachineIndex machine, std::uint32_t cpu) {
    facts_[machine].forget(cpu);
    packets_.on_loss(begin, end, machine, cpu);
  }
  const std::vector<std::string>& end() {
    for (const model::MachineIndex m : {0U, 1U}) packets_.finish(m, HostTime{1000});
    return sink_.lines;
  }
  Packets& packets() { return packets_; }

 private:
  static model::Experiment make() {
    model::Experiment experiment;
    experiment.machines.resize(3);
    experiment.machines[0].name = "host";
    for (model::MachineIndex m = 1; m < 3; ++m) {
      experiment.machines[m].name = "vm" + std::to_string(m);
      experiment.machines[m].parent = 0;
      experiment.machines[m].vmm_pid = static_cast<std::int32_t>(100 * m);
    }
    return experiment;
  }
  model::StreamSetup setup(const model::KindSet& recorded) {
    model::StreamSetup setup;
    setup.experiment = &experiment_;
    setup.sink = &sink_;
    setup.machines = {0, 1};
    setup.facts = {&facts_[0], &facts_[1], nullptr};
    setup.recorded.assign(3, recorded);
    return setup;
  }
  std::array<test::FakeFacts, 2> facts_;
  model::Experiment experiment_;
  Rows sink_;
  Packets packets_;
};

TEST(Packets, AGuestsPacketsAreItsOwn) {
  Scene scene;
  scene.xmit({.own = 1, .tid = 7}, "eth0", 130, 0, 1);
  scene.receive({.own = 2, .tid = 0}, "eth0", 116, 1);
  EXPECT_THAT(scene.end(), ElementsAre("1 vm1 eth0 of vm1 tx 130", "2 vm1 eth0 of vm1 rx 116"));
}

TEST(Packets, APacketIsSentOnceAndOnlyWhenTheDriverTookIt) {
  Scene scene;
  scene.queue({.own = 1, .tid = 9}, "eth0", 130);
  scene.xmit({.own = 2, .tid = 9}, "eth0", 130, 16);  // NETDEV_TX_BUSY
  scene.xmit({.own = 3, .tid = 9}, "eth0", 130);
  EXPECT_THAT(scene.end(), ElementsAre("3 host eth0 tx 130"));
  EXPECT_EQ(scene.packets().counters().not_sent, 1U);
}

TEST(Packets, WithoutXmitTheQueueTells) {
  Scene scene(model::KindSet::of({EventKind::kNetDevQueue}));
  scene.queue({.own = 1, .tid = 9}, "eth0", 130);
  EXPECT_THAT(scene.end(), ElementsAre("1 host eth0 tx 130"));
}

TEST(Packets, WhatTheVmmHandsOverTellsTheDevicesVm) {
  Scene scene;
  scene.xmit({.own = 1, .tid = 9}, "tap1", 60);  // held back: whose tap it is comes later
  scene.xmit({.own = 1, .tid = 9}, "eth0", 60);
  scene.receive({.own = 2, .tid = 200}, "tap1", 116);
  scene.receive({.own = 3, .tid = 9}, "tap1", 50);
  EXPECT_THAT(scene.end(), ElementsAre("1 host tap1 of vm2 tx 60", "2 host tap1 of vm2 rx 116",
                                       "3 host tap1 of vm2 rx 50", "1 host eth0 tx 60"));
}

TEST(Packets, WhomAPacketWakesTellsTheDevicesVm) {
  Scene scene;
  scene.queue({.own = 1, .tid = 9}, "tap1", 60);
  scene.feed(ev::sched_waking({.own = 2, .tid = 9}, {.tid = 100}));
  scene.xmit({.own = 3, .tid = 9}, "tap1", 60);
  scene.feed(ev::sched_waking({.own = 4, .tid = 9}, {.tid = 200}));  // not for the packet
  EXPECT_THAT(scene.end(), ElementsAre("3 host tap1 of vm1 tx 60"));
}

TEST(Packets, ABystanderOfASoftirqIsNoEvidence) {
  Scene scene;
  scene.feed(ev::softirq_entry({.own = 1, .tid = 100}, 3));
  scene.receive({.own = 2, .tid = 100}, "eth0", 1500);
  scene.feed(ev::softirq_exit({.own = 3, .tid = 100}, 3));
  EXPECT_THAT(scene.end(), ElementsAre("2 host eth0 rx 1500"));
}

TEST(Packets, ATapThatGoesToAnotherVm) {
  Scene scene;
  scene.receive({.own = 1, .tid = 100}, "tap0", 10).receive({.own = 2, .tid = 200}, "tap0", 20);
  EXPECT_THAT(scene.end(), ElementsAre("1 host tap0 of vm1 rx 10", "2 host tap0 of vm2 rx 20"));
}

TEST(Packets, HeldBackUpToALimit) {
  Scene scene;
  for (std::size_t i = 0; i < Packets::kMaxHeld; ++i) {
    scene.receive({.own = static_cast<std::int64_t>(i), .tid = 0}, "eth0", 1);
  }
  scene.receive({.own = 9999, .tid = 100}, "eth0", 1);
  const std::vector<std::string>& lines = scene.end();
  ASSERT_EQ(lines.size(), Packets::kMaxHeld + 1);
  EXPECT_EQ(lines.front(), "0 host eth0 rx 1");
  EXPECT_EQ(lines.back(), "9999 host eth0 of vm1 rx 1");
}

TEST(Packets, TooManyDevices) {
  Scene scene;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < Packets::kMaxDevices + 2; ++i)
    names.push_back("d" + std::to_string(i));
  for (const std::string& name : names) scene.receive({.own = 1, .tid = 0}, name, 1);
  EXPECT_EQ(scene.end().size(), Packets::kMaxDevices);
  EXPECT_EQ(scene.packets().counters().devices_dropped, 2U);
  const std::vector<model::Issue> issues = scene.packets().issues();
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, model::IssueCode::kDevicesOverLimit);
  EXPECT_EQ(issues[0].place, "host");
  EXPECT_EQ(issues[0].count, 2U);
}

/// Each packet is one row, whatever else happens; per device they stay in order (Rows holds it).
TEST(PacketsProperty, OneRowEach) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Scene scene;
    std::size_t expected = 0;
    constexpr std::string_view kDevices[] = {"eth0", "tap0", "tap1", ""};
    for (std::int64_t at = 1; at < 500; ++at) {
      const std::int32_t tid = std::array{0, 9, 100, 200, -1}[random() % 5];
      const ev::At place{.own = at, .cpu = static_cast<std::uint32_t>(random() % 3), .tid = tid};
      const std::string_view device = kDevices[random() % std::size(kDevices)];
      switch (random() % 6) {
        case 0:
          scene.queue(place, device, 9);
          break;
        case 1:
          scene.xmit(place, device, 9);
          ++expected;
          break;
        case 2:
          scene.receive(place, device, 9);
          ++expected;
          break;
        case 3:
          scene.feed(ev::sched_waking(place, {.tid = 100}));
          break;
        case 4:
          scene.feed(ev::softirq_entry(place, 3));
          break;
        default:
          scene.lose(HostTime{at}, HostTime{at + 1}, 0, place.cpu);
      }
    }
    EXPECT_EQ(scene.end().size(), expected);
  }
}

}  // namespace
}  // namespace vs::analysis::net
