#pragma once
// Discovery: the VMs and vCPUs of a host, from the host's trace alone (algorithms A.1). First pass:
// it takes the streams one by one, each in its own order; nothing needs a common order or clock
// map.
//
// A thread is a vCPU's when it makes kvm_entry or kvm_exit events, or, for backends that emulate
// (PVM), kvm_emulate_insn, kvm_fpu load, kvm_vcpu_wakeup, kvm_pio or kvm_apic.
//
// The vCPU's number comes from kvm_exit; from kvm_entry only where it is below 4096 and does not
// contradict the exits of the same thread (LTTng's probe records half a pointer there since
// Linux 5.10); else from the thread's name (`CPU 3/KVM`, `fc_vcpu 3`, `crosvm_vcpu3`, `vcpu3`);
// else it is the next free one. How threads become VMs: grouping.h.
//
// Ownership: keeps copies only. Threads: one. Memory: O(threads). Errors: none.

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/vcpu/grouping.h"
#include "base/time.h"
#include "model/event.h"
#include "model/experiment.h"

namespace vs::analysis::vcpu {

class Discovery {
 public:
  [[nodiscard]] static model::KindSet kinds();
  /// Those that show a thread to be a vCPU. Without any of them, and without hints, nothing is
  /// found.
  [[nodiscard]] static model::KindSet vcpu_kinds();

  /// The next events of the stream of `cpu`. Batches of one stream come in order; streams may
  /// alternate.
  void on_events(std::span<const model::Event> events, std::uint32_t cpu);

  [[nodiscard]] std::vector<model::FoundVm> finish(std::vector<VmHint> hints);

  /// The thread current on each CPU when its stream began (index = CPU), kNoTid where nothing
  /// tells.
  [[nodiscard]] const std::vector<std::int32_t>& first_tids() const { return first_tids_; }
  /// True when kvm_entry carried numbers that cannot be vCPU ids.
  [[nodiscard]] bool entry_ids_are_pointers() const { return entry_ids_are_pointers_; }

 private:
  struct Run {
    std::uint32_t cpu = 0;
    std::int32_t id = model::kNoVcpu;
    OwnTime first;
    OwnTime last;
  };
  struct Vote {
    std::int32_t pid = -1;
    std::uint32_t count = 0;
  };
  struct Thread {
    std::vector<Run> runs;                   ///< empty: not a vCPU's thread so far
    std::vector<OwnTime> ends;               ///< its exits: a tid may be used again
    std::vector<Vote> votes;                 ///< VMM pids of helpers it wakes or is woken by
    std::int32_t entry_id = model::kNoVcpu;  ///< what kvm_entry says
    std::int32_t name_id = model::kNoVcpu;
    std::int32_t helper_of = -1;  ///< its own name is vhost-<pid> or kvm-pit/<pid>
    std::int32_t tgid = -1;
    bool dumped_as_vcpu = false;  ///< `tgid` is from a state dump under a vCPU's name
    std::int32_t parent = -1;
    bool same_group_as_parent = false;
    bool leader = false;
    bool entry_id_varies = false;
  };
  struct Cpu {
    std::int32_t tid = model::kNoTid;
    std::uint16_t irq_depth = 0;
    std::int32_t ipi_sender = -1;     ///< sent an IPI in the exit it is handling
    std::vector<model::Event> early;  ///< KVM events before the first switch told their thread
    std::int32_t found_tid = model::kNoTid;  ///< looked up last, and what is known of it
    Thread* found = nullptr;
  };
  /// A name that a thread was seen to have: it need not be learned again.
  struct Learned {
    std::int32_t tid = -1;
    std::uint8_t size = 0;
    std::array<char, 16> comm{};
  };

  using Handler = void (Discovery::*)(const model::Event&, Cpu&, std::uint32_t cpu);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();
  [[nodiscard]] static HandlerTable make_handlers();

  void on_switch(const model::Event&, Cpu&, std::uint32_t);
  void on_waking(const model::Event&, Cpu&, std::uint32_t);
  void on_fork(const model::Event&, Cpu&, std::uint32_t);
  void on_newtask(const model::Event&, Cpu&, std::uint32_t);
  void on_exec(const model::Event&, Cpu&, std::uint32_t);
  void on_rename(const model::Event&, Cpu&, std::uint32_t);
  void on_thread_end(const model::Event&, Cpu&, std::uint32_t);
  void on_statedump(const model::Event&, Cpu&, std::uint32_t);
  void on_entry(const model::Event&, Cpu&, std::uint32_t);
  void on_exit(const model::Event&, Cpu&, std::uint32_t);
  void on_emulation(const model::Event&, Cpu&, std::uint32_t);
  void on_fpu(const model::Event&, Cpu&, std::uint32_t);
  void on_ipi(const model::Event&, Cpu&, std::uint32_t);
  void on_irq_begin(const model::Event&, Cpu&, std::uint32_t);
  void on_irq_end(const model::Event&, Cpu&, std::uint32_t);
  void on_loss(const model::Event&, Cpu&, std::uint32_t);

  Thread* evidence(const model::Event& event, Cpu& cpu, std::uint32_t number, std::int32_t id);
  void learn_name(std::int32_t tid, std::string_view comm);
  [[nodiscard]] bool is_learned(std::int32_t tid, std::string_view comm);
  /// What is known of the CPU's thread; nullptr: nothing yet.
  [[nodiscard]] Thread* known_thread(Cpu& cpu);
  static void vote(Thread& thread, std::int32_t pid);
  [[nodiscard]] std::int32_t certain_tgid(std::int32_t tid) const;
  [[nodiscard]] std::int32_t voted_pid(const Thread& thread) const;
  void add_lives(std::int32_t tid, const Thread& thread, GroupingInput& input) const;

  std::unordered_map<std::int32_t, Thread> threads_;  ///< none is ever taken out
  std::array<Learned, 64> learned_;                   ///< by the low bits of the thread's id
  std::map<std::pair<std::int32_t, std::int32_t>, std::uint32_t> ipi_links_;
  std::vector<Cpu> cpus_;
  std::vector<std::int32_t> first_tids_;
  bool exits_have_ids_ = false;
  bool entry_ids_are_pointers_ = false;
  bool forks_tell_groups_ = false;  ///< a fork event told a tgid that differs from the tid (LTTng)
};

}  // namespace vs::analysis::vcpu
