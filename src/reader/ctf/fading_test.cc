// What a cursor steps over because it has faded (model/fading.h), on random streams: always
// allowed, and all else as without.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "reader/ctf/random_stream_test_support.h"

namespace vs::reader::ctf {
namespace {

using namespace test;
using model::Event;
using model::EventKind;

struct Told {
  std::vector<Event> events;  ///< without texts
  std::vector<std::string> words;
};

Told tell_all(const TraceModel& model, Bytes bytes, const StreamRequest& request) {
  os::MemoryFiles files;
  files.put("/s", std::vector<std::byte>(bytes.begin(), bytes.end()));
  const std::vector<StreamFile> chain{{"/s", "s", ""}};
  model::IssueLog issues;
  CtfCursor cursor(CursorSource{model, files, chain, "/"}, request, issues);
  Told out;
  for (;;) {
    const auto batch = cursor.next();
    if (!batch.ok() || batch->empty()) return out;
    for (const Event& event : *batch) {
      out.words.push_back(words_of(event));
      out.events.push_back(event);
    }
  }
}

struct Passed final : PassedSink {
  void on_passed(std::uint32_t, std::span<const std::int64_t> own,
                 std::span<const std::uint16_t> type) override {
    times.insert(times.end(), own.begin(), own.end());
    types.insert(types.end(), type.begin(), type.end());
  }
  std::vector<std::int64_t> times;
  std::vector<std::uint16_t> types;
};

std::int32_t thread_of(const Event& event, std::size_t slot) {
  return static_cast<std::int32_t>(event.args[slot]);
}

/// Says of a stream's events, one after the other, whether a reader may step over them.
class Judge {
 public:
  explicit Judge(const model::Fading& fading) : fading_(fading) {}

  bool may_step_over(const Event& event) {
    off_ = off_ || (event.kind != EventKind::kLoss && event.own < last_) ||
           (cpu_ && *cpu_ != event.cpu);
    cpu_ = event.cpu;
    if (event.kind == EventKind::kLoss) {
      running_ = model::kNoTid;
      return false;
    }
    last_ = event.own;
    const bool faded = !off_ && running_ != model::kNoTid && event.tid == running_ && bears(event);
    if (event.kind == EventKind::kSchedSwitch && event.has(model::arg::kNextTid)) {
      running_ = thread_of(event, model::arg::kNextTid);
    }
    return faded;
  }

 private:
  [[nodiscard]] bool bears(const Event& event) const {
    if (fading_.marks == nullptr) return false;
    for (const model::FadeRule& rule : fading_.rules) {
      if (rule.kind != event.kind) continue;
      if (rule.count == 0) return fading_.marks->has(event.tid, rule.mark);
      const auto slots = std::span(rule.args).first(rule.count);
      return std::all_of(slots.begin(), slots.end(), [&](std::uint8_t slot) {
        return event.has(slot) && fading_.marks->has(thread_of(event, slot), rule.mark);
      });
    }
    return false;
  }

  const model::Fading& fading_;
  std::int32_t running_ = model::kNoTid;
  OwnTime last_ = kOwnTimeMin;
  std::optional<std::uint32_t> cpu_;
  bool off_ = false;
};

/// Reads with and without fading; how many events were stepped over, and that it was right.
std::size_t count_faded(const TraceModel& model, Bytes bytes, const model::Fading& fading) {
  StreamRequest request;
  Passed all;
  request.passed = &all;
  const Told every = tell_all(model, bytes, request);
  Passed again;
  request.passed = &again;
  request.fading = fading;
  const Told some = tell_all(model, bytes, request);
  EXPECT_EQ(all.times, again.times);
  EXPECT_EQ(all.types, again.types);
  Judge judge(fading);
  std::size_t at = 0;
  for (std::size_t i = 0; i < every.events.size(); ++i) {
    const bool may = judge.may_step_over(every.events[i]);
    if (at < some.words.size() && some.words[at] == every.words[i]) {
      ++at;
    } else {
      EXPECT_TRUE(may) << every.words[i];
    }
  }
  EXPECT_EQ(at, some.words.size());
  return every.events.size() - some.events.size();
}

/// Marks of most threads that the stream is about; few, so that there are all cases.
void mark_threads(const TraceModel& model, Bytes bytes, Random& random, model::ThreadMarks& marks) {
  for (const Event& event : tell_all(model, bytes, {}).events) {
    for (const std::size_t slot : {model::arg::kPrevTid, model::arg::kNextTid}) {
      const std::int32_t tid = thread_of(event, slot);
      if (tid >= 0 && chance(random, 80)) marks.add(tid, 1U << below(random, 2));
    }
    if (event.tid >= 0 && chance(random, 80)) marks.add(event.tid, 1U << below(random, 2));
  }
}

TEST(Fading, LeavesOutOnlyWhatTheMarksAllow) {
  const std::vector<model::FadeRule> rules = {
      {EventKind::kSchedSwitch, 1, 2, {model::arg::kPrevTid, model::arg::kNextTid}},
      {EventKind::kSchedWaking, 2, 1, {model::arg::kWakeTid}},
      {EventKind::kKvmExit, 1, 0, {}},
      {EventKind::kIrqHandlerEntry, 3, 0, {}}};
  std::size_t whole = 0;
  std::size_t damaged = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(1000 + seed);
    const Shape shape{chance(random, 50), chance(random, 50), chance(random, 30), 1'000'000'000};
    const auto model = model_of(Describer(shape, random).metadata());
    Written written = StreamWriter(shape, *model, random).write(3, 20000);
    model::ThreadMarks marks;
    mark_threads(*model, written.bytes, random, marks);
    whole += count_faded(*model, written.bytes, {&marks, rules});
    for (int i = 0; i < 10; ++i) {
      std::vector<std::byte> bytes = written.bytes;
      for (std::uint64_t n = 1 + below(random, 3); n-- > 0;) {
        bytes[below(random, bytes.size())] ^= static_cast<std::byte>(1U << below(random, 8));
      }
      damaged += count_faded(*model, bytes, {&marks, rules});
    }
  }
  EXPECT_GT(whole, 500U);
  EXPECT_GT(damaged, 1000U);
}

TEST(Fading, WithoutMarksNothingFades) {
  Random random(3);
  const auto model = model_of(Describer({}, random).metadata());
  const Written written = StreamWriter({}, *model, random).write(2, 20000);
  const std::vector<model::FadeRule> rules = {{EventKind::kKvmExit, 1, 0, {}}};
  const model::ThreadMarks none;
  EXPECT_EQ(count_faded(*model, written.bytes, {&none, rules}), 0U);
  EXPECT_EQ(count_faded(*model, written.bytes, {nullptr, rules}), 0U);
}

}  // namespace
}  // namespace vs::reader::ctf
