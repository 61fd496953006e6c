#include "serve/page_parts.h"

#include <charconv>

#include <fmt/format.h>

#include "query/database.h"

namespace vs::serve::page {
namespace {

constexpr std::int64_t kMostNs = std::int64_t{1} << 61;
constexpr std::int64_t kExact = std::int64_t{1} << 53;  // a browser's numbers

std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  std::int64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Fields::Fields(const nlohmann::json& json, std::string place)
    : json_(json), place_(std::move(place)) {
  if (!json.is_object()) error_ = place_ + " is not a JSON object; send the members as an object";
}

const nlohmann::json* Fields::find(std::string_view name) const {
  if (!json_.is_object()) return nullptr;
  const auto found = json_.find(std::string(name));
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::refuse(std::string_view name, std::string_view what) {
  if (error_.empty()) error_ = fmt::format("{}\"{}\" {}", place_, name, what);
}

HostTime Fields::time(std::string_view name) {
  if (!has(name)) refuse(name, "is missing; give a time in ns as a text");
  return time_or(name, {});
}

HostTime Fields::time_or(std::string_view name, HostTime otherwise) {
  const nlohmann::json* const value = find(name);
  if (value == nullptr) return otherwise;
  const auto ns = whole_number(*value);
  if (ns && *ns <= kMostNs && *ns >= -kMostNs) return HostTime{*ns};
  refuse(name, "is no time; give ns as a text such as \"54556227853\"");
  return otherwise;
}

std::int64_t Fields::span_or(std::string_view name, std::int64_t otherwise) {
  const std::int64_t ns = time_or(name, HostTime{otherwise}).ns;
  if (ns < 0) refuse(name, "must not be negative");
  return ns;
}

std::int64_t Fields::integer(std::string_view name, std::int64_t low, std::int64_t high) {
  if (!has(name)) refuse(name, "is missing; give a whole number");
  return integer_or(name, low, high, low);
}

std::int64_t Fields::integer_or(std::string_view name, std::int64_t low, std::int64_t high,
                                std::int64_t otherwise) {
  const nlohmann::json* const value = find(name);
  if (value == nullptr) return otherwise;
  const auto number = value->is_number() ? whole_number(*value) : std::nullopt;
  if (number && *number >= low && *number <= high) return *number;
  refuse(name, fmt::format("is no whole number from {} to {}", low, high));
  return otherwise;
}

std::string Fields::text(std::string_view name, std::size_t most) {
  if (!has(name)) refuse(name, "is missing; give a text");
  return text_or_empty(name, most);
}

std::string Fields::text_or_empty(std::string_view name, std::size_t most) {
  const nlohmann::json* const value = find(name);
  if (value == nullptr) return {};
  if (value->is_string() && value->get_ref<const std::string&>().size() <= most) {
    return value->get<std::string>();
  }
  refuse(name, fmt::format("is no text of at most {} bytes", most));
  return {};
}

std::vector<std::string> Fields::texts(std::string_view name, std::size_t most) {
  std::vector<std::string> out;
  const nlohmann::json* const value = find(name);
  if (value == nullptr) return out;
  bool good = value->is_array() && value->size() <= most;
  for (std::size_t i = 0; good && i < value->size(); ++i) {
    good = (*value)[i].is_string();
    if (good) out.push_back((*value)[i].get<std::string>());
  }
  if (!good) refuse(name, fmt::format("is no list of at most {} texts", most));
  return out;
}

std::vector<std::int32_t> Fields::rows(std::string_view name) {
  std::vector<std::int32_t> out;
  const nlohmann::json* const value = find(name);
  bool good = value != nullptr && value->is_array() && value->size() <= limits::kRows;
  for (std::size_t i = 0; good && i < value->size(); ++i) {
    const nlohmann::json& one = (*value)[i];
    const auto number = one.is_number() ? whole_number(one) : std::nullopt;
    good = number && *number >= 0 && *number <= INT32_MAX;
    if (good) out.push_back(static_cast<std::int32_t>(*number));
  }
  if (!good) refuse(name, fmt::format("is no list of at most {} row ids", limits::kRows));
  return out;
}

std::pair<HostTime, HostTime> Fields::window() {
  const HostTime from = time("from_ns");
  const HostTime to = time("to_ns");
  if (ok() && to <= from) refuse("to_ns", "must be later than from_ns");
  return {from, to};
}

Response failed(const Error& error) {
  switch (error.code) {
    case ErrorCode::kBadUse:
    case ErrorCode::kUnanswerable:
    case ErrorCode::kLimit:
      return problem(400, "Cannot answer", error.to_string());
    case ErrorCode::kNotFound:
      return problem(404, "Not found", error.to_string());
    case ErrorCode::kCancelled:
      return problem(503, "Stopped", error.to_string());
    default:
      return problem(500, "Failed", error.to_string());
  }
}

Response gone() { return problem(503, "Stopped", "the request was stopped before its answer"); }

void append_cell(const model::Cell& cell, JsonWriter& out) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) {
    const bool exact = *number <= kExact && *number >= -kExact;
    exact ? out.integer(*number) : out.wide(*number);
  } else if (const auto* const real = std::get_if<double>(&cell)) {
    out.real(*real);
  } else if (const auto* const text = std::get_if<std::string>(&cell)) {
    out.text(*text);
  } else {
    out.null();
  }
}

void append_strings(const std::vector<std::string>& texts, JsonWriter& out) {
  out.open('[');
  for (const std::string& text : texts) out.text(text);
  out.close(']');
}

Result<SqlRows> run_sql(const query::DataSource& source, std::string_view sql, std::size_t most,
                        const Budget& budget) {
  VS_ASSIGN(const auto database, query::Database::open(source, budget.cancel));
  VS_ASSIGN(auto statement, database->prepare(sql));
  SqlRows out;
  out.columns = statement.columns();
  while (true) {
    VS_ASSIGN(const bool more, statement.step());
    if (!more) return out;
    if (out.rows.size() >= most || budget.late()) break;
    out.rows.push_back(statement.row());
  }
  out.complete = false;
  return out;
}

}  // namespace vs::serve::page
