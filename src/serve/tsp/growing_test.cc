// The protocol while the analysis runs: RUNNING, with what there is.

#include <gtest/gtest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "serve/growing_test_support.h"
#include "serve/tsp/tsp.h"

namespace vs::serve {
namespace {

using nlohmann::json;

class TspGrowing : public ::testing::Test {
 protected:
  json get(std::vector<std::string> path) {
    Request request;
    request.method = Method::kGet;
    request.path = std::move(path);
    return json::parse(tsp_->handle(request).body);
  }
  json output(const std::string& kind, const std::string& id, const std::string& what,
              const json& parameters) {
    Request request;
    request.method = Method::kPost;
    request.path = {"experiments", uuid_, "outputs", kind, id, what};
    request.body = json{{"parameters", parameters}}.dump();
    const Response answer = tsp_->handle(request);
    EXPECT_EQ(answer.status, 200U) << answer.body;
    return json::parse(answer.body);
  }
  [[nodiscard]] json range(double from, double to, int samples) const {
    return {{"start", capture_.at(from).ns}, {"end", capture_.at(to).ns}, {"nbTimes", samples}};
  }
  /// Labels and parents by id.
  static std::map<std::int64_t, std::string> entries(const json& tree) {
    std::map<std::int64_t, std::string> out;
    for (const json& entry : tree["model"]["entries"]) {
      out[entry["id"].get<std::int64_t>()] = entry["labels"][0].dump() + entry["parentId"].dump();
    }
    return out;
  }
  [[nodiscard]] static json items(const std::map<std::int64_t, std::string>& entries) {
    json out = json::array();
    for (const auto& [id, label] : entries) out.push_back(id);
    return out;
  }

  test::GrowingCapture capture_{"twovms-tsc"};
  std::unique_ptr<Handler> tsp_ = make_tsp(capture_.service(), {"0.1.0", 100, nullptr});
  std::string uuid_ = get({"experiments"})[0]["UUID"];
};

TEST_F(TspGrowing, TreesGrowAndTheirIdsStay) {
  capture_.grow(0.3);
  struct Asked {
    std::string kind, id;
    std::map<std::int64_t, std::string> part = {};
  };
  std::vector<Asked> all = {{"timeGraph", "fused"},   {"timeGraph", "vms"},
                            {"timeGraph", "control"}, {"XY", "steal"},
                            {"XY", "exit-rate"},      {"genericXY", "exit-reasons"},
                            {"data", "statistics"}};
  for (Asked& one : all) {
    const json tree = output(one.kind, one.id, "tree", json::object());
    EXPECT_EQ(tree["status"], "RUNNING") << one.id;
    one.part = entries(tree);
    EXPECT_FALSE(one.part.empty()) << one.id;
  }
  capture_.complete();
  for (const Asked& one : all) {
    const json tree = output(one.kind, one.id, "tree", json::object());
    EXPECT_EQ(tree["status"], "COMPLETED") << one.id;
    const auto whole = entries(tree);
    for (const auto& [id, label] : one.part) {
      ASSERT_TRUE(whole.contains(id)) << one.id << id;
      EXPECT_EQ(label, whole.at(id)) << one.id;
    }
  }
}

TEST_F(TspGrowing, StatesEndWhereTheyAreKnownAndAreThoseOfTheWhole) {
  capture_.grow(0.5);
  const auto rows = entries(output("timeGraph", "fused", "tree", json::object()));
  const json asked = {{"requested_items", items(rows)}, {"requested_timerange", range(0, 1, 100)}};
  const json part = output("timeGraph", "fused", "states", asked);
  EXPECT_EQ(part["status"], "RUNNING");
  std::int64_t latest = 0;
  for (const json& row : part["model"]["rows"]) {
    for (const json& state : row["states"]) {
      latest = std::max(latest, state["end"].get<std::int64_t>());
    }
  }
  EXPECT_GT(latest, capture_.at(0.45).ns);
  EXPECT_LE(latest, capture_.at(0.51).ns);  // a sample further, at most
  const json narrow = {{"requested_items", items(rows)},
                       {"requested_timerange", range(0.3, 0.3005, 400)}};
  const json then = output("timeGraph", "fused", "states", narrow)["model"];
  const json arrows = output("timeGraph", "fused", "arrows", narrow);
  EXPECT_EQ(arrows["status"], "RUNNING");
  capture_.complete();
  EXPECT_EQ(then, output("timeGraph", "fused", "states", narrow)["model"]);
  EXPECT_EQ(output("timeGraph", "fused", "states", asked)["status"], "COMPLETED");
}

TEST_F(TspGrowing, SeriesEndWithThePart) {
  capture_.grow(0.5);
  const auto rows = entries(output("XY", "exit-rate", "tree", json::object()));
  const json asked = {{"requested_items", items(rows)}, {"requested_timerange", range(0, 1, 100)}};
  const json part = output("XY", "exit-rate", "xy", asked);
  EXPECT_EQ(part["status"], "RUNNING");
  ASSERT_FALSE(part["model"]["series"].empty());
  for (const json& one : part["model"]["series"]) {
    ASSERT_FALSE(one["xValues"].empty());
    EXPECT_EQ(one["xValues"].size(), one["yValues"].size());
    EXPECT_LE(one["xValues"].back().get<std::int64_t>(), capture_.at(0.5).ns);
  }
  capture_.complete();
  const json whole = output("XY", "exit-rate", "xy", asked);
  EXPECT_EQ(whole["model"]["series"][0]["xValues"].size(), 100U);
}

TEST_F(TspGrowing, TablesOfAPartAreNotKept) {
  capture_.grow(0.4);
  const json page = {{"requested_table_index", 0}, {"requested_table_count", 100}};
  const json events = {{"requested_table_index", 0}, {"requested_table_count", 5}};
  EXPECT_EQ(output("table", "exit-table", "columns", json::object())["status"], "RUNNING");
  const json part = output("table", "exit-table", "lines", page);
  EXPECT_EQ(part["status"], "RUNNING");
  EXPECT_EQ(output("table", "events", "lines", events)["model"]["lines"].size(), 5U);
  capture_.complete();
  const json whole = output("table", "exit-table", "lines", page);
  EXPECT_EQ(whole["status"], "COMPLETED");
  EXPECT_NE(whole["model"]["lines"], part["model"]["lines"]);
}

// Whether there is such a thread is known at the end.
TEST_F(TspGrowing, ThePathOfAThreadThatWasNotSeenYet) {
  const auto answer = [this](const std::string& what, const std::string& thread) {
    Request request;
    request.method = Method::kPost;
    request.path = {"experiments", uuid_, "outputs", "timeGraph", "critical-path", what};
    request.body = json{{"parameters",
                         {{"selected_thread", thread},
                          {"requested_items", {0}},
                          {"requested_element", {{"time", capture_.at(0.1).ns}}},
                          {"requested_timerange", range(0, 1, 100)}}}}
                       .dump();
    return tsp_->handle(request);
  };
  const std::map<std::string, json> empty = {
      {"tree", {{"headers", json::array()}, {"entries", json::array()}}},
      {"states", {{"rows", json::array()}}},
      {"arrows", json::array()},
      {"tooltip", json::object()}};
  capture_.grow(0.3);
  for (const auto& [what, model] : empty) {
    const Response later = answer(what, "vm1/999999");
    ASSERT_EQ(later.status, 200U) << what << later.body;
    const json body = json::parse(later.body);
    EXPECT_EQ(body["status"], "RUNNING") << what;
    EXPECT_EQ(body["model"], model) << what;
    EXPECT_NE(body["statusMessage"].get<std::string>().find("999999 so far"), std::string::npos);
    EXPECT_EQ(answer(what, "no thread").status, 400U) << what;
  }
  capture_.complete();
  for (const auto& [what, model] : empty) {
    EXPECT_EQ(answer(what, "vm1/999999").status, 400U) << what;
    EXPECT_EQ(answer(what, "vm1/156").status, 200U) << what;
  }
}

TEST_F(TspGrowing, ThePathOfAPart) {
  capture_.grow(0.6);
  const json tree = output("timeGraph", "critical-path", "tree", {{"selected_thread", "vm1/15"}});
  EXPECT_EQ(tree["status"], "RUNNING");
  capture_.stop();
  EXPECT_EQ(output("timeGraph", "fused", "tree", json::object())["status"], "FAILED");
}

}  // namespace
}  // namespace vs::serve
