#pragma once
// What the threads and processors of one host were doing that could make them interrupt a vCPU
// (algorithms E.3): the interrupts a processor is inside of, the VM a thread works for, and the
// last piece of I/O a thread finished since it was woken.
//
// Ownership: keeps copies; the thread facts must outlive it. Threads: one. Memory: O(processors +
// threads), and a fixed table of block requests in flight: of two that share a place the older one
// is forgotten.

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "analysis/delivery/delivery.h"
#include "analysis/vcpu/vm_threads.h"
#include "base/per_cpu.h"
#include "model/stream_analysis.h"

namespace vs::analysis::delivery {

class Senders {
 public:
  /// `recorded`: the kinds that occur in the host's trace.
  Senders(const model::Experiment& experiment, model::MachineIndex host,
          const model::MachineFacts& facts, const model::KindSet& recorded);

  [[nodiscard]] static model::KindSet kinds();
  void on_event(const model::StreamEvent& event);
  void on_loss(std::uint32_t cpu);

  /// What is inside of an interrupt on `cpu` is for; nothing when its thread itself is at work.
  [[nodiscard]] const model::Context* interrupt_on(std::uint32_t cpu) const {
    return facts_.contexts(cpu).innermost();
  }
  /// The VM that a thread belongs to or works for, kNoMachine when nothing tells.
  [[nodiscard]] model::MachineIndex vm_of(std::int32_t tid) const { return threads_.of(tid).vm; }
  /// The thread turned out to work for this VM.
  void learn_vm(std::int32_t tid, model::MachineIndex vm) { threads_.learn(tid, vm); }
  /// What a thread of a VM interrupts a vCPU for.
  [[nodiscard]] DeliveryClass work_of(std::int32_t tid) const;

 private:
  struct Cpu {
    std::int32_t sending_tid = -1;  ///< is between net_dev_queue and net_dev_xmit
  };
  struct InFlight {
    std::uint64_t device = 0;
    std::uint64_t sector = 0;
    std::int32_t tid = -1;
  };
  static constexpr std::size_t kInFlight = 1024;

  using Handler = void (Senders::*)(const model::StreamEvent&, Cpu&);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();

  void on_switch(const model::StreamEvent&, Cpu&);
  void on_waking(const model::StreamEvent&, Cpu&);
  void on_exit(const model::StreamEvent&, Cpu&);
  void on_block_submit(const model::StreamEvent&, Cpu&);
  void on_block_complete(const model::StreamEvent&, Cpu&);
  void on_net_queue(const model::StreamEvent&, Cpu&);
  void on_net_xmit(const model::StreamEvent&, Cpu&);
  void on_net_receive(const model::StreamEvent&, Cpu&);

  /// The work that is noted for a thread.
  [[nodiscard]] DeliveryClass noted(std::int32_t tid) const;
  void moved_packet(const model::StreamEvent& event);
  [[nodiscard]] InFlight& slot_of(const model::Event& event);

  const model::MachineFacts& facts_;
  vcpu::VmThreads threads_;
  bool sees_packets_;
  /// kDisk, kNetwork: what a thread finished since it was woken.
  std::unordered_map<std::int32_t, DeliveryClass> work_;
  PerCpu<Cpu> cpus_;
  std::vector<InFlight> in_flight_;
};

}  // namespace vs::analysis::delivery
