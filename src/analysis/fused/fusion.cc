#include "analysis/fused/fusion.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "model/host_time.h"

namespace vs::analysis::fused {
namespace {

using kernel::CpuView;
using model::Effective;
using model::FusedCondition;
using model::kNoMachine;
using model::kNull;
using model::MachineIndex;
using model::PreemptionKind;
using model::VcpuState;
using vcpu::VcpuChange;

std::int64_t tid_cell(std::int32_t tid) { return tid < 0 ? kNull : tid; }

bool is_waiting(VcpuState state) {
  return state == VcpuState::kPreempted || state == VcpuState::kWaking;
}

}  // namespace

Effective effective_of(VcpuState state) {
  switch (state) {
    case VcpuState::kGuest:
      return Effective::kRunning;
    case VcpuState::kHypervisor:
    case VcpuState::kUserspace:
    case VcpuState::kHostIrq:
    case VcpuState::kPolling:
    case VcpuState::kEmulated:
      return Effective::kHypervisor;
    case VcpuState::kPreempted:
    case VcpuState::kWaking:
      return Effective::kDeprived;
    case VcpuState::kOff:
    case VcpuState::kUnknown:
    case VcpuState::kHalted:
    case VcpuState::kBlocked:
    case VcpuState::kStopped:
      break;
  }
  return Effective::kWaiting;
}

class Fusion::Listener final : public kernel::CpuObserver {
 public:
  Listener(Fusion& fusion, MachineIndex machine) : fusion_(fusion), machine_(machine) {}
  void on_cpu_change(HostTime time, std::uint32_t cpu, const CpuView& now) override {
    fusion_.on_cpu_change(time, machine_, cpu, now);
  }

 private:
  Fusion& fusion_;
  MachineIndex machine_;
};

Fusion::Fusion(const model::Experiment& experiment, model::IntervalSink& sink,
               EffectiveSink* effective)
    : sink_(sink), effective_(effective) {
  for (MachineIndex m = 0; m < experiment.machines.size(); ++m) {
    const model::Machine& from = experiment.machines[m];
    Machine& machine = machines_.emplace_back();
    machine.name = sink_.intern(from.name);
    machine.parent = from.parent;
    machine.physical = from.kind == model::MachineKind::kHost;
    machine.traced = !from.traces.empty() && model::keeps_host_time(from);
    machine.first_vcpu = static_cast<std::uint32_t>(vcpus_.size());
    machine.listener = std::make_unique<Listener>(*this, m);
    for (const model::Vcpu& vcpu : from.vcpus) {
      Vcpu& made = vcpus_.emplace_back();
      made.machine = m;
      made.id = vcpu.id;
      if (!machine.traced || vcpu.guest_cpu < 0) continue;
      const auto number = static_cast<std::size_t>(vcpu.guest_cpu);
      if (number >= limits::kCpus) continue;
      made.guest_cpu = vcpu.guest_cpu;
      if (number >= machine.vcpu_of_cpu.size()) machine.vcpu_of_cpu.resize(number + 1, kNone);
      machine.vcpu_of_cpu[number] = static_cast<std::uint32_t>(vcpus_.size() - 1);
    }
  }
}

Fusion::~Fusion() = default;

kernel::CpuObserver& Fusion::cpu_observer(MachineIndex machine) {
  return *machines_[machine].listener;
}

// ---- what changes ----

void Fusion::on_cpu_change(HostTime time, MachineIndex machine, std::uint32_t cpu,
                           const CpuView& now) {
  Machine& owner = machines_[machine];
  Cpu* const at = owner.cpus.at(cpu);
  if (at == nullptr) return;
  at->view = &now;
  const bool alone = owner.physical && owner.vcpu_of_cpu.empty() && at->waiting.empty();
  if (alone) return update_fused(time, machine, cpu, *at);  // most changes are of a host's own
  refresh(time, machine, cpu, *at, 0);
}

void Fusion::on_vcpu_change(const VcpuChange& change) {
  const std::uint32_t index = machines_[change.vcpu.machine].first_vcpu + change.vcpu.slot;
  Vcpu& vcpu = vcpus_[index];
  const MachineIndex host = machines_[vcpu.machine].parent;
  const VcpuChange before = vcpu.now;
  vcpu.now = change;
  move_occupant(before, change, index);
  move_queue(vcpu, index, is_waiting(change.state) ? change.pcpu : -1);
  tell_effective(change.time, vcpu);
  if (before.on_cpu && before.pcpu != change.pcpu) refresh(change.time, host, before.pcpu, 0);
  if (before.on_cpu || change.on_cpu) refresh(change.time, host, change.pcpu, 0);
  if (before.on_cpu && change.pcpu < 0) refresh(change.time, host, before.pcpu, 0);
  if (is_waiting(change.state)) {
    update_victim(change.time, vcpu);
  } else {
    close_victim(change.time, vcpu);
  }
}

void Fusion::move_occupant(const VcpuChange& before, const VcpuChange& now, std::uint32_t index) {
  const MachineIndex host = machines_[now.vcpu.machine].parent;
  if (before.on_cpu && (!now.on_cpu || now.pcpu != before.pcpu)) {
    Cpu* cpu = cpu_at(host, before.pcpu);
    if (cpu != nullptr && cpu->occupant == index) cpu->occupant = kNone;
  }
  if (now.on_cpu) {
    if (Cpu* cpu = cpu_at(host, now.pcpu)) cpu->occupant = index;
  }
}

void Fusion::move_queue(Vcpu& vcpu, std::uint32_t index, std::int32_t queue) {
  if (vcpu.queue == queue) return;
  const MachineIndex host = machines_[vcpu.machine].parent;
  if (Cpu* old = cpu_at(host, vcpu.queue)) std::erase(old->waiting, index);
  vcpu.queue = queue;
  if (Cpu* cpu = cpu_at(host, queue)) cpu->waiting.push_back(index);
}

void Fusion::tell_effective(HostTime time, Vcpu& vcpu) {
  if (effective_ == nullptr || vcpu.guest_cpu < 0) return;
  const Effective effective = effective_of(vcpu.now.state);
  if (vcpu.effective == static_cast<int>(effective)) return;
  vcpu.effective = static_cast<int>(effective);
  effective_->set_effective(time, vcpu.machine, static_cast<std::uint32_t>(vcpu.guest_cpu),
                            effective);
}

/// A processor's holder may have changed: its row, those who wait for it, and, for a guest's
/// processor, the pCPU below and the guest's own wait.
void Fusion::refresh(HostTime time, MachineIndex machine, std::int64_t number, int layer) {
  Cpu* cpu = cpu_at(machine, number);
  if (cpu != nullptr && layer < kMaxLayers) refresh(time, machine, number, *cpu, layer);
}

void Fusion::refresh(HostTime time, MachineIndex machine, std::int64_t number, Cpu& cpu,
                     int layer) {
  const Machine& owner = machines_[machine];
  if (owner.physical) update_fused(time, machine, static_cast<std::uint32_t>(number), cpu);
  for (const std::uint32_t victim : cpu.waiting) update_victim(time, vcpus_[victim]);
  if (static_cast<std::size_t>(number) >= owner.vcpu_of_cpu.size()) return;
  const std::uint32_t below = owner.vcpu_of_cpu[static_cast<std::size_t>(number)];
  if (below == kNone) return;
  Vcpu& vcpu = vcpus_[below];
  if (vcpu.now.on_cpu) refresh(time, owner.parent, vcpu.now.pcpu, layer + 1);
  if (is_waiting(vcpu.now.state)) update_victim(time, vcpu);
}

void Fusion::finish(MachineIndex host, HostTime end) {
  for (Cpu& cpu : machines_[host].cpus) {
    cpu.row.close(end, [&](HostTime begin, HostTime until, const FusedRow& row) {
      emit(cpu, begin, until, row);
    });
  }
  for (Vcpu& vcpu : vcpus_) {
    if (machines_[vcpu.machine].parent == host) close_victim(end, vcpu);
  }
}

// ---- who holds a processor ----

const Fusion::Cpu* Fusion::guest_cpu_of(const Vcpu& vcpu) const {
  if (vcpu.guest_cpu < 0) return nullptr;
  const PerCpu<Cpu>& cpus = machines_[vcpu.machine].cpus;
  const auto number = static_cast<std::size_t>(vcpu.guest_cpu);
  return number < cpus.size() ? &cpus[number] : nullptr;
}

Fusion::Holder Fusion::host_holder(MachineIndex machine, const Cpu& cpu) {
  const CpuView& view = *cpu.view;
  Holder holder;
  holder.lossy = view.lossy;
  holder.state = view.state;
  if (view.tid < 0) return holder;
  holder.machine = machine;
  holder.tid = view.tid;
  holder.comm = view.comm;
  holder.container = view.container;
  return holder;
}

Fusion::Holder Fusion::holder_of(MachineIndex machine, const Cpu& cpu, int layer) const {
  if (cpu.occupant == kNone) return host_holder(machine, cpu);
  Holder holder;
  vcpu_holder(holder, vcpus_[cpu.occupant], cpu, layer);
  return holder;
}

kernel::ViewMemos* Fusion::vcpu_holder(Holder& holder, const Vcpu& vcpu, const Cpu& cpu,
                                       int layer) const {
  const bool in_guest = vcpu.now.state == VcpuState::kGuest;
  const Cpu* guest = guest_cpu_of(vcpu);
  if (in_guest && guest != nullptr && guest->occupant != kNone && layer + 1 < kMaxLayers &&
      vcpus_[guest->occupant].now.entered) {
    return vcpu_holder(holder, vcpus_[guest->occupant], *guest, layer + 1);
  }
  holder.machine = vcpu.machine;
  holder.vcpu = vcpu.id;
  holder.in_guest = in_guest;
  holder.lossy = vcpu.now.lossy || cpu.view->lossy;
  if (guest != nullptr && guest->view->tid >= 0) {
    holder.tid = guest->view->tid;
    holder.comm = guest->view->comm;
    holder.container = guest->view->container;
    holder.state = guest->view->state;
    holder.lossy = holder.lossy || guest->view->lossy;
    return guest->view->memos;
  }
  // No guest trace, or none of this time: all that is known is the host's thread.
  const bool known = cpu.view->tid == vcpu.now.tid;
  holder.tid = std::max(vcpu.now.tid, model::kNoTid);
  holder.comm = known ? cpu.view->comm : kNull;
  holder.container = kNull;
  holder.state = model::PcpuState::kUnknown;
  return known ? cpu.view->memos : nullptr;
}

void Fusion::fill(FusedRow& row, MachineIndex machine, const Cpu& cpu) const {
  if (cpu.occupant != kNone && vcpus_[cpu.occupant].now.entered) {
    row.memos = vcpu_holder(row.holder, vcpus_[cpu.occupant], cpu, 0);
    row.condition = row.holder.in_guest ? FusedCondition::kGuest : FusedCondition::kHypervisor;
    return;
  }
  // A vCPU's thread is one of the VMM's like any other until its first entry.
  row.holder = host_holder(machine, cpu);
  row.condition = cpu.view->tid < 0 ? FusedCondition::kUnknown : FusedCondition::kHost;
  row.memos = cpu.view->memos;
}

Fusion::PreemptionRow Fusion::preemption_row(const Vcpu& vcpu) const {
  PreemptionRow row;
  row.kind =
      vcpu.now.state == VcpuState::kWaking ? PreemptionKind::kWaking : PreemptionKind::kPreempted;
  row.pcpu = vcpu.queue;
  if (const Cpu* guest = guest_cpu_of(vcpu); guest != nullptr && guest->view->tid >= 0) {
    row.tid = guest->view->tid;
    row.comm = guest->view->comm;
  }
  const MachineIndex host = machines_[vcpu.machine].parent;
  if (vcpu.queue < 0 || host >= machines_.size()) return row;
  const Cpu& cpu = machines_[host].cpus[static_cast<std::size_t>(vcpu.queue)];
  if (cpu.occupant == kNone && cpu.view->tid <= 0) return row;  // idle or unknown
  const Holder by = holder_of(host, cpu, 0);
  row.by_machine = by.machine;
  row.by_vcpu = by.vcpu;
  row.by_tid = tid_cell(by.tid);
  row.by_comm = by.comm;
  return row;
}

// ---- rows ----

void Fusion::list_open(HostTime until, std::vector<model::OpenRow>& out) const {
  for (const Machine& machine : machines_) {
    for (std::size_t i = 0; i < machine.cpus.size(); ++i) {
      const Cpu& cpu = machine.cpus[i];
      if (!cpu.has_entity) continue;
      cpu.row.peek(until, [&](HostTime begin, HostTime end, const FusedRow& row) {
        const auto values = values_of(row);
        out.push_back({cpu.entity, begin, end, {values.begin(), values.end()}});
      });
    }
  }
}

void Fusion::update_fused(HostTime time, MachineIndex machine, std::uint32_t number, Cpu& cpu) {
  if (!cpu.has_entity) {
    const std::int64_t key[] = {machines_[machine].name, number};
    cpu.entity = sink_.entity(model::TableId::kFusedCpu, key);
    cpu.has_entity = true;
  }
  const auto emit_row = [&](HostTime begin, HostTime end, const FusedRow& row) {
    emit(cpu, begin, end, row);
  };
  fill(cpu.row.next(time, emit_row), machine, cpu);
}

void Fusion::update_victim(HostTime time, Vcpu& vcpu) {
  if (!vcpu.has_entity) {
    const std::int64_t key[] = {machines_[vcpu.machine].name, vcpu.id};
    vcpu.entity = sink_.entity(model::TableId::kPreemption, key);
    vcpu.has_entity = true;
  }
  vcpu.row.update(
      time, preemption_row(vcpu),
      [&](HostTime begin, HostTime end, const PreemptionRow& row) { emit(vcpu, begin, end, row); });
}

void Fusion::close_victim(HostTime time, Vcpu& vcpu) {
  vcpu.row.close(time, [&](HostTime begin, HostTime end, const PreemptionRow& row) {
    emit(vcpu, begin, end, row);
  });
}

model::StringId Fusion::name_of(MachineIndex machine) const {
  return machine == kNoMachine ? kNull : machines_[machine].name;
}

std::array<std::int64_t, 8> Fusion::values_of(const FusedRow& row) const {
  const Holder& holder = row.holder;
  return {static_cast<std::int64_t>(row.condition),
          name_of(holder.machine),
          holder.vcpu,
          tid_cell(holder.tid),
          holder.comm,
          static_cast<std::int64_t>(holder.state),
          holder.container,
          holder.lossy ? 1 : 0};
}

void Fusion::emit(Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row) {
  model::RowMemo* const noted = memo_of(row);
  if (noted != nullptr && sink_.add_again(cpu.entity, begin, end, *noted)) return;
  const std::array<std::int64_t, 8> values = values_of(row);
  if (noted != nullptr) {
    sink_.add_noting(cpu.entity, begin, end, values, *noted);
  } else {
    sink_.add(cpu.entity, begin, end, values);
  }
}

/// Where the row may be noted, null if it may not.
model::RowMemo* Fusion::memo_of(const FusedRow& row) {
  const Holder& holder = row.holder;
  kernel::ViewMemos* const memos = row.memos;
  // The thread may have changed its name or container since the row began.
  const bool noted = memos != nullptr && !holder.lossy && memos->comm == holder.comm &&
                     memos->container == holder.container;
  if (!noted) return nullptr;
  const auto state = static_cast<std::size_t>(holder.state);
  if (row.condition == FusedCondition::kHost) return &memos->fused[state];
  std::unique_ptr<kernel::VcpuMemos>& there = memos->on_vcpu;
  if (there == nullptr) there = std::make_unique<kernel::VcpuMemos>();
  if (there->vcpu != holder.vcpu || there->machine != holder.machine) {  // it moved
    *there = {holder.machine, holder.vcpu, {}, {}};
  }
  return holder.in_guest ? &there->guest[state] : &there->hypervisor[state];
}

void Fusion::emit(Vcpu& vcpu, HostTime begin, HostTime end, const PreemptionRow& row) {
  const std::array<std::int64_t, 8> values = {row.tid,
                                              row.comm,
                                              row.pcpu < 0 ? kNull : row.pcpu,
                                              static_cast<std::int64_t>(row.kind),
                                              name_of(row.by_machine),
                                              row.by_vcpu,
                                              row.by_tid,
                                              row.by_comm};
  sink_.add(vcpu.entity, begin, end, values);
}

}  // namespace vs::analysis::fused
