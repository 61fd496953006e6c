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
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/delivery/delivery.h"
#include "analysis/kernel/cpu_contexts.h"
#include "model/stream_analysis.h"

namespace vs::analysis::delivery {

enum class Role : std::uint8_t { kOther, kVmm, kVhost, kPit };

class Senders {
 public:
  /// `recorded`: the kinds that occur in the host's trace.
  Senders(const model::Experiment& experiment, model::MachineIndex host,
          const model::ThreadFacts* facts, const model::KindSet& recorded);

  [[nodiscard]] static model::KindSet kinds();
  void on_event(const model::StreamEvent& event);
  void on_loss(std::uint32_t cpu);

  /// What is inside of an interrupt on `cpu` is for; nothing when its thread itself is at work.
  [[nodiscard]] const kernel::Context* interrupt_on(std::uint32_t cpu) const;
  /// The VM that a thread belongs to or works for, kNoMachine when nothing tells.
  [[nodiscard]] model::MachineIndex vm_of(std::int32_t tid);
  [[nodiscard]] Role role_of(std::int32_t tid) const;
  /// The thread turned out to work for this VM.
  void learn_vm(std::int32_t tid, model::MachineIndex vm);
  /// What a thread of a VM interrupts a vCPU for.
  [[nodiscard]] DeliveryClass work_of(std::int32_t tid) const;

 private:
  struct Thread {
    model::MachineIndex vm = model::kNoMachine;
    Role role = Role::kOther;
    DeliveryClass work = DeliveryClass::kUnknown;  ///< kDisk, kNetwork: finished since it was woken
  };
  struct Cpu {
    kernel::ContextStack contexts;
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
  void on_irq_entry(const model::StreamEvent&, Cpu&);
  void on_irq_exit(const model::StreamEvent&, Cpu&);
  void on_vector_entry(const model::StreamEvent&, Cpu&);
  void on_vector_exit(const model::StreamEvent&, Cpu&);
  void on_softirq_entry(const model::StreamEvent&, Cpu&);
  void on_softirq_exit(const model::StreamEvent&, Cpu&);
  void on_timer_entry(const model::StreamEvent&, Cpu&);
  void on_timer_exit(const model::StreamEvent&, Cpu&);
  void on_block_submit(const model::StreamEvent&, Cpu&);
  void on_block_complete(const model::StreamEvent&, Cpu&);
  void on_net_queue(const model::StreamEvent&, Cpu&);
  void on_net_xmit(const model::StreamEvent&, Cpu&);
  void on_net_receive(const model::StreamEvent&, Cpu&);

  [[nodiscard]] Cpu* cpu_at(std::uint32_t cpu);
  Thread& thread(std::int32_t tid, std::string_view comm = {});
  void place(Thread& thread, std::int32_t tid) const;
  void moved_packet(const model::StreamEvent& event, Cpu& cpu);
  [[nodiscard]] InFlight& slot_of(const model::Event& event);

  const model::ThreadFacts* facts_;
  bool sees_packets_;
  std::unordered_map<std::int32_t, model::MachineIndex> vm_of_pid_;
  std::unordered_map<std::int32_t, Thread> threads_;
  std::vector<Cpu> cpus_;
  std::vector<InFlight> in_flight_;
};

}  // namespace vs::analysis::delivery
