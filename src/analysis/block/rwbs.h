#pragma once
// What a block request does, from the `rwbs` of its events: a text in ftrace and perf ("RA", "WS",
// "FF"), bits in LTTng.
//
// Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "model/states.h"

namespace vs::analysis::block {

/// `sectors`: 0 makes a write that carries a flush a flush.
[[nodiscard]] model::BlockOp op_of_text(std::string_view rwbs, std::uint64_t sectors);
[[nodiscard]] model::BlockOp op_of_bits(std::uint64_t rwbs, std::uint64_t sectors);

}  // namespace vs::analysis::block
