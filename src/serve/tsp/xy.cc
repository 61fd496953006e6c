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

/// Machines with rows of a table, numbered as in the experiment: that stays while more are found.
using Numbered = std::vector<std::pair<std::int64_t, SeriesMachine>>;

Numbered machines_of(const Context& context, const Shown& shown, TableId table) {
  Numbered out;
  const auto& all = context.service.summary().experiment.machines;
  for (SeriesMachine& one : series_machines(shown.views.history(), table)) {
    const auto known = std::ranges::find(all, one.machine, &model::Machine::name);
    out.emplace_back(known - all.begin(), std::move(one));
  }
  return out;
}

Response tree(const Context& context, const Shown& shown, TableId table, bool only_first) {
  JsonWriter out;
  out.open('{').key("headers").open('[').open('{').key("name").text("Machine");
  out.key("tooltip").text("").key("dataType").text("STRING").close('}').close(']');
  out.key("autoExpandLevel").integer(-1).key("entries").open('[');
  bool first = true;
  for (const auto& [id, machine] : machines_of(context, shown, table)) {
    out.open('{').key("id").integer(id).key("parentId").integer(-1).key("labels").open('[');
    out.text(machine.machine).close(']');
    out.key("hasData").boolean(true).key("isDefault").boolean(!only_first || first).close('}');
    first = false;
  }
  return answered(context.service, shown, out.close(']').close('}').take());
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

/// What is not known has no word in the protocol, and NaN would not be JSON: at the end of a part
/// it is left out, elsewhere it is 0.
void write_values(const Series& series, JsonWriter& out) {
  std::size_t size = series.y.size();
  while (size > 0 && std::isnan(series.y[size - 1])) --size;
  out.key("xValues").open('[');
  for (std::size_t i = 0; i < size; ++i) out.integer(series.x[i].ns);
  out.close(']').key("yValues").open('[');
  for (std::size_t i = 0; i < size; ++i) {
    out.raw(real(std::isfinite(series.y[i]) ? series.y[i] : 0));
  }
  out.close(']');
}

/// Machines that were asked for, each once.
Numbered chosen(Numbered all, const Parameters& asked) {
  std::erase_if(all, [&asked](const auto& one) {
    return std::ranges::find(*asked.items, one.first) == asked.items->end();
  });
  return all;
}

SeriesRequest request_of(const Call& call, const Shown& shown, const TimeRange& range) {
  const std::int64_t wanted = range.samples > 0 ? range.samples : kUsualSamples;
  const std::int64_t most =
      std::min<std::int64_t>(static_cast<std::int64_t>(limits::kPixels), range.to - range.from);
  SeriesRequest out;
  out.from = range.from;
  out.to = range.to;
  out.points = static_cast<std::size_t>(std::max<std::int64_t>(0, std::min(wanted, most)));
  out.cancel = call.request.cancel;
  out.limit_to(shown);
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
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, kNoTree);
  return tree(context, *shown, find_series_kind(query.output->view)->table, false);
}

Response xy_values(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_TIME_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, no_series(*query.output));
  const SeriesKind& kind = *find_series_kind(query.output->view);
  SeriesRequest request = request_of(call, *shown, *query.parameters.range);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  const Numbered all = machines_of(context, *shown, kind.table);
  for (const auto& [id, machine] : chosen(all, query.parameters)) {
    if (request.points == 0) break;
    request.ids = {fmt::format("{}:{}", kind.id, machine.machine)};
    const auto series = read_series(shown->views, request);
    if (!series.ok()) return failed(series.error());
    if (series->empty()) continue;
    const Frame frame{id, machine.machine, "line"};
    open_series(frame, out);
    write_values(series->front(), out);
    write_axis("xValuesDescription", "Time", "ns", "TIMESTAMP", out);
    write_axis("yValuesDescription", query.output->name, kind.unit, "NUMBER", out);
    close_series(frame, out);
  }
  return answered(context.service, *shown, out.close(']').close('}').take());
}

Response generic_xy_tree(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, kNoTree);
  return tree(context, *shown, TableId::kVmExit, true);
}

Response generic_xy_values(Context& context, const Call& call) {
  Asked query = asked(call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, no_series(*query.output));
  const SeriesRequest request = request_of(call, *shown, *query.parameters.range);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  const Numbered all = machines_of(context, *shown, TableId::kVmExit);
  for (const auto& [id, machine] : chosen(all, query.parameters)) {
    const auto times = read_exit_reasons(shown->views, machine, request);
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
  return answered(context.service, *shown, out.close(']').close('}').take());
}

}  // namespace vs::serve::tsp
