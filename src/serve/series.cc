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

constexpr std::int64_t kReasonParts = 16;  // buckets that a window covers at least

constexpr std::int64_t number(VcpuState state) { return static_cast<std::int64_t>(state); }
constexpr std::int64_t kSteal[] = {number(VcpuState::kWaking), number(VcpuState::kPreempted)};
constexpr std::int64_t kBusy[] = {number(VcpuState::kGuest), number(VcpuState::kHypervisor),
                                  number(VcpuState::kUserspace), number(VcpuState::kHostIrq),
                                  number(VcpuState::kEmulated)};

using Values = std::span<const std::int64_t>;

double each(Values /*values*/) { return 1; }
double bytes_at(Values values, std::size_t slot) {
  return static_cast<double>(std::max<std::int64_t>(values[slot], 0));  // kNull is negative
}
double disk_bytes(Values values) { return bytes_at(values, model::slot::kBrBytes); }
double net_bytes(Values values) { return bytes_at(values, model::slot::kNpBytes); }

constexpr SeriesKind kKinds[] = {
    {"steal", "Steal", "%", TableId::kVcpuState, kSteal, nullptr, 100},
    {"cpu", "CPU", "%", TableId::kVcpuState, kBusy, nullptr, 100},
    {"exits", "Exits", "1/s", TableId::kVmExit, {}, each, 1e9},
    {"disk", "Disk", "MB/s", TableId::kBlockRequest, {}, disk_bytes, 1e3},
    {"net", "Network", "MB/s", TableId::kNetPacket, {}, net_bytes, 1e3},
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
        end_(Clock::now() + request.most_time) {}

  Status read(const SeriesKind& kind, const SeriesMachine& machine, Series& out) {
    out.id = id_of(kind.id, machine.machine);
    out.name = fmt::format("{} {}", kind.name, machine.machine);
    out.unit = kind.unit;
    out.machine = machine.machine;
    out.y.assign(request_.points, 0);
    PixelEdges edges(request_.from, request_.to, request_.points);
    for (std::size_t i = 0; i < request_.points; ++i) out.x.push_back(HostTime{edges.next().first});
    const bool time = !kind.states.empty();
    const Sums* const sums = views_.sums();
    const SumTrack* const sum = sums == nullptr ? nullptr : sums->sum(out.id);
    if (time) {
      VS_TRY(add_shares(kind, machine, out.y));
    } else if (sum == nullptr || !sum->add_to(request_.from, request_.to, out.y)) {
      VS_TRY(read_exactly(kind, machine, out));
    }
    const double of = time ? static_cast<double>(machine.entities.size()) : width_;
    for (double& value : out.y) value *= kind.scale / of;
    forget_after(known_until(machine, time), out);
    return {};
  }

 private:
  Status add_shares(const SeriesKind& kind, const SeriesMachine& machine, std::vector<double>& y) {
    const history::Window window{request_.from, request_.to, request_.points, 0};
    VS_TRY(views_.history().shares(machine.entities, window, kind.states, pictures_));
    for (const Picture& picture : pictures_) {
      std::size_t at = 0;
      for (const history::Stretch& stretch : picture) {
        const double share = stretch.value == 1 ? static_cast<double>(stretch.share) : 0;
        for (std::uint32_t i = 0; i < stretch.pixels; ++i) y[at++] += share;
      }
    }
    return {};
  }

  Status read_exactly(const SeriesKind& kind, const SeriesMachine& machine, Series& out) {
    HostTime known = request_.to;
    for (const model::EntityId entity : machine.entities) {
      VS_ASSIGN(const HostTime reached,
                read_rows(views_.history(), entity, request_, end_,
                          [&](const history::Row& row) { add(kind, row, out.y); }));
      known = std::min(known, reached);
    }
    forget_after(known, out);
    return {};
  }

  void forget_after(HostTime known, Series& out) const {
    for (std::size_t i = 0; known < request_.to && i < out.y.size(); ++i) {
      const bool whole = i + 1 < out.x.size() && out.x[i + 1] <= known;
      if (!whole) out.y[i] = std::numeric_limits<double>::quiet_NaN();
    }
  }

  /// Of a part: a state that has not ended there is in no row.
  [[nodiscard]] HostTime known_until(const SeriesMachine& machine, bool time) const {
    HostTime known = request_.known_until;
    if (known == kHostTimeMax || !time) return known;
    for (const model::EntityId entity : machine.entities) {
      known = std::min(known, HostTime{views_.history().entity(entity).last_ns});
    }
    return known;
  }

  void add(const SeriesKind& kind, const history::Row& row, std::vector<double>& y) const {
    if (row.begin < request_.from || row.begin >= request_.to) return;
    y[part_of(row.begin)] += kind.weight(row.values);
  }

  [[nodiscard]] std::size_t part_of(HostTime time) const {
    const double scaled = static_cast<double>(time - request_.from) / width_;
    return std::min(static_cast<std::size_t>(std::max(scaled, 0.0)), request_.points - 1);
  }

  const Views& views_;
  const SeriesRequest& request_;
  const double width_;
  const Clock::time_point end_;
  std::vector<Picture> pictures_;  // of states
};

}  // namespace

void SeriesRequest::limit_to(const Shown& shown) {
  if (shown.complete) return;
  most_time = limits::kPartSeriesTime;
  known_until = shown.until;
}

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
  const Sums* const all = views.sums();
  const auto* const sums =
      all == nullptr ? nullptr : all->sums_by_key(id_of("reasons", machine.machine));
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

std::vector<WantedSum> series_sums(const history::Reader& history) {
  std::vector<WantedSum> out;
  for (const SeriesKind& kind : kKinds) {
    if (!kind.states.empty()) continue;
    for (SeriesMachine& machine : series_machines(history, kind.table)) {
      out.push_back(
          {id_of(kind.id, machine.machine), std::move(machine.entities), kind.weight, {}});
    }
  }
  for (SeriesMachine& machine : series_machines(history, TableId::kVmExit)) {
    out.push_back({id_of("reasons", machine.machine), std::move(machine.entities), each,
                   model::slot::kVeReason});
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
  ask.limit_to(*call.shown);
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
