#include "session/decode_ahead.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "session/fake_trace_test_support.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;
using test::FakeTrace;

struct Seen {
  std::int64_t own = 0;
  std::string text;
  friend bool operator==(const Seen&, const Seen&) = default;
};

/// Texts whose memory is gone with the next run, as a reader's is.
class FadingTexts final : public reader::StreamCursor {
 public:
  FadingTexts(std::int64_t events, std::size_t longest) : events_(events), longest_(longest) {}
  Result<std::span<const Event>> next() override {
    run_.clear();
    texts_.assign(kRun, std::string());
    for (std::size_t i = 0; i < kRun && at_ < events_; ++i, ++at_) {
      Event event;
      event.kind = EventKind::kSchedSwitch;
      event.own = OwnTime{at_};
      texts_[i] = text_of(at_, longest_);
      event.texts[at_ % 2 == 0 ? 0 : 1] = texts_[i];
      run_.push_back(event);
    }
    return std::span<const Event>(run_);
  }
  Status seek(OwnTime) override { return {}; }
  [[nodiscard]] std::uint64_t bytes_done() const override {
    return static_cast<std::uint64_t>(at_);
  }
  void fields_json(const Event&, std::string&) const override {}

  static std::string text_of(std::int64_t at, std::size_t longest) {
    return std::string(static_cast<std::size_t>(at) * 7 % (longest + 1),
                       static_cast<char>('a' + at % 26));
  }

 private:
  static constexpr std::size_t kRun = 5;
  std::int64_t events_;
  std::size_t longest_;
  std::int64_t at_ = 0;
  std::vector<Event> run_;
  std::vector<std::string> texts_;
};

std::vector<Seen> drain(reader::StreamCursor& cursor) {
  std::vector<Seen> all;
  for (;;) {
    const auto run = cursor.next();
    EXPECT_TRUE(run.ok());
    if (!run.ok() || run->empty()) return all;
    for (const Event& event : *run) {
      all.push_back({event.own.value, std::string(event.texts[0]) + std::string(event.texts[1])});
    }
  }
}

TEST(DecodeAhead, GivesEveryEventOnceAndInOrderWhateverItsTextsAre) {
  for (const std::size_t longest : {0U, 30U, 200'000U}) {
    const std::int64_t events = longest > 1000 ? 300 : 20'000;
    DecodeAhead ahead(3, 4);
    std::vector<std::unique_ptr<reader::StreamCursor>> cursors;
    for (int i = 0; i < 4; ++i) {
      cursors.push_back(ahead.take(std::make_unique<FadingTexts>(events + i, longest)));
    }
    for (int i = 0; i < 4; ++i) {
      FadingTexts alone(events + i, longest);
      EXPECT_EQ(drain(*cursors[static_cast<std::size_t>(i)]), drain(alone)) << longest;
      EXPECT_EQ(cursors[static_cast<std::size_t>(i)]->bytes_done(),
                static_cast<std::uint64_t>(events + i));
      EXPECT_TRUE(cursors[static_cast<std::size_t>(i)]->next()->empty());
    }
  }
}

TEST(DecodeAhead, AStreamThatIsNotTakenHoldsUpNoOther) {
  DecodeAhead ahead(1, 2);
  const auto left = ahead.take(std::make_unique<FadingTexts>(1'000'000, 3));
  const auto read = ahead.take(std::make_unique<FadingTexts>(100'000, 3));
  EXPECT_EQ(drain(*read).size(), 100'000U);
}

TEST(DecodeAhead, EndsWhileStreamsAreFarFromTheirEnd) {
  DecodeAhead ahead(2, 1);
  const auto cursor = ahead.take(std::make_unique<FadingTexts>(1'000'000'000, 3));
  const auto run = cursor->next();
  ASSERT_TRUE(run.ok());
  EXPECT_FALSE(run->empty());
}

TEST(DecodeAhead, HandsOnThatAStreamCannotBeRead) {
  FakeTrace trace;
  FakeTrace::Stream stream;
  stream.cpu = 0;
  for (int i = 0; i < 9; ++i) {
    Event event;
    event.kind = EventKind::kSchedSwitch;
    event.own = OwnTime{i};
    stream.events.push_back(event);
  }
  stream.fails_at = 6;
  trace.add_stream(stream);
  model::IssueLog issues;
  DecodeAhead ahead(1, 1);
  auto cursor = trace.open_stream(0, {}, issues);
  ASSERT_TRUE(cursor.ok());
  const auto taken = ahead.take(std::move(*cursor));
  const auto run = taken->next();
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace vs::session
