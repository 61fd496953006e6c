#pragma once
// Interrupt delivery: who interrupted a vCPU, and for what, as the host shows it (algorithms E.3,
// E.4).
//
// kvm_apic_accept_irq fires in the context of the sender: another vCPU's thread (an IPI of the
// guest), the vCPU itself or a timer of the host, a vhost thread, a thread of the VMM after it
// finished a block request or moved a packet, a hard interrupt of a passed-through device. What the
// sender was doing gives the cause; what senders did before gives it per (VM, vCPU, vector) where
// one context alone says nothing. docs/analyses/interrupts.md has the rules and where they end.
//
// Observers are told of each delivery within the call that shows it, in order of telling; `time`
// may lie before the present for the few whose VM only a later event told. A delivery is told to
// observers before the StreamAnalyses see the event.
//
// Ownership: observers must outlive the source. Threads: one.

#include <cstdint>
#include <span>
#include <string_view>

#include "analysis/vcpu/observer.h"
#include "base/time.h"
#include "model/experiment.h"

namespace vs::analysis::delivery {

enum class DeliveryClass : std::uint8_t { kTimer, kDisk, kNetwork, kTask, kDevice, kUnknown };
inline constexpr std::size_t kDeliveryClasses = 6;
/// "timer", "disk", "network", "task", "device", "unknown"
[[nodiscard]] std::string_view name_of(DeliveryClass cause);

/// Where the class comes from.
enum class DeliveryEvidence : std::uint8_t {
  kContext,  ///< what the sender was doing
  kLearnt,   ///< what this vector of this vCPU has been for before
  kNone,     ///< class is kUnknown, or kDevice for a sender that showed no work
};

struct Delivery {
  HostTime time;
  vcpu::VcpuRef victim;
  std::int16_t vector = -1;  ///< 0 to 255
  DeliveryClass cause = DeliveryClass::kUnknown;
  DeliveryEvidence evidence = DeliveryEvidence::kNone;
  /// The host thread in whose context it was sent; tid -1: none (an interrupt of the host) or not
  /// known.
  model::MachineIndex sender_machine = model::kNoMachine;
  std::int32_t sender_tid = -1;
  /// For kTask: the vCPU that sent it; machine kNoMachine: the sender is no vCPU.
  vcpu::VcpuRef sender_vcpu;
  /// Whose work it was: for an IPI the guest's own thread (or, when the sending vCPU was in an
  /// interrupt itself, whoever was behind that one), the sender where there is no guest trace; else
  /// the sender. tid -1: nobody (a timer, a device).
  model::MachineIndex source_machine = model::kNoMachine;
  std::int32_t source_tid = -1;
};

class DeliveryObserver {
 public:
  virtual ~DeliveryObserver() = default;
  virtual void on_delivery(const Delivery& delivery) = 0;
};

}  // namespace vs::analysis::delivery
