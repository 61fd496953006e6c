// trace.dat, versions 6 and 7: texts and options are written anew at their new places, pages moved
// on. The format is described in docs/formats/trace-dat.md.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <string_view>
#include <utility>
#include <vector>

#include "model/issue.h"
#include "multiply/dat_pages.h"
#include "multiply/files.h"
#include "multiply/multiply.h"
#include "os/file.h"
#include "reader/ftrace/container.h"
#include "reader/ftrace/file_reader.h"
#include "reader/ftrace/metadata.h"
#include "reader/ftrace/options.h"

namespace vs::bench {
namespace {

namespace ftrace = reader::ftrace;
namespace option = reader::ftrace::option;

constexpr std::size_t kSectionHeaderBytes = 16;
constexpr std::uint16_t kBufferSection = 3;
constexpr std::string_view kOptionsKind("options  \0", 10);
constexpr std::string_view kFlyrecordKind("flyrecord\0", 10);

/// Little-endian numbers one behind the other.
class Block {
 public:
  template <std::unsigned_integral T>
  Block& put(T value) {
    const auto wide = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<std::byte>(wide >> (8 * i)));
    }
    return *this;
  }
  Block& put(Bytes bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Block& text(std::string_view value) {
    put(as_bytes(value));
    return put<std::uint8_t>(0);
  }
  [[nodiscard]] Bytes bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Option {
  std::uint16_t id = 0;
  std::vector<std::byte> data;
};

/// "entries: 105389" in CPUSTAT: totals of the whole trace.
std::string scaled_statistics(std::string_view text, const MultiplyOptions& options,
                              std::uint64_t period) {
  constexpr std::array<std::string_view, 6> kTotals = {
      "entries", "overrun", "commit overrun", "bytes", "dropped events", "read events"};
  std::string out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const bool last = line.size() == text.size();
    text.remove_prefix(last ? line.size() : line.size() + 1);
    const std::size_t colon = line.find(": ");
    std::uint64_t value = 0;
    const std::string_view name = line.substr(0, colon);
    const bool number =
        colon != std::string_view::npos &&
        std::from_chars(line.data() + colon + 2, line.data() + line.size(), value).ec ==
            std::errc{} &&
        line.find('.') == std::string_view::npos;
    if (number && std::find(kTotals.begin(), kTotals.end(), name) != kTotals.end()) {
      out += fmt::format("{}: {}", name, value * options.copies);
    } else if (number && name == "now ts") {
      out += fmt::format("{}: {}", name, value + period * (options.copies - 1));
    } else {
      out += line;
    }
    if (!last) out += '\n';
  }
  return out;
}

class DatMultiplier {
 public:
  DatMultiplier(const MultiplyOptions& options, const os::File& file, MappedFile map,
                ftrace::Container container)
      : options_(options), file_(file), map_(std::move(map)), container_(std::move(container)) {}

  Result<MultiplyResult> run() {
    VS_TRY(check_kind());
    VS_TRY(survey());
    if (options_.copies == 0) return result_;
    VS_TRY(container_.header.version == 7 ? write_v7() : write_v6());
    return result_;
  }

 private:
  Error refuse(std::string what, ErrorCode code = ErrorCode::kUnsupported) const {
    return Error{code, std::move(what), options_.in, ""};
  }

  /// Only what trace-cmd writes on 64-bit little-endian machines.
  Status check_kind() {
    const ftrace::FileHeader& header = container_.header;
    if (header.order != ByteOrder::kLittle || header.long_size != 8 ||
        container_.header_page.find("offset:16;") == std::string::npos) {
      return refuse("not of a 64-bit little-endian machine");
    }
    if (container_.buffers.empty()) return refuse("no pages", ErrorCode::kMalformed);
    if (header.version == 6 && container_.buffers.size() != 1) {
      return refuse("several buffers in a file of version 6");
    }
    return {};
  }

  [[nodiscard]] PageFormat format_of(const ftrace::Buffer& buffer) const {
    return {buffer.page_size != 0 ? buffer.page_size : container_.header.page_size,
            container_.header.codec};
  }
  Result<CpuPages> pages_of(const ftrace::Buffer& buffer, const ftrace::CpuRegion& region) const {
    const auto bytes = slice(map_.bytes(), static_cast<std::size_t>(region.offset),
                             static_cast<std::size_t>(region.size));
    CpuPages out{{}, buffer.compressed, fmt::format("{} cpu {}", options_.in, region.cpu)};
    if (!bytes || region.open_end) {
      return Error{ErrorCode::kTruncated, "the file ends inside the pages of this CPU", out.place,
                   "a damaged trace cannot be multiplied"};
    }
    out.bytes = *bytes;
    return out;
  }

  Status survey() {
    for (const ftrace::FormatText& format : container_.formats) fields_.add_format(format.text);
    CpuSurvey all;
    CpuSurvey::Fit fit;
    for (const ftrace::Buffer& buffer : container_.buffers) {
      for (const ftrace::CpuRegion& region : buffer.cpus) {
        if (region.size == 0) continue;
        VS_ASSIGN(const CpuPages pages, pages_of(buffer, region));
        VS_TRY(survey_cpu(pages, format_of(buffer), fields_, all, fit));
      }
    }
    if (all.span.events == 0) return refuse("the trace has no events", ErrorCode::kMalformed);
    result_.span = all.span;
    result_.period = options_.period.value_or(all.span.period());
    if (result_.period <= all.span.end - all.span.begin) {
      return refuse(fmt::format("a period of {} is shorter than the trace with {}", result_.period,
                                all.span.end - all.span.begin),
                    ErrorCode::kBadUse);
    }
    set_steps(fit);
    return {};
  }

  void set_steps(const CpuSurvey::Fit& fit) {
    const auto period = static_cast<double>(result_.period);
    const bool ticks = clock().find("x86-tsc") != std::string::npos;
    steps_[Moves::kTime] = result_.period;
    if (ticks) {
      const double ns_per_tick = options_.tsc_hz ? 1e9 / *options_.tsc_hz : fit.slope();
      steps_[Moves::kTsc] = result_.period;
      steps_[Moves::kNs] = static_cast<std::uint64_t>(period * ns_per_tick);
    } else {
      steps_[Moves::kNs] = result_.period;
      if (options_.tsc_hz) {
        steps_[Moves::kTsc] = static_cast<std::uint64_t>(period * *options_.tsc_hz / 1e9);
      }
    }
  }
  /// The first buffer's clock, or the one in brackets of the clock list.
  [[nodiscard]] std::string clock() const {
    const std::string& stated = container_.buffers[0].clock;
    if (!stated.empty()) return stated;
    const std::string& list = container_.options.clock_text;
    const std::size_t begin = list.find('[');
    return begin == std::string::npos ? "" : list.substr(begin, list.find(']') - begin);
  }

  /// Writes every copy of a CPU's pages; `size` is what the file's table calls its size.
  Status write_cpu(const ftrace::Buffer& buffer, const ftrace::CpuRegion& region, OutFile& out,
                   std::uint64_t& size) {
    const PageFormat format = format_of(buffer);
    const bool pack = buffer.compressed && !options_.plain;
    VS_ASSIGN(const CpuPages pages, pages_of(buffer, region));
    std::uint32_t chunks = 0;
    const std::uint64_t begin = out.size();
    if (pack) VS_TRY(out.append(Block().put(chunks).bytes()));
    PageRuns runs(format);
    std::vector<std::byte> page(format.page_bytes + kPatchRoom);
    for (std::uint64_t k = 0; k < options_.copies; ++k) {
      bool seam = k != 0 && options_.seam_loss;
      VS_TRY(runs.read(pages, [&](std::span<std::byte> run) -> Status {
        for (std::size_t at = 0; at < run.size(); at += format.page_bytes) {
          const auto from = run.subspan(at, format.page_bytes);
          std::copy(from.begin(), from.end(), page.begin());
          move_page(page, fields_, steps_, k);
          if (std::exchange(seam, false)) mark_lost(page);
          std::copy_n(page.begin(), from.size(), from.begin());
        }
        ++chunks;
        return pack ? runs.append_packed(run, out) : out.append(run);
      }));
    }
    if (pack) VS_TRY(out.overwrite(begin, Block().put(chunks).bytes()));
    size = out.size() - begin - (pack ? sizeof chunks : 0);
    result_.bytes += size;
    return {};
  }

  // -- version 7

  struct Section {
    std::uint16_t id = 0;
    std::uint16_t flags = 0;
    std::uint32_t description = 0;
    Bytes data;
  };
  Result<Section> section_at(std::uint64_t offset) const {
    const Bytes file = map_.bytes();
    const auto at = static_cast<std::size_t>(offset);
    const auto header = slice(file, at, kSectionHeaderBytes);
    if (!header) return refuse(fmt::format("no section at {}", offset), ErrorCode::kMalformed);
    Section out;
    out.id = load_unchecked<std::uint16_t>(*header, 0, ByteOrder::kLittle);
    out.flags = load_unchecked<std::uint16_t>(*header, 2, ByteOrder::kLittle);
    out.description = load_unchecked<std::uint32_t>(*header, 4, ByteOrder::kLittle);
    const auto size = load_unchecked<std::uint64_t>(*header, 8, ByteOrder::kLittle);
    const auto data = slice(file, at + kSectionHeaderBytes, static_cast<std::size_t>(size));
    if (!data) return refuse(fmt::format("section at {} is cut", offset), ErrorCode::kTruncated);
    out.data = *data;
    return out;
  }
  static Bytes section_header(Block& block, const Section& section, std::uint64_t size) {
    return block.put(section.id).put(section.flags).put(section.description).put(size).bytes();
  }

  /// All options of the chain, DONE left out.
  Result<std::vector<Option>> read_options() const {
    std::vector<Option> out;
    std::uint64_t offset = container_.header.options_offset;
    for (int sections = 0; offset != 0 && sections < 1000; ++sections) {
      VS_ASSIGN(const Section section, section_at(offset));
      if (section.flags != 0) return refuse("packed options");
      ByteCursor cursor(section.data, ByteOrder::kLittle);
      offset = 0;
      while (!cursor.at_end()) {
        const auto id = cursor.read<std::uint16_t>();
        const auto size = cursor.read<std::uint32_t>();
        const auto data = size ? cursor.read_bytes(*size) : std::nullopt;
        if (!id || !data) return refuse("broken options", ErrorCode::kMalformed);
        if (*id == option::kDone) {
          offset = load<std::uint64_t>(*data, 0, ByteOrder::kLittle).value_or(0);
          break;
        }
        out.push_back({*id, {data->begin(), data->end()}});
      }
    }
    return out;
  }

  Status write_v7() {
    VS_ASSIGN(std::vector<Option> options, read_options());
    VS_ASSIGN(OutFile out, OutFile::create(options_.out));
    const auto head = static_cast<std::size_t>(container_.header.end);
    VS_TRY(out.append(map_.bytes().first(head)));
    std::size_t buffer = 0;
    for (Option& option : options) {
      if (option.id == option::kBufferText) return refuse("the text of a latency tracer");
      if (option.id == option::kBuffer) {
        if (buffer == container_.buffers.size()) return refuse("broken buffers");
        VS_TRY(write_buffer(container_.buffers[buffer++], option, out));
      } else if (option.id == option::kCpuStat) {
        const std::string text = scaled_statistics(as_text(option.data), options_, result_.period);
        option.data.assign(as_bytes(text).begin(), as_bytes(text).end());
      } else if (option.id >= option::kStrings && option.data.size() >= 8) {
        VS_TRY(copy_section(option, out));
      }
    }
    const std::uint64_t place = out.size();
    Block body;
    for (const Option& option : options) {
      body.put(option.id).put(static_cast<std::uint32_t>(option.data.size())).put(option.data);
    }
    body.put(std::uint16_t{option::kDone}).put(std::uint32_t{8}).put(std::uint64_t{0});
    Block header;
    VS_TRY(out.append(section_header(header, Section{}, body.bytes().size())));
    VS_TRY(out.append(body.bytes()));
    VS_TRY(out.overwrite(head - sizeof place, Block().put(place).bytes()));
    return out.close();
  }

  /// The section that an option points to goes to the output's end, and the option with it.
  Status copy_section(Option& option, OutFile& out) const {
    const auto offset = load_unchecked<std::uint64_t>(option.data, 0, ByteOrder::kLittle);
    VS_ASSIGN(const Section section, section_at(offset));
    const std::uint64_t place = out.size();
    Block header;
    VS_TRY(out.append(section_header(header, section, section.data.size())));
    VS_TRY(out.append(section.data));
    const Block moved = Block().put(place);
    std::copy(moved.bytes().begin(), moved.bytes().end(), option.data.begin());
    return {};
  }

  Status write_buffer(const ftrace::Buffer& buffer, Option& option, OutFile& out) {
    VS_ASSIGN(Section section, section_at(buffer.place));
    if (section.id != kBufferSection) return refuse("broken buffers", ErrorCode::kMalformed);
    const bool pack = buffer.compressed && !options_.plain;
    section.flags = pack ? section.flags : 0;
    const std::uint64_t place = out.size();
    Block empty;
    VS_TRY(out.append(section_header(empty, section, 0)));
    const std::uint64_t data = out.size();
    Block table;
    table.put(place).text(buffer.name).text(buffer.clock);
    table.put(buffer.page_size).put(static_cast<std::uint32_t>(buffer.cpus.size()));
    for (const ftrace::CpuRegion& region : buffer.cpus) {
      if (!pack) VS_TRY(out.align(container_.header.page_size));
      const std::uint64_t offset = out.size();
      std::uint64_t size = 0;
      if (region.size != 0) VS_TRY(write_cpu(buffer, region, out, size));
      table.put(region.cpu).put(offset).put(size);
    }
    Block full;
    VS_TRY(out.overwrite(place, section_header(full, section, out.size() - data)));
    option.data.assign(table.bytes().begin(), table.bytes().end());
    return {};
  }

  // -- version 6

  /// Where the options begin: behind the texts and the number of CPUs.
  Result<std::uint64_t> options_place(std::vector<Option>& options, std::uint32_t& cpus) const {
    ftrace::FileReader reader(file_, options_.in, ByteOrder::kLittle, container_.header.end);
    ftrace::Container scratch;
    VS_TRY(ftrace::read_header_info(reader, scratch));
    VS_TRY(ftrace::read_ftrace_formats(reader, scratch));
    VS_TRY(ftrace::read_event_formats(reader, scratch));
    VS_TRY(ftrace::skip_text(reader, "kallsyms"));
    VS_TRY(ftrace::skip_text(reader, "printk formats"));
    VS_TRY(ftrace::read_cmdlines(reader, scratch));
    VS_ASSIGN(cpus, reader.read<std::uint32_t>("the number of CPUs"));
    const std::uint64_t place = reader.offset();
    VS_ASSIGN(const std::vector<std::byte> kind, reader.read_bytes(10, 10, "", "a kind"));
    if (as_text(kind) != kOptionsKind) return place;
    for (;;) {
      VS_ASSIGN(const std::uint16_t id, reader.read<std::uint16_t>("an option"));
      if (id == option::kDone) return place;
      VS_ASSIGN(const std::uint32_t size, reader.read<std::uint32_t>("an option"));
      VS_ASSIGN(std::vector<std::byte> data,
                reader.read_bytes(size, 1U << 28, "256 MiB", "an option"));
      options.push_back({id, std::move(data)});
    }
  }

  Status write_v6() {
    std::vector<Option> options;
    std::uint32_t cpus = 0;
    VS_ASSIGN(const std::uint64_t place, options_place(options, cpus));
    const ftrace::Buffer& buffer = container_.buffers[0];
    if (buffer.cpus.size() != cpus) return refuse("broken buffers", ErrorCode::kMalformed);
    VS_ASSIGN(OutFile out, OutFile::create(options_.out));
    VS_TRY(out.append(map_.bytes().first(static_cast<std::size_t>(place))));
    Block block;
    block.put(as_bytes(kOptionsKind));
    for (const Option& option : options) {
      if (option.id == option::kBuffer) return refuse("named buffers in a file of version 6");
      std::string text;
      Bytes data = option.data;
      if (option.id == option::kCpuStat) {
        text = scaled_statistics(as_text(option.data), options_, result_.period);
        data = as_bytes(text);
      }
      block.put(option.id).put(static_cast<std::uint32_t>(data.size())).put(data);
    }
    block.put(std::uint16_t{option::kDone}).put(as_bytes(kFlyrecordKind));
    VS_TRY(out.append(block.bytes()));
    return write_v6_pages(buffer, out);
  }

  Status write_v6_pages(const ftrace::Buffer& buffer, OutFile& out) {
    const std::uint64_t table_place = out.size();
    Block empty;
    for (std::size_t i = 0; i < buffer.cpus.size(); ++i) {
      empty.put(std::uint64_t{0}).put(std::uint64_t{0});
    }
    if (!buffer.clock.empty()) {
      const std::string text = fmt::format("[{}]", buffer.clock);
      empty.put(std::uint64_t{text.size() + 1}).text(text);
    }
    VS_TRY(out.append(empty.bytes()));
    Block table;
    for (const ftrace::CpuRegion& region : buffer.cpus) {
      VS_TRY(out.align(container_.header.page_size));
      const std::uint64_t offset = out.size();
      std::uint64_t size = 0;
      if (region.size != 0) VS_TRY(write_cpu(buffer, region, out, size));
      table.put(offset).put(size);
    }
    VS_TRY(out.overwrite(table_place, table.bytes()));
    return out.close();
  }

  const MultiplyOptions& options_;
  const os::File& file_;
  const MappedFile map_;
  const ftrace::Container container_;
  FieldMoves fields_;
  Steps steps_;
  MultiplyResult result_;
};

}  // namespace

Result<MultiplyResult> multiply_dat(const MultiplyOptions& options) {
  VS_ASSIGN(const auto file, os::real_files().open(options.in));
  model::IssueLog issues;
  const ftrace::Reporter reporter(issues, options.in, options.in);
  VS_ASSIGN(ftrace::Container container, ftrace::read_container(*file, options.in, reporter));
  VS_ASSIGN(MappedFile map, MappedFile::open(options.in));
  return DatMultiplier(options, *file, std::move(map), std::move(container)).run();
}

}  // namespace vs::bench
