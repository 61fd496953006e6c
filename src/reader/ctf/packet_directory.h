#pragma once
// Where the packets of a stream file are: from LTTng's index when it agrees with the stream, else
// by going from packet header to packet header.
//
// Index file (LTTng, all numbers big-endian): magic 0xc1f1dcc1, major u32, minor u32, entry size
// u32; per packet: offset in bytes, packet size, content size (bits), begin and end (cycles),
// events discarded, stream id, u64 each; from 1.1 on stream instance id and packet sequence number.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file.h"
#include "reader/ctf/packet.h"

namespace vs::reader::ctf {

struct IndexEntry {
  std::uint64_t offset = 0;
  std::uint64_t packet_bits = 0;
  std::uint64_t content_bits = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t discarded = 0;
  std::uint64_t stream_id = 0;
  std::optional<std::uint64_t> sequence;
};

/// The entries of an index file. Errors say what is wrong at which byte of `name`.
[[nodiscard]] Result<std::vector<IndexEntry>> parse_index(Bytes file, const std::string& name);

/// True when the entries lie one behind the other from 0 and end at `file_size`.
[[nodiscard]] Status check_index(const std::vector<IndexEntry>& entries, std::uint64_t file_size,
                                 const std::string& name);

/// One packet, as far as seeking needs it.
struct PacketPlace {
  std::uint64_t offset = 0;
  std::uint64_t number = 0;  ///< in its file, from 0
  OwnTime begin = kOwnTimeMin;
  OwnTime end = kOwnTimeMax;
  std::optional<Counter> sequence;
  std::optional<Counter> discarded;
};

/// Reads one packet's head from a file. False: there is no readable packet at `offset`.
[[nodiscard]] Result<bool> read_head_at(const TraceModel& model, const os::File& file,
                                        std::uint64_t offset, PacketHead& out);

[[nodiscard]] PacketPlace place_of(const PacketHead& head, std::uint64_t offset,
                                   std::uint64_t number);

/// All packets up to the first unreadable one, at most `limit`; `complete` = the whole file was
/// covered.
struct Directory {
  std::vector<PacketPlace> packets;
  bool complete = false;
};
[[nodiscard]] Result<Directory> walk_packets(const TraceModel& model, const os::File& file,
                                             std::size_t limit);
/// The same from a checked index. `head`: the file's first packet.
[[nodiscard]] Directory directory_of(const std::vector<IndexEntry>& entries,
                                     const PacketHead& head);

/// True when the index says what the packet at entry.offset says.
[[nodiscard]] bool agrees(const IndexEntry& entry, const PacketHead& head);

}  // namespace vs::reader::ctf
