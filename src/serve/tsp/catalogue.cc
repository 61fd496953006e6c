#include <algorithm>

#include "serve/json.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

constexpr std::string_view kLost = "Lost events";
constexpr std::string_view kClock = "Clock bounds";

void write_output(const Output& output, JsonWriter& out) {
  out.open('{').key("id").text(output.id).key("name").text(output.name);
  out.key("description").text(output.description).key("type").text(output.type).close('}');
}

void write_style(std::string_view name, std::string_view colour, JsonWriter& out) {
  out.key(name).open('{').key("values").open('{').key("style-name").text(name);
  out.key("background-color").text(colour).key("color").text(colour);
  out.close('}').close('}');
}

std::int64_t integer(const model::Cell& cell) {
  const auto* const value = std::get_if<std::int64_t>(&cell);
  return value == nullptr ? 0 : *value;
}

std::string text(const model::Cell& cell) {
  const auto* const value = std::get_if<std::string>(&cell);
  return value == nullptr ? std::string() : *value;
}

struct Mark {
  HostTime time;
  std::int64_t duration_ns = 0;
  std::string label;
  std::string_view style;
};

void write_marks(std::string_view category, const std::vector<Mark>& marks, JsonWriter& out) {
  out.key(category).open('[');
  for (const Mark& mark : marks) {
    out.open('{').key("time").integer(mark.time.ns).key("duration").integer(mark.duration_ns);
    out.key("entryId").integer(-1).key("type").text("CHART").key("label").text(mark.label);
    out.key("style").open('{').key("parentKey").text(mark.style).key("values").open('{');
    out.close('}').close('}').close('}');
  }
  out.close(']');
}

std::vector<Mark> losses(const model::SmallTable& table, const TimeRange& range) {
  // loss: trace, machine, cpu, ts, dur, lost_events
  std::vector<Mark> out;
  for (const model::Row& row : table.rows) {
    const HostTime begin{integer(row[3])};
    const std::int64_t duration_ns = integer(row[4]);
    if (begin > range.to || begin + duration_ns < range.from) continue;
    out.push_back({begin, duration_ns, "lost events of " + text(row[1]), "lost events"});
  }
  return out;
}

std::vector<Mark> bounds(const model::SmallTable& table, const TimeRange& range) {
  // clock_sync: machine, segment, begin_ts, end_ts, method, quality, offset, drift, error_ns, ..
  std::vector<Mark> out;
  for (const model::Row& row : table.rows) {
    const std::int64_t error_ns = integer(row[8]);
    if (error_ns <= 0) continue;
    // Drawn as wide as the bound is, at the middle of what is looked at.
    const HostTime middle = range.from + (range.to - range.from) / 2;
    out.push_back({middle, error_ns,
                   "times of " + text(row[0]) + " hold within " + std::to_string(error_ns) + " ns",
                   "clock bound"});
  }
  return out;
}

}  // namespace

Response list_outputs(Context& /*context*/, const Call& /*call*/) {
  JsonWriter out;
  out.open('[');
  for (const Output& output : outputs()) write_output(output, out);
  return json_answer(out.close(']').take());
}

Response one_output(Context& /*context*/, const Call& call) {
  Asked query = asked(call, "");
  if (query.refusal) return std::move(*query.refusal);
  JsonWriter out;
  write_output(*query.output, out);
  return json_answer(out.take());
}

Response marker_sets(Context& /*context*/, const Call& /*call*/) { return completed("[]"); }

Response styles(Context& context, const Call& call) {
  Asked query = asked(call, "");
  if (query.refusal) return std::move(*query.refusal);
  JsonWriter out;
  out.open('{').key("styles").open('{');
  for (const StateStyle& style : state_styles()) write_style(style.name, style.colour, out);
  for (const model::Machine& machine : context.service.summary().experiment.machines) {
    write_style("machine " + machine.name, colour_of(machine.name), out);
  }
  return completed(out.close('}').close('}').take());
}

Response annotation_categories(Context& /*context*/, const Call& call) {
  Asked query = asked(call, "");
  if (query.refusal) return std::move(*query.refusal);
  JsonWriter out;
  out.open('{').key("annotationCategories").open('[').text(kLost).text(kClock);
  return completed(out.close(']').close('}').take());
}

Response annotations(Context& context, const Call& call) {
  Asked query = asked(call, "");
  if (query.refusal) return std::move(*query.refusal);
  if (!query.parameters.range) {
    return problem(400, "Missing query parameters", "requested_timerange is missing");
  }
  const auto marks = context.service.marks();
  const auto wanted = [&](std::string_view category) {
    const auto& list = query.parameters.categories;
    return !list || std::find(list->begin(), list->end(), category) != list->end();
  };
  JsonWriter out;
  out.open('{').key("annotations").open('{');
  const TimeRange range = *query.parameters.range;
  if (wanted(kLost)) write_marks(kLost, losses(marks->losses, range), out);
  if (wanted(kClock)) write_marks(kClock, bounds(marks->clocks, range), out);
  const std::string model = out.close('}').close('}').take();
  // Losses and clocks are known before the states are.
  const auto shown = context.service.shown();
  return shown == nullptr ? not_yet(context.service, model)
                          : answered(context.service, *shown, model);
}

Response output_config_types(Context& /*context*/, const Call& call) {
  Asked query = asked(call, "");
  if (query.refusal) return std::move(*query.refusal);
  return json_answer("[]");
}

Response config_types(Registry& /*registry*/, const Call& /*call*/) { return json_answer("[]"); }

Response no_config(Registry& /*registry*/, const Call& /*call*/) {
  return problem(404, "Configuration not found", "this server has no configuration types");
}

Response no_derived(Context& /*context*/, const Call& /*call*/) {
  return problem(404, "Not found", "this server derives no outputs");
}

}  // namespace vs::serve::tsp
