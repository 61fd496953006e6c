#include "merge/merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace vs::merge {
namespace {

using model::Event;
using model::EventKind;

/// A cursor over events in memory, delivered in runs of a given size.
class FakeCursor final : public reader::StreamCursor {
 public:
  FakeCursor(std::vector<Event> events, std::size_t run) : events_(std::move(events)), run_(run) {}
  Result<std::span<const Event>> next() override {
    const std::size_t count = std::min(run_, events_.size() - position_);
    const auto out = std::span<const Event>(events_).subspan(position_, count);
    position_ += count;
    return out;
  }
  Status seek(OwnTime) override { return {}; }
  std::uint64_t bytes_done() const override { return position_; }
  void fields_json(const Event&, std::string&) const override {}

 private:
  std::vector<Event> events_;
  std::size_t run_;
  std::size_t position_ = 0;
};

class FailingCursor final : public reader::StreamCursor {
 public:
  Result<std::span<const Event>> next() override { return Error{ErrorCode::kIo, "gone", "f", ""}; }
  Status seek(OwnTime) override { return {}; }
  std::uint64_t bytes_done() const override { return 0; }
  void fields_json(const Event&, std::string&) const override {}
};

Event at(std::int64_t own, EventKind kind = EventKind::kUnknown) {
  Event event;
  event.own = OwnTime{own};
  event.kind = kind;
  return event;
}

Source source(std::vector<Event> events, const model::ClockMap& clock, bool guest = false,
              std::size_t run = 3) {
  Source out;
  out.cursor = std::make_unique<FakeCursor>(std::move(events), run);
  out.clock = &clock;
  out.guest = guest;
  return out;
}

std::vector<Item> drain(Merger& merger, std::vector<Event>* events = nullptr) {
  EXPECT_TRUE(merger.start().ok());
  std::vector<Item> items;
  Item item;
  for (;;) {
    const auto more = merger.next(item);
    EXPECT_TRUE(more.ok());
    if (!more.ok() || !more.value()) return items;
    items.push_back(item);
    if (events != nullptr) events->push_back(*item.event);
  }
}

TEST(Merger, NoSourcesAndEmptySources) {
  const model::ClockMap clock;
  Merger none({});
  EXPECT_TRUE(drain(none).empty());
  std::vector<Source> sources;
  sources.push_back(source({}, clock));
  sources.push_back(source({at(1)}, clock));
  Merger some(std::move(sources));
  EXPECT_EQ(drain(some).size(), 1U);
}

TEST(Merger, EqualTimesPutGuestEventsBetweenEntryAndExit) {
  const model::ClockMap clock;
  std::vector<Source> sources;
  sources.push_back(source({at(10, EventKind::kKvmExit)}, clock));
  sources.push_back(source({at(10, EventKind::kSchedSwitch)}, clock, true));
  sources.push_back(source({at(10, EventKind::kKvmEntry)}, clock));
  Merger merger(std::move(sources));
  std::vector<Event> events;
  drain(merger, &events);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].kind, EventKind::kKvmEntry);
  EXPECT_EQ(events[1].kind, EventKind::kSchedSwitch);
  EXPECT_EQ(events[2].kind, EventKind::kKvmExit);
}

TEST(Merger, AStreamThatGoesBackIsClampedInItsOwnOrder) {
  const model::ClockMap clock;
  std::vector<Source> sources;
  sources.push_back(source({at(5), at(3), at(9)}, clock));
  sources.push_back(source({at(4), at(6)}, clock));
  Merger merger(std::move(sources));
  const auto items = drain(merger);
  std::vector<std::int64_t> times;
  for (const Item& item : items) times.push_back(item.time.ns);
  EXPECT_EQ(times, (std::vector<std::int64_t>{4, 5, 5, 6, 9}));
}

TEST(Merger, AnUnreadableStreamIsAnError) {
  const model::ClockMap clock;
  std::vector<Source> sources;
  Source bad;
  bad.cursor = std::make_unique<FailingCursor>();
  bad.clock = &clock;
  sources.push_back(std::move(bad));
  Merger merger(std::move(sources));
  EXPECT_FALSE(merger.start().ok());
}

TEST(Merger, RandomStreamsComeOutSortedAndComplete) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    const model::ClockMap clock;
    std::vector<Source> sources;
    std::vector<std::int64_t> expected;
    const std::size_t count = random() % 9;
    for (std::size_t s = 0; s < count; ++s) {
      std::vector<Event> events;
      std::int64_t time = 0;
      for (std::size_t i = random() % 100; i > 0; --i) {
        time += static_cast<std::int64_t>(random() % 5);
        events.push_back(at(time));
        expected.push_back(time);
      }
      sources.push_back(source(std::move(events), clock, s % 2 == 1, 1 + random() % 7));
    }
    std::sort(expected.begin(), expected.end());
    Merger merger(std::move(sources));
    std::vector<std::int64_t> times;
    for (const Item& item : drain(merger)) times.push_back(item.time.ns);
    EXPECT_EQ(times, expected);
  }
}

}  // namespace
}  // namespace vs::merge
