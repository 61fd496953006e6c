#pragma once
// TraceModel: everything that decoding needs to know of a trace, settled once when it is opened:
// the schema, its layout, the clock of each stream, the shape of its event header, and which field
// fills which argument of the canonical events (model/event_kind.h).
//
// Ownership: TraceModel owns Schema and Layout. Threads: immutable once built; shared by all
// cursors.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/event_kind.h"
#include "reader/ctf/layout.h"
#include "reader/ctf/program.h"
#include "reader/ctf/schema.h"
#include "reader/ctf/time_scale.h"
#include "reader/trace.h"

namespace vs::reader::ctf {

/// LTTng's two event headers (compact: 5 + 27 bits, large: 16 + 32 bits) and all of that pattern:
///   { enum idN { short = 0 ... M-1, extended = M } id; variant <id> { { clockN t } ; { id32;
///   clock64 } } }
/// decoded by hand-written code instead of a program.
struct FastHeader {
  bool valid = false;
  bool big = false;
  std::uint32_t align_bits = 1;
  std::uint32_t id_bits = 0;
  std::uint64_t extended_id = 0;
  std::uint32_t time_align = 1;
  std::uint32_t time_bits = 0;
  std::uint32_t long_id_align = 1;
  std::uint32_t long_id_bits = 0;
  std::uint32_t long_time_align = 1;
  std::uint32_t long_time_bits = 0;
};

struct EventModel {
  const EventLayout* layout = nullptr;
  std::uint16_t type = 0;  ///< index into TraceModel::types
  model::EventKind kind = model::EventKind::kUnknown;
  std::vector<Binding> bindings;      ///< arguments and texts
  std::vector<Binding> tid_bindings;  ///< context tid; sched_switch's next_tid
};

struct StreamModel {
  const StreamLayout* layout = nullptr;
  FastHeader header;
  std::vector<Binding> header_bindings;  ///< for headers of any other shape
  bool has_time = false;
  bool has_context_tid = false;  ///< in the stream's event context
  TimeScale scale;
  std::vector<EventModel> events;                           ///< by id
  std::vector<std::uint32_t> dense;                         ///< id -> index into events, kNone
  std::unordered_map<std::uint64_t, std::uint32_t> sparse;  ///< for ids beyond `dense`

  [[nodiscard]] std::uint32_t find(std::uint64_t id) const {
    if (id < dense.size()) return dense[static_cast<std::size_t>(id)];
    if (sparse.empty()) return kNone;
    const auto found = sparse.find(id);
    return found == sparse.end() ? kNone : found->second;
  }
};

struct TraceModel {
  std::unique_ptr<Schema> schema;
  Layout layout;
  SpecialRegisters special;
  std::vector<StreamModel> streams;  ///< as layout.streams
  std::vector<EventTypeInfo> types;
  bool has_magic = false;  ///< packet headers begin with a 32-bit magic number

  [[nodiscard]] const StreamModel* stream(std::uint64_t id) const;
};

/// Fails where build_layout() does. `fault` receives what had to be left out.
[[nodiscard]] Result<std::unique_ptr<TraceModel>> build_model(std::unique_ptr<Schema> schema,
                                                              std::optional<Error>& fault);

}  // namespace vs::reader::ctf
