#pragma once
// World: what the walks of this floor need to know of an experiment beside its states: machines and
// who hosts them, which entity a thread, CPU or vCPU is, names of threads, loss windows.
//
// Ownership: borrows the source; names are views into it. Threads: immutable once built. Memory:
// O(threads + CPUs + loss windows).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/flow/state_source.h"

namespace vs::analysis::flow {

using MachineNumber = std::uint32_t;
inline constexpr MachineNumber kNoMachine = 0xffffffffU;

/// Who did something: a thread, or a vCPU whose guest's thread is not known. All kNull: nobody
/// known.
struct Actor {
  std::int64_t machine = model::kNull;  ///< StringId
  std::int64_t vcpu = model::kNull;
  std::int64_t tid = model::kNull;
  std::int64_t comm = model::kNull;  ///< StringId
  [[nodiscard]] bool known() const { return machine != model::kNull; }
  friend bool operator==(const Actor&, const Actor&) = default;
};

/// One life of a thread id.
struct Life {
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  std::string_view comm;
};

struct LossWindow {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// A vCPU that a host thread ran during [first, last].
struct VcpuLife {
  MachineNumber machine = kNoMachine;
  std::int64_t vcpu = model::kNull;
  MachineNumber host = kNoMachine;
  std::int64_t host_tid = model::kNull;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
};

class World {
 public:
  explicit World(const StateSource& source);

  struct Machine {
    std::string_view name;
    std::int64_t name_id = model::kNull;   ///< kNull: no row names it
    MachineNumber parent = kNoMachine;     ///< kNoMachine: a host
    std::vector<LossWindow> losses;        ///< joined, by time
    std::optional<std::int64_t> error_ns;  ///< greatest bound of its clock; nothing: not bounded
    [[nodiscard]] bool is_host() const { return parent == kNoMachine; }
  };

  [[nodiscard]] const StateSource& source() const { return source_; }
  [[nodiscard]] const std::vector<Machine>& machines() const { return machines_; }
  [[nodiscard]] const Machine& machine(MachineNumber number) const { return machines_[number]; }
  [[nodiscard]] MachineNumber find_machine(std::string_view name) const;
  [[nodiscard]] MachineNumber machine_of(std::int64_t name_id) const;

  /// The entity of (machine, number) in a table whose key is just that.
  [[nodiscard]] std::optional<model::EntityId> entity(model::TableId table, MachineNumber machine,
                                                      std::int64_t number) const;
  /// By begin; empty when the `thread` table does not have the id.
  [[nodiscard]] std::span<const Life> lives(MachineNumber machine, std::int64_t tid) const;
  /// The name that the thread of this id had at `time_ns`; empty = not known.
  [[nodiscard]] std::string_view comm(MachineNumber machine, std::int64_t tid,
                                      std::int64_t time_ns) const;
  /// The vCPU that this host thread runs at a time.
  [[nodiscard]] const VcpuLife* vcpu_of_thread(MachineNumber host, std::int64_t tid,
                                               std::int64_t time_ns) const;
  /// The host's thread of a vCPU at a time.
  [[nodiscard]] const VcpuLife* thread_of_vcpu(MachineNumber machine, std::int64_t vcpu,
                                               std::int64_t time_ns) const;
  /// Block devices of a machine: entity and name.
  struct Device {
    model::EntityId entity = 0;
    std::int64_t name = model::kNull;
  };
  [[nodiscard]] std::span<const Device> devices(MachineNumber machine) const;

  /// Narrows [begin, end) around `time_ns` so that no border of a loss window lies inside; true
  /// when `time_ns` lies in one.
  [[nodiscard]] bool clip_to_losses(MachineNumber machine, std::int64_t time_ns,
                                    std::int64_t& begin_ns, std::int64_t& end_ns) const;

 private:
  struct Key {
    std::uint64_t a;
    std::uint64_t b;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return static_cast<std::size_t>((key.a * 0x9E3779B97F4A7C15ULL) ^
                                      (key.b * 0xC2B2AE3D27D4EB4FULL));
    }
  };
  template <typename T>
  using ByKey = std::unordered_map<Key, T, KeyHash>;
  [[nodiscard]] static Key key(std::uint64_t kind, MachineNumber machine, std::int64_t number) {
    return {kind << 32U | machine, static_cast<std::uint64_t>(number)};
  }

  MachineNumber add_machine(std::string_view name);
  void read_machines();
  void read_entities();
  void read_threads();
  void read_vcpus();
  void read_losses();
  void read_clocks();

  const StateSource& source_;
  std::vector<Machine> machines_;
  std::unordered_map<std::string_view, MachineNumber> by_name_;
  std::unordered_map<std::int64_t, MachineNumber> by_id_;
  ByKey<model::EntityId> entities_;
  ByKey<std::vector<Life>> lives_;
  std::vector<VcpuLife> vcpus_;
  ByKey<std::vector<std::uint32_t>> by_host_thread_;  ///< positions in vcpus_
  ByKey<std::vector<std::uint32_t>> by_vcpu_;
  std::vector<std::vector<Device>> devices_;
};

}  // namespace vs::analysis::flow
