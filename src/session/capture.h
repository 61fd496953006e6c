#pragma once
// capture.json: the snapshot that says what belongs to whom (design.md 5). Unknown keys are
// ignored, missing ones are unknown; a broken file is an error that names the place.
//
// Ownership: plain data. Threads: values.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace vs::session {

struct CaptureVcpu {
  std::int32_t id = -1;
  std::int32_t tid = -1;
  std::optional<std::int64_t>
      tsc_offset_begin;  ///< guest = (host * ratio >> frac) + offset, modulo 2^64
  std::optional<std::int64_t> tsc_offset_end;
  std::optional<std::uint64_t> tsc_ratio;
  std::optional<std::uint32_t> tsc_frac_bits;
};

struct CaptureMachine {
  std::string name;
  std::string kind;    ///< "host" or "vm"; may be empty
  std::string parent;  ///< the host's name; may be empty
  std::string trace;   ///< path relative to the capture folder; may be empty
  std::optional<double> tsc_hz;
  std::int32_t vmm_pid = -1;
  std::string uuid;
  std::string cmdline;
  std::vector<CaptureVcpu> vcpus;
};

struct Capture {
  std::vector<CaptureMachine> machines;
};

/// Parses the content of a capture.json. `place` names the file in errors.
[[nodiscard]] Result<Capture> parse_capture(Bytes content, const std::string& place);

}  // namespace vs::session
