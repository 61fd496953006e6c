#include "reader/ftrace/container.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/limits.h"
#include "base/strings.h"
#include "reader/ftrace/container_v7.h"
#include "reader/ftrace/file_reader.h"
#include "reader/ftrace/metadata.h"
#include "reader/ftrace/options.h"

namespace vs::reader::ftrace {
namespace {

using model::IssueCode;

constexpr std::string_view kMagic =
    "\x17\x08"
    "Dtracing";
constexpr std::size_t kVersionTextLimit = 8;
constexpr std::size_t kCodecTextLimit = 64;
constexpr std::size_t kKindBytes = 10;  ///< "options  \0"

struct V6Instance {
  std::uint64_t offset = 0;
  std::string name;
  std::optional<std::uint32_t> cpu_count;
};

class V6Reader {
 public:
  V6Reader(const os::File& file, const std::string& name, const Reporter& report, Container& out)
      : report_(report), out_(out), reader_(file, name, out.header.order, out.header.end) {}

  Status read();

 private:
  Result<std::string> read_kind();
  Status read_options();
  Status take_option(std::uint16_t id, Bytes data, std::uint64_t place);
  Status read_table(std::uint32_t cpus, std::string name);
  void read_table_clock(Buffer& buffer);
  void read_instances();

  const Reporter& report_;
  Container& out_;
  FileReader reader_;
  std::uint32_t cpus_ = 0;
  std::vector<V6Instance> instances_;
};

Result<std::string> V6Reader::read_kind() {
  VS_ASSIGN(const std::vector<std::byte> bytes,
            reader_.read_bytes(kKindBytes, kKindBytes, "", "the kind of the trace data"));
  return std::string(trim(option_text(bytes)));
}

Status V6Reader::take_option(std::uint16_t id, Bytes data, std::uint64_t place) {
  if (id == option::kBuffer) {
    ByteCursor cursor(data, out_.header.order);
    const auto offset = cursor.read<std::uint64_t>();
    const auto name = cursor.read_c_string();
    if (!offset || !name) {
      report_.add(IssueCode::kBadSection, place, "BUFFER: the buffer's name has no end");
      return {};
    }
    instances_.push_back({*offset, std::string(*name), std::nullopt});
    return {};
  }
  const Status status = apply_option(id, data, out_.header.order, out_.options);
  if (!status.ok()) {
    report_.add(IssueCode::kBadSection, place,
                fmt::format("{}: {}", option_name(id), status.error().what));
  } else if (id == option::kCpuCount && !instances_.empty()) {
    instances_.back().cpu_count = out_.options.cpu_count;
  }
  return {};
}

Status V6Reader::read_options() {
  for (std::size_t count = 0; count < limits::kOptions; ++count) {
    const std::uint64_t place = reader_.offset();
    VS_ASSIGN(const std::uint16_t id, reader_.read<std::uint16_t>("an option"));
    if (id == option::kDone) return {};
    VS_ASSIGN(const std::uint32_t size, reader_.read<std::uint32_t>("an option"));
    VS_ASSIGN(const std::vector<std::byte> data,
              reader_.read_bytes(size, limits::kSectionBytes, "kSectionBytes", option_name(id)));
    VS_TRY(take_option(id, data, place));
  }
  return reader_.error(ErrorCode::kLimit,
                       fmt::format("more options than the limit kOptions of {}", limits::kOptions));
}

/// Newer trace-cmd writes the buffer's clock behind its table; older files have padding or pages
/// there.
void V6Reader::read_table_clock(Buffer& buffer) {
  constexpr std::uint64_t kClockLimit = 1024;
  std::uint64_t first = UINT64_MAX;
  for (const CpuRegion& region : buffer.cpus) {
    if (region.size != 0) first = std::min(first, region.offset);
  }
  const std::uint64_t at = reader_.offset();
  if (first < at || first - at < 8) return;
  const auto size = reader_.read<std::uint64_t>("a clock");
  if (!size.ok() || *size == 0 || *size > kClockLimit || *size > first - at - 8) return;
  const auto text = reader_.read_bytes(*size, kClockLimit, "", "a clock");
  if (text.ok()) buffer.clock = option_text(*text);
}

Status V6Reader::read_table(std::uint32_t cpus, std::string name) {
  Buffer buffer;
  buffer.name = std::move(name);
  buffer.place = reader_.offset();
  if (cpus > limits::kCpus) {
    return reader_.error(ErrorCode::kLimit, fmt::format("{} CPUs, more than the limit kCpus of {}",
                                                        cpus, limits::kCpus));
  }
  for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
    CpuRegion region;
    region.cpu = cpu;
    VS_ASSIGN(region.offset, reader_.read<std::uint64_t>("the table of CPU data"));
    VS_ASSIGN(region.size, reader_.read<std::uint64_t>("the table of CPU data"));
    buffer.cpus.push_back(region);
  }
  read_table_clock(buffer);
  out_.buffers.push_back(std::move(buffer));
  return {};
}

void V6Reader::read_instances() {
  for (V6Instance& instance : instances_) {
    reader_.seek(instance.offset);
    const auto kind = read_kind();
    if (!kind.ok() || *kind != "flyrecord") {
      report_.add(IssueCode::kBadSection, instance.offset,
                  fmt::format("no table of CPU data for buffer '{}'", instance.name));
      continue;
    }
    const Status status = read_table(instance.cpu_count.value_or(cpus_), instance.name);
    if (!status.ok())
      report_.add_at(IssueCode::kBadSection, status.error().where, status.error().what);
  }
}

Status V6Reader::read() {
  VS_TRY(read_header_info(reader_, out_));
  VS_TRY(read_ftrace_formats(reader_, out_));
  VS_TRY(read_event_formats(reader_, out_));
  VS_TRY(skip_text(reader_, "kallsyms"));
  VS_TRY(skip_text(reader_, "printk formats"));
  VS_TRY(read_cmdlines(reader_, out_));
  VS_ASSIGN(cpus_, reader_.read<std::uint32_t>("the number of CPUs"));
  VS_ASSIGN(std::string kind, read_kind());
  if (kind == "options") {
    VS_TRY(read_options());
    VS_ASSIGN(kind, read_kind());
  }
  if (kind == "latency") {
    report_.add(IssueCode::kMissingStream, reader_.offset() - kKindBytes,
                "the trace holds the text of a latency tracer and no events");
    return {};
  }
  if (kind != "flyrecord") {
    reader_.seek(reader_.offset() - kKindBytes);
    return reader_.error(ErrorCode::kMalformed, "'options', 'latency' or 'flyrecord' expected");
  }
  VS_TRY(read_table(cpus_, ""));
  read_instances();
  return {};
}

Error malformed_header(const std::string& name, std::uint64_t offset, std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what), fmt::format("{}:{}", name, offset), ""};
}

Status read_version(FileReader& reader, const std::string& name, FileHeader& header) {
  const std::uint64_t at = reader.offset();
  VS_ASSIGN(const std::string text, reader.read_c_string(kVersionTextLimit, "the version"));
  const auto version = parse_int<std::uint32_t>(text);
  if (!version) return malformed_header(name, at, "the version is not a number");
  if (*version != 6 && *version != 7) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("version {} is not known, 6 and 7 are", *version),
                 fmt::format("{}:{}", name, at), ""};
  }
  header.version = *version;
  return {};
}

Status read_codec(FileReader& reader, const std::string& name, FileHeader& header) {
  const std::uint64_t at = reader.offset();
  VS_ASSIGN(const std::string text,
            reader.read_c_string(kCodecTextLimit, "the compression's name"));
  VS_TRY(reader.read_c_string(kCodecTextLimit, "the compression's version"));
  const auto codec = codec_of(text);
  if (!codec) {
    return Error{ErrorCode::kUnsupported, "the compression is not known; none, zstd and zlib are",
                 fmt::format("{}:{}", name, at), ""};
  }
  header.codec = *codec;
  VS_ASSIGN(header.options_offset, reader.read<std::uint64_t>("the first options' offset"));
  return {};
}

}  // namespace

Result<FileHeader> read_file_header(const os::File& file, const std::string& name) {
  FileHeader header;
  FileReader start(file, name, ByteOrder::kLittle, 0);
  VS_ASSIGN(const std::vector<std::byte> magic,
            start.read_bytes(kMagic.size(), kMagic.size(), "", "the magic number"));
  if (as_text(magic) != kMagic) return malformed_header(name, 0, "not a trace.dat file");
  VS_TRY(read_version(start, name, header));
  const std::uint64_t at = start.offset();
  VS_ASSIGN(const std::uint8_t endian, start.read<std::uint8_t>("the byte order"));
  VS_ASSIGN(const std::uint8_t long_size, start.read<std::uint8_t>("the long size"));
  if (endian > 1)
    return malformed_header(name, at, fmt::format("byte order {}, 0 or 1 expected", endian));
  if (long_size != 4 && long_size != 8) {
    return malformed_header(name, at + 1, fmt::format("long size {}, 4 or 8 expected", long_size));
  }
  header.order = endian == 0 ? ByteOrder::kLittle : ByteOrder::kBig;
  header.long_size = long_size;
  FileReader reader(file, name, header.order, start.offset());
  VS_ASSIGN(header.page_size, reader.read<std::uint32_t>("the page size"));
  if (!std::has_single_bit(header.page_size) || header.page_size > limits::kSubBufferBytes) {
    return malformed_header(
        name, at + 2,
        fmt::format("page size {}, a power of two up to kSubBufferBytes ({}) expected",
                    header.page_size, limits::kSubBufferBytes));
  }
  if (header.version == 7) VS_TRY(read_codec(reader, name, header));
  header.end = reader.offset();
  return header;
}

Result<Container> read_container(const os::File& file, const std::string& name,
                                 const Reporter& report) {
  Container out;
  VS_ASSIGN(out.header, read_file_header(file, name));
  if (out.header.version == 6) {
    VS_TRY(V6Reader(file, name, report, out).read());
  } else {
    V7Reader(file, name, report, out).read();
  }
  return out;
}

}  // namespace vs::reader::ftrace
