#include "serve/guard.h"

#include <gtest/gtest.h>

#include "serve/limits.h"

namespace vs::serve {
namespace {

constexpr const char* kToken = "00112233445566778899aabbccddeeff";

Guard guard(bool tsp_open = false, std::string prefix = "") {
  return Guard({8080, std::move(prefix), kToken, tsp_open});
}

Head head(std::string method, std::string target) {
  Head out;
  out.method = std::move(method);
  out.target = std::move(target);
  out.headers = {{"Host", "127.0.0.1:8080"},
                 {"Cookie", std::string("a=b; virtscope_8080=") + kToken}};
  return out;
}

unsigned status(const Guard& guard, const Head& head) {
  const auto verdict = guard.judge(head);
  EXPECT_NE(verdict.admitted.has_value(), verdict.refused.has_value());
  return verdict.refused ? verdict.refused->status : 200;
}

TEST(Guard, LetsItsOwnPageIn) {
  const auto verdict = guard().judge(head("GET", "/api/views/x%20y?a=1&b=%2f"));
  ASSERT_TRUE(verdict.admitted);
  EXPECT_EQ(verdict.admitted->area, Area::kApi);
  EXPECT_EQ(verdict.admitted->path, (std::vector<std::string>{"views", "x y"}));
  EXPECT_EQ(verdict.admitted->query.at("b"), "/");
}

TEST(Guard, AreasAreToldApart) {
  EXPECT_EQ(guard().judge(head("GET", "/")).admitted->area, Area::kPage);
  EXPECT_EQ(guard().judge(head("GET", "/tsp/api/health")).admitted->area, Area::kTsp);
  auto login = head("POST", "/api/login");
  login.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  EXPECT_EQ(guard().judge(login).admitted->area, Area::kLogin);
}

// Behind a proxy everything lies below the prefix, and nothing beside it.
TEST(Guard, APrefixIsInFrontOfEverything) {
  const Guard behind = guard(false, "/traces/one");
  EXPECT_EQ(behind.link(), std::string("http://127.0.0.1:8080/traces/one/#token=") + kToken);
  const auto api = behind.judge(head("GET", "/traces/one/api/views?a=1"));
  ASSERT_TRUE(api.admitted);
  EXPECT_EQ(api.admitted->area, Area::kApi);
  EXPECT_EQ(api.admitted->path, (std::vector<std::string>{"views"}));
  EXPECT_EQ(behind.judge(head("GET", "/traces/one/")).admitted->area, Area::kPage);
  EXPECT_EQ(behind.judge(head("GET", "/traces/one/tsp/api/health")).admitted->area, Area::kTsp);
  for (const char* const target :
       {"/api/views", "/", "/traces/two/api/views", "/traces/oneapi/views", "/traces",
        "/other/traces/one/api/views", "/traces/one/../api/views"}) {
    EXPECT_GE(status(behind, head("GET", target)), 400U) << target;
  }
  auto login = head("POST", "/traces/one/api/login");
  login.headers.emplace_back("Content-Type", "application/json");
  EXPECT_EQ(behind.judge(login).admitted->area, Area::kLogin);
  const Response answer = behind.login(std::string(R"({"token":")") + kToken + "\"}");
  EXPECT_EQ(answer.status, 204U);
  bool path = false;
  for (const auto& [name, value] : answer.headers) {
    path = path || (name == "Set-Cookie" && value.find("Path=/traces/one/") != value.npos);
  }
  EXPECT_TRUE(path);
}

TEST(Guard, RefusesOtherHostsAndOrigins) {
  for (const char* host :
       {"evil", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8080.evil", "0.0.0.0:8080"}) {
    auto request = head("GET", "/api/x");
    request.headers[0].second = host;
    EXPECT_EQ(status(guard(), request), 421U) << host;
  }
  for (const char* origin :
       {"null", "http://evil", "https://127.0.0.1:8080", "http://127.0.0.1:80", ""}) {
    auto request = head("GET", "/api/x");
    request.headers.emplace_back("Origin", origin);
    EXPECT_EQ(status(guard(), request), 403U) << origin;
  }
  auto ours = head("GET", "/api/x");
  ours.headers.emplace_back("oRiGiN", "http://localhost:8080");
  EXPECT_EQ(status(guard(), ours), 200U);
  auto two = head("GET", "/api/x");
  two.headers.emplace_back("host", "127.0.0.1:8080");
  EXPECT_EQ(status(guard(), two), 400U);
}

TEST(Guard, AsksForTheToken) {
  for (const std::string& cookie :
       {std::string("virtscope_8080="), std::string("virtscope_8081=") + kToken,
        std::string("virtscope_8080=") + kToken + "0", std::string()}) {
    auto request = head("GET", "/api/x");
    request.headers[1].second = cookie;
    EXPECT_EQ(status(guard(), request), 401U) << cookie;
    request.target = "/";
    EXPECT_EQ(status(guard(), request), 200U) << "the page itself holds nothing of the trace";
  }
}

TEST(Guard, RefusesMethodsAndTypes) {
  for (const char* method : {"PATCH", "TRACE", "OPTIONS", "get"}) {
    EXPECT_EQ(status(guard(), head(method, "/api/x")), 405U) << method;
  }
  EXPECT_EQ(status(guard(), head("POST", "/")), 405U);
  EXPECT_EQ(status(guard(), head("GET", "/api/login")), 405U);
  auto post = head("POST", "/api/sql");
  post.has_body = true;
  EXPECT_EQ(status(guard(), post), 415U);
  post.headers.emplace_back("content-type", "text/plain");
  EXPECT_EQ(status(guard(), post), 415U);
}

TEST(Guard, RefusesPathsThatAreNotPlain) {
  for (const char* target : {"", "x", "/..", "/a/../b", "/%2e%2e/x", "/a%2fb", "/a%5cb", "/a\\b",
                             "/%00", "/%zz", "/%4", "//x", "/%ff", "/a?b=%0d%0a"}) {
    EXPECT_EQ(status(guard(), head("GET", target)), 400U) << target;
  }
}

TEST(Guard, HoldsItsLimits) {
  EXPECT_EQ(status(guard(), head("GET", "/" + std::string(limits::kTargetBytes, 'a'))), 414U);
  auto many = head("GET", "/");
  for (std::size_t i = 0; i < limits::kHeaders; ++i) many.headers.emplace_back("X", "1");
  EXPECT_EQ(status(guard(), many), 431U);
  const std::string deep(limits::kJsonDepth, '[');
  EXPECT_FALSE(Guard::bad_body(deep + std::string(limits::kJsonDepth, ']')));
  EXPECT_EQ(Guard::bad_body("[" + deep + std::string(limits::kJsonDepth + 1, ']'))->status, 400U);
  EXPECT_FALSE(Guard::bad_body("{\"a\":\"" + std::string(200, '[') + "\\\"\"}"));
  EXPECT_EQ(Guard::bad_body("{\"a\":")->status, 400U);
}

TEST(Guard, LivesBelowAPrefix) {
  EXPECT_EQ(guard(false, "/one").judge(head("GET", "/one/api/x")).admitted->path,
            std::vector<std::string>{"x"});
  EXPECT_EQ(status(guard(false, "/one"), head("GET", "/api/x")), 404U);
  EXPECT_EQ(status(guard(false, "/one"), head("GET", "/onex")), 404U);
}

TEST(Guard, OpensTspOnlyWhereAsked) {
  Head foreign{"GET", "/tsp/api/health", {{"Host", "any"}, {"Origin", "http://viewer"}}, false};
  EXPECT_EQ(status(guard(), foreign), 421U);
  EXPECT_EQ(guard(true).judge(foreign).admitted->origin, "http://viewer");
  foreign.method = "OPTIONS";
  EXPECT_TRUE(guard(true).judge(foreign).admitted->preflight);
  foreign.target = "/api/x";
  EXPECT_EQ(status(guard(true), foreign), 421U);
}

TEST(Guard, TradesTheTokenForACookie) {
  const Response good = guard().login(std::string(R"({"token":")") + kToken + "\"}");
  EXPECT_EQ(good.status, 204U);
  ASSERT_EQ(good.headers.size(), 1U);
  EXPECT_NE(good.headers[0].second.find("HttpOnly; SameSite=Strict"), std::string::npos);
  for (const char* body :
       {"", "[]", "{}", R"({"token":1})", R"({"token":""})", R"({"token":"0"})"}) {
    EXPECT_EQ(guard().login(body).status, 401U) << body;
  }
}

TEST(Guard, ComparesWholeTexts) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("abc", ""));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

}  // namespace
}  // namespace vs::serve
