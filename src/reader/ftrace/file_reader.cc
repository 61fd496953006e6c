#include "reader/ftrace/file_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace vs::reader::ftrace {

Status FileReader::read_into(std::span<std::byte> out, std::string_view what) {
  VS_ASSIGN(const std::size_t got, file_->read_at(offset_, out));
  if (got < out.size()) {
    return error(
        ErrorCode::kTruncated,
        fmt::format("the file ends inside {}: {} bytes wanted, {} remain", what, out.size(), got));
  }
  offset_ += out.size();
  return {};
}

Result<std::vector<std::byte>> FileReader::read_bytes(std::uint64_t size, std::uint64_t limit,
                                                      std::string_view limit_name,
                                                      std::string_view what) {
  if (size > remaining()) {
    return error(ErrorCode::kTruncated,
                 fmt::format("{} claims {} bytes, {} remain", what, size, remaining()));
  }
  if (size > limit) {
    return error(ErrorCode::kLimit, fmt::format("{} claims {} bytes, more than the limit {} of {}",
                                                what, size, limit_name, limit));
  }
  std::vector<std::byte> bytes(size);
  VS_TRY(read_into(bytes, what));
  return bytes;
}

Result<std::string> FileReader::read_c_string(std::size_t limit, std::string_view what) {
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(std::min<std::uint64_t>(limit + 1, remaining())));
  VS_ASSIGN(const std::size_t got, file_->read_at(offset_, bytes));
  const std::string_view text = as_text(Bytes(bytes).first(got));
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) {
    return error(ErrorCode::kMalformed, fmt::format("{} has no end within {} bytes", what, got));
  }
  offset_ += end + 1;
  return std::string(text.substr(0, end));
}

Status FileReader::skip(std::uint64_t size, std::string_view what) {
  if (size > remaining()) {
    return error(ErrorCode::kTruncated,
                 fmt::format("{} claims {} bytes, {} remain", what, size, remaining()));
  }
  offset_ += size;
  return {};
}

}  // namespace vs::reader::ftrace
