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

enum class How : std::uint8_t { kTime, kCount, kBytes };

constexpr std::uint32_t bit(VcpuState state) { return 1U << static_cast<unsigned>(state); }
constexpr std::uint32_t kSteal = bit(VcpuState::kWaking) | bit(VcpuState::kPreempted);
constexpr std::uint32_t kBusy = bit(VcpuState::kGuest) | bit(VcpuState::kHypervisor) |
                                bit(VcpuState::kUserspace) | bit(VcpuState::kHostIrq) |
                                bit(VcpuState::kEmulated);

/// One kind of series. `states`: of slot 0, for kTime; `slot`: of the bytes.
struct Kind {
  std::string_view id;
  std::string_view name;
  std::string_view unit;
  TableId table;
  How how;
  std::uint32_t states;
  std::size_t slot;
};
constexpr Kind kKinds[] = {
    {"steal", "Steal", "%", TableId::kVcpuState, How::kTime, kSteal, 0},
    {"cpu", "CPU", "%", TableId::kVcpuState, How::kTime, kBusy, 0},
    {"exits", "Exits", "1/s", TableId::kVmExit, How::kCount, 0, 0},
    {"disk", "Disk", "MB/s", TableId::kBlockRequest, How::kBytes, 0, 2},
    {"net", "Network", "MB/s", TableId::kNetPacket, How::kBytes, 0, 2},
};

class Reading {
 public:
  Reading(const Views& views, const SeriesRequest& request)
      : history_(views.history()),
        request_(request),
        width_(static_cast<double>(request.to - request.from) /
               static_cast<double>(request.points)),
        end_(Clock::now() + limits::kSeriesTime) {}

  Status read(const Kind& kind, const std::string& machine,
              const std::vector<model::EntityId>& entities, Series& out) {
    out.id = fmt::format("{}:{}", kind.id, machine);
    out.name = fmt::format("{} {}", kind.name, machine);
    out.unit = kind.unit;
    out.machine = machine;
    out.y.assign(request_.points, 0);
    for (std::size_t i = 0; i < request_.points; ++i) {
      out.x.push_back(request_.from + static_cast<std::int64_t>(width_ * static_cast<double>(i)));
    }
    HostTime known = request_.to;
    for (const model::EntityId entity : entities) {
      VS_ASSIGN(const HostTime reached, read_entity(kind, entity, out.y));
      known = std::min(known, reached);
    }
    scale(kind, entities.size(), out.y);
    for (std::size_t i = 0; known < request_.to && i < out.y.size(); ++i) {
      const bool whole = i + 1 < out.x.size() && out.x[i + 1] <= known;
      if (!whole) out.y[i] = std::numeric_limits<double>::quiet_NaN();
    }
    return {};
  }

 private:
  /// Up to where it came.
  Result<HostTime> read_entity(const Kind& kind, model::EntityId entity, std::vector<double>& y) {
    auto cursor = history_.rows(entity, request_.from, request_.to);
    history::Row row;
    for (std::size_t i = 0; cursor.next(row); ++i) {
      if (i % kRowsPerLook == 0) {
        if (request_.cancel != nullptr && request_.cancel->load()) {
          return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
        }
        if (Clock::now() >= end_) return std::max(row.begin, request_.from);
      }
      add(kind, row, y);
    }
    VS_TRY(cursor.status());
    return request_.to;
  }

  void add(const Kind& kind, const history::Row& row, std::vector<double>& y) const {
    if (kind.how == How::kTime) {
      const std::int64_t state = row.values[0];
      if (state >= 0 && state < 32 && (kind.states >> state & 1U) != 0) share_out(row, y);
      return;
    }
    if (row.begin < request_.from || row.begin >= request_.to) return;
    const std::int64_t bytes = kind.how == How::kBytes ? row.values[kind.slot] : 1;
    if (bytes != model::kNull) y[part_of(row.begin)] += static_cast<double>(bytes);
  }

  [[nodiscard]] std::size_t part_of(HostTime time) const {
    const double scaled = static_cast<double>(time - request_.from) / width_;
    return std::min(static_cast<std::size_t>(std::max(scaled, 0.0)), request_.points - 1);
  }

  void share_out(const history::Row& row, std::vector<double>& y) const {
    const auto begin = static_cast<double>(std::max(row.begin, request_.from) - request_.from);
    const auto end = static_cast<double>(std::min(row.end, request_.to) - request_.from);
    const std::size_t first = part_of(std::max(row.begin, request_.from));
    for (std::size_t i = first; i < y.size(); ++i) {
      const double low = std::max(begin, width_ * static_cast<double>(i));
      const double high = std::min(end, width_ * static_cast<double>(i + 1));
      if (high > low) y[i] += high - low;
      if (width_ * static_cast<double>(i + 1) >= end) return;
    }
  }

  void scale(const Kind& kind, std::size_t entities, std::vector<double>& y) const {
    double by = 1e9 / width_;
    if (kind.how == How::kTime) by = 100 / (width_ * static_cast<double>(entities));
    if (kind.how == How::kBytes) by = 1e3 / width_;
    for (double& value : y) value *= by;
  }

  const history::Reader& history_;
  const SeriesRequest& request_;
  const double width_;
  const Clock::time_point end_;
};

}  // namespace

Result<std::vector<Series>> read_series(const Views& views, const SeriesRequest& request) {
  Reading reading(views, request);
  std::vector<Series> out;
  for (const Kind& kind : kKinds) {
    std::map<std::string, std::vector<model::EntityId>> machines;
    for (const history::Entity& entity : views.history().entities(kind.table)) {
      if (views.history().entity(entity.id).rows == 0) continue;
      machines[std::string(views.history().string(entity.key[0]))].push_back(entity.id);
    }
    for (const auto& [machine, entities] : machines) {
      const std::string id = fmt::format("{}:{}", kind.id, machine);
      const auto& ids = request.ids;
      if (!ids.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) continue;
      Series one;
      VS_TRY(reading.read(kind, machine, entities, one));
      out.push_back(std::move(one));
    }
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
