// Tables of the protocol over a real capture: pages, searches, and lines beyond those that are
// kept.

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "serve/capture_test_support.h"
#include "serve/tsp/tsp.h"

namespace vs::serve {
namespace {

using nlohmann::json;

/// One analysed capture; `kept` lines of a table are kept.
class World {
 public:
  explicit World(std::size_t kept) {
    capture_.analyse();
    TspOptions tsp;
    tsp.kept_lines = kept;
    handler_ = make_tsp(capture_.service(), tsp);
    uuid_ = json::parse(ask(Method::kGet, {"experiments"}, "").body)[0]["UUID"];
  }

  Response ask(Method method, std::vector<std::string> path, const std::string& body) {
    Request request;
    request.method = method;
    request.path = std::move(path);
    request.body = body;
    return handler_->handle(request);
  }
  Response lines(const std::string& table, const json& parameters) {
    return ask(Method::kPost, {"experiments", uuid_, "outputs", "table", table, "lines"},
               json{{"parameters", parameters}}.dump());
  }
  /// A request whose client has gone.
  Response given_up(std::vector<std::string> path, const json& parameters) {
    static const std::atomic<bool> kGone{true};
    Request request;
    request.method = Method::kPost;
    path.insert(path.begin(), {"experiments", uuid_, "outputs"});
    request.path = std::move(path);
    request.body = json{{"parameters", parameters}}.dump();
    request.cancel = &kGone;
    return handler_->handle(request);
  }
  [[nodiscard]] Service& service() { return capture_.service(); }
  json model(const std::string& table, const json& parameters) {
    const Response answer = lines(table, parameters);
    EXPECT_EQ(answer.status, 200U) << answer.body;
    return json::parse(answer.body)["model"];
  }

 private:
  test::ServedCapture capture_{"preempt-tsc"};
  std::unique_ptr<Handler> handler_;
  std::string uuid_;
};

json page(std::int64_t index, std::int64_t count) {
  return {{"requested_table_index", index}, {"requested_table_count", count}};
}

json search(std::int64_t index, int column, const std::string& text, const char* direction) {
  json out = page(index, 1);
  out["table_search_expressions"][std::to_string(column)] = text;
  out["table_search_direction"] = direction;
  return out;
}

TEST(TspTable, LinesBeyondThoseKeptAreTheSame) {
  World all(100000);
  World few(3);
  for (const char* const table : {"exit-table", "steal-table", "wait-table"}) {
    const json whole = all.model(table, page(0, 5000));
    ASSERT_GT(whole["size"], 3) << table;
    EXPECT_EQ(few.model(table, page(0, 5000)), whole) << table;
    EXPECT_EQ(few.model(table, page(2, 2)), all.model(table, page(2, 2))) << table;
    const std::int64_t last = whole["size"].get<std::int64_t>() - 1;
    EXPECT_EQ(few.model(table, page(last, 5))["lines"][0], whole["lines"].back()) << table;
    // The last machine is found from either side.
    const std::string text = whole["lines"].back()["cells"][1]["content"];
    const json back = few.model(table, search(last, 1, "^" + text + "$", "PREVIOUS"));
    EXPECT_EQ(back["lines"][0]["index"], last) << table;
  }
}

// What the protocol answers to who does not wait: CANCELLED, and no model.
TEST(TspTable, GivenUpRequestsAreCancelled) {
  World world(100000);
  const json range = {
      {"start", world.service().begin().ns}, {"end", world.service().end().ns}, {"nbTimes", 100}};
  json items = json::array();
  const View& view = *world.service().views()->find("control");
  for (const Row& row : world.service().views()->rows(view)) {
    if (items.size() < 50) items.push_back(row.id - view.first_id);
  }
  const json drawn = {{"requested_timerange", range}, {"requested_items", items}};
  json path = drawn;
  path["selected_thread"] = "vm1/156";
  const std::vector<std::pair<std::vector<std::string>, json>> asked = {
      {{"timeGraph", "control", "states"}, drawn},
      {{"timeGraph", "control", "arrows"}, drawn},
      {{"timeGraph", "critical-path", "tree"}, path},
      {{"table", "exit-table", "lines"}, page(0, 5)},
      {{"table", "events", "lines"}, page(0, 5)}};
  for (const auto& [output, parameters] : asked) {
    const json answer = json::parse(world.given_up(output, parameters).body);
    EXPECT_EQ(answer["status"], "CANCELLED") << output[0] << "/" << output[1] << answer.dump();
    EXPECT_TRUE(answer["model"].is_null()) << output[1];
  }
  EXPECT_EQ(world.lines("exit-table", page(0, 5)).status, 200U);  // the next one is answered
}

TEST(TspTable, SearchIsByRegularExpression) {
  World world(100000);
  const json next = world.model("events", search(0, 5, "^kvm_(exit|entry)$", "NEXT"));
  ASSERT_EQ(next["lines"].size(), 1U);
  EXPECT_TRUE(next["lines"][0]["cells"][5]["content"].get<std::string>().starts_with("kvm_e"));
  EXPECT_EQ(next["lines"][0]["tags"], 8);
  const std::int64_t index = next["lines"][0]["index"];
  const json same = world.model("events", search(index + 5, 5, "^kvm_(exit|entry)$", "PREVIOUS"));
  EXPECT_GE(same["lines"][0]["index"], index);
  EXPECT_TRUE(world.model("events", search(0, 5, "^nothing$", "NEXT"))["lines"].empty());
  EXPECT_EQ(world.lines("events", search(0, 5, "(", "NEXT")).status, 400U);
  EXPECT_EQ(world.lines("exit-table", search(0, 1, "\\1", "NEXT")).status, 400U);
}

TEST(TspTable, RefusesWhatIsOutOfBounds) {
  World world(3);
  EXPECT_EQ(world.lines("exit-table", page(-1, 5)).status, 400U);
  EXPECT_EQ(world.lines("exit-table", page(0, 5001)).status, 400U);
  EXPECT_EQ(world.lines("exit-table", page(0, -1)).status, 400U);
  EXPECT_EQ(world.lines("exit-table", search(0, 99, "a", "NEXT")).status, 400U);
  EXPECT_TRUE(world.model("exit-table", page(1000000, 5))["lines"].empty());
}

}  // namespace
}  // namespace vs::serve
