#pragma once
// What each vector of each vCPU is for, learnt from the deliveries whose context tells it
// (algorithms E.4). Guests choose their vectors freely and move them, so what was seen counts less
// with time.
//
// Threads: one. Memory: O(vCPUs x vectors in use).

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/delivery/delivery.h"

namespace vs::analysis::delivery {

class VectorMap {
 public:
  static constexpr std::uint32_t kMinSamples = 5;
  static constexpr double kMinShare = 0.9;
  static constexpr double kHalfLifeNs = 2e9;

  explicit VectorMap(std::size_t vcpus) : vcpus_(vcpus) {}

  void learn(HostTime time, std::size_t vcpu, std::uint8_t vector, DeliveryClass cause);
  /// The class of at least kMinShare of at least kMinSamples deliveries.
  [[nodiscard]] std::optional<DeliveryClass> class_of(std::size_t vcpu, std::uint8_t vector) const;

 private:
  struct Score {
    std::array<double, kDeliveryClasses> weights{};
    HostTime last;
    std::uint32_t samples = 0;
  };
  struct Vcpu {
    std::array<std::uint16_t, 256> place{};  ///< 1 + index into scores; 0: never seen
    std::vector<Score> scores;
  };
  std::vector<Vcpu> vcpus_;
};

}  // namespace vs::analysis::delivery
