#include "reader/ctf/packet.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "reader/ctf/plain_decoder.h"

namespace vs::reader::ctf {
namespace {

// Takes the direct members of one scope by name.
class HeadSink final : public FieldSink {
 public:
  struct Field {
    std::string_view name;
    std::optional<Counter> value;
  };

  explicit HeadSink(std::span<Field> wanted) : wanted_(wanted) {}

  void begin_struct(std::string_view) override { ++depth_; }
  void end_struct() override { --depth_; }
  void begin_array(std::string_view name) override {
    ++depth_;
    in_uuid_ = depth_ == 2 && plain_name(name) == "uuid";
  }
  void end_array() override {
    --depth_;
    in_uuid_ = false;
  }
  void integer(std::string_view name, const Node& node, std::uint64_t value) override {
    if (in_uuid_) {
      if (uuid_size_ < uuid_.size()) uuid_[uuid_size_] = static_cast<std::byte>(value & 0xff);
      ++uuid_size_;
      return;
    }
    if (depth_ != 1) return;
    for (Field& field : wanted_) {
      if (field.name == plain_name(name)) field.value = Counter{value, node.type->size_bits};
    }
  }
  void real(std::string_view, const Node&, double) override {}
  void text(std::string_view, std::string_view) override {}

  [[nodiscard]] std::optional<Uuid> uuid() const {
    if (uuid_size_ != uuid_.size()) return std::nullopt;
    return uuid_;
  }

 private:
  std::span<Field> wanted_;
  int depth_ = 0;
  bool in_uuid_ = false;
  Uuid uuid_{};
  std::size_t uuid_size_ = 0;
};

std::string hex(std::uint64_t value) {
  std::string out;
  do {
    out.insert(out.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + out;
}

PacketFault fault_at(std::uint64_t bit, std::string what) {
  return PacketFault{false, bit, std::move(what)};
}

class HeadReader {
 public:
  HeadReader(const TraceModel& model, Bytes bytes, std::uint64_t file_left,
             std::span<std::uint64_t> registers, PacketHead& out)
      : model_(model),
        bytes_(bytes),
        file_left_(file_left),
        decoder_(model.layout, model.schema->order, registers),
        out_(out) {}

  std::optional<PacketFault> read() {
    decoder_.set_input(bytes_, 0, static_cast<std::uint64_t>(bytes_.size()) * 8);
    decoder_.begin_event();
    if (auto fault = read_header()) return fault;
    if (auto fault = read_context()) return fault;
    out_.head_bits = decoder_.position();
    return check_sizes();
  }

 private:
  std::optional<PacketFault> decode(std::uint32_t root, HeadSink& sink) {
    if (decoder_.decode(root, sink)) return std::nullopt;
    const DecodeFault& fault = decoder_.fault();
    return PacketFault{fault.kind == FaultKind::kPastContent, fault.bit, fault.what};
  }

  std::optional<PacketFault> read_header() {
    if (model_.has_magic && bytes_.size() >= 4) {
      const auto magic = load<std::uint32_t>(bytes_, 0, magic_order()).value_or(0);
      if (magic != kPacketMagic) {
        return fault_at(0, "packet's magic number " + hex(magic) + " is not 0xc1fc1fc1");
      }
    }
    std::array<HeadSink::Field, 2> fields{{{"stream_id", {}}, {"stream_instance_id", {}}}};
    HeadSink sink(fields);
    if (auto fault = decode(model_.layout.packet_header, sink)) return fault;
    if (sink.uuid() && model_.schema->uuid && *sink.uuid() != *model_.schema->uuid) {
      return fault_at(0, "packet's UUID differs from the metadata's");
    }
    if (fields[1].value) out_.instance = fields[1].value->value;
    if (fields[0].value) {
      out_.stream = model_.stream(fields[0].value->value);
      if (out_.stream != nullptr) return std::nullopt;
      return fault_at(0, "packet belongs to stream " + std::to_string(fields[0].value->value) +
                             ", which the metadata does not describe");
    }
    if (model_.streams.size() != 1) {
      return fault_at(0, "packet names no stream and the metadata describes " +
                             std::to_string(model_.streams.size()));
    }
    out_.stream = &model_.streams.front();
    return std::nullopt;
  }

  [[nodiscard]] ByteOrder magic_order() const {
    const Node& root = model_.layout.nodes[model_.layout.packet_header];
    return model_.schema->order_of(*model_.layout.nodes[root.first_child].type);
  }

  std::optional<PacketFault> read_context() {
    std::array<HeadSink::Field, 7> fields{{{"content_size", {}},
                                           {"packet_size", {}},
                                           {"timestamp_begin", {}},
                                           {"timestamp_end", {}},
                                           {"cpu_id", {}},
                                           {"packet_seq_num", {}},
                                           {"events_discarded", {}}}};
    HeadSink sink(fields);
    if (auto fault = decode(out_.stream->layout->packet_context, sink)) return fault;
    const auto value = [&](std::size_t i) -> std::optional<std::uint64_t> {
      if (!fields[i].value) return std::nullopt;
      return fields[i].value->value;
    };
    const std::uint64_t rest = file_left_ * 8;
    out_.packet_bits = value(1).value_or(value(0).value_or(rest));
    out_.content_bits = value(0).value_or(out_.packet_bits);
    out_.begin = value(2);
    out_.end = value(3);
    if (out_.begin && out_.end && *out_.end < *out_.begin) out_.end.reset();
    out_.cpu = value(4);
    out_.sequence = fields[5].value;
    out_.discarded = fields[6].value;
    return std::nullopt;
  }

  std::optional<PacketFault> check_sizes() {
    const std::uint64_t bit = out_.head_bits;
    const std::string packet = std::to_string(out_.packet_bits);
    if (out_.packet_bits == 0) return fault_at(bit, "packet size is 0");
    if (out_.packet_bits % 8 != 0) {
      return fault_at(bit, "packet size of " + packet + " bits is not a multiple of 8");
    }
    if (out_.packet_bits / 8 > limits::kPacketBytes) {
      return fault_at(bit, "packet size of " + packet + " bits exceeds the limit of 8 GiB");
    }
    if (out_.content_bits > out_.packet_bits) {
      return fault_at(bit, "packet's content of " + std::to_string(out_.content_bits) +
                               " bits exceeds its size of " + packet);
    }
    if (out_.content_bits < out_.head_bits) {
      return fault_at(bit, "packet's content of " + std::to_string(out_.content_bits) +
                               " bits is smaller than its header of " +
                               std::to_string(out_.head_bits));
    }
    return std::nullopt;
  }

  const TraceModel& model_;
  Bytes bytes_;
  std::uint64_t file_left_;
  PlainDecoder decoder_;
  PacketHead& out_;
};

}  // namespace

std::optional<PacketFault> read_packet_head(const TraceModel& model, Bytes bytes,
                                            std::uint64_t file_left,
                                            std::span<std::uint64_t> registers, PacketHead& out) {
  out = PacketHead{};
  return HeadReader(model, bytes, file_left, registers, out).read();
}

std::optional<std::size_t> find_packet_magic(const TraceModel& model, Bytes bytes) {
  if (!model.has_magic) return std::nullopt;
  const Node& root = model.layout.nodes[model.layout.packet_header];
  const ByteOrder order = model.schema->order_of(*model.layout.nodes[root.first_child].type);
  for (std::size_t at = 8; at + 4 <= bytes.size(); at += 8) {
    if (load_unchecked<std::uint32_t>(bytes, at, order) == kPacketMagic) return at;
  }
  return std::nullopt;
}

}  // namespace vs::reader::ctf
