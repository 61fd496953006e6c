#pragma once
// PathWalk: the critical path of a task in a window (algorithms F): every wait of it is replaced by
// what the waker did meanwhile, and so on, backwards in time from the window's end, across threads,
// devices and machines. Each explanation is bounded by the wait that it explains, so the pieces
// tile the window; `depth` counts the waits on the stack, 1 = the task itself.
//
// A wait is followed at its end only, and only when its waker is known:
//   - a task of the same machine: at the wake-up;
//   - a thread of the host that had an interrupt delivered to a guest: at the delivery, which is
//     when the vCPU was woken for it, else when the waker last ran; the time from there to the
//     wake-up is `transit`;
//   - a thread of another machine that sent the packet which woke it, where no thread of the host
//     is known to have delivered it: at the sending; the time from there is `transit`;
//   - a disk request of the waiter that completed in the wait: its time in service and in the
//     queue, then its submitter;
//   - a vCPU that sleeps in the VMM while its guest's thread believes it runs: who woke the vCPU.
// A host thread that runs a vCPU stands for the guest's thread that is current there.
// What a running guest thread did is split by its vCPU's states; what a waiting thread waited for
// names who ran. Other waits stay what they are.
//
// Ownership: borrows the world; texts are views into its source. Threads: one. Cost: one step per
// row on the path and a search per hop. Memory: 32 bytes per piece, and the stack.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/flow/execution_flow.h"
#include "analysis/flow/states.h"

namespace vs::analysis::flow {

struct PathPiece {
  HostTime begin;
  HostTime end;
  std::uint32_t depth = 1;
  model::PathLabel label = model::PathLabel::kUnknown;
  MachineNumber machine = kNoMachine;
  std::int64_t tid = model::kNull;  ///< kNull: a device
  std::string_view comm;            ///< thread's or device's name; empty = not known
  std::int64_t cpu = model::kNull;  ///< of that machine
  Actor by;                         ///< who ran instead, or who woke it
  std::string_view by_comm;
  std::string_view cause;  ///< exit reason, `queue` or `service`, ...; empty = none
};

struct PathOptions {
  bool unbounded = false;  ///< follow wakers beyond the wait: the path to the result
  StatesOptions states;
};

/// Walks when it is made; hands the pieces out in the order of time.
class PathWalk {
 public:
  [[nodiscard]] static Result<PathWalk> make(const World& world, const TaskWindow& task,
                                             const PathOptions& options = {});
  /// True and the next piece, or false at the end.
  [[nodiscard]] bool next(PathPiece& piece);
  [[nodiscard]] std::size_t piece_count() const { return pieces_.size(); }

 private:
  /// A thread, or a request of a device.
  struct Worker {
    MachineNumber machine = kNoMachine;
    std::int64_t tid = model::kNull;
    std::int64_t device = model::kNull;  ///< StringId
    friend bool operator==(const Worker&, const Worker&) = default;
  };
  /// A piece without its end, which is the next one's begin.
  struct Stored {
    std::int64_t begin_ns;
    std::uint32_t worker;
    std::uint32_t detail;
    std::int32_t cpu;
    std::uint32_t depth;
    model::PathLabel label;
  };
  struct Detail {
    Actor by;
    std::int64_t cause = model::kNull;  ///< StringId
    std::uint8_t word = 0;              ///< one of our own words, 0 = none
    friend bool operator==(const Detail&, const Detail&) = default;
  };
  /// The piece before the cursor.
  struct Edge {
    std::int64_t begin_ns = 0;
    model::PathLabel label = model::PathLabel::kUnknown;
    std::int64_t cpu = model::kNull;
    Detail detail;
  };
  /// Where the explanation of a wait goes on.
  struct Hop {
    Worker worker;
    std::int64_t time_ns = 0;  ///< of a packet maybe before the wait began
    Actor by;                  ///< as the wait names it, before a vCPU's thread became its guest's
  };
  struct Request {
    model::EntityId entity = 0;
    std::int64_t device = model::kNull;
    std::int64_t insert_ns = 0;
    std::int64_t issue_ns = 0;
    std::int64_t complete_ns = 0;
    std::int64_t submitter = model::kNull;
  };
  /// The end of a wait: [begin, end) with what is known of the wake-up.
  struct Wait {
    std::int64_t begin_ns = 0;
    ThreadSpan last;  ///< its last row
  };
  struct Frame {
    Worker worker;
    std::int64_t low_ns = 0;
  };
  struct DetailHash {
    std::size_t operator()(const Detail& detail) const;
  };
  struct WorkerHash {
    std::size_t operator()(const Worker& worker) const;
  };
  /// Our own words for a cause; from kStates on the names of model::VcpuState.
  enum Word : std::uint8_t {
    kNone,
    kIdle,
    kHalted,
    kLock,
    kQueue,
    kService,
    kIrq,
    kExited,
    kVmm,
    kPaused,
    kStates
  };

  PathWalk(const World& world, const TaskWindow& task, const PathOptions& options);
  [[nodiscard]] Status walk();
  [[nodiscard]] Status step(std::int64_t low_ns);
  [[nodiscard]] Status step_running(const ThreadSpan& span, std::int64_t low_ns);
  [[nodiscard]] Status step_waiting(const ThreadSpan& span, std::int64_t low_ns);
  [[nodiscard]] Status step_blocked(const Worker& sleeper, const ThreadSpan& span,
                                    std::int64_t low_ns);
  [[nodiscard]] Result<Wait> whole_wait(const Worker& sleeper, const ThreadSpan& span,
                                        std::int64_t low_ns);
  [[nodiscard]] Result<std::optional<Hop>> hop_of(const Worker& sleeper, const Wait& wait);
  [[nodiscard]] Result<std::optional<Hop>> waker_hop(const Worker& sleeper, const Wait& wait);
  [[nodiscard]] Result<std::optional<Hop>> packet_hop(const Worker& sleeper);
  [[nodiscard]] Result<std::optional<std::int64_t>> delivery_time(const Worker& sleeper,
                                                                  const Wait& wait,
                                                                  const Worker& waker);
  [[nodiscard]] Result<Worker> guest_thread_of(Worker waker, std::int64_t time_ns);
  [[nodiscard]] Result<std::optional<Request>> request_of(const Worker& sleeper, const Wait& wait);
  [[nodiscard]] Status walk_request(const Request& request, std::int64_t low_ns);
  [[nodiscard]] bool may_hop(std::int64_t time_ns);
  void robbed_edge(const CpuTruth& truth, Edge& edge) const;
  void emit(const Worker& worker, const Edge& edge);
  void push(std::int64_t low_ns);
  [[nodiscard]] model::PathLabel wait_label(std::int64_t detail) const;
  [[nodiscard]] std::uint32_t number_of(const Worker& worker);
  [[nodiscard]] std::uint32_t number_of(const Detail& detail);
  [[nodiscard]] static std::string_view text_of(std::uint8_t word);

  const World* world_;
  TaskWindow task_;
  bool unbounded_;
  States states_;
  std::unordered_map<std::int64_t, model::PathLabel> labels_;  ///< by the id of a blocked cause
  std::vector<Frame> stack_;
  Worker worker_;        ///< the cursor
  std::int64_t now_ns_;  ///< the cursor
  std::int64_t hop_ns_;  ///< time of the last hop
  int hops_here_ = 0;    ///< hops at that time
  std::vector<Worker> workers_;
  std::unordered_map<Worker, std::uint32_t, WorkerHash> worker_numbers_;
  std::vector<Detail> details_;
  std::unordered_map<Detail, std::uint32_t, DetailHash> detail_numbers_;
  std::deque<Stored> pieces_;  ///< latest first; a deque, since it may be most of the memory
  std::size_t given_ = 0;
};

/// What the `cause` column says: the cause, else who it was.
[[nodiscard]] std::string cause_text(const World& world, const PathPiece& piece);

}  // namespace vs::analysis::flow
