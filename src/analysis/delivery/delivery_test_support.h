#pragma once
// For the tests of this folder: a host (machine 0) with two VMs of two vCPUs each. VM 1 is traced,
// its VMM is process 100, its vCPU threads are 110 and 111; VM 2 is process 200 with 210 and 211.
// pCPUs 0 to 3 run them unless a test says otherwise. Deliveries come out as texts:
// "50 vm1/0 37 disk by 100", "60 vm1/1 253 task by 110=vm1/0 for vm1:7".

#include <string>
#include <vector>

#include "analysis/delivery/deliveries.h"
#include "tests/support/events.h"
#include "tests/support/fake_facts.h"
#include "tests/support/vector_sink.h"

namespace vs::analysis::delivery {

namespace ev = test::events;

class Scene : public DeliveryObserver {
 public:
  static constexpr std::int32_t kVmm = 100;

  explicit Scene(model::KindSet recorded = model::KindSet::all())
      : experiment_(make_experiment()), deliveries_(setup(recorded)) {
    deliveries_.add_observer(*this);
  }

  void on_delivery(const Delivery& d) override {
    seen.push_back(d);
    std::string text = std::to_string(d.time.ns) + " " + vcpu_text(d.victim) + " " +
                       std::to_string(d.vector) + " " + std::string(name_of(d.cause));
    if (d.evidence == DeliveryEvidence::kLearnt) text += " learnt";
    if (d.sender_tid >= 0) text += " by " + std::to_string(d.sender_tid);
    if (d.sender_vcpu.machine != model::kNoMachine) text += "=" + vcpu_text(d.sender_vcpu);
    const bool other = d.source_machine != d.sender_machine || d.source_tid != d.sender_tid;
    if (other && d.source_tid >= 0) {
      text += " for " + experiment_.machines[d.source_machine].name + ":" +
              std::to_string(d.source_tid);
    }
    texts.push_back(text);
  }

  /// An event of a machine; vCPU threads' KVM events also go where HostVcpus would send them.
  void feed(const model::Event& event, model::MachineIndex machine = 0) {
    (machine == 0 ? host_threads : guest_threads).on_event(event);
    deliveries_.on_event({HostTime{event.own.value}, machine, 0, event.tid, event});
  }
  void lose(HostTime begin, HostTime end, model::MachineIndex machine, std::uint32_t cpu) {
    (machine == 0 ? host_threads : guest_threads).forget(cpu);
    deliveries_.on_loss(begin, end, machine, cpu);
  }
  void vcpu_event(const model::Event& event, model::MachineIndex vm, std::uint32_t slot) {
    deliveries_.on_vcpu_event(HostTime{event.own.value}, {vm, slot}, event);
    feed(event);
  }
  void run_vcpu(std::int64_t at, model::MachineIndex vm, std::uint32_t slot, std::int32_t pcpu) {
    vcpu::VcpuChange change;
    change.time = HostTime{at};
    change.vcpu = {vm, slot};
    change.state = model::VcpuState::kHypervisor;
    change.pcpu = pcpu < 0 ? 0 : pcpu;
    change.on_cpu = pcpu >= 0;
    change.tid = experiment_.machines[vm].vcpus[slot].threads[0].tid;
    deliveries_.on_vcpu_change(change);
  }
  static model::Event accept(const ev::At& at, std::int64_t apic, std::int64_t vector,
                             model::EventKind kind = model::EventKind::kKvmApicAcceptIrq) {
    return ev::make(kind, at, {{"apicid", apic}, {"dm", 0}, {"tm", 0}, {"vec", vector}});
  }
  static model::Event block(model::EventKind kind, const ev::At& at, std::int64_t sector) {
    return ev::make(kind, at, {{"dev", 1}, {"sector", sector}, {"nr_sector", 8}});
  }

  std::vector<std::string> texts;
  std::vector<Delivery> seen;
  test::FakeFacts host_threads;
  test::FakeFacts guest_threads;
  Deliveries& deliveries() { return deliveries_; }
  std::string machine_name(model::StringId id) const { return sink_.text(id); }

 private:
  static model::Vcpu make_vcpu(std::int32_t id, std::int32_t tid, std::int32_t guest_cpu) {
    model::Vcpu vcpu;
    vcpu.id = id;
    vcpu.guest_cpu = guest_cpu;
    vcpu.threads.push_back({tid, OwnTime{0}, OwnTime{1'000'000'000}});
    return vcpu;
  }
  static model::Experiment make_experiment() {
    model::Experiment experiment;
    experiment.machines.resize(3);
    experiment.machines[0].name = "host";
    for (model::MachineIndex m = 1; m < 3; ++m) {
      model::Machine& vm = experiment.machines[m];
      const auto pid = static_cast<std::int32_t>(m * 100);
      vm.name = "vm" + std::to_string(m);
      vm.kind = model::MachineKind::kVm;
      vm.parent = 0;
      vm.vmm_pid = pid;
      vm.vcpus = {make_vcpu(0, pid + 10, m == 1 ? 0 : -1), make_vcpu(1, pid + 11, m == 1 ? 1 : -1)};
    }
    return experiment;
  }
  model::StreamSetup setup(const model::KindSet& recorded) {
    model::StreamSetup setup;
    setup.experiment = &experiment_;
    setup.sink = &sink_;
    setup.machines = {0, 1};
    setup.facts = {&host_threads, &guest_threads, nullptr};
    setup.recorded.assign(3, recorded);
    return setup;
  }
  [[nodiscard]] std::string vcpu_text(const vcpu::VcpuRef& ref) const {
    return experiment_.machines[ref.machine].name + "/" + std::to_string(ref.slot);
  }

  model::Experiment experiment_;
  test::VectorSink sink_;
  Deliveries deliveries_;
};

}  // namespace vs::analysis::delivery
