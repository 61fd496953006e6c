// `why` on a task whose timing is known to the nanosecond.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/escape.h"
#include "base/strings.h"
#include "query/testing/scene.h"
#include "report/why.h"
#include "report/why_parts.h"

namespace vs::report {
namespace {

using model::FlowKind;
using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr std::int64_t kMs = 1'000'000;

WhyData why(const query::testing::Scene& scene, const WhyRequest& request) {
  auto data = gather_why(*scene.source, scene.summary, request);
  EXPECT_TRUE(data.ok()) << data.error().to_string();
  return data.ok() ? std::move(data).value() : WhyData{};
}

WhyRequest ask(const std::string& task, std::optional<std::size_t> slowest = {}) {
  WhyRequest request;
  request.task = task;
  request.slowest = slowest;
  return request;
}

// Iterations number 10, 20, 30 and 39 rounds apart are robbed of 3,000,001 ns + the round.
TEST(Why, TheSlowAreSlowerByWhatWasTakenToTheNanosecond) {
  const auto scene = query::testing::robbed_task();
  const WhyData data = why(scene, ask("vm1/critical", 4));
  ASSERT_TRUE(data.cycle);
  EXPECT_EQ(data.cycle->waits_in, "clock_nanosleep");
  EXPECT_EQ(data.cycle->iterations, 39u);
  EXPECT_EQ(data.cycle->typical.dur_ns(), 10 * kMs);
  ASSERT_EQ(data.slow.size(), 4u);
  std::int64_t excess = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const Iteration& slow = data.slow[i];
    const std::int64_t round = 39 - 10 * static_cast<std::int64_t>(i);
    const std::int64_t robbed = slow.kind_ns[static_cast<std::size_t>(FlowKind::kVcpuPreemptedBy)];
    EXPECT_EQ(robbed, 3 * kMs + 1 + round);
    EXPECT_EQ(robbed, slow.dur_ns() - slow.typical_ns);
    EXPECT_EQ(slow.number, static_cast<std::uint64_t>(round));
    excess += robbed;
  }
  EXPECT_EQ(data.kind_ns(FlowKind::kVcpuPreemptedBy), excess);
  std::int64_t more = 0;
  for (const FlowGroup& group : data.groups) more += group.total_ns - group.typical_ns;
  EXPECT_EQ(more, excess);
  EXPECT_EQ(data.total_ns, 4 * 10 * kMs + excess);
  EXPECT_EQ(data.headline,
            "vm1's task critical (5) took 13.0 ms instead of 10.0 ms: 23 % lost to vm2/burst0 on "
            "pCPU 1");
  ASSERT_EQ(data.intervals.size(), 4u);
  EXPECT_EQ(data.intervals[0].dur_ns, 3 * kMs + 40);
  EXPECT_EQ(data.intervals[0].what.comm, "burst0");
}

// A wait for a disk belongs to the iteration that it ends; a timer's is a rest between two.
TEST(Why, AWaitForADiskIsPartOfTheWork) {
  const auto scene = query::testing::reading_task();
  const WhyData data = why(scene, ask("vm1/reader", 1));
  ASSERT_TRUE(data.cycle);
  EXPECT_TRUE(data.cycle->with_wait);
  EXPECT_EQ(data.cycle->waits_in, "pread64");
  EXPECT_EQ(data.cycle->typical.dur_ns(), 6 * kMs);
  ASSERT_EQ(data.slow.size(), 1u);
  EXPECT_EQ(data.slow[0].dur_ns(), 31 * kMs);
  EXPECT_EQ(data.slow[0].kind_ns[static_cast<std::size_t>(FlowKind::kBlocked)], 30 * kMs);
  EXPECT_THAT(why_text(data, {}), HasSubstr("from the end of one wait in pread64 to the end"));
  const auto robbed = query::testing::robbed_task();
  EXPECT_FALSE(why(robbed, ask("vm1/critical", 1)).cycle->with_wait);
}

TEST(Why, AWindowSumsToItselfInEverySection) {
  const auto scene = query::testing::robbed_task();
  const WhyData data = why(scene, ask("vm1/5"));
  EXPECT_FALSE(data.cycle);
  EXPECT_EQ(data.total_ns, data.end - data.begin);
  const Json json = Json::parse(to_json(to_document(data)));
  std::map<std::string, std::int64_t> sums;
  std::map<std::string, double> shares;
  for (const Json& row : json) {
    if (row.contains("total_ns")) sums[row["section"]] += row["total_ns"].get<std::int64_t>();
    if (row.contains("share")) shares[row["section"]] += row["share"].get<double>();
  }
  for (const char* section : {"kind", "path_label", "path_worker", "path_machine", "path_layer"}) {
    EXPECT_EQ(sums[section], data.total_ns) << section;
    EXPECT_NEAR(shares[section], 1, 1e-12) << section;
  }
  EXPECT_THAT(data.headline, HasSubstr("took 812 ms: 49 % blocked (timer), 49 % running"));
}

TEST(Why, TooFewWaitsAreNoCycleAndItSaysSo) {
  const auto scene = query::testing::robbed_task();
  WhyRequest request = ask("vm1/5", 3);
  const WhyData all = why(scene, ask("vm1/5"));
  request.window = {all.begin, all.begin + 45 * kMs};
  const WhyData data = why(scene, request);
  EXPECT_FALSE(data.cycle);
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_THAT(data.notes[0], HasSubstr("no cycle found (2 waits)"));
  EXPECT_EQ(data.total_ns, 45 * kMs);
}

TEST(Why, MissingEventsAreNamedWhereTheyMatter) {
  auto scene = query::testing::robbed_task();
  EXPECT_TRUE(why(scene, ask("vm1/5")).missing.empty());
  for (auto& trace : scene.summary.traces) {
    std::erase_if(trace.events, [](const query::EventCount& count) {
      return count.kind == model::EventKind::kSchedWaking ||
             count.kind == model::EventKind::kSchedWakeup;
    });
  }
  EXPECT_TRUE(why(scene, ask("vm1/5")).missing.empty()) << "nothing here is unknown for it";
  const std::int64_t key[] = {scene.source->intern("vm1"), 6};
  const auto entity = scene.source->entity(model::TableId::kThreadState, key);
  const WhyData life = why(scene, ask("vm1/5"));
  const std::int64_t blocked[] = {
      6, model::kNull, model::kNull, model::kNull, model::kNull, model::kNull, 0};
  scene.source->add(entity, life.begin, life.end, blocked);
  const WhyData data = why(scene, ask("vm1/6"));
  ASSERT_EQ(data.missing.size(), 1u);
  EXPECT_EQ(data.missing[0].events, "sched_waking");
  EXPECT_EQ(data.missing[0].affected_ns, data.total_ns);
  EXPECT_THAT(data.missing[0].command, HasSubstr("-e sched:sched_waking"));
}

TEST(Why, AWaitForAnInterruptMayBeForADiskOrAPacketThatIsNotRecorded) {
  auto scene = query::testing::robbed_task();
  const WhyData life = why(scene, ask("vm1/5"));
  const std::int64_t key[] = {scene.source->intern("vm1"), 6};
  const std::int64_t blocked[] = {
      6, model::kNull, model::kNull, scene.source->intern("irq"), model::kNull, model::kNull, 0};
  scene.source->add(scene.source->entity(model::TableId::kThreadState, key), life.begin, life.end,
                    blocked);
  const WhyData data = why(scene, ask("vm1/6"));
  std::string events;
  for (const MissingCause& missing : data.missing) {
    events += missing.events + "; ";
    EXPECT_EQ(missing.affected_ns, data.total_ns);
  }
  EXPECT_EQ(events, "block_rq_issue, block_rq_complete; net_dev_xmit, netif_receive_skb; ");
}

// Events of one machine's trace that another machine's would not replace.
TEST(Why, MissingEventsAreThoseOfTheMachineWhereThePathEnds) {
  auto scene = query::testing::robbed_task();
  const auto drop = [&](std::string_view machine, model::EventKind kind) {
    for (auto& trace : scene.summary.traces) {
      const auto& machines = scene.summary.experiment.machines;
      if (machines[trace.machine].name != machine) continue;
      std::erase_if(trace.events,
                    [&](const query::EventCount& count) { return count.kind == kind; });
    }
  };
  const auto said = [&](const WhyData& data) {
    std::string text;
    for (const MissingCause& one : why::missing_causes(scene.summary, data)) {
      text += fmt::format("{} {} {}; ", one.machine, one.events, one.affected_ns);
    }
    return text;
  };
  WhyData data;
  data.machine = "vm1";
  data.path_waits = {{"host", std::vector<std::int64_t>(model::path_label_names().size())}};
  const auto unknown = static_cast<std::size_t>(model::PathLabel::kWaitUnknown);
  data.path_waits[0].label_ns[unknown] = 70;
  EXPECT_EQ(said(data), "");
  drop("vm1", model::EventKind::kSchedWaking);
  drop("vm1", model::EventKind::kSchedWakeup);
  EXPECT_EQ(said(data), "");
  drop("host", model::EventKind::kSchedWaking);
  drop("host", model::EventKind::kSchedWakeup);
  EXPECT_EQ(said(data), "host sched_waking 70; ");
  data.path_waits[0].machine = "vm1";
  EXPECT_EQ(said(data), "vm1 sched_waking 70; ");
  data.path_waits.clear();
  data.disk.waited_ns = 50;
  drop("host", model::EventKind::kBlockRqIssue);
  drop("host", model::EventKind::kBlockRqComplete);
  EXPECT_EQ(said(data), "host block_rq_issue, block_rq_complete 50; ");
  data.machine = "host";  // nobody is below it
  EXPECT_EQ(said(data), "");
}

TEST(Why, TheHeadlineNamesWhoWasBehindTheWaits) {
  WhyData data;
  data.machine = "vm1";
  data.tid = 5;
  data.total_ns = 1000;
  data.path_workers = {{"host", std::nullopt, "254:32", 800, 1},
                       {"vm1", 5, "reader", 100, 1},
                       {"host", 9, "qemu", 60, 1},
                       {"host", 10, "worker", 40, 1}};
  EXPECT_EQ(why::behind_text(data), "; behind its waits: 80 % host's disk 254:32, 6.0 % host/qemu");
  data.path_workers = {{"vm1", 5, "reader", 1000, 1}};
  EXPECT_EQ(why::behind_text(data), "");
}

// The reader's scene, with its VM's requests on the host's disk and those of a neighbour in some.
query::testing::Scene reading_beside_bulk(int shared, const char* of = "host",
                                          const char* neighbour = "vm2") {
  auto scene = query::testing::reading_task();
  query::testing::MemorySource& source = *scene.source;
  source.add_row(model::TableId::kMachine,
                 {std::string("vm2"), std::string("vm"), std::string("host"), {}, {}, {}, {}});
  const WhyData life = why(scene, ask("vm1/reader"));
  const std::int64_t disk[] = {source.intern(of), source.intern("254:32")};
  const model::EntityId requests = source.entity(model::TableId::kBlockRequest, disk);
  const auto add = [&](const char* vm, HostTime begin, std::int64_t took_ns, std::int64_t tid) {
    const std::int64_t whose = *vm == '\0' ? model::kNull : source.intern(vm);
    const std::int64_t row[] = {whose, 0, 4096, 0, 0, took_ns, tid};
    source.add(requests, begin, begin + took_ns, row);
  };
  HostTime wait = life.begin + kMs;
  for (int round = 0; round < 20; ++round) {
    const std::int64_t took_ns = (round == 12 ? 30 : 5) * kMs;
    // Ours is there for all but 1 ms of the wait, theirs from 1 ms before it for 3 ms.
    if (round < shared) add(neighbour, wait + -kMs, 3 * kMs, 900);
    add("vm1", wait, took_ns - kMs, std::string_view(of) == "host" ? 800 : 5);
    wait = wait + took_ns + kMs;
  }
  return scene;
}

TEST(Why, TheHeadlineNamesWhoseRequestsWereAtItsDisk) {
  const auto scene = reading_beside_bulk(10);
  const WhyData data = why(scene, ask("vm1/reader"));
  ASSERT_EQ(data.disk.culprits.size(), 1u);
  const DiskCulprit& culprit = data.disk.culprits[0];
  EXPECT_EQ(culprit.machine, "vm2");
  EXPECT_FALSE(culprit.tid);
  EXPECT_FALSE(culprit.inferred);
  EXPECT_EQ(culprit.share.ahead_ns, 10 * 2 * kMs);
  EXPECT_EQ(culprit.share.beside_ns, 0);
  EXPECT_EQ(data.disk.waited_ns, (19 * 5 + 30) * kMs);
  ASSERT_EQ(data.disk.disks.size(), 1u);
  EXPECT_EQ(data.disk.disks[0].use.shared, 10u);
  EXPECT_EQ(data.disk.disks[0].use.alone, 10u);
  EXPECT_THAT(
      data.headline,
      HasSubstr("; for 20.0 ms of its 125 ms of waits for a disk vm2's requests were in the "
                "way at host's 254:32, where its own took 4.00 ms on average, and 6.50 ms "
                "alone"));
  const std::string page = why_text(data, {});
  EXPECT_THAT(page, HasSubstr("Disks that it waited for   125 ms of waits"));
  const Json json = Json::parse(to_json(to_document(data)));
  const auto row = std::find_if(json.begin(), json.end(),
                                [](const Json& one) { return one["section"] == "disk_culprit"; });
  ASSERT_NE(row, json.end());
  EXPECT_EQ((*row)["ahead_ns"], 20 * kMs);
  EXPECT_EQ((*row)["inferred"], 0);
}

// What a request's time in its device tells is no part of what is left unexplained.
TEST(Why, ADeviceAtWorkIsAnExplanation) {
  const WhyData data = why(reading_beside_bulk(0, "vm1"), ask("vm1/reader"));
  const auto disk = static_cast<std::size_t>(model::PathLabel::kWaitDisk);
  ASSERT_EQ(data.path_waits.size(), 1u);
  EXPECT_EQ(data.path_waits[0].machine, "vm1");
  EXPECT_EQ(data.path_waits[0].label_ns[disk], 20 * kMs);
  std::int64_t all_ns = 0;
  for (const PathShare& share : data.path_labels) {
    if (share.machine == "wait_disk") all_ns += share.total_ns;
  }
  EXPECT_EQ(all_ns, (19 * 5 + 30) * kMs);
}

TEST(Why, ATaskOfAContainerOnTheHostIsNamedWithIt) {
  auto scene = reading_beside_bulk(10, "host", "");
  const auto thread = [&](std::int64_t container) {
    scene.source->add_row(model::TableId::kThread, {std::string("host"),
                                                    std::int64_t{900},
                                                    std::int64_t{900},
                                                    {},
                                                    std::string("dd"),
                                                    container,
                                                    std::int64_t{0},
                                                    std::int64_t{1}});
  };
  const auto container = [&](std::int64_t number, model::Cell parent, model::Cell name) {
    scene.source->add_row(model::TableId::kContainer,
                          {std::string("host"), number, std::move(parent), std::move(name)});
  };
  container(1, {}, {});
  container(2, std::int64_t{1}, std::string("web"));
  thread(2);
  const WhyData data = why(scene, ask("vm1/reader"));
  ASSERT_EQ(data.disk.culprits.size(), 1u);
  EXPECT_EQ(data.disk.culprits[0].container, "web");
  EXPECT_FALSE(data.disk.culprits[0].inferred);
  EXPECT_THAT(data.headline, HasSubstr("host/dd in web's requests were in the way"));
}

TEST(Why, AnIterationsDiskIsComparedWithATypicalOnes) {
  const auto scene = reading_beside_bulk(20);
  const WhyData data = why(scene, ask("vm1/reader", 1));
  ASSERT_EQ(data.disk.culprits.size(), 1u);
  EXPECT_EQ(data.disk.culprits[0].share.total_ns(), 2 * kMs);
  EXPECT_EQ(data.disk.culprits[0].typical_ns, 2 * kMs);
  EXPECT_THAT(data.headline,
              HasSubstr("; in the 1 slowest, for 2.00 ms of its 30.0 ms of waits for a disk vm2's "
                        "requests were in the way at host's 254:32 (typical: 2.00 ms)"));
}

TEST(Why, ADiskWithoutNeighboursBlamesNobody) {
  const auto scene = reading_beside_bulk(0);
  const WhyData data = why(scene, ask("vm1/reader"));
  EXPECT_TRUE(data.disk.culprits.empty());
  EXPECT_EQ(data.headline.find("in the way"), std::string::npos);
  EXPECT_EQ(data.disk.disks.size(), 1u);
}

TEST(Why, PageFitsAndIsEscaped) {
  const auto scene = query::testing::robbed_task();
  for (const auto slowest : {std::optional<std::size_t>{}, std::optional<std::size_t>{5}}) {
    const std::string page = why_text(why(scene, ask("vm1/critical", slowest)), {});
    for (const std::string_view line : split(page, '\n')) {
      EXPECT_LE(display_width(line), 100u) << line;
      EXPECT_EQ(line.find('\x1b'), std::string_view::npos);
    }
  }
}

}  // namespace
}  // namespace vs::report
