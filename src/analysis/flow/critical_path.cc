#include "analysis/flow/critical_path.h"

#include <algorithm>
#include <array>

namespace vs::analysis::flow {
namespace {

using model::BlockCause;
using model::kNull;
using model::PathLabel;
using model::TableId;
using model::ThreadState;
using model::VcpuState;
namespace slot = model::slot;
using What = CpuTruth::What;

constexpr int kMaxHopsAtOneTime = 64;
constexpr int kRowsBack = 64;  ///< how far a delivery is looked for

constexpr std::array<PathLabel, 8> kLabelOfCause = {
    PathLabel::kWaitTimer, PathLabel::kWaitDisk,      PathLabel::kWaitNetwork,
    PathLabel::kWaitTask,  PathLabel::kWaitUserInput, PathLabel::kWaitIpi,
    PathLabel::kWaitIrq,   PathLabel::kWaitUnknown};

bool is_running(ThreadState state) {
  return state == ThreadState::kUser || state == ThreadState::kSyscall ||
         state == ThreadState::kIrq;
}

std::uint64_t mix(std::uint64_t seed, std::int64_t value) {
  return (seed ^ static_cast<std::uint64_t>(value)) * 0x9E3779B97F4A7C15ULL + (seed >> 29U);
}

}  // namespace

std::size_t PathWalk::DetailHash::operator()(const Detail& detail) const {
  std::uint64_t hash = detail.word;
  for (const std::int64_t part :
       {detail.by.machine, detail.by.vcpu, detail.by.tid, detail.by.comm, detail.cause}) {
    hash = mix(hash, part);
  }
  return static_cast<std::size_t>(hash);
}

std::size_t PathWalk::WorkerHash::operator()(const Worker& worker) const {
  return static_cast<std::size_t>(mix(mix(worker.machine, worker.tid), worker.device));
}

PathWalk::PathWalk(const World& world, const TaskWindow& task, const PathOptions& options)
    : world_(&world),
      task_(task),
      unbounded_(options.unbounded),
      states_(world, {Direction::kBackward, options.states.part_rows, options.states.kept_rows}),
      worker_{task.machine, task.tid, kNull},
      now_ns_(task.end.ns),
      hop_ns_(task.end.ns) {
  const auto causes = model::block_cause_names();
  for (std::size_t i = 0; i < causes.size(); ++i) {
    if (const auto id = world.source().find_string(causes[i])) labels_[*id] = kLabelOfCause[i];
  }
}

Result<PathWalk> PathWalk::make(const World& world, const TaskWindow& task,
                                const PathOptions& options) {
  PathWalk walk(world, task, options);
  if (task.begin < task.end) VS_TRY(walk.walk());
  return walk;
}

// ---- the cursor ----

Status PathWalk::walk() {
  stack_.push_back({worker_, task_.begin.ns});
  while (!stack_.empty()) {
    const Frame top = stack_.back();
    if (now_ns_ <= top.low_ns) {
      worker_ = top.worker;  // goes on just before the wait that is explained now
      stack_.pop_back();
      continue;
    }
    states_.trim();
    VS_TRY(step(top.low_ns));
  }
  return {};
}

Status PathWalk::step(std::int64_t low_ns) {
  VS_ASSIGN(const ThreadSpan span,
            states_.thread_at(worker_.machine, worker_.tid, HostTime{now_ns_ - 1}));
  switch (span.state) {
    case ThreadState::kUser:
    case ThreadState::kSyscall:
    case ThreadState::kIrq:
      return step_running(span, low_ns);
    case ThreadState::kRunnable:
    case ThreadState::kPreempted:
      return step_waiting(span, low_ns);
    case ThreadState::kBlocked:
    case ThreadState::kFork:
      return step_blocked(worker_, span, low_ns);
    case ThreadState::kExited:
    case ThreadState::kUnknown:
      break;
  }
  Edge edge{std::max(low_ns, span.begin.ns), PathLabel::kUnknown, kNull, {}};
  if (span.state == ThreadState::kExited) edge.detail.word = kExited;
  emit(worker_, edge);
  return {};
}

void PathWalk::robbed_edge(const CpuTruth& truth, Edge& edge) const {
  edge.label = PathLabel::kHostPreempted;
  edge.detail.by = truth.by;
  if (!truth.by.known()) edge.detail.word = kIdle;
}

Status PathWalk::step_running(const ThreadSpan& span, std::int64_t low_ns) {
  VS_ASSIGN(const CpuTruth truth,
            states_.truth_at(worker_.machine, span.cpu, HostTime{now_ns_ - 1}));
  Edge edge{std::max({low_ns, span.begin.ns, truth.begin.ns}), PathLabel::kUnknown, span.cpu, {}};
  switch (truth.what) {
    case What::kRuns:
      edge.label = PathLabel::kRun;
      if (span.state == ThreadState::kIrq) edge.detail.word = kIrq;
      break;
    case What::kHypervisor:
      edge.label = PathLabel::kHypervisor;
      edge.detail.cause = truth.reason;
      if (truth.reason == kNull) {
        edge.detail.word = static_cast<std::uint8_t>(kStates + static_cast<int>(truth.state));
      }
      break;
    case What::kRobbed:
      robbed_edge(truth, edge);
      break;
    case What::kBlocked: {
      const VcpuLife* const life = world_->thread_of_vcpu(truth.machine, truth.vcpu, now_ns_ - 1);
      if (life != nullptr) {
        const Worker sleeper{life->host, life->host_tid, kNull};
        VS_ASSIGN(const ThreadSpan below,
                  states_.thread_at(life->host, life->host_tid, HostTime{now_ns_ - 1}));
        if (below.state == ThreadState::kBlocked) {
          return step_blocked(sleeper, below, edge.begin_ns);
        }
      }
      edge.label = PathLabel::kWaitUnknown;
      edge.detail.word = kVmm;
      break;
    }
    case What::kPaused:
      edge.label = PathLabel::kWaitUnknown;
      edge.detail.word = kPaused;
      break;
    case What::kHalted:
      edge.label = PathLabel::kWaitUnknown;
      edge.detail.word = kLock;
      break;
    case What::kUnknown:
      break;
  }
  emit(worker_, edge);
  return {};
}

Status PathWalk::step_waiting(const ThreadSpan& span, std::int64_t low_ns) {
  const HostTime before{now_ns_ - 1};
  VS_ASSIGN(const CpuTruth truth, states_.truth_at(worker_.machine, span.cpu, before));
  Edge edge{std::max({low_ns, span.begin.ns, truth.begin.ns}), PathLabel::kPreempted, span.cpu, {}};
  if (truth.what == What::kRobbed) {
    robbed_edge(truth, edge);
  } else if (truth.what == What::kBlocked || truth.what == What::kPaused) {
    edge.label = PathLabel::kWaitUnknown;
    edge.detail.word = truth.what == What::kPaused ? kPaused : kVmm;
  } else if (truth.what == What::kHalted) {
    edge.detail.word = kHalted;
  } else if (span.cpu != kNull) {
    const bool host = world_->machine(worker_.machine).is_host();
    VS_ASSIGN(const Occupant occupant, host
                                           ? states_.holder_at(worker_.machine, span.cpu, before)
                                           : states_.current_at(worker_.machine, span.cpu, before));
    edge.begin_ns = std::max(edge.begin_ns, occupant.begin.ns);
    const bool itself = occupant.who.tid == worker_.tid &&
                        world_->machine_of(occupant.who.machine) == worker_.machine;
    if (!itself) edge.detail.by = occupant.who;
    if (occupant.idle) edge.detail.word = kIdle;
  }
  emit(worker_, edge);
  return {};
}

// ---- waits ----

PathLabel PathWalk::wait_label(std::int64_t detail) const {
  const auto found = labels_.find(detail);
  return found == labels_.end() ? PathLabel::kWaitUnknown : found->second;
}

bool PathWalk::may_hop(std::int64_t time_ns) {
  if (time_ns != hop_ns_) hops_here_ = 0;
  hop_ns_ = time_ns;
  return ++hops_here_ <= kMaxHopsAtOneTime;
}

void PathWalk::push(std::int64_t low_ns) {
  if (!unbounded_) stack_.push_back({worker_, low_ns});
}

Result<PathWalk::Wait> PathWalk::whole_wait(const Worker& sleeper, const ThreadSpan& span,
                                            std::int64_t low_ns) {
  Wait wait{span.begin.ns, span};
  while (span.state == ThreadState::kBlocked && wait.begin_ns > low_ns) {
    VS_ASSIGN(const ThreadSpan before,
              states_.thread_at(sleeper.machine, sleeper.tid, HostTime{wait.begin_ns - 1}));
    if (before.state != ThreadState::kBlocked) break;
    wait.begin_ns = before.begin.ns;
  }
  return wait;
}

Status PathWalk::step_blocked(const Worker& sleeper, const ThreadSpan& span, std::int64_t low_ns) {
  VS_ASSIGN(Wait wait, whole_wait(sleeper, span, low_ns));
  wait.begin_ns = std::max(wait.begin_ns, low_ns);
  Edge edge{wait.begin_ns, wait_label(span.detail), kNull, {}};
  if (span.state == ThreadState::kFork) edge.label = PathLabel::kWaitTask;
  if (span.waker_tid != kNull) {
    edge.detail.by = {span.waker_machine, kNull, span.waker_tid, kNull};
  }
  const bool at_its_end = span.end.ns == now_ns_ && !span.cut_by_loss;
  if (at_its_end && edge.label != PathLabel::kWaitTimer && may_hop(now_ns_)) {
    VS_ASSIGN(const std::optional<Hop> hop, hop_of(sleeper, wait));
    if (hop) {
      push(wait.begin_ns);
      // What was sent before the wait began explains all of it, and no more.
      const std::int64_t from_ns = std::max(hop->time_ns, unbounded_ ? low_ns : wait.begin_ns);
      edge.detail.by = hop->by;
      if (from_ns < now_ns_) emit(worker_, {from_ns, PathLabel::kTransit, kNull, edge.detail});
      worker_ = hop->worker;
      return {};
    }
    if (edge.label == PathLabel::kWaitDisk) {
      VS_ASSIGN(const std::optional<Request> request, request_of(sleeper, wait));
      if (request) return walk_request(*request, wait.begin_ns);
    }
  }
  emit(worker_, edge);
  return {};
}

// By the waker that the wait names; when it is none, or a packet tells more exactly when it was
// sent, by the packet.
Result<std::optional<PathWalk::Hop>> PathWalk::hop_of(const Worker& sleeper, const Wait& wait) {
  VS_ASSIGN(std::optional<Hop> packet, packet_hop(sleeper));
  const bool same = packet && packet->by.tid == wait.last.waker_tid &&
                    packet->by.machine == wait.last.waker_machine;
  std::optional<Hop> hop = packet;
  if (!same) {
    VS_ASSIGN(const std::optional<Hop> named, waker_hop(sleeper, wait));
    if (named) hop = named;
  }
  if (!hop) return hop;
  VS_ASSIGN(hop->worker, guest_thread_of(hop->worker, hop->time_ns));
  if (hop->worker == worker_) hop.reset();
  return hop;
}

Result<std::optional<PathWalk::Hop>> PathWalk::waker_hop(const Worker& sleeper, const Wait& wait) {
  std::optional<Hop> hop;
  if (wait.last.waker_tid == kNull) return hop;
  const MachineNumber machine = world_->machine_of(wait.last.waker_machine);
  if (machine == kNoMachine ||
      !world_->entity(TableId::kThreadState, machine, wait.last.waker_tid)) {
    return hop;
  }
  Hop made{{machine, wait.last.waker_tid, kNull},
           now_ns_,
           {wait.last.waker_machine, kNull, wait.last.waker_tid, kNull}};
  if (machine != sleeper.machine) {
    VS_ASSIGN(const std::optional<std::int64_t> sent, delivery_time(sleeper, wait, made.worker));
    if (!sent) return hop;
    made.time_ns = *sent;
  }
  hop = made;
  return hop;
}

// The sender of the packet that woke the sleeper now.
Result<std::optional<PathWalk::Hop>> PathWalk::packet_hop(const Worker& sleeper) {
  std::optional<Hop> hop;
  const auto entity = world_->entity(TableId::kNetWakeup, sleeper.machine, sleeper.tid);
  if (!entity) return hop;
  VS_ASSIGN(const auto rows,
            world_->source().rows(*entity, HostTime{now_ns_ - 1}, HostTime{now_ns_ + 1}));
  StateRow row;
  for (;;) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) return hop;
    if (row.end.ns != now_ns_) continue;
    const Actor by{row.values[slot::kNwFromMachine], kNull, row.values[slot::kNwFromTid], kNull};
    const MachineNumber machine = world_->machine_of(by.machine);
    if (machine == kNoMachine || !world_->entity(TableId::kThreadState, machine, by.tid)) continue;
    hop = Hop{{machine, by.tid, kNull}, row.begin.ns, by};
  }
}

// When a thread of the host had the interrupt delivered that ended a guest's wait: when it woke the
// vCPU, else when it last ran before the wake-up. Nothing when neither lies in the wait.
Result<std::optional<std::int64_t>> PathWalk::delivery_time(const Worker& sleeper, const Wait& wait,
                                                            const Worker& waker) {
  VS_ASSIGN(const ThreadSpan woken,
            states_.thread_at(sleeper.machine, sleeper.tid, HostTime{now_ns_}));
  std::int64_t time_ns = now_ns_;
  const World::Machine& guest = world_->machine(sleeper.machine);
  if (woken.cpu != kNull && guest.parent == waker.machine) {
    const std::int64_t vcpu = world_->source().vcpu_of_cpu(guest.name, woken.cpu);
    for (int i = 0; i < kRowsBack && time_ns > wait.begin_ns; ++i) {
      VS_ASSIGN(const VcpuSpan row, states_.vcpu_at(sleeper.machine, vcpu, HostTime{time_ns - 1}));
      if (row.state == VcpuState::kWaking && row.waker_tid == waker.tid) {
        return std::optional(row.begin.ns);
      }
      if (row.state == VcpuState::kHalted) break;
      time_ns = row.begin.ns;
    }
  }
  time_ns = now_ns_;
  for (int i = 0; i < kRowsBack && time_ns > wait.begin_ns; ++i) {
    VS_ASSIGN(const ThreadSpan row,
              states_.thread_at(waker.machine, waker.tid, HostTime{time_ns - 1}));
    if (is_running(row.state)) return std::optional(time_ns);
    time_ns = row.begin.ns;
  }
  return std::optional<std::int64_t>();
}

// A vCPU's thread stands for the thread of its guest that is current there, when that is known.
Result<PathWalk::Worker> PathWalk::guest_thread_of(Worker waker, std::int64_t time_ns) {
  const VcpuLife* const life = world_->vcpu_of_thread(waker.machine, waker.tid, time_ns);
  if (life == nullptr || !world_->entity(TableId::kPcpuState, life->machine, life->vcpu)) {
    return waker;
  }
  VS_ASSIGN(const Occupant current,
            states_.current_at(life->machine, life->vcpu, HostTime{time_ns - 1}));
  if (current.who.tid == kNull) return waker;
  return Worker{life->machine, current.who.tid, kNull};
}

// ---- devices ----

// The request whose completion ended the wait: the last of the sleeper's own that completed in it,
// else the last of anybody's.
Result<std::optional<PathWalk::Request>> PathWalk::request_of(const Worker& sleeper,
                                                              const Wait& wait) {
  std::optional<Request> best;
  for (const World::Device& device : world_->devices(sleeper.machine)) {
    VS_ASSIGN(const auto rows,
              world_->source().rows(device.entity, HostTime{wait.begin_ns}, HostTime{now_ns_}));
    StateRow row;
    while (true) {
      VS_ASSIGN(const bool more, rows->next(row));
      if (!more) break;
      const std::int64_t service_ns = row.values[slot::kBrServiceNs];
      if (service_ns == kNull || row.end.ns <= wait.begin_ns || row.end.ns > now_ns_) continue;
      const std::int64_t tid = row.values[slot::kBrTid];
      if (best) {
        const bool own = tid == sleeper.tid;
        const bool best_own = best->submitter == sleeper.tid;
        if (own != best_own ? best_own : row.end.ns < best->complete_ns) continue;
      }
      best = Request{device.entity,           device.name, row.begin.ns,
                     row.end.ns - service_ns, row.end.ns,  tid};
    }
  }
  return best;
}

Status PathWalk::walk_request(const Request& request, std::int64_t low_ns) {
  const Worker waiter = worker_;
  const Worker device{waiter.machine, kNull, request.device};
  push(low_ns);
  const auto part = [&](const Worker& worker, std::int64_t begin_ns, std::uint8_t word) {
    const std::int64_t from_ns = std::max(begin_ns, low_ns);
    if (from_ns >= now_ns_) return;
    Edge edge{from_ns, PathLabel::kWaitDisk, kNull, {}};
    edge.detail.word = word;
    emit(worker, edge);
  };
  part(waiter, request.complete_ns, kNone);
  part(device, request.issue_ns, kService);
  part(device, request.insert_ns, kQueue);
  const Worker submitter{waiter.machine, request.submitter, kNull};
  const bool known = request.submitter != kNull && submitter != waiter &&
                     world_->entity(TableId::kThreadState, waiter.machine, request.submitter);
  if (known) {
    worker_ = submitter;
  } else {
    part(waiter, low_ns, kNone);
  }
  return {};
}

// ---- pieces ----

std::uint32_t PathWalk::number_of(const Worker& worker) {
  const auto [place, fresh] =
      worker_numbers_.try_emplace(worker, static_cast<std::uint32_t>(workers_.size()));
  if (fresh) workers_.push_back(worker);
  return place->second;
}

std::uint32_t PathWalk::number_of(const Detail& detail) {
  const auto [place, fresh] =
      detail_numbers_.try_emplace(detail, static_cast<std::uint32_t>(details_.size()));
  if (fresh) details_.push_back(detail);
  return place->second;
}

void PathWalk::emit(const Worker& worker, const Edge& edge) {
  const Stored made{edge.begin_ns,
                    number_of(worker),
                    number_of(edge.detail),
                    edge.cpu == kNull ? -1 : static_cast<std::int32_t>(edge.cpu),
                    static_cast<std::uint32_t>(stack_.size()),
                    edge.label};
  now_ns_ = edge.begin_ns;
  if (!pieces_.empty()) {
    Stored& last = pieces_.back();
    if (last.worker == made.worker && last.detail == made.detail && last.cpu == made.cpu &&
        last.depth == made.depth && last.label == made.label) {
      last.begin_ns = made.begin_ns;
      return;
    }
  }
  pieces_.push_back(made);
}

std::string_view PathWalk::text_of(std::uint8_t word) {
  constexpr std::array<std::string_view, kStates> kWords = {
      "", "idle", "halted", "lock", "queue", "service", "irq", "exited", "vmm", "paused"};
  if (word < kStates) return kWords[word];
  const auto names = model::vcpu_state_names();
  return word - kStates < static_cast<int>(names.size())
             ? names[static_cast<std::size_t>(word - kStates)]
             : std::string_view{};
}

bool PathWalk::next(PathPiece& piece) {
  if (given_ == pieces_.size()) return false;
  const std::size_t at = pieces_.size() - 1 - given_++;
  const Stored& stored = pieces_[at];
  const Worker& worker = workers_[stored.worker];
  const Detail& detail = details_[stored.detail];
  const model::PathLabel label = stored.label;
  piece = PathPiece{};
  piece.begin = HostTime{stored.begin_ns};
  piece.end = at == 0 ? task_.end : HostTime{pieces_[at - 1].begin_ns};
  piece.depth = stored.depth;
  piece.label = label;
  piece.machine = worker.machine;
  piece.tid = worker.tid;
  piece.cpu = stored.cpu < 0 ? kNull : stored.cpu;
  piece.comm = worker.device != kNull ? world_->source().string(worker.device)
                                      : world_->comm(worker.machine, worker.tid, piece.end.ns - 1);
  piece.by = detail.by;
  piece.by_comm = world_->source().string(detail.by.comm);
  if (piece.by_comm.empty() && detail.by.tid != kNull && detail.by.vcpu == kNull) {
    const MachineNumber machine = world_->machine_of(detail.by.machine);
    if (machine != kNoMachine) {
      piece.by_comm = world_->comm(machine, detail.by.tid, piece.end.ns - 1);
    }
  }
  piece.cause =
      detail.cause != kNull ? world_->source().string(detail.cause) : text_of(detail.word);
  return true;
}

std::string cause_text(const World& world, const PathPiece& piece) {
  if (!piece.cause.empty()) return std::string(piece.cause);
  return actor_text(world, piece.by, piece.by_comm);
}

}  // namespace vs::analysis::flow
