// Which thread --task means, and which wait it comes back to.

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/database.h"
#include "query/flow_source.h"
#include "report/cells.h"
#include "report/text.h"
#include "report/why_parts.h"

namespace vs::report::why {
namespace {

namespace flow = analysis::flow;
using model::kNull;
using model::ThreadState;

constexpr std::size_t kFewestWaits = 3;

struct Candidate {
  std::int64_t tid = 0;
  std::string comm;
};

// Threads of a machine, one per id, with each name that it had.
std::vector<Candidate> threads_of(const flow::World& world, flow::MachineNumber machine) {
  std::vector<Candidate> list;
  const std::string_view name = world.machine(machine).name;
  for (const model::Row& row : world.source().small(model::TableId::kThread).rows) {
    const auto tid = integer_at(row, 1);
    if (text_at(row, 0) == name && tid) list.push_back({*tid, text_at(row, 4)});
  }
  return list;
}

Error no_such_task(const flow::World& world, flow::MachineNumber machine, std::string_view word,
                   const std::vector<Candidate>& threads) {
  std::vector<std::string_view> names;
  for (const Candidate& thread : threads) names.push_back(thread.comm);
  const std::string name = terminal_text(world.machine(machine).name);
  std::string hint = threads.empty()
                         ? fmt::format("no thread of {} is known: record its trace", name)
                         : "virtscope query TRACE... \"SELECT tid, comm FROM thread\"";
  if (const auto near = query::nearest(word, names)) {
    hint = fmt::format("did you mean {}/{}?", name, terminal_text(*near));
  }
  return {ErrorCode::kBadUse, fmt::format("{} has no task {}", name, terminal_text(word)), "",
          hint};
}

Result<Task> by_name(const flow::World& world, flow::MachineNumber machine, std::string_view word) {
  const auto threads = threads_of(world, machine);
  std::vector<std::int64_t> found;
  for (const Candidate& thread : threads) {
    if (thread.comm == word && std::find(found.begin(), found.end(), thread.tid) == found.end()) {
      found.push_back(thread.tid);
    }
  }
  if (found.empty()) return no_such_task(world, machine, word, threads);
  if (found.size() == 1) return Task{machine, found.front()};
  std::vector<std::string> names;
  for (const std::int64_t tid : found) {
    names.push_back(fmt::format("{}/{}", terminal_text(world.machine(machine).name), tid));
  }
  return Error{ErrorCode::kBadUse,
               fmt::format("{} threads of {} are called {}", found.size(),
                           terminal_text(world.machine(machine).name), terminal_text(word)),
               "", "say which: " + name_list(names, 6)};
}

// "critical" instead of "vm1/critical": where there is a task of this name or number.
std::string with_machine(const flow::World& world, std::string_view word) {
  std::vector<std::string> names;
  for (const model::Row& row : world.source().small(model::TableId::kThread).rows) {
    const auto tid = integer_at(row, 1);
    const bool same = tid && (text_at(row, 4) == word || std::to_string(*tid) == word);
    if (!same) continue;
    std::string name = terminal_text(text_at(row, 0)) + "/" + terminal_text(word);
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  constexpr std::size_t kMost = 4;
  if (names.empty()) return "--task MACHINE/TID or MACHINE/COMM";
  return names.size() == 1 ? "did you mean " + names.front() + "?"
                           : "say which: " + name_list(names, kMost);
}

}  // namespace

Result<Task> find_task(const flow::World& world, const std::string& text) {
  // A machine's name may hold a slash: the longest one that fits.
  flow::MachineNumber machine = flow::kNoMachine;
  std::size_t length = 0;
  for (flow::MachineNumber m = 0; m < world.machines().size(); ++m) {
    const std::string_view name = world.machine(m).name;
    const bool fits = text.size() > name.size() && text.starts_with(name) &&
                      text[name.size()] == '/' && name.size() >= length;
    if (!fits) continue;
    machine = m;
    length = name.size();
  }
  if (machine == flow::kNoMachine) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos && world.find_machine(text) == flow::kNoMachine) {
      return Error{ErrorCode::kBadUse,
                   fmt::format("--task {} names no machine", terminal_text(text)), "",
                   with_machine(world, text)};
    }
    VS_ASSIGN(machine, query::find_machine(world, std::string_view(text).substr(0, slash)));
    length = std::min(slash, text.size());
  }
  const std::string_view word = std::string_view(text).substr(std::min(text.size(), length + 1));
  if (word.empty()) {
    return Error{ErrorCode::kBadUse, fmt::format("--task {} names no thread", terminal_text(text)),
                 "", "--task MACHINE/TID or MACHINE/COMM"};
  }
  std::int64_t tid = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), tid);
  const bool number = error == std::errc() && end == word.data() + word.size();
  if (!number) return by_name(world, machine, word);
  VS_TRY(query::require_thread(world, machine, tid));
  return Task{machine, tid};
}

Result<std::vector<Wait>> waits_of(const flow::World& world, const flow::TaskWindow& task) {
  std::vector<Wait> waits;
  flow::States states(world, {});
  std::int64_t syscall = kNull;
  bool in_wait = false;
  for (HostTime now = task.begin; now < task.end;) {
    states.trim();
    VS_ASSIGN(const flow::ThreadSpan span, states.thread_at(task.machine, task.tid, now));
    if (span.state == ThreadState::kUser) syscall = kNull;
    if (span.state == ThreadState::kSyscall) syscall = span.detail;
    const bool blocked = span.state == ThreadState::kBlocked;
    if (blocked && in_wait) {
      waits.back().end = span.end;
      waits.back().cause = span.detail;
    } else if (blocked) {
      waits.push_back({std::max(span.begin, task.begin), span.end, syscall, span.detail});
    }
    in_wait = blocked;
    now = span.end;
  }
  return waits;
}

namespace {

struct WaitGroup {
  std::size_t count = 0;
  std::int64_t total_ns = 0;
  std::int64_t for_others_ns = 0;
};

// A disk, a peer or another task keeps a task from its work; a timer or a key press begins it.
bool waits_for_others(std::string_view cause) {
  return cause == "disk" || cause == "network" || cause == "task" || cause == "ipi";
}

// The system call tells best what a task waits for; without it, the cause.
std::pair<std::int64_t, std::int64_t> key_of(const Wait& wait) {
  return wait.syscall != kNull ? std::pair{wait.syscall, kNull} : std::pair{kNull, wait.cause};
}

}  // namespace

Iterations iterations_of(const flow::World& world, const std::vector<Wait>& waits) {
  std::map<std::pair<std::int64_t, std::int64_t>, WaitGroup> groups;
  for (const Wait& wait : waits) {
    WaitGroup& group = groups[key_of(wait)];
    const std::int64_t waited_ns = wait.end - wait.begin;
    ++group.count;
    group.total_ns += waited_ns;
    const bool others = wait.cause != kNull && waits_for_others(world.source().string(wait.cause));
    if (others) group.for_others_ns += waited_ns;
  }
  const std::pair<std::int64_t, std::int64_t>* best = nullptr;
  for (const auto& [key, group] : groups) {
    if (group.count < kFewestWaits) continue;
    if (best == nullptr || group.total_ns > groups[*best].total_ns) best = &key;
  }
  Iterations out;
  if (best == nullptr) return out;
  out.waits_in = world.source().string(best->first != kNull ? best->first : best->second);
  out.with_wait = groups[*best].for_others_ns * 2 > groups[*best].total_ns;
  std::optional<HostTime> begin;
  for (const Wait& wait : waits) {
    if (key_of(wait) != *best) continue;
    if (begin) {
      Iteration made;
      made.number = out.list.size() + 1;
      made.begin = *begin;
      made.end = out.with_wait ? wait.end : wait.begin;
      out.list.push_back(std::move(made));
    }
    begin = wait.end;
  }
  return out;
}

}  // namespace vs::report::why
