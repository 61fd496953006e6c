#pragma once
// The least that reading LTTng kernel CTF 1.8 takes: layouts from the metadata's lines (only what
// LTTng kernel traces use: byte-aligned little-endian integers, char arrays, integer arrays,
// counted sequences, strings; one stream class, whose event context is of integers and char
// arrays), then a walk through the mapped packets.

#include <cstdint>
#include <string>
#include <vector>

#include "floor/floor.h"

namespace vs::bench {

struct CtfStep {
  enum Kind : std::uint8_t { kSkip, kText, kSequence, k8, k16, k32, k64 };
  Kind kind;
  std::uint16_t bytes;         ///< kSequence: of one element
  std::uint16_t length_bytes;  ///< kSequence: size of the length field right before it
};

struct CtfLayout {
  std::string name;
  std::vector<CtfStep> skip;    ///< the fewest steps that lead over the event
  std::vector<CtfStep> fields;  ///< one step per field
  int prev_tid = -1;            ///< offsets of the two fields of sched_switch
  int next_tid = -1;
  bool fixed = false;  ///< always `size` bytes
  std::uint32_t size = 0;
};

struct CtfTrace {
  std::vector<CtfLayout> events;  ///< by id
  bool large_header = false;
  std::uint32_t context_bytes = 0;  ///< of the stream's event context
};

[[nodiscard]] CtfTrace read_ctf_trace(const std::string& folder);
/// The stream files of a trace, sorted.
[[nodiscard]] std::vector<std::string> ctf_streams(const std::string& folder);

inline constexpr std::size_t kPacketHeaderBytes = 84;
inline constexpr std::size_t kPacketCpuOffset = 80;

struct CtfCursor {
  const CtfTrace* trace = nullptr;
  Mapping file;
  std::size_t packet = 0;  ///< offset of the next packet
  const std::uint8_t* at = nullptr;
  const std::uint8_t* end = nullptr;
  std::uint64_t time = 0;
  std::uint32_t id = 0;
  const std::uint8_t* payload = nullptr;

  bool open_packet() {
    if (packet + kPacketHeaderBytes > file.size) return false;
    const std::uint8_t* header = file.bytes + packet;
    time = load<std::uint64_t>(header + 32);
    at = header + kPacketHeaderBytes;
    end = header + load<std::uint64_t>(header + 48) / 8;
    packet += load<std::uint64_t>(header + 56) / 8;
    return true;
  }

  /// Reads one header; `payload` points at the fields afterwards.
  bool next() {
    while (at == nullptr || at >= end) {
      if (!open_packet()) return false;
    }
    if (trace->large_header) {
      id = load<std::uint16_t>(at);
      if (id != 0xffff) {
        time += static_cast<std::uint32_t>(load<std::uint32_t>(at + 2) -
                                           static_cast<std::uint32_t>(time));
        at += 6;
      } else {
        id = load<std::uint32_t>(at + 2);
        time = load<std::uint64_t>(at + 6);
        at += 14;
      }
    } else {
      const auto word = load<std::uint32_t>(at);
      id = word & 31U;
      if (id != 31) {
        time += ((word >> 5) - static_cast<std::uint32_t>(time)) & ((1U << 27) - 1);
        at += 4;
      } else {
        id = load<std::uint32_t>(at + 1);
        time = load<std::uint64_t>(at + 5);
        at += 13;
      }
    }
    at += trace->context_bytes;
    payload = at;
    return true;
  }

  void skip(const CtfLayout& layout) {
    if (layout.fixed) {
      at += layout.size;
      return;
    }
    for (const CtfStep& step : layout.skip) {
      if (step.kind == CtfStep::kSkip) {
        at += step.bytes;
      } else if (step.kind == CtfStep::kText) {
        while (*at++ != 0) {
        }
      } else {
        at += length_before(step.length_bytes) * step.bytes;
      }
    }
  }

 private:
  [[nodiscard]] std::uint64_t length_before(std::uint16_t bytes) const {
    if (bytes == 1) return at[-1];
    if (bytes == 2) return load<std::uint16_t>(at - 2);
    if (bytes == 4) return load<std::uint32_t>(at - 4);
    return load<std::uint64_t>(at - 8);
  }
};

}  // namespace vs::bench
