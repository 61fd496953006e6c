#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/escape.h"
#include "base/strings.h"
#include "query/testing/scene.h"
#include "report/pages.h"

namespace vs::report {
namespace {

using query::testing::Scene;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

ReportData data_of(const Scene& scene, const Window& window = {}) {
  auto data = gather_report(*scene.source, scene.summary, window);
  EXPECT_TRUE(data.ok());
  return std::move(data).value();
}

std::vector<std::string> rules_of(const ReportData& data) {
  std::vector<std::string> rules;
  for (const Conclusion& c : data.conclusions) {
    rules.push_back(std::string(name_of(c.kind)) + ":" + c.rule);
  }
  return rules;
}

// Every line of a page fits, and nothing of a trace reaches the terminal raw.
void expect_tidy(const std::string& page) {
  for (const std::string_view line : split(page, '\n')) {
    EXPECT_LE(display_width(line), 100u) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
}

// --- exit statistics

TEST(ExitStat, PerfsOwnNumbers) {
  // algorithms A.6: mean, and ± as perf's stddev_stats / avg. Samples 2, 4, 4, 4, 5, 5, 7, 9.
  ExitStat stat;
  const std::vector<std::int64_t> values = {0, 0, 0, 0, 0, 0, 0, 0};
  for (const std::int64_t ns : {2, 4, 4, 4, 5, 5, 7, 9}) stat.add(ns, values);
  EXPECT_EQ(stat.count(), 8u);
  EXPECT_EQ(stat.total_ns, 40);
  EXPECT_DOUBLE_EQ(stat.mean_ns, 5);
  EXPECT_NEAR(stat.relative_error_percent(), 100 * std::sqrt(32.0 / 7 / 8) / 5, 1e-9);
  EXPECT_EQ(stat.durations.min(), 2);
  EXPECT_EQ(stat.durations.max(), 9);
  EXPECT_EQ(stat.durations.quantile(0.5), 4);
  EXPECT_EQ(stat.durations.quantile(0.99), 9);
}

TEST(ExitStat, OneSampleHasNoSpread) {
  ExitStat stat;
  stat.add(7, std::vector<std::int64_t>(8, model::kNull));
  EXPECT_EQ(stat.relative_error_percent(), 0);
  EXPECT_EQ(stat.busy_ns(), 7);
}

TEST(ExitStat, UnionEqualsOneSample) {
  const std::vector<std::int64_t> values(8, 0);
  ExitStat all;
  ExitStat left;
  ExitStat right;
  for (std::int64_t i = 1; i <= 1000; ++i) {
    const std::int64_t ns = i * i * 37 % 100'003;
    all.add(ns, values);
    (i % 3 == 0 ? left : right).add(ns, values);
  }
  left.add(right);
  EXPECT_EQ(left.count(), all.count());
  EXPECT_NEAR(left.relative_error_percent(), all.relative_error_percent(), 1e-9);
  EXPECT_EQ(left.durations.quantile(0.5), all.durations.quantile(0.5));
}

TEST(DurationHistogram, QuantilesAreNearAtAnyScale) {
  for (std::int64_t scale = 1; scale < std::int64_t{1} << 50; scale *= 37) {
    DurationHistogram histogram;
    for (std::int64_t i = 1; i <= 1000; ++i) histogram.add(i * scale);
    for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
      const double exact = std::ceil(q * 1000) * static_cast<double>(scale);
      EXPECT_NEAR(static_cast<double>(histogram.quantile(q)), exact, exact * 0.004 + 0.5);
    }
  }
  DurationHistogram ends;
  ends.add(std::numeric_limits<std::int64_t>::max());
  ends.add(-5);
  EXPECT_EQ(ends.quantile(1), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ends.min(), 0);
  EXPECT_EQ(DurationHistogram().quantile(0.5), 0);
}

TEST(ExitStat, ExitWithoutEntryIsNoOccurrence) {
  query::testing::MemorySource source;
  const std::int64_t key[] = {source.intern("vm1"), 0};
  const auto states = source.entity(model::TableId::kVcpuState, key);
  const auto exits = source.entity(model::TableId::kVmExit, key);
  const std::int64_t guest[] = {2, 0, 1, model::kNull, model::kNull, 0};
  const std::int64_t halted[] = {7, 0, 1, model::kNull, model::kNull, 0};
  const std::int64_t hlt[] = {source.intern("HLT"), 0, model::kNull, 1, 0, 9, 0, 0};
  source.add(states, HostTime{0}, HostTime{10}, guest);
  source.add(states, HostTime{10}, HostTime{20}, halted);
  source.add(exits, HostTime{10}, HostTime{20}, hlt);
  const auto open = gather_exit_stats(source, {});
  ASSERT_TRUE(open.ok());
  EXPECT_TRUE(open->empty());
  source.add(states, HostTime{20}, HostTime{30}, guest);  // now it came back
  const auto closed = gather_exit_stats(source, {});
  ASSERT_EQ(closed->size(), 1u);
  EXPECT_EQ((*closed)[0].total_ns, 10);
}

TEST(ExitStat, GroupsAndShares) {
  const Scene scene = query::testing::two_vms();
  const auto all = gather_exit_stats(*scene.source, {});
  ASSERT_TRUE(all.ok());
  double count = 0;
  double time = 0;
  for (const ExitStat& stat : *all) {
    EXPECT_FALSE(stat.vcpu.has_value());
    if (stat.machine != "vm1") continue;
    count += stat.count_share;
    time += stat.time_share;
    std::int64_t parts = 0;
    for (const std::int64_t ns : stat.parts_ns) parts += ns;
    EXPECT_LE(parts, stat.total_ns);
  }
  EXPECT_NEAR(count, 1, 1e-9);
  EXPECT_NEAR(time, 1, 1e-9);
  const auto one = gather_exit_stats(*scene.source, {kHostTimeMin, kHostTimeMax, "vm2", true});
  ASSERT_EQ(one->size(), 2u);
  EXPECT_EQ((*one)[0].vcpu, 0);
  const auto none = gather_exit_stats(*scene.source, {HostTime{0}, HostTime{10}, {}, false});
  EXPECT_TRUE(none->empty());
}

// --- the report

TEST(Report, NamesTheThiefFirst) {
  const Scene scene = query::testing::two_vms();
  const ReportData data = data_of(scene);
  EXPECT_THAT(rules_of(data), ElementsAre("bad:stolen_time", "good:got_its_cpu"));
  EXPECT_THAT(data.conclusions[0].message, HasSubstr("vm2 took 98 % of that, mostly burst0"));
  EXPECT_THAT(data.conclusions[0].message, HasSubstr("Hit hardest: critical (tid 301)"));
  EXPECT_THAT(data.conclusions[0].message, HasSubstr("pCPUs 2 and 3 were 98 % idle"));
  EXPECT_THAT(data.conclusions[0].next,
              HasSubstr("virtscope why host.dat vm1.dat vm2.dat --task vm1/301 --slowest 5"));
  const std::string page = report_text(data, {});
  expect_tidy(page);
  const auto lines = split(page, '\n');
  EXPECT_THAT(std::string(lines[4]), HasSubstr("✗ vm1 was robbed of 4.06 s of CPU"));
}

TEST(Report, StatesOfAVcpuSumToItsLifeAndStealToItsThieves) {
  const ReportData data = data_of(query::testing::two_vms());
  ASSERT_EQ(data.vcpus.size(), 3u);
  for (const VcpuShare& vcpu : data.vcpus) {
    std::int64_t sum = 0;
    for (const std::int64_t ns : vcpu.state_ns) sum += ns;
    EXPECT_EQ(sum, vcpu.life_ns);
    std::int64_t stolen = 0;
    for (const Thief& thief : data.thieves) {
      if (thief.machine == vcpu.machine && thief.vcpu == vcpu.vcpu) stolen += thief.total_ns;
    }
    EXPECT_EQ(stolen, vcpu.steal_ns());
  }
}

TEST(Report, WindowCutsRows) {
  const Scene scene = query::testing::two_vms();
  const HostTime begin = *scene.summary.begin();
  const ReportData data = data_of(scene, {begin + 1'000'000'000, begin + 2'000'000'000});
  for (const VcpuShare& vcpu : data.vcpus) EXPECT_EQ(vcpu.life_ns, 1'000'000'000);
  for (const PcpuShare& pcpu : data.pcpus) EXPECT_EQ(pcpu.life_ns, 1'000'000'000);
  EXPECT_EQ(data.duration_ns(), 1'000'000'000);
  EXPECT_THAT(report_text(data, {}), HasSubstr("window"));
}

TEST(Report, IdleIsNoAlarm) {
  const ReportData data = data_of(query::testing::idle_vm());
  EXPECT_THAT(rules_of(data), ElementsAre("good:idle"));
  expect_tidy(report_text(data, {}));
}

TEST(Report, HostWithoutVmsReadsWell) {
  const ReportData data = data_of(query::testing::bare_host());
  EXPECT_THAT(rules_of(data), ElementsAre("note:no_vcpu"));
  const std::string page = report_text(data, {});
  expect_tidy(page);
  EXPECT_THAT(page, HasSubstr("box: vCPU states, VM exits, stolen time and who took it, waits of "
                              "guest processes"));
  EXPECT_THAT(page, HasSubstr("trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit"));
}

TEST(Report, TroubleIsSaidAndEscaped) {
  const ReportData data = data_of(query::testing::troubled());
  EXPECT_THAT(rules_of(data), Contains("bad:unreadable"));
  EXPECT_THAT(rules_of(data), Contains("warn:clock_not_joined"));
  EXPECT_THAT(rules_of(data), Contains("warn:unknown_time"));
  EXPECT_THAT(rules_of(data), Contains("warn:lost_events"));
  const std::string page = report_text(data, {});
  expect_tidy(page);
  EXPECT_THAT(page, HasSubstr("web\\x1b[31m was robbed"));
  EXPECT_THAT(page, HasSubstr("'beta dir/beta.dat'"));
  EXPECT_THAT(page, HasSubstr("bad_page alpha.dat:81920"));
}

TEST(Report, EmptySourceIsNoCrash) {
  const query::testing::MemorySource source;
  const auto data = gather_report(source, {}, {});
  ASSERT_TRUE(data.ok());
  expect_tidy(report_text(*data, {}));
  EXPECT_TRUE(Json::accept(to_json(to_document(*data))));
}

TEST(Report, ManyVcpusAreCutToTheWorst) {
  Scene scene;
  for (std::int64_t vm = 0; vm < 50; ++vm) {
    const std::int64_t key[] = {
        scene.source->intern("a-machine-with-a-long-name-" + std::to_string(vm)), vm % 4};
    const auto entity = scene.source->entity(model::TableId::kVcpuState, key);
    for (std::int64_t state = 1; state < 13; ++state) {
      const std::int64_t values[] = {state, state, 1, model::kNull, model::kNull, 0};
      scene.source->add(entity, HostTime{state * 100}, HostTime{state * 100 + 100}, values);
    }
  }
  const std::string page = report_text(data_of(scene), {});
  expect_tidy(page);
  EXPECT_THAT(page, HasSubstr("30 more vCPUs"));
}

TEST(Report, JsonIsAnArrayOfObjectsWithSections) {
  const Json json = Json::parse(to_json(to_document(data_of(query::testing::troubled()))));
  ASSERT_TRUE(json.is_array());
  std::set<std::string> sections;
  for (const Json& row : json) sections.insert(row.at("section").get<std::string>());
  EXPECT_THAT(sections, Contains("vcpu"));
  EXPECT_THAT(sections, Contains("thief"));
  EXPECT_THAT(sections, Contains("missing"));
  for (const Json& row : json) {
    if (row["section"] != "vcpu") continue;
    std::int64_t sum = 0;
    for (const auto& [key, value] : row.items()) {
      const bool state = key.ends_with("_ns") && key != "life_ns" && key != "steal_ns" &&
                         key != "overhead_ns" && key != "demand_ns" && key != "lossy_ns";
      if (state) sum += value.get<std::int64_t>();
    }
    EXPECT_EQ(sum, row["life_ns"].get<std::int64_t>());
  }
}

TEST(Report, ColoursOnlyWhenAsked) {
  const ReportData data = data_of(query::testing::two_vms());
  EXPECT_THAT(report_text(data, {true, 100}), HasSubstr("\x1b[1;31m✗\x1b[0m"));
  EXPECT_THAT(report_text(data, {false, 100}), Not(HasSubstr("\x1b")));
}

// --- other pages

TEST(Pages, AllFitAndEscape) {
  for (const Scene& scene : {query::testing::two_vms(), query::testing::idle_vm(),
                             query::testing::bare_host(), query::testing::troubled()}) {
    expect_tidy(info_text(scene.summary, {}));
    expect_tidy(sync_text(scene.summary, *scene.source, {}));
    expect_tidy(check_text(scene.summary, *scene.source, {}));
    const auto stats = gather_exit_stats(*scene.source, {});
    expect_tidy(stat_text(*stats, {}));
    for (const Document& document :
         {info_document(scene.summary), sync_document(scene.summary, *scene.source),
          check_document(scene.summary, *scene.source)}) {
      EXPECT_TRUE(Json::accept(to_json(document)));
      for (const Section& section : document.sections) {
        for (const model::Row& row : section.rows) EXPECT_EQ(row.size(), section.columns.size());
      }
    }
  }
}

TEST(Pages, InfoSaysWhatIsMissingAndHowToRecordIt) {
  const std::string page = info_text(query::testing::bare_host().summary, {});
  EXPECT_THAT(page, HasSubstr("✗ vCPU states: box, needs kvm_entry, kvm_exit"));
  EXPECT_THAT(page, HasSubstr("record: trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit"));
}

// A guest's clock is joined with its host's, whether or not that is joined with the first one's.
TEST(Pages, InfoSaysWithWhomAClockIsJoined) {
  Scene scene = query::testing::troubled();
  auto& machines = scene.summary.experiment.machines;
  EXPECT_THAT(info_text(scene.summary, {}), HasSubstr("traced, clock not joined"));
  machines[1].joined = false;
  model::ClockSegment segment;
  segment.method = model::SyncMethod::kTsc;
  machines[3].clock = model::ClockMap({segment});
  const std::string page = info_text(scene.summary, {});
  EXPECT_THAT(page, HasSubstr("beta host, clock not joined with alpha"));
  EXPECT_THAT(page, HasSubstr("traced, clock exact (tsc) with beta only"));
  EXPECT_THAT(page, Not(HasSubstr("traced, clock not joined")));
  machines[3].joined = true;
  EXPECT_THAT(info_text(scene.summary, {}), Not(HasSubstr("with beta only")));
}

TEST(Pages, InfoShowsNestedGuestsBelowTheirHost) {
  Scene scene = query::testing::troubled();
  auto& machines = scene.summary.experiment.machines;
  model::Machine nested;
  nested.name = "inner";
  nested.kind = model::MachineKind::kVm;
  nested.parent = 3;
  machines.push_back(nested);
  EXPECT_THAT(info_text(scene.summary, {}), HasSubstr("     └─ inner VM"));
}

TEST(Pages, CheckGivesAVerdict) {
  const Scene fine = query::testing::two_vms();
  EXPECT_THAT(check_text(fine.summary, *fine.source, {}), HasSubstr("✓ the data is whole"));
  const Scene bad = query::testing::troubled();
  EXPECT_THAT(check_text(bad.summary, *bad.source, {}), HasSubstr("✗ 1 error, 1 warning, 1 note"));
}

// --- pieces

TEST(Document, JsonAndCsvOfAwkwardValues) {
  Document document{
      {{"a",
        {"x", "y"},
        {{std::string("q\"\n\xff"), std::monostate{}}, {std::int64_t{1}, std::nan("")}}}}};
  EXPECT_EQ(to_json(document),
            "[\n{\"x\": \"q\\\"\\n\xEF\xBF\xBD\", \"y\": null},\n{\"x\": 1, \"y\": null}\n]\n");
  document.sections.push_back({"b", {"z"}, {{std::string("=1+1")}}});
  EXPECT_EQ(to_csv(document), "section,x,y\na,\"q\"\"\n\xff\",\na,1,\n\nsection,z\nb,'=1+1\n");
  EXPECT_EQ(to_json({}), "[]\n");
  EXPECT_EQ(to_csv({{{"a", {"x"}, {}}}}), "x\n");
}

TEST(Text, Figures) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(3'141'592), "3.1 MB");
  EXPECT_EQ(share_text(0), "0 %");
  EXPECT_EQ(share_text(1e-9), "< 0.1 %");
  EXPECT_EQ(share_text(0.99999), "> 99.9 %");
  EXPECT_EQ(share_text(0.31), "31 %");
  EXPECT_EQ(share_text(0.9981), "99 %");
  EXPECT_EQ(time_text(HostTime{-1}, true), "1969-12-31 23:59:59.999999999 UTC");
  EXPECT_EQ(time_text(HostTime{5}, false), "5 ns");
  const std::vector<std::string> names = {"a", "b", "c", "d"};
  EXPECT_EQ(name_list(names, 2), "a, b and 2 more");
  EXPECT_EQ(name_list(names, 3), "a, b, c and d");
}

TEST(Text, Bars) {
  const Painter plain(false);
  const BarPart parts[] = {{0.985, "#", Tone::kPlain}, {0.011, "x", Tone::kPlain}};
  EXPECT_EQ(stacked_bar(parts, 10, plain), "#########x");
  const BarPart nothing[] = {{0, "#", Tone::kPlain}};
  EXPECT_EQ(stacked_bar(nothing, 4, plain), "    ");
  const BarPart bad[] = {{7, "#", Tone::kPlain}, {std::nan(""), "x", Tone::kPlain}};
  EXPECT_EQ(display_width(stacked_bar(bad, 4, plain)), 4u);
  EXPECT_EQ(plain_bar(0.5, 4), "██");
  EXPECT_EQ(plain_bar(1e-9, 4), "▏");
  EXPECT_EQ(plain_bar(0, 4), "");
}

TEST(Text, ClipAndWrapCountColumnsNotBytes) {
  EXPECT_EQ(clip("µµµµ", 3), "µµ…");
  EXPECT_EQ(clip("abc", 3), "abc");
  EXPECT_EQ(wrap("aa bb cc", 5, "  "), "aa bb\n  cc");
  EXPECT_EQ(wrap("aa 1.5 %, cc 24 ms", 9, ""), "aa 1.5 %,\ncc 24 ms")
      << "a unit stays with its number";
  EXPECT_EQ(wrap("aaaa 1.5 % of", 8, ""), "aaaa\n1.5 % of");
}

TEST(Text, CommandsStayPasteable) {
  EXPECT_EQ(shell_word("a b"), "'a b'");
  EXPECT_EQ(shell_word("it's $x"), "\"it's \\$x\"");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(wrap_command("aaa bbb ccc", 8, "  "), "aaa bbb \\\n  ccc");
  EXPECT_EQ(wrap_command("aaa \"bbb 'ccc\" ddd", 8, ""), "aaa \"bbb\n'ccc\" \\\nddd");
}

}  // namespace
}  // namespace vs::report
