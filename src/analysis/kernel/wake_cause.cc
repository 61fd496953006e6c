#include "analysis/kernel/wake_cause.h"

#include <array>

namespace vs::analysis::kernel {

using model::BlockCause;

BlockCause cause_of_softirq(std::int64_t vector) {
  constexpr std::array<BlockCause, 10> kCauses = {
      BlockCause::kIrq,   BlockCause::kTimer, BlockCause::kNetwork, BlockCause::kNetwork,
      BlockCause::kDisk,  BlockCause::kDisk,  BlockCause::kIrq,     BlockCause::kIrq,
      BlockCause::kTimer, BlockCause::kIrq};
  if (vector < 0 || vector >= static_cast<std::int64_t>(kCauses.size())) return BlockCause::kIrq;
  return kCauses[static_cast<std::size_t>(vector)];
}

BlockCause cause_of_irq_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> kInput = {"i8042", "xhci", "ehci",   "ohci",
                                                      "uhci",  "ttyS", "serial", "i2c_hid"};
  for (const std::string_view prefix : kInput) {
    if (name.starts_with(prefix)) return BlockCause::kUserInput;
  }
  const bool timer = name == "timer" || name.starts_with("hpet") || name == "arch_timer";
  return timer ? BlockCause::kTimer : BlockCause::kIrq;
}

}  // namespace vs::analysis::kernel
