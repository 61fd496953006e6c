#include "analysis/kernel/syscall_names.h"

#include <utility>

#include "model/event_kind.h"

namespace vs::analysis::kernel {
namespace {

constexpr std::size_t kCachedNumbers = 1024;
constexpr std::string_view kUnknownCall = "unknown";  // LTTng: a call that its tables lack
constexpr std::string_view kSigreturn = "rt_sigreturn";

bool is_lttng_entry(std::string_view name) {
  return name.starts_with("syscall_entry_") || name.starts_with("compat_syscall_entry_");
}

EventTypes::Return end_of(std::string_view call) {
  if (call == kSigreturn) return EventTypes::Return::kUnseen;
  return call == kUnknownCall ? EventTypes::Return::kMaybe : EventTypes::Return::kSeen;
}

// "local_timer_entry", "x86_irq_vectors_reschedule_exit", "call_function_single_entry"
model::BlockCause cause_of_vector(std::string_view name) {
  if (name.find("timer") != std::string_view::npos) return model::BlockCause::kTimer;
  const bool ipi = name.find("reschedule") != std::string_view::npos ||
                   name.find("call_function") != std::string_view::npos;
  return ipi ? model::BlockCause::kIpi : model::BlockCause::kIrq;
}

}  // namespace

EventTypes::EventTypes(EventNames names, SyscallTable table, model::IntervalSink& sink)
    : sink_(sink),
      table_(table),
      syscall_names_(std::move(names)),
      types_(syscall_names_.size()),
      by_number_(kCachedNumbers, model::kNull) {
  for (std::size_t trace = 0; trace < types_.size(); ++trace) {
    for (std::string& name : syscall_names_[trace]) {
      const std::string event_name = std::exchange(name, std::string(model::syscall_name_of(name)));
      Type& entry = types_[trace].emplace_back();
      if (is_lttng_entry(event_name)) entry.call.end = end_of(name);
      entry.vector_cause = cause_of_vector(event_name);
    }
  }
}

EventTypes::Call EventTypes::look_up(std::uint32_t trace, std::uint16_t type, std::int64_t nr) {
  const Type* const found = find(trace, type);
  if (found == nullptr) return {by_number(nr), Return::kSeen};
  const std::string& name = syscall_names_[trace][type];
  Call call = found->call;
  if (call.end == Return::kMaybe && table_ == SyscallTable::kX86_64 &&
      x86_64_syscall_name(nr) == kSigreturn) {
    call.end = Return::kUnseen;
  }
  const bool number_tells = name.empty() || (name == kUnknownCall && nr != model::kNull);
  call.name = number_tells ? by_number(nr) : sink_.intern(name);
  if (!number_tells && name != kUnknownCall) types_[trace][type].call = call;
  return call;
}

model::StringId EventTypes::by_number(std::int64_t nr) {
  if (nr == model::kNull) return model::kNull;
  const bool cached = nr >= 0 && nr < static_cast<std::int64_t>(kCachedNumbers);
  if (cached && by_number_[static_cast<std::size_t>(nr)] != model::kNull) {
    return by_number_[static_cast<std::size_t>(nr)];
  }
  const std::string_view name =
      table_ == SyscallTable::kX86_64 ? x86_64_syscall_name(nr) : std::string_view{};
  const model::StringId id =
      sink_.intern(name.empty() ? "nr:" + std::to_string(nr) : std::string(name));
  if (cached) by_number_[static_cast<std::size_t>(nr)] = id;
  return id;
}

model::BlockCause EventTypes::vector_cause(std::uint32_t trace, std::uint16_t type) const {
  const Type* const found = find(trace, type);
  return found == nullptr ? model::BlockCause::kIrq : found->vector_cause;
}

}  // namespace vs::analysis::kernel
