#pragma once
// Which delivery each interrupt of one machine belongs to, and so who is behind the wake-ups out of
// its interrupts and softirqs (algorithms F.4).
//
// A processor's interrupt handler belongs to the vector that was injected last; where injections
// are not seen (APICv, AVIC) to the vector among those accepted and not handled yet that this
// interrupt had before, else to the highest, which the processor takes first. A softirq belongs to
// whatever raised it: the interrupt that it was raised in, or the task.
//
// Ownership: the facts must outlive it. Threads: one. Memory: O(processors). Errors: none.

#include <array>
#include <cstdint>
#include <vector>

#include "analysis/delivery/delivery.h"
#include "analysis/kernel/wake_source.h"
#include "base/per_cpu.h"
#include "model/stream_analysis.h"

namespace vs::analysis::delivery {

/// Who and what is behind an interrupt; known == false: nothing tells.
struct Source {
  bool known = false;
  DeliveryClass cause = DeliveryClass::kUnknown;
  model::MachineIndex machine = model::kNoMachine;
  std::int32_t tid = -1;
};

class GuestInterrupts final : public kernel::WakeResolver {
 public:
  /// `names`: of the machines, by index. `recorded`: the kinds in this machine's trace. `facts`: of
  /// it, with each event taken in before it comes here.
  GuestInterrupts(model::MachineIndex machine, std::vector<model::StringId> names,
                  const model::MachineFacts& facts, const model::KindSet& recorded);

  [[nodiscard]] static model::KindSet kinds();
  /// The same of a machine to which nobody delivers: who raised its softirqs is all there is.
  [[nodiscard]] static model::KindSet kinds_of_hosts() {
    return model::KindSet::of({model::EventKind::kSoftirqRaise});
  }
  void on_event(const model::StreamEvent& event);
  void on_loss(std::uint32_t cpu);
  /// The host's events have a gap, or have ended: what was outstanding may have been handled.
  void forget_deliveries();

  /// The host has accepted an interrupt for this processor.
  void on_delivery(std::uint32_t cpu, const Delivery& delivery);
  /// It enters the guest with this vector.
  void on_injection(std::uint32_t cpu, std::uint8_t vector);

  [[nodiscard]] bool in_interrupt(std::uint32_t cpu) const;
  /// Who is behind what the processor is inside of. Requires in_interrupt().
  [[nodiscard]] Source source_on(std::uint32_t cpu) const;
  [[nodiscard]] kernel::WakeSource resolve(const kernel::WakeSite& site) override;

 private:
  static constexpr std::size_t kSoftirqs = 10;
  static constexpr std::size_t kPending = 16;
  static constexpr std::size_t kLearnt = 64;

  struct Pending {
    bool valid = false;
    std::uint8_t vector = 0;
    HostTime time;
    Source source;
  };
  struct Learnt {
    std::int64_t irq = -1;
    std::uint8_t vector = 0;
  };
  struct Cpu {
    Source irq;                             ///< behind the hard interrupt that began last
    std::array<Source, kSoftirqs> raised;   ///< behind each softirq
    std::array<Pending, kPending> pending;  ///< accepted, not injected or handled yet
    Pending injected;
    bool handled = false;     ///< `injected` has shown its handler
    bool injections = false;  ///< they are seen for this processor
    std::array<Learnt, kLearnt> learnt{};
  };
  using Handler = void (GuestInterrupts::*)(const model::StreamEvent&, Cpu&);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();

  void on_irq_entry(const model::StreamEvent&, Cpu&);
  void on_vector_entry(const model::StreamEvent&, Cpu&);
  void on_softirq_raise(const model::StreamEvent&, Cpu&);
  void on_timer_entry(const model::StreamEvent&, Cpu&);

  [[nodiscard]] static Pending* find(Cpu& cpu, std::int64_t vector);
  [[nodiscard]] static Source take_for_irq(Cpu& cpu, std::int64_t irq);
  [[nodiscard]] static Source take_vector(Cpu& cpu, std::int64_t vector);
  [[nodiscard]] Source behind(const Cpu& cpu, const model::Context& context) const;

  const model::MachineFacts& facts_;
  model::MachineIndex machine_;
  std::vector<model::StringId> names_;
  bool sees_raises_;
  PerCpu<Cpu> cpus_;
};

}  // namespace vs::analysis::delivery
