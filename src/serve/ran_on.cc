#include "serve/ran_on.h"

#include <algorithm>

namespace vs::serve {
namespace {

using model::TableId;
namespace slot = model::slot;

constexpr std::size_t kRowsPerLook = 1024;  // between two looks at `cancel`

bool has_pcpu(std::int64_t state) {
  using S = model::VcpuState;
  constexpr S kStates[] = {S::kGuest,   S::kHypervisor, S::kUserspace,
                           S::kHostIrq, S::kPolling,    S::kEmulated};
  return std::any_of(std::begin(kStates), std::end(kStates),
                     [&](S one) { return state == static_cast<std::int64_t>(one); });
}

/// The CPU that a row ran on; kNull when it did not run, or nobody knows where.
std::int64_t cpu_of(TableId table, std::span<const std::int64_t> values) {
  if (table == TableId::kThreadState) {
    return is_running(table, values[slot::kTsState]) ? values[slot::kTsCpu] : model::kNull;
  }
  return has_pcpu(values[slot::kVsState]) ? values[slot::kVsPcpu] : model::kNull;
}

bool is_known(TableId table) {
  return table == TableId::kThreadState || table == TableId::kVcpuState;
}

void add(std::vector<std::int32_t>& cpus, std::int64_t cpu) {
  const auto place = std::lower_bound(cpus.begin(), cpus.end(), cpu);
  if (place == cpus.end() || *place != cpu) cpus.insert(place, static_cast<std::int32_t>(cpu));
}

Error stopped() { return {ErrorCode::kCancelled, "stopped on request", "", ""}; }

/// Walks rows of one entity, and collects the CPUs of those that ran.
class Walk {
 public:
  Walk(const history::Reader& history, TableId table, model::EntityId entity,
       std::pair<HostTime, HostTime> window)
      : table_(table), cursor_(history.rows(entity, window.first, window.second)) {}
  /// The next row, whose CPU is then in `cpus`.
  bool next(history::Row& row, std::vector<std::int32_t>& cpus) {
    if (!cursor_.next(row)) return false;
    const std::int64_t cpu = cpu_of(table_, row.values);
    // Mostly it stays where it was.
    if (cpu != model::kNull && (cpus.empty() || cpus.back() != cpu)) add(cpus, cpu);
    return true;
  }
  [[nodiscard]] const Status& status() const { return cursor_.status(); }

 private:
  const TableId table_;
  history::RowCursor cursor_;
};

}  // namespace

void RanOn::keep(Track& track, HostTime begin, std::vector<std::int32_t>& cpus) {
  const Run* const last = track.runs.empty() ? nullptr : &track.runs.back();
  Run run{begin, static_cast<std::uint32_t>(cpus_.size()), static_cast<std::uint32_t>(cpus.size())};
  if (last != nullptr && std::ranges::equal(cpus_of(*last), cpus)) {
    run.first = last->first;
  } else {
    cpus_.insert(cpus_.end(), cpus.begin(), cpus.end());
  }
  track.runs.push_back(run);
  cpus.clear();
}

Status RanOn::learn(const history::Reader& history, TableId table, model::EntityId entity,
                    const std::atomic<bool>* cancel) {
  const history::EntityInfo& info = history.entity(entity);
  Track& track = tracks_[entity];
  const HostTime end{info.last_ns};
  if (info.rows == 0 || track.known_to >= end) return {};
  const std::uint64_t length = std::max(kRunRows, history.row_count(table) / kMostRuns);
  Walk walk(history, table, entity, {std::max(track.known_to, HostTime{info.first_ns}), end + 1});
  std::vector<std::int32_t> cpus;
  history::Row row;
  HostTime run_begin;
  std::uint64_t rows = 0;  // of the run
  bool go_on = true;
  for (std::size_t looks = 1; go_on && walk.next(row, cpus); ++looks) {
    if (rows++ == 0) run_begin = row.begin;
    track.known_to = std::max(track.known_to, row.end);
    if (rows >= length) {
      keep(track, run_begin, cpus);
      rows = 0;
    }
    go_on = looks % kRowsPerLook != 0 || cancel == nullptr || !cancel->load();
  }
  if (rows != 0) keep(track, run_begin, cpus);  // also where the next call goes on
  if (!go_on) return stopped();
  return walk.status();
}

Status RanOn::learn(const history::Reader& history, const std::atomic<bool>* cancel) {
  for (const TableId table : {TableId::kThreadState, TableId::kVcpuState}) {
    for (const history::Entity& one : history.entities(table)) {
      VS_TRY(learn(history, table, one.id, cancel));
    }
  }
  return {};
}

Result<std::vector<std::int32_t>> RanOn::cpus_of(const history::Reader& history, const Row& row,
                                                 std::pair<HostTime, HostTime> window) {
  const auto [from, to] = window;
  std::vector<std::int32_t> out;
  const auto found = tracks_.find(*row.entity);
  if (found == tracks_.end()) return out;
  const std::vector<Run>& runs = found->second.runs;
  const auto later = [](HostTime time, const Run& run) { return time < run.begin; };
  auto at = std::upper_bound(runs.begin(), runs.end(), from, later);
  if (at != runs.begin()) --at;
  for (; at != runs.end() && at->begin < to; ++at) {
    const HostTime end = at + 1 == runs.end() ? found->second.known_to : (at + 1)->begin;
    if (at->begin >= from && end <= to) {
      for (const std::int32_t cpu : cpus_of(*at)) add(out, cpu);
      continue;
    }
    Walk walk(history, row.table, *row.entity, {std::max(from, at->begin), std::min(to, end)});
    history::Row one;
    while (walk.next(one, out)) edge_rows_.fetch_add(1);
    VS_TRY(walk.status());
  }
  return out;
}

Result<RanOn::Answer> RanOn::in(const Views& views, const View& view,
                                std::pair<HostTime, HostTime> window,
                                const std::atomic<bool>* cancel) {
  Answer out;
  const std::scoped_lock lock(mutex_);
  VS_TRY(learn(views.history(), cancel));
  for (const Row& row : views.rows(view)) {
    if (cancel != nullptr && cancel->load()) return stopped();
    if (!row.entity || !is_known(row.table)) continue;
    if (row.begin >= window.second || row.end < window.first) continue;
    VS_ASSIGN(auto cpus, cpus_of(views.history(), row, window));
    for (const history::OwnedRow& open : views.open_rows(row)) {
      if (open.begin >= window.second || open.end <= window.first) continue;
      const std::int64_t cpu = cpu_of(row.table, open.values());
      if (cpu != model::kNull) add(cpus, cpu);
    }
    if (!cpus.empty()) out.emplace_back(row.id, std::move(cpus));
  }
  return out;
}

}  // namespace vs::serve
