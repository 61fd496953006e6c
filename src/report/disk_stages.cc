#include "report/disk_stages.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/process_rows.h"

namespace vs::report {
namespace {

using model::kNull;
using model::TableId;
using model::VprocessState;
namespace slot = model::slot;

struct Request {
  HostTime issued;
  HostTime queued;
  HostTime end;
};

/// Finished requests of each VM, by end.
struct Requests {
  std::map<std::string, std::vector<Request>> by_vm;
  std::size_t count = 0;
  bool cut = false;
};

Status add_requests(const query::DataSource& source, const query::EntityKey& entity,
                    const WaitsQuery& query, Requests& requests) {
  VS_ASSIGN(const auto rows, source.rows(entity.id, query.from, query.to));
  query::IntervalView row;
  for (;;) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) return {};
    const std::int64_t service_ns = row.values[slot::kBrServiceNs];
    if (row.values[slot::kBrVm] == kNull || service_ns == kNull) continue;
    if (requests.count == DiskStages::kMaxRequests) {
      requests.cut = true;
      return {};
    }
    const HostTime issued = std::max(row.begin, row.end + -service_ns);
    const std::int64_t queue_ns = std::max<std::int64_t>(row.values[slot::kBrQueueNs], 0);
    requests.by_vm[std::string(source.string(row.values[slot::kBrVm]))].push_back(
        {issued, std::max(row.begin, issued + -queue_ns), row.end});
    ++requests.count;
  }
}

Result<Requests> requests_of(const query::DataSource& source, const WaitsQuery& query) {
  Requests requests;
  for (const query::EntityKey& entity : source.entities(TableId::kBlockRequest)) {
    VS_TRY(add_requests(source, entity, query, requests));
  }
  for (auto& [vm, list] : requests.by_vm) std::ranges::sort(list, {}, &Request::end);
  return requests;
}

void split(HostTime begin, HostTime end, const std::vector<Request>* requests,
           DiskStages& process) {
  const Request* last = nullptr;
  if (requests != nullptr) {
    const auto after = std::ranges::upper_bound(*requests, end, {}, &Request::end);
    if (after != requests->begin() && std::prev(after)->end > begin) last = &*std::prev(after);
  }
  if (last == nullptr) {
    ++process.unsplit;
    return;
  }
  ++process.waits;
  process.total_ns += end - begin;
  const HostTime queued = std::clamp(last->queued, begin, end);
  const HostTime issued = std::clamp(last->issued, queued, end);
  process.stage_ns[0] += queued - begin;
  process.stage_ns[1] += issued - queued;
  process.stage_ns[2] += last->end - issued;
  process.stage_ns[3] += end - last->end;
}

Status add_waits(const query::DataSource& source, const query::EntityKey& entity,
                 const WaitsQuery& query, const std::vector<Request>* requests,
                 DiskStages& process) {
  const auto take = [&](const ProcessRow& row) -> Status {
    if (row.state != VprocessState::kDisk) return {};
    split(std::max(row.begin, query.from), std::min(row.end, query.to), requests, process);
    return {};
  };
  return each_process_row(source, entity.id, query.from, query.to, take);
}

double share(const DiskStages& process, std::size_t stage) {
  return process.total_ns <= 0
             ? 0
             : static_cast<double>(process.stage_ns[stage]) / static_cast<double>(process.total_ns);
}

}  // namespace

std::span<const std::string_view> disk_stage_names() {
  static constexpr std::array<std::string_view, kDiskStages> kNames = {"submit", "queue", "service",
                                                                       "deliver"};
  return kNames;
}

Result<std::vector<DiskStages>> gather_disk_stages(const query::DataSource& source,
                                                   const WaitsQuery& query) {
  VS_ASSIGN(const Requests requests, requests_of(source, query));
  std::vector<DiskStages> out;
  for (const query::EntityKey& entity : source.entities(TableId::kVprocessState)) {
    DiskStages process;
    process.machine = source.string(entity.key[0]);
    if (query.machine && process.machine != *query.machine) continue;
    process.vprocess = source.string(entity.key[1]);
    process.cut = requests.cut;
    const auto list = requests.by_vm.find(process.machine);
    VS_TRY(add_waits(source, entity, query, list == requests.by_vm.end() ? nullptr : &list->second,
                     process));
    if (process.waits + process.unsplit > 0) out.push_back(std::move(process));
  }
  std::sort(out.begin(), out.end(), [](const DiskStages& a, const DiskStages& b) {
    if (a.machine != b.machine) return a.machine < b.machine;
    if (a.total_ns != b.total_ns) return a.total_ns > b.total_ns;
    return a.vprocess < b.vprocess;
  });
  return out;
}

Section disk_stage_section(std::span<const DiskStages> processes) {
  Section section{"disk_stage", {"machine", "vprocess", "waits", "unsplit", "total_ns"}, {}};
  for (const std::string_view name : disk_stage_names()) {
    section.columns.push_back(std::string(name) + "_ns");
  }
  for (const DiskStages& process : processes) {
    model::Row row = {cell(process.machine), cell(process.vprocess), cell(process.waits),
                      cell(process.unsplit), cell(process.total_ns)};
    for (const std::int64_t ns : process.stage_ns) row.push_back(cell(ns));
    section.rows.push_back(std::move(row));
  }
  return section;
}

std::string disk_stage_text(std::span<const DiskStages> processes, const TextOptions& options) {
  if (processes.empty()) return "\nno process waited for a disk\n";
  const Painter paint(options.colour);
  Grid grid({{"disk waits, %"},
             {"VM"},
             {"waits", true},
             {"mean", true},
             {"submit", true},
             {"queue", true},
             {"service", true},
             {"deliver", true},
             {"no request", true}});
  for (const DiskStages& process : processes) {
    const auto mean_ns =
        process.waits == 0 ? 0 : process.total_ns / static_cast<std::int64_t>(process.waits);
    std::vector<Piece> row = {{clip(terminal_text(process.vprocess), 20), Tone::kPlain, 0},
                              {clip(terminal_text(process.machine), 16), Tone::kPlain, 0},
                              {count_text(process.waits), Tone::kPlain, 0},
                              {query::duration_text(mean_ns), Tone::kPlain, 0}};
    for (std::size_t i = 0; i < kDiskStages; ++i) {
      row.push_back({percent_text(share(process, i)), Tone::kPlain, 0});
    }
    row.push_back({count_text(process.unsplit), Tone::kPlain, 0});
    grid.add(std::move(row));
  }
  return "\n" + grid.render(paint, 0);
}

}  // namespace vs::report
