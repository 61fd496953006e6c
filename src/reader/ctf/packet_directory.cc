#include "reader/ctf/packet_directory.h"

#include <algorithm>

namespace vs::reader::ctf {
namespace {

constexpr std::uint32_t kIndexMagic = 0xc1f1dcc1;
constexpr std::size_t kIndexHeaderBytes = 16;
constexpr std::size_t kEntryBytes10 = 56;
constexpr std::size_t kEntryBytes11 = 72;
constexpr std::size_t kMaxHeadBytes = 1U << 20;

Error index_error(const std::string& name, std::size_t byte, std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what), name + ":" + std::to_string(byte), {}};
}

Result<std::size_t> parse_index_header(ByteCursor& cursor, const std::string& name) {
  const auto magic = cursor.read<std::uint32_t>();
  const auto major = cursor.read<std::uint32_t>();
  const auto minor = cursor.read<std::uint32_t>();
  const auto entry = cursor.read<std::uint32_t>();
  if (!magic || !major || !minor || !entry) {
    return index_error(name, 0, "index ends inside its header of 16 bytes");
  }
  if (*magic != kIndexMagic) return index_error(name, 0, "index has a wrong magic number");
  if (*major != 1) {
    return index_error(name, 4,
                       "index is of version " + std::to_string(*major) + "." +
                           std::to_string(*minor) + ", not 1.x");
  }
  const std::size_t least = *minor == 0 ? kEntryBytes10 : kEntryBytes11;
  if (*entry < least) {
    return index_error(name, 12,
                       "index entries of " + std::to_string(*entry) + " bytes are shorter than " +
                           std::to_string(least));
  }
  return std::size_t{*entry};
}

}  // namespace

Result<std::vector<IndexEntry>> parse_index(Bytes file, const std::string& name) {
  ByteCursor header(file, ByteOrder::kBig);
  VS_ASSIGN(const std::size_t entry_bytes, parse_index_header(header, name));
  const std::size_t body = file.size() - kIndexHeaderBytes;
  if (body % entry_bytes != 0) {
    return index_error(name, kIndexHeaderBytes + body - body % entry_bytes,
                       "index ends inside an entry of " + std::to_string(entry_bytes) + " bytes");
  }
  std::vector<IndexEntry> entries;
  entries.reserve(body / entry_bytes);
  for (std::size_t at = kIndexHeaderBytes; at < file.size(); at += entry_bytes) {
    ByteCursor cursor(file.subspan(at, entry_bytes), ByteOrder::kBig);
    IndexEntry entry;
    for (std::uint64_t* const field :
         {&entry.offset, &entry.packet_bits, &entry.content_bits, &entry.begin, &entry.end,
          &entry.discarded, &entry.stream_id}) {
      *field = cursor.read<std::uint64_t>().value_or(0);
    }
    if (entry_bytes >= kEntryBytes11) {
      (void)cursor.skip(8);  // the stream's instance
      entry.sequence = cursor.read<std::uint64_t>();
    }
    if (entry.packet_bits == 0 || entry.packet_bits % 8 != 0) {
      return index_error(
          name, at + 8,
          "index entry has a packet size of " + std::to_string(entry.packet_bits) + " bits");
    }
    if (entry.content_bits > entry.packet_bits) {
      return index_error(name, at + 16,
                         "index entry's content of " + std::to_string(entry.content_bits) +
                             " bits exceeds its packet of " + std::to_string(entry.packet_bits));
    }
    entries.push_back(entry);
  }
  return entries;
}

Status check_index(const std::vector<IndexEntry>& entries, std::uint64_t file_size,
                   const std::string& name) {
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const IndexEntry& entry = entries[i];
    const std::uint64_t bytes = entry.packet_bits / 8;
    if (entry.offset != expected || bytes > file_size || entry.offset > file_size - bytes) {
      return index_error(
          name, kIndexHeaderBytes + i * (entry.sequence ? kEntryBytes11 : kEntryBytes10),
          "index entry " + std::to_string(i) + " places a packet of " + std::to_string(bytes) +
              " bytes at byte " + std::to_string(entry.offset) + "; expected byte " +
              std::to_string(expected) + " of " + std::to_string(file_size));
    }
    expected += bytes;
  }
  if (expected != file_size) {
    return index_error(
        name, kIndexHeaderBytes,
        "index covers " + std::to_string(expected) + " bytes of " + std::to_string(file_size));
  }
  return {};
}

Result<bool> read_head_at(const TraceModel& model, const os::File& file, std::uint64_t offset,
                          PacketHead& out) {
  if (offset >= file.size()) return false;
  const std::uint64_t left = file.size() - offset;
  std::vector<std::uint64_t> registers(model.layout.slot_count);
  for (std::size_t wanted = 1024;; wanted *= 16) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(std::min<std::uint64_t>(left, wanted)));
    VS_ASSIGN(const std::size_t got, file.read_at(offset, bytes));
    const auto fault = read_packet_head(model, Bytes(bytes).first(got), left, registers, out);
    if (!fault) return true;
    if (!fault->needs_more || got >= left || wanted >= kMaxHeadBytes) return false;
  }
}

PacketPlace place_of(const PacketHead& head, std::uint64_t offset, std::uint64_t number) {
  PacketPlace place;
  place.offset = offset;
  place.number = number;
  place.sequence = head.sequence;
  place.discarded = head.discarded;
  if (head.begin) place.begin = head.stream->scale.to_own(*head.begin);
  if (head.end) place.end = head.stream->scale.to_own(*head.end);
  return place;
}

Result<Directory> walk_packets(const TraceModel& model, const os::File& file, std::size_t limit) {
  Directory out;
  std::uint64_t offset = 0;
  while (offset < file.size() && out.packets.size() < limit) {
    PacketHead head;
    VS_ASSIGN(const bool readable, read_head_at(model, file, offset, head));
    if (!readable) return out;
    out.packets.push_back(place_of(head, offset, out.packets.size()));
    offset += head.packet_bits / 8;  // at least one byte
  }
  out.complete = offset >= file.size();
  return out;
}

Directory directory_of(const std::vector<IndexEntry>& entries, const PacketHead& head) {
  Directory out;
  out.complete = true;
  for (const IndexEntry& entry : entries) {
    PacketPlace place;
    place.offset = entry.offset;
    place.number = out.packets.size();
    place.begin = head.stream->scale.to_own(entry.begin);
    if (entry.end >= entry.begin) place.end = head.stream->scale.to_own(entry.end);
    if (head.sequence && entry.sequence)
      place.sequence = Counter{*entry.sequence, head.sequence->bits};
    if (head.discarded) place.discarded = Counter{entry.discarded, head.discarded->bits};
    out.packets.push_back(place);
  }
  return out;
}

bool agrees(const IndexEntry& entry, const PacketHead& head) {
  if (entry.packet_bits != head.packet_bits || entry.content_bits != head.content_bits)
    return false;
  if (entry.stream_id != head.stream->layout->stream->id) return false;
  if (head.begin && *head.begin != entry.begin) return false;
  if (head.end && *head.end != entry.end) return false;
  return true;
}

}  // namespace vs::reader::ctf
