#include "reader/ftrace/metadata.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace vs::reader::ftrace {
namespace {

constexpr std::size_t kSystemNameLimit = 4096;

Result<std::string> read_sized_text(FileReader& reader, std::uint64_t size, std::uint64_t limit,
                                    std::string_view limit_name, std::string_view what) {
  VS_ASSIGN(const std::vector<std::byte> bytes, reader.read_bytes(size, limit, limit_name, what));
  return std::string(as_text(bytes));
}

Status expect_magic(FileReader& reader, std::string_view magic) {
  const std::uint64_t at = reader.offset();
  VS_ASSIGN(const std::vector<std::byte> bytes,
            reader.read_bytes(magic.size() + 1, magic.size() + 1, "", magic));
  std::string_view text = as_text(bytes);
  if (text.substr(0, magic.size()) == magic && text.back() == '\0') return {};
  reader.seek(at);
  return reader.error(ErrorCode::kMalformed, fmt::format("'{}' expected", magic));
}

Status read_format(FileReader& reader, const std::string& system, Container& out) {
  const std::uint64_t at = reader.offset();
  VS_ASSIGN(const std::uint64_t size, reader.read<std::uint64_t>("the size of a format file"));
  VS_ASSIGN(std::string text, read_sized_text(reader, size, limits::kFormatFileBytes,
                                              "kFormatFileBytes", "a format file"));
  if (out.formats.size() >= limits::kEventTypes) {
    return reader.error(
        ErrorCode::kLimit,
        fmt::format("more than the limit kEventTypes of {} format files", limits::kEventTypes));
  }
  out.formats.push_back(FormatText{system, std::move(text), at});
  return {};
}

}  // namespace

Status read_header_info(FileReader& reader, Container& out) {
  VS_TRY(expect_magic(reader, "header_page"));
  VS_ASSIGN(const std::uint64_t page_size, reader.read<std::uint64_t>("the size of header_page"));
  VS_ASSIGN(out.header_page, read_sized_text(reader, page_size, limits::kFormatFileBytes,
                                             "kFormatFileBytes", "header_page"));
  VS_TRY(expect_magic(reader, "header_event"));
  VS_ASSIGN(const std::uint64_t event_size, reader.read<std::uint64_t>("the size of header_event"));
  VS_ASSIGN(out.header_event, read_sized_text(reader, event_size, limits::kFormatFileBytes,
                                              "kFormatFileBytes", "header_event"));
  return {};
}

Status read_ftrace_formats(FileReader& reader, Container& out) {
  VS_ASSIGN(const std::uint32_t count, reader.read<std::uint32_t>("the number of ftrace formats"));
  for (std::uint32_t i = 0; i < count; ++i) VS_TRY(read_format(reader, "ftrace", out));
  return {};
}

Status read_event_formats(FileReader& reader, Container& out) {
  VS_ASSIGN(const std::uint32_t systems, reader.read<std::uint32_t>("the number of event systems"));
  if (systems > limits::kEventTypes) {
    return reader.error(ErrorCode::kLimit,
                        fmt::format("{} event systems, more than the limit kEventTypes of {}",
                                    systems, limits::kEventTypes));
  }
  for (std::uint32_t i = 0; i < systems; ++i) {
    VS_ASSIGN(const std::string system, reader.read_c_string(kSystemNameLimit, "a system's name"));
    VS_ASSIGN(const std::uint32_t count,
              reader.read<std::uint32_t>("the number of a system's events"));
    for (std::uint32_t event = 0; event < count; ++event) VS_TRY(read_format(reader, system, out));
  }
  return {};
}

Status skip_text(FileReader& reader, std::string_view what) {
  VS_ASSIGN(const std::uint32_t size,
            reader.read<std::uint32_t>(fmt::format("the size of {}", what)));
  return reader.skip(size, what);
}

Status read_cmdlines(FileReader& reader, Container& out) {
  const std::uint64_t at = reader.offset();
  VS_ASSIGN(const std::uint64_t size,
            reader.read<std::uint64_t>("the size of the saved command lines"));
  VS_ASSIGN(out.saved_cmdlines, read_sized_text(reader, size, limits::kSectionBytes,
                                                "kSectionBytes", "saved command lines"));
  out.saved_cmdlines_offset = at;
  return {};
}

}  // namespace vs::reader::ftrace
