#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "os/file.h"
#include "reader/ftrace/codec.h"
#include "reader/ftrace/format.h"
#include "reader/ftrace/testing/trace_builder.h"
#include "reader/ftrace/trace_info.h"
#include "tests/support/passed.h"

namespace vs::reader::ftrace {
namespace {

using model::Event;
using model::EventKind;
using testing::BufferSpec;
using testing::ByteWriter;
using testing::PageBuilder;
using testing::standard_trace;
using testing::TraceBuilder;
using testing::Variant;
using testing::variant_of;

struct Opened {
  os::MemoryFiles files;
  model::IssueLog issues;
  std::unique_ptr<Trace> trace;
};

std::unique_ptr<Opened> open(TraceBuilder builder) {
  auto out = std::make_unique<Opened>();
  out->files.put("host.dat", builder.build());
  auto trace = kTraceDatFormat.open(out->files, "host.dat", out->issues);
  EXPECT_TRUE(trace.ok()) << (trace.ok() ? "" : trace.error().to_string());
  if (trace.ok()) out->trace = std::move(*trace);
  return out;
}

struct Seen {
  std::int64_t own;
  std::string name;
  std::int32_t tid;
  std::string json;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> drain(const Trace& trace, StreamCursor& cursor) {
  std::vector<Seen> out;
  while (true) {
    const auto run = cursor.next();
    if (!run.ok() || run->empty()) return out;
    for (const Event& event : *run) {
      Seen seen{event.own.value, "LOSS", event.tid, ""};
      if (event.kind != EventKind::kLoss) seen.name = trace.event_types()[event.type].name;
      cursor.fields_json(event, seen.json);
      out.push_back(seen);
    }
  }
}

std::vector<Seen> drain(Opened& opened, std::size_t stream, StreamRequest request = {}) {
  auto cursor = opened.trace->open_stream(stream, request, opened.issues);
  return cursor.ok() ? drain(*opened.trace, **cursor) : std::vector<Seen>{};
}

class ReaderTest : public ::testing::TestWithParam<const char*> {
 protected:
  const Variant variant = variant_of(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Variants, ReaderTest,
                         ::testing::Values("v6-le8", "v6-be4", "v7-none-le8", "v7-none-be8",
                                           "v7-none-le4", "v7-none-be4", "v7-zlib-le8",
                                           "v7-zlib-be4", "v7-zstd-le8", "v7-zstd-be4"));

TEST_P(ReaderTest, Info) {
  const auto opened = open(standard_trace(variant));
  const TraceInfo& info = opened->trace->info();
  EXPECT_EQ(info.machine_name, "box");
  EXPECT_EQ(info.kernel, "6.1.0");
  EXPECT_EQ(info.tracer, "trace-cmd 3.1.6");
  EXPECT_EQ(info.trace_id, 0x1234U);
  EXPECT_EQ(info.cpu_count, 2U);
  EXPECT_EQ(info.clock.name, "mono");
  EXPECT_EQ(info.clock.unit, ClockInfo::Unit::kNanoseconds);
  EXPECT_EQ(info.lost_events, 0U);
  ASSERT_EQ(info.thread_names.size(), 2U);
  EXPECT_EQ(info.thread_names[1].tid, 11);
  EXPECT_EQ(info.thread_names[1].comm, "beta");
  ASSERT_EQ(opened->trace->streams().size(), 2U);
  EXPECT_EQ(opened->trace->streams()[1].place, "host.dat cpu 1");
  EXPECT_EQ(opened->trace->streams()[1].first, OwnTime{1'000'010});
  EXPECT_EQ(opened->trace->streams()[1].last, OwnTime{1'200'010});
  EXPECT_TRUE(opened->issues.rows().empty());
}

TEST_P(ReaderTest, EventsWithTheirFields) {
  const auto opened = open(standard_trace(variant));
  const std::vector<Seen> seen = drain(*opened, 1);
  ASSERT_EQ(seen.size(), 30U);
  EXPECT_EQ(seen[0],
            (Seen{1'001'010, "sched_switch", 11,
                  R"({"prev_comm":"alpha","prev_pid":10,"prev_prio":120,"prev_state":1,)"
                  R"("next_comm":"beta","next_pid":11,"next_prio":100,"system":"sched"})"}));
  EXPECT_EQ(seen[2].json, R"({"ip":4096,"buf":"mark 2\n","system":"ftrace"})");
  EXPECT_EQ(seen[3].json, R"({"vcpu_id":1,"rip":65520,"list":[7,8],"system":"kvm"})");
  EXPECT_EQ(seen[4].json, R"({"filename":"/bin/ls","pid":11,"old_pid":11,"system":"sched"})");
  // page 0: extend of 8192 before record 3, stamp before 5, discarded 500 before 7
  EXPECT_EQ(seen[3].own, 1'000'010 + 4000 + 8192);
  EXPECT_EQ(seen[5].own, 1'050'001 + 1000);
  EXPECT_EQ(seen[7].own, 1'050'001 + 3000 + 500);
}

TEST_P(ReaderTest, ArgumentsAndTexts) {
  const auto opened = open(standard_trace(variant));
  auto cursor = opened->trace->open_stream(0, {}, opened->issues);
  ASSERT_TRUE(cursor.ok());
  const auto run = (*cursor)->next();
  ASSERT_TRUE(run.ok());
  const Event& sw = (*run)[0];
  EXPECT_EQ(sw.kind, EventKind::kSchedSwitch);
  EXPECT_EQ(sw.tid, 10);
  EXPECT_EQ(sw.present, 0b11111);
  EXPECT_EQ(sw.i(model::arg::kPrevTid), 10);
  EXPECT_EQ(sw.i(model::arg::kPrevState), 1);
  EXPECT_EQ(sw.i(model::arg::kNextTid), 11);
  EXPECT_EQ(sw.texts[model::arg::kNextComm], "beta");
  EXPECT_EQ(sw.texts[model::arg::kPrevComm], "alpha");
  EXPECT_EQ((*run)[1].i(model::arg::kWakeTargetCpu), 0);
  EXPECT_EQ((*run)[2].kind, EventKind::kMark);
  EXPECT_EQ((*run)[2].texts[0], "mark 2");  // without the line's end
  EXPECT_EQ((*run)[3].u(model::arg::kEntryRip), 0xfff0U);
  EXPECT_EQ((*run)[4].texts[0], "/bin/ls");
}

TEST_P(ReaderTest, SeekGivesEverythingFromThereOn) {
  const auto opened = open(standard_trace(variant));
  const std::vector<Seen> all = drain(*opened, 0);
  auto cursor = opened->trace->open_stream(0, {}, opened->issues);
  ASSERT_TRUE(cursor.ok());
  std::vector<std::int64_t> wanted = {0, -5, 1'000'000, 1'200'000, 9'000'000};
  for (const Seen& seen : all) wanted.insert(wanted.end(), {seen.own - 1, seen.own, seen.own + 1});
  for (const std::int64_t time : wanted) {
    ASSERT_TRUE((*cursor)->seek(OwnTime{time}).ok());
    const std::vector<Seen> tail = drain(*opened->trace, **cursor);
    ASSERT_LE(tail.size(), all.size());
    EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), all.rbegin())) << time;
    const auto needed = static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const Seen& seen) { return seen.own >= time; }));
    EXPECT_GE(tail.size(), needed) << time;
    EXPECT_LE(tail.size(), needed + 2 * testing::kStandardPageEvents) << time;
  }
}

TEST_P(ReaderTest, OnlyTheWantedKinds) {
  const auto opened = open(standard_trace(variant));
  StreamRequest request;
  request.kinds = model::KindSet::of({EventKind::kMark});
  EXPECT_EQ(drain(*opened, 0, request).size(), 8U);
  request.arguments = false;
  auto cursor = opened->trace->open_stream(0, request, opened->issues);
  const auto run = (*cursor)->next();
  ASSERT_TRUE(run.ok() && !run->empty());
  EXPECT_EQ((*run)[0].present, 0);
  EXPECT_TRUE((*run)[0].texts[0].empty());
  EXPECT_EQ((*run)[0].tid, 10);
}

TEST_P(ReaderTest, TellsAllThatItGoesOverWhateverIsDelivered) {
  const auto opened = open(standard_trace(variant));
  const auto read = [&](StreamRequest request) {
    test::PassedList seen;
    auto cursor = opened->trace->open_stream(0, request, opened->issues);
    for (;;) {
      const auto run = (*cursor)->next();
      if (!run.ok() || run->empty()) return seen.all;
      for (const Event& event : *run) seen.add(event);
    }
  };
  const auto expected = read({});
  ASSERT_GT(expected.size(), 8U);
  for (const model::KindSet& kinds :
       {model::KindSet::all(), model::KindSet{}, model::KindSet::of({EventKind::kMark})}) {
    test::PassedList passed;
    StreamRequest request;
    request.kinds = kinds;
    request.passed = &passed;
    (void)read(request);
    EXPECT_EQ(passed.all, expected);
  }
}

TEST_P(ReaderTest, OnlyTheWantedArguments) {
  const auto opened = open(standard_trace(variant));
  StreamRequest request;
  request.choice.only(EventKind::kSchedSwitch, ArgumentChoice::arg(model::arg::kNextTid) |
                                                   ArgumentChoice::text(model::arg::kNextComm));
  request.choice.only(EventKind::kSchedWakeup, 0);
  auto cursor = opened->trace->open_stream(0, request, opened->issues);
  auto whole = opened->trace->open_stream(0, {}, opened->issues);
  const auto run = (*cursor)->next();
  const auto all = (*whole)->next();
  ASSERT_TRUE(run.ok() && all.ok());
  ASSERT_EQ(run->size(), all->size());
  for (std::size_t i = 0; i < run->size(); ++i) {
    const Event& event = (*run)[i];
    const Event& full = (*all)[i];
    EXPECT_EQ(event.own, full.own);
    EXPECT_EQ(event.tid, full.tid);
    if (event.kind == EventKind::kSchedSwitch) {
      EXPECT_EQ(event.present, 1U << model::arg::kNextTid);
      EXPECT_EQ(event.i(model::arg::kNextTid), 11);
      EXPECT_EQ(event.i(model::arg::kPrevTid), 0);
      EXPECT_EQ(event.texts[model::arg::kNextComm], "beta");
      EXPECT_TRUE(event.texts[model::arg::kPrevComm].empty());
    } else if (event.kind == EventKind::kSchedWakeup) {
      EXPECT_EQ(event.present, 0U);
      EXPECT_EQ(event.args, Event{}.args);
    } else {
      EXPECT_EQ(event.present, full.present);
      EXPECT_EQ(event.args, full.args);
    }
  }
}

TEST_P(ReaderTest, LostEventsTravelInTheStream) {
  TraceBuilder builder = standard_trace(variant);
  PageBuilder page(variant, 1'100'000);
  page.event(50, testing::standard_record(variant, 0, 0)).missed(1234);
  builder.buffers[0].cpus[0].pages[1] = page.build();
  const auto opened = open(builder);
  auto cursor = opened->trace->open_stream(0, {}, opened->issues);
  std::vector<Event> losses;
  std::int64_t before = 0;
  while (true) {
    const auto run = (*cursor)->next();
    if (!run.ok() || run->empty()) break;
    for (const Event& event : *run) {
      if (event.kind == EventKind::kLoss) losses.push_back(event);
      if (losses.empty()) before = event.own.value;
    }
  }
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses[0].own.value, before);
  EXPECT_EQ(losses[0].i(model::arg::kLossEndOwn), 1'100'000);
  EXPECT_EQ(losses[0].u(model::arg::kLossLost), 1234U);
  ASSERT_EQ(opened->issues.rows().size(), 1U);
  EXPECT_EQ(opened->issues.rows()[0].message, "1234 events lost in 1 gaps, first before this page");
}

TEST_P(ReaderTest, LargeSubBuffers) {
  Variant large = variant;
  large.page_size = 16384;
  const auto opened = open(standard_trace(large));
  EXPECT_EQ(drain(*opened, 0).size(), 40U);
  EXPECT_EQ(drain(*opened, 1).size(), 30U);
  EXPECT_TRUE(opened->issues.rows().empty());
}

TEST_P(ReaderTest, TwoReadersAtOnceSeeTheSame) {
  const auto opened = open(standard_trace(variant));
  auto a = opened->trace->open_stream(0, {}, opened->issues);
  auto b = opened->trace->open_stream(0, {}, opened->issues);
  (void)(*a)->next();
  EXPECT_EQ(drain(*opened->trace, **b), drain(*opened, 0));
}

TEST(Reader, CutStreamLosesUntilTheTraceEnds) {
  TraceBuilder builder = standard_trace(variant_of("v6-le8"));
  std::string bytes = builder.build();
  bytes.resize(builder.marks["page.1.1"]);
  os::MemoryFiles files;
  files.put("host.dat", bytes);
  model::IssueLog issues;
  auto trace = kTraceDatFormat.open(files, "host.dat", issues);
  ASSERT_TRUE(trace.ok());
  auto cursor = (*trace)->open_stream(1, {}, issues);
  Event last;
  while (true) {
    const auto run = (*cursor)->next();
    if (!run.ok() || run->empty()) break;
    last = run->back();
  }
  EXPECT_EQ(last.kind, EventKind::kLoss);
  EXPECT_EQ(last.i(model::arg::kLossEndOwn), 1'300'000);  // CPU 0's last page
  EXPECT_FALSE(last.has(model::arg::kLossLost));
}

TEST(Reader, ParentPidIsNotTakenForTheTgid) {
  TraceBuilder builder = standard_trace(variant_of("v7-none-le8"));
  builder.formats.emplace_back(
      "sched",
      "name: sched_process_fork\nID: 500\nformat:\n"
      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:pid_t parent_pid;\toffset:8;\tsize:4;\tsigned:1;\n"
      "\tfield:pid_t child_pid;\toffset:12;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n");
  const auto opened = open(builder);
  const auto types = opened->trace->event_types();
  const auto fork = std::find_if(types.begin(), types.end(), [](const EventTypeInfo& type) {
    return type.kind == EventKind::kSchedProcessFork;
  });
  ASSERT_NE(fork, types.end());
  EXPECT_EQ(fork->bound_args,
            (1U << model::arg::kForkParentTid) | (1U << model::arg::kForkChildTid));
}

TEST(Reader, ClocksAndEpoch) {
  TraceBuilder builder = standard_trace(variant_of("v7-none-le8"));
  builder.buffers[0].clock = "x86-tsc";
  builder.options.push_back({14, ByteWriter(ByteOrder::kLittle).u32(1000).u32(10).u64(0).str()});
  builder.options.push_back({1, std::string("0x10\0", 5)});
  builder.options.push_back({7, std::string("-7\0", 3)});
  const auto opened = open(builder);
  const ClockInfo& clock = opened->trace->info().clock;
  EXPECT_EQ(clock.name, "x86-tsc");
  EXPECT_EQ(clock.unit, ClockInfo::Unit::kTicks);
  ASSERT_TRUE(clock.ticks_per_second.has_value());
  EXPECT_DOUBLE_EQ(*clock.ticks_per_second, 1.024e9);  // ns = ticks * 1000 >> 10
  EXPECT_EQ(clock.epoch_offset_ns, 16'000 - 7);
}

TEST(Reader, ClockNames) {
  EXPECT_EQ(selected_clock("local global [mono] boot\n"), "mono");
  EXPECT_EQ(selected_clock("x86-tsc"), "x86-tsc");
  EXPECT_EQ(selected_clock("[mono"), "mono");
  EXPECT_EQ(selected_clock(""), "");
}

TEST(Reader, GuestsAndTimeShift) {
  TraceBuilder builder = standard_trace(variant_of("v7-none-be8"));
  const auto writer = [] { return ByteWriter(ByteOrder::kBig); };
  builder.options.push_back(
      {13, writer().c_string("vm1").u64(77).u32(2).u32(1).u32(501).u32(0).u32(500).str()});
  builder.options.push_back({12, writer()
                                     .u64(9)
                                     .u32(1)
                                     .u32(2)
                                     .u32(1)
                                     .u64(5)
                                     .u64(100)
                                     .u64(3)
                                     .u32(1)
                                     .u64(6)
                                     .u64(0 - 200ULL)
                                     .u64(4)
                                     .u64(31)
                                     .u64(32)
                                     .str()});
  const auto opened = open(builder);
  const TraceInfo& info = opened->trace->info();
  ASSERT_EQ(info.guests.size(), 1U);
  EXPECT_EQ(info.guests[0].name, "vm1");
  EXPECT_EQ(info.guests[0].trace_id, 77U);
  EXPECT_THAT(info.guests[0].vcpu_tids, ::testing::ElementsAre(500, 501));
  ASSERT_TRUE(info.time_shift.has_value());
  EXPECT_EQ(info.time_shift->peer_trace_id, 9U);
  EXPECT_EQ(info.time_shift->protocol_flags, 1U);
  ASSERT_EQ(info.time_shift->samples.size(), 2U);
  const TimeShiftSample& sample = info.time_shift->samples[1];
  EXPECT_EQ(sample.cpu, 1U);
  EXPECT_EQ(sample.own_time, 6U);
  EXPECT_EQ(sample.offset, -200);
  EXPECT_EQ(sample.scaling, 4U);
  EXPECT_EQ(sample.fraction_bits, 32U);
  // Times stay as recorded.
  EXPECT_EQ(drain(*opened, 0).front().own, 1'001'000);
}

TEST(Reader, SeveralBuffers) {
  for (const char* name : {"v6-le8", "v7-none-le8", "v7-zstd-le8"}) {
    TraceBuilder builder = standard_trace(variant_of(name));
    BufferSpec second = builder.buffers[0];
    second.name = "net";
    builder.buffers.push_back(second);
    const auto opened = open(builder);
    EXPECT_THAT(opened->trace->info().buffers, ::testing::ElementsAre("", "net"));
    ASSERT_EQ(opened->trace->streams().size(), 4U) << name;
    EXPECT_EQ(opened->trace->streams()[3].place, "host.dat buffer net cpu 1");
    EXPECT_EQ(opened->trace->streams()[3].buffer, 1U);
    EXPECT_EQ(drain(*opened, 3), drain(*opened, 1));
  }
}

TEST(Reader, NegativeAndUnsignedIntegersInJson) {
  TraceBuilder builder = standard_trace(variant_of("v7-none-le8"));
  builder.formats.emplace_back(
      "t",
      "name: odd\nID: 900\nformat:\n"
      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:s8 a;\toffset:8;\tsize:1;\tsigned:1;\n"
      "\tfield:u16 b;\toffset:10;\tsize:2;\tsigned:0;\n"
      "\tfield:__data_loc char[] c;\toffset:12;\tsize:4;\tsigned:0;\n"
      "\tfield:struct x system;\toffset:16;\tsize:3;\tsigned:0;\n");
  PageBuilder page(builder.variant, 5);
  page.event(1, ByteWriter(ByteOrder::kLittle)
                    .u16(900)
                    .u16(0)
                    .u32(1)
                    .u8(0xff)
                    .u8(0)
                    .u16(0xffff)
                    .u32(0xffffffff)
                    .u8(1)
                    .u8(0xab)
                    .u8(0)
                    .u8(0)
                    .str());
  builder.buffers[0].cpus[0].pages[0] = page.build();
  const auto opened = open(builder);
  EXPECT_EQ(drain(*opened, 0).front().json,
            R"({"a":-1,"b":65535,"c":null,"system":"01ab00","_system":"t"})");
}

TEST(Reader, ProbeLooksAtTheMagicOnly) {
  os::MemoryFiles files;
  files.put("a.dat", std::string("\x17\x08"
                                 "Dtracing",
                                 10));
  files.put("b.dat", std::string("\x17\x08"
                                 "Dtracin",
                                 9));
  files.put("c.dat", "CTF");
  EXPECT_TRUE(kTraceDatFormat.probe(files, "a.dat"));
  EXPECT_FALSE(kTraceDatFormat.probe(files, "b.dat"));
  EXPECT_FALSE(kTraceDatFormat.probe(files, "c.dat"));
  EXPECT_FALSE(kTraceDatFormat.probe(files, "none.dat"));
}

/// Fails every read at or behind an offset.
class FailingFiles final : public os::FileSystem {
 public:
  FailingFiles(std::string content, std::uint64_t from)
      : from_(std::make_shared<std::uint64_t>(from)) {
    files_.put("host.dat", std::move(content));
  }

  [[nodiscard]] Result<std::unique_ptr<os::File>> open(const std::string& path) override {
    VS_ASSIGN(std::unique_ptr<os::File> file, files_.open(path));
    return std::unique_ptr<os::File>(std::make_unique<FailingFile>(std::move(file), from_));
  }
  [[nodiscard]] Result<std::vector<os::Entry>> list(const std::string& path) override {
    return files_.list(path);
  }
  [[nodiscard]] Result<os::FileStat> stat(const std::string& path) override {
    return files_.stat(path);
  }

  void fail_from(std::uint64_t from) { *from_ = from; }

 private:
  class FailingFile final : public os::File {
   public:
    FailingFile(std::unique_ptr<os::File> file, std::shared_ptr<const std::uint64_t> from)
        : file_(std::move(file)), from_(std::move(from)) {}
    [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
    [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                              std::span<std::byte> out) const override {
      if (offset + out.size() > *from_)
        return Error{ErrorCode::kIo, "cannot read: Input/output error", "host.dat", ""};
      return file_->read_at(offset, out);
    }

   private:
    std::unique_ptr<os::File> file_;
    std::shared_ptr<const std::uint64_t> from_;
  };

  os::MemoryFiles files_;
  std::shared_ptr<std::uint64_t> from_;
};

TEST(Reader, ReadErrorsEndTheStreamWithTheSystemsWords) {
  for (const char* name : {"v6-le8", "v7-zstd-le8", "v7-none-be4"}) {
    TraceBuilder builder = standard_trace(variant_of(name));
    const std::string bytes = builder.build();
    // The device fails after the trace was opened.
    FailingFiles files(bytes, bytes.size());
    model::IssueLog issues;
    const auto trace = kTraceDatFormat.open(files, "host.dat", issues);
    ASSERT_TRUE(trace.ok());
    for (const std::uint64_t from : {std::uint64_t{0}, builder.marks["cpu.1"] + 6}) {
      files.fail_from(from);
      auto cursor = (*trace)->open_stream(1, {}, issues);
      const auto run = (*cursor)->next();
      ASSERT_FALSE(run.ok()) << name;
      EXPECT_EQ(run.error().to_string(), "host.dat: cannot read: Input/output error");
    }
  }
}

TEST(CheckSizes, JustBelowAndAboveTheLimits) {
  EXPECT_EQ(check_sizes(1 << 20, limits::kChunkBytes, limits::kChunkBytes, "kChunkBytes"), "");
  EXPECT_EQ(check_sizes(1 << 20, limits::kChunkBytes + 1, limits::kChunkBytes, "kChunkBytes"),
            "declares 67108865 unpacked bytes, more than the limit kChunkBytes of 67108864");
  EXPECT_EQ(check_sizes(10, 10 * limits::kCompressionRatio, limits::kChunkBytes, ""), "");
  EXPECT_EQ(check_sizes(10, 11 * limits::kCompressionRatio, limits::kChunkBytes, ""),
            "declares 45056 unpacked bytes from 10, more than the limit kCompressionRatio of 4096");
}

}  // namespace
}  // namespace vs::reader::ftrace
