#pragma once
// Deliveries: finds the interrupt deliveries (delivery.h) in the hosts' events and tells guests'
// kernel states who is behind the wake-ups out of their interrupts (algorithms F.4).
//
// Wiring: one for the machines of a flow. Feed it as a StreamAnalysis before the analyses that
// observe deliveries, register it with every HostVcpus as a VcpuObserver, and give resolver(m) to
// the MachineState of every traced machine m.
//
// Which event shows a delivery: kvm_apic_accept_irq, else kvm_apicv_accept_irq, else
// kvm_msi_set_irq (all in the sender's context); a vector that only kvm_inj_virq shows is delivered
// there, its sender being whoever woke the vCPU. One that two of them show is told once.
//
// Ownership: what the setup points to and the observers must outlive it. Threads: one. Errors:
// none; deliveries that cannot be placed are counted. Memory: O(processors, threads, vCPUs).

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "analysis/delivery/delivery.h"
#include "analysis/delivery/guest_interrupts.h"
#include "analysis/delivery/senders.h"
#include "analysis/delivery/vector_map.h"
#include "analysis/kernel/wake_source.h"
#include "analysis/vcpu/observer.h"
#include "base/per_cpu.h"
#include "model/stream_analysis.h"

namespace vs::analysis::delivery {

class Deliveries final : public model::StreamAnalysis, public vcpu::VcpuObserver {
 public:
  struct Counters {
    std::uint64_t deliveries = 0;
    std::uint64_t unplaced = 0;  ///< the VM or the vCPU could not be told
  };

  explicit Deliveries(const model::StreamSetup& setup);
  ~Deliveries() override;
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  /// Before the first event.
  void add_observer(DeliveryObserver& observer) { observers_.push_back(&observer); }
  /// Valid as long as this object; null for a machine without a trace.
  [[nodiscard]] kernel::WakeResolver* resolver(model::MachineIndex machine);

  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override;
  void on_event(const model::StreamEvent& event) override;
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override;
  void finish(model::MachineIndex machine, HostTime end) override;
  [[nodiscard]] vcpu::VcpuNews wants() const override {
    return {.intervals = false, .breaks = false};
  }
  void on_vcpu_change(const vcpu::VcpuChange& change) override;
  void on_vcpu_event(HostTime time, const vcpu::VcpuRef& vcpu, const model::Event& event) override;

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  struct Vcpu {
    vcpu::VcpuRef ref;
    std::int32_t id = -1;
    std::int32_t guest_cpu = -1;
    std::int32_t tid = -1;
    std::int32_t pcpu = -1;        ///< where its thread is current, -1 nowhere
    bool in_userspace = false;     ///< its thread is out in the VMM
    std::int32_t ipi_vector = -1;  ///< it has asked for this IPI in the exit it handles
    std::int32_t in_service = -1;  ///< the vector injected last, until the guest is done with it
    Delivery wake;                 ///< what woke its thread last; victim and vector not set
    bool woken = false;            ///< `wake` is since the last entry
  };
  /// The last one that a processor showed: another event may show it again, or tell its VM.
  struct Shown {
    bool valid = false;
    bool placed = false;
    std::int64_t apic_id = -1;
    model::EventKind kind = model::EventKind::kUnknown;
    Delivery delivery;
  };
  struct Cpu {
    std::uint32_t vcpu = kNone;  ///< whose thread is current
    Shown shown;
  };
  struct Machine {
    model::MachineIndex parent = model::kNoMachine;
    bool accepts = false;  ///< deliveries are recorded where they are made
    bool ends = false;     ///< and so is that guests are done with them
    std::uint32_t first_vcpu = 0;
    std::unique_ptr<Senders> senders;  ///< of a machine that hosts VMs
    std::unique_ptr<GuestInterrupts> guest;
    PerCpu<Cpu> cpus;
  };

  void on_sent(const model::StreamEvent& event, Machine& host, std::int64_t apic_id,
               std::int64_t vector);
  void on_accept(const model::StreamEvent& event, Machine& host);
  void on_message(const model::StreamEvent& event, Machine& host);
  void on_waking(const model::StreamEvent& event, Machine& host);
  void on_injected(HostTime time, Vcpu& victim, const model::Event& event);
  /// The delivery as its sender shows it: class, evidence, sender.
  [[nodiscard]] Delivery sent_by(const model::StreamEvent& event, Machine& host, const Vcpu* sender,
                                 const Vcpu* victim) const;
  void tell(Delivery delivery, Vcpu& victim);
  void forget_deliveries(model::MachineIndex host);
  void learn(Delivery& delivery, const Vcpu& victim);
  void find_source(Delivery& delivery) const;
  [[nodiscard]] Vcpu* vcpu_of(model::MachineIndex vm, std::int64_t id);
  [[nodiscard]] Vcpu* vcpu_of_thread(std::int32_t tid, model::MachineIndex host);
  [[nodiscard]] Vcpu* current_vcpu(Machine& host, std::uint32_t cpu, std::int32_t tid);
  [[nodiscard]] model::MachineIndex only_vm_with(model::MachineIndex host, std::int64_t id);
  [[nodiscard]] Vcpu* vcpu_at(const vcpu::VcpuRef& ref);

  const model::Experiment& experiment_;
  std::vector<const model::MachineFacts*> facts_;  ///< by machine; null without a trace
  std::vector<DeliveryObserver*> observers_;
  std::vector<Machine> machines_;
  std::vector<Vcpu> vcpus_;
  std::unordered_map<std::uint64_t, std::uint32_t> vcpu_of_tid_;  ///< by host and thread
  VectorMap vectors_;
  Counters counters_;
};

}  // namespace vs::analysis::delivery
