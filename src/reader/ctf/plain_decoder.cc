#include "reader/ctf/plain_decoder.h"

#include <bit>
#include <cmath>

#include "base/checked.h"
#include "base/escape.h"
#include "base/limits.h"

namespace vs::reader::ctf {

double float_value(std::uint64_t bits, std::uint32_t size_bits) {
  if (size_bits == 64) return std::bit_cast<double>(bits);
  if (size_bits == 32) {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  const bool negative = (bits >> 15) & 1U;
  const int exponent = static_cast<int>((bits >> 10) & 0x1fU);
  const auto fraction = static_cast<double>(bits & 0x3ffU);
  double value = 0;
  if (exponent == 0x1f) {
    value = fraction == 0 ? HUGE_VAL : std::nan("");
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(1024.0 + fraction, exponent - 25);
  }
  return negative ? -value : value;
}

void PlainDecoder::set_input(Bytes view, std::uint64_t base_byte, std::uint64_t end_bit) {
  view_ = view;
  base_byte_ = base_byte;
  end_bit_ = end_bit;
}

bool PlainDecoder::fail(FaultKind kind, std::string what) {
  fault_ = DecodeFault{kind, field_begin_, std::move(what)};
  return false;
}

std::string PlainDecoder::shown(std::string_view name) const {
  return name.empty() ? "element" : "field '" + terminal_text(plain_name(name)) + "'";
}

// True when `bits` more bits are inside the content and in the view.
bool PlainDecoder::need(std::uint64_t bits) {
  if (position_ <= end_bit_ && bits <= end_bit_ - position_) return true;
  const std::uint64_t left = position_ <= end_bit_ ? end_bit_ - position_ : 0;
  return fail(FaultKind::kPastContent, shown(field_name_) + " needs " + std::to_string(bits) +
                                           " bits, " + std::to_string(left) + " remain");
}

bool PlainDecoder::align(std::uint32_t bits) {
  const auto aligned = checked_align_up<std::uint64_t>(position_, bits);
  if (!aligned || *aligned > end_bit_) {
    const std::uint64_t wanted = aligned ? *aligned - position_ : bits;
    return fail(FaultKind::kPastContent, shown(field_name_) + " needs " + std::to_string(wanted) +
                                             " bits of alignment, " +
                                             std::to_string(end_bit_ - position_) + " remain");
  }
  position_ = *aligned;
  return true;
}

std::uint8_t PlainDecoder::byte_at(std::uint64_t byte) const {
  return std::to_integer<std::uint8_t>(view_[static_cast<std::size_t>(byte - base_byte_)]);
}

bool PlainDecoder::read_bits(const Node& node, std::uint64_t& value) {
  const FieldClass& type = *node.type;
  if (!align(type.align_bits) || !need(type.size_bits)) return false;
  const ByteOrder order =
      type.endian == Endian::kNative
          ? native_
          : (type.endian == Endian::kBig ? ByteOrder::kBig : ByteOrder::kLittle);
  if (position_ % 8 != 0 && order_known_ && order != last_order_) {
    return fail(FaultKind::kMalformed,
                shown(field_name_) + " changes the byte order inside a byte");
  }
  order_known_ = true;
  last_order_ = order;
  value = 0;
  for (std::uint32_t i = 0; i < type.size_bits; ++i) {
    const std::uint64_t at = position_ + i;
    const auto in_byte = static_cast<unsigned>(at % 8);
    const unsigned byte = byte_at(at / 8);
    if (order == ByteOrder::kLittle) {
      value |= static_cast<std::uint64_t>((byte >> in_byte) & 1U) << i;
    } else {
      value = (value << 1) | ((byte >> (7 - in_byte)) & 1U);
    }
  }
  position_ += type.size_bits;
  const bool negative = type.is_signed && ((value >> (type.size_bits - 1)) & 1U) != 0;
  if (negative && type.size_bits < 64) value |= ~std::uint64_t{0} << type.size_bits;
  return true;
}

bool PlainDecoder::integer(const Node& node, std::string_view name, FieldSink& sink) {
  std::uint64_t value = 0;
  if (!read_bits(node, value)) return false;
  if (node.slot != kNone) registers_[node.slot] = value;
  sink.integer(name, node, value);
  return true;
}

bool PlainDecoder::real(const Node& node, std::string_view name, FieldSink& sink) {
  std::uint64_t value = 0;
  if (!read_bits(node, value)) return false;
  sink.real(name, node, float_value(value, node.type->size_bits));
  return true;
}

bool PlainDecoder::string(const Node& node, std::string_view name, FieldSink& sink) {
  if (!align(node.type->align_bits)) return false;
  const std::uint64_t begin = position_ / 8;
  std::uint64_t at = begin;
  while (true) {
    if (!need((at - begin + 1) * 8)) {
      return fail(FaultKind::kPastContent, shown(name) + " is a string without an end");
    }
    if (byte_at(at) == 0) break;
    if (at - begin >= limits::kStringBytes) {
      return fail(FaultKind::kLimit, shown(name) + " exceeds the limit of 1048576 bytes");
    }
    ++at;
  }
  position_ = (at + 1) * 8;
  sink.text(name, as_text(view_.subspan(static_cast<std::size_t>(begin - base_byte_),
                                        static_cast<std::size_t>(at - begin))));
  return true;
}

bool PlainDecoder::compound(const Node& node, std::string_view name, FieldSink& sink) {
  if (!align(node.type->align_bits)) return false;
  sink.begin_struct(name);
  for (const Node& child : layout_.children(node)) {
    if (!field(child, child.name, sink)) return false;
  }
  sink.end_struct();
  return true;
}

bool PlainDecoder::variant(const Node& node, std::string_view name, FieldSink& sink) {
  const std::uint64_t tag = registers_[node.ref];
  for (std::uint32_t i = 0; i < node.tag_count; ++i) {
    const TagRange& range = layout_.tags[node.first_tag + i];
    if (range.has(tag)) return field(layout_.nodes[node.first_child + range.option], name, sink);
  }
  return fail(FaultKind::kMalformed,
              shown(name) + ": tag value " + std::to_string(tag) + " selects no option");
}

bool PlainDecoder::text_array(std::string_view name, std::uint64_t length, FieldSink& sink) {
  if (length > (end_bit_ - position_) / 8) {
    return fail(FaultKind::kPastContent,
                shown(name) + " needs " + std::to_string(length) + " bytes, " +
                    std::to_string((end_bit_ - position_) / 8) + " remain");
  }
  const std::string_view whole = as_text(view_.subspan(
      static_cast<std::size_t>(position_ / 8 - base_byte_), static_cast<std::size_t>(length)));
  position_ += length * 8;
  sink.text(name, whole.substr(0, whole.find('\0')));
  return true;
}

bool PlainDecoder::array(const Node& node, std::string_view name, FieldSink& sink) {
  const std::uint64_t length = node.ref != kNone ? registers_[node.ref] : node.length;
  if (!align(node.type->align_bits)) return false;
  const Node& element = layout_.nodes[node.first_child];
  if (is_text_array(*node.type) && element.slot == kNone) {
    return text_array(name, length, sink);
  }
  sink.begin_array(name);
  for (std::uint64_t i = 0; i < length; ++i) {
    const std::uint64_t before = position_;
    if (!field(element, {}, sink)) return false;
    if (position_ == before && ++idle_ > kIdleElements) {
      return fail(FaultKind::kLimit, shown(name) + " exceeds the limit of 65536 empty elements");
    }
  }
  sink.end_array();
  return true;
}

bool PlainDecoder::field(const Node& node, std::string_view name, FieldSink& sink) {
  field_begin_ = position_;
  field_name_ = name;
  switch (node.type->type) {
    case FieldType::kInteger:
    case FieldType::kEnum:
      return integer(node, name, sink);
    case FieldType::kFloat:
      return real(node, name, sink);
    case FieldType::kString:
      return string(node, name, sink);
    case FieldType::kStruct:
      return compound(node, name, sink);
    case FieldType::kVariant:
      return variant(node, name, sink);
    case FieldType::kArray:
    case FieldType::kSequence:
      return array(node, name, sink);
  }
  return false;
}

bool PlainDecoder::decode(std::uint32_t root, FieldSink& sink) {
  fault_ = {};
  if (root == kNone) return true;
  return field(layout_.nodes[root], {}, sink);
}

}  // namespace vs::reader::ctf
