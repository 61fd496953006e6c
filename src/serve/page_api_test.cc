// The page API over a real capture: each endpoint with right and wrong input.

#include "serve/page_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/capture_test_support.h"
#include "serve/limits.h"
#include "serve/series.h"

namespace vs::serve {
namespace {

using nlohmann::json;

/// One analysed capture for all tests.
class World {
 public:
  static World& get() {
    static World world;
    return world;
  }
  Service& service() { return capture_.service(); }
  Response ask(Method method, std::vector<std::string> path, const std::string& body = "") {
    Request request;
    request.method = method;
    request.path = std::move(path);
    request.body = body;
    return PageApi(service()).handle(request);
  }
  json post(const std::string& name, const json& body) {
    const Response answer = ask(Method::kPost, {name}, body.dump());
    EXPECT_EQ(answer.status, 200U) << name << ": " << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
  unsigned status(const std::string& name, const json& body) {
    return ask(Method::kPost, {name}, body.dump()).status;
  }
  json fetch(const std::string& name) {
    const Response answer = ask(Method::kGet, {name});
    EXPECT_EQ(answer.status, 200U) << name << ": " << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
  [[nodiscard]] std::string begin() { return std::to_string(capture_.service().begin().ns); }
  [[nodiscard]] std::string end() { return std::to_string(capture_.service().end().ns); }
  /// The first row of a kind in a view.
  json row(const std::string& view, const std::string& kind) {
    const json answer = post("rows", {{"view", view}});  // outlives the loop
    for (const json& one : answer["rows"]) {
      if (one["kind"] == kind) return one;
    }
    return {};
  }

 private:
  World() {
    EXPECT_EQ(ask(Method::kGet, {"report"}).status, 503U);
    EXPECT_EQ(ask(Method::kPost, {"sql"}, R"({"sql":"SELECT 1","limit":1})").status, 503U);
    EXPECT_EQ(fetch("experiment")["status"], "RUNNING");
    EXPECT_EQ(fetch("experiment")["clocks"].size(), 3U);  // known before the analysis
    EXPECT_EQ(fetch("marks")["clocks"].size(), 3U);
    capture_.analyse();
  }
  test::ServedCapture capture_{"twovms-tsc"};
};

TEST(PageApi, Experiment) {
  const json answer = World::get().fetch("experiment");
  EXPECT_EQ(answer["status"], "COMPLETED");
  EXPECT_EQ(answer["begin_ns"], World::get().begin());
  EXPECT_EQ(answer["machines"].size(), 3U);
  EXPECT_FALSE(answer["clocks"].empty());
  EXPECT_EQ(answer["command"], "virtscope serve twovms-tsc");
  EXPECT_GT(std::stoll(answer["events"].get<std::string>()), 0);
}

TEST(PageApi, UnknownAndWrongMethod) {
  World& world = World::get();
  EXPECT_EQ(world.ask(Method::kGet, {"nothing"}).status, 404U);
  EXPECT_EQ(world.ask(Method::kGet, {}).status, 404U);
  EXPECT_EQ(world.ask(Method::kGet, {"report", "x"}).status, 404U);
  EXPECT_EQ(world.ask(Method::kPost, {"report"}, "{}").status, 405U);
  EXPECT_EQ(world.ask(Method::kGet, {"sql"}).status, 405U);
  EXPECT_EQ(world.ask(Method::kPost, {"sql"}, "{").status, 400U);
  EXPECT_EQ(world.ask(Method::kPost, {"sql"}, "[]").status, 400U);
  EXPECT_EQ(world.ask(Method::kPost, {"sql"}, "").status, 400U);
}

TEST(PageApi, ReportHasConclusionsWithRows) {
  const json answer = World::get().fetch("report");
  EXPECT_TRUE(answer["sections"].contains("vcpu"));
  ASSERT_FALSE(answer["conclusions"].empty());
  bool any = false;
  for (const json& one : answer["conclusions"]) any = any || one["target"].is_object();
  EXPECT_TRUE(any);
}

// The conclusion names a thief: its evidence is an interval that this thief took.
TEST(PageApi, EvidenceOfStolenTimeIsOfTheLargestThief) {
  World& world = World::get();
  const json answer = world.fetch("report");  // outlives the loop
  for (const json& one : answer["conclusions"]) {
    if (one["rule"] != "stolen_time" || one["subject"] != "vm1") continue;
    const json& target = one["target"];
    const json found = world.post(
        "follow",
        {{"view", target["view"]}, {"row", target["row"]}, {"time_ns", target["from_ns"]}});
    EXPECT_EQ(found["label"], "vm2 burst1");
    EXPECT_NE(one["message"].get<std::string>().find("burst1"), std::string::npos);
    return;
  }
  FAIL() << "no conclusion about vm1";
}

TEST(PageApi, ViewsAndRows) {
  World& world = World::get();
  EXPECT_EQ(world.fetch("views")["views"].size(), 6U);
  EXPECT_EQ(world.row("fused", "pcpu")["cpu"], 0);
  EXPECT_EQ(world.row("vms", "vcpu")["has_data"], true);
  EXPECT_EQ(world.status("rows", {{"view", "none"}}), 400U);
  EXPECT_EQ(world.status("rows", {{"view", 1}}), 400U);
  EXPECT_EQ(world.status("rows", {{"view", "vms"}, {"from_ns", "x"}}), 400U);
}

json states_ask(World& world, const json& row) {
  return {{"view", "vms"},        {"layers", {"state"}},
          {"rows", {row["id"]}},  {"from_ns", world.begin()},
          {"to_ns", world.end()}, {"pixels", 100}};
}

TEST(PageApi, StatesAreThePictureOfTheRow) {
  World& world = World::get();
  const json row = world.row("vms", "vcpu");
  const Response answer = world.ask(Method::kPost, {"states"}, states_ask(world, row).dump());
  ASSERT_EQ(answer.status, 200U) << answer.body;
  EXPECT_EQ(answer.content_type, "application/octet-stream");
  ASSERT_GT(answer.body.size(), 33U);
  EXPECT_EQ(answer.body.substr(0, 8), std::string("VSST\x01\0\x01\0", 8));
  EXPECT_EQ(answer.body.substr(8, 8), std::string("\x01\0\0\0\x64\0\0\0", 8));
  // The stretches, each below 128 pixels: their pixels are those asked for.
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(answer.body.at(at)); };
  std::size_t place = 32;
  const unsigned count = byte(place++);
  ASSERT_LT(count, 128U);
  unsigned pixels = 0;
  for (unsigned i = 0; i < count; ++i) {
    pixels += byte(place++);
    while (byte(place++) >= 128) continue;
    ++place;
  }
  EXPECT_EQ(pixels, 100U);
  EXPECT_GT(byte(place), 0U);
  EXPECT_NE(answer.body.find("guest", place), std::string::npos);
}

TEST(PageApi, StatesRefusesWhatItCannotDraw) {
  World& world = World::get();
  const json good = states_ask(world, world.row("vms", "vcpu"));
  const auto with = [&](const char* name, const json& value) {
    json ask = good;
    ask[name] = value;
    return world.status("states", ask);
  };
  EXPECT_EQ(with("pixels", 0), 400U);
  EXPECT_EQ(with("pixels", limits::kPixels), 200U);
  EXPECT_EQ(with("pixels", limits::kPixels + 1), 400U);
  EXPECT_EQ(with("pixels", 1.5), 400U);
  EXPECT_EQ(with("layers", json::array()), 400U);
  EXPECT_EQ(with("layers", {"none"}), 400U);
  EXPECT_EQ(with("rows", {-1}), 400U);
  EXPECT_EQ(with("rows", {1000000}), 400U);
  EXPECT_EQ(with("rows", std::vector<int>(limits::kRows + 1, good["rows"][0])), 400U);
  EXPECT_EQ(with("to_ns", world.begin()), 400U);
  EXPECT_EQ(with("to_ns", "9223372036854775807"), 400U);
}

TEST(PageApi, AtStepFollow) {
  World& world = World::get();
  const json row = world.row("vms", "vcpu");
  json ask = {{"view", "vms"}, {"row", row["id"]}, {"time_ns", row["begin_ns"]}};
  const json at = world.post("at", ask);
  EXPECT_EQ(at["begin_ns"], row["begin_ns"]);
  const json same = world.post("sql", {{"sql", at["sql"]}, {"limit", 10}});
  EXPECT_EQ(same["rows"].size(), 1U);
  ask["direction"] = 1;
  ask["layer"] = "state";
  const json next = world.post("step", ask);
  EXPECT_NE(next["state"], at["state"]);
  ask["direction"] = 0;
  EXPECT_EQ(world.status("step", ask), 400U);
  ask["time_ns"] = "-5";
  EXPECT_EQ(world.status("at", ask), 204U);
  EXPECT_EQ(world.status("follow", ask), 204U);
  ask["row"] = 0x7fffffff;
  EXPECT_EQ(world.status("at", ask), 400U);
}

TEST(PageApi, AtFindsWhatBeginsWithinThePixel) {
  World& world = World::get();
  const json row = world.row("vms", "vcpu");
  const std::int64_t begin = std::stoll(row["begin_ns"].get<std::string>());
  json ask = {{"view", "vms"}, {"row", row["id"]}, {"time_ns", std::to_string(begin - 1000)}};
  EXPECT_EQ(world.status("at", ask), 204U);
  ask["within_ns"] = "999";
  EXPECT_EQ(world.status("at", ask), 204U);
  ask["within_ns"] = "1001";
  EXPECT_EQ(world.post("at", ask)["begin_ns"], row["begin_ns"]);
  const std::int64_t end = std::stoll(row["end_ns"].get<std::string>());
  ask["time_ns"] = std::to_string(end + 10);
  ask["within_ns"] = "1000000000";
  EXPECT_EQ(world.post("at", ask)["end_ns"], row["end_ns"]);
  ask["within_ns"] = "-1";
  EXPECT_EQ(world.status("at", ask), 400U);
}

TEST(PageApi, FollowLeadsToWhoTookTheCpu) {
  World& world = World::get();
  const json stolen = world.post(
      "sql", {{"sql", "SELECT ts, vcpu, machine FROM vcpu_state WHERE state = 'preempted' LIMIT 1"},
              {"limit", 1}});
  ASSERT_EQ(stolen["rows"].size(), 1U);
  const json all = world.post("rows", {{"view", "vms"}});
  for (const json& row : all["rows"]) {
    if (row["vcpu"] != stolen["rows"][0][1] || row["machine"] != stolen["rows"][0][2]) continue;
    const json ts = stolen["rows"][0][0];
    const std::string text = ts.is_string() ? ts.get<std::string>() : ts.dump();
    const json ask = {{"view", "vms"}, {"row", row["id"]}, {"time_ns", text}};
    EXPECT_FALSE(world.post("follow", ask)["label"].get<std::string>().empty());
    EXPECT_TRUE(world.post("at", ask)["culprit"].is_object());
    return;
  }
  FAIL() << "no row of that vCPU";
}

// Against SQL over the same history: threads that ran or wanted to in a window, and time that they
// ran in all.
TEST(PageApi, ActiveRowsOfAWindow) {
  World& world = World::get();
  const std::int64_t from = std::stoll(world.begin()) + 6'000'000'000;
  const std::int64_t to = from + 20'000'000;
  const json active = world.post(
      "active",
      {{"view", "vms"}, {"from_ns", std::to_string(from)}, {"to_ns", std::to_string(to)}});
  std::set<int> ids;
  for (const json& id : active["rows"]) ids.insert(id.get<int>());
  const std::string where = fmt::format(
      "SELECT machine, tid, sum((state IN ('user', 'syscall', 'irq')) * dur), max("
      "state NOT IN ('unknown', 'blocked', 'exited') AND ts < {} AND ts + dur > {}) "
      "FROM thread_state GROUP BY 1, 2",
      to, from);
  const json truth = world.post("sql", {{"sql", where}, {"limit", 10000}});
  std::map<std::string, json> by_thread;
  for (const json& row : truth["rows"]) by_thread[row[0].dump() + row[1].dump()] = row;
  const json rows = world.post("rows", {{"view", "vms"}});
  std::size_t asleep = 0;
  for (const json& row : rows["rows"]) {
    const std::size_t listed = ids.count(row["id"].get<int>());
    if (row["kind"] != "thread") {
      EXPECT_EQ(listed, row["kind"] == "vcpu" ? 1U : 0U) << row;
      continue;
    }
    const json& one = by_thread[row["machine"].dump() + row["tid"].dump()];
    const json& ran = one[2];
    EXPECT_EQ(row["ran_ns"], ran.is_string() ? ran.get<std::string>() : ran.dump()) << row;
    EXPECT_EQ(listed, one[3].get<std::size_t>()) << row;
    if (listed == 0) ++asleep;
  }
  EXPECT_GT(asleep, 5U);
  for (const char* const name : {"active", "ran_on"}) {
    EXPECT_EQ(world.status(name, {{"view", "none"}, {"from_ns", "1"}, {"to_ns", "2"}}), 400U);
    EXPECT_EQ(world.status(name, {{"view", "vms"}, {"from_ns", "2"}, {"to_ns", "2"}}), 400U);
  }
}

std::string plain(const json& cell) {
  return cell.is_string() ? cell.get<std::string>() : cell.dump();
}

// Against SQL over the same history.
TEST(PageApi, TotalsOfStates) {
  World& world = World::get();
  const std::array<const char*, 3> tables[] = {{"vprocess_state", "machine", "state"},
                                               {"thread_state", "machine", "state"},
                                               {"fused_cpu", "host_machine", "condition"},
                                               {"block_request", "machine", "op"}};
  for (const auto& [table, machine, state] : tables) {
    const auto by_state = [](const json& section) {
      std::map<std::string, std::string> out;
      for (const json& row : section["rows"]) {
        out[plain(row[0]) + "/" + plain(row[1])] = plain(row[2]) + " " + plain(row[3]);
      }
      return out;
    };
    const json sums = world.post("totals", {{"table", table}});
    const std::string sql = fmt::format(
        "SELECT {0}, {1}, count(*), sum(dur) FROM {2} WHERE {1} IS NOT NULL GROUP BY 1, 2", machine,
        state, table);
    EXPECT_EQ(by_state(sums), by_state(world.post("sql", {{"sql", sql}, {"limit", 1000}}))) << sql;
    EXPECT_FALSE(sums["rows"].empty()) << table;
    EXPECT_EQ(sums["columns"][1], state);
  }
  for (const char* wrong : {"none", "loss", "vm_exits", "", "thread_state; --"}) {
    EXPECT_EQ(world.status("totals", {{"table", wrong}}), 400U) << wrong;
  }
  EXPECT_EQ(world.status("totals", {{"table", 1}}), 400U);
  EXPECT_EQ(world.status("totals", json::object()), 400U);
}

TEST(PageApi, UsersOfDisks) {
  World& world = World::get();
  const auto by_user = [](const json& section) {
    std::map<std::string, std::string> out;
    for (const json& row : section["rows"]) {
      const std::string user = plain(row[0]) + "/" + plain(row[1]) + "/" + plain(row[2]);
      for (std::size_t i = 3; i < row.size(); ++i) out[user] += plain(row[i]) + " ";
    }
    return out;
  };
  const json users = world.fetch("disks");
  const json truth = world.post(
      "sql", {{"sql",
               "SELECT machine, device, coalesce(vm, ''), count(*), sum(bytes), sum(dur), max(dur) "
               "FROM block_request GROUP BY 1, 2, 3"},
              {"limit", 1000}});
  EXPECT_EQ(by_user(users), by_user(truth));
  EXPECT_FALSE(users["rows"].empty());
  EXPECT_EQ(world.fetch("disks"), users) << "the kept answer";
}

TEST(PageApi, ArrowsAndMarks) {
  World& world = World::get();
  json ids = json::array();
  const json all = world.post("rows", {{"view", "vms"}});
  for (const json& row : all["rows"]) ids.push_back(row["id"]);
  json ask = {{"view", "vms"},
              {"rows", ids},
              {"from_ns", world.begin()},
              {"to_ns", world.end()},
              {"limit", 5}};
  EXPECT_LE(world.post("arrows", ask)["arrows"].size(), 5U);
  ask["limit"] = limits::kArrows + 1;
  EXPECT_EQ(world.status("arrows", ask), 400U);
  EXPECT_FALSE(world.fetch("marks")["clocks"].empty());
}

// vCPU thread 180 of the host: each of its wake-ups is one arrow, at the end of the wait.
TEST(PageApi, AWakeUpIsOneArrowAtTheEndOfTheWait) {
  World& world = World::get();
  json ids = json::array();
  int woken = -1;
  const json rows = world.post("rows", {{"view", "control"}});
  for (const json& row : rows["rows"]) {
    ids.push_back(row["id"]);
    if (row["machine"] == "host" && row["tid"] == 180) woken = row["id"].get<int>();
  }
  const json waits = world.post(
      "sql", {{"sql",
               "SELECT ts + dur FROM thread_state WHERE machine = 'host' AND tid = 180 AND state = "
               "'blocked' AND waker_tid = 181 ORDER BY ts LIMIT 1 OFFSET 100"},
              {"limit", 1}});
  const auto when = waits["rows"][0][0].get<std::int64_t>();
  const json found = world.post("arrows", {{"view", "control"},
                                           {"rows", ids},
                                           {"from_ns", std::to_string(when)},
                                           {"to_ns", std::to_string(when + 1)},
                                           {"limit", 100}});
  ASSERT_EQ(found["arrows"].size(), 1U) << found;
  EXPECT_EQ(found["arrows"][0]["to_row"], woken);
  EXPECT_EQ(found["arrows"][0]["kind"], "wakeup");
  EXPECT_EQ(found["arrows"][0]["from_ns"], std::to_string(when));
}

TEST(PageApi, SeriesAgreeWithSql) {
  World& world = World::get();
  const json answer = world.post(
      "series",
      {{"from_ns", world.begin()}, {"to_ns", world.end()}, {"points", 10}, {"ids", {"exits:vm1"}}});
  ASSERT_EQ(answer["series"].size(), 1U);
  const json& one = answer["series"][0];
  ASSERT_EQ(one["y"].size(), 10U);
  double sum = 0;
  for (const json& value : one["y"]) sum += value.get<double>();
  const double width = static_cast<double>(world.service().end() - world.service().begin()) / 1e10;
  const json exits = world.post(
      "sql", {{"sql", "SELECT count(*) FROM vm_exit WHERE machine = 'vm1'"}, {"limit", 1}});
  EXPECT_NEAR(sum * width, exits["rows"][0][0].get<double>(), 1.0);
  EXPECT_EQ(world.status("series", {{"from_ns", "1"}, {"to_ns", "2"}, {"points", 0}}), 400U);
}

// Only so many intervals are looked at for arrows, and the answer says so.
TEST(PageApi, ArrowsLookAtABoundedNumberOfIntervals) {
  Service& service = World::get().service();
  const Views& views = *service.views();
  const View& view = *views.find("control");
  std::vector<std::int32_t> rows;
  for (const Row& row : views.rows(view)) rows.push_back(row.id);
  ArrowRequest ask{rows, service.begin(), service.end(), 1'000'000, nullptr};
  ask.most_rows = 100'000'000;
  const auto all = views.arrows(view, ask);
  ASSERT_TRUE(all.ok());
  EXPECT_FALSE(all->truncated);
  ask.most_rows = 1;  // 64 of every row at least
  const auto some = views.arrows(view, ask);
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(some->truncated);
  EXPECT_LT(some->arrows.size(), all->arrows.size());
  EXPECT_LE(some->arrows.size(), 64 * rows.size());
  EXPECT_GT(some->arrows.size(), 0U);
}

// Rows are read for a bounded time; what is not known then is no number.
TEST(PageApi, SeriesReadForABoundedTime) {
  Service& service = World::get().service();
  SeriesRequest ask;
  ask.from = service.begin();
  ask.to = service.begin() + (service.end() - service.begin()) / 2 + 1;
  ask.points = limits::kPixels;  // narrower than the buckets of any sum
  ask.ids = {"exits:vm1"};
  const auto known = read_series(*service.views(), ask);
  ASSERT_TRUE(known.ok());
  ASSERT_EQ(known->size(), 1U);
  const auto is_number = [](double value) { return !std::isnan(value); };
  EXPECT_TRUE(std::ranges::all_of((*known)[0].y, is_number));
  ask.most_time = std::chrono::milliseconds(-1);
  const auto late = read_series(*service.views(), ask);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ((*late)[0].y.size(), ask.points);
  EXPECT_FALSE(is_number((*late)[0].y.back()));  // nothing is known behind the first row
  EXPECT_LT(std::ranges::count_if((*late)[0].y, is_number), limits::kPixels / 2);
  // Time in states comes from summaries, and is always known.
  ask.ids = {"steal:vm1"};
  const auto steal = read_series(*service.views(), ask);
  ASSERT_TRUE(steal.ok());
  EXPECT_TRUE(std::ranges::all_of((*steal)[0].y, is_number));
}

TEST(PageApi, EventsBothWays) {
  World& world = World::get();
  const json first = world.post("events", {{"from_ns", world.begin()}, {"limit", 3}});
  ASSERT_EQ(first["rows"].size(), 3U);
  EXPECT_EQ(first["rows"][0]["ts_ns"], world.begin());
  EXPECT_EQ(first["more"], true);
  const json last = world.post(
      "events",
      {{"from_ns", std::to_string(world.service().end().ns + 1)}, {"limit", 3}, {"direction", -1}});
  ASSERT_EQ(last["rows"].size(), 3U);
  EXPECT_EQ(last["rows"][2]["ts_ns"], world.end());
  EXPECT_EQ(world.status("events", {{"from_ns", "0"}, {"limit", limits::kEvents + 1}}), 400U);
  EXPECT_EQ(world.status("events", {{"limit", 1}}), 400U);
}

TEST(PageApi, SqlTellsWhereItIsWrong) {
  World& world = World::get();
  const json answer = world.post("sql", {{"sql", "SELECT ts FROM vcpu_state"}, {"limit", 2}});
  EXPECT_EQ(answer["rows"].size(), 2U);
  EXPECT_EQ(answer["truncated"], true);
  EXPECT_EQ(answer["notes"], json::array());
  const json cut = world.post(
      "sql", {{"sql",
               "SELECT f.ts FROM (SELECT machine, tid FROM thread WHERE tid > 0 LIMIT 1) AS t, "
               "flow(t.machine, t.tid, 0, 5) AS f"},
              {"limit", 2}});
  EXPECT_EQ(cut["rows"].size(), 0U);
  ASSERT_EQ(cut["notes"].size(), 1U);
  EXPECT_NE(cut["notes"][0].get<std::string>().find("flow(): the window from 0 to 5 is outside"),
            std::string::npos);
  const Response wrong =
      world.ask(Method::kPost, {"sql"}, R"({"sql":"SELECT nonsense FROM vcpu_state","limit":2})");
  EXPECT_EQ(wrong.status, 400U);
  EXPECT_EQ(json::parse(wrong.body)["offset"], 7);
  EXPECT_EQ(world.status("sql", {{"sql", "DELETE FROM vcpu_state"}, {"limit", 2}}), 400U);
  EXPECT_EQ(world.status("sql", {{"sql", "SELECT 1"}, {"limit", limits::kSqlRows + 1}}), 400U);
  const std::string large(limits::kSqlBytes + 1, ' ');
  EXPECT_EQ(world.status("sql", {{"sql", large}, {"limit", 1}}), 400U);
}

TEST(PageApi, WhyOfAThread) {
  World& world = World::get();
  const json found =
      world.post("sql", {{"sql",
                          "SELECT tid FROM thread_state WHERE machine = 'vm1' AND tid > 0 "
                          "GROUP BY tid ORDER BY count(*) DESC LIMIT 1"},
                         {"limit", 1}});
  ASSERT_EQ(found["rows"].size(), 1U);
  const std::string task = "vm1/" + found["rows"][0][0].dump();
  const json answer = world.post("why", {{"task", task}});
  EXPECT_FALSE(answer["headline"].get<std::string>().empty());
  EXPECT_FALSE(answer["flow"].empty());
  EXPECT_TRUE(answer["flow"][0]["ts_ns"].is_string());
  EXPECT_FALSE(answer["path"].empty());
  EXPECT_EQ(world.status("why", {{"task", "vm1/99999999"}}), 400U);
  EXPECT_EQ(world.status("why", {{"task", task}, {"from_ns", "5"}, {"to_ns", "5"}}), 400U);
  EXPECT_EQ(world.status("why", {{"task", task}, {"slowest", 0}}), 400U);
}

TEST(PageApi, NothingWaitsForAQuery) {
  World& world = World::get();
  const auto shown = world.service().shown();
  std::vector<Seat> seats;
  seats.push_back(std::move(*shown->seats.take(nullptr)));  // as the first report has it
  EXPECT_FALSE(world.fetch("experiment")["clocks"].empty());
  EXPECT_FALSE(world.fetch("marks")["clocks"].empty());
  const json row = world.row("vms", "vcpu");
  EXPECT_EQ(world.ask(Method::kPost, {"states"}, states_ask(world, row).dump()).status, 200U);
  const json sql = {{"sql", "SELECT count(*) FROM vm_exit"}, {"limit", 1}};
  const json events = {{"from_ns", world.begin()}, {"limit", 1}};
  EXPECT_EQ(world.post("sql", sql)["rows"].size(), 1U);
  EXPECT_EQ(world.post("events", events)["rows"].size(), 1U);

  // There are so many at once, and all of them tell the same.
  std::set<const query::DataSource*> sources = {&seats[0].source()};
  while (seats.size() < limits::kQueries) {
    seats.push_back(std::move(*shown->seats.take(nullptr)));
    const query::DataSource& source = seats.back().source();
    EXPECT_TRUE(sources.insert(&source).second);
    EXPECT_EQ(source.history(), seats[0].source().history());
    for (const auto table : {model::TableId::kThread, model::TableId::kIssue}) {
      EXPECT_EQ(source.small(table).rows, seats[0].source().small(table).rows);
    }
  }
  EXPECT_FALSE(seats[0].source().small(model::TableId::kThread).rows.empty());
  std::atomic<bool> cancel{true};
  EXPECT_FALSE(shown->seats.take(&cancel).has_value());
  seats.pop_back();
  EXPECT_TRUE(shown->seats.take(&cancel).has_value());
}

TEST(PageApi, TheFirstReportIsMadeOnce) {
  World& world = World::get();
  PageApi api(world.service());
  Request request;
  request.method = Method::kGet;
  request.path = {"report"};
  std::vector<std::string> answers(3);
  std::vector<std::thread> clients;
  for (std::string& answer : answers) {
    clients.emplace_back([&] { answer = api.handle(request).body; });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
  EXPECT_EQ(answers[0], world.ask(Method::kGet, {"report"}).body);
}

TEST(PageApi, CompareOfAWindowWithItselfIsEqual) {
  World& world = World::get();
  json side = {{"machine", "vm1"}, {"from_ns", world.begin()}, {"to_ns", world.end()}};
  const json answer = world.post("compare", {{"a", side}, {"b", side}});
  ASSERT_FALSE(answer["rows"].empty());
  for (const json& row : answer["rows"]) EXPECT_EQ(row["a"], row["b"]);
  json other = side;
  other["machine"] = "none";
  EXPECT_EQ(world.status("compare", {{"a", side}, {"b", other}}), 400U);
  EXPECT_EQ(world.status("compare", {{"a", side}}), 400U);
}

TEST(PageApi, Bookmarks) {
  World& world = World::get();
  const json mark = {{"name", "here"}, {"from_ns", "1"}, {"to_ns", "2"}, {"colour", "#f00"}};
  const std::string id = world.post("bookmarks", mark)["id"].dump();
  EXPECT_EQ(world.fetch("bookmarks")["bookmarks"][0]["name"], "here");
  EXPECT_EQ(world.ask(Method::kDelete, {"bookmarks", id}).status, 204U);
  EXPECT_EQ(world.ask(Method::kDelete, {"bookmarks", id}).status, 404U);
  EXPECT_EQ(world.ask(Method::kDelete, {"bookmarks", "x"}).status, 400U);
  json wrong = mark;
  wrong["name"] = std::string(limits::kBookmarkBytes + 1, 'x');
  EXPECT_EQ(world.status("bookmarks", wrong), 400U);
}

}  // namespace
}  // namespace vs::serve
