#include "session/experiment.h"

#include <gtest/gtest.h>

namespace vs::session {
namespace {

using model::MachineIndex;
using model::MachineKind;

model::FoundVm found_vm(std::int32_t vmm_pid, std::vector<std::int32_t> tids,
                        std::string name = "") {
  model::FoundVm vm;
  vm.vmm_pid = vmm_pid;
  vm.name = std::move(name);
  for (const std::int32_t tid : tids) {
    model::FoundVcpu vcpu;
    vcpu.id = static_cast<std::int32_t>(vm.vcpus.size());
    vcpu.threads.push_back({tid, OwnTime{1}, OwnTime{9}});
    vm.vcpus.push_back(vcpu);
  }
  return vm;
}

/// Traces with what the passes before would have said about them.
class World {
 public:
  struct Plan {
    std::string machine_name;
    std::string file_name = "trace.dat";
    std::string boot;
    std::string forced_guest;
    std::optional<std::size_t> capture_machine;
    std::vector<model::FoundVm> vms;
    std::optional<Binding> binding;
  };

  explicit World(std::vector<Plan> plans, std::optional<Capture> capture = {}) {
    std::vector<reader::TraceInfo> infos(plans.size());
    std::vector<TraceSurvey> surveys(plans.size());
    std::vector<MachineTrace> traces;
    JoinResult joined;
    for (std::size_t t = 0; t < plans.size(); ++t) {
      infos[t].machine_name = plans[t].machine_name;
      infos[t].clock.uuid = plans[t].boot;
      surveys[t].vms = plans[t].vms;
      traces.push_back({&infos[t], &surveys[t], plans[t].file_name, plans[t].forced_guest,
                        plans[t].capture_machine});
      TraceJoin join;
      join.binding = plans[t].binding;
      joined.traces.push_back(join);
    }
    joined.epoch = true;
    built_ = build_machines(traces, joined, capture);
  }

  /// "h host -; web vm h", in the order of the rows.
  [[nodiscard]] std::string rows() const {
    std::string text;
    for (const model::Machine& machine : built_.experiment.machines) {
      if (!text.empty()) text += "; ";
      text += machine.name + (machine.kind == MachineKind::kHost ? " host " : " vm ");
      text += machine.parent == model::kNoMachine ? "-"
                                                  : built_.experiment.machines[machine.parent].name;
    }
    return text;
  }
  [[nodiscard]] const model::Machine& of_trace(std::size_t trace) const {
    return built_.experiment.machines.at(built_.machine_of_trace.at(trace));
  }
  [[nodiscard]] const model::Experiment& experiment() const { return built_.experiment; }

 private:
  MachinesOfTraces built_;
};

Binding bound(std::size_t host, std::size_t vm, std::vector<CpuBinding> cpus = {}) {
  Binding binding;
  binding.host = host;
  binding.vm = vm;
  binding.cpus = std::move(cpus);
  return binding;
}

TEST(Experiment, TheTracesNameComesFirstThenTheVmsThenTheFiles) {
  const World world(
      {{.machine_name = "node",
        .vms = {found_vm(100, {101}), found_vm(200, {201}, "db"), found_vm(300, {301}, "mail")}},
       {.machine_name = "inside", .file_name = "x.dat", .binding = bound(0, 0)},
       {.file_name = "y.dat", .binding = bound(0, 1)},
       {.file_name = "lonely.dat"},
       {.file_name = ".hidden"}});
  EXPECT_EQ(world.rows(),
            "node host -; lonely host -; .hidden host -; inside vm node; db vm node; mail vm node");
  EXPECT_EQ(world.of_trace(1).name, "inside");
  EXPECT_EQ(world.of_trace(2).name, "db");
  EXPECT_TRUE(world.experiment().epoch);
  EXPECT_EQ(world.experiment().reference, 0U);
}

TEST(Experiment, AnUntracedVmIsCalledByItsVmmElseByItsLowestThread) {
  const World world(
      {{.file_name = "h.dat", .vms = {found_vm(168, {180}), found_vm(-1, {33, 31})}}});
  EXPECT_EQ(world.rows(), "h host -; vm-168 vm h; vm-t31 vm h");
  EXPECT_TRUE(world.experiment().machines[1].traces.empty());
  EXPECT_EQ(world.experiment().machines[1].vcpus.at(0).guest_cpu, -1);
  EXPECT_EQ(world.experiment().machines[2].vcpus.size(), 2U);
}

TEST(Experiment, EqualNamesAreNumbered) {
  const World world({{.machine_name = "debian", .vms = {found_vm(1, {2}), found_vm(3, {4})}},
                     {.machine_name = "debian", .binding = bound(0, 0)},
                     {.machine_name = "debian", .binding = bound(0, 1)}});
  EXPECT_EQ(world.rows(), "debian host -; debian#2 vm debian; debian#3 vm debian");
}

TEST(Experiment, AForcedGuestKeepsItsNameWhetherBoundOrNot) {
  const World bound_guest({{.file_name = "h.dat", .vms = {found_vm(7, {8})}},
                           {.forced_guest = "web", .binding = bound(0, 0)}});
  EXPECT_EQ(bound_guest.rows(), "h host -; web vm h");
  const World alone({{.file_name = "h.dat"}, {.forced_guest = "web"}});
  EXPECT_EQ(alone.rows(), "h host -; web vm -");
}

TEST(Experiment, TheCaptureNamesWhatTheTracesDoNot) {
  Capture capture;
  capture.machines.resize(3);
  capture.machines[0] = {.name = "hv", .kind = "host", .uuid = "h-u"};
  capture.machines[1] = {.name = "vm1", .kind = "vm", .vmm_pid = 168, .uuid = "v-u"};
  capture.machines[2] = {.name = "gone", .kind = "vm"};
  const World world({{.file_name = "a", .capture_machine = 0, .vms = {found_vm(168, {180})}},
                     {.file_name = "b", .capture_machine = 2}},
                    capture);
  EXPECT_EQ(world.rows(), "hv host -; gone vm -; vm1 vm hv");
  EXPECT_EQ(world.experiment().machines[0].uuid, "h-u");
  EXPECT_EQ(world.experiment().machines[2].uuid, "v-u");
}

TEST(Experiment, VcpusKnowTheCpusOfTheirGuest) {
  const World world({{.file_name = "h", .vms = {found_vm(1, {10, 11, 12})}},
                     {.file_name = "g", .binding = bound(0, 0, {{0, 1}, {1, 0}})}});
  const auto& vcpus = world.of_trace(1).vcpus;
  ASSERT_EQ(vcpus.size(), 3U);
  EXPECT_EQ(vcpus[0].guest_cpu, 1);
  EXPECT_EQ(vcpus[1].guest_cpu, 0);
  EXPECT_EQ(vcpus[2].guest_cpu, -1);
}

TEST(Experiment, TwoTracesOfOneBootAreOneMachine) {
  const World world({{.machine_name = "n", .boot = "b1", .vms = {found_vm(1, {2})}},
                     {.machine_name = "n", .boot = "b1", .vms = {found_vm(1, {2})}},
                     {.machine_name = "n", .boot = "b2"},
                     {.machine_name = "n"},
                     {.machine_name = "n"}});
  EXPECT_EQ(world.rows(), "n host -; n#2 host -; n#3 host -; n#4 host -; vm-1 vm n");
  EXPECT_EQ(world.of_trace(0).traces, (std::vector<std::size_t>{0, 1}));
}

// The second trace of a guest fits no other VM and must not become a machine of its own.
TEST(Experiment, TwoTracesOfOneGuestsBootAreOneVm) {
  const World world({{.machine_name = "guest", .file_name = "u", .boot = "g"},
                     {.machine_name = "node", .boot = "h", .vms = {found_vm(1, {2})}},
                     {.machine_name = "guest", .boot = "g", .binding = bound(1, 0)}});
  EXPECT_EQ(world.rows(), "node host -; guest vm node");
  EXPECT_EQ(world.of_trace(0).traces, (std::vector<std::size_t>{2, 0}));
}

// Two traces of one host show the same VM; the guest is bound by the second one.
TEST(Experiment, OneVmSeenByTwoTracesOfItsHostIsOneRow) {
  const World world({{.machine_name = "n", .boot = "b", .vms = {found_vm(-1, {2, 3})}},
                     {.machine_name = "n", .boot = "b", .vms = {found_vm(-1, {3})}},
                     {.file_name = "web.dat", .boot = "g", .binding = bound(1, 0, {{0, 0}})}});
  EXPECT_EQ(world.rows(), "n host -; vm-t2 vm n");
  EXPECT_EQ(world.of_trace(2).traces, (std::vector<std::size_t>{2}));
  EXPECT_EQ(world.of_trace(2).vcpus.at(0).guest_cpu, 0);
}

TEST(Experiment, ANestedVmHangsOnItsGuest) {
  const World world({{.machine_name = "l0", .vms = {found_vm(1, {2})}},
                     {.machine_name = "l1",
                      .vms = {found_vm(50, {51}), found_vm(60, {61})},
                      .binding = bound(0, 0)},
                     {.machine_name = "l2", .binding = bound(1, 1)}});
  EXPECT_EQ(world.rows(), "l0 host -; l1 vm l0; vm-50 vm l1; l2 vm l1");
}

}  // namespace
}  // namespace vs::session
