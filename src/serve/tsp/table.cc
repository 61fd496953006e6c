#include <algorithm>

#include <fmt/format.h>

#include "history/reader.h"
#include "model/states.h"
#include "query/database.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

constexpr std::int64_t kLinesAtOnce = 5000;
constexpr std::size_t kTableRows = 100000;

using Cells = std::vector<std::string>;
const std::vector<std::string> kEventColumns = {"Timestamp", "Trace", "Machine", "CPU",
                                                "TID",       "Event", "Fields"};

std::string text_of(const model::Cell& cell) {
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* const value = std::get_if<std::int64_t>(&cell)) return std::to_string(*value);
  if (const auto* const value = std::get_if<double>(&cell)) return fmt::format("{}", *value);
  return "";
}

Result<std::shared_ptr<const Lines>> lines_of(Context& context, const Call& call,
                                              const Output& output) {
  {
    const std::lock_guard guard(context.mutex);
    const auto found = context.tables.find(output.id);
    if (found != context.tables.end()) return found->second;
  }
  const auto lock = context.service.lock(call.request.cancel);
  if (!lock) return Error{ErrorCode::kCancelled, "given up", "", ""};
  VS_ASSIGN(auto database, query::Database::open(lock->source(), call.request.cancel));
  VS_ASSIGN(auto statement, database->prepare(output.sql));
  auto lines = std::make_shared<Lines>();
  lines->columns = statement.columns();
  while (lines->rows.size() < kTableRows) {
    VS_ASSIGN(const bool more, statement.step());
    if (!more) break;
    lines->rows.push_back(statement.row());
  }
  const std::lock_guard guard(context.mutex);
  context.tables[std::string(output.id)] = lines;
  return std::shared_ptr<const Lines>(lines);
}

/// Every expression is a text that the cell contains: a pattern of a client's could take for ever.
bool holds(const std::map<std::int64_t, std::string>& searches, const Cells& cells) {
  return std::all_of(searches.begin(), searches.end(), [&](const auto& search) {
    return cells[static_cast<std::size_t>(search.first)].find(search.second) != std::string::npos;
  });
}

class Page {
 public:
  Page(const Parameters& asked, std::size_t columns) : asked_(asked) {
    if (asked.columns && !asked.columns->empty()) {
      columns_ = *asked.columns;
    } else {
      for (std::size_t i = 0; i < columns; ++i) columns_.push_back(static_cast<std::int64_t>(i));
    }
  }
  void add(std::int64_t index, const Cells& cells) {
    if (count_++ == 0) low_ = index;
    const bool found = !asked_.searches.empty() && holds(asked_.searches, cells);
    lines_.open('{').key("index").integer(index).key("cells").open('[');
    for (const std::int64_t column : columns_) {
      const std::string& text = cells[static_cast<std::size_t>(column)];
      lines_.open('{').key("content").text(text).close('}');
    }
    lines_.close(']').key("tags").integer(found ? 8 : 0).close('}');
  }
  [[nodiscard]] std::int64_t count() const { return count_; }
  std::string take(std::int64_t size, std::int64_t index) {
    JsonWriter out;
    out.open('{').key("lowIndex").integer(count_ > 0 ? low_ : index).key("size").integer(size);
    out.key("columnIds").open('[');
    for (const std::int64_t column : columns_) out.integer(column);
    out.close(']').key("lines").raw("[" + lines_.take() + "]");
    return out.close('}').take();
  }

 private:
  const Parameters& asked_;
  std::vector<std::int64_t> columns_;
  JsonWriter lines_;
  std::int64_t count_ = 0;
  std::int64_t low_ = 0;
};

std::optional<Response> check_lines(const Parameters& asked, std::size_t columns) {
  const auto bad = [](std::string_view what) {
    return problem(400, "Invalid query parameters", what);
  };
  if (!asked.table_count || *asked.table_count < 0 || *asked.table_count > kLinesAtOnce) {
    return bad("requested_table_count is not from 0 to 5000");
  }
  if (asked.table_index && *asked.table_index < 0) return bad("requested_table_index is negative");
  if (!asked.table_index && asked.times.empty()) return bad("requested_table_index is missing");
  const auto inside = [&](std::int64_t column) {
    return column >= 0 && column < static_cast<std::int64_t>(columns);
  };
  for (const auto& [column, text] : asked.searches) {
    if (!inside(column)) return bad("table_search_expressions names a column that does not exist");
  }
  if (asked.columns && !std::all_of(asked.columns->begin(), asked.columns->end(), inside)) {
    return bad("requested_table_column_ids names a column that does not exist");
  }
  return {};
}

std::string page_of(const Lines& lines, const Parameters& asked) {
  Page page(asked, lines.columns.size());
  const auto size = static_cast<std::int64_t>(lines.rows.size());
  const auto cells_of = [&](std::int64_t index) {
    Cells cells;
    for (const model::Cell& cell : lines.rows[static_cast<std::size_t>(index)]) {
      cells.push_back(text_of(cell));
    }
    return cells;
  };
  std::int64_t at = asked.table_index.value_or(0);
  if (!asked.searches.empty() && !asked.direction.empty()) {
    const std::int64_t step = asked.direction == "NEXT" ? 1 : -1;
    if (at >= size && step < 0) at = size - 1;
    while (at >= 0 && at < size && !holds(asked.searches, cells_of(at))) at += step;
  }
  for (; at >= 0 && at < size && page.count() < *asked.table_count; ++at) {
    page.add(at, cells_of(at));
  }
  return page.take(size, std::max<std::int64_t>(asked.table_index.value_or(0), 0));
}

Cells cells_of(const query::EventView& event, const query::EventStream& stream) {
  const auto number = [](std::int64_t value) {
    return value == model::kNull ? std::string() : std::to_string(value);
  };
  std::string fields;
  stream.fields_json(fields);
  return {std::to_string(event.ts.ns),
          number(event.trace),
          std::string(event.machine),
          number(event.cpu),
          number(event.tid),
          std::string(event.name),
          std::move(fields)};
}

/// The last line whose number and time are known, at or before the one that is asked for.
std::pair<std::int64_t, HostTime> start_of(Context& context, std::int64_t index) {
  const std::lock_guard guard(context.mutex);
  const auto after = context.checkpoints.upper_bound(index);
  if (after == context.checkpoints.begin()) return {0, kHostTimeMin};
  return *std::prev(after);
}

// Lines are numbered from the first event. PREVIOUS keeps the last match before the index.
Result<std::string> event_page(Context& context, const Call& call, const Parameters& asked) {
  constexpr std::int64_t kStep = 16384;
  const auto lock = context.service.lock(call.request.cancel);
  if (!lock) return Error{ErrorCode::kCancelled, "given up", "", ""};
  std::int64_t size = 0;
  for (const auto& trace : context.service.summary().traces) {
    size += static_cast<std::int64_t>(trace.event_total());
  }
  const bool search = !asked.searches.empty() && !asked.direction.empty();
  const bool back = search && asked.direction == "PREVIOUS";
  const std::int64_t wanted = asked.table_index.value_or(0);
  auto [index, from] = back || !asked.table_index
                           ? std::pair<std::int64_t, HostTime>{0, kHostTimeMin}
                           : start_of(context, wanted);
  query::EventFilter filter;
  filter.from = from;
  VS_ASSIGN(auto stream, lock->source().events(filter));
  query::EventView event;
  Page page(asked, kEventColumns.size());
  std::optional<std::pair<std::int64_t, Cells>> before;
  bool found = !search;
  HostTime last = kHostTimeMin;
  while (page.count() < *asked.table_count) {
    if ((index & 4095) == 0 && call.request.cancelled()) {
      return Error{ErrorCode::kCancelled, "given up", "", ""};
    }
    VS_ASSIGN(const bool more, stream->next(event));
    if (!more || (back && index > wanted)) break;
    // Only the first of several events at one time can be found again by its time.
    if (index % kStep == 0 && event.ts > last) {
      const std::lock_guard guard(context.mutex);
      context.checkpoints.emplace(index, event.ts);
    }
    last = event.ts;
    const bool reached = asked.table_index ? back || index >= wanted : event.ts >= asked.times[0];
    if (reached) {
      Cells cells = cells_of(event, *stream);
      found = found || (!back && holds(asked.searches, cells));
      if (back && holds(asked.searches, cells))
        before.emplace(index, std::move(cells));
      else if (found && !back)
        page.add(index, cells);
    }
    ++index;
  }
  if (before) page.add(before->first, before->second);
  return page.take(size, wanted);
}

void write_share(std::int64_t id, std::int64_t parent, const Cells& labels, JsonWriter& out) {
  out.open('{').key("id").integer(id).key("parentId").integer(parent).key("labels").open('[');
  for (const std::string& label : labels) out.text(label);
  out.close(']').key("hasData").boolean(true).close('}');
}

/// One vCPU and below it its states; gives the next free id.
std::int64_t write_vcpu(const history::Reader& history, const history::Entity& entity,
                        std::int64_t id, JsonWriter& out) {
  std::int64_t total_ns = 0;
  for (const auto& total : history.totals(entity.id)) total_ns += total.duration_ns;
  const auto machine = history.string(static_cast<model::StringId>(entity.key[0]));
  const std::int64_t parent = id++;
  write_share(
      parent, -1,
      {fmt::format("{} vCPU {}", machine, entity.key[1]), std::to_string(total_ns), "100", ""},
      out);
  const auto names = model::vcpu_state_names();
  for (const auto& total : history.totals(entity.id)) {
    if (total.value < 0 || total.value >= static_cast<std::int64_t>(names.size())) continue;
    const double share = total_ns > 0 ? 100.0 * static_cast<double>(total.duration_ns) /
                                            static_cast<double>(total_ns)
                                      : 0;
    write_share(id++, parent,
                {std::string(names[static_cast<std::size_t>(total.value)]),
                 std::to_string(total.duration_ns), fmt::format("{:.2f}", share),
                 std::to_string(total.rows)},
                out);
  }
  return id;
}

}  // namespace

Response data_tree(Context& context, const Call& call) {
  Asked query = asked(context, call, "DATA_TREE");
  if (query.refusal) return std::move(*query.refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service);
  JsonWriter out;
  out.open('{').key("headers").open('[');
  constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
      {"State", "STRING"}, {"Time", "DURATION"}, {"Share %", "NUMBER"}, {"Count", "NUMBER"}};
  for (const auto& [name, type] : kHeaders) {
    out.open('{').key("name").text(name).key("tooltip").text("").key("dataType").text(type);
    out.close('}');
  }
  out.close(']').key("autoExpandLevel").integer(1).key("entries").open('[');
  std::int64_t id = 0;
  for (const auto& entity : views->history().entities(model::TableId::kVcpuState)) {
    id = write_vcpu(views->history(), entity, id, out);
  }
  return completed(out.close(']').close('}').take());
}

Response table_columns(Context& context, const Call& call) {
  Asked query = asked(context, call, "TABLE");
  if (query.refusal) return std::move(*query.refusal);
  if (context.service.views() == nullptr) return not_yet(context.service);
  std::vector<std::string> names = kEventColumns;
  if (!query.output->sql.empty()) {
    const auto lines = lines_of(context, call, *query.output);
    if (!lines.ok()) return failed(lines.error());
    names = (*lines)->columns;
  }
  JsonWriter out;
  out.open('[');
  for (std::size_t i = 0; i < names.size(); ++i) {
    out.open('{').key("id").integer(static_cast<std::int64_t>(i)).key("name").text(names[i]);
    out.key("description").text("").key("type").text("STRING").close('}');
  }
  return completed(out.close(']').take());
}

Response table_lines(Context& context, const Call& call) {
  Asked query = asked(context, call, "TABLE");
  if (query.refusal) return std::move(*query.refusal);
  if (context.service.views() == nullptr) return not_yet(context.service);
  if (query.output->sql.empty()) {
    if (auto refusal = check_lines(query.parameters, kEventColumns.size())) {
      return std::move(*refusal);
    }
    const Result<std::string> page = event_page(context, call, query.parameters);
    return page.ok() ? completed(*page) : failed(page.error());
  }
  const auto lines = lines_of(context, call, *query.output);
  if (!lines.ok()) return failed(lines.error());
  if (auto refusal = check_lines(query.parameters, (*lines)->columns.size())) {
    return std::move(*refusal);
  }
  return completed(page_of(**lines, query.parameters));
}

}  // namespace vs::serve::tsp
