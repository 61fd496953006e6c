#pragma once
// Packets: one net_packet row per packet that a machine's kernel sends to or receives from a
// network device (algorithms G.3).
//
// Sent: net_dev_xmit that succeeded; net_dev_queue in traces without net_dev_xmit. Received:
// netif_receive_skb. Bytes are what the event says: the frame when sent, without the link header
// when received.
//
// On a host the VM behind a device is learnt from who moves its packets: a thread of the VMM or a
// vhost thread that hands a packet to the host in its own context (that is what the guest sends),
// or one that is woken while a packet is sent to the device. Packets before that evidence are held
// back, up to a limit. In a guest's trace the VM is the guest itself.
//
// Ownership: what the setup points to outlives it. Threads: one. Errors: none. Memory: O(devices),
// and kMaxHeld packets for each device of a host that no VM was found for yet.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/vcpu/vm_threads.h"
#include "base/per_cpu.h"
#include "model/stream_analysis.h"

namespace vs::analysis::net {

class Packets final : public model::StreamAnalysis {
 public:
  static constexpr std::size_t kMaxHeld = 4096;
  static constexpr std::size_t kMaxDevices =
      4096;  ///< per machine; packets of further ones get lost

  struct Counters {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    std::uint64_t not_sent = 0;         ///< the driver refused: it comes again or is dropped
    std::uint64_t devices_dropped = 0;  ///< packets of devices beyond the limit
  };

  explicit Packets(const model::StreamSetup& setup);

  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override;
  void on_event(const model::StreamEvent& event) override;
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override;
  void finish(model::MachineIndex machine, HostTime end) override;

  /// Per machine, the rows of devices beyond the limit.
  [[nodiscard]] std::vector<model::Issue> issues() const override;

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Held {
    HostTime time;
    model::NetDirection direction = model::NetDirection::kReceive;
    std::int64_t bytes = model::kNull;
  };
  struct Device {
    model::EntityId entity = 0;
    model::StringId vm = model::kNull;
    bool waits = false;  ///< packets are held back until its VM is known
    std::vector<Held> held;
  };
  struct Cpu {
    std::int32_t sending_tid = -1;  ///< is between net_dev_queue and net_dev_xmit
    Device* sending_to = nullptr;
  };
  struct Machine {
    bool traced = false;
    bool hosts_vms = false;
    bool sees_xmit = false;
    model::StringId name = model::kNull;
    model::StringId vm = model::kNull;  ///< of a guest: itself
    std::unique_ptr<vcpu::VmThreads> threads;
    const model::MachineFacts* facts = nullptr;  ///< where it is traced
    PerCpu<Cpu> cpus;
    std::map<std::string, Device, std::less<>> devices;
    std::uint64_t over_limit = 0;  ///< packets of devices beyond the limit
  };
  using Handler = void (Packets::*)(Machine&, const model::StreamEvent&);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();

  /// The current thread is a bystander of the event.
  [[nodiscard]] static bool in_interrupt(const Machine& machine, const model::StreamEvent& event);
  void on_queue(Machine& machine, const model::StreamEvent& event);
  void on_xmit(Machine& machine, const model::StreamEvent& event);
  void on_receive(Machine& machine, const model::StreamEvent& event);
  void on_waking(Machine& machine, const model::StreamEvent& event);
  void on_switch(Machine& machine, const model::StreamEvent& event);

  [[nodiscard]] Device* device_of(Machine& machine, const model::Event& event);
  void learn(Machine& machine, Device& device, std::int32_t tid);
  void put(Device& device, const Held& packet);
  void release(Device& device);
  void write(const Device& device, const Held& packet);

  const model::Experiment& experiment_;
  model::IntervalSink& sink_;
  std::vector<Machine> machines_;
  Counters counters_;
};

}  // namespace vs::analysis::net
