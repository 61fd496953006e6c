#pragma once
// What the endpoints of the page API share: checked reading of a request's JSON, answers to errors,
// cells as JSON, and the endpoints themselves. Internal to src/serve.
//
// Threads: values; endpoints are called from several threads at once.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/document.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/message.h"
#include "serve/page_api.h"
#include "serve/service.h"

namespace vs::serve::page {

/// Reads members of a JSON object. The first member that is missing or wrong is kept as the error;
/// what is read after it has no meaning. Borrows the JSON.
class Fields {
 public:
  explicit Fields(const nlohmann::json& json, std::string place = "");

  /// 64-bit ns as text, or a whole number; within +-2^61, so that differences cannot overflow.
  [[nodiscard]] HostTime time(std::string_view name);
  [[nodiscard]] HostTime time_or(std::string_view name, HostTime otherwise);
  /// Nanoseconds, not negative, written like a time.
  [[nodiscard]] std::int64_t span_or(std::string_view name, std::int64_t otherwise);
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t low, std::int64_t high);
  [[nodiscard]] std::int64_t integer_or(std::string_view name, std::int64_t low, std::int64_t high,
                                        std::int64_t otherwise);
  [[nodiscard]] std::string text(std::string_view name, std::size_t most);
  /// Empty when it is missing.
  [[nodiscard]] std::string text_or_empty(std::string_view name, std::size_t most);
  /// Empty when it is missing.
  [[nodiscard]] std::vector<std::string> texts(std::string_view name, std::size_t most);
  [[nodiscard]] std::vector<std::int32_t> rows(std::string_view name);
  /// A window that is not empty.
  [[nodiscard]] std::pair<HostTime, HostTime> window();
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] const nlohmann::json* find(std::string_view name) const;

  [[nodiscard]] bool ok() const { return error_.empty(); }
  void refuse(std::string_view name, std::string_view what);
  [[nodiscard]] Response refused() const { return problem(400, "Bad request", error_); }

 private:
  const nlohmann::json& json_;
  std::string place_;
  std::string error_;
};

[[nodiscard]] Response failed(const Error& error);
[[nodiscard]] Response gone();  ///< 503, the request was stopped

/// Numbers that a browser cannot hold exactly as texts.
void append_cell(const model::Cell& cell, JsonWriter& out);
void append_strings(const std::vector<std::string>& texts, JsonWriter& out);

/// What ends a computation.
struct Budget {
  const std::atomic<bool>* cancel = nullptr;
  std::chrono::steady_clock::time_point end;

  Budget(const Request& request, std::chrono::seconds most)
      : cancel(request.cancel), end(std::chrono::steady_clock::now() + most) {}
  [[nodiscard]] bool cancelled() const { return cancel != nullptr && cancel->load(); }
  [[nodiscard]] bool late() const { return std::chrono::steady_clock::now() >= end; }
};

/// One call of an endpoint.
struct Call {
  Service& service;
  const Request& request;
  const nlohmann::json& body;  ///< an object; empty for GET
  const Shown* shown;          ///< what there is; not nullptr where the endpoint needs it
  const Views* views;          ///< of the same
  AnswerCache& cache;

  [[nodiscard]] Fields fields() const { return Fields(body); }
};

/// Rows of one SQL statement, at most `most`; false in `complete` when there were more.
struct SqlRows {
  std::vector<std::string> columns;
  std::vector<model::Row> rows;
  bool complete = true;
};
[[nodiscard]] Result<SqlRows> run_sql(const query::DataSource& source, std::string_view sql,
                                      std::size_t most, const Budget& budget);
void append_sections(const report::Document& document, JsonWriter& out);

// page_api.cc
[[nodiscard]] Response experiment(const Call& call);
[[nodiscard]] Response report(const Call& call);
[[nodiscard]] Response views(const Call& call);
[[nodiscard]] Response rows(const Call& call);
[[nodiscard]] Response active(const Call& call);
[[nodiscard]] Response ran_on(const Call& call);
// page_api_states.cc
[[nodiscard]] Response states(const Call& call);
[[nodiscard]] Response at(const Call& call);
[[nodiscard]] Response step(const Call& call);
[[nodiscard]] Response follow(const Call& call);
[[nodiscard]] Response arrows(const Call& call);
[[nodiscard]] Response marks(const Call& call);
// page_api_totals.cc
[[nodiscard]] Response totals(const Call& call);
[[nodiscard]] Response disks(const Call& call);
// page_api_ask.cc
[[nodiscard]] Response events(const Call& call);
[[nodiscard]] Response sql(const Call& call);
[[nodiscard]] Response why(const Call& call);
[[nodiscard]] Response compare(const Call& call);
[[nodiscard]] Response series(const Call& call);
[[nodiscard]] Response list_bookmarks(const Call& call);
[[nodiscard]] Response add_bookmark(const Call& call);
[[nodiscard]] Response remove_bookmark(const Call& call);

}  // namespace vs::serve::page
