// The protocol over a service whose analysis is running, and the parts below it.

#include "serve/tsp/tsp.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <thread>

#include "query/testing/scene.h"
#include "serve/limits.h"
#include "serve/tsp/context.h"

namespace vs::serve {
namespace {

using nlohmann::json;

Response ask_of(Handler& tsp, Method method, std::vector<std::string> path, std::string body) {
  Request request;
  request.method = method;
  request.path = std::move(path);
  request.body = std::move(body);
  return tsp.handle(request);
}

class Tsp : public ::testing::Test {
 protected:
  query::testing::Scene scene_ = query::testing::two_vms();
  Service service_{
      {scene_.summary, *scene_.source, [] { return Status(); }, {}, "virtscope serve"}};
  std::unique_ptr<Handler> tsp_ = make_tsp(service_, {"0.1.0", 100, nullptr});
  std::string uuid_ = json::parse(ask(Method::kGet, {"experiments"}).body)[0]["UUID"];

  Response ask(Method method, std::vector<std::string> path, std::string body = "") {
    return ask_of(*tsp_, method, std::move(path), std::move(body));
  }
  Response output(std::string kind, std::string id, std::string what, std::string body) {
    return ask(Method::kPost,
               {"experiments", uuid_, "outputs", std::move(kind), std::move(id), std::move(what)},
               std::move(body));
  }
};

TEST_F(Tsp, HealthAndIdentity) {
  const Response health = ask(Method::kGet, {"health"});
  EXPECT_EQ(health.content_type, "application/json");
  EXPECT_EQ(json::parse(health.body), json({{"status", "UP"}}));
  const json who = json::parse(ask(Method::kGet, {"identifier"}).body);
  EXPECT_EQ(who["tspVersion"], "0.6.0");
  EXPECT_EQ(who["version"], "0.1.0");
}

TEST_F(Tsp, UnknownPathsAndMethods) {
  EXPECT_EQ(ask(Method::kGet, {"nothing"}).status, 404U);
  EXPECT_EQ(ask(Method::kGet, {}).status, 404U);
  EXPECT_EQ(ask(Method::kPost, {"health"}).status, 405U);
  EXPECT_EQ(ask(Method::kGet, {"experiments", "not-a-uuid"}).status, 404U);
  EXPECT_EQ(ask(Method::kGet, {"traces", "not-a-uuid"}).status, 404U);
  EXPECT_EQ(ask(Method::kGet, {"config", "types", "x"}).status, 404U);
  EXPECT_EQ(output("timeGraph", "no-such-output", "tree", "{}").status, 404U);
}

TEST_F(Tsp, TheWrongEndpointOfAnOutput) {
  EXPECT_EQ(output("timeGraph", "events", "tree", R"({"parameters":{}})").status, 405U);
  EXPECT_EQ(output("table", "fused", "lines", R"({"parameters":{}})").status, 405U);
}

TEST_F(Tsp, BodiesThatDoNotHold) {
  for (const char* const body :
       {"", "[]", "{", "{}", R"({"parameters":[]})",
        R"({"parameters":{"requested_timerange":{"start":2,"end":1}}})",
        R"({"parameters":{"requested_timerange":{"start":0}}})",
        R"({"parameters":{"requested_timerange":{"start":0,"end":9,"nbTimes":65537}}})",
        R"({"parameters":{"requested_timerange":{"start":0,"end":9,"nbTimes":0}}})",
        R"({"parameters":{"requested_timerange":{"start":-9223372036854775808,"end":9}}})",
        R"({"parameters":{"requested_timerange":{"start":0,"end":18446744073709551615}}})",
        R"({"parameters":{"requested_timerange":{"start":0,"end":9},)"
        R"("requested_items":[4294967296]}})",
        R"({"parameters":{"requested_timerange":{"start":0,"end":9},"requested_items":["1"]}})"}) {
    const Response answer = output("timeGraph", "fused", "states", body);
    EXPECT_EQ(answer.status, 400U) << body;
    EXPECT_TRUE(json::parse(answer.body).contains("title")) << body;
  }
}

TEST_F(Tsp, RunningWhileTheAnalysisRuns) {
  const std::string body =
      R"({"parameters":{"requested_timerange":{"start":0,"end":9,"nbTimes":3},)"
      R"("requested_items":[0]}})";
  for (const auto& [kind, id, what] :
       std::vector<std::array<const char*, 3>>{{"timeGraph", "fused", "tree"},
                                               {"timeGraph", "fused", "states"},
                                               {"timeGraph", "vms", "arrows"},
                                               {"XY", "steal", "tree"},
                                               {"XY", "steal", "xy"},
                                               {"genericXY", "exit-reasons", "xy"},
                                               {"data", "statistics", "tree"},
                                               {"table", "events", "columns"}}) {
    const Response answer = output(kind, id, what, body);
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(json::parse(answer.body)["status"], "RUNNING") << id << what;
    EXPECT_FALSE(json::parse(answer.body)["model"].is_null());
  }
}

TEST_F(Tsp, ExperimentsCloseAndOpenAgain) {
  const json list = json::parse(ask(Method::kGet, {"experiments"}).body);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["UUID"], uuid_);
  ASSERT_FALSE(list[0]["traces"].empty());
  const std::string trace = list[0]["traces"][0]["UUID"];
  EXPECT_EQ(ask(Method::kDelete, {"traces", trace}).status, 409U);
  EXPECT_EQ(ask(Method::kDelete, {"experiments", uuid_}).status, 200U);
  EXPECT_EQ(ask(Method::kGet, {"experiments", uuid_}).status, 404U);
  EXPECT_EQ(ask(Method::kDelete, {"traces", trace}).status, 200U);
  EXPECT_EQ(ask(Method::kGet, {"traces", trace}).status, 404U);
  const std::string again = json{{"parameters", {{"name", "x"}, {"traces", {trace}}}}}.dump();
  EXPECT_EQ(ask(Method::kPost, {"experiments"}, again).status, 204U);
  const std::string path = list[0]["traces"][0]["path"];
  EXPECT_EQ(ask(Method::kPost, {"traces"}, json{{"parameters", {{"uri", path}}}}.dump()).status,
            200U);
  EXPECT_EQ(ask(Method::kPost, {"experiments"}, again).status, 200U);
}

TEST_F(Tsp, NothingIsOpenedThatTheCommandLineDoesNotName) {
  const Response answer = ask(Method::kPost, {"traces"}, R"({"parameters":{"uri":"/etc/passwd"}})");
  EXPECT_EQ(answer.status, 404U);
  EXPECT_EQ(ask(Method::kPost, {"traces"}, R"({"parameters":{}})").status, 400U);
}

/// "/below/NAME" opens a scene; "/below/none" is not there and "/below/bad" is no trace.
class SceneOpener final : public TraceOpener {
 public:
  Result<std::unique_ptr<OpenedTraces>> open(const std::vector<std::string>& paths,
                                             Purpose purpose) override {
    for (const std::string& path : paths) {
      if (!path.starts_with("/below/") || path == "/below/none") {
        return Error{ErrorCode::kNotFound, "no such file", path, ""};
      }
      if (path == "/below/bad") return Error{ErrorCode::kMalformed, "no trace", path, ""};
    }
    ++opened_;
    return std::unique_ptr<OpenedTraces>(
        std::make_unique<Scene>(purpose == Purpose::kAnalyse && slow_));
  }
  int opened_ = 0;
  bool slow_ = false;  ///< analyses end only when they are told to

 private:
  class Scene final : public OpenedTraces {
   public:
    explicit Scene(bool slow) : slow_(slow) {}
    Service& service() override { return service_; }

   private:
    Status analyse() {
      while (slow_ && !stopped_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return slow_ ? Status(Error{ErrorCode::kCancelled, "stopped", "", ""}) : Status();
    }
    const bool slow_;
    std::atomic<bool> stopped_{false};
    query::testing::Scene scene_ = query::testing::two_vms();
    Service service_{{scene_.summary, *scene_.source, [this] { return analyse(); },
                      [this] { stopped_ = true; }, ""}};
  };
};

class TspRoot : public Tsp {
 protected:
  void SetUp() override {
    TspOptions options;
    options.opener = &opener_;
    tsp_ = make_tsp(service_, options);
  }
  Response open(const std::string& path, const std::string& name = "") {
    json parameters = {{"uri", path}};
    if (!name.empty()) parameters["name"] = name;
    return ask(Method::kPost, {"traces"}, json{{"parameters", parameters}}.dump());
  }
  Response combine(const std::string& name, const json& traces) {
    return ask(Method::kPost, {"experiments"},
               json{{"parameters", {{"name", name}, {"traces", traces}}}}.dump());
  }
  SceneOpener opener_;
};

TEST_F(TspRoot, TracesAreOpenedBelowTheRoot) {
  EXPECT_EQ(open("/below/none").status, 404U);
  EXPECT_EQ(open("/etc/passwd").status, 404U);
  EXPECT_EQ(open("/below/bad").status, 406U);
  const json a = json::parse(open("file:///below/a/").body);
  EXPECT_EQ(a["name"], "a");
  EXPECT_EQ(a["path"], "/below/a");
  EXPECT_GT(a["nbEvents"], 0);
  const int before = opener_.opened_;
  EXPECT_EQ(json::parse(open("/below/a").body), a);
  EXPECT_EQ(opener_.opened_, before);
  const Response clash = open("/below/b", "a");
  EXPECT_EQ(clash.status, 409U);
  EXPECT_EQ(json::parse(clash.body)["trace"], a);
  EXPECT_EQ(json::parse(ask(Method::kGet, {"traces", a["UUID"]}).body), a);
}

TEST_F(TspRoot, ExperimentsOfTheirOwn) {
  const json a = json::parse(open("/below/a").body);
  const json b = json::parse(open("/below/b").body);
  ASSERT_NE(a["UUID"], b["UUID"]);
  const json made = json::parse(combine("both", {a["UUID"], b["UUID"]}).body);
  EXPECT_EQ(made["traces"].size(), 2U);
  EXPECT_NE(made["UUID"], uuid_);
  EXPECT_EQ(json::parse(combine("both", {a["UUID"], b["UUID"]}).body)["UUID"], made["UUID"]);
  EXPECT_EQ(json::parse(ask(Method::kGet, {"experiments"}).body).size(), 2U);
  const Response clash = combine("both", {a["UUID"], "unknown"});
  EXPECT_EQ(clash.status, 409U);
  EXPECT_EQ(json::parse(clash.body)["experiment"]["UUID"], made["UUID"]);
  EXPECT_EQ(combine("other", {a["UUID"], "unknown"}).status, 204U);
  // Each experiment has bookmarks of its own.
  const std::string mark = R"({"parameters":{"name":"m","start":1,"end":2}})";
  EXPECT_EQ(ask(Method::kPost, {"experiments", made["UUID"], "bookmarks"}, mark).status, 200U);
  EXPECT_EQ(ask(Method::kGet, {"experiments", uuid_, "bookmarks"}).body, "[]");
  EXPECT_EQ(ask(Method::kDelete, {"traces", a["UUID"]}).status, 409U);
  EXPECT_EQ(ask(Method::kDelete, {"experiments", made["UUID"]}).status, 200U);
  EXPECT_EQ(ask(Method::kGet, {"experiments", made["UUID"], "bookmarks"}).status, 404U);
  EXPECT_EQ(ask(Method::kDelete, {"traces", a["UUID"]}).status, 200U);
  EXPECT_EQ(ask(Method::kGet, {"traces", a["UUID"]}).status, 404U);
}

// An experiment that is closed while it is analysed: its analysis ends, and the answer says so.
TEST_F(TspRoot, ClosingEndsTheAnalysis) {
  opener_.slow_ = true;
  const json a = json::parse(open("/below/a").body);
  const json made = json::parse(combine("slow", json::array({a["UUID"]})).body);
  EXPECT_EQ(made["indexingStatus"], "RUNNING");
  const Response tree =
      ask(Method::kPost, {"experiments", made["UUID"], "outputs", "timeGraph", "fused", "tree"},
          R"({"parameters":{}})");
  EXPECT_EQ(json::parse(tree.body)["status"], "RUNNING");
  const Response closed = ask(Method::kDelete, {"experiments", made["UUID"]});
  EXPECT_EQ(json::parse(closed.body)["indexingStatus"], "CLOSED");
  EXPECT_EQ(ask(Method::kGet, {"experiments", made["UUID"]}).status, 404U);
  EXPECT_EQ(ask(Method::kDelete, {"traces", a["UUID"]}).status, 200U);
}

/// What the server knows before anything but headers was read, and what it says then.
class TspBefore : public ::testing::Test {
 protected:
  Response ask(Method method, std::vector<std::string> path, std::string body = "") {
    return ask_of(*tsp_, method, std::move(path), std::move(body));
  }
  json get(std::vector<std::string> path) {
    return json::parse(ask(Method::kGet, std::move(path)).body);
  }
  void let(int stage) { stage_ = stage; }
  void wait_for(int stage) {
    while (reached_ < stage) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void pass(int stage) {
    reached_ = stage;
    while (stage_ < stage) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  std::atomic<int> stage_{0};    ///< how far the service may go
  std::atomic<int> reached_{0};  ///< where it waits
  query::testing::Scene scene_ = query::testing::two_vms();
  query::ExperimentSummary headers_ = [this] {
    query::ExperimentSummary out;
    out.name = scene_.summary.name;
    for (const query::TraceSummary& trace : scene_.summary.traces) {
      out.traces.emplace_back();
      out.traces.back().id = trace.id;
      out.traces.back().info = trace.info;
    }
    return out;
  }();
  Service service_{{headers_, *scene_.source,
                    [this]() -> Status {
                      pass(2);
                      return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
                    },
                    [this] { stage_ = 9; }, "",
                    [this]() -> Result<const query::ExperimentSummary*> {
                      pass(1);
                      return &scene_.summary;
                    }}};
  std::unique_ptr<Handler> tsp_ = make_tsp(service_, {"0.1.0", 100, nullptr});
};

TEST_F(TspBefore, EverythingAnswersFromTheStartAndIdsStay) {
  service_.start();
  wait_for(1);
  service_.tell_progress(161'000'000, 280'000'000, "reading");
  const json first = get({"experiments"});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0]["indexingStatus"], "RUNNING");
  EXPECT_EQ(first[0]["traces"].size(), scene_.summary.traces.size());
  EXPECT_EQ(get({"traces"}).size(), scene_.summary.traces.size());
  EXPECT_EQ(get({"health"})["status"], "UP");
  const std::string uuid = first[0]["UUID"];
  EXPECT_FALSE(get({"experiments", uuid, "outputs"}).empty());
  let(1);
  wait_for(2);
  const json second = get({"experiments"});
  EXPECT_EQ(second[0]["UUID"], uuid);
  EXPECT_EQ(second[0]["indexingStatus"], "RUNNING");
  EXPECT_GT(second[0]["nbEvents"], 0);
  EXPECT_EQ(second[0]["end"], scene_.summary.end()->ns);
  for (std::size_t i = 0; i < second[0]["traces"].size(); ++i) {
    EXPECT_EQ(second[0]["traces"][i]["UUID"], first[0]["traces"][i]["UUID"]);
    EXPECT_GT(second[0]["traces"][i]["nbEvents"], 0);
  }
  service_.stop();
  service_.wait();
  EXPECT_EQ(service_.progress().state, RunState::kFailed);
}

TEST_F(TspBefore, OutputsAreRunningWithAnEmptyModel) {
  service_.start();
  wait_for(1);
  service_.tell_progress(161'000'000, 280'000'000, "reading");
  const std::string uuid = get({"experiments"})[0]["UUID"];
  const std::string body =
      R"({"parameters":{"requested_timerange":{"start":0,"end":9,"nbTimes":2},)"
      R"("requested_items":[0],"requested_table_index":0,)"
      R"("requested_table_count":1}})";
  const std::vector<std::vector<std::string>> asked = {{"timeGraph", "fused", "tree"},
                                                       {"timeGraph", "fused", "states"},
                                                       {"timeGraph", "fused", "arrows"},
                                                       {"XY", "steal", "tree"},
                                                       {"XY", "steal", "xy"},
                                                       {"table", "events", "columns"},
                                                       {"table", "events", "lines"},
                                                       {"data", "statistics", "tree"},
                                                       {"fused", "annotations"}};
  for (std::vector<std::string> path : asked) {
    const std::string name = path.front() + "/" + path[1];
    path.insert(path.begin(), {"experiments", uuid, "outputs"});
    const json answer = json::parse(ask(Method::kPost, path, body).body);
    EXPECT_EQ(answer["status"], "RUNNING") << name << answer.dump();
    EXPECT_FALSE(answer["model"].is_null()) << name;
    EXPECT_EQ(answer["statusMessage"], "reading, 161 of 280 MB") << name;
  }
}

TEST_F(TspRoot, NotMixedAndNotWithoutEnd) {
  const json a = json::parse(open("/below/a").body);
  const json list = json::parse(ask(Method::kGet, {"traces"}).body);
  EXPECT_EQ(combine("mixed", {a["UUID"], list[0]["UUID"]}).status, 400U);
  unsigned opened = 1;  // the command line's
  while (combine("n" + std::to_string(opened), json::array({a["UUID"]})).status == 200U) ++opened;
  EXPECT_EQ(opened, serve::limits::kExperiments);
  EXPECT_EQ(combine("more", json::array({a["UUID"]})).status, 400U);
  std::size_t traces = list.size();
  while (open("/below/t" + std::to_string(traces)).status == 200U) ++traces;
  EXPECT_EQ(traces, serve::limits::kKnownTraces);
}

TEST_F(Tsp, StylesAlwaysHaveValues) {
  const json answer =
      json::parse(ask(Method::kPost, {"experiments", uuid_, "outputs", "fused", "style"},
                      R"({"parameters":{}})")
                      .body);
  ASSERT_FALSE(answer["model"]["styles"].empty());
  for (const json& style : answer["model"]["styles"]) EXPECT_TRUE(style["values"].is_object());
}

TEST_F(Tsp, Bookmarks) {
  const std::vector<std::string> path{"experiments", uuid_, "bookmarks"};
  EXPECT_EQ(ask(Method::kPost, path, R"({"parameters":{"name":"a","start":2,"end":1}})").status,
            400U);
  const json made = json::parse(
      ask(Method::kPost, path, R"({"parameters":{"name":"a","start":1,"end":2}})").body);
  const std::vector<std::string> one{"experiments", uuid_, "bookmarks", made["uuid"]};
  EXPECT_EQ(json::parse(ask(Method::kGet, one).body), made);
  EXPECT_EQ(
      json::parse(
          ask(Method::kPut, one, R"({"parameters":{"name":"b","start":1,"end":3}})").body)["end"],
      3);
  EXPECT_EQ(ask(Method::kDelete, one).status, 200U);
  EXPECT_EQ(ask(Method::kGet, one).status, 404U);
}

}  // namespace
}  // namespace vs::serve
