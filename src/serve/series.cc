#include "serve/series.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "serve/limits.h"
#include "serve/page_parts.h"

namespace vs::serve {
namespace {

using model::TableId;
using model::VcpuState;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kRowsPerLook = 4096;  // rows between two looks at the time

constexpr std::uint64_t kReasonBuckets = 4096;  // of each reason's sum
constexpr std::int64_t kReasonParts = 16;       // buckets that a window covers at least

constexpr std::uint32_t bit(VcpuState state) { return 1U << static_cast<unsigned>(state); }
constexpr std::uint32_t kSteal = bit(VcpuState::kWaking) | bit(VcpuState::kPreempted);
constexpr std::uint32_t kBusy = bit(VcpuState::kGuest) | bit(VcpuState::kHypervisor) |
                                bit(VcpuState::kUserspace) | bit(VcpuState::kHostIrq) |
                                bit(VcpuState::kEmulated);

using Values = std::span<const std::int64_t>;

double one_of(Values values, std::uint32_t states) {
  const std::int64_t state = values[model::slot::kVsState];
  return state >= 0 && state < 32 && (states >> state & 1U) != 0 ? 1 : 0;
}
double stolen(Values values) { return one_of(values, kSteal); }
double busy(Values values) { return one_of(values, kBusy); }
double each(Values /*values*/) { return 1; }
double bytes_at(Values values, std::size_t slot) {
  return static_cast<double>(std::max<std::int64_t>(values[slot], 0));  // kNull is negative
}
double disk_bytes(Values values) { return bytes_at(values, model::slot::kBrBytes); }
double net_bytes(Values values) { return bytes_at(values, model::slot::kNpBytes); }

constexpr SeriesKind kKinds[] = {
    {"steal", "Steal", "%", TableId::kVcpuState, stolen, true, 100},
    {"cpu", "CPU", "%", TableId::kVcpuState, busy, true, 100},
    {"exits", "Exits", "1/s", TableId::kVmExit, each, false, 1e9},
    {"disk", "Disk", "MB/s", TableId::kBlockRequest, disk_bytes, false, 1e3},
    {"net", "Network", "MB/s", TableId::kNetPacket, net_bytes, false, 1e3},
};

std::string id_of(std::string_view kind, std::string_view machine) {
  return fmt::format("{}:{}", kind, machine);
}

/// Calls `add` for the rows of an entity in the window until `end`; gives how far it came.
template <typename Add>
Result<HostTime> read_rows(const history::Reader& history, model::EntityId entity,
                           const SeriesRequest& request, Clock::time_point end, const Add& add) {
  auto cursor = history.rows(entity, request.from, request.to);
  history::Row row;
  for (std::size_t i = 0; cursor.next(row); ++i) {
    if (i % kRowsPerLook == 0) {
      if (request.cancel != nullptr && request.cancel->load()) {
        return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
      }
      if (Clock::now() >= end) return std::max(row.begin, request.from);
    }
    add(row);
  }
  VS_TRY(cursor.status());
  return request.to;
}

class Reading {
 public:
  Reading(const Views& views, const SeriesRequest& request)
      : views_(views),
        request_(request),
        width_(static_cast<double>(request.to - request.from) /
               static_cast<double>(request.points)),
        end_(Clock::now() + limits::kSeriesTime) {}

  Status read(const SeriesKind& kind, const SeriesMachine& machine, Series& out) {
    out.id = id_of(kind.id, machine.machine);
    out.name = fmt::format("{} {}", kind.name, machine.machine);
    out.unit = kind.unit;
    out.machine = machine.machine;
    out.y.assign(request_.points, 0);
    PixelEdges edges(request_.from, request_.to, request_.points);
    for (std::size_t i = 0; i < request_.points; ++i) out.x.push_back(HostTime{edges.next().first});
    const Overview* const overview = views_.overview();
    const SumTrack* const sum = overview == nullptr ? nullptr : overview->sum(out.id);
    if (sum == nullptr || !sum->add_to(request_.from, request_.to, out.y)) {
      VS_TRY(read_exactly(kind, machine, out));
    }
    const double entities = kind.over_time ? static_cast<double>(machine.entities.size()) : 1;
    for (double& value : out.y) value *= kind.scale / (width_ * entities);
    return {};
  }

 private:
  Status read_exactly(const SeriesKind& kind, const SeriesMachine& machine, Series& out) {
    HostTime known = request_.to;
    for (const model::EntityId entity : machine.entities) {
      VS_ASSIGN(const HostTime reached,
                read_rows(views_.history(), entity, request_, end_,
                          [&](const history::Row& row) { add(kind, row, out.y); }));
      known = std::min(known, reached);
    }
    for (std::size_t i = 0; known < request_.to && i < out.y.size(); ++i) {
      const bool whole = i + 1 < out.x.size() && out.x[i + 1] <= known;
      if (!whole) out.y[i] = std::numeric_limits<double>::quiet_NaN();
    }
    return {};
  }

  void add(const SeriesKind& kind, const history::Row& row, std::vector<double>& y) const {
    const double weight = kind.weight(row.values);
    if (weight == 0) return;
    if (kind.over_time) return share_out(row, weight, y);
    if (row.begin < request_.from || row.begin >= request_.to) return;
    y[part_of(row.begin)] += weight;
  }

  [[nodiscard]] std::size_t part_of(HostTime time) const {
    const double scaled = static_cast<double>(time - request_.from) / width_;
    return std::min(static_cast<std::size_t>(std::max(scaled, 0.0)), request_.points - 1);
  }

  void share_out(const history::Row& row, double weight, std::vector<double>& y) const {
    const auto begin = static_cast<double>(std::max(row.begin, request_.from) - request_.from);
    const auto end = static_cast<double>(std::min(row.end, request_.to) - request_.from);
    const std::size_t first = part_of(std::max(row.begin, request_.from));
    for (std::size_t i = first; i < y.size(); ++i) {
      const double low = std::max(begin, width_ * static_cast<double>(i));
      const double high = std::min(end, width_ * static_cast<double>(i + 1));
      if (high > low) y[i] += weight * (high - low);
      if (width_ * static_cast<double>(i + 1) >= end) return;
    }
  }

  const Views& views_;
  const SeriesRequest& request_;
  const double width_;
  const Clock::time_point end_;
};

}  // namespace

std::span<const SeriesKind> series_kinds() { return kKinds; }

const SeriesKind* find_series_kind(std::string_view id) {
  const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const SeriesKind& kind) { return kind.id == id; });
  return found == std::end(kKinds) ? nullptr : found;
}

std::vector<SeriesMachine> series_machines(const history::Reader& history, TableId table) {
  std::map<std::string, std::vector<model::EntityId>> machines;
  for (const history::Entity& entity : history.entities(table)) {
    if (history.entity(entity.id).rows == 0) continue;
    machines[std::string(history.string(entity.key[0]))].push_back(entity.id);
  }
  std::vector<SeriesMachine> out;
  for (auto& [machine, entities] : machines) out.push_back({machine, std::move(entities)});
  return out;
}

Result<std::vector<Series>> read_series(const Views& views, const SeriesRequest& request) {
  Reading reading(views, request);
  std::vector<Series> out;
  for (const SeriesKind& kind : kKinds) {
    for (const SeriesMachine& machine : series_machines(views.history(), kind.table)) {
      const auto& ids = request.ids;
      const std::string id = id_of(kind.id, machine.machine);
      if (!ids.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) continue;
      Series one;
      VS_TRY(reading.read(kind, machine, one));
      out.push_back(std::move(one));
    }
  }
  return out;
}

Result<std::map<std::string, double>> read_exit_reasons(const Views& views,
                                                        const SeriesMachine& machine,
                                                        const SeriesRequest& request) {
  const history::Reader& history = views.history();
  std::map<std::string, double> out;
  const Overview* const overview = views.overview();
  const auto* const sums =
      overview == nullptr ? nullptr : overview->sums_by_key(id_of("reasons", machine.machine));
  bool wide = sums != nullptr;
  for (auto sum = wide ? sums->begin() : decltype(sums->begin()){}; wide && sum != sums->end();
       ++sum) {
    std::vector<double> parts(kReasonParts, 0.0);
    wide = sum->second.add_to(request.from, request.to, parts);
    double& total = out[std::string(history.string(sum->first))];
    for (const double part : parts) total += part;
  }
  if (wide) {
    std::erase_if(out, [](const auto& reason) { return reason.second == 0; });
    return out;
  }
  out.clear();
  for (const model::EntityId entity : machine.entities) {
    VS_TRY(read_rows(history, entity, request, Clock::now() + limits::kQueryTime,
                     [&](const history::Row& row) {
                       const auto begin = std::max(row.begin, request.from);
                       const auto ns = static_cast<double>(std::min(row.end, request.to) - begin);
                       if (ns <= 0) return;
                       out[std::string(history.string(row.values[model::slot::kVeReason]))] += ns;
                     }));
  }
  return out;
}

std::vector<OverviewSum> series_sums(const history::Reader& history) {
  std::vector<OverviewSum> out;
  for (const SeriesKind& kind : kKinds) {
    for (SeriesMachine& machine : series_machines(history, kind.table)) {
      OverviewSum sum;
      sum.id = id_of(kind.id, machine.machine);
      sum.entities = std::move(machine.entities);
      sum.weight = kind.weight;
      sum.over_time = kind.over_time;
      out.push_back(std::move(sum));
    }
  }
  for (SeriesMachine& machine : series_machines(history, TableId::kVmExit)) {
    OverviewSum sum;
    sum.id = id_of("reasons", machine.machine);
    sum.entities = std::move(machine.entities);
    sum.weight = each;
    sum.over_time = true;
    sum.key_slot = model::slot::kVeReason;
    sum.most_buckets = kReasonBuckets;
    out.push_back(std::move(sum));
  }
  return out;
}

namespace page {

Response series(const Call& call) {
  Fields in = call.fields();
  SeriesRequest ask;
  std::tie(ask.from, ask.to) = in.window();
  ask.points = static_cast<std::size_t>(in.integer("points", 1, limits::kPixels));
  ask.ids = in.texts("ids", limits::kRows);
  ask.cancel = call.request.cancel;
  if (!in.ok()) return in.refused();
  const auto found = read_series(*call.views, ask);
  if (!found.ok()) return failed(found.error());
  JsonWriter out;
  out.open('{').key("series").open('[');
  for (const Series& one : *found) {
    out.open('{').key("id").text(one.id).key("name").text(one.name).key("unit").text(one.unit);
    out.key("machine").text(one.machine).key("x").open('[');
    for (const HostTime time : one.x) out.time(time);
    out.close(']').key("y").open('[');
    for (const double value : one.y) out.real(value);
    out.close(']').close('}');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

}  // namespace page
}  // namespace vs::serve
