// Arrows between rows: who woke a thread, who took a vCPU's pCPU, where a vCPU moved.

#include <algorithm>

#include "serve/views.h"

namespace vs::serve {
namespace {

using model::TableId;
namespace slot = model::slot;

constexpr std::int64_t kParts = 8;  // of the window, where a row has more intervals than its share

/// Collects the arrows of one answer.
class Arrows {
 public:
  Arrows(const Views& views, const View& view, const ArrowRequest& request)
      : views_(views), history_(views.history()), view_(view), request_(request) {}

  /// What draws arrows from an interval; `before` is the one before it, where it was seen.
  using Draw = void (Arrows::*)(const Row& row, const history::Row& one,
                                const std::optional<history::Row>& before);

  void want(std::int32_t row) { wanted_.push_back(row); }
  void sort_wanted() { std::sort(wanted_.begin(), wanted_.end()); }

  /// Walks the intervals of an entity, at most `most` of them, from parts of the window that lie
  /// evenly in it when there are more.
  Status walk(model::EntityId entity, const Row& row, std::size_t most, Draw draw) {
    const history::EntityInfo& info = history_.entity(entity);
    const auto life = static_cast<double>(std::max<std::int64_t>(1, info.last_ns - info.first_ns));
    const auto span = static_cast<double>(request_.to - request_.from);
    const double expected = static_cast<double>(info.rows) * std::min(1.0, span / life);
    const std::int64_t parts = expected > static_cast<double>(most) ? kParts : 1;
    for (std::int64_t i = 0; i < parts; ++i) {
      const std::int64_t width = (request_.to - request_.from) / parts;
      const HostTime from = request_.from + width * i;
      const HostTime to = i + 1 == parts ? request_.to : from + width;
      VS_TRY(walk_part({entity, from, to}, row, most / static_cast<std::size_t>(parts), draw));
    }
    return {};
  }

  void wakeup(const Row& row, const history::Row& one, const std::optional<history::Row>& before) {
    if (!before) last_wakeup_.reset();
    if (one.values[slot::kTsWakerTid] == model::kNull) return;
    // A wait ends with the wake-up; time spent runnable, which keeps the waker, begins with it.
    const bool waits =
        one.values[slot::kTsState] != static_cast<std::int64_t>(model::ThreadState::kRunnable);
    const HostTime when = waits ? one.end : one.begin;
    if (!inside(when) || last_wakeup_ == when) return;
    last_wakeup_ = when;
    const auto machine = history_.string(one.values[slot::kTsWakerMachine]);
    const auto waker = views_.entity(TableId::kThreadState, machine, one.values[slot::kTsWakerTid]);
    add(ArrowKind::kWakeup, waker, row.id, {when, when}, "wakes");
  }

  void preemption(const Row& row, const history::Row& one, const std::optional<history::Row>&) {
    if (one.values[slot::kPrByVcpu] == model::kNull || !inside(one.begin)) return;
    const auto machine = history_.string(one.values[slot::kPrByMachine]);
    const auto by = views_.entity(TableId::kVcpuState, machine, one.values[slot::kPrByVcpu]);
    add(ArrowKind::kPreempt, by, row.id, {one.begin, one.begin}, "preempts");
  }

  /// A vCPU that goes on on another pCPU of its host.
  void migration(const Row& row, const history::Row& one,
                 const std::optional<history::Row>& before) {
    if (!before || !inside(one.begin) || last_pcpu_ == one.values[slot::kVsPcpu]) return;
    const std::string_view host = views_.host_of(row.machine);
    const auto from = views_.entity(TableId::kFusedCpu, host, last_pcpu_);
    const auto to = views_.entity(TableId::kFusedCpu, host, one.values[slot::kVsPcpu]);
    const auto target = to ? views_.row_of(view_, *to) : std::nullopt;
    if (!target || !is_wanted(*target)) return;
    add(ArrowKind::kMigrate, from, *target, {before->end, one.begin},
        row.machine + " " + row.label);
  }

  ArrowList take() {
    std::stable_sort(out_.arrows.begin(), out_.arrows.end(),
                     [](const Arrow& a, const Arrow& b) { return a.from < b.from; });
    if (out_.arrows.size() <= request_.limit) return std::move(out_);
    // Those that stay are spread over the whole window.
    out_.truncated = true;
    const std::size_t all = out_.arrows.size();
    for (std::size_t i = 0; i < request_.limit; ++i) {
      out_.arrows[i] = std::move(out_.arrows[i * all / request_.limit]);
    }
    out_.arrows.resize(request_.limit);
    return std::move(out_);
  }

 private:
  struct Part {
    model::EntityId entity;
    HostTime from;
    HostTime to;
  };

  Status walk_part(const Part& part, const Row& row, std::size_t most, Draw draw) {
    auto cursor = history_.rows(part.entity, part.from, part.to);
    history::Row one;
    std::optional<history::Row> before;
    for (std::size_t i = 0; cursor.next(one); ++i) {
      if (i >= most) {
        out_.truncated = true;
        break;
      }
      if (request_.cancel != nullptr && request_.cancel->load()) {
        return Error{ErrorCode::kCancelled, "stopped on request", "", ""};
      }
      const bool placed = row.table == TableId::kVcpuState && part.entity == row.entity;
      if (placed && one.values[slot::kVsPcpu] == model::kNull) continue;
      (this->*draw)(row, one, before);
      before = history::Row{one.begin, one.end, {}};
      if (placed) last_pcpu_ = one.values[slot::kVsPcpu];
    }
    return cursor.status();
  }

  [[nodiscard]] bool inside(HostTime time) const {
    return time >= request_.from && time < request_.to;
  }
  [[nodiscard]] bool is_wanted(std::int32_t row) const {
    return std::binary_search(wanted_.begin(), wanted_.end(), row);
  }

  void add(ArrowKind kind, const std::optional<model::EntityId>& from, std::int32_t to,
           std::pair<HostTime, HostTime> when, std::string label) {
    const auto source = from ? views_.row_of(view_, *from) : std::nullopt;
    if (!source) return;
    out_.arrows.push_back({kind, *source, to, when.first, when.second, std::move(label)});
  }

  const Views& views_;
  const history::Reader& history_;
  const View& view_;
  const ArrowRequest& request_;
  std::vector<std::int32_t> wanted_;
  std::int64_t last_pcpu_ = model::kNull;  // of the interval before
  std::optional<HostTime> last_wakeup_;    // a wait and the runnable time after it tell of one
  ArrowList out_;
};

/// One walk: the intervals of an entity, and what they draw at a row.
struct Walk {
  model::EntityId entity;
  const Row* row;
  Arrows::Draw draw;
};

std::vector<Walk> walks_of(const Views& views, const View& view, const ArrowRequest& request) {
  std::vector<Walk> out;
  bool pcpus = false;
  for (const std::int32_t id : request.rows) {
    const Row* const row = views.row(id);
    if (row == nullptr || !row->entity) continue;
    pcpus = pcpus || row->kind == RowKind::kPcpu;
    if (row->kind == RowKind::kThread) out.push_back({*row->entity, row, &Arrows::wakeup});
    if (row->kind != RowKind::kVcpu) continue;
    const auto lost = views.entity(TableId::kPreemption, row->machine, *row->vcpu);
    if (lost) out.push_back({*lost, row, &Arrows::preemption});
  }
  if (!pcpus || view.id != "fused") return out;
  for (const Row& row : views.rows(*views.find("vms"))) {
    if (row.kind == RowKind::kVcpu) out.push_back({*row.entity, &row, &Arrows::migration});
  }
  return out;
}

}  // namespace

Result<ArrowList> Views::arrows(const View& view, const ArrowRequest& request) const {
  Arrows arrows(*this, view, request);
  for (const std::int32_t id : request.rows) arrows.want(id);
  arrows.sort_wanted();
  const std::vector<Walk> walks = walks_of(*this, view, request);
  for (const Walk& walk : walks) {
    const std::size_t most = std::max<std::size_t>(64, request.most_rows / walks.size());
    VS_TRY(arrows.walk(walk.entity, *walk.row, most, walk.draw));
  }
  return arrows.take();
}

}  // namespace vs::serve
