// Sessions over the captures of tests/captures: the same answer with any number of threads, and a
// history that is opened again says the same without reading an event.
#include "session/session.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/file.h"
#include "session/small_tables.h"

namespace vs::session {
namespace {

namespace fs = std::filesystem;

std::string capture(const std::string& name) {
  return std::string(VS_SOURCE_DIR) + "/tests/captures/" + name;
}

/// A folder of this test's own, gone with it.
class Folder {
 public:
  Folder()
      : path_(fs::path(::testing::TempDir()) /
              ("vs_session_" + std::to_string(::getpid()) + "_" + std::to_string(next_++))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  static inline int next_ = 0;
  fs::path path_;
};

std::unique_ptr<Session> open(const std::string& name, unsigned jobs, const std::string& history) {
  SessionOptions options;
  options.inputs.paths = {capture(name)};
  options.jobs = jobs;
  options.history_path = history;
  auto session = Session::open(os::real_files(), std::move(options));
  EXPECT_TRUE(session.ok()) << session.error().to_string();
  return std::move(session).value();
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text_of(const Session& session) {
  std::string text;
  for (const model::TableDef& def : model::table_defs()) {
    if (def.interval) continue;
    text += std::string(def.name) + "\n";
    for (const model::Row& row : session.small_table(def.id).rows) {
      for (const model::Cell& cell : row) {
        if (const auto* i = std::get_if<std::int64_t>(&cell)) text += std::to_string(*i);
        if (const auto* d = std::get_if<double>(&cell)) text += std::to_string(*d);
        if (const auto* s = std::get_if<std::string>(&cell)) text += *s;
        text += "|";
      }
      text += "\n";
    }
  }
  return text;
}

class SessionOf : public ::testing::TestWithParam<const char*> {};

TEST_P(SessionOf, TheHistoryIsTheSameByteForByteWithAnyNumberOfThreads) {
  const Folder folder;
  std::string first;
  for (const unsigned jobs : {1U, 2U, 8U}) {
    const std::string path = folder.file("jobs" + std::to_string(jobs) + ".vsh");
    const auto session = open(GetParam(), jobs, path);
    ASSERT_TRUE(session->analyse().ok());
    const std::string bytes = bytes_of(path);
    ASSERT_FALSE(bytes.empty());
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first) << jobs;
  }
}

TEST_P(SessionOf, AStoredHistoryAnswersWithoutReadingTheTrace) {
  const Folder folder;
  const std::string path = folder.file("h.vsh");
  const auto built = open(GetParam(), 1, path);
  ASSERT_TRUE(built->analyse().ok());
  const std::string stored = bytes_of(path);
  const auto again = open(GetParam(), 1, path);
  ASSERT_TRUE(again->join().ok());
  ASSERT_TRUE(again->analyse().ok());
  EXPECT_EQ(text_of(*again), text_of(*built));
  EXPECT_TRUE(bytes_of(path) == stored);
  for (std::size_t t = 0; t < built->traces().size(); ++t) {
    const TraceSurvey& a = built->traces()[t].survey;
    const TraceSurvey& b = again->traces()[t].survey;
    EXPECT_EQ(b.evidence.events, 0U);  // no event was read
    EXPECT_EQ(a.events, b.events);
    EXPECT_EQ(a.events_by_type, b.events_by_type);
    EXPECT_EQ(a.begin, b.begin);
    EXPECT_EQ(a.losses.size(), b.losses.size());
    for (const std::int64_t own : {a.begin->value, a.end->value}) {
      EXPECT_EQ(built->joined().traces[t].clock.to_host(OwnTime{own}),
                again->joined().traces[t].clock.to_host(OwnTime{own}));
    }
  }
  EXPECT_EQ(built->experiment().machines.size(), again->experiment().machines.size());
}

INSTANTIATE_TEST_SUITE_P(Captures, SessionOf,
                         ::testing::Values("twovms-tsc", "preempt-tsc", "container-tsc"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Session, AStoredHistoryOfOtherOptionsIsNotUsed) {
  const Folder folder;
  const std::string path = folder.file("h.vsh");
  ASSERT_TRUE(open("preempt-tsc", 1, path)->analyse().ok());
  SessionOptions options;
  options.inputs.paths = {capture("preempt-tsc")};
  options.history_path = path;
  options.sync = SyncMode::kNone;
  auto other = Session::open(os::real_files(), std::move(options));
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE(other.value()->analyse().ok());
  EXPECT_NE(other.value()->traces()[0].survey.evidence.events, 0U);
  bool told = false;
  for (const model::Issue& issue : other.value()->issues()) {
    told = told || issue.code == model::IssueCode::kHistoryRebuilt;
  }
  EXPECT_TRUE(told);
}

std::unique_ptr<Session> overview_of(const std::string& name, OverviewLimits limits) {
  SessionOptions options;
  options.inputs.paths = {capture(name)};
  options.overview = limits;
  auto session = Session::open(os::real_files(), std::move(options));
  EXPECT_TRUE(session.ok()) << session.error().to_string();
  EXPECT_TRUE(session.value()->join().ok());
  return std::move(session).value();
}

class OverviewOf : public ::testing::TestWithParam<const char*> {};

// What an overview says of machines, extents and losses is what reading everything says.
TEST_P(OverviewOf, AgreesWithTheWhole) {
  const auto whole = open(GetParam(), 1, "");
  ASSERT_TRUE(whole->join().ok());
  const auto overview = overview_of(GetParam(), {0, 5'000});
  ASSERT_EQ(overview->traces().size(), whole->traces().size());
  EXPECT_EQ(overview->experiment().machines.size(), whole->experiment().machines.size());
  for (std::size_t t = 0; t < whole->traces().size(); ++t) {
    const TraceSurvey& a = whole->traces()[t].survey;
    const TraceSurvey& b = overview->traces()[t].survey;
    EXPECT_EQ(a.begin, b.begin);
    EXPECT_EQ(a.end, b.end);
    EXPECT_EQ(lost_events(whole->traces()[t].trace->info(), a),
              lost_events(overview->traces()[t].trace->info(), b));
    if (!b.sample) {
      EXPECT_EQ(a.events, b.events);
      continue;
    }
    EXPECT_LE(b.sample->events, a.events);
    EXPECT_GT(b.sample->events, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Captures, OverviewOf,
                         ::testing::Values("twovms-tsc", "preempt-tsc", "preempt-mono",
                                           "preempt-local"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Overview, ReadsAPartOfALargeTraceAndAllOfASmallOne) {
  const std::string host = "preempt-mono/host.dat";
  const auto whole = overview_of(host, {});
  ASSERT_FALSE(whole->traces()[0].survey.sample);
  const auto part = overview_of(host, {1, 2'000});
  ASSERT_TRUE(part->traces()[0].survey.sample);
  EXPECT_LT(part->traces()[0].survey.sample->events, whole->traces()[0].survey.events);
  EXPECT_FALSE(part->analyse().ok());
}

TEST(Overview, ClocksThatNeedEvidenceAreJoinedByAllOfIt) {
  const auto session = overview_of("preempt-mono", {0, 2'000});
  for (const OpenTrace& open : session->traces()) EXPECT_FALSE(open.survey.sample) << open.place;
  const auto counters = overview_of("preempt-tsc", {0, 2'000});
  for (const OpenTrace& open : counters->traces()) EXPECT_TRUE(open.survey.sample) << open.place;
}

// Two packets of LTTng's layout; the counter of the second says that 3 events were discarded.
TEST(Overview, TakesTheLossesOfCtfFromPacketHeaders) {
  std::ifstream file(std::string(VS_SOURCE_DIR) + "/fuzz/corpus/ctf_stream/lttng_le",
                     std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  const std::size_t mark = all.find("\n@@@\n");
  ASSERT_NE(mark, std::string::npos);
  os::MemoryFiles files;
  files.put("/t/metadata", all.substr(0, mark));
  files.put("/t/k_0", all.substr(mark + 5));
  SessionOptions options;
  options.inputs.paths = {"/t"};
  const auto whole = Session::open(files, options);
  ASSERT_TRUE(whole.ok() && whole.value()->survey().ok());
  options.overview = OverviewLimits{0, 1};
  const auto sampled = Session::open(files, options);
  ASSERT_TRUE(sampled.ok() && sampled.value()->survey().ok());
  const TraceSurvey& a = whole.value()->traces()[0].survey;
  const TraceSurvey& b = sampled.value()->traces()[0].survey;
  ASSERT_TRUE(b.sample);
  EXPECT_TRUE(b.sample->losses_known);
  ASSERT_EQ(a.losses.size(), 1U);
  ASSERT_EQ(b.losses.size(), 1U);
  EXPECT_EQ(a.losses[0].lost, 3U);
  EXPECT_EQ(b.losses[0].lost, 3U);
  EXPECT_EQ(a.losses[0].begin, b.losses[0].begin);
  EXPECT_EQ(a.losses[0].end, b.losses[0].end);
}

}  // namespace
}  // namespace vs::session
