#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/strings.h"
#include "cli/app.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/testing/scene_backend.h"
#include "cli/time_argument.h"
#include "model/tables.h"

namespace vs::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

testing::SceneBackend backend;

Outcome run(const std::vector<std::string>& args) {
  std::ostringstream out;
  std::ostringstream err;
  Streams streams{out, err};
  backend = {};
  const ExitCode code = run_app(args, backend, streams, nullptr);
  return {static_cast<int>(code), out.str(), err.str()};
}

std::string read_file(const std::string& path) {
  std::ifstream file(std::string(VS_SOURCE_DIR) + "/" + path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// --- wrong use: one line, what was wrong, what to type instead, exit 2, nothing on stdout

void expect_bad_use(const std::vector<std::string>& args, const std::string& message) {
  const Outcome outcome = run(args);
  EXPECT_EQ(outcome.code, 2) << message;
  EXPECT_EQ(outcome.err, "virtscope: " + message + "\n");
  EXPECT_EQ(outcome.out, "");
}

TEST(WrongUse, OneLineAndWhatToTypeInstead) {
  expect_bad_use({}, "no command given (virtscope report TRACE..., or virtscope --help)");
  expect_bad_use({"repot", "x"}, "there is no command repot (did you mean report?)");
  expect_bad_use({"banana"},
                 "there is no command banana (it has info, sync, report, stat, waits, why, "
                 "check, query, serve)");
  expect_bad_use({"host.dat"},
                 "host.dat is no command (for the page about a trace: virtscope report host.dat)");
  expect_bad_use({"report"}, "report needs a trace (virtscope report [OPTION...] TRACE...)");
  expect_bad_use({"report", "--formt", "json", "twovms"},
                 "unknown option --formt (did you mean --format?)");
  expect_bad_use({"report", "--zzzzzzzz", "twovms"},
                 "unknown option --zzzzzzzz (virtscope report --help lists them)");
  expect_bad_use({"info", "twovms", "--vm", "x"}, "info has no option --vm (it belongs to stat)");
  expect_bad_use({"info", "twovms", "--format"}, "--format needs a value (virtscope info --help)");
  expect_bad_use({"--format", "jsn", "info", "twovms"},
                 "--format cannot be jsn (did you mean --format json?)");
  expect_bad_use({"--cache-size", "0", "info", "twovms"},
                 "--cache-size 0 is no number of MiB from 1 to 65536");
  expect_bad_use({"--jobs", "0", "info", "twovms"}, "--jobs 0 is no number from 1 to 1024");
  expect_bad_use({"info", "--guest", "vm1", "twovms"},
                 "--guest vm1 is not NAME=PATH (for example --guest vm1=vm1.dat)");
  expect_bad_use({"info", "--tsc-hz", "2.3", "twovms"},
                 "--tsc-hz 2.3 is no rate in Hz (for example --tsc-hz 2300000000)");
  expect_bad_use({"info", "--quiet", "--format", "csv", "--format", "json", "twovms"},
                 "--format is given twice (give it once)");
  expect_bad_use({"stat", "twovms", "--vm", "vm3"}, "there is no VM vm3 (did you mean --vm vm1?)");
  expect_bad_use({"stat", "bad\x1b[0m", "--sort", "\x1b[31m"},
                 "--sort cannot be \\x1b[31m (one of time, count, mean, max, p99, reason)");
}

TEST(WrongUse, CommandsOfLaterVersionsAreNamedAsSuch) {
  for (const char* name :
       {"compare", "classify", "export", "record", "agent", "top", "doctor", "push"}) {
    const Outcome outcome = run({name, "x"});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(std::string("has no command ") + name + " yet"));
  }
}

TEST(WrongUse, WhyNamesTheNearestTasks) {
  EXPECT_THAT(run({"why", "robbed"}).err, HasSubstr("why needs a task"));
  const auto says = [](std::vector<std::string> options) {
    std::vector<std::string> line = {"why", "robbed"};
    line.insert(line.end(), options.begin(), options.end());
    const Outcome outcome = run(line);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_THAT(says({"--task", "vm9/5"}), HasSubstr("there is no machine vm9 (did you mean vm"));
  EXPECT_THAT(says({"--task", "vm1/7"}),
              HasSubstr("vm1 has no thread 7 (the nearest are 6 (twin)"));
  EXPECT_THAT(says({"--task", "vm1/critcal"}), HasSubstr("did you mean vm1/critical?"));
  EXPECT_THAT(says({"--task", "vm1/twin"}), HasSubstr("say which: vm1/6 and vm1/9"));
  EXPECT_THAT(says({"--task", "vm1"}), HasSubstr("names no thread"));
  EXPECT_THAT(says({"--task", "critical"}),
              HasSubstr("--task critical names no machine (did you mean vm1/critical?)"));
  EXPECT_THAT(says({"--task", "nobody"}), HasSubstr("(--task MACHINE/TID or MACHINE/COMM)"));
  EXPECT_THAT(says({"--task", "vm1/5", "--slowest", "0"}), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(says({"--task", "vm1/5", "--to", "1"}),
              HasSubstr("vm1/5 has no time in this window"));
}

TEST(WrongUse, SqlErrorsBringACaretAndOpenNothing) {
  const Outcome outcome = run({"query", "no-such-file", "SELECT stat FROM vcpu_state"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "virtscope: no such column: stat (did you mean state?)\n"
            "  SELECT stat FROM vcpu_state\n"
            "         ^\n");
  EXPECT_EQ(run({"query", "twovms", "DROP TABLE vcpu"}).code, 2);
  EXPECT_EQ(run({"query", "twovms"}).code, 2);
  EXPECT_EQ(run({"query"}).code, 2);
}

// --- outcomes

TEST(Outcomes, ExitCodesFollowTheContract) {
  EXPECT_EQ(run({"report", "twovms"}).code, 0);
  EXPECT_EQ(run({"report", "troubled"}).code, 1);
  EXPECT_EQ(run({"check", "troubled"}).code, 1);
  const Outcome missing = run({"report", "nope\x07"});
  EXPECT_EQ(missing.code, 3);
  EXPECT_EQ(missing.err, "virtscope: nope\\x07: no such file or folder\n");
  const Outcome unanswerable = run({"stat", "bare"});
  EXPECT_EQ(unanswerable.code, 4);
  EXPECT_EQ(unanswerable.err,
            "virtscope: VM exits: the trace of box has no kvm_entry, kvm_exit (record them: "
            "trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit)\n");
  const Outcome empty = run({"query", "bare", "SELECT * FROM preemption", "--format", "json"});
  EXPECT_EQ(empty.code, 4);
  EXPECT_EQ(empty.out, "[]\n");
  EXPECT_EQ(run({"query", "bare", "SELECT * FROM event"}).code, 0);
  EXPECT_EQ(exit_code_of(ErrorCode::kInternal), ExitCode::kOurFault);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kInternal)), 70);
}

TEST(Outcomes, TracesLeftOutAreNamedAndTheRestAnswers) {
  const Outcome outcome = run({"report", "troubled"});
  EXPECT_EQ(outcome.err,
            "virtscope: left out: broken.dat: broken.dat:12: the file ends inside its header\n");
  EXPECT_THAT(outcome.out, HasSubstr("web\\x1b[31m was robbed"));
  EXPECT_EQ(run({"report", "troubled", "--quiet"}).err, "");
}

TEST(Outcomes, NothingIsAnalysedWithoutNeed) {
  EXPECT_EQ(run({"info", "twovms"}).code, 0);
  EXPECT_EQ(backend.analysed, 0);
  EXPECT_EQ(run({"query", "twovms", "SELECT count(*) FROM event"}).code, 0);
  EXPECT_EQ(backend.analysed, 0);
  EXPECT_EQ(run({"query", "twovms", "SELECT count(*) FROM vcpu_state"}).code, 0);
  EXPECT_EQ(backend.analysed, 1);
}

TEST(Options, StandAnywhereAndReachTheSession) {
  const std::vector<std::string> tail = {
      "--host",    "h",     "--guest=vm1=a=b", "--sync", "none", "--tsc-hz",     "2300000000",
      "--history", "x.vsh", "--no-cache",      "--jobs", "3",    "--cache-size", "12"};
  std::vector<std::string> before = tail;
  before.insert(before.end(), {"info", "twovms", "other"});
  std::vector<std::string> after = {"info", "twovms"};
  after.insert(after.end(), tail.begin(), tail.end());
  after.emplace_back("other");
  for (const auto& args : {before, after}) {
    ASSERT_EQ(run(args).code, 0);
    const OpenOptions& open = backend.last;
    EXPECT_EQ(open.paths, (std::vector<std::string>{"twovms", "other"}));
    EXPECT_EQ(open.hosts, std::vector<std::string>{"h"});
    EXPECT_EQ(open.guests, (std::vector<std::pair<std::string, std::string>>{{"vm1", "a=b"}}));
    EXPECT_EQ(open.sync, "none");
    EXPECT_EQ(open.tsc_hz, 2300000000u);
    EXPECT_EQ(open.history, "x.vsh");
    EXPECT_TRUE(open.no_cache);
    EXPECT_EQ(open.jobs, 3u);
    EXPECT_EQ(open.cache_mib, 12u);
  }
  EXPECT_EQ(run({"--vm", "vm1", "stat", "twovms"}).code, 0);
}

TEST(Options, TracesMayBeNamedLikeCommandsOrOptions) {
  EXPECT_EQ(run({"info", "sync"}).code, 3);
  EXPECT_THAT(run({"info", "--", "--format"}).err, HasSubstr("--format: no such file"));
}

// --- answers

TEST(Answers, EveryCommandSpeaksJsonAndCsv) {
  for (const char* command : {"info", "sync", "report", "stat", "check"}) {
    for (const char* scene : {"twovms", "idle", "troubled"}) {
      const Outcome json = run({command, scene, "--format", "json"});
      ASSERT_TRUE(Json::accept(json.out)) << command << json.out;
      EXPECT_TRUE(Json::parse(json.out).is_array());
      EXPECT_FALSE(run({command, scene, "--format", "csv"}).out.empty());
      EXPECT_EQ(json.out, run({command, scene, "--format", "json"}).out) << "stable";
    }
  }
}

TEST(Answers, WhySpeaksJsonAndCsvAndClipsItsWindow) {
  const Outcome json = run({"why", "robbed", "--task", "vm1/critical", "--format", "json"});
  EXPECT_EQ(json.code, 0) << json.err;
  std::set<std::string> sections;
  for (const Json& row : Json::parse(json.out)) sections.insert(row.at("section"));
  for (const char* name : {"task", "kind", "culprit", "interval", "path_label", "path_worker"}) {
    EXPECT_TRUE(sections.contains(name)) << name;
  }
  EXPECT_THAT(run({"why", "robbed", "--task", "vm1/5", "--format", "csv"}).out,
              HasSubstr("path_layer"));
  const Outcome cut = run({"why", "robbed", "--task", "vm1/5", "--from", "1"});
  EXPECT_EQ(cut.code, 0);
  EXPECT_THAT(cut.out, HasSubstr("the window is cut to what there is"));
  EXPECT_EQ(run({"why", "bare", "--task", "box/5"}).code, 2);
}

TEST(Answers, StatHasPerfsColumnsAndMore) {
  const Json rows = Json::parse(run({"stat", "twovms", "--vcpu", "--format", "json"}).out);
  ASSERT_FALSE(rows.empty());
  for (const char* key : {"machine", "vcpu", "reason", "count", "count_pct", "time_pct", "min_ns",
                          "max_ns", "mean_ns", "stddev_pct", "total_ns", "p50_ns", "p99_ns",
                          "handling_ns", "userspace_ns", "halted_ns", "polling_ns", "steal_ns"}) {
    EXPECT_TRUE(rows[0].contains(key)) << key;
  }
  EXPECT_FALSE(rows[0].contains("section"));
  const Json counts =
      Json::parse(run({"stat", "twovms", "--sort", "count", "--format", "json"}).out);
  EXPECT_EQ(counts[0]["reason"], "NPF");
}

TEST(Answers, QueryWritesTablesJsonAndCsv) {
  const std::string sql = "SELECT tid, name, NULL AS n FROM event ORDER BY ts LIMIT 1";
  EXPECT_EQ(run({"query", "twovms", sql}).out, "tid  name      n\n823  kvm_exit\n");
  EXPECT_EQ(run({"query", "twovms", sql, "--format", "json"}).out,
            "[\n{\"tid\": 823, \"name\": \"kvm_exit\", \"n\": null}\n]\n");
  EXPECT_EQ(run({"query", "--format", "csv", "twovms", sql}).out, "tid,name,n\n823,kvm_exit,\n");
}

TEST(Answers, WindowsAreTakenFromTheStart) {
  const Json rows = Json::parse(
      run({"report", "twovms", "--from", "+1s", "--to", "+3.5s", "--format", "json"}).out);
  EXPECT_EQ(rows[0]["dur"], 2'500'000'000);
  EXPECT_EQ(run({"report", "twovms", "--from", "+3s", "--to", "+1s"}).code, 2);
}

// --- times

TEST(Time, ThreeForms) {
  constexpr std::int64_t kBegin = 1'763'668'026'123'456'789;  // 2025-11-20 19:47:06.1…
  const Timeline utc{HostTime{kBegin}, true};
  const auto ns = [&](std::string_view text) { return parse_time(text, utc).value().ns; };
  EXPECT_EQ(ns("17"), 17);
  EXPECT_EQ(ns("-17"), -17);
  EXPECT_EQ(ns("+1.5s"), kBegin + 1'500'000'000);
  EXPECT_EQ(ns("+1.5"), kBegin + 1'500'000'000);
  EXPECT_EQ(ns("+10ms"), kBegin + 10'000'000);
  EXPECT_EQ(ns("+5us"), kBegin + 5'000);
  EXPECT_EQ(ns("+5ns"), kBegin + 5);
  EXPECT_EQ(ns("+2m"), kBegin + 120'000'000'000);
  EXPECT_EQ(ns("19:47:06.123456789"), kBegin);
  EXPECT_EQ(ns("19:47:07"), kBegin + 1'000'000'000 - 123'456'789);
  EXPECT_EQ(ns("00:00:00"), kBegin - 123'456'789 + (4 * 3600 + 12 * 60 + 54) * 1'000'000'000LL);
}

TEST(Time, WrongOnesAreRefused) {
  const Timeline utc{HostTime{0}, true};
  for (const char* text :
       {"", "+", "abc", "1.5", "+1.s", "+1x", "+-1s", "24:00:00", "1:2", "00:60:00", "00:00:60",
        "+99999999999s", "99999999999999999999", "::", "+1.5ss"}) {
    const auto time = parse_time(text, utc);
    ASSERT_FALSE(time.ok()) << text;
    EXPECT_EQ(time.error().code, ErrorCode::kBadUse);
  }
  EXPECT_THAT(parse_time("10:00:00", {HostTime{0}, false}).error().what,
              HasSubstr("no time of day"));
}

// --- progress

TEST(ProgressLine, SilentForASecondThenOneLineThenGone) {
  using namespace std::chrono_literals;
  std::ostringstream err;
  std::chrono::nanoseconds now = 0s;
  Progress progress(err, true, [&] { return now; });
  progress.update(1'000'000, 4'000'000, "reading");
  EXPECT_EQ(err.str(), "");
  now = 2s;
  progress.update(2'000'000, 4'000'000, "reading");
  EXPECT_EQ(err.str(),
            "\r\x1b[Kreading  ████████████              50 %  2.0 MB of 4.0 MB  2 s left");
  const std::string before = err.str();
  now += 1ms;
  progress.update(2'000'001, 4'000'000, "reading");
  EXPECT_EQ(err.str(), before) << "at most ten times a second";
  progress.finish();
  EXPECT_THAT(err.str(), ::testing::EndsWith("\r\x1b[K"));
}

TEST(ProgressLine, NeverMeansNever) {
  std::ostringstream err;
  std::chrono::nanoseconds now{0};
  Progress progress(err, false, [&] { return now; });
  now = std::chrono::seconds(9);
  progress.update(1, 2, "reading");
  progress.finish();
  EXPECT_EQ(err.str(), "");
}

// --- help and the man page

TEST(Help, TextsAreTheStoredOnes) {
  EXPECT_EQ(run({"--help"}).out, read_file("tests/cli/help/virtscope.txt"));
  EXPECT_EQ(run({"help"}).out, help_text(nullptr));
  for (const Command* command : commands()) {
    const std::string name(command->name());
    const std::string stored = read_file("tests/cli/help/" + name + ".txt");
    EXPECT_EQ(run({name, "--help"}).out, stored);
    EXPECT_EQ(run({"--help", name}).out, stored);
    EXPECT_EQ(run({"help", name}).out, stored);
    for (const std::string_view line : split(stored, '\n')) EXPECT_LE(line.size(), 88u) << line;
  }
  EXPECT_EQ(run({"--version"}).out, "virtscope " + std::string(kProgramVersion) + "\n");
  EXPECT_EQ(run({"info", "--version"}).code, 0);
}

TEST(Help, QueryAndTheSqlReferenceNameEveryTable) {
  const std::string help = read_file("tests/cli/help/query.txt");
  const std::string reference = read_file("docs/sql.md");
  for (const model::TableDef& table : model::table_defs()) {
    EXPECT_THAT(help, ContainsRegex("[ \n]" + std::string(table.name) + "[,;]")) << table.name;
    EXPECT_THAT(reference, HasSubstr("`" + std::string(table.name) + "`")) << table.name;
  }
}

TEST(Help, ManPageNamesEveryCommandAndOption) {
  const std::string man = read_file("man/virtscope.1");
  const auto expect_option = [&](const OptionSpec& option) {
    std::string name;
    for (const char c : option.name) name += c == '-' ? "\\-" : std::string(1, c);
    EXPECT_THAT(man, HasSubstr("\n.BR " + name)) << option.name;
  };
  for (const OptionSpec& option : global_options()) expect_option(option);
  for (const Command* command : commands()) {
    EXPECT_THAT(man, HasSubstr("\n.SS " + std::string(command->name()) + "\n"));
    for (const OptionSpec& option : command->options()) expect_option(option);
  }
}

}  // namespace
}  // namespace vs::cli
