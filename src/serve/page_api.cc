// The table of endpoints, and what the page asks first: the experiment, report, views and rows.

#include "serve/page_api.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "report/report_data.h"
#include "serve/page_parts.h"

#ifndef VS_VERSION
#define VS_VERSION "unknown"
#endif

namespace vs::serve {
namespace {

/// What an endpoint needs of the analysis.
enum class Needs : std::uint8_t { kNothing, kPart, kWhole };

struct Endpoint {
  Method method;
  std::string_view name;
  bool with_id;  // a second segment follows
  Needs needs;
  bool queries;  // takes the data source, or may look at many rows
  Response (*answer)(const page::Call& call);
};

constexpr Endpoint kEndpoints[] = {
    {Method::kGet, "experiment", false, Needs::kNothing, false, page::experiment},
    {Method::kGet, "report", false, Needs::kWhole, true, page::report},
    {Method::kGet, "views", false, Needs::kPart, false, page::views},
    {Method::kPost, "rows", false, Needs::kPart, false, page::rows},
    {Method::kPost, "active", false, Needs::kPart, false, page::active},
    {Method::kPost, "ran_on", false, Needs::kPart, false, page::ran_on},
    {Method::kPost, "states", false, Needs::kPart, false, page::states},
    {Method::kPost, "at", false, Needs::kPart, false, page::at},
    {Method::kPost, "step", false, Needs::kPart, false, page::step},
    {Method::kPost, "follow", false, Needs::kPart, false, page::follow},
    {Method::kPost, "arrows", false, Needs::kPart, false, page::arrows},
    {Method::kPost, "series", false, Needs::kPart, false, page::series},
    {Method::kGet, "disks", false, Needs::kWhole, true, page::disks},
    {Method::kPost, "totals", false, Needs::kPart, false, page::totals},
    {Method::kGet, "marks", false, Needs::kNothing, false, page::marks},
    {Method::kPost, "events", false, Needs::kPart, true, page::events},
    {Method::kPost, "sql", false, Needs::kPart, true, page::sql},
    {Method::kPost, "why", false, Needs::kWhole, true, page::why},
    {Method::kPost, "compare", false, Needs::kWhole, true, page::compare},
    {Method::kGet, "bookmarks", false, Needs::kNothing, false, page::list_bookmarks},
    {Method::kPost, "bookmarks", false, Needs::kNothing, false, page::add_bookmark},
    {Method::kDelete, "bookmarks", true, Needs::kNothing, false, page::remove_bookmark},
};

Response not_ready(const Service& service) {
  const Progress progress = service.progress();
  if (progress.state == RunState::kFailed) {
    return problem(503, "The analysis failed", progress.message);
  }
  return problem(503, "The analysis is running", "ask again when experiment.status is COMPLETED");
}

Response run(const Endpoint& endpoint, Service& service, AnswerCache& cache,
             const Request& request) {
  const std::shared_ptr<const Shown> shown =
      endpoint.needs == Needs::kNothing ? nullptr : service.shown();
  const bool enough = endpoint.needs == Needs::kNothing ||
                      (shown != nullptr && (shown->complete || endpoint.needs == Needs::kPart));
  if (!enough) return not_ready(service);
  nlohmann::json body = nlohmann::json::object();
  if (endpoint.method == Method::kPost) {
    body = nlohmann::json::parse(request.body, nullptr, false);
    if (body.is_discarded()) return problem(400, "Bad request", "the body is not valid JSON");
    if (!body.is_object()) return problem(400, "Bad request", "the body is no JSON object");
  }
  const Views* const views = shown == nullptr ? nullptr : &shown->views;
  return endpoint.answer({service, request, body, shown.get(), views, cache});
}

}  // namespace

Response PageApi::handle(const Request& request) {
  const Method method = request.method == Method::kHead ? Method::kGet : request.method;
  std::string allowed;
  const std::size_t segments = request.path.size();
  for (const Endpoint& endpoint : kEndpoints) {
    if (segments != (endpoint.with_id ? 2U : 1U) || request.path[0] != endpoint.name) continue;
    if (endpoint.method == method) return run(endpoint, service_, cache_, request);
    allowed += (allowed.empty() ? "" : ", ") + std::string(name_of(endpoint.method));
  }
  if (allowed.empty()) return problem(404, "Not found", "the API has no such endpoint");
  Response wrong = problem(405, "Wrong method", "use " + allowed);
  wrong.headers.emplace_back("Allow", allowed);
  return wrong;
}

bool PageApi::is_slow(const Request& request) const {
  return std::any_of(std::begin(kEndpoints), std::end(kEndpoints), [&](const Endpoint& endpoint) {
    return !request.path.empty() && request.path[0] == endpoint.name && endpoint.queries;
  });
}

namespace page {
namespace {

void append_clocks(const Call& call, JsonWriter& out) {
  out.open('[');
  const auto marks = call.service.marks();
  for (const model::Row& row : marks->clocks.rows) {
    out.open('{');
    out.key("machine"), append_cell(row[0], out);
    out.key("method"), append_cell(row[4], out);
    out.key("quality"), append_cell(row[5], out);
    out.key("error_ns");
    const auto* const error = std::get_if<std::int64_t>(&row[8]);
    error == nullptr ? out.null() : out.wide(*error);
    out.key("outside_after"), append_cell(row[12], out);
    out.close('}');
  }
  out.close(']');
}

void append_machines(const model::Experiment& experiment, JsonWriter& out) {
  out.open('[');
  for (const model::Machine& machine : experiment.machines) {
    out.open('{').key("machine").text(machine.name).key("kind");
    out.text(model::machine_kind_names()[static_cast<std::size_t>(machine.kind)]).key("parent");
    const bool has_parent = machine.parent < experiment.machines.size();
    has_parent ? out.text(experiment.machines[machine.parent].name) : out.null();
    out.key("vcpus").integer(static_cast<std::int64_t>(machine.vcpus.size())).close('}');
  }
  out.close(']');
}

void append_count(const std::optional<std::uint64_t>& count, JsonWriter& out) {
  count ? out.wide(static_cast<std::int64_t>(*count)) : out.null();
}

/// Of a sample it is not known.
std::optional<std::uint64_t> events_of(const query::TraceSummary& trace) {
  return trace.sample ? std::nullopt : std::optional(trace.event_total());
}

std::optional<std::uint64_t> lost_of(const query::TraceSummary& trace) {
  return trace.sample && !trace.sample->losses_known ? std::nullopt : trace.lost_events();
}

void append_time(const std::optional<HostTime>& time, JsonWriter& out) {
  time ? out.time(*time) : out.null();
}

void append_traces(const query::ExperimentSummary& summary, JsonWriter& out) {
  const auto& machines = summary.experiment.machines;
  out.open('[');
  for (const query::TraceSummary& trace : summary.traces) {
    out.open('{').key("path").text(trace.info.path).key("format").text(trace.info.format_detail);
    out.key("tracer").text(trace.info.tracer).key("machine");
    out.text(trace.machine < machines.size() ? machines[trace.machine].name
                                             : trace.info.machine_name);
    out.key("begin_ns"), append_time(trace.begin, out);
    out.key("end_ns"), append_time(trace.end, out);
    out.key("events"), append_count(events_of(trace), out);
    out.key("lost_events"), append_count(lost_of(trace), out);
    out.key("loss_windows");
    const bool known = !trace.sample || trace.sample->losses_known;
    known ? out.integer(static_cast<std::int64_t>(trace.loss_windows())) : out.null();
    out.close('}');
  }
  out.close(']');
}

/// How much of the states there is.
void append_shown(const Shown* shown, JsonWriter& out) {
  if (shown == nullptr) {
    out.null();
    return;
  }
  out.open('{').key("number").integer(static_cast<std::int64_t>(shown->number));
  out.key("complete").boolean(shown->complete).key("until_ns");
  shown->complete ? out.null() : out.time(shown->until);
  out.close('}');
}

}  // namespace

Response experiment(const Call& call) {
  const auto shown = call.service.shown();  // first: what the rest says is not older
  const query::ExperimentSummary& summary = call.service.summary();
  const Progress progress = call.service.progress();
  std::optional<std::uint64_t> events = 0;
  std::optional<std::uint64_t> lost = 0;
  const auto add = [](std::optional<std::uint64_t>& sum, std::optional<std::uint64_t> more) {
    sum = sum && more ? std::optional(*sum + *more) : std::nullopt;
  };
  for (const query::TraceSummary& trace : summary.traces) {
    add(events, events_of(trace));
    add(lost, lost_of(trace));
  }
  std::string host;
  for (const model::Machine& machine : summary.experiment.machines) {
    if (machine.kind == model::MachineKind::kHost && host.empty()) host = machine.name;
  }
  JsonWriter out;
  out.open('{').key("name").text(summary.name).key("version").text(VS_VERSION);
  out.key("epoch").boolean(summary.experiment.epoch);
  out.key("begin_ns").time(call.service.begin()).key("end_ns").time(call.service.end());
  out.key("events"), append_count(events, out);
  out.key("lost_events"), append_count(lost, out);
  out.key("host").text(host).key("status").text(name_of(progress.state));
  out.key("progress").real(progress.done).key("message").text(progress.text());
  out.key("done_bytes").wide(static_cast<std::int64_t>(progress.done_bytes));
  out.key("total_bytes").wide(static_cast<std::int64_t>(progress.total_bytes));
  out.key("machines"), append_machines(summary.experiment, out);
  out.key("clocks");
  append_clocks(call, out);
  out.key("traces"), append_traces(summary, out);
  out.key("shown"), append_shown(shown.get(), out);
  out.key("sums").boolean(shown != nullptr && shown->views.sums() != nullptr);
  out.key("command").text(call.service.command()).key("paths");
  append_strings(summary.paths, out);
  out.close('}');
  return json_answer(out.take());
}

void append_sections(const report::Document& document, JsonWriter& out) {
  out.open('{');
  for (const report::Section& section : document.sections) {
    out.key(section.name).open('{').key("columns");
    append_strings(section.columns, out);
    out.key("rows").open('[');
    for (const model::Row& row : section.rows) {
      out.open('[');
      for (const model::Cell& cell : row) append_cell(cell, out);
      out.close(']');
    }
    out.close(']').close('}');
  }
  out.close('}');
}

namespace {

/// The vCPU of a machine that lost most time to others; 0 when none did.
std::int64_t most_stolen(const report::ReportData& data, const std::string& machine) {
  const report::VcpuShare* worst = nullptr;
  for (const report::VcpuShare& one : data.vcpus) {
    if (one.machine != machine) continue;
    if (worst == nullptr || one.steal_ns() > worst->steal_ns()) worst = &one;
  }
  return worst == nullptr ? 0 : worst->vcpu;
}

/// The row of the conclusion's subject ("vm1", "vm1/0" or "vm1 vCPU 0") among the VMs; of a VM that
/// of the vCPU that lost most.
const Row* row_of_subject(const Views& views, const report::ReportData& data,
                          const std::string& subject) {
  const View* const view = views.find("vms");
  if (view == nullptr || subject.empty()) return nullptr;
  for (const Row& row : views.rows(*view)) {
    if (row.kind != RowKind::kVcpu || !subject.starts_with(row.machine)) continue;
    const std::string rest = subject.substr(row.machine.size());
    const bool named =
        rest == fmt::format("/{}", *row.vcpu) || rest.ends_with(fmt::format(" {}", *row.vcpu));
    if (named || (rest.empty() && *row.vcpu == most_stolen(data, row.machine))) return &row;
  }
  return nullptr;
}

/// Where the subject was robbed: the longest interval that its largest thief took, or the longest
/// of all where no thief is known. A row that the recording knows, because the link from a
/// conclusion must end at what the conclusion says.
struct Robbed {
  const Row* row = nullptr;
  HostTime from;
  HostTime to;
};

Result<std::optional<Robbed>> worst_of(const Call& call, const query::DataSource& source,
                                       const Row& subject, const Budget& budget) {
  std::optional<Robbed> out;
  std::string whose = fmt::format("machine = {}", sql_text(subject.machine));
  if (subject.vcpu) whose += fmt::format(" AND vcpu = {}", *subject.vcpu);
  const std::string text = fmt::format(
      "SELECT ts, dur, vcpu FROM preemption LEFT JOIN (SELECT by_machine AS thief_machine, by_tid "
      "AS thief FROM preemption WHERE {0} AND by_tid > 0 GROUP BY 1, 2 ORDER BY sum(dur) DESC "
      "LIMIT 1) WHERE {0} ORDER BY by_machine IS thief_machine AND by_tid IS thief DESC, dur DESC "
      "LIMIT 1",
      whose);
  VS_ASSIGN(const auto found, run_sql(source, text, 1, budget));
  if (found.rows.empty()) return out;
  const auto* const ts = std::get_if<std::int64_t>(&found.rows[0][0]);
  const auto* const dur = std::get_if<std::int64_t>(&found.rows[0][1]);
  const auto* const vcpu = std::get_if<std::int64_t>(&found.rows[0][2]);
  if (ts == nullptr || dur == nullptr || vcpu == nullptr) return out;
  const auto entity = call.views->entity(model::TableId::kVcpuState, subject.machine, *vcpu);
  const View* const view = call.views->find("vms");
  const auto id = entity ? call.views->row_of(*view, *entity) : std::nullopt;
  if (id) out = Robbed{call.views->row(*id), HostTime{*ts}, HostTime{*ts} + *dur};
  return out;
}

Status append_target(const Call& call, const query::DataSource& source, const Row* row,
                     const report::Conclusion& conclusion, JsonWriter& out) {
  if (row == nullptr) {
    out.null();
    return {};
  }
  Robbed place{row, row->begin, row->end};
  if (conclusion.rule == "stolen_time") {
    const Budget budget(call.request, limits::kQueryTime);
    Row subject = *row;
    if (conclusion.subject == row->machine) subject.vcpu.reset();
    VS_ASSIGN(const auto worst, worst_of(call, source, subject, budget));
    place = worst.value_or(place);
  }
  out.open('{').key("view").text("vms").key("row").integer(place.row->id);
  out.key("from_ns").time(place.from).key("to_ns").time(place.to).close('}');
  return {};
}

}  // namespace

Response report(const Call& call) {
  if (const auto kept = call.cache.find("report")) return json_answer(*kept);
  const auto turn = call.cache.turn(call.request.cancel);
  if (!turn) return gone();
  if (const auto kept = call.cache.find("report"))
    return json_answer(*kept);  // made while we waited
  const auto seat = call.shown->seats.take(call.request.cancel);
  if (!seat) return gone();
  const auto data = report::gather_report(seat->source(), call.service.summary(), {});
  if (!data.ok()) return failed(data.error());
  JsonWriter out;
  out.open('{').key("sections");
  append_sections(report::to_document(*data), out);
  out.key("conclusions").open('[');
  for (const report::Conclusion& one : data->conclusions) {
    out.open('{').key("kind").text(report::name_of(one.kind)).key("rule").text(one.rule);
    out.key("subject").text(one.subject).key("message").text(one.message);
    out.key("next").text(one.next).key("target");
    const Row* const row = row_of_subject(*call.views, *data, one.subject);
    const Status status = append_target(call, seat->source(), row, one, out);
    if (!status.ok()) return failed(status.error());
    out.close('}');
  }
  out.close(']').close('}');
  std::string json = out.take();
  call.cache.keep("report", json);
  return json_answer(std::move(json));
}

Response views(const Call& call) {
  JsonWriter out;
  out.open('{').key("views").open('[');
  for (const View& view : call.views->views()) {
    out.open('{').key("id").text(view.id).key("name").text(view.name);
    out.key("description").text(view.description).key("layers").open('[');
    for (const Layer& layer : view.layers) {
      out.open('{').key("id").text(layer.id).key("name").text(layer.name);
      out.key("kind").text(name_of(layer.kind)).close('}');
    }
    out.close(']').key("missing");
    if (view.missing) {
      out.open('{').key("message").text(view.missing->message);
      out.key("command").text(view.missing->command).close('}');
    } else {
      out.null();
    }
    out.close('}');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

Response rows(const Call& call) {
  Fields in = call.fields();
  const View* const view = call.views->find(in.text("view", limits::kBookmarkBytes));
  const HostTime from = in.time_or("from_ns", kHostTimeMin);
  const HostTime to = in.time_or("to_ns", kHostTimeMax);
  if (in.ok() && view == nullptr) in.refuse("view", "names no view; ask api/views");
  if (!in.ok()) return in.refused();
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (const Row& row : call.views->rows(*view)) {
    out.open('{').key("id").integer(row.id).key("parent").integer(row.parent);
    out.key("label").text(row.label).key("sub").text(row.sub).key("machine").text(row.machine);
    out.key("kind").text(name_of(row.kind)).key("cpu").maybe(row.cpu).key("vcpu").maybe(row.vcpu);
    out.key("tid").maybe(row.tid).key("begin_ns").time(row.begin).key("end_ns").time(row.end);
    out.key("has_data").boolean(row.begin < to && row.end >= from);
    out.key("ran_ns").wide(call.views->ran_ns(row)).close('}');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

Response active(const Call& call) {
  Fields in = call.fields();
  const View* const view = call.views->find(in.text("view", limits::kBookmarkBytes));
  const auto [from, to] = in.window();
  if (in.ok() && view == nullptr) in.refuse("view", "names no view; ask api/views");
  if (!in.ok()) return in.refused();
  const auto found = call.views->active(*view, from, to, call.request.cancel);
  if (!found.ok()) return failed(found.error());
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (const std::int32_t id : *found) out.integer(id);
  out.close(']').close('}');
  return json_answer(out.take());
}

Response ran_on(const Call& call) {
  Fields in = call.fields();
  const View* const view = call.views->find(in.text("view", limits::kBookmarkBytes));
  const auto window = in.window();
  if (in.ok() && view == nullptr) in.refuse("view", "names no view; ask api/views");
  if (!in.ok()) return in.refused();
  const auto found = call.service.ran_on().in(*call.views, *view, window, call.request.cancel);
  if (!found.ok()) return failed(found.error());
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (const auto& [id, cpus] : *found) {
    out.open('{').key("id").integer(id).key("cpus").open('[');
    for (const std::int32_t cpu : cpus) out.integer(cpu);
    out.close(']').close('}');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

}  // namespace page
}  // namespace vs::serve
