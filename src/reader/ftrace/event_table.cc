#include "reader/ftrace/event_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ftrace {
namespace {

using model::IssueCode;

/// The field with the best spelling that is not taken yet; fields.size() when there is none.
template <typename Accept>
std::size_t find_field(const std::vector<Field>& fields, const model::ArgumentSpec& spec,
                       const std::vector<bool>& taken, Accept accept) {
  for (const std::string_view word : split_words(spec.spellings)) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (!taken[i] && fields[i].name == word && accept(fields[i])) return i;
    }
  }
  return fields.size();
}

bool is_text(const Field& field) {
  switch (field.kind) {
    case FieldClass::kText:
    case FieldClass::kTailText:
      return true;
    case FieldClass::kDataLoc:
    case FieldClass::kRelLoc:
      return field.text;
    default:
      return false;
  }
}

ArgLoad load_of(const Field& field) {
  const std::uint32_t bits = field.size * 8;
  ArgLoad load;
  load.mask = UINT64_MAX >> (64 - bits);
  load.offset = static_cast<std::uint16_t>(field.offset);
  load.unused = static_cast<std::uint8_t>(64 - bits);
  if (field.is_signed) load.sign = std::uint64_t{1} << (bits - 1);
  return load;
}

}  // namespace

EventTable::EventTable(std::span<const FormatText> formats, std::uint32_t long_size,
                       const Reporter& report) {
  for (const FormatText& text : formats) add(text, long_size, report);
}

void EventTable::add(const FormatText& text, std::uint32_t long_size, const Reporter& report) {
  FormatResult parsed = parse_event_format(text.text, long_size);
  const std::string label = fmt::format("format of {}:{}", text.system,
                                        parsed.format.name.empty() ? "?" : parsed.format.name);
  if (!parsed.fault.empty()) {
    report.add(IssueCode::kBadFormatFile, text.offset, fmt::format("{}: {}", label, parsed.fault));
  }
  if (!parsed.has_id || parsed.format.name.empty()) return;
  if (by_id_.size() <= parsed.format.id) by_id_.resize(parsed.format.id + std::size_t{1}, kNoType);
  if (by_id_[parsed.format.id] != kNoType) {
    const EventType& first = types_[by_id_[parsed.format.id]];
    report.add(IssueCode::kBadFormatFile, text.offset,
               fmt::format("{}: ID {} is that of {}:{}", label, parsed.format.id, first.system,
                           first.name));
    return;
  }
  EventType type;
  type.name = std::move(parsed.format.name);
  type.system = text.system;
  type.id = parsed.format.id;
  type.kind = model::kind_of(type.name, type.system);
  type.fields = std::move(parsed.format.fields);
  bind(type, parsed.format.fixed_size);
  take_common(type);
  // Index 0xffff is kNoType: 65,536 IDs would need it, and limits::kEventTypes keeps one below.
  by_id_[type.id] = static_cast<std::uint16_t>(types_.size());
  types_.push_back(std::move(type));
}

/// Binds the kind's arguments to the type's fields. A field fills one slot only: ftrace's
/// parent_pid is the parent's tid and must not pass for its tgid as well.
void EventTable::bind(EventType& type, std::uint32_t fixed_size) {
  const model::EventKindSpec& spec = model::spec_of(type.kind);
  DecodePlan plan;
  plan.size = fixed_size;
  ArgLoads loads;
  plan.first_text = static_cast<std::uint32_t>(texts_.size());
  plan.kind = type.kind;
  std::vector<bool> taken(type.fields.size(), false);
  for (std::size_t slot = 0; slot < spec.args.size(); ++slot) {
    const std::size_t index =
        find_field(type.fields, spec.args[slot], taken,
                   [](const Field& field) { return field.kind == FieldClass::kInteger; });
    if (index == type.fields.size()) continue;
    taken[index] = true;
    loads[slot] = load_of(type.fields[index]);
    if (slot >= kFewArgs) plan.few_args = false;
    type.present = static_cast<std::uint16_t>(type.present | (1U << slot));
  }
  for (std::size_t slot = 0; slot < spec.texts.size(); ++slot) {
    const std::size_t index = find_field(type.fields, spec.texts[slot], taken, is_text);
    if (index == type.fields.size()) continue;
    const Field& field = type.fields[index];
    const bool is_comm = field.kind == FieldClass::kText && field.size == kCommBytes &&
                         type.kind != model::EventKind::kMark;
    texts_.push_back({field.offset, static_cast<std::uint16_t>(index),
                      static_cast<std::uint8_t>(slot), is_comm});
    ++plan.texts;
  }
  plan.present = type.present;
  if (plan.present != 0) {
    plan.arg_loads = static_cast<std::uint16_t>(arg_loads_.size());
    arg_loads_.push_back(loads);
  }
  plans_.push_back(plan);
}

void EventTable::take_common(const EventType& type) {
  if (common_known_) return;
  const auto find = [&](std::string_view name, std::uint32_t size) -> const Field* {
    for (const Field& field : type.fields) {
      if (field.name == name && field.size == size && field.kind == FieldClass::kInteger)
        return &field;
    }
    return nullptr;
  };
  const Field* id = find("common_type", 2);
  if (id == nullptr) return;
  const Field* pid = find("common_pid", 4);
  common_known_ = true;
  common_.type_offset = id->offset;
  common_.no_pid = pid != nullptr ? 0 : UINT32_MAX;
  common_.pid_offset = pid != nullptr ? pid->offset : 0;
  common_.size = std::max(id->offset + 2, pid != nullptr ? pid->offset + 4 : 0);
}

std::vector<EventTypeInfo> EventTable::infos() const {
  std::vector<EventTypeInfo> out;
  for (const EventType& type : types_) {
    EventTypeInfo info;
    info.name = type.name;
    info.system = type.system;
    info.kind = type.kind;
    info.bound_args = type.present;
    for (const Field& field : type.fields) {
      if (!field.common) info.fields.push_back(field.name);
    }
    out.push_back(std::move(info));
  }
  return out;
}

FieldBytes locate(const Field& field, Bytes record, ByteOrder order) {
  if (field.kind == FieldClass::kTailText || field.kind == FieldClass::kTailArray) {
    if (field.offset > record.size()) return {};
    return {record.subspan(field.offset), true};
  }
  const auto fixed = slice(record, field.offset, field.size);
  if (!fixed) return {};
  if (field.kind != FieldClass::kDataLoc && field.kind != FieldClass::kRelLoc)
    return {*fixed, true};
  const auto word = load_unchecked<std::uint32_t>(*fixed, 0, order);
  std::size_t begin = word & 0xffffU;
  if (field.kind == FieldClass::kRelLoc) begin += std::size_t{field.offset} + 4;
  const auto target = slice(record, begin, word >> 16);
  if (!target) return {};
  return {*target, true};
}

std::string_view text_of(const Field& field, Bytes record, ByteOrder order) {
  const FieldBytes found = locate(field, record, order);
  const std::string_view text = as_text(found.bytes);
  return text.substr(0, text.find('\0'));
}

}  // namespace vs::reader::ftrace
