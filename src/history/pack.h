#pragma once
// Packs and unpacks the bytes of one piece: codec and checksum.
//
// Errors: kMalformed when the checksum or the codec disagrees, kLimit when a size is beyond what a
// piece may have. Nothing is allocated before the sizes have been compared with the limits.
// Threads: a Packer belongs to one thread; unpack() may be called from any.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "history/layout.h"

namespace vs::history {

class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  /// Packs `raw`; fills codec, sizes and checksum of `info`. The view lives until the next call.
  [[nodiscard]] Bytes pack(Bytes raw, Codec wanted, PieceInfo& info);

 private:
  struct Zstd;
  /// Whether LZ4 may be worth while for a piece.
  [[nodiscard]] bool probe_lz4(std::string_view text);
  std::unique_ptr<Zstd> zstd_;
  std::vector<char> packed_;
};

/// The raw bytes of a piece from its stored ones, checksum compared first; kPackSlack bytes follow
/// them.
[[nodiscard]] Result<std::vector<std::byte>> unpack(std::vector<std::byte> stored,
                                                    const PieceInfo& info, std::uint64_t limit);

[[nodiscard]] std::uint64_t checksum_of(Bytes bytes);

}  // namespace vs::history
