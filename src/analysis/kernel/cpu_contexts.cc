#include "analysis/kernel/cpu_contexts.h"

namespace vs::analysis::kernel {

ContextStack::Popped ContextStack::pop(ContextKind kind, std::int64_t number) {
  for (std::size_t i = size_; i-- > 0;) {
    if (stack_[i].kind != kind || stack_[i].number != number) continue;
    const std::size_t dropped = size_ - 1 - i;
    size_ = i;
    return {true, dropped};
  }
  return {};
}

model::PcpuState ContextStack::inner_state() const {
  for (std::size_t i = size_; i-- > 0;) {
    if (stack_[i].kind == ContextKind::kSoftirq) return model::PcpuState::kSoftirq;
    if (stack_[i].kind != ContextKind::kTimer) return model::PcpuState::kIrq;
  }
  return model::PcpuState::kUnknown;
}

}  // namespace vs::analysis::kernel
