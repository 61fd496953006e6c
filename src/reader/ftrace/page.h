#pragma once
// The ring buffer's sub-buffers ("pages"): header and records.
//
//   page    = u64 time stamp | commit word (4 or 8 bytes) | data
//   commit  = bytes of data, and two flags: bit 31 events were lost before this page, bit 30 their
//             exact number stands after the data (one kernel long)
//   record  = 32-bit header (type_len 5 bits, time delta 27 bits; the kernel's bit fields, so the 5
//             bits are the low ones in little endian and the high ones in big endian) | body
//   type_len 1..28  body of 4 * type_len bytes
//            0      u32 length (counts itself), body
//            29     padding: u32 length (counts itself); with delta 0 the rest of the page is
//            nothing 30     time extend: u32, upper bits of a longer delta 31     absolute time
//            stamp of 59 bits: u32 upper bits; what is above is kept
//
// From the kernel's include/linux/ring_buffer.h (the ABI, documented there). A page that breaks
// these rules gives a PageFault; the caller steps to the next page. Ownership: views. Threads:
// values.

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace vs::reader::ftrace {

/// Where things lie in a page, from header_page (or the defaults for the file's long size).
struct PageLayout {
  ByteOrder order = ByteOrder::kLittle;
  std::uint32_t page_size = 4096;
  std::uint32_t time_offset = 0;
  std::uint32_t commit_offset = 8;
  std::uint32_t commit_size = 8;  ///< the kernel's long size
  std::uint32_t data_offset = 16;
};

enum class PageFaultKind : std::uint8_t {
  kNone,
  kPartialPage,        ///< fewer bytes than a page header
  kInvalidPageHeader,  ///< commit larger than the page
  kInvalidTimeStamp,   ///< time beyond 62 bits: no clock counts so far
  kEmptyPage,          ///< neither time nor data: a hole in the file
  kShortEventHeader,
  kNullPadding,
  kShortPaddingLength,
  kInvalidPaddingLength,
  kShortTimeExtend,
  kShortTimeStamp,
  kShortDataLength,
  kZeroDataLength,
  kInvalidDataLength,
  kEndOverflow,
  kShortEventId,
  kTimeOverflow,
  kCount
};

struct PageFault {
  PageFaultKind kind = PageFaultKind::kNone;
  std::uint32_t offset = 0;  ///< in the page
  std::uint64_t value = 0;   ///< the offending number
  std::uint64_t limit = 0;   ///< what it may be at most

  /// "byte 40: data length 4096, 24 bytes remain".
  [[nodiscard]] std::string to_string() const;
};

inline constexpr std::uint64_t kTimeLimit = std::uint64_t{1} << 62;

/// Reads one page. After open(), next() gives the records until kEnd or kFault.
class PageReader {
 public:
  enum class Step : std::uint8_t { kRecord, kEnd, kCut, kFault };

  explicit PageReader(const PageLayout& layout) : layout_(layout) {}

  /// `page` may be shorter than a page when the file is cut there. False: fault() says why.
  [[nodiscard]] bool open(Bytes page);

  [[nodiscard]] std::uint64_t begin_time() const noexcept { return begin_time_; }
  [[nodiscard]] Bytes bytes() const noexcept { return page_; }
  [[nodiscard]] bool missed() const noexcept { return missed_; }
  /// Events lost before this page; 0 = some, number not known.
  [[nodiscard]] std::uint64_t missed_count() const noexcept { return missed_count_; }

  /// Hands the data records that follow to take(offset, size, time) until it returns false
  /// (kRecord) or the page ends. kCut: the page's bytes end inside a record. The order must be the
  /// layout's.
  template <ByteOrder kOrder, typename Take>
  [[nodiscard]] Step walk(Take&& take);
  /// The next data record alone.
  [[nodiscard]] Step next();
  [[nodiscard]] std::uint64_t time() const noexcept { return time_; }
  [[nodiscard]] std::uint32_t record_offset() const noexcept { return record_offset_; }
  [[nodiscard]] std::uint32_t record_size() const noexcept { return record_size_; }
  [[nodiscard]] const PageFault& fault() const noexcept { return fault_; }

 private:
  [[nodiscard]] Step fail(PageFaultKind kind, std::uint32_t offset, std::uint64_t value,
                          std::uint64_t limit);
  [[nodiscard]] Step step_special(std::uint32_t type, std::uint32_t delta, std::uint32_t at);
  [[nodiscard]] Step step_padding(std::uint32_t delta, std::uint32_t at);
  [[nodiscard]] Step step_long_data(std::uint32_t delta, std::uint32_t at);
  [[nodiscard]] Step short_of(PageFaultKind kind, std::uint32_t at);

  PageLayout layout_;
  Bytes page_;
  std::uint32_t position_ = 0;
  std::uint32_t end_ = 0;        ///< end of the data by the commit word
  std::uint32_t available_ = 0;  ///< end of the data that is there (less than end_: cut)
  std::uint64_t time_ = 0;
  std::uint64_t begin_time_ = 0;
  std::uint64_t missed_count_ = 0;
  std::uint32_t record_offset_ = 0;
  std::uint32_t record_size_ = 0;
  bool missed_ = false;
  PageFault fault_;
};

// Inlined whatever its size: only then do the caller's variables stay in registers.
template <ByteOrder kOrder, typename Take>
[[gnu::always_inline]] inline PageReader::Step PageReader::walk(Take&& take) {
  constexpr std::uint32_t kHeader = 4;
  constexpr std::uint32_t kLongestShort = 28;
  // In registers; the members hold them whenever a slow path looks.
  std::uint32_t at = position_;
  std::uint64_t time = time_;
  const std::uint32_t end = available_;
  Step step = Step::kEnd;
  while (true) {
    if (end - at < kHeader) [[unlikely]] {
      if (at != end_) step = short_of(PageFaultKind::kShortEventHeader, at);
      break;
    }
    const auto word = load_unchecked<std::uint32_t>(page_, at, kOrder);
    constexpr bool kLittle = kOrder == ByteOrder::kLittle;
    const std::uint32_t type = kLittle ? word & 31U : word >> 27;
    const std::uint32_t delta = kLittle ? word >> 5 : word & ((1U << 27) - 1);
    if (type - 1 < kLongestShort) [[likely]] {
      const std::uint32_t size = type * 4;
      if (end - at - kHeader < size) [[unlikely]] {
        step = Step::kCut;
        if (end_ - at - kHeader < size)
          step = fail(PageFaultKind::kEndOverflow, at, size, end_ - at - kHeader);
        break;
      }
      time += delta;
      at += kHeader + size;
      if (take(at - size, size, time)) continue;
      step = Step::kRecord;
      break;
    }
    position_ = at;
    time_ = time;
    step = step_special(type, delta, at);
    at = position_;
    time = time_;
    // kEnd here means "stepped over, go on": position_ has moved by at least a header.
    if (step == Step::kEnd) continue;
    if (step != Step::kRecord || !take(record_offset_, record_size_, time)) break;
    step = Step::kEnd;
  }
  position_ = at;
  time_ = time;
  return step;
}

}  // namespace vs::reader::ftrace
