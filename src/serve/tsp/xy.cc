#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "history/reader.h"
#include "model/states.h"
#include "serve/json.h"
#include "serve/limits.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

using model::TableId;

/// What a series adds up.
struct Measure {
  std::string_view output;
  TableId table;
  std::string_view unit;
  /// What a row weighs; `over_time`: it is spread over its duration, else it counts at its end.
  double (*weight)(std::span<const std::int64_t> values);
  bool over_time;
  double scale;  ///< of weight per nanosecond of a sample
};

double always(std::span<const std::int64_t> /*values*/) { return 1; }
double in_guest(std::span<const std::int64_t> values) {
  const auto guest = static_cast<std::int64_t>(model::VcpuState::kGuest);
  return values[model::slot::kVsState] == guest ? 1 : 0;
}
double disk_bytes(std::span<const std::int64_t> values) {
  return static_cast<double>(std::max<std::int64_t>(values[model::slot::kBrBytes], 0));
}
double net_bytes(std::span<const std::int64_t> values) {
  return static_cast<double>(std::max<std::int64_t>(values[model::slot::kNpBytes], 0));
}

constexpr std::array kMeasures = {
    Measure{"cpu", TableId::kVcpuState, "%", in_guest, true, 100},
    Measure{"steal", TableId::kPreemption, "%", always, true, 100},
    Measure{"exit-rate", TableId::kVmExit, "1/s", always, false, 1e9},
    Measure{"disk", TableId::kBlockRequest, "MB/s", disk_bytes, false, 1e3},
    Measure{"net", TableId::kNetPacket, "MB/s", net_bytes, false, 1e3},
};

const Measure* measure_of(const Output& output) {
  const auto found = std::find_if(kMeasures.begin(), kMeasures.end(), [&](const Measure& measure) {
    return measure.output == output.id;
  });
  return found == kMeasures.end() ? nullptr : &*found;
}

/// Machines that the table has rows of, in the order of their first entity.
std::vector<std::int64_t> machines(const history::Reader& history, TableId table) {
  std::vector<std::int64_t> out;
  for (const history::Entity& entity : history.entities(table)) {
    if (std::find(out.begin(), out.end(), entity.key[0]) == out.end()) out.push_back(entity.key[0]);
  }
  return out;
}

void add_row(const Measure& measure, const history::Row& row, const TimeRange& range,
             std::vector<double>& sums) {
  const double weight = measure.weight(row.values);
  if (weight == 0) return;
  const double width =
      static_cast<double>(range.to - range.from) / static_cast<double>(sums.size());
  const auto sample = [&](HostTime time) {
    const double at = static_cast<double>(time - range.from) / width;
    return std::min(static_cast<std::size_t>(std::max(at, 0.0)), sums.size() - 1);
  };
  if (!measure.over_time) {
    if (row.end >= range.from && row.end < range.to) sums[sample(row.end)] += weight;
    return;
  }
  const HostTime begin = std::max(row.begin, range.from);
  const HostTime end = std::min(row.end, range.to);
  const std::size_t last = sample(end);
  for (std::size_t i = sample(begin); i <= last; ++i) {
    const double left = static_cast<double>(i) * width;
    const double from = std::max(left, static_cast<double>(begin - range.from));
    const double to = std::min(left + width, static_cast<double>(end - range.from));
    sums[i] += weight * std::max(to - from, 0.0);
  }
}

/// Nothing when the request was given up.
Result<std::vector<double>> sample(const history::Reader& history, const Measure& measure,
                                   std::int64_t machine, const TimeRange& range,
                                   const Request& request) {
  std::vector<double> sums(static_cast<std::size_t>(range.samples), 0.0);
  std::uint64_t rows = 0;
  for (const history::Entity& entity : history.entities(measure.table)) {
    if (entity.key[0] != machine) continue;
    history::RowCursor cursor = history.rows(entity.id, range.from, range.to);
    history::Row row;
    while (cursor.next(row)) {
      if ((++rows & 4095U) == 0 && request.cancelled()) {
        return Error{ErrorCode::kCancelled, "given up", "", ""};
      }
      add_row(measure, row, range, sums);
    }
    VS_TRY(cursor.status());
  }
  const double width =
      static_cast<double>(range.to - range.from) / static_cast<double>(sums.size());
  for (double& sum : sums) sum *= measure.scale / width;
  return sums;
}

void write_axis(std::string_view key, std::string_view label, std::string_view unit,
                std::string_view type, JsonWriter& out) {
  out.key(key).open('{').key("label").text(label).key("unit").text(unit);
  out.key("dataType").text(type).close('}');
}

/// Always with a point: the clients take a long integer for something else.
std::string real(double value) { return fmt::format("{:#}", value); }

Response tree(const history::Reader& history, TableId table, bool generic_axis) {
  JsonWriter out;
  out.open('{').key("headers").open('[').open('{').key("name").text("Machine");
  out.key("tooltip").text("").key("dataType").text("STRING").close('}').close(']');
  out.key("autoExpandLevel").integer(-1).key("entries").open('[');
  std::int64_t id = 0;
  for (const std::int64_t machine : machines(history, table)) {
    out.open('{').key("id").integer(id++).key("parentId").integer(-1).key("labels").open('[');
    out.text(history.string(static_cast<model::StringId>(machine))).close(']');
    out.key("hasData").boolean(true).key("isDefault").boolean(!generic_axis || id == 1).close('}');
  }
  return completed(out.close(']').close('}').take());
}

/// Time in exits of one machine by reason, milliseconds.
Result<std::map<std::string, double>> exit_time(const history::Reader& history,
                                                std::int64_t machine, const TimeRange& range,
                                                const Request& request) {
  std::map<std::string, double> out;
  std::uint64_t rows = 0;
  for (const history::Entity& entity : history.entities(TableId::kVmExit)) {
    if (entity.key[0] != machine) continue;
    history::RowCursor cursor = history.rows(entity.id, range.from, range.to);
    history::Row row;
    while (cursor.next(row)) {
      if ((++rows & 4095U) == 0 && request.cancelled()) {
        return Error{ErrorCode::kCancelled, "given up", "", ""};
      }
      const auto reason = static_cast<model::StringId>(row.values[model::slot::kVeReason]);
      out[std::string(history.string(reason))] += static_cast<double>(row.end - row.begin) / 1e6;
    }
    VS_TRY(cursor.status());
  }
  return out;
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

}  // namespace

Response xy_tree(Context& context, const Call& call) {
  Asked query = asked(context, call, "TREE_TIME_XY");
  if (query.refusal) return std::move(*query.refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service);
  return tree(views->history(), measure_of(*query.output)->table, false);
}

Response xy_values(Context& context, const Call& call) {
  Asked query = asked(context, call, "TREE_TIME_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service);
  const Measure& measure = *measure_of(*query.output);
  TimeRange range = *query.parameters.range;
  range.samples = std::min({range.samples > 0 ? range.samples : 1000,
                            static_cast<std::int64_t>(limits::kPixels), range.to - range.from});
  const std::vector<std::int64_t> known = machines(views->history(), measure.table);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  for (const std::int32_t item : *query.parameters.items) {
    if (item < 0 || static_cast<std::size_t>(item) >= known.size() || range.samples < 1) continue;
    const std::int64_t machine = known[static_cast<std::size_t>(item)];
    const auto sums = sample(views->history(), measure, machine, range, call.request);
    if (!sums.ok()) return failed(sums.error());
    out.open('{').key("seriesId").integer(item).key("seriesName");
    out.text(views->history().string(static_cast<model::StringId>(machine)));
    out.key("xValues").open('[');
    const std::int64_t span = range.to - range.from;
    for (std::int64_t i = 0; i < range.samples; ++i) {
      out.integer(range.from.ns + span / range.samples * i +
                  span % range.samples * i / range.samples);
    }
    out.close(']').key("yValues").open('[');
    for (const double sum : *sums) out.raw(real(sum));
    out.close(']');
    write_axis("xValuesDescription", "Time", "ns", "TIMESTAMP", out);
    write_axis("yValuesDescription", query.output->name, measure.unit, "NUMBER", out);
    out.key("style").open('{').key("values").open('{').key("series-type").text("line");
    out.close('}').close('}').close('}');
  }
  return completed(out.close(']').close('}').take());
}

Response generic_xy_tree(Context& context, const Call& call) {
  Asked query = asked(context, call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service);
  return tree(views->history(), TableId::kVmExit, true);
}

Response generic_xy_values(Context& context, const Call& call) {
  Asked query = asked(context, call, "TREE_GENERIC_XY");
  if (query.refusal) return std::move(*query.refusal);
  if (auto refusal = check(query)) return std::move(*refusal);
  const Views* const views = context.service.views();
  if (views == nullptr) return not_yet(context.service);
  const std::vector<std::int64_t> known = machines(views->history(), TableId::kVmExit);
  JsonWriter out;
  out.open('{').key("title").text(query.output->name).key("series").open('[');
  for (const std::int32_t item : *query.parameters.items) {
    if (item < 0 || static_cast<std::size_t>(item) >= known.size()) continue;
    const std::int64_t machine = known[static_cast<std::size_t>(item)];
    const auto times = exit_time(views->history(), machine, *query.parameters.range, call.request);
    if (!times.ok()) return failed(times.error());
    out.open('{').key("seriesId").integer(item).key("seriesName");
    out.text(views->history().string(static_cast<model::StringId>(machine)));
    out.key("xCategories").open('[');
    for (const auto& [reason, time] : *times) out.text(reason);
    out.close(']').key("yValues").open('[');
    for (const auto& [reason, time] : *times) out.raw(real(time));
    out.close(']');
    write_axis("xValuesDescription", "Reason", "", "STRING", out);
    write_axis("yValuesDescription", "Time", "ms", "NUMBER", out);
    out.key("style").open('{').key("values").open('{').key("series-type").text("bar");
    out.close('}').close('}').close('}');
  }
  return completed(out.close(']').close('}').take());
}

}  // namespace vs::serve::tsp
