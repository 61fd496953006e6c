#include "analysis/kernel/context_tracker.h"

#include <array>

#include "analysis/kernel/wake_cause.h"
#include "base/limits.h"

namespace vs::analysis::kernel {
namespace {

using model::BlockCause;
using model::Event;
using model::EventKind;
namespace arg = model::arg;

using Handler = void (*)(const Event&, ContextStack&);
using HandlerTable = std::array<Handler, model::kEventKindCount>;

void push(ContextStack& stack, const Context& context) {
  if (stack.push(context)) return;
  stack.clear();  // exits got lost
  stack.push(context);
}

void on_switch(const Event&, ContextStack& stack) { stack.clear(); }
void on_irq_entry(const Event& event, ContextStack& stack) {
  push(stack,
       {ContextKind::kHardirq, cause_of_irq_name(event.texts[0]), event.i_or(arg::kIrqNumber, -1)});
}
void on_irq_exit(const Event& event, ContextStack& stack) {
  stack.pop(ContextKind::kHardirq, event.i_or(arg::kIrqNumber, -1));
}
void on_vector_entry(const Event& event, ContextStack& stack) {
  push(stack, {ContextKind::kVector, BlockCause::kIrq, event.i_or(arg::kVectorNumber, -1)});
}
void on_vector_exit(const Event& event, ContextStack& stack) {
  stack.pop(ContextKind::kVector, event.i_or(arg::kVectorNumber, -1));
}
void on_softirq_entry(const Event& event, ContextStack& stack) {
  const std::int64_t vector = event.i_or(arg::kSoftirqVector, -1);
  push(stack, {ContextKind::kSoftirq, cause_of_softirq(vector), vector});
}
void on_softirq_exit(const Event& event, ContextStack& stack) {
  stack.pop(ContextKind::kSoftirq, event.i_or(arg::kSoftirqVector, -1));
}
void on_timer_entry(const Event& event, ContextStack& stack) {
  push(stack, {ContextKind::kTimer, BlockCause::kTimer, event.i_or(arg::kHrtimerAddress, -1)});
}
void on_timer_exit(const Event& event, ContextStack& stack) {
  stack.pop(ContextKind::kTimer, event.i_or(arg::kHrtimerAddress, -1));
}
void on_block_complete(const Event&, ContextStack& stack) {
  if (stack.size() > 0) stack.top().cause = BlockCause::kDisk;
}
void on_net_receive(const Event&, ContextStack& stack) {
  if (stack.size() > 0) stack.top().cause = BlockCause::kNetwork;
}

const HandlerTable& handlers() {
  static const HandlerTable kHandlers = [] {
    using K = EventKind;
    HandlerTable table{};
    const auto set = [&table](K kind, Handler handler) {
      table[static_cast<std::size_t>(kind)] = handler;
    };
    set(K::kSchedSwitch, &on_switch);
    set(K::kIrqHandlerEntry, &on_irq_entry);
    set(K::kIrqHandlerExit, &on_irq_exit);
    set(K::kIrqVectorEntry, &on_vector_entry);
    set(K::kIrqVectorExit, &on_vector_exit);
    set(K::kSoftirqEntry, &on_softirq_entry);
    set(K::kSoftirqExit, &on_softirq_exit);
    set(K::kTimerExpireEntry, &on_timer_entry);
    set(K::kTimerExpireExit, &on_timer_exit);
    set(K::kHrtimerExpireEntry, &on_timer_entry);
    set(K::kHrtimerExpireExit, &on_timer_exit);
    set(K::kBlockRqComplete, &on_block_complete);
    set(K::kNetifReceiveSkb, &on_net_receive);
    return table;
  }();
  return kHandlers;
}

}  // namespace

model::KindSet ContextTracker::kinds() {
  model::KindSet kinds;
  for (std::size_t kind = 0; kind < model::kEventKindCount; ++kind) {
    if (handlers()[kind] != nullptr) kinds.add(static_cast<EventKind>(kind));
  }
  return kinds;
}

void ContextTracker::on_event(const Event& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.kind)];
  if (handler == nullptr || event.cpu >= limits::kCpus) return;
  if (event.cpu >= cpus_.size()) cpus_.resize(event.cpu + 1);
  handler(event, cpus_[event.cpu]);
}

void ContextTracker::forget(std::uint32_t cpu) {
  if (cpu < cpus_.size()) cpus_[cpu].clear();
}

}  // namespace vs::analysis::kernel
