#pragma once
// Window: the part of a file that is in memory, moved forward as a stream is read. Memory stays the
// same whatever the size of files and packets.
//
// Ownership: views are valid until the next ensure(). Threads: one at a time.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file.h"
#include "reader/ctf/program.h"

namespace vs::reader::ctf {

inline constexpr std::size_t kWindowBytes = 128U << 10;
inline constexpr std::size_t kMaxWindowBytes = 64U << 20;  ///< the largest event that can be read

class Window {
 public:
  Window() = default;
  /// Starts over with another file, which must outlive the window's use.
  void open(const os::File& file) {
    file_ = &file;
    begin_ = 0;
    size_ = 0;
    file_size_ = file.size();
  }

  /// How much is read at once where less is wanted.
  void read_ahead(std::size_t bytes) { ahead_bytes_ = bytes; }

  /// Makes file bytes [offset, offset + wanted) present, as far as the file goes. Requires
  /// wanted <= kMaxWindowBytes. On success present(offset) holds at least those.
  [[nodiscard]] Status ensure(std::uint64_t offset, std::size_t wanted);

  [[nodiscard]] std::uint64_t begin() const { return begin_; }
  [[nodiscard]] std::uint64_t end() const { return begin_ + size_; }
  /// The size of the file; shrinks when the file turns out to be shorter than when it was opened.
  [[nodiscard]] std::uint64_t file_size() const { return file_size_; }
  /// From `offset` to the end of the window. Requires begin() <= offset <= end().
  [[nodiscard]] Bytes present(std::uint64_t offset) const {
    return Bytes(buffer_).subspan(static_cast<std::size_t>(offset - begin_),
                                  static_cast<std::size_t>(end() - offset));
  }
  /// The same with kSlackBytes behind it, for Machine::set_input().
  [[nodiscard]] Bytes with_slack(std::uint64_t offset) const {
    return Bytes(buffer_).subspan(static_cast<std::size_t>(offset - begin_),
                                  static_cast<std::size_t>(end() - offset) + kSlackBytes);
  }

 private:
  const os::File* file_ = nullptr;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kSlackBytes);
  std::size_t ahead_bytes_ = kWindowBytes;
  std::uint64_t begin_ = 0;
  std::uint64_t file_size_ = 0;
  std::size_t size_ = 0;
};

}  // namespace vs::reader::ctf
