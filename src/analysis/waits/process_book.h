#pragma once
// ProcessBook: the processes of one VM, their lives and their rows of vprocess_state.
//
// A process' rows tile its life: from the first time it is seen to run to the last. Its last wait,
// which may be its end, is no part of it. A key (page-table root) that another process uses after
// it gets a new life under the name `KEY#2`.
//
// Ownership: the sink outlives it. Threads: one. Errors: none; rows never go back in time. Memory:
// O(processes alive), plus a table row per process that was.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/waits/causes.h"
#include "analysis/waits/identity.h"
#include "base/time.h"
#include "model/interval_sink.h"
#include "model/states.h"
#include "model/tables.h"

namespace vs::analysis::waits {

using ProcessIndex = std::uint32_t;
inline constexpr ProcessIndex kNoProcess = 0xffffffffU;

/// A row of vprocess_state without its times.
struct ProcessRow {
  model::VprocessState state = model::VprocessState::kUnknown;
  std::int32_t vcpu = -1;  ///< number, where it runs or ran
  model::StringId waker = model::kNull;
  model::StringId device = model::kNull;
  friend bool operator==(const ProcessRow&, const ProcessRow&) = default;
};

struct Process {
  std::uint64_t key = 0;
  std::uint32_t life = 1;  ///< 2 for the second process of this key, ...
  model::StringId name = model::kNull;
  model::EntityId entity = 0;
  HostTime first;
  HostTime told;              ///< rows up to here are out
  std::uint32_t running = 0;  ///< vCPUs on which it is current
  std::uint32_t primary = 0;  ///< the one whose state its row shows, when running
  ProcessRow row;             ///< the present one, when running
  bool lossy = false;
  /// The row before it, from `told` to `held_end`: it may turn out to have ended earlier.
  bool holds = false;
  bool held_lossy = false;
  ProcessRow held;
  HostTime held_end;
  bool started = false;
  // When not running:
  HostTime off_since;
  HostTime asleep_after;       ///< it may have gone to sleep from here on
  std::uint32_t off_vcpu = 0;  ///< slot
  bool involuntary = false;    ///< an interrupt took the vCPU from its user code
  Habits habits;
  std::uint64_t stack_top = 0;  ///< where its main stack is, 0 = not seen
};

class ProcessBook {
 public:
  /// Processes beyond it are not told apart any more: their time is nobody's.
  static constexpr std::size_t kMaxAlive = 1U << 16;

  ProcessBook(std::string machine, model::StringId machine_id, model::IntervalSink& sink)
      : machine_(std::move(machine)), machine_id_(machine_id), sink_(sink) {}

  /// The process of a key, kNoProcess when it has not been seen.
  [[nodiscard]] ProcessIndex find(std::uint64_t key) const;
  /// The same, made when there is none; kNoProcess beyond kMaxAlive.
  [[nodiscard]] ProcessIndex make(Identity identity, std::uint64_t key);
  [[nodiscard]] Process& at(ProcessIndex index) { return processes_[index]; }

  /// Begins the process' life, or continues it after off_since when the pieces between have been
  /// told.
  void run(Process& process, HostTime time, const ProcessRow& row);
  /// Its row from `time` on; times before what is told count as that.
  void change(Process& process, HostTime time, const ProcessRow& row);
  /// It stops running at `time`, which may lie before its present row, in the one before that.
  void stop(Process& process, HostTime time);
  /// A piece of its time off, up to `end`, behind what is told.
  void tell(Process& process, HostTime end, const ProcessRow& row);
  /// Its life ends with what is told; its key is free for another.
  void end(ProcessIndex index);
  /// Events were lost in [begin, end): rows of that time are doubtful.
  void mark_lossy(HostTime end);

  /// Ends all lives at `time`.
  void finish(HostTime time);
  /// Lives that began on a key which another process had before.
  [[nodiscard]] std::uint64_t reused() const { return reused_; }
  /// Rows of the `vprocess` table.
  [[nodiscard]] const std::vector<model::Row>& rows() const { return rows_; }

  template <typename Visit>
  void each(Visit visit) {
    for (ProcessIndex i = 0; i < processes_.size(); ++i) visit(i, processes_[i]);
  }

 private:
  struct Key {
    ProcessIndex index = kNoProcess;
    std::uint32_t lives = 0;
  };
  void flush(Process& process, HostTime end, const ProcessRow& row, bool lossy);
  void flush_held(Process& process, HostTime end);
  [[nodiscard]] bool is_lossy(const Process& process) const {
    return process.lossy || process.told < lossy_until_;
  }
  [[nodiscard]] std::string name_of(std::uint64_t key, std::uint32_t life) const;

  std::string machine_;
  model::StringId machine_id_;
  model::IntervalSink& sink_;
  Identity identity_ = Identity::kUndecided;
  std::vector<Process> processes_;
  std::vector<ProcessIndex> free_;
  std::unordered_map<std::uint64_t, Key> keys_;
  std::vector<model::Row> rows_;
  HostTime lossy_until_ = kHostTimeMin;
  std::uint64_t reused_ = 0;
};

}  // namespace vs::analysis::waits
