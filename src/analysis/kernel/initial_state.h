#pragma once
// What was true of a machine when its trace began, recovered from what came later.
//
// The first event that mentions a thread tells what it did before: one that is switched out was
// running since its CPU's trace began, one that is woken was blocked, one that is switched in
// without having been woken was runnable, the child of a fork did not exist. State dumps and saved
// names add to it. So the intervals of a machine begin with its trace and not with each entity's
// first event.
//
// Streams are read one after the other, each in its own order; times of different streams are
// compared as own time of the same machine. After a loss window a CPU says nothing about the
// beginning any more.
//
// Memory: per thread and per CPU only. Threads: one collector belongs to one thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/kernel/pid_namespaces.h"
#include "analysis/kernel/task_facts.h"
#include "base/time.h"
#include "model/cpu_contexts.h"
#include "model/event.h"
#include "model/fading.h"
#include "model/states.h"
#include "model/tables.h"

namespace vs::analysis::kernel {

/// A system call, as the event that showed it names it.
struct SyscallRef {
  std::uint32_t trace = 0;  ///< index of the trace among the machine's
  std::uint16_t type = 0;   ///< event type
  std::int64_t nr = model::kNull;
};

struct InitialThread {
  std::int32_t tid = -1;
  /// kUser = running, on `cpu`; else kRunnable, kBlocked, kExited or kUnknown.
  model::ThreadState state = model::ThreadState::kUnknown;
  std::uint32_t cpu = model::kNoCpu;
  std::int32_t tgid = -1;        ///< -1 = not known
  std::int32_t parent_tid = -1;  ///< -1 = not known
  std::string comm;              ///< the earliest name that is known
  Privilege privilege = Privilege::kUnknown;
  std::int64_t pid_ns = model::kNull;
  std::optional<SyscallRef> syscall;  ///< it was inside of one
};

struct InitialCpu {
  std::uint32_t cpu = 0;
  OwnTime first;          ///< its first event
  std::int32_t tid = -1;  ///< thread there at the beginning, 0 = idle, -1 = not known
  std::string idle_comm;  ///< name of its idle thread, if it was seen
  bool late = false;      ///< came online during the trace: nothing is known before `first`
  std::vector<model::Context> contexts;  ///< what it was inside of, outermost first
};

struct InitialState {
  std::optional<OwnTime> first;        ///< the machine's first event
  std::vector<InitialCpu> cpus;        ///< by cpu
  std::vector<InitialThread> threads;  ///< by tid; those that existed at the beginning
  std::vector<std::pair<std::int32_t, std::string>> names;  ///< saved names, by tid
  PidNamespaces namespaces;
  bool has_waking = false;  ///< sched_waking was recorded
  bool has_wakeup = false;  ///< sched_wakeup was recorded
  bool has_syscalls = false;
};

class InitialStateCollector {
 public:
  InitialStateCollector();
  ~InitialStateCollector();
  InitialStateCollector(InitialStateCollector&&) noexcept;
  InitialStateCollector& operator=(InitialStateCollector&&) noexcept;

  /// The kinds it looks at: those of MachineState, so that both see the same first event.
  [[nodiscard]] static model::KindSet kinds();

  /// The events that tell it nothing, once it has seen the threads that they are about. Marks are
  /// of one stream. Valid as long as the collector is not moved.
  [[nodiscard]] model::Fading fading() const;

  /// The next events are another stream's: nobody is known to run anywhere.
  void begin_stream();
  /// The next run of events of a stream. `cpu` is the stream's and stands in for events without
  /// one; `trace` is the index of the trace among the machine's.
  void on_events(std::span<const model::Event> events, std::uint32_t cpu, std::uint32_t trace = 0);
  /// A name that the file keeps beside its events (trace.dat's saved command lines).
  void add_known_name(std::int32_t tid, std::string_view comm);

  /// What another collector of the same machine has seen, as if its streams had been read after
  /// this one's. Of a CPU that both have seen this one's facts count.
  void take(InitialStateCollector&& later);

  /// The result. The collector is empty afterwards.
  [[nodiscard]] InitialState finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vs::analysis::kernel
