#pragma once
// What a thread had been waiting for, told by the interrupt or softirq that woke it (algorithms
// F.2).
//
// Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "model/states.h"

namespace vs::analysis::kernel {

/// By softirq vector: HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER, RCU.
[[nodiscard]] model::BlockCause cause_of_softirq(std::int64_t vector);

/// By the name under which a driver registered its interrupt. Storage and network drivers finish
/// their requests in ways that other events show, so only input devices and timers are told by
/// name.
[[nodiscard]] model::BlockCause cause_of_irq_name(std::string_view name);

}  // namespace vs::analysis::kernel
