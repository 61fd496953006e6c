#include "history/pack.h"

#include <lz4.h>
#include <xxhash.h>
#include <zstd.h>

#include <limits>

#include "base/limits.h"
#include "history/bitpack.h"

namespace vs::history {
namespace {

constexpr int kZstdLevel = 1;
constexpr std::size_t kProbeBytes = 4096;
/// The part of a piece that packing must save.
constexpr std::size_t kWorth = 8;

Error malformed(std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what), "", "the history will be rebuilt"};
}

bool unpack_lz4(Bytes stored, std::span<std::byte> raw) {
  char* const out = static_cast<char*>(static_cast<void*>(raw.data()));
  const std::string_view text = as_text(stored);
  const int got = LZ4_decompress_safe(text.data(), out, static_cast<int>(text.size()),
                                      static_cast<int>(raw.size()));
  return got >= 0 && static_cast<std::size_t>(got) == raw.size();
}

bool unpack_zstd(Bytes stored, std::span<std::byte> raw) {
  const std::size_t got = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  return ZSTD_isError(got) == 0 && got == raw.size();
}

}  // namespace

struct Packer::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Zstd() = default;
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() { ZSTD_freeCCtx(context); }
};

Packer::Packer() : zstd_(std::make_unique<Zstd>()) {}
Packer::~Packer() = default;

std::uint64_t checksum_of(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// Most pieces are dense already: a few thousand bytes out of the middle tell so for a tenth of the
// price.
bool Packer::probe_lz4(std::string_view text) {
  if (text.size() < 4 * kProbeBytes) return true;
  packed_.resize(kProbeBytes);
  const int size = LZ4_compress_default(text.data() + text.size() / 2, packed_.data(),
                                        static_cast<int>(kProbeBytes),
                                        static_cast<int>(kProbeBytes - kProbeBytes / kWorth));
  return size > 0;
}

Bytes Packer::pack(Bytes raw, Codec wanted, PieceInfo& info) {
  info.raw = static_cast<std::uint32_t>(raw.size());
  std::size_t size = 0;
  const std::string_view text = as_text(raw);
  if (wanted == Codec::kLz4 && raw.size() <= LZ4_MAX_INPUT_SIZE && probe_lz4(text)) {
    packed_.resize(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(raw.size()))));
    size = static_cast<std::size_t>(LZ4_compress_default(text.data(), packed_.data(),
                                                         static_cast<int>(text.size()),
                                                         static_cast<int>(packed_.size())));
  } else if (wanted == Codec::kZstd && zstd_->context != nullptr) {
    packed_.resize(ZSTD_compressBound(raw.size()));
    const std::size_t got = ZSTD_compressCCtx(zstd_->context, packed_.data(), packed_.size(),
                                              text.data(), text.size(), kZstdLevel);
    size = ZSTD_isError(got) != 0 ? 0 : got;
  }
  // What hardly shrinks is stored as it is: unpacking it would cost more than reading it.
  const bool worth = size != 0 && size < raw.size() - raw.size() / kWorth;
  info.codec = worth ? wanted : Codec::kStored;
  const Bytes out = worth ? as_bytes(std::string_view(packed_.data(), size)) : raw;
  info.stored = static_cast<std::uint32_t>(out.size());
  info.checksum = checksum_of(out);
  return out;
}

Result<std::vector<std::byte>> unpack(std::vector<std::byte> stored, const PieceInfo& info,
                                      std::uint64_t limit) {
  if (stored.size() != info.stored) return malformed("a piece of the history is cut short");
  if (checksum_of(stored) != info.checksum) {
    return malformed("a piece of the history has a wrong checksum");
  }
  if (info.codec == Codec::kStored) {
    if (info.raw != info.stored) return malformed("a stored piece has two sizes");
    stored.resize(stored.size() + kPackSlack);
    return stored;
  }
  if (info.raw > limit || info.raw / limits::kCompressionRatio > info.stored) {
    return Error{ErrorCode::kLimit,
                 "a piece of the history unpacks to " + std::to_string(info.raw) +
                     " bytes, the limit is " + std::to_string(limit) + " and " +
                     std::to_string(limits::kCompressionRatio) + " times its size",
                 "", "the history will be rebuilt"};
  }
  std::vector<std::byte> raw(std::size_t{info.raw} + kPackSlack);
  const std::span<std::byte> out = std::span(raw).first(info.raw);
  const bool good = info.codec == Codec::kLz4 ? unpack_lz4(stored, out) : unpack_zstd(stored, out);
  if (!good) return malformed("a piece of the history cannot be unpacked");
  return raw;
}

}  // namespace vs::history
