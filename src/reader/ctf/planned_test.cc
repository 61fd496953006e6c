// The planned way of reading events (record_plan.h) against the general one and the plain decoder,
// on random streams.
#include <gtest/gtest.h>

#include <algorithm>

#include "reader/ctf/random_stream_test_support.h"

namespace vs::reader::ctf {
namespace {

using namespace test;
using model::Event;
using model::EventKind;

// ---- reading

StreamRequest random_request(Random& random) {
  StreamRequest request;
  request.arguments = !chance(random, 10);
  if (chance(random, 50)) {
    request.kinds = model::KindSet::of({EventKind::kSchedWaking, EventKind::kNetDevQueue});
    if (chance(random, 50)) request.kinds.add(EventKind::kSchedSwitch);
  }
  if (chance(random, 50)) {
    for (const EventKind kind : {EventKind::kSchedSwitch, EventKind::kKvmExit,
                                 EventKind::kNetDevQueue, EventKind::kSchedWaking}) {
      request.choice.only(kind, static_cast<unsigned>(random()) & ArgumentChoice::kAll);
    }
  }
  return request;
}

void expect_same(const TraceModel& model, Bytes stream, const StreamRequest& request,
                 const std::string& metadata) {
  ASSERT_EQ(compare_ways(model, stream, request), std::nullopt) << metadata;
}

class Planned : public testing::TestWithParam<int> {
 protected:
  Random random_{static_cast<std::uint64_t>(GetParam())};
  const Shape shape_{chance(random_, 50), chance(random_, 50), chance(random_, 30),
                     chance(random_, 70) ? 1'000'000'000 : 1 + below(random_, 5'000'000'000)};
  const std::string metadata_ = Describer(shape_, random_).metadata();
  const std::unique_ptr<TraceModel> model_ = model_of(metadata_);
};

TEST_P(Planned, ReadsEveryEventAsTheOtherDecodersDo) {
  const Written written = StreamWriter(shape_, *model_, random_).write(3, 20000);
  ASSERT_GT(written.cycles.size(), 50U) << metadata_;
  const StreamModel& stream = model_->streams.front();
  for (std::size_t i = 0; i < std::min<std::size_t>(written.first_begins.size(), 30); ++i) {
    const auto difference = compare_decoders(*model_, stream, stream.events[written.ids[i]],
                                             written.bytes, written.first_begins[i]);
    ASSERT_EQ(difference, std::nullopt) << metadata_;
  }
  const Delivered all = deliver_all(*model_, written.bytes, {}, true);
  ASSERT_EQ(all.issues, std::vector<std::string>()) << metadata_;
  ASSERT_EQ(all.times.size(), written.cycles.size()) << metadata_;
  const TimeScale scale(model_->schema->clocks.front());
  for (std::size_t i = 0; i < all.times.size(); ++i) {
    ASSERT_EQ(all.times[i], scale.to_own(written.cycles[i]).value) << i << "\n" << metadata_;
  }
  expect_same(*model_, written.bytes, {}, metadata_);
  for (int i = 0; i < 4; ++i) {
    expect_same(*model_, written.bytes, random_request(random_), metadata_);
  }
}

TEST_P(Planned, MeetsDamageAsTheOthersDo) {
  Written written = StreamWriter(shape_, *model_, random_).write(2, 3000);
  for (int i = 0; i < 40; ++i) {
    std::vector<std::byte> damaged = written.bytes;
    for (std::uint64_t n = 1 + below(random_, 3); n-- > 0;) {
      damaged[below(random_, damaged.size())] ^= static_cast<std::byte>(1U << below(random_, 8));
    }
    if (chance(random_, 30)) damaged.resize(below(random_, damaged.size()));
    expect_same(*model_, damaged, {}, metadata_);
  }
}

INSTANTIATE_TEST_SUITE_P(Ctf, Planned, testing::Range(1, 61));

// The input is larger than a window: events lie across its end.
TEST(PlannedWindows, JoinWithoutASeam) {
  Random random(99);
  const Shape shape;
  const std::string metadata = Describer(shape, random).metadata();
  const auto model = model_of(metadata);
  const Written written = StreamWriter(shape, *model, random).write(1, 3 * kWindowBytes);
  const Delivered planned = deliver_all(*model, written.bytes, {}, true);
  EXPECT_EQ(planned.times.size(), written.cycles.size());
  EXPECT_TRUE(planned.issues.empty());
  expect_same(*model, written.bytes, {}, metadata);
}

// LTTng's usual types have no part that a plan leaves out: the programs are not needed for them.
TEST(Plans, CarryEventsOfFixedLayoutWhole) {
  const auto model = model_of(
      "/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; };\n"
      "event { name = \"sched_switch\"; id = 1; fields := struct {\n"
      " integer { size = 8; align = 8; encoding = UTF8; } _prev_comm[16];\n"
      " integer { size = 32; align = 8; signed = 1; } _prev_tid;\n"
      " integer { size = 32; align = 8; byte_order = be; } _next_tid; }; };\n");
  const EventModel& event = model->streams.front().events.front();
  ProgramSet programs;
  const std::uint32_t root = event.layout->fields;
  const std::uint32_t program =
      compile_program(model->layout, model->schema->order, {{&root, 1}, event.bindings, 8},
                      model->special, programs);
  RecordPlan plan;
  RecordSet records;
  plan_record(programs, program, model->special, {true, 0, false}, plan, records);
  EXPECT_EQ(plan.bytes, 24U);
  EXPECT_EQ(plan.tail, kNone);
  EXPECT_EQ(plan.args, 1);
  EXPECT_EQ(plan.big_args, 1);
  EXPECT_EQ(plan.texts, 1);
  EXPECT_EQ(plan.present, 1U << model::arg::kPrevTid | 1U << model::arg::kNextTid);
  EXPECT_FALSE(records.aligned);
}

// Whatever the time, reading on from there gives every event from it on, and of the earlier ones at
// most those of the packet it lies in or of the gap before it.
TEST(Seeks, ReachEveryEventFromTheTimeOn) {
  Random random(7);
  const Shape shape;
  const auto model = model_of(Describer(shape, random).metadata());
  StreamWriter writer(shape, *model, random);
  const std::size_t sizes[] = {20 * 700, 15 * 700};
  os::MemoryFiles files;
  std::vector<StreamFile> chain;
  std::vector<std::int64_t> times;
  const Written written = writer.write(35, 700);
  for (const std::uint64_t cycles : written.cycles) {
    times.push_back(model->streams.front().scale.to_own(cycles).value);
  }
  std::size_t at = 0;
  for (const std::size_t size : sizes) {
    const auto part = Bytes(written.bytes).subspan(at, size);
    const std::string path = "/s" + std::to_string(at);
    files.put(path, std::vector<std::byte>(part.begin(), part.end()));
    chain.push_back(StreamFile{path, path, ""});
    at += size;
  }
  model::IssueLog issues;
  CtfCursor cursor(CursorSource{*model, files, chain, "/"}, {}, issues);
  for (int i = 0; i < 200; ++i) {
    const std::int64_t time =
        times.front() - 5 +
        static_cast<std::int64_t>(
            below(random, static_cast<std::uint64_t>(times.back() - times.front()) + 10));
    ASSERT_TRUE(cursor.seek(OwnTime{time}).ok());
    std::vector<std::int64_t> got;
    while (true) {
      const auto batch = cursor.next();
      ASSERT_TRUE(batch.ok());
      if (batch->empty()) break;
      for (const Event& event : *batch) got.push_back(event.own.value);
    }
    ASSERT_LE(got.size(), times.size());
    ASSERT_TRUE(
        std::equal(got.begin(), got.end(), times.end() - static_cast<std::ptrdiff_t>(got.size())));
    const auto from =
        std::count_if(times.begin(), times.end(), [time](auto t) { return t >= time; });
    ASSERT_GE(got.size(), static_cast<std::size_t>(from)) << time;
    ASSERT_LE(got.size(), static_cast<std::size_t>(from) + 2 * 40) << time;
  }
}

TEST(Time, ConverterGivesWhatTheScaleGives) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    ClockClass clock;
    clock.frequency =
        chance(random, 20) ? 1 + below(random, 5) : 1 + (random() >> below(random, 63));
    clock.offset_seconds = static_cast<std::int64_t>(random()) >> below(random, 64);
    clock.offset_cycles = static_cast<std::int64_t>(random()) >> below(random, 64);
    const TimeScale scale(clock);
    TimeConverter converter;
    converter.set(scale);
    std::uint64_t cycles = random() >> below(random, 64);
    for (int n = 0; n < 100; ++n) {
      cycles += chance(random, 5) ? random() : random() >> (20 + below(random, 44));
      ASSERT_EQ(converter.to_own(cycles), scale.to_own(cycles)) << clock.frequency << " " << cycles;
    }
  }
}

}  // namespace
}  // namespace vs::reader::ctf
