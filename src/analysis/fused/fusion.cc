#include "analysis/fused/fusion.h"

#include <algorithm>
#include <utility>

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
  Listener(Fusion& fusion, Machine& machine) : fusion_(fusion), machine_(machine) {}
  void on_cpu_change(HostTime time, std::uint32_t cpu, const CpuView& now) override {
    fusion_.on_cpu_change(time, machine_, cpu, now);
  }

 private:
  Fusion& fusion_;
  Machine& machine_;
};

Fusion::Fusion(const model::Experiment& experiment, model::IntervalSink& sink,
               EffectiveSink* effective)
    : sink_(sink), effective_(effective), machines_(experiment.machines.size()) {
  std::size_t vcpus = 0;
  for (const model::Machine& from : experiment.machines) vcpus += from.vcpus.size();
  vcpus_.reserve(vcpus);  // they stay where they are
  for (MachineIndex m = 0; m < machines_.size(); ++m) {
    const model::Machine& from = experiment.machines[m];
    Machine& machine = machines_[m];
    machine.index = m;
    machine.name = sink_.intern(from.name);
    machine.parent = from.parent < machines_.size() ? &machines_[from.parent] : nullptr;
    machine.physical = from.kind == model::MachineKind::kHost;
    machine.listener = std::make_unique<Listener>(*this, machine);
    add_vcpus(from, machine);
  }
}

void Fusion::add_vcpus(const model::Machine& from, Machine& machine) {
  machine.first_vcpu = static_cast<std::uint32_t>(vcpus_.size());
  const bool traced = !from.traces.empty() && model::keeps_host_time(from);
  for (const model::Vcpu& vcpu : from.vcpus) {
    Vcpu& made = vcpus_.emplace_back();
    made.machine = &machine;
    made.id = vcpu.id;
    if (!traced || vcpu.guest_cpu < 0) continue;
    made.guest_cpu = cpu_at(machine, vcpu.guest_cpu);
    if (made.guest_cpu != nullptr) made.guest_cpu->below = &made;
  }
}

Fusion::~Fusion() = default;

kernel::CpuObserver& Fusion::cpu_observer(MachineIndex machine) {
  return *machines_[machine].listener;
}

Fusion::Cpu* Fusion::add_cpu(Machine& machine, std::uint64_t number) {
  if (number >= limits::kCpus) return nullptr;
  if (number >= machine.cpus.size()) machine.cpus.resize(number + 1);
  auto& cpu = machine.cpus[number];
  cpu = std::make_unique<Cpu>();
  cpu->machine = &machine;
  cpu->number = static_cast<std::uint32_t>(number);
  cpu->physical = machine.physical;
  return cpu.get();
}

// ---- what changes ----

void Fusion::on_cpu_change(HostTime time, Machine& machine, std::uint32_t number,
                           const CpuView& now) {
  Cpu* const cpu = cpu_at(machine, number);
  if (cpu == nullptr) return;
  cpu->view = &now;
  refresh(time, *cpu, 0);
}

void Fusion::on_vcpu_change(const VcpuChange& change) {
  const std::uint32_t first = machines_[change.vcpu.machine].first_vcpu;
  Vcpu& vcpu = vcpus_[first + change.vcpu.slot];
  vcpu.now = change;
  Machine* const host = vcpu.machine->parent;
  Cpu* const place = host != nullptr ? cpu_at(*host, change.pcpu) : nullptr;
  Cpu* const before = vcpu.pcpu;
  move_occupant(vcpu, change.on_cpu ? place : nullptr);
  move_queue(vcpu, is_waiting(change.state) ? place : nullptr);
  tell_effective(change.time, vcpu);
  if (before != nullptr && before != place) refresh(change.time, *before, 0);
  if (place != nullptr && (before != nullptr || change.on_cpu)) refresh(change.time, *place, 0);
  if (is_waiting(change.state)) {
    update_victim(change.time, vcpu);
  } else {
    close_victim(change.time, vcpu);
  }
}

void Fusion::move_occupant(Vcpu& vcpu, Cpu* pcpu) {
  Cpu* const before = std::exchange(vcpu.pcpu, pcpu);
  if (before != nullptr && before != pcpu && before->occupant == &vcpu) before->occupant = nullptr;
  if (pcpu != nullptr) pcpu->occupant = &vcpu;
}

void Fusion::move_queue(Vcpu& vcpu, Cpu* queue) {
  Cpu* const before = std::exchange(vcpu.queue, queue);
  if (before == queue) return;
  if (before != nullptr) std::erase(before->waiting, &vcpu);
  if (queue != nullptr) queue->waiting.push_back(&vcpu);
}

void Fusion::tell_effective(HostTime time, Vcpu& vcpu) {
  if (effective_ == nullptr || vcpu.guest_cpu == nullptr) return;
  const Effective effective = effective_of(vcpu.now.state);
  if (vcpu.effective == static_cast<int>(effective)) return;
  vcpu.effective = static_cast<int>(effective);
  effective_->set_effective(time, vcpu.machine->index, vcpu.guest_cpu->number, effective);
}

/// A processor's holder may have changed: its row, those who wait for it, and, for a guest's
/// processor, the pCPU below and the guest's own wait.
void Fusion::refresh(HostTime time, Cpu& cpu, int layer) {
  if (cpu.physical) update_fused(time, cpu);
  for (Vcpu* const victim : cpu.waiting) update_victim(time, *victim);
  if (cpu.below == nullptr) return;
  Vcpu& vcpu = *cpu.below;
  if (vcpu.pcpu != nullptr && layer + 1 < kMaxLayers) refresh(time, *vcpu.pcpu, layer + 1);
  if (is_waiting(vcpu.now.state)) update_victim(time, vcpu);
}

void Fusion::finish(MachineIndex host, HostTime end) {
  for (const std::unique_ptr<Cpu>& cpu : machines_[host].cpus) {
    if (cpu == nullptr) continue;
    cpu->row.close(end, [&](HostTime begin, HostTime until, const FusedRow& row) {
      emit(*cpu, begin, until, row);
    });
  }
  for (Vcpu& vcpu : vcpus_) {
    if (vcpu.machine->parent == &machines_[host]) close_victim(end, vcpu);
  }
}

// ---- who holds a processor ----

kernel::ViewMemos* Fusion::host_holder(Holder& holder, const Cpu& cpu) {
  const CpuView& view = *cpu.view;
  const bool known = view.tid >= 0;
  holder.state = view.state;
  holder.in_guest = false;
  holder.lossy = view.lossy;
  holder.tid = known ? view.tid : model::kNoTid;
  holder.comm = known ? view.comm : kNull;
  holder.container = known ? view.container : kNull;
  holder.vcpu = kNull;
  holder.machine = known ? cpu.machine->index : kNoMachine;
  return view.memos;
}

kernel::ViewMemos* Fusion::vcpu_holder(Holder& holder, const Vcpu& vcpu, const Cpu& cpu,
                                       int layer) {
  const bool in_guest = vcpu.now.state == VcpuState::kGuest;
  const Cpu* const guest = vcpu.guest_cpu;
  if (in_guest && guest != nullptr && guest->occupant != nullptr && layer + 1 < kMaxLayers &&
      guest->occupant->now.entered) {
    return vcpu_holder(holder, *guest->occupant, *guest, layer + 1);
  }
  holder.machine = vcpu.machine->index;
  holder.vcpu = vcpu.id;
  holder.in_guest = in_guest;
  holder.lossy = vcpu.now.lossy || cpu.view->lossy;
  if (guest != nullptr && guest->view->tid >= 0) {
    const CpuView& view = *guest->view;
    holder.tid = view.tid;
    holder.comm = view.comm;
    holder.container = view.container;
    holder.state = view.state;
    holder.lossy = holder.lossy || view.lossy;
    return view.memos;
  }
  // No guest trace, or none of this time: all that is known is the host's thread.
  const bool known = cpu.view->tid == vcpu.now.tid;
  holder.tid = std::max(vcpu.now.tid, model::kNoTid);
  holder.comm = known ? cpu.view->comm : kNull;
  holder.container = kNull;
  holder.state = model::PcpuState::kUnknown;
  return known ? cpu.view->memos : nullptr;
}

void Fusion::fill(FusedRow& row, const Cpu& cpu) {
  if (cpu.occupant != nullptr && cpu.occupant->now.entered) {
    row.memos = vcpu_holder(row.holder, *cpu.occupant, cpu, 0);
    row.condition = row.holder.in_guest ? FusedCondition::kGuest : FusedCondition::kHypervisor;
    return;
  }
  // A vCPU's thread is one of the VMM's like any other until its first entry.
  row.memos = host_holder(row.holder, cpu);
  row.condition = cpu.view->tid < 0 ? FusedCondition::kUnknown : FusedCondition::kHost;
}

Fusion::PreemptionRow Fusion::preemption_row(const Vcpu& vcpu) {
  PreemptionRow row;
  row.kind =
      vcpu.now.state == VcpuState::kWaking ? PreemptionKind::kWaking : PreemptionKind::kPreempted;
  if (const Cpu* guest = vcpu.guest_cpu; guest != nullptr && guest->view->tid >= 0) {
    row.tid = guest->view->tid;
    row.comm = guest->view->comm;
  }
  if (vcpu.queue == nullptr) return row;
  const Cpu& cpu = *vcpu.queue;
  row.pcpu = static_cast<std::int32_t>(cpu.number);
  if (cpu.occupant == nullptr && cpu.view->tid <= 0) return row;  // idle or unknown
  Holder by;
  (void)(cpu.occupant != nullptr ? vcpu_holder(by, *cpu.occupant, cpu, 0) : host_holder(by, cpu));
  row.by_machine = by.machine;
  row.by_vcpu = by.vcpu;
  row.by_tid = tid_cell(by.tid);
  row.by_comm = by.comm;
  return row;
}

// ---- rows ----

void Fusion::list_open(HostTime until, std::vector<model::OpenRow>& out) const {
  for (const Machine& machine : machines_) {
    for (const std::unique_ptr<Cpu>& cpu : machine.cpus) {
      if (cpu == nullptr || !cpu->has_entity) continue;
      cpu->row.peek(until, [&](HostTime begin, HostTime end, const FusedRow& row) {
        const auto values = values_of(row);
        out.push_back({cpu->entity, begin, end, {values.begin(), values.end()}});
      });
    }
  }
}

void Fusion::open_rows(Cpu& cpu) {
  const std::int64_t key[] = {cpu.machine->name, cpu.number};
  cpu.entity = sink_.entity(model::TableId::kFusedCpu, key);
  cpu.has_entity = true;
}

void Fusion::update_fused(HostTime time, Cpu& cpu) {
  if (!cpu.has_entity) [[unlikely]]
    open_rows(cpu);
  const auto emit_row = [&](HostTime begin, HostTime end, const FusedRow& row) {
    emit(cpu, begin, end, row);
  };
  fill(cpu.row.next(time, emit_row), cpu);
}

void Fusion::update_victim(HostTime time, Vcpu& vcpu) {
  if (!vcpu.has_entity) {
    const std::int64_t key[] = {vcpu.machine->name, vcpu.id};
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

void Fusion::emit(const Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row) {
  const model::RowMemo* const noted = memo_of(row);
  if (noted == nullptr || !sink_.add_again(cpu.entity, begin, end, *noted)) [[unlikely]]
    add(cpu, begin, end, row);
}

void Fusion::add(const Cpu& cpu, HostTime begin, HostTime end, const FusedRow& row) {
  const std::array<std::int64_t, 8> values = values_of(row);
  if (model::RowMemo* const noted = memo_of(row)) {
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
  const kernel::VcpuMemos* const there = memos->on_vcpu.get();
  if (there == nullptr || there->vcpu != holder.vcpu || there->machine != holder.machine)
      [[unlikely]]
    move_memos(*memos, holder);
  return &(holder.in_guest ? memos->on_vcpu->guest : memos->on_vcpu->hypervisor)[state];
}

/// The thread was on another vCPU, or on none.
void Fusion::move_memos(kernel::ViewMemos& memos, const Holder& holder) {
  if (memos.on_vcpu == nullptr) memos.on_vcpu = std::make_unique<kernel::VcpuMemos>();
  *memos.on_vcpu = {holder.machine, holder.vcpu, {}, {}};
}

void Fusion::emit(const Vcpu& vcpu, HostTime begin, HostTime end, const PreemptionRow& row) {
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
