#include "reader/ctf/window.h"

#include <algorithm>

namespace vs::reader::ctf {

Status Window::ensure(std::uint64_t offset, std::size_t wanted) {
  const std::uint64_t left = offset < file_size_ ? file_size_ - offset : 0;
  const auto needed = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, left));
  if (offset >= begin_ && offset <= end() && end() - offset >= needed) return {};
  const std::size_t target =
      static_cast<std::size_t>(std::min<std::uint64_t>(std::max(needed, ahead_bytes_), left));
  if (buffer_.size() < target + kSlackBytes) buffer_.resize(target + kSlackBytes);
  begin_ = offset;
  size_ = 0;
  while (size_ < target) {
    VS_ASSIGN(const std::size_t got,
              file_->read_at(offset + size_, std::span(buffer_).subspan(size_, target - size_)));
    if (got == 0) {
      file_size_ = offset + size_;  // it was cut after it had been opened
      break;
    }
    size_ += got;
  }
  return {};
}

}  // namespace vs::reader::ctf
