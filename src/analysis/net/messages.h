#pragma once
// Messages: who, on another machine, sent the packet that woke a thread (algorithms F.2, F.4): rows
// of net_wakeup, and the waker of wake-ups behind which nobody else is known.
//
// A packet is known by what its TCP header says: sequence, acknowledgement, flags, ports; so by
// events that carry headers (LTTng; inet_sock_local_*), not by ftrace's. Sent: net_dev_queue,
// inet_sock_local_out. Received: netif_receive_skb, inet_sock_local_in. What is received was sent
// by its last sending before; that of the same machine (loopback) is no message. A wake-up out of
// the softirq in which a packet was received, after it and before the next one, is by that packet.
//
// The sender is the thread that was at work. What a softirq sends was sent by whoever sent the
// packet that this softirq received before (forwarding, acknowledgements): the edge goes there, at
// that time. Without such a packet its sender is not known, and the message is none.
//
// Wiring: feed it as a StreamAnalysis, and give resolver(m) to the MachineState of each machine m.
// Ownership: what the setup points to and the inner resolvers outlive it. Threads: one. Errors:
// none. Memory: a table of kSlots packets under way, the oldest is forgotten first; O(processors).

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "analysis/kernel/wake_source.h"
#include "model/stream_analysis.h"

namespace vs::analysis::net {

class Messages final : public model::StreamAnalysis {
 public:
  struct Counters {
    std::uint64_t sent = 0;      ///< packets with a header
    std::uint64_t received = 0;  ///< the same
    std::uint64_t matched = 0;   ///< received ones that another machine sent
    std::uint64_t wakeups = 0;
  };

  explicit Messages(const model::StreamSetup& setup);
  ~Messages() override;
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  /// Asks `inner` (may be null) first, and knows the senders of packets beside it. Valid as long as
  /// this object; `inner` itself for a machine without a trace, or where no packet has a header.
  [[nodiscard]] kernel::WakeResolver* resolver(model::MachineIndex machine,
                                               kernel::WakeResolver* inner);

  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override;
  void on_event(const model::StreamEvent& event) override;
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override;
  void finish(model::MachineIndex, HostTime) override {}

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kSlots = 32768;

  struct Key {
    std::uint64_t numbers = 0;  ///< sequence, acknowledgement
    std::uint64_t ports = 0;    ///< ports, flags
    friend bool operator==(const Key&, const Key&) = default;
  };
  /// Who sent a packet first of all, as far as packets tell.
  struct Sender {
    HostTime time = kHostTimeMin;
    model::MachineIndex machine = model::kNoMachine;
    std::int32_t tid = -1;  ///< not above 0: not known
  };
  struct Sent {
    Key key;
    HostTime time = kHostTimeMin;  ///< of this sending; kHostTimeMin: the place is free
    model::MachineIndex machine = model::kNoMachine;
    Sender by;
  };
  /// The packet that a processor received last.
  struct Received {
    HostTime time = kHostTimeMin;
    std::int64_t bytes = model::kNull;
    Sender by;
  };
  class Resolver;
  struct Machine {
    model::StringId name = model::kNull;
    const model::MachineFacts* facts = nullptr;
    std::vector<Received> cpus;
    std::unordered_map<std::int32_t, model::EntityId> entities;  ///< by thread
    std::unique_ptr<Resolver> resolver;
  };

  void on_sent(const model::StreamEvent& event);
  void on_received(const model::StreamEvent& event);
  [[nodiscard]] Received* received_at(Machine& machine, std::uint32_t cpu) const;
  /// The packet received in the interrupt that is under way; null: none.
  [[nodiscard]] const Received* received_in(const Machine& machine, std::uint32_t cpu,
                                            HostTime since) const;
  [[nodiscard]] static Key key_of(const model::Event& event);
  [[nodiscard]] std::array<Sent, kWays>& places_of(const Key& key);
  [[nodiscard]] kernel::WakeSource wake_of(model::MachineIndex index, const kernel::WakeSite& site,
                                           kernel::WakeSource known);

  model::IntervalSink& sink_;
  bool any_ = false;  ///< more than one machine
  std::vector<Machine> machines_;
  std::vector<std::array<Sent, kWays>> sent_;  ///< empty before the first packet
  Counters counters_;
};

}  // namespace vs::analysis::net
