#include "analysis/vcpu/vm_threads.h"

#include <gtest/gtest.h>

#include "tests/support/events.h"
#include "tests/support/fake_facts.h"

namespace vs::analysis::vcpu {
namespace {

namespace ev = test::events;
using Facts = test::FakeFacts;

model::Experiment two_vms() {
  model::Experiment experiment;
  experiment.machines.resize(3);
  for (model::MachineIndex m = 1; m < 3; ++m) {
    model::Machine& vm = experiment.machines[m];
    vm.parent = 0;
    vm.vmm_pid = static_cast<std::int32_t>(100 * m);
    model::Vcpu& vcpu = vm.vcpus.emplace_back();
    vcpu.threads.push_back({vm.vmm_pid + 10, OwnTime{0}, OwnTime{9}});
  }
  return experiment;
}

void feed(VmThreads& threads, const model::Event& event) {
  threads.on_event({HostTime{0}, 0, 0, event.tid, event});
}
void wake(VmThreads& threads, std::int32_t by, std::int32_t tid, std::string_view comm) {
  feed(threads, ev::sched_waking({.tid = by}, {.tid = tid, .comm = comm}));
}
void exit(VmThreads& threads, std::int32_t tid) {
  feed(threads, ev::sched_process_exit({.tid = tid}, {.tid = tid}));
}

TEST(VmThreads, VcpusVmmsAndHelpers) {
  const model::Experiment experiment = two_vms();
  Facts facts;
  facts.tgid = {{105, 100}, {106, 100}, {300, 300}};
  facts.name = {{106, "vhost-100"},
                {190, "vhost-200"},
                {191, "kvm-pit/200"},
                {192, "vhost-"},
                {193, "vhost-999"}};
  const VmThreads threads(experiment, 0, &facts);
  const auto is = [&threads](std::int32_t tid, model::MachineIndex vm, VmRole role) {
    const VmThread found = threads.of(tid);
    return found.vm == vm && found.role == role;
  };
  EXPECT_TRUE(is(110, 1, VmRole::kVcpu));
  EXPECT_TRUE(is(210, 2, VmRole::kVcpu));
  EXPECT_TRUE(is(200, 2, VmRole::kVmm));
  EXPECT_TRUE(is(105, 1, VmRole::kVmm));
  EXPECT_TRUE(is(106, 1, VmRole::kVhost));  // a task of the VMM since 6.4
  EXPECT_TRUE(is(190, 2, VmRole::kVhost));
  EXPECT_TRUE(is(191, 2, VmRole::kPit));
  for (const std::int32_t other : {0, -1, 192, 193, 300, 301}) {
    EXPECT_TRUE(is(other, model::kNoMachine, VmRole::kOther)) << other;
  }
}

TEST(VmThreads, WithoutThreadGroupsAWorkerIsTheVmsThatWakesIt) {
  const model::Experiment experiment = two_vms();
  VmThreads threads(experiment, 0, nullptr);
  wake(threads, 100, 150, "wserver");  // any program may talk to a VMM
  EXPECT_EQ(threads.of(150).role, VmRole::kOther);
  wake(threads, 300, 151, "worker");
  EXPECT_EQ(threads.of(151).role, VmRole::kOther);
  wake(threads, 100, 151, "worker");
  wake(threads, 110, 151, "worker");
  wake(threads, 210, 151, "worker");  // a bystander
  EXPECT_EQ(threads.of(151).vm, 1U);
  wake(threads, 151, 152, "worker");  // and it starts others
  EXPECT_EQ(threads.of(152).vm, 1U);
  exit(threads, 151);
  EXPECT_EQ(threads.of(151).role, VmRole::kOther);
}

TEST(VmThreads, WithoutThreadGroupsWhatAVmmCreatesIsTheVms) {
  const model::Experiment experiment = two_vms();
  VmThreads threads(experiment, 0, nullptr);
  const auto fork = [&threads](std::int32_t parent, std::int32_t child) {
    feed(threads,
         ev::sched_process_fork({.tid = parent}, {.parent_tid = parent, .child_tid = child}));
  };
  fork(200, 250);
  EXPECT_EQ(threads.of(250).vm, 2U);
  fork(250, 251);  // a thread that a helper created
  EXPECT_EQ(threads.of(251).vm, 2U);
  feed(threads, ev::sched_process_exec({.tid = 251}, {.tid = 251, .filename = "/bin/sh"}));
  EXPECT_EQ(threads.of(251).role, VmRole::kOther);
  fork(300, 250);  // the id is used again
  EXPECT_EQ(threads.of(250).role, VmRole::kOther);
}

TEST(VmThreads, AWakeUpInAnInterruptIsNoEvidence) {
  const model::Experiment experiment = two_vms();
  VmThreads threads(experiment, 0, nullptr);
  const model::Event event = ev::sched_waking({.tid = 100}, {.tid = 151, .comm = "worker"});
  threads.on_event({HostTime{0}, 0, 0, 100, event}, true);
  EXPECT_EQ(threads.of(151).role, VmRole::kOther);
}

TEST(VmThreads, AThreadGroupThatIsKnownIsNotOverruled) {
  const model::Experiment experiment = two_vms();
  Facts facts;
  facts.tgid = {{151, 300}};
  VmThreads threads(experiment, 0, &facts);
  wake(threads, 100, 151, "worker");
  EXPECT_EQ(threads.of(151).role, VmRole::kOther);
}

TEST(VmThreads, AMachineWithoutVms) {
  const model::Experiment experiment = two_vms();
  VmThreads threads(experiment, 1, nullptr);
  wake(threads, 100, 151, "worker");
  EXPECT_EQ(threads.of(100).role, VmRole::kOther);
  EXPECT_EQ(threads.of(151).role, VmRole::kOther);
}

}  // namespace
}  // namespace vs::analysis::vcpu
