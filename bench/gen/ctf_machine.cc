#include "gen/ctf_machine.h"

#include <fmt/format.h>

#include <filesystem>

namespace vs::bench {

using std::int32_t;
using std::int64_t;
using std::uint16_t;
using std::uint32_t;
using std::uint64_t;

void Machine::open(const MachineOptions& options, StreamTotals& totals) {
  std::filesystem::create_directories(options.folder + "/index");
  Random random(options.seed * 77 + 5);
  for (std::uint8_t& byte : uuid) byte = static_cast<std::uint8_t>(random.next() >> 40);
  const auto high = static_cast<uint32_t>(random.next());
  const uint64_t low = random.next() & 0xffffffffffffULL;
  const std::string clock_uuid = fmt::format("{:08x}-1111-4222-8333-{:012x}", high, low);
  write_file(options.folder + "/metadata",
             metadata_text({uuid, options.name, clock_uuid, options.types}));
  streams.resize(options.cpus);
  for (uint32_t cpu = 0; cpu < options.cpus; ++cpu) {
    streams[cpu].open(options.folder, cpu, uuid, totals);
  }
}

void Machine::close() {
  for (CtfStream& stream : streams) stream.close();
}

void Cpu::statedump(uint64_t& now) {
  if (id_ == 0) {
    event(kStatedumpStart, now);
    now += 200;
  }
  for (const Thread& thread : threads) {
    if (thread.tid == 0) continue;
    CtfStream& out = event(kStatedumpProcess, now);
    out.put<int32_t>(thread.tid, thread.pid, thread.parent);
    out.comm(thread.comm);
    out.put<int32_t>(0, 1, 0, 5);
    out.put<uint32_t>(id_);
    now += 150;
  }
  if (id_ == 0) {
    event(kStatedumpEnd, now);
    now += 200;
  }
}

void Cpu::switch_to(uint64_t& now, std::size_t next) {
  if (next == current) return;
  const Thread& from = threads[current];
  const Thread& to = threads[next];
  CtfStream& out = event(kSchedSwitch, now);
  out.comm(from.comm);
  out.put<int32_t>(from.tid, 20);
  out.put<int64_t>(from.tid != 0 && random.below(3) != 0 ? 1 : 0);
  out.comm(to.comm);
  out.put<int32_t>(to.tid, 20);
  current = next;
  now += random.gap(700);
}

void Cpu::wake(uint64_t& now, const Thread& thread) {
  for (const EventType type : {kSchedWaking, kSchedWakeup}) {
    CtfStream& out = event(type, now);
    out.comm(thread.comm);
    out.put<int32_t>(thread.tid, 20, static_cast<int32_t>(id_));
    now += random.gap(500);
  }
}

void Cpu::interrupt(uint64_t& now, std::size_t next) {
  static constexpr std::string_view kNames[] = {"eth0-TxRx-1", "virtio2-req.0", "nvme0q3", "i8042"};
  const bool timer = random.chance(500);
  const uint64_t hrtimer = 0xffff888000000000ULL + random.below(64) * 64;
  if (timer) {
    event(kHrtimerEntry, now).fields(hrtimer, static_cast<int64_t>(now), 0xffffffff81100000ULL);
  } else {
    const uint32_t line = random.below(4);
    CtfStream& out = event(kIrqEntry, now);
    out.put<int32_t>(static_cast<int32_t>(24 + line));
    out.text(kNames[line]);
    threads[0].cookie = 24 + line;
  }
  now += random.gap(900);
  const bool soft = random.chance(600);
  const uint32_t vector = timer ? 1 + 8 * random.below(2) : 3;
  if (soft) {
    event(kSoftirqRaise, now).fields(vector);
    now += random.gap(200);
  }
  if (random.chance(500)) wake(now, threads[next]);
  if (timer) {
    event(kHrtimerExit, now).fields(hrtimer);
  } else {
    event(kIrqExit, now).put<int32_t>(static_cast<int32_t>(threads[0].cookie), 1);
  }
  now += random.gap(200);
  if (!soft) return;
  event(kSoftirqEntry, now).fields(vector);
  now += random.gap(1500);
  if (random.chance(200)) wake(now, threads[next]);
  event(kSoftirqExit, now).fields(vector);
  now += random.gap(300);
}

void Cpu::enter_syscall(uint64_t& now, Thread& thread) {
  static constexpr std::string_view kFiles[] = {"/etc/ld.so.cache", "/proc/self/stat",
                                                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                                "/var/log/syslog"};
  thread.syscall = random.below(7);
  thread.in_syscall = true;
  const uint64_t pointer = 0x7f0000000000ULL + (random.next() & 0xffffffff);
  static constexpr EventType kTypes[] = {kEntryRead,  kEntryWrite, kEntryOpenat, kEntryFutex,
                                         kEntryEpoll, kEntryIoctl, kEntryClose};
  CtfStream& out = event(kTypes[thread.syscall], now);
  switch (thread.syscall) {
    case 0:
      out.put<uint32_t>(random.below(64)), out.put<uint64_t>(4096);
      break;
    case 1:
      out.put<uint32_t>(random.below(64)), out.put<uint64_t>(pointer, 512);
      break;
    case 2:
      out.put<int32_t>(-100);
      out.text(kFiles[random.below(4)]);
      out.put<int32_t>(0x80000);
      out.put<uint16_t>(0);
      break;
    case 3:
      out.put<uint64_t>(pointer), out.put<int32_t>(128), out.put<uint32_t>(1);
      out.put<uint64_t>(0, 0), out.put<uint32_t>(0);
      break;
    case 4:
      out.put<int32_t>(5, 64, -1);
      break;
    case 5:
      out.put<uint32_t>(random.below(64), 0xae80), out.put<uint64_t>(0);
      break;
    default:
      out.put<uint32_t>(random.below(64));
      break;
  }
  thread.cookie = pointer;
  now += random.gap(1500);
}

void Cpu::exit_syscall(uint64_t& now, Thread& thread) {
  const int64_t result = random.chance(50) ? -11 : static_cast<int64_t>(random.below(4096));
  static constexpr EventType kTypes[] = {kExitRead,  kExitWrite, kExitOpenat, kExitFutex,
                                         kExitEpoll, kExitIoctl, kExitClose};
  CtfStream& out = event(kTypes[thread.syscall], now);
  out.put<int64_t>(result);
  if (thread.syscall == 0 || thread.syscall == 3 || thread.syscall == 4) out.fields(thread.cookie);
  if (thread.syscall == 3 || thread.syscall == 5) out.put<uint64_t>(0);
  thread.in_syscall = false;
  now += random.gap(2500);
}

void Cpu::step(uint64_t& now) {
  const std::size_t next = random.below(static_cast<uint32_t>(threads.size()));
  const std::size_t busy = next != 0 ? next : 1;
  if (random.chance(180)) interrupt(now, busy);
  Thread& thread = threads[current];
  if (current == 0) {
    now += random.gap(8000);
    wake(now, threads[busy]);
    switch_to(now, busy);
    return;
  }
  if (thread.in_syscall) {
    if (random.chance(250)) {
      switch_to(now, next);
    } else {
      exit_syscall(now, thread);
    }
    return;
  }
  enter_syscall(now, thread);
  if (random.chance(300)) {
    if (random.chance(400)) wake(now, threads[busy]);
    switch_to(now, random.chance(300) ? 0 : next);
  } else {
    exit_syscall(now, thread);
  }
}

}  // namespace vs::bench
