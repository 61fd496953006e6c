#pragma once
// Layout: a Schema with every type instantiated where it is used and every path resolved.
//
// A TSDL type may be used in many places, and what a variant's tag or a sequence's length refers to
// depends on the place. So each place becomes a Node of its own; a field that others refer to gets
// a register (`slot`), and the ones that need it name that register (`ref`). Both decoders work on
// this.
//
//   event.fields ─ struct ─┬─ "len"   integer   slot 7
//                          └─ "data"  sequence  ref  7 ── element: integer
//
// A path may go to: fields declared earlier in the enclosing structures, innermost first; then the
// scopes decoded earlier; or absolutely ("stream.packet.context.cpu_id", "env.n"). It never enters
// an array or a variant from outside, so a register is always written before it is read.
//
// Ownership: views into the Schema, which must outlive it. Threads: immutable once built.
// Limits: limits::kMetadataTypes nodes, limits::kMetadataDepth levels.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "reader/ctf/schema.h"

namespace vs::reader::ctf {

inline constexpr std::uint32_t kNone = 0xffffffffU;

enum class ScopeKind : std::uint8_t {
  kPacketHeader,
  kPacketContext,
  kEventHeader,
  kStreamEventContext,
  kEventContext,
  kEventFields,
  kCount
};

/// A variant's tag values [begin, end] choose child `option`.
struct TagRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint32_t option = 0;
  bool is_signed = false;

  [[nodiscard]] bool has(std::uint64_t value) const {
    if (!is_signed) return begin <= value && value <= end;
    const auto v = static_cast<std::int64_t>(value);
    return static_cast<std::int64_t>(begin) <= v && v <= static_cast<std::int64_t>(end);
  }
};

struct Node {
  const FieldClass* type = nullptr;
  std::string_view name;
  std::uint64_t length = 0;  ///< arrays, and sequences whose length is in the environment
  std::uint32_t parent = kNone;
  std::uint32_t first_child = kNone;  ///< members, options, or the one element
  std::uint32_t child_count = 0;
  std::uint32_t first_tag = 0;  ///< variants: into Layout::tags
  std::uint32_t tag_count = 0;
  std::uint32_t slot = kNone;
  std::uint32_t ref = kNone;
  std::uint32_t clock = kNone;  ///< index into Schema::clocks
};

struct EventLayout {
  const EventClass* event = nullptr;
  std::uint32_t context = kNone;  ///< root nodes; kNone = the scope does not exist
  std::uint32_t fields = kNone;
};

struct StreamLayout {
  const StreamClass* stream = nullptr;
  std::uint32_t packet_context = kNone;
  std::uint32_t event_header = kNone;
  std::uint32_t event_context = kNone;
  std::vector<EventLayout> events;  ///< by id
};

struct Layout {
  std::vector<Node> nodes;
  std::vector<TagRange> tags;
  std::uint32_t packet_header = kNone;
  std::vector<StreamLayout> streams;
  std::uint32_t slot_count = 0;
  std::optional<Error> fault;  ///< the first event type that had to be left out

  [[nodiscard]] std::span<const Node> children(const Node& node) const {
    if (node.child_count == 0) return {};
    return std::span(nodes).subspan(node.first_child, node.child_count);
  }
  /// A root's direct member by name, with or without a leading underscore; kNone when there is
  /// none.
  [[nodiscard]] std::uint32_t member(std::uint32_t root, std::string_view name) const;
  [[nodiscard]] const StreamLayout* stream(std::uint64_t id) const;
};

/// Fails when the packet header or a stream's own scopes cannot be resolved. An event type that
/// cannot is left out, and `fault` says so.
[[nodiscard]] Result<Layout> build_layout(const Schema& schema);

}  // namespace vs::reader::ctf
