#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "query/database.h"
#include "query/duration.h"
#include "query/event_table.h"
#include "query/features.h"
#include "query/testing/memory_source.h"

namespace vs::query {
namespace {

using model::kNull;
using model::TableId;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemorySource;
using Texts = std::vector<std::string>;

std::string text_of_cell(const model::Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return std::to_string(*real);
  return "NULL";
}

// Two VMs with two vCPUs each; vCPU v of VM m has rows [10 i, 10 i + 10) + m, state guest for even
// i.
class QueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::int64_t hlt = source_.intern("HLT");
    for (const char* machine : {"vm2", "vm1"}) {
      for (std::int64_t vcpu = 0; vcpu < 2; ++vcpu) {
        const std::int64_t key[] = {source_.intern(machine), vcpu};
        const auto entity = source_.entity(TableId::kVcpuState, key);
        for (std::int64_t i = 0; i < 100; ++i) {
          const std::int64_t values[] = {i % 2 == 0 ? 2 : 10,      vcpu,  1,
                                         i % 2 == 0 ? kNull : hlt, kNull, 0};
          const std::int64_t begin = 10 * i + (machine[2] == '2' ? 1 : 0);
          source_.add(entity, HostTime{begin}, HostTime{begin + 10}, values);
        }
      }
    }
    for (std::int64_t tid = 0; tid < 50; ++tid) {
      source_.add_row(TableId::kThread, {std::string(tid % 2 == 0 ? "vm1" : "host"),
                                         tid,
                                         tid,
                                         1,
                                         "task" + std::to_string(tid),
                                         {},
                                         0,
                                         1000});
    }
    for (std::int64_t i = 0; i < 100; ++i) {
      source_.add_event({HostTime{i}, i % 2, i % 2 == 0 ? "host" : "vm1", i % 4, 100 + i,
                         i % 3 == 0 ? "sched_switch" : "kvm_exit",
                         "{\"i\":" + std::to_string(i) + "}"});
    }
    auto opened = Database::open(source_, &cancel_);
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    database_ = std::move(opened).value();
  }

  // Rows as text, cells joined by "|"; a failure gives one line "error: ...".
  Texts ask(std::string_view sql) {
    source_.rows_given = source_.streams_opened = source_.events_given = 0;
    auto statement = database_->prepare(sql);
    if (!statement.ok()) return {"error: " + statement.error().to_string()};
    Texts rows;
    while (true) {
      const auto more = statement->step();
      if (!more.ok()) return {"error: " + more.error().to_string()};
      if (!*more) return rows;
      std::string line;
      for (const model::Cell& cell : statement->row()) {
        line += (line.empty() ? "" : "|") + text_of_cell(cell);
      }
      rows.push_back(line);
    }
  }

  // Tables see the entities that were there when they were opened.
  bool reopen() {
    auto opened = Database::open(source_, &cancel_);
    if (opened.ok()) database_ = std::move(opened).value();
    return opened.ok();
  }

  MemorySource source_;
  std::atomic<bool> cancel_{false};
  std::unique_ptr<Database> database_;
};

TEST_F(QueryTest, KeysChooseEntities) {
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE machine='vm1' AND vcpu=1"),
              ElementsAre("100"));
  EXPECT_EQ(source_.streams_opened, 1u);
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE machine='nobody'"), ElementsAre("0"));
  EXPECT_EQ(source_.rows_given, 0u);
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE vcpu='1'"), ElementsAre("200"));
  EXPECT_EQ(source_.streams_opened, 2u);
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE vcpu=NULL"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE machine IN ('vm1','vm3') AND vcpu=0"),
              ElementsAre("100"));
  EXPECT_EQ(source_.streams_opened, 1u);
}

TEST_F(QueryTest, OtherCollationsAreLeftToSqlite) {
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE machine='VM1' COLLATE NOCASE"),
              ElementsAre("200"));
  EXPECT_THAT(ask("SELECT count(*) FROM thread WHERE comm='TASK7' COLLATE NOCASE"),
              ElementsAre("1"));
}

TEST_F(QueryTest, TimeBoundsReadOnlyTheirRows) {
  const std::string who = " FROM vcpu_state WHERE machine='vm1' AND vcpu=0 AND ";
  EXPECT_THAT(ask("SELECT count(*), min(ts), max(ts)" + who + "ts >= 500 AND ts < 600"),
              ElementsAre("10|500|590"));
  EXPECT_LE(source_.rows_given, 11u);
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts BETWEEN 500 AND 600"), ElementsAre("11"));
  EXPECT_LE(source_.rows_given, 12u);
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts > 980"), ElementsAre("1"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts = 500"), ElementsAre("1"));
  EXPECT_LE(source_.rows_given, 2u);
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts > 499.5 AND ts < 509.5"), ElementsAre("1"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts > 1e30"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts < 1e30"), ElementsAre("100"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts < 'text'"), ElementsAre("100"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts > 9223372036854775807"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts <= 9223372036854775807"), ElementsAre("100"));
  EXPECT_THAT(ask("SELECT count(*)" + who + "ts > NULL"), ElementsAre("0"));
}

TEST_F(QueryTest, OverlapWindowFindsTheRowThatBeganBefore) {
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state WHERE machine='vm1' AND vcpu=0 AND from_ts=505 AND "
                  "to_ts=515"),
              ElementsAre("500", "510"));
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state(505, 515) WHERE machine='vm1' AND vcpu=0"),
              ElementsAre("500", "510"));
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state(515, 505)"), ElementsAre());
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state('x', 505)")[0], HasSubstr("must be integers"));
}

TEST_F(QueryTest, StatesAreNamesAndFilter) {
  EXPECT_THAT(ask("SELECT state, count(*) FROM vcpu_state GROUP BY state ORDER BY state"),
              ElementsAre("guest|200", "preempted|200"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE state='guest'"), ElementsAre("200"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE state IN ('guest','preempted')"),
              ElementsAre("400"));
  EXPECT_EQ(source_.rows_given, 400u) << "one scan for the whole list";
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE state='no such'"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE exit_reason='HLT'"), ElementsAre("200"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE exit_reason IS NULL"), ElementsAre("200"));
  EXPECT_THAT(ask("SELECT count(*) FROM vcpu_state WHERE state=2"), ElementsAre("0"));
}

TEST_F(QueryTest, OrderByTimeMergesWithoutSorting) {
  const Texts plan =
      ask("EXPLAIN QUERY PLAN SELECT ts FROM vcpu_state WHERE state='guest' ORDER BY ts");
  for (const std::string& line : plan) EXPECT_THAT(line, ::testing::Not(HasSubstr("TEMP B-TREE")));
  const Texts rows = ask("SELECT ts FROM vcpu_state ORDER BY ts");
  ASSERT_EQ(rows.size(), 400u);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_LE(std::stoll(rows[i - 1]), std::stoll(rows[i]));
  }
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state ORDER BY ts LIMIT 3"), ElementsAre("0", "0", "1"));
  EXPECT_LE(source_.rows_given, 8u) << "LIMIT stops the scan";
  EXPECT_THAT(ask("SELECT ts FROM vcpu_state ORDER BY ts DESC LIMIT 1"), ElementsAre("991"));
}

TEST_F(QueryTest, GroupByKeysNeedsNoSort) {
  const std::string sql = "SELECT machine, vcpu, count(*) FROM vcpu_state GROUP BY machine, vcpu";
  for (const std::string& line : ask("EXPLAIN QUERY PLAN " + sql)) {
    EXPECT_THAT(line, ::testing::Not(HasSubstr("TEMP B-TREE")));
  }
  EXPECT_THAT(ask(sql), ElementsAre("vm1|0|100", "vm1|1|100", "vm2|0|100", "vm2|1|100"));
}

TEST_F(QueryTest, SmallTablesJoinByIndex) {
  EXPECT_THAT(ask("SELECT comm FROM thread WHERE machine='host' AND tid=7"), ElementsAre("task7"));
  EXPECT_THAT(ask("SELECT count(*) FROM thread WHERE machine='host' AND tid=8"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*) FROM thread WHERE container IS NULL"), ElementsAre("50"));
  EXPECT_THAT(ask("SELECT count(*) FROM thread a JOIN thread b USING (machine, tid)"),
              ElementsAre("50"));
}

TEST_F(QueryTest, EventsPushDownAndDecodeFieldsLazily) {
  EXPECT_THAT(ask("SELECT count(*) FROM event WHERE name='sched_switch' AND ts >= 50"),
              ElementsAre("17"));
  EXPECT_EQ(source_.events_given, 17u);
  EXPECT_EQ(source_.fields_decoded, 0u);
  EXPECT_THAT(ask("SELECT fields ->> 'i' FROM event WHERE machine='vm1' AND cpu=1 AND trace=1 "
                  "ORDER BY ts LIMIT 2"),
              ElementsAre("1", "5"));
  EXPECT_EQ(source_.fields_decoded, 2u);
  EXPECT_THAT(ask("SELECT count(*) FROM event WHERE name IN ('sched_switch', 'kvm_exit', NULL)"),
              ElementsAre("100"));
  EXPECT_THAT(ask("SELECT count(*) FROM event WHERE cpu=-1"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*) FROM event WHERE machine='vm1' AND machine='host'"),
              ElementsAre("0"));
  EXPECT_THAT(ask("SELECT ts FROM event ORDER BY ts DESC LIMIT 1"), ElementsAre("99"));
}

TEST_F(QueryTest, NothingCanBeWritten) {
  for (const char* sql :
       {"ATTACH 'x.db' AS x", "CREATE TABLE x(a)", "CREATE TEMP TABLE x(a)",
        "DROP TABLE vcpu_state", "INSERT INTO thread(tid) VALUES (1)", "PRAGMA journal_mode=WAL",
        "VACUUM INTO 'x.db'", "SELECT load_extension('x')", "PRAGMA temp_store_directory='/'",
        "CREATE VIEW v AS SELECT 1", "DELETE FROM issue"}) {
    EXPECT_THAT(ask(sql)[0], HasSubstr("error: ")) << sql;
  }
}

TEST_F(QueryTest, ErrorsSayWhereAndWhatToTypeInstead) {
  SqlError details;
  auto statement = database_->prepare("SELECT stat FROM vcpu_state", &details);
  ASSERT_FALSE(statement.ok());
  EXPECT_EQ(statement.error().code, ErrorCode::kBadUse);
  EXPECT_EQ(statement.error().to_string(), "no such column: stat (did you mean state?)");
  EXPECT_EQ(details.offset, 7u);
  EXPECT_THAT(ask("SELECT * FROM vcpu_stat"),
              ElementsAre("error: no such table: vcpu_stat (did you mean vcpu_state?)"));
  EXPECT_THAT(ask("SELECT * FROM zzzzzz")[0],
              HasSubstr("tables: event, flow, critical_path, vcpu_state"));
  EXPECT_THAT(ask("SELEC 1")[0], HasSubstr("syntax error"));
  EXPECT_THAT(ask("")[0], HasSubstr("no SQL statement"));
  EXPECT_THAT(ask("SELECT 1; SELECT 2")[0], HasSubstr("more than one"));
  EXPECT_THAT(ask("SELECT 1; -- done\n ;"), ElementsAre("1"));
  EXPECT_THAT(ask("SELECT count(*) FROM thread WHERE comm = \"task1\"")[0],
              HasSubstr("no such column: task1 (a text stands in single quotes: 'task1')"));
  EXPECT_THAT(ask("SELECT zzzzzz FROM thread")[0], HasSubstr("thread has machine, tid"));
  EXPECT_THAT(ask("SELECT zzzzzz FROM critical_path")[0], HasSubstr("critical_path has "));
  EXPECT_THAT(ask("SELECT zzzzzz")[0], HasSubstr("pragma_table_info"));
  // Of the columns of the tables that the statement names.
  EXPECT_THAT(ask("SELECT exit_raeson FROM vcpu_state")[0], HasSubstr("did you mean exit_reason?"));
  EXPECT_THAT(ask("SELECT exit_raeson FROM thread")[0], HasSubstr("thread has "));
}

TEST_F(QueryTest, CaretPointsAtTheFault) {
  EXPECT_EQ(caret_lines("SELECT stat FROM x", 7, 80), "SELECT stat FROM x\n       ^");
  EXPECT_EQ(caret_lines("SELECT\n  stat\nFROM x", 9, 80), "  stat\n  ^");
  EXPECT_EQ(caret_lines("", 5, 80), "\n^");
  EXPECT_EQ(caret_lines("\x1b[31m", 1, 80), "\\x1b[31m\n    ^");
  EXPECT_LE(caret_lines(std::string(1000, 'x'), 500, 40).find('\n'), 40u);
}

TEST_F(QueryTest, FailuresBelowKeepTheirMeaning) {
  source_.fail_after(50, {ErrorCode::kTruncated, "block ends early", "history: byte 77", ""});
  auto statement = database_->prepare("SELECT count(*) FROM vcpu_state");
  ASSERT_TRUE(statement.ok());
  const auto stepped = statement->step();
  ASSERT_FALSE(stepped.ok());
  EXPECT_EQ(stepped.error().code, ErrorCode::kTruncated);
  EXPECT_EQ(stepped.error().to_string(), "history: byte 77: block ends early");
}

TEST_F(QueryTest, CancelStopsALongQuery) {
  auto statement = database_->prepare(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  ASSERT_TRUE(statement.ok());
  cancel_ = true;
  const auto stepped = statement->step();
  ASSERT_FALSE(stepped.ok());
  EXPECT_EQ(stepped.error().code, ErrorCode::kCancelled);
}

TEST_F(QueryTest, TablesReadAreKnown) {
  EXPECT_THAT(ask("WITH x AS (SELECT tid FROM thread) SELECT count(*) FROM x, vcpu"),
              ElementsAre("0"));
  EXPECT_THAT(database_->tables_read(), ElementsAre("thread", "vcpu"));
}

TEST_F(QueryTest, TablesHaveTheContractsColumns) {
  for (const model::TableDef& table : model::table_defs()) {
    Texts expected;
    for (const auto& column : table.columns) expected.emplace_back(column.name);
    auto statement = database_->prepare("SELECT * FROM " + std::string(table.name));
    ASSERT_TRUE(statement.ok()) << table.name;
    EXPECT_EQ(statement->columns(), expected) << table.name;
  }
}

TEST_F(QueryTest, ExtraFunctions) {
  EXPECT_THAT(ask("SELECT quantile(tid, 0.5), quantile(tid, 0), quantile(tid, 1) FROM thread"),
              ElementsAre("24|0|49"));
  EXPECT_THAT(ask("SELECT quantile(tid, 0.5) FROM thread WHERE tid < 0"), ElementsAre("NULL"));
  EXPECT_THAT(ask("SELECT quantile(tid, 2) FROM thread")[0], HasSubstr("from 0 to 1"));
  EXPECT_THAT(ask("SELECT ns_text(252000), ns_text(NULL), x'01ff'"),
              ElementsAre("252 µs|NULL|X'01FF'"));
}

TEST(Duration, ThreeDigitsAndTheRightUnit) {
  EXPECT_EQ(duration_text(0), "0");
  EXPECT_EQ(duration_text(999), "999 ns");
  EXPECT_EQ(duration_text(1000), "1.00 µs");
  EXPECT_EQ(duration_text(999'449), "999 µs");
  EXPECT_EQ(duration_text(999'949), "1.00 ms");
  EXPECT_EQ(duration_text(1'210'000'000), "1.21 s");
  EXPECT_EQ(duration_text(-252'000), "-252 µs");
  EXPECT_EQ(duration_text(95'300'000'000), "95.3 s");
  EXPECT_EQ(duration_text(std::numeric_limits<std::int64_t>::min()).substr(0, 1), "-");
}

TEST(Nearest, OnlyNearNames) {
  constexpr std::string_view kNames[] = {"report", "stat", "query"};
  EXPECT_EQ(nearest("reprot", kNames), "report");
  EXPECT_EQ(nearest("STAT", kNames), "stat");
  EXPECT_EQ(nearest("banana", kNames), std::nullopt);
  EXPECT_EQ(nearest("", kNames), std::nullopt);
}

TEST_F(QueryTest, ARequestThatNeverEndedHasNoDuration) {
  const std::int64_t key[] = {source_.intern("vm1"), source_.intern("vdb")};
  const auto disk = source_.entity(TableId::kBlockRequest, key);
  const std::int64_t ended[] = {key[0], 64, 4096, 0, 4, 6, 7};
  const std::int64_t lost[] = {kNull, 72, 4096, 1, 0, kNull, 7};
  const std::int64_t at_once[] = {kNull, 80, 512, 3, 0, 0, kNull};
  source_.add(disk, HostTime{10}, HostTime{20}, ended);
  source_.add(disk, HostTime{12}, HostTime{12}, lost);
  source_.add(disk, HostTime{14}, HostTime{14}, at_once);
  ASSERT_TRUE(reopen());
  EXPECT_THAT(ask("SELECT * FROM block_request ORDER BY ts"),
              ElementsAre("10|10|vm1|vm1|vdb|64|4096|read|4|6|7",
                          "12|NULL|vm1|NULL|vdb|72|4096|write|0|NULL|7",
                          "14|0|vm1|NULL|vdb|80|512|flush|0|0|NULL"));
  EXPECT_THAT(ask("SELECT sector FROM block_request WHERE dur IS NULL AND device = 'vdb'"),
              ElementsAre("72"));
}

TEST_F(QueryTest, PacketsArePointsWithoutADuration) {
  const std::int64_t key[] = {source_.intern("host"), source_.intern("tap1")};
  const auto tap = source_.entity(TableId::kNetPacket, key);
  const std::int64_t received[] = {source_.intern("vm1"), 0, 116};
  const std::int64_t sent[] = {kNull, 1, 130};
  source_.add(tap, HostTime{10}, HostTime{10}, received);
  source_.add(tap, HostTime{20}, HostTime{20}, sent);
  ASSERT_TRUE(reopen());
  EXPECT_THAT(ask("SELECT * FROM net_packet WHERE device = 'tap1'"),
              ElementsAre("10|host|vm1|tap1|rx|116", "20|host|NULL|tap1|tx|130"));
  EXPECT_THAT(ask("SELECT sum(bytes) FROM net_packet WHERE vm = 'vm1' AND direction = 'rx'"),
              ElementsAre("116"));
  EXPECT_THAT(ask("SELECT count(*) FROM net_packet WHERE ts >= 11"), ElementsAre("1"));
  EXPECT_THAT(ask("SELECT dur FROM net_packet"), ElementsAre(HasSubstr("no such column: dur")));
}

ExperimentSummary host_with(std::initializer_list<model::EventKind> kinds) {
  ExperimentSummary summary;
  model::Machine host;
  host.name = "host";
  host.traces = {0};
  summary.experiment.machines.push_back(host);
  TraceSummary trace;
  trace.machine = 0;
  trace.info.format = "trace.dat";
  trace.info.is_kernel = true;
  for (const auto kind : kinds) trace.events.push_back({"", "", kind, 1});
  summary.traces.push_back(trace);
  return summary;
}

// ---- flow() and critical_path()

// vm1's thread 4 runs on its CPU 0 from 100 to 200, where vCPU 0 is in turns in the guest and
// preempted.
class FlowQuery : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    const std::int64_t key[] = {source_.intern("vm1"), 4};
    const std::int64_t values[] = {1, 0, kNull, kNull, kNull, kNull, 0};
    source_.add(source_.entity(TableId::kThreadState, key), HostTime{100}, HostTime{200}, values);
    source_.add_row(TableId::kMachine, {"host", "host", {}, {}, {}, {}, {}});
    source_.add_row(TableId::kMachine, {"vm1", "vm", "host", {}, {}, {}, {}});
    ASSERT_TRUE(reopen());
  }
};

TEST_F(FlowQuery, SumsToTheWindowItIsAskedFor) {
  EXPECT_THAT(ask("SELECT kind, sum(dur), count(*) FROM flow('vm1', 4) GROUP BY 1"),
              ElementsAre("run|50|5", "unknown|900|2", "vcpu_preempted_by|50|5"));
  EXPECT_THAT(ask("SELECT ts, dur, kind, exec_machine, exec_vcpu, exec_tid, exec_comm, pcpu FROM "
                  "flow('vm1', 4, 95, 115)"),
              ElementsAre("95|5|unknown|NULL|NULL|NULL|NULL|NULL", "100|10|run|vm1|0|4|task4|0",
                          "110|5|vcpu_preempted_by|NULL|NULL|NULL|NULL|NULL"));
  EXPECT_THAT(ask("SELECT ts, dur, depth, label, exec_machine, exec_tid, exec_comm, cpu, cause "
                  "FROM critical_path('vm1', 4, 95, 115)"),
              ElementsAre("95|5|1|unknown|vm1|4|task4|NULL|NULL", "100|10|1|run|vm1|4|task4|0|NULL",
                          "110|5|1|host_preempted|vm1|4|task4|0|idle"));
  EXPECT_THAT(ask("SELECT sum(dur) FROM flow('vm1', 4, NULL, 500)"), ElementsAre("500"));
  EXPECT_THAT(ask("SELECT sum(dur) FROM critical_path('vm1', 4, 0, 500, 1)"), ElementsAre("500"));
  EXPECT_THAT(ask("SELECT count(*) FROM flow('vm1', 4, 500, 500)"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT sum(dur) FROM flow WHERE machine = 'vm1' AND tid = 4"),
              ElementsAre("1000"));
}

TEST_F(FlowQuery, JoinsAndOrders) {
  EXPECT_THAT(ask("SELECT t.tid, sum(dur) FROM thread AS t, flow(t.machine, t.tid) WHERE t.tid IN "
                  "(2, 4) GROUP BY 1"),
              ElementsAre("2|1000", "4|1000"));
  EXPECT_THAT(ask("SELECT (SELECT sum(dur) FROM flow(t.machine, t.tid)) FROM thread AS t WHERE "
                  "t.tid = 4"),
              ElementsAre("1000"));
  EXPECT_THAT(ask("SELECT ts FROM flow('vm1', 4, 95, 115) ORDER BY ts DESC"),
              ElementsAre("110", "100", "95"));
  EXPECT_THAT(ask("SELECT machine, tid, begin_ts, end_ts FROM flow('vm1', 4, 95, 96)"),
              ElementsAre("vm1|4|95|96"));
  EXPECT_THAT(database_->tables_read(), ::testing::Contains("flow"));
}

TEST_F(FlowQuery, WrongArgumentsSayWhatIsRight) {
  EXPECT_THAT(ask("SELECT * FROM flow('vm1', NULL)"), ElementsAre());
  EXPECT_THAT(ask("SELECT * FROM flow(NULL, 4)"), ElementsAre());
  EXPECT_THAT(ask("SELECT * FROM flow")[0], HasSubstr("flow needs a machine and a thread id"));
  EXPECT_THAT(ask("SELECT * FROM flow('vm1')")[0], HasSubstr("needs a machine and a thread id"));
  EXPECT_THAT(ask("SELECT * FROM flow('vm3', 4)")[0], HasSubstr("there is no machine vm3"));
  EXPECT_THAT(ask("SELECT * FROM critical_path('vm1', 5)")[0],
              HasSubstr("vm1 has no thread 5 (the nearest are 4 (task4), 6 (task6)"));
  EXPECT_THAT(ask("SELECT * FROM flow('vm1', 'four')")[0], HasSubstr("tid of flow() is no whole"));
  EXPECT_THAT(ask("SELECT * FROM flow('vm1', 4, 1.5)")[0], HasSubstr("begin_ts of flow() is no"));
}

TEST_F(FlowQuery, AWindowThatReachesOutOfTheTracesIsCutAndSaid) {
  const auto trace = [&](std::int64_t number, std::int64_t begin, std::int64_t end) {
    source_.add_row(TableId::kTrace, {number,
                                      "vm1",
                                      "p",
                                      "ctf",
                                      "lttng",
                                      "monotonic",
                                      begin,
                                      end,
                                      std::int64_t{1},
                                      {},
                                      std::int64_t{0}});
  };
  trace(0, 80, 300);
  trace(1, 50, 210);
  ASSERT_TRUE(reopen());
  EXPECT_THAT(ask("SELECT sum(dur) FROM flow('vm1', 4, 90, 301)"), ElementsAre("211"));
  EXPECT_TRUE(database_->notes().empty());
  EXPECT_THAT(ask("SELECT min(ts), max(ts + dur), sum(dur) FROM flow('vm1', 4, -5, 302)"),
              ElementsAre("50|301|251"));
  EXPECT_THAT(ask("SELECT min(ts), sum(dur) FROM critical_path('vm1', 4, 10, 60)"),
              ElementsAre("50|10"));
  EXPECT_THAT(ask("SELECT count(*) FROM flow('vm1', 4, 400, 500)"), ElementsAre("0"));
  EXPECT_THAT(ask("SELECT count(*) FROM flow('vm1', 4, 400, 500)"), ElementsAre("0"));
  EXPECT_THAT(
      database_->notes(),
      ElementsAre("flow(): the window from -5 to 302 is cut to what the traces hold, 50 to 301",
                  "critical_path(): the window from 10 to 60 is cut to what the traces hold, 50 to "
                  "301",
                  "flow(): the window from 400 to 500 is outside of what the traces hold, 50 to "
                  "301"));
}

TEST_F(FlowQuery, ErrorsBelowReachTheCaller) {
  source_.fail_after(1, {ErrorCode::kMalformed, "piece 3 is broken", "x.vsh", ""});
  EXPECT_THAT(ask("SELECT * FROM flow('vm1', 4)")[0], HasSubstr("piece 3 is broken"));
  source_.fail_after(1, {ErrorCode::kMalformed, "piece 4 is broken", "x.vsh", ""});
  EXPECT_THAT(ask("SELECT * FROM critical_path('vm1', 4)")[0], HasSubstr("piece 4 is broken"));
}

TEST(Features, MissingEventsAreNamedWithTheirCommand) {
  using K = model::EventKind;
  const auto summary = host_with({K::kSchedSwitch, K::kKvmEntry});
  const std::vector<std::string> tables = {"vcpu_state"};
  const auto missing = unanswerable(summary, tables);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(kind_list(missing[0].missing), "kvm_exit");
  EXPECT_EQ(record_command(summary, 0, missing[0].missing), "trace-cmd record -e kvm:kvm_exit");
  const std::vector<std::string> threads = {"thread_state"};
  EXPECT_TRUE(unanswerable(summary, threads).empty());
}

TEST(Features, DisksAndNetworksNameWhatToRecord) {
  using K = model::EventKind;
  const auto summary = host_with({K::kSchedSwitch, K::kBlockRqIssue, K::kNetDevQueue});
  const std::vector<std::string> disks = {"block_request"};
  const auto missing = unanswerable(summary, disks);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(record_command(summary, 0, missing[0].missing),
            "trace-cmd record -e block:block_rq_complete");
  const std::vector<std::string> packets = {"net_packet"};
  EXPECT_TRUE(unanswerable(summary, packets).empty());  // the queue tells in part
}

TEST(Features, EmulatedGuestsAreAnsweredInPart) {
  using K = model::EventKind;
  const auto summary = host_with({K::kSchedSwitch, K::kKvmEmulateInsn});
  const std::vector<std::string> tables = {"vcpu_state"};
  EXPECT_TRUE(unanswerable(summary, tables).empty());
  EXPECT_EQ(feature_statuses(summary)[0].availability, Availability::kPartial);
}

TEST_F(QueryTest, TextsOfATableThatIsMadeAnewAtEveryLookStay) {
  for (const char* code : {"lost_events", "clock_break"}) {
    const std::string place = std::string(code) + " at a place longer than a short string";
    source_.add_row(TableId::kIssue,
                    {"warning", "reader", std::string(code), 0, place, 1, "found " + place, ""});
  }
  EXPECT_THAT(ask("SELECT code, place, message FROM issue ORDER BY count, code"),
              ElementsAre("clock_break|clock_break at a place longer than a short string|"
                          "found clock_break at a place longer than a short string",
                          "lost_events|lost_events at a place longer than a short string|"
                          "found lost_events at a place longer than a short string"));
}

TEST(Features, NoKernelTraceAnswersNothingButEvents) {
  auto summary = host_with({model::EventKind::kSchedSwitch});
  summary.traces[0].info.is_kernel = false;
  const std::vector<std::string> tables = {"vcpu_state", "event", "trace"};
  const auto missing = unanswerable(summary, tables);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(kind_list(missing[0].missing), "sched_switch, kvm_entry, kvm_exit");
}

}  // namespace
}  // namespace vs::query
