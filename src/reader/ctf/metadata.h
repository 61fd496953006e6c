#pragma once
// The `metadata` file of a CTF trace: plain text, or the same text in packets of their own.
//
// A packet (CTF 1.8.3, 7.1): magic 0x75d11d57, UUID[16], checksum u32, content size u32 (bits),
// packet size u32 (bits), compression, encryption and checksum scheme u8 each, major u8, minor u8,
// text. The magic tells the byte order. A file that is cut or still growing gives the text up to
// the cut and a fault that says where.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "reader/ctf/schema.h"

namespace vs::reader::ctf {

struct MetadataText {
  std::string text;
  std::optional<ByteOrder> order;  ///< packetised only: what its magic number says
  std::optional<Uuid> uuid;        ///< packetised only
  std::optional<Error> fault;      ///< why the text ends before the file; place "metadata:byte N"
};

/// The TSDL text of a metadata file. Errors: the very first packet is unusable; CTF 2
/// (kUnsupported).
[[nodiscard]] Result<MetadataText> unwrap_metadata(Bytes file);

}  // namespace vs::reader::ctf
