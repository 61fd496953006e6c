// flow_bench [EVENTS]: execution flow and critical path over histories of 1, 4 and 16 times
// EVENTS / 16 events (default 10 million), all in one window, and entering the largest at 1,000
// places. A guest task and two workers hand work to each other; below them a vCPU that exits, is
// robbed and halts. Then the same sizes of a task that reads from a disk beside another VM: whose
// requests were in its way. Times are CPU seconds of this thread.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "analysis/flow/critical_path.h"
#include "analysis/flow/disk_neighbours.h"
#include "analysis/flow/execution_flow.h"
#include "base/strings.h"
#include "history/reader.h"
#include "history/writer.h"

namespace {

using namespace vs;
using model::kNull;
using model::TableId;
using model::ThreadState;
using model::VcpuState;
namespace flow = analysis::flow;

double now() {
  struct timespec time {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void die(const Error& error) {
  fmt::print(stderr, "{}\n", error.to_string());
  std::exit(1);
}
template <typename T>
T take(Result<T> result) {
  if (!result.ok()) die(result.error());
  return std::move(result).value();
}

constexpr std::int64_t kThreads = 3;
constexpr std::int64_t kEventsPerRound = 16;  ///< switches, wake-ups, entries and exits of a round

/// Writes the rows that an analysis would make of `rounds` rounds.
class Script {
 public:
  explicit Script(history::Writer& writer) : writer_(writer) {
    vm_ = writer.intern("vm1");
    comm_ = writer.intern("task");
    task_cause_ = writer.intern("task");
    reason_ = writer.intern("NPF");
    vm2_ = writer.intern("vm2");
    (void)writer.intern("host");
    for (std::int64_t i = 0; i < kThreads; ++i) {
      threads_[i] = entity(TableId::kThreadState, 1 + i);
    }
    vcpu_ = entity(TableId::kVcpuState, 0);
    robbed_ = entity(TableId::kPreemption, 0);
    cpu_ = entity(TableId::kPcpuState, 0);
  }
  // Thread i runs with an exit and a loss of the pCPU inside, then wakes the next and sleeps.
  void round(std::int64_t i) {
    const std::int64_t who = i % kThreads;
    const std::int64_t begin = 1000 * i;
    vcpu(begin, begin + 300, VcpuState::kGuest);
    vcpu(begin + 300, begin + 400, VcpuState::kHypervisor);
    vcpu(begin + 400, begin + 600, VcpuState::kGuest);
    vcpu(begin + 600, begin + 700, VcpuState::kPreempted);
    vcpu(begin + 700, begin + 1000, VcpuState::kGuest);
    add(robbed_, begin + 600, begin + 700, {kNull, kNull, 1, 0, vm2_, 0, 77, comm_});
    add(cpu_, begin, begin + 1000, {2, 1 + who, comm_, 0});
    thread(who, begin, begin + 350, ThreadState::kUser, kNull);
    thread(who, begin + 350, begin + 360, ThreadState::kIrq, kNull);
    thread(who, begin + 360, begin + 1000, ThreadState::kUser, kNull);
    const std::int64_t next_turn = begin + 1000 * kThreads;
    thread(who, begin + 1000, next_turn - 20, ThreadState::kBlocked,
           1 + (who + kThreads - 1) % kThreads);
    thread(who, next_turn - 20, next_turn, ThreadState::kRunnable, kNull);
  }

 private:
  history::EntityId entity(TableId table, std::int64_t number) {
    const std::int64_t key[] = {vm_, number};
    return writer_.entity(table, key);
  }
  void add(history::EntityId id, std::int64_t begin, std::int64_t end,
           std::initializer_list<std::int64_t> values) {
    writer_.add(id, HostTime{begin}, HostTime{end}, std::vector<std::int64_t>(values));
  }
  void vcpu(std::int64_t begin, std::int64_t end, VcpuState state) {
    add(vcpu_, begin, end, {static_cast<std::int64_t>(state), 1, 1, reason_, kNull, 0});
  }
  void thread(std::int64_t who, std::int64_t begin, std::int64_t end, ThreadState state,
              std::int64_t waker) {
    const bool blocked = state == ThreadState::kBlocked;
    add(threads_[who], begin, end,
        {static_cast<std::int64_t>(state), 0, kNull, blocked ? task_cause_ : kNull,
         waker == kNull ? kNull : vm_, waker, 0});
  }

  history::Writer& writer_;
  std::int64_t vm_, vm2_, comm_, task_cause_, reason_;
  history::EntityId threads_[kThreads] = {};
  history::EntityId vcpu_ = 0, robbed_ = 0, cpu_ = 0;
};

class Rows final : public flow::StateRows {
 public:
  explicit Rows(history::RowCursor cursor) : cursor_(std::move(cursor)) {}
  Result<bool> next(flow::StateRow& row) override {
    history::Row stored;
    if (!cursor_.next(stored)) {
      if (!cursor_.status().ok()) return cursor_.status().error();
      return false;
    }
    row = {stored.begin, stored.end, stored.values};
    return true;
  }

 private:
  history::RowCursor cursor_;
};

class Source final : public flow::StateSource {
 public:
  Source(const history::Reader& reader, std::int64_t end) : reader_(reader) {
    for (const model::TableDef& table : model::table_defs()) small_.push_back({table.id, {}});
    const auto rows = [&](TableId table) -> std::vector<model::Row>& {
      return small_[static_cast<std::size_t>(table)].rows;
    };
    rows(TableId::kMachine).push_back({"host", "host", {}, {}, {}, {}, {}});
    rows(TableId::kMachine).push_back({"vm1", "vm", "host", {}, {}, {}, {}});
    for (std::int64_t i = 0; i < kThreads; ++i) {
      rows(TableId::kThread).push_back({"vm1", 1 + i, 1, {}, "task", {}, std::int64_t{0}, end});
    }
  }
  const model::SmallTable& small(TableId table) const override {
    return small_[static_cast<std::size_t>(table)];
  }
  std::vector<flow::StateEntity> entities(TableId table) const override {
    std::vector<flow::StateEntity> list;
    for (const history::Entity& e : reader_.entities(table)) list.push_back({e.id, e.key});
    return list;
  }
  Result<std::unique_ptr<flow::StateRows>> rows(model::EntityId entity, HostTime from,
                                                HostTime to) const override {
    return std::unique_ptr<flow::StateRows>(std::make_unique<Rows>(reader_.rows(entity, from, to)));
  }
  std::string_view string(std::int64_t id) const override { return reader_.string(id); }
  std::optional<std::int64_t> find_string(std::string_view text) const override {
    return reader_.find_string(text);
  }
  std::int64_t vcpu_of_cpu(std::string_view, std::int64_t cpu) const override { return cpu; }

 private:
  const history::Reader& reader_;
  std::vector<model::SmallTable> small_;
};

struct Cost {
  double seconds = 0;
  std::uint64_t pieces = 0;
};

Cost flow_cost(const flow::World& world, std::int64_t begin, std::int64_t end) {
  const double start = now();
  flow::FlowWalk walk(world, {world.find_machine("vm1"), 1, HostTime{begin}, HostTime{end}});
  flow::FlowPiece piece;
  Cost cost;
  std::int64_t sum = 0;
  while (take(walk.next(piece))) {
    ++cost.pieces;
    sum += piece.end - piece.begin;
  }
  if (sum != end - begin)
    die({ErrorCode::kInternal, "the flow does not sum to its window", "", ""});
  cost.seconds = now() - start;
  return cost;
}

Cost path_cost(const flow::World& world, std::int64_t begin, std::int64_t end) {
  const double start = now();
  flow::PathWalk walk = take(
      flow::PathWalk::make(world, {world.find_machine("vm1"), 1, HostTime{begin}, HostTime{end}}));
  flow::PathPiece piece;
  Cost cost;
  std::int64_t sum = 0;
  while (walk.next(piece)) {
    ++cost.pieces;
    sum += piece.end - piece.begin;
  }
  if (sum != end - begin)
    die({ErrorCode::kInternal, "the path does not sum to its window", "", ""});
  cost.seconds = now() - start;
  return cost;
}

void run(std::int64_t events, bool enter) {
  auto writer = take(history::Writer::create_anonymous("."));
  Script script(*writer);
  const std::int64_t rounds = events / kEventsPerRound;
  for (std::int64_t i = 0; i < rounds; ++i) script.round(i);
  const auto reader = take(writer->finish());
  const std::int64_t end = 1000 * rounds;
  const Source source(*reader, end);
  const flow::World world(source);
  const Cost f = flow_cost(world, 0, end);
  const Cost p = path_cost(world, 0, end);
  const double per_flow = f.seconds * 1e9 / static_cast<double>(events);
  const double per_path = p.seconds * 1e9 / static_cast<double>(events);
  fmt::print(
      "{:>11} events  flow {:7.3f} s {:6.1f} ns/event {:>9} pieces   path {:7.3f} s "
      "{:6.1f} ns/event {:>9} pieces\n",
      events, f.seconds, per_flow, f.pieces, p.seconds, per_path, p.pieces);
  if (!enter) return;
  double flows = 0;
  double paths = 0;
  constexpr int kPlaces = 1000;
  for (int i = 0; i < kPlaces; ++i) {
    const std::int64_t at = end / kPlaces * ((i * 617) % kPlaces);
    flows += flow_cost(world, at, at + 10'000).seconds;
    paths += path_cost(world, at, at + 10'000).seconds;
  }
  fmt::print("a window of 10 us in it: flow {:.1f} us, path {:.1f} us\n", flows * 1e6 / kPlaces,
             paths * 1e6 / kPlaces);
}

constexpr std::int64_t kEventsPerRead = 16;  ///< 4 of the scheduler, 12 of the two disks

/// vm1's task waits for its request; on the host's disk it meets two of vm2, which vm2's task made.
void write_reads(history::Writer& writer, std::int64_t rounds) {
  const std::int64_t vm1 = writer.intern("vm1");
  const std::int64_t vm2 = writer.intern("vm2");
  const std::int64_t cause = writer.intern("disk");
  const std::int64_t disk = writer.intern("8:0");
  const auto entity = [&](TableId table, std::int64_t machine, std::int64_t number) {
    const std::int64_t key[] = {machine, number};
    return writer.entity(table, key);
  };
  const auto task = entity(TableId::kThreadState, vm1, 1);
  const auto below = entity(TableId::kBlockRequest, writer.intern("host"), disk);
  const auto inside = entity(TableId::kBlockRequest, vm1, disk);
  const auto theirs = entity(TableId::kBlockRequest, vm2, disk);
  const auto state = [&](std::int64_t begin, std::int64_t end, ThreadState what) {
    const bool blocked = what == ThreadState::kBlocked;
    const std::int64_t row[] = {
        static_cast<std::int64_t>(what), 0, kNull, blocked ? cause : kNull, kNull, kNull, 0};
    writer.add(task, HostTime{begin}, HostTime{end}, row);
  };
  const auto request = [&](history::EntityId device, std::int64_t begin, std::int64_t end,
                           std::int64_t vm) {
    const std::int64_t row[] = {vm, 8, 4096, 0, 0, end - begin, vm == vm1 ? 1 : 9};
    writer.add(device, HostTime{begin}, HostTime{end}, row);
  };
  for (std::int64_t begin = 0; begin < 1000 * rounds; begin += 1000) {
    state(begin, begin + 100, ThreadState::kUser);
    state(begin + 100, begin + 1000, ThreadState::kBlocked);
    request(inside, begin + 90, begin + 990, vm1);
    request(theirs, begin + 140, begin + 660, vm2);
    request(below, begin + 150, begin + 650, vm2);
    request(below, begin + 200, begin + 900, vm1);
    request(below, begin + 700, begin + 980, vm2);
  }
}

void run_disk(std::int64_t events) {
  auto writer = take(history::Writer::create_anonymous("."));
  const std::int64_t rounds = events / kEventsPerRead;
  write_reads(*writer, rounds);
  const auto reader = take(writer->finish());
  const Source source(*reader, 1000 * rounds);
  const flow::World world(source);
  const double start = now();
  flow::DiskNeighbours found(world);
  const Status status =
      found.add({world.find_machine("vm1"), 1, HostTime{0}, HostTime{1000 * rounds}});
  if (!status.ok()) die(status.error());
  const double seconds = now() - start;
  std::int64_t sum = 0;
  for (const auto& [who, share] : found.neighbours()) sum += share.total_ns();
  // The first is there with ours for 450 ns, the second for 200.
  if (sum != 650 * rounds) die({ErrorCode::kInternal, "the neighbours' time is wrong", "", ""});
  fmt::print("{:>11} events  disks {:7.3f} s {:6.1f} ns/event {:>9} waits\n", events, seconds,
             seconds * 1e9 / static_cast<double>(events), rounds);
}

}  // namespace

int main(int argc, char** argv) {
  const auto events = argc > 1 ? parse_int<std::int64_t>(argv[1]) : std::int64_t{10'000'000};
  if (!events || *events < 1600) die({ErrorCode::kBadUse, "flow_bench [EVENTS]", "", ""});
  for (const std::int64_t part : {16, 4, 1}) run(*events / part, part == 1);
  for (const std::int64_t part : {16, 4, 1}) run_disk(*events / part);
  return 0;
}
