#pragma once
// What a CPU is inside of, innermost last: hard interrupts over a softirq over the task (algorithms
// F.2). Timer callbacks are on the stack as well: they tell why a thread was woken, not where the
// CPU is (the interrupt around them does).
//
// An exit without its entry is refused and leaves the stack alone; Trace Compass once ended its
// whole analysis there. An exit of an outer context drops what was left open inside of it.
//
// Fixed size, no allocation. Threads: none inside.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "model/states.h"

namespace vs::model {

enum class ContextKind : std::uint8_t { kSoftirq, kHardirq, kVector, kTimer };
inline constexpr std::size_t kContextKinds = 4;

struct Context {
  ContextKind kind = ContextKind::kHardirq;
  BlockCause cause = BlockCause::kIrq;  ///< of a wake-up out of this context
  std::int64_t number = -1;  ///< irq, softirq vector, interrupt vector or address of the timer
  HostTime since{};          ///< when it began; of a MachineState's contexts
};

class ContextStack {
 public:
  static constexpr std::size_t kDepth = 16;

  /// False when the stack is full: no kernel nests this deep, so exits must have got lost.
  bool push(const Context& context) {
    if (size_ == kDepth) return false;
    stack_[size_++] = context;
    return true;
  }

  struct Popped {
    bool found = false;
    std::size_t dropped = 0;  ///< contexts inside of it that had no exit
  };
  Popped pop(ContextKind kind, std::int64_t number);

  void clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Null when the task itself is at work.
  [[nodiscard]] const Context* innermost() const {
    return size_ == 0 ? nullptr : &stack_[size_ - 1];
  }
  /// What the innermost one interrupted; null: the task, or there is none.
  [[nodiscard]] const Context* outer() const { return size_ < 2 ? nullptr : &stack_[size_ - 2]; }
  /// Requires size() > 0.
  [[nodiscard]] Context& top() { return stack_[size_ - 1]; }
  [[nodiscard]] const Context& top() const { return stack_[size_ - 1]; }
  /// kIrq, kSoftirq, or kUnknown when only the task is there.
  [[nodiscard]] PcpuState state() const { return size_ == 0 ? PcpuState::kUnknown : inner_state(); }

 private:
  [[nodiscard]] PcpuState inner_state() const;

  std::array<Context, kDepth> stack_{};
  std::size_t size_ = 0;
};

}  // namespace vs::model
