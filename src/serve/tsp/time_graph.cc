#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/database.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

constexpr std::string_view kType = "TIME_GRAPH";

/// What the answer to one request is made from.
struct Scene {
  const Context& context;
  const Call& call;
  const Output& output;
  const Parameters& asked;
  const Shown& shown;
  const View* view;  ///< nullptr: the output's is not among the views

  [[nodiscard]] const Views& views() const { return shown.views; }
  /// The row that clients know by this number; nullptr when there is none.
  [[nodiscard]] const Row* row(std::int32_t item) const {
    if (view == nullptr || item < 0 || item >= kIdsOfView) return nullptr;
    return views().row(*view, view->first_id + item);
  }
  [[nodiscard]] std::int32_t item(std::int32_t row) const { return row - view->first_id; }
  [[nodiscard]] Response answer(std::string_view model, std::string_view message = "") const {
    return answered(context.service, shown, model, message);
  }
};

void write_header(JsonWriter& out) {
  out.open('{').key("headers").open('[').open('{').key("name").text("Name");
  out.key("tooltip").text("").key("dataType").text("STRING").close('}').close(']');
  out.key("autoExpandLevel").integer(2).key("entries").open('[');
}

void write_entry(const Row& row, std::int32_t first, JsonWriter& out) {
  out.open('{').key("id").integer(row.id - first);
  out.key("parentId").integer(row.parent < 0 ? -1 : row.parent - first);
  out.key("labels").open('[').text(row.label).close(']');
  out.key("start").integer(row.begin.ns).key("end").integer(row.end.ns);
  out.key("hasData").boolean(row.entity.has_value());
  out.key("metadata").open('{').key("machine").open('[').text(row.machine).close(']');
  if (row.cpu) out.key("cpu").open('[').integer(*row.cpu).close(']');
  if (row.tid) out.key("tid").open('[').integer(*row.tid).close(']');
  out.close('}').close('}');
}

/// Where pixel `at` begins; exact for every range shorter than 2^63 ns.
std::int64_t pixel_ns(const TimeRange& range, std::int64_t at, std::int64_t pixels) {
  const std::int64_t span = range.to - range.from;
  return range.from.ns + span / pixels * at + span % pixels * at / pixels;
}

void write_state(std::int64_t begin, std::int64_t end, std::string_view name, bool machine,
                 JsonWriter& out) {
  out.open('{').key("start").integer(begin).key("end").integer(end).key("label").text(name);
  const auto styles = state_styles();
  const bool known = std::any_of(styles.begin(), styles.end(),
                                 [name](const StateStyle& style) { return style.name == name; });
  out.key("style").open('{');
  if (known || machine) {
    out.key("parentKey").text(known ? std::string(name) : "machine " + std::string(name));
    out.key("values").open('{').close('}');
  } else {
    out.key("values").open('{').key("background-color").text(colour_of(name)).close('}');
  }
  out.close('}').close('}');
}

/// Texts of a layer's values, asked once each.
class Names {
 public:
  Names(const Views& views, const View& view, std::size_t layer)
      : views_(views), view_(view), layer_(layer) {}
  const std::string& of(std::int64_t value) {
    const auto found = names_.find(value);
    if (found != names_.end()) return found->second;
    return names_.emplace(value, views_.name(view_, layer_, value)).first->second;
  }

 private:
  const Views& views_;
  const View& view_;
  std::size_t layer_;
  std::map<std::int64_t, std::string> names_;
};

/// The value of one picture after the other's, pixel by pixel in stretches.
class Walk {
 public:
  explicit Walk(const Picture& picture) : picture_(picture) {}
  [[nodiscard]] std::uint32_t left() const {
    return at_ < picture_.size() ? picture_[at_].pixels - done_ : UINT32_MAX;
  }
  [[nodiscard]] std::int64_t value() const {
    return at_ < picture_.size() ? picture_[at_].value : model::kNull;
  }
  [[nodiscard]] bool ended() const { return at_ >= picture_.size(); }
  void skip(std::uint32_t pixels) {
    if (ended()) return;
    done_ += pixels;
    if (done_ >= picture_[at_].pixels) {
      ++at_;
      done_ = 0;
    }
  }

 private:
  const Picture& picture_;
  std::size_t at_ = 0;
  std::uint32_t done_ = 0;
};

struct Drawn {
  const TimeRange& range;
  std::int64_t pixels;
  Names& names;
  Names& over_names;
  std::string_view over_state;
  bool machine;
};

void write_row(const Picture& base, const Picture& over, const Drawn& drawn, JsonWriter& out) {
  Walk below(base);
  Walk above(over);
  std::int64_t at = 0;
  std::int64_t since = 0;
  std::string open;
  bool open_machine = false;
  const auto flush = [&] {
    if (!open.empty() && at > since) {
      write_state(pixel_ns(drawn.range, since, drawn.pixels),
                  pixel_ns(drawn.range, at, drawn.pixels), open, open_machine, out);
    }
    since = at;
  };
  while (!below.ended() || !above.ended()) {
    const std::uint32_t step = std::min(below.left(), above.left());
    const std::string& top = drawn.over_names.of(above.value());
    const bool covered = !above.ended() && !top.empty() && top == drawn.over_state;
    const std::string& name = covered ? top : drawn.names.of(below.value());
    if (name != open) {
      flush();
      open = name;
      open_machine = drawn.machine && !covered;
    }
    below.skip(step);
    above.skip(step);
    at += step;
  }
  flush();
}

Result<std::string> draw(const Scene& scene) {
  const View& view = *scene.view;
  const Output& output = scene.output;
  const TimeRange& range = *scene.asked.range;
  std::vector<std::int32_t> rows;
  for (const std::int32_t item : *scene.asked.items) {
    if (const Row* const row = scene.row(item)) rows.push_back(row->id);
  }
  const std::int64_t most = range.to - range.from;
  std::int64_t pixels = range.samples > 0 ? range.samples : 1000;
  pixels = std::min({pixels, most, static_cast<std::int64_t>(limits::kPixels)});
  const history::Window window{range.from, range.to, static_cast<std::size_t>(pixels), 0};
  const auto layer = Views::layer(view, output.layer);
  const auto over = Views::layer(view, output.over);
  std::vector<Picture> base(rows.size());
  std::vector<Picture> above(rows.size());
  if (pixels > 0 && layer) VS_TRY(scene.views().states(view, *layer, rows, window, base));
  if (pixels > 0 && over) VS_TRY(scene.views().states(view, *over, rows, window, above));
  Names names(scene.views(), view, layer.value_or(0));
  Names over_names(scene.views(), view, over.value_or(0));
  const Drawn drawn{range, pixels, names, over_names, output.over_state, output.layer == "machine"};
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out.open('{').key("entryId").integer(scene.item(rows[i])).key("states").open('[');
    write_row(base[i], above[i], drawn, out);
    out.close(']').close('}');
  }
  return out.close(']').close('}').take();
}

using Path = std::vector<model::Row>;

/// Machine and number of a thread.
using Thread = std::pair<std::string, std::string>;

std::optional<Thread> parse_thread(std::string_view text) {
  const std::size_t slash = text.find_last_of('/');
  const std::string tid(slash == std::string_view::npos ? "" : text.substr(slash + 1));
  if (tid.empty() || tid.size() > 9 || tid.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return Thread{text.substr(0, slash), tid};
}

/// The steps of a thread's critical path, from the table-valued function.
Result<Path> path_of(const Scene& scene, const Thread& thread) {
  const std::atomic<bool>* const cancel = scene.call.request.cancel;
  const auto seat = scene.shown.seats.take(cancel);
  if (!seat) return Error{ErrorCode::kCancelled, "given up", "", ""};
  VS_ASSIGN(auto database, query::Database::open(seat->source(), cancel));
  VS_ASSIGN(auto statement,
            database->prepare(fmt::format("SELECT ts, dur, label, exec_machine, exec_tid, exec_comm"
                                          " FROM critical_path({}, {})",
                                          sql_text(thread.first), thread.second)));
  Path rows;
  for (;;) {
    VS_ASSIGN(const bool more, statement.step());
    if (!more) return rows;
    rows.push_back(statement.row());
  }
}

std::string text_of(const model::Cell& cell) {
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* const value = std::get_if<std::int64_t>(&cell)) return std::to_string(*value);
  return "";
}

std::int64_t integer_of(const model::Cell& cell) {
  const auto* const value = std::get_if<std::int64_t>(&cell);
  return value == nullptr ? 0 : *value;
}

std::string worker(const model::Row& row) {
  return text_of(row[3]) + "/" + text_of(row[4]) + " " + text_of(row[5]);
}

/// Who took part, in the order of their first step: entry 0 is the first.
std::vector<std::string> workers(const Path& path) {
  std::vector<std::string> out;
  for (const model::Row& row : path) {
    std::string name = worker(row);
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(std::move(name));
  }
  return out;
}

Response path_tree(const Scene& scene, const Path& path) {
  JsonWriter out;
  write_header(out);
  std::int32_t id = 0;
  for (const std::string& name : workers(path)) {
    Row row;
    row.id = id++;
    row.label = name;
    row.begin = scene.context.service.begin();
    row.end = scene.context.service.end();
    row.entity = model::EntityId{0};
    write_entry(row, 0, out);
  }
  return scene.answer(out.close(']').close('}').take());
}

Response path_states(const Scene& scene, const Path& path) {
  const Parameters& asked = scene.asked;
  const std::vector<std::string> names = workers(path);
  JsonWriter out;
  out.open('{').key("rows").open('[');
  for (const std::int32_t item : *asked.items) {
    if (item < 0 || static_cast<std::size_t>(item) >= names.size()) continue;
    out.open('{').key("entryId").integer(item).key("states").open('[');
    for (const model::Row& row : path) {
      const std::int64_t begin = integer_of(row[0]);
      const std::int64_t end = begin + integer_of(row[1]);
      if (worker(row) != names[static_cast<std::size_t>(item)]) continue;
      if (end <= asked.range->from.ns || begin >= asked.range->to.ns) continue;
      write_state(begin, end, text_of(row[2]), false, out);
    }
    out.close(']').close('}');
  }
  return scene.answer(out.close(']').close('}').take());
}

/// From one who took part to the next, where the path goes over.
Response path_arrows(const Scene& scene, const Path& path) {
  const Parameters& asked = scene.asked;
  const std::vector<std::string> names = workers(path);
  const auto number = [&](const model::Row& row) {
    return std::find(names.begin(), names.end(), worker(row)) - names.begin();
  };
  JsonWriter out;
  out.open('[');
  for (std::size_t i = 1; i < path.size(); ++i) {
    const model::Row& before = path[i - 1];
    const std::int64_t from = integer_of(before[0]) + integer_of(before[1]);
    const std::int64_t to = integer_of(path[i][0]);
    if (worker(before) == worker(path[i]) || from > to) continue;
    if (to < asked.range->from.ns || from >= asked.range->to.ns) continue;
    out.open('{').key("sourceId").integer(number(before));
    out.key("targetId").integer(number(path[i])).key("start").integer(from);
    out.key("end").integer(to).key("style").open('{').key("values").open('{');
    out.key("color").text(colour_of("path")).close('}').close('}').close('}');
  }
  return scene.answer(out.close(']').take());
}

/// The step that a worker was in.
Response path_tooltip(const Scene& scene, const Path& path) {
  const Parameters& asked = scene.asked;
  const std::vector<std::string> names = workers(path);
  const auto item = static_cast<std::size_t>(asked.items->front());
  const std::int64_t time = asked.times.empty() ? asked.element->time.ns : asked.times.front().ns;
  JsonWriter out;
  out.open('{');
  for (const model::Row& row : path) {
    const std::int64_t begin = integer_of(row[0]);
    const std::int64_t duration = integer_of(row[1]);
    if (item >= names.size() || worker(row) != names[item]) continue;
    if (time < begin || time - begin >= duration) continue;
    out.key("State").text(text_of(row[2])).key("Duration").text(fmt::format("{} ns", duration));
    out.key("Thread").text(names[item]);
    break;
  }
  return scene.answer(out.close('}').take());
}

Response missing(std::string_view what) {
  return problem(400, "Missing query parameters", std::string(what) + " is missing");
}

/// Of a part of the experiment it is not known yet whether there is such a thread.
Response answer_path(const Scene& scene, std::string_view empty,
                     Response (*write)(const Scene&, const Path&)) {
  if (!scene.asked.thread) return scene.answer(empty, "name a thread with selected_thread");
  const auto thread = parse_thread(*scene.asked.thread);
  if (!thread) {
    return failed({ErrorCode::kBadUse, "selected_thread is not like vm1/156", "parameters", ""});
  }
  const Result<Path> path = path_of(scene, *thread);
  if (path.ok()) return write(scene, *path);
  const bool may_come = !scene.shown.complete && path.error().code == ErrorCode::kBadUse;
  return may_come ? scene.answer(empty, path.error().what + " so far") : failed(path.error());
}

/// The answer to a request that asks for nothing wrong; `empty`: the model while there is nothing.
Response answer(const Context& context, const Call& call, const Asked& query,
                std::string_view empty, Response (*path)(const Scene&, const Path&),
                Response (*view)(const Scene&)) {
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, empty);
  const Scene scene{context,          call,   *query.output,
                    query.parameters, *shown, shown->views.find(query.output->view)};
  if (query.output->view.empty()) return answer_path(scene, empty, path);
  return scene.view == nullptr ? scene.answer(empty) : view(scene);
}

Response view_tree(const Scene& scene) {
  JsonWriter out;
  write_header(out);
  for (const Row& row : scene.views().rows(*scene.view)) {
    write_entry(row, scene.view->first_id, out);
  }
  const std::string message = scene.view->missing ? scene.view->missing->message : "";
  return scene.answer(out.close(']').close('}').take(), message);
}

Response view_states(const Scene& scene) {
  const Result<std::string> model = draw(scene);
  if (scene.call.request.cancelled()) return cancelled();
  return model.ok() ? scene.answer(*model) : failed(model.error());
}

Response view_arrows(const Scene& scene) {
  const Parameters& asked = scene.asked;
  std::vector<std::int32_t> rows;
  for (const Row& row : scene.views().rows(*scene.view)) {
    const auto& items = asked.items;
    if (!items || std::find(items->begin(), items->end(), scene.item(row.id)) != items->end()) {
      rows.push_back(row.id);
    }
  }
  const ArrowRequest request{rows, asked.range->from, asked.range->to, limits::kArrows,
                             scene.call.request.cancel};
  const Result<ArrowList> list = scene.views().arrows(*scene.view, request);
  if (!list.ok()) return failed(list.error());
  JsonWriter out;
  out.open('[');
  for (const Arrow& arrow : list->arrows) {
    out.open('{').key("sourceId").integer(scene.item(arrow.from_row));
    out.key("targetId").integer(scene.item(arrow.to_row));
    out.key("start").integer(arrow.from.ns).key("end").integer(arrow.to.ns);
    out.key("style").open('{').key("values").open('{').key("style-name").text(name_of(arrow.kind));
    out.key("color").text(colour_of(name_of(arrow.kind))).close('}').close('}').close('}');
  }
  return scene.answer(out.close(']').take());
}

Response view_tooltip(const Scene& scene) {
  const Element& element = *scene.asked.element;
  const Row* const row = scene.row(scene.asked.items->front());
  JsonWriter out;
  out.open('{');
  if (row != nullptr && element.type == "state") {
    const HostTime time = scene.asked.times.empty() ? element.time : scene.asked.times[0];
    const auto state = scene.views().at(*row, time, element.duration_ns);
    if (!state.ok()) return failed(state.error());
    if (*state) {
      out.key("State").text((*state)->state);
      out.key("Duration").text(fmt::format("{} ns", (*state)->end - (*state)->begin));
      for (const auto& [name, value] : (*state)->attributes) out.key(name).text(value);
    }
  }
  return scene.answer(out.close('}').take());
}

}  // namespace

Response time_graph_tree(Context& context, const Call& call) {
  Asked query = asked(call, kType);
  if (query.refusal) return std::move(*query.refusal);
  return answer(context, call, query, kNoTree, path_tree, view_tree);
}

Response time_graph_states(Context& context, const Call& call) {
  Asked query = asked(call, kType);
  if (query.refusal) return std::move(*query.refusal);
  if (!query.parameters.range) return missing("requested_timerange");
  if (!query.parameters.items) return missing("requested_items");
  if (query.parameters.items->size() > limits::kRows) {
    return problem(400, "Invalid query parameters", "requested_items has too many rows");
  }
  return answer(context, call, query, R"({"rows":[]})", path_states, view_states);
}

Response time_graph_arrows(Context& context, const Call& call) {
  Asked query = asked(call, kType);
  if (query.refusal) return std::move(*query.refusal);
  if (!query.parameters.range) return missing("requested_timerange");
  return answer(context, call, query, "[]", path_arrows, view_arrows);
}

Response time_graph_tooltip(Context& context, const Call& call) {
  Asked query = asked(call, kType);
  if (query.refusal) return std::move(*query.refusal);
  if (!query.parameters.items || query.parameters.items->empty()) return missing("requested_items");
  if (!query.parameters.element) return missing("requested_element");
  return answer(context, call, query, "{}", path_tooltip, view_tooltip);
}

}  // namespace vs::serve::tsp
