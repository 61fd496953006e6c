#pragma once
// The threads of one machine: what is known of each and the row of thread_state that is open for
// it.
//
// One Thread per thread id; when an id is used again the record goes on (its rows run on, with
// `exited` between) and the life before becomes a row of the `thread` table of its own.
//
// Records are never moved or removed, so CPUs may keep pointers to them. Threads: none inside.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/kernel/cpu_view.h"
#include "analysis/kernel/task_facts.h"
#include "base/tid_map.h"
#include "base/time.h"
#include "model/event.h"
#include "model/interval_sink.h"
#include "model/open_row.h"
#include "model/states.h"
#include "model/tables.h"

namespace vs::analysis::kernel {

inline constexpr model::EntityId kNoEntity = 0xffffffffU;

/// The values of one row of thread_state.
struct ThreadRow {
  model::ThreadState state = model::ThreadState::kUnknown;
  std::int64_t cpu = model::kNull;        ///< where it runs, or the queue it waits in
  std::int64_t effective = model::kNull;  ///< model::Effective
  std::int64_t detail = model::kNull;     ///< StringId
  std::int64_t waker_tid = model::kNull;
  model::StringId waker_machine = model::kNull;
  /// Where the sink notes these values; null, or says nothing about the row.
  model::RowMemo* memo = nullptr;

  friend bool operator==(const ThreadRow& a, const ThreadRow& b) {
    return a.state == b.state && a.cpu == b.cpu && a.effective == b.effective &&
           a.detail == b.detail && a.waker_tid == b.waker_tid && a.waker_machine == b.waker_machine;
  }
};

/// Who woke a thread, and for what.
struct Waker {
  model::BlockCause cause = model::BlockCause::kUnknown;
  std::int64_t tid = model::kNull;
  model::StringId machine = model::kNull;  ///< not kNull when `tid` is known
};

/// A wake-up that hit a thread which had not left its CPU yet.
struct PendingWake {
  bool valid = false;
  Waker waker;
};

enum class Birth : std::uint8_t {
  kInitial,   ///< was there when the trace began
  kForked,    ///< its creation is in the trace
  kAppeared,  ///< it came up without one
};

struct Thread {
  std::int32_t tid = -1;
  std::int32_t tgid = -1;
  std::int32_t parent_tid = -1;
  Privilege privilege = Privilege::kUnknown;
  Birth birth = Birth::kAppeared;
  bool exiting = false;
  bool in_syscall = false;
  bool may_return_unseen = false;  ///< `syscall` may end without an exit event
  bool kernel_comm = false;        ///< its name is one that only kernel threads have
  HostTime first;                  ///< begin of this life
  HostTime since;                  ///< begin of the open row
  ThreadRow row;
  PendingWake pending;
  model::StringId syscall = model::kNull;
  model::StringId comm_id = model::kNull;
  std::int64_t pid_ns = model::kNull;
  std::int64_t ns_level = -1;  ///< depth of pid_ns where a state dump told it
  std::string cgroup;          ///< path it was attached to during the trace
  std::string comm;
  model::EntityId entity = kNoEntity;
  ViewMemos memos;

  [[nodiscard]] bool running() const {
    return row.state == model::ThreadState::kUser || row.state == model::ThreadState::kSyscall ||
           row.state == model::ThreadState::kIrq;
  }
  [[nodiscard]] bool runs_on(std::uint32_t cpu) const {
    return running() && row.cpu == static_cast<std::int64_t>(cpu);
  }
  [[nodiscard]] bool exited() const { return row.state == model::ThreadState::kExited; }
  /// Without evidence of user mode: a kernel thread.
  [[nodiscard]] bool kernel() const {
    return privilege == Privilege::kKernel || (privilege == Privilege::kUnknown && kernel_comm);
  }
};

class ThreadRows {
 public:
  ThreadRows(model::IntervalSink& sink, std::string machine_name);

  /// nullptr when the id was never seen. Requires tid > 0.
  [[nodiscard]] Thread* find(std::int32_t tid) { return lookup(tid); }
  [[nodiscard]] const Thread* find(std::int32_t tid) const { return lookup(tid); }
  /// Adds a record whose life and first row begin `at`. Requires that the id was never seen.
  Thread& add(std::int32_t tid, HostTime at, Birth birth);
  /// The id is used again: what was known of it becomes a row of `thread`, and a new life begins.
  /// The open row goes on until the next set().
  void begin_life(Thread& thread, HostTime at, Birth birth);

  /// Ends the open row and opens another, unless they are equal. `loss_end`: the last loss window
  /// that touches the open row's time ends there.
  void set(Thread& thread, HostTime at, const ThreadRow& row, HostTime loss_end);
  /// Ends the open row; the caller opens another by changing `thread.row`.
  void end_row(Thread& thread, HostTime at, HostTime loss_end) { emit(thread, at, loss_end); }
  /// Ends the open rows of all threads.
  void finish(HostTime end, HostTime (*loss_end)(const void*, const Thread&), const void* context);

  /// Adds the open rows of threads that have ended one before. `loss_end` as for finish().
  void list_open(HostTime until, HostTime (*loss_end)(const void*, const Thread&),
                 const void* context, std::vector<model::OpenRow>& out) const;

  void set_comm(Thread& thread, std::string_view comm);
  [[nodiscard]] model::StringId machine_id() const { return machine_id_; }
  [[nodiscard]] const std::string& machine_name() const { return machine_name_; }

  /// Lives that have ended by reuse first, then the present ones, by id. `container` is the
  /// namespace's id or kNull.
  struct Life {
    std::int32_t tid = -1;
    std::int32_t tgid = -1;
    std::int32_t parent_tid = -1;
    model::StringId comm_id = model::kNull;
    std::string comm;
    std::int64_t pid_ns = model::kNull;
    HostTime first;
    HostTime last;
  };
  [[nodiscard]] std::vector<Life> lives() const;

 private:
  [[nodiscard]] Thread* lookup(std::int32_t tid) const {
    const std::uint32_t at = index_.find(tid);
    return at == TidMap::kNone ? nullptr : by_index_[at];
  }
  void emit(Thread& thread, HostTime end, HostTime loss_end);
  /// emit() of a row that is not empty, whose values the sink has to be told.
  [[gnu::noinline]] void add(Thread& thread, HostTime end, HostTime loss_end);
  [[nodiscard]] Life life_of(const Thread& thread) const;

  model::IntervalSink& sink_;
  std::string machine_name_;
  model::StringId machine_id_;
  TidMap index_;
  std::deque<Thread> threads_;
  std::vector<Thread*> by_index_;
  std::vector<Life> ended_;
  HostTime end_;
};

}  // namespace vs::analysis::kernel
