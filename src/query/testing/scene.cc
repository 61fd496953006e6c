#include "query/testing/scene.h"

#include <algorithm>
#include <map>
#include <optional>

#include "model/states.h"

namespace vs::query::testing {
namespace {

using model::FusedCondition;
using model::kNull;
using model::PcpuState;
using model::TableId;
using model::VcpuState;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kUs = 1'000;
constexpr std::int64_t kBegin = 1'763'668'026'123'456'789;  // 2025-11-20 19:47:06 UTC

// Numbers that look random and never change.
class Dice {
 public:
  std::int64_t from(std::int64_t low, std::int64_t high) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return low +
           static_cast<std::int64_t>((state_ >> 33U) % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::uint64_t state_ = 42;
};

// Who takes a pCPU away from a vCPU.
struct Rival {
  const char* machine = nullptr;  // null: nobody known
  std::int64_t vcpu = kNull;
  std::int64_t tid = kNull;
  const char* comm = nullptr;
};

// Writes one vCPU's rows in step: states, exits, preemptions and the pCPU it is on.
class VcpuScript {
 public:
  VcpuScript(MemorySource& source, std::string machine, std::int64_t vcpu, std::int64_t pcpu)
      : source_(source), machine_(std::move(machine)), pcpu_(pcpu), now_(kBegin) {
    const std::int64_t key[] = {source_.intern(machine_), vcpu};
    states_ = source_.entity(TableId::kVcpuState, key);
    exits_ = source_.entity(TableId::kVmExit, key);
    preemptions_ = source_.entity(TableId::kPreemption, key);
  }

  [[nodiscard]] std::int64_t now() const { return now_; }
  void task(std::int64_t tid, const char* comm) {
    tid_ = tid;
    comm_ = source_.intern(comm);
  }

  void guest(std::int64_t ns) { state(VcpuState::kGuest, ns); }
  // An exit handled in the kernel, and in the VMM when `vmm_ns` is given.
  void exit(const char* reason, std::int64_t kernel_ns, std::int64_t vmm_ns = 0) {
    const std::int64_t begin = now_;
    state(VcpuState::kHypervisor, kernel_ns, reason);
    if (vmm_ns > 0) state(VcpuState::kUserspace, vmm_ns, reason);
    add_exit(begin, reason, {.handling = kernel_ns, .vmm = vmm_ns});
  }
  // HLT: polls, then sleeps, then perhaps waits for its pCPU.
  void halt(std::int64_t poll_ns, std::int64_t sleep_ns, std::int64_t late_ns = 0) {
    const std::int64_t begin = now_;
    state(VcpuState::kHypervisor, 3 * kUs, "HLT");
    state(VcpuState::kPolling, poll_ns, "HLT");
    state(VcpuState::kHalted, sleep_ns, "HLT");
    if (late_ns > 0) steal(VcpuState::kWaking, late_ns, {}, "HLT");
    add_exit(begin, "HLT",
             {.handling = 3 * kUs, .halted = sleep_ns, .polling = poll_ns, .stolen = late_ns});
  }
  // Put off the pCPU inside an interrupt's exit.
  void preempted(std::int64_t ns, const Rival& by) {
    const std::int64_t begin = now_;
    state(VcpuState::kHypervisor, 2 * kUs, "INTR");
    steal(VcpuState::kPreempted, ns, by, "INTR");
    add_exit(begin, "INTR", {.handling = 2 * kUs, .stolen = ns});
  }

  void state(VcpuState state, std::int64_t ns, const char* reason = nullptr) {
    const bool on_cpu = state != VcpuState::kHalted && state != VcpuState::kWaking &&
                        state != VcpuState::kPreempted && state != VcpuState::kBlocked;
    const std::int64_t values[] = {static_cast<std::int64_t>(state),
                                   on_cpu ? pcpu_ : kNull,
                                   1,
                                   reason == nullptr ? kNull : source_.intern(reason),
                                   kNull,
                                   0};
    source_.add(states_, HostTime{now_}, HostTime{now_ + ns}, values);
    now_ += ns;
  }

 private:
  void steal(VcpuState kind, std::int64_t ns, const Rival& by, const char* reason) {
    const std::int64_t values[] = {tid_,
                                   comm_,
                                   pcpu_,
                                   kind == VcpuState::kWaking ? 1 : 0,
                                   by.machine == nullptr ? kNull : source_.intern(by.machine),
                                   by.vcpu,
                                   by.tid,
                                   by.comm == nullptr ? kNull : source_.intern(by.comm)};
    source_.add(preemptions_, HostTime{now_}, HostTime{now_ + ns}, values);
    state(kind, ns, reason);
  }
  // What an exit's time went into, ns.
  struct ExitParts {
    std::int64_t handling = 0;
    std::int64_t vmm = 0;
    std::int64_t halted = 0;
    std::int64_t polling = 0;
    std::int64_t stolen = 0;
  };
  void add_exit(std::int64_t begin, const char* reason, const ExitParts& parts) {
    const std::int64_t values[] = {source_.intern(reason), 11,          kNull,
                                   parts.handling,         parts.vmm,   parts.halted,
                                   parts.polling,          parts.stolen};
    source_.add(exits_, HostTime{begin}, HostTime{now_}, values);
  }

  MemorySource& source_;
  std::string machine_;
  std::int64_t pcpu_;
  std::int64_t now_;
  std::int64_t tid_ = kNull;
  std::int64_t comm_ = kNull;
  model::EntityId states_ = 0;
  model::EntityId exits_ = 0;
  model::EntityId preemptions_ = 0;
};

// A pCPU's occupants in turn, `share` of a period each; the rest is idle.
struct Occupant {
  FusedCondition condition;
  const char* machine;
  double share;
};
void fill_pcpu(Scene& scene, const char* host, std::int64_t cpu, std::int64_t length_ns,
               std::initializer_list<Occupant> occupants) {
  MemorySource& source = *scene.source;
  const std::int64_t key[] = {source.intern(host), cpu};
  const auto entity = source.entity(TableId::kFusedCpu, key);
  constexpr std::int64_t kPeriod = 20 * kMs;
  for (std::int64_t at = 0; at < length_ns; at += kPeriod) {
    std::int64_t time = kBegin + at;
    const std::int64_t end = kBegin + std::min(at + kPeriod, length_ns);
    const auto add = [&](FusedCondition condition, const char* machine, PcpuState state,
                         std::int64_t until) {
      const std::int64_t values[] = {static_cast<std::int64_t>(condition),
                                     machine == nullptr ? kNull : source.intern(machine),
                                     kNull,
                                     kNull,
                                     kNull,
                                     static_cast<std::int64_t>(state),
                                     kNull,
                                     0};
      source.add(entity, HostTime{time}, HostTime{until}, values);
      time = until;
    };
    for (const Occupant& who : occupants) {
      const auto ns = static_cast<std::int64_t>(who.share * static_cast<double>(end - kBegin - at));
      add(who.condition, who.machine, PcpuState::kUser, std::min(end, time + ns));
    }
    if (time < end) add(FusedCondition::kHost, nullptr, PcpuState::kIdle, end);
  }
}

void add_trace(Scene& scene, const std::string& path, const std::string& machine,
               std::int64_t length_ns, std::vector<EventCount> events) {
  TraceSummary trace;
  auto& machines = scene.summary.experiment.machines;
  for (model::MachineIndex i = 0; i < machines.size(); ++i) {
    if (machines[i].name != machine) continue;
    trace.machine = i;
    machines[i].traces.push_back(scene.summary.traces.size());
  }
  trace.id = static_cast<std::int64_t>(scene.summary.traces.size());
  trace.info.path = path;
  trace.info.format = "trace.dat";
  trace.info.format_detail = "trace.dat v7, zstd";
  trace.info.tracer = "trace-cmd 3.1.6";
  trace.info.kernel = "6.1.0-56-amd64";
  trace.info.is_kernel = true;
  trace.info.cpu_count = 4;
  trace.info.clock.name = "x86-tsc";
  trace.events = std::move(events);
  trace.begin = HostTime{kBegin};
  trace.end = HostTime{kBegin + length_ns};
  for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
    trace.streams.push_back({path + " cpu " + std::to_string(cpu), cpu, 1'940'000 + cpu * 1000, 473,
                             trace.event_total() / 2, 0, 0});
  }
  scene.source->add_row(
      TableId::kTrace,
      {trace.id, machine, path, std::string("trace.dat"), trace.info.tracer, trace.info.clock.name,
       kBegin, kBegin + length_ns, static_cast<std::int64_t>(trace.event_total()), std::int64_t{0},
       std::int64_t{0}});
  scene.summary.paths.push_back(path);
  scene.summary.traces.push_back(std::move(trace));
}

void add_host(Scene& scene, const std::string& name) {
  model::Machine machine;
  machine.name = name;
  scene.summary.experiment.machines.push_back(machine);
  scene.source->add_row(TableId::kMachine, {name, std::string("host"), {}, {}, {}, {}, {}});
  scene.source->add_row(TableId::kClockSync, {name,
                                              std::int64_t{0},
                                              kBegin,
                                              kBegin + 12'000 * kMs,
                                              std::string("reference"),
                                              std::string("exact"),
                                              std::int64_t{0},
                                              std::int64_t{0},
                                              std::int64_t{0},
                                              std::int64_t{0},
                                              std::int64_t{0},
                                              {},
                                              {}});
}

void add_vm(Scene& scene, const std::string& name, model::MachineIndex parent, std::int32_t pid,
            std::int32_t vcpus) {
  model::Machine machine;
  machine.name = name;
  machine.kind = model::MachineKind::kVm;
  machine.parent = parent;
  machine.vmm_pid = pid;
  for (std::int32_t i = 0; i < vcpus; ++i) {
    machine.vcpus.push_back({i, {{pid + 11 + i, {}, {}}}, i});
    scene.source->add_row(TableId::kVcpu,
                          {name, std::int64_t{i}, scene.summary.experiment.machines[parent].name,
                           std::int64_t{pid + 11 + i}, kBegin, kBegin + 12'000 * kMs});
  }
  scene.summary.experiment.machines.push_back(machine);
  scene.source->add_row(TableId::kMachine, {name,
                                            std::string("vm"),
                                            scene.summary.experiment.machines[parent].name,
                                            std::int64_t{pid},
                                            {},
                                            std::int64_t{vcpus},
                                            {}});
}

struct ClockVerdict {
  const char* method;
  const char* quality;
  std::int64_t error_ns;
  double outside_before;
  double outside_after;
};
void join_clock(Scene& scene, const std::string& name, const ClockVerdict& clock) {
  scene.source->add_row(TableId::kClockSync, {name, std::int64_t{0}, kBegin, kBegin + 12'000 * kMs,
                                              std::string(clock.method), std::string(clock.quality),
                                              std::int64_t{-1'234'567'890'123}, std::int64_t{17},
                                              clock.error_ns, std::int64_t{18579}, std::int64_t{0},
                                              clock.outside_before, clock.outside_after});
}

using K = model::EventKind;
std::vector<EventCount> host_events() {
  return {{"sched_switch", "sched", K::kSchedSwitch, 81'234},
          {"kvm_entry", "kvm", K::kKvmEntry, 52'152},
          {"kvm_exit", "kvm", K::kKvmExit, 52'152},
          {"sched_waking", "sched", K::kSchedWaking, 20'140},
          {"kvm_userspace_exit", "kvm", K::kKvmUserspaceExit, 3'120},
          {"kvm_vcpu_wakeup", "kvm", K::kKvmVcpuWakeup, 1'429},
          {"irq_handler_entry", "irq", K::kIrqHandlerEntry, 730},
          {"softirq_entry", "irq", K::kSoftirqEntry, 9'210},
          {"sched_process_fork", "sched", K::kSchedProcessFork, 21},
          {"sched_process_exit", "sched", K::kSchedProcessExit, 19},
          {"hrtimer_expire_entry", "timer", K::kHrtimerExpireEntry, 14'000}};
}
std::vector<EventCount> guest_events() {
  return {{"sched_switch", "sched", K::kSchedSwitch, 9'801},
          {"sched_waking", "sched", K::kSchedWaking, 4'101},
          {"softirq_entry", "irq", K::kSoftirqEntry, 2'222},
          {"irq_handler_entry", "irq", K::kIrqHandlerEntry, 310}};
}

constexpr std::int64_t kLength = 12'412 * kMs;

// A busy vCPU: guest time cut by exits, and every 10 ms the rivals' turn.
void robbed(VcpuScript& vcpu, Dice& dice) {
  const Rival burst{"vm2", 0, 158, "burst0"};
  const Rival worker{"host", kNull, 23, "kworker/0:1"};
  while (vcpu.now() < kBegin + kLength - 12 * kMs) {
    const bool critical = dice.from(0, 9) < 8;
    vcpu.task(critical ? 301 : 212, critical ? "critical" : "logger");
    for (int i = 0; i < 9; ++i) {
      vcpu.guest(dice.from(300, 700) * kUs);
      const std::int64_t which = dice.from(0, 9);
      if (which < 6) vcpu.exit("NPF", dice.from(40, 190) * kUs);
      if (which == 6) vcpu.exit("IOIO", 9 * kUs, dice.from(30, 90) * kUs);
      if (which > 6) vcpu.exit("MSR", dice.from(4, 30) * kUs);
    }
    const std::int64_t turn = dice.from(0, 19);
    if (turn < 15) vcpu.preempted(dice.from(2, 6) * kMs, burst);
    if (turn == 15) vcpu.preempted(dice.from(100, 900) * kUs, worker);
    if (turn > 15) vcpu.halt(180 * kUs, dice.from(3, 9) * kMs, dice.from(20, 300) * kUs);
  }
  vcpu.guest(kBegin + kLength - vcpu.now());
}

// Sleeps most of the time.
void lazy(VcpuScript& vcpu, Dice& dice, std::int64_t length) {
  while (vcpu.now() < kBegin + length - 60 * kMs) {
    vcpu.guest(dice.from(40, 120) * kUs);
    vcpu.exit("MSR", dice.from(3, 12) * kUs);
    vcpu.halt(60 * kUs, dice.from(20, 50) * kMs, 8 * kUs);
  }
  vcpu.guest(kBegin + length - vcpu.now());
}

}  // namespace

Scene two_vms() {
  Scene scene;
  scene.summary.name = "twovms";
  scene.summary.experiment.epoch = true;
  add_host(scene, "host");
  add_vm(scene, "vm1", 0, 812, 2);
  add_vm(scene, "vm2", 0, 831, 1);
  add_trace(scene, "host.dat", "host", kLength, host_events());
  add_trace(scene, "vm1.dat", "vm1", kLength, guest_events());
  add_trace(scene, "vm2.dat", "vm2", kLength, guest_events());
  join_clock(scene, "vm1", {"tsc", "exact", 1, 0.998, 0});
  join_clock(scene, "vm2", {"tsc", "exact", 1, 1, 0});
  Dice dice;
  VcpuScript first(*scene.source, "vm1", 0, 0);
  robbed(first, dice);
  VcpuScript second(*scene.source, "vm1", 1, 1);
  lazy(second, dice, kLength);
  VcpuScript rival(*scene.source, "vm2", 0, 0);
  while (rival.now() < kBegin + kLength - 12 * kMs) {
    rival.guest(dice.from(2, 5) * kMs);
    rival.exit("VINTR", 6 * kUs);
    rival.halt(100 * kUs, dice.from(4, 7) * kMs);
  }
  rival.guest(kBegin + kLength - rival.now());
  fill_pcpu(scene, "host", 0, kLength,
            {{FusedCondition::kGuest, "vm1", 0.41},
             {FusedCondition::kHypervisor, "vm1", 0.07},
             {FusedCondition::kGuest, "vm2", 0.30},
             {FusedCondition::kHost, nullptr, 0.05}});
  fill_pcpu(scene, "host", 1, kLength,
            {{FusedCondition::kGuest, "vm1", 0.02}, {FusedCondition::kHost, nullptr, 0.01}});
  fill_pcpu(scene, "host", 2, kLength, {{FusedCondition::kHost, nullptr, 0.03}});
  fill_pcpu(scene, "host", 3, kLength, {{FusedCondition::kHost, nullptr, 0.004}});
  for (std::int64_t i = 0; i < 4; ++i) {
    scene.source->add_event({HostTime{kBegin + i * kMs}, 0, "host", i, 823, "kvm_exit",
                             "{\"exit_reason\":" + std::to_string(1024 + i) + "}"});
  }
  return scene;
}

namespace {

// Rows of a guest's periodic task and of the vCPU below it, in step.
class TaskScript {
 public:
  explicit TaskScript(MemorySource& source) : source_(source) {
    const std::int64_t vcpu[] = {source_.intern("vm1"), 0};
    const std::int64_t task[] = {source_.intern("vm1"), 5};
    vcpu_ = source_.entity(TableId::kVcpuState, vcpu);
    robbed_ = source_.entity(TableId::kPreemption, vcpu);
    task_ = source_.entity(TableId::kThreadState, task);
  }
  void runs(std::int64_t ns) {
    vcpu(VcpuState::kGuest, now_ + ns);
    now_ += ns;
  }
  void robbed(std::int64_t ns) {
    vcpu(VcpuState::kPreempted, now_ + ns);
    const std::int64_t by[] = {5,   source_.intern("critical"), 1, 0, source_.intern("vm2"), 0,
                               155, source_.intern("burst0")};
    source_.add(robbed_, HostTime{now_}, HostTime{now_ + ns}, by);
    now_ += ns;
  }
  // Ends what it did since it was woken, and sleeps.
  void waits(std::int64_t ns, const char* syscall, const char* cause) {
    task(model::ThreadState::kUser, since_, now_ - 10 * kUs, nullptr);
    task(model::ThreadState::kSyscall, now_ - 10 * kUs, now_, syscall);
    task(model::ThreadState::kBlocked, now_, now_ + ns, cause);
    vcpu(VcpuState::kHalted, now_ + ns);
    now_ += ns;
    since_ = now_;
  }
  [[nodiscard]] std::int64_t now() const { return now_; }

 private:
  void vcpu(VcpuState state, std::int64_t end) {
    const bool on_cpu = state == VcpuState::kGuest;
    const std::int64_t values[] = {
        static_cast<std::int64_t>(state), on_cpu ? 1 : kNull, 1, kNull, kNull, 0};
    source_.add(vcpu_, HostTime{now_}, HostTime{end}, values);
  }
  void task(model::ThreadState state, std::int64_t begin, std::int64_t end, const char* detail) {
    const bool running = state != model::ThreadState::kBlocked;
    const std::int64_t values[] = {static_cast<std::int64_t>(state),
                                   running ? 0 : kNull,
                                   kNull,
                                   detail == nullptr ? kNull : source_.intern(detail),
                                   kNull,
                                   kNull,
                                   0};
    source_.add(task_, HostTime{begin}, HostTime{end}, values);
  }
  MemorySource& source_;
  model::EntityId vcpu_ = 0;
  model::EntityId robbed_ = 0;
  model::EntityId task_ = 0;
  std::int64_t now_ = kBegin;
  std::int64_t since_ = kBegin;
};

}  // namespace

Scene robbed_task() {
  Scene scene;
  scene.summary.name = "robbed";
  scene.summary.experiment.epoch = true;
  add_host(scene, "host");
  add_vm(scene, "vm1", 0, 812, 1);
  add_vm(scene, "vm2", 0, 831, 1);
  add_trace(scene, "host.dat", "host", 1000 * kMs, host_events());
  add_trace(scene, "vm1.dat", "vm1", 1000 * kMs, guest_events());
  TaskScript script(*scene.source);
  for (std::int64_t round = 0; round < 40; ++round) {
    script.runs(4 * kMs);
    if (round % 10 == 9) script.robbed(3 * kMs + 1 + round);
    script.runs(6 * kMs);
    script.waits(10 * kMs, "clock_nanosleep", "timer");
  }
  const auto thread = [&](std::int64_t tid, const char* comm) {
    scene.source->add_row(
        TableId::kThread,
        {std::string("vm1"), tid, tid, {}, std::string(comm), {}, kBegin, script.now()});
  };
  thread(5, "critical");
  thread(6, "twin");
  thread(9, "twin");
  return scene;
}

Scene reading_task() {
  Scene scene;
  scene.summary.name = "reading";
  scene.summary.experiment.epoch = true;
  add_host(scene, "host");
  add_vm(scene, "vm1", 0, 812, 1);
  add_trace(scene, "host.dat", "host", 200 * kMs, host_events());
  add_trace(scene, "vm1.dat", "vm1", 200 * kMs, guest_events());
  TaskScript script(*scene.source);
  for (std::int64_t round = 0; round < 20; ++round) {
    script.runs(kMs);
    script.waits(round == 12 ? 30 * kMs : 5 * kMs, "pread64", "disk");
  }
  scene.source->add_row(TableId::kThread, {std::string("vm1"),
                                           std::int64_t{5},
                                           std::int64_t{5},
                                           {},
                                           std::string("reader"),
                                           {},
                                           kBegin,
                                           script.now()});
  return scene;
}

Scene idle_vm() {
  Scene scene;
  scene.summary.name = "idle";
  add_host(scene, "host");
  add_vm(scene, "vm1", 0, 812, 1);
  add_trace(scene, "host.dat", "host", 5000 * kMs, host_events());
  Dice dice;
  VcpuScript vcpu(*scene.source, "vm1", 0, 0);
  lazy(vcpu, dice, 5000 * kMs);
  fill_pcpu(scene, "host", 0, 5000 * kMs, {{FusedCondition::kGuest, "vm1", 0.003}});
  return scene;
}

Scene bare_host() {
  Scene scene;
  scene.summary.name = "bare";
  add_host(scene, "box");
  add_trace(scene, "trace.dat", "box", 2000 * kMs,
            {{"sched_switch", "sched", K::kSchedSwitch, 500}});
  fill_pcpu(scene, "box", 0, 2000 * kMs, {{FusedCondition::kHost, nullptr, 0.6}});
  fill_pcpu(scene, "box", 1, 2000 * kMs, {{FusedCondition::kHost, nullptr, 0.1}});
  return scene;
}

Scene troubled() {
  Scene scene;
  scene.summary.name = "troubled";
  add_host(scene, "alpha");
  add_host(scene, "beta");
  add_vm(scene, "web\x1b[31m", 0, 700, 1);
  add_vm(scene, "it's a \"db\"", 1, 701, 1);
  add_trace(scene, "alpha.dat", "alpha", kLength, host_events());
  add_trace(scene, "beta dir/beta.dat", "beta", kLength, host_events());
  add_trace(scene, "db.dat", "it's a \"db\"", kLength, guest_events());
  scene.summary.experiment.machines[3].joined = false;
  join_clock(scene, "it's a \"db\"", {"envelope", "failed", 0, 1, 1});
  Dice dice;
  VcpuScript web(*scene.source, "web\x1b[31m", 0, 0);
  web.state(VcpuState::kUnknown, 2000 * kMs);
  robbed(web, dice);
  VcpuScript db(*scene.source, "it's a \"db\"", 0, 1);
  lazy(db, dice, kLength);
  scene.summary.refused.push_back(
      {"broken.dat",
       {ErrorCode::kTruncated, "the file ends inside its header", "broken.dat:12", ""}});
  for (std::int64_t cpu = 0; cpu < 2; ++cpu) {
    scene.source->add_row(TableId::kLoss,
                          {std::int64_t{0}, std::string("alpha"), cpu, kBegin + cpu * kMs, 3 * kMs,
                           cpu == 0 ? model::Cell{std::int64_t{1234}} : model::Cell{}});
  }
  scene.source->add_row(
      TableId::kIssue,
      {std::string("error"), std::string("reader"), std::string("bad_page"), std::int64_t{0},
       std::string("alpha.dat:81920"), std::int64_t{3},
       std::string("page claims 70000 bytes, 4080 remain"),
       std::string("The rest of that page is skipped and counted as a loss window.")});
  scene.source->add_row(TableId::kIssue, {std::string("warning"),
                                          std::string("clock"),
                                          std::string("clock_not_joined"),
                                          std::int64_t{2},
                                          {},
                                          std::int64_t{1},
                                          std::string("no fact joins it's a \"db\" with a host"),
                                          std::string("Answers across machines leave it out.")});
  scene.source->add_row(TableId::kIssue, {std::string("info"),
                                          std::string("session"),
                                          std::string("missing_events"),
                                          std::int64_t{2},
                                          {},
                                          std::int64_t{1},
                                          std::string("no system calls"),
                                          std::string("Record the named events.")});
  return scene;
}

}  // namespace vs::query::testing
