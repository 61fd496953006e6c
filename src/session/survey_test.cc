// The first pass over a trace: what it keeps is bounded, and what it drops it says.
#include "session/survey.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "session/fake_trace_test_support.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;

Event loss(std::int64_t begin, std::int64_t end, std::uint64_t lost) {
  Event event;
  event.kind = EventKind::kLoss;
  event.type = model::kLossType;
  event.own = OwnTime{begin};
  event.cpu = 0;
  event.args[model::arg::kLossEndOwn] = static_cast<std::uint64_t>(end);
  event.args[model::arg::kLossLost] = lost;
  event.present = 1U << model::arg::kLossEndOwn | 1U << model::arg::kLossLost;
  return event;
}

TraceSurvey survey(const reader::Trace& trace, model::IssueLog& issues) {
  Progress progress({}, nullptr);
  auto result = survey_trace(trace, {}, issues, progress);
  EXPECT_TRUE(result.ok());
  return std::move(result).value();
}

TEST(Survey, LossWindowsBeyondTheLimitBecomeOneAndAreSaid) {
  constexpr std::int64_t kMore = 100;
  constexpr auto kAll = static_cast<std::int64_t>(limits::kLossWindows) + kMore;
  test::FakeTrace trace;
  test::FakeTrace::Stream stream;
  stream.cpu = 0;
  for (std::int64_t i = 0; i < kAll; ++i) stream.events.push_back(loss(10 * i, 10 * i + 4, 2));
  trace.add_stream(stream);
  model::IssueLog issues;
  const TraceSurvey found = survey(trace, issues);
  ASSERT_EQ(found.losses.size(), limits::kLossWindows);
  std::uint64_t lost = 0;
  for (const LossWindow& window : found.losses) lost += window.lost.value_or(0);
  EXPECT_EQ(lost, 2U * static_cast<std::uint64_t>(kAll));
  EXPECT_EQ(found.losses.back().begin.value, 10 * (kAll - kMore - 1));
  EXPECT_EQ(found.losses.back().end.value, 10 * (kAll - 1) + 4);
  ASSERT_EQ(issues.rows().size(), 1U);
  EXPECT_EQ(issues.rows()[0].code, model::IssueCode::kLossesMerged);
  EXPECT_EQ(issues.rows()[0].count, static_cast<std::uint64_t>(kMore));
}

TEST(Survey, LossWindowsUpToTheLimitAreKeptApart) {
  test::FakeTrace trace;
  test::FakeTrace::Stream stream;
  stream.cpu = 0;
  for (std::size_t i = 0; i < limits::kLossWindows; ++i) {
    stream.events.push_back(
        loss(static_cast<std::int64_t>(10 * i), static_cast<std::int64_t>(10 * i + 4), 1));
  }
  trace.add_stream(stream);
  model::IssueLog issues;
  EXPECT_EQ(survey(trace, issues).losses.size(), limits::kLossWindows);
  EXPECT_TRUE(issues.rows().empty());
}

TEST(Survey, WithoutStatesItCountsTheSameAndKeepsNone) {
  test::FakeTrace trace;
  test::FakeTrace::Stream stream;
  stream.cpu = 0;
  for (int i = 0; i < 2000; ++i) {
    Event event;
    event.kind = i % 2 == 0 ? EventKind::kSchedSwitch : EventKind::kUnknown;
    event.own = OwnTime{100 + 5 * i};
    event.args[model::arg::kPrevTid] = static_cast<std::uint64_t>(7);
    event.args[model::arg::kNextTid] = static_cast<std::uint64_t>(9);
    event.present = 1U << model::arg::kPrevTid | 1U << model::arg::kNextTid;
    stream.events.push_back(event);
  }
  trace.add_stream(stream);
  model::IssueLog issues;
  Progress progress({}, nullptr);
  const TraceSurvey all = survey(trace, issues);
  const auto bare = survey_trace(trace, {}, issues, progress, SurveyScope{false, true, false});
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(all.events, 2000U);
  EXPECT_EQ(all.events_by_type, bare.value().events_by_type);
  EXPECT_EQ(all.begin, bare.value().begin);
  EXPECT_EQ(all.end->value, 100 + 5 * 1999);
  EXPECT_EQ(all.end, bare.value().end);
  EXPECT_FALSE(all.initial.cpus.empty());
  EXPECT_TRUE(bare.value().initial.cpus.empty());
  EXPECT_EQ(all.evidence.events, bare.value().evidence.events);
  ASSERT_EQ(bare.value().evidence.cpus.size(), 1U);
}

/// Switches between threads, with `vcpu_events` entries and exits of thread 80 behind `quiet` of
/// them.
test::FakeTrace host_of_one(int quiet, int vcpu_events) {
  test::FakeTrace trace;
  test::FakeTrace::Stream stream;
  stream.cpu = 0;
  trace.add_type("kvm_entry", EventKind::kKvmEntry);
  const auto add = [&stream](EventKind kind, std::int32_t tid) {
    Event event;
    event.kind = kind;
    event.own = OwnTime{100 + 5 * static_cast<std::int64_t>(stream.events.size())};
    event.tid = tid;
    stream.events.push_back(event);
  };
  for (int i = 0; i < quiet; ++i) add(EventKind::kSchedSwitch, 7);
  for (int i = 0; i < vcpu_events; ++i) {
    add(i % 2 == 0 ? EventKind::kKvmEntry : EventKind::kKvmExit, 80);
  }
  trace.add_stream(stream);
  return trace;
}

TEST(Survey, VmsAreFoundWhereverInTheTraceTheyBegin) {
  for (const int quiet : {0, 100, 5000}) {
    const test::FakeTrace trace = host_of_one(quiet, 10);
    model::IssueLog issues;
    const TraceSurvey found = survey(trace, issues);
    EXPECT_EQ(found.events, static_cast<std::uint64_t>(quiet) + 10) << quiet;
    ASSERT_EQ(found.vms.size(), 1U) << quiet;
    ASSERT_EQ(found.vms[0].vcpus.size(), 1U);
    ASSERT_EQ(found.vms[0].vcpus[0].threads.size(), 1U);
    EXPECT_EQ(found.vms[0].vcpus[0].threads[0].tid, 80);
    ASSERT_EQ(found.evidence.threads.size(), 1U);
    EXPECT_EQ(found.evidence.threads[0].runs.size(), 5U);
  }
}

TEST(Survey, ATraceAloneKeepsNothingToJoinClocksWithButMeasuresItsTicks) {
  test::FakeTrace trace = host_of_one(10, 10);
  test::FakeTrace::Stream timers;
  timers.cpu = 1;
  for (int i = 0; i < 20; ++i) {
    Event event;
    event.kind = EventKind::kHrtimerExpireEntry;
    event.own = OwnTime{1000 + 10 * i};
    event.args[model::arg::kHrtimerNow] = 500U + 5U * static_cast<std::uint64_t>(i);
    event.present = 1U << model::arg::kHrtimerNow;
    timers.events.push_back(event);
  }
  trace.add_stream(timers);
  model::IssueLog issues;
  Progress progress({}, nullptr);
  SurveyScope scope;
  scope.alone = true;
  const auto in_ns = survey_trace(trace, {}, issues, progress, scope);
  trace.change_info().clock.unit = reader::ClockInfo::Unit::kTicks;
  const auto in_ticks = survey_trace(trace, {}, issues, progress, scope);
  ASSERT_TRUE(in_ns.ok() && in_ticks.ok());
  EXPECT_TRUE(in_ns.value().evidence.readings.empty());
  EXPECT_EQ(in_ticks.value().evidence.readings.size(), 20U);
  for (const TraceSurvey* found : {&in_ns.value(), &in_ticks.value()}) {
    EXPECT_TRUE(found->evidence.threads.empty());
    EXPECT_EQ(found->vms.size(), 1U);
    EXPECT_EQ(found->events, 40U);
  }
}

TEST(Survey, ATraceThatOnlyDescribesKvmIsReadOnceBeyondItsBegin) {
  const test::FakeTrace trace = host_of_one(5000, 0);
  model::IssueLog issues;
  const TraceSurvey found = survey(trace, issues);
  EXPECT_EQ(found.events, 5000U);
  EXPECT_TRUE(found.vms.empty());
  EXPECT_EQ(trace.opened().size(), 2U);  // the look at its begin, and the pass
}

}  // namespace
}  // namespace vs::session
