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

std::string BlockSource::chunk_fault(const Chunk& chunk) const {
  std::string fault = check_sizes(chunk.packed, chunk.unpacked, limits::kChunkBytes, "kChunkBytes");
  if (!fault.empty()) return fmt::format("chunk {} {}", chunk_, fault);
  if (chunk.packed > end_ - chunk.data() && end_ != file_.size()) {
    return fmt::format("chunk {} claims {} packed bytes, {} remain", chunk_, chunk.packed,
                       end_ - chunk.data());
  }
  return {};
}

/// The first place from `from` on that looks like a chunk; end_ when there is none.
Result<std::uint64_t> BlockSource::find_chunk(std::uint64_t from) const {
  constexpr std::size_t kNeeded = kChunkHeader + 4;
  std::vector<std::byte> window(64 << 10);
  while (from < end_ && end_ - from >= kNeeded) {
    const std::size_t size =
        static_cast<std::size_t>(std::min<std::uint64_t>(window.size(), end_ - from));
    VS_ASSIGN(const std::size_t got, file_.read_at(from, std::span(window).first(size)));
    if (got < kNeeded) break;
    const Bytes view = Bytes(window).first(got);
    for (std::size_t i = 0; i + kNeeded <= got; ++i) {
      if (!begins_like(codec_, view.subspan(i + kChunkHeader))) continue;
      Chunk chunk{from + i,
                  0,
                  load_unchecked<std::uint32_t>(view, i, layout_.order),
                  load_unchecked<std::uint32_t>(view, i + 4, layout_.order),
                  false,
                  false};
      if (chunk.unpacked % layout_.page_size == 0 && chunk_fault(chunk).empty()) return chunk.at;
    }
    from += got - kNeeded + 1;
  }
  return end_;
}

Result<std::optional<BlockSource::Chunk>> BlockSource::next_chunk(bool quiet) {
  while (at_ < end_ && (chunk_count_ == 0 || chunk_ < chunk_count_)) {
    std::array<std::byte, kChunkHeader> bytes{};
    VS_ASSIGN(const std::size_t got, file_.read_at(at_, bytes));
    if (got < bytes.size() || end_ - at_ < bytes.size()) break;
    Chunk chunk{at_,
                page_,
                load_unchecked<std::uint32_t>(bytes, 0, layout_.order),
                load_unchecked<std::uint32_t>(bytes, 4, layout_.order),
                false,
                gap_};
    const std::string fault = chunk_fault(chunk);
    if (fault.empty()) {
      chunk.cut = chunk.packed > end_ - chunk.data();
      truncated_ = truncated_ || chunk.cut;
      gap_ = false;
      return std::optional<Chunk>(chunk);
    }
    VS_ASSIGN(const std::uint64_t found, find_chunk(at_ + 1));
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
  at_ = std::min(end_, chunk.data() + chunk.packed);
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
        block = Block{{}, end_, page_, true, true, false};
        return true;
      }
      return false;
    }
    VS_ASSIGN(const Unpacker::Outcome outcome, unpack(*chunk));
    if (!outcome.fault.empty() && !chunk->cut) {
      report_.add(IssueCode::kBadCompression, chunk->at,
                  fmt::format("chunk {} {}", chunk_, outcome.fault));
    }
    step_past(*chunk);
    const bool whole = outcome.fault.empty() && !chunk->cut;
    block = Block{Bytes(bytes_).first(outcome.bytes),
                  chunk->at,
                  chunk->first_page,
                  true,
                  chunk->gap_before,
                  !whole};
    return true;
  }
}

std::optional<std::uint64_t> BlockSource::page_time(Bytes page) const {
  const auto time = load<std::uint64_t>(page, layout_.time_offset, layout_.order);
  if (!time || *time == 0 || *time >= kTimeLimit) return std::nullopt;
  return time;
}

std::size_t BlockSource::index_size() const {
  if (compressed_) return index_.size();
  return static_cast<std::size_t>((end_ - begin_ + layout_.page_size - 1) / layout_.page_size);
}

/// Time of the first page of an index entry (a chunk, or a plain page), where it can be read.
std::optional<std::uint64_t> BlockSource::time_of(std::size_t entry) {
  if (compressed_) {
    const auto outcome = unpack(index_[entry]);
    if (!outcome.ok()) return std::nullopt;
    return page_time(Bytes(bytes_).first(outcome->bytes));
  }
  const auto to = room(layout_.data_offset);
  const auto got = file_.read_at(begin_ + std::uint64_t{entry} * layout_.page_size, to);
  if (!got.ok()) return std::nullopt;
  return page_time(Bytes(bytes_).first(*got));
}

void BlockSource::build_index() {
  if (indexed_ || !compressed_) return;
  indexed_ = true;
  rewind();
  while (true) {
    const auto chunk = next_chunk(true);
    if (!chunk.ok() || !*chunk) break;
    index_.push_back(**chunk);
    step_past(**chunk);
  }
}

/// The last entry whose time is before `time`, or the first. Entries without a readable time
/// (holes, broken chunks) are passed over.
std::size_t BlockSource::last_before(std::uint64_t time) {
  std::size_t low = 0;
  std::size_t high = index_size();
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    std::optional<std::uint64_t> found;
    std::size_t entry = middle;
    while (entry > low && !(found = time_of(entry))) --entry;
    if (entry != low) {
      (*found < time ? low : high) = entry;
      continue;
    }
    entry = middle + 1;
    while (entry < high && !(found = time_of(entry))) ++entry;
    if (entry == high || *found >= time) break;
    low = entry;
  }
  return low;
}

Status BlockSource::seek(OwnTime time) {
  build_index();
  rewind();
  if (time.value <= 0 || index_size() == 0) return {};
  const std::size_t entry = last_before(static_cast<std::uint64_t>(time.value));
  if (!compressed_) {
    at_ = begin_ + std::uint64_t{entry} * layout_.page_size;
    page_ = entry;
    return {};
  }
  at_ = index_[entry].at;
  page_ = index_[entry].first_page;
  chunk_ = static_cast<std::uint32_t>(entry);
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
  } else if (index_size() != 0) {
    time = time_of(0);
  }
  if (!time) return std::nullopt;
  return OwnTime{static_cast<std::int64_t>(*time)};
}

std::optional<OwnTime> BlockSource::last_time() {
  if (compressed_ && end_ - begin_ > kCheapWalkBytes) return std::nullopt;
  build_index();
  if (index_size() == 0) return std::nullopt;
  std::optional<std::uint64_t> time;
  if (compressed_) {
    // The chunk holds several pages; the last one that is there counts.
    const auto outcome = unpack(index_.back());
    const std::size_t size = outcome.ok() ? outcome->bytes : 0;
    for (std::size_t at = 0; at < size; at += layout_.page_size) {
      if (const auto page = page_time(Bytes(bytes_).first(size).subspan(at))) time = page;
    }
  } else {
    time = time_of(index_size() - 1);
  }
  rewind();
  if (!time) return std::nullopt;
  return OwnTime{static_cast<std::int64_t>(*time)};
}

}  // namespace vs::reader::ftrace
