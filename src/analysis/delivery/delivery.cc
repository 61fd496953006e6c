#include "analysis/delivery/delivery.h"

#include <array>

namespace vs::analysis::delivery {

std::string_view name_of(DeliveryClass cause) {
  constexpr std::array<std::string_view, kDeliveryClasses> kNames = {"timer", "disk",   "network",
                                                                     "task",  "device", "unknown"};
  return kNames[static_cast<std::size_t>(cause)];
}

}  // namespace vs::analysis::delivery
