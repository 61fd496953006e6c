#pragma once
// DiskNeighbours: who else had requests at the disks that a task waited for, from the rows of
// block_request. For each disk wait of the task (and of the tasks of its machine that it waited
// for), at each disk below it, layer by layer:
//
//   own        on the task's machine the requests that this thread submitted; on the machine below,
//              within those (or within the wait, where there are none), the requests of its VM
//   in the way at a time at which an own request is there: another request that came before it
//              (`ahead`: in service, or queued), or came later and is in service with it (`beside`)
//
// That a disk was shared is what the rows show. That the wait was longer for it is a conclusion;
// `alone` and `shared` requests of the same waits say how much they differ.
//
// A request of another VM is that VM's; the task there is told when all requests of its own block
// layer that contain this one were submitted by one thread (of several, those of as many bytes
// count). Requests without a known VM are the submitting thread's.
//
// Ownership: borrows the world; names are ids and numbers of it. Threads: one. Times: ns on the
// host timeline. Cost: linear in the rows of the window. Memory: kMaxHeld requests per device;
// beyond that further ones are not looked at and cut() tells.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analysis/flow/execution_flow.h"

namespace vs::analysis::flow {

/// A disk of a machine.
struct Disk {
  MachineNumber machine = kNoMachine;
  std::int64_t device = model::kNull;  ///< StringId
  friend auto operator<=>(const Disk&, const Disk&) = default;
};

/// Whose requests were in the way: a VM's, by the thread there when that is told; else those of a
/// thread of the disk's own machine.
struct DiskNeighbour {
  Disk disk;
  MachineNumber machine = kNoMachine;
  std::int64_t tid = model::kNull;
  friend auto operator<=>(const DiskNeighbour&, const DiskNeighbour&) = default;
};

struct DiskShare {
  std::int64_t ahead_ns = 0;
  std::int64_t beside_ns = 0;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::int64_t longest_ns = 0;  ///< without a break
  HostTime longest_at;
  [[nodiscard]] std::int64_t total_ns() const { return ahead_ns + beside_ns; }
};

struct DiskUse {
  std::int64_t own_ns = 0;     ///< of the waits: an own request was there
  std::int64_t shared_ns = 0;  ///< of that: anybody's was in the way
  std::uint64_t alone = 0;     ///< own requests that ended in a wait, nobody in the way
  std::int64_t alone_ns = 0;   ///< how long these took
  std::uint64_t shared = 0;
  std::int64_t shared_took_ns = 0;
};

class DiskNeighbours {
 public:
  static constexpr std::size_t kMaxHeld = 1U << 20;

  explicit DiskNeighbours(const World& world) : world_(world) {}
  /// Adds the waits of a task in a window.
  [[nodiscard]] Status add(const TaskWindow& task);

  [[nodiscard]] const std::map<Disk, DiskUse>& disks() const { return disks_; }
  [[nodiscard]] const std::map<DiskNeighbour, DiskShare>& neighbours() const { return shares_; }
  [[nodiscard]] std::int64_t waited_ns() const { return waited_ns_; }
  [[nodiscard]] bool cut() const { return cut_; }

 private:
  friend class DiskWaits;
  const World& world_;
  std::map<Disk, DiskUse> disks_;
  std::map<DiskNeighbour, DiskShare> shares_;
  std::int64_t waited_ns_ = 0;
  bool cut_ = false;
};

}  // namespace vs::analysis::flow
