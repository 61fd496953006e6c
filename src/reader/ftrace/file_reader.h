#pragma once
// Small positional reads from a trace.dat file: a forward cursor that knows its place, checks every
// declared size against the file and names what it could not read.
//
// Ownership: refers to the file. Threads: one thread per cursor.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file.h"

namespace vs::reader::ftrace {

class FileReader {
 public:
  FileReader(const os::File& file, std::string name, ByteOrder order, std::uint64_t offset)
      : file_(&file), name_(std::move(name)), order_(order), offset_(offset) {}

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t remaining() const {
    return offset_ < file_->size() ? file_->size() - offset_ : 0;
  }
  void seek(std::uint64_t offset) noexcept { offset_ = offset; }

  template <std::unsigned_integral T>
  [[nodiscard]] Result<T> read(std::string_view what) {
    std::array<std::byte, sizeof(T)> bytes;
    VS_TRY(read_into(bytes, what));
    return load_unchecked<T>(bytes, 0, order_);
  }
  /// `size` bytes; refused when larger than what remains or than `limit`.
  [[nodiscard]] Result<std::vector<std::byte>> read_bytes(std::uint64_t size, std::uint64_t limit,
                                                          std::string_view limit_name,
                                                          std::string_view what);
  /// Text up to its NUL, at most `limit` characters.
  [[nodiscard]] Result<std::string> read_c_string(std::size_t limit, std::string_view what);
  [[nodiscard]] Status skip(std::uint64_t size, std::string_view what);

  [[nodiscard]] Error error(ErrorCode code, std::string what) const {
    return Error{code, std::move(what), name_ + ":" + std::to_string(offset_), ""};
  }

 private:
  [[nodiscard]] Status read_into(std::span<std::byte> out, std::string_view what);

  const os::File* file_;
  std::string name_;
  ByteOrder order_;
  std::uint64_t offset_;
};

}  // namespace vs::reader::ftrace
