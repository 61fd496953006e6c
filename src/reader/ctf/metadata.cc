#include "reader/ctf/metadata.h"

#include <algorithm>

#include "base/limits.h"

namespace vs::reader::ctf {
namespace {

constexpr std::uint32_t kMagic = 0x75d11d57;
constexpr std::size_t kHeaderBytes = 37;

Error fault_at(std::size_t offset, std::string what, ErrorCode code = ErrorCode::kMalformed) {
  return Error{code, std::move(what), "metadata:byte " + std::to_string(offset), {}};
}

struct PacketHeader {
  Uuid uuid{};
  std::uint64_t content_bytes = 0;
  std::uint64_t packet_bytes = 0;
};

Status check_schemes(ByteCursor& cursor, std::size_t offset) {
  static constexpr const char* kSchemes[] = {"compression", "encryption", "checksum"};
  for (const char* scheme : kSchemes) {
    const std::uint8_t value = cursor.read<std::uint8_t>().value_or(0);
    if (value != 0) {
      return fault_at(offset + cursor.offset() - 1,
                      std::string("metadata packet uses unknown ") + scheme + " scheme " +
                          std::to_string(value),
                      ErrorCode::kUnsupported);
    }
  }
  const unsigned major = cursor.read<std::uint8_t>().value_or(0);
  const unsigned minor = cursor.read<std::uint8_t>().value_or(0);
  if (major != 1 || minor != 8) {
    return fault_at(offset + kHeaderBytes - 2,
                    "metadata packet is of version " + std::to_string(major) + "." +
                        std::to_string(minor) + ", not 1.8",
                    ErrorCode::kUnsupported);
  }
  return {};
}

Status check_sizes(std::uint64_t content_bits, std::uint64_t packet_bits, std::size_t offset) {
  if (content_bits % 8 != 0) {
    return fault_at(offset + 24, "metadata packet's content size " + std::to_string(content_bits) +
                                     " is not a multiple of 8");
  }
  if (packet_bits % 8 != 0) {
    return fault_at(offset + 28, "metadata packet's size " + std::to_string(packet_bits) +
                                     " is not a multiple of 8");
  }
  if (content_bits < kHeaderBytes * 8) {
    return fault_at(offset + 24, "metadata packet's content size " + std::to_string(content_bits) +
                                     " is below its header's 296 bits");
  }
  if (content_bits > packet_bits) {
    return fault_at(offset + 24, "metadata packet's content size " + std::to_string(content_bits) +
                                     " exceeds its packet size " + std::to_string(packet_bits));
  }
  return {};
}

Result<PacketHeader> read_header(Bytes file, std::size_t offset, ByteOrder order) {
  const Bytes rest = file.subspan(offset);
  if (rest.size() < kHeaderBytes) {
    return fault_at(
        offset,
        "metadata packet's header needs 37 bytes, " + std::to_string(rest.size()) + " remain",
        ErrorCode::kTruncated);
  }
  ByteCursor cursor(rest, order);
  const std::uint32_t magic = cursor.read<std::uint32_t>().value_or(0);
  if (magic == byte_swap(kMagic))
    return fault_at(offset, "metadata packets change their byte order");
  if (magic != kMagic) return fault_at(offset, "metadata packet has a wrong magic number");
  PacketHeader header;
  const Bytes uuid = cursor.read_bytes(header.uuid.size()).value_or(Bytes{});
  std::copy(uuid.begin(), uuid.end(), header.uuid.begin());
  const std::uint32_t checksum = cursor.read<std::uint32_t>().value_or(0);
  (void)checksum;  // no scheme is defined for it
  const std::uint64_t content_bits = cursor.read<std::uint32_t>().value_or(0);
  const std::uint64_t packet_bits = cursor.read<std::uint32_t>().value_or(0);
  VS_TRY(check_schemes(cursor, offset));
  VS_TRY(check_sizes(content_bits, packet_bits, offset));
  header.content_bytes = content_bits / 8;
  header.packet_bytes = packet_bits / 8;
  return header;
}

// Appends one packet's text; the offset behind the packet.
Result<std::size_t> append_packet(Bytes file, std::size_t offset, ByteOrder order,
                                  MetadataText& out) {
  VS_ASSIGN(const PacketHeader header, read_header(file, offset, order));
  if (out.uuid && *out.uuid != header.uuid) {
    return fault_at(offset + 4, "metadata packet's UUID differs from the first packet's");
  }
  out.uuid = header.uuid;
  const Bytes rest = file.subspan(offset);
  const std::size_t content =
      static_cast<std::size_t>(std::min<std::uint64_t>(header.content_bytes, rest.size()));
  out.text += as_text(rest.subspan(kHeaderBytes, content - kHeaderBytes));
  if (rest.size() < header.packet_bytes) {
    return fault_at(offset,
                    "metadata packet claims " + std::to_string(header.packet_bytes) + " bytes, " +
                        std::to_string(rest.size()) + " remain",
                    ErrorCode::kTruncated);
  }
  return offset + static_cast<std::size_t>(header.packet_bytes);
}

Result<MetadataText> unwrap_packets(Bytes file, ByteOrder order) {
  MetadataText out;
  out.order = order;
  std::size_t offset = 0;
  while (offset < file.size()) {
    Result<std::size_t> next = append_packet(file, offset, order, out);
    if (next.ok()) {
      offset = *next;  // at least a header further
      continue;
    }
    if (out.text.empty()) return next.error();
    out.fault = next.error();
    break;
  }
  return out;
}

}  // namespace

Result<MetadataText> unwrap_metadata(Bytes file) {
  if (file.size() > limits::kMetadataBytes) {
    return fault_at(
        0, "metadata of " + std::to_string(file.size()) + " bytes exceeds the limit of 67108864",
        ErrorCode::kLimit);
  }
  MetadataText out;
  const auto magic = load<std::uint32_t>(file, 0, ByteOrder::kLittle);
  if (magic && (*magic == kMagic || *magic == byte_swap(kMagic))) {
    VS_ASSIGN(out, unwrap_packets(file, *magic == kMagic ? ByteOrder::kLittle : ByteOrder::kBig));
  } else {
    out.text = as_text(file);
  }
  if (!out.text.empty() && (out.text[0] == '\x1e' || out.text[0] == '{')) {
    return fault_at(0, "CTF 2 metadata (JSON) is not read yet", ErrorCode::kUnsupported);
  }
  if (const std::size_t nul = out.text.find('\0'); nul != std::string::npos) {
    out.text.resize(nul);
    if (nul == 0) return fault_at(0, "metadata text begins with a NUL byte");
    out.fault = Error{ErrorCode::kMalformed,
                      "metadata text holds a NUL byte",
                      "metadata:byte " + std::to_string(nul) + " of the text",
                      {}};
  }
  if (out.text.empty()) return fault_at(0, "metadata is empty", ErrorCode::kTruncated);
  return out;
}

}  // namespace vs::reader::ctf
