// The reader through its public interface, on two small traces in LTTng's layout (both byte orders;
// fuzz/corpus/ctf_stream): two packets of three events with compact and extended headers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "model/event.h"
#include "os/file.h"
#include "reader/ctf/format.h"
#include "reader/ctf/time_scale.h"
#include "tests/support/passed.h"

namespace vs::reader::ctf {
namespace {

using model::Event;
using model::EventKind;
using model::IssueCode;

struct Sample {
  std::string metadata;
  std::string stream;
};

Sample sample(const std::string& name) {
  std::ifstream file(std::string(VS_SOURCE_DIR) + "/fuzz/corpus/ctf_stream/" + name,
                     std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  const std::size_t mark = all.find("\n@@@\n");
  EXPECT_NE(mark, std::string::npos);
  return {all.substr(0, mark), all.substr(mark + 5)};
}

struct Read {
  std::vector<Event> events;  ///< texts are not valid any more
  std::vector<std::string> texts;
  std::vector<model::Issue> issues;
  std::size_t losses = 0;
};

Read read(os::FileSystem& files, const std::string& path, std::size_t stream = 0,
          const StreamRequest& request = {}) {
  Read out;
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, path, issues);
  EXPECT_TRUE(trace.ok());
  if (!trace.ok() || stream >= (*trace)->streams().size()) {
    out.issues = issues.rows();
    return out;
  }
  const auto cursor = (*trace)->open_stream(stream, request, issues);
  while (true) {
    const auto batch = (*cursor)->next();
    EXPECT_TRUE(batch.ok());
    if (!batch.ok() || batch->empty()) break;
    for (const Event& event : *batch) {
      if (event.kind == EventKind::kLoss) {
        ++out.losses;
        continue;
      }
      out.events.push_back(event);
      out.texts.emplace_back(event.texts[0]);
    }
  }
  out.issues = issues.rows();
  return out;
}

class BothOrders : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    sample_ = sample(GetParam());
    files_.put("/t/metadata", sample_.metadata);
    files_.put("/t/k_0", sample_.stream);
  }
  Sample sample_;
  os::MemoryFiles files_;
};

TEST_P(BothOrders, FillsCanonicalArguments) {
  const Read got = read(files_, "/t");
  ASSERT_EQ(got.events.size(), 6U);
  const Event& first = got.events[0];
  EXPECT_EQ(first.kind, EventKind::kSchedSwitch);
  EXPECT_EQ(first.own.value, 1010);
  EXPECT_EQ(first.cpu, 1U);
  EXPECT_EQ(first.tid, 5);
  EXPECT_EQ(first.i(model::arg::kPrevTid), 0);
  EXPECT_EQ(first.i(model::arg::kNextTid), 77);
  EXPECT_TRUE(first.has(model::arg::kPrevState));
  EXPECT_FALSE(first.has(model::arg::kNextPrio));
  EXPECT_EQ(got.texts[0], "bash");
  const Event& net = got.events[1];
  EXPECT_EQ(net.kind, EventKind::kNetDevQueue);
  EXPECT_EQ(net.u(model::arg::kNetSkb), 9U);
  EXPECT_EQ(net.u(model::arg::kNetLength), 60U);
  EXPECT_EQ(net.u(model::arg::kNetAddresses), 0x0a000001U);
  EXPECT_TRUE(net.has(model::arg::kNetFlags));
  EXPECT_FALSE(net.has(model::arg::kNetSeq));
  EXPECT_EQ(got.texts[1], "eth0");
  EXPECT_EQ(got.events[2].own.value, 1020);  // extended header
  EXPECT_EQ(got.events[2].kind, EventKind::kUnknown);
}

TEST_P(BothOrders, LostEventsTravelAlong) {
  const Read got = read(files_, "/t");
  EXPECT_EQ(got.losses, 1U);
  ASSERT_EQ(got.issues.size(), 1U);
  EXPECT_EQ(got.issues[0].code, IssueCode::kLostEvents);
  EXPECT_EQ(got.issues[0].count, 3U);
}

TEST_P(BothOrders, DeliversOnlyWhatIsWanted) {
  StreamRequest request;
  request.kinds = {};
  request.kinds.add(EventKind::kSchedSwitch);
  EXPECT_EQ(read(files_, "/t", 0, request).events.size(), 2U);
  request.arguments = false;
  const Read bare = read(files_, "/t", 0, request);
  ASSERT_EQ(bare.events.size(), 2U);
  EXPECT_EQ(bare.events[0].present, 0);
  EXPECT_EQ(bare.events[0].tid, 5);
  EXPECT_EQ(bare.texts[0], "");
}

TEST_P(BothOrders, TellsAllThatItGoesOverWhateverIsDelivered) {
  test::PassedList expected;
  for (const Event& event : read(files_, "/t").events) expected.add(event);
  ASSERT_EQ(expected.all.size(), 6U);
  for (const model::KindSet& kinds :
       {model::KindSet::all(), model::KindSet{}, model::KindSet::of({EventKind::kSchedSwitch})}) {
    test::PassedList passed;
    StreamRequest request;
    request.kinds = kinds;
    request.passed = &passed;
    (void)read(files_, "/t", 0, request);
    EXPECT_EQ(passed.all, expected.all);
  }
}

// Cut at every byte: all events that are whole come out, and an issue names the place.
TEST_P(BothOrders, CutAtEveryByte) {
  std::size_t before = 0;
  for (std::size_t size = 1; size < sample_.stream.size(); ++size) {
    os::MemoryFiles files;
    files.put("/t/metadata", sample_.metadata);
    files.put("/t/k_0", sample_.stream.substr(0, size));
    files.put("/t/k_1", sample_.stream);
    const Read got = read(files, "/t", 0);
    EXPECT_GE(got.events.size(), before) << size;
    EXPECT_LE(got.events.size(), before + 1) << size;
    before = got.events.size();
    const bool at_packet = size == sample_.stream.size() / 2;
    const auto is_cut = [](const model::Issue& issue) {
      return issue.code == IssueCode::kTruncatedPacket && issue.place.starts_with("k_0:");
    };
    EXPECT_EQ(std::any_of(got.issues.begin(), got.issues.end(), is_cut), !at_packet) << size;
    EXPECT_EQ(read(files, "/t", 1).events.size(), 6U) << size;
  }
  EXPECT_EQ(before, 6U);  // the last bytes are padding
}

// Every bit flipped once: nothing worse than issues, and the reading ends.
TEST_P(BothOrders, FlippedBits) {
  for (std::size_t bit = 0; bit < sample_.stream.size() * 8; ++bit) {
    std::string damaged = sample_.stream;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    os::MemoryFiles files;
    files.put("/t/metadata", sample_.metadata);
    files.put("/t/k_0", damaged);
    EXPECT_LE(read(files, "/t").events.size(), 600U) << bit;
  }
}

TEST_P(BothOrders, SeeksToThePacket) {
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files_, "/t", issues);
  ASSERT_TRUE(trace.ok());
  const auto cursor = (*trace)->open_stream(0, {}, issues);
  ASSERT_TRUE((*cursor)->seek(OwnTime{1095}).ok());
  std::vector<std::int64_t> times;
  while (true) {
    const auto batch = (*cursor)->next();
    ASSERT_TRUE(batch.ok());
    if (batch->empty()) break;
    for (const Event& event : *batch) {
      if (event.kind != EventKind::kLoss) times.push_back(event.own.value);
    }
  }
  EXPECT_EQ(times.size(), 3U);
  EXPECT_GE(times.front(), 1100);
  EXPECT_EQ((*cursor)->bytes_done(), sample_.stream.size());
  ASSERT_TRUE((*cursor)->seek(kOwnTimeMin).ok());
  const auto again = (*cursor)->next();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->front().own.value, 1010);
}

INSTANTIATE_TEST_SUITE_P(Ctf, BothOrders, testing::Values("lttng_le", "lttng_be"));

TEST(Folders, FindsTracesInOrder) {
  os::MemoryFiles files;
  files.put("/s/b/kernel/metadata", "x");
  files.put("/s/a/kernel/metadata", "x");
  files.put("/s/a/1/2/3/4/metadata", "x");  // deeper than 4 levels
  files.put("/s/notes", "x");
  EXPECT_EQ(find_ctf_traces(files, "/s/"),
            (std::vector<std::string>{"/s/a/kernel", "/s/b/kernel"}));
  EXPECT_EQ(find_ctf_traces(files, "/s/a/kernel/metadata"),
            (std::vector<std::string>{"/s/a/kernel"}));
  EXPECT_TRUE(find_ctf_traces(files, "/none").empty());
  EXPECT_FALSE(kCtfFormat.probe(files, "/s/notes"));
}

// What is opened as one: a trace, or the chunks of a rotated one; never a folder of several.
TEST(Folders, OnlyATracesOwnFolderIsProbedAsOne) {
  const auto metadata = [](char last) {
    return std::string("/* CTF 1.8 */ trace { major = 1; minor = 8; byte_order = le; uuid = ") +
           "\"00000000-0000-0000-0000-00000000000" + last + "\"; };\n";
  };
  os::MemoryFiles files;
  files.put("/two/a/kernel/metadata", metadata('1'));
  files.put("/two/b/kernel/metadata", metadata('2'));
  files.put("/rot/host/archives/1/kernel/metadata", metadata('3'));
  files.put("/rot/host/archives/2/kernel/metadata", metadata('3'));
  for (const char* one : {"/two/a/kernel", "/two/b/kernel/", "/two/a/kernel/metadata",
                          "/rot/host/archives", "/rot/host/archives/"}) {
    EXPECT_TRUE(kCtfFormat.probe(files, one)) << one;
  }
  for (const char* several : {"/", "/two", "/two/a", "/rot", "/rot/host"}) {
    EXPECT_FALSE(kCtfFormat.probe(files, several)) << several;
  }
}

TEST(Folders, JoinsTheChunksOfARotatedTrace) {
  const Sample one = sample("lttng_le");
  const std::size_t half = one.stream.size() / 2;
  os::MemoryFiles files;
  files.put("/s/archives/1/kernel/metadata", one.metadata);
  files.put("/s/archives/1/kernel/k_0", one.stream.substr(0, half));
  files.put("/s/archives/2/kernel/metadata", one.metadata);
  files.put("/s/archives/2/kernel/k_0", one.stream.substr(half));
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, "/s", issues);
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ((*trace)->streams().size(), 1U);
  EXPECT_EQ(read(files, "/s").events.size(), 6U);
}

TEST(Folders, DifferentTracesAreNotJoined) {
  Sample one = sample("lttng_le");
  os::MemoryFiles files;
  files.put("/s/a/metadata", one.metadata);
  one.metadata.replace(one.metadata.find("00000000"), 1, "1");
  files.put("/s/b/metadata", one.metadata);
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, "/s", issues);
  ASSERT_FALSE(trace.ok());
  EXPECT_EQ(trace.error().code, ErrorCode::kBadUse);
}

TEST(Info, SaysWhatTheEnvironmentSays) {
  const Sample one = sample("lttng_le");
  os::MemoryFiles files;
  files.put("/t/metadata", one.metadata);
  files.put("/t/k_0", one.stream);
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, "/t", issues);
  ASSERT_TRUE(trace.ok());
  const TraceInfo& info = (*trace)->info();
  EXPECT_EQ(info.format, "ctf");
  EXPECT_EQ(info.machine_name, "h");
  EXPECT_TRUE(info.is_kernel);
  EXPECT_EQ(info.cpu_count, 2U);
  EXPECT_FALSE(info.clock.epoch);
  EXPECT_EQ(info.clock.name, "monotonic");
  const StreamInfo& stream = (*trace)->streams()[0];
  EXPECT_EQ(stream.first, OwnTime{1000});
  EXPECT_EQ(stream.last, OwnTime{1190});
}

// Without a context tid, the thread is the next_tid of the last sched_switch, and unknown after a
// loss.
TEST(Tids, FollowSchedSwitch) {
  Sample one = sample("lttng_le");
  const std::string context =
      "event.context := struct { integer { size = 32; align = 8; signed = 1; } _tid; };";
  const std::size_t at = one.metadata.find(context);
  ASSERT_NE(at, std::string::npos);
  one.metadata.replace(
      at, context.size(),
      "event.context := struct { integer { size = 32; align = 8; signed = 1; } _x; };");
  os::MemoryFiles files;
  files.put("/t/metadata", one.metadata);
  files.put("/t/k_0", one.stream);
  const Read got = read(files, "/t");
  ASSERT_EQ(got.events.size(), 6U);
  EXPECT_EQ(got.events[0].tid, model::kNoTid);
  EXPECT_EQ(got.events[1].tid, 77);
  EXPECT_EQ(got.events[3].tid, model::kNoTid);  // three events were lost before
  StreamRequest request;
  request.kinds = {};
  request.kinds.add(EventKind::kNetDevQueue);
  EXPECT_EQ(read(files, "/t", 0, request).events.front().tid, 77);
}

TEST(Time, ConvertsExactly) {
  ClockClass clock;
  clock.frequency = 3;
  clock.offset_seconds = 1;
  EXPECT_EQ(TimeScale(clock).to_own(4).value, 2'333'333'333);
  clock.offset_cycles = -4;
  EXPECT_EQ(TimeScale(clock).to_own(0).value, -333'333'334);
  clock = {};
  clock.offset_cycles = 1'795'196'661'794'547'401;
  EXPECT_EQ(TimeScale(clock).to_own(5).value, 1'795'196'661'794'547'406);
  EXPECT_EQ(TimeScale(clock).to_own(~std::uint64_t{0}), kOwnTimeMax);
  clock.frequency = 1;
  clock.offset_seconds = std::numeric_limits<std::int64_t>::min();
  clock.offset_cycles = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(TimeScale(clock).to_own(0), kOwnTimeMin);
}

TEST(Time, NarrowFieldsWrap) {
  ClockState clock;
  clock.set(0x7ffffff0);
  EXPECT_EQ(clock.update(0x7fffff5, 27), 0x7ffffff5U);
  EXPECT_EQ(clock.update(3, 27), 0x80000003U);
  EXPECT_EQ(clock.update(3, 27), 0x80000003U);
  EXPECT_EQ(clock.update(1, 64), 1U);
}

}  // namespace
}  // namespace vs::reader::ctf
