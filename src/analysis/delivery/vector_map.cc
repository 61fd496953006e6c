#include "analysis/delivery/vector_map.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vs::analysis::delivery {

void VectorMap::learn(HostTime time, std::size_t vcpu, std::uint8_t vector, DeliveryClass cause) {
  Vcpu& known = vcpus_[vcpu];
  std::uint16_t& place = known.place[vector];
  if (place == 0) {
    known.scores.emplace_back().last = time;
    place = static_cast<std::uint16_t>(known.scores.size());
  }
  Score& score = known.scores[place - 1U];
  if (time > score.last) {
    const double age = static_cast<double>(time - score.last) / kHalfLifeNs;
    const double left = std::exp2(-age);
    for (double& weight : score.weights) weight *= left;
    score.last = time;
  }
  score.weights[static_cast<std::size_t>(cause)] += 1;
  if (score.samples < kMinSamples) ++score.samples;
}

std::optional<DeliveryClass> VectorMap::class_of(std::size_t vcpu, std::uint8_t vector) const {
  const Vcpu& known = vcpus_[vcpu];
  if (known.place[vector] == 0) return std::nullopt;
  const Score& score = known.scores[known.place[vector] - 1U];
  if (score.samples < kMinSamples) return std::nullopt;
  const auto best = std::max_element(score.weights.begin(), score.weights.end());
  const double sum = std::accumulate(score.weights.begin(), score.weights.end(), 0.0);
  if (*best < kMinShare * sum) return std::nullopt;
  return static_cast<DeliveryClass>(best - score.weights.begin());
}

}  // namespace vs::analysis::delivery
