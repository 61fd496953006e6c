#include "serve/tsp/parameters.h"

#include <algorithm>
#include <cctype>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace vs::serve::tsp {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kSamples = 65536;  // the protocol's limit
constexpr std::int64_t kLongestNs = std::int64_t{1}
                                    << 60;  // so that times around it do not overflow

Error wrong(std::string_view member, std::string_view what) {
  return Error{ErrorCode::kBadUse, std::string(member) + " is not " + std::string(what),
               "parameters", ""};
}

std::optional<std::int64_t> integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return {};
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return {};
}

Status read_integer(const Json& object, std::string_view member, std::optional<std::int64_t>& out) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return {};
  out = integer(*found);
  return out ? Status() : wrong(member, "a 64-bit integer");
}

Status read_text(const Json& object, std::string_view member, std::optional<std::string>& out) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string()) return wrong(member, "a text");
  out = found->get<std::string>();
  return {};
}

template <typename T>
Status read_integers(const Json& object, std::string_view member,
                     std::optional<std::vector<T>>& out) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_array()) return wrong(member, "a list of integers");
  out.emplace();
  for (const Json& value : *found) {
    const auto number = integer(value);
    if (!number || *number < std::numeric_limits<T>::min() ||
        *number > std::numeric_limits<T>::max()) {
      return wrong(member, "a list of integers");
    }
    out->push_back(static_cast<T>(*number));
  }
  return {};
}

Status read_texts(const Json& object, std::string_view member,
                  std::optional<std::vector<std::string>>& out) {
  const auto found = object.find(member);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_array()) return wrong(member, "a list of texts");
  out.emplace();
  for (const Json& value : *found) {
    if (!value.is_string()) return wrong(member, "a list of texts");
    out->push_back(value.get<std::string>());
  }
  return {};
}

Status read_range(const Json& object, Parameters& out) {
  const auto found = object.find("requested_timerange");
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_object()) return wrong("requested_timerange", "an object");
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> end;
  std::optional<std::int64_t> samples;
  VS_TRY(read_integer(*found, "start", start));
  VS_TRY(read_integer(*found, "end", end));
  VS_TRY(read_integer(*found, "nbTimes", samples));
  if (!samples) VS_TRY(read_integer(*found, "nbSamples", samples));
  if (!start || !end) return wrong("requested_timerange", "a range with start and end");
  if (*start > *end) return wrong("requested_timerange", "a range whose start is before its end");
  if (*start < 0 && *end > std::numeric_limits<std::int64_t>::max() + *start) {
    return wrong("requested_timerange", "shorter than 2^63 ns");
  }
  if (samples && (*samples < 1 || *samples > kSamples)) return wrong("nbTimes", "from 1 to 65536");
  out.range = TimeRange{HostTime{*start}, HostTime{*end}, samples.value_or(0)};
  return {};
}

// The older way to ask for a range: the times themselves.
Status read_times(const Json& object, Parameters& out) {
  std::optional<std::vector<std::int64_t>> times;
  VS_TRY(read_integers(object, "requested_times", times));
  if (!times) return {};
  if (times->size() > static_cast<std::size_t>(kSamples)) {
    return wrong("requested_times", "at most 65536 times");
  }
  if (!std::is_sorted(times->begin(), times->end())) return wrong("requested_times", "in order");
  for (const std::int64_t time : *times) out.times.push_back(HostTime{time});
  if (!out.range && times->size() > 1) {
    const std::int64_t first = times->front();
    if (first < 0 && times->back() > std::numeric_limits<std::int64_t>::max() + first) {
      return wrong("requested_times", "within 2^63 ns");
    }
    out.range = TimeRange{HostTime{first}, HostTime{times->back()},
                          static_cast<std::int64_t>(times->size())};
  }
  return {};
}

Status read_element(const Json& object, Parameters& out) {
  const auto found = object.find("requested_element");
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_object()) return wrong("requested_element", "an object");
  std::optional<std::string> type;
  std::optional<std::int64_t> time;
  std::optional<std::int64_t> duration;
  std::optional<std::int64_t> entry;
  VS_TRY(read_text(*found, "elementType", type));
  VS_TRY(read_integer(*found, "time", time));
  VS_TRY(read_integer(*found, "duration", duration));
  VS_TRY(read_integer(*found, "entryId", entry));
  Element element;
  element.type = type.value_or("state");
  for (char& letter : element.type) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  if (element.type != "state" && element.type != "annotation" && element.type != "arrow") {
    return wrong("elementType", "state, annotation or arrow");
  }
  if (entry && (*entry < std::numeric_limits<std::int32_t>::min() ||
                *entry > std::numeric_limits<std::int32_t>::max())) {
    return wrong("entryId", "a 32-bit integer");
  }
  if (entry) element.entry = static_cast<std::int32_t>(*entry);
  if (!time && out.times.empty()) return wrong("requested_element", "an element with a time");
  if (duration && *duration < 0) return wrong("duration", "0 or more");
  element.duration_ns = std::min(duration.value_or(0), kLongestNs);
  element.time = time ? HostTime{*time} : out.times.front();
  out.element = element;
  return {};
}

Status read_table(const Json& object, Parameters& out) {
  VS_TRY(read_integer(object, "requested_table_index", out.table_index));
  VS_TRY(read_integer(object, "requested_table_count", out.table_count));
  VS_TRY(read_integers(object, "requested_table_column_ids", out.columns));
  std::optional<std::string> direction;
  VS_TRY(read_text(object, "table_search_direction", direction));
  out.direction = direction.value_or("");
  if (!out.direction.empty() && out.direction != "NEXT" && out.direction != "PREVIOUS") {
    return wrong("table_search_direction", "NEXT or PREVIOUS");
  }
  const auto found = object.find("table_search_expressions");
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_object()) return wrong("table_search_expressions", "an object");
  for (const auto& [key, value] : found->items()) {
    const auto column = parse_int<std::int64_t>(key);
    if (!column || !value.is_string()) {
      return wrong("table_search_expressions", "expressions by column id");
    }
    out.searches[*column] = value.get<std::string>();
  }
  return {};
}

}  // namespace

Result<Parameters> parse_parameters(std::string_view body) {
  Parameters out;
  const Json document = Json::parse(body, nullptr, false);
  if (!document.is_object()) {
    return Error{ErrorCode::kBadUse, "the body is not a JSON object", "", ""};
  }
  const auto found = document.find("parameters");
  if (found == document.end() || !found->is_object()) {
    return Error{ErrorCode::kBadUse, "the body has no object named parameters", "", ""};
  }
  const Json& object = *found;
  VS_TRY(read_range(object, out));
  VS_TRY(read_times(object, out));
  VS_TRY(read_integers(object, "requested_items", out.items));
  VS_TRY(read_element(object, out));
  VS_TRY(read_text(object, "selected_thread", out.thread));
  VS_TRY(read_texts(object, "requested_marker_categories", out.categories));
  VS_TRY(read_table(object, out));
  VS_TRY(read_text(object, "name", out.name));
  VS_TRY(read_text(object, "uri", out.uri));
  VS_TRY(read_texts(object, "traces", out.traces));
  VS_TRY(read_integer(object, "start", out.start));
  VS_TRY(read_integer(object, "end", out.end));
  return out;
}

}  // namespace vs::serve::tsp
