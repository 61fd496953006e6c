#pragma once
// The interrupts and softirqs that each processor of one machine is inside of, for analyses beside
// the machine state: contexts as in MachineState, with the cause of a wake-up out of each.
//
// Threads: one. Memory: O(processors). Errors: none; processors beyond the limit are ignored.

#include <cstdint>
#include <vector>

#include "analysis/kernel/cpu_contexts.h"
#include "model/event.h"
#include "model/event_kind.h"

namespace vs::analysis::kernel {

class ContextTracker {
 public:
  [[nodiscard]] static model::KindSet kinds();
  /// Takes the event in: its contexts begin or end, or it tells what the innermost one is about.
  void on_event(const model::Event& event);
  /// Events of this processor were lost.
  void forget(std::uint32_t cpu);

  /// The innermost context, null when its thread itself is at work.
  [[nodiscard]] const Context* inside(std::uint32_t cpu) const {
    return cpu < cpus_.size() && cpus_[cpu].size() > 0 ? &cpus_[cpu].top() : nullptr;
  }

 private:
  std::vector<ContextStack> cpus_;
};

}  // namespace vs::analysis::kernel
