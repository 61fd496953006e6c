#include "merge/merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <ostream>
#include <random>
#include <tuple>

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

/// A stream as the reference sees it.
struct Stream {
  std::vector<Event> events;
  const model::ClockMap* clock = nullptr;
  bool guest = false;
};

/// What an item is known by: its host time, its stream and its number in the stream.
struct Place {
  std::int64_t time_ns;
  std::uint32_t source;
  std::size_t number;
  friend bool operator==(const Place&, const Place&) = default;
};
void PrintTo(const Place& place, std::ostream* out) {
  *out << place.time_ns << " of " << place.source << " #" << place.number;
}

int rank_of(const Event& event, bool guest) {
  if (event.kind == EventKind::kKvmEntry && !guest) return 0;
  if (guest) return 1;
  return event.kind == EventKind::kKvmExit ? 3 : 2;
}

/// The definition: the smallest head of all streams, event by event.
std::vector<Place> by_definition(const std::vector<Stream>& streams) {
  std::vector<std::size_t> next(streams.size(), 0);
  std::vector<std::int64_t> last(streams.size(), INT64_MIN);
  std::vector<Place> out;
  using Head = std::tuple<std::int64_t, int, std::size_t>;
  while (true) {
    std::optional<Head> best;
    for (std::size_t s = 0; s < streams.size(); ++s) {
      const Stream& stream = streams[s];
      if (next[s] == stream.events.size()) continue;
      const Event& event = stream.events[next[s]];
      const Head head{std::max(last[s], stream.clock->to_host(event.own).ns),
                      rank_of(event, stream.guest), s};
      if (!best || head < *best) best = head;
    }
    if (!best) return out;
    const std::size_t s = std::get<2>(*best);
    last[s] = std::get<0>(*best);
    out.push_back({last[s], static_cast<std::uint32_t>(s), next[s]++});
  }
}

/// Events carry their number, so that what comes out can be told apart.
std::vector<Place> by_merger(const std::vector<Stream>& streams, std::size_t run, bool batches) {
  std::vector<Source> sources;
  for (const Stream& stream : streams) {
    std::vector<Event> events = stream.events;
    for (std::size_t i = 0; i < events.size(); ++i) events[i].record = i;
    sources.push_back(source(std::move(events), *stream.clock, stream.guest, run));
  }
  Merger merger(std::move(sources));
  EXPECT_TRUE(merger.start().ok());
  std::vector<Place> out;
  const auto take = [&](const Item& item) {
    out.push_back({item.time.ns, item.source, static_cast<std::size_t>(item.event->record)});
  };
  Item item;
  while (!batches && merger.next(item).value()) take(item);
  while (batches) {
    const auto batch = merger.next_batch();
    if (batch->empty()) break;
    for (const Item& each : *batch) take(each);
  }
  return out;
}

/// How random streams differ from each other.
struct Mix {
  const char* name;
  std::size_t streams;
  std::size_t events;
  std::int64_t gap;  ///< greatest between two events
  int back;          ///< one event of so many goes back; 0 = none
};

std::string mix_name(const ::testing::TestParamInfo<Mix>& mix) { return mix.param.name; }

class MergerMixTest : public ::testing::TestWithParam<Mix> {
 protected:
  std::vector<Stream> make(std::mt19937_64& random) {
    const Mix& mix = GetParam();
    constexpr EventKind kKinds[] = {EventKind::kKvmEntry, EventKind::kKvmExit,
                                    EventKind::kSchedSwitch, EventKind::kLoss};
    std::vector<Stream> streams(random() % (mix.streams + 1));
    for (Stream& stream : streams) {
      stream.guest = random() % 3 == 0;
      stream.clock = stream.guest ? &drifting_ : &identity_;
      std::int64_t time = static_cast<std::int64_t>(random() % 1000) - 500;
      for (std::size_t i = random() % mix.events; i > 0; --i) {
        time += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(mix.gap + 1));
        if (mix.back != 0 && random() % static_cast<std::uint64_t>(mix.back) == 0) {
          time -= static_cast<std::int64_t>(random() % (3 * static_cast<std::uint64_t>(mix.gap)));
        }
        stream.events.push_back(at(time, kKinds[random() % 4]));
      }
    }
    return streams;
  }

  const model::ClockMap identity_;
  const model::ClockMap drifting_ = [] {
    model::ClockSegment first;
    first.own_end = OwnTime{300};
    first.rate = model::kRateOne + model::kRateOne / 7;
    model::ClockSegment second = first;
    second.own_begin = first.own_end;
    second.own_end = kOwnTimeMax;
    second.anchor_host = HostTime{-20};  // goes back: clamped to the first one's end
    return model::ClockMap({first, second});
  }();
};

TEST_P(MergerMixTest, IsTheSmallestHeadEventByEvent) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    const std::vector<Stream> streams = make(random);
    const std::vector<Place> expected = by_definition(streams);
    for (const std::size_t run : {1U, 7U, 5000U}) {
      EXPECT_EQ(by_merger(streams, run, false), expected) << run;
      EXPECT_EQ(by_merger(streams, run, true), expected) << run;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Mixes, MergerMixTest,
                         ::testing::Values(Mix{"EqualTimes", 5, 200, 1, 0},
                                           Mix{"Dense", 9, 100, 5, 0},
                                           Mix{"GoingBack", 6, 200, 4, 5},
                                           Mix{"LongRuns", 3, 3000, 3, 50},
                                           Mix{"HoursApart", 4, 100, std::int64_t{1} << 44, 0},
                                           Mix{"YearsApart", 4, 30, std::int64_t{1} << 56, 9},
                                           Mix{"ManyStreams", 300, 5, 50, 0}),
                         mix_name);

TEST(Merger, TimesAtTheEndsOfTheScale) {
  const model::ClockMap clock;
  const std::vector<Stream> streams = {
      {{at(INT64_MIN, EventKind::kKvmEntry), at(0), at(INT64_MAX)}, &clock, false},
      {{at(INT64_MIN), at(INT64_MAX), at(INT64_MAX, EventKind::kKvmExit)}, &clock, true}};
  const auto expected = by_definition(streams);
  ASSERT_EQ(expected.size(), 6U);
  EXPECT_EQ(by_merger(streams, 2, false), expected);
}

}  // namespace
}  // namespace vs::merge
