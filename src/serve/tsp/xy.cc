// XY outputs: the series that the page has too (serve/series.h), and time in exits by reason.

#include <algorithm>

#include <fmt/format.h>

#include "history/reader.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/series.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

using model::TableId;

constexpr std::int64_t kUsualSamples = 1000;
constexpr double kNsPerMs = 1e6;

void write_axis(std::string_view key, std::string_view label, std::string_view unit,
                std::string_view type, JsonWriter& out) {
  out.key(key).open('{').key("label").text(label).key("unit").text(unit);
  out.key("dataType").text(type).close('}');
}

/// Always with a point: the clients take a long integer for something else.
std::string real(double value) { return fmt::format("{:#}", value); }

/// An entry per machine, numbered in their order.
Response tree(const history::Reader& history, TableId table, bool only_first) {
  JsonWriter out;
  out.open('{').key("headers").open('[').open('{').key("name").text("Machine");
  out.key("tooltip").text("").key("dataType").text("STRING").close('}').close(']');
  out.key("autoExpandLevel").integer(-1).key("entries").open('[');
  std::int64_t id = 0;
  for (const SeriesMachine& machine : series_machines(history, table)) {
    out.open('{').key("id").integer(id++).key("parentId").integer(-1).key("labels").open('[');
    out.text(machine.machine).close(']');
    out.key("hasData").boolean(true).key("isDefault").boolean(!only_first || id == 1).close('}');
  }
  return completed(out.close(']').close('}').take());
}

std::optional<Response> check(const Asked& query) {
  if (!query.parameters.range) {
    return problem(400, "Missing query parameters", "requested_timerange is missing");
  }
  if (!query.parameters.items) {
    return problem(400, "Missing query parameters", "requested_items is missing");
  }
  return {};
}

/// What surrounds x and y of a series.
struct Frame {
  std::int64_t id = 0;
  std::string_view name;
  std::string_view type;  // line, bar
};

void open_series(const Frame& frame, JsonWriter& out) {
  out.open('{').key("seriesId").integer(frame.id).key("seriesName").text(frame.name);
}

void close_series(const Frame& frame, JsonWriter& out) {
  out.key("style").open('{').key("values").open('{').key("series-type").text(frame.type);
  out.close('}').close('}').close('}');
}

void write_values(const Series& series, JsonWriter& out) {
  out.key("xValues").open('[');
  for (const HostTime time : series.x) out.integer(time.ns);
  out.close(']').key("yValues").open('[');
  // What is not known yet has no word in the protocol; NaN would not be JSON.
  for (const double value : series.y) out.raw(real(std::isfinite(value) ? value : 0));
  out.close(']');
}

/// Machines that were asked for, with their numbers.
std::vector<std::pair<std::int32_t, SeriesMachine>> chosen(const history::Reader& history,
                                                           TableId table, const Parameters& asked) {
  std::vector<SeriesMachine> all = series_machines(history, table);
  std::vector<std::pair<std::int32_t, SeriesMachine>> out;
  for (const std::int32_t item : *asked.items) {
    if (item < 0 || static_cast<std::size_t>(item) >= all.size()) continue;
    const bool again =
        std::any_of(out.begin(), out.end(), [item](const auto& one) { return one.first == item; });
    if (!again) out.emplace_back(item, all[static_cast<std::size_t>(item)]);
  }
  return out;
}

SeriesRequest request_of(const Call& call, const TimeRange& range) {
  const std::int64_t wanted = range.samples > 0 ? range.samples : kUsualSamples;
  const std::int64_t most =
      std::min<std::int64_t>(static_cast<std::int64_t>(limits::kPixels), range.to - range.from);
  SeriesRequest out;
  out.from = range.from;
  out.to = range.to;
  out.points = static_cast<std::size_t>(std::max<std::int64_t>(0, std::min(wanted, most)));
  out.cancel = call.request.cancel;
  return out;
}

}  // namespace

namespace {

std::string no_series(const Output& output) {
  JsonWriter out;
  return out.open('{')
      .key("title")
      .text(output.name)
      .key("series")
      .open('[')
      .close(']')
      .close('}')
      .take();
}

}  // namespace

Response xy_tree(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_TIME_XY");
  if (query.refusal) return std::move(*query.refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service, kNoTree);
  return tree(views->history(), find_series_kind(query.output->view)->table, false);
}

Response xy_values(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_TIME_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service, no_series(*query.output));
  const SeriesKind& kind = *find_series_kind(query.output->view);
  SeriesRequest request = request_of(call, *query.parameters.range);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  for (const auto& [id, machine] : chosen(views->history(), kind.table, query.parameters)) {
    if (request.points == 0) break;
    request.ids = {fmt::format("{}:{}", kind.id, machine.machine)};
    const auto series = read_series(*views, request);
    if (!series.ok()) return failed(series.error());
    if (series->empty()) continue;
    const Frame frame{id, machine.machine, "line"};
    open_series(frame, out);
    write_values(series->front(), out);
    write_axis("xValuesDescription", "Time", "ns", "TIMESTAMP", out);
    write_axis("yValuesDescription", query.output->name, kind.unit, "NUMBER", out);
    close_series(frame, out);
  }
  return completed(out.close(']').close('}').take());
}

Response generic_xy_tree(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service, kNoTree);
  return tree(views->history(), TableId::kVmExit, true);
}

Response generic_xy_values(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service, no_series(*query.output));
  const SeriesRequest request = request_of(call, *query.parameters.range);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  for (const auto& [id, machine] : chosen(views->history(), TableId::kVmExit, query.parameters)) {
    const auto times = read_exit_reasons(*views, machine, request);
    if (!times.ok()) return failed(times.error());
    const Frame frame{id, machine.machine, "bar"};
    open_series(frame, out);
    out.key("xCategories").open('[');
    for (const auto& [reason, ns] : *times) out.text(reason);
    out.close(']').key("yValues").open('[');
    for (const auto& [reason, ns] : *times) out.raw(real(ns / kNsPerMs));
    out.close(']');
    write_axis("xValuesDescription", "Reason", "", "STRING", out);
    write_axis("yValuesDescription", "Time", "ms", "NUMBER", out);
    close_series(frame, out);
  }
  return completed(out.close(']').close('}').take());
}

}  // namespace vs::serve::tsp
