#include "reader/ctf/layout.h"

#include <array>
#include <unordered_map>

#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ctf {
namespace {

constexpr std::size_t kTagWork = 1U << 24;  // enumerators looked at while variants are resolved

struct ScopePrefix {
  std::string_view text;
  ScopeKind scope;
};
constexpr ScopePrefix kPrefixes[] = {
    {"trace.packet.header.", ScopeKind::kPacketHeader},
    {"stream.packet.context.", ScopeKind::kPacketContext},
    {"stream.event.header.", ScopeKind::kEventHeader},
    {"stream.event.context.", ScopeKind::kStreamEventContext},
    {"event.context.", ScopeKind::kEventContext},
    {"event.fields.", ScopeKind::kEventFields},
};

class LayoutBuilder {
 public:
  explicit LayoutBuilder(const Schema& schema) : schema_(schema) {}
  Result<Layout> build();

 private:
  Status add_stream(const StreamClass& stream);
  Status add_event(const EventClass& event, StreamLayout& out);
  Result<std::uint32_t> add_root(const FieldClass* type, ScopeKind scope);
  Status fill(std::uint32_t index, std::size_t depth);
  Status allocate_children(std::uint32_t index, const FieldClass& type);
  Status resolve(std::uint32_t index);
  Status resolve_tags(std::uint32_t index, std::uint32_t target);
  Result<std::uint32_t> find_target(std::uint32_t index) const;
  [[nodiscard]] std::uint32_t find_relative(std::uint32_t index,
                                            std::span<const std::string_view> words) const;
  [[nodiscard]] std::uint32_t descend(std::uint32_t from, std::uint32_t user,
                                      std::span<const std::string_view> words) const;
  [[nodiscard]] std::uint32_t child_named(const Node& node, std::string_view name,
                                          std::uint32_t count) const;
  [[nodiscard]] bool encloses(std::uint32_t outer, std::uint32_t inner) const;
  [[nodiscard]] bool precedes(std::uint32_t target, std::uint32_t user) const;
  [[nodiscard]] std::uint32_t& root(ScopeKind scope) {
    return roots_[static_cast<std::size_t>(scope)];
  }

  const Schema& schema_;
  Layout layout_;
  std::array<std::uint32_t, static_cast<std::size_t>(ScopeKind::kCount)> roots_{};
  std::size_t tag_work_ = 0;
};

std::uint32_t LayoutBuilder::child_named(const Node& node, std::string_view name,
                                         std::uint32_t count) const {
  for (std::uint32_t i = 0; i < count; ++i) {
    if (layout_.nodes[node.first_child + i].name == name) return node.first_child + i;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    if (plain_name(layout_.nodes[node.first_child + i].name) == plain_name(name)) {
      return node.first_child + i;
    }
  }
  return kNone;
}

bool LayoutBuilder::encloses(std::uint32_t outer, std::uint32_t inner) const {
  for (std::uint32_t at = inner; at != kNone; at = layout_.nodes[at].parent) {
    if (at == outer) return true;
  }
  return false;
}

// True when `target` is decoded before `user` whenever `user` is decoded; both may be in one scope.
bool LayoutBuilder::precedes(std::uint32_t target, std::uint32_t user) const {
  for (std::uint32_t at = target; at != kNone; at = layout_.nodes[at].parent) {
    const std::uint32_t parent = layout_.nodes[at].parent;
    if (parent == kNone || !encloses(parent, user)) continue;
    for (std::uint32_t below = user; below != kNone; below = layout_.nodes[below].parent) {
      if (layout_.nodes[below].parent == parent) return at < below;
    }
  }
  return !encloses(target, user);  // different scopes: roots are resolved in decoding order
}

// `words` below node `from`; arrays and variants are entered only on the user's own branch.
std::uint32_t LayoutBuilder::descend(std::uint32_t from, std::uint32_t user,
                                     std::span<const std::string_view> words) const {
  std::uint32_t at = from;
  std::size_t next = 0;
  while (next < words.size()) {
    const Node& node = layout_.nodes[at];
    if (node.first_child == kNone) return kNone;
    switch (node.type->type) {
      case FieldType::kArray:
      case FieldType::kSequence:
        at = node.first_child;
        if (!encloses(at, user)) return kNone;
        break;
      case FieldType::kStruct:
      case FieldType::kVariant:
        at = child_named(node, words[next++], node.child_count);
        if (at == kNone) return kNone;
        if (node.type->type == FieldType::kVariant && !encloses(at, user)) return kNone;
        break;
      default:
        return kNone;
    }
  }
  return at;
}

std::uint32_t LayoutBuilder::find_relative(std::uint32_t index,
                                           std::span<const std::string_view> words) const {
  std::uint32_t below = index;
  for (std::uint32_t at = layout_.nodes[index].parent; at != kNone;
       below = at, at = layout_.nodes[at].parent) {
    const Node& node = layout_.nodes[at];
    if (node.type->type != FieldType::kStruct) continue;
    const std::uint32_t found = child_named(node, words.front(), below - node.first_child);
    if (found == kNone) continue;
    const std::uint32_t target = descend(found, index, words.subspan(1));
    if (target != kNone) return target;
  }
  for (std::size_t scope = roots_.size(); scope-- > 0;) {
    if (roots_[scope] == kNone || encloses(roots_[scope], index)) continue;
    const std::uint32_t target = descend(roots_[scope], index, words);
    if (target != kNone) return target;
  }
  return kNone;
}

Result<std::uint32_t> LayoutBuilder::find_target(std::uint32_t index) const {
  const FieldClass& type = *layout_.nodes[index].type;
  const std::string_view path = type.path;
  std::uint32_t target = kNone;
  for (const ScopePrefix& prefix : kPrefixes) {
    if (!path.starts_with(prefix.text)) continue;
    const std::uint32_t from = roots_[static_cast<std::size_t>(prefix.scope)];
    const auto words = split(path.substr(prefix.text.size()), '.');
    if (from != kNone) target = descend(from, index, words);
    break;
  }
  if (target == kNone) target = find_relative(index, split(path, '.'));
  if (target == kNone) {
    return metadata_error(type.place, "path '" + std::string(path) + "' leads to no field");
  }
  if (!precedes(target, index)) {
    return metadata_error(type.place,
                          "path '" + std::string(path) + "' leads to a field that comes later");
  }
  return target;
}

Status LayoutBuilder::resolve_tags(std::uint32_t index, std::uint32_t target) {
  const Node node = layout_.nodes[index];
  const FieldClass& tag = *layout_.nodes[target].type;
  if (tag.type != FieldType::kEnum) {
    return metadata_error(node.type->place, "tag '" + node.type->path + "' is not an enumeration");
  }
  tag_work_ += tag.ranges.size() + node.child_count;
  if (tag_work_ > kTagWork) {
    return metadata_error(node.type->place, "variants exceed the limit of 16777216 enumerators",
                          ErrorCode::kLimit);
  }
  std::unordered_map<std::string_view, std::uint32_t> options;
  for (std::uint32_t i = 0; i < node.child_count; ++i) {
    options.emplace(plain_name(layout_.nodes[node.first_child + i].name), i);
  }
  for (std::uint32_t i = 0; i < node.child_count; ++i) {
    options[layout_.nodes[node.first_child + i].name] = i;
  }
  layout_.nodes[index].first_tag = static_cast<std::uint32_t>(layout_.tags.size());
  for (const EnumRange& range : tag.ranges) {
    auto found = options.find(range.label);
    if (found == options.end()) found = options.find(plain_name(range.label));
    if (found == options.end()) continue;
    layout_.tags.push_back({range.begin, range.end, found->second, tag.is_signed});
  }
  layout_.nodes[index].tag_count =
      static_cast<std::uint32_t>(layout_.tags.size()) - layout_.nodes[index].first_tag;
  return {};
}

Status LayoutBuilder::resolve(std::uint32_t index) {
  const FieldClass& type = *layout_.nodes[index].type;
  if (!type.clock.empty()) {
    for (std::size_t i = 0; i < schema_.clocks.size(); ++i) {
      if (schema_.clocks[i].name == type.clock) {
        layout_.nodes[index].clock = static_cast<std::uint32_t>(i);
      }
    }
    if (layout_.nodes[index].clock == kNone) {
      return metadata_error(type.place, "map names unknown clock '" + type.clock + "'");
    }
  }
  if (type.type == FieldType::kArray) layout_.nodes[index].length = type.length;
  if (type.type != FieldType::kVariant && type.type != FieldType::kSequence) return {};
  if (type.path.empty()) return metadata_error(type.place, "variant has no tag");
  if (type.type == FieldType::kSequence && type.path.starts_with("env.")) {
    const EnvValue* value = schema_.find_env(std::string_view(type.path).substr(4));
    if (value != nullptr && value->number && *value->number >= 0) {
      layout_.nodes[index].length = static_cast<std::uint64_t>(*value->number);
      return {};
    }
  }
  VS_ASSIGN(const std::uint32_t target, find_target(index));
  if (type.type == FieldType::kVariant) {
    VS_TRY(resolve_tags(index, target));
  } else {
    const FieldClass& length = *layout_.nodes[target].type;
    const bool integer = length.type == FieldType::kInteger || length.type == FieldType::kEnum;
    if (!integer || length.is_signed) {
      return metadata_error(type.place, "length '" + type.path + "' is not an unsigned integer");
    }
  }
  if (layout_.nodes[target].slot == kNone) layout_.nodes[target].slot = layout_.slot_count++;
  layout_.nodes[index].ref = layout_.nodes[target].slot;
  return {};
}

Status LayoutBuilder::allocate_children(std::uint32_t index, const FieldClass& type) {
  const bool compound = type.type == FieldType::kStruct || type.type == FieldType::kVariant;
  const std::size_t count = compound ? type.members.size() : type.element != nullptr ? 1 : 0;
  const std::size_t first = layout_.nodes.size();
  if (count == 0) return {};
  if (limits::kMetadataTypes - first < count) {
    return metadata_error(type.place, "metadata exceeds the limit of 1048576 fields",
                          ErrorCode::kLimit);
  }
  layout_.nodes[index].first_child = static_cast<std::uint32_t>(first);
  layout_.nodes[index].child_count = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    Node& child = layout_.nodes.emplace_back();
    child.parent = index;
    child.type = compound ? type.members[i].type : type.element;
    if (compound) child.name = type.members[i].name;
  }
  return {};
}

Status LayoutBuilder::fill(std::uint32_t index, std::size_t depth) {
  const FieldClass& type = *layout_.nodes[index].type;
  if (depth > limits::kMetadataDepth) {
    return metadata_error(type.place, "nesting exceeds the limit of 64 levels", ErrorCode::kLimit);
  }
  VS_TRY(allocate_children(index, type));
  VS_TRY(resolve(index));
  const Node node = layout_.nodes[index];
  for (std::uint32_t i = 0; i < node.child_count; ++i) {
    VS_TRY(fill(node.first_child + i, depth + 1));
  }
  return {};
}

Result<std::uint32_t> LayoutBuilder::add_root(const FieldClass* type, ScopeKind scope) {
  if (type == nullptr) return kNone;
  if (layout_.nodes.size() >= limits::kMetadataTypes) {
    return metadata_error(type->place, "metadata exceeds the limit of 1048576 fields",
                          ErrorCode::kLimit);
  }
  const auto index = static_cast<std::uint32_t>(layout_.nodes.size());
  layout_.nodes.emplace_back().type = type;
  root(scope) = index;
  VS_TRY(fill(index, 1));
  return index;
}

Status LayoutBuilder::add_event(const EventClass& event, StreamLayout& out) {
  EventLayout layout;
  layout.event = &event;
  root(ScopeKind::kEventContext) = root(ScopeKind::kEventFields) = kNone;
  VS_ASSIGN(layout.context, add_root(event.context, ScopeKind::kEventContext));
  VS_ASSIGN(layout.fields, add_root(event.fields, ScopeKind::kEventFields));
  out.events.push_back(layout);
  return {};
}

Status LayoutBuilder::add_stream(const StreamClass& stream) {
  StreamLayout out;
  out.stream = &stream;
  roots_.fill(kNone);
  root(ScopeKind::kPacketHeader) = layout_.packet_header;
  VS_ASSIGN(out.packet_context, add_root(stream.packet_context, ScopeKind::kPacketContext));
  VS_ASSIGN(out.event_header, add_root(stream.event_header, ScopeKind::kEventHeader));
  VS_ASSIGN(out.event_context, add_root(stream.event_context, ScopeKind::kStreamEventContext));
  for (const EventClass& event : stream.events) {
    const std::size_t nodes = layout_.nodes.size();
    const std::size_t tags = layout_.tags.size();
    const Status status = add_event(event, out);
    if (status.ok()) continue;
    layout_.nodes.resize(nodes);
    layout_.tags.resize(tags);
    if (!layout_.fault) layout_.fault = status.error();
  }
  layout_.streams.push_back(std::move(out));
  return {};
}

Result<Layout> LayoutBuilder::build() {
  roots_.fill(kNone);
  VS_ASSIGN(layout_.packet_header, add_root(schema_.packet_header, ScopeKind::kPacketHeader));
  for (const StreamClass& stream : schema_.streams) VS_TRY(add_stream(stream));
  return std::move(layout_);
}

}  // namespace

std::uint32_t Layout::member(std::uint32_t root, std::string_view name) const {
  if (root == kNone) return kNone;
  const Node& node = nodes[root];
  for (std::uint32_t i = 0; i < node.child_count; ++i) {
    if (nodes[node.first_child + i].name == name) return node.first_child + i;
  }
  for (std::uint32_t i = 0; i < node.child_count; ++i) {
    if (plain_name(nodes[node.first_child + i].name) == name) return node.first_child + i;
  }
  return kNone;
}

const StreamLayout* Layout::stream(std::uint64_t id) const {
  for (const StreamLayout& candidate : streams) {
    if (candidate.stream->id == id) return &candidate;
  }
  return nullptr;
}

Result<Layout> build_layout(const Schema& schema) { return LayoutBuilder(schema).build(); }

}  // namespace vs::reader::ctf
