#pragma once
// What multiply has to change in one CTF stream file: found by decoding every event of it once,
// with the project's plain decoder.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "multiply/multiply.h"
#include "multiply/patch.h"
#include "reader/ctf/layout.h"

namespace vs::bench {

struct PacketPlan {
  std::uint64_t offset = 0;  ///< in the stream file
  std::uint64_t bytes = 0;
  std::size_t first_patch = 0;
  std::size_t patches = 0;
};

struct StreamPlan {
  std::vector<PacketPlan> packets;
  std::vector<Patch> patches;  ///< bits from the packet's begin
  TraceSpan span;
  std::uint64_t packet_numbers = 0;  ///< last packet_seq_num - first + 1
  std::uint64_t discarded = 0;       ///< the last packet's count
};

struct StreamInput {
  const reader::ctf::Schema& schema;
  const reader::ctf::Layout& layout;
  std::string name;  ///< for errors
  Bytes bytes;
};

/// Fails with the packet's place where the stream breaks its own description: a damaged trace
/// cannot be multiplied.
[[nodiscard]] Result<StreamPlan> plan_stream(const StreamInput& input);

}  // namespace vs::bench
