#include "session/event_scan.h"

#include <gtest/gtest.h>

#include "session/fake_trace_test_support.h"

namespace vs::session {
namespace {

namespace ev = vs::test::events;
using model::Event;
using test::FakeTrace;

model::ClockMap shifted(std::int64_t ns) {
  model::ClockSegment segment;
  segment.own_begin = kOwnTimeMin;
  segment.anchor_host = HostTime{ns};
  return model::ClockMap({segment});
}

Event wake_at(std::int64_t own, std::uint32_t cpu) { return ev::sched_waking({own, cpu}, {7}); }
Event irq_at(std::int64_t own, std::uint32_t cpu) { return ev::irq_entry({own, cpu}, 3); }

/// "trace:time name", ...
std::string scan(const std::vector<ScanTrace>& traces, ScanRequest request) {
  model::IssueLog issues;
  auto opened = EventScan::open(traces, std::move(request), issues);
  if (!opened.ok()) return opened.error().to_string();
  std::string text;
  ScanItem item;
  for (;;) {
    const auto more = (*opened)->next(item);
    if (!more.ok()) return text + "| " + more.error().to_string();
    if (!more.value()) return text;
    text += std::to_string(item.trace) + ":" + std::to_string(item.time.ns) + " " +
            item.type->name + " ";
  }
}

class Scan : public testing::Test {
 protected:
  Scan() {
    host_.add_stream({0,
                      {wake_at(10, 0), irq_at(20, 0), ev::loss({25, 0}, {28, 2}), wake_at(30, 0),
                       irq_at(40, 0)}});
    host_.add_stream({1, {irq_at(15, 1), wake_at(35, 1)}});
    guest_.add_stream({0, {wake_at(1, 0), wake_at(11, 0), wake_at(21, 0)}});
  }
  [[nodiscard]] std::vector<ScanTrace> both() const {
    return {{&host_, &host_clock_, 4, false}, {&guest_, &guest_clock_, 9, true}};
  }
  [[nodiscard]] std::vector<ScanTrace> host() const { return {{&host_, &host_clock_, 0, false}}; }

  FakeTrace host_;
  FakeTrace guest_;
  model::ClockMap host_clock_;
  model::ClockMap guest_clock_ = shifted(11);
};

TEST_F(Scan, AllTracesComeInHostTimeWithoutLosses) {
  EXPECT_EQ(scan(both(), {}),
            "4:10 sched_waking 9:12 sched_waking 4:15 irq_handler_entry 4:20 irq_handler_entry "
            "9:22 sched_waking 4:30 sched_waking 9:32 sched_waking 4:35 sched_waking "
            "4:40 irq_handler_entry ");
}

TEST_F(Scan, TheWindowIsHalfOpenOnTheHostTimeline) {
  EXPECT_EQ(scan(both(), {.from = HostTime{20}, .to = HostTime{32}}),
            "4:20 irq_handler_entry 9:22 sched_waking 4:30 sched_waking ");
  EXPECT_EQ(scan(both(), {.from = HostTime{41}}), "");
  EXPECT_EQ(scan(both(), {.from = HostTime{20}, .to = HostTime{20}}), "");
}

TEST_F(Scan, ACpuOpensItsStreamsOnly) {
  EXPECT_EQ(scan(host(), {.cpu = 1}), "0:15 irq_handler_entry 0:35 sched_waking ");
  EXPECT_EQ(host_.opened(), (std::vector<std::size_t>{1}));
  EXPECT_EQ(scan(host(), {.cpu = 5}), "");
  FakeTrace mixed;  // a stream of no CPU in particular is read and sifted
  mixed.add_stream({model::kNoCpu, {wake_at(1, 0), wake_at(2, 3), wake_at(3, 0)}});
  EXPECT_EQ(scan({{&mixed, &host_clock_, 0, false}}, {.cpu = 3}), "0:2 sched_waking ");
}

TEST_F(Scan, NamesAreExactAndATraceWithoutThemIsNotRead) {
  EXPECT_EQ(scan(both(), {.names = {"irq_handler_entry"}}),
            "4:15 irq_handler_entry 4:20 irq_handler_entry 4:40 irq_handler_entry ");
  EXPECT_TRUE(guest_.opened().empty());
  EXPECT_EQ(scan(both(), {.names = {"irq_handler"}}), "");
  EXPECT_EQ(scan(both(), {.names = {"sched_waking", "none"}}).substr(0, 15), "4:10 sched_waki");
}

// Two event types of one kind: the kind is decoded, but only the named type is shown.
TEST_F(Scan, TypesOfOneKindAreToldApart) {
  FakeTrace trace;
  trace.add_type("kvm_exit", model::EventKind::kKvmExit);
  trace.add_stream({0, {ev::kvm_exit({1, 0}, {1})}});
  trace.add_type("kvm_nested_exit", model::EventKind::kKvmExit);
  trace.add_stream({1, {ev::kvm_exit({2, 1}, {1})}});
  EXPECT_EQ(scan({{&trace, &host_clock_, 0, false}}, {.names = {"kvm_exit"}}), "0:1 kvm_exit ");
}

TEST_F(Scan, FieldsAreThoseOfTheLastItem) {
  model::IssueLog issues;
  auto opened = EventScan::open(both(), {.from = HostTime{21}}, issues);
  ASSERT_TRUE(opened.ok());
  ScanItem item;
  ASSERT_TRUE((*opened)->next(item).value());
  std::string json;
  (*opened)->fields_json(json);
  EXPECT_EQ(json, "{\"own\":11}");  // the guest's own time of host time 22
}

TEST_F(Scan, AStreamThatCannotBeReadIsAnErrorNotAnEnd) {
  FakeTrace at_once;
  at_once.add_stream({0, {wake_at(1, 0)}, 0});
  EXPECT_EQ(scan({{&at_once, &host_clock_, 0, false}}, {}), "fake cpu 0: cannot read");
  FakeTrace later;
  std::vector<Event> events;
  for (std::int64_t i = 0; i < 9; ++i) events.push_back(wake_at(i, 0));
  later.add_stream({0, events, 6});
  const std::string text = scan({{&later, &host_clock_, 0, false}}, {});
  EXPECT_TRUE(text.ends_with("| fake cpu 0: cannot read")) << text;
}

}  // namespace
}  // namespace vs::session
