#pragma once
// What the type of an event says beyond its kind: the name of a system call, the sort of an
// interrupt vector. And the numbers of system calls, where the trace gives only those
// (raw_syscalls).
//
// Threads: belongs to one machine state; the free function is pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::kernel {

/// Which table turns system-call numbers into names. Numbers of 32-bit calls on a 64-bit kernel are
/// not told apart by raw_syscalls.
enum class SyscallTable : std::uint8_t { kNone, kX86_64 };

/// Empty when the number is not in the table.
[[nodiscard]] std::string_view x86_64_syscall_name(std::int64_t nr);

/// Names of the event types of a machine's traces: [trace][type].
using EventNames = std::vector<std::vector<std::string>>;

class EventTypes {
 public:
  EventTypes(EventNames names, SyscallTable table, model::IntervalSink& sink);

  /// How a call that is entered comes to its end in the trace.
  enum class Return : std::uint8_t {
    kSeen,    ///< by its exit event
    kMaybe,   ///< LTTng's syscall_entry_unknown: rt_sigreturn has no exit, others have
    kUnseen,  ///< rt_sigreturn in LTTng: it restores the registers that tell the call's number
  };
  /// What an event that enters a call says of it.
  struct Call {
    model::StringId name = model::kNull;  ///< "nr:N" when only the number is known
    Return end = Return::kSeen;
  };
  [[nodiscard]] Call call(std::uint32_t trace, std::uint16_t type, std::int64_t nr) {
    const Type* const found = find(trace, type);
    // Most types tell all, and were seen before.
    if (found != nullptr && found->call.name != model::kNull) [[likely]]
      return found->call;
    return look_up(trace, type, nr);
  }
  /// What a thread woken out of this interrupt vector waited for: kTimer, kIpi or kIrq.
  [[nodiscard]] model::BlockCause vector_cause(std::uint32_t trace, std::uint16_t type) const;

 private:
  struct Type {
    Call call;  ///< its name is interned when first used; without one, or kMaybe: the number tells
    model::BlockCause vector_cause = model::BlockCause::kIrq;
  };
  [[nodiscard]] const Type* find(std::uint32_t trace, std::uint16_t type) const {
    if (trace >= types_.size() || type >= types_[trace].size()) return nullptr;
    return &types_[trace][type];
  }
  [[nodiscard]] Call look_up(std::uint32_t trace, std::uint16_t type, std::int64_t nr);
  [[nodiscard]] model::StringId by_number(std::int64_t nr);

  model::IntervalSink& sink_;
  SyscallTable table_;
  EventNames syscall_names_;  ///< of the types; empty when only the number tells
  std::vector<std::vector<Type>> types_;
  std::vector<model::StringId> by_number_;  ///< of small numbers, kNull = not interned yet
};

}  // namespace vs::analysis::kernel
