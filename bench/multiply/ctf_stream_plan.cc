#include "multiply/ctf_stream_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "reader/ctf/plain_decoder.h"

namespace vs::bench {
namespace {

using reader::ctf::FieldSink;
using reader::ctf::kNone;
using reader::ctf::Node;
using reader::ctf::plain_name;
using reader::ctf::PlainDecoder;

constexpr std::uint64_t kBeaconCall = 0x5653;
constexpr std::uint64_t kTscDeadline = 0x6e0;

/// Payload fields that carry times: event names end in `event`.
struct TimeField {
  std::string_view event;
  std::string_view field;
  Moves moves;
};
constexpr TimeField kTimeFields[] = {
    {"hrtimer_expire_entry", "now", Moves::kNs},   {"hrtimer_start", "expires", Moves::kNs},
    {"hrtimer_start", "softexpires", Moves::kNs},  {"pvclock_update", "tsc_timestamp", Moves::kTsc},
    {"pvclock_update", "system_time", Moves::kNs}, {"vmsync_gh_host", "cnt", Moves::kMark},
    {"vmsync_hg_host", "cnt", Moves::kMark},       {"vmsync_gh_guest", "cnt", Moves::kMark},
    {"vmsync_hg_guest", "cnt", Moves::kMark},
};

/// Takes down where numbers lie while the decoder walks over them.
class PlanSink final : public FieldSink {
 public:
  PlanSink(const PlainDecoder& decoder, Bytes packet, std::vector<Patch>& patches)
      : decoder_(decoder), patches_(patches), packet_(as_text(packet)) {}

  // What the last scopes said.
  std::optional<std::uint64_t> magic, stream_id, content_bits, packet_bits, begin, end, sequence,
      discarded, id;
  bool in_head = true;  ///< packet header and context
  std::string_view event;

  void begin_struct(std::string_view) override {}
  void end_struct() override {}
  void begin_array(std::string_view) override { ++arrays_; }
  void end_array() override { --arrays_; }
  void real(std::string_view, const Node&, double) override {}
  /// lttng_logger's marks: "vssync seq=..." pairs with a hypercall.
  void text(std::string_view, std::string_view value) override { hide_mark(value); }

  void integer(std::string_view raw, const Node& node, std::uint64_t value) override {
    const std::string_view name = plain_name(raw);
    if (node.clock != kNone) add(node, Moves::kTime);
    if (in_head) {
      head(name, node, value);
    } else if (event.empty()) {
      if (name == "id") id = value;  // the variant's id comes after the enumeration's
    } else if (arrays_ == 0) {
      payload(name, node, value);
    }
  }

 private:
  void add(const Node& node, Moves moves) {
    const std::uint32_t size = node.type->size_bits;
    patches_.push_back({decoder_.position() - size, static_cast<std::uint8_t>(size), moves});
  }
  void head(std::string_view name, const Node& node, std::uint64_t value) {
    if (name == "magic") magic = value;
    if (name == "stream_id") stream_id = value;
    if (name == "content_size") content_bits = value;
    if (name == "packet_size") packet_bits = value;
    if (name == "timestamp_begin") begin = value;
    if (name == "timestamp_end") end = value;
    if (name == "packet_seq_num") {
      sequence = value;
      add(node, Moves::kSequence);
    }
    if (name == "events_discarded") {
      discarded = value;
      add(node, Moves::kDiscarded);
    }
  }
  void payload(std::string_view name, const Node& node, std::uint64_t value) {
    for (const TimeField& field : kTimeFields) {
      if (field.field == name && event.ends_with(field.event)) add(node, field.moves);
    }
    if (name == "ecx") msr_ = value;
    if (name == "data" && msr_ == kTscDeadline && event.ends_with("msr")) add(node, Moves::kTsc);
    if (name == "nr" && value == kBeaconCall && event.ends_with("hypercall")) {
      add(node, Moves::kHide);
    }
  }
  void hide_mark(std::string_view value) {
    if (!event.ends_with("lttng_logger") || !value.starts_with("vssync")) return;
    const auto byte = static_cast<std::uint64_t>(value.data() - packet_.data());
    patches_.push_back({byte * 8, 8, Moves::kHide});
  }

  const PlainDecoder& decoder_;
  std::vector<Patch>& patches_;
  const std::string_view packet_;
  int arrays_ = 0;
  std::uint64_t msr_ = 0;
};

class Planner {
 public:
  explicit Planner(const StreamInput& input) : input_(input), registers_(input.layout.slot_count) {}

  Result<StreamPlan> run() {
    std::uint64_t offset = 0;
    while (offset < input_.bytes.size()) {
      VS_ASSIGN(const std::uint64_t size, packet(offset));
      offset += size;
    }
    if (plan_.packets.empty()) plan_.span = {};
    return std::move(plan_);
  }

 private:
  Error fault(std::uint64_t offset, std::string what) const {
    return Error{ErrorCode::kMalformed, std::move(what), fmt::format("{}:{}", input_.name, offset),
                 "a damaged trace cannot be multiplied"};
  }
  Error fault(std::uint64_t offset, const PlainDecoder& decoder) const {
    return fault(offset, fmt::format("bit {}: {}", decoder.fault().bit, decoder.fault().what));
  }

  /// Plans the packet at `offset`; its size in bytes.
  Result<std::uint64_t> packet(std::uint64_t offset) {
    const Bytes rest = input_.bytes.subspan(static_cast<std::size_t>(offset));
    PacketPlan plan{offset, rest.size(), plan_.patches.size(), 0};
    PlainDecoder decoder(input_.layout, input_.schema.order, registers_);
    decoder.set_input(rest, 0, std::uint64_t{rest.size()} * 8);
    PlanSink sink(decoder, rest, plan_.patches);
    if (!decoder.decode(input_.layout.packet_header, sink)) return fault(offset, decoder);
    if (sink.magic && *sink.magic != 0xC1FC1FC1) return fault(offset, "no packet begins here");
    const auto* stream = input_.layout.stream(sink.stream_id.value_or(0));
    if (stream == nullptr) return fault(offset, "the packet names an unknown stream");
    if (!decoder.decode(stream->packet_context, sink)) return fault(offset, decoder);
    if (!sink.begin || !sink.end || *sink.end < *sink.begin) {
      return fault(offset, "the packet does not state its times");
    }
    const std::uint64_t bits = sink.packet_bits.value_or(std::uint64_t{rest.size()} * 8);
    const std::uint64_t content = sink.content_bits.value_or(bits);
    if (bits % 8 != 0 || bits / 8 > rest.size() || content > bits || content < decoder.position()) {
      return fault(offset, fmt::format("a packet of {} bits with {} of content, {} bytes remain",
                                       bits, content, rest.size()));
    }
    plan.bytes = bits / 8;
    decoder.set_input(rest, 0, content);
    take_head(sink);
    sink.in_head = false;
    sink.content_bits = content;
    VS_TRY(events(*stream, decoder, sink, offset));
    plan.patches = plan_.patches.size() - plan.first_patch;
    VS_TRY(check(plan));
    plan_.packets.push_back(plan);
    return plan.bytes;
  }

  void take_head(const PlanSink& sink) {
    if (plan_.packets.empty()) {
      plan_.span.begin = *sink.begin;
      first_number_ = sink.sequence.value_or(0);
    }
    plan_.span.end = std::max(plan_.span.end, *sink.end);
    plan_.packet_numbers = sink.sequence.value_or(0) - first_number_ + 1;
    plan_.discarded = sink.discarded.value_or(0);
  }

  Status events(const reader::ctf::StreamLayout& stream, PlainDecoder& decoder, PlanSink& sink,
                std::uint64_t offset) {
    const std::uint64_t end = sink.content_bits.value_or(0);
    while (decoder.position() < end) {
      sink.event = {};
      sink.id.reset();
      decoder.begin_event();
      if (!decoder.decode(stream.event_header, sink)) return fault(offset, decoder);
      const auto* event = find(stream, sink.id.value_or(0));
      if (event == nullptr) {
        return fault(offset, fmt::format("bit {}: unknown event id {}", decoder.position(),
                                         sink.id.value_or(0)));
      }
      sink.event = event->event->name;
      for (const std::uint32_t root : {stream.event_context, event->context, event->fields}) {
        if (!decoder.decode(root, sink)) return fault(offset, decoder);
      }
      ++plan_.span.events;
    }
    return {};
  }

  const reader::ctf::EventLayout* find(const reader::ctf::StreamLayout& stream, std::uint64_t id) {
    if (&stream != indexed_) {
      indexed_ = &stream;
      by_id_.clear();
      for (const auto& event : stream.events) by_id_[event.event->id] = &event;
    }
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? nullptr : at->second;
  }

  Status check(const PacketPlan& plan) const {
    for (std::size_t i = 0; i < plan.patches; ++i) {
      const Patch& patch = plan_.patches[plan.first_patch + i];
      if (!patchable(patch, input_.schema.order)) {
        return Error{ErrorCode::kUnsupported,
                     fmt::format("a number of {} bits at bit {} cannot be moved", patch.size_bits,
                                 patch.bit),
                     fmt::format("{}:{}", input_.name, plan.offset), ""};
      }
    }
    return {};
  }

  const StreamInput& input_;
  std::vector<std::uint64_t> registers_;
  StreamPlan plan_;
  std::uint64_t first_number_ = 0;
  const reader::ctf::StreamLayout* indexed_ = nullptr;
  std::unordered_map<std::uint64_t, const reader::ctf::EventLayout*> by_id_;
};

}  // namespace

Result<StreamPlan> plan_stream(const StreamInput& input) { return Planner(input).run(); }

}  // namespace vs::bench
