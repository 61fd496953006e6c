#include "session/stored_session.h"

#include <gtest/gtest.h>

#include <random>

namespace vs::session {
namespace {

const std::vector<TraceShape> kShapes = {{3, 2}, {1, 1}};

StoredSession sample() {
  StoredSession session;
  StoredTrace host;
  host.events_by_type = {5, 0, 7};
  host.events = 12;
  host.begin = OwnTime{-4};
  host.end = OwnTime{1'000'000'000'000'000'000};
  host.losses = {{1, OwnTime{3}, OwnTime{9}, std::nullopt, 0},
                 {model::kNoCpu, OwnTime{10}, OwnTime{11}, 0xffff'ffff'ffff'fffeU, 1}};
  host.streams = {{0, 5}, {1, 7}};
  host.machine = 0;
  host.clock = {model::ClockSegment{}};
  host.source = "reference";
  host.issues = {{model::IssueCode::kVcpuIdIsPointer, "a", "a:7", 2, "text\nwith \x01 bytes"}};
  StoredTrace guest;
  guest.events_by_type = {0};
  guest.clock = {model::ClockSegment{}, model::ClockSegment{}};
  guest.clock[0].own_begin = kOwnTimeMin;
  guest.clock[1].own_begin = OwnTime{100};
  guest.clock[1].method = model::SyncMethod::kEnvelope;
  guest.clock[1].facts[2] = {9, 1};
  guest.clock[1].rate = model::kRateOne + 77;
  guest.joined = false;
  session.traces = {host, guest};
  model::Machine machine;
  machine.name = "h";
  machine.traces = {0};
  session.experiment.machines.push_back(machine);
  machine.name = "g";
  machine.kind = model::MachineKind::kVm;
  machine.parent = 0;
  machine.traces = {1};
  machine.vcpus = {{0, {{80, OwnTime{1}, OwnTime{2}}, {81, OwnTime{2}, kOwnTimeMax}}, 0}};
  session.experiment.machines.push_back(machine);
  session.experiment.epoch = true;
  session.epoch = true;
  session.issues = {{model::IssueCode::kGuestUnbound, "", "b", 1, ""}};
  return session;
}

TEST(StoredSession, ComesBackAsItWas) {
  const std::string bytes = pack_session(sample());
  const auto back = unpack_session(bytes, kShapes);
  ASSERT_TRUE(back);
  EXPECT_EQ(pack_session(*back), bytes);
  EXPECT_EQ(back->traces[0].losses[1].lost, 0xffff'ffff'ffff'fffeU);
  EXPECT_EQ(back->traces[0].begin, OwnTime{-4});
  EXPECT_EQ(back->traces[1].begin, std::nullopt);
  EXPECT_EQ(back->traces[1].clock[1].rate, model::kRateOne + 77);
  EXPECT_EQ(back->traces[0].issues[0].message, "text\nwith \x01 bytes");
  EXPECT_EQ(back->experiment.machines[1].vcpus[0].threads[1].tid, 81);
}

TEST(StoredSession, AnotherShapeIsRefused) {
  const std::string bytes = pack_session(sample());
  EXPECT_FALSE(unpack_session(bytes, {{3, 2}}));
  EXPECT_FALSE(unpack_session(bytes, {{4, 2}, {1, 1}}));
  EXPECT_FALSE(unpack_session(bytes, {{3, 1}, {1, 1}}));
  EXPECT_FALSE(unpack_session("", kShapes));
}

TEST(StoredSession, ImpossibleContentIsRefused) {
  const auto refused = [](const auto& change) {
    StoredSession session = sample();
    change(session);
    return !unpack_session(pack_session(session), kShapes);
  };
  EXPECT_TRUE(refused([](StoredSession& s) { s.traces[0].machine = 2; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.traces[0].clock.clear(); }));
  EXPECT_TRUE(
      refused([](StoredSession& s) { std::swap(s.traces[1].clock[0], s.traces[1].clock[1]); }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.traces[0].streams[0].stream = 2; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.experiment.machines[1].parent = 1; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.experiment.machines[0].traces = {2}; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.experiment.reference = 2; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.reference = 2; }));
  EXPECT_TRUE(refused([](StoredSession& s) { s.issues[0].code = model::IssueCode::kCount; }));
}

TEST(StoredSession, DamagedBytesNeverDoMoreThanBeRefused) {
  const std::string bytes = pack_session(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(unpack_session(bytes.substr(0, size), kShapes)) << size;
  }
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = bytes;
    bad[random() % bad.size()] = static_cast<char>(random());
    const auto back = unpack_session(bad, kShapes);
    if (back) {
      EXPECT_EQ(back->traces.size(), 2U);
    }
  }
}

}  // namespace
}  // namespace vs::session
