#pragma once
// The inside of InitialStateCollector: what it keeps of threads and CPUs, and its handlers.
// Included by initial_state.cc alone.

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/kernel/initial_state.h"
#include "base/limits.h"
#include "base/tid_map.h"

namespace vs::analysis::kernel {

/// How an event mentions a thread, seen from the time before it.
enum class Mention : std::uint8_t {
  kNone,  ///< not at all, or in a way that tells nothing
  kRan,   ///< it was current on the CPU
  kSwitchedIn,
  kWoken,
  kMigrated,
  kBorn,
};

/// Keeps the value with the least time.
template <typename T>
struct Earliest {
  OwnTime time = kOwnTimeMax;
  T value{};

  [[nodiscard]] bool wants(OwnTime at) const { return at < time; }
  void take(Earliest&& later) {
    if (wants(later.time)) *this = std::move(later);
  }
  void take(OwnTime at, const T& candidate) {
    if (!wants(at)) return;
    time = at;
    value = candidate;
  }
  /// The value if it was seen by `end`, else `fallback`.
  [[nodiscard]] T before(OwnTime end, T fallback) const { return time <= end ? value : fallback; }
};

/// Of threads, in one stream (model/fading.h): by them a kind has nothing left to tell.
enum Mark : std::uint32_t {
  kMarkRan = 1U << 0,     ///< its CPU has switched to it, and its name is known
  kMarkCalled = 1U << 1,  ///< its first system call was seen
  kMarkWaking = 1U << 2,  ///< it was woken by the kind of that name, and its name is known
  kMarkWakeup = 1U << 3,
};

struct SyscallEvidence {
  bool exit = false;
  SyscallRef ref;
};

struct ThreadFacts {
  std::int32_t tid = -1;
  Earliest<Mention> mention;
  Earliest<std::uint32_t> ran_on{kOwnTimeMax, model::kNoCpu};  ///< where it was first seen running
  Earliest<std::string> comm;
  Earliest<model::ThreadState> dumped;
  Earliest<std::int32_t> tgid{kOwnTimeMax, -1};
  Earliest<std::int32_t> parent{kOwnTimeMax, -1};
  Earliest<Privilege> privilege;
  Earliest<std::int64_t> pid_ns{kOwnTimeMax, model::kNull};
  Earliest<SyscallEvidence> syscall;
  OwnTime gone = kOwnTimeMax;  ///< what was seen later belongs to the next thread of this id

  void take(ThreadFacts&& later) {
    mention.take(std::move(later.mention));
    ran_on.take(std::move(later.ran_on));
    comm.take(std::move(later.comm));
    dumped.take(std::move(later.dumped));
    tgid.take(std::move(later.tgid));
    parent.take(std::move(later.parent));
    privilege.take(std::move(later.privilege));
    pid_ns.take(std::move(later.pid_ns));
    syscall.take(std::move(later.syscall));
    gone = std::min(gone, later.gone);
  }
};

struct CpuFacts {
  bool seen = false;
  bool closed = false;  ///< a loss: later events tell nothing about the beginning
  bool switched = false;
  OwnTime first = kOwnTimeMax;
  OwnTime online = kOwnTimeMax;     ///< first hot-plug step that names it
  std::int32_t tid = -1;            ///< at the beginning
  std::int32_t current = -1;        ///< now
  std::int32_t called = INT32_MIN;  ///< thread whose system call was looked at last
  OwnTime called_at;
  std::string idle_comm;
  bool late = false;
  void forget_thread() {
    current = -1;
    called = INT32_MIN;
  }
  /// That thread's earliest call is not later than one at this time.
  [[nodiscard]] bool knows_call_of(std::int32_t thread, OwnTime at) const {
    return thread == called && called_at <= at;
  }
  model::ContextStack open;              ///< entered since the beginning
  std::vector<model::Context> contexts;  ///< left without having been entered, innermost first
};

class InitialStateCollector::Impl {
 public:
  void on_events(std::span<const model::Event> events, std::uint32_t cpu, std::uint32_t trace) {
    const Table& table = handlers();
    std::uint32_t facts_of_cpu = model::kNoCpu;
    for (const model::Event& event : events) {
      const std::uint32_t on = event.cpu == model::kNoCpu ? cpu : event.cpu;
      const Entry& entry = table[static_cast<std::size_t>(event.kind)];
      if (entry.handler == nullptr || on >= limits::kCpus) continue;
      if (facts_of_cpu != on) {
        if (on >= cpus_.size()) cpus_.resize(on + 1);
        facts_of_cpu = on;
      }
      CpuFacts& facts = cpus_[on];
      // What is left to learn of most events is nothing.
      const bool known =
          facts.seen && facts.first <= event.own && (event.tid < 0 || facts.current == event.tid);
      if (known && entry.until_switch && facts.switched) continue;
      if (known && entry.is_call && facts.knows_call_of(facts.current, event.own)) continue;
      const Site site{event, facts, on, trace};
      if (!known && event.kind != model::EventKind::kLoss) arrive(site);
      (this->*entry.handler)(site);
    }
  }
  void begin_stream() {
    marks_.clear();
    for (CpuFacts& cpu : cpus_) cpu.forget_thread();
  }
  [[nodiscard]] model::Fading fading() const;
  void take(Impl&& later);
  void add_known_name(std::int32_t tid, std::string_view comm) {
    if (tid > 0 && !comm.empty()) names_.emplace(tid, std::string(clip_comm(comm)));
  }
  InitialState finish();

 private:
  struct Site {
    const model::Event& event;
    CpuFacts& cpu;
    std::uint32_t cpu_index;
    std::uint32_t trace;
  };
  using Handler = void (Impl::*)(const Site&);
  struct Entry {
    Handler handler = nullptr;
    bool until_switch = false;  ///< does nothing once the CPU has switched
    bool is_call = false;       ///< begin or end of a system call
  };
  using Table = std::array<Entry, model::kEventKindCount>;
  static const Table& handlers();

  /// What the event's place and its thread say, before what its kind does.
  void arrive(const Site& site);
  void note_current(const Site& site, std::int32_t tid);
  /// What is known of the thread then; null when it is none.
  ThreadFacts* mention(const Site& site, std::int32_t tid, Mention how, std::string_view comm = {});
  void woken(const Site& site, Mark mark);
  static void name(ThreadFacts& thread, OwnTime at, std::string_view comm);
  void name(const Site& site, std::int32_t tid, std::string_view comm);
  void leave(const Site& site, model::ContextKind kind, std::size_t slot);
  void enter(const Site& site, model::ContextKind kind, std::size_t slot);

  void on_switch(const Site& site);
  void on_waking(const Site& site);
  void on_wakeup(const Site& site);
  void on_wakeup_new(const Site& site);
  void on_migrate(const Site& site);
  void on_fork(const Site& site);
  void on_newtask(const Site& site);
  void on_exec(const Site& site);
  void on_gone(const Site& site);
  void on_rename(const Site& site);
  void on_irq_entry(const Site& site) {
    enter(site, model::ContextKind::kHardirq, model::arg::kIrqNumber);
  }
  void on_irq_exit(const Site& site) {
    leave(site, model::ContextKind::kHardirq, model::arg::kIrqNumber);
  }
  void on_softirq_entry(const Site& s) {
    enter(s, model::ContextKind::kSoftirq, model::arg::kSoftirqVector);
  }
  void on_softirq_exit(const Site& s) {
    leave(s, model::ContextKind::kSoftirq, model::arg::kSoftirqVector);
  }
  void on_vector_entry(const Site& s) {
    enter(s, model::ContextKind::kVector, model::arg::kVectorNumber);
  }
  void on_vector_exit(const Site& s) {
    leave(s, model::ContextKind::kVector, model::arg::kVectorNumber);
  }
  void on_timer_entry(const Site& s) {
    enter(s, model::ContextKind::kTimer, model::arg::kHrtimerAddress);
  }
  void on_timer_exit(const Site& s) {
    leave(s, model::ContextKind::kTimer, model::arg::kHrtimerAddress);
  }
  void on_syscall(const Site& site);
  void on_cpuhp(const Site& site);
  void on_loss(const Site& site);
  void on_dump_process(const Site& site);
  void on_dump_pid_ns(const Site& site);
  void on_other(const Site&) {}

  ThreadFacts& facts(std::int32_t tid);
  [[nodiscard]] ThreadFacts* find(std::int32_t tid);
  [[nodiscard]] model::ThreadState state_of(const ThreadFacts& facts) const;
  [[nodiscard]] InitialThread thread_of(const ThreadFacts& facts) const;
  [[nodiscard]] InitialCpu cpu_of(std::uint32_t index, CpuFacts& facts);

  model::ThreadMarks marks_;
  TidMap index_;
  std::vector<ThreadFacts> threads_;
  std::vector<CpuFacts> cpus_;
  std::map<std::int32_t, std::string> names_;
  PidNamespaces namespaces_;
  OwnTime first_ = kOwnTimeMax;
  bool has_waking_ = false;
  bool has_wakeup_ = false;
  bool has_syscalls_ = false;
};

}  // namespace vs::analysis::kernel
