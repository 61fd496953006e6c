#pragma once
// BlockSource: the pages of one CPU, in blocks that fit into memory: some pages of a plain region,
// or one unpacked chunk of a packed one.
//
//   packed region = u32 count of chunks | chunk...
//   chunk         = u32 packed bytes | u32 unpacked bytes | packed bytes
//
// A chunk that breaks its rules is reported and stepped over; where its own size cannot be trusted
// the next chunk is found by its header and the compression's magic. So is one in the middle of a
// region, which makes a seek read and unpack a logarithm of the chunks only; what follows it has no
// known number. Memory: one block, at most limits::kChunkBytes unpacked plus the packed chunk.
// Threads: one thread at a time.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "os/file.h"
#include "reader/ftrace/codec.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/page.h"
#include "reader/ftrace/report.h"

namespace vs::reader::ftrace {

/// Readable bytes (of no meaning) behind every block, for loads of a fixed width.
inline constexpr std::size_t kBlockSlack = 8;

struct Block {
  Bytes bytes;
  std::uint64_t offset = 0;  ///< in the file: of the first page, or of the chunk
  /// Number of the first page in the stream, where it is known.
  std::optional<std::uint64_t> first_page = 0;
  bool packed = false;
  bool gap_before = false;  ///< data between the last block and this one could not be read
  bool gap_after = false;   ///< the block's own end could not be read
};

class BlockSource {
 public:
  BlockSource(const os::File& file, const CpuRegion& region, bool compressed, Codec codec,
              const PageLayout& layout, Reporter report);

  /// The next block; false at the end. The block is valid until the next call.
  [[nodiscard]] Result<bool> next(Block& block);
  /// Positions on the last block that begins before `time` (on the first when none does).
  [[nodiscard]] Status seek(OwnTime time);

  /// The region passes the end of the file.
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }
  [[nodiscard]] std::uint64_t bytes_done() const noexcept { return at_ - begin_; }

  /// Time stamp of the first page, and of the last one where it is cheap to find.
  [[nodiscard]] std::optional<OwnTime> first_time();
  [[nodiscard]] std::optional<OwnTime> last_time();

 private:
  struct Chunk {
    std::uint64_t at = 0;  ///< of its header
    std::uint32_t packed = 0;
    std::uint32_t unpacked = 0;
    bool cut = false;  ///< the file ends inside it
    bool gap_before = false;
    [[nodiscard]] std::uint64_t data() const { return at + 8; }
    [[nodiscard]] std::uint64_t end() const { return data() + packed; }
  };

  [[nodiscard]] Result<bool> next_plain(Block& block);
  [[nodiscard]] Result<bool> next_packed(Block& block);
  /// The chunk at at_, or nothing at the end; steps over what is no chunk.
  [[nodiscard]] Result<std::optional<Chunk>> next_chunk(bool quiet);
  [[nodiscard]] std::string chunk_fault(const Chunk& chunk) const;
  /// The first chunk from `from` on, by its magic and sizes, that `accept` takes; nothing when
  /// there is none.
  template <typename Accept>
  [[nodiscard]] Result<std::optional<Chunk>> find_chunk(std::uint64_t from, Accept accept) const;
  [[nodiscard]] std::optional<Chunk> chunk_at(std::uint64_t offset) const;
  [[nodiscard]] Result<std::optional<Chunk>> last_chunk();
  [[nodiscard]] Result<Unpacker::Outcome> unpack(const Chunk& chunk);
  void step_past(const Chunk& chunk);
  void rewind();
  [[nodiscard]] std::uint64_t page_count() const;
  [[nodiscard]] std::optional<std::uint64_t> page_time(Bytes page) const;
  [[nodiscard]] std::optional<std::uint64_t> time_of_page(std::uint64_t page);
  [[nodiscard]] std::optional<std::uint64_t> time_of_chunk(const Chunk& chunk);
  [[nodiscard]] std::uint64_t last_page_before(std::uint64_t time);
  [[nodiscard]] Status seek_packed(std::uint64_t time);
  [[nodiscard]] Result<std::uint64_t> near_chunk_before(std::uint64_t first, std::uint64_t time);
  [[nodiscard]] std::optional<std::uint64_t> last_time_packed();
  [[nodiscard]] std::optional<std::uint64_t> page_number() const {
    return numbered_ ? std::optional(page_) : std::nullopt;
  }
  /// "chunk 3", or "chunk" when its number is not known.
  [[nodiscard]] std::string chunk_label() const;

  const os::File& file_;
  const bool compressed_;
  const Codec codec_;
  const PageLayout layout_;
  const Reporter report_;
  const std::uint64_t begin_;
  std::uint64_t end_ = 0;  ///< of what is there
  bool truncated_ = false;

  std::uint64_t at_ = 0;
  std::uint64_t page_ = 0;
  std::uint32_t chunk_count_ = 0;
  std::uint32_t chunk_ = 0;  ///< chunks stepped past
  bool numbered_ = true;     ///< chunk_ and page_ count from the stream's begin
  bool gap_ = false;
  bool ended_ = false;
  std::optional<Error> start_error_;  ///< the count of chunks could not be read
  std::vector<std::byte> packed_;
  /// Room for `size` bytes and the slack; what was there is gone.
  [[nodiscard]] std::span<std::byte> room(std::size_t size);

  std::vector<std::byte> bytes_;  ///< at least its block and the slack
  std::optional<Unpacker> unpacker_;
};

}  // namespace vs::reader::ftrace
