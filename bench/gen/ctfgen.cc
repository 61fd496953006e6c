// ctfgen: writes synthetic kernel traces with the layouts of lttng-modules 2.13 (CTF 1.8), the same
// for the same seed.
//
//   ctfgen OUT --events N [--cpus P] [--threads T] [--guests G --vcpus V] [--seed S]
//              [--packet BYTES] [--types K]
//
// Without guests OUT is one trace. With guests OUT/host, OUT/guest1, ... are written; each vCPU
// thread is bound to one pCPU, guest clocks have an offset and a drift, and vmsync_* events tie
// guest and host as the lttng-modules add-ons do. N counts the events of all traces together; the
// run stops at the first step of a CPU past its share.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gen/ctf_machine.h"

namespace {

using namespace vs::bench;
using std::int32_t;
using std::uint32_t;
using std::uint64_t;

struct Options {
  std::string out;
  uint64_t events = 1000000;
  uint64_t seed = 1;
  uint32_t cpus = 8;
  uint32_t threads = 200;
  uint32_t guests = 0;
  uint32_t vcpus = 2;
  uint32_t packet = 1U << 20;
  uint32_t types = 850;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      options.out = name;
      continue;
    }
    if (++i == argc) return false;
    const uint64_t value = std::strtoull(argv[i], nullptr, 0);
    const auto small = static_cast<uint32_t>(value);
    if (name == "--events") {
      options.events = value;
    } else if (name == "--seed") {
      options.seed = value;
    } else if (name == "--cpus") {
      options.cpus = small;
    } else if (name == "--threads") {
      options.threads = small;
    } else if (name == "--guests") {
      options.guests = small;
    } else if (name == "--vcpus") {
      options.vcpus = small;
    } else if (name == "--packet") {
      options.packet = small;
    } else if (name == "--types") {
      options.types = small;
    } else {
      return false;
    }
  }
  return !options.out.empty() && options.cpus != 0 && options.vcpus != 0 && options.packet >= 4096;
}

Thread thread_of(int32_t tid, int32_t pid, int32_t parent, std::string comm) {
  Thread thread;
  thread.tid = tid;
  thread.pid = pid;
  thread.parent = parent;
  thread.comm = std::move(comm);
  return thread;
}

Thread idle_thread(uint32_t cpu) {
  return thread_of(0, 0, 0, fmt::format("swapper/{}", cpu % 1000));
}

/// A guest: its trace, its vCPUs, and the counter of its vmsync events.
struct Guest {
  Machine machine;
  std::vector<std::unique_ptr<Cpu>> vcpus;
  uint32_t sync_count = 0;
};

/// The whole world: host CPUs run one after the other, each through its share of the events.
class World {
 public:
  explicit World(const Options& options) : options_(options) {
    totals_.packet_bytes = options.packet;
    const std::string& out = options.out;
    host_.open({options.guests != 0 ? out + "/host" : out, "host", options.cpus, options.types,
                options.seed},
               totals_);
    for (uint32_t g = 0; g < options.guests; ++g) add_guest(g);
  }

  void run() {
    for (uint32_t cpu = 0; cpu < options_.cpus; ++cpu) run_cpu(cpu);
    host_.close();
    for (const auto& guest : guests_) guest->machine.close();
  }
  [[nodiscard]] const StreamTotals& totals() const { return totals_; }

 private:
  struct Vcpu {
    uint32_t guest;
    uint32_t vcpu;
  };

  void add_guest(uint32_t g) {
    auto guest = std::make_unique<Guest>();
    const std::string name = fmt::format("guest{}", g + 1);
    guest->machine.clock.rate = 1 + (g % 2 != 0 ? -31e-6 : 47e-6);
    guest->machine.clock.offset = 5000000000ULL * (g + 1);
    guest->machine.open(
        {options_.out + "/" + name, name, options_.vcpus, options_.types, options_.seed + 100 + g},
        totals_);
    for (uint32_t v = 0; v < options_.vcpus; ++v) {
      auto cpu = std::make_unique<Cpu>(guest->machine, v, options_.seed * 1000 + g * 64 + v + 7);
      cpu->threads.push_back(idle_thread(v));
      for (uint32_t k = 0; k < std::max(2U, options_.threads / 4 / options_.vcpus); ++k) {
        const auto tid = static_cast<int32_t>(1000 + v * 500 + k);
        cpu->threads.push_back(thread_of(tid, tid, 1, fmt::format("gwork-{}", k % 20)));
      }
      guest->vcpus.push_back(std::move(cpu));
    }
    guests_.push_back(std::move(guest));
  }

  /// The threads of a host CPU; the vCPUs that live on it go to `mine`.
  void populate(Cpu& cpu, uint32_t id, std::vector<Vcpu>& mine) {
    cpu.threads.push_back(idle_thread(id));
    for (uint32_t k = 0; k < std::max(2U, options_.threads / options_.cpus); ++k) {
      const auto tid = static_cast<int32_t>(10000 + id * 1000 + k);
      cpu.threads.push_back(thread_of(tid, tid, 1, fmt::format("work-{}", k % 30)));
    }
    for (uint32_t g = 0; g < options_.guests; ++g) {
      for (uint32_t v = 0; v < options_.vcpus; ++v) {
        if ((g * options_.vcpus + v) % options_.cpus != id) continue;
        mine.push_back({g, v});
        const auto pid = static_cast<int32_t>(3900 + g * 100);
        Thread thread = thread_of(static_cast<int32_t>(4000 + g * 100 + v), pid, pid,
                                  fmt::format("CPU {}/KVM", v % 100));
        thread.guest = static_cast<int>(g);
        thread.vcpu = v;
        // Three entries: the vCPU thread is often chosen.
        for (int i = 0; i < 3; ++i) cpu.threads.push_back(thread);
      }
    }
    if (id != 0) return;
    for (uint32_t g = 0; g < options_.guests; ++g) {
      const auto pid = static_cast<int32_t>(3900 + g * 100);
      cpu.threads.push_back(thread_of(pid, pid, 1, fmt::format("qemu-{}", g % 100)));
    }
  }

  void run_cpu(uint32_t id) {
    Cpu cpu(host_, id, options_.seed * 500 + id + 1);
    std::vector<Vcpu> mine;
    populate(cpu, id, mine);
    uint64_t now = 1000000000000ULL + id * 13;
    cpu.statedump(now);
    for (const Vcpu& vcpu : mine) {
      now += 1000;
      guests_[vcpu.guest]->vcpus[vcpu.vcpu]->statedump(now);
    }
    const uint64_t target = options_.events / options_.cpus * (id + 1);
    while (totals_.events < target) {
      if (cpu.threads[cpu.current].guest >= 0) {
        run_vcpu(cpu, now);
        continue;
      }
      cpu.step(now);
      const Thread& thread = cpu.threads[cpu.current];
      if (thread.guest < 0 && !mine.empty() && cpu.random.chance(400) && !thread.in_syscall) {
        const std::size_t n =
            cpu.threads.size() - 1 - cpu.random.below(static_cast<uint32_t>(mine.size() * 3));
        if (cpu.threads[n].guest >= 0) cpu.switch_to(now, n);
      }
    }
  }

  /// Entry, guest activity, exit, some host work, repeated; then the vCPU thread is switched out.
  void run_vcpu(Cpu& host, uint64_t& now) {
    const Thread thread = host.threads[host.current];
    Guest& guest = *guests_[static_cast<std::size_t>(thread.guest)];
    Cpu& vcpu = *guest.vcpus[thread.vcpu];
    for (uint32_t turns = 1 + host.random.below(12); turns != 0; --turns) {
      host.event(kKvmEntry, now).put<uint32_t>(thread.vcpu);
      now += host.random.gap(400);
      for (uint32_t k = 1 + host.random.below(5); k != 0; --k) vcpu.step(now);
      leave_guest(host, vcpu, guest, now);
      if (host.random.chance(150)) host.interrupt(now, 1);
    }
    host.switch_to(now, host.random.below(static_cast<uint32_t>(host.threads.size())));
  }

  static void write_exit(Cpu& host, uint64_t now, uint32_t reason, uint64_t place, uint32_t vcpu) {
    CtfStream& out = host.event(kKvmExit, now);
    out.put<uint32_t>(reason);
    out.put<uint64_t>(0xffffffff81000000ULL + place);
    out.put<uint32_t>(1);
    out.put<uint64_t>(0, 0);
    out.put<uint32_t>(0, 0, vcpu);
  }

  static uint32_t exit_reason(Random& random) {
    if (random.below(4) == 0) return 12;
    if (random.below(3) == 0) return 30;
    return random.below(2) != 0 ? 32 : 1;
  }

  static void leave_guest(Cpu& host, Cpu& vcpu, Guest& guest, uint64_t& now) {
    const Thread thread = host.threads[host.current];
    uint32_t reason = exit_reason(host.random);
    const bool sync = host.random.chance(60);
    const uint64_t uid = static_cast<uint64_t>(thread.guest) + 1;
    uint32_t count = 0;
    if (sync) {
      count = ++guest.sync_count;
      vcpu.event(kGuestToHostGuest, now).fields(count, uid);
      now += host.random.gap(300);
      reason = 18;
    }
    write_exit(host, now, reason, host.random.below(1U << 20), thread.vcpu);
    now += host.random.gap(300);
    if (reason == 30) {
      host.event(kKvmPio, now).put<uint32_t>(1, 0xc050, 2, 1);
      now += host.random.gap(500);
    }
    if (!sync) return;
    host.event(kKvmHypercall, now).put<uint64_t>(1000, uid, count, 0, 0);
    now += host.random.gap(200);
    host.event(kGuestToHostHost, now).fields(count, uid);
    now += host.random.gap(300);
    count = ++guest.sync_count;
    host.event(kHostToGuestHost, now).fields(count, uid);
    now += host.random.gap(300);
    host.event(kKvmEntry, now).put<uint32_t>(thread.vcpu);
    now += host.random.gap(300);
    vcpu.event(kHostToGuestGuest, now).fields(count, uid);
    now += host.random.gap(300);
    write_exit(host, now, 32, 0, thread.vcpu);
    now += host.random.gap(300);
  }

  const Options options_;
  StreamTotals totals_;
  Machine host_;
  std::vector<std::unique_ptr<Guest>> guests_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fputs(
        "usage: ctfgen OUT --events N [--cpus P] [--threads T] [--guests G --vcpus V]\n"
        "              [--seed S] [--packet BYTES] [--types K]\n",
        stderr);
    return 2;
  }
  World world(options);
  world.run();
  const StreamTotals& totals = world.totals();
  fmt::print("{} events, {} content bytes, {:.2f} B/event\n", totals.events, totals.content_bytes,
             static_cast<double>(totals.content_bytes) / static_cast<double>(totals.events));
}
