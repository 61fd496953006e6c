#pragma once
// VcpuLog: what a vCPU did lately, for waits that are told apart only when they end.
//
// Keeps the newest kCapacity changes; of the time before the oldest it knows nothing. Threads: one.
// Memory: constant.

#include <array>
#include <cstdint>

#include "base/time.h"

namespace vs::analysis::waits {

enum class Segment : std::uint8_t {
  kUnknown,
  kNonroot,        ///< the guest runs
  kRoot,           ///< the host works for it
  kIdle,           ///< the guest has nothing to run
  kPreemptedHost,  ///< wants to run; a thread of the host has the pCPU
  kPreemptedVm,    ///< another vCPU has it
};

class VcpuLog {
 public:
  static constexpr std::size_t kCapacity = 512;

  struct Entry {
    HostTime begin;
    Segment segment = Segment::kUnknown;
    bool process = false;  ///< a process was current
  };

  void push(HostTime time, Segment segment, bool process) {
    // Nobody asks which mode a running process was in.
    if (segment == Segment::kRoot) segment = Segment::kNonroot;
    if (count_ != 0) {
      Entry& last = at(count_ - 1);
      if (time < last.begin) time = last.begin;
      if (last.segment == segment && last.process == process) return;
      if (last.begin == time) {
        last.segment = segment;
        last.process = process;
        return;
      }
    }
    if (count_ == kCapacity) {
      first_ = (first_ + 1) % kCapacity;
      --count_;
    }
    ring_[(first_ + count_++) % kCapacity] = {time, segment, process};
  }

  /// Calls visit(begin, end, entry) for the pieces of [from, to) in order, without gaps; what lies
  /// before the oldest entry comes as `before`.
  template <typename Visit>
  void pieces(HostTime from, HostTime to, const Entry& before, Visit visit) const {
    std::size_t i = count_;
    while (i > 0 && ring_[(first_ + i - 1) % kCapacity].begin > from) --i;
    Entry entry = i == 0 ? before : ring_[(first_ + i - 1) % kCapacity];
    while (from < to) {
      const bool last = i == count_;
      const HostTime next = last ? to : ring_[(first_ + i) % kCapacity].begin;
      const HostTime end = next < to ? next : to;
      if (from < end) visit(from, end, entry);
      from = end < from ? from : end;
      if (last) break;
      entry = ring_[(first_ + i++) % kCapacity];
    }
  }

  /// The vCPU idled at some time after `from`.
  [[nodiscard]] bool idled_since(HostTime from) const {
    for (std::size_t i = count_; i > 0; --i) {
      const Entry& entry = ring_[(first_ + i - 1) % kCapacity];
      if (entry.segment == Segment::kIdle) return true;
      if (entry.begin <= from) return false;
    }
    return false;
  }

 private:
  [[nodiscard]] Entry& at(std::size_t i) { return ring_[(first_ + i) % kCapacity]; }

  std::array<Entry, kCapacity> ring_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace vs::analysis::waits
