#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "history/reader.h"
#include "model/states.h"
#include "query/database.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/tsp/endpoints.h"
#include "serve/tsp/pattern.h"

namespace vs::serve::tsp {
namespace {

constexpr std::int64_t kLinesAtOnce = 5000;

/// Patterns by column; all must be found.
using Searches = std::vector<std::pair<std::size_t, Pattern>>;

using Cells = std::vector<std::string>;
const std::vector<std::string> kEventColumns = {"Timestamp", "Trace", "Machine", "CPU",
                                                "TID",       "Event", "Fields"};

std::string text_of(const model::Cell& cell) {
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* const value = std::get_if<std::int64_t>(&cell)) return std::to_string(*value);
  if (const auto* const value = std::get_if<double>(&cell)) return fmt::format("{}", *value);
  return "";
}

Cells cells_of(const model::Row& row) {
  Cells out;
  for (const model::Cell& cell : row) out.push_back(text_of(cell));
  return out;
}

Error given_up() { return Error{ErrorCode::kCancelled, "given up", "", ""}; }

/// The rows of a statement from one on. Those that are left out are counted in `size`.
struct Rows {
  std::vector<std::string> columns;
  std::vector<Cells> cells;
};
Result<Rows> run(const Shown& shown, const Call& call, const std::string& sql, std::size_t most) {
  const auto seat = shown.seats.take(call.request.cancel);
  if (!seat) return given_up();
  VS_ASSIGN(auto database, query::Database::open(seat->source(), call.request.cancel));
  VS_ASSIGN(auto statement, database->prepare(sql));
  Rows out;
  out.columns = statement.columns();
  while (out.cells.size() < most) {
    VS_ASSIGN(const bool more, statement.step());
    if (!more) break;
    out.cells.push_back(cells_of(statement.row()));
  }
  return out;
}

/// A table made by SQL. Of the whole experiment its first lines are kept; those beyond are asked
/// for again.
class Table {
 public:
  static Result<Table> open(Context& context, const Shown& shown, const Call& call,
                            const Output& output) {
    Table out(shown, call, output);
    if (shown.complete) {
      const std::lock_guard guard(context.mutex);
      const auto found = context.tables.find(output.id);
      if (found != context.tables.end()) out.lines_ = found->second;
    }
    if (out.lines_ != nullptr) return out;
    const std::size_t most = context.options.kept_lines;
    VS_ASSIGN(auto rows, run(shown, call, std::string(output.sql), most + 1));
    auto lines = std::make_shared<Lines>();
    lines->size = static_cast<std::int64_t>(rows.cells.size());
    if (rows.cells.size() > most) {
      rows.cells.resize(most);
      VS_ASSIGN(const auto count,
                run(shown, call, fmt::format("SELECT count(*) FROM ({})", output.sql), 1));
      lines->size = parse_int<std::int64_t>(count.cells.at(0).at(0)).value_or(lines->size);
    }
    lines->columns = std::move(rows.columns);
    lines->rows = std::move(rows.cells);
    out.lines_ = lines;
    if (!shown.complete) return out;
    const std::lock_guard guard(context.mutex);
    context.tables[std::string(output.id)] = std::move(lines);
    return out;
  }

  [[nodiscard]] const std::vector<std::string>& columns() const { return lines_->columns; }
  [[nodiscard]] std::int64_t size() const { return lines_->size; }
  /// Requires 0 <= index < size().
  Result<Cells> line(std::int64_t index) {
    const auto kept = static_cast<std::int64_t>(lines_->rows.size());
    if (index < kept) return lines_->rows[static_cast<std::size_t>(index)];
    const bool here =
        index >= first_ && index < first_ + static_cast<std::int64_t>(further_.size());
    if (!here) {
      first_ = std::max(kept, index - index % kLinesAtOnce);
      VS_ASSIGN(auto rows, run(shown_, call_,
                               fmt::format("SELECT * FROM ({}) LIMIT {} OFFSET {}", output_.sql,
                                           kLinesAtOnce, first_),
                               static_cast<std::size_t>(kLinesAtOnce)));
      further_ = std::move(rows.cells);
    }
    const auto place = static_cast<std::size_t>(index - first_);
    if (place < further_.size()) return further_[place];
    return Error{ErrorCode::kInternal, "the table has fewer lines than it had", "", "ask again"};
  }

 private:
  Table(const Shown& shown, const Call& call, const Output& output)
      : shown_(shown), call_(call), output_(output) {}

  const Shown& shown_;
  const Call& call_;
  const Output& output_;
  std::shared_ptr<const Lines> lines_;
  std::int64_t first_ = 0;  // of those beyond what is kept
  std::vector<Cells> further_;
};

bool holds(const Searches& searches, const Cells& cells) {
  return std::all_of(searches.begin(), searches.end(), [&](const auto& search) {
    return search.second.found_in(cells[search.first]);
  });
}

Result<Searches> searches_of(const Parameters& asked) {
  Searches out;
  for (const auto& [column, text] : asked.searches) {
    VS_ASSIGN(auto pattern, Pattern::parse(text));
    out.emplace_back(static_cast<std::size_t>(column), std::move(pattern));
  }
  return out;
}

class Page {
 public:
  Page(const Parameters& asked, const Searches& searches, std::size_t columns)
      : searches_(searches) {
    if (asked.columns && !asked.columns->empty()) {
      columns_ = *asked.columns;
    } else {
      for (std::size_t i = 0; i < columns; ++i) columns_.push_back(static_cast<std::int64_t>(i));
    }
  }
  void add(std::int64_t index, const Cells& cells) {
    if (count_++ == 0) low_ = index;
    const bool found = !searches_.empty() && holds(searches_, cells);
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
  const Searches& searches_;
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

Result<std::string> page_of(Table& table, const Call& call, const Parameters& asked,
                            const Searches& searches) {
  Page page(asked, searches, table.columns().size());
  const std::int64_t size = table.size();
  std::int64_t at = asked.table_index.value_or(0);
  bool found = searches.empty() || asked.direction.empty();
  const std::int64_t step = found || asked.direction == "NEXT" ? 1 : -1;
  if (!found && at >= size && step < 0) at = size - 1;
  while (!found && at >= 0 && at < size) {
    if (call.request.cancelled()) return given_up();
    VS_ASSIGN(const Cells cells, table.line(at));
    found = holds(searches, cells);
    if (!found) at += step;
  }
  for (; at >= 0 && at < size && page.count() < *asked.table_count; ++at) {
    VS_ASSIGN(const Cells cells, table.line(at));
    page.add(at, cells);
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
Result<std::string> event_page(Context& context, const Shown& shown, const Call& call,
                               const Parameters& asked, const Searches& searches) {
  constexpr std::int64_t kStep = 16384;
  const auto seat = shown.seats.take(call.request.cancel);
  if (!seat) return given_up();
  std::int64_t size = 0;
  for (const auto& trace : context.service.summary().traces) {
    size += static_cast<std::int64_t>(trace.event_total());
  }
  const bool search = !searches.empty() && !asked.direction.empty();
  const bool back = search && asked.direction == "PREVIOUS";
  const std::int64_t wanted = asked.table_index.value_or(0);
  auto [index, from] = back || !asked.table_index
                           ? std::pair<std::int64_t, HostTime>{0, kHostTimeMin}
                           : start_of(context, wanted);
  query::EventFilter filter;
  filter.from = from;
  VS_ASSIGN(auto stream, seat->source().events(filter));
  query::EventView event;
  Page page(asked, searches, kEventColumns.size());
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
      found = found || (!back && holds(searches, cells));
      if (back && holds(searches, cells))
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

/// One vCPU and below it its states. Ids follow from the entity and the state, so that they stay
/// while more of them are found.
void write_vcpu(const history::Reader& history, const history::Entity& entity, JsonWriter& out) {
  std::int64_t total_ns = 0;
  for (const auto& total : history.totals(entity.id)) total_ns += total.duration_ns;
  const auto machine = history.string(static_cast<model::StringId>(entity.key[0]));
  const auto names = model::vcpu_state_names();
  const std::int64_t parent =
      std::int64_t{entity.id} * (static_cast<std::int64_t>(names.size()) + 1);
  write_share(
      parent, -1,
      {fmt::format("{} vCPU {}", machine, entity.key[1]), std::to_string(total_ns), "100", ""},
      out);
  for (const auto& total : history.totals(entity.id)) {
    if (total.value < 0 || total.value >= static_cast<std::int64_t>(names.size())) continue;
    const double share = total_ns > 0 ? 100.0 * static_cast<double>(total.duration_ns) /
                                            static_cast<double>(total_ns)
                                      : 0;
    write_share(parent + 1 + total.value, parent,
                {std::string(names[static_cast<std::size_t>(total.value)]),
                 std::to_string(total.duration_ns), fmt::format("{:.2f}", share),
                 std::to_string(total.rows)},
                out);
  }
}

}  // namespace

Response data_tree(Context& context, const Call& call) {
  Asked query = asked(call, "DATA_TREE");
  if (query.refusal) return std::move(*query.refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, kNoTree);
  const history::Reader& history = shown->views.history();
  JsonWriter out;
  out.open('{').key("headers").open('[');
  constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
      {"State", "STRING"}, {"Time", "DURATION"}, {"Share %", "NUMBER"}, {"Count", "NUMBER"}};
  for (const auto& [name, type] : kHeaders) {
    out.open('{').key("name").text(name).key("tooltip").text("").key("dataType").text(type);
    out.close('}');
  }
  out.close(']').key("autoExpandLevel").integer(1).key("entries").open('[');
  for (const auto& entity : history.entities(model::TableId::kVcpuState)) {
    write_vcpu(history, entity, out);
  }
  return answered(context.service, *shown, out.close(']').close('}').take());
}

Response table_columns(Context& context, const Call& call) {
  Asked query = asked(call, "TABLE");
  if (query.refusal) return std::move(*query.refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr) return not_yet(context.service, "[]");
  std::vector<std::string> names = kEventColumns;
  if (!query.output->sql.empty()) {
    const auto table = Table::open(context, *shown, call, *query.output);
    if (!table.ok()) return failed(table.error());
    names = table->columns();
  }
  JsonWriter out;
  out.open('[');
  for (std::size_t i = 0; i < names.size(); ++i) {
    out.open('{').key("id").integer(static_cast<std::int64_t>(i)).key("name").text(names[i]);
    out.key("description").text("").key("type").text("STRING").close('}');
  }
  return answered(context.service, *shown, out.close(']').take());
}

Response table_lines(Context& context, const Call& call) {
  Asked query = asked(call, "TABLE");
  if (query.refusal) return std::move(*query.refusal);
  const auto shown = context.service.shown();
  if (shown == nullptr)
    return not_yet(context.service, R"({"lowIndex":0,"size":0,"columnIds":[],"lines":[]})");
  const bool events = query.output->sql.empty();
  std::optional<Table> table;
  if (!events) {
    auto opened = Table::open(context, *shown, call, *query.output);
    if (!opened.ok()) return failed(opened.error());
    table.emplace(std::move(*opened));
  }
  const std::size_t columns = events ? kEventColumns.size() : table->columns().size();
  if (auto refusal = check_lines(query.parameters, columns)) return std::move(*refusal);
  const auto searches = searches_of(query.parameters);
  if (!searches.ok()) return failed(searches.error());
  const Result<std::string> page =
      events ? event_page(context, *shown, call, query.parameters, *searches)
             : page_of(*table, call, query.parameters, *searches);
  return page.ok() ? answered(context.service, *shown, *page) : failed(page.error());
}

}  // namespace vs::serve::tsp
