#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "query/testing/scene.h"
#include "report/html_evidence.h"
#include "report/html_picture.h"

namespace vs::report {
namespace {

using query::testing::Scene;
using ::testing::HasSubstr;
using ::testing::Not;

ReportData data_of(const Scene& scene, const Window& window = {}) {
  auto data = gather_report(*scene.source, scene.summary, window);
  EXPECT_TRUE(data.ok());
  return std::move(data).value();
}

std::string page_of(const Scene& scene) {
  auto page = report_html(*scene.source, data_of(scene));
  EXPECT_TRUE(page.ok());
  return page.ok() ? *page : std::string();
}

std::int64_t sum_of(const std::array<std::int64_t, kPaints>& parts) {
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
}

std::size_t count_of(std::string_view page, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = page.find(what); at != std::string_view::npos;
       at = page.find(what, at + what.size())) {
    ++count;
  }
  return count;
}

// Many VMs whose names try to be markup, each robbed by the next, with a state change in every
// column of a picture.
Scene hostile(std::int64_t vms) {
  Scene scene;
  auto& source = *scene.source;
  query::TraceSummary trace;
  trace.begin = HostTime{0};
  trace.end = HostTime{700'000};
  scene.summary.traces.push_back(trace);
  const auto name = [&](std::int64_t vm) {
    return source.intern("</td><script>alert(\"&\")</script>\x1b[31m\xff" + std::to_string(vm));
  };
  for (std::int64_t vm = 0; vm < vms; ++vm) {
    const std::int64_t key[] = {name(vm), 0};
    const auto states = source.entity(model::TableId::kVcpuState, key);
    for (std::int64_t i = 0; i < 700; ++i) {
      const std::int64_t state = i % 3 == 0 ? 2 : i % 3 == 1 ? 10 : 3;
      const std::int64_t values[] = {state, 1, 1, model::kNull, model::kNull, 0};
      source.add(states, HostTime{i * 1000}, HostTime{i * 1000 + 1000}, values);
    }
  }
  return scene;
}

TEST(Html, HostileNamesStayText) {
  const std::string page = page_of(hostile(3));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
  EXPECT_EQ(page.find('\xff'), std::string::npos);
}

TEST(Html, TroubledSceneIsSaidAndEscaped) {
  const std::string page = page_of(query::testing::troubled());
  EXPECT_THAT(page, HasSubstr("Lost events"));
  EXPECT_THAT(page, HasSubstr("What is wrong with the data"));
  EXPECT_THAT(page, HasSubstr("class=\"loss\" d=\"M"));
  EXPECT_EQ(page.find('\x1b'), std::string::npos);
}

TEST(Html, NoVmHasNoVcpus) {
  const std::string page = page_of(query::testing::bare_host());
  EXPECT_THAT(page, HasSubstr("No vCPU ran in this trace"));
  EXPECT_THAT(page, HasSubstr("Who was on each pCPU"));
  EXPECT_THAT(page, Not(HasSubstr("Where the time of each vCPU went")));
}

TEST(Html, EmptySourceIsNoCrash) {
  const query::testing::MemorySource source;
  const auto data = gather_report(source, {}, {});
  ASSERT_TRUE(data.ok());
  const auto page = report_html(source, *data);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(*page, HasSubstr("</body></html>"));
}

TEST(Html, SameInputSameBytes) {
  EXPECT_EQ(page_of(query::testing::two_vms()), page_of(query::testing::two_vms()));
}

TEST(Html, ManyVmsFitIntoAMailAndTheRestIsCounted) {
  const std::string page = page_of(hostile(400));
  EXPECT_LT(page.size(), 500'000U);
  EXPECT_GT(page.size(), 50'000U);  // halved no more often than it had to be
  EXPECT_GT(count_of(page, "more left out"), 0U);
  EXPECT_THAT(page, HasSubstr("Rows left out: "));
}

TEST(Html, PartsOfABarSumToItsWidth) {
  for (const Scene& scene : {query::testing::two_vms(), query::testing::troubled()}) {
    const ReportData data = data_of(scene);
    ASSERT_FALSE(data.vcpus.empty());
    for (const VcpuShare& vcpu : data.vcpus) {
      for (const std::int64_t width : {7, 300, 1000}) {
        const auto parts = bar_parts(vcpu, width);
        EXPECT_EQ(sum_of(parts), width);
        const double stolen = static_cast<double>(vcpu.steal_ns()) /
                              static_cast<double>(vcpu.life_ns) * static_cast<double>(width);
        EXPECT_NEAR(static_cast<double>(parts[static_cast<std::size_t>(Paint::kStolen)]), stolen,
                    1.0);
      }
    }
  }
  EXPECT_EQ(sum_of(bar_parts(VcpuShare{}, 300)), 0);
}

TEST(Html, EveryVmPatternIsDefinedAndNoneTwice) {
  HtmlWriter html;
  write_patterns(html);
  const std::string defs = html.take();
  for (int vm = 0; vm < kMostVmPaints + 3; ++vm) {
    HtmlWriter use;
    write_paint(use, "fill", Paint::kGuest, vm);
    const std::string text = use.take();  // fill="url(#v3)"
    const std::size_t at = text.find('#') + 1;
    const std::string id = text.substr(at, text.find(')') - at);
    EXPECT_EQ(count_of(defs, "id=\"" + id + "\""), 1U) << id;
  }
}

TEST(HtmlEvidence, IsCutToTheWindowAndQuotes) {
  ReportData data;
  const Conclusion stolen{Conclusion::Kind::kBad, "stolen_time", "it's", "", "", 0};
  EXPECT_THAT(evidence_sql(data, stolen), HasSubstr("FROM preemption WHERE machine = 'it''s'"));
  data.has_window = true;
  data.begin = HostTime{100};
  data.end = HostTime{900};
  EXPECT_THAT(evidence_sql(data, stolen), HasSubstr("FROM preemption(100, 900)"));
  EXPECT_THAT(evidence_sql(data, stolen), HasSubstr("sum(min(ts + dur, 900) - max(ts, 100))"));
  const Conclusion lost{Conclusion::Kind::kWarn, "lost_events", "", "", "", 0};
  EXPECT_THAT(evidence_sql(data, lost), HasSubstr("ts < 900 AND ts + dur >= 100"));
}

TEST(HtmlEvidence, NoneWhereNoQueryFits) {
  for (const char* rule : {"unreadable", "no_vcpu", "a_rule_of_tomorrow"}) {
    EXPECT_EQ(evidence_sql({}, {Conclusion::Kind::kBad, rule, "vm1", "", "", 0}), "") << rule;
  }
}

}  // namespace
}  // namespace vs::report
