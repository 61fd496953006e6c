#pragma once
// A machine's facts for tests of analyses that have no MachineState behind them: threads as the
// test says, contexts of the CPUs as the events show them.

#include <map>
#include <string>

#include "analysis/kernel/wake_cause.h"
#include "model/cpu_contexts.h"
#include "model/event.h"
#include "model/stream_analysis.h"

namespace vs::test {

class FakeFacts : public model::MachineFacts {
 public:
  std::map<std::uint32_t, std::int32_t> current;  ///< by CPU
  std::map<std::int32_t, std::int32_t> tgid;
  std::map<std::int32_t, std::string> name;

  [[nodiscard]] std::int32_t tid_on(std::uint32_t cpu) const override {
    const auto found = current.find(cpu);
    return found == current.end() ? -1 : found->second;
  }
  [[nodiscard]] std::int32_t tgid_of(std::int32_t tid) const override {
    const auto found = tgid.find(tid);
    return found == tgid.end() ? -1 : found->second;
  }
  [[nodiscard]] model::StringId comm_of(std::int32_t) const override { return model::kNull; }
  [[nodiscard]] std::string_view name_of(std::int32_t tid) const override {
    const auto found = name.find(tid);
    return found == name.end() ? std::string_view{} : found->second;
  }
  [[nodiscard]] std::int64_t container_of(std::int32_t) const override { return model::kNull; }
  [[nodiscard]] const model::ContextStack& contexts(std::uint32_t cpu) const override {
    static const model::ContextStack kNone;
    const auto found = contexts_.find(cpu);
    return found == contexts_.end() ? kNone : found->second;
  }

  /// Takes the event's contexts in, before the analysis gets the event.
  void on_event(const model::Event& event) {
    using K = model::EventKind;
    using model::ContextKind;
    namespace arg = model::arg;
    model::ContextStack& stack = contexts_[event.cpu];
    const auto number = [&event](std::size_t slot) { return event.i_or(slot, -1); };
    if (event.kind == K::kSchedSwitch || event.kind == K::kLoss) stack.clear();
    if (event.kind == K::kIrqHandlerEntry) {
      stack.push({ContextKind::kHardirq, analysis::kernel::cause_of_irq_name(event.texts[0]),
                  number(arg::kIrqNumber)});
    }
    if (event.kind == K::kIrqHandlerExit) stack.pop(ContextKind::kHardirq, number(arg::kIrqNumber));
    if (event.kind == K::kIrqVectorEntry) {
      stack.push({ContextKind::kVector, model::BlockCause::kIrq, number(arg::kVectorNumber)});
    }
    if (event.kind == K::kIrqVectorExit) {
      stack.pop(ContextKind::kVector, number(arg::kVectorNumber));
    }
    const std::int64_t vector = number(arg::kSoftirqVector);
    if (event.kind == K::kSoftirqEntry) {
      stack.push({ContextKind::kSoftirq, analysis::kernel::cause_of_softirq(vector), vector});
    }
    if (event.kind == K::kSoftirqExit) stack.pop(ContextKind::kSoftirq, vector);
    const std::int64_t timer = number(arg::kHrtimerAddress);
    if (event.kind == K::kHrtimerExpireEntry || event.kind == K::kTimerExpireEntry) {
      stack.push({ContextKind::kTimer, model::BlockCause::kTimer, timer});
    }
    if (event.kind == K::kHrtimerExpireExit || event.kind == K::kTimerExpireExit) {
      stack.pop(ContextKind::kTimer, timer);
    }
    if (stack.size() == 0) return;
    if (event.kind == K::kBlockRqComplete) stack.top().cause = model::BlockCause::kDisk;
    if (event.kind == K::kNetifReceiveSkb) stack.top().cause = model::BlockCause::kNetwork;
  }
  /// Events of this CPU were lost.
  void forget(std::uint32_t cpu) { contexts_.erase(cpu); }

 private:
  std::map<std::uint32_t, model::ContextStack> contexts_;
};

}  // namespace vs::test
