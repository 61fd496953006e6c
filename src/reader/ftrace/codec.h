#pragma once
// Bounded unpacking of trace.dat sections and chunks (zstd and zlib).
//
// The caller has compared the declared sizes with the bytes that are there and with the limits
// (check_sizes); an Unpacker never writes outside the output it is given and never allocates by a
// size from the file. Threads: one Unpacker per thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vs::reader::ftrace {

enum class Codec : std::uint8_t { kNone, kZstd, kZlib };

/// The codec of trace.dat's name for it ("none", "zstd", "zlib").
[[nodiscard]] std::optional<Codec> codec_of(std::string_view name);
[[nodiscard]] std::string_view name_of(Codec codec);

/// Why a pair of declared sizes is refused; empty when it is not. `limit` bounds the unpacked size
/// and `limit_name` says which one it is.
[[nodiscard]] std::string check_sizes(std::uint64_t packed, std::uint64_t unpacked,
                                      std::uint64_t limit, std::string_view limit_name);

class Unpacker {
 public:
  struct Outcome {
    std::size_t bytes = 0;  ///< of the output that are valid
    std::string fault;      ///< empty: the input unpacked to exactly out.size() bytes
  };

  explicit Unpacker(Codec codec);
  Unpacker(Unpacker&&) noexcept;
  Unpacker& operator=(Unpacker&&) noexcept;
  ~Unpacker();

  /// Unpacks a whole piece. Requires codec != kNone.
  [[nodiscard]] Outcome unpack(Bytes packed, std::span<std::byte> out);
  /// Unpacks the begin of a piece that is cut: what comes out before the input ends.
  [[nodiscard]] Outcome unpack_begin(Bytes packed, std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vs::reader::ftrace
