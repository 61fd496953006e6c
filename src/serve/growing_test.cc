// The service and the page API while the analysis runs: what they say of a part is what they say of
// the whole.

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/growing_test_support.h"
#include "serve/page_api.h"

namespace vs::serve {
namespace {

using nlohmann::json;
using test::GrowingCapture;

Response ask(Service& service, Method method, const std::string& name, const json& body = {}) {
  Request request;
  request.method = method;
  request.path = {name};
  if (!body.is_null()) request.body = body.dump();
  return PageApi(service).handle(request);
}

json post(Service& service, const std::string& name, const json& body) {
  const Response answer = ask(service, Method::kPost, name, body);
  EXPECT_EQ(answer.status, 200U) << name << ": " << answer.body;
  return json::parse(answer.body, nullptr, false);
}

json experiment(Service& service) {
  return json::parse(ask(service, Method::kGet, "experiment").body);
}

/// Rows of all views by id.
std::map<std::int64_t, json> rows_of(Service& service) {
  std::map<std::int64_t, json> out;
  const json views = json::parse(ask(service, Method::kGet, "views").body);
  for (const json& view : views["views"]) {
    const json answer = post(service, "rows", {{"view", view["id"]}});
    for (json row : answer["rows"]) {
      row["view"] = view["id"];
      out[row["id"].get<std::int64_t>()] = row;
    }
  }
  return out;
}

TEST(Growing, SaysNothingOfStatesBeforeThereAreSome) {
  GrowingCapture capture("preempt-tsc");
  EXPECT_EQ(ask(capture.service(), Method::kGet, "views").status, 503U);
  const json first = experiment(capture.service());
  EXPECT_EQ(first["status"], "RUNNING");
  EXPECT_TRUE(first["shown"].is_null());
  EXPECT_EQ(first["machines"].size(), 2U);
  EXPECT_EQ(first["traces"].size(), 2U);
  EXPECT_FALSE(first["traces"][0]["events"].is_null());
  capture.stop();
}

TEST(Growing, RowsKeepTheirIdsAndComeMore) {
  GrowingCapture capture("twovms-tsc");
  Service& service = capture.service();
  ASSERT_NE(capture.grow(0.2), nullptr);
  const json shown = experiment(service)["shown"];
  EXPECT_EQ(shown["number"], 1);
  EXPECT_EQ(shown["complete"], false);
  EXPECT_EQ(shown["until_ns"], std::to_string(capture.at(0.2).ns));
  const auto first = rows_of(service);
  capture.grow(0.7);
  EXPECT_EQ(experiment(service)["shown"]["number"], 2);
  const auto second = rows_of(service);
  capture.complete();
  EXPECT_EQ(experiment(service)["shown"],
            json({{"number", 3}, {"complete", true}, {"until_ns", {}}}));
  const auto whole = rows_of(service);
  EXPECT_LE(first.size(), second.size());
  EXPECT_LT(first.size(), whole.size());
  for (const auto* part : {&first, &second}) {
    for (const auto& [id, row] : *part) {
      ASSERT_TRUE(whole.contains(id));
      for (const char* const key : {"view", "machine", "kind", "cpu", "vcpu", "tid", "parent"}) {
        EXPECT_EQ(row[key], whole.at(id)[key]) << id << key;
      }
      if (row["kind"] == "group") continue;
      EXPECT_EQ(row["begin_ns"], whole.at(id)["begin_ns"]);
      EXPECT_LE(std::stoll(row["end_ns"].get<std::string>()), capture.at(0.7).ns);
    }
  }
}

/// A picture of one row and layer as runs of pixels of equal value and share, because shares that
/// differ by nothing that can be seen make stretches of their own.
std::string runs_of(const std::string& body) {
  constexpr std::size_t kHeader = 32;
  std::size_t at = kHeader;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (unsigned shift = 0; at < body.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(body[at++]);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80U) break;
    }
    return value;
  };
  std::string out;
  std::string last;
  std::uint64_t pixels = 0;
  for (std::uint64_t left = varint(); left > 0; --left) {
    const std::uint64_t more = varint();
    std::string what = fmt::format("{}@", varint());
    what += std::to_string(static_cast<unsigned char>(body[at++]));
    if (what != last) out += fmt::format("{} {}, ", pixels, last);
    pixels = what == last ? pixels + more : more;
    last = what;
  }
  return out + fmt::format("{} {}", pixels, last) + body.substr(at);
}

/// The state at times of a row that a part knows, and pictures that end there. What goes on there
/// ends there.
std::vector<std::string> answers_of(Service& service, const std::map<std::int64_t, json>& rows) {
  std::vector<std::string> out;
  for (const auto& [id, row] : rows) {
    if (row["kind"] == "group" || row["view"] == "disk") continue;  // requests overlap
    const std::int64_t begin = std::stoll(row["begin_ns"].get<std::string>());
    const std::int64_t end = std::stoll(row["end_ns"].get<std::string>());
    for (int i = 0; i < 20; ++i) {
      const json body = {{"view", row["view"]},
                         {"row", id},
                         {"time_ns", std::to_string(begin + (end - begin - 1) / 19 * i)}};
      json answer = json::parse(ask(service, Method::kPost, "at", body).body, nullptr, false);
      if (answer.is_object()) {
        answer.erase("culprit");  // a row that may go on
        answer.erase("open");
        const std::int64_t its_end = std::stoll(answer["end_ns"].get<std::string>());
        answer["end_ns"] = std::to_string(std::min(its_end, end));
      }
      out.push_back(answer.dump());
    }
    if (end - begin < 2'000'000 || row["view"] == "net") continue;
    const json body = {{"view", row["view"]},
                       {"layers", {"state"}},
                       {"rows", {id}},
                       {"from_ns", std::to_string(end - 1'000'000)},
                       {"to_ns", std::to_string(end)},
                       {"pixels", 1000}};
    out.push_back(runs_of(ask(service, Method::kPost, "states", body).body));
  }
  return out;
}

TEST(Growing, APartSaysWhatTheWholeSays) {
  GrowingCapture capture("twovms-tsc");
  capture.grow(0.5);
  const auto rows = rows_of(capture.service());
  const auto part = answers_of(capture.service(), rows);
  capture.complete();
  const auto whole = answers_of(capture.service(), rows);
  ASSERT_EQ(part.size(), whole.size());
  ASSERT_GT(part.size(), 500U);
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[i]) << i;
}

// A thread that is blocked for long is in no row of the part.
TEST(Growing, WhatGoesOnIsShownAsFarAsItIsKnown) {
  GrowingCapture capture("twovms-tsc");
  const auto shown = capture.grow(0.5);
  const Views& views = shown->views;
  const HostTime until = capture.at(0.5);
  std::map<RowKind, int> going_on;
  std::vector<std::pair<std::int32_t, HostTime>> long_ones;
  for (const View& view : views.views()) {
    for (const Row& row : views.rows(view)) {
      const auto open = views.open_rows(row);
      if (open.empty()) continue;
      EXPECT_EQ(row.end, until);
      EXPECT_EQ(HostTime{views.history().entity(*row.entity).last_ns}, open.front().begin);
      EXPECT_FALSE(views.history().at(*row.entity, until + -1)->has_value());
      const auto state = views.at(row, until + -1);
      ASSERT_TRUE(state.ok() && *state);
      EXPECT_EQ((*state)->begin, open.front().begin);
      EXPECT_EQ((*state)->end, until);
      EXPECT_TRUE((*state)->open);
      const auto before = views.at(row, row.begin);
      EXPECT_TRUE(!*before || !(*before)->open || (*before)->begin == row.begin);
      EXPECT_FALSE(*views.at(row, until)) << "what comes then is not known";
      ++going_on[row.kind];
      if (until - open.front().begin > 1'000'000'000) long_ones.emplace_back(row.id, until);
    }
  }
  EXPECT_GT(going_on[RowKind::kPcpu], 0);
  EXPECT_GT(going_on[RowKind::kVcpu], 0);
  EXPECT_GT(going_on[RowKind::kThread], 10);
  ASSERT_FALSE(long_ones.empty());
  // From the state before one step leads to it, and from it one back.
  const View& view = *views.find("control");
  int stepped = 0;
  for (const Row& row : views.rows(view)) {
    const auto open = views.open_rows(row);
    if (open.empty() || open.front().begin <= row.begin) continue;
    const HostTime before = open.front().begin + -1;
    const auto next = views.step(view, row, before, 1, 0, nullptr);
    const auto back = views.step(view, row, until + -1, -1, 0, nullptr);
    ASSERT_TRUE(next.ok() && back.ok());
    if (!*next || !*back) continue;  // the state was the same
    EXPECT_EQ((*next)->begin, open.front().begin);
    EXPECT_EQ((*back)->end, open.front().begin);
    ++stepped;
  }
  EXPECT_GT(stepped, 10);
  capture.complete();
}

TEST(Growing, WhatNeedsTheWholeWaitsAndSqlSaysThatItIsAPart) {
  GrowingCapture capture("twovms-tsc");
  Service& service = capture.service();
  capture.grow(0.5);
  EXPECT_EQ(ask(service, Method::kGet, "report").status, 503U);
  EXPECT_EQ(ask(service, Method::kPost, "why", {{"task", "vm1/1"}}).status, 503U);
  const json count = {{"sql", "SELECT count(*), CAST(max(ts + dur) AS TEXT) FROM vcpu_state"},
                      {"limit", 1}};
  const json part = post(service, "sql", count);
  EXPECT_NE(part["notes"].dump().find("still runs"), std::string::npos);
  EXPECT_LE(std::stoll(part["rows"][0][1].get<std::string>()), capture.at(0.5).ns);
  const json events = {{"from_ns", std::to_string(capture.at(0).ns)}, {"limit", 5}};
  EXPECT_EQ(post(service, "events", events)["rows"].size(), 5U);
  capture.complete();
  const json whole = post(service, "sql", count);
  EXPECT_EQ(whole["notes"].dump().find("still runs"), std::string::npos);
  EXPECT_LT(part["rows"][0][0].get<std::int64_t>(), whole["rows"][0][0].get<std::int64_t>());
  EXPECT_EQ(ask(service, Method::kGet, "report").status, 200U);
}

TEST(Growing, SeriesAreNotKnownAfterThePart) {
  GrowingCapture capture("twovms-tsc");
  capture.grow(0.5);
  const json body = {{"from_ns", std::to_string(capture.at(0).ns)},
                     {"to_ns", std::to_string(capture.at(1).ns)},
                     {"points", 100}};
  const json answer = post(capture.service(), "series", body);  // outlives the loop
  ASSERT_FALSE(answer["series"].empty());
  for (const json& one : answer["series"]) {
    EXPECT_FALSE(one["y"][1].is_null()) << one["id"];
    for (std::size_t i = 51; i < 100; ++i) EXPECT_TRUE(one["y"][i].is_null()) << one["id"] << i;
  }
  capture.stop();
}

TEST(Growing, StoppingEndsThePartForThoseWhoAskLater) {
  GrowingCapture capture("preempt-tsc");
  const auto held = capture.grow(0.5);
  ASSERT_NE(held, nullptr);
  capture.stop();
  EXPECT_EQ(capture.service().shown(), nullptr);
  EXPECT_EQ(capture.service().progress().state, RunState::kFailed);
  EXPECT_EQ(ask(capture.service(), Method::kGet, "views").status, 503U);
  // An answer that is being made goes on.
  const View& view = *held->views.find("vms");
  for (const Row& row : held->views.rows(view)) {
    EXPECT_TRUE(held->views.at(row, row.begin).ok());
  }
  EXPECT_TRUE(held->views.history().verify().ok());
}

TEST(Growing, ManyAskWhilePartsCome) {
  GrowingCapture capture("preempt-tsc");
  Service& service = capture.service();
  std::atomic<bool> done{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      std::uint64_t last = 0;
      while (!done) {
        const auto shown = service.shown();
        if (shown == nullptr) continue;
        EXPECT_GE(shown->number, last);
        last = shown->number;
        (void)rows_of(service);
        const auto seat = shown->seats.take(nullptr);
        EXPECT_NE(seat->source().history(), nullptr);
      }
    });
  }
  for (const double share : {0.2, 0.4, 0.6}) capture.grow(share);
  capture.complete();
  EXPECT_TRUE(service.shown()->complete);
  done = true;
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace vs::serve
