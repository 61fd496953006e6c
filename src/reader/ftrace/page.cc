#include "reader/ftrace/page.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace vs::reader::ftrace {
namespace {

constexpr std::uint64_t kMissedEvents = 1U << 31;
constexpr std::uint64_t kMissedStored = 1U << 30;
// The kernel keeps the low 20 bits for sub-buffers of its usual sizes; tools mask 27.
constexpr std::uint64_t kCommitMask = (1U << 27) - 1;
constexpr std::uint32_t kHeader = 4;
constexpr std::uint32_t kDeltaBits = 27;
constexpr std::uint64_t kStampMask = (std::uint64_t{1} << 59) - 1;

// In the order of PageFaultKind; {0} is the fault's value, {1} its limit.
constexpr std::array<std::string_view, static_cast<std::size_t>(PageFaultKind::kCount)> kTexts = {
    "no fault",
    "partial page: {0} of {1} bytes",
    "invalid page header: {0} bytes of data, a page holds {1}",
    "invalid time stamp {0} in the page header",
    "empty page: no time stamp and no data",
    "short event header: {1} bytes remain",
    "null padding inside the data",
    "short padding length: {1} bytes remain",
    "invalid padding length {0}: {1} bytes remain",
    "short time extend: {1} bytes remain",
    "short time stamp: {1} bytes remain",
    "short data length: {1} bytes remain",
    "zero data length {0}",
    "invalid data length {0}: {1} bytes remain",
    "event of {0} bytes overflows the end: {1} bytes remain",
    "short event id: record of {0} bytes",
    "time stamp {0} is too large",
};

std::optional<std::uint64_t> load_long(Bytes page, std::uint64_t offset, std::uint32_t size,
                                       ByteOrder order) {
  if (size == 8) return load<std::uint64_t>(page, offset, order);
  const auto word = load<std::uint32_t>(page, offset, order);
  if (!word) return std::nullopt;
  return *word;
}

}  // namespace

std::string PageFault::to_string() const {
  const std::string_view text = kTexts[static_cast<std::size_t>(kind)];
  return fmt::format("byte {}: {}", offset, fmt::format(fmt::runtime(text), value, limit));
}

PageReader::Step PageReader::fail(PageFaultKind kind, std::uint32_t offset, std::uint64_t value,
                                  std::uint64_t limit) {
  fault_ = PageFault{kind, offset, value, limit};
  return Step::kFault;
}

/// Fewer bytes than the next word needs: the file's cut, or the page's own fault.
PageReader::Step PageReader::short_of(PageFaultKind kind, std::uint32_t at) {
  if (available_ < end_) return Step::kCut;
  return fail(kind, at, 0, end_ - at);
}

bool PageReader::open(Bytes page) {
  page_ = page;
  fault_ = PageFault{};
  missed_ = false;
  missed_count_ = 0;
  position_ = end_ = available_ = 0;
  const auto time = load<std::uint64_t>(page, layout_.time_offset, layout_.order);
  const auto commit = load_long(page, layout_.commit_offset, layout_.commit_size, layout_.order);
  if (!time || !commit || page.size() < layout_.data_offset) {
    (void)fail(PageFaultKind::kPartialPage, 0, page.size(), layout_.page_size);
    return false;
  }
  const std::uint64_t size = *commit & kCommitMask;
  const std::uint64_t capacity = layout_.page_size - layout_.data_offset;
  if (size > capacity) {
    (void)fail(PageFaultKind::kInvalidPageHeader, layout_.commit_offset, size, capacity);
    return false;
  }
  if (*time >= kTimeLimit) {
    (void)fail(PageFaultKind::kInvalidTimeStamp, layout_.time_offset, *time, kTimeLimit);
    return false;
  }
  if (*time == 0 && *commit == 0) {
    (void)fail(PageFaultKind::kEmptyPage, 0, 0, 0);
    return false;
  }
  time_ = begin_time_ = *time;
  position_ = layout_.data_offset;
  end_ = layout_.data_offset + static_cast<std::uint32_t>(size);
  available_ = page.size() < end_ ? static_cast<std::uint32_t>(page.size()) : end_;
  missed_ = (*commit & kMissedEvents) != 0;
  if (missed_ && (*commit & kMissedStored) != 0) {
    const std::uint64_t all_ones = layout_.commit_size == 8 ? ~std::uint64_t{0} : 0xffffffffU;
    const auto count = load_long(page, end_, layout_.commit_size, layout_.order);
    // The kernel stores -1 when it knows that events went missing but not how many.
    if (count && *count != all_ones) missed_count_ = *count;
  }
  return true;
}

PageReader::Step PageReader::next() {
  const auto take_one = [this](std::uint32_t offset, std::uint32_t size, std::uint64_t) {
    record_offset_ = offset;
    record_size_ = size;
    return false;
  };
  return layout_.order == ByteOrder::kLittle ? walk<ByteOrder::kLittle>(take_one)
                                             : walk<ByteOrder::kBig>(take_one);
}

PageReader::Step PageReader::step_padding(std::uint32_t delta, std::uint32_t at) {
  const std::uint32_t body = at + kHeader;
  if (delta == 0) return fail(PageFaultKind::kNullPadding, at, 0, 0);
  if (available_ - body < 4) return short_of(PageFaultKind::kShortPaddingLength, body);
  const auto length = load_unchecked<std::uint32_t>(page_, body, layout_.order);
  if (length < 4 || length > end_ - body) {
    return fail(PageFaultKind::kInvalidPaddingLength, body, length, end_ - body);
  }
  if (length > available_ - body) return Step::kCut;
  // A discarded event keeps its delta; the kernel writes 1 where it was 0.
  if (delta != 1) time_ += delta;
  position_ = body + length;
  return Step::kEnd;
}

PageReader::Step PageReader::step_long_data(std::uint32_t delta, std::uint32_t at) {
  const std::uint32_t body = at + kHeader;
  if (available_ - body < 4) return short_of(PageFaultKind::kShortDataLength, body);
  const auto length = load_unchecked<std::uint32_t>(page_, body, layout_.order);
  if (length <= 4) return fail(PageFaultKind::kZeroDataLength, body, length, 0);
  if (length > end_ - body) {
    return fail(PageFaultKind::kInvalidDataLength, body, length, end_ - body);
  }
  if (length - 4 < 2) return fail(PageFaultKind::kShortEventId, body, length - 4, 0);
  if (length > available_ - body) return Step::kCut;
  time_ += delta;
  record_offset_ = body + 4;
  record_size_ = length - 4;
  const std::uint32_t aligned = (length + 3) & ~3U;
  position_ = aligned > end_ - body ? end_ : body + aligned;
  if (position_ > available_) position_ = available_;
  return Step::kRecord;
}

PageReader::Step PageReader::step_special(std::uint32_t type, std::uint32_t delta,
                                          std::uint32_t at) {
  constexpr std::uint32_t kPadding = 29;
  constexpr std::uint32_t kTimeExtend = 30;
  if (type == 0) return step_long_data(delta, at);
  if (type == kPadding) return step_padding(delta, at);
  const bool extend = type == kTimeExtend;
  const std::uint32_t body = at + kHeader;
  if (available_ - body < 4) {
    return short_of(extend ? PageFaultKind::kShortTimeExtend : PageFaultKind::kShortTimeStamp,
                    body);
  }
  const std::uint64_t upper = load_unchecked<std::uint32_t>(page_, body, layout_.order);
  const std::uint64_t value = (upper << kDeltaBits) + delta;
  std::uint64_t time = time_ + value;
  if (!extend) {
    // 59 bits are stored; the ones above are those of the time so far, which may just have carried.
    const std::uint64_t above = time_ & ~kStampMask;
    time = above | value;
    if (above != 0 && time < time_) time += kStampMask + 1;
  }
  if (time >= kTimeLimit) return fail(PageFaultKind::kTimeOverflow, at, time, kTimeLimit);
  time_ = time;
  position_ = body + 4;
  return Step::kEnd;
}

}  // namespace vs::reader::ftrace
