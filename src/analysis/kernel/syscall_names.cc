#include "analysis/kernel/syscall_names.h"

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
    : sink_(sink), table_(table), types_(names.size()), by_number_(kCachedNumbers, model::kNull) {
  for (std::size_t trace = 0; trace < names.size(); ++trace) {
    types_[trace].resize(names[trace].size());
    for (std::size_t type = 0; type < names[trace].size(); ++type) {
      const std::string_view name = names[trace][type];
      Type& entry = types_[trace][type];
      entry.syscall_name = std::string(model::syscall_name_of(name));
      if (is_lttng_entry(name)) entry.end = end_of(entry.syscall_name);
      entry.vector_cause = cause_of_vector(name);
    }
  }
}

const EventTypes::Type* EventTypes::find(std::uint32_t trace, std::uint16_t type) const {
  if (trace >= types_.size() || type >= types_[trace].size()) return nullptr;
  return &types_[trace][type];
}

model::StringId EventTypes::syscall(std::uint32_t trace, std::uint16_t type, std::int64_t nr) {
  const Type* const found = find(trace, type);
  if (found != nullptr && found->syscall != model::kNull) return found->syscall;
  if (found == nullptr || found->syscall_name.empty()) return by_number(nr);
  if (found->syscall_name == kUnknownCall && nr != model::kNull) return by_number(nr);
  const model::StringId id = sink_.intern(found->syscall_name);
  if (found->syscall_name != kUnknownCall) types_[trace][type].syscall = id;
  return id;
}

EventTypes::Return EventTypes::return_of(std::uint32_t trace, std::uint16_t type,
                                         std::int64_t nr) const {
  const Type* const found = find(trace, type);
  if (found == nullptr || found->end != Return::kMaybe) {
    return found == nullptr ? Return::kSeen : found->end;
  }
  const bool x86 = table_ == SyscallTable::kX86_64;
  return x86 && x86_64_syscall_name(nr) == kSigreturn ? Return::kUnseen : Return::kMaybe;
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
