#pragma once
// The machines that ctfgen imagines: CPUs that schedule threads, make system calls and take
// interrupts, each event written to the CPU's stream at the machine's own clock.

#include <cstdint>
#include <string>
#include <vector>

#include "gen/ctf_stream.h"
#include "gen/random.h"

namespace vs::bench {

/// Own clock = true time * rate + offset.
struct GuestClock {
  double rate = 1;
  std::uint64_t offset = 0;
  [[nodiscard]] std::uint64_t at(std::uint64_t ns) const {
    return static_cast<std::uint64_t>(static_cast<double>(ns) * rate) + offset;
  }
};

struct MachineOptions {
  std::string folder;
  std::string name;
  std::uint32_t cpus = 1;
  std::uint32_t types = 0;
  std::uint64_t seed = 1;
};

/// A trace that is being written.
struct Machine {
  GuestClock clock;
  std::uint8_t uuid[16] = {};
  std::vector<CtfStream> streams;

  /// Creates the folder, its metadata and its streams. The Machine must not move afterwards.
  void open(const MachineOptions& options, StreamTotals& totals);
  void close();
};

struct Thread {
  std::int32_t tid = 0;
  std::int32_t pid = 0;
  std::int32_t parent = 0;
  std::string comm;
  bool in_syscall = false;
  std::uint32_t syscall = 0;
  int guest = -1;  ///< the guest whose vCPU this thread is, or -1
  std::uint32_t vcpu = 0;
  std::uint64_t cookie = 0;
};

/// One logical CPU of one machine. threads[0] is the idle task. Every function that writes moves
/// `now` (true time, ns) on.
class Cpu {
 public:
  Cpu(Machine& machine, std::uint32_t id, std::uint64_t seed)
      : random(seed), machine_(machine), id_(id) {}

  Random random;
  std::vector<Thread> threads;
  std::size_t current = 0;

  CtfStream& stream() { return machine_.streams[id_]; }
  CtfStream& event(EventType type, std::uint64_t now) {
    stream().event(type, machine_.clock.at(now));
    return stream();
  }

  void statedump(std::uint64_t& now);
  void switch_to(std::uint64_t& now, std::size_t next);
  void interrupt(std::uint64_t& now, std::size_t next);
  /// A short stretch of ordinary activity of the current thread; may end in a switch.
  void step(std::uint64_t& now);

 private:
  void wake(std::uint64_t& now, const Thread& thread);
  void enter_syscall(std::uint64_t& now, Thread& thread);
  void exit_syscall(std::uint64_t& now, Thread& thread);

  Machine& machine_;
  std::uint32_t id_;
};

}  // namespace vs::bench
