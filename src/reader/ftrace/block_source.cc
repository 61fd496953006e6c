#include "reader/ftrace/block_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"

namespace vs::reader::ftrace {
namespace {

using model::IssueCode;

constexpr std::uint64_t kChunkHeader = 8;
constexpr std::uint64_t kPlainBlockBytes = 64 << 10;
/// Walking the chunk headers of a region up to this size costs next to nothing.
constexpr std::uint64_t kCheapWalkBytes = 16 << 20;
/// Where the last chunk of a region is looked for.
constexpr std::uint64_t kTailBytes = 1 << 20;
/// A search by bisection ends with a walk of this length.
constexpr std::uint64_t kNearBytes = 32 << 10;
/// Packed bytes that are enough to see the first page's header.
constexpr std::uint64_t kProbeBytes = 256 << 10;

/// What a packed chunk's data begins with.
bool begins_like(Codec codec, Bytes data) {
  if (codec == Codec::kZstd) return load<std::uint32_t>(data, 0, ByteOrder::kLittle) == 0xfd2fb528U;
  const auto word = load<std::uint16_t>(data, 0, ByteOrder::kBig);
  return word && (*word >> 8) == 0x78 && *word % 31 == 0;
}

}  // namespace

BlockSource::BlockSource(const os::File& file, const CpuRegion& region, bool compressed,
                         Codec codec, const PageLayout& layout, Reporter report)
    : file_(file),
      compressed_(compressed),
      codec_(codec),
      layout_(layout),
      report_(std::move(report)),
      begin_(region.offset) {
  const std::uint64_t there = region.offset < file.size() ? file.size() - region.offset : 0;
  truncated_ = region.size > there || region.open_end;
  end_ = region.offset + std::min(region.size, there);
  rewind();
}

void BlockSource::rewind() {
  at_ = begin_;
  page_ = 0;
  chunk_ = 0;
  chunk_count_ = 0;
  numbered_ = true;
  gap_ = false;
  ended_ = false;
  if (!compressed_) return;
  std::array<std::byte, 4> bytes{};
  const auto got = file_.read_at(begin_, bytes);
  if (!got.ok()) start_error_ = got.error();
  if (end_ - begin_ < bytes.size() || !got.ok() || *got < bytes.size()) {
    at_ = end_;
    return;
  }
  chunk_count_ = load_unchecked<std::uint32_t>(bytes, 0, layout_.order);
  at_ = begin_ + bytes.size();
}

Result<bool> BlockSource::next(Block& block) {
  return compressed_ ? next_packed(block) : next_plain(block);
}

Result<bool> BlockSource::next_plain(Block& block) {
  if (at_ >= end_) return false;
  const std::uint64_t pages = std::max<std::uint64_t>(1, kPlainBlockBytes / layout_.page_size);
  const auto to = room(static_cast<std::size_t>(std::min(pages * layout_.page_size, end_ - at_)));
  VS_ASSIGN(const std::size_t got, file_.read_at(at_, to));
  if (got < to.size()) {
    truncated_ = true;  // the file shrank since it was opened
    end_ = at_ + got;
    if (got == 0) return false;
  }
  block = Block{Bytes(bytes_).first(got), at_, page_, false, false, false};
  at_ += got;
  page_ += got / layout_.page_size;
  return true;
}

std::span<std::byte> BlockSource::room(std::size_t size) {
  if (bytes_.size() < size + kBlockSlack) bytes_.resize(size + kBlockSlack);
  return std::span(bytes_).first(size);
}

std::string BlockSource::chunk_label() const {
  return numbered_ ? fmt::format("chunk {}", chunk_) : "chunk";
}

std::string BlockSource::chunk_fault(const Chunk& chunk) const {
  std::string fault = check_sizes(chunk.packed, chunk.unpacked, limits::kChunkBytes, "kChunkBytes");
  if (!fault.empty()) return fmt::format("{} {}", chunk_label(), fault);
  if (chunk.packed > end_ - chunk.data() && end_ != file_.size()) {
    return fmt::format("{} claims {} packed bytes, {} remain", chunk_label(), chunk.packed,
                       end_ - chunk.data());
  }
  return {};
}

template <typename Accept>
Result<std::optional<BlockSource::Chunk>> BlockSource::find_chunk(std::uint64_t from,
                                                                  Accept accept) const {
  constexpr std::size_t kNeeded = kChunkHeader + 4;
  std::vector<std::byte> window(kNearBytes);
  while (from < end_ && end_ - from >= kNeeded) {
    const std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>(window.size(), end_ - from));
    VS_ASSIGN(const std::size_t got, file_.read_at(from, std::span(window).first(size)));
    if (got < kNeeded) break;
    const Bytes view = Bytes(window).first(got);
    for (std::size_t i = 0; i + kNeeded <= got; ++i) {
      if (!begins_like(codec_, view.subspan(i + kChunkHeader))) continue;
      const Chunk chunk{from + i, load_unchecked<std::uint32_t>(view, i, layout_.order),
                        load_unchecked<std::uint32_t>(view, i + 4, layout_.order), false, false};
      const bool whole_pages = chunk.unpacked % layout_.page_size == 0;
      if (whole_pages && chunk_fault(chunk).empty() && accept(chunk))
        return std::optional<Chunk>(chunk);
    }
    from += got - kNeeded + 1;
  }
  return std::optional<Chunk>();
}

Result<std::optional<BlockSource::Chunk>> BlockSource::next_chunk(bool quiet) {
  while (at_ < end_ && (chunk_count_ == 0 || chunk_ < chunk_count_)) {
    std::array<std::byte, kChunkHeader> bytes{};
    VS_ASSIGN(const std::size_t got, file_.read_at(at_, bytes));
    if (got < bytes.size() || end_ - at_ < bytes.size()) break;
    Chunk chunk{at_, load_unchecked<std::uint32_t>(bytes, 0, layout_.order),
                load_unchecked<std::uint32_t>(bytes, 4, layout_.order), false, gap_};
    const std::string fault = chunk_fault(chunk);
    if (fault.empty()) {
      chunk.cut = chunk.packed > end_ - chunk.data();
      truncated_ = truncated_ || chunk.cut;
      gap_ = false;
      return std::optional<Chunk>(chunk);
    }
    VS_ASSIGN(const std::optional<Chunk> next,
              find_chunk(at_ + 1, [](const Chunk&) { return true; }));
    const std::uint64_t found = next ? next->at : end_;
    if (!quiet) {
      report_.add(IssueCode::kBadCompression, at_,
                  found < end_ ? fmt::format("{}; going on at byte {}", fault, found)
                               : fmt::format("{}; the rest of this CPU is skipped", fault));
    }
    gap_ = true;
    at_ = found;
    ++chunk_;
    chunk_count_ = 0;  // which chunk this is cannot be told any more
  }
  const bool counted = chunk_count_ != 0 && chunk_ < chunk_count_;
  if (counted && !truncated_ && !gap_ && !ended_ && !quiet) {
    report_.add(IssueCode::kBadCompression, begin_,
                fmt::format("{} chunks are announced, {} are there", chunk_count_, chunk_));
  }
  ended_ = true;
  return std::optional<Chunk>();
}

void BlockSource::step_past(const Chunk& chunk) {
  at_ = std::min(end_, chunk.end());
  page_ += chunk.unpacked / layout_.page_size;
  ++chunk_;
}

Result<Unpacker::Outcome> BlockSource::unpack(const Chunk& chunk) {
  packed_.resize(
      static_cast<std::size_t>(std::min<std::uint64_t>(chunk.packed, end_ - chunk.data())));
  VS_ASSIGN(const std::size_t got, file_.read_at(chunk.data(), packed_));
  const bool cut = chunk.cut || got < packed_.size();
  packed_.resize(got);
  const auto to = room(chunk.unpacked);
  if (!unpacker_) unpacker_.emplace(codec_);
  return cut ? unpacker_->unpack_begin(packed_, to) : unpacker_->unpack(packed_, to);
}

Result<bool> BlockSource::next_packed(Block& block) {
  if (start_error_) return *start_error_;
  while (true) {
    VS_ASSIGN(const std::optional<Chunk> chunk, next_chunk(false));
    if (!chunk) {
      if (gap_ && !truncated_) {
        // What could not be read lies at the end: the stream must not look whole.
        gap_ = false;
        block = Block{{}, end_, page_number(), true, true, false};
        return true;
      }
      return false;
    }
    VS_ASSIGN(const Unpacker::Outcome outcome, unpack(*chunk));
    if (!outcome.fault.empty() && !chunk->cut) {
      report_.add(IssueCode::kBadCompression, chunk->at,
                  fmt::format("{} {}", chunk_label(), outcome.fault));
    }
    const std::optional<std::uint64_t> first_page = page_number();
    step_past(*chunk);
    const bool whole = outcome.fault.empty() && !chunk->cut;
    block = Block{
        Bytes(bytes_).first(outcome.bytes), chunk->at, first_page, true, chunk->gap_before, !whole};
    return true;
  }
}

std::optional<std::uint64_t> BlockSource::page_time(Bytes page) const {
  const auto time = load<std::uint64_t>(page, layout_.time_offset, layout_.order);
  if (!time || *time == 0 || *time >= kTimeLimit) return std::nullopt;
  return time;
}

std::uint64_t BlockSource::page_count() const {
  return (end_ - begin_ + layout_.page_size - 1) / layout_.page_size;
}

std::optional<std::uint64_t> BlockSource::time_of_page(std::uint64_t page) {
  const auto to = room(layout_.data_offset);
  const auto got = file_.read_at(begin_ + page * layout_.page_size, to);
  if (!got.ok()) return std::nullopt;
  return page_time(Bytes(bytes_).first(*got));
}

/// Time of the chunk's first page; unpacks no more than that needs.
std::optional<std::uint64_t> BlockSource::time_of_chunk(const Chunk& chunk) {
  const std::uint64_t there = std::min<std::uint64_t>(chunk.packed, end_ - chunk.data());
  packed_.resize(static_cast<std::size_t>(std::min(there, kProbeBytes)));
  const auto got = file_.read_at(chunk.data(), packed_);
  if (!got.ok()) return std::nullopt;
  if (!unpacker_) unpacker_.emplace(codec_);
  const auto to = room(layout_.data_offset);
  const Unpacker::Outcome outcome = unpacker_->unpack_begin(Bytes(packed_).first(*got), to);
  return page_time(Bytes(bytes_).first(outcome.bytes));
}

/// The last page whose time is before `time`, or the first. Pages without a readable time (holes)
/// are passed over.
std::uint64_t BlockSource::last_page_before(std::uint64_t time) {
  std::uint64_t low = 0;
  std::uint64_t high = page_count();
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::optional<std::uint64_t> found;
    std::uint64_t entry = middle;
    while (entry > low && !(found = time_of_page(entry))) --entry;
    if (entry != low) {
      (*found < time ? low : high) = entry;
      continue;
    }
    entry = middle + 1;
    while (entry < high && !(found = time_of_page(entry))) ++entry;
    if (entry == high || *found >= time) break;
    low = entry;
  }
  return low;
}

/// The chunk at `offset`, if what stands there looks like one.
std::optional<BlockSource::Chunk> BlockSource::chunk_at(std::uint64_t offset) const {
  std::array<std::byte, kChunkHeader + 4> bytes{};
  if (offset >= end_ || end_ - offset < bytes.size()) return std::nullopt;
  const auto got = file_.read_at(offset, bytes);
  if (!got.ok() || *got < bytes.size()) return std::nullopt;
  const Chunk chunk{offset, load_unchecked<std::uint32_t>(bytes, 0, layout_.order),
                    load_unchecked<std::uint32_t>(bytes, 4, layout_.order), false, false};
  const bool good =
      begins_like(codec_, Bytes(bytes).subspan(kChunkHeader)) && chunk_fault(chunk).empty();
  return good ? std::optional<Chunk>(chunk) : std::nullopt;
}

/// A chunk that begins before `time`, with no more than kNearBytes to the last such; `first` when
/// that is all there is.
Result<std::uint64_t> BlockSource::near_chunk_before(std::uint64_t first, std::uint64_t time) {
  std::uint64_t low = first;
  std::uint64_t high = end_;
  while (high - low > kNearBytes) {
    const std::uint64_t middle = low + (high - low) / 2;
    std::optional<std::uint64_t> found;
    VS_ASSIGN(const std::optional<Chunk> chunk, find_chunk(middle, [&](const Chunk& candidate) {
                if (candidate.at >= high) return true;  // far enough
                // Another chunk or the end behind it: no chance hit.
                if (candidate.end() >= end_ || chunk_at(candidate.end()))
                  found = time_of_chunk(candidate);
                return found.has_value();
              }));
    if (chunk && found && *found < time) {
      low = chunk->at;
    } else {
      high = middle;
    }
  }
  return low;
}

Status BlockSource::seek_packed(std::uint64_t time) {
  VS_ASSIGN(const std::optional<Chunk> first, next_chunk(true));
  rewind();
  if (!first) return {};
  VS_ASSIGN(std::uint64_t at, near_chunk_before(first->at, time));
  if (at != first->at) {
    at_ = at;
    chunk_count_ = 0;
    numbered_ = false;
  }
  // The rest of the way chunk by chunk; what cannot be read is left to next().
  while (const auto chunk = chunk_at(at_)) {
    const auto following = chunk_at(chunk->end());
    const auto begin = following ? time_of_chunk(*following) : std::nullopt;
    if (!begin || *begin >= time) break;
    step_past(*chunk);
  }
  return {};
}

Status BlockSource::seek(OwnTime time) {
  rewind();
  if (time.value <= 0 || at_ >= end_) return {};
  const auto wanted = static_cast<std::uint64_t>(time.value);
  if (compressed_) return seek_packed(wanted);
  page_ = last_page_before(wanted);
  at_ = begin_ + page_ * layout_.page_size;
  return {};
}

std::optional<OwnTime> BlockSource::first_time() {
  std::optional<std::uint64_t> time;
  if (compressed_) {
    rewind();
    const auto chunk = next_chunk(true);
    if (chunk.ok() && *chunk) {
      const auto outcome = unpack(**chunk);
      if (outcome.ok()) time = page_time(Bytes(bytes_).first(outcome->bytes));
    }
    rewind();
  } else if (page_count() != 0) {
    time = time_of_page(0);
  }
  if (!time) return std::nullopt;
  return OwnTime{static_cast<std::int64_t>(*time)};
}

/// The chunk that ends where the region does, or the last one of a walk that costs little.
Result<std::optional<BlockSource::Chunk>> BlockSource::last_chunk() {
  const std::uint64_t first = begin_ + sizeof(std::uint32_t);
  if (end_ <= first) return std::optional<Chunk>();
  const std::uint64_t tail = end_ - first > kTailBytes ? end_ - kTailBytes : first;
  VS_ASSIGN(std::optional<Chunk> last,
            find_chunk(tail, [this](const Chunk& chunk) { return chunk.end() == end_; }));
  if (last || end_ - begin_ > kCheapWalkBytes) return last;
  rewind();
  while (true) {
    VS_ASSIGN(const std::optional<Chunk> chunk, next_chunk(true));
    if (!chunk) return last;
    last = chunk;
    step_past(*chunk);
  }
}

/// Time of the last page of the last chunk that is there.
std::optional<std::uint64_t> BlockSource::last_time_packed() {
  const auto chunk = last_chunk();
  if (!chunk.ok() || !*chunk) return std::nullopt;
  const auto outcome = unpack(**chunk);
  const std::size_t size = outcome.ok() ? outcome->bytes : 0;
  std::optional<std::uint64_t> time;
  for (std::size_t at = 0; at < size; at += layout_.page_size) {
    if (const auto page = page_time(Bytes(bytes_).first(size).subspan(at))) time = page;
  }
  return time;
}

std::optional<OwnTime> BlockSource::last_time() {
  std::optional<std::uint64_t> time;
  if (compressed_) {
    time = last_time_packed();
  } else if (page_count() != 0) {
    time = time_of_page(page_count() - 1);
  }
  rewind();
  if (!time) return std::nullopt;
  return OwnTime{static_cast<std::int64_t>(*time)};
}

}  // namespace vs::reader::ftrace
