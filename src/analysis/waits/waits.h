#pragma once
// Waits: what the processes of VMs did and waited for, from the host's events alone (algorithms E).
//
// Fills vprocess_state and the small table vprocess. A process is known by what identity.h can
// tell. While it is current on a vCPU, its rows follow that vCPU: nonroot, root, preempted_host,
// preempted_vm. From the time it left the vCPU to the time it is back, it waited, and only its
// return says for what: for the interrupt that woke the vCPU out of idling, or the one that came
// while another process ran, or, without any, for the process that ran before. An IPI is a wait for
// the process that sent it (task); where the sender was in an interrupt itself, for whatever that
// one was about. A process that an interrupt took off its vCPU in the middle of its user code did
// not wait but was preempted by another process of its VM. docs/analyses/waits.md has the rules.
//
// Wiring: one for the machines of a flow; a StreamAnalysis, a VcpuObserver of every HostVcpus and a
// DeliveryObserver of the flow's Deliveries. Ownership: what the setup points to outlives it.
// Threads: one. Errors: none. Memory: O(vCPUs, pCPUs, processes alive); no allocation per event
// once they are known.

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "analysis/delivery/delivery.h"
#include "analysis/vcpu/observer.h"
#include "analysis/waits/causes.h"
#include "analysis/waits/identity.h"
#include "analysis/waits/process_book.h"
#include "analysis/waits/vcpu_log.h"
#include "base/per_cpu.h"
#include "model/stream_analysis.h"

namespace vs::analysis::waits {

class Waits final : public model::StreamAnalysis,
                    public vcpu::VcpuObserver,
                    public delivery::DeliveryObserver {
 public:
  explicit Waits(const model::StreamSetup& setup);

  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override;
  void on_event(const model::StreamEvent& event) override;
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override;
  void finish(model::MachineIndex machine, HostTime end) override;
  [[nodiscard]] std::vector<model::SmallTable> small_tables() const override;
  /// Per VM, that its page-table roots were used again.
  [[nodiscard]] std::vector<model::Issue> issues() const override;

  [[nodiscard]] vcpu::VcpuNews wants() const override { return {.intervals = false}; }
  void on_vcpu_change(const vcpu::VcpuChange& change) override;
  void on_vcpu_event(HostTime time, const vcpu::VcpuRef& vcpu, const model::Event& event) override;
  void on_vcpu_break(HostTime time, const vcpu::VcpuRef& vcpu, vcpu::VcpuBreak why) override;

  void on_delivery(const delivery::Delivery& delivery) override;

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  /// Who has a pCPU of a host.
  enum class Occupant : std::uint8_t { kNobody, kHost, kVm };
  struct Cpu {
    std::uint32_t vcpu = kNone;  ///< whose thread is current
    Occupant occupant = Occupant::kNobody;
    std::uint32_t waiting = 0;  ///< vCPUs that want it
  };

  struct Vcpu {
    std::uint32_t vm = 0;
    std::uint32_t slot = 0;
    std::int32_t id = -1;
    model::VcpuState state = model::VcpuState::kUnknown;
    std::int32_t pcpu = -1;
    bool waits_for_pcpu = false;
    HostTime entered;                ///< into the guest, last
    bool interrupts = false;         ///< the guest interval to come, or under way, begins with one
    bool began_interrupted = false;  ///< the one before the present exit did
    HostTime exited;                 ///< out of it
    // The exit that is being handled.
    Registers registers;
    bool has_exit = false;     ///< kvm_exit was seen
    bool has_context = false;  ///< and the registers that belong to it
    bool idle_exit = false;
    bool settled = true;  ///< it has been looked at
    // What the guest does there.
    Context context = Context::kUnknown;
    bool idle = false;       ///< from an idle exit to the next entry
    bool from_idle = false;  ///< no process has been seen since it idled
    HostTime woken;          ///< out of idling
    bool has_woken = false;
    bool in_user = false;      ///< the last that was seen of the process was user code
    bool interrupted = false;  ///< since then
    HostTime seen;             ///< its process
    Segment segment = Segment::kUnknown;
    ProcessIndex owner = kNoProcess;
    model::StringId before = model::kNull;  ///< the process that left it last, without idling since
    CauseQueue causes;
    Cause last_cause;
    Cause last_device;     ///< the last that was of a device
    HostTime device_done;  ///< when the vCPU idled after it
    VcpuLog log;
  };

  struct Vm {
    model::MachineIndex machine = model::kNoMachine;
    model::MachineIndex host = model::kNoMachine;
    std::uint32_t first_vcpu = 0;
    std::uint32_t vcpu_count = 0;
    bool finished = false;
    bool injections = false;  ///< kvm_inj_virq shows when the guest takes an interrupt
    Identifier identifier;
    ProcessBook book;
    std::vector<model::StringId> vector_names;  ///< by vector, kNull until used
    /// The shortest guest intervals in which the guest went from a process to its idle loop, and
    /// from an interrupt out of idling to a process.
    std::int64_t shortest_sleep_ns = std::numeric_limits<std::int64_t>::max();
    std::int64_t shortest_return_ns = std::numeric_limits<std::int64_t>::max();
  };

  void on_switch(const model::StreamEvent& event);
  void on_context(const model::StreamEvent& event, bool at_exit);
  void on_kvm_exit(HostTime time, Vcpu& vcpu, const model::Event& event);
  void on_entry(HostTime time, Vcpu& vcpu);

  void settle(HostTime time, Vcpu& vcpu);
  void see_process(HostTime time, Vcpu& vcpu, ProcessIndex index, bool user);
  void check_stack(HostTime time, Vcpu& vcpu, ProcessIndex& index);
  void begin_idle(HostTime time, Vcpu& vcpu);
  void begin_anew(HostTime time, Vm& vm);
  void come(HostTime begin, HostTime time, Vcpu& vcpu, ProcessIndex index);
  void leave(HostTime time, Vcpu& vcpu, bool for_another) { leave(time, vcpu, for_another, time); }
  void leave(HostTime time, Vcpu& vcpu, bool for_another, HostTime stopped);
  void leave_for_idle(HostTime time, Vcpu& vcpu);
  [[nodiscard]] static std::int64_t half_of_change(HostTime time, const Vcpu& vcpu,
                                                   std::int64_t& shortest_ns);
  void explain_absence(HostTime end, Vcpu& vcpu, Process& process);
  [[nodiscard]] Cause pick_cause(HostTime end, Vcpu& vcpu, Process& process);
  [[nodiscard]] static bool has_habits(const Vm& vm);
  [[nodiscard]] const Cause* cause_of_sibling(const Vcpu& vcpu, const Process& process) const;
  [[nodiscard]] bool was_preempted(const Process& process, const Vm& vm) const;
  [[nodiscard]] Cause cause_of(const delivery::Delivery& delivery, Vm& vm) const;

  [[nodiscard]] Segment segment_of(const Vcpu& vcpu) const;
  void refresh(HostTime time, Vcpu& vcpu);
  void show(HostTime time, Vcpu& vcpu);
  void place(const vcpu::VcpuChange& change, Vcpu& vcpu, std::uint32_t index);

  [[nodiscard]] std::uint32_t index_of(const vcpu::VcpuRef& ref) const;

  const model::Experiment& experiment_;
  model::IntervalSink& sink_;
  std::vector<Vm> vms_;
  std::vector<std::uint32_t> vm_of_machine_;  ///< kNone: not a VM of this flow
  std::vector<Vcpu> vcpus_;
  std::vector<PerCpu<Cpu>> cpus_;  ///< by machine
};

}  // namespace vs::analysis::waits
