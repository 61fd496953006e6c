#include "analysis/delivery/guest_interrupts.h"

#include <algorithm>
#include <utility>

namespace vs::analysis::delivery {
namespace {

using kernel::WakeSite;
using kernel::WakeSource;
using model::BlockCause;
using model::Context;
using model::ContextKind;
using model::EventKind;
using model::StreamEvent;
namespace arg = model::arg;

/// A cause that the machine alone could not tell, told by the delivery.
BlockCause refined(BlockCause cause, const Source& source) {
  if (cause != BlockCause::kIrq && cause != BlockCause::kUnknown) return cause;
  switch (source.cause) {
    case DeliveryClass::kTimer:
      return BlockCause::kTimer;
    case DeliveryClass::kDisk:
      return BlockCause::kDisk;
    case DeliveryClass::kNetwork:
      return BlockCause::kNetwork;
    case DeliveryClass::kTask:
      return source.tid > 0 ? BlockCause::kTask : BlockCause::kIpi;
    case DeliveryClass::kDevice:
    case DeliveryClass::kUnknown:
      return cause;
  }
  return cause;
}

}  // namespace

GuestInterrupts::GuestInterrupts(model::MachineIndex machine, std::vector<model::StringId> names,
                                 const model::MachineFacts& facts, const model::KindSet& recorded)
    : facts_(facts),
      machine_(machine),
      names_(std::move(names)),
      sees_raises_(recorded.has(EventKind::kSoftirqRaise)) {}

const GuestInterrupts::HandlerTable& GuestInterrupts::handlers() {
  static const HandlerTable kHandlers = [] {
    using K = EventKind;
    HandlerTable table{};
    const auto set = [&table](K kind, Handler handler) {
      table[static_cast<std::size_t>(kind)] = handler;
    };
    set(K::kIrqHandlerEntry, &GuestInterrupts::on_irq_entry);
    set(K::kIrqVectorEntry, &GuestInterrupts::on_vector_entry);
    set(K::kSoftirqRaise, &GuestInterrupts::on_softirq_raise);
    set(K::kHrtimerExpireEntry, &GuestInterrupts::on_timer_entry);
    set(K::kTimerExpireEntry, &GuestInterrupts::on_timer_entry);
    return table;
  }();
  return kHandlers;
}

model::KindSet GuestInterrupts::kinds() {
  model::KindSet kinds;
  for (std::size_t kind = 0; kind < model::kEventKindCount; ++kind) {
    if (handlers()[kind] != nullptr) kinds.add(static_cast<EventKind>(kind));
  }
  return kinds;
}

void GuestInterrupts::on_event(const StreamEvent& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.event.kind)];
  Cpu* const cpu = handler == nullptr ? nullptr : cpus_.at(event.event.cpu);
  if (cpu != nullptr) (this->*handler)(event, *cpu);
}

void GuestInterrupts::on_loss(std::uint32_t cpu) {
  if (Cpu* const at = cpus_.at(cpu)) *at = {};
}

void GuestInterrupts::forget_deliveries() {
  for (Cpu& cpu : cpus_) {
    cpu.pending = {};
    cpu.injected = {};
  }
}

// ---- deliveries ----

void GuestInterrupts::on_delivery(std::uint32_t index, const Delivery& delivery) {
  Cpu* const cpu = delivery.vector < 0 ? nullptr : cpus_.at(index);
  if (cpu == nullptr) return;
  Pending* place = find(*cpu, delivery.vector);
  if (place == nullptr) {
    place = &*std::min_element(cpu->pending.begin(), cpu->pending.end(),
                               [](const Pending& a, const Pending& b) {
                                 return a.valid != b.valid ? !a.valid : a.time < b.time;
                               });
  }
  *place = {true,
            static_cast<std::uint8_t>(delivery.vector),
            delivery.time,
            {true, delivery.cause, delivery.source_machine, delivery.source_tid}};
}

void GuestInterrupts::on_injection(std::uint32_t index, std::uint8_t vector) {
  Cpu* const cpu = cpus_.at(index);
  if (cpu == nullptr) return;
  cpu->injections = true;
  Pending* const found = find(*cpu, vector);
  // None outstanding: injected again (it is the same one still), or nobody saw it being sent.
  if (found == nullptr && cpu->injected.valid && cpu->injected.vector == vector) return;
  cpu->injected = found != nullptr ? *found : Pending{true, vector, {}, {}};
  cpu->handled = false;
  if (found != nullptr) found->valid = false;
}

GuestInterrupts::Pending* GuestInterrupts::find(Cpu& cpu, std::int64_t vector) {
  for (Pending& pending : cpu.pending) {
    if (pending.valid && pending.vector == vector) return &pending;
  }
  return nullptr;
}

Source GuestInterrupts::take_vector(Cpu& cpu, std::int64_t vector) {
  if (cpu.injections) {
    return cpu.injected.valid && cpu.injected.vector == vector ? cpu.injected.source : Source{};
  }
  Pending* const found = find(cpu, vector);
  if (found == nullptr) return {};
  found->valid = false;
  return found->source;
}

// Timers and IPIs have vectors of their own and no handler with a number.
Source GuestInterrupts::take_for_irq(Cpu& cpu, std::int64_t irq) {
  if (cpu.injections) return cpu.injected.valid ? cpu.injected.source : Source{};
  Learnt& learnt = cpu.learnt[static_cast<std::size_t>(irq) % kLearnt];
  Pending* best = learnt.irq == irq ? find(cpu, learnt.vector) : nullptr;
  std::size_t candidates = 0;
  for (Pending& pending : cpu.pending) {
    const bool device = pending.valid && pending.source.cause != DeliveryClass::kTimer &&
                        pending.source.cause != DeliveryClass::kTask;
    if (!device) continue;
    ++candidates;
    const bool known = best != nullptr && learnt.irq == irq && best->vector == learnt.vector;
    if (!known && (best == nullptr || pending.vector > best->vector)) best = &pending;
  }
  if (best == nullptr) return {};
  if (candidates == 1) learnt = {irq, best->vector};
  best->valid = false;
  return best->source;
}

// ---- contexts ----

// Handlers that share a vector follow each other; those inside of a vector event belong to it.
void GuestInterrupts::on_irq_entry(const StreamEvent& event, Cpu& cpu) {
  const Context* const outer = facts_.contexts(event.event.cpu).outer();
  const bool nested = outer != nullptr && outer->kind != ContextKind::kSoftirq;
  if (!nested) cpu.irq = take_for_irq(cpu, event.event.i_or(arg::kIrqNumber, -1));
  cpu.handled = true;
}

void GuestInterrupts::on_vector_entry(const StreamEvent& event, Cpu& cpu) {
  cpu.irq = take_vector(cpu, event.event.i_or(arg::kVectorNumber, -1));
  cpu.handled = true;
}

void GuestInterrupts::on_timer_entry(const StreamEvent&, Cpu& cpu) {
  if (cpu.injected.source.cause == DeliveryClass::kTimer) cpu.handled = true;
}

void GuestInterrupts::on_softirq_raise(const StreamEvent& event, Cpu& cpu) {
  const std::int64_t vector = event.event.i_or(arg::kSoftirqVector, -1);
  if (vector < 0 || vector >= static_cast<std::int64_t>(kSoftirqs)) return;
  Source source;
  if (const Context* const context = facts_.contexts(event.event.cpu).innermost()) {
    source = behind(cpu, *context);
  } else if (event.tid > 0) {
    source = {true, DeliveryClass::kTask, machine_, event.tid};
  }
  cpu.raised[static_cast<std::size_t>(vector)] = source;
}

// ---- answers ----

Source GuestInterrupts::behind(const Cpu& cpu, const Context& context) const {
  switch (context.kind) {
    case ContextKind::kTimer:
      return {true, DeliveryClass::kTimer, model::kNoMachine, -1};
    case ContextKind::kSoftirq: {
      const bool known = sees_raises_ && context.number >= 0 &&
                         context.number < static_cast<std::int64_t>(kSoftirqs);
      return known ? cpu.raised[static_cast<std::size_t>(context.number)] : cpu.irq;
    }
    case ContextKind::kHardirq:
    case ContextKind::kVector:
      return cpu.irq;
  }
  return {};
}

bool GuestInterrupts::in_interrupt(std::uint32_t cpu) const {
  return facts_.contexts(cpu).size() > 0;
}

Source GuestInterrupts::source_on(std::uint32_t cpu) const {
  return cpu < cpus_.size() ? behind(cpus_[cpu], facts_.contexts(cpu).top()) : Source{};
}

WakeSource GuestInterrupts::resolve(const WakeSite& site) {
  WakeSource answer{site.cause, model::kNull, model::kNull};
  if (site.cpu >= cpus_.size()) return answer;
  const Cpu& cpu = cpus_[site.cpu];
  Source source;
  if (site.context != nullptr) {
    source = behind(cpu, *site.context);
  } else if (cpu.injected.valid && !cpu.handled) {
    source = cpu.injected.source;
  }
  if (!source.known) return answer;
  answer.cause = refined(site.cause, source);
  if (source.tid <= 0 || source.machine >= names_.size()) return answer;
  answer.machine = names_[source.machine];
  answer.tid = source.tid;
  return answer;
}

}  // namespace vs::analysis::delivery
