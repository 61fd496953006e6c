#include <algorithm>

#include <fmt/format.h>

#include "serve/json.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

std::string_view indexing(const Service& service) {
  return service.progress().state == RunState::kRunning ? "RUNNING" : "COMPLETED";
}

std::string name_of_trace(const query::TraceSummary& trace) {
  const std::string& path = trace.info.path;
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos || slash + 1 == path.size() ? path : path.substr(slash + 1);
}

void write_trace(const Service& service, const query::TraceSummary& trace, JsonWriter& out) {
  out.open('{').key("name").text(name_of_trace(trace)).key("UUID").text(trace_uuid(trace));
  out.key("path")
      .text(trace.info.path)
      .key("nbEvents")
      .integer(static_cast<std::int64_t>(trace.event_total()));
  out.key("start").integer(trace.begin.value_or(HostTime{}).ns);
  out.key("end").integer(trace.end.value_or(HostTime{}).ns);
  out.key("indexingStatus").text(indexing(service));
  out.key("properties").open('{').key("format").text(trace.info.format_detail);
  out.key("tracer").text(trace.info.tracer).key("machine").text(trace.info.machine_name);
  out.close('}').close('}');
}

std::string experiment_json(const Service& service) {
  const query::ExperimentSummary& summary = service.summary();
  std::uint64_t events = 0;
  for (const query::TraceSummary& trace : summary.traces) events += trace.event_total();
  JsonWriter out;
  out.open('{').key("name").text(summary.name).key("UUID").text(experiment_uuid(summary));
  out.key("nbEvents").integer(static_cast<std::int64_t>(events));
  out.key("start").integer(service.begin().ns).key("end").integer(service.end().ns);
  out.key("indexingStatus").text(indexing(service)).key("traces").open('[');
  for (const query::TraceSummary& trace : summary.traces) write_trace(service, trace, out);
  return out.close(']').close('}').take();
}

std::string trace_json(const Service& service, const query::TraceSummary& trace) {
  JsonWriter out;
  write_trace(service, trace, out);
  return out.take();
}

const query::TraceSummary* find_trace(const Context& context, std::string_view uuid) {
  const auto& list = context.service.summary().traces;
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const auto& trace) { return trace_uuid(trace) == uuid; });
  return found == list.end() ? nullptr : &*found;
}

Response no_trace() { return problem(404, "Trace not found", "there is no trace with this UUID"); }

}  // namespace

Response health(Context& /*context*/, const Call& /*call*/) {
  return json_answer(R"({"status":"UP"})");
}

Response identifier(Context& context, const Call& /*call*/) {
  JsonWriter out;
  out.open('{').key("version").text(context.options.version).key("productId").text("virtscope");
  out.key("tspVersion").text("0.6.0").key("os").text("Linux").key("launcherName").text("virtscope");
  return json_answer(out.close('}').take());
}

Response traces(Context& context, const Call& /*call*/) {
  const std::lock_guard lock(context.mutex);
  JsonWriter out;
  out.open('[');
  for (const query::TraceSummary& trace : context.service.summary().traces) {
    if (context.closed_traces.count(trace_uuid(trace)) == 0) {
      write_trace(context.service, trace, out);
    }
  }
  return json_answer(out.close(']').take());
}

Response open_trace(Context& context, const Call& call) {
  const Result<Parameters> parameters = parse_parameters(call.request.body);
  if (!parameters.ok()) {
    return problem(400, "Invalid query parameters", parameters.error().to_string());
  }
  if (!parameters->uri) return problem(400, "Missing query parameters", "uri is missing");
  std::string path = *parameters->uri;
  if (path.starts_with("file://")) path.erase(0, 7);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto& list = context.service.summary().traces;
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& trace) {
    return trace.info.path == path || trace.info.path == path + "/";
  });
  // Compared as text: nothing that a client names is ever opened.
  if (found == list.end()) {
    return problem(404, "Trace not found", "this server shows the traces of its command line only");
  }
  const std::lock_guard lock(context.mutex);
  context.closed_traces.erase(trace_uuid(*found));
  return json_answer(trace_json(context.service, *found));
}

Response trace(Context& context, const Call& call) {
  const query::TraceSummary* const found = find_trace(context, call.arguments[0]);
  const std::lock_guard lock(context.mutex);
  if (found == nullptr || context.closed_traces.count(call.arguments[0]) > 0) return no_trace();
  return json_answer(trace_json(context.service, *found));
}

Response close_trace(Context& context, const Call& call) {
  const query::TraceSummary* const found = find_trace(context, call.arguments[0]);
  const std::lock_guard lock(context.mutex);
  if (found == nullptr || context.closed_traces.count(call.arguments[0]) > 0) return no_trace();
  const std::string json = trace_json(context.service, *found);
  if (!context.experiment_closed) {
    Response out = json_answer(fmt::format(
        R"({{"title":"Trace is in use","detail":"close its experiment first","trace":{}}})", json));
    out.status = 409;
    return out;
  }
  context.closed_traces.insert(call.arguments[0]);
  return json_answer(json);
}

Response experiments(Context& context, const Call& /*call*/) {
  const std::lock_guard lock(context.mutex);
  if (context.experiment_closed) return json_answer("[]");
  return json_answer("[" + experiment_json(context.service) + "]");
}

Response open_experiment(Context& context, const Call& call) {
  const Result<Parameters> parameters = parse_parameters(call.request.body);
  if (!parameters.ok()) {
    return problem(400, "Invalid query parameters", parameters.error().to_string());
  }
  if (!parameters->name || !parameters->traces || parameters->traces->empty()) {
    return problem(400, "Missing query parameters", "name and traces are needed");
  }
  const std::lock_guard lock(context.mutex);
  for (const std::string& uuid : *parameters->traces) {
    // 204 is the protocol's word for a trace that was not opened yet.
    if (find_trace(context, uuid) == nullptr || context.closed_traces.count(uuid) > 0) {
      return nothing();
    }
  }
  context.experiment_closed = false;
  return json_answer(experiment_json(context.service));
}

Response experiment(Context& context, const Call& call) {
  if (auto refusal = check_experiment(context, call)) return std::move(*refusal);
  return json_answer(experiment_json(context.service));
}

Response close_experiment(Context& context, const Call& call) {
  if (auto refusal = check_experiment(context, call)) return std::move(*refusal);
  const std::lock_guard lock(context.mutex);
  context.experiment_closed = true;
  return json_answer(experiment_json(context.service));
}

}  // namespace vs::serve::tsp
