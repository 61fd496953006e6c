// What the panels ask: events, SQL, why, a comparison of two windows, bookmarks.

#include <charconv>
#include <deque>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/database.h"
#include "report/why.h"
#include "serve/page_parts.h"

namespace vs::serve::page {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kFirstStepNs = 1'000'000;  // first window when going backwards

struct FoundEvent {
  HostTime ts;
  std::int64_t trace = 0;
  std::string machine;
  std::int64_t cpu = model::kNull;
  std::int64_t tid = model::kNull;
  std::string name;
  std::string fields;
};

/// One page of events.
struct EventsAsk {
  query::EventFilter filter;
  std::string contains;
  std::size_t limit = 0;
};

/// The first (or with `last` the last) events of a window, one more than asked for.
Result<std::deque<FoundEvent>> read_events(const query::DataSource& source, const EventsAsk& ask,
                                           bool last, const Budget& budget, bool& cut) {
  std::deque<FoundEvent> out;
  VS_ASSIGN(const auto stream, source.events(ask.filter));
  query::EventView event;
  std::string fields;
  for (std::size_t i = 0;; ++i) {
    if (budget.cancelled()) return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
    if (i % 1024 == 1023 && budget.late()) {
      cut = true;
      return out;
    }
    VS_ASSIGN(const bool more, stream->next(event));
    if (!more) return out;
    if (!last && out.size() > ask.limit) return out;
    fields.clear();
    stream->fields_json(fields);
    if (!ask.contains.empty() && event.name.find(ask.contains) == std::string_view::npos &&
        fields.find(ask.contains) == std::string::npos) {
      continue;
    }
    out.push_back({event.ts, event.trace, std::string(event.machine), event.cpu, event.tid,
                   std::string(event.name), fields});
    if (last && out.size() > ask.limit + 1) out.pop_front();
  }
}

/// Windows that double, because events come in one direction only.
Result<std::deque<FoundEvent>> read_backwards(const query::DataSource& source, EventsAsk ask,
                                              const Budget& budget, bool& cut) {
  const HostTime first = ask.filter.from;
  std::deque<FoundEvent> out;
  const std::size_t wanted = ask.limit;
  std::int64_t width = kFirstStepNs;
  while (ask.filter.to > first && out.size() <= wanted && !cut) {
    const bool near = ask.filter.to - first <= width;
    ask.filter.from = near ? first : ask.filter.to + -width;
    ask.limit = wanted - out.size();
    VS_ASSIGN(auto part, read_events(source, ask, true, budget, cut));
    out.insert(out.begin(), std::make_move_iterator(part.begin()),
               std::make_move_iterator(part.end()));
    ask.filter.to = ask.filter.from;
    width = std::min(width * 4, std::int64_t{1} << 60);
  }
  return out;
}

void append_event(const FoundEvent& event, const Call& call, JsonWriter& out) {
  const auto optional = [](std::int64_t value) {
    return value == model::kNull ? std::nullopt : std::optional(value);
  };
  std::string trace = fmt::format("{}", event.trace);
  for (const query::TraceSummary& one : call.service.summary().traces) {
    if (one.id == event.trace) trace = one.info.path.substr(one.info.path.find_last_of('/') + 1);
  }
  out.open('{').key("ts_ns").time(event.ts).key("trace").text(trace);
  out.key("machine").text(event.machine).key("cpu").maybe(optional(event.cpu));
  out.key("tid").maybe(optional(event.tid)).key("name").text(event.name);
  out.key("fields").text(event.fields).close('}');
}

}  // namespace

Response events(const Call& call) {
  Fields in = call.fields();
  const std::int64_t direction = in.integer_or("direction", -1, 1, 1);
  const HostTime begin = call.service.begin();
  const HostTime end = call.service.end() + 1;
  const HostTime from = in.time("from_ns");
  const HostTime to = in.time_or("to_ns", direction > 0 ? end : begin);
  EventsAsk ask;
  ask.limit = static_cast<std::size_t>(in.integer("limit", 1, limits::kEvents));
  ask.contains = in.text_or_empty("contains", limits::kBookmarkBytes);
  ask.filter.names = in.texts("names", limits::kEvents);
  if (in.has("machine")) ask.filter.machine = in.text("machine", limits::kBookmarkBytes);
  if (direction == 0) in.refuse("direction", "must be 1 or -1");
  if (!in.ok()) return in.refused();
  // Backwards: what lies before from_ns, down to to_ns.
  ask.filter.from = std::max(direction > 0 ? from : to, begin);
  ask.filter.to = std::min(direction > 0 ? to : from, end);
  const auto seat = call.shown->seats.take(call.request.cancel);
  if (!seat) return gone();
  const Budget budget(call.request, limits::kQueryTime);
  bool cut = false;
  auto found = direction > 0 ? read_events(seat->source(), ask, false, budget, cut)
                             : read_backwards(seat->source(), ask, budget, cut);
  if (!found.ok()) return failed(found.error());
  bool more = cut;
  while (found->size() > ask.limit) {
    direction > 0 ? found->pop_back() : found->pop_front();
    more = true;
  }
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (const FoundEvent& event : *found) append_event(event, call, out);
  out.close(']').key("more").boolean(more).close('}');
  return json_answer(out.take());
}

namespace {

Response sql_problem(const Error& error, std::optional<std::size_t> offset) {
  Response answer = failed(error);
  JsonWriter out;
  out.open('{').key("title").text("The statement cannot be answered");
  out.key("detail").text(error.to_string()).key("offset");
  offset ? out.integer(static_cast<std::int64_t>(*offset)) : out.null();
  out.close('}');
  answer.body = out.take();
  return answer;
}

}  // namespace

Response sql(const Call& call) {
  Fields in = call.fields();
  const std::string text = in.text("sql", limits::kSqlBytes);
  const auto limit = static_cast<std::size_t>(in.integer("limit", 1, limits::kSqlRows));
  if (!in.ok()) return in.refused();
  const auto seat = call.shown->seats.take(call.request.cancel);
  if (!seat) return gone();
  const auto start = Clock::now();
  const Budget budget(call.request, limits::kQueryTime);
  const auto database = query::Database::open(seat->source(), call.request.cancel);
  if (!database.ok()) return failed(database.error());
  query::SqlError details;
  auto statement = (*database)->prepare(text, &details);
  if (!statement.ok()) return sql_problem(statement.error(), details.offset);
  JsonWriter out;
  out.open('{').key("columns");
  append_strings(statement->columns(), out);
  out.key("rows").open('[');
  bool truncated = false;
  for (std::size_t count = 0;; ++count) {
    const auto more = statement->step();
    if (!more.ok()) return sql_problem(more.error(), std::nullopt);
    if (!*more) break;
    truncated = count >= limit || budget.late() || out.size() > limits::kAnswerBytes / 2;
    if (truncated) break;
    out.open('[');
    for (const model::Cell& cell : statement->row()) append_cell(cell, out);
    out.close(']');
  }
  const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
  out.close(']').key("truncated").boolean(truncated).key("elapsed_ms").real(elapsed.count());
  out.key("notes");
  std::vector<std::string> notes = (*database)->notes();
  if (!call.shown->complete) {
    notes.push_back(fmt::format("the analysis still runs: states that end after {} are not there",
                                call.shown->until.ns));
  }
  append_strings(notes, out);
  out.close('}');
  return json_answer(out.take());
}

namespace {

/// Names of the members that flow() and critical_path() rows become; times first.
constexpr std::string_view kPathNames[] = {"ts_ns", "dur_ns", "depth", "label", "machine",
                                           "tid",   "comm",   "cpu",   "cause"};
constexpr std::string_view kFlowNames[] = {"ts_ns", "dur_ns", "kind", "machine", "vcpu",
                                           "tid",   "comm",   "pcpu", "cause"};

bool is_text(std::string_view name) {
  return name == "label" || name == "machine" || name == "comm" || name == "cause" ||
         name == "kind";
}

/// Whether those are all.
Result<bool> append_steps(const query::DataSource& source, const report::WhyData& data,
                          std::string_view function, std::span<const std::string_view> names,
                          const Budget& budget, JsonWriter& out) {
  const std::string text =
      fmt::format("SELECT * FROM {}({}, {}, {}, {})", function, sql_text(data.machine), data.tid,
                  data.begin.ns, data.end.ns);
  VS_ASSIGN(const auto found, run_sql(source, text, limits::kSqlRows, budget));
  out.open('[');
  for (const model::Row& row : found.rows) {
    out.open('{');
    for (std::size_t i = 0; i < names.size(); ++i) {
      out.key(names[i]);
      const auto* const number = std::get_if<std::int64_t>(&row[i]);
      if (i < 2 && number != nullptr) {
        out.wide(*number);
      } else if (is_text(names[i]) && std::holds_alternative<std::monostate>(row[i])) {
        out.text("");
      } else {
        append_cell(row[i], out);
      }
    }
    out.close('}');
  }
  out.close(']');
  return found.complete;
}

}  // namespace

Response why(const Call& call) {
  Fields in = call.fields();
  report::WhyRequest ask;
  ask.task = in.text("task", limits::kBookmarkBytes);
  ask.window.from = in.time_or("from_ns", kHostTimeMin);
  ask.window.to = in.time_or("to_ns", kHostTimeMax);
  if (in.ok() && ask.window.to <= ask.window.from) in.refuse("to_ns", "must be after from_ns");
  if (in.has("slowest")) ask.slowest = static_cast<std::size_t>(in.integer("slowest", 1, 100));
  if (!in.ok()) return in.refused();
  const auto seat = call.shown->seats.take(call.request.cancel);
  if (!seat) return gone();
  const Budget budget(call.request, limits::kQueryTime);
  const auto data = report::gather_why(seat->source(), call.service.summary(), ask);
  if (!data.ok()) return failed(data.error());
  JsonWriter out;
  out.open('{').key("headline").text(data->headline);
  out.key("text").text(report::why_text(*data, {})).key("sections");
  append_sections(report::to_document(*data), out);
  out.key("path");
  const auto path = append_steps(seat->source(), *data, "critical_path", kPathNames, budget, out);
  if (!path.ok()) return failed(path.error());
  out.key("flow");
  const auto flow = append_steps(seat->source(), *data, "flow", kFlowNames, budget, out);
  if (!flow.ok()) return failed(flow.error());
  out.key("truncated").boolean(!*path || !*flow).close('}');
  return json_answer(out.take());
}

namespace {

struct Side {
  std::string machine;
  HostTime from;
  HostTime to;
};

/// One figure per name, from SQL that gives (name, number); {0} machine, {1} from, {2} to.
struct Figures {
  std::string_view group;
  std::string_view unit;
  std::string_view sql;
};
constexpr Figures kFigures[] = {
    {"state", "ms/s",
     "SELECT state, sum(min(ts + dur, {2}) - max(ts, {1})) * 1000.0 / ({2} - {1}) FROM vcpu_state "
     "WHERE machine = {0} AND ts < {2} AND ts + dur > {1} GROUP BY 1"},
    {"exit", "1/s",
     "SELECT reason, count(*) * 1000000000.0 / ({2} - {1}) FROM vm_exit "
     "WHERE machine = {0} AND ts >= {1} AND ts < {2} GROUP BY 1"},
    {"steal", "ms/s",
     "SELECT coalesce(by_machine || '/' || by_comm, by_machine, kind), "
     "sum(min(ts + dur, {2}) - max(ts, {1})) * 1000.0 / ({2} - {1}) FROM preemption "
     "WHERE machine = {0} AND ts < {2} AND ts + dur > {1} GROUP BY 1"},
};

Side read_side(Fields& in, std::string_view name, const Service& service) {
  Side side;
  const nlohmann::json* const json = in.find(name);
  if (json == nullptr || !json->is_object()) {
    in.refuse(name, "is no object {machine, from_ns, to_ns}");
    return side;
  }
  Fields part(*json, fmt::format("{}: ", name));
  side.machine = part.text("machine", limits::kBookmarkBytes);
  std::tie(side.from, side.to) = part.window();
  bool known = false;
  for (const auto& machine : service.summary().experiment.machines) {
    known = known || machine.name == side.machine;
  }
  if (!part.ok()) in.refuse(name, "has no machine, from_ns and to_ns, with from_ns < to_ns");
  if (!known) in.refuse(name, "names a machine that is not in these traces");
  return side;
}

using Compared = std::map<std::string, std::array<double, 2>>;

/// Whether that is all.
Result<bool> add_side(const query::DataSource& source, const Figures& figures, const Side& side,
                      const Budget& budget, std::size_t index, Compared& out) {
  const std::string text =
      fmt::format(fmt::runtime(figures.sql), sql_text(side.machine), side.from.ns, side.to.ns);
  VS_ASSIGN(const auto found, run_sql(source, text, limits::kSqlRows, budget));
  for (const model::Row& row : found.rows) {
    const auto* const name = std::get_if<std::string>(&row[0]);
    const auto* const value = std::get_if<double>(&row[1]);
    if (value != nullptr) out[name == nullptr ? "unknown" : *name][index] += *value;
  }
  return found.complete;
}

}  // namespace

Response compare(const Call& call) {
  Fields in = call.fields();
  const Side a = read_side(in, "a", call.service);
  const Side b = read_side(in, "b", call.service);
  if (!in.ok()) return in.refused();
  const auto seat = call.shown->seats.take(call.request.cancel);
  if (!seat) return gone();
  const Budget budget(call.request, limits::kQueryTime);
  JsonWriter out;
  bool complete = true;
  out.open('{').key("rows").open('[');
  for (const Figures& figures : kFigures) {
    Compared compared;
    for (std::size_t index = 0; index < 2; ++index) {
      const Side& side = index == 0 ? a : b;
      const auto whole = add_side(seat->source(), figures, side, budget, index, compared);
      if (!whole.ok()) return failed(whole.error());
      complete = complete && *whole;
    }
    for (const auto& [name, values] : compared) {
      out.open('{').key("group").text(figures.group).key("name").text(name);
      out.key("a").real(values[0]).key("b").real(values[1]);
      out.key("unit").text(figures.unit).close('}');
    }
  }
  out.close(']').key("truncated").boolean(!complete).close('}');
  return json_answer(out.take());
}

namespace {

void append_bookmark(const Bookmark& bookmark, JsonWriter& out) {
  out.open('{').key("id").integer(static_cast<std::int64_t>(bookmark.id));
  out.key("name").text(bookmark.name).key("from_ns").time(bookmark.from);
  out.key("to_ns").time(bookmark.to).key("colour").text(bookmark.colour);
  if (!bookmark.view.empty()) out.key("view").text(bookmark.view);
  if (bookmark.row) out.key("row").integer(*bookmark.row);
  if (!bookmark.note.empty()) out.key("note").text(bookmark.note);
  out.close('}');
}

}  // namespace

Response list_bookmarks(const Call& call) {
  JsonWriter out;
  out.open('{').key("bookmarks").open('[');
  for (const Bookmark& bookmark : call.service.bookmarks()) append_bookmark(bookmark, out);
  out.close(']').close('}');
  return json_answer(out.take());
}

Response add_bookmark(const Call& call) {
  Fields in = call.fields();
  Bookmark bookmark;
  bookmark.name = in.text("name", limits::kBookmarkBytes);
  bookmark.from = in.time("from_ns");
  bookmark.to = in.time("to_ns");
  bookmark.colour = in.text_or_empty("colour", limits::kBookmarkBytes);
  bookmark.view = in.text_or_empty("view", limits::kBookmarkBytes);
  bookmark.note = in.text_or_empty("note", limits::kBookmarkBytes);
  if (in.has("row")) {
    bookmark.row = static_cast<std::int32_t>(in.integer("row", 0, INT32_MAX));
  }
  if (in.ok() && bookmark.to < bookmark.from) in.refuse("to_ns", "must not be before from_ns");
  if (!in.ok()) return in.refused();
  const auto added = call.service.add_bookmark(bookmark);
  if (!added) return problem(409, "Too many bookmarks", "remove one before adding another");
  JsonWriter out;
  append_bookmark(*added, out);
  return json_answer(out.take());
}

Response remove_bookmark(const Call& call) {
  const std::string& text = call.request.path[1];
  std::uint64_t id = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), id);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return problem(400, "Bad request", "a bookmark's id is a whole number");
  }
  if (!call.service.remove_bookmark(id)) {
    return problem(404, "Not found", "there is no bookmark of this id");
  }
  return nothing();
}

}  // namespace vs::serve::page
