#include <algorithm>

#include <fmt/format.h>

#include "serve/json.h"
#include "serve/tsp/endpoints.h"
#include "serve/tsp/registry.h"

namespace vs::serve::tsp {
namespace {

std::string_view indexing(const Service& service) {
  return service.progress().state == RunState::kRunning ? "RUNNING" : "COMPLETED";
}

void write_trace(const KnownTrace& trace, std::string_view status, JsonWriter& out) {
  out.open('{').key("name").text(trace.name).key("UUID").text(trace.uuid);
  out.key("path").text(trace.path);
  out.key("nbEvents").integer(static_cast<std::int64_t>(trace.events));
  out.key("start").integer(trace.begin.ns).key("end").integer(trace.end.ns);
  out.key("indexingStatus").text(status);
  out.key("properties").open('{').key("format").text(trace.format);
  out.key("tracer").text(trace.tracer).key("machine").text(trace.machine);
  out.close('}').close('}');
}

std::string json_of(const Experiment& experiment, std::string_view status) {
  const Service& service = experiment.context->service;
  const std::vector<KnownTrace> traces = experiment.traces_now();
  std::uint64_t events = 0;
  for (const KnownTrace& trace : traces) events += trace.events;
  JsonWriter out;
  out.open('{').key("name").text(experiment.name).key("UUID").text(experiment.uuid);
  out.key("nbEvents").integer(static_cast<std::int64_t>(events));
  out.key("start").integer(service.begin().ns).key("end").integer(service.end().ns);
  out.key("indexingStatus").text(status).key("traces").open('[');
  for (const KnownTrace& trace : traces) write_trace(trace, status, out);
  return out.close(']').close('}').take();
}

std::string json_of(const Experiment& experiment) {
  return json_of(experiment, indexing(experiment.context->service));
}

/// A trace is as far as the experiment of the command line, if it is part of that.
std::string json_of(const Registry& registry, const KnownTrace& trace) {
  std::string_view status = "COMPLETED";
  for (const auto& one : registry.experiments()) {
    const bool part = std::any_of(one->traces.begin(), one->traces.end(),
                                  [&](const KnownTrace& its) { return its.uuid == trace.uuid; });
    if (part) status = indexing(one->context->service);
  }
  JsonWriter out;
  write_trace(trace, status, out);
  return out.take();
}

Response no_trace() { return problem(404, "Trace not found", "there is no trace with this UUID"); }

Response conflict(std::string_view title, std::string_view detail, std::string_view member,
                  const std::string& json) {
  JsonWriter out;
  out.open('{').key("title").text(title).key("detail").text(detail).key(member).raw(json);
  Response answer = json_answer(out.close('}').take());
  answer.status = 409;
  return answer;
}

/// What opening fails with.
Response not_opened(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return problem(404, "Trace not found", error.to_string());
    case ErrorCode::kBadUse:
    case ErrorCode::kLimit:
      return problem(400, "Cannot open", error.to_string());
    default:
      return problem(406, "Cannot read the trace", error.to_string());
  }
}

}  // namespace

Response health(Registry& /*registry*/, const Call& /*call*/) {
  return json_answer(R"({"status":"UP"})");
}

Response identifier(Registry& registry, const Call& /*call*/) {
  JsonWriter out;
  out.open('{').key("version").text(registry.options().version);
  out.key("productId").text("virtscope").key("tspVersion").text("0.6.0").key("os").text("Linux");
  return json_answer(out.key("launcherName").text("virtscope").close('}').take());
}

Response traces(Registry& registry, const Call& /*call*/) {
  JsonWriter out;
  out.open('[');
  for (const KnownTrace& trace : registry.traces()) out.raw(json_of(registry, trace));
  return json_answer(out.close(']').take());
}

Response open_trace(Registry& registry, const Call& call) {
  const Result<Parameters> parameters = parse_parameters(call.request.body);
  if (!parameters.ok()) {
    return problem(400, "Invalid query parameters", parameters.error().to_string());
  }
  if (!parameters->uri) return problem(400, "Missing query parameters", "uri is missing");
  std::string path = *parameters->uri;
  if (path.starts_with("file://")) path.erase(0, 7);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto opened = registry.open_trace(path, parameters->name.value_or(""));
  if (!opened.ok()) return not_opened(opened.error());
  if (const auto* const clash = std::get_if<Registry::Clash>(&*opened)) {
    return conflict("Trace name exists", "another trace has this name", "trace",
                    json_of(registry, clash->trace));
  }
  return json_answer(json_of(registry, std::get<KnownTrace>(*opened)));
}

Response trace(Registry& registry, const Call& call) {
  const auto found = registry.trace(call.arguments[0]);
  return found ? json_answer(json_of(registry, *found)) : no_trace();
}

Response close_trace(Registry& registry, const Call& call) {
  const auto found = registry.trace(call.arguments[0]);
  if (!found) return no_trace();
  if (registry.in_use(found->uuid)) {
    return conflict("Trace is in use", "close its experiment first", "trace",
                    json_of(registry, *found));
  }
  registry.close_trace(found->uuid);
  JsonWriter out;
  write_trace(*found, "CLOSED", out);
  return json_answer(out.take());
}

Response experiments(Registry& registry, const Call& /*call*/) {
  JsonWriter out;
  out.open('[');
  for (const auto& one : registry.experiments()) out.raw(json_of(*one));
  return json_answer(out.close(']').take());
}

Response open_experiment(Registry& registry, const Call& call) {
  const Result<Parameters> parameters = parse_parameters(call.request.body);
  if (!parameters.ok()) {
    return problem(400, "Invalid query parameters", parameters.error().to_string());
  }
  if (!parameters->name || !parameters->traces || parameters->traces->empty()) {
    return problem(400, "Missing query parameters", "name and traces are needed");
  }
  for (const auto& one : registry.experiments()) {
    const bool same = std::all_of(
        parameters->traces->begin(), parameters->traces->end(), [&](const std::string& uuid) {
          return std::any_of(one->traces.begin(), one->traces.end(),
                             [&](const KnownTrace& trace) { return trace.uuid == uuid; });
        });
    if (!same && one->name == *parameters->name) {
      return conflict("Experiment name exists", "another experiment has this name", "experiment",
                      json_of(*one));
    }
  }
  const auto opened = registry.open_experiment(*parameters->name, *parameters->traces);
  if (!opened.ok()) return not_opened(opened.error());
  // 204 is the protocol's word for a trace that was not opened yet.
  return *opened == nullptr ? nothing() : json_answer(json_of(**opened));
}

Response experiment(Registry& registry, const Call& call) {
  const auto found = registry.experiment(call.arguments[0]);
  return found == nullptr ? no_experiment() : json_answer(json_of(*found));
}

Response close_experiment(Registry& registry, const Call& call) {
  const auto found = registry.experiment(call.arguments[0]);
  if (found == nullptr) return no_experiment();
  registry.close_experiment(found->uuid);
  return json_answer(json_of(*found, "CLOSED"));
}

}  // namespace vs::serve::tsp
