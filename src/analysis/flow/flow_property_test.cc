// Random layered traces and random wake-up graphs against a brute-force reference that looks at
// every moment on its own: equal pieces, sums equal to the window, and the same answer however the
// rows are read and whatever windows the whole is cut into.

#include <gtest/gtest.h>

#include "analysis/flow/execution_flow.h"
#include "analysis/flow/flow_test_support.h"
#include "analysis/flow/property_test_support.h"
#include "analysis/flow/random_world_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::FlowKind;
using model::kNull;
using model::PathLabel;
using model::TableId;
using model::ThreadState;
using model::VcpuState;
using test::expect_tiling;
using test::kEnd;
using test::Memory;
using test::RandomWorld;
using test::Step;
using test::StoredRow;

/// One moment on its own, by the rules as they are written in design.md 4.
class Reference {
 public:
  explicit Reference(Memory& memory) : memory_(memory) {}
  const Memory& memory() const { return memory_; }

  const StoredRow* row(TableId table, const std::string& machine, std::int64_t number,
                       std::int64_t time) {
    for (const StoredRow& row : memory_.rows_of(table, machine, number)) {
      if (row.begin <= time && time < row.end) return &row;
    }
    return nullptr;
  }
  bool lost(const std::string& machine, std::int64_t time) {
    for (const auto& loss : memory_.small(TableId::kLoss).rows) {
      const std::int64_t begin = std::get<std::int64_t>(loss[3]);
      if (std::get<std::string>(loss[1]) == machine && time >= begin &&
          time < begin + std::get<std::int64_t>(loss[4])) {
        return true;
      }
    }
    return false;
  }
  /// The thread's row; nothing where none is, or where it is lost.
  const StoredRow* thread(const std::string& machine, std::int64_t tid, std::int64_t time) {
    const StoredRow* found = row(TableId::kThreadState, machine, tid, time);
    return found != nullptr && found->values[6] == 1 && lost(machine, time) ? nullptr : found;
  }
  static ThreadState state_of(const StoredRow* row) {
    return row == nullptr ? ThreadState::kUnknown : static_cast<ThreadState>(row->values[0]);
  }
  VcpuState vcpu_state(const std::string& machine, std::int64_t cpu, std::int64_t time) {
    const StoredRow* found = cpu == kNull ? nullptr : row(TableId::kVcpuState, machine, cpu, time);
    return found == nullptr ? VcpuState::kUnknown : static_cast<VcpuState>(found->values[0]);
  }

  std::string flow_at(const std::string& machine, std::int64_t tid, std::int64_t time) {
    const StoredRow* self = thread(machine, tid, time);
    switch (state_of(self)) {
      case ThreadState::kUser:
      case ThreadState::kSyscall:
      case ThreadState::kIrq:
        return machine == "host" ? (self->values[1] == kNull ? "unknown" : "run")
                                 : running(machine, self->values[1], time, "run");
      case ThreadState::kRunnable:
        return waiting(machine, self->values[1], time, "runnable");
      case ThreadState::kPreempted:
        return waiting(machine, self->values[1], time, "preempted_by");
      case ThreadState::kBlocked:
      case ThreadState::kFork:
        return "blocked";
      default:
        return "unknown";
    }
  }

 private:
  std::string running(const std::string& machine, std::int64_t cpu, std::int64_t time,
                      const std::string& own) {
    switch (vcpu_state(machine, cpu, time)) {
      case VcpuState::kGuest:
        return own;
      case VcpuState::kHypervisor:
      case VcpuState::kUserspace:
      case VcpuState::kHostIrq:
      case VcpuState::kPolling:
      case VcpuState::kEmulated:
        return own == "run" ? "hypervisor" : own;
      case VcpuState::kPreempted:
      case VcpuState::kWaking: {
        const StoredRow* by = row(TableId::kPreemption, machine, cpu, time);
        return by == nullptr ? "vcpu_preempted_by"
                             : "vcpu_preempted_by " + std::string(memory_.string(by->values[4]));
      }
      case VcpuState::kBlocked:
      case VcpuState::kStopped:
        return "blocked";
      case VcpuState::kHalted:
        return own == "run" ? "lock_wait" : own;
      default:
        return own == "run" ? "unknown" : own;
    }
  }
  std::string waiting(const std::string& machine, std::int64_t cpu, std::int64_t time,
                      const std::string& own) {
    return machine == "host" || cpu == kNull ? own : running(machine, cpu, time, own);
  }

  Memory& memory_;
};

std::vector<FlowPiece> flow_of(const World& world, const TaskWindow& task, std::size_t part_rows) {
  StatesOptions options;
  options.part_rows = part_rows;
  options.kept_rows = 16;
  FlowWalk walk(world, task, options);
  std::vector<FlowPiece> pieces;
  FlowPiece piece;
  while (true) {
    const auto more = walk.next(piece);
    if (!more.ok() || !*more) return pieces;
    pieces.push_back(piece);
  }
}

std::string short_text(const World& world, const FlowPiece& piece) {
  std::string text(model::flow_kind_names()[static_cast<std::size_t>(piece.kind)]);
  if (piece.kind == FlowKind::kVcpuPreemptedBy && piece.exec.known()) {
    text += " " + std::string(world.source().string(piece.exec.machine));
  } else if (piece.kind == FlowKind::kVcpuPreemptedBy && piece.pcpu != kNull) {
    text += " ";
  }
  return text;
}

void expect_same(const std::vector<FlowPiece>& a, const std::vector<FlowPiece>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_TRUE(a[i].begin == b[i].begin && a[i].end == b[i].end && a[i].same_kind(b[i])) << i;
  }
}

// The parts of a window, joined where they meet, are the whole.
std::vector<FlowPiece> in_two_parts(const World& world, TaskWindow task, std::int64_t cut) {
  TaskWindow first = task;
  first.end = HostTime{cut};
  task.begin = HostTime{cut};
  auto pieces = flow_of(world, first, 7);
  for (const FlowPiece& piece : flow_of(world, task, 7)) {
    if (!pieces.empty() && pieces.back().same_kind(piece)) {
      pieces.back().end = piece.end;
    } else {
      pieces.push_back(piece);
    }
  }
  return pieces;
}

TEST(FlowProperty, EqualsTheReferenceAtEveryMoment) {
  for (std::uint32_t seed = 0; seed < 2500; ++seed) {
    RandomWorld random(seed);
    const World world(random.memory);
    Reference reference(random.memory);
    for (const char* machine : {"host", "vm1"}) {
      const auto list = RandomWorld::tids(machine);
      const std::int64_t tid =
          list[static_cast<std::size_t>(random.dice(static_cast<std::int64_t>(list.size())))];
      const TaskWindow task{world.find_machine(machine), tid, HostTime{random.dice(9) - 3},
                            HostTime{kEnd + 3 - random.dice(9)}};
      const auto pieces = flow_of(world, task, 2048);
      expect_tiling(pieces, task.begin.ns, task.end.ns);
      for (const FlowPiece& piece : pieces) {
        for (std::int64_t t = piece.begin.ns; t < piece.end.ns; ++t) {
          ASSERT_EQ(short_text(world, piece), reference.flow_at(machine, tid, t))
              << "seed " << seed << " " << machine << "/" << tid << " at " << t;
        }
      }
      expect_same(pieces, flow_of(world, task, 1 + seed % 3));
      expect_same(pieces, in_two_parts(world, task, task.begin.ns + random.dice(kEnd / 2)));
      if (HasFatalFailure()) FAIL() << "seed " << seed;
    }
  }
}

// ---- critical paths

/// explain(worker, low, t) gives what the worker did in [low, t), moment by moment; each wait that
/// ends where the cursor is replaced by its waker's.
class PathReference final : public test::PathRecursion {
 public:
  PathReference(Reference& reference, const World& world)
      : reference_(reference), machine_(world.find_machine("host")) {}

  void explain(std::int64_t tid, std::int64_t low, std::int64_t high, std::size_t depth) {
    std::int64_t t = high;
    while (t > low) {
      const StoredRow* row = reference_.thread("host", tid, t - 1);
      const ThreadState state = Reference::state_of(row);
      std::int64_t begin = t - 1;
      if (state == ThreadState::kBlocked || state == ThreadState::kFork) {
        while (begin > low && same_wait(tid, row, begin - 1)) --begin;
        const std::int64_t waker = row->values[5];
        const bool follow = row->end == t && waker != kNull && waker != 99 && waker != tid &&
                            label_of(row) != PathLabel::kWaitTimer && may_hop(t);
        if (follow) {
          explain(waker, begin, t, depth + 1);
        } else {
          emit({HostTime{begin}, HostTime{t}, depth, label_of(row), machine_, tid});
        }
      } else {
        emit({HostTime{begin}, HostTime{t}, depth, label_of(row), machine_, tid});
      }
      t = begin;
    }
  }

 private:
  bool same_wait(std::int64_t tid, const StoredRow* row, std::int64_t time) {
    const StoredRow* before = reference_.thread("host", tid, time);
    if (before == nullptr) return false;
    return before == row || (Reference::state_of(row) == ThreadState::kBlocked &&
                             Reference::state_of(before) == ThreadState::kBlocked);
  }
  PathLabel label_of(const StoredRow* row) const {
    switch (Reference::state_of(row)) {
      case ThreadState::kUser:
      case ThreadState::kSyscall:
      case ThreadState::kIrq:
        return row->values[1] == kNull ? PathLabel::kUnknown : PathLabel::kRun;
      case ThreadState::kRunnable:
      case ThreadState::kPreempted:
        return PathLabel::kPreempted;
      case ThreadState::kFork:
        return PathLabel::kWaitTask;
      case ThreadState::kBlocked:
        break;
      default:
        return PathLabel::kUnknown;
    }
    const auto cause = reference_.memory().string(row->values[3]);
    if (cause == "task") return PathLabel::kWaitTask;
    if (cause == "timer") return PathLabel::kWaitTimer;
    if (cause == "disk") return PathLabel::kWaitDisk;
    return cause == "network" ? PathLabel::kWaitNetwork : PathLabel::kWaitUnknown;
  }
  Reference& reference_;
  const MachineNumber machine_;
};

std::vector<Step> path_in_parts(const World& world, const TaskWindow& task, std::size_t part_rows,
                                bool unbounded = false) {
  PathOptions options;
  options.states.part_rows = part_rows;
  options.states.kept_rows = 16;
  options.unbounded = unbounded;
  return test::path_of(world, task, options);
}

TEST(PathProperty, EqualsTheRecursionOnRandomGraphs) {
  for (std::uint32_t seed = 0; seed < 10'000; ++seed) {
    RandomWorld random(seed);
    const World world(random.memory);
    Reference reference(random.memory);
    const std::int64_t tid = 30 + random.dice(4);
    const TaskWindow task{world.find_machine("host"), tid, HostTime{random.dice(9) - 3},
                          HostTime{kEnd + 3 - random.dice(9)}};
    PathReference expected(reference, world);
    expected.explain(tid, task.begin.ns, task.end.ns, 1);
    const auto steps = path_in_parts(world, task, 2048);
    expect_tiling(steps, task.begin.ns, task.end.ns);
    ASSERT_EQ(steps, expected.steps()) << "seed " << seed;
  }
}

TEST(PathProperty, TilesOnEveryLayerHoweverRowsAreRead) {
  for (std::uint32_t seed = 0; seed < 1500; ++seed) {
    RandomWorld random(seed);
    const World world(random.memory);
    for (const bool unbounded : {false, true}) {
      const TaskWindow task{world.find_machine("vm1"), 1 + random.dice(3), HostTime{-2},
                            HostTime{kEnd + 2}};
      const auto steps = path_in_parts(world, task, 2048, unbounded);
      expect_tiling(steps, task.begin.ns, task.end.ns);
      ASSERT_EQ(steps, path_in_parts(world, task, 1 + seed % 3, unbounded)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace vs::analysis::flow
