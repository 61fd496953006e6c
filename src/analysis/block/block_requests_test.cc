#include "analysis/block/block_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "analysis/block/rwbs.h"
#include "tests/support/events.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::block {
namespace {

namespace ev = test::events;
using model::EventKind;
using model::kNull;
using testing::ElementsAre;

constexpr std::uint64_t kDisk = (254U << 20) | 16;

/// Where rows of this table go: they may overlap, so the order rule of VectorSink does not hold.
class Rows : public test::VectorSink {
 public:
  void add(model::EntityId id, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override {
    ASSERT_EQ(values.size(), model::table_def(model::TableId::kBlockRequest).value_count());
    const Entity& entity = entities().at(id);
    std::string line = std::to_string(begin.ns) + "-" + std::to_string(end.ns) + " " +
                       text(entity.key[0]) + " " + text(entity.key[1]);
    const auto number = [](std::int64_t v) { return v == kNull ? "-" : std::to_string(v); };
    if (values[model::slot::kBrVm] != kNull) line += " of " + text(values[model::slot::kBrVm]);
    line +=
        " " + number(values[model::slot::kBrSector]) + "+" + number(values[model::slot::kBrBytes]) +
        " " +
        std::string(model::block_op_names()[static_cast<std::size_t>(values[model::slot::kBrOp])]) +
        " q " + number(values[model::slot::kBrQueueNs]) + " s " +
        number(values[model::slot::kBrServiceNs]) + " by " + number(values[model::slot::kBrTid]);
    lines.push_back(line);
    raw.push_back({begin, end, {values.begin(), values.end()}});
  }
  std::vector<std::string> lines;
  std::vector<Interval> raw;
};

class Scene {
 public:
  Scene() : experiment_(make()), requests_(setup()) {}

  struct Rq {
    std::int64_t at = 0;
    std::uint64_t sector = 0;
    std::uint64_t sectors = 8;
    std::int32_t tid = 7;
    std::string_view rwbs = "R";
    std::uint64_t device = kDisk;
  };
  Scene& feed(EventKind kind, const Rq& r, model::MachineIndex machine = 1) {
    const model::Event event = ev::make(
        kind, {.own = r.at, .cpu = 0, .tid = r.tid},
        {{"dev", r.device}, {"sector", r.sector}, {"nr_sector", r.sectors}, {"rwbs", r.rwbs}});
    requests_.on_event({HostTime{r.at}, machine, 0, r.tid, event});
    return *this;
  }
  Scene& insert(const Rq& r) { return feed(EventKind::kBlockRqInsert, r); }
  Scene& issue(const Rq& r) { return feed(EventKind::kBlockRqIssue, r); }
  Scene& complete(const Rq& r) { return feed(EventKind::kBlockRqComplete, r); }
  Scene& wake(std::int64_t at, std::int32_t by, std::int32_t tid, std::string_view comm) {
    const model::Event event = ev::sched_waking({.own = at, .tid = by}, {.tid = tid, .comm = comm});
    requests_.on_event({HostTime{at}, 0, 0, by, event});
    return *this;
  }
  const std::vector<std::string>& end(std::int64_t at = 1000) {
    for (const model::MachineIndex m : {0U, 1U}) requests_.finish(m, HostTime{at});
    return sink_.lines;
  }
  BlockRequests& requests() { return requests_; }
  Rows& sink() { return sink_; }

 private:
  static model::Experiment make() {
    model::Experiment experiment;
    experiment.machines.resize(2);
    experiment.machines[0].name = "host";
    experiment.machines[1].name = "vm1";
    experiment.machines[1].parent = 0;
    experiment.machines[1].vmm_pid = 100;
    return experiment;
  }
  model::StreamSetup setup() {
    model::StreamSetup setup;
    setup.experiment = &experiment_;
    setup.sink = &sink_;
    setup.machines = {0, 1};
    setup.facts = {nullptr, nullptr};
    setup.block_devices.push_back({0, kDisk, "vdb"});
    return setup;
  }
  model::Experiment experiment_;
  Rows sink_;
  BlockRequests requests_;
};

TEST(Rwbs, TextsAndBits) {
  using Op = model::BlockOp;
  const std::map<std::string_view, Op> texts = {
      {"R", Op::kRead},    {"RA", Op::kRead},    {"RSM", Op::kRead},  {"W", Op::kWrite},
      {"WFS", Op::kWrite}, {"FWFS", Op::kWrite}, {"D", Op::kDiscard}, {"DE", Op::kDiscard},
      {"FF", Op::kFlush},  {"F", Op::kFlush},    {"FS", Op::kFlush},  {"N", Op::kOther},
      {"", Op::kOther},    {"ZA", Op::kOther}};
  for (const auto& [text, op] : texts) EXPECT_EQ(op_of_text(text, 8), op) << text;
  EXPECT_EQ(op_of_text("FWS", 0), Op::kFlush);
  EXPECT_EQ(op_of_text("WS", 0), Op::kWrite);
  EXPECT_EQ(op_of_bits(4, 8), Op::kRead);
  EXPECT_EQ(op_of_bits(4 | 8 | 32, 8), Op::kRead);
  EXPECT_EQ(op_of_bits(1 | 32, 8), Op::kWrite);
  EXPECT_EQ(op_of_bits(1 | 1024, 8), Op::kWrite);
  EXPECT_EQ(op_of_bits(1 | 1024, 0), Op::kFlush);
  EXPECT_EQ(op_of_bits(2 | 1, 8), Op::kDiscard);
  EXPECT_EQ(op_of_bits(256, 0), Op::kFlush);
  EXPECT_EQ(op_of_bits(0, 0), Op::kOther);
}

TEST(BlockRequests, QueueAndService) {
  Scene scene;
  scene.insert({.at = 10, .sector = 64}).issue({.at = 14, .sector = 64, .tid = 30});
  scene.complete({.at = 40, .sector = 64, .tid = 0});
  EXPECT_THAT(scene.end(), ElementsAre("10-40 vm1 254:16 of vm1 64+4096 read q 4 s 26 by 7"));
}

TEST(BlockRequests, WithoutInsertTheQueueIsEmpty) {
  Scene scene;
  scene.issue({.at = 14, .sector = 64}).complete({.at = 40, .sector = 64});
  EXPECT_THAT(scene.end(), ElementsAre("14-40 vm1 254:16 of vm1 64+4096 read q 0 s 26 by 7"));
}

TEST(BlockRequests, CompletedOutOfOrder) {
  Scene scene;
  scene.issue({.at = 1, .sector = 8}).issue({.at = 2, .sector = 16});
  scene.complete({.at = 5, .sector = 16}).complete({.at = 9, .sector = 8});
  EXPECT_THAT(scene.end(), ElementsAre("2-5 vm1 254:16 of vm1 16+4096 read q 0 s 3 by 7",
                                       "1-9 vm1 254:16 of vm1 8+4096 read q 0 s 8 by 7"));
}

TEST(BlockRequests, MergesBecomeOneRowOfTheWhole) {
  Scene scene;
  scene.insert({.at = 1, .sector = 16, .tid = 5}).insert({.at = 2, .sector = 32, .tid = 6});
  scene.feed(EventKind::kBlockBioBackmerge, {.at = 3, .sector = 24});  // 16..32
  scene.feed(EventKind::kBlockRqMerge, {.at = 4, .sector = 32});       // 16..40
  scene.feed(EventKind::kBlockBioFrontmerge, {.at = 5, .sector = 8});  // 8..40
  scene.issue({.at = 7, .sector = 8, .sectors = 32})
      .complete({.at = 9, .sector = 8, .sectors = 32});
  EXPECT_THAT(scene.end(), ElementsAre("1-9 vm1 254:16 of vm1 8+16384 read q 6 s 2 by 5"));
  EXPECT_EQ(scene.requests().counters().merged, 1U);
}

TEST(BlockRequests, TheEarliestPartOfAMergeHasWaitedLongest) {
  Scene scene;
  scene.insert({.at = 1, .sector = 16, .tid = 5}).insert({.at = 2, .sector = 8, .tid = 6});
  scene.feed(EventKind::kBlockRqMerge, {.at = 3, .sector = 16});
  scene.issue({.at = 4, .sector = 8, .sectors = 16})
      .complete({.at = 9, .sector = 8, .sectors = 16});
  EXPECT_THAT(scene.end(), ElementsAre("1-9 vm1 254:16 of vm1 8+8192 read q 3 s 5 by 5"));
}

TEST(BlockRequests, MergesThatWereNotRecorded) {
  Scene scene;
  scene.insert({.at = 1, .sector = 16})
      .insert({.at = 2, .sector = 8})
      .insert({.at = 3, .sector = 64});
  scene.issue({.at = 4, .sector = 8, .sectors = 24});
  scene.complete({.at = 9, .sector = 8, .sectors = 24});
  EXPECT_THAT(scene.end(), ElementsAre("1-9 vm1 254:16 of vm1 8+12288 read q 3 s 5 by 7",
                                       "3-3 vm1 254:16 of vm1 64+4096 read q - s - by 7"));
}

TEST(BlockRequests, TwoReadersOfOneSectorAreTwoRequests) {
  Scene scene;
  scene.insert({.at = 1, .sector = 8, .tid = 5}).insert({.at = 2, .sector = 8, .tid = 6});
  scene.issue({.at = 3, .sector = 8}).issue({.at = 4, .sector = 8});
  scene.complete({.at = 5, .sector = 8}).complete({.at = 6, .sector = 8});
  EXPECT_THAT(scene.end(), ElementsAre("1-5 vm1 254:16 of vm1 8+4096 read q 2 s 2 by 5",
                                       "2-6 vm1 254:16 of vm1 8+4096 read q 2 s 2 by 6"));
}

TEST(BlockRequests, ARequeuedRequestIsInTheQueueUntilItsLastIssue) {
  Scene scene;
  scene.insert({.at = 1, .sector = 8}).issue({.at = 3, .sector = 8});
  scene.feed(EventKind::kBlockRqRequeue, {.at = 4, .sector = 8}).insert({.at = 5, .sector = 8});
  scene.issue({.at = 7, .sector = 8}).complete({.at = 9, .sector = 8});
  EXPECT_THAT(scene.end(), ElementsAre("1-9 vm1 254:16 of vm1 8+4096 read q 6 s 2 by 7"));
}

TEST(BlockRequests, CompletedInParts) {
  Scene scene;
  scene.issue({.at = 1, .sector = 8, .sectors = 24}).complete({.at = 2, .sector = 8});
  scene.complete({.at = 3, .sector = 16, .sectors = 16});
  EXPECT_THAT(scene.end(), ElementsAre("1-3 vm1 254:16 of vm1 8+12288 read q 0 s 2 by 7"));
}

TEST(BlockRequests, FlushesHaveNoPlace) {
  Scene scene;
  scene.insert({.at = 1, .sector = ~std::uint64_t{0}, .sectors = 0, .rwbs = "FF"});
  scene.issue({.at = 2, .sector = 0, .sectors = 0, .rwbs = "FF"});
  scene.issue({.at = 3, .sector = 0, .sectors = 8, .rwbs = "W"});
  scene.complete({.at = 4, .sector = ~std::uint64_t{0}, .sectors = 0, .rwbs = "FF"});
  scene.complete({.at = 5, .sector = 0, .sectors = 8, .rwbs = "W"});
  EXPECT_THAT(scene.end(), ElementsAre("1-4 vm1 254:16 of vm1 0+0 flush q 1 s 2 by 7",
                                       "3-5 vm1 254:16 of vm1 0+4096 write q 0 s 2 by 7"));
}

TEST(BlockRequests, UnfinishedAndWithoutBegin) {
  Scene scene;
  scene.complete({.at = 1, .sector = 8});
  scene.insert({.at = 2, .sector = 16}).issue({.at = 5, .sector = 32});
  scene.insert({.at = 6, .sector = 48}).complete({.at = 8, .sector = 48});  // its issue is lost
  EXPECT_THAT(scene.end(), ElementsAre("6-8 vm1 254:16 of vm1 48+4096 read q - s - by 7",
                                       "2-2 vm1 254:16 of vm1 16+4096 read q - s - by 7",
                                       "5-5 vm1 254:16 of vm1 32+4096 read q 0 s - by 7"));
  EXPECT_EQ(scene.requests().counters().without_begin, 1U);
}

TEST(BlockRequests, AnEqualRequestAfterALossIsANewOne) {
  Scene scene;
  scene.issue({.at = 1, .sector = 8});
  scene.requests().on_loss(HostTime{2}, HostTime{3}, 1, 0);
  scene.issue({.at = 5, .sector = 8}).complete({.at = 6, .sector = 8});
  EXPECT_THAT(scene.end(), ElementsAre("1-1 vm1 254:16 of vm1 8+4096 read q 0 s - by 7",
                                       "5-6 vm1 254:16 of vm1 8+4096 read q 0 s 1 by 7"));
}

TEST(BlockRequests, OnTheHostTheVmIsTheSubmitters) {
  Scene scene;
  const auto one = [&scene](std::int64_t at, std::int32_t tid) {
    scene.feed(EventKind::kBlockRqIssue, {.at = at, .sector = 8, .tid = tid}, 0);
    scene.feed(EventKind::kBlockRqComplete, {.at = at + 1, .sector = 8, .tid = 0}, 0);
  };
  one(1, 100);
  one(3, 9);
  scene.wake(5, 100, 150, "worker");
  one(6, 150);
  EXPECT_THAT(scene.end(), ElementsAre("1-2 host vdb of vm1 8+4096 read q 0 s 1 by 100",
                                       "3-4 host vdb 8+4096 read q 0 s 1 by 9",
                                       "6-7 host vdb of vm1 8+4096 read q 0 s 1 by 150"));
}

TEST(BlockRequests, TooManyInFlightEndTheOldest) {
  Scene scene;
  for (std::uint64_t i = 0; i < RequestTable::kLimit + 3; ++i) {
    scene.issue({.at = static_cast<std::int64_t>(i), .sector = 8 * i});
  }
  EXPECT_EQ(scene.requests().counters().dropped_for_limit, 3U);
  EXPECT_EQ(scene.end().size(), RequestTable::kLimit + 3);
}

TEST(BlockRequests, TooManyDevices) {
  Scene scene;
  for (std::uint64_t i = 0; i < BlockRequests::kMaxDevices + 2; ++i) {
    scene.issue({.at = 1, .sector = 8, .device = i}).complete({.at = 2, .sector = 8, .device = i});
  }
  EXPECT_EQ(scene.end().size(), BlockRequests::kMaxDevices);
  EXPECT_EQ(scene.requests().counters().devices_dropped, 2U);
  const std::vector<model::Issue> issues = scene.requests().issues();
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, model::IssueCode::kDevicesOverLimit);
  EXPECT_EQ(issues[0].place, "vm1");
  EXPECT_EQ(issues[0].count, 2U);
}

/// Random requests with known times, in random order: one row each, with exactly those times.
TEST(BlockRequestsProperty, EachRequestIsOneRow) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    std::multimap<std::int64_t, std::pair<EventKind, Scene::Rq>> events;
    std::multiset<std::string> expected;
    std::int64_t sum_bytes = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
      Scene::Rq rq;
      rq.sector = i * 100 % 6400 + i;  // never equal to another one's
      rq.sectors = 1 + random() % 64;
      rq.tid = static_cast<std::int32_t>(1 + random() % 9);
      rq.rwbs = random() % 2 == 0 ? "R" : "WS";
      const auto begin = static_cast<std::int64_t>(random() % 10000);
      const auto issue = begin + 1 + static_cast<std::int64_t>(random() % 500);
      const auto end = issue + 1 + static_cast<std::int64_t>(random() % 500);
      const auto put = [&](EventKind kind, std::int64_t at) {
        rq.at = at;
        events.emplace(at, std::pair{kind, rq});
      };
      put(EventKind::kBlockRqInsert, begin);
      put(EventKind::kBlockRqIssue, issue);
      put(EventKind::kBlockRqComplete, end);
      sum_bytes += static_cast<std::int64_t>(rq.sectors * 512);
      expected.insert(std::to_string(begin) + "-" + std::to_string(end) + " vm1 254:16 of vm1 " +
                      std::to_string(rq.sector) + "+" + std::to_string(rq.sectors * 512) +
                      (rq.rwbs == "R" ? " read" : " write") + " q " +
                      std::to_string(issue - begin) + " s " + std::to_string(end - issue) + " by " +
                      std::to_string(rq.tid));
    }
    Scene scene;
    for (const auto& [at, event] : events) scene.feed(event.first, event.second);
    const std::vector<std::string>& rows = scene.end(20000);
    EXPECT_EQ(std::multiset<std::string>(rows.begin(), rows.end()), expected) << seed;
    std::int64_t bytes = 0;
    for (const auto& row : scene.sink().raw) bytes += row.values[model::slot::kBrBytes];
    EXPECT_EQ(bytes, sum_bytes);
  }
}

/// Any sequence: no row ends before it begins, the parts are the whole, and rows are accounted for.
TEST(BlockRequestsProperty, AnySequenceOfEvents) {
  constexpr EventKind kKinds[] = {EventKind::kBlockRqInsert,     EventKind::kBlockRqIssue,
                                  EventKind::kBlockRqComplete,   EventKind::kBlockRqRequeue,
                                  EventKind::kBlockRqMerge,      EventKind::kBlockBioBackmerge,
                                  EventKind::kBlockBioFrontmerge};
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Scene scene;
    std::uint64_t begun = 0;
    for (std::int64_t at = 0; at < 400; ++at) {
      const EventKind kind = kKinds[random() % std::size(kKinds)];
      begun += kind == EventKind::kBlockRqInsert || kind == EventKind::kBlockRqIssue ? 1 : 0;
      const std::uint64_t sector = random() % 50 == 0 ? ~std::uint64_t{0} : random() % 16;
      const std::uint64_t sectors = random() % 60 == 0 ? ~std::uint64_t{0} : random() % 8;
      scene.feed(kind, {.at = at, .sector = sector, .sectors = sectors});
      if (random() % 100 == 0) scene.requests().on_loss(HostTime{at}, HostTime{at + 2}, 1, 0);
    }
    (void)scene.end();
    const BlockRequests::Counters& counters = scene.requests().counters();
    EXPECT_EQ(scene.sink().raw.size(), counters.completed + counters.unfinished);
    EXPECT_LE(scene.sink().raw.size() + counters.merged, begun);
    for (const auto& row : scene.sink().raw) {
      const std::int64_t queue = row.values[model::slot::kBrQueueNs];
      const std::int64_t service = row.values[model::slot::kBrServiceNs];
      EXPECT_LE(row.begin, row.end);
      if (service != kNull) {
        EXPECT_EQ(queue + service, row.end - row.begin);
      } else if (queue != kNull) {
        EXPECT_EQ(row.begin, row.end);
      }
    }
  }
}

}  // namespace
}  // namespace vs::analysis::block
