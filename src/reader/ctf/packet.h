#pragma once
// Packet headers and contexts of a stream file.
//
//   file: | packet                                     | packet ...
//         | header | context | events ...  | padding   |
//         |<------------ content --------->|
//         |<------------------ packet size ----------->|
//
// Bytes are never trusted: sizes are compared with each other, with what was read and with
// limits::kPacketBytes before they are used. Units: bits inside a packet, bytes inside a file.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "reader/ctf/trace_model.h"

namespace vs::reader::ctf {

inline constexpr std::uint32_t kPacketMagic = 0xc1fc1fc1;

/// A value with the width of its field, for counters that wrap.
struct Counter {
  std::uint64_t value = 0;
  std::uint32_t bits = 64;

  /// later - this, modulo the width.
  [[nodiscard]] std::uint64_t until(std::uint64_t later) const {
    const std::uint64_t difference = later - value;
    return bits >= 64 ? difference : difference & ((std::uint64_t{1} << bits) - 1);
  }
};

struct PacketHead {
  const StreamModel* stream = nullptr;
  std::uint64_t content_bits = 0;  ///< as claimed; the file's rest when the packet has no sizes
  std::uint64_t packet_bits = 0;
  std::uint64_t head_bits = 0;  ///< header and context
  std::optional<std::uint64_t> instance;
  std::optional<std::uint64_t> begin;  ///< cycles
  std::optional<std::uint64_t> end;    ///< cycles; absent also when it lies before `begin`
  std::optional<std::uint64_t> cpu;
  std::optional<Counter> sequence;
  std::optional<Counter> discarded;
};

struct PacketFault {
  bool needs_more = false;  ///< the bytes given end inside the header
  std::uint64_t bit = 0;
  std::string what;
};

/// Reads the head of the packet that `bytes` begins with; `file_left` = bytes from there to the end
/// of the file. Fills the registers of the packet's scopes. Requires registers.size() >=
/// model.layout.slot_count.
[[nodiscard]] std::optional<PacketFault> read_packet_head(const TraceModel& model, Bytes bytes,
                                                          std::uint64_t file_left,
                                                          std::span<std::uint64_t> registers,
                                                          PacketHead& out);

/// Offset in `bytes`, a multiple of 8 and at least 8, at which a packet seems to begin.
[[nodiscard]] std::optional<std::size_t> find_packet_magic(const TraceModel& model, Bytes bytes);

}  // namespace vs::reader::ctf
