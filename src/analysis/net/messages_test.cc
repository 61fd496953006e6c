#include "analysis/net/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::net {
namespace {

namespace ev = test::events;
using kernel::WakeSite;
using kernel::WakeSource;
using model::BlockCause;
using model::Context;
using model::ContextKind;
using model::EventKind;
using testing::ElementsAre;
using testing::IsEmpty;

class Rows : public test::VectorSink {
 public:
  void add(model::EntityId id, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override {
    const Entity& entity = entities().at(id);
    lines.push_back(std::to_string(begin.ns) + "-" + std::to_string(end.ns) + " " +
                    text(entity.key[0]) + "/" + std::to_string(entity.key[1]) + " from " +
                    text(values[model::slot::kNwFromMachine]) + "/" +
                    std::to_string(values[model::slot::kNwFromTid]) + " " +
                    std::to_string(values[model::slot::kNwBytes]));
  }
  std::vector<std::string> lines;
};

class Facts : public model::MachineFacts {
 public:
  model::ContextStack inside;  ///< of every processor
  [[nodiscard]] std::int32_t tid_on(std::uint32_t) const override { return -1; }
  [[nodiscard]] std::int32_t tgid_of(std::int32_t) const override { return -1; }
  [[nodiscard]] model::StringId comm_of(std::int32_t) const override { return model::kNull; }
  [[nodiscard]] std::int64_t container_of(std::int32_t) const override { return model::kNull; }
  [[nodiscard]] const model::ContextStack& contexts(std::uint32_t) const override { return inside; }
};

class Inner : public kernel::WakeResolver {
 public:
  WakeSource answer;
  WakeSource resolve(const WakeSite&) override { return answer; }
};

/// Three machines a, b and c; packets are told by their sequence.
class Scene {
 public:
  explicit Scene(std::size_t machines = 3) : messages_(setup(machines)) {
    for (model::MachineIndex m = 0; m < machines; ++m) {
      resolvers_.push_back(messages_.resolver(m, &inner));
    }
  }
  Scene& send(model::MachineIndex machine, std::int64_t time, std::int32_t tid, std::int64_t seq,
              std::uint32_t cpu = 0) {
    return feed(machine,
                packet(EventKind::kNetDevQueue, {.own = time, .cpu = cpu, .tid = tid}, seq));
  }
  Scene& receive(model::MachineIndex machine, std::int64_t time, std::int64_t seq,
                 std::uint32_t cpu = 0) {
    return feed(machine,
                packet(EventKind::kNetifReceiveSkb, {.own = time, .cpu = cpu, .tid = 0}, seq));
  }
  Scene& feed(model::MachineIndex machine, const model::Event& event) {
    messages_.on_event({HostTime{event.own.value}, machine, 0, event.tid, event});
    return *this;
  }
  /// A softirq of the network, which began at `since`, wakes `tid`: "machine/tid" of its waker.
  std::string wake(model::MachineIndex machine, std::int64_t time, std::int32_t tid,
                   std::int64_t since, std::uint32_t cpu = 0, std::int64_t softirq = 3) {
    const bool network = softirq == 3;
    const Context context{ContextKind::kSoftirq,
                          network ? BlockCause::kNetwork : BlockCause::kTimer, softirq,
                          HostTime{since}};
    inner.answer.cause = context.cause;
    const WakeSource source =
        resolvers_[machine]->resolve({HostTime{time}, cpu, tid, &context, context.cause});
    return source.tid == model::kNull
               ? "nobody"
               : sink.text(source.machine) + "/" + std::to_string(source.tid);
  }
  void in_softirq(model::MachineIndex machine, std::optional<std::int64_t> since) {
    model::ContextStack& inside = facts_[machine].inside;
    inside.clear();
    if (!since) return;
    inside.push({ContextKind::kSoftirq, BlockCause::kNetwork, 3, HostTime{*since}});
  }
  Messages& messages() { return messages_; }

  Rows sink;
  Inner inner;

 private:
  static model::Event packet(EventKind kind, const ev::At& at, std::int64_t seq) {
    return ev::make(kind, at, {{"len", 100}, {"seq", seq}, {"ack_seq", 7}, {"flags", 24}});
  }
  model::StreamSetup setup(std::size_t machines) {
    experiment_.machines.resize(machines);
    facts_.resize(machines);
    model::StreamSetup setup;
    setup.experiment = &experiment_;
    setup.sink = &sink;
    for (model::MachineIndex m = 0; m < machines; ++m) {
      experiment_.machines[m].name = std::string(1, static_cast<char>('a' + m));
      setup.machines.push_back(m);
      setup.facts.push_back(&facts_[m]);
    }
    return setup;
  }
  model::Experiment experiment_;
  std::vector<Facts> facts_;
  Messages messages_;
  std::vector<kernel::WakeResolver*> resolvers_;
};

TEST(Messages, ThePacketsSenderWakesWhoNobodyElseIsKnownToWake) {
  Scene scene;
  scene.send(0, 10, 5, 1000).receive(1, 20, 1000);
  EXPECT_EQ(scene.wake(1, 22, 9, 18), "a/5");
  EXPECT_THAT(scene.sink.lines, ElementsAre("10-22 b/9 from a/5 100"));
  EXPECT_EQ(scene.messages().counters().matched, 1U);
}

TEST(Messages, WhoDeliveredTheInterruptStaysTheWakerAndTheRowTellsTheSender) {
  Scene scene;
  scene.inner.answer = {BlockCause::kNetwork, scene.sink.intern("c"), 77};
  scene.send(0, 10, 5, 1000).receive(1, 20, 1000);
  EXPECT_EQ(scene.wake(1, 22, 9, 18), "c/77");
  EXPECT_THAT(scene.sink.lines, ElementsAre("10-22 b/9 from a/5 100"));
}

TEST(Messages, OnlyTheSoftirqThatReceivedItAndOnlyUntilTheNextPacket) {
  Scene scene;
  scene.send(0, 10, 5, 1000).receive(1, 20, 1000);
  EXPECT_EQ(scene.wake(1, 30, 9, 25), "nobody") << "a later softirq";
  EXPECT_EQ(scene.wake(1, 22, 9, 18, 1), "nobody") << "another processor";
  EXPECT_EQ(scene.wake(1, 22, 9, 18, 0, 1), "nobody") << "a timer's softirq";
  scene.receive(1, 21, 2000);  // nobody was seen to send it
  EXPECT_EQ(scene.wake(1, 22, 9, 18), "nobody");
  scene.send(0, 23, 5, 3000).receive(1, 24, 3000);
  scene.feed(1, ev::make(EventKind::kNetifReceiveSkb, {.own = 25, .tid = 0}, {{"len", 60}}));
  EXPECT_EQ(scene.wake(1, 26, 9, 18), "nobody") << "a packet without a header came after it";
  EXPECT_THAT(scene.sink.lines, IsEmpty());
}

TEST(Messages, TheLastSendingCountsAndLoopbackIsNoMessage) {
  Scene scene;
  scene.send(0, 10, 5, 1000).send(2, 12, 6, 1000).receive(1, 20, 1000);  // forwarded by c's thread
  EXPECT_EQ(scene.wake(1, 22, 9, 18), "c/6");
  scene.send(0, 30, 5, 2000).send(0, 31, 8, 2000).receive(1, 40, 2000);  // sent again
  EXPECT_EQ(scene.wake(1, 42, 9, 38), "a/8");
  scene.send(0, 50, 5, 3000).send(1, 51, 4, 3000).receive(1, 52, 3000);
  EXPECT_EQ(scene.wake(1, 53, 9, 52), "nobody");
}

TEST(Messages, WhatASoftirqSendsWasSentByWhomItHeardFrom) {
  Scene scene;
  scene.send(0, 10, 5, 1000).receive(2, 14, 1000);
  scene.in_softirq(2, 13);
  scene.send(2, 15, 0, 1000);  // c forwards it
  scene.in_softirq(2, std::nullopt);
  scene.receive(1, 20, 1000);
  EXPECT_EQ(scene.wake(1, 22, 9, 18), "a/5");
  EXPECT_THAT(scene.sink.lines, ElementsAre("10-22 b/9 from a/5 100"));

  scene.in_softirq(2, 30);  // c sends again out of another softirq, for reasons of its own
  scene.send(2, 31, 0, 2000);
  scene.receive(1, 40, 2000);
  EXPECT_EQ(scene.wake(1, 42, 9, 38), "nobody");

  scene.in_softirq(1, 50);  // b answers a's packet at once: that wakes a by itself
  scene.send(0, 48, 5, 3000).receive(1, 50, 3000).send(1, 51, 0, 4000).receive(0, 55, 4000);
  EXPECT_EQ(scene.wake(0, 56, 5, 54), "nobody");
}

TEST(Messages, PacketsBeforeALossWakeNobodyAfterIt) {
  Scene scene;
  scene.send(0, 10, 5, 1000).receive(1, 20, 1000);
  scene.messages().on_loss(HostTime{21}, HostTime{22}, 1, 0);
  EXPECT_EQ(scene.wake(1, 23, 9, 18), "nobody");
}

TEST(Messages, OneMachineAloneWantsNoEvents) {
  Scene alone(1);
  EXPECT_FALSE(alone.messages().kinds(0).has(EventKind::kNetDevQueue));
  EXPECT_EQ(alone.messages().resolver(0, &alone.inner), &alone.inner);
  Scene scene;
  EXPECT_TRUE(scene.messages().kinds(0).has(EventKind::kNetDevQueue));
}

TEST(Messages, ManyPacketsUnderWayForgetTheOldest) {
  Scene scene;
  for (std::int64_t i = 0; i < 200'000; ++i) scene.send(0, i + 1, 5, i);
  scene.receive(1, 300'000, 199'999).receive(1, 300'001, 0);
  EXPECT_EQ(scene.messages().counters().matched, 1U);
}

}  // namespace
}  // namespace vs::analysis::net
