#include "model/cpu_contexts.h"

namespace vs::model {

ContextStack::Popped ContextStack::pop(ContextKind kind, std::int64_t number) {
  for (std::size_t i = size_; i-- > 0;) {
    if (stack_[i].kind != kind || stack_[i].number != number) continue;
    const std::size_t dropped = size_ - 1 - i;
    size_ = i;
    return {true, dropped};
  }
  return {};
}

PcpuState ContextStack::inner_state() const {
  for (std::size_t i = size_; i-- > 0;) {
    if (stack_[i].kind == ContextKind::kSoftirq) return PcpuState::kSoftirq;
    if (stack_[i].kind != ContextKind::kTimer) return PcpuState::kIrq;
  }
  return PcpuState::kUnknown;
}

}  // namespace vs::model
