#include "reader/ftrace/container_v7.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/limits.h"
#include "reader/ftrace/metadata.h"
#include "reader/ftrace/options.h"

namespace vs::reader::ftrace {
namespace {

using model::IssueCode;

constexpr std::uint64_t kSectionHeaderBytes = 16;
constexpr std::uint64_t kPackedHeaderBytes = 8;
constexpr std::uint16_t kFlyrecordSection = 3;

/// Bytes in memory seen as a file, so that one set of parsers reads both.
class MemorySection final : public os::File {
 public:
  explicit MemorySection(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const Bytes from = bytes_.subspan(static_cast<std::size_t>(offset));
    const std::size_t size = std::min(from.size(), out.size());
    std::copy_n(from.begin(), size, out.begin());
    return size;
  }

 private:
  Bytes bytes_;
};

bool is_section_id(std::uint16_t id) {
  return id == option::kDone || id == kFlyrecordSection ||
         (id >= option::kStrings && id <= option::kBufferText);
}

std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return checked_align_up(value, alignment).value_or(value);
}

}  // namespace

Result<V7Reader::Section> V7Reader::header_at(std::uint64_t offset) const {
  FileReader reader(file_, name_, out_.header.order, offset);
  if (reader.remaining() < kSectionHeaderBytes) {
    return reader.error(ErrorCode::kTruncated,
                        fmt::format("{} bytes remain, a section header takes {}",
                                    reader.remaining(), kSectionHeaderBytes));
  }
  Section section;
  section.header = offset;
  VS_ASSIGN(section.id, reader.read<std::uint16_t>("a section header"));
  VS_ASSIGN(section.flags, reader.read<std::uint16_t>("a section header"));
  VS_TRY(reader.skip(4, "a section header"));  // id of the description
  VS_ASSIGN(section.size, reader.read<std::uint64_t>("a section header"));
  section.data = reader.offset();
  return section;
}

Result<V7Reader::Section> V7Reader::section_at(std::uint64_t offset) const {
  VS_ASSIGN(const Section section, header_at(offset));
  std::string fault;
  if (!is_section_id(section.id)) {
    fault = fmt::format("unknown section id {}", section.id);
  } else if (section.flags > 1) {
    fault = fmt::format("section {} has unknown flags {:#x}", section.id, section.flags);
  }
  if (fault.empty()) return section;
  return Error{ErrorCode::kMalformed, fault, report_.place(offset), ""};
}

Result<std::vector<std::byte>> V7Reader::load_packed(const Section& section, FileReader reader) {
  if (section.size < kPackedHeaderBytes) {
    return reader.error(
        ErrorCode::kMalformed,
        fmt::format("section {} of {} bytes has no compression header", section.id, section.size));
  }
  VS_ASSIGN(const std::uint32_t packed, reader.read<std::uint32_t>("a compression header"));
  VS_ASSIGN(const std::uint32_t unpacked, reader.read<std::uint32_t>("a compression header"));
  if (packed > section.size - kPackedHeaderBytes) {
    return reader.error(ErrorCode::kMalformed,
                        fmt::format("{} packed bytes in a section of {}", packed,
                                    section.size - kPackedHeaderBytes));
  }
  const std::string fault = check_sizes(packed, unpacked, limits::kSectionBytes, "kSectionBytes");
  if (!fault.empty())
    return reader.error(ErrorCode::kLimit, fmt::format("section {} {}", section.id, fault));
  if (out_.header.codec == Codec::kNone) {
    return reader.error(
        ErrorCode::kMalformed,
        fmt::format("section {} is packed in a file without compression", section.id));
  }
  VS_ASSIGN(const std::vector<std::byte> bytes,
            reader.read_bytes(packed, limits::kSectionBytes, "kSectionBytes", "a packed section"));
  std::vector<std::byte> out(unpacked);
  const Unpacker::Outcome outcome = unpacker_.unpack(bytes, out);
  if (outcome.fault.empty()) return out;
  // The parts of a section stand one after the other: those before the fault are good.
  report_.add(IssueCode::kBadSection, section.header,
              fmt::format("section {}: {}", section.id, outcome.fault));
  out.resize(outcome.bytes);
  return out;
}

Result<std::vector<std::byte>> V7Reader::load_section(const Section& section) {
  FileReader reader(file_, name_, out_.header.order, section.data);
  if (section.compressed()) return load_packed(section, reader);
  return reader.read_bytes(section.size, limits::kSectionBytes, "kSectionBytes",
                           fmt::format("section {}", section.id));
}

bool V7Reader::follow_chain() {
  std::uint64_t offset = out_.header.options_offset;
  if (offset == 0) {
    report_.add(IssueCode::kMissingIndex, 0,
                "the file names no options section; sections are found by "
                "their headers");
    return false;
  }
  while (offset != 0) {
    if (std::find(seen_options_.begin(), seen_options_.end(), offset) != seen_options_.end()) {
      report_.add(IssueCode::kBadSection, offset, "the options sections form a loop");
      return false;
    }
    const auto section = section_at(offset);
    if (!section.ok() || section->id != option::kDone) {
      const std::string why =
          section.ok() ? fmt::format("section id {}", section->id) : section.error().what;
      report_.add(
          IssueCode::kMissingIndex, offset,
          fmt::format("no options section where the index points ({}); sections are found by "
                      "their headers",
                      why));
      return false;
    }
    const auto next = read_options(*section);
    if (!next) return false;
    offset = *next;
  }
  return true;
}

std::optional<std::uint64_t> V7Reader::read_options(const Section& section) {
  seen_options_.push_back(section.header);
  const auto bytes = load_section(section);
  if (!bytes.ok()) {
    report_.add_at(IssueCode::kBadSection, bytes.error().where, bytes.error().what);
    return std::nullopt;
  }
  const ByteOrder order = out_.header.order;
  ByteCursor cursor(*bytes, order);
  while (option_count_ < limits::kOptions) {
    const std::uint64_t place = section.data + (section.compressed() ? 0 : cursor.offset());
    const auto id = cursor.read<std::uint16_t>();
    const auto size = cursor.read<std::uint32_t>();
    if (!id || !size) {
      report_.add(IssueCode::kBadSection, place, "the options have no DONE");
      return std::nullopt;
    }
    const auto data = cursor.read_bytes(*size);
    if (!data) {
      report_.add(IssueCode::kBadSection, place,
                  fmt::format("{} claims {} bytes, {} remain", option_name(*id), *size,
                              cursor.remaining()));
      return std::nullopt;
    }
    ++option_count_;
    if (*id != option::kDone) {
      take_option(*id, *data, place);
      continue;
    }
    const auto next = load<std::uint64_t>(*data, 0, order);
    if (!next)
      report_.add(IssueCode::kBadSection, place,
                  fmt::format("DONE: {} bytes, at least 8 are needed", *size));
    return next;
  }
  report_.add(IssueCode::kBadSection, section.header,
              fmt::format("more options than the limit kOptions of {}", limits::kOptions));
  return std::nullopt;
}

void V7Reader::take_option(std::uint16_t id, Bytes data, std::uint64_t place) {
  const auto complain = [&](const std::string& what) {
    report_.add(IssueCode::kBadSection, place, fmt::format("{}: {}", option_name(id), what));
  };
  if (id == option::kBuffer) return take_buffer(data, place);
  if (id == option::kBufferText) {
    report_.add(IssueCode::kMissingStream, place,
                "a buffer holds the text of a latency tracer and no events");
    return;
  }
  if (id >= option::kHeaderInfo && id <= option::kCmdlines) {
    const auto offset = load<std::uint64_t>(data, 0, out_.header.order);
    if (!offset) return complain(fmt::format("{} bytes, at least 8 are needed", data.size()));
    pointers_[id] = *offset;
    return;
  }
  const Status status = apply_option(id, data, out_.header.order, out_.options);
  if (!status.ok()) complain(status.error().what);
}

void V7Reader::take_buffer(Bytes data, std::uint64_t place) {
  auto buffer = parse_buffer_option(data, out_.header.order);
  if (!buffer.ok()) {
    buffer_lost_ = true;
    report_.add(IssueCode::kBadSection, place, fmt::format("BUFFER: {}", buffer.error().what));
    return;
  }
  const auto section = section_at(buffer->place);
  if (section.ok() && section->id == kFlyrecordSection) {
    buffer->compressed = section->compressed();
    clip_regions(*section, *buffer);
  } else {
    const std::string why =
        section.ok() ? fmt::format("section id {}", section->id) : section.error().what;
    report_.add(IssueCode::kBadSection, buffer->place,
                fmt::format("no section of CPU data for a buffer ({})", why));
    buffer->compressed = out_.header.codec != Codec::kNone;
  }
  // The size in the table leaves out the count of chunks in front of them.
  for (CpuRegion& region : buffer->cpus) {
    if (buffer->compressed && region.size != 0) {
      region.size =
          checked_add<std::uint64_t>(region.size, sizeof(std::uint32_t)).value_or(region.size);
    }
  }
  out_.buffers.push_back(std::move(*buffer));
}

/// CPU data lie inside their section; a size that passes its end is cut to it.
void V7Reader::clip_regions(const Section& section, Buffer& buffer) {
  if (section.size == 0 || section.size > UINT64_MAX - section.data) return;
  const std::uint64_t end = section.data + section.size;
  for (CpuRegion& region : buffer.cpus) {
    if (region.offset < section.data || region.offset >= end) continue;
    if (region.size <= end - region.offset) continue;
    report_.add(IssueCode::kBadSection, region.offset,
                fmt::format("{} bytes of CPU data, {} remain in their section", region.size,
                            end - region.offset),
                fmt::format("cpu {}", region.cpu));
    region.size = end - region.offset;
  }
}

void V7Reader::scan() {
  if (scanned_) return;
  scanned_ = true;
  std::uint64_t offset = out_.header.end;
  while (offset < file_.size() && file_.size() - offset >= kSectionHeaderBytes) {
    const auto section = header_at(offset);
    if (!section.ok()) break;
    const auto known = section_at(offset);
    const bool fits = section->size <= file_.size() - section->data;
    if (!known.ok()) {
      report_.add_at(IssueCode::kBadSection, known.error().where, known.error().what);
      // A section of a kind that we do not know is stepped over; anything else is no section.
      if (!fits || section->size == 0) break;
      offset = section->data + section->size;
      continue;
    }
    sections_.push_back(*section);
    // A section of size 0 was never finished; nothing was written after it.
    if (section->size == 0 && section->id == kFlyrecordSection) break;
    if (!fits) {
      report_cut(*section);
      break;
    }
    offset = section->data + section->size;
  }
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    const Section section = sections_[i];
    const bool seen = std::find(seen_options_.begin(), seen_options_.end(), section.header) !=
                      seen_options_.end();
    if (section.id == option::kDone && !seen) (void)read_options(section);
  }
}

void V7Reader::report_cut(const Section& section) {
  report_.add(
      IssueCode::kTruncatedFile, file_.size(),
      fmt::format("section {} at byte {} lacks {} of its {} bytes", section.id, section.header,
                  section.size - (file_.size() - section.data), section.size));
}

/// The last sections hold names that nothing above may need, so a cut there shows only here.
void V7Reader::check_end() {
  std::uint64_t offset = out_.header.end;
  while (offset < file_.size()) {
    const auto section = section_at(offset);
    if (!section.ok()) {
      if (section.error().code != ErrorCode::kTruncated) return;
      report_.add(IssueCode::kTruncatedFile, offset, section.error().what);
      return;
    }
    if (section->size == 0) return;
    if (section->size > file_.size() - section->data) return report_cut(*section);
    offset = section->data + section->size;
  }
}

std::optional<V7Reader::Section> V7Reader::find(std::uint16_t id) {
  if (pointers_[id] != 0) {
    const auto section = section_at(pointers_[id]);
    if (section.ok() && section->id == id) return *section;
    report_.add(IssueCode::kBadSection, pointers_[id],
                fmt::format("{} points to no such section ({})", option_name(id),
                            section.ok() ? fmt::format("section id {}", section->id)
                                         : section.error().what));
    scan();
  }
  for (const Section& section : sections_) {
    if (section.id == id) return section;
  }
  return std::nullopt;
}

void V7Reader::read_part(std::uint16_t id, PartReader part, std::string_view missing) {
  const auto section = find(id);
  if (!section) {
    if (!missing.empty()) report_.add(IssueCode::kBadSection, 0, std::string(missing));
    return;
  }
  Status status;
  if (section->compressed()) {
    const auto bytes = load_section(*section);
    if (bytes.ok()) {
      const MemorySection memory(*bytes);
      FileReader reader(memory, report_.place(section->header, "unpacked"), out_.header.order, 0);
      status = part(reader, out_);
    } else {
      status = bytes.error();
    }
  } else {
    FileReader reader(file_, name_, out_.header.order, section->data);
    if (section->size > reader.remaining()) {
      report_.add(IssueCode::kBadSection, section->header,
                  fmt::format("section {} claims {} bytes, {} remain", section->id, section->size,
                              reader.remaining()));
    }
    status = part(reader, out_);
  }
  if (!status.ok())
    report_.add_at(IssueCode::kBadSection, status.error().where, status.error().what);
}

void V7Reader::read() {
  const bool whole = follow_chain();
  const bool searched = whole && !buffer_lost_ && out_.buffers.empty();
  if (!whole || buffer_lost_ || searched) scan();
  if (!scanned_) check_end();
  if (searched && !out_.buffers.empty()) {
    report_.add(
        IssueCode::kMissingIndex, out_.header.options_offset,
        "the chain of options ends before the CPU data; sections are found by their headers");
  }
  read_part(option::kHeaderInfo, read_header_info, "no page header format; the usual one is taken");
  read_part(option::kFtraceEvents, read_ftrace_formats, "");
  read_part(option::kEventFormats, read_event_formats, "no event formats: events cannot be named");
  read_part(option::kCmdlines, read_cmdlines, "");
  if (scanned_) recover_buffers();
  if (out_.buffers.empty()) {
    report_.add(IssueCode::kMissingStream, file_.size(), "the file holds no CPU data");
  }
}

std::uint32_t V7Reader::cpu_limit() const { return out_.options.cpu_count.value_or(limits::kCpus); }

/// End of the chunks that begin at `offset`: after the last one whose header makes sense.
std::uint64_t V7Reader::walk_chunks(std::uint64_t offset, std::uint64_t end) const {
  FileReader reader(file_, name_, out_.header.order, offset);
  const auto count = reader.read<std::uint32_t>("a chunk count");
  if (!count.ok()) return offset;
  std::uint64_t at = reader.offset();
  // A count of 0 was never filled in: the recorder ended while it wrote these chunks.
  for (std::uint64_t i = 0; (i < *count || *count == 0) && at < end; ++i) {
    reader.seek(at);
    const auto packed = reader.read<std::uint32_t>("a chunk header");
    const auto unpacked = reader.read<std::uint32_t>("a chunk header");
    if (!packed.ok() || !unpacked.ok()) break;
    if (!check_sizes(*packed, *unpacked, limits::kChunkBytes, "kChunkBytes").empty()) break;
    at = reader.offset() + *packed;
    if (at >= end) return end;  // the cut chunk
  }
  return at == offset + sizeof(std::uint32_t) ? offset : std::min(at, end);
}

void V7Reader::recover_packed(const Section& section, std::uint64_t end, Buffer& buffer) {
  std::uint64_t at = align_up(section.data, out_.header.page_size);
  while (at < end && buffer.cpus.size() < cpu_limit()) {
    const std::uint64_t region_end = walk_chunks(at, end);
    if (region_end == at) break;
    buffer.cpus.push_back(
        {static_cast<std::uint32_t>(buffer.cpus.size()), at, region_end - at, false});
    at = align_up(region_end, out_.header.page_size);
  }
}

/// Plain pages of all CPUs follow each other without a mark; a new CPU begins where time goes back.
void V7Reader::recover_plain(const Section& section, std::uint64_t end, Buffer& buffer) {
  const std::uint64_t page_size = out_.header.page_size;
  std::uint64_t begin = align_up(section.data, page_size);
  std::uint64_t last = 0;
  const auto finish = [&](std::uint64_t at) {
    if (at > begin)
      buffer.cpus.push_back(
          {static_cast<std::uint32_t>(buffer.cpus.size()), begin, at - begin, false});
    begin = at;
  };
  for (std::uint64_t at = begin; at < end; at += page_size) {
    FileReader reader(file_, name_, out_.header.order, at);
    const auto time = reader.read<std::uint64_t>("a page header");
    if (!time.ok()) break;
    if (*time < last && buffer.cpus.size() + 1 < cpu_limit()) finish(at);
    last = *time;
  }
  finish(end);
}

void V7Reader::recover_buffers() {
  for (const Section& section : sections_) {
    if (section.id != kFlyrecordSection) continue;
    std::uint64_t end = file_.size();
    if (section.size != 0 && section.size < end - section.data) end = section.data + section.size;
    const auto inside = [&](const CpuRegion& region) {
      return region.offset >= section.data && region.offset < end;
    };
    const bool known =
        std::any_of(out_.buffers.begin(), out_.buffers.end(), [&](const Buffer& buffer) {
          return buffer.place == section.header ||
                 std::any_of(buffer.cpus.begin(), buffer.cpus.end(), inside);
        });
    if (known) continue;
    Buffer buffer;
    buffer.place = section.header;
    buffer.compressed = section.compressed();
    if (!out_.buffers.empty()) buffer.name = fmt::format("recovered-{}", out_.buffers.size());
    if (buffer.compressed) {
      recover_packed(section, end, buffer);
    } else {
      recover_plain(section, end, buffer);
    }
    const bool cut = section.size == 0 || section.size > end - section.data;
    if (!buffer.cpus.empty()) buffer.cpus.back().open_end = cut;
    report_.add(
        IssueCode::kMissingIndex, section.header,
        fmt::format(
            "the table of this buffer's CPUs is missing; the data of {} CPUs were found and "
            "numbered in their order",
            buffer.cpus.size()));
    out_.buffers.push_back(std::move(buffer));
  }
}

}  // namespace vs::reader::ftrace
