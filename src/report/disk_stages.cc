#include "report/disk_stages.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "analysis/flow/states.h"
#include "base/escape.h"
#include "query/duration.h"
#include "query/flow_source.h"
#include "report/cells.h"
#include "report/process_rows.h"

namespace vs::report {
namespace {

using analysis::flow::MachineNumber;
using analysis::flow::States;
using analysis::flow::ThreadSpan;
using analysis::flow::VcpuSpan;
using analysis::flow::World;
using model::kNull;
using model::TableId;
using model::ThreadState;
using model::VcpuState;
using model::VprocessState;
namespace slot = model::slot;

constexpr int kMostRows = 256;    ///< of one timeline that are looked at for a stage
constexpr int kMostThreads = 16;  ///< of the VMM that hand a request on to each other

struct Request {
  HostTime issued;
  HostTime queued;
  HostTime end;
  std::int64_t host = kNull;  ///< StringId
  std::int64_t tid = kNull;   ///< who submitted it
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
        {issued, std::max(row.begin, issued + -queue_ns), row.end, entity.key[0],
         row.values[slot::kBrTid]});
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

/// How a thread came to be at work.
struct Came {
  HostTime woken;
  HostTime ran;
  std::int64_t waker = kNull;  ///< a thread of the same machine
  bool before = false;         ///< it was at work at the lower bound already
};

/// What the threads of one host did, seen backwards.
class Threads {
 public:
  Threads(const World& world, MachineNumber host)
      : world_(world), host_(host), states_(world, {analysis::flow::Direction::kBackward}) {}

  /// When the thread that is at work before `time` came to be; nothing when the trace does not
  /// tell.
  Result<std::optional<Came>> came(std::int64_t tid, HostTime time, HostTime low);
  /// Over the wakers of `tid`, which is at work at `time`, down to one that no thread of the VMM
  /// woke: when that one came to work.
  Result<std::optional<Came>> first(std::int64_t tid, HostTime time, HostTime low);
  /// The first time after `low` that a thread of the host woke the vCPU, and who.
  Result<std::optional<std::pair<HostTime, std::int64_t>>> woke_vcpu(std::string_view vm,
                                                                     std::int64_t vcpu,
                                                                     HostTime low, HostTime high);
  void trim() { states_.trim(); }

 private:
  [[nodiscard]] bool is_vcpu(std::int64_t tid, HostTime time) const {
    return world_.vcpu_of_thread(host_, tid, time.ns) != nullptr;
  }
  const World& world_;
  const MachineNumber host_;
  States states_;
};

Result<std::optional<Came>> Threads::came(std::int64_t tid, HostTime time, HostTime low) {
  Came out{time, time};
  bool queued = false;
  for (int i = 0; i < kMostRows; ++i) {
    VS_ASSIGN(const ThreadSpan span, states_.thread_at(host_, tid, out.woken + -1));
    const bool off = span.state == ThreadState::kBlocked || span.state == ThreadState::kFork;
    if (!span.known || span.state == ThreadState::kUnknown) return std::optional<Came>();
    if (off) {
      if (world_.machine_of(span.waker_machine) == host_) out.waker = span.waker_tid;
      return std::optional(out);
    }
    out.woken = span.begin;
    if (span.state == ThreadState::kRunnable) queued = true;
    if (!queued) out.ran = span.begin;
    if (out.woken <= low) {
      out.before = !queued || out.ran <= low;
      return std::optional(out);
    }
  }
  return std::optional<Came>();
}

Result<std::optional<Came>> Threads::first(std::int64_t tid, HostTime time, HostTime low) {
  std::optional<Came> best;
  for (int i = 0; i < kMostThreads; ++i) {
    VS_ASSIGN(const std::optional<Came> one, came(tid, time, low));
    if (!one) break;
    best = one;
    if (one->before || one->woken <= low || one->waker == kNull) break;
    if (is_vcpu(one->waker, one->woken)) break;
    tid = one->waker;
    time = one->woken;
  }
  return best;
}

Result<std::optional<std::pair<HostTime, std::int64_t>>> Threads::woke_vcpu(std::string_view vm,
                                                                            std::int64_t vcpu,
                                                                            HostTime low,
                                                                            HostTime high) {
  std::optional<std::pair<HostTime, std::int64_t>> found;
  const MachineNumber machine = world_.find_machine(vm);
  if (machine == analysis::flow::kNoMachine || vcpu == kNull) return found;
  HostTime time = high;
  for (int i = 0; i < kMostRows && time > low; ++i) {
    VS_ASSIGN(const VcpuSpan span, states_.vcpu_at(machine, vcpu, time + -1));
    time = span.begin;
    const bool woken = span.state == VcpuState::kWaking && span.waker_tid != kNull;
    if (woken && time >= low && !is_vcpu(span.waker_tid, time)) found = {time, span.waker_tid};
  }
  return found;
}

/// The stages of the disk waits of one process.
class Splitter {
 public:
  Splitter(const World& world, const std::vector<Request>* requests, DiskStages& process)
      : world_(world), requests_(requests), process_(process) {}
  [[nodiscard]] Status add(HostTime begin, HostTime end, std::int64_t vcpu);

 private:
  [[nodiscard]] const Request* request_of(HostTime begin, HostTime end) const;
  [[nodiscard]] Status add_front(const Request& request, HostTime begin, HostTime queued);
  [[nodiscard]] Status add_back(const Request& request, HostTime end, std::int64_t vcpu);
  [[nodiscard]] Threads* threads_of(std::int64_t host);
  void stage(std::size_t number, HostTime from, HostTime to) {
    process_.stage_ns[number] += to - from;
  }

  const World& world_;
  const std::vector<Request>* requests_;
  DiskStages& process_;
  std::map<MachineNumber, Threads> threads_;
};

const Request* Splitter::request_of(HostTime begin, HostTime end) const {
  if (requests_ == nullptr) return nullptr;
  const auto after = std::ranges::upper_bound(*requests_, end, {}, &Request::end);
  if (after == requests_->begin() || std::prev(after)->end <= begin) return nullptr;
  return &*std::prev(after);
}

Threads* Splitter::threads_of(std::int64_t host) {
  const MachineNumber machine = world_.machine_of(host);
  if (machine == analysis::flow::kNoMachine) return nullptr;
  return &threads_.try_emplace(machine, world_, machine).first->second;
}

Status Splitter::add(HostTime begin, HostTime end, std::int64_t vcpu) {
  const Request* const request = request_of(begin, end);
  if (request == nullptr) {
    ++process_.unsplit;
    return {};
  }
  ++process_.waits;
  process_.total_ns += end - begin;
  const HostTime queued = std::clamp(request->queued, begin, end);
  const HostTime issued = std::clamp(request->issued, queued, end);
  VS_TRY(add_front(*request, begin, queued));
  stage(2, queued, issued);
  stage(3, issued, request->end);
  return add_back(*request, end, vcpu);
}

Status Splitter::add_front(const Request& request, HostTime begin, HostTime queued) {
  std::optional<Came> first;
  Threads* const threads = threads_of(request.host);
  if (threads != nullptr && request.tid != kNull && queued > begin) {
    VS_ASSIGN(first, threads->first(request.tid, queued, begin));
    threads->trim();
    if (!first) ++process_.kick_unseen;
  }
  const HostTime kicked = first ? std::clamp(first->woken, begin, queued) : begin;
  stage(0, begin, kicked);
  stage(1, kicked, queued);
  return {};
}

Status Splitter::add_back(const Request& request, HostTime end, std::int64_t vcpu) {
  Threads* const threads = threads_of(request.host);
  HostTime runs = request.end;
  HostTime accepted = request.end;
  bool seen = false;
  if (threads != nullptr) {
    VS_ASSIGN(const auto woke, threads->woke_vcpu(process_.machine, vcpu, request.end, end));
    if (woke) {
      VS_ASSIGN(const std::optional<Came> first,
                threads->first(woke->second, woke->first, request.end));
      accepted = woke->first;
      seen = first.has_value();
      if (first && !first->before) runs = std::clamp(first->ran, request.end, accepted);
    }
    threads->trim();
  }
  if (!seen) {
    ++process_.wake_unseen;
    accepted = request.end;
  }
  stage(4, request.end, runs);
  stage(5, runs, accepted);
  stage(6, accepted, end);
  return {};
}

Status add_waits(const query::DataSource& source, const query::EntityKey& entity,
                 const WaitsQuery& query, Splitter& splitter) {
  const auto take = [&](const ProcessRow& row) -> Status {
    if (row.state != VprocessState::kDisk) return {};
    return splitter.add(std::max(row.begin, query.from), std::min(row.end, query.to), row.vcpu);
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
  static constexpr std::array<std::string_view, kDiskStages> kNames = {
      "kick", "submit", "queue", "service", "wake", "complete", "deliver"};
  return kNames;
}

Result<std::vector<DiskStages>> gather_disk_stages(const query::DataSource& source,
                                                   const WaitsQuery& query) {
  VS_ASSIGN(const Requests requests, requests_of(source, query));
  const query::FlowSource flow(source);
  std::vector<DiskStages> out;
  for (const query::EntityKey& entity : source.entities(TableId::kVprocessState)) {
    DiskStages process;
    process.machine = source.string(entity.key[0]);
    if (query.machine && process.machine != *query.machine) continue;
    process.vprocess = source.string(entity.key[1]);
    process.cut = requests.cut;
    const auto list = requests.by_vm.find(process.machine);
    Splitter splitter(flow.world(), list == requests.by_vm.end() ? nullptr : &list->second,
                      process);
    VS_TRY(add_waits(source, entity, query, splitter));
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
  for (const char* const column : {"kick_unseen", "wake_unseen"}) {
    section.columns.emplace_back(column);
  }
  for (const DiskStages& process : processes) {
    model::Row row = {cell(process.machine), cell(process.vprocess), cell(process.waits),
                      cell(process.unsplit), cell(process.total_ns)};
    for (const std::int64_t ns : process.stage_ns) row.push_back(cell(ns));
    row.push_back(cell(process.kick_unseen));
    row.push_back(cell(process.wake_unseen));
    section.rows.push_back(std::move(row));
  }
  return section;
}

namespace {

/// What the table cannot show: "\n  3 of 20 waits ...".
std::string blind_text(std::span<const DiskStages> processes) {
  std::uint64_t waits = 0;
  std::uint64_t unsplit = 0;
  std::uint64_t kicks = 0;
  std::uint64_t wakes = 0;
  for (const DiskStages& process : processes) {
    waits += process.waits;
    unsplit += process.unsplit;
    kicks += process.kick_unseen;
    wakes += process.wake_unseen;
  }
  std::string out;
  const auto line = [&out](std::uint64_t count, std::uint64_t of, std::string_view what) {
    if (count > 0) {
      out += fmt::format("  {} of {} waits: {}\n", count_text(count), count_text(of), what);
    }
  };
  line(unsplit, waits + unsplit, "no request of the host ended in them, so they are not split");
  line(kicks, waits, "nobody was seen to wake the VMM, kick is part of submit");
  line(wakes, waits, "the vCPU was awake, wake and complete are part of deliver");
  return out;
}

}  // namespace

std::string disk_stage_text(std::span<const DiskStages> processes, const TextOptions& options) {
  if (processes.empty()) return "\nno process waited for a disk\n";
  const Painter paint(options.colour);
  std::vector<Grid::Column> columns = {{"disk waits, %"}, {"waits", true}, {"mean", true}};
  for (const std::string_view name : disk_stage_names()) {
    columns.push_back({std::string(name), true});
  }
  Grid grid(std::move(columns));
  for (const DiskStages& process : processes) {
    const auto mean_ns =
        process.waits == 0 ? 0 : process.total_ns / static_cast<std::int64_t>(process.waits);
    const std::string name = process.machine + "/" + process.vprocess;
    std::vector<Piece> row = {{clip(terminal_text(name), 24), Tone::kPlain, 0},
                              {count_text(process.waits), Tone::kPlain, 0},
                              {query::duration_text(mean_ns), Tone::kPlain, 0}};
    for (std::size_t i = 0; i < kDiskStages; ++i) {
      row.push_back({percent_text(share(process, i)), Tone::kPlain, 0});
    }
    grid.add(std::move(row));
  }
  return "\n" + grid.render(paint, 0) + blind_text(processes);
}

}  // namespace vs::report
