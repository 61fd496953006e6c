#include "session/merge_ahead.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "session/decode_ahead.h"
#include "session/fake_trace_test_support.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;
using test::FakeTrace;

constexpr std::size_t kStreams = 3;

Event event_at(std::int64_t own, std::uint32_t cpu) {
  Event event;
  event.kind = EventKind::kSchedSwitch;
  event.own = OwnTime{own};
  event.cpu = cpu;
  event.record = static_cast<std::uint64_t>(own);
  return event;
}

/// Streams that interleave in bursts.
FakeTrace trace_of(std::int64_t events, std::int64_t fails_at = -1) {
  FakeTrace trace;
  for (std::uint32_t cpu = 0; cpu < kStreams; ++cpu) {
    FakeTrace::Stream stream;
    stream.cpu = cpu;
    for (std::int64_t i = 0; i < events; ++i) {
      stream.events.push_back(event_at(10 * i + (i % 7) + cpu, cpu));
    }
    if (fails_at >= 0 && cpu == 1) stream.fails_at = static_cast<std::size_t>(fails_at);
    trace.add_stream(stream);
  }
  return trace;
}

struct Seen {
  std::int64_t time = 0;
  std::uint32_t source = 0;
  std::uint64_t record = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void look(std::span<const merge::Item> items, std::vector<Seen>& seen) {
  for (const merge::Item& item : items) {
    seen.push_back({item.time.ns, item.source, item.event->record});
  }
}

class Flowing {
 public:
  explicit Flowing(const FakeTrace& trace, unsigned decoders = 0) {
    std::vector<merge::Source> sources;
    if (decoders > 0) ahead_.emplace(decoders, kStreams);
    for (std::size_t s = 0; s < kStreams; ++s) {
      merge::Source source;
      source.cursor = std::move(trace.open_stream(s, {}, issues_)).value();
      if (ahead_) source.cursor = ahead_->take(std::move(source.cursor));
      source.clock = &clock_;
      sources.push_back(std::move(source));
    }
    merger_.emplace(std::move(sources));
    EXPECT_TRUE(merger_->start().ok());
  }
  merge::Merger& merger() { return *merger_; }

 private:
  model::IssueLog issues_;
  model::ClockMap clock_;
  std::optional<DecodeAhead> ahead_;
  std::optional<merge::Merger> merger_;
};

TEST(MergeAhead, GivesTheFlowOfTheMerger) {
  for (const std::int64_t events : {0, 1, 1365, 50'000}) {  // 3 x 1365 and one: a full batch
    const FakeTrace trace = trace_of(events);
    Flowing alone(trace);
    std::vector<Seen> wanted;
    for (;;) {
      const auto batch = alone.merger().next_batch();
      ASSERT_TRUE(batch.ok());
      if (batch->empty()) break;
      look(*batch, wanted);
    }
    for (const unsigned decoders : {0U, 2U}) {
      Flowing flow(trace, decoders);
      MergeAhead ahead(flow.merger());
      std::vector<Seen> seen;
      std::uint64_t bytes = 0;
      for (;;) {
        const auto batch = ahead.next();
        ASSERT_TRUE(batch.ok());
        EXPECT_GE(batch->bytes_done, bytes);
        bytes = batch->bytes_done;
        if (batch->items.empty()) break;
        look(batch->items, seen);
      }
      EXPECT_EQ(seen, wanted);
      EXPECT_TRUE(ahead.next()->items.empty());
    }
  }
}

TEST(MergeAhead, EndsWhileTheFlowIsFarFromItsEnd) {
  const FakeTrace trace = trace_of(200'000);
  {
    Flowing flow(trace);
    const MergeAhead untouched(flow.merger());
  }
  Flowing flow(trace, 1);
  MergeAhead ahead(flow.merger());
  EXPECT_FALSE(ahead.next()->items.empty());
}

TEST(MergeAhead, TellsAnErrorBehindAllThatWasBeforeIt) {
  const FakeTrace trace = trace_of(30'000, 20'000);
  Flowing flow(trace);
  MergeAhead ahead(flow.merger());
  std::vector<Seen> seen;
  for (;;) {
    const auto batch = ahead.next();
    if (!batch.ok()) {
      EXPECT_EQ(batch.error().code, ErrorCode::kIo);
      break;
    }
    ASSERT_FALSE(batch->items.empty());
    look(batch->items, seen);
  }
  EXPECT_GT(seen.size(), 3U * 19'000);
  EXPECT_FALSE(ahead.next().ok());  // it stays so
}

}  // namespace
}  // namespace vs::session
