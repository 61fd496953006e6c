#pragma once
// The further analyses of the second pass (model/stream_analysis.h) and who wants which events: a
// table by machine and kind, so that an event nobody wants costs one look-up and no call.
//
// Ownership: owns the analyses. Threads: one.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "analysis/delivery/deliveries.h"
#include "analysis/net/messages.h"
#include "analysis/vcpu/observer.h"
#include "model/stream_analysis.h"

namespace vs::session {

struct StreamPart {
  std::unique_ptr<model::StreamAnalysis> analysis;
  analysis::vcpu::VcpuObserver* vcpus = nullptr;  ///< the same object, if it listens to vCPUs
  analysis::delivery::DeliveryObserver* deliveries = nullptr;  ///< and if to deliveries
};

using StreamFactory = StreamPart (*)(const model::StreamSetup&);

template <class T>
[[nodiscard]] StreamPart make_stream(const model::StreamSetup& setup) {
  auto analysis = std::make_unique<T>(setup);
  StreamPart part;
  if constexpr (std::is_base_of_v<analysis::vcpu::VcpuObserver, T>) part.vcpus = analysis.get();
  if constexpr (std::is_base_of_v<analysis::delivery::DeliveryObserver, T>) {
    part.deliveries = analysis.get();
  }
  part.analysis = std::move(analysis);
  return part;
}

/// Every analysis of this kind there is: the one list.
[[nodiscard]] std::span<const StreamFactory> stream_factories();

/// Who wants which kinds of one machine's events.
class StreamDispatch {
 public:
  StreamDispatch() = default;
  StreamDispatch(std::span<const StreamPart> parts, model::MachineIndex machine);

  [[nodiscard]] std::span<model::StreamAnalysis* const> of(model::EventKind kind) const {
    const Wanted wanted = by_kind_[static_cast<std::size_t>(kind)];
    return {targets_.data() + wanted.first, wanted.count};
  }
  [[nodiscard]] const model::KindSet& kinds() const { return kinds_; }

 private:
  /// Who wants a kind, in targets_.
  struct Wanted {
    std::uint16_t first = 0;
    std::uint16_t count = 0;
  };
  std::array<Wanted, model::kEventKindCount> by_kind_{};
  std::vector<model::StreamAnalysis*> targets_;
  model::KindSet kinds_;
};

class StreamAnalyses {
 public:
  StreamAnalyses(const model::StreamSetup& setup, std::span<const StreamFactory> factories);

  [[nodiscard]] StreamDispatch dispatch(model::MachineIndex machine) const {
    return {parts_, machine};
  }
  [[nodiscard]] std::vector<analysis::vcpu::VcpuObserver*> vcpu_observers() const;
  /// Who knows what is behind the interrupts and packets of a machine, null without a trace. Once
  /// per machine.
  [[nodiscard]] analysis::kernel::WakeResolver* wake_resolver(model::MachineIndex machine) {
    return messages_->resolver(machine, deliveries_->resolver(machine));
  }
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine, std::uint32_t cpu);
  void finish(model::MachineIndex machine, HostTime end);
  [[nodiscard]] std::vector<model::SmallTable> small_tables() const;
  [[nodiscard]] std::vector<model::Issue> issues() const;

 private:
  /// The deliveries first, then the messages, then those who may observe deliveries.
  std::vector<StreamPart> parts_;
  analysis::delivery::Deliveries* deliveries_ = nullptr;  ///< one of parts_
  analysis::net::Messages* messages_ = nullptr;           ///< one of parts_
};

}  // namespace vs::session
