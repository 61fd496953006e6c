// The backward walk over the rows of a VM's processes.

#include "report/process_path.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/database.h"
#include "report/process_rows.h"
#include "report/waits.h"

namespace vs::report {
namespace {

using model::kNull;
using model::TableId;
using model::VprocessState;

/// Rows of one process in time order; they tile its life.
struct Process {
  std::string name;
  std::vector<ProcessRow> rows;
};

bool runs(const ProcessRow& row) {
  return row.state == VprocessState::kRoot || row.state == VprocessState::kNonroot;
}

/// The row that ends the time before `t`: begin < t <= end.
const ProcessRow* row_before(const Process& process, HostTime t) {
  const auto after = std::ranges::lower_bound(process.rows, t, {}, &ProcessRow::begin);
  if (after == process.rows.begin() || std::prev(after)->end < t) return nullptr;
  return &*std::prev(after);
}

struct Walk {
  const query::DataSource& source;
  std::map<std::int64_t, Process> processes;  ///< by the StringId of the name
  std::vector<ProcessPathPiece> pieces;       ///< latest first

  Status load(std::string_view machine, const ProcessPathQuery& query);
  Status load_rows(const query::EntityKey& entity, const ProcessPathQuery& query);

  [[nodiscard]] const Process* waker_of(const ProcessRow& row, HostTime t) const;
  void add(const Process& process, const ProcessRow& row, HostTime begin, HostTime end, int depth);
  void of_process(const Process& process, HostTime begin, HostTime end);
  void of_machine(HostTime begin, HostTime end);
  [[nodiscard]] std::pair<const Process*, HostTime> ran_last(HostTime t) const;

  std::size_t count = 0;
};

Status Walk::load_rows(const query::EntityKey& entity, const ProcessPathQuery& query) {
  Process process;
  process.name = source.string(entity.key[1]);
  const auto take = [&](const ProcessRow& row) -> Status {
    if (++count > ProcessPath::kMaxRows) {
      return Error{ErrorCode::kLimit,
                   fmt::format("the path would need more than {} rows", ProcessPath::kMaxRows), "",
                   "look at less with --from and --to"};
    }
    if (row.begin < row.end) process.rows.push_back(row);
    return {};
  };
  VS_TRY(each_process_row(source, entity.id, query.from, query.to, take));
  if (!process.rows.empty()) processes.emplace(entity.key[1], std::move(process));
  return {};
}

Status Walk::load(std::string_view machine, const ProcessPathQuery& query) {
  for (const query::EntityKey& entity : source.entities(TableId::kVprocessState)) {
    if (source.string(entity.key[0]) != machine) continue;
    VS_TRY(load_rows(entity, query));
  }
  return {};
}

/// Who ended this wait at `t`, if it lived then.
const Process* Walk::waker_of(const ProcessRow& row, HostTime t) const {
  if (row.state != VprocessState::kTask || row.waker == kNull || row.end != t) return nullptr;
  const auto found = processes.find(row.waker);
  if (found == processes.end() || row_before(found->second, t) == nullptr) return nullptr;
  return &found->second;
}

void Walk::add(const Process& process, const ProcessRow& row, HostTime begin, HostTime end,
               int depth) {
  ProcessPathPiece piece{begin, end, depth, process.name, row.vcpu, row.state, "", "", row.lossy};
  if (row.waker != kNull) piece.waker = source.string(row.waker);
  if (row.device != kNull) piece.device = source.string(row.device);
  pieces.push_back(std::move(piece));
}

void Walk::of_process(const Process& process, HostTime begin, HostTime end) {
  struct Frame {
    const Process* process;
    HostTime low;               ///< where the wait began that brought us here
    const ProcessRow* waiting;  ///< that wait, of the frame below
  };
  std::vector<Frame> stack = {{&process, begin, nullptr}};
  for (HostTime t = end; t > begin;) {
    const Frame frame = stack.back();
    if (t <= frame.low) {
      stack.pop_back();
      continue;
    }
    const int depth = static_cast<int>(stack.size()) - 1;
    const ProcessRow* const row = row_before(*frame.process, t);
    if (row == nullptr) {
      // The waker did not live yet: the rest of the wait stays one.
      if (frame.waiting == nullptr) return;
      stack.pop_back();
      add(*stack.back().process, *frame.waiting, frame.low, t, depth - 1);
      t = frame.low;
      continue;
    }
    const HostTime low = std::max(row->begin, frame.low);
    const Process* const waker = waker_of(*row, t);
    // Whoever is on the stack waits just now: to go on there would go round in a circle.
    if (waker != nullptr && std::ranges::find(stack, waker, &Frame::process) == stack.end()) {
      stack.push_back({waker, low, row});
      continue;
    }
    add(*frame.process, *row, low, t, depth);
    t = low;
  }
}

/// The process that ran latest before `t`, and until when; null when none did.
std::pair<const Process*, HostTime> Walk::ran_last(HostTime t) const {
  std::pair<const Process*, HostTime> best{nullptr, kHostTimeMin};
  for (const auto& [id, process] : processes) {
    auto row = std::ranges::lower_bound(process.rows, t, {}, &ProcessRow::begin);
    while (row != process.rows.begin() && !runs(*std::prev(row))) --row;
    if (row == process.rows.begin()) continue;
    const HostTime until = std::min(std::prev(row)->end, t);
    const bool first = best.first == nullptr || until > best.second;
    if (first || (until == best.second && process.name < best.first->name)) {
      best = {&process, until};
    }
  }
  return best;
}

void Walk::of_machine(HostTime begin, HostTime end) {
  const Process* process = ran_last(end).first;
  std::set<const Process*> seen;  // at this instant
  for (HostTime t = end; t > begin;) {
    const ProcessRow* const row = process == nullptr ? nullptr : row_before(*process, t);
    HostTime low = begin;
    if (row == nullptr) {
      const auto [next, until] = ran_last(t);
      low = next == nullptr ? begin : std::max(begin, until);
      if (low < t) pieces.push_back({low, t, 0, "", kNull, VprocessState::kUnknown, "", "", false});
      process = next;
    } else {
      const Process* const waker = waker_of(*row, t);
      seen.insert(process);
      if (waker != nullptr && !seen.contains(waker)) {
        process = waker;
        continue;
      }
      low = std::max(begin, row->begin);
      add(*process, *row, low, t, 0);
    }
    seen.clear();
    t = low;
  }
}

/// The names that `word` may have meant, as a hint.
std::string meant(std::string_view word, std::span<const std::string> names,
                  std::string_view prefix) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (const auto near = query::nearest(word, views)) {
    return fmt::format("did you mean --path {}{}?", terminal_text(prefix), terminal_text(*near));
  }
  return names.empty() ? "no process of a VM was seen to run"
                       : "there are " + terminal_text(name_list(names, 8));
}

struct Target {
  std::string machine;
  std::string vprocess;
};

Result<Target> find_target(const query::DataSource& source, std::string_view text) {
  std::map<std::string, std::vector<std::string>> names;
  for (const query::EntityKey& entity : source.entities(TableId::kVprocessState)) {
    names[std::string(source.string(entity.key[0]))].emplace_back(source.string(entity.key[1]));
  }
  if (names.contains(std::string(text))) return Target{std::string(text), ""};
  const std::size_t slash = text.rfind('/');
  Target target{std::string(text.substr(0, slash)), ""};
  const auto machine = names.find(target.machine);
  if (machine == names.end()) {
    std::vector<std::string> machines;
    for (const auto& [name, list] : names) machines.push_back(name);
    return Error{ErrorCode::kBadUse,
                 fmt::format("no process of a VM {} was seen", terminal_text(target.machine)), "",
                 meant(target.machine, machines, "")};
  }
  target.vprocess = text.substr(slash + 1);
  std::ranges::sort(machine->second);
  if (!std::ranges::binary_search(machine->second, target.vprocess)) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("{} has no process {}", terminal_text(target.machine),
                             terminal_text(target.vprocess)),
                 "", meant(target.vprocess, machine->second, target.machine + "/")};
  }
  return target;
}

void sum_up(ProcessPath& path) {
  std::map<std::pair<std::string, VprocessState>, ProcessPathShare> sums;
  for (const ProcessPathPiece& piece : path.pieces) {
    ProcessPathShare& sum = sums[{piece.vprocess, piece.state}];
    sum.vprocess = piece.vprocess;
    sum.state = piece.state;
    sum.total_ns += piece.end - piece.begin;
    ++sum.count;
  }
  std::vector<std::int64_t> parts;
  for (auto& [key, sum] : sums) {
    parts.push_back(sum.total_ns);
    path.shares.push_back(std::move(sum));
  }
  const auto milli = largest_remainder(parts);
  for (std::size_t i = 0; i < milli.size(); ++i) path.shares[i].milli_percent = milli[i];
  std::ranges::stable_sort(path.shares, std::greater<>{}, &ProcessPathShare::total_ns);
}

}  // namespace

Result<ProcessPath> gather_process_path(const query::DataSource& source,
                                        const ProcessPathQuery& query) {
  VS_ASSIGN(const Target target, find_target(source, query.target));
  Walk walk{source, {}, {}};
  VS_TRY(walk.load(target.machine, query));
  ProcessPath path{target.machine, target.vprocess, query.to, query.from, {}, {}};
  const Process* start = nullptr;
  for (const auto& [id, process] : walk.processes) {
    if (!target.vprocess.empty() && process.name != target.vprocess) continue;
    start = &process;
    path.begin = std::min(path.begin, std::max(query.from, process.rows.front().begin));
    path.end = std::max(path.end, std::min(query.to, process.rows.back().end));
  }
  if (start == nullptr) {
    path.begin = path.end = query.from;  // it did not live in this window
    return path;
  }
  if (target.vprocess.empty()) {
    walk.of_machine(path.begin, path.end);
  } else {
    walk.of_process(*start, path.begin, path.end);
  }
  std::ranges::reverse(walk.pieces);
  path.pieces = std::move(walk.pieces);
  sum_up(path);
  return path;
}

}  // namespace vs::report
