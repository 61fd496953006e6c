#include "reader/ctf/trace_model.h"

#include <algorithm>

#include "base/strings.h"

namespace vs::reader::ctf {
namespace {

using model::EventKind;

constexpr std::uint64_t kDenseIds = 1U << 16;

bool is_integer(const FieldClass& type) {
  return type.type == FieldType::kInteger || type.type == FieldType::kEnum;
}

// ---- which field fills which argument
// ------------------------------------------------------------

bool can_fill_arg(const Layout& layout, const Node& node) {
  if (is_integer(*node.type)) return true;
  if (node.type->type != FieldType::kArray && node.type->type != FieldType::kSequence) return false;
  const FieldClass& element = *node.type->element;
  return element.type == FieldType::kInteger && element.size_bits % 8 == 0 &&
         !is_text_array(*node.type) && layout.nodes[node.first_child].slot == kNone;
}

bool can_fill_text(const Layout&, const Node& node) {
  return node.type->type == FieldType::kString || is_text_array(*node.type);
}

// The headers of packets are nested in LTTng's net events; their fields count at any depth.
bool looks_inside(EventKind kind) {
  return kind == EventKind::kNetDevQueue ||
         kind == EventKind::kNetifReceiveSkb || kind == EventKind::kInetSockLocalIn ||
         kind == EventKind::kInetSockLocalOut;
}

class Binder {
 public:
  Binder(const Layout& layout, EventModel& out) : layout_(layout), out_(out) {}

  std::uint16_t bind() {
    const std::uint32_t root = out_.layout->fields;
    if (root == kNone) return 0;
    const model::EventKindSpec& spec = model::spec_of(out_.kind);
    std::uint16_t bound = 0;
    for (std::uint32_t i = 0; i < spec.args.size(); ++i) {
      if (bind_one(root, spec.args[i].spellings, DestSpace::kArg, i)) {
        bound = static_cast<std::uint16_t>(bound | (1U << i));
      }
    }
    for (std::uint32_t i = 0; i < spec.texts.size(); ++i) {
      bind_one(root, spec.texts[i].spellings, DestSpace::kText, i);
    }
    return bound;
  }

 private:
  bool bind_one(std::uint32_t root, std::string_view spellings, DestSpace space,
                std::uint32_t dest) {
    const auto fits = space == DestSpace::kArg ? can_fill_arg : can_fill_text;
    for (const std::string_view word : split_words(spellings)) {
      const std::uint32_t found = layout_.member(root, word);
      if (found == kNone || !fits(layout_, layout_.nodes[found])) continue;
      out_.bindings.push_back({found, space, dest});
      return true;
    }
    if (!looks_inside(out_.kind) || space != DestSpace::kArg) return false;
    const std::size_t before = out_.bindings.size();
    for (const std::string_view word : split_words(spellings)) bind_inside(root, word, dest);
    return out_.bindings.size() != before;
  }

  void bind_inside(std::uint32_t index, std::string_view word, std::uint32_t dest) {
    const Node& node = layout_.nodes[index];
    const bool compound =
        node.type->type == FieldType::kStruct || node.type->type == FieldType::kVariant;
    if (!compound) return;
    for (std::uint32_t i = 0; i < node.child_count; ++i) {
      const std::uint32_t child = node.first_child + i;
      const Node& field = layout_.nodes[child];
      if (plain_name(field.name) == word && can_fill_arg(layout_, field)) {
        out_.bindings.push_back({child, DestSpace::kArg, dest});
      } else {
        bind_inside(child, word, dest);
      }
    }
  }

  const Layout& layout_;
  EventModel& out_;
};

void bind_tids(const Layout& layout, const StreamModel& stream, const SpecialRegisters& special,
               EventModel& event) {
  for (const std::uint32_t root : {stream.layout->event_context, event.layout->context}) {
    const std::uint32_t tid = layout.member(root, "tid");
    if (tid == kNone || !is_integer(*layout.nodes[tid].type)) continue;
    event.tid_bindings.push_back({tid, DestSpace::kRegister, special.tid});
  }
  if (event.kind != EventKind::kSchedSwitch) return;
  for (const Binding& binding : event.bindings) {
    if (binding.space == DestSpace::kArg && binding.dest == model::arg::kNextTid) {
      event.tid_bindings.push_back({binding.node, DestSpace::kRegister, special.next_tid});
    }
  }
}

std::vector<std::string> field_names(const Layout& layout, std::uint32_t root) {
  std::vector<std::string> names;
  if (root == kNone) return names;
  for (const Node& child : layout.children(layout.nodes[root])) {
    names.emplace_back(plain_name(child.name));
  }
  return names;
}

// ---- event headers
// -------------------------------------------------------------------------------

struct HeaderScan {
  const Layout& layout;
  const SpecialRegisters& special;
  StreamModel& out;
  std::uint32_t clock = kNone;

  void visit(std::uint32_t index, bool unmapped_time) {
    const Node& node = layout.nodes[index];
    if (is_integer(*node.type)) {
      if (plain_name(node.name) == "id") {
        out.header_bindings.push_back({index, DestSpace::kRegister, special.event_id});
      }
      if (node.clock != kNone || (unmapped_time && plain_name(node.name) == "timestamp")) {
        out.header_bindings.push_back({index, DestSpace::kClock, 0});
        out.has_time = true;
        if (clock == kNone) clock = node.clock;
      }
      return;
    }
    if (node.type->type != FieldType::kStruct && node.type->type != FieldType::kVariant) return;
    for (std::uint32_t i = 0; i < node.child_count; ++i) visit(node.first_child + i, unmapped_time);
  }
};

// The only member of a header's option that is a number, with its alignment.
bool plain_unsigned(const Node& node) {
  return is_integer(*node.type) && !node.type->is_signed && node.type->size_bits <= 64;
}

// Both forms leave the position at a byte, whatever is padded before them.
bool ends_at_bytes(const FastHeader& header) {
  const auto aligned = [](std::uint32_t at, std::uint32_t align) {
    return (at + align - 1) & ~(align - 1);
  };
  const std::uint32_t brief = aligned(header.id_bits, header.time_align) + header.time_bits;
  const std::uint32_t id_end = aligned(header.id_bits, header.long_id_align) + header.long_id_bits;
  const std::uint32_t full = aligned(id_end, header.long_time_align) + header.long_time_bits;
  return brief % 8 == 0 && full % 8 == 0;
}

std::optional<FastHeader> match_options(const Layout& layout, const Schema& schema,
                                        const Node& variant, FastHeader header) {
  const Node* brief = nullptr;
  const Node* full = nullptr;
  std::uint64_t expected = 0;
  for (std::uint32_t i = 0; i < variant.tag_count; ++i) {
    const TagRange& range = layout.tags[variant.first_tag + i];
    const Node& option = layout.nodes[variant.first_child + range.option];
    if (range.begin != expected || option.type->type != FieldType::kStruct) return std::nullopt;
    expected = range.end + 1;
    if (i == 0) brief = &option;
    if (i == 1) {
      full = &option;
      header.extended_id = range.begin;
    }
  }
  if (variant.tag_count != 2 || expected != std::uint64_t{1} << header.id_bits) return std::nullopt;
  if (brief->child_count != 1 || full->child_count != 2) return std::nullopt;
  const Node& time = layout.nodes[brief->first_child];
  const Node& long_id = layout.nodes[full->first_child];
  const Node& long_time = layout.nodes[full->first_child + 1];
  for (const Node* node : {&time, &long_id, &long_time}) {
    const bool same_order = (schema.order_of(*node->type) == ByteOrder::kBig) == header.big;
    const bool whole = node->type->size_bits <= 57 || node->type->align_bits % 8 == 0;
    if (!plain_unsigned(*node) || !same_order || !whole) return std::nullopt;
  }
  if (time.clock == kNone || long_time.clock != time.clock || long_id.clock != kNone) {
    return std::nullopt;
  }
  if (plain_name(long_id.name) != "id") return std::nullopt;
  header.time_align = std::max(brief->type->align_bits, time.type->align_bits);
  header.time_bits = time.type->size_bits;
  header.long_id_align = std::max(full->type->align_bits, long_id.type->align_bits);
  header.long_id_bits = long_id.type->size_bits;
  header.long_time_align = long_time.type->align_bits;
  header.long_time_bits = long_time.type->size_bits;
  header.valid = ends_at_bytes(header);
  return header;
}

FastHeader match_header(const Layout& layout, const Schema& schema, std::uint32_t root) {
  if (root == kNone) return {};
  const Node& header = layout.nodes[root];
  if (header.child_count != 2 || header.type->align_bits % 8 != 0) return {};
  const Node& id = layout.nodes[header.first_child];
  const Node& variant = layout.nodes[header.first_child + 1];
  if (id.type->type != FieldType::kEnum || !plain_unsigned(id) || plain_name(id.name) != "id" ||
      id.type->size_bits > 32 || id.clock != kNone || id.slot == kNone ||
      variant.type->type != FieldType::kVariant || variant.ref != id.slot) {
    return {};
  }
  FastHeader out;
  out.big = schema.order_of(*id.type) == ByteOrder::kBig;
  out.align_bits = std::max(header.type->align_bits, id.type->align_bits);
  out.id_bits = id.type->size_bits;
  return match_options(layout, schema, variant, out).value_or(FastHeader{});
}

// The fast header does not fill registers; if others need the header's tag it cannot be used.
bool register_used_outside(const Layout& layout, const StreamLayout& stream, std::uint32_t slot) {
  const Node& header = layout.nodes[stream.event_header];
  const std::uint32_t own = header.first_child + 1;
  for (std::uint32_t i = 0; i < layout.nodes.size(); ++i) {
    if (i != own && layout.nodes[i].ref == slot) return true;
  }
  return false;
}

void finish_header(const TraceModel& model, StreamModel& stream) {
  const StreamLayout& layout = *stream.layout;
  HeaderScan scan{model.layout, model.special, stream};
  if (layout.event_header != kNone) {
    scan.visit(layout.event_header, false);
    if (!stream.has_time) {
      stream.header_bindings.clear();
      scan.visit(layout.event_header, true);
    }
    stream.header = match_header(model.layout, *model.schema, layout.event_header);
    const std::uint32_t first = model.layout.nodes[layout.event_header].first_child;
    if (stream.header.valid &&
        register_used_outside(model.layout, layout, model.layout.nodes[first].slot)) {
      stream.header.valid = false;
    }
  }
  std::uint32_t clock = scan.clock;
  const std::uint32_t begin = model.layout.member(layout.packet_context, "timestamp_begin");
  if (clock == kNone && begin != kNone) clock = model.layout.nodes[begin].clock;
  if (clock != kNone) stream.scale = TimeScale(model.schema->clocks[clock]);
}

// ---- assembly
// ------------------------------------------------------------------------------------

void add_events(TraceModel& model, StreamModel& stream) {
  const auto& events = stream.layout->events;
  for (const EventLayout& layout : events) {
    EventModel event;
    event.layout = &layout;
    event.type = static_cast<std::uint16_t>(model.types.size());
    event.kind = model::kind_of(layout.event->name);
    EventTypeInfo info;
    info.name = layout.event->name;
    info.kind = event.kind;
    info.bound_args = Binder(model.layout, event).bind();
    info.fields = field_names(model.layout, layout.fields);
    bind_tids(model.layout, stream, model.special, event);
    model.types.push_back(std::move(info));
    const auto index = static_cast<std::uint32_t>(stream.events.size());
    if (layout.event->id < kDenseIds) {
      const auto id = static_cast<std::size_t>(layout.event->id);
      if (stream.dense.size() <= id) stream.dense.resize(id + 1, kNone);
      stream.dense[id] = index;
    } else {
      stream.sparse.emplace(layout.event->id, index);
    }
    stream.events.push_back(std::move(event));
  }
}

}  // namespace

const StreamModel* TraceModel::stream(std::uint64_t id) const {
  for (const StreamModel& candidate : streams) {
    if (candidate.layout->stream->id == id) return &candidate;
  }
  return nullptr;
}

Result<std::unique_ptr<TraceModel>> build_model(std::unique_ptr<Schema> schema,
                                                std::optional<Error>& fault) {
  auto out = std::make_unique<TraceModel>();
  out->schema = std::move(schema);
  VS_ASSIGN(out->layout, build_layout(*out->schema));
  fault = out->layout.fault;
  out->special = SpecialRegisters::after(out->layout.slot_count);
  const std::uint32_t magic = out->layout.member(out->layout.packet_header, "magic");
  if (magic != kNone) {
    const Node& root = out->layout.nodes[out->layout.packet_header];
    out->has_magic = magic == root.first_child && is_integer(*out->layout.nodes[magic].type) &&
                     out->layout.nodes[magic].type->size_bits == 32;
  }
  for (const StreamLayout& layout : out->layout.streams) {
    StreamModel& stream = out->streams.emplace_back();
    stream.layout = &layout;
    finish_header(*out, stream);
    stream.has_context_tid = out->layout.member(layout.event_context, "tid") != kNone;
    add_events(*out, stream);
  }
  return out;
}

}  // namespace vs::reader::ctf
