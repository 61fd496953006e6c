#include "reader/ftrace/codec.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include "base/limits.h"

namespace vs::reader::ftrace {
namespace {

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using ZstdContext = std::unique_ptr<ZSTD_DCtx, ZstdFree>;

// The window of a frame decides what the streaming decoder allocates; trace-cmd never needs more
// than one chunk.
constexpr int kWindowLog = 26;
static_assert((std::uint64_t{1} << kWindowLog) == limits::kChunkBytes);

/// zlib's stream object, always ended.
class ZlibStream {
 public:
  ZlibStream() : ready_(inflateInit(&stream_) == Z_OK) {}
  ZlibStream(const ZlibStream&) = delete;
  ZlibStream& operator=(const ZlibStream&) = delete;
  ~ZlibStream() {
    if (ready_) inflateEnd(&stream_);
  }
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] z_stream& get() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_;
};

Unpacker::Outcome unpack_zlib(Bytes packed, std::span<std::byte> out) {
  ZlibStream holder;
  if (!holder.ready()) return {0, "zlib could not start"};
  z_stream& stream = holder.get();
  // zlib's interface is not const-correct and knows only its own byte type.
  stream.next_in = static_cast<Bytef*>(static_cast<void*>(const_cast<std::byte*>(packed.data())));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = static_cast<Bytef*>(static_cast<void*>(out.data()));
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const std::size_t bytes = out.size() - stream.avail_out;
  if (status == Z_STREAM_END) {
    if (bytes != out.size()) {
      return {bytes, fmt::format("unpacks to {} bytes, {} are declared", bytes, out.size())};
    }
    return {bytes, {}};
  }
  if (status == Z_BUF_ERROR && stream.avail_out == 0 && stream.avail_in != 0) {
    return {bytes, fmt::format("unpacks to more than the {} bytes declared", out.size())};
  }
  if (status == Z_BUF_ERROR || status == Z_OK) return {bytes, "zlib data ends early"};
  return {bytes, fmt::format("zlib: {}", stream.msg == nullptr ? "bad data" : stream.msg)};
}

}  // namespace

struct Unpacker::State {
  Codec codec;
  ZstdContext zstd;
};

std::optional<Codec> codec_of(std::string_view name) {
  if (name == "none") return Codec::kNone;
  if (name == "zstd") return Codec::kZstd;
  if (name == "zlib") return Codec::kZlib;
  return std::nullopt;
}

std::string_view name_of(Codec codec) {
  constexpr std::string_view kNames[] = {"none", "zstd", "zlib"};
  return kNames[static_cast<std::size_t>(codec)];
}

std::string check_sizes(std::uint64_t packed, std::uint64_t unpacked, std::uint64_t limit,
                        std::string_view limit_name) {
  if (packed == 0) return "declares no packed bytes";
  if (unpacked == 0) return "declares no unpacked bytes";
  if (unpacked > limit) {
    return fmt::format("declares {} unpacked bytes, more than the limit {} of {}", unpacked,
                       limit_name, limit);
  }
  if (unpacked / limits::kCompressionRatio > packed) {
    return fmt::format(
        "declares {} unpacked bytes from {}, more than the limit kCompressionRatio of {}", unpacked,
        packed, limits::kCompressionRatio);
  }
  return {};
}

Unpacker::Unpacker(Codec codec) : state_(std::make_unique<State>()) {
  state_->codec = codec;
  if (codec != Codec::kZstd) return;
  state_->zstd.reset(ZSTD_createDCtx());
  if (state_->zstd) ZSTD_DCtx_setParameter(state_->zstd.get(), ZSTD_d_windowLogMax, kWindowLog);
}
Unpacker::Unpacker(Unpacker&&) noexcept = default;
Unpacker& Unpacker::operator=(Unpacker&&) noexcept = default;
Unpacker::~Unpacker() = default;

Unpacker::Outcome Unpacker::unpack(Bytes packed, std::span<std::byte> out) {
  if (state_->codec == Codec::kZlib) return unpack_zlib(packed, out);
  if (!state_->zstd) return {0, "zstd could not start"};
  const std::size_t result =
      ZSTD_decompressDCtx(state_->zstd.get(), out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(result) != 0) {
    // What did come out before the fault is still worth reading.
    Outcome begin = unpack_begin(packed, out);
    begin.fault = fmt::format("zstd: {}", ZSTD_getErrorName(result));
    return begin;
  }
  if (result != out.size()) {
    return {result, fmt::format("unpacks to {} bytes, {} are declared", result, out.size())};
  }
  return {result, {}};
}

Unpacker::Outcome Unpacker::unpack_begin(Bytes packed, std::span<std::byte> out) {
  if (state_->codec == Codec::kZlib) return unpack_zlib(packed, out);
  if (!state_->zstd) return {0, "zstd could not start"};
  ZSTD_DCtx_reset(state_->zstd.get(), ZSTD_reset_session_only);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  while (in.pos < in.size && to.pos < to.size) {
    const std::size_t in_before = in.pos;
    const std::size_t out_before = to.pos;
    const std::size_t result = ZSTD_decompressStream(state_->zstd.get(), &to, &in);
    if (ZSTD_isError(result) != 0 || result == 0) break;
    if (in.pos == in_before && to.pos == out_before) break;
  }
  ZSTD_DCtx_reset(state_->zstd.get(), ZSTD_reset_session_only);
  return {to.pos, to.pos == out.size() ? "" : "zstd data ends early"};
}

}  // namespace vs::reader::ftrace
