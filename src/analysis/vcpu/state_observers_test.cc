// Who hears of what HostVcpus finds, and rows that a sink notes.
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/vcpu/state.h"
#include "analysis/vcpu/state_test_support.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::vcpu {
namespace {

using model::Event;
using test::VectorSink;

/// Counts the calls of each kind.
class Counting final : public VcpuObserver {
 public:
  explicit Counting(VcpuNews wanted) : wanted_(wanted) {}
  int changes = 0;
  int intervals = 0;
  int events = 0;
  int breaks = 0;
  [[nodiscard]] VcpuNews wants() const override { return wanted_; }
  void on_vcpu_change(const VcpuChange&) override { ++changes; }
  void on_vcpu_interval(const VcpuInterval&) override { ++intervals; }
  void on_vcpu_event(HostTime, const VcpuRef&, const Event&) override { ++events; }
  void on_vcpu_break(HostTime, const VcpuRef&, VcpuBreak) override { ++breaks; }

 private:
  VcpuNews wanted_;
};

TEST(HostVcpus, ObserversHearWhatTheyWantAndNoMore) {
  const model::Experiment experiment = experiment_of({{thread(kT0)}});
  Counting all({});
  Counting changes({.intervals = false, .events = false, .breaks = false});
  Counting rest({.changes = false});
  VectorSink sink;
  HostVcpus vcpus(experiment, 0, sink, {&all, &changes, &rest});
  for (const Event& event : {entry(10), exit(20, kNpf), entry(30), exit(40, kHlt)}) {
    vcpus.on_event(HostTime{event.own.value}, event);
  }
  vcpus.finish(HostTime{50});
  EXPECT_GT(std::min({all.changes, all.intervals, all.events, all.breaks}), 0);
  EXPECT_EQ(changes.changes, all.changes);
  EXPECT_EQ(changes.intervals + changes.events + changes.breaks, 0);
  EXPECT_EQ(rest.changes, 0);
  EXPECT_EQ(rest.intervals, all.intervals);
  EXPECT_EQ(rest.events, all.events);
  EXPECT_EQ(rest.breaks, all.breaks);
}

/// Notes rows as a history's writer does, for a while at a time.
class NotingSink final : public VectorSink {
 public:
  int again = 0;
  bool add_again(model::EntityId entity, HostTime begin, HostTime end,
                 model::RowMemo memo) override {
    if (memo.epoch != epoch_) return false;
    ++again;
    add(entity, begin, end, values_.at(memo.number));
    return true;
  }
  void add_noting(model::EntityId entity, HostTime begin, HostTime end,
                  std::span<const std::int64_t> values, model::RowMemo& memo) override {
    if (values_.size() == 5) {
      values_.clear();
      ++epoch_;
    }
    memo = {epoch_, static_cast<std::uint32_t>(values_.size())};
    values_.emplace_back(values.begin(), values.end());
    add(entity, begin, end, values);
  }

 private:
  std::uint32_t epoch_ = 1;
  std::vector<std::vector<std::int64_t>> values_;
};

TEST(HostVcpus, RowsThatComeAgainAreTheSameRows) {
  const model::Experiment experiment = experiment_of({{thread(kT0)}, {thread(kT1)}});
  const auto run = [&](VectorSink& sink) {
    HostVcpus vcpus(experiment, 0, sink, {});
    std::int64_t time = 0;
    for (int i = 0; i < 2000; ++i) {  // no two of the numbers below divide each other
      const std::int32_t tid = i % 3 == 0 ? kT1 : kT0;
      const Event event = i % 5 == 0   ? exit(++time, 0x40 + i % 13, tid)
                          : i % 5 == 1 ? out(++time, i % 2, 0, tid)
                          : i % 5 == 2 ? waking(++time, tid, 50 + i % 7)
                          : i % 5 == 3 ? in(++time, 0, tid)
                                       : entry(++time, tid);
      vcpus.on_event(HostTime{event.own.value}, event);
    }
    vcpus.finish(HostTime{time + 10});
  };
  VectorSink plain;
  run(plain);
  NotingSink noting;
  run(noting);
  EXPECT_GT(noting.again, 100);
  ASSERT_EQ(plain.entities().size(), noting.entities().size());
  for (std::size_t i = 0; i < plain.entities().size(); ++i) {
    const auto& wanted = plain.entities()[i].intervals;
    const auto& seen = noting.entities()[i].intervals;
    ASSERT_EQ(seen.size(), wanted.size());
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      ASSERT_EQ(seen[k].begin, wanted[k].begin);
      ASSERT_EQ(seen[k].end, wanted[k].end);
      ASSERT_EQ(seen[k].values, wanted[k].values);
    }
  }
}

}  // namespace
}  // namespace vs::analysis::vcpu
